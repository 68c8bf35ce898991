//! The client for which a change was written, which determines its session options.

/// The client of a database. The meaning of an SQL text depends on the options that the client sets
/// in each session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Client {
    /// sqlx, as the pool connects: for code, and for folders of sqlx.
    #[default]
    Pool,
    /// No client that sets options: for Flamingock's own files, and for folders of refinery.
    Server,
    /// diesel.
    Diesel,
    /// The Go drivers that goose uses.
    Go,
    /// The Go drivers that dbmate, golang-migrate and Atlas use.
    LibPq,
    /// JDBC, which Flyway uses.
    Jdbc,
}

#[cfg(feature = "_sqlx")]
impl Client {
    /// Reports whether files are sent to PostgreSQL as a single message. The server parses it
    /// before it runs the first statement, so a setting that changes how texts are parsed takes
    /// effect only after the file.
    pub(crate) fn sends_whole_texts(self) -> bool {
        match self {
            Client::Pool | Client::Diesel | Client::LibPq => true,
            Client::Server | Client::Go | Client::Jdbc => false,
        }
    }

    /// Reports whether foreign keys are not enforced on SQLite, which is SQLite's own default.
    pub(crate) fn leaves_foreign_keys_off(self) -> bool {
        match self {
            Client::Pool | Client::Server => false,
            Client::Diesel | Client::Go | Client::LibPq | Client::Jdbc => true,
        }
    }
}
