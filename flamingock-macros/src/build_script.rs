//! The build script that a package with embedded files needs, because cargo does not notice a new
//! file.

use std::path::{Path, PathBuf};

const RERUN: &str = "rerun-if-changed=";

/// Whether the text of the package's build script makes cargo watch the folder.
pub(crate) fn watches(package: &Path, folder: &str) -> bool {
    std::fs::read_to_string(script(package)).is_ok_and(|text| names(&text, folder))
}

/// The path of the build script: `build.rs`, unless Cargo.toml names another.
fn script(package: &Path) -> PathBuf {
    let manifest = std::fs::read_to_string(package.join("Cargo.toml")).unwrap_or_default();
    let named = manifest.lines().find_map(|line| {
        let value = line.trim().strip_prefix("build")?.trim_start();
        let value = value.strip_prefix('=')?.trim().trim_matches(['"', '\'']);
        Some(value.to_owned())
    });
    package.join(named.as_deref().unwrap_or("build.rs"))
}

/// Whether a text makes cargo watch the folder, or one of its parents. A name that the script fills
/// in when it runs (`rerun-if-changed={folder}`) counts: in debug builds the first run compares the
/// folders.
fn names(text: &str, folder: &str) -> bool {
    text.match_indices(RERUN).any(|(at, _)| {
        let rest = &text[at + RERUN.len()..];
        let end = rest.find(['"', '\n', '\r', '\\']).unwrap_or(rest.len());
        let watched = rest[..end].trim().trim_start_matches("./");
        let watched = watched.trim_end_matches('/');
        watched == "."
            || watched.starts_with('{')
            || folder == watched
            || folder
                .strip_prefix(watched)
                .is_some_and(|inner| !watched.is_empty() && inner.starts_with('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_or_one_of_its_parents_is_named() {
        for (text, folder, expected) in [
            (
                "println!(\"cargo::rerun-if-changed=changes\");",
                "changes",
                true,
            ),
            (
                "println!(\"cargo:rerun-if-changed=changes/\");",
                "changes",
                true,
            ),
            (
                "println!(\"cargo::rerun-if-changed=./db\");",
                "db/changes",
                true,
            ),
            (
                "for folder in FOLDERS { println!(\"cargo::rerun-if-changed={folder}\"); }",
                "changes",
                true,
            ),
            (
                "println!(\"cargo::rerun-if-changed={}\", folder);",
                "changes",
                true,
            ),
            ("cargo::rerun-if-changed=.", "changes", true),
            (
                "println!(\"cargo::rerun-if-changed=changes2\");",
                "changes",
                false,
            ),
            (
                "println!(\"cargo::rerun-if-changed=changes\");",
                "changes2",
                false,
            ),
            ("println!(\"cargo::rerun-if-changed=\");", "changes", false),
            (
                "println!(\"cargo::rerun-if-env-changed=changes\");",
                "changes",
                false,
            ),
            ("", "changes", false),
        ] {
            assert_eq!(names(text, folder), expected, "{text:?} {folder}");
        }
    }
}
