//! The spellings of one character.

/// Adds the ends of all spellings of the character that begin at `at`.
pub(super) fn spelled(text: &str, at: usize, character: char, ends: &mut Vec<usize>) {
    let Some(rest) = text.get(at..) else { return };
    let mut end = |length: usize| ends.push(at + length);
    if rest.starts_with(character) {
        end(character.len_utf8());
    }
    match rest.as_bytes().first() {
        Some(b'\\') => escaped(rest, character, &mut end),
        Some(b'%') => percent(rest, character, &mut end),
        Some(b'&') => entity(rest, character, &mut end),
        Some(b'=') => quoted_printable(rest, character, &mut end),
        Some(b'+') if character == ' ' => end(1),
        Some(b'\r') if character == '\n' && rest.starts_with("\r\n") => end(2),
        _ => {}
    }
    // SQL, CSV and some shells double the character that would end a literal; other shells end the
    // literal and add the character in another one.
    for (of, spelling) in [
        ('\'', "''"),
        ('\'', "'\\''"),
        ('\'', "'\"'\"'"),
        ('"', "\"\""),
        ('`', "``"),
        ('$', "$$"),
        ('%', "%%"),
    ] {
        if character == of && rest.starts_with(spelling) {
            end(spelling.len());
        }
    }
}

/// Returns the end of a line break that a program inserted into the text, including the indentation
/// after it.
pub(super) fn line_break(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    // A line continuation in a shell or in quoted-printable text, or a line break in an escaped
    // text.
    let before = rest.trim_start_matches(['\\', '=']);
    let is_escaped = rest.starts_with('\\') && before.starts_with(['n', 'r']);
    let behind = if is_escaped {
        let behind = before
            .strip_prefix('r')
            .map_or(before, |behind| behind.trim_start_matches('\\'));
        behind.strip_prefix('n')?
    } else {
        let behind = before.strip_prefix('\r').unwrap_or(before);
        behind.strip_prefix('\n')?
    };
    let behind = behind.trim_start_matches([' ', '\t']);
    Some(text.len() - behind.len())
}

/// Spellings with backslashes: Rust, JSON, shells, SQL, regular expressions. A text that is escaped
/// again has more of them.
fn escaped(rest: &str, character: char, end: &mut impl FnMut(usize)) {
    let count = rest.bytes().take_while(|byte| *byte == b'\\').count();
    if character == '\\' {
        for length in [2, 4, 8, 16, count] {
            if length <= count {
                end(length);
            }
        }
    }
    let tail = &rest[count..];
    if tail.starts_with(character) && !character.is_alphanumeric() {
        end(count + character.len_utf8());
    }
    let letter = match character {
        '\n' => Some('n'),
        '\r' => Some('r'),
        '\t' => Some('t'),
        '\u{8}' => Some('b'),
        '\u{c}' => Some('f'),
        '\u{b}' => Some('v'),
        '\u{7}' => Some('a'),
        '\u{1b}' => Some('e'),
        '\0' => Some('0'),
        _ => None,
    };
    if letter.is_some_and(|letter| tail.starts_with(letter)) {
        end(count + 1);
    }
    if character == '\n'
        && let Some(behind) = tail.strip_prefix('r')
    {
        let more = behind.bytes().take_while(|byte| *byte == b'\\').count();
        if more > 0 && behind[more..].starts_with('n') {
            end(count + 1 + more + 1);
        }
    }
    if let Some(length) = unicode(tail, character) {
        end(count + length);
    }
    let each = |spelling: fn(&str) -> Option<(u8, usize)>, end: &mut dyn FnMut(usize)| {
        if let Some(length) = bytes(rest, character, spelling) {
            end(length);
        }
    };
    each(
        |text| {
            behind_backslashes(text, |tail| {
                hex(tail.strip_prefix(['x', 'X'])?).map(|(byte, length)| (byte, length + 1))
            })
        },
        end,
    );
    each(|text| behind_backslashes(text, octal), end);
}

