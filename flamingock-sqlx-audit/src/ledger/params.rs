//! The parameters of statements.

use std::time::{Duration, SystemTime};

use crate::ledger::format::FORMAT_VERSION;
use crate::rows::LockGrant;
use crate::rows::{Marker, MarkerKind};
use crate::template::Value;

pub(super) type Params = Vec<(&'static str, Value)>;

pub(super) fn attempt_params(grant: &LockGrant, change_id: &str, attempt: i64) -> Params {
    let mut params = lease_params(grant, None);
    params.push(("change_id", change_id.into()));
    params.push(("attempt", attempt.into()));
    params
}

/// Inserts a tag where SQL accepts no expression. The tag is generated, and consists of letters and
/// digits.
pub(super) fn tagged(template: &str, tag: &str) -> String {
    debug_assert!(tag.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    template.replace("%tag%", tag)
}

pub(super) fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_micros(time).to_string()
}

/// Parameters that only SQLite needs, because it has no clock of its own.
pub(super) fn clock_params() -> Params {
    #[cfg(feature = "sqlite")]
    {
        let clock = crate::clock::Clock::read();
        vec![
            ("now_text", timestamp(SystemTime::now()).into()),
            ("boot", clock.boot.into()),
            ("now_ms", clock.now_ms.into()),
            ("wall_ms", crate::clock::wall_ms().into()),
        ]
    }
    #[cfg(not(feature = "sqlite"))]
    Vec::new()
}

pub(super) fn seed_params(service: &str, lane: &str) -> Params {
    let mut params = clock_params();
    params.extend([("service", service.into()), ("lane", lane.into())]);
    params
}

/// Returns the parameters of the statements that create the tables and the rows of a service.
pub(super) fn create_params(service: &str, lane: &str) -> Params {
    let mut params = seed_params(service, lane);
    params.push(("format_version", FORMAT_VERSION.into()));
    params
}

pub(super) fn lease_params(grant: &LockGrant, lease: Option<Duration>) -> Params {
    let mut params = seed_params(&grant.service, &grant.lane);
    let lease_ms = lease.map_or(-1, |lease| {
        i64::try_from(lease.as_millis()).unwrap_or(i64::MAX)
    });
    let expires = lease.map(|lease| timestamp(SystemTime::now() + lease));
    #[cfg(feature = "sqlite")]
    params.push(("wall_end_ms", crate::clock::wall_end_ms(lease).into()));
    params.extend([
        ("fencing_token", grant.fencing_token.into()),
        ("run_id", grant.run_id.as_str().into()),
        ("lease_ms", lease_ms.into()),
        ("expires_text", expires.into()),
    ]);
    params
}

pub(super) fn marker_params(marker: &Marker, kind: MarkerKind, tag: &str) -> Params {
    let mut params = clock_params();
    params.extend([
        ("service", marker.service.as_str().into()),
        ("change_id", marker.change_id.as_str().into()),
        ("started_seq", marker.started_seq.into()),
        ("run_id", marker.run_id.as_str().into()),
        ("kind", kind.as_str().into()),
        ("tag", tag.into()),
    ]);
    params
}
