//! The settings of a run.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::mode::Mode;
use crate::adopt::adoption::Adoption;
use crate::audit::tables::TableNames;
use crate::change::argument::Values;
use crate::change::definition::Definition;
use crate::change::names;
use crate::change::names::DEFAULT;
use crate::change::pace::Pace;
use crate::change::problem::Problem;
use crate::change::secret::{Environment, SecretResolver};
use crate::listener::LISTENER_TIMEOUT;
use crate::listener::api::Listener;
use crate::lock::options::LockOptions;
use crate::plan::policy::Policy;
use crate::plan::stage::Stage;
use crate::source::files::{Decided, EmbeddedFolder};
#[cfg(feature = "templates")]
use crate::source::template::Template;
use crate::target::settings::StorageSettings;
use crate::target::storage::OpenStorage;
use crate::target::system::TargetSystem;

/// How long a change waits for a lock of its database by default.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum lease: a day.
const LONGEST_LEASE: Duration = Duration::from_secs(24 * 60 * 60);

/// The settings of a run.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) storage: Arc<dyn OpenStorage>,
    pub(crate) service: String,
    pub(crate) independent: bool,
    pub(crate) targets: Vec<TargetSystem>,
    /// Whether one of them takes the place of the audit's database.
    pub(crate) has_default_target: bool,
    pub(crate) values: Values,
    pub(crate) stages: Vec<Stage>,
    pub(crate) parallel_stages: usize,
    pub(crate) changes: Option<Vec<&'static Definition>>,
    pub(crate) folders: Vec<&'static EmbeddedFolder>,
    /// Determined when a run begins.
    pub(crate) formats: OnceLock<Vec<Decided>>,
    #[cfg(feature = "templates")]
    pub(crate) templates: Vec<&'static Template>,
    pub(crate) secrets: Arc<dyn SecretResolver>,
    pub(crate) lock: LockOptions,
    pub(crate) lock_timeout: Option<Duration>,
    pub(crate) tables: TableNames,
    pub(crate) create_tables: bool,
    pub(crate) allow_untested: bool,
    pub(crate) tags: Vec<String>,
    pub(crate) policy: Policy,
    pub(crate) mode: Option<Mode>,
    pub(crate) metadata: serde_json::Map<String, serde_json::Value>,
    pub(crate) operator: Option<String>,
    pub(crate) app_version: Option<String>,
    pub(crate) manifest: Option<String>,
    pub(crate) adopt_verified: bool,
    /// Whether a look counts the changes in the background, too.
    pub(crate) with_background: bool,
    /// The pace of changes in batches.
    pub(crate) pace: Pace,
    pub(crate) adoptions: Vec<Adoption>,
    pub(crate) listeners: Vec<Arc<dyn Listener>>,
    pub(crate) listener_timeout: Duration,
}

impl Settings {
    /// Creates the default settings.
    pub(crate) fn new(storage: Box<dyn OpenStorage>) -> Settings {
        Settings {
            storage: storage.into(),
            service: DEFAULT.to_owned(),
            independent: false,
            targets: Vec::new(),
            has_default_target: false,
            values: Values::default(),
            stages: Vec::new(),
            parallel_stages: 1,
            changes: None,
            folders: Vec::new(),
            formats: OnceLock::new(),
            #[cfg(feature = "templates")]
            templates: Vec::new(),
            secrets: Arc::new(Environment),
            lock: LockOptions::default(),
            lock_timeout: Some(LOCK_TIMEOUT),
            tables: TableNames::default(),
            create_tables: true,
            allow_untested: false,
            tags: Vec::new(),
            policy: Policy::default(),
            mode: None,
            metadata: serde_json::Map::new(),
            operator: None,
            app_version: None,
            manifest: None,
            adopt_verified: false,
            with_background: false,
            pace: Pace::default(),
            adoptions: Vec::new(),
            listeners: Vec::new(),
            listener_timeout: LISTENER_TIMEOUT,
        }
    }

    /// Returns the settings for one run; the runner can be used again.
    pub(crate) fn for_a_run(&self) -> Settings {
        Settings {
            formats: OnceLock::new(),
            ..self.clone()
        }
    }

    /// Returns the problems with names and durations. Commands that only read or record follow the
    /// same rules as runs: under a name that a run would refuse, MySQL finds the rows of another
    /// service.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = names::problem("service", &self.service)
            .into_iter()
            .chain(
                self.targets
                    .iter()
                    .filter_map(|target| names::problem_in_manifest("target system", &target.name)),
            )
            .chain(
                self.stages
                    .iter()
                    .filter_map(|stage| names::problem_in_manifest("stage", &stage.name)),
            )
            .chain(
                self.operator
                    .iter()
                    .filter_map(|name| names::problem("operator", name)),
            )
            .map(Problem::general)
            .collect();
        let own = (!self.has_default_target).then_some(DEFAULT);
        let mut given: HashSet<&str> = own.into_iter().collect();
        for target in &self.targets {
            if !given.insert(&target.name) {
                problems.push(Problem::general(format!(
                    "the target system {:?} is given twice{}",
                    target.name,
                    if target.name == DEFAULT {
                        ": \"default\" is the database of the audit, unless `Runner::default_target` names another one"
                    } else {
                        ""
                    }
                )));
            }
        }
        for (name, duration) in [("lease", self.lock.lease), ("poll", self.lock.poll)] {
            if duration.is_zero() {
                problems.push(Problem::general(format!("the lock's {name} is zero")));
            } else if duration > LONGEST_LEASE {
                problems.push(Problem::general(format!(
                    "the lock's {name} is longer than a day"
                )));
            }
        }
        problems
    }

    /// Returns the settings that a store and the databases need.
    pub(crate) fn for_storage(&self) -> StorageSettings {
        StorageSettings {
            tables: self.tables.clone(),
            lock: self.lock,
            lock_timeout: self.lock_timeout,
            allow_untested: self.allow_untested,
            parallel_stages: self.parallel_stages,
        }
    }

    /// Returns the mode: that of the code, otherwise that of the environment.
    pub(crate) fn mode(&self) -> Result<Mode, Problem> {
        self.mode.map_or_else(Mode::from_environment, Ok)
    }

    /// Reports whether the runner's tags select a change. A change without tags always runs. One
    /// with tags runs if the runner has one of them and excludes none.
    pub(crate) fn selects(&self, change: &Definition) -> bool {
        let has = |tag: &str| change.tags.contains(&tag);
        let excluded = self
            .tags
            .iter()
            .filter_map(|tag| tag.strip_prefix('!'))
            .any(has);
        let mut wanted = self.tags.iter().filter(|tag| !tag.starts_with('!'));
        !excluded && (change.tags.is_empty() || wanted.any(|tag| has(tag)))
    }
}
