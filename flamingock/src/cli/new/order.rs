//! The order of a new change: the next one of the project's own numbering.

use std::time::SystemTime;

use crate::change::order::compare;
use crate::util::time;

/// The order of the first change of a stage.
const FIRST: &str = "0001";

/// Returns the order after all of these: the next number, or the time `now` if the last order is a
/// timestamp.
///
/// # Errors
/// The last order does not end with a number.
pub(super) fn next<'a>(
    orders: impl Iterator<Item = &'a str>,
    now: SystemTime,
) -> Result<String, String> {
    let Some(last) = orders.max_by(|left, right| compare(left, right)) else {
        return Ok(FIRST.to_owned());
    };
    if let Some(stamp) = timestamp(last, now)
        && compare(&stamp, last).is_gt()
    {
        return Ok(stamp);
    }
    let digits = last.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (before, number) = last.split_at(last.len() - digits);
    if number.is_empty() {
        return Err(format!(
            "the last order is {last:?}, which does not end with a number: set the order with --order"
        ));
    }
    Ok(format!("{before}{}", incremented(number)))
}

/// Returns `now` in the form of an order that is a timestamp: one with the digits of a date, or of
/// a date and a time, in this century.
fn timestamp(order: &str, now: SystemTime) -> Option<String> {
    let digits = order.bytes().filter(u8::is_ascii_digit).count();
    let is_plain = order
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"_.-".contains(&byte));
    if !is_plain || !order.starts_with("20") || !matches!(digits, 8 | 12 | 14) {
        return None;
    }
    let now = time::text(now);
    let mut now = now.chars().filter(char::is_ascii_digit);
    order
        .chars()
        .map(|one| {
            if one.is_ascii_digit() {
                now.next()
            } else {
                Some(one)
            }
        })
        .collect()
}

/// Adds one to a decimal number of any length, and keeps its leading zeros.
fn incremented(number: &str) -> String {
    let mut digits: Vec<u8> = number.bytes().collect();
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return digits.into_iter().map(char::from).collect();
        }
        *digit = b'0';
    }
    format!("1{}", "0".repeat(number.len()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// 2026-11-29T20:15:30Z.
    const NOW: Duration = Duration::from_secs(1_795_983_330);

    #[test]
    fn order_is_the_next_of_the_projects_numbering() {
        for (orders, expected) in [
            (&[][..], "0001"),
            (&["0001", "0003", "0002"], "0004"),
            (&["0009"], "0010"),
            (&["9999"], "10000"),
            (&["999", "1000"], "1001"),
            (&["V1.9", "V1.10"], "V1.11"),
            (&["099"], "100"),
            (&["20260131120000"], "20261129201530"),
            (&["202601311200"], "202611292015"),
            (&["20260131"], "20261129"),
            (&["2026-01-31-120000"], "2026-11-29-201530"),
            // Written by a machine whose clock is ahead.
            (&["20301231235959"], "20301231235960"),
            (&["0001", "20260131120000"], "20261129201530"),
            (&["10000000000000"], "10000000000001"),
        ] {
            let orders = orders.iter().copied();
            let next = next(orders, SystemTime::UNIX_EPOCH + NOW).unwrap();
            assert_eq!(next, expected);
        }
    }

    #[test]
    fn order_without_a_number_at_its_end_is_refused() {
        let refused = next(["0001", "2026a"].into_iter(), SystemTime::UNIX_EPOCH + NOW);
        assert!(refused.unwrap_err().contains("--order"));
    }
}