/// `u00e9`, `ud83e\udda9`, `u{e9}`, `U000000e9`, `x{e9}`, `xe9`: the part after the backslash.
fn unicode(tail: &str, character: char) -> Option<usize> {
    let number = |digits: &str| u32::from_str_radix(digits, 16).ok();
    let code = u32::from(character);
    if let Some(braced) = tail.strip_prefix("u{").or_else(|| tail.strip_prefix("x{")) {
        let digits = braced.split('}').next()?;
        return (number(digits)? == code && digits.len() < braced.len())
            .then(|| 2 + digits.len() + 1);
    }
    if let Some(long) = tail.strip_prefix('U') {
        return (number(long.get(..8)?)? == code).then_some(9);
    }
    if let Some(short) = tail.strip_prefix('x') {
        return (number(short.get(..2)?)? == code).then_some(3);
    }
    let first = number(tail.strip_prefix('u')?.get(..4)?)?;
    if first == code {
        return Some(5);
    }
    let mut units = [0; 2];
    let [high, low] = character.encode_utf16(&mut units) else {
        return None;
    };
    let behind = &tail[5..];
    let more = behind.bytes().take_while(|byte| *byte == b'\\').count();
    let second = number(behind.get(more..)?.strip_prefix('u')?.get(..4)?)?;
    let fits = first == u32::from(*high) && second == u32::from(*low) && more > 0;
    fits.then_some(5 + more + 5)
}

/// Returns the length of the text that spells all bytes of the character, each in this way.
fn bytes(text: &str, character: char, spelling: fn(&str) -> Option<(u8, usize)>) -> Option<usize> {
    let mut length = 0;
    for expected in character.encode_utf8(&mut [0; 4]).bytes() {
        let (byte, more) = spelling(text.get(length..)?)?;
        if byte != expected {
            return None;
        }
        length += more;
    }
    Some(length)
}

fn behind_backslashes(text: &str, of: fn(&str) -> Option<(u8, usize)>) -> Option<(u8, usize)> {
    let count = text.bytes().take_while(|byte| *byte == b'\\').count();
    let (byte, length) = of(&text[count..])?;
    (count > 0).then_some((byte, count + length))
}

fn hex(text: &str) -> Option<(u8, usize)> {
    let digits = text
        .get(..2)
        .filter(|digits| digits.bytes().all(|one| one.is_ascii_hexdigit()))?;
    Some((u8::from_str_radix(digits, 16).ok()?, 2))
}

fn octal(text: &str) -> Option<(u8, usize)> {
    let digits = text
        .get(..3)
        .filter(|digits| digits.bytes().all(|one| one.is_ascii_digit()))?;
    Some((u8::from_str_radix(digits, 8).ok()?, 3))
}

/// `%2F`, `%2f`, `%252F`; `%u002F`.
fn percent(rest: &str, character: char, end: &mut impl FnMut(usize)) {
    let of_byte = |text: &str| {
        let mut length = 1;
        let mut behind = text.strip_prefix('%')?;
        while let Some(more) = behind.strip_prefix("25").filter(|more| hex(more).is_some()) {
            behind = more;
            length += 2;
        }
        hex(behind).map(|(byte, more)| (byte, length + more))
    };
    if let Some(length) = bytes(rest, character, of_byte) {
        end(length);
    }
    let code = rest.strip_prefix("%u").and_then(|digits| digits.get(..4));
    if code.and_then(|code| u32::from_str_radix(code, 16).ok()) == Some(u32::from(character)) {
        end(6);
    }
}

/// `&#39;`, `&#x27;`, `&quot;`, `&amp;quot;`.
fn entity(rest: &str, character: char, end: &mut impl FnMut(usize)) {
    const NAMES: [(&str, char); 14] = [
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("nbsp", ' '),
        ("sol", '/'),
        ("bsol", '\\'),
        ("equals", '='),
        ("plus", '+'),
        ("colon", ':'),
        ("commat", '@'),
        ("percnt", '%'),
        ("grave", '`'),
    ];
    let mut behind = &rest[1..];
    let whole = behind;
    loop {
        if let Some((name, _)) = behind.split_once(';').filter(|(name, _)| name.len() <= 10) {
            let code = match (
                name.strip_prefix("#x").or(name.strip_prefix("#X")),
                name.strip_prefix('#'),
            ) {
                (Some(digits), _) => u32::from_str_radix(digits, 16).ok(),
                (None, Some(digits)) => digits.parse().ok(),
                (None, None) => NAMES
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, of)| u32::from(*of)),
            };
            if code == Some(u32::from(character)) {
                end(1 + whole.len() - behind.len() + name.len() + 1);
            }
        }
        match behind.strip_prefix("amp;") {
            Some(more) => behind = more,
            None => break,
        }
    }
}

/// `=2F`, as in e-mails.
fn quoted_printable(rest: &str, character: char, end: &mut impl FnMut(usize)) {
    let of_byte =
        |text: &str| hex(text.strip_prefix('=')?).map(|(byte, length)| (byte, length + 1));
    if let Some(length) = bytes(rest, character, of_byte) {
        end(length);
    }
}
