//! The driver on its database.

use flamingock_tests::on::mariadb::*;

#[path = "../driver.rs"]
mod driver;

fn main() -> std::process::ExitCode {
    driver::main()
}
