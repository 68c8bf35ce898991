//! The states that are allowed after a crash and another run, by kind of change.

use super::ground::look;
use super::start::Ran;

/// The guarantee for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// All of it or nothing, and in the end all of it, without an operator.
    Once,
    /// Never twice; resolved automatically, or an issue.
    OnceOrIssue,
    /// It fails: rolled back, or an issue.
    RolledBackOrIssue,
    /// Not started as long as an earlier change needs manual resolution.
    Afterwards,
}

/// A change, and the steps whose traces it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) id: &'static str,
    pub(crate) steps: &'static [&'static str],
    pub(crate) promise: Promise,
}

pub(crate) const SHARED: Expected = Expected {
    id: "shared",
    steps: &["1", "2"],
    promise: Promise::Once,
};
pub(crate) const SEPARATE: Expected = Expected {
    id: "separate",
    steps: &["1", "2"],
    promise: Promise::Once,
};
pub(crate) const VERIFIED: Expected = Expected {
    id: "verified",
    steps: &["1"],
    promise: Promise::Once,
};
pub(crate) const AGAIN: Expected = Expected {
    id: "again",
    steps: &["1", "2"],
    promise: Promise::Once,
};
pub(crate) const LAST: Expected = Expected {
    id: "last",
    steps: &["1"],
    promise: Promise::Afterwards,
};
pub(crate) const PLAIN: Expected = Expected {
    id: "plain",
    steps: &["1", "2"],
    promise: Promise::OnceOrIssue,
};
pub(crate) const DDL: Expected = Expected {
    id: "ddl",
    steps: &["1", "2"],
    promise: Promise::OnceOrIssue,
};
pub(crate) const UNDONE: Expected = Expected {
    id: "undone",
    steps: &["1"],
    promise: Promise::RolledBackOrIssue,
};

pub(crate) const TOGETHER: Expected = Expected {
    id: "together",
    steps: &["1", "2"],
    promise: Promise::Once,
};
pub(crate) const MADE_TOGETHER: Expected = Expected {
    id: "made-together",
    steps: &["1", "2"],
    promise: Promise::OnceOrIssue,
};
pub(crate) const UNDONE_THERE: Expected = Expected {
    id: "undone-there",
    steps: &["1"],
    promise: Promise::RolledBackOrIssue,
};
pub(crate) const BESIDE: Expected = Expected {
    id: "beside",
    steps: &["1"],
    promise: Promise::Once,
};
pub(crate) const FILE_ONE: Expected = Expected {
    id: "file-one",
    steps: &["1"],
    promise: Promise::Once,
};
pub(crate) const FILE_TWO: Expected = Expected {
    id: "file-two",
    steps: &["1", "2"],
    promise: Promise::Once,
};

pub(crate) const BATCHES: Expected = Expected {
    id: "batches",
    steps: &["1", "2", "3"],
    promise: Promise::Once,
};
pub(crate) const BATCHES_THERE: Expected = Expected {
    id: "batches-there",
    steps: &["1", "2", "3"],
    promise: Promise::Once,
};

/// The changes of the atomic stage.
pub(crate) const ATOMIC: [&Expected; 4] = [&TOGETHER, &BESIDE, &FILE_ONE, &FILE_TWO];

/// The places to check.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) audit: String,
    /// The database in which the change runs.
    pub(crate) target: String,
    pub(crate) service: String,
    pub(crate) tag: String,
}

impl Scene {
    /// The default table for the traces of a driver.
    pub(crate) fn of(audit: &str, target: &str) -> Scene {
        let (audit, target) = (audit.to_owned(), target.to_owned());
        Scene {
            audit,
            target,
            service: "default".to_owned(),
            tag: "t".to_owned(),
        }
    }
}

/// The state that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The states in the audit, oldest first.
    pub(crate) states: Vec<String>,
    /// The number of traces of each step.
    pub(crate) times: Vec<usize>,
}

impl Expected {
    pub(crate) async fn look(&self, scene: &Scene) -> Found {
        let (service, id, tag) = (&scene.service, self.id, &scene.tag);
        let states = format!(
            "SELECT state FROM flamingock_audit WHERE service = '{service}' AND change_id = '{id}' ORDER BY seq"
        );
        let states = look(&scene.audit, &states).await;
        let done = format!("SELECT what FROM done WHERE what LIKE '{tag} {id} %'");
        let done = look(&scene.target, &done).await;
        let times = |step: &&str| {
            let what = format!("{tag} {id} {step}");
            done.iter().filter(|found| **found == what).count()
        };
        Found {
            states,
            times: self.steps.iter().map(times).collect(),
        }
    }

    /// Compares the state with the result of the last run.
    pub(crate) fn judge(&self, found: &Found, ran: &Ran, what: &str) {
        let result = ran.result.as_deref().unwrap_or("killed");
        let latest = found.states.last().map_or("nothing", String::as_str);
        let told = format!("{what}: {result}, {found:?}\n{}", ran.output);
        assert!(
            found.times.iter().all(|times| *times <= 1),
            "it ran twice: {told}"
        );
        let applied = found
            .states
            .iter()
            .filter(|state| *state == "APPLIED")
            .count();
        assert!(applied <= 1, "it is applied twice: {told}");
        let complete = found.times.iter().all(|times| *times == 1);
        let named = ran
            .output
            .contains(&format!("\"{}\" needs manual resolution", self.id));
        match (self.promise, result) {
            (Promise::Once | Promise::OnceOrIssue | Promise::Afterwards, "ok") => {
                assert!(complete && latest == "APPLIED", "{told}");
            }
            (Promise::Afterwards, "Issues") => {
                assert!(found.times == [0] && latest == "nothing", "{told}");
            }
            (Promise::Once | Promise::OnceOrIssue, "Issues") if latest == "APPLIED" => {
                assert!(complete && !named, "another change is the issue: {told}");
            }
            (Promise::OnceOrIssue, "Issues") => {
                assert!(named && matches!(latest, "STARTED" | "FAILED"), "{told}");
            }
            (Promise::RolledBackOrIssue, "Issues") => {
                let open = ["STARTED", "FAILED", "ROLLBACK_FAILED"];
                assert!(named && open.contains(&latest), "{told}");
            }
            (Promise::RolledBackOrIssue, "ChangesFailed") => {
                let nothing = found.times.iter().all(|times| *times == 0);
                assert!(nothing && latest == "ROLLED_BACK", "{told}");
            }
            _ => panic!("{told}"),
        }
    }
}
