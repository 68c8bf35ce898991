//! What only the database can tell of the text of a file, asked before anything runs: pragmas of SQLite that would
//! do nothing, and strings that end where a setting of the session says.

use super::database::SqlDatabase;
use super::driver::{Driver, send};
use super::error::failed;
use super::error::unreachable;
use super::run_script::quoting;
use crate::audit::store_error::StoreError;
use crate::change::body::Body;
use crate::change::problem::Problem;
use crate::statements::Pragma;
use crate::util::database_kind::DatabaseKind;

/// The pragmas of scripts in a transaction that would do nothing there: what they say is not so already.
pub(super) async fn without_effect<D: Driver>(
    database: &SqlDatabase<D>,
    bodies: &[&'static Body<()>],
) -> Result<Vec<Problem>, StoreError> {
    const ACTION: &str = "could not look at the pragmas of the database";
    match D::KIND {
        DatabaseKind::Sqlite => {}
        DatabaseKind::MySql | DatabaseKind::Postgres => {
            return unfit_as_quoted(database, bodies).await;
        }
    }
    let scripts = bodies.iter().filter(|body| body.transaction);
    let scripts = scripts.filter_map(|body| body.script());
    let mut scripts = scripts.filter(|script| !script.pragmas_without_effect().is_empty());
    let Some(first) = scripts.next() else {
        return Ok(Vec::new());
    };
    let taken = database.connection().await;
    let mut held = taken.map_err(|error| unreachable::<D>(ACTION, &database.pool, error))?;
    let mut problems = Vec::new();
    for script in std::iter::once(first).chain(scripts) {
        for pragma in script.pragmas_without_effect() {
            let ask = format!("PRAGMA {}", pragma.name);
            let answer = send::<D>(&mut held, ask).await;
            let mut answer = answer.map_err(|error| failed::<D>(ACTION, error))?;
            let now = answer.rows.first_mut().map(|row| row.text(0));
            if now.is_none_or(|now| !says(&pragma, &now)) {
                problems.push(script.without_effect(&pragma));
            }
        }
    }
    held.return_unchanged();
    Ok(problems)
}

/// What keeps scripts from being run that were not read yet, since the session says what their quotes mean.
async fn unfit_as_quoted<D: Driver>(
    database: &SqlDatabase<D>,
    bodies: &[&'static Body<()>],
) -> Result<Vec<Problem>, StoreError> {
    const ACTION: &str = "could not look at the settings of the session";
    let scripts = bodies
        .iter()
        .filter_map(|body| Some((body.script()?, body.transaction)));
    let mut scripts = scripts.filter(|(script, _)| script.depends_on_quoting(D::KIND));
    let Some(first) = scripts.next() else {
        return Ok(Vec::new());
    };
    let taken = database.connection().await;
    let mut held = taken.map_err(|error| unreachable::<D>(ACTION, &database.pool, error))?;
    let quoting = quoting::<D>(&mut held, first.0).await;
    let quoting = quoting.map_err(|error| failed::<D>(ACTION, error))?;
    held.return_unchanged();
    let scripts = std::iter::once(first).chain(scripts);
    let problems = scripts
        .filter_map(|(script, transaction)| script.problem_as(D::KIND, quoting, transaction));
    Ok(problems.collect())
}

/// Whether a pragma says what is so already.
fn says(pragma: &Pragma, now: &str) -> bool {
    let said = match (pragma.name.as_str(), pragma.value.as_str()) {
        ("auto_vacuum", "none") => "0",
        ("auto_vacuum", "full") => "1",
        ("auto_vacuum", "incremental") => "2",
        ("encoding", "utf8") => "utf-8",
        ("encoding", "utf16") => "utf-16",
        (_, said) => said,
    };
    let now = now.to_ascii_lowercase();
    // UTF-16 is that of the machine.
    now == said || pragma.name == "encoding" && said == "utf-16" && now.starts_with("utf-16")
}
