//! The clock of the server, compared with that of this machine.

use std::time::{Duration, SystemTime};

use super::checked::{Checked, first, text};
use crate::target::database::Database;
use crate::util::database_kind::DatabaseKind;

/// The difference between two clocks that is not worth a note.
const TOLERATED: Duration = Duration::from_secs(5);

/// Compares the clocks. SQLite has that of the host.
pub(super) async fn clock(database: &dyn Database) -> Option<Checked> {
    const CHECK: &str = "clock";
    let query = match database.kind() {
        DatabaseKind::Sqlite => return None,
        DatabaseKind::Postgres => {
            "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
        }
        DatabaseKind::MySql => {
            "SELECT CAST(DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%fZ') AS BINARY)"
        }
    };
    let before = SystemTime::now();
    let there = match first(database, query).await {
        Ok(text) => humantime::parse_rfc3339_weak(&text).ok()?,
        Err(error) => return Some(Checked::problem(CHECK, text(&error), "check the server")),
    };
    Some(compared(before, there, SystemTime::now()))
}

/// Compares the time `there`, which was read between the other two.
fn compared(before: SystemTime, there: SystemTime, after: SystemTime) -> Checked {
    let ahead = there.duration_since(after).unwrap_or_default();
    let behind = before.duration_since(there).unwrap_or_default();
    let (distance, word) = if ahead > behind {
        (ahead, "ahead of")
    } else {
        (behind, "behind")
    };
    if distance <= TOLERATED {
        return Checked::ok("clock", "the server and this machine agree");
    }
    let distance = humantime::format_duration(Duration::from_secs(distance.as_secs()));
    Checked::note(
        "clock",
        format!(
            "the server is {distance} {word} this machine. Leases and times of the audit follow the server"
        ),
        "synchronise both by NTP, so that logs and audit have the same times",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::checked::Verdict;

    #[test]
    fn clocks_that_differ_by_more_than_the_answer_took_are_noted() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds);
        for (before, there, after, verdict, part) in [
            (100, 100, 101, Verdict::Ok, "agree"),
            (100, 130, 140, Verdict::Ok, "agree"),
            (100, 104, 101, Verdict::Ok, "agree"),
            (100, 162, 101, Verdict::Note, "1m 1s ahead of"),
            (100, 40, 101, Verdict::Note, "1m behind"),
        ] {
            let compared = compared(at(before), at(there), at(after));
            assert_eq!(compared.verdict, verdict, "{compared:?}");
            assert!(compared.finding.contains(part), "{compared:?}");
        }
    }
}
