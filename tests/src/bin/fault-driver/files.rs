//! The changes that are files, of three steps each.

/// A file by the name of its change.
#[derive(Debug)]
pub(crate) struct File {
    change: &'static str,
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
}

const FILES: [File; 3] = [
    File {
        change: "steps",
        name: "020__steps.yaml",
        text: "
template: trace
transaction: false
steps:
  - apply: { add: steps 1 }
    rollback: { remove: steps 1 }
  - apply: { add: steps 2 }
    rollback: { remove: steps 2 }
  - apply: { add: steps 3 }
    rollback: { remove: steps 3 }
",
    },
    File {
        change: "steps-again",
        name: "021__steps-again.yaml",
        text: "
template: trace
transaction: false
recovery: retry
steps:
  - apply: { remove: again 1, add: again 1 }
  - apply: { remove: again 2, add: again 2 }
",
    },
    File {
        change: "steps-back",
        name: "022__steps-back.yaml",
        text: "
template: trace
transaction: false
steps:
  - apply: { add: back 1 }
    rollback: { remove: back 1 }
  - apply: { add: back 2 }
    rollback: { remove: back 2 }
  - apply: { add: back 3, fail: true }
    rollback: { remove: back 3 }
",
    },
];

/// The files among the names, and the names that are none.
pub(crate) fn apart(names: Vec<String>) -> (Vec<&'static File>, Vec<String>) {
    let is_file = |name: &String| FILES.iter().any(|file| file.change == name);
    let (files, names) = names.into_iter().partition::<Vec<String>, _>(is_file);
    let files = FILES
        .iter()
        .filter(|file| files.iter().any(|name| name == file.change));
    (files.collect(), names)
}
