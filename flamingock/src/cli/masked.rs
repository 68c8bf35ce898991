//! Masking the secrets in a program's arguments before they are printed.
//!
//! A suggested command repeats the arguments before the command's name, and clap repeats arguments
//! that it does not understand. A password in a URL, in a connection string or after a flag must
//! not appear there, nor get into a log that way.

use std::ffi::OsString;

/// The placeholder for a secret, which the user replaces.
const PLACEHOLDER: &str = "...";

/// An argument that can be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// A text in which a secret may have been replaced.
    Text(String),
    /// A text, followed by the value of an environment variable.
    Variable(String, String),
}

impl Word {
    /// Returns the argument as text.
    pub(super) fn text(&self) -> String {
        match self {
            Word::Text(text) => text.clone(),
            Word::Variable(before, name) => format!("{before}${name}"),
        }
    }
}

/// Returns the arguments of this process as text.
pub(super) fn arguments() -> Vec<String> {
    texts(&std::env::args_os().collect::<Vec<_>>())
}

pub(super) fn texts(arguments: &[OsString]) -> Vec<String> {
    let texts = arguments
        .iter()
        .map(|one| one.to_string_lossy().into_owned());
    texts.collect()
}

/// Returns the arguments without their secrets, one word each.
pub(super) fn masked(arguments: &[String]) -> Vec<Word> {
    masked_by(arguments, &variable_of)
}

/// Masks the arguments. `variable` returns the name of the environment variable that has a value.
fn masked_by(arguments: &[String], variable: &dyn Fn(&str) -> Option<String>) -> Vec<Word> {
    let mut is_value = false;
    let mut words = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let is_secret = is_value && !argument.starts_with("--");
        let flag = argument
            .strip_prefix('-')
            .map(|flag| flag.trim_start_matches('-'));
        is_value = flag.is_some_and(|flag| !flag.contains('=') && is_secret_name(flag));
        words.push(if is_secret {
            replaced("", argument, PLACEHOLDER, variable)
        } else {
            masked_word(argument, variable)
        });
    }
    words
}

fn masked_word(argument: &str, variable: &dyn Fn(&str) -> Option<String>) -> Word {
    // An argument such as `--database-url=postgres://..`.
    let (before, value) = match argument.split_once('=') {
        Some((name, value)) if is_name(name) => (&argument[..=name.len()], value),
        _ => ("", argument),
    };
    if is_secret_name(before.trim_matches(['-', '='])) {
        return replaced(before, value, PLACEHOLDER, variable);
    }
    let shown = without_secrets(value);
    if shown == value {
        Word::Text(argument.to_owned())
    } else {
        replaced(before, value, &shown, variable)
    }
}

fn replaced(
    before: &str,
    value: &str,
    shown: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Word {
    match variable(value) {
        Some(name) => Word::Variable(before.to_owned(), name),
        None => Word::Text(format!("{before}{shown}")),
    }
}

/// Returns the name of the environment variable with this value, preferring `DATABASE_URL`.
fn variable_of(value: &str) -> Option<String> {
    let is_plain = |name: &String| {
        let mut letters = name.bytes();
        letters
            .next()
            .is_some_and(|one| one.is_ascii_alphabetic() || one == b'_')
            && letters.all(|one| one.is_ascii_alphanumeric() || one == b'_')
    };
    let same = std::env::vars_os()
        .filter(|(_, set)| !value.is_empty() && set.to_str() == Some(value))
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(is_plain);
    same.min_by_key(|name| (name != "DATABASE_URL", name.clone()))
}

/// Reports whether this is the name of a flag or of a key.
fn is_name(text: &str) -> bool {
    let letters = text.trim_start_matches('-');
    !letters.is_empty()
        && letters
            .chars()
            .all(|one| one.is_alphanumeric() || matches!(one, '-' | '_' | '.'))
}

/// Parts of the names of secrets.
const PARTS: [&str; 15] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "signature",
    "bearer",
    "cookie",
    "sharedkey",
];
/// Names of secrets that are too short to be looked for inside other names.
const WHOLE: [&str; 7] = ["pass", "pw", "auth", "pat", "key", "sig", "jwt"];
/// Endings of names whose value is the place of a secret, and not the secret itself.
const PLACES: [&str; 8] = [
    "file", "path", "dir", "env", "prompt", "stdin", "name", "command",
];

/// Reports whether the value of a name is secret.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let last = name.rsplit(['-', '_', '.']).next().unwrap_or_default();
    let plain: String = name.chars().filter(|one| one.is_alphanumeric()).collect();
    !PLACES.contains(&last)
        && (PARTS.iter().any(|part| plain.contains(part)) || WHOLE.contains(&last))
}

/// Removes the passwords of URLs, and the values of keys whose names are those of secrets.
pub(super) fn without_secrets(text: &str) -> String {
    without_values(&without_userinfo(text))
}

/// Masks `postgres://ada:...@db/x`, and also `ada:...@tcp(db)/x`, which has no scheme. Everything
/// before the last `@` counts as user and password, because a password with a `/` that is not
/// percent-encoded would end the host too early.
fn without_userinfo(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = text.split_at(start);
    let Some((user, behind)) = rest.rsplit_once('@') else {
        return text.to_owned();
    };
    /// Longer than the names of users, and no longer than a token.
    const TOKEN: usize = 20;
    match user.split_once(':') {
        Some((_, "")) => text.to_owned(),
        Some((name, _)) => format!("{scheme}{name}:{PLACEHOLDER}@{behind}"),
        None if !scheme.is_empty() && user.len() >= TOKEN => {
            format!("{scheme}{PLACEHOLDER}@{behind}")
        }
        None => text.to_owned(),
    }
}

