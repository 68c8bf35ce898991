//! The clock that measures leases in a SQLite file, because SQLite has no clock of its own.

use std::time::{Duration, SystemTime};

/// How much longer a lease lasts by the wall clock. The clocks of two hosts that share a file
/// differ, and can be set while they run.
const MARGIN: Duration = Duration::from_secs(5);

/// Returns the milliseconds since 1970.
pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, milliseconds)
}

/// Returns the end by the wall clock of a lease that begins now, including the margin.
pub(crate) fn wall_end_ms(lease: Option<Duration>) -> i64 {
    let lease = lease.map_or(0, milliseconds);
    wall_ms()
        .saturating_add(lease)
        .saturating_add(milliseconds(MARGIN))
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The clock that measures the leases of one boot. A wall clock may jump; the time since boot does
/// not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    /// The id of the boot; empty if the system does not report it.
    pub(crate) boot: String,
    /// Milliseconds since boot, or since 1970 if the boot is unknown.
    pub(crate) now_ms: i64,
}

impl Clock {
    /// Reads the clock.
    #[cfg(target_os = "linux")]
    pub(crate) fn read() -> Clock {
        use rustix::time::{ClockId, clock_gettime};
        static BOOT: std::sync::LazyLock<Option<String>> = std::sync::LazyLock::new(|| {
            let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
            Some(id.trim().to_owned()).filter(|id| !id.is_empty())
        });
        match &*BOOT {
            Some(boot) => {
                let now = clock_gettime(ClockId::Boottime);
                Clock {
                    boot: boot.clone(),
                    now_ms: now.tv_sec * 1000 + now.tv_nsec / 1_000_000,
                }
            }
            None => Clock::wall(),
        }
    }

    /// Reads the clock.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn read() -> Clock {
        Clock::wall()
    }

    fn wall() -> Clock {
        Clock {
            boot: String::new(),
            now_ms: wall_ms(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_runs_and_keeps_its_boot() {
        let first = Clock::read();
        let second = Clock::read();
        assert_eq!(first.boot, second.boot);
        assert!(second.now_ms >= first.now_ms);
    }
}
