use super::super::transaction_control;
use super::ALL;
use crate::statements::script::Blocks;
use crate::util::database_kind::DatabaseKind;
use crate::util::database_kind::DatabaseKind::{MySql, Postgres, Sqlite};

fn found(kind: DatabaseKind, script: &str, blocks: Blocks) -> Option<(usize, &'static str)> {
    let control = transaction_control(kind, script, blocks)
        .unwrap_or_else(|error| panic!("{kind}: {script}\n{error}"));
    control.map(|control| (control.line, control.what))
}

#[test]
fn transactions_of_a_scripts_own_are_found_with_their_line() {
    for kind in ALL {
        let script = "SELECT 1;\n\n/* now */ begin;\nSELECT 2;\ncommit;";
        assert_eq!(
            found(kind, script, Blocks::None),
            Some((3, "BEGIN")),
            "{kind}"
        );
    }
    let cases = [
        (Postgres, "START TRANSACTION READ ONLY", "START TRANSACTION"),
        (Postgres, "BEGIN ISOLATION LEVEL SERIALIZABLE", "BEGIN"),
        (Postgres, "COMMIT AND CHAIN", "COMMIT"),
        (Postgres, "END", "END"),
        (Postgres, "ABORT", "ABORT"),
        (Postgres, "ROLLBACK WORK", "ROLLBACK"),
        (Postgres, "COMMIT PREPARED 'a'", "COMMIT"),
        (Postgres, "PREPARE TRANSACTION 'a'", "PREPARE TRANSACTION"),
        (Sqlite, "BEGIN IMMEDIATE TRANSACTION", "BEGIN"),
        (Sqlite, "END TRANSACTION", "END"),
        (Sqlite, "ROLLBACK TRANSACTION", "ROLLBACK"),
        (MySql, "BEGIN WORK", "BEGIN"),
        (MySql, "START TRANSACTION", "START TRANSACTION"),
        (MySql, "COMMIT", "COMMIT"),
        (MySql, "ROLLBACK RELEASE", "ROLLBACK"),
        (MySql, "/*!40101 COMMIT */", "COMMIT"),
        (MySql, "XA START 'a'", "XA"),
        (MySql, "SET AUTOCOMMIT = 0", "SET autocommit"),
        (MySql, "SET SESSION autocommit := 1", "SET autocommit"),
        (MySql, "SET @@autocommit=1", "SET autocommit"),
        (MySql, "SET @@session.autocommit=1", "SET autocommit"),
        (
            MySql,
            "SET @old=@@AUTOCOMMIT, AUTOCOMMIT=0",
            "SET autocommit",
        ),
        (MySql, "DELIMITER //\nSELECT 1; COMMIT; //", "COMMIT"),
        // A block outside a routine runs at once.
        (MySql, "BEGIN NOT ATOMIC COMMIT; END", "COMMIT"),
        (
            MySql,
            "BEGIN NOT ATOMIC SELECT 1; ROLLBACK; END",
            "ROLLBACK",
        ),
        (
            MySql,
            "IF 1 THEN START TRANSACTION; END IF",
            "START TRANSACTION",
        ),
        (
            MySql,
            "DELIMITER //\nCASE WHEN 1 THEN BEGIN COMMIT; END; END CASE //",
            "COMMIT",
        ),
    ];
    for (kind, script, what) in cases {
        assert_eq!(
            found(kind, script, Blocks::None).map(|found| found.1),
            Some(what),
            "{script}"
        );
    }
}

#[test]
fn savepoints_bodies_and_names_are_no_transactions() {
    let everywhere = [
        "SAVEPOINT a; ROLLBACK TO a; RELEASE a",
        "SELECT 'COMMIT;' -- COMMIT;\n",
        "SELECT commit_at, rollback_at FROM begin_dates",
    ];
    for script in everywhere {
        for kind in ALL {
            assert_eq!(found(kind, script, Blocks::None), None, "{kind}: {script}");
        }
    }
    let cases = [
        (Postgres, "ROLLBACK WORK TO SAVEPOINT a"),
        (Postgres, "DO $$ BEGIN COMMIT; END $$"),
        (Postgres, "CREATE PROCEDURE p() BEGIN ATOMIC SELECT 1; END"),
        (Postgres, "PREPARE a AS SELECT 1"),
        (Postgres, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"),
        (Sqlite, "ROLLBACK TRANSACTION TO SAVEPOINT a"),
        (
            Sqlite,
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END",
        ),
        (
            MySql,
            "CREATE PROCEDURE p() BEGIN START TRANSACTION; COMMIT; END",
        ),
        (
            MySql,
            "DELIMITER //\nCREATE PROCEDURE p() BEGIN START TRANSACTION; COMMIT; END //",
        ),
        (MySql, "BEGIN NOT ATOMIC SELECT 1; END"),
        (
            MySql,
            "BEGIN NOT ATOMIC SAVEPOINT a; ROLLBACK TO a; SELECT commit; END",
        ),
        (MySql, "SET @autocommit = 1"),
        (MySql, "SET GLOBAL autocommit = 1"),
        (MySql, "SET @@global.autocommit = 1"),
        (MySql, "SET @old = @@autocommit"),
        (MySql, "ROLLBACK WORK TO SAVEPOINT a"),
    ];
    for (kind, script) in cases {
        assert_eq!(found(kind, script, Blocks::None), None, "{kind}: {script}");
    }
}

#[test]
fn a_transaction_in_an_explicit_block_is_found() {
    let script = "-- +goose StatementBegin\nSELECT 1;\nCOMMIT;\n-- +goose StatementEnd";
    for kind in ALL {
        assert_eq!(
            found(kind, script, Blocks::Goose),
            Some((3, "COMMIT")),
            "{kind}"
        );
    }
}
