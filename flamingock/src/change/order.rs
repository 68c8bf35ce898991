//! The order of changes in a stage: letters, digits, `_`, `.` and `-`, compared naturally.

use std::cmp::Ordering;

/// The minimum number of letters and digits in an order.
const SHORTEST: usize = 3;

/// Returns the problem with an order, if there is one.
pub(crate) fn problem(order: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if let Some(other) = order.chars().find(|&c| !allowed(c)) {
        return Some(format!(
            "order {order:?} has {other:?}: use letters, digits, `_`, `.` and `-`, as in \"0001\""
        ));
    }
    let counted = order.chars().filter(char::is_ascii_alphanumeric).count();
    (counted < SHORTEST).then(|| {
        format!(
            "order {order:?} is too short: use at least three letters or digits, as in \"0001\""
        )
    })
}

/// Compares runs of digits as numbers and everything else by its bytes: "999" comes before "1000",
/// and "001" equals "0001".
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    loop {
        match (left.first(), right.first()) {
            (None, None) => return Ordering::Equal,
            (Some(a), Some(b)) if a.is_ascii_digit() && b.is_ascii_digit() => {
                let (a, left_rest) = digits(left);
                let (b, right_rest) = digits(right);
                // Without leading zeros the longer run is the larger number.
                let ordering = a.len().cmp(&b.len()).then_with(|| a.cmp(b));
                if ordering != Ordering::Equal {
                    return ordering;
                }
                (left, right) = (left_rest, right_rest);
            }
            (a, b) => match a.cmp(&b) {
                Ordering::Equal => (left, right) = (&left[1..], &right[1..]),
                unequal => return unequal,
            },
        }
    }
}

/// Splits a text after its leading digits, and drops their leading zeros.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let (run, rest) = text.split_at(end);
    let zeros = run.iter().take_while(|&&byte| byte == b'0').count();
    (&run[zeros..], rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_compare_naturally() {
        let cases = [
            ("999", "1000", Ordering::Less),
            ("001", "0001", Ordering::Equal),
            ("0010", "0002", Ordering::Greater),
            ("1.9.0", "1.10.0", Ordering::Less),
            ("2024-01-02", "2024-01-10", Ordering::Less),
            ("a2", "a10", Ordering::Less),
            ("abc", "abd", Ordering::Less),
            ("0001", "0001a", Ordering::Less),
            ("000", "0", Ordering::Equal),
            (
                "99999999999999999999998",
                "99999999999999999999999",
                Ordering::Less,
            ),
        ];
        for (left, right, expected) in cases {
            assert_eq!(compare(left, right), expected, "{left} against {right}");
            assert_eq!(
                compare(right, left),
                expected.reverse(),
                "{right} against {left}"
            );
        }
    }

    #[test]
    fn short_and_odd_orders_are_refused() {
        for order in ["001", "V1.1", "a-b-c", "2024_01"] {
            assert_eq!(problem(order), None, "{order}");
        }
        for order in ["", "1", "01", "a-b", "0 01", "00é1", "001/2"] {
            assert!(problem(order).is_some(), "{order}");
        }
    }
}
