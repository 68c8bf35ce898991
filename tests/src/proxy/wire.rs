//! The little that must be known of two wire protocols: where a server's answer ends.
//!
//! A text of several statements is answered in pieces, and the first of them says nothing of the last.

/// Which side speaks first tells the two protocols apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    PostgreSql,
    MySql,
}

/// Whether these bytes are everything that the server has to say to one text.
pub(super) fn is_complete(protocol: Protocol, answer: &[u8]) -> bool {
    match protocol {
        // ReadyForQuery: five bytes of header, and the state of the transaction.
        Protocol::PostgreSql => matches!(answer, [.., b'Z', 0, 0, 0, 5, b'I' | b'T' | b'E']),
        Protocol::MySql => last_packet(answer).is_some_and(ends_an_answer),
    }
}

/// The last packet (three bytes of length, a sequence number, the payload) if it is whole.
fn last_packet(mut answer: &[u8]) -> Option<&[u8]> {
    loop {
        let (header, rest) = answer.split_at_checked(4)?;
        let length =
            usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16;
        let (payload, rest) = rest.split_at_checked(length)?;
        if rest.is_empty() {
            return Some(payload);
        }
        answer = rest;
    }
}

fn ends_an_answer(payload: &[u8]) -> bool {
    const MORE_RESULTS: u8 = 0x08;
    let status = match payload {
        [0xff, ..] => return true,
        [0xfe, _, _, status, _] => Some(*status),
        // OK: two numbers of variable length (affected rows, last id) stand before the status.
        [0x00 | 0xfe, rest @ ..] => skip_number(rest)
            .and_then(skip_number)
            .and_then(|rest| rest.first().copied()),
        _ => None,
    };
    status.is_some_and(|status| status & MORE_RESULTS == 0)
}

fn skip_number(bytes: &[u8]) -> Option<&[u8]> {
    let length = match bytes.first()? {
        0xfc => 3,
        0xfd => 4,
        0xfe => 9,
        _ => 1,
    };
    bytes.get(length..)
}

#[cfg(test)]
mod tests {
    use super::{Protocol, is_complete};

    #[test]
    fn an_answer_ends_with_its_last_statement() {
        let ready = b"C\0\0\0\x0bCOMMIT\0Z\0\0\0\x05I";
        assert!(is_complete(Protocol::PostgreSql, ready));
        assert!(!is_complete(Protocol::PostgreSql, &ready[..12]));

        let more = [7, 0, 0, 1, 0, 1, 0, 0x08, 0, 0, 0];
        let last = [7, 0, 0, 2, 0, 0, 0, 0x02, 0, 0, 0];
        assert!(!is_complete(Protocol::MySql, &more));
        assert!(is_complete(Protocol::MySql, &last));
        assert!(is_complete(Protocol::MySql, &[more, last].concat()));
        assert!(!is_complete(Protocol::MySql, &[more, last].concat()[..20]));
    }
}
