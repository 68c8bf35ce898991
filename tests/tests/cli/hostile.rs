//! Texts that anyone with write access to the database can put in front of an operator: no command
//! prints them raw.

pub(crate) mod tables;
mod texts;

use std::process::{Command, Stdio};
use std::time::Duration;

use flamingock_tests::{Backend, Driver, Postgres, Sqlite, block_until, execute, scenarios};

use self::tables::{literal, poison};
use self::texts::{HOSTILE, check_characters, check_text, without_colors};
use crate::app::{App, Ran};
use crate::commands;
use crate::progress::{let_go, slow_topic};

scenarios!(sqlite, postgres, mariadb; every_command_escapes_texts_of_the_database, texts_of_the_lock_are_escaped);

async fn every_command_escapes_texts_of_the_database<B: Backend>() {
    let database = B::fresh().await;
    let app = App::on(&database.url);
    assert_eq!(app.run_with("BROKER_DOWN", "1", &["apply"]).code, 1);
    let pool = database.pool(2).await;
    poison::<B>(&pool).await;
    let mut count = 0;
    for program in ["operations", "flamingock"] {
        for command in commands::all(&app, program) {
            for arguments in commands::arguments(program, &command) {
                check_command(&app, program, &arguments).await;
                count += 1;
            }
        }
    }
    assert!(count > 30, "{count}");
}

async fn check_command(app: &App, program: &str, arguments: &[&str]) {
    for flag in [&[][..], &["-v"], &["-vv"], &["--json"]] {
        let all = [arguments, flag].concat();
        let what = format!("{program} {all:?}");
        let command = commands::command(app, program, &all);
        let ran = Driver::spawn(command.into()).unwrap();
        let ended = ran.finish(Duration::from_secs(60)).await.unwrap();
        let code = ended.status.code();
        assert!(code.is_some_and(|code| code != 101), "{what}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{what}: {ended:?}");
        if flag == ["--json"] {
            let document: Result<serde_json::Value, _> = serde_json::from_str(&ended.stdout);
            assert!(document.is_ok(), "{what}: {ended:?}");
        }
        let is_script = arguments[0] == "completions";
        if !is_script {
            check_text(&what, &ended.stdout);
        }
        check_text(&what, &ended.stderr);
    }
}

async fn texts_of_the_lock_are_escaped<B: Backend>() {
    let database = B::fresh().await;
    let pool = database.pool(2).await;
    let app = App::on(&database.url);
    let topic = slow_topic(&app);
    let holding = Driver::spawn(app.command(&["apply"]).into()).unwrap();
    block_until("the second change runs", || {
        app.json(&["status"]).1["changes"][1]["status"] == "running"
    });
    let hostile = literal::<B>(HOSTILE);
    execute(
        &pool,
        &format!("UPDATE flamingock_lock SET owner = {hostile}"),
    )
    .await;
    execute(
        &pool,
        &format!("UPDATE flamingock_lease SET activity = {hostile}"),
    )
    .await;
    let fix = [
        "issue",
        "resolve",
        "orders-topic",
        "--applied",
        "--reason",
        "x",
    ];
    for arguments in [
        &["lock", "status"][..],
        &["status"],
        &["status", "--all-services"],
        &["issue", "list"],
        &["issue", "show", "orders-topic", "--guidance"],
        &fix,
    ] {
        for program in ["operations", "flamingock"] {
            check_command(&app, program, arguments).await;
        }
    }
    let ran = app.run(&fix);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.stderr.contains("\\u{1b}]52;c;"), "{ran:?}");
    let_go(&topic);
    let ended = holding.finish(Duration::from_secs(60)).await.unwrap();
    assert!(ended.status.success(), "{ended:?}");
}

