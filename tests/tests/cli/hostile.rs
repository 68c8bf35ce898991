//! Texts that anyone with write access to the database can put in front of an operator: no command
//! prints them raw.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use flamingock_tests::{
    Backend, Driver, Postgres, Sqlite, block_until, execute, scenarios, strings, try_execute,
};
use sqlx::Pool;

use crate::app::{App, Ran};
use crate::commands;
use crate::progress::{let_go, slow_topic};

scenarios!(sqlite, postgres, mariadb; every_command_escapes_texts_of_the_database, texts_of_the_lock_are_escaped);

/// Colors, an overwritten line, the clipboard, additional lines, text that runs backwards, and
/// invisible characters.
const HOSTILE: &str = "x\u{1b}[31m\u{1b}[2K\u{1b}]52;c;aGFja2Vk\u{7}\r\nerror: forged\n  forged\u{8}\u{7f}\u{9b}1m\u{85}\u{202e}\u{2066}\u{200b}\u{2028}\u{feff}\u{e0041}'\"$(id)`";

/// Whether a terminal interprets the character, or a reader cannot see it.
fn is_hostile(character: char) -> bool {
    let hidden = "\u{61c}\u{200b}\u{200e}\u{200f}\u{2028}\u{2029}\u{feff}\u{ad}\u{180e}";
    character.is_control()
        || hidden.contains(character)
        || ('\u{202a}'..='\u{202e}').contains(&character)
        || ('\u{2060}'..='\u{206f}').contains(&character)
        || ('\u{e0000}'..='\u{e007f}').contains(&character)
}

/// Fails for a control character other than the line ends of the program.
fn check_characters(what: &str, text: &str) {
    let hostile = text
        .char_indices()
        .find(|(_, one)| is_hostile(*one) && *one != '\n');
    assert!(hostile.is_none(), "{what}: {hostile:?} in {text:?}");
}

/// The same, and for a line that the program did not print.
fn check_text(what: &str, text: &str) {
    check_characters(what, text);
    let forged = text.lines().find(|line| {
        let line = line.trim_start();
        line.starts_with("forged") || line.starts_with("error: forged")
    });
    assert!(forged.is_none(), "{what}: {forged:?} in\n{text}");
}

/// A literal of a statement, whatever the database reads as an escape.
pub(crate) fn literal<B: Backend>(text: &str) -> String {
    let digits: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    match B::NAME {
        "PostgreSQL" => format!("convert_from(decode('{digits}', 'hex'), 'UTF8')"),
        "SQLite" => format!("CAST(x'{digits}' AS TEXT)"),
        _ => format!("CONVERT(x'{digits}' USING utf8mb4)"),
    }
}

/// The text columns of a table, from the database itself.
async fn text_columns<B: Backend>(pool: &Pool<B::Db>, table: &str) -> BTreeSet<String> {
    let names = match B::NAME {
        "SQLite" => format!("SELECT name FROM pragma_table_info('{table}') WHERE type = 'TEXT'"),
        "PostgreSQL" => format!(
            "SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' \
             AND table_schema = current_schema() AND data_type IN ('text', 'character varying')"
        ),
        _ => format!(
            "SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' \
             AND table_schema = database() AND data_type IN ('varchar', 'text', 'mediumtext')"
        ),
    };
    let columns: BTreeSet<String> = strings(pool, &names).await.into_iter().collect();
    assert!(columns.contains("service"), "{table}: {columns:?}");
    columns
}

/// Copies every row of a table, with these columns set to these expressions.
pub(crate) async fn copy<B: Backend>(pool: &Pool<B::Db>, table: &str, set: &[(&str, String)]) {
    let of_table = match B::NAME {
        "SQLite" => format!("SELECT name FROM pragma_table_info('{table}')"),
        "PostgreSQL" => format!(
            "SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' \
             AND table_schema = current_schema()"
        ),
        _ => format!(
            "SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' \
             AND table_schema = database()"
        ),
    };
    let columns: Vec<String> = strings(pool, &of_table).await;
    let columns: Vec<&String> = columns.iter().filter(|name| *name != "seq").collect();
    let values: Vec<String> = columns
        .iter()
        .map(|name| match set.iter().find(|(set, _)| set == name) {
            Some((_, value)) => value.clone(),
            None => (*name).clone(),
        })
        .collect();
    let names: Vec<&str> = columns.iter().map(|name| name.as_str()).collect();
    let insert = format!(
        "INSERT INTO {table} ({}) SELECT {} FROM {table} ORDER BY 1",
        names.join(", "),
        values.join(", ")
    );
    execute(pool, &insert).await;
}

/// Puts the text into every text column of every table.
async fn poison<B: Backend>(pool: &Pool<B::Db>) {
    let hostile = literal::<B>(HOSTILE);
    let as_json = literal::<B>(&serde_json::json!([HOSTILE, "second"]).to_string());
    let metadata = serde_json::json!({ "target_description": HOSTILE, HOSTILE: HOSTILE });
    let metadata = literal::<B>(&metadata.to_string());
    // Another service with its own lock.
    for table in ["flamingock_audit", "flamingock_lock", "flamingock_lease"] {
        copy::<B>(pool, table, &[("service", hostile.clone())]).await;
    }
    // A change with that name, and one in an unknown state.
    copy::<B>(pool, "flamingock_audit", &[("change_id", hostile.clone())]).await;
    let unknown = [
        ("change_id", literal::<B>("unknown")),
        ("state", literal::<B>(&HOSTILE[..40])),
    ];
    copy::<B>(pool, "flamingock_audit", &unknown).await;
    for table in ["flamingock_audit", "flamingock_lock", "flamingock_lease"] {
        for column in text_columns::<B>(pool, table).await {
            let keys = ["service", "lane", "change_id", "state", "boot_id"];
            // A text in SQLite's type, which is a time.
            if keys.contains(&column.as_str()) || column.ends_with("_at") {
                continue;
            }
            let value = match column.as_str() {
                "error" => &as_json,
                "metadata" => &metadata,
                _ => &hostile,
            };
            let set = format!("UPDATE {table} SET {column} = {value}");
            if let Err(error) = try_execute(pool, &set).await {
                // The audit's own values have less room.
                let short = literal::<B>("x\u{1b}[31m\nforged\u{202e}");
                let set = format!("UPDATE {table} SET {column} = {short}");
                execute(pool, &set).await;
                assert!(B::NAME != "SQLite", "{column}: {error}");
            }
        }
    }
}

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

/// The text without color sequences, which the program prints.
fn without_colors(text: &str) -> String {
    let mut plain = String::new();
    for (place, part) in text.split("\u{1b}[").enumerate() {
        let rest = part.split_once('m').filter(|(code, _)| {
            place > 0 && code.chars().all(|one| one.is_ascii_digit() || one == ';')
        });
        match rest {
            Some((_, rest)) => plain.push_str(rest),
            None if place > 0 => {
                plain.push_str("\u{1b}[");
                plain.push_str(part);
            }
            None => plain.push_str(part),
        }
    }
    plain
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
