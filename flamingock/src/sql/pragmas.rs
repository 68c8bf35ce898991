//! What only the database can tell of the text of a file, asked before anything runs: pragmas of SQLite that would
//! do nothing, and strings of MySQL and MariaDB that end elsewhere.

use super::SqlDatabase;
use super::driver::{Driver, send};
use super::store::failed;
use super::unreachable::unreachable;
use crate::argument::DatabaseKind;
use crate::audit::StoreError;
use crate::change::Body;
use crate::pipeline::Problem;
use crate::script::Script;
use crate::statements::Pragma;

/// The pragmas of scripts in a transaction that would do nothing there: what they say is not so already.
pub(super) async fn without_effect<D: Driver>(
    database: &SqlDatabase<D>,
    bodies: &[&'static Body<()>],
) -> Result<Vec<Problem>, StoreError> {
    const ACTION: &str = "could not look at the pragmas of the database";
    match D::KIND {
        DatabaseKind::Sqlite => {}
        DatabaseKind::MySql => return read_otherwise(database, bodies).await,
        DatabaseKind::Postgres => return Ok(Vec::new()),
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

/// The scripts with a backslash before a quote, where the mode of the session makes it an ordinary character:
/// the statements would be other ones than they were read as.
async fn read_otherwise<D: Driver>(
    database: &SqlDatabase<D>,
    bodies: &[&'static Body<()>],
) -> Result<Vec<Problem>, StoreError> {
    const ACTION: &str = "could not look at the mode of the session";
    let scripts = bodies.iter().filter_map(|body| body.script());
    let problems: Vec<Problem> = scripts.filter_map(Script::escapes_a_quote).collect();
    if problems.is_empty() {
        return Ok(problems);
    }
    let taken = database.connection().await;
    let mut held = taken.map_err(|error| unreachable::<D>(ACTION, &database.pool, error))?;
    let ask = "SELECT FIND_IN_SET('NO_BACKSLASH_ESCAPES', @@sql_mode) > 0 LIMIT 1".to_owned();
    let answer = send::<D>(&mut held, ask).await;
    let answer = answer.map_err(|error| failed::<D>(ACTION, error))?;
    held.return_unchanged();
    let row = answer.rows.first();
    let is_ordinary = row.map_or(Ok(None), |row| row.int(0));
    let is_ordinary = is_ordinary.map_err(|error| failed::<D>(ACTION, error))?;
    Ok(if is_ordinary == Some(1) {
        problems
    } else {
        Vec::new()
    })
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