#[tokio::test]
async fn repeated_arguments_are_escaped() {
    let app = App::on_a_file();
    assert_eq!(app.run(&["apply"]).code, 0);
    for program in ["operations", "flamingock"] {
        for arguments in [
            &[HOSTILE][..],
            &["audit", HOSTILE],
            &["audit", "list", "--state", HOSTILE],
            &["audit", "list", "--since", HOSTILE],
            &["audit", "list", HOSTILE],
            &["issue", "show", HOSTILE],
            &["issue", "resolve", HOSTILE, "--applied", "--reason", "x"],
            &["audit", "fix", "-c", "x", "-r", HOSTILE, "--reason", "x"],
            &["adopt", HOSTILE],
            &["adopt", "--from-service", HOSTILE],
            &["adopt", "sqlx", "--table", HOSTILE],
            &["adopt", "sqlx", "--target", HOSTILE],
            &["adopt", "sqlx", "--map", HOSTILE],
            &["baseline", HOSTILE, "--reason", "x"],
            &["undo", HOSTILE],
            &["undo", "--count", HOSTILE],
            &["undo", "--run", HOSTILE],
            &["manifest", "--check", HOSTILE],
            &["manifest", "--write", "no/where\u{1b}[2K\nforged"],
            &["status", "--service", HOSTILE],
            &["status", "--prefix", HOSTILE],
            &["status", "--schema", HOSTILE],
            &["status", "--manifest", HOSTILE],
            &["status", "--database-url", HOSTILE],
            &["status", "--database-url", "sqlite:x\u{1b}[2K\nforged"],
        ] {
            check_command(&app, program, arguments).await;
        }
    }
}

/// The raw output of the program in a terminal of 80 columns.
fn in_a_terminal(app: &App, line: &str) -> String {
    let mut script = Command::new("script");
    let line = format!("stty cols 80 rows 24 -onlcr; {line}");
    script.args(["-qec", &line, "/dev/null"]);
    app.surround(&mut script);
    script.env("TERM", "xterm").stdin(Stdio::null());
    Ran::of(&script.output().unwrap()).stdout
}

#[tokio::test]
async fn terminal_gets_only_the_colors_of_the_program() {
    let database = Sqlite::fresh().await;
    let app = App::on(&database.url);
    assert_eq!(app.run_with("BROKER_DOWN", "1", &["apply"]).code, 1);
    let pool = database.pool(1).await;
    poison::<Sqlite>(&pool).await;
    for line in [
        "operations status",
        "operations status -v",
        "operations apply -vv",
        "operations audit list --history",
        "operations audit list --extended",
        "operations issue show orders-topic --guidance",
        "operations lock status",
        "operations plan",
    ] {
        let text = in_a_terminal(&app, line);
        // The progress line is overwritten.
        let text = text.replace('\r', "").replace("\u{1b}[2K", "");
        let plain = without_colors(&text);
        check_characters(line, &plain);
        // A cell may be broken before any word, except in the first column.
        assert!(
            !plain.contains("\nforged") && !plain.contains("\nerror: forged"),
            "{plain}"
        );
        let forged = text.matches("\u{1b}[31m").count();
        assert!(
            !text.contains("x\u{1b}[31m"),
            "{line}: {forged} in {text:?}"
        );
        if line.ends_with("status") {
            assert!(text.contains('\u{1b}'), "{line}: {text:?}");
        }
    }
}

/// Rust prints a panic before it can be caught.
#[test]
fn panic_of_a_change_is_printed_escaped() {
    for flags in [&[][..], &["-vv"], &["--json"]] {
        let app = App::on_a_file();
        let ran = app.run_with("BROKER_PANICS", HOSTILE, &[&["apply"][..], flags].concat());
        assert_eq!(ran.code, 1, "{ran:?}");
        check_text("standard error", &ran.stderr);
        check_text("standard output", &ran.stdout);
        assert!(ran.stderr.contains("panicked at "), "{ran:?}");
        assert!(ran.stderr.contains("broker.rs"), "{ran:?}");
        let (code, document) = app.json(&["issue", "list"]);
        assert_eq!(code, 0, "{document}");
        assert!(document.to_string().contains("forged"), "{document}");
    }
    // Text that a terminal shows unchanged is left to the program's own hook.
    let app = App::on_a_file();
    let ran = app.run_with("BROKER_PANICS", "it is not there", &["apply"]);
    assert!(ran.stderr.contains("RUST_BACKTRACE"), "{ran:?}");
    assert!(ran.stderr.contains("it is not there"), "{ran:?}");
}

