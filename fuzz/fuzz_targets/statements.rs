//! Scripts are split without a panic, and their statements with what lies between are the script.

#![no_main]

use flamingock::__private::DatabaseKind;
use flamingock::__private::statements::{Blocks, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for kind in [DatabaseKind::Postgres, DatabaseKind::MySql, DatabaseKind::Sqlite] {
        for blocks in [Blocks::None, Blocks::Goose] {
            let Ok(script) = read(kind, text, blocks) else { continue };
            let mut joined = String::new();
            let mut at = 0;
            for statement in &script.statements {
                assert!(!statement.text.is_empty());
                joined.push_str(&text[at..statement.range.start]);
                joined.push_str(statement.text);
                at = statement.range.end;
            }
            joined.push_str(&text[at..]);
            assert!(!script.statements.is_empty());
            assert_eq!(joined, text);
        }
    }
});
