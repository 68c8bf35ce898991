//! Points in time, as people read them.

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
    fn tables_have_no_fractions() {
        assert_eq!(
            to_the_second("2026-01-31T08:00:00.123456Z"),
            "2026-01-31T08:00:00Z"
        );
    }
}
