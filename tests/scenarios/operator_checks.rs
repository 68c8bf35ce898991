//! Every operator call checks settings and names like a run.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use flamingock::adopt::{Adoption, Tool};
use flamingock::audit::HistoryFilter;
use flamingock::{
    Error, ErrorKind, LockOptions, Resolution, Runner, Stage, TableNames, TargetSystem, UndoTarget,
    change, changes,
};
use flamingock_tests::{
    Backend as _, cargo, done, folder, query, strings, try_execute, with_table,
};

use super::{Backend, Connection, Db};

type Pool = sqlx::Pool<Db>;

#[change(id = "one", order = "001", register = false)]
async fn one(db: &mut Connection) -> Result<(), sqlx::Error> {
    query(db, "INSERT INTO done VALUES ('one')").await.map(drop)
}

/// The public methods of `Runner` that are not setters, as found in its source.
fn methods() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![cargo::workspace().join("flamingock/src")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for part in text.split("\nimpl Runner {").skip(1) {
                let (body, _) = part.split_once("\n}\n").unwrap();
                for function in body.split("\n    pub ").skip(1) {
                    let (head, _) = function.split_once(" {\n").unwrap();
                    let Some((before, signature)) = head.split_once("fn ") else {
                        continue;
                    };
                    let name = signature.split(['(', '<']).next().unwrap();
                    let is_setter = signature.ends_with("-> Runner") || name == "new";
                    if !before.contains("(crate)") && !is_setter {
                        found.insert(name.to_owned());
                    }
                }
            }
        }
    }
    found
}

/// Calls each of them and returns its result.
async fn answers(runner: impl Fn() -> Runner) -> Vec<(&'static str, Result<(), Error>)> {
    let adoption = Adoption::of(Tool::Sqlx).allow_empty();
    let everything = HistoryFilter::default();
    vec![
        ("run", runner().run().await.map(drop)),
        (
            "run_in_place",
            runner().run_in_place("in-place").await.map(drop),
        ),
        ("undo", runner().undo(UndoTarget::Last).await.map(drop)),
        (
            "plan_undo",
            runner().plan_undo(UndoTarget::Last).await.map(drop),
        ),
        ("verify", runner().verify().await.map(drop)),
        ("plan", runner().plan().await.map(drop)),
        ("history", runner().history(&everything).await.map(drop)),
        (
            "history_page",
            runner().history_page(&everything, 0, 10).await.map(drop),
        ),
        ("issues", runner().issues().await.map(drop)),
        (
            "resolve",
            runner()
                .resolve("one", Resolution::Applied, "seen")
                .await
                .map(drop),
        ),
        ("schema", runner().schema().map(drop)),
        ("grants", runner().grants().map(drop)),
        ("schema_upgrade", runner().schema_upgrade().await.map(drop)),
        ("manifest", runner().manifest().map(drop)),
        ("lock_status", runner().lock_status().await.map(drop)),
        ("lanes", runner().lanes().await.map(drop)),
        ("spawn", runner().spawn().wait().await.map(drop)),
        ("progress", runner().progress().await.map(drop)),
        ("failed_rows", runner().failed_rows("one").await.map(drop)),
        ("pause", runner().pause("one", "seen").await.map(drop)),
        ("cancel", runner().cancel("one", "seen").await.map(drop)),
        ("resume", runner().resume("one", "seen").await.map(drop)),
        (
            "tune",
            runner().tune("one", flamingock::Tuning::default()).await,
        ),
        (
            "release_lane",
            runner().release_lane("one", "gone").await.map(drop),
        ),
        (
            "release_lock",
            runner().release_lock("gone").await.map(drop),
        ),
        ("services", runner().services().await.map(drop)),
        ("adopt", runner().adopt(&adoption).await.map(drop)),
        (
            "plan_adoption",
            runner().plan_adoption(&adoption).await.map(drop),
        ),
        (
            "adopt_from_service",
            runner().adopt_from_service("default").await.map(drop),
        ),
        ("baseline", runner().baseline("one", "seen").await.map(drop)),
    ]
}

/// Sets an option of a runner.
type Setting = Box<dyn Fn(Runner) -> Runner>;

