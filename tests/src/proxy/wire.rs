//! The minimal knowledge of two wire protocols: where a server's answer ends.
//!
//! A text of several statements is answered in pieces, and the first of them does not announce the
//! last.

/// The side that sends first distinguishes the two protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    PostgreSql,
    MySql,
}

/// Whether these bytes are the whole answer of the server to one text.
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
        // OK: two numbers of variable length (affected rows, last id) come before the status.
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

/// The number of executions that these bytes of a client request: a text, which may have several
/// statements, or a prepared statement. Unknown messages do not count.
pub(super) fn statements(protocol: Protocol, mut sent: &[u8]) -> usize {
    let mut count = 0;
    while let Some((executes, rest)) = match protocol {
        Protocol::PostgreSql => postgres_message(sent),
        Protocol::MySql => mysql_command(sent),
    } {
        count += usize::from(executes);
        sent = rest;
    }
    count
}

/// Simple query and Execute. The first message of a connection has no letter.
fn postgres_message(sent: &[u8]) -> Option<(bool, &[u8])> {
    let (kind, rest) = sent.split_first().filter(|(kind, _)| **kind != 0)?;
    let length = usize::try_from(u32::from_be_bytes(*rest.first_chunk()?)).ok()?;
    Some((matches!(kind, b'Q' | b'E'), rest.get(length..)?))
}

/// `COM_QUERY` and `COM_STMT_EXECUTE`, which are the first packet of an exchange.
fn mysql_command(sent: &[u8]) -> Option<(bool, &[u8])> {
    let [low, middle, high, sequence, rest @ ..] = sent else {
        return None;
    };
    let length = usize::from(*low) | usize::from(*middle) << 8 | usize::from(*high) << 16;
    let (payload, rest) = rest.split_at_checked(length)?;
    Some((*sequence == 0 && matches!(payload, [0x03 | 0x17, ..]), rest))
}

#[cfg(test)]
mod tests {
    use super::{Protocol, is_complete, statements};

    #[test]
    fn executed_statements_count_and_prepared_ones_do_not() {
        let sent = [
            &b"P\0\0\0\x05x"[..],
            b"E\0\0\0\x05x",
            b"S\0\0\0\x04",
            b"Q\0\0\0\x06y\0",
        ];
        assert_eq!(statements(Protocol::PostgreSql, &sent.concat()), 2);
        let hello = b"\0\0\0\x08\x04\xd2\x16\x2f";
        assert_eq!(statements(Protocol::PostgreSql, hello), 0);

        let prepare = [2, 0, 0, 0, 0x16, b'x'];
        let execute = [2, 0, 0, 0, 0x17, 1];
        let query = [2, 0, 0, 0, 0x03, b'x'];
        let login = [2, 0, 0, 1, 0x03, b'x'];
        let sent = [prepare, execute, query, login].concat();
        assert_eq!(statements(Protocol::MySql, &sent), 2);
    }

    #[test]
    fn answer_ends_with_its_last_statement() {
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
