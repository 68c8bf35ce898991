//! The time is linear in the length of a script, whatever it contains.

use std::time::{Duration, Instant};

use super::super::read;
use super::ALL;
use crate::statements::script::Blocks;

/// With this length a quadratic step would take minutes, while reading takes milliseconds.
const LENGTH: usize = 1 << 17;

const LIMIT: Duration = Duration::from_secs(1);

/// The limit for an optimized build; an unoptimized one takes some fifteen times as long.
const MEBIBYTE_LIMIT: Duration = if cfg!(debug_assertions) {
    Duration::from_secs(5)
} else {
    Duration::from_millis(100)
};

fn repeat(text: &str) -> String {
    text.repeat(LENGTH / text.len())
}

#[test]
fn time_is_linear_whatever_stands_in_a_script() {
    let scripts = [
        repeat("INSERT INTO orders (id, name) VALUES (17, 'it''s a name'); -- one\n"),
        repeat("$"),
        repeat("$a"),
        repeat("$a$ "),
        repeat("$a$b"),
        format!("SELECT $aaaaaaaaaaaaaaaa${}", repeat("$aaaaaaaaaaaaaaab")),
        format!("SELECT ${}", repeat("a")),
        repeat("/*"),
        repeat("/**/"),
        repeat("/*!"),
        repeat("E'a'\n"),
        format!("SELECT E'a'{}", repeat(" ")),
        repeat("'"),
        repeat("\\'"),
        repeat("("),
        repeat("--\n"),
        repeat("- "),
        repeat(";"),
        repeat("a;"),
        repeat("é"),
        repeat("CASE "),
        repeat("END "),
        format!(
            "CREATE PROCEDURE p() BEGIN {}",
            repeat("CASE WHEN a THEN BEGIN ")
        ),
        format!("CREATE TRIGGER t BEGIN {}", repeat("; END ")),
        format!("CREATE FUNCTION f() BEGIN ATOMIC {}", repeat("CASE END ")),
        format!("DELIMITER $$$$$$$$$$$$$$$$\n{}", repeat("$$$$$$$$$$$$$$$a")),
        format!("DELIMITER //\n{}", repeat("SELECT 1; //")),
        repeat("DELIMITER a\n;DELIMITER b\n;"),
        (0..LENGTH / 20)
            .map(|n| format!("DELIMITER d{n}\n; "))
            .collect(),
        repeat("-- +goose StatementBegin\nx\n-- +goose StatementEnd\n"),
        repeat("SET a = autocommit, "),
    ];
    for script in &scripts {
        for kind in ALL {
            for blocks in [Blocks::None, Blocks::Goose] {
                let begun = Instant::now();
                let _ = std::hint::black_box(read(kind, script, blocks));
                let took = begun.elapsed();
                let what = super::super::shorten(script);
                assert!(took < LIMIT, "{kind}: {took:?} for {what}");
            }
        }
    }
}

#[test]
fn a_mebibyte_is_split_in_a_tenth_of_a_second() {
    let line = "INSERT INTO orders (id, name) VALUES (17, 'it''s a name'); -- one\n";
    let script = line.repeat((1 << 20) / line.len() + 1);
    for kind in ALL {
        // The best of three, because other programs are running.
        let times = (0..3).map(|_| {
            let begun = Instant::now();
            let _ = std::hint::black_box(read(kind, &script, Blocks::None));
            begun.elapsed()
        });
        let best = times.min().unwrap();
        assert!(best < MEBIBYTE_LIMIT, "{kind}: {best:?}");
    }
}
