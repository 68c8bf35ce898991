//! Points in time, as people write them: RFC 3339.

use std::time::{Duration, SystemTime};

use serde::Serializer;

/// The first microsecond of the year 10000, which is behind all times that the audit can have.
const END: Duration = Duration::from_secs(253_402_300_800);

/// Returns the time as the audit has it: RFC 3339 in UTC, with microseconds.
pub(crate) fn text(time: SystemTime) -> String {
    humantime::format_rfc3339_micros(bounded(time)).to_string()
}

/// Reads a time as a database has it. One that cannot be read is the first that there can be, since a
/// history is shown also where somebody has written to it by hand.
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

/// The time itself, or the first or the last one that the audit can have.
pub(crate) fn bounded(time: SystemTime) -> SystemTime {
    let last = SystemTime::UNIX_EPOCH + END - Duration::from_micros(1);
    time.clamp(SystemTime::UNIX_EPOCH, last)
}
