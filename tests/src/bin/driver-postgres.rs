//! The driver on its database.

use flamingock_tests::on::postgres::*;

#[path = "../driver.rs"]
mod driver;

fn main() -> std::process::ExitCode {
    driver::main()
}
