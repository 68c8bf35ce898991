//! Server sessions with open transactions. Where DDL commits midway, an abandoned session could
//! still commit what its change has done so far.

use super::base::{Ledger, Result};
use super::params::lease_params;
use crate::backend::{Backend, Conn};
use crate::rows::LockGrant;

/// Which sessions to return.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// Those of all earlier owners of the lane: of all owners of the service that do not own
    /// another lane. Sessions without a witness carry this mark, followed by the run id of their
    /// owner.
    Others {
        /// The beginning of the mark.
        mark: &'a str,
    },
    /// Those of one attempt of this owner.
    Attempt {
        /// The change.
        change_id: &'a str,
        /// The number of the attempt.
        attempt: i64,
    },
}

impl<B: Backend> Ledger<B> {
    /// Returns the server's ids of the sessions that have written an uncommitted witness: each of
    /// them is in the transaction of a change. Returns nothing if the database does not commit
    /// midway.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn open_sessions(
        &self,
        connection: &mut Conn<B>,
        grant: &LockGrant,
        whose: Whose<'_>,
    ) -> Result<Vec<i64>> {
        let Some(witnesses) = B::DIALECT.witnesses else {
            return Ok(Vec::new());
        };
        let mut params = lease_params(grant, None);
        let filter = match whose {
            Whose::Others { .. } => {
                "run_id <> $run_id
  AND run_id NOT IN (SELECT run_id FROM {lock} WHERE service = $service AND lane <> $lane)"
            }
            Whose::Attempt { change_id, attempt } => {
                params.push(("change_id", change_id.into()));
                params.push(("attempt", attempt.into()));
                "run_id = $run_id AND change_id = $change_id AND attempt = $attempt"
            }
        };
        let select = witnesses.replace("{whose}", filter);
        let mut written = Vec::new();
        for level in ["UNCOMMITTED", "COMMITTED"] {
            let text = format!("SET TRANSACTION ISOLATION LEVEL READ {level}; {select}");
            written.push(self.fetch(connection, &text, &params).await?);
        }
        let committed = written.pop().unwrap_or_default();
        let committed: Vec<_> = committed
            .iter()
            .map(|row| row.int(0))
            .collect::<Result<_>>()?;
        let mut open = Vec::new();
        for mut row in written.pop().unwrap_or_default() {
            if !committed.contains(&row.int(0)?) {
                open.extend(connection_in(&row.text(1)));
            }
        }
        if let (Whose::Others { mark }, Some(marked)) = (whose, B::DIALECT.marked_sessions) {
            params.push(("mark", mark.into()));
            for row in self.fetch(connection, marked, &params).await? {
                open.extend(row.int(0)?);
            }
        }
        open.sort_unstable();
        open.dedup();
        Ok(open)
    }
}

/// Returns the id, which is the first number of the JSON object with which a witness's metadata
/// begins.
pub(super) fn connection_in(metadata: &str) -> Option<i64> {
    let digits = metadata.strip_prefix("{\"connection\":")?;
    let end = digits
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(digits.len());
    digits[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::connection_in;

    #[test]
    fn connection_of_a_witness_is_the_first_number_of_its_metadata() {
        for (metadata, expected) in [
            ("{\"connection\":17}", Some(17)),
            ("{\"connection\":17,\"app\":\"shop\"}", Some(17)),
            ("{\"app\":\"shop\",\"connection\":17}", None),
            ("{\"connection\":\"17\"}", None),
            ("", None),
        ] {
            assert_eq!(connection_in(metadata), expected, "{metadata}");
        }
    }
}
