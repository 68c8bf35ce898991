//! The changes that folders of each format produce, and each mistake with its place.

use std::time::Duration;

use super::*;
use crate::change::body::Body;
use crate::change::definition::Recovery;
use crate::change::problem::Location;
use crate::source::files::Defaults;

/// Computed by another program for `1_a.sql` with a checkpoint, and for `1.sql` with `a;`.
const OF_CHECKPOINT: (&str, &str) = (
    "atlas.sum",
    "h1:Klv3hqJSg22mV3TRmhXujMAUsZUszCgK6kQyYcC9xHE=\n1_a.sql h1:xjnzkEmz71oOxI2cvdGQHQGzbmUmZB8+YzrPup6yoCk=\n",
);
const OF_ONE: (&str, &str) = (
    "atlas.sum",
    "h1:zTxbtdIP3bDFxVmvpSSkQnP/DAB6+jmpHkE1oJPyeBo=\n1.sql h1:L8LLuU/1rr8PwNFHDwsSMjpdHGo6CcBcjTkjXtgc2Pk=\n",
);

fn folder(defaults: Defaults, files: &[(&'static str, &'static str)]) -> EmbeddedFolder {
    EmbeddedFolder::new(
        "changes",
        Location {
            file: "src/main.rs",
            line: 3,
        },
        "app::changes",
        "app",
        defaults,
        files.to_vec().leak(),
        None,
    )
}

/// Returns a line for each change.
fn read(files: &[(&'static str, &'static str)]) -> Vec<String> {
    lines(&folder(Defaults::NONE, files))
}

fn lines(folder: &EmbeddedFolder) -> Vec<String> {
    let definitions = folder.definitions(&Templates::default()).unwrap();
    definitions
        .iter()
        .map(|change| {
            let mode = |body: &Body<()>| if body.transaction { "tx" } else { "no-tx" };
            let rollback = change.rollback.map_or("-".to_owned(), |rollback| {
                format!(
                    "{}:{}",
                    mode(rollback),
                    rollback.script().unwrap().text.trim()
                )
            });
            format!(
                "{} {} {} {:?} {} / {rollback}",
                change.order,
                change.id,
                mode(&change.body),
                change.repeat,
                change.body.script().unwrap().text.trim(),
            )
        })
        .collect()
}

