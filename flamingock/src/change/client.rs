//! Whose session options a change is written for.

/// The client of a database: a text means there what it means under the options that its client sets
/// on each session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Client {
    /// sqlx, as the pool connects: of code, and of folders of sqlx.
    #[default]
    Pool,
    /// None that sets anything: of our own files, and of folders of refinery.
    Server,
    /// diesel.
    Diesel,
    /// The drivers of Go that goose uses.
    Go,
    /// The drivers of Go that dbmate, golang-migrate and Atlas use.
    LibPq,
    /// JDBC, of Flyway.
    Jdbc,
}

#[cfg(feature = "_sqlx")]
impl Client {
    /// Whether files go to PostgreSQL as one text, which the server reads before it runs the first
    /// statement: a setting in it that changes how texts are read holds behind the file only.
    pub(crate) fn sends_whole_texts(self) -> bool {
        match self {
            Client::Pool | Client::Diesel | Client::LibPq => true,
            Client::Server | Client::Go | Client::Jdbc => false,
        }
    }

    /// Whether foreign keys are left unenforced on SQLite, which is its own default.
    pub(crate) fn leaves_foreign_keys_off(self) -> bool {
        match self {
            Client::Pool | Client::Server => false,
            Client::Diesel | Client::Go | Client::LibPq | Client::Jdbc => true,
        }
    }
}
