//! The audit's own writes are refused: by a trigger for each state, by missing rights, by a full
//! disk. The result is defined, and the next run handles it.

use super::ground::{Ground, Kind, rows};
use super::start::{Ran, Start};

/// Refuses entries of one state.
async fn refuse(kind: Kind, url: &str, state: &str) {
    let text = match kind {
        Kind::Sqlite => format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON flamingock_audit WHEN NEW.state = '{state}'
             BEGIN SELECT RAISE(ABORT, 'the auditor says no'); END"
        ),
        Kind::Postgres => format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'the auditor says no'; END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON flamingock_audit FOR EACH ROW
             WHEN (NEW.state = '{state}') EXECUTE FUNCTION refuse()"
        ),
        Kind::MariaDb => format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON flamingock_audit FOR EACH ROW
             IF NEW.state = '{state}' THEN
             SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the auditor says no'; END IF"
        ),
    };
    rows(url, &text).await;
}

async fn accept(kind: Kind, url: &str) {
    let on = if kind == Kind::Postgres {
        " ON flamingock_audit"
    } else {
        ""
    };
    rows(url, &format!("DROP TRIGGER refuse{on}")).await;
}

/// A change, and the state whose entry is refused.
struct Case {
    change: &'static str,
    refused: &'static str,
    /// The result of the run, and the text of its error.
    ends: (&'static str, &'static str),
    /// The entries after it.
    audit: &'static [&'static str],
    /// The number of steps that have left a trace.
    traces: usize,
    /// The result of the next run, without refusals.
    next: &'static str,
}

const UNRECORDED: &str = "the auditor says no";

/// Non-transactional, on every database.
const PLAIN: [Case; 7] = [
    Case {
        change: "plain",
        refused: "STARTED",
        ends: (
            "ChangesFailed",
            "the change did not run: its start could not be recorded",
        ),
        audit: &[],
        traces: 0,
        next: "ok",
    },
    Case {
        change: "plain",
        refused: "APPLIED",
        ends: ("InDoubt", "the change succeeded, but that is not on record"),
        audit: &["STARTED none"],
        traces: 2,
        next: "Issues",
    },
    Case {
        change: "verified",
        refused: "APPLIED",
        ends: ("InDoubt", "the change succeeded, but that is not on record"),
        audit: &["STARTED none"],
        traces: 1,
        next: "ok",
    },
    Case {
        change: "undone",
        refused: "FAILED",
        ends: ("InDoubt", "and that could not be recorded"),
        audit: &["STARTED none"],
        traces: 1,
        next: "Issues",
    },
    Case {
        // The rollback has its own transaction, which is undone with its entry.
        change: "undone",
        refused: "ROLLED_BACK",
        ends: (
            "ChangesFailed",
            "the rollback failed: could not write to the audit",
        ),
        audit: &["STARTED none", "FAILED none", "ROLLBACK_FAILED shared"],
        traces: 1,
        next: "Issues",
    },
    Case {
        change: "stuck",
        refused: "ROLLBACK_FAILED",
        ends: ("InDoubt", "there is no way back"),
        audit: &["STARTED none", "FAILED none"],
        traces: 1,
        next: "Issues",
    },
    Case {
        change: "stuck",
        refused: "nothing",
        ends: ("ChangesFailed", "there is no way back"),
        audit: &["STARTED none", "FAILED none", "ROLLBACK_FAILED shared"],
        traces: 1,
        next: "Issues",
    },
];

/// In one transaction with its entry, where that needs no fencing check.
const SHARED: [Case; 3] = [
    Case {
        change: "shared",
        refused: "APPLIED",
        ends: ("ChangesFailed", UNRECORDED),
        audit: &["FAILED shared", "ROLLED_BACK shared"],
        traces: 0,
        next: "ok",
    },
    Case {
        change: "broken",
        refused: "FAILED",
        ends: ("ChangesFailed", "and that could not be recorded"),
        audit: &[],
        traces: 0,
        next: "ChangesFailed",
    },
    Case {
        // Both entries of a rolled-back transaction are written together.
        change: "broken",
        refused: "ROLLED_BACK",
        ends: ("ChangesFailed", "and that could not be recorded"),
        audit: &[],
        traces: 0,
        next: "ChangesFailed",
    },
];