fn problems(files: &[(&'static str, &'static str)]) -> Vec<String> {
    let problems = folder(Defaults::NONE, files)
        .definitions(&Templates::default())
        .unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn own_names() {
    let files = [
        ("0001__create_users.sql", "\u{feff}a;"),
        ("0002__index.sql", "-- flamingock: transaction=false\nb;"),
        ("0002__index.rollback.sql", "c;"),
        (
            "0003__view.rollback.sql",
            "-- flamingock: transaction=false\nd;",
        ),
        (
            "0003__view.sql",
            "-- flamingock: repeat=on-change, id=the-view\ne;",
        ),
    ];
    assert_eq!(
        read(&files),
        [
            "0001 create_users tx Once a; / -",
            "0002 index no-tx Once -- flamingock: transaction=false\nb; / no-tx:c;",
            "0003 the-view tx OnChange -- flamingock: repeat=on-change, id=the-view\ne; / no-tx:-- flamingock: transaction=false\nd;",
        ]
    );
}

#[test]
fn names_of_sqlx() {
    let files = [
        ("1_users.sql", "-- no-transaction\na;"),
        ("20240101_orders.down.sql", "-- to do\n"),
        ("20240101_orders.up.sql", "b;"),
        ("20240102_view.down.sql", "-- no-transaction\nc;"),
        ("20240102_view.up.sql", "d;"),
    ];
    assert_eq!(
        read(&files),
        [
            "001 1_users no-tx Once -- no-transaction\na; / -",
            "20240101 20240101_orders tx Once b; / tx:-- to do",
            "20240102 20240102_view tx Once d; / no-tx:-- no-transaction\nc;",
        ]
    );
}

#[test]
fn names_of_diesel() {
    let files = [
        ("2024-01-01-000000_users/down.sql", "a;"),
        (
            "2024-01-01-000000_users/metadata.toml",
            "run_in_transaction = false",
        ),
        ("2024-01-01-000000_users/up.sql", "b;"),
    ];
    assert_eq!(
        read(&files),
        ["20240101000000 2024-01-01-000000_users no-tx Once b; / no-tx:a;"]
    );
}

#[test]
fn diesel_versions_run_in_diesels_order() {
    let files = [
        ("2024-01-02-000000_first/up.sql", "a;"),
        ("2024-01-03-000000-0000_second/up.sql", "b;"),
        ("2024-01-03-000000-0000_second/metadata.toml", "# nothing\n"),
        ("2024-02-01-000000/up.sql", "c;"),
    ];
    let mut read = read(&files);
    read.sort_by(|left, right| {
        let order = |line: &str| line.split_once(' ').unwrap().0.to_owned();
        crate::change::order::compare(&order(left), &order(right))
    });
    assert_eq!(
        read,
        [
            "20240102000000 2024-01-02-000000_first tx Once a; / -",
            "20240103000000.0.0.0.0 2024-01-03-000000-0000_second no-tx Once b; / -",
            "20240201000000 2024-02-01-000000 tx Once c; / -",
        ]
    );
}

#[test]
fn sqlx_pairs_up_and_down_by_version() {
    let files = [
        ("0001_create_users.up.sql", "a;"),
        ("1_drop_users.down.sql", "b;"),
    ];
    assert_eq!(read(&files), ["0001 0001_create_users tx Once a; / tx:b;"]);
}

#[test]
fn down_files_of_other_tools_are_for_undo_only() {
    let only_undo = |files: &[(&'static str, &'static str)]| {
        let folder = folder(Defaults::NONE, files);
        let definitions = folder.definitions(&Templates::default()).unwrap();
        definitions[0].rollback.unwrap().is_for_undo_only()
    };
    assert!(!only_undo(&[
        ("0001__a.sql", "a;"),
        ("0001__a.rollback.sql", "b;")
    ]));
    assert!(only_undo(&[("1_a.up.sql", "a;"), ("1_a.down.sql", "b;")]));
    assert!(only_undo(&[("1_a/up.sql", "a;"), ("1_a/down.sql", "b;")]));
    assert!(only_undo(&[(
        "1_a.sql",
        "-- +goose Up\na;\n-- +goose Down\nb;"
    )]));
    assert!(only_undo(&[("V1__a.sql", "a;"), ("U1__a.sql", "b;")]));
}

#[test]
fn names_of_goose() {
    let files = [
        ("00001_users.sql", "-- +goose Up\na;\n-- +goose Down\nb;\n"),
        (
            "00002_index.sql",
            "-- +goose NO TRANSACTION\n-- +goose Up\nc;\n-- +goose Down\n",
        ),
    ];
    assert_eq!(
        read(&files),
        [
            "00001 00001_users tx Once a; / tx:b;",
            "00002 00002_index no-tx Once c; / no-tx:",
        ]
    );
}

#[test]
fn names_of_refinery_and_flyway() {
    let files = [("V1__users.sql", "a;"), ("U2__orders.sql", "b;")];
    assert_eq!(
        read(&files),
        [
            "002 U2__orders tx Once b; / -",
            "001 V1__users tx Once a; / -"
        ]
    );
    let files = [
        ("R__view.sql", "a;"),
        ("U1.0__undo.sql", "b;"),
        ("V1.0__users.sql", "c;"),
        ("V1.0__users.sql.conf", "executeInTransaction=false"),
    ];
    assert_eq!(
        read(&files),
        [
            "001 V1.0__users no-tx Once c; / no-tx:b;",
            "R__view R__view tx OnChange a; / -",
        ]
    );
}

#[test]
fn what_a_file_says_comes_before_what_the_folder_says() {
    let defaults = Defaults {
        author: Some("ada"),
        stage: Some("schema"),
        target: Some("billing"),
        transaction: Some(false),
        recovery: Some(Recovery::Retry),
        tags: &["dev"],
        timeout: Some(Duration::from_secs(1)),
        ..Defaults::NONE
    };
    let files = [
        ("0001__a.sql", "-- Kept for years.\na;"),
        (
            "0002__b.sql",
            "\n-- flamingock: author=ben, stage=data, target=default, transaction=true, recovery=manual, tags=[x], timeout=2s\nb;",
        ),
    ];
    let folder = folder(defaults, &files);
    let definitions = folder.definitions(&Templates::default()).unwrap();
    let [first, second] = definitions.as_slice() else {
        panic!()
    };
    assert_eq!(
        (first.author, first.stage, first.target, first.description),
        ("ada", "schema", "billing", "Kept for years.")
    );
    assert_eq!(
        (
            first.recovery,
            first.tags,
            first.timeout,
            first.body.transaction
        ),
        (
            Recovery::Retry,
            &["dev"][..],
            Some(Duration::from_secs(1)),
            false
        )
    );
    assert_eq!(
        (second.author, second.stage, second.target),
        ("ben", "data", "default")
    );
    assert_eq!(
        (
            second.recovery,
            second.tags,
            second.timeout,
            second.body.transaction
        ),
        (
            Recovery::Manual,
            &["x"][..],
            Some(Duration::from_secs(2)),
            true
        )
    );
    assert_eq!(first.location().to_string(), "changes/0001__a.sql:2");
    assert_eq!(second.location().to_string(), "changes/0002__b.sql:2");
    assert_eq!(first.crate_name(), "app");
    // They are read only once.
    assert!(std::ptr::eq(
        *first,
        folder.definitions(&Templates::default()).unwrap()[0]
    ));
}

#[test]
fn each_mistake_is_reported_with_its_place() {
    type Case = (&'static [(&'static str, &'static str)], &'static str);
    let cases: [Case; 25] = [
        (
            &[("0001__a.sql", "a;"), ("create.sql", "b;")],
            "changes/create.sql:1: it is not named as a change is, `0003__create_orders.sql`",
        ),
        (
            &[("0001_a.sql", "a;"), ("old/0002_b.sql", "b;")],
            "changes/old/0002_b.sql:1: it is not named as the other files are",
        ),
        (
            &[("0001__a.sql", "a;"), ("0002_b.sql", "b;")],
            "changes/0002_b.sql:1: it has the names of sqlx, goose, dbmate, golang-migrate and Atlas, and `0001__a.sql` has Flamingock's own names",
        ),
        (
            &[("0001__a.sql", "a;"), ("0001__b.rollback.sql", "b;")],
            "changes/0001__b.rollback.sql:1: there is no change that it belongs to",
        ),
        (
            &[("0001__a.sql", "\n-- flamingock: idd=a\na;")],
            "changes/0001__a.sql:2: unknown key `idd`, did you mean `id`?",
        ),
        (
            &[("1_a/up.sql", "")],
            "changes/1_a/up.sql:1: it is empty, which diesel refuses as well",
        ),
        (
            &[("0001__a.sql", "a;\n-- migrate:down\nb;")],
            "changes/0001__a.sql:2: `-- migrate:down` is a mark of dbmate",
        ),
        (
            &[
                ("1_a.sql", "a;"),
                ("1_a.down.sql", "c;\n-- +migrate Down\nb;"),
            ],
            "changes/1_a.down.sql:2: `-- +migrate Down` is a mark of sql-migrate",
        ),
        (
            &[("1_a.sql", "-- +goose Up\na;\n  -- +goose Down\nb;")],
            "changes/1_a.sql:3: goose refuses an annotation behind blanks",
        ),
        (
            &[("1_a.sql", "-- +goose Up\na;\n-- as in +goose Down\nb;")],
            "changes/1_a.sql:3: `-- +goose as in",
        ),
        (
            &[("1_a.sql", "-- +goose Up\na;"), ("2_b.go", "")],
            "changes/2_b.go:1: it is a migration in another language",
        ),
        (
            &[("a.sql", ""), ("b.sql", ""), ("c.sql", "")],
            "changes/a.sql:1: this file and the other files of its folder, 3 in all, are not named as changes are: expected one of `0003__create_orders.sql`",
        ),
        (
            &[("0001__a.sql", "-- Flamingock: transaction=false\na;")],
            "changes/0001__a.sql:1: a comment that names `flamingock:` and is not read as one",
        ),
        (
            &[
                ("0001__a.sql", "a;"),
                ("0001__a.rollback.sql", "-- flamingock: id=b\nb;"),
            ],
            "changes/0001__a.rollback.sql:1: a rollback knows the key `transaction` alone",
        ),
        (
            &[("1_a.sql", "a;"), ("1_a.up.sql", "b;")],
            "changes/1_a.up.sql:1: it is for the same change as changes/1_a.sql",
        ),
        (
            &[("V1__a.sql", "a;\nINSERT '${name}';")],
            "changes/V1__a.sql:2: `${..}` is a placeholder of Flyway",
        ),
        (
            &[("B5__all.sql", "a;"), ("V6__b.sql", "b;")],
            "changes/B5__all.sql:1: it is a baseline file of Flyway",
        ),
        (
            &[("V1__a.sql", "a;"), ("beforeMigrate.sql", "b;")],
            "changes/beforeMigrate.sql:1: it is a callback of Flyway",
        ),
        (
            &[("V1__a.sql", "a;"), ("afterEachMigrate__views.sql", "b;")],
            "changes/afterEachMigrate__views.sql:1: it is a callback of Flyway",
        ),
        (
            &[
                ("V1__a.sql", "a;"),
                ("V1__a.sql.conf", "shouldExecute=false"),
            ],
            "changes/V1__a.sql.conf:1: `shouldExecute=false` is not known here",
        ),
        (
            &[
                ("1_a.sql", "-- migrate:up\na;\n-- migrate:down\n"),
                ("2_b.sql", "b;"),
            ],
            "changes/2_b.sql:1: dbmate refuses SQL before",
        ),
        (
            &[("1_a.sql", "-- atlas:checkpoint\n\na;"), OF_CHECKPOINT],
            "changes/1_a.sql:1: a checkpoint of Atlas",
        ),
        (
            &[("1_a.sql", "-- +goose Up\n-- +goose ENVSUB ON\na;")],
            "changes/1_a.sql:2: `-- +goose ENVSUB` would put",
        ),
        (
            &[("a-b.sql", "-- +migrate Up\na;")],
            "changes/a-b.sql:1: `-- +migrate Up` is a mark of sql-migrate",
        ),
        (
            &[("1_a.sql", "-- +goose Up\na;"), ("2_b.sql", "-- nothing\n")],
            "changes/2_b.sql:1: it has no `-- +goose Up`",
        ),
    ];
    for (files, expected) in cases {
        let problems = problems(files);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].starts_with(expected),
            "{problems:?}\n{expected}"
        );
    }
}

