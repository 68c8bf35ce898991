//! Runs a command with database servers that live as long as it does:
//! `with-servers cargo test --workspace`.
//!
//! Servers that the environment names are used as they are; the others are started, and the command
//! finds their URLs in the same variables.

use std::process::{Command, ExitCode};
use std::{env, io};

use flamingock_tests::{Hosted, MariaDb, Postgres, Server};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run().await.unwrap_or_else(|error| {
        eprintln!("with-servers: {error}");
        ExitCode::FAILURE
    })
}

async fn run() -> io::Result<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: with-servers <command> [argument...]");
        return Ok(ExitCode::from(2));
    };
    let (postgres, mariadb) =
        tokio::try_join!(unless_given::<Postgres>(), unless_given::<MariaDb>())?;

    let mut command = Command::new(program);
    command.args(arguments);
    if let Some(postgres) = &postgres {
        command.env(Postgres::URL_VARIABLE, postgres.admin_url());
        // The own server has no certificate. A driver with TLS would ask for one first, which
        // proxies of tests would see as another message.
        command.env("PGSSLMODE", "disable");
    }
    if let Some(mariadb) = &mariadb {
        command.env(MariaDb::URL_VARIABLE, mariadb.admin_url());
    }
    let status = command.status()?;
    // A signal has no exit code of its own; shells report it as a failure as well.
    Ok(ExitCode::from(
        status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(1),
    ))
}

async fn unless_given<H: Hosted>() -> io::Result<Option<Server<H>>> {
    match env::var_os(H::URL_VARIABLE).is_some_and(|url| !url.is_empty()) {
        true => Ok(None),
        false => H::start().await.map(Some),
    }
}
