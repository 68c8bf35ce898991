//! The driver on its database.

use flamingock_tests::on::sqlite::*;

#[path = "../driver.rs"]
mod driver;

fn main() -> std::process::ExitCode {
    driver::main()
}
