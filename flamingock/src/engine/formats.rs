//! Determining which of two tools wrote a folder whose file names fit both, by the history in the
//! database.

use super::settings::Settings;
use crate::adopt;
use crate::adopt::Tool;
use crate::adopt::adoption::Adoption;
use crate::change::names::DEFAULT;
use crate::change::problem::Problem;
use crate::report::error::Error;
use crate::source::files::EmbeddedFolder;
use crate::source::registry;
use crate::target::database::Database;

/// Determines the tool of every ambiguous folder, and keeps it in the settings. Asks the database
/// only if there is such a folder. A history that is being adopted counts, too.
pub(crate) async fn find_out(
    settings: &Settings,
    adopting: Option<&Adoption>,
) -> Result<(), Error> {
    let folders = undecided(settings);
    if folders.is_empty() {
        return Ok(());
    }
    // Problems of the settings are reported when the run is prepared.
    let Ok(storage) = settings.storage.open(&settings.for_storage()) else {
        return Ok(());
    };
    let adoptions: Vec<Adoption> = settings.adoptions.iter().chain(adopting).cloned().collect();
    let mut problems = Vec::new();
    let mut formats = Vec::new();
    for (folder, file) in folders {
        let name = folder.target().unwrap_or(DEFAULT);
        let mut targets = settings.targets.iter().chain([&storage.target]);
        let target = targets.find(|target| target.name == name);
        let Some(database) = target.and_then(|target| target.database.as_deref()) else {
            continue;
        };
        match format(&adoptions, database).await? {
            Ok(format) => formats.push((folder.address(), format)),
            Err(why) => problems.push(Problem::general(question(&file, name, why))),
        }
    }
    if problems.is_empty() {
        settings.formats.get_or_init(|| formats);
        Ok(())
    } else {
        Err(Error::invalid(problems))
    }
}

/// Returns the folders of a run.
fn folders(settings: &Settings) -> Vec<&'static EmbeddedFolder> {
    if settings.changes.is_none() && settings.folders.is_empty() {
        registry::FLAMINGOCK_FOLDERS_0_1.to_vec()
    } else {
        settings.folders.clone()
    }
}

/// Returns the warnings about files that their tools ignore.
pub(super) fn passed_over(settings: &Settings) -> impl Iterator<Item = String> {
    let formats = settings.formats.get().map_or(&[][..], Vec::as_slice);
    let folders = folders(settings).into_iter();
    folders.filter_map(move |folder| folder.passed_over(formats))
}

/// Returns the ambiguous folders, each with the first file that fits both tools.
fn undecided(settings: &Settings) -> Vec<(&'static EmbeddedFolder, String)> {
    if settings.formats.get().is_some() {
        return Vec::new();
    }
    let folders = folders(settings).into_iter();
    folders
        .filter_map(|folder| Some((folder, folder.fits_two()?)))
        .collect()
}

/// Decides without a database: the tool whose history is adopted is the folder's tool.
pub(super) fn decide_adopted(settings: &Settings) {
    let Some(format) = adopted(&settings.adoptions) else {
        return;
    };
    let folders = undecided(settings).into_iter();
    let decided: Vec<_> = folders
        .map(|(folder, _)| (folder.address(), format))
        .collect();
    if !decided.is_empty() {
        settings.formats.get_or_init(|| decided);
    }
}

/// Returns the questions about folders that are still ambiguous, if no database is asked.
pub(super) fn questions(settings: &Settings) -> Vec<Problem> {
    let folders = undecided(settings).into_iter();
    let questions = folders.map(|(folder, file)| {
        let name = folder.target().unwrap_or(DEFAULT);
        question(&file, name, "is not asked which of them it was")
    });
    questions.map(Problem::general).collect()
}

/// Returns the format of the tool whose history is adopted, for a new environment.
fn adopted(adoptions: &[Adoption]) -> Option<&'static str> {
    let is_adopted = |tool| adopt::is_adopted(adoptions, tool);
    match (is_adopted(Tool::Sqlx), is_adopted(Tool::GolangMigrate)) {
        (true, false) => Some("sqlx"),
        (false, true) => Some("golang-migrate"),
        (true, true) | (false, false) => None,
    }
}

async fn format(
    adoptions: &[Adoption],
    database: &dyn Database,
) -> Result<Result<&'static str, &'static str>, Error> {
    let has = async |tool| {
        let table = adopt::table_of(adoptions, tool);
        let there = adopt::has_history(tool, table, database).await;
        there.map_err(Error::store)
    };
    let (sqlx, golang) = (has(Tool::Sqlx).await?, has(Tool::GolangMigrate).await?);
    Ok(match (sqlx, golang) {
        (true, false) => Ok("sqlx"),
        (false, true) => Ok("golang-migrate"),
        (true, true) => Err("has a history of each"),
        (false, false) => adopted(adoptions).ok_or("has no history of either"),
    })
}

fn question(file: &str, target: &str, why: &str) -> String {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!(
        "{file}: both sqlx and golang-migrate name files so, and the target {target:?} {why}. sqlx runs each file in a transaction, golang-migrate adds none. Write `include_files!({folder:?}, format = \"sqlx\")` or `include_files!({folder:?}, format = \"golang-migrate\")`"
    )
}
