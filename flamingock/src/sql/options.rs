//! PostgreSQL: the options that sqlx sets on each session, taken back where a text was not written for sqlx.
//!
//! sqlx names `DateStyle` and `TimeZone` when it connects, and no option of a connection changes that. What
//! a session would have without that can be asked for, as far as the catalogue and the right to read the
//! server's files tell.

use flamingock_sqlx_audit::{Backend, Conn, Failure, Postgres};

use super::driver::send;
use crate::change::client::Client;

type Result<T> = std::result::Result<T, sqlx::Error>;

/// The options that a session still has from its client, each with what its role or its database would give
/// it, and whether the server's files may be read.
const ASKED: &str = "SELECT s.name, (SELECT substr(c, strpos(c, '=') + 1)
  FROM pg_catalog.pg_db_role_setting r, unnest(r.setconfig) AS c
  WHERE r.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
  AND r.setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user))
  AND lower(split_part(c, '=', 1)) = lower(s.name)
  ORDER BY (r.setrole <> 0) DESC, (r.setdatabase <> 0) DESC LIMIT 1),
  has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'execute')::int::text
FROM pg_catalog.pg_settings s WHERE s.name IN ('DateStyle', 'TimeZone') AND s.source = 'client'";

const OF_FILES: &str = "SELECT setting FROM pg_catalog.pg_file_settings WHERE applied AND lower(name) = lower('%name%')";

/// What makes a session of sqlx one of another client, and the options of which that can't be found.
#[derive(Debug, Default)]
pub(super) struct Adapting {
    pub(super) text: String,
    pub(super) unknown: Vec<String>,
}

/// Asks what the session would have without sqlx. What the pool's hooks have set stays.
pub(super) async fn adapting(connection: &mut Conn<Postgres>, client: Client) -> Result<Adapting> {
    let asked = match send::<Postgres>(connection, ASKED.to_owned()).await {
        Err(error) if Postgres::classify(&error) == Failure::Disconnected => return Err(error),
        Err(error) => {
            tracing::debug!(%error, "could not ask for the server's own DateStyle and TimeZone");
            return Ok(Adapting::default());
        }
        Ok(asked) => asked,
    };
    let (mut texts, mut unknown) = (Vec::new(), Vec::new());
    for mut row in asked.rows {
        let (name, of_catalogue, reads_files) = (row.text(0), row.optional(1), row.text(2) == "1");
        // Some set the one or the other as sqlx does.
        match (name.as_str(), client) {
            ("TimeZone", Client::Diesel) | ("DateStyle", Client::LibPq) => continue,
            _ => {}
        }
        let mut value = of_catalogue;
        if value.is_none() && reads_files {
            let text = OF_FILES.replace("%name%", &name);
            let mut answer = send::<Postgres>(connection, text).await?;
            value = answer.rows.first_mut().and_then(|row| row.optional(0));
        }
        match value {
            Some(value) => texts.push(set(&name, &value)),
            None => unknown.push(name.clone()),
        }
        if name == "DateStyle" && client == Client::Jdbc {
            texts.push(set(&name, "ISO"));
        }
    }
    Ok(Adapting {
        text: texts.join("; "),
        unknown,
    })
}

fn set(name: &str, value: &str) -> String {
    let value = value.replace('\'', "''");
    format!("SELECT pg_catalog.set_config('{name}', '{value}', false)")
}