/// Names and settings that a run refuses.
fn refused() -> Vec<(String, Setting)> {
    let mut all: Vec<(String, Setting)> = Vec::new();
    let names = [
        "".to_owned(),
        " ".to_owned(),
        "orders ".to_owned(),
        " orders".to_owned(),
        "orders\u{a0}".to_owned(),
        "or\nders".to_owned(),
        "or\0ders".to_owned(),
        "or\u{1b}[2Kders".to_owned(),
        "or\u{9b}2Kders".to_owned(),
        "or\u{202e}sred".to_owned(),
        "or\u{200b}ders".to_owned(),
        "orders\u{feff}".to_owned(),
        "or\u{2028}ders".to_owned(),
        "o".repeat(191),
    ];
    for name in names {
        let service = name.clone();
        all.push((
            format!("service {name:?}"),
            Box::new(move |runner| runner.service(service.clone())),
        ));
        let operator = name.clone();
        all.push((
            format!("operator {name:?}"),
            Box::new(move |runner| runner.operator(operator.clone())),
        ));
        let target = name.clone();
        all.push((
            format!("target {name:?}"),
            Box::new(move |runner| runner.target(TargetSystem::new(target.clone()))),
        ));
        all.push((
            format!("stage {name:?}"),
            Box::new(move |runner| {
                runner
                    .stage(Stage::new("default"))
                    .stage(Stage::new(name.clone()))
            }),
        ));
    }
    for name in ["#..", "a \"b\" c"] {
        all.push((
            format!("stage {name:?}"),
            Box::new(move |runner| runner.stage(Stage::new("default")).stage(Stage::new(name))),
        ));
        all.push((
            format!("target {name:?}"),
            Box::new(move |runner| runner.target(TargetSystem::new(name))),
        ));
    }
    for duration in [Duration::ZERO, Duration::MAX, Duration::from_secs(86_401)] {
        all.push((
            format!("lease {duration:?}"),
            Box::new(move |runner| runner.lock(LockOptions::default().lease(duration))),
        ));
        all.push((
            format!("poll {duration:?}"),
            Box::new(move |runner| runner.lock(LockOptions::default().poll(duration))),
        ));
    }
    for prefix in ["", "1a", "a-b", "a\u{1b}[2K\nforged", "a\u{202e}"] {
        all.push((
            format!("prefix {prefix:?}"),
            Box::new(move |runner| runner.tables(TableNames::default().prefix(prefix.to_owned()))),
        ));
    }
    all.push((
        "the same target twice".to_owned(),
        Box::new(|runner| {
            runner
                .target(TargetSystem::new("twice"))
                .target(TargetSystem::new("twice"))
        }),
    ));
    all
}

#[tokio::test]
async fn operator_calls_are_refused_like_a_run() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    for (what, set) in refused() {
        let runner = || set(Runner::new(&pool).changes(changes![one]));
        let answers = answers(runner).await;
        let called: BTreeSet<String> = answers.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(
            called,
            methods(),
            "say here what a new method is called with"
        );
        let Some((_, Err(of_run))) = answers.first() else {
            panic!("{what}: a run is not refused");
        };
        for (name, answer) in &answers {
            let Err(error) = answer else {
                panic!("{what}: `{name}` returned {answer:?}");
            };
            assert_eq!(error.kind(), ErrorKind::Invalid, "{what}: `{name}`");
            assert_eq!(error.problems(), of_run.problems(), "{what}: `{name}`");
            let text = format!("{error} {error:#} {error:?}");
            assert!(
                !error.to_string().contains('\n'),
                "{what}: `{name}`: {error}"
            );
            let raw = text.chars().find(|one| one.is_control() && *one != '\n');
            assert_eq!(raw, None, "{what}: `{name}`: {text:?}");
            assert!(!text.contains("\nforged"), "{what}: `{name}`: {text:?}");
        }
    }
    let table = "SELECT 1 FROM flamingock_audit";
    assert!(
        try_execute(&pool, table).await.is_err(),
        "no table was created"
    );
}

/// All entries on record.
async fn recorded(pool: &Pool) -> Vec<String> {
    let entries = "SELECT service, change_id, state FROM flamingock_audit ORDER BY seq";
    let locks = "SELECT service, fencing_token FROM flamingock_lock ORDER BY service";
    [strings(pool, entries).await, strings(pool, locks).await].concat()
}

