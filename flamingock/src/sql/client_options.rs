//! PostgreSQL: the session options that sqlx sets, reset for scripts that were written for another
//! client.
//!
//! sqlx sets `DateStyle` and `TimeZone` when it connects, and no connection option prevents that.
//! The values that the session would have without sqlx are read from the catalogue and, if the user
//! may read them, from the server's configuration files.

use flamingock_sqlx_audit::{Backend, Conn, Failure, Postgres};

use super::driver::{Result, send};
use crate::change::client::Client;

/// Lists the options that the client set for the session, each with the value of its role or
/// database, and whether the session may read the server's configuration files.
const SQLX_OPTIONS: &str = "SELECT s.name, (SELECT substr(c, strpos(c, '=') + 1)
  FROM pg_catalog.pg_db_role_setting r, unnest(r.setconfig) AS c
  WHERE r.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
  AND r.setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user))
  AND lower(split_part(c, '=', 1)) = lower(s.name)
  ORDER BY (r.setrole <> 0) DESC, (r.setdatabase <> 0) DESC LIMIT 1),
  has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'execute')::int::text
FROM pg_catalog.pg_settings s WHERE s.name IN ('DateStyle', 'TimeZone') AND s.source = 'client'";

const FILE_SETTING: &str = "SELECT setting FROM pg_catalog.pg_file_settings WHERE applied AND lower(name) = lower('%name%')";

/// The statements that undo the options of sqlx, and the options whose own value cannot be
/// determined.
#[derive(Debug, Default)]
pub(super) struct ClientOptions {
    pub(super) text: String,
    pub(super) unknown: Vec<String>,
}

/// Reads the values that the session would have without sqlx. Options that the pool's hooks set are
/// left alone.
pub(super) async fn client_options(
    connection: &mut Conn<Postgres>,
    client: Client,
) -> Result<ClientOptions> {
    let answer = match send::<Postgres>(connection, SQLX_OPTIONS.to_owned()).await {
        Err(error) if Postgres::classify(&error) == Failure::Disconnected => return Err(error),
        Err(error) => {
            tracing::debug!(%error, "could not read the server's own DateStyle and TimeZone");
            return Ok(ClientOptions::default());
        }
        Ok(answer) => answer,
    };
    let (mut texts, mut unknown) = (Vec::new(), Vec::new());
    for mut row in answer.rows {
        let (name, from_catalogue, can_read_files) =
            (row.text(0), row.optional(1), row.text(2) == "1");
        // Diesel sets the same time zone as sqlx, and libpq the same date style.
        match (name.as_str(), client) {
            ("TimeZone", Client::Diesel) | ("DateStyle", Client::LibPq) => continue,
            _ => {}
        }
        let mut value = from_catalogue;
        if value.is_none() && can_read_files {
            let text = FILE_SETTING.replace("%name%", &name);
            let mut answer = send::<Postgres>(connection, text).await?;
            value = answer.rows.first_mut().and_then(|row| row.optional(0));
        }
        match value {
            Some(value) => texts.push(set_config(&name, &value)),
            None => unknown.push(name.clone()),
        }
        if name == "DateStyle" && client == Client::Jdbc {
            texts.push(set_config(&name, "ISO"));
        }
    }
    Ok(ClientOptions {
        text: texts.join("; "),
        unknown,
    })
}

fn set_config(name: &str, value: &str) -> String {
    let value = value.replace('\'', "''");
    format!("SELECT pg_catalog.set_config('{name}', '{value}', false)")
}
