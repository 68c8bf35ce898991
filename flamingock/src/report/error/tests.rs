//! The texts of each kind of error: the headline, the full text, and the output of `main`.

use std::time::{Duration, SystemTime};

use super::*;
use crate::audit::snapshot::LockStatus;
use crate::change::problem::Location;
use crate::plan::decision::Cause;
use crate::report::run::{Outcome, StageReport};

fn change(id: &str, outcome: Outcome) -> ChangeReport {
    ChangeReport {
        id: id.to_owned(),
        order: "0001",
        target: "events",
        location: Location {
            file: "src/changes.rs",
            line: 7,
        },
        outcome,
        duration: None,
        error: None,
        issue: None,
        notes: Vec::new(),
        steps: Vec::new(),
        batches: None,
        stopped: false,
        in_doubt: false,
    }
}

fn failed(id: &str) -> ChangeReport {
    ChangeReport {
        error: Some(ErrorChain::text("no rights\non the stream")),
        ..change(id, Outcome::RolledBack)
    }
}

fn report(changes: Vec<ChangeReport>) -> Report {
    Report {
        run_id: "5eed".to_owned(),
        service: "orders".to_owned(),
        stages: vec![StageReport {
            name: "default".to_owned(),
            changes,
        }],
        targets: Vec::new(),
        missing: Vec::new(),
        warnings: Vec::new(),
        duration: Duration::from_millis(12),
    }
}

/// Returns the headline and the full text, which `Debug` also writes.
#[track_caller]
fn says(error: &Error, kind: ErrorKind, line: &str, full: &str) {
    assert_eq!(error.kind(), kind);
    assert_eq!(error.to_string(), line);
    assert_eq!(error.headline(), line);
    assert!(!line.contains('\n'));
    assert_eq!(format!("{error:#}"), full);
    assert_eq!(format!("{error:?}"), full);
    assert_eq!(format!("{error:#?}"), full);
}

#[test]
fn one_problem_is_the_line_and_several_are_counted() {
    let at = Location {
        file: "src/main.rs",
        line: 3,
    };
    let problem = |text: &str| Problem::at(at, text.to_owned());
    says(
        &Error::invalid(vec![problem("unknown target \"evnts\"")]),
        ErrorKind::Invalid,
        "1 problem before anything ran: src/main.rs:3: unknown target \"evnts\"",
        "1 problem before anything ran:\n  src/main.rs:3: unknown target \"evnts\"",
    );
    says(
        &Error::invalid(vec![problem("a cycle:\na, b"), problem("twice")]),
        ErrorKind::Invalid,
        "2 problems before anything ran: src/main.rs:3: a cycle:; and 1 more",
        "2 problems before anything ran:\n  src/main.rs:3: a cycle:\na, b\n  src/main.rs:3: twice",
    );
}

#[test]
fn a_change_that_failed_alone_has_its_error_in_the_line() {
    let one = report(vec![
        failed("orders-stream"),
        change("next", Outcome::Blocked),
    ]);
    says(
        &Error::changes_failed(one),
        ErrorKind::ChangesFailed,
        "\"orders-stream\" failed: no rights",
        "\"orders-stream\" failed\
         \norders: 1 rolled back, 1 blocked in 12 ms\
         \n  rolled back     0001 orders-stream\
         \n                  no rights\\non the stream [target events]\
         \n                  at src/changes.rs:7\
         \n  blocked         0001 next",
    );
    let many = ["a", "b", "c", "d", "e"].map(failed);
    let error = Error::changes_failed(report(many.into()));
    assert_eq!(error.to_string(), "\"a\", \"b\", \"c\" and 2 more failed");
}

#[test]
fn an_issue_names_the_command_line_first_and_then_the_code() {
    let blocked = ChangeReport {
        issue: Some(Cause::Failed),
        ..change("ada's stream", Outcome::Blocked)
    };
    let full = concat!(
        "manual resolution is needed for \"ada's stream\"\n",
        "orders: 1 blocked in 12 ms\n",
        "  blocked         0001 ada's stream\n",
        "                  a non-transactional attempt failed and was not rolled back\n",
        "\"ada's stream\" needs manual resolution: look at its target system \"events\".\n",
        "  what happened, and what to look at:\n",
        "    flamingock --database-url \"$DATABASE_URL\" --service orders issue show 'ada'\\''s stream' --guidance\n",
        "  if its effect is there:\n",
        "    flamingock --database-url \"$DATABASE_URL\" --service orders issue resolve 'ada'\\''s stream' --applied --reason TEXT\n",
        "  if nothing of it is there, and the next run is to apply it:\n",
        "    flamingock --database-url \"$DATABASE_URL\" --service orders issue resolve 'ada'\\''s stream' --rolled-back --reason TEXT\n",
        "  in code: `runner.resolve(\"ada's stream\", Resolution::Applied, \"why\").await?`, or `Resolution::RolledBack`\n",
        "An application with the feature `cli` has these commands itself: write its name in place of `flamingock --database-url ..`",
    );
    let line = "manual resolution is needed for \"ada's stream\"";
    let error = Error::issues(report(vec![blocked.clone()]));
    says(&error, ErrorKind::Issues, line, full);
    // An issue is reported even if other changes are pending.
    let error = Error::pending(report(vec![blocked]));
    says(&error, ErrorKind::Issues, line, full);
}

