//! Closed standard output and standard error, and times and numbers at the end of their range.

use std::process::Stdio;

use flamingock_tests::block_until;

use crate::app::App;
use crate::commands;

/// A pipe whose reader is gone.
fn broken() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn no_command_panics_when_its_output_is_closed() {
    let app = App::on_a_file();
    assert_eq!(app.run_with("BROKER_DOWN", "1", &["apply"]).code, 1);
    for program in ["operations", "flamingock"] {
        for command in commands::all(&app, program) {
            for arguments in commands::arguments(program, &command) {
                for flag in [&[][..], &["-vv"], &["--json"], &["--wrong"], &["--help"]] {
                    let all = [&arguments, flag].concat();
                    let mut command = commands::command(&app, program, &all);
                    command.stdout(broken()).stderr(broken());
                    let mut child = command.spawn().unwrap();
                    let mut ended = None;
                    block_until("the program has ended", || {
                        ended = child.try_wait().unwrap();
                        ended.is_some()
                    });
                    let code = ended.and_then(|status| status.code());
                    let known = [0, 1, 2, 3, 4, 5, 10];
                    assert!(
                        code.is_some_and(|code| known.contains(&code)),
                        "{program} {all:?}: {code:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn closed_output_is_no_failure() {
    let app = App::on_a_file();
    for (line, code) in [
        ("operations apply >&- 2>&-", 0),
        ("operations status >&- 2>&-", 0),
        ("operations status -vv 2>&-", 0),
        ("operations nothing >&- 2>&-", 2),
        ("operations undo nothing >&- 2>&-", 2),
    ] {
        assert_eq!(app.shell(line).code, code, "{line}");
    }
}

#[test]
fn every_time_is_parsed_or_refused() {
    let app = App::on_a_file();
    assert_eq!(app.run(&["apply"]).code, 0);
    let entries = |since: &str| {
        let (code, document) = app.json(&["audit", "list", "--since", since]);
        assert_eq!(code, 0, "{since}: {document}");
        document["entries"].as_array().unwrap().len()
    };
    for past in [
        "1970-01-01T00:00:00Z",
        "1969-12-31",
        "1970-01-01T00:30:00+01:00",
        "1969-12-31T23:59:59Z",
        "1969-12-31T23:59:59.999999-00:30",
        "1900-02-28T00:00:00Z",
        "1066-10-14T09:00:00+23:59",
        "0001-01-01T00:00:00Z",
        "0000-01-01T00:00:00+23:59",
    ] {
        assert_eq!(entries(past), 3, "{past}");
    }
    for future in [
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59.999999999Z",
        "9999-12-31T23:59:59-23:59",
    ] {
        assert_eq!(entries(future), 0, "{future}");
    }
    for wrong in [
        "1900-13-01T00:00:00Z",
        "1900-02-30T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "-001-01-01T00:00:00Z",
        "2026-01-01T00:00:00+24:00",
        "",
    ] {
        let ran = app.run(&["audit", "list", "--since", wrong]);
        assert_eq!(ran.code, 2, "{wrong}: {ran:?}");
        assert!(!ran.stderr.contains("panicked"), "{wrong}: {ran:?}");
    }
}
