//! Collects the changes of a run from the linker, files and the runner, and opens the store.

use super::formats;
use super::settings::Settings;
use crate::change::definition::Definition;
use crate::change::problem::Problem;
use crate::plan::manifest;
use crate::plan::pipeline::Pipeline;
use crate::report::error::Error;
use crate::source::files::Templates;
use crate::source::registry;
use crate::target::storage::Storage;

/// Collects the changes of the run, and builds their pipeline.
pub(super) fn pipeline(
    settings: &Settings,
    problems: &mut Vec<Problem>,
) -> (Vec<&'static Definition>, Pipeline) {
    let mut templates = templates(settings).unwrap_or_else(|found| {
        problems.extend(found);
        Templates::default()
    });
    if let Some(formats) = settings.formats.get() {
        templates.formats.clone_from(formats);
    }
    let definitions = if settings.changes.is_none() && settings.folders.is_empty() {
        registry::collect(&templates).unwrap_or_else(|found| {
            problems.extend(found);
            Vec::new()
        })
    } else {
        let (of_files, found) = registry::of_folders(&settings.folders, &templates);
        problems.extend(found);
        let listed = settings.changes.iter().flatten().copied();
        listed.chain(of_files).collect()
    };
    let pipeline = Pipeline::build(&settings.stages, &definitions).unwrap_or_else(|found| {
        problems.extend(found);
        Pipeline::default()
    });
    (definitions, pipeline)
}

/// Returns the templates that files can name: the built-in ones, those that the linker collected,
/// and those of the runner.
#[cfg(feature = "templates")]
fn templates(settings: &Settings) -> Result<Templates, Vec<Problem>> {
    let collected = registry::FLAMINGOCK_TEMPLATES_0_1.iter();
    Templates::new(collected.chain(&settings.templates).copied())
}

/// Without the feature there are no templates.
#[cfg(not(feature = "templates"))]
#[expect(clippy::unnecessary_wraps, reason = "the feature's signature")]
fn templates(_settings: &Settings) -> Result<Templates, Vec<Problem>> {
    Ok(Templates::default())
}

/// Opens the store for an operation that only reads or records, after the same checks of names and
/// settings as before a run.
pub(crate) fn open_storage(settings: &Settings) -> Result<Storage, Error> {
    let mut problems = settings.problems();
    let storage = settings.storage.open(&settings.for_storage());
    match storage {
        Ok(storage) if problems.is_empty() => return Ok(storage),
        Ok(_) => {}
        Err(found) => problems.extend(found),
    }
    Err(Error::invalid(problems))
}

/// Opens the store, and builds the pipeline that a run would have.
pub(crate) fn open_with_pipeline(settings: &Settings) -> Result<(Storage, Pipeline), Error> {
    let mut problems = Vec::new();
    let storage = match open_storage(settings) {
        Err(error) => {
            problems.extend(error.into_problems()?);
            None
        }
        Ok(storage) => Some(storage),
    };
    let (_, pipeline) = pipeline(settings, &mut problems);
    match storage {
        Some(storage) if problems.is_empty() => Ok((storage, pipeline)),
        _ => Err(Error::invalid(problems)),
    }
}

/// Builds the pipeline that a run would have.
pub(crate) fn pipeline_of(settings: &Settings) -> Result<Pipeline, Error> {
    let mut problems = Vec::new();
    let (_, pipeline) = pipeline(settings, &mut problems);
    if problems.is_empty() {
        Ok(pipeline)
    } else {
        Err(Error::invalid(problems))
    }
}

/// Returns the manifest of the changes that a run would have.
pub(crate) fn manifest(settings: &Settings) -> Result<String, Error> {
    formats::decide_adopted(settings);
    let (_, pipeline) = open_with_pipeline(settings)?;
    let questions = formats::questions(settings);
    if questions.is_empty() {
        Ok(manifest::text(&pipeline))
    } else {
        Err(Error::invalid(questions))
    }
}