/// MariaDB compares "orders " equal to "orders".
#[tokio::test]
async fn service_with_a_trailing_blank_does_not_write_into_another() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let runner = |service: &'static str| Runner::new(&pool).service(service).changes(changes![one]);
    runner("orders").run().await.unwrap();
    let before = recorded(&pool).await;
    for (name, answer) in answers(|| runner("orders ")).await {
        assert!(
            matches!(&answer, Err(error) if error.kind() == ErrorKind::Invalid),
            "{name}: {answer:?}"
        );
    }
    assert_eq!(recorded(&pool).await, before);
    let from = runner("billing").adopt_from_service("orders ").await;
    assert!(
        matches!(&from, Err(error) if error.kind() == ErrorKind::Invalid),
        "{from:?}"
    );
    assert_eq!(recorded(&pool).await, before);
    let blank = HistoryFilter::default().change("one ");
    assert_eq!(runner("orders").history(&blank).await.unwrap().len(), 0);
}

#[tokio::test]
async fn every_call_accepts_waits_of_any_length() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    for wait in [Duration::ZERO, Duration::MAX] {
        let runner = || {
            Runner::new(&pool)
                .changes(changes![one])
                .listener_timeout(wait)
                .lock(LockOptions::default().wait(wait))
        };
        for (name, answer) in answers(runner).await {
            let fine = match &answer {
                Ok(()) => true,
                // There is nothing to resolve, no rollback, and no change in batches.
                Err(error) if error.kind() == ErrorKind::Invalid => [
                    "resolve",
                    "adopt",
                    "adopt_from_service",
                    "undo",
                    "plan_undo",
                    "pause",
                    "cancel",
                    "resume",
                    "tune",
                    "failed_rows",
                ]
                .contains(&name),
                Err(_) => false,
            };
            assert!(fine, "{wait:?}: {name}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn entries_can_be_filtered_by_any_time() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let runner = || Runner::new(&pool).changes(changes![one]);
    runner().run().await.unwrap();
    let epoch = SystemTime::UNIX_EPOCH;
    let years = |years: u64| Duration::from_secs(years * 365 * 24 * 60 * 60);
    for (since, expected) in [
        (epoch - years(70), 1),
        (epoch, 1),
        (SystemTime::now() - years(1), 1),
        (epoch + years(8_000), 0),
        (epoch + years(20_000), 0),
    ] {
        let filter = HistoryFilter::default().since(since).latest_only();
        let read = runner().history(&filter).await;
        assert_eq!(read.unwrap().len(), expected, "{since:?}");
    }
}

#[tokio::test]
async fn names_in_files_are_checked_with_their_lines() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 2).await;
    let long = "x".repeat(191);
    for key in ["id", "author", "stage", "target"] {
        let mut names = vec![
            "a\nb",
            "a\u{1b}[2K",
            "a\u{9b}",
            "a\u{202e}b",
            "a\u{200b}",
            " a",
            "a\u{a0}",
            &long,
        ];
        if key == "author" {
            names.retain(|name| *name != long);
        }
        if ["stage", "target"].contains(&key) {
            names.extend(["#..", "a \"b"]);
        }
        for name in names {
            let quoted = serde_json::to_string(name).unwrap();
            let yaml = format!(
                "# What it is for.\ntemplate: sql\n{key}: {quoted}\napply: \"INSERT INTO done VALUES ('a')\"\n"
            );
            let files = folder(&[("0001__a.yaml", &yaml)]);
            let runner = || Runner::new(&pool).files(files);
            let error = runner().run().await.unwrap_err();
            let text = format!("{error:#}");
            assert_eq!(error.kind(), ErrorKind::Invalid, "{key} {name:?}: {text}");
            assert!(
                text.contains("changes/0001__a.yaml:"),
                "{key} {name:?}: {text}"
            );
            let raw = text.chars().find(|one| one.is_control() && *one != '\n');
            assert_eq!(raw, None, "{key} {name:?}: {text:?}");
            assert!(runner().manifest().is_err(), "{key} {name:?}");
            assert!(runner().plan().await.is_err(), "{key} {name:?}");
            let header = !name.contains(['\n', '"']) && name.trim() == name;
            if header {
                let sql = format!("-- flamingock: {key}={name}\nINSERT INTO done VALUES ('a');\n");
                let files = folder(&[("0001__a.sql", &sql)]);
                let error = Runner::new(&pool).files(files).run().await.unwrap_err();
                let text = format!("{error:#}");
                assert!(
                    text.contains("changes/0001__a.sql:1: "),
                    "{key} {name:?}: {text}"
                );
            }
        }
    }
    assert_eq!(done(&pool).await, [""; 0]);
}