#[test]
fn all_mistakes_are_reported_together() {
    let files = [
        ("0001__a.sql", "-- flamingock: idd=a, stage=\na;"),
        ("0002__b.sql", ""),
        ("c.sql", ""),
    ];
    assert_eq!(problems(&files).len(), 3);
}

#[test]
fn a_down_file_alone_is_what_its_tool_makes_of_it() {
    for (format, files, expected) in [
        (
            "golang-migrate",
            &[("1_a.up.sql", "a;"), ("2_b.down.sql", "b;")],
            &["001 1_a tx Once a; / -", "002 2_b tx Once  / tx:b;"][..],
        ),
        (
            "sqlx",
            &[("1_a.up.sql", "a;"), ("2_b.down.sql", "b;")],
            &["001 1_a tx Once a; / -"],
        ),
        (
            "flyway",
            &[("V1__a.sql", "a;"), ("U2__b.sql", "b;")],
            &["001 V1__a tx Once a; / -"],
        ),
    ] {
        let defaults = Defaults {
            format: Some(format),
            ..Defaults::NONE
        };
        assert_eq!(lines(&folder(defaults, files)), expected, "{format}");
    }
}

#[test]
fn files_that_the_tool_passes_over_are_passed_over_where_the_tool_is_certain() {
    let goose = "-- +goose Up\na;\n";
    let dbmate = "-- migrate:up\na;\n-- migrate:down\n";
    let cases: [(&[(&str, &str)], usize); 5] = [
        (
            &[("1_a/up.sql", "a;"), ("1_a/x.sql", "b;"), ("y.sql", "c;")],
            1,
        ),
        (&[("1_a.sql", goose), ("old/2_b.sql", goose)], 1),
        (&[("1_a.sql", dbmate), ("seed.sql", "b;")], 1),
        (
            &[
                ("V1__a.sql", "a;"),
                ("x/V2__b.sql", "b;"),
                ("x/y.sql", "c;"),
            ],
            2,
        ),
        (&[("1.sql", "a;"), OF_ONE, ("old/1_a.sql", "b;")], 1),
    ];
    for (files, expected) in cases {
        let files = files.to_vec().leak();
        assert_eq!(read(files).len(), expected, "{files:?}");
    }
    // The format must be declared, because the names fit tools that are not supported.
    let files = [("1_a.sql", "a;"), ("old/2_b.sql", "b;")];
    assert_eq!(problems(&files).len(), 1);
    let defaults = Defaults {
        format: Some("sqlx"),
        ..Defaults::NONE
    };
    assert_eq!(lines(&folder(defaults, &files)).len(), 1);
}

