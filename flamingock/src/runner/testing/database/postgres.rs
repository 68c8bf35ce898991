//! PostgreSQL copies a database by `CREATE DATABASE .. TEMPLATE`.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Postgres};

use super::{Clonable, Fill, Made, TemplateOf, is_old, new_name};
use crate::util::boxed::BoxError;

/// How the names of templates begin.
const TEMPLATE: &str = "flamingock_template_";

/// Locks the making and the removal of templates.
const LOCK: &str = "hashtext('flamingock templates')";

#[async_trait]
impl Clonable for Postgres {
    async fn make(url: &str, of: &TemplateOf, fill: Fill<'_, Postgres>) -> Result<Made, BoxError> {
        let options = PgConnectOptions::from_str(url)?;
        let mut admin = PgConnection::connect_with(&options).await?;
        let template = format!("{TEMPLATE}{}_{}", of.build, of.changes);
        let name = new_name();
        loop {
            if is_ready(&mut admin, &template).await? {
                match clone(&mut admin, &template, &name).await {
                    Ok(()) => break,
                    // Another build of this program has removed it meanwhile.
                    Err(error) if has_code(&error, "3D000") => {}
                    Err(error) => return Err(error.into()),
                }
            } else {
                make_template(&mut admin, &options, of, &template, fill).await?;
            }
        }
        admin.close().await?;
        let url = options.clone().database(&name).to_url_lossy().to_string();
        Ok(Made {
            url,
            remove: Box::new(move || Box::pin(remove(options, name))),
        })
    }
}

async fn run(connection: &mut PgConnection, text: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(text))
        .execute(connection)
        .await
        .map(drop)
}

fn has_code(error: &sqlx::Error, code: &str) -> bool {
    let error = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    error.is_some_and(|found| found == code)
}

/// Reports whether the template is there and complete: only then it has a comment.
async fn is_ready(admin: &mut PgConnection, template: &str) -> Result<bool, sqlx::Error> {
    let text = "SELECT shobj_description(oid, 'pg_database') IS NOT NULL FROM pg_database WHERE datname = $1";
    let found: Option<bool> = sqlx::query_scalar(text)
        .bind(template)
        .fetch_optional(admin)
        .await?;
    Ok(found.unwrap_or_default())
}

/// Makes the template, unless another process has made it meanwhile.
async fn make_template(
    admin: &mut PgConnection,
    options: &PgConnectOptions,
    of: &TemplateOf,
    template: &str,
    fill: Fill<'_, Postgres>,
) -> Result<(), BoxError> {
    run(admin, format!("SELECT pg_advisory_lock({LOCK})")).await?;
    let made = async {
        if is_ready(admin, template).await? {
            return Ok(());
        }
        remove_stale(admin, of).await?;
        run(
            admin,
            format!("DROP DATABASE IF EXISTS {template} WITH (FORCE)"),
        )
        .await?;
        run(admin, format!("CREATE DATABASE {template}")).await?;
        let pool = PgPoolOptions::new()
            .connect_with(options.clone().database(template))
            .await?;
        fill(pool).await?;
        // A copy is refused as long as a session is connected.
        run(
            admin,
            format!("ALTER DATABASE {template} WITH ALLOW_CONNECTIONS false"),
        )
        .await?;
        run(admin, end_sessions(template)).await?;
        let comment = format!("COMMENT ON DATABASE {template} IS '{}'", comment(of));
        run(admin, comment).await?;
        Ok(())
    };
    let made: Result<(), BoxError> = made.await;
    run(admin, format!("SELECT pg_advisory_unlock({LOCK})")).await?;
    made
}

fn end_sessions(template: &str) -> String {
    format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{template}'")
}

/// Copies the template. A session that was just ended may be there for a moment.
async fn clone(admin: &mut PgConnection, template: &str, name: &str) -> Result<(), sqlx::Error> {
    const IN_USE: &str = "55006";
    let mut tries = 0;
    loop {
        let text = format!("CREATE DATABASE {name} TEMPLATE {template}");
        match run(admin, text).await {
            Err(error) if has_code(&error, IN_USE) && tries < 100 => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            done => return done,
        }
    }
}

/// Returns the comment of a complete template.
fn comment(of: &TemplateOf) -> String {
    format!("flamingock {} {}", of.program, of.build)
}

/// Removes the templates of earlier builds of this program, and the databases of tests that have
/// ended long ago.
async fn remove_stale(admin: &mut PgConnection, of: &TemplateOf) -> Result<(), sqlx::Error> {
    const STALE: &str = "SELECT datname FROM pg_database, shobj_description(oid, 'pg_database') AS comment \
         WHERE datname ~ '^flamingock_template_[A-Za-z0-9_]+$' AND comment LIKE $1 || ' %' AND comment <> $2";
    const TESTS: &str =
        "SELECT datname FROM pg_database WHERE datname LIKE 'flamingock\\_test\\_%'";
    let stale = sqlx::query_scalar(STALE);
    let stale = stale
        .bind(format!("flamingock {}", of.program))
        .bind(comment(of));
    let mut names: Vec<String> = stale.fetch_all(&mut *admin).await?;
    let tests: Vec<String> = sqlx::query_scalar(TESTS).fetch_all(&mut *admin).await?;
    names.extend(tests.into_iter().filter(|name| is_old(name)));
    for name in names {
        run(
            admin,
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        )
        .await?;
    }
    Ok(())
}

async fn remove(options: PgConnectOptions, name: String) -> Result<(), BoxError> {
    let mut admin = PgConnection::connect_with(&options).await?;
    run(
        &mut admin,
        format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
    )
    .await?;
    admin.close().await?;
    Ok(())
}
