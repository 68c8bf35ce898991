//! The rights of database users on the tables, for administrators who grant each user the least.

use crate::dialect::Dialect;
use crate::names::Names;

/// One user, and what it does.
struct User {
    name: &'static str,
    purpose: &'static str,
    /// Whether it writes entries and owns the lock.
    writes: bool,
    /// Whether it runs changes.
    runs: bool,
    /// Whether it shows the state of changes to people.
    shows: bool,
}

const USERS: [User; 4] = [
    User {
        name: "flamingock_apply",
        purpose: "applies and undoes changes; it also needs the rights of the changes themselves",
        writes: true,
        runs: true,
        shows: true,
    },
    User {
        name: "flamingock_start",
        purpose: "starts instances for which everything is applied, and runs `check`",
        writes: false,
        runs: false,
        shows: false,
    },
    User {
        name: "flamingock_operate",
        purpose: "resolves issues, releases the lock, adopts histories and controls changes in batches, without running a change",
        writes: true,
        runs: false,
        shows: true,
    },
    User {
        name: "flamingock_look",
        purpose: "reads the status, the audit, the issues and the lock",
        writes: false,
        runs: false,
        shows: true,
    },
];

/// Returns the statements, one for each right, so that each can be revoked by itself. `None` for a
/// database without users.
pub(crate) fn statements(dialect: &Dialect, names: &Names) -> Option<String> {
    let quote = dialect.user_quote?;
    let mut text = String::new();
    for user in &USERS {
        let name = format!("{quote}{}{quote}", user.name);
        text.push_str(&format!("-- {}: {}.\n", user.name, user.purpose));
        if let (Some(schema), true) = (names.schema(), dialect.has_schema_rights) {
            text.push_str(&format!("GRANT USAGE ON SCHEMA \"{schema}\" TO {name};\n"));
        }
        for (table, rights) in rights(dialect, user) {
            let table = names.quoted(table, dialect.quote);
            for right in rights {
                text.push_str(&format!("GRANT {right} ON {table} TO {name};\n"));
            }
        }
    }
    Some(text)
}

fn rights(dialect: &Dialect, user: &User) -> Vec<(&'static str, Vec<&'static str>)> {
    let of = |more: &'static str| match user.writes {
        true => vec!["SELECT", more],
        false => vec!["SELECT"],
    };
    let mut rights = vec![
        ("audit", of("INSERT")),
        ("lock", of("UPDATE")),
        ("lease", of("UPDATE")),
    ];
    if user.runs {
        // A change in the background has a lock of its own.
        for (table, rights) in &mut rights {
            if ["lock", "lease"].contains(table) {
                rights.push("INSERT");
            }
        }
        rights.extend(
            dialect
                .rights_of_changes
                .iter()
                .map(|(table, rights)| (*table, rights.to_vec())),
        );
    } else if user.shows {
        rights.push(("progress", of("UPDATE")));
    }
    rights
}
