//! The differences between kinds of servers.

use std::future::Future;
use std::io;
use std::path::Path;
use std::process::Command;

use tokio::sync::OnceCell;

use super::{Server, Shared};
use crate::backend::{Backend, TestDatabase};

/// A kind of database on a server that can be started from installed binaries.
///
/// The kinds are pure descriptions; [`Server`] implements all operations.
pub trait Hosted: Backend {
    /// The environment variable with the URL of a server to use instead of a private one.
    const URL_VARIABLE: &'static str;

    /// Queries the server for its data folder, to recognise it.
    const DATA_FOLDER: &'static str;

    /// The signal that ends the server cleanly without waiting for its clients.
    const STOP_SIGNAL: &'static str;

    /// The users to run as if this process is root, in order of preference.
    const ACCOUNTS: &'static [&'static str];

    /// The URL of the user with the right to create databases, on a private server.
    fn admin_url(port: u16) -> String;

    /// Prepares `data`, which does not exist yet.
    ///
    /// # Errors
    ///
    /// Fails if the server is not installed; the text says what to install.
    fn install(data: &Path) -> io::Result<Command>;

    /// Runs the server in the foreground on `data`.
    ///
    /// # Errors
    ///
    /// Fails if the server is not installed; the text says what to install.
    fn serve(data: &Path, port: u16) -> io::Result<Command>;

    /// The statement that creates a database.
    fn create_database(name: &str) -> String;

    /// The statement that drops a database, also while it is in use.
    fn drop_database(name: &str) -> String;

    /// The process's shared server of this kind.
    fn shared() -> &'static OnceCell<Shared<Self>>;

    /// Starts a private server for this test.
    ///
    /// # Errors
    ///
    /// Like [`Server::start`].
    fn start() -> impl Future<Output = io::Result<Server<Self>>> + Send {
        Server::start()
    }

    /// An empty database in the process's shared server.
    ///
    /// # Panics
    ///
    /// Panics if there is no such server and none can be started.
    fn fresh_in_shared() -> impl Future<Output = TestDatabase<Self>> + Send {
        async { super::shared::shared::<Self>().await.fresh().await }
    }
}
