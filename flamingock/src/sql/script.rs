//! SQL of a file on a connection of its target system.

use flamingock_sqlx_audit::{Backend, Conn};

use crate::argument::Session;
use crate::change::{Answer, BoxError};
use crate::script::Script;

/// Runs a script on the connection that a change is given.
pub(crate) fn call<'a>(
    script: &'static Script,
    transaction: bool,
    session: Session<'a, '_>,
) -> Answer<'a, ()> {
    match session {
        Session::None(_) => Box::pin(async { Err("there is no connection for it".into()) }),
        #[cfg(feature = "sqlite")]
        Session::Sqlite(connection) => Box::pin(run::<flamingock_sqlx_audit::Sqlite>(
            connection,
            script,
            transaction,
        )),
        #[cfg(feature = "sqlite")]
        Session::SqliteTransaction(open) => Box::pin(run::<flamingock_sqlx_audit::Sqlite>(
            &mut **open,
            script,
            transaction,
        )),
        #[cfg(feature = "postgres")]
        Session::Postgres(connection) => Box::pin(run::<flamingock_sqlx_audit::Postgres>(
            connection,
            script,
            transaction,
        )),
        #[cfg(feature = "postgres")]
        Session::PostgresTransaction(open) => Box::pin(run::<flamingock_sqlx_audit::Postgres>(
            &mut **open,
            script,
            transaction,
        )),
        #[cfg(feature = "mysql")]
        Session::MySql(connection) => Box::pin(run::<flamingock_sqlx_audit::MySql>(
            connection,
            script,
            transaction,
        )),
        #[cfg(feature = "mysql")]
        Session::MySqlTransaction(open) => Box::pin(run::<flamingock_sqlx_audit::MySql>(
            &mut **open,
            script,
            transaction,
        )),
    }
}

async fn run<D: Backend>(
    connection: &mut Conn<D>,
    script: &'static Script,
    _transaction: bool,
) -> Result<(), BoxError> {
    let progress = D::run(connection, script.text.to_owned(), "").await;
    match progress.error {
        None => Ok(()),
        Some(error) => Err(error.into()),
    }
}
