//! The mapping from another tool's migrations to changes, if their names do not match.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::past::PastChange;

type Function = dyn Fn(&PastChange) -> Option<String> + Send + Sync;

/// How the other tool's migrations map to changes.
#[derive(Clone, Default)]
pub(super) enum Mapping {
    /// By their names.
    #[default]
    Names,
    /// By a function of the application.
    Function(Arc<Function>),
    /// By lines; migrations that no line names map by their names.
    Lines(HashMap<String, Target>),
}

/// The target of a line in a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A change.
    Change {
        id: String,
        /// The number of the line, from 1.
        line: usize,
    },
    /// No change, on purpose.
    LeftOut,
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mapping::Names => "Names",
            Mapping::Function(_) => "Function",
            Mapping::Lines(_) => "Lines",
        })
    }
}

impl Mapping {
    /// Parses lines of the form `theirs = ours`, where `-` stands for no change.
    pub(super) fn parse(text: &str) -> Result<Mapping, Vec<String>> {
        let mut lines = HashMap::new();
        let mut problems = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((theirs, ours)) = line.rsplit_once('=') else {
                problems.push(format!(
                    "mapping, line {number}: {line:?}: write `their-id = our-id`, or `their-id = -` for what has no change here"
                ));
                continue;
            };
            let (theirs, ours) = (theirs.trim(), ours.trim());
            if theirs.is_empty() || ours.is_empty() {
                problems.push(format!(
                    "mapping, line {number}: {line:?}: an id is missing beside `=`"
                ));
                continue;
            }
            let target = match ours {
                "-" => Target::LeftOut,
                id => Target::Change {
                    id: id.to_owned(),
                    line: number,
                },
            };
            if lines.insert(theirs.to_owned(), target).is_some() {
                problems.push(format!(
                    "mapping, line {number}: {theirs:?} stands in an earlier line, too"
                ));
            }
        }
        if problems.is_empty() {
            Ok(Mapping::Lines(lines))
        } else {
            Err(problems)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_which_change_is_which() {
        let text =
            "# of the old tool\n\n20240131 = create-users\r\na.xml::x=y::ada = seed\n7 = -\n";
        let Ok(Mapping::Lines(lines)) = Mapping::parse(text) else {
            panic!("not read");
        };
        let change = |id: &str, line| Target::Change {
            id: id.to_owned(),
            line,
        };
        assert_eq!(lines["20240131"], change("create-users", 3));
        assert_eq!(lines["a.xml::x=y::ada"], change("seed", 4));
        assert_eq!(lines["7"], Target::LeftOut);
    }

    #[test]
    fn what_is_wrong_with_lines_is_all_said_with_their_numbers() {
        let problems = Mapping::parse("a\nb = \nc = x\nc = y").unwrap_err();
        let starts = [
            "mapping, line 1: \"a\": write",
            "mapping, line 2: ",
            "mapping, line 4: \"c\" stands",
        ];
        assert_eq!(problems.len(), starts.len(), "{problems:?}");
        for (problem, start) in problems.iter().zip(starts) {
            assert!(problem.starts_with(start), "{problem}");
        }
    }
}
