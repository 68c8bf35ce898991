//! One server of a kind for all tests of a process.

use std::{env, io, ops};

use super::{Access, Hosted, MariaDb, Postgres, Server};

/// A server that tests share: given by URL or started for this process. It only offers databases,
/// so tests cannot disturb each other.
#[derive(Debug)]
pub struct Shared<H: Hosted> {
    access: Access<H>,
    /// Lives as long as the process; its keeper ends it then.
    _server: Option<Server<H>>,
}

impl<H: Hosted> ops::Deref for Shared<H> {
    type Target = Access<H>;

    fn deref(&self) -> &Access<H> {
        &self.access
    }
}

/// The shared PostgreSQL: that of `FLAMINGOCK_TEST_POSTGRES_URL`, otherwise one of this process.
///
/// # Panics
///
/// Panics if there is no URL and no private server can be started; the text says what to install.
pub async fn postgres() -> &'static Shared<Postgres> {
    shared().await
}

/// The shared MariaDB: that of `FLAMINGOCK_TEST_MYSQL_URL`, otherwise one of this process.
///
/// # Panics
///
/// Panics if there is no URL and no private server can be started; the text says what to install.
pub async fn mariadb() -> &'static Shared<MariaDb> {
    shared().await
}

pub(crate) async fn shared<H: Hosted>() -> &'static Shared<H> {
    H::shared()
        .get_or_try_init(connect_or_start::<H>)
        .await
        .unwrap_or_else(|error| panic!("{error}\nor set {} to a server's URL", H::URL_VARIABLE))
}

async fn connect_or_start<H: Hosted>() -> io::Result<Shared<H>> {
    if let Some(url) = env::var(H::URL_VARIABLE).ok().filter(|url| !url.is_empty()) {
        return Ok(Shared {
            access: Access::new(url),
            _server: None,
        });
    }
    let server = Server::<H>::start().await?;
    let access = Access::new(H::admin_url(server.port()));
    Ok(Shared {
        access,
        _server: Some(server),
    })
}
