//! The settings that are tried, and the results.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// A setting, and the values that it can be set to, as SQL.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) values: Vec<String>,
}

/// How a session gets a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A statement of the pool's `after_connect`.
    Hook,
    /// By the URL.
    Url,
    /// By the database's settings for new sessions.
    Database,
}

/// One setting with one value, set in one way.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) way: Way,
}

/// The result of a case.
#[derive(Debug)]
pub(crate) enum Outcome {
    Right,
    /// Refused with the setting's name.
    Refused,
    /// Failed, with the mistake.
    Wrong(String),
}

/// The results of all settings that the server lists, before anything ran.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) cases: Vec<Case>,
    pub(crate) changed: usize,
    /// The names of the settings that could not be changed, with the last error.
    pub(crate) unchanged: Vec<String>,
}

impl Listed {
    /// The proof is meaningless if too few settings were really changed.
    pub(crate) fn check(&self, database: &str) {
        let all = self.changed + self.unchanged.len();
        println!(
            "{database}: {} of {all} settings changed; the others:",
            self.changed
        );
        for line in &self.unchanged {
            println!("  {line}");
        }
        assert!(
            self.changed * 10 >= all * 9,
            "{database}: only {} of {all} settings could be changed:\n{}",
            self.changed,
            self.unchanged.join("\n")
        );
    }

    /// The settings to try: all of them, those with one name, or a fixed share.
    pub(crate) fn share(&self, plain: usize) -> Vec<Case> {
        let mut cases = self.cases.clone();
        if let Ok(name) = std::env::var("FLAMINGOCK_TEST_SETTING") {
            cases.retain(|case| case.name == name);
        } else if !flamingock_time::is_extra() {
            cases.shuffle(&mut StdRng::seed_from_u64(1));
            cases.truncate(plain);
        }
        cases
    }
}

/// The columns of a line of the list.
pub(crate) fn columns<const N: usize>(line: &str) -> [String; N] {
    let columns: Vec<String> = line.split('|').map(str::to_owned).collect();
    columns.try_into().unwrap()
}

/// A literal of SQL.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
