//! Functions that the attribute macros accept and refuse: one file per case in `tests/ui`.
//!
//! `pass/*.rs` are programs that run. `fail/*.rs` do not compile, and the `.stderr` file next to
//! each contains the compiler's messages. They differ between compilers, so they are those of one
//! version, which continuous integration uses; `TRYBUILD=overwrite` rewrites them.

use std::process::Command;

/// The compiler whose messages the `.stderr` files hold.
const RUSTC: &str = "1.95.0";

#[test]
fn macros_accept_and_refuse_as_documented() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("--version")
        .output()
        .expect("rustc answers");
    let version = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        version.split_whitespace().nth(1),
        Some(RUSTC),
        "the messages in tests/ui are those of rustc {RUSTC}: run this test with \
         `cargo +{RUSTC} test -p flamingock-tests --test build ui`, or move to another compiler by \
         changing the version here and in the CI workflow, and `TRYBUILD=overwrite`"
    );
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}
