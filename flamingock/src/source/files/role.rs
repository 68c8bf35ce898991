//! The role and the kind of a file, and helpers to parse names.

/// The role of a file in its change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The file applies the change.
    Apply,
    /// The file reverts the change.
    Rollback,
    /// Both, each in its own part.
    Both,
    /// The file holds settings of another file.
    Settings,
}

/// The language of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sql,
    Yaml,
    Toml,
}

impl Kind {
    /// Returns the kind for the file's extension. `None` if such a file holds no change.
    pub(super) fn of(file: &str) -> Option<(Kind, &str)> {
        let (stem, ending) = file.rsplit_once('.')?;
        let kind = match ending {
            "sql" => Kind::Sql,
            "yaml" | "yml" => Kind::Yaml,
            "toml" => Kind::Toml,
            _ => return None,
        };
        Some((kind, stem))
    }
}

/// The meaning of a file's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The key that all files of one change share.
    pub(super) key: String,
    pub(super) id: String,
    pub(super) order: String,
    pub(super) role: Role,
    pub(super) kind: Kind,
    /// Whether the change is repeatable.
    pub(super) repeats: bool,
}

/// Splits `3_create_orders.up` and `3_create_orders.down` into the name and the role, for sqlx and
/// golang-migrate.
pub(super) fn direction(stem: &str) -> Option<(&str, Role)> {
    let (stem, word) = stem.rsplit_once('.')?;
    Some((stem, role_of(word)?))
}

/// Reports whether a name has a direction before any extension, but not at its beginning.
pub(super) fn has_direction(name: &str) -> bool {
    let (_, rest) = name.split_once('.').unwrap_or_default();
    let (parts, _) = rest.rsplit_once('.').unwrap_or_default();
    parts.split('.').any(|part| role_of(part).is_some())
}

fn role_of(direction: &str) -> Option<Role> {
    match direction {
        "up" => Some(Role::Apply),
        "down" => Some(Role::Rollback),
        _ => None,
    }
}

/// Returns the name without `.sql`, in any case.
pub(super) fn without_sql(file: &str) -> Option<&str> {
    let (stem, ending) = file.rsplit_once('.')?;
    ending.eq_ignore_ascii_case("sql").then_some(stem)
}

/// Returns the order of a version: its numbers separated by dots, without insignificant zeros at
/// its end, and padded to the minimum length of an order.
pub(super) fn order(version: &str) -> Option<String> {
    let mut numbers: Vec<&str> = version.split(['.', '_']).collect();
    let is_number =
        |number: &&str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if !numbers.iter().all(is_number) {
        return None;
    }
    while numbers.len() > 1
        && numbers
            .last()
            .is_some_and(|last| last.trim_matches('0').is_empty())
    {
        numbers.pop();
    }
    let digits: usize = numbers.iter().map(|number| number.len()).sum();
    Some(format!("{:0>1$}", numbers.join("."), {
        let dots = numbers.len() - 1;
        dots + digits.max(3)
    }))
}