#[test]
fn placeholders_that_flyway_is_told_not_to_replace_are_text() {
    let files = [
        ("V1__a.sql", "INSERT '${name}';"),
        ("V1__a.sql.conf", "placeholderReplacement=false\n"),
    ];
    assert_eq!(read(&files), ["001 V1__a tx Once INSERT '${name}'; / -"]);
}

#[test]
fn names_of_dbmate_and_atlas() {
    let files = [
        ("20240101_a.sql", "-- migrate:up\na;\n-- migrate:down\nb;\n"),
        (
            "20240102-c.sql",
            "-- migrate:up transaction:false\nc;\n-- migrate:down transaction:true\nd;\n",
        ),
    ];
    assert_eq!(
        read(&files),
        [
            "20240101 20240101_a tx Once a; / tx:b;",
            "20240102 20240102-c no-tx Once c; / tx:d;",
        ]
    );
    let files = [
        ("20240101.sql", "a;"),
        ("20240102_b.sql", "-- atlas:txmode none\n\nb;"),
    ];
    let sum = "h1:/q7ovHdKErzV4AmkbV8FLk239LoHoEN0kCb0sSc//Bc=\n20240101.sql h1:6kqmOS/JWeIGM/bTZ+1pR23+vPQToRCgLhwMRtTFBY8=\n20240102_b.sql h1:swMUeCTg4Kyu0WZIaDFc2wS8DB2da2TsdhLJQg329AQ=\n";
    let files = [&files[..], &[("atlas.sum", sum)]].concat();
    assert_eq!(
        read(&files),
        [
            "20240101 20240101 tx Once a; / -",
            "20240102 20240102_b no-tx Once -- atlas:txmode none\n\nb; / -",
        ]
    );
}

#[test]
fn files_of_flyway_that_no_transaction_can_hold_run_outside_of_one() {
    let files = [
        ("V1.1__a.sql", "CREATE INDEX CONCURRENTLY a ON b (c);"),
        ("V1.2__b.sql", "CREATE INDEX a ON b (c);"),
        ("V1.3__c.sql", "SELECT 1;\nVACUUM a;"),
        ("V1.3__c.sql.conf", "executeInTransaction=false"),
    ];
    let modes: Vec<bool> = read(&files)
        .iter()
        .map(|line| line.contains(" no-tx "))
        .collect();
    assert_eq!(modes, [true, false, true]);
    assert_eq!(
        problems(&[("V1.1__a.sql", "SELECT 1;\nVACUUM a;")]).len(),
        1
    );
}
