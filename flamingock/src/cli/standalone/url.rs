//! The URL of a database, which may contain a password.

use std::path::Path;

/// The database products that a URL can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    Sqlite,
    Postgres,
    MySql,
}

/// Returns the product for the URL's scheme.
pub(super) fn product(url: &str) -> Option<Product> {
    match url.split_once(':')?.0 {
        "sqlite" => Some(Product::Sqlite),
        "postgres" | "postgresql" => Some(Product::Postgres),
        "mysql" | "mariadb" => Some(Product::MySql),
        _ => None,
    }
}

/// Returns a hint about a URL that cannot be used: a character in the user name or the password may
/// have to be encoded. Repeats no part of the URL.
pub(super) fn hint(url: &str) -> Option<&'static str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((user, _)) = authority.rsplit_once('@') else {
        return rest.contains('@').then_some(
            "the user name or the password has a `/`, `?` or `#`: write these percent-encoded, as `%2F`, `%3F` and `%23`",
        );
    };
    let is_encoded = |rest: &str| {
        let digits = rest.get(..2);
        digits.is_some_and(|digits| digits.bytes().all(|one| one.is_ascii_hexdigit()))
    };
    if !user.split('%').skip(1).all(is_encoded) {
        return Some("the user name or the password has a `%`: write it percent-encoded, as `%25`");
    }
    user.contains(['@', '[', ']', ' ', '\\', '<', '>', '^', '|', '"', '`', '{', '}'])
        .then_some(
            "the user name or the password has a character that a URL keeps for itself: write it percent-encoded, such as `@` as `%40`",
        )
}

/// Reports whether there is a file or a pipe at this place, from which a database could be opened.
pub(super) fn is_there(file: &Path) -> bool {
    std::fs::metadata(file).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_must_be_encoded_is_hinted_at_and_not_the_password() {
        for (password, part) in [
            ("ses/ame", "`%2F`"),
            ("12/34", "`%2F`"),
            ("ses?ame", "`%3F`"),
            ("ses#ame", "`%23`"),
            ("#", "`%23`"),
            ("ses%ame", "`%25`"),
            ("ses%", "`%25`"),
            ("ses%2", "`%25`"),
            ("ses@me", "`%40`"),
            ("ses[me", "percent-encoded"),
        ] {
            let url = format!("postgres://ada:{password}@db:5432/x?sslmode=disable");
            let hint = hint(&url).unwrap();
            assert!(
                hint.contains(part) && !hint.contains("ses"),
                "{password}: {hint}"
            );
        }
        for url in [
            "postgres://ada:ses%2Fame@db/x",
            "postgres://ada@db:5432/x",
            "postgres://db/x?user=ada",
            "sqlite:a.db",
            "sqlite://a.db?mode=rwc",
        ] {
            assert_eq!(hint(url), None, "{url}");
        }
    }
}
