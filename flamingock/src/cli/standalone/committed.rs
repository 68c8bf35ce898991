//! Reading the manifest that an application has committed.

use std::collections::HashMap;

use super::known::{Known, place};
use crate::audit::entry::Entry;
use crate::change::definition::{Definition, Recovery};
use crate::change::problem::Problem;
use crate::cli::source::Source;
use crate::engine::settings::Settings;
use crate::plan::manifest::Line;
use crate::plan::pipeline::Pipeline;
use crate::plan::stage::Stage;
use crate::report::error::Error;

/// The lines of a manifest.
#[derive(Clone, Debug)]
pub(super) struct Committed {
    file: String,
    lines: Vec<Line>,
}

impl Committed {
    /// Parses a manifest.
    ///
    /// # Errors
    /// Every invalid line, with its place.
    pub(super) fn parse(file: &str, text: &str) -> Result<Committed, String> {
        let mut lines = Vec::new();
        let mut problems = Vec::new();
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match Line::parse(number, line) {
                Some(line) => lines.push(line),
                None => problems.push(format!(
                    "{file}:{number}: no line of a manifest: as in `default 0001 \"create-users\" target=default transaction v1:..`, as the application's `manifest` command writes it"
                )),
            }
        }
        if problems.is_empty() {
            let file = file.to_owned();
            Ok(Committed { file, lines })
        } else {
            Err(problems.join("\n"))
        }
    }

    /// Returns the changes in the order of the manifest, with the data that the audit has about
    /// them.
    fn changes(&self, latest: &[Entry]) -> Result<Pipeline, Vec<Problem>> {
        let latest: HashMap<&str, &Entry> = latest
            .iter()
            .filter_map(|entry| Some((entry.change_id.as_deref()?, entry)))
            .collect();
        let mut stages: Vec<&str> = Vec::new();
        for line in &self.lines {
            if !stages.contains(&line.stage.as_str()) {
                stages.push(&line.stage);
            }
        }
        let stages: Vec<Stage> = stages.into_iter().map(Stage::new).collect();
        let changes: Vec<&'static Definition> = self
            .lines
            .iter()
            .map(|line| self.definition(line, latest.get(line.id.as_str()).copied()))
            .collect();
        Pipeline::build(&stages, &changes)
    }

    fn definition(&self, line: &Line, latest: Option<&Entry>) -> &'static Definition {
        let recorded = latest.map(Known::of);
        let known = Known {
            id: &line.id,
            stage: &line.stage,
            order: &line.order,
            target: &line.target,
            digest: &line.digest,
            transaction: line.transaction,
            repeat: line.repeat,
            author: recorded.as_ref().map_or("", |one| one.author),
            description: recorded.as_ref().map_or("", |one| one.description),
            recovery: recorded
                .as_ref()
                .map_or(Recovery::Manual, |one| one.recovery),
            location: place(&self.file, line.number),
        };
        known.definition()
    }
}

impl Source for Committed {
    fn has_code(&self) -> bool {
        false
    }

    fn name(&self) -> &'static str {
        "manifest"
    }

    fn without(&self) -> &'static str {
        "not in the manifest"
    }

    fn has_no(&self, id: &str) -> String {
        format!("the manifest has no change {id:?}")
    }

    fn limit_of_status(&self) -> Option<&'static str> {
        None
    }

    fn pipeline(&self, _settings: &Settings, latest: &[Entry]) -> Result<Pipeline, Error> {
        self.changes(latest).map_err(Error::invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::definition::Repeat;
    use crate::plan::manifest;

    #[test]
    fn what_a_manifest_says_is_what_is_read_again() {
        let known = |id, stage, order, target, transaction| {
            let repeats = order == "0003";
            let known = Known {
                repeat: if repeats {
                    Repeat::OnChange
                } else {
                    Repeat::Once
                },
                id,
                stage,
                order,
                target,
                author: "",
                description: "",
                recovery: Recovery::Manual,
                digest: "v1:ab",
                transaction,
                location: place("a.rs", 1),
            };
            known.definition()
        };
        let changes = [
            known("plain", "default", "0001", "default", true),
            known(
                "a \"b\" \\ target=x transaction",
                "default",
                "0002",
                "the bus",
                false,
            ),
            known("é\u{301}", "the last stage", "0001", "default", true),
            known("view", "the last stage", "0003", "default", true),
        ];
        let stages = [Stage::new("default"), Stage::new("the last stage")];
        let written = manifest::text(&Pipeline::build(&stages, &changes).unwrap());
        let read = Committed::parse("changes.lock", &written).unwrap();
        assert_eq!(read.lines.len(), 4);
        assert_eq!(manifest::text(&read.changes(&[]).unwrap()), written);
    }

    #[test]
    fn a_line_that_is_none_is_named_with_its_place() {
        let good = "default 0001 \"a\" target=default transaction v1:ab";
        for bad in [
            "default 0001 a target=default transaction v1:ab",
            "default 0001 \"a\" target=default sometimes v1:ab",
            "default 0001 \"a",
            "0001 \"a\" target=default transaction v1:ab",
            "default 0001 \"a\\q\" target=default transaction v1:ab",
        ] {
            let text = format!("# changes\n\n{good}\n{bad}\n");
            let refused = Committed::parse("changes.lock", &text).unwrap_err();
            assert!(refused.starts_with("changes.lock:4: "), "{refused}");
        }
    }
}
