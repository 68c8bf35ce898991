//! Every command of a program, taken from its own help, so that a new one can't be forgotten.

use std::process::Command;

use crate::app::{App, Ran};

/// The program with the application's database.
pub(crate) fn command(app: &App, program: &str, arguments: &[&str]) -> Command {
    match program {
        "operations" => app.command(arguments),
        _ => app.central_command(arguments),
    }
}

/// The words of every command that has no subcommands.
pub(crate) fn all(app: &App, program: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![Vec::<String>::new()];
    while let Some(words) = open.pop() {
        let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = Ran::of(&command(app, program, &arguments).output().unwrap());
        assert_eq!(help.code, 0, "{arguments:?}: {help:?}");
        let commands = help.stdout.split_once("Commands:\n");
        let Some((_, commands)) = commands else {
            found.push(words);
            continue;
        };
        let (commands, _) = commands.split_once("\n\n").unwrap_or((commands, ""));
        let names = commands
            .lines()
            .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
            .filter(|name| *name != "help");
        open.extend(names.map(|name| [words.clone(), vec![name.to_owned()]].concat()));
    }
    assert!(found.len() > 8, "{found:?}");
    found.sort();
    found
}

/// The arguments for a command: all that read, and writes that are refused or harmless.
///
/// # Panics
///
/// A command without an entry here.
pub(crate) fn arguments(program: &str, words: &[String]) -> Vec<Vec<&'static str>> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let manifest = ["--manifest", "nowhere"];
    let all: &[&[&str]] = match words.as_slice() {
        ["apply"] => &[&["apply"], &["apply", "--by", "x"]],
        ["plan"] => &[
            &["plan"],
            &["plan", "--sql"],
            &["plan", "--format", "github"],
            &["plan", "--format", "markdown"],
        ],
        ["doctor"] => &[&["doctor"]],
        ["new"] => &[&["new", "x"], &["new", "x", "--sql", "--dir", "new"]],
        ["status"] => &[&["status"], &["status", "--all-services"]],
        ["undo"] => &[
            &["undo", "--last"],
            &["undo", "--count", "18446744073709551615"],
            &["undo", "--to", "unknown"],
            &["undo", "create-orders"],
            &["undo", "--run", "unknown"],
            &["undo", "--last", "--plan"],
        ],
        ["check"] => &[
            &["check"],
            &["check", "--wait", "1ms"],
            &["check", "--format", "github"],
            &["check", "--format", "markdown"],
        ],
        ["verify"] => &[&["verify"]],
        ["audit", "list"] => &[
            &["audit", "list"],
            &["audit", "list", "--history"],
            &["audit", "list", "--extended"],
            &["audit", "list", "--wide"],
            &["audit", "list", "--history", "--extended"],
            &["audit", "list", "orders-topic"],
            &["audit", "list", "--state", "failed"],
            &["audit", "list", "--since", "1900-01-01T00:00:00Z"],
        ],
        ["audit", "export"] => &[
            &["audit", "export"],
            &["audit", "export", "--format", "csv"],
            &["audit", "export", "orders-topic", "--since", "3d"],
        ],
        ["issue", "resolve"] => &[
            &["issue", "resolve", "unknown", "--applied", "--reason", "x"],
            &[
                "issue",
                "resolve",
                "create-orders",
                "--rolled-back",
                "--reason",
                "x",
            ],
        ],
        ["issue", "list"] => &[&["issue", "list"]],
        ["issue", "show"] => &[
            &["issue", "show", "orders-topic"],
            &["issue", "show", "orders-topic", "--guidance"],
            &["issue", "show", "unknown", "--guidance"],
            &["issue", "show", "create-orders"],
        ],
        ["lock", "status"] => &[&["lock", "status"]],
        ["lock", "release"] => &[
            &["lock", "release", "--reason", "x"],
            &["lock", "release", "--change", "unknown", "--reason", "x"],
        ],
        ["batch", "list"] => &[&["batch", "list"]],
        ["batch", "failed"] => &[&["batch", "failed", "orders-topic"]],
        ["batch", "pause"] => &[&["batch", "pause", "orders-topic", "--reason", "x"]],
        ["batch", "resume"] => &[&["batch", "resume", "unknown", "--reason", "x"]],
        ["batch", "cancel"] => &[
            &["batch", "cancel", "create-orders", "--reason", "x"],
            &["batch", "cancel", "unknown", "--rollback", "--reason", "x"],
        ],
        ["batch", "tune"] => &[&["batch", "tune", "orders-topic", "--size", "5"]],
        ["adopt"] => &[
            &["adopt", "sqlx"],
            &["adopt", "flyway", "--allow-empty"],
            &["adopt", "--from-service", "default"],
        ],
        ["baseline"] => &[&["baseline", "orders-topic", "--reason", "x"]],
        ["manifest"] => &[&["manifest"], &["manifest", "--check", "nowhere"]],
        ["schema"] => &[
            &["schema"],
            &["schema", "--upgrade"],
            &["schema", "--grants"],
        ],
        ["completions"] => &[&["completions", "bash"]],
        new => panic!("add the arguments of `{}`", new.join(" ")),
    };
    let needs_manifest = program == "flamingock" && ["adopt", "baseline"].contains(&words[0]);
    let mut calls: Vec<Vec<&str>> = all.iter().map(|call| call.to_vec()).collect();
    if needs_manifest {
        let with = calls
            .iter()
            .map(|call| [call.as_slice(), &manifest].concat());
        calls = with.collect();
    }
    calls
}
