//! Private database servers, started from installed binaries in a temporary folder.
//!
//! A [`Server`] belongs to one test, which can kill, stop, pause and restart it. The servers of
//! [`postgres`] and [`mariadb`] are shared by the whole process and offer databases only.

mod access;
mod galera;
mod hosted;
mod keeper;
mod mariadb;
mod ports;
mod postgres;
mod programs;
mod server;
mod server_process;
mod shared;

pub use access::Access;
pub use galera::Galera;
pub use hosted::Hosted;
pub use mariadb::MariaDb;
pub use ports::free_port;
pub use postgres::Postgres;
pub(crate) use programs::{program, program_in};
pub use server::Server;
pub(crate) use server_process::ServerProcess;
pub use shared::{Shared, mariadb, postgres};
