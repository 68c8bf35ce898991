//! Texts and names use one term for each concept, and no retired phrase.
//!
//! The test reads the pages, comments, string literals and names of all packages. It compares word
//! by word: "who waits" is found in prose, in `who_waits_returns`, and across the lines of a
//! comment.

use std::path::{Path, PathBuf};

/// A retired phrase, what to write instead, and the contexts in which it is allowed.
type Phrase = (&'static str, &'static str, &'static [&'static str]);

/// Phrases of the glossary's right column, and others that readers cannot search for.
const PHRASES: &[Phrase] = &[
    // People instead of mechanisms.
    ("a person is needed", "needs manual resolution", &[]),
    ("no person is needed", "automatically", &[]),
    ("needs a person", "needs manual resolution", &[]),
    ("need a person", "need manual resolution", &[]),
    ("waits for a person", "needs manual resolution", &[]),
    ("without a person", "automatically", &[]),
    ("a person decides", "an operator resolves", &[]),
    ("a person is told", "is an issue", &[]),
    ("nobody saw", "interrupted", &[]),
    ("nobody knows", "is unknown", &[]),
    ("who waits", "waiter", &[]),
    ("who is at work", "lock owner", &[]),
    ("is at work", "is running", &[]),
    ("are at work", "are running", &[]),
    ("another hand", "outside Flamingock", &[]),
    ("who is told", "events and webhooks", &[]),
    // The lock.
    ("possession", "lock owner, lock grant", &[]),
    ("possessions", "lock grants", &[]),
    (
        "fence",
        "fencing token, fencing check",
        &[
            "code fence",
            "column fence",
            "token to fence",
            "fence to fencing",
        ],
    ),
    ("fences", "fencing tokens, fencing checks", &[]),
    ("holder of the lock", "lock owner", &[]),
    ("lock holder", "lock owner", &[]),
    ("heartbeat", "renewal", &[]),
    ("glance", "poll", &[]),
    ("glances", "polls", &[]),
    ("gives the lock back", "releases the lock", &[]),
    ("give the lock back", "release the lock", &[]),
    ("gave the lock back", "released the lock", &[]),
    ("lock given back", "lock released", &[]),
    ("lock is given back", "lock is released", &[]),
    ("stands still", "is paused", &[]),
    ("stood still", "was paused", &[]),
    // Attempts and their ends.
    ("not seen to end", "interrupted", &[]),
    ("unknown outcome", "in doubt", &[]),
    ("settles itself", "is resolved automatically", &[]),
    ("settle it", "resolve it", &[]),
    ("settles it", "resolves it", &[]),
    ("settled by", "resolved by", &[]),
    ("settle an issue", "resolve an issue", &[]),
    ("settles an issue", "resolves an issue", &[]),
    ("taken back", "rolled back, undone", &[]),
    ("takes back", "rolls back, undoes", &[]),
    ("take back", "roll back, undo", &[]),
    ("took back", "rolled back, undid", &[]),
    ("taking back", "rolling back, undoing", &[]),
    ("takes it back", "rolls it back, undoes it", &[]),
    ("in none with", "outside a transaction with", &[]),
    ("newest entry", "latest entry", &[]),
    ("newest entries", "latest entries", &[]),
    ("newest state", "latest state", &[]),
    ("it is so", "a verb with a subject", &[]),
    ("what is so", "the state, the setting", &[]),
    ("goes on on", "continues on", &[]),
    // Changes.
    (
        "plain change",
        "non-transactional change",
        &["tone plain change"],
    ),
    ("plain changes", "non-transactional changes", &[]),
    ("given with provide", "provided with `provide`", &[]),
    ("the one text", "the single message", &[]),
    ("in one text", "in one message", &[]),
    ("next door", "same host", &[]),
    ("what repeats", "a repeatable change", &[]),
    (
        "probe",
        "verify function, readiness check",
        &["readiness probe", "liveness probe", "startup probe"],
    ),
    (
        "probes",
        "verify functions, readiness checks",
        &["readiness probes", "liveness probes", "startup probes"],
    ),
    // Other tools.
    ("takes the history over", "adopts the history", &[]),
    ("takes its history over", "adopts its history", &[]),
    ("history is taken over", "history is adopted", &[]),
    ("histories are taken over", "histories are adopted", &[]),
    ("taken over from", "adopted from", &[]),
    ("beside other tools", "compared with other tools", &[]),
    (
        "detached",
        "`register = false`",
        &["detached head", "detached thread", "detached task"],
    ),
];

/// A replaced name, and the new one.
type Name = (&'static str, &'static str);

/// Names that were replaced before the first release, as they are written.
const NAMES: &[Name] = &[
    ("OutcomeUnknown", "ErrorKind::InDoubt"),
    ("outcome_unknown", "in_doubt"),
    ("include_changes!", "link_changes!"),
    ("Tables::", "TableNames::"),
    ("Tables {", "TableNames::default()"),
    ("newest_only", "latest_only"),
    ("LockRow", "LockStatus"),
    ("LeaseKeeper", "LeaseRenewer"),
    ("change(s)", "\"1 change\", \"2 changes\""),
    ("problem(s)", "\"1 problem\", \"2 problems\""),
    ("issue(s)", "\"1 issue\", \"2 issues\""),
];

