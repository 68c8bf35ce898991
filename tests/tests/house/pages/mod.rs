//! The pages that people read on the web.

mod code;
mod commands;
mod links;
mod reference;
mod texts;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Marks the next block as one that no test holds.
const ILLUSTRATION: &str = "<!-- illustration -->";

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().unwrap()
}

/// The files below a folder that have one of these endings.
fn files(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !path.join("CACHEDIR.TAG").exists() && (name == ".github" || !name.starts_with('.'))
            {
                files(&path, endings, found);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
}

/// A block of code.
struct Block {
    line: usize,
    language: String,
    is_illustration: bool,
    lines: Vec<String>,
}

/// A page, taken apart.
struct Page {
    path: PathBuf,
    blocks: Vec<Block>,
    /// The lines outside of blocks, with their numbers.
    prose: Vec<(usize, String)>,
}

impl Page {
    fn read(path: &Path) -> Page {
        let text = std::fs::read_to_string(path).unwrap();
        let (mut blocks, mut prose): (Vec<Block>, Vec<(usize, String)>) = Default::default();
        let mut open: Option<Block> = None;
        for (index, line) in text.lines().enumerate() {
            let mark = line.trim_start().strip_prefix("```");
            match (&mut open, mark) {
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(block), None) => block.lines.push(line.to_owned()),
                (None, Some(language)) => {
                    let last = prose.last().map(|(_, line): &(usize, String)| line.trim());
                    open = Some(Block {
                        line: index + 1,
                        language: language.to_owned(),
                        is_illustration: last == Some(ILLUSTRATION),
                        lines: Vec::new(),
                    });
                }
                (None, None) => prose.push((index + 1, line.to_owned())),
            }
        }
        assert!(open.is_none(), "{}: an open block", path.display());
        let path = path.to_owned();
        Page {
            path,
            blocks,
            prose,
        }
    }

    fn name(&self) -> String {
        let name = self.path.strip_prefix(root()).unwrap();
        name.display().to_string()
    }

    fn headings(&self) -> impl Iterator<Item = &str> {
        let lines = self.prose.iter().map(|(_, line)| line.as_str());
        lines.filter(|line| line.starts_with('#') && line.trim_start_matches('#').starts_with(' '))
    }

    /// The anchors of the headings, as GitHub makes them.
    fn anchors(&self) -> BTreeSet<String> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut anchors = BTreeSet::new();
        for heading in self.headings() {
            let text = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = text
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
            let count = counts.entry(anchor.clone()).or_default();
            if *count > 0 {
                anchors.insert(format!("{anchor}-{count}"));
            }
            *count += 1;
            anchors.insert(anchor);
        }
        anchors
    }

    /// The targets of links and images, with their lines.
    fn links(&self) -> Vec<(usize, String)> {
        let mut links = Vec::new();
        // A link can have a line break in its text.
        let text: Vec<String> = self
            .prose
            .iter()
            .map(|(_, line)| without_code(line))
            .collect();
        for ((number, _), line) in self.prose.iter().zip(&text) {
            for part in line.split("](").skip(1) {
                let target = part.split([')', ' ']).next().unwrap_or_default();
                links.push((*number, target.to_owned()));
            }
            if let Some((label, target)) = line.split_once("]: ")
                && label.starts_with('[')
            {
                links.push((*number, target.to_owned()));
            }
        }
        links
    }

    /// The texts in code marks.
    fn codes(&self) -> Vec<(usize, String)> {
        let mut codes = Vec::new();
        for (number, line) in &self.prose {
            let code = line.split('`').skip(1).step_by(2);
            codes.extend(code.map(|code| (*number, code.to_owned())));
        }
        codes
    }
}

/// A line without the texts in code marks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// Every page of the repository.
fn pages() -> Vec<Page> {
    let mut found = Vec::new();
    files(&root(), &[".md"], &mut found);
    found.sort();
    let pages: Vec<Page> = found.iter().map(|path| Page::read(path)).collect();
    assert!(pages.len() > 50, "only {} pages", pages.len());
    pages
}

fn is_empty(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}
