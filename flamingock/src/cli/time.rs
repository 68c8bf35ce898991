//! Points in time, as people write and read them: RFC 3339.

use std::time::Duration;

/// A time that a person gave, with any offset: RFC 3339 in UTC with microseconds, as the audit has it.
pub(super) fn parse(text: &str) -> Result<String, String> {
    let refused = || "use RFC 3339, as in 2026-01-31T08:00:00Z or 2026-01-31T10:00:00+02:00";
    let (local, offset) = split_offset(text).ok_or_else(refused)?;
    let local = humantime::parse_rfc3339(&format!("{local}Z")).map_err(|_| refused())?;
    let distance = Duration::from_secs(offset.unsigned_abs() * 60);
    let utc = if offset < 0 {
        local.checked_add(distance)
    } else {
        local.checked_sub(distance)
    };
    let utc = utc.ok_or_else(refused)?;
    Ok(humantime::format_rfc3339_micros(utc).to_string())
}

/// The local part, and the minutes that it is ahead of UTC.
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

/// The same time to the second, for tables.
pub(super) fn to_the_second(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_offset_is_utc_in_the_filter() {
        for (given, utc) in [
            ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00.000000Z"),
            ("2026-01-31T10:00:00+02:00", "2026-01-31T08:00:00.000000Z"),
            ("2026-01-31T02:30:00.5-05:30", "2026-01-31T08:00:00.500000Z"),
            ("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00.000000Z"),
        ] {
            assert_eq!(parse(given).as_deref(), Ok(utc));
        }
        for refused in [
            "yesterday",
            "2026-01-31",
            "2026-01-31T08:00:00",
            "é+02:00",
            "+2:000",
        ] {
            assert!(parse(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn tables_have_no_fractions() {
        assert_eq!(
            to_the_second("2026-01-31T08:00:00.123456Z"),
            "2026-01-31T08:00:00Z"
        );
    }
}
