//! The settings that diesel and Flyway keep beside a file.

use super::format::Format;
use super::header::Mistake;

/// Whether the change runs in a transaction, if the settings say so: `metadata.toml` of diesel,
/// `V1__x.sql.conf` of Flyway. A `metadata.toml` without the key means no transaction, as it does in
/// diesel. Any other setting is a mistake: it would be ignored.
pub(super) fn transaction(format: Format, text: &str) -> Result<Option<bool>, Mistake> {
    let known = match format {
        Format::Diesel => "run_in_transaction",
        _ => "executeInTransaction",
    };
    let mut transaction = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.is_empty() {
            continue;
        }
        let value = line
            .split_once('=')
            .filter(|(key, _)| key.trim() == known)
            .and_then(|(_, value)| value.trim().parse().ok());
        match value {
            Some(value) => transaction = Some(value),
            None => {
                return Err((
                    number,
                    format!(
                        "`{line}` is not known here: `{known} = true` and `{known} = false` are"
                    ),
                ));
            }
        }
    }
    Ok(match format {
        Format::Diesel => Some(transaction.unwrap_or(false)),
        Format::Own | Format::Sqlx | Format::Refinery | Format::Goose | Format::Flyway => {
            transaction
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_setting_is_read_and_no_other() {
        for (format, text, expected) in [
            (Format::Diesel, "# why\nrun_in_transaction = false # so\n", Ok(Some(false))),
            (Format::Diesel, "", Ok(Some(false))),
            (Format::Diesel, "# run_in_transaction = true\n", Ok(Some(false))),
            (Format::Flyway, "", Ok(None)),
            (Format::Flyway, "executeInTransaction=true", Ok(Some(true))),
            (
                Format::Flyway,
                "\nencoding=UTF-8",
                Err((2, "`encoding=UTF-8` is not known here: `executeInTransaction = true` and `executeInTransaction = false` are".to_owned())),
            ),
            (
                Format::Diesel,
                "run_in_transaction = no",
                Err((1, "`run_in_transaction = no` is not known here: `run_in_transaction = true` and `run_in_transaction = false` are".to_owned())),
            ),
        ] {
            assert_eq!(transaction(format, text), expected, "{text}");
        }
    }
}
