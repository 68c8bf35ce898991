//! Points in time as text, in RFC 3339.

use std::time::{Duration, SystemTime};

use serde::Serializer;

/// The first microsecond of the year 10000, after every time that the audit can contain.
const END: Duration = Duration::from_secs(253_402_300_800);

/// Returns the form that the audit uses: RFC 3339 in UTC, with microseconds.
pub(crate) fn text(time: SystemTime) -> String {
    humantime::format_rfc3339_micros(bounded(time)).to_string()
}

/// Parses a time from the database. An invalid one becomes the earliest time, so that a history can
/// be shown even if it was edited by hand.
#[cfg(feature = "_sqlx")]
pub(crate) fn stored(text: &str) -> SystemTime {
    humantime::parse_rfc3339_weak(text).map_or(SystemTime::UNIX_EPOCH, bounded)
}

pub(crate) fn serialize<S: Serializer>(
    time: &SystemTime,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*time))
}

#[expect(clippy::ref_option, reason = "serde's signature")]
pub(crate) fn serialize_if_any<S: Serializer>(
    time: &Option<SystemTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serialize(time, serializer),
        None => serializer.serialize_none(),
    }
}

pub(crate) fn in_milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[expect(clippy::ref_option, reason = "serde's signature")]
pub(crate) fn milliseconds_if_any<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => serializer.serialize_f64(in_milliseconds(*duration)),
        None => serializer.serialize_none(),
    }
}

/// Returns the time, limited to the range that the audit supports.
pub(crate) fn bounded(time: SystemTime) -> SystemTime {
    let last = SystemTime::UNIX_EPOCH + END - Duration::from_micros(1);
    time.clamp(SystemTime::UNIX_EPOCH, last)
}
