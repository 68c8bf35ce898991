//! Hints that tell the author of a change how to fix an error of the database.

use std::error::Error;
use std::fmt;

use crate::util::boxed::BoxError;

/// How to run a function without a transaction.
const FOR_A_FUNCTION: &str = "write `transaction = false` in its attribute";

/// Returns how to fix an error inside a transaction. `without_transaction` says how to run the
/// change without one.
pub(super) fn hint(error: &sqlx::Error, without_transaction: &str) -> Option<String> {
    let error = error.as_database_error()?;
    let code = error.code()?;
    match &*code {
        // PostgreSQL: active_sql_transaction.
        "25001" => Some(format!(
            "the database does not run this in a transaction that has begun: {without_transaction}"
        )),
        // SQLite has one code for all of them, and its messages are not translated.
        "1" if is_refused_in_transaction(error.message()) => Some(format!(
            "SQLite does not run this in a transaction: {without_transaction}"
        )),
        // PostgreSQL: unsafe_new_enum_value_usage.
        "55P04" => Some(
            "a value that is added to an enum can be used when it is committed: use it in a change of its own behind this one".to_owned(),
        ),
        _ => None,
    }
}

fn is_refused_in_transaction(message: &str) -> bool {
    const ENDS: [&str; 4] = [
        "from within a transaction",
        "inside a transaction",
        "within transaction",
        "inside transaction",
    ];
    ENDS.iter().any(|end| message.ends_with(end))
}

/// Puts a hint in front of the error that a function returned.
pub(super) fn hinted(cause: BoxError) -> BoxError {
    let mut next: Option<&(dyn Error + 'static)> = Some(&*cause);
    while let Some(error) = next {
        if let Some(hint) = error
            .downcast_ref()
            .and_then(|error| hint(error, FOR_A_FUNCTION))
        {
            return Box::new(Hinted { hint, cause });
        }
        next = error.source();
    }
    cause
}

#[derive(Debug)]
struct Hinted {
    hint: String,
    cause: BoxError,
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hint)
    }
}

impl Error for Hinted {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_sqlite_are_known() {
        for (message, expected) in [
            ("cannot VACUUM from within a transaction", true),
            ("Safety level may not be changed inside a transaction", true),
            ("cannot DETACH database within transaction", true),
            ("cannot start a transaction within a transaction", false),
            ("no such table: a transaction", false),
        ] {
            assert_eq!(is_refused_in_transaction(message), expected, "{message}");
        }
    }
}
