//! The URL of a database, which may have a password in it.

use std::path::Path;

/// The databases that a URL may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    Sqlite,
    Postgres,
    MySql,
}

/// By the URL's scheme.
pub(super) fn product(url: &str) -> Option<Product> {
    match url.split_once(':')?.0 {
        "sqlite" => Some(Product::Sqlite),
        "postgres" | "postgresql" => Some(Product::Postgres),
        "mysql" | "mariadb" => Some(Product::MySql),
        _ => None,
    }
}

/// Whether it must not be shown: it has a password, as `user:password@` or as a parameter.
pub(super) fn is_secret(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else {
        return false;
    };
    let user = rest.rsplit_once('@').map(|(user, _)| user);
    let parameters = rest
        .split_once('?')
        .map_or("", |(_, parameters)| parameters);
    user.is_some_and(|user| user.contains(':')) || parameters.contains("password")
}

/// The text without URLs that must not be shown.
pub(super) fn without_secrets<'a>(
    text: &str,
    arguments: impl IntoIterator<Item = &'a str>,
) -> String {
    let mut text = text.to_owned();
    for argument in arguments {
        // As in `--database-url=postgres://..`.
        let url = match argument.split_once('=') {
            Some((name, value)) if name.starts_with('-') => value,
            _ => argument,
        };
        if is_secret(url) {
            text = text.replace(url, "...");
        }
    }
    text
}

/// Whether there is a file at this place, or a pipe: whatever a database could be opened from.
pub(super) fn is_there(file: &Path) -> bool {
    std::fs::metadata(file).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_found_wherever_it_stands() {
        for (url, secret) in [
            ("postgres://ada:sesame@db/x", true),
            ("postgres://ada:@db/x", true),
            ("postgres://ada@db/x", false),
            ("postgres://db:5432/x", false),
            ("postgres://db/x?user=ada&password=sesame", true),
            ("mysql://ada:ses@me@db:3306/x", true),
            ("sqlite:a.db", false),
            ("sqlite://a.db?mode=rwc", false),
            ("status", false),
        ] {
            assert_eq!(is_secret(url), secret, "{url}");
        }
    }

    #[test]
    fn a_text_is_shown_without_them() {
        let url = "postgres://ada:sesame@db/x";
        let option = format!("--database-url={url}");
        assert_eq!(
            without_secrets(&format!("error: unexpected '{url}'"), ["status", url]),
            "error: unexpected '...'"
        );
        let text = format!("error: unexpected '{option}'");
        assert_eq!(
            without_secrets(&text, [option.as_str()]),
            "error: unexpected '--database-url=...'"
        );
    }
}
