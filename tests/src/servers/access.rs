//! A server in which databases can be created, private or not.

use std::marker::PhantomData;

use super::Hosted;
use crate::address::Address;
use crate::backend::{Cleanup, TestDatabase};
use crate::sql;

/// Access to a server, as a user with the right to create databases.
#[derive(Debug)]
pub struct Access<H: Hosted> {
    admin_url: String,
    kind: PhantomData<H>,
}

impl<H: Hosted> Access<H> {
    pub(crate) fn new(admin_url: String) -> Self {
        Self {
            admin_url,
            kind: PhantomData,
        }
    }

    /// The URL of the user with the right to create databases.
    #[must_use]
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// The same server and user, another database.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        Address::parse(&self.admin_url)
            .with_database(database)
            .url()
    }

    /// The port that the server listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        Address::parse(&self.admin_url).port
    }

    /// Creates an empty database.
    ///
    /// # Errors
    ///
    /// Fails if the server can't be reached or refuses.
    pub async fn create_database(&self, name: &str) -> Result<(), sqlx::Error> {
        sql::once::<H::Db>(&self.admin_url, &H::create_database(name))
            .await
            .map(drop)
    }

    /// An empty database with a random name, dropped with the value.
    ///
    /// # Panics
    ///
    /// Fails if the server can't be reached or refuses.
    pub async fn fresh(&self) -> TestDatabase<H> {
        let name = format!("flamingock_test_{:016x}", rand::random::<u64>());
        if let Err(error) = self.create_database(&name).await {
            panic!(
                "{} at {}: no new database: {error}",
                H::NAME,
                self.admin_url
            );
        }
        let cleanup = Cleanup::Statement {
            admin_url: self.admin_url.clone(),
            sql: H::drop_database(&name),
        };
        TestDatabase::new(self.url(&name), cleanup)
    }
}