#[test]
fn pending_changes_are_counted() {
    let pending = |id| change(id, Outcome::NotReached);
    says(
        &Error::pending(report(vec![pending("a"), pending("b")])),
        ErrorKind::Pending,
        "2 changes are pending: the mode is check only, and nothing ran",
        "2 changes are pending\
         \norders: 2 not reached in 12 ms\
         \n  not reached     0001 a\
         \n  not reached     0001 b",
    );
}

#[test]
fn a_lock_timeout_names_the_owner() {
    let owner = LockStatus {
        lane: "startup".to_owned(),
        fencing_token: 4,
        run_id: Some("f00d".to_owned()),
        owner: "orders (process 7 on pod-1)".to_owned(),
        acquired_at: SystemTime::UNIX_EPOCH + Duration::from_secs(3600),
        expires_at: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(3630)),
        activity: None,
        held: true,
    };
    let line = "the lock of the service \"orders\" was not acquired in time: it is held by orders (process 7 on pod-1) since 1970-01-01T01:00:00.000000Z, until 1970-01-01T01:00:30.000000Z unless renewed";
    let end = ". If that process is gone, the lock is free when its lease ends: run again then\norders: nothing to do";
    let error = Error::lock_timeout(Some(owner), report(Vec::new()));
    says(
        &error,
        ErrorKind::LockTimeout,
        line,
        &format!("{line}{end}"),
    );
    let line = "the lock of the service \"orders\" was not acquired in time: other processes acquired it first each time. Run again";
    let error = Error::lock_timeout(None, report(Vec::new()));
    says(
        &error,
        ErrorKind::LockTimeout,
        line,
        &format!("{line}\norders: nothing to do"),
    );
}

#[test]
fn a_lost_lease_says_why_and_names_what_had_failed() {
    let error = Error::lease_lost(
        "another owner is there".to_owned(),
        report(vec![failed("a")]),
    );
    says(
        &error,
        ErrorKind::LeaseLost,
        "the lease was lost: another owner is there",
        "the lease was lost: another owner is there.\
         \nNothing was recorded after that, and another run may continue. Run again. \"a\" failed\
         \norders: 1 rolled back in 12 ms\
         \n  rolled back     0001 a\
         \n                  no rights\\non the stream [target events]\
         \n                  at src/changes.rs:7",
    );
    let refused = StoreError::new(StoreErrorKind::Refused, "the entry was refused", "no owner");
    assert_eq!(Error::store(refused).kind(), ErrorKind::LeaseLost);
}

#[test]
fn an_outcome_in_doubt_is_found_out_by_the_next_run() {
    let doubtful = ChangeReport {
        in_doubt: true,
        ..change("a", Outcome::Failed)
    };
    says(
        &Error::in_doubt(report(vec![doubtful])),
        ErrorKind::InDoubt,
        "the outcome of \"a\" could not be confirmed or recorded",
        "the outcome of \"a\" could not be confirmed or recorded.\
         \nRun again when the database is reachable: the run finds out, or reports an issue\
         \norders: 1 failed in 12 ms\
         \n  failed          0001 a",
    );
}

#[test]
fn a_cancelled_run_says_that_the_rest_is_pending() {
    says(
        &Error::cancelled(report(vec![change("a", Outcome::NotReached)])),
        ErrorKind::Cancelled,
        "the run was asked to stop before its end; what did not run is still pending",
        "the run was asked to stop before its end; what did not run is still pending\
         \norders: 1 not reached in 12 ms\
         \n  not reached     0001 a",
    );
}

#[test]
fn a_store_error_has_its_causes_in_the_full_text_and_repeats_nothing() {
    let action = "could not read the audit";
    // Like an error of sqlx, whose own text repeats that of the database.
    #[derive(Debug, thiserror::Error)]
    #[error("error returned from database: {0}")]
    struct Outer(#[source] Box<dyn std::error::Error + Send + Sync>);
    let outer = Outer("no rights".into());
    let error = Error::store(StoreError::new(StoreErrorKind::Denied, action, outer));
    says(
        &error,
        ErrorKind::Store,
        action,
        "could not read the audit\ncaused by: error returned from database: no rights",
    );
}

#[test]
fn kinds_have_words_for_json() {
    let kinds = [
        (ErrorKind::Invalid, "invalid"),
        (ErrorKind::ChangesFailed, "changes_failed"),
        (ErrorKind::Issues, "issues"),
        (ErrorKind::Pending, "pending"),
        (ErrorKind::LockTimeout, "lock_timeout"),
        (ErrorKind::LeaseLost, "lease_lost"),
        (ErrorKind::InDoubt, "in_doubt"),
        (ErrorKind::Cancelled, "cancelled"),
        (ErrorKind::Store, "store"),
    ];
    for (kind, word) in kinds {
        assert_eq!(kind.as_str(), word);
        assert_eq!(kind.to_string(), word);
        assert_eq!(serde_json::to_value(kind).unwrap(), word);
    }
}