const ENDINGS: [&str; 8] = ["md", "rs", "toml", "sh", "yaml", "yml", "sql", "stderr"];

/// The list itself names every phrase.
const OWN: &str = "tests/tests/house/words.rs";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files with texts below a folder.
fn texts(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !path.join("CACHEDIR.TAG").exists() && (name == ".github" || !name.starts_with('.'))
            {
                texts(&path, found);
            }
        } else if ENDINGS
            .iter()
            .any(|ending| name.ends_with(&format!(".{ending}")))
            || name == "run"
        {
            found.push(path);
        }
    }
}

/// A word of a text, in lower case.
struct Word {
    text: String,
    line: usize,
    /// Words of one phrase are in one group: a sentence, or a name.
    group: usize,
}

/// The words of a text. Blanks, the marks of comments and quotes separate words of a phrase;
/// everything else, and an empty line, ends it.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut group = 0;
    for (number, line) in text.lines().enumerate() {
        let is_joint = |c: char| c.is_whitespace() || "_-/!*`',\"".contains(c);
        if line.chars().all(is_joint) {
            group += 1;
        }
        let mut rest = line;
        while let Some(begin) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
            let between = &rest[..begin];
            if !between.chars().all(is_joint) {
                group += 1;
            }
            let word = &rest[begin..];
            let end = word.find(|c: char| !c.is_ascii_alphanumeric());
            let (word, behind) = word.split_at(end.unwrap_or(word.len()));
            words.push(Word {
                text: word.to_ascii_lowercase(),
                line: number + 1,
                group,
            });
            rest = behind;
        }
        if !rest.chars().all(is_joint) {
            group += 1;
        }
    }
    words
}

/// Whether the words from `at` on, which may be before the first one, are those of the phrase.
fn is_at(words: &[Word], at: Option<usize>, phrase: &[&str]) -> bool {
    at.and_then(|at| words.get(at..at + phrase.len()))
        .is_some_and(|found| {
            found.iter().map(|word| &word.text).eq(phrase)
                && found.iter().all(|word| word.group == found[0].group)
        })
}

/// Whether the phrase at `at` is a part of one of its contexts.
fn is_allowed(words: &[Word], at: usize, phrase: &[&str], contexts: &[&str]) -> bool {
    contexts.iter().any(|context| {
        let context: Vec<&str> = context.split(' ').collect();
        let parts = context.windows(phrase.len()).enumerate();
        let mut places = parts.filter(|(_, part)| *part == phrase);
        places.any(|(before, _)| is_at(words, at.checked_sub(before), &context))
    })
}

/// The lines of a text with a retired phrase, each with the phrase and what to write instead.
fn retired<'a>(
    text: &str,
    phrases: &'a [Phrase],
    names: &'a [Name],
) -> Vec<(usize, &'a str, &'a str)> {
    let words = words(text);
    let mut found = Vec::new();
    for (phrase, instead, contexts) in phrases {
        let parts: Vec<&str> = phrase.split(' ').collect();
        for (at, word) in words.iter().enumerate() {
            let is_retired = word.text == parts[0]
                && is_at(&words, Some(at), &parts)
                && !is_allowed(&words, at, &parts, contexts);
            if is_retired {
                found.push((word.line, *phrase, *instead));
            }
        }
    }
    for (name, instead) in names {
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| line.contains(name));
        found.extend(lines.map(|(number, _)| (number + 1, *name, *instead)));
    }
    found
}

/// The changelog's tables show each former name next to its replacement.
fn without_renames(page: &str) -> String {
    let lines = page
        .lines()
        .map(|line| if line.starts_with('|') { "" } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn texts_have_no_retired_words() {
    let root = root();
    let mut files = Vec::new();
    texts(&root, &mut files);
    files.sort();
    assert!(files.len() > 500, "{} files", files.len());
    let mut hits = Vec::new();
    for path in files {
        let file = path.strip_prefix(&root).unwrap().display().to_string();
        let mut text = std::fs::read_to_string(&path).unwrap();
        if file == OWN {
            continue;
        }
        if file == "CHANGELOG.md" {
            text = without_renames(&text);
        }
        for (line, phrase, instead) in retired(&text, PHRASES, NAMES) {
            hits.push(format!("{file}:{line}: \"{phrase}\": write {instead}"));
        }
    }
    assert!(
        hits.is_empty(),
        "retired words: {}\n{}",
        hits.len(),
        hits.join("\n")
    );
}

#[test]
fn retired_words_are_found_in_prose_names_and_across_lines() {
    let phrases: [Phrase; 2] = [
        ("who waits", "waiter", &[]),
        ("job", "run", &["kubernetes job"]),
    ];
    let lines = |text: &str| -> Vec<usize> {
        let found = retired(text, &phrases, NAMES);
        found.into_iter().map(|(line, ..)| line).collect()
    };
    assert_eq!(lines("fn who_waits_returns() {}"), [1]);
    assert_eq!(
        lines("/// The process\n/// is the one who\n/// waits.\n"),
        [2]
    );
    assert!(lines("whoever waits, who awaits").is_empty());
    assert_eq!(lines("A Kubernetes Job is allowed.\nA job is not."), [2]);
    assert_eq!(lines("link!\ninclude_changes!(a)"), [2]);
    assert!(lines("Tell who. Waits end.\n\nwho\n\nwaits").is_empty());
}
