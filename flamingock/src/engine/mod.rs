//! One run from its beginning to its end: prepare, acquire the lock, run the stages, report.

pub(crate) mod acquire;
pub(crate) mod background;
#[cfg(all(feature = "testing", feature = "_sqlx"))]
pub(crate) mod clone_key;
pub(crate) mod collect;
pub(crate) mod execute;
pub(crate) mod facts;
pub(crate) mod formats;
pub(crate) mod judge;
pub(crate) mod lanes;
pub(crate) mod mode;
pub(crate) mod notify;
pub(crate) mod prepare;
pub(crate) mod preview;
pub(crate) mod progress;
pub(crate) mod report_builder;
pub(crate) mod request;
pub(crate) mod script_checks;
pub(crate) mod second_history;
pub(crate) mod settings;
pub(crate) mod stage;
pub(crate) mod stages;
pub(crate) mod undo;
pub(crate) mod verify;
pub(crate) mod wait_ready;

#[cfg(all(feature = "testing", feature = "_sqlx"))]
pub(crate) use self::clone_key::clone_key;
pub(crate) use self::collect::{manifest, open_with_pipeline, pipeline_of};
pub(crate) use self::facts::{facts, facts_at};
pub(crate) use self::formats::find_out as find_out_formats;
pub(crate) use self::preview::{look, plan};
pub(crate) use self::request::{Request, serve};
pub(crate) use self::second_history::{at_work, open, refuse as refuse_a_second_history};
pub(crate) use self::undo::plan_undo;
pub(crate) use self::verify::verify;
pub(crate) use crate::util::random::new_id;
