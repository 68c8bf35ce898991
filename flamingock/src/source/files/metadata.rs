//! The settings files of diesel and Flyway.

use super::format::Format;
use super::mistake::Mistake;

/// The settings of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) transaction: Option<bool>,
    /// Whether Flyway would replace `${..}` by values.
    pub(super) placeholders: Option<bool>,
}

/// Reads diesel's `metadata.toml` or Flyway's `V1__x.sql.conf`. A `metadata.toml` without the key
/// means no transaction, as in diesel. Any other setting is a mistake, because it would be ignored.
pub(super) fn read(format: Format, text: &str) -> Result<Metadata, Mistake> {
    let mut metadata = Metadata::default();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.is_empty() {
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        let (key, value) = (key.trim(), value.trim());
        let switch = value.parse().ok();
        let is_known = match (format, key) {
            (Format::Diesel, "run_in_transaction") | (Format::Flyway, "executeInTransaction") => {
                metadata.transaction = switch.or(metadata.transaction);
                switch.is_some()
            }
            (Format::Flyway, "placeholderReplacement") => {
                metadata.placeholders = switch.or(metadata.placeholders);
                switch.is_some()
            }
            // Files are embedded as UTF-8.
            (Format::Flyway, "encoding") => value.eq_ignore_ascii_case("utf-8"),
            _ => false,
        };
        if !is_known {
            return Err((number, unknown(format, line)));
        }
    }
    if format == Format::Diesel {
        metadata.transaction = Some(metadata.transaction.unwrap_or(false));
    }
    Ok(metadata)
}

fn unknown(format: Format, line: &str) -> String {
    if format == Format::Diesel {
        return format!(
            "`{line}` is not known here: `run_in_transaction = true` and `run_in_transaction = false` are"
        );
    }
    format!(
        "`{line}` is not known here: `executeInTransaction = true` and `executeInTransaction = false` are, and so are `placeholderReplacement=false` and `encoding=UTF-8`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_setting_is_read_and_no_other() {
        let transaction = |format, text| read(format, text).map(|read| read.transaction);
        for (format, text, expected) in [
            (Format::Diesel, "# why\nrun_in_transaction = false # so\n", Ok(Some(false))),
            (Format::Diesel, "", Ok(Some(false))),
            (Format::Diesel, "# run_in_transaction = true\n", Ok(Some(false))),
            (Format::Flyway, "", Ok(None)),
            (Format::Flyway, "executeInTransaction=true", Ok(Some(true))),
            (
                Format::Flyway,
                "\nshouldExecute=false",
                Err((2, "`shouldExecute=false` is not known here: `executeInTransaction = true` and `executeInTransaction = false` are, and so are `placeholderReplacement=false` and `encoding=UTF-8`".to_owned())),
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

    #[test]
    fn settings_of_flyway_that_change_nothing_here_are_read() {
        let text = "encoding=utf-8\nplaceholderReplacement=false\n";
        let expected = Metadata {
            transaction: None,
            placeholders: Some(false),
        };
        assert_eq!(read(Format::Flyway, text), Ok(expected));
        assert!(read(Format::Flyway, "encoding=ISO-8859-1").is_err());
        assert!(read(Format::Diesel, "encoding=UTF-8").is_err());
    }
}
