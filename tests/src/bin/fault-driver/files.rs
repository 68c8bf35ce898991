//! The changes that are files: steps, and SQL that is sent to a server in one message.

/// A file with the name of its change.
#[derive(Debug)]
pub(crate) struct File {
    change: &'static str,
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
}

const FILES: [File; 13] = [
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
    File {
        change: "filler-1",
        name: "023__filler-1.sql",
        text: "INSERT INTO done VALUES ('t filler-1 1');",
    },
    File {
        change: "filler-2",
        name: "024__filler-2.sql",
        text: "INSERT INTO done VALUES ('t filler-2 1');",
    },
    File {
        change: "filler-3",
        name: "025__filler-3.sql",
        text: "INSERT INTO done VALUES ('t filler-3 1');",
    },
    File {
        change: "filler-4",
        name: "026__filler-4.sql",
        text: "INSERT INTO done VALUES ('t filler-4 1');",
    },
    File {
        change: "filler-5",
        name: "027__filler-5.sql",
        text: "INSERT INTO done VALUES ('t filler-5 1');",
    },
    File {
        change: "text",
        name: "030__text.sql",
        text: "
INSERT INTO done VALUES ('t text 1');
UPDATE gate SET n = n + 1;
INSERT INTO done VALUES ('t text 2');
",
    },
    File {
        change: "text-one",
        name: "031__text-one.sql",
        text: "-- flamingock: stage=seed
INSERT INTO done VALUES ('t text-one 1');
",
    },
    File {
        change: "text-two",
        name: "032__text-two.sql",
        text: "-- flamingock: stage=seed
INSERT INTO done VALUES ('t text-two 1');
UPDATE gate SET n = n + 1;
INSERT INTO done VALUES ('t text-two 2');
",
    },
    File {
        change: "file-one",
        name: "033__file-one.sql",
        text: "-- flamingock: stage=seed
INSERT INTO done VALUES ('t file-one 1');
",
    },
    File {
        change: "file-two",
        name: "034__file-two.sql",
        text: "-- flamingock: stage=seed
INSERT INTO done VALUES ('t file-two 1');
INSERT INTO done VALUES ('t file-two 2');
",
    },
];

impl File {
    /// The SQL text, whose traces have this tag.
    pub(crate) fn tagged(&self, tag: &str) -> String {
        self.text
            .replace("VALUES ('t ", &format!("VALUES ('{tag} "))
    }
}

/// Splits the names into those of files and the others.
pub(crate) fn apart(names: Vec<String>) -> (Vec<&'static File>, Vec<String>) {
    let is_file = |name: &String| FILES.iter().any(|file| file.change == name);
    let (files, names) = names.into_iter().partition::<Vec<String>, _>(is_file);
    let files = FILES
        .iter()
        .filter(|file| files.iter().any(|name| name == file.change));
    (files.collect(), names)
}
