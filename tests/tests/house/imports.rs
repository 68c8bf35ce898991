//! The rooms of the code, and what each may import: `flamingock/docs/architecture.md` shows them.
//!
//! Every path is followed through re-exports to the file that defines the name.

mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use self::reader::{Crate, ModulePath};

/// The rooms of the library from the ground up, with their allowed imports: the table of the page.
fn rooms() -> Vec<(String, Vec<String>)> {
    let page = include_str!("../../../flamingock/docs/architecture.md");
    let (_, table) = page
        .split_once("| room | what is in it | may import |\n|---|---|---|\n")
        .unwrap();
    let mut rooms: Vec<(String, Vec<String>)> = Vec::new();
    for row in table.lines().take_while(|row| row.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let named = |cell: &str| -> Vec<String> {
            let names = cell.split('`').skip(1).step_by(2);
            names
                .map(|name| name.trim_end_matches('/').to_owned())
                .collect()
        };
        let above = || rooms.iter().map(|(room, _)| room.clone()).collect();
        let allowed = match cells[3] {
            "all above" => above(),
            cell => named(cell),
        };
        let known: Vec<String> = above();
        assert!(allowed.iter().all(|room| known.contains(room)), "{row}");
        rooms.push((named(cells[1]).remove(0), allowed));
    }
    assert!(rooms.len() > 10);
    rooms
}

/// Returns a cycle that contains a file, if there is one: the path back to it.
fn cycle<'a>(
    imports: &'a BTreeMap<&ModulePath, BTreeSet<ModulePath>>,
    begin: &'a ModulePath,
) -> Option<Vec<&'a ModulePath>> {
    let mut came_from: BTreeMap<&ModulePath, &ModulePath> = BTreeMap::new();
    let mut open = vec![begin];
    while let Some(at) = open.pop() {
        for next in imports.get(at).into_iter().flatten() {
            if next == begin {
                let mut way = vec![begin, at];
                let mut last = at;
                while let Some(before) = came_from.get(last) {
                    way.push(before);
                    last = before;
                }
                way.reverse();
                return Some(way);
            }
            if !came_from.contains_key(next) {
                came_from.insert(next, at);
                open.push(next);
            }
        }
    }
    None
}

fn sources(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(name)
        .join("src")
}

#[test]
fn rooms_import_downwards() {
    let library = Crate::read(&sources("flamingock"));
    let imports = library.imports();
    let rooms = rooms();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (from, targets) in &imports {
        let (_, allowed) = rooms
            .iter()
            .find(|(room, _)| *room == from[0])
            .unwrap_or_else(|| panic!("the room {} is not in the table", from[0]));
        for to in targets {
            count += 1;
            if to[0] != from[0] && !allowed.contains(&to[0]) {
                wrong.push(format!("{} imports {}", from.join("/"), to.join("/")));
            }
        }
    }
    assert!(count > 500, "only {count} imports were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn imports_close_no_cycle() {
    for name in ["flamingock", "flamingock-sqlx-audit", "flamingock-macros"] {
        let found = Crate::read(&sources(name));
        let imports = found.imports();
        let mut cycles = BTreeSet::new();
        for from in imports.keys() {
            if let Some(way) = cycle(&imports, from) {
                let way: Vec<String> = way.iter().map(|path| path.join("/")).collect();
                cycles.insert(way.join(" -> "));
            }
        }
        let all: Vec<String> = cycles.into_iter().collect();
        assert!(all.is_empty(), "{name}:\n{}", all.join("\n"));
    }
}

#[test]
fn cycles_and_imports_through_re_exports_are_detected() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("a")).unwrap();
    write("lib.rs", "mod a; mod b; pub use a::one;");
    write("a/mod.rs", "mod inner; pub use self::inner::one;");
    write(
        "a/inner.rs",
        "use crate::b; pub fn one() { b::two() } #[cfg(test)] mod tests { use crate::c::gone; }",
    );
    write(
        "b.rs",
        "pub fn two() { let text = \"crate::c\"; crate::one() }",
    );
    let found = Crate::read(folder.path());
    let imports = found.imports();
    let inner = vec!["a".to_owned(), "inner".to_owned()];
    let b = vec!["b".to_owned()];
    assert_eq!(imports[&inner], BTreeSet::from([b.clone()]));
    assert_eq!(imports[&b], BTreeSet::from([inner.clone()]));
    assert!(cycle(&imports, &b).is_some());
    assert_eq!(imports.len(), 3);
}

#[test]
fn files_named_by_the_architecture_page_exist() {
    let page = include_str!("../../../flamingock/docs/architecture.md");
    let names = page
        .split(|c: char| c.is_whitespace() || matches!(c, '`' | ',' | '(' | ')' | '|'))
        .filter(|word| word.contains('/') && (word.ends_with(".rs") || word.ends_with('/')));
    let root = sources("flamingock");
    let mut count = 0;
    for name in names {
        let is_there = root.join(name).exists() || root.join("../..").join(name).exists();
        assert!(is_there, "{name}");
        count += 1;
    }
    assert!(count > 40, "only {count} files were found");
}
