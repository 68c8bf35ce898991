//! The commands of pages exist.

use clap::Subcommand as _;

use super::{is_empty, pages};

/// Programs of others in the pages.
const PROGRAMS: [&str; 15] = [
    "$EDITOR",
    "benches/run",
    "cargo",
    "cd",
    "curl",
    "echo",
    "export",
    "grep",
    "jq",
    "mdbook",
    "psql",
    "redis-cli",
    "rustup",
    "sqlite3",
    "tests/run",
];

/// The words of a command line, for each of its commands.
fn commands(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ' ') => words.extend(word.take()),
            (None, '|' | ';' | '&') => {
                words.extend(word.take());
                commands.push(std::mem::take(&mut words));
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    commands.push(words);
    commands.retain(|words| !words.is_empty());
    commands
}

/// The arguments that the program `flamingock` has before those of an application.
const STANDALONE: [&str; 5] = [
    "--database-url",
    "--service",
    "--schema",
    "--prefix",
    "--manifest",
];

/// Why a command of a page is not one, if it isn't.
fn refused(words: &[String]) -> Option<String> {
    let is_variable = |word: &&String| {
        let name = word.split('=').next().unwrap_or_default();
        word.contains('=') && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
    };
    let begin = words.iter().take_while(is_variable).count();
    let mut words = words[begin..].iter();
    let program = words.next()?;
    if PROGRAMS.contains(&program.as_str()) {
        return None;
    }
    if !["my-app", "operations", "flamingock"].contains(&program.as_str()) {
        return Some(format!("`{program}` is not a known program"));
    }
    let mut arguments = vec![program.clone()];
    while let Some(word) = words.next() {
        if program == "flamingock" && arguments.len() == 1 && STANDALONE.contains(&word.as_str()) {
            words.next();
        } else if word.contains('>') {
            break;
        } else {
            arguments.push(word.clone());
        }
    }
    let known = flamingock::cli::Command::augment_subcommands(clap::Command::new("my-app"));
    let error = known.try_get_matches_from(&arguments).err()?;
    Some(
        error
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
    )
}

/// The pages of examples are run as a whole, by their own tests.
#[test]
fn commands_of_the_pages_exist() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for page in pages() {
        if page.name().starts_with("examples/") || page.name() == "CHANGELOG.md" {
            continue;
        }
        let console = page
            .blocks
            .iter()
            .filter(|block| block.language == "console");
        let lines = console.flat_map(|block| {
            let lines = block.lines.iter().map(|line| line.trim());
            lines.filter_map(|line| Some((block.line, line.strip_prefix("$ ")?.to_owned())))
        });
        let codes = page.codes().into_iter();
        let codes = codes
            .filter(|(_, code)| code.starts_with("my-app ") || code.starts_with("operations "));
        for (line, command) in lines.chain(codes) {
            for words in commands(&command) {
                count += 1;
                if let Some(error) = refused(&words) {
                    wrong.push(format!("{}:{line}: {command}: {error}", page.name()));
                }
            }
        }
    }
    assert!(count > 60, "only {count} commands");
    is_empty(&wrong);
}

#[test]
fn unknown_command_is_refused() {
    let refused = |line: &str| refused(&commands(line)[0]);
    assert_eq!(
        refused("A=1 my-app issue resolve x --applied --reason 'a b'"),
        None
    );
    assert_eq!(refused("flamingock --service a status"), None);
    assert!(refused("my-app issue mend x").is_some());
    assert!(refused("my-app undo --latest").is_some());
    assert!(refused("migrate up").is_some());
}
