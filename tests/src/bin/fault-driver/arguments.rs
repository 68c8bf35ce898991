//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use flamingock::Definition;

use crate::files::{self, File};
use crate::script::Script;

/// How a run is stopped before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopping {
    /// By a request to stop.
    Ask,
    /// Its future is dropped, and another run begins in the same process, with the same pool.
    Drop,
    /// Its future is dropped, and the process ends at once.
    Leave,
}

/// The command line.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) audit: String,
    pub(crate) target: Option<String>,
    pub(crate) changes: Vec<String>,
    pub(crate) service: String,
    pub(crate) tag: String,
    pub(crate) lease: Duration,
    pub(crate) wait: Duration,
    pub(crate) pool: u32,
    pub(crate) hold: Vec<(String, PathBuf)>,
    pub(crate) die_at: Option<usize>,
    pub(crate) stop_at: Option<(Stopping, usize)>,
    pub(crate) parallel: usize,
    pub(crate) undo: Option<usize>,
    pub(crate) resolve: Option<String>,
    pub(crate) issues: bool,
    /// Whether the changes run in the background.
    pub(crate) background: bool,
    pub(crate) files: Vec<&'static File>,
}

impl Arguments {
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Arguments {
        let mut read = Arguments {
            audit: String::new(),
            target: None,
            changes: Vec::new(),
            service: "default".to_owned(),
            tag: "t".to_owned(),
            lease: Duration::from_secs(2),
            wait: Duration::from_secs(10),
            pool: 2,
            hold: Vec::new(),
            die_at: None,
            stop_at: None,
            parallel: 1,
            undo: None,
            resolve: None,
            issues: false,
            background: false,
            files: Vec::new(),
        };
        while let Some(name) = words.next() {
            let value = words
                .next()
                .unwrap_or_else(|| panic!("{name} has no value"));
            match name.as_str() {
                "--audit" => read.audit = value,
                "--target" => read.target = Some(value),
                "--changes" => {
                    let names = value.split(',').map(str::to_owned);
                    (read.files, read.changes) = files::apart(names.collect());
                }
                "--service" => read.service = value,
                "--tag" => read.tag = value,
                "--lease" => read.lease = millis(&value),
                "--wait" => read.wait = millis(&value),
                "--pool" => read.pool = value.parse().unwrap(),
                "--hold" => {
                    let (point, file) = value.split_once('=').unwrap();
                    read.hold.push((point.to_owned(), PathBuf::from(file)));
                }
                "--die-at" => read.die_at = Some(value.parse().unwrap()),
                "--ask-at" => read.stop_at = Some((Stopping::Ask, value.parse().unwrap())),
                "--drop-at" => read.stop_at = Some((Stopping::Drop, value.parse().unwrap())),
                "--leave-at" => read.stop_at = Some((Stopping::Leave, value.parse().unwrap())),
                "--parallel" => read.parallel = value.parse().unwrap(),
                "--undo" => read.undo = Some(value.parse().unwrap()),
                "--resolve" => read.resolve = Some(value),
                "--phase" => read.background = value == "background",
                "--issues" => read.issues = value == "list",
                _ => panic!("unknown argument {name}"),
            }
        }
        read
    }

    pub(crate) fn script(&self) -> Script {
        Script {
            tag: self.tag.clone(),
            hold: self.hold.clone(),
        }
    }

    /// The changes on the other database, in its SQL dialect.
    pub(crate) fn others(&self) -> Vec<&'static Definition> {
        let Some(url) = self.target.as_deref() else {
            return Vec::new();
        };
        if url.starts_with("sqlite") {
            crate::sqlite::changes::separate()
        } else if url.starts_with("postgres") {
            crate::postgres::changes::separate()
        } else {
            crate::mariadb::changes::separate()
        }
    }
}

fn millis(text: &str) -> Duration {
    Duration::from_millis(text.parse().unwrap())
}