/// MariaDB needs its fencing check before the change.
const FENCING_CHECK: Case = Case {
    change: "shared",
    refused: "STARTED",
    ends: (
        "ChangesFailed",
        "the change did not run: its transaction could not begin",
    ),
    audit: &[],
    traces: 0,
    next: "ok",
};

async fn try_case(kind: Kind, case: &Case) {
    let ground = Ground::with_table(kind).await;
    // The tables of the audit, for the trigger.
    Start::of("last", ground.url()).run().await.expect("ok");
    refuse(kind, ground.url(), case.refused).await;
    let what = format!("{kind:?}: {} of {}", case.refused, case.change);
    let start = Start::of(&format!("last,{}", case.change), ground.url());
    let ran = start.run().await;
    check(&what, &ground, case, &ran).await;
    accept(kind, ground.url()).await;
    let next = start.run().await;
    assert_eq!(
        next.result.as_deref(),
        Some(case.next),
        "{what}: {}",
        next.output
    );
    if case.next == "Issues" {
        next.says(&format!("\"{}\" needs manual resolution", case.change));
    }
}

async fn check(what: &str, ground: &Ground, case: &Case, ran: &Ran) {
    let Case { change, ends, .. } = case;
    assert_eq!(
        ran.result.as_deref(),
        Some(ends.0),
        "{what}: {}",
        ran.output
    );
    assert!(ran.output.contains(ends.1), "{what}: {}", ran.output);
    let text = format!(
        "SELECT state, transaction_mode FROM flamingock_audit WHERE change_id = '{change}' ORDER BY seq"
    );
    let audit = rows(ground.url(), &text).await;
    let expected: Vec<String> = case.audit.iter().map(|row| row.replace(' ', "|")).collect();
    assert_eq!(audit, expected, "{what}");
    let text = format!("SELECT what FROM done WHERE what LIKE 't {change} %'");
    let done = rows(ground.url(), &text).await;
    assert_eq!(done.len(), case.traces, "{what}");
}

async fn refused_entries(kind: Kind) {
    let own = match kind {
        Kind::Sqlite | Kind::Postgres => &[][..],
        Kind::MariaDb => &[FENCING_CHECK],
    };
    for case in PLAIN.iter().chain(&SHARED).chain(own) {
        try_case(kind, case).await;
    }
}

#[tokio::test]
async fn sqlite_refused_entries_have_defined_outcomes() {
    refused_entries(Kind::Sqlite).await;
}

#[tokio::test]
async fn postgres_refused_entries_have_defined_outcomes() {
    refused_entries(Kind::Postgres).await;
}

#[tokio::test]
async fn mariadb_refused_entries_have_defined_outcomes() {
    refused_entries(Kind::MariaDb).await;
}

/// A role that can take the lock and read the audit, but not write it.
#[tokio::test]
async fn audit_without_the_right_to_insert_applies_nothing() {
    let ground = Ground::with_table(Kind::Postgres).await;
    Start::of("last", ground.url()).run().await.expect("ok");
    let role = format!("reader_{:08x}", rand::random::<u32>());
    let text = format!(
        "CREATE ROLE {role} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role};
         REVOKE INSERT ON flamingock_audit FROM {role}"
    );
    rows(ground.url(), &text).await;
    let as_role = ground.url().replacen("postgres@", &format!("{role}@"), 1);
    for change in ["shared", "plain"] {
        let ran = Start::of(&format!("last,{change}"), &as_role).run().await;
        ran.expect("ChangesFailed")
            .says("permission denied for table flamingock_audit");
        assert_eq!(
            rows(ground.url(), "SELECT what FROM done").await,
            ["t last 1"]
        );
        assert_eq!(
            rows(ground.url(), "SELECT state FROM flamingock_audit").await,
            ["APPLIED"]
        );
    }
    Start::of("last,shared,plain", ground.url())
        .run()
        .await
        .expect("ok");
    rows(
        ground.url(),
        &format!("DROP OWNED BY {role}; DROP ROLE {role}"),
    )
    .await;
}
