//! Points in time, for people.

use std::time::{Duration, SystemTime};

use crate::util::time;

/// Returns the time in seconds, for tables.
pub(super) fn to_the_second(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time::bounded(time)).to_string()
}

/// Parses a time: a duration ago, a date in UTC, or RFC 3339.
pub(super) fn since(text: &str) -> Result<SystemTime, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        let now = SystemTime::now();
        return Ok(now
            .checked_sub(ago)
            .map_or(SystemTime::UNIX_EPOCH, time::bounded));
    }
    let is_date = text.len() == 10 && text.matches('-').count() == 2;
    let parsed = match is_date {
        true => parse(&format!("{text}T00:00:00Z")),
        false => parse(text),
    };
    parsed.map_err(|_| {
        "use how long ago, as in 2h or 3d, a date, as in 2026-01-31, or RFC 3339, as in 2026-01-31T10:00:00+02:00"
            .to_owned()
    })
}

/// A leap year, to find out whether the rest is a valid date.
const ANY_YEAR: &str = "2000";

/// Parses RFC 3339 with any offset. A time outside the supported range becomes its first or last
/// time.
fn parse(text: &str) -> Result<SystemTime, String> {
    let refused =
        || "use RFC 3339, as in 2026-01-31T08:00:00Z or 2026-01-31T10:00:00+02:00".to_owned();
    let (local, offset) = split_offset(text).ok_or_else(refused)?;
    let year = local
        .get(..4)
        .filter(|year| year.bytes().all(|one| one.is_ascii_digit()));
    let year = year.ok_or_else(refused)?;
    let is_past = year < "1970";
    let parsed = if is_past {
        format!("{ANY_YEAR}{}Z", &local[4..])
    } else {
        format!("{local}Z")
    };
    let local = humantime::parse_rfc3339(&parsed).map_err(|_| refused())?;
    if is_past {
        return Ok(SystemTime::UNIX_EPOCH);
    }
    let distance = Duration::from_secs(offset.unsigned_abs() * 60);
    let since = local
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_err(|_| refused())?;
    let utc = if offset < 0 {
        since.saturating_add(distance)
    } else {
        since.saturating_sub(distance)
    };
    Ok(time::bounded(SystemTime::UNIX_EPOCH + utc))
}

/// Splits a time into its local part, and the minutes by which that is ahead of UTC.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(local) = text.strip_suffix(['Z', 'z']) {
        return Some((local, 0));
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let (sign, clock) = offset.split_at_checked(1)?;
    let (hours, minutes) = clock.split_once(':')?;
    let number = |text: &str, below: i64| -> Option<i64> {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|number| is_number && *number < below)
    };
    let minutes = number(hours, 24)? * 60 + number(minutes, 60)?;
    match sign {
        "+" => Some((local, minutes)),
        "-" => Some((local, -minutes)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "1970-01-01T00:00:00.000000Z";
    const LAST: &str = "9999-12-31T23:59:59.999999Z";

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

    #[test]
    fn any_offset_is_utc_in_the_filter() {
        for (given, utc) in [
            ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00.000000Z"),
            ("2026-01-31T10:00:00+02:00", "2026-01-31T08:00:00.000000Z"),
            ("2026-01-31T02:30:00.5-05:30", "2026-01-31T08:00:00.500000Z"),
            ("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00.000000Z"),
            ("1970-01-01T00:30:00+01:00", FIRST),
            ("1969-12-31T23:59:59-01:00", FIRST),
            ("1900-02-28T00:00:00Z", FIRST),
            ("0000-01-01T00:00:00Z", FIRST),
            ("9999-12-31T23:59:59.999999999Z", LAST),
            ("9999-12-31T23:59:59-23:59", LAST),
        ] {
            assert_eq!(parse(given).map(time::text).as_deref(), Ok(utc));
        }
        for refused in [
            "yesterday",
            "2026-01-31",
            "2026-01-31T08:00:00",
            "é+02:00",
            "+2:000",
            "1900-13-01T00:00:00Z",
            "1900-02-30T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "-001-01-01T00:00:00Z",
            "",
        ] {
            assert!(parse(refused).is_err(), "{refused}");
        }
    }
}
