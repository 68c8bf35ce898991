//! What the name of a file says: the role, the kind and the place of the file.

/// What a file is for its change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It does what the change does.
    Apply,
    /// It takes that back.
    Rollback,
    /// Both, each in a part of its own.
    Both,
    /// It holds settings of another file.
    Settings,
}

/// What a file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sql,
    Yaml,
    Toml,
}

impl Kind {
    /// By the ending. None: it holds no change.
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

/// What a name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The same for all files of one change.
    pub(super) key: String,
    pub(super) id: String,
    pub(super) order: String,
    pub(super) role: Role,
    pub(super) kind: Kind,
    /// Whether the change is applied again when its text changes.
    pub(super) repeats: bool,
}

/// `3_create_orders.up`, `3_create_orders.down`: what stands before the direction, and what that says. sqlx and
/// golang-migrate have it.
pub(super) fn direction(stem: &str) -> Option<(&str, Role)> {
    let (stem, word) = stem.rsplit_once('.')?;
    Some((stem, role_of(word)?))
}

/// The same before any ending, and not at the beginning of the name alone.
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

/// The name without `.sql`, in any case of letters.
pub(super) fn without_sql(file: &str) -> Option<&str> {
    let (stem, ending) = file.rsplit_once('.')?;
    ending.eq_ignore_ascii_case("sql").then_some(stem)
}

/// The order of a version: its numbers with dots between, without zeros at its end, which do not
/// count, and with as many zeros in front as an order needs at least.
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
