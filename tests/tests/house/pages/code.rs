//! The code of pages is a part of files that tests use.

use super::{files, is_empty, pages, root};

/// The languages whose blocks are parts of files.
const HELD: [&str; 5] = ["rust", "toml", "sql", "yaml", "sh"];

/// The other languages.
const SHOWN: [&str; 4] = ["console", "json", "text", "promql"];

/// Whether the lines of a block are consecutive lines of a file, at any indentation.
fn is_part_of(block: &[&str], file: &[&str]) -> bool {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let least = |lines: &[&str]| {
        let lines = lines.iter().filter(|line| !line.trim().is_empty());
        lines.map(|line| indent(line)).min().unwrap_or_default()
    };
    let (of_block, first) = (least(block), block[0].trim());
    file.windows(block.len()).any(|window| {
        window[0].trim() == first && {
            let of_window = least(window);
            let pairs = window.iter().zip(block);
            pairs.into_iter().all(|(window, block)| {
                let (window, block) = (window.trim_end(), block.trim_end());
                window.get(of_window..).unwrap_or_default()
                    == block.get(of_block..).unwrap_or_default()
            })
        }
    })
}

#[test]
fn code_is_a_part_of_a_file_that_tests_use() {
    let mut sources = Vec::new();
    let endings = [".rs", ".toml", ".sql", ".yaml", ".sh"];
    for folder in ["examples", "tests/snippets"] {
        files(&root().join(folder), &endings, &mut sources);
    }
    let texts: Vec<String> = sources
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let texts: Vec<Vec<&str>> = texts.iter().map(|text| text.lines().collect()).collect();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for page in pages() {
        for block in &page.blocks {
            let at = format!("{}:{}", page.name(), block.line);
            let language = block.language.as_str();
            if !HELD.contains(&language) && !SHOWN.contains(&language) {
                wrong.push(format!(
                    "{at}: `{language}` is not one of {HELD:?} and {SHOWN:?}"
                ));
            }
            let hides = |line: &&String| *line == "#" || line.starts_with("# ");
            if language == "rust" && block.lines.iter().any(|line| hides(&line)) {
                wrong.push(format!(
                    "{at}: rustdoc hides a line of it, and other readers paste it"
                ));
            }
            if !HELD.contains(&language) || block.is_illustration {
                continue;
            }
            count += 1;
            let lines: Vec<&str> = block.lines.iter().map(String::as_str).collect();
            if !texts.iter().any(|text| is_part_of(&lines, text)) {
                wrong.push(format!(
                    "{at}: not a part of a file in `examples` or `tests/snippets`: {}",
                    lines[0]
                ));
            }
        }
    }
    assert!(count > 40, "only {count} blocks");
    is_empty(&wrong);
}

#[test]
fn part_of_a_file_is_found_at_any_indentation() {
    let file = [
        "fn main() {",
        "    if a {",
        "        b();",
        "    }",
        "",
        "    c();",
        "}",
    ];
    assert!(is_part_of(&["if a {", "    b();", "}"], &file));
    assert!(is_part_of(&["   }", "", "   c();"], &file));
    assert!(!is_part_of(&["if a {", "b();", "}"], &file));
    assert!(!is_part_of(&["b();", "c();"], &file));
}
