//! Normalises the output of a program, so that it can be compared with a page.

/// MariaDB's note about a change that creates a table.
const MIDWAY: &str = "note: the database committed before the change ended";

/// The text without the parts that differ between runs and databases: ids, times, durations,
/// digests, processes, source lines. Columns are two blanks apart.
#[must_use]
pub fn normalise(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.contains(MIDWAY))
        .map(|line| {
            let indent = line.len() - line.trim_start().len();
            let columns: Vec<String> = line
                .trim()
                .split("  ")
                .filter(|column| !column.trim().is_empty())
                .map(words)
                .collect();
            let columns = match columns.as_slice() {
                [field, _]
                    if ["host", "pid", "duration_ms", "operator", "idempotency_key"]
                        .contains(&field.as_str()) =>
                {
                    format!("{field}  <one>")
                }
                columns => columns.join("  "),
            };
            format!("{}{columns}\n", " ".repeat(indent))
        });
    lines.collect()
}

fn words(column: &str) -> String {
    let words: Vec<&str> = column.split_whitespace().collect();
    let mut out: Vec<String> = Vec::new();
    for (place, word) in words.iter().enumerate() {
        let before = place.checked_sub(1).map_or("", |before| words[before]);
        let after = words.get(place + 1).copied().unwrap_or_default();
        let core = word.trim_matches(['(', ')', ',', '.', ':']);
        let with = |name: &str| word.replace(core, name);
        out.push(
            if core.len() == 32 && core.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                with("<id>")
            } else if core.starts_with("v1:") {
                with("<digest>")
            } else if is_time(core)
                || (shape(core) == DATE && shape(after).starts_with(CLOCK))
                || (shape(core) == CLOCK && shape(before) == DATE)
            {
                with("<time>")
            } else if core.starts_with(|first: char| first.is_ascii_digit())
                && (after.starts_with("ms") || after.trim_end_matches(')') == "s")
            {
                with("<n>")
            } else if word.trim_end_matches(')') == "s"
                && before.starts_with(|first: char| first.is_ascii_digit())
            {
                // On a busy machine, what takes milliseconds can take a second.
                with("ms")
            } else if before == "operator" {
                with("<operator>")
            } else if before == "(process" {
                "<pid>".to_owned()
            } else if before == "on" && word.ends_with(')') {
                "<host>)".to_owned()
            } else if core.contains("main.rs:") {
                with("<location>")
            } else {
                (*word).to_owned()
            },
        );
    }
    out.join(" ")
}

/// A day and an hour, as in another tool's history.
const DATE: &str = "0000-00-00";
const CLOCK: &str = "00:00:00";

fn is_time(word: &str) -> bool {
    let shape = shape(word);
    shape.starts_with("0000-00-00T00:00:00") && shape.ends_with('Z')
}

/// The word with a zero in place of each digit.
fn shape(word: &str) -> String {
    let zero = |character: char| match character.is_ascii_digit() {
        true => '0',
        false => character,
    };
    word.chars().map(zero).collect()
}
