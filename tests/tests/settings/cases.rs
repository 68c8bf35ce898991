//! Which settings are tried, and what came of them.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// A setting, and the texts that it may be set to, as they stand behind its name.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) values: Vec<String>,
}

/// How a session comes by a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A statement of the pool's `after_connect`.
    Hook,
    /// What the URL says.
    Url,
    /// What the database says to each new session.
    Database,
}

/// One setting at one value, by one way.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) way: Way,
}

/// What came of a case.
#[derive(Debug)]
pub(crate) enum Outcome {
    Right,
    /// By the setting's name.
    Refused,
    /// With what is wrong.
    Wrong(String),
}

/// What came of all that the server lists, before anything ran.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) cases: Vec<Case>,
    pub(crate) changed: usize,
    /// The names of those that could not be set to anything else than they are, with the last error.
    pub(crate) unchanged: Vec<String>,
}

impl Listed {
    /// The proof is worth nothing where too few were really changed.
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

    /// Those to try: all of them, those of one name, or so many, always the same.
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
