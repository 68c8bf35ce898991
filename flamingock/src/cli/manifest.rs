//! The commands `manifest` and `schema`, whose output is meant for files.

use std::path::Path;

use serde_json::json;

use super::answer::Answer;
use super::arguments::Manifest;
use super::branch;
use super::failure::Failure;
use super::view::View;
use crate::engine;
use crate::plan::manifest::compare;
use crate::runner::builder::Runner;
use crate::util::visible::Visible;

pub(super) fn manifest(
    runner: &Runner,
    manifest: &Manifest,
    view: &View,
) -> Result<Answer, Failure> {
    let now = runner
        .manifest()
        .map_err(|error| Failure::of(error, &view.program))?;
    match (&manifest.check, &manifest.write) {
        (Some(file), _) => {
            let checked = check(&now, file, view)?;
            let Some(base) = &manifest.base else {
                return Ok(checked);
            };
            let pipeline = engine::pipeline_of(&runner.settings)
                .map_err(|error| Failure::of(error, &view.program))?;
            let changes: Vec<_> = pipeline.changes().collect();
            branch::check(&now, file, base, &changes, manifest.format)
        }
        (None, Some(file)) => {
            std::fs::write(file, &now).map_err(|error| {
                Failure::file(
                    &format!("could not write {}", Visible(file.display())),
                    &error,
                )
            })?;
            let text = format!("written to {}: commit it", Visible(file.display()));
            Ok(Answer::done(json!({ "written": file }), text))
        }
        (None, None) => Ok(Answer::file(json!({ "manifest": now }), now.clone())),
    }
}

fn check(now: &str, file: &Path, view: &View) -> Result<Answer, Failure> {
    let committed = std::fs::read_to_string(file).map_err(|error| {
        Failure::file(
            &format!("could not read {}", Visible(file.display())),
            &error,
        )
    })?;
    match compare(now, &committed) {
        Ok(()) => {
            let text = format!("{} is what this binary has", Visible(file.display()));
            Ok(Answer::done(json!({ "checked": file }), text))
        }
        Err(difference) => {
            let name = file.to_string_lossy();
            let write = view.program.command(&["manifest", "--write", &name]);
            let failure = Failure::refused("manifest_differs", difference);
            Err(failure.next(write, "if that is meant; then commit the file"))
        }
    }
}

pub(super) fn schema(runner: &Runner, view: &View) -> Result<Answer, Failure> {
    let schema = runner
        .schema()
        .map_err(|error| Failure::of(error, &view.program))?;
    Ok(Answer::file(json!({ "schema": schema }), schema.clone()))
}

pub(super) fn grants(runner: &Runner, view: &View) -> Result<Answer, Failure> {
    let grants = runner
        .grants()
        .map_err(|error| Failure::of(error, &view.program))?;
    let text = if grants.is_empty() {
        "-- nothing to grant: this database has no users\n".to_owned()
    } else {
        grants.clone()
    };
    Ok(Answer::file(json!({ "grants": grants }), text))
}

pub(super) async fn upgrade(runner: &Runner, view: &View) -> Result<Answer, Failure> {
    let upgrade = runner
        .schema_upgrade()
        .await
        .map_err(|error| Failure::of(error, &view.program))?;
    let text = if upgrade.is_empty() {
        "-- nothing to do: the tables have the current format, or are not there\n".to_owned()
    } else {
        upgrade.clone()
    };
    Ok(Answer::file(json!({ "upgrade": upgrade }), text))
}
