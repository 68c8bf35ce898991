//! The files of a folder that `include_files!` embeds.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::near_miss;

/// The extensions of the files that are embedded, which declare changes.
const EXTENSIONS: [&str; 5] = ["sql", "yaml", "yml", "toml", "conf"];

/// The checksums of a folder's files, which are verified.
const SUMS: &str = "atlas.sum";

/// Files that identify the tool of a folder. Except for the checksums they are listed, and not
/// embedded.
const SIGNS: [&str; 2] = [SUMS, "_journal.json"];

/// The extensions of programs. They are listed and not embedded: a migration in another language
/// between the SQL files must not be skipped silently.
const PROGRAMS: [&str; 16] = [
    "go", "java", "kt", "scala", "groovy", "rs", "py", "rb", "php", "js", "mjs", "ts", "cs", "sh",
    "ps1", "pl",
];

/// The paths of a folder's files relative to that folder, with `/`, in order.
pub(crate) fn files(folder: &Path) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    collect(folder, "", &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<String>) -> Result<(), String> {
    let entries = std::fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("`{}` cannot be read: {error}", shown(prefix)))?;
    for entry in entries {
        let name = entry.file_name();
        let Some(text) = name.to_str() else {
            // Only files to embed need a valid name.
            if is_listed(&name) {
                let name = name.to_string_lossy();
                return Err(format!("the name of `{prefix}{name}` is not UTF-8"));
            }
            continue;
        };
        if text.starts_with('.') {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            collect(&path, &format!("{prefix}{text}/"), found)?;
        } else if is_listed(&name) {
            found.push(format!("{prefix}{text}"));
        }
    }
    Ok(())
}

fn is_listed(name: &OsStr) -> bool {
    has_extension(name, &EXTENSIONS) || SIGNS.iter().any(|sign| name == *sign) || is_program(name)
}

/// Whether the text of a listed file is embedded.
pub(crate) fn is_embedded(file: &str) -> bool {
    file == SUMS || has_extension(OsStr::new(file), &EXTENSIONS)
}

/// Why the text of a file can't be embedded: the line, and what to do. The compiler reports an
/// unreadable file.
pub(crate) fn misencoded(folder: &Path, file: &str) -> Option<(usize, String)> {
    let bytes = std::fs::read(folder.join(file)).ok()?;
    let error = std::str::from_utf8(&bytes).err()?;
    let (before, rest) = bytes.split_at(error.valid_up_to());
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let (what, name) = match rest {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] if before.is_empty() => {
            ("is UTF-16".to_owned(), "UTF-16")
        }
        [byte, ..] => (
            format!("is not UTF-8, at the byte 0x{byte:02X}"),
            "ISO-8859-1",
        ),
        [] => ("is not UTF-8".to_owned(), "ISO-8859-1"),
    };
    Some((
        line,
        format!(
            "it {what}: save the file as UTF-8, as `iconv -f {name} -t UTF-8` does for {name}; if a tool is set to another encoding, such as Flyway by `encoding`, set it to UTF-8 then"
        ),
    ))
}

/// Whether it is a program with the name of a migration: a version, or `V` and a version.
fn is_program(name: &OsStr) -> bool {
    let text = name.to_string_lossy();
    let version = text.strip_prefix(['V', 'U', 'R', 'B']).unwrap_or(&text);
    let is_named = version.starts_with(|c: char| c.is_ascii_digit()) || text.starts_with("R__");
    // The tests of a Go migration are in the same folder.
    is_named && has_extension(name, &PROGRAMS) && !text.ends_with("_test.go")
}

/// In any case: a file with an unsuitable name is an error, and not skipped.
fn has_extension(name: &OsStr, extensions: &[&str]) -> bool {
    let extension = Path::new(name).extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| {
        extensions
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
    })
}

fn shown(prefix: &str) -> &str {
    if prefix.is_empty() {
        "the folder"
    } else {
        prefix.trim_end_matches('/')
    }
}

/// The folder of the package that is compiled.
pub(crate) fn package() -> Option<PathBuf> {
    std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from)
}

/// The sibling folder that was probably meant, spelled like the argument.
pub(crate) fn near_miss(package: &Path, path: &str) -> Option<String> {
    let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
    let siblings = std::fs::read_dir(package.join(above)).ok()?;
    let folders: Vec<String> = siblings
        .filter_map(|entry| {
            let entry = entry.ok().filter(|entry| entry.path().is_dir())?;
            entry.file_name().into_string().ok()
        })
        .collect();
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let meant = near_miss::near_miss(name, &folders)?;
    Some(match above {
        "" => meant.to_owned(),
        above => format!("{above}/{meant}"),
    })
}

/// The mistake in the name of a folder, if any.
pub(crate) fn fault(path: &str) -> Option<&'static str> {
    let parts = || path.split('/');
    if path.starts_with('/') || path.contains(':') {
        Some("is relative to the package, not to the root")
    } else if path.contains('\\') {
        Some("has `/` between its parts, on every system")
    } else if parts().any(|part| part.is_empty() || part == ".") {
        Some("has no empty parts, and no `.`")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_in_another_encoding_is_reported_with_its_line() {
        let folder = std::env::temp_dir().join(format!("flamingock-macros-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (bytes, expected) in [
            (&b"SELECT 1;\n"[..], None),
            (b"SELECT '\xc3\xa9';\n", None),
            (
                b"SELECT 1;\n\nSELECT '\xe9';\n",
                Some((3, "it is not UTF-8, at the byte 0xE9: save")),
            ),
            (b"\xff\xfeS\0", Some((1, "it is UTF-16: save"))),
            (
                b"SELECT '\xc3",
                Some((1, "it is not UTF-8, at the byte 0xC3")),
            ),
        ] {
            std::fs::write(folder.join("a.sql"), bytes).unwrap();
            let found = misencoded(&folder, "a.sql");
            assert_eq!(
                found.as_ref().map(|(line, _)| *line),
                expected.map(|(line, _)| line)
            );
            if let (Some((_, message)), Some((_, start))) = (found, expected) {
                assert!(message.starts_with(start), "{message}");
            }
        }
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(misencoded(&folder, "a.sql"), None);
    }

    #[test]
    fn folders_are_relative_to_the_package() {
        for path in ["changes", "db/changes", "../shared/changes"] {
            assert_eq!(fault(path), None, "{path}");
        }
        for path in [
            "",
            "/changes",
            "c:/changes",
            "db\\changes",
            "./changes",
            "changes/",
        ] {
            assert!(fault(path).is_some(), "{path}");
        }
    }

    #[test]
    fn missing_folder_suggests_its_sibling() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (path, expected) in [
            ("scr", Some("src")),
            ("src/atr", Some("src/attr")),
            ("src/ded", None),
            ("crs/attr", None),
            ("nowhere", None),
        ] {
            assert_eq!(near_miss(package, path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn files_are_found_in_order_without_hidden_ones() {
        let folder = std::env::temp_dir().join(format!("flamingock-folder-{}", std::process::id()));
        for file in [
            "b.sql",
            "a/up.sql",
            "a/metadata.toml",
            ".git/x.sql",
            ".x.sql",
            "README.md",
            "c.SQL",
            "mod.rs",
            "00002_fill.go",
            "00002_fill_test.go",
            "V3__fill.java",
        ] {
            let path = folder.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = files(&folder);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(
            found.unwrap(),
            [
                "00002_fill.go",
                "V3__fill.java",
                "a/metadata.toml",
                "a/up.sql",
                "b.sql",
                "c.SQL"
            ]
        );
    }
}
