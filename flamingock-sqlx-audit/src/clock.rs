//! The time that leases in a file are measured by: SQLite has no clock of its own.

/// The clock by which leases on this machine are measured. A wall clock may jump; the time since
/// boot does not, and another boot's leases are over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    /// Names the boot; empty where the system does not tell.
    pub(crate) boot: String,
    /// Milliseconds since boot, or since 1970 where the boot is not known.
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
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now_ms = since.map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        });
        Clock {
            boot: String::new(),
            now_ms,
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
