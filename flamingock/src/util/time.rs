//! Points in time as text, in RFC 3339.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serializer};

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

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<SystemTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time = humantime::parse_rfc3339_weak(&text).map_err(serde::de::Error::custom)?;
    Ok(bounded(time))
}

pub(crate) fn deserialize_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SystemTime>, D::Error> {
    match Option::<String>::deserialize(deserializer)? {
        None => Ok(None),
        Some(text) => humantime::parse_rfc3339_weak(&text)
            .map(|time| Some(bounded(time)))
            .map_err(serde::de::Error::custom),
    }
}

/// Serializes a duration as milliseconds, and back.
pub(crate) mod milliseconds {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(super::in_milliseconds(*duration))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let milliseconds = f64::deserialize(deserializer)?;
        super::from_milliseconds(milliseconds).map_err(serde::de::Error::custom)
    }
}

pub(crate) fn milliseconds_if_any_back<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let milliseconds = Option::<f64>::deserialize(deserializer)?;
    let duration = milliseconds.map(from_milliseconds).transpose();
    duration.map_err(serde::de::Error::custom)
}

/// Rounds to microseconds, the precision of the audit.
fn from_milliseconds(milliseconds: f64) -> Result<Duration, std::time::TryFromFloatSecsError> {
    Duration::try_from_secs_f64((milliseconds * 1000.0).round() / 1_000_000.0)
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
