//! Errors about a history.

use crate::change::problem::Problem;
use crate::report::error::Error;

pub(crate) fn invalid(messages: Vec<String>) -> Error {
    Error::invalid(messages.into_iter().map(Problem::general).collect())
}
