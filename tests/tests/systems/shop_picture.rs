//! The picture in README.md: the real output of `examples/shop`, from a failure to its resolution.

use std::{fs, io};

use flamingock_tests::cargo;

use crate::shop::shop;

/// If set, the picture is written instead of compared, like the pages.
const UPDATE: &str = "FLAMINGOCK_UPDATE_PAGES";

const COMMANDS: [&str; 4] = [
    "shop apply --fail",
    "shop issue show announce-opening --guidance",
    "shop issue resolve announce-opening --applied --reason 'the stream has the message'",
    "shop apply",
];

/// Longer lines are folded.
const COLUMNS: usize = 100;

/// The durations in the picture, in milliseconds: those of one run.
const DURATIONS: [u32; 9] = [290, 13, 32, 37, 49, 71, 97, 57, 27];

const TIME: &str = "2026-11-29T13:17:38Z";
const ID: &str = "03cf235e9b9e3ca9687a1ccf29106c45";

/// The text with the durations, times and ids of one run in place of those of this one.
fn stable(text: &str) -> String {
    let mut durations = DURATIONS.iter().cycle();
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let word = rest.find(|c: char| !c.is_ascii_alphanumeric() && !":-.".contains(c));
        let word = rest[..word.unwrap_or(rest.len())].trim_end_matches([':', '-', '.']);
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let (word, after) = rest.split_at(word.len().max(first));
        let unit = [" ms", " s"].into_iter().find(|unit| {
            let end = after
                .strip_prefix(unit)
                .and_then(|after| after.chars().next());
            end.is_none_or(|end| !end.is_alphanumeric()) && after.starts_with(unit)
        });
        let digits: String = word
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        rest = after;
        if digits.starts_with("0000-00-00T00:00:00") {
            out.push_str(TIME);
        } else if word.len() == ID.len() && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            out.push_str(ID);
        } else if let Some(unit) = unit.filter(|_| word.parse::<f64>().is_ok()) {
            out.push_str(&format!("{} ms", durations.next().unwrap()));
            rest = &after[unit.len()..];
        } else {
            out.push_str(word);
        }
    }
    out
}

/// Folds a line at a blank; the rest is as far indented. Colors take no column.
fn fold(line: &str) -> String {
    let indent = " ".repeat(line.len() - line.trim_start().len());
    let mut out = String::new();
    let mut column = 0;
    for (index, word) in line.split(' ').enumerate() {
        let mut is_color = false;
        let width = word.chars().filter(|c| {
            is_color |= *c == '\u{1b}';
            let counts = !is_color;
            is_color &= *c != 'm';
            counts
        });
        let width = width.count();
        if index > 0 && column > indent.len() && column + 1 + width > COLUMNS {
            out.push_str(&format!("\n{indent}"));
            column = indent.len();
        } else if index > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
    out
}

#[tokio::test]
async fn picture_shows_the_actual_output() -> io::Result<()> {
    let shop = shop().await?;
    let mut terminal = String::new();
    for command in COMMANDS {
        let by = if command.contains("show") {
            ""
        } else {
            " --by ada"
        };
        let said = shop
            .page
            .shell(&format!("{command} --color always{by}"))
            .text;
        terminal.push_str(&format!("\u{1b}[1m$ {command}\u{1b}[0m\n{said}\n"));
    }
    let lines = stable(&terminal);
    let lines: Vec<String> = lines.trim_end().lines().map(fold).collect();
    let drawn = anstyle_svg::Term::new().render_svg(&lines.join("\n"));
    let file = cargo::workspace().join("examples/shop/shop.svg");
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&file, &drawn)?;
    }
    let kept = fs::read_to_string(&file)?;
    assert!(
        drawn == kept,
        "{} is not the output of the program any more; {UPDATE}=1 writes it:\n{terminal}",
        file.display()
    );
    Ok(())
}

#[test]
fn what_differs_between_runs_is_replaced() {
    let text =
        "in 1.5 s\n(3 ms) at 2026-01-02T03:04:05Z: by 0123456789abcdef0123456789abcdef, a.rs:18 s";
    let expected = format!("in 290 ms\n(13 ms) at {TIME}: by {ID}, a.rs:18 s");
    assert_eq!(stable(text), expected);
}