#[test]
fn passwords_are_not_repeated() {
    let app = App::on_a_file();
    assert_eq!(app.run_with("BROKER_DOWN", "1", &["apply"]).code, 1);
    for url in [
        "postgres://ada:sesame@127.0.0.1:1/x",
        "postgres://ada:sesame/1@127.0.0.1:1/x",
        "postgres://ada:ses?sesame@127.0.0.1:1/x",
        "postgres://ada:12/sesame@127.0.0.1:1/x",
        "postgres://ada:sesame#1@127.0.0.1:1/x",
        "postgres://ada:sesame%1@127.0.0.1:1/x",
        "postgres://127.0.0.1:1/x?user=ada&password=sesame",
        "mysql://ada:sesame@127.0.0.1:1/x?password=sesame",
        "mysql://ada:@sesame@127.0.0.1:nothing/x",
    ] {
        let option = format!("--database-url={url}");
        for program in ["operations", "flamingock"] {
            for arguments in [
                &["--database-url", url, "status"][..],
                &[&option, "status"],
                &["status", url],
                &["status", "--wrong", &option],
                &["audit", "list", "--state", url],
                &[&option, "issue", "show", "orders-topic", "--guidance"],
                &["--password", "sesame", "status"],
                &["status", "--db-password=sesame"],
            ] {
                for flags in [&[][..], &["--json"], &["-vv"]] {
                    let all = [arguments, flags].concat();
                    let ran = Ran::of(&commands::command(&app, program, &all).output().unwrap());
                    assert_ne!(ran.code, 0, "{program} {all:?}: {ran:?}");
                    let text = format!("{}{}", ran.stdout, ran.stderr);
                    assert!(!text.contains("sesame"), "{program} {all:?}: {text}");
                }
            }
        }
    }
}

#[test]
fn url_with_an_unencoded_password_gets_a_hint() {
    let app = App::on_a_file();
    for (password, hint) in [
        ("ses/ame", "%2F"),
        ("ses?ame", "%3F"),
        ("ses#ame", "%23"),
        ("12/34", "%2F"),
        ("12#34", "%23"),
        ("ses%ame", "%25"),
        ("ses@me", "%40"),
    ] {
        for product in ["postgres", "mysql"] {
            let url = format!("{product}://ada:{password}@127.0.0.1:1/x");
            let ran = app.central(&["status", "--database-url", &url]);
            assert!([2, 5].contains(&ran.code), "{url}: {ran:?}");
            assert!(ran.stderr.contains(hint), "{url}: {ran:?}");
            assert!(!ran.stderr.contains(password), "{url}: {ran:?}");
        }
    }
}

#[tokio::test]
async fn suggested_command_names_the_variable_of_a_password() {
    let database = Postgres::fresh().await;
    let sign = if database.url.contains('?') { '&' } else { '?' };
    let app = App::on(&format!("{}{sign}password=sesame", database.url));
    assert_eq!(app.run_with("BROKER_DOWN", "1", &["apply"]).code, 1);
    let guidance = "--service orders issue show orders-topic --guidance";
    let line = format!("flamingock --database-url \"$DATABASE_URL\" {guidance}");
    let ran = app.shell(&line);
    assert!(!ran.stdout.contains("sesame"), "{ran:?}");
    let fix = ran
        .stdout
        .lines()
        .find(|line| line.contains("issue resolve") && line.contains("--rolled-back"));
    let fix = fix.unwrap().trim();
    let expected = "flamingock --database-url \"$DATABASE_URL\" --service orders issue resolve";
    assert!(fix.starts_with(expected), "{fix}");
    assert_eq!(app.shell(&fix.replace("...", "looked")).code, 0, "{fix}");
}