/// Masks `host=db password=...`, `?password=...&x=y`, `{"password": "..."}`, `Authorization: ...`.
fn without_values(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    let is_letter = |one: char| one.is_alphanumeric() || matches!(one, '-' | '_' | '.');
    while let Some(at) = rest.find(['=', ':']) {
        let (before, sign) = rest.split_at(at);
        let name = before.trim_end_matches(['"', '\'', ' ']);
        let name = &name[name.rfind(|one| !is_letter(one)).map_or(0, |at| {
            at + name[at..].chars().next().map_or(1, char::len_utf8)
        })..];
        let (sign, behind) = sign.split_at(1);
        shown.push_str(before);
        shown.push_str(sign);
        rest = behind;
        if !is_secret_name(name) || rest.starts_with("//") {
            continue;
        }
        let value = rest.trim_start_matches(' ');
        shown.push_str(&rest[..rest.len() - value.len()]);
        let header = name.to_ascii_lowercase().contains("authorization");
        let (opening, end) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => (1, value[1..].find(quote).map(|end| end + 1)),
            _ if header => (0, value.find(['"', '\'', '\n'])),
            _ => (
                0,
                value.find(|one: char| one.is_whitespace() || "&;,\"'}".contains(one)),
            ),
        };
        let end = end.unwrap_or(value.len());
        if end > opening {
            shown.push_str(&value[..opening]);
            shown.push_str(PLACEHOLDER);
        }
        rest = &value[end.max(opening)..];
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(arguments: &[&str]) -> Vec<String> {
        let arguments: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
        let variable = |value: &str| match value {
            "postgres://ada:sesame@env/x" => Some("DATABASE_URL".to_owned()),
            "token-of-env" => Some("API_TOKEN".to_owned()),
            _ => None,
        };
        let words = masked_by(&arguments, &variable);
        words.iter().map(Word::text).collect()
    }

    #[test]
    fn what_logs_in_is_not_shown() {
        for (argument, expected) in [
            ("postgres://ada:sesame@db/x", "postgres://ada:...@db/x"),
            ("postgres://ada:ses/a#m?e@db/x", "postgres://ada:...@db/x"),
            ("mysql://ada:ses@me@db:3306/x", "mysql://ada:...@db:3306/x"),
            ("postgres://ada@db:5432/x", "postgres://ada@db:5432/x"),
            ("postgres://ada:@db/x", "postgres://ada:@db/x"),
            (
                "postgres://db/x?user=ada&password=sesame&a=b",
                "postgres://db/x?user=ada&password=...&a=b",
            ),
            (
                "postgres://db/x?sslmode=require&sslpassword=sesame",
                "postgres://db/x?sslmode=require&sslpassword=...",
            ),
            (
                "--url=postgres://ada:sesame@db/x",
                "--url=postgres://ada:...@db/x",
            ),
            (
                "jdbc:postgresql://db/x?user=ada&password=sesame",
                "jdbc:postgresql://db/x?user=ada&password=...",
            ),
            ("ada:sesame@tcp(db:3306)/x", "ada:...@tcp(db:3306)/x"),
            (
                "https://ghp_0123456789012345678901234567@host/x",
                "https://...@host/x",
            ),
            (
                "host=db password=sesame user=ada",
                "host=db password=... user=ada",
            ),
            (
                "host=db password='ses ame' user=ada",
                "host=db password='...' user=ada",
            ),
            (
                "Server=db;Pwd=sesame;Database=x",
                "Server=db;Pwd=...;Database=x",
            ),
            ("--password=sesame", "--password=..."),
            ("-Dapp.password=sesame", "-Dapp.password=..."),
            ("DB_PASSWORD=sesame", "DB_PASSWORD=..."),
            ("api-key=sesame", "api-key=..."),
            (
                "{\"user\": \"ada\", \"password\": \"sesame\"}",
                "{\"user\": \"ada\", \"password\": \"...\"}",
            ),
            ("Authorization: Bearer sesame", "Authorization: ..."),
            ("X-Api-Key: sesame", "X-Api-Key: ..."),
            ("--password-file=/run/x", "--password-file=/run/x"),
            ("--author=ada", "--author=ada"),
            ("C:\\x=y", "C:\\x=y"),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("sqlite:a.db", "sqlite:a.db"),
            ("--keyboard=de", "--keyboard=de"),
            ("", ""),
        ] {
            assert_eq!(shown(&[argument]), [expected], "{argument}");
        }
    }

    #[test]
    fn the_word_behind_a_flag_is_its_value() {
        for (arguments, expected) in [
            (
                &["--password", "sesame", "db"][..],
                &["--password", "...", "db"][..],
            ),
            (
                &["--password", "--json", "db"],
                &["--password", "--json", "db"],
            ),
            (&["--db-token", "sesame"], &["--db-token", "..."]),
            (
                &["--password-file", "/run/x"],
                &["--password-file", "/run/x"],
            ),
            (&["--config", "a b"], &["--config", "a b"]),
        ] {
            assert_eq!(shown(arguments), expected);
        }
    }

    #[test]
    fn a_value_of_the_environment_is_named() {
        assert_eq!(shown(&["postgres://ada:sesame@env/x"]), ["$DATABASE_URL"]);
        assert_eq!(
            shown(&["--db=postgres://ada:sesame@env/x"]),
            ["--db=$DATABASE_URL"]
        );
        assert_eq!(
            shown(&["--token", "token-of-env"]),
            ["--token", "$API_TOKEN"]
        );
        assert_eq!(shown(&["token-of-env"]), ["token-of-env"]);
    }
}
