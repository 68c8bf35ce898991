//! Loading a change that a YAML or TOML file declares.

use super::file::{File, Problems};
use super::read_change::Read;
use super::reader::Reader;
#[cfg(feature = "templates")]
use crate::source::files::declared;
#[cfg(not(feature = "templates"))]
use crate::source::files::templates::Templates;

impl Reader<'_> {
    /// Reads a change that names a template.
    pub(super) fn declared(
        &self,
        file: &File,
        rollback: Option<&File>,
        problems: &mut Problems,
    ) -> Option<Read> {
        if let Some(rollback) = rollback {
            let rule = format!(
                "it belongs to {}, which has a rollback of its own: write it there, as `rollback`",
                file.path
            );
            problems.at(rollback.path, 1, rule);
        }
        #[cfg(feature = "templates")]
        {
            let transaction = self.folder.defaults.transaction;
            let read = declared::read(
                file.path,
                file.name.kind,
                file.text,
                transaction,
                self.templates,
            );
            match read {
                Ok(read) => Some(read),
                Err(mistakes) => {
                    for (line, message) in mistakes {
                        problems.at(file.path, line, message);
                    }
                    None
                }
            }
        }
        #[cfg(not(feature = "templates"))]
        {
            let Templates { .. } = self.templates;
            let rule = "a file of YAML or TOML needs the feature `templates` of flamingock: `cargo add flamingock --features templates`";
            problems.at(file.path, 1, rule);
            None
        }
    }
}
