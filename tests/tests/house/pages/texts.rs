//! Texts that are in two places.

use super::{Page, files, is_empty, root};

/// Each package has the texts of its licences.
#[test]
fn packages_contain_their_licences() {
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        let text = std::fs::read_to_string(root().join(licence)).unwrap();
        for package in [
            "flamingock",
            "flamingock-cli",
            "flamingock-macros",
            "flamingock-sqlx-audit",
        ] {
            let path = root().join(package).join(licence);
            assert_eq!(std::fs::read_to_string(path).unwrap(), text, "{package}");
        }
    }
}

/// The error texts that the page explains are those of the program.
#[test]
fn troubleshooting_quotes_the_texts_of_the_program() {
    let mut sources = Vec::new();
    for package in ["flamingock/src", "flamingock-macros/src"] {
        files(&root().join(package), &[".rs"], &mut sources);
    }
    let text: Vec<String> = sources
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let text = text.concat().replace("\\\"", "\"");
    let page = Page::read(&root().join("flamingock/docs/troubleshooting.md"));
    let (mut wrong, mut count) = (Vec::new(), 0);
    for heading in page
        .headings()
        .filter(|heading| heading.starts_with("### "))
    {
        count += 1;
        let quoted = heading.trim_start_matches("### ").trim_matches('`').trim();
        let parts = quoted
            .split("..")
            .map(str::trim)
            .filter(|part| !part.is_empty());
        wrong.extend(
            parts
                .filter(|part| !text.contains(*part))
                .map(|part| format!("{heading}: {part:?}")),
        );
    }
    assert!(count > 20, "only {count} texts");
    is_empty(&wrong);
}
