//! Checks of files that need a session, before anything runs: pragmas of SQLite that have no effect
//! in a transaction, and strings whose end depends on a setting of the session.

use super::database::SqlDatabase;
use super::driver::{Driver, send};
use super::error::store_error;
use super::run_script::quoting;
use crate::audit::store_error::StoreError;
use crate::change::body::Body;
use crate::change::problem::Problem;
use crate::statements::Pragma;
use crate::util::database_kind::DatabaseKind;

/// Returns a problem for each pragma that has no effect in a transaction, unless its value is set
/// already.
pub(super) async fn without_effect<D: Driver>(
    database: &SqlDatabase<D>,
    bodies: &[&'static Body<()>],
) -> Result<Vec<Problem>, StoreError> {
    const ACTION: &str = "could not look at the pragmas of the database";
    match D::KIND {
        DatabaseKind::Sqlite => {}
        DatabaseKind::MySql | DatabaseKind::Postgres => {
            return problems_by_quoting(database, bodies).await;
        }
    }
    let scripts = bodies.iter().filter(|body| body.transaction);
    let scripts = scripts.filter_map(|body| body.script());
    let mut scripts = scripts.filter(|script| !script.pragmas_without_effect().is_empty());
    let Some(first) = scripts.next() else {
        return Ok(Vec::new());
    };
    let mut connection = database.connection_for(ACTION).await?;
    let mut problems = Vec::new();
    for script in std::iter::once(first).chain(scripts) {
        for pragma in script.pragmas_without_effect() {
            let ask = format!("PRAGMA {}", pragma.name);
            let answer = send::<D>(&mut connection, ask).await;
            let mut answer = answer.map_err(|error| store_error::<D>(ACTION, error))?;
            let current = answer.rows.first_mut().map(|row| row.text(0));
            if current.is_none_or(|current| !is_already_set(&pragma, &current)) {
                problems.push(script.without_effect(&pragma));
            }
        }
    }
    connection.return_unchanged();
    Ok(problems)
}

/// Returns the problems of scripts that could not be read before, because the session determines
/// what their quotes mean.
async fn problems_by_quoting<D: Driver>(
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
    let mut connection = database.connection_for(ACTION).await?;
    let quoting = quoting::<D>(&mut connection, first.0).await;
    let quoting = quoting.map_err(|error| store_error::<D>(ACTION, error))?;
    connection.return_unchanged();
    let scripts = std::iter::once(first).chain(scripts);
    let problems = scripts
        .filter_map(|(script, transaction)| script.problem_as(D::KIND, quoting, transaction));
    Ok(problems.collect())
}

/// Reports whether a pragma requests the current value.
fn is_already_set(pragma: &Pragma, current: &str) -> bool {
    let requested = match (pragma.name.as_str(), pragma.value.as_str()) {
        ("auto_vacuum", "none") => "0",
        ("auto_vacuum", "full") => "1",
        ("auto_vacuum", "incremental") => "2",
        ("encoding", "utf8") => "utf-8",
        ("encoding", "utf16") => "utf-16",
        (_, requested) => requested,
    };
    let current = current.to_ascii_lowercase();
    // The current value names the byte order of the machine.
    current == requested
        || pragma.name == "encoding" && requested == "utf-16" && current.starts_with("utf-16")
}
