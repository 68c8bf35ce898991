//! Points in time, as people read them.

use std::time::SystemTime;

use crate::util::time;

/// The time to the second, for tables.
pub(super) fn to_the_second(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time::bounded(time)).to_string()
}

/// A time that a person gave: how long ago it was, a date in UTC, or RFC 3339.
pub(super) fn since(text: &str) -> Result<SystemTime, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        let now = SystemTime::now();
        return Ok(now
            .checked_sub(ago)
            .map_or(SystemTime::UNIX_EPOCH, time::bounded));
    }
    let is_date = text.len() == 10 && text.matches('-').count() == 2;
    let parsed = match is_date {
        true => time::parse(&format!("{text}T00:00:00Z")),
        false => time::parse(text),
    };
    parsed.map_err(|_| {
        "use how long ago, as in 2h or 3d, a date, as in 2026-01-31, or RFC 3339, as in 2026-01-31T10:00:00+02:00"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn tables_have_no_fractions() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_500_000);
        assert_eq!(to_the_second(time), "1970-01-01T00:00:01Z");
    }

    #[test]
    fn a_time_is_an_age_a_date_or_rfc_3339() {
        let now = SystemTime::now();
        let age = |text: &str| now.duration_since(since(text).unwrap()).unwrap();
        let hour = Duration::from_secs(3600);
        assert!(age("2h") <= 2 * hour && age("2h") > hour);
        assert!(age("3d") <= 72 * hour && age("3d") > 71 * hour);
        for (given, utc) in [
            ("2026-01-31", "2026-01-31T00:00:00.000000Z"),
            ("2026-01-31T10:00:00+02:00", "2026-01-31T08:00:00.000000Z"),
            ("300000y", "1970-01-01T00:00:00.000000Z"),
        ] {
            assert_eq!(since(given).map(time::text).as_deref(), Ok(utc));
        }
        for refused in ["yesterday", "2026-02-30", "2h ago", "", "31.01.2026"] {
            assert!(since(refused).unwrap_err().contains("3d"), "{refused}");
        }
    }
}
