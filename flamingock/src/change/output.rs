//! The types that the functions of the user can return.

use super::body::Answer;
use crate::util::boxed::{BoxError, BoxFuture};

/// A type that a change or a rollback can return.
#[diagnostic::on_unimplemented(
    message = "a change cannot return `{Self}`",
    label = "not `()` and not a `Result<(), E>`",
    note = "return `()` or `Result<(), E>`, where `E` is an error that is `Send + Sync + 'static`, for example `Result<(), sqlx::Error>` or `Result<(), flamingock::BoxError>`"
)]
pub trait ChangeOutput {
    /// Returns the outcome with a boxed error.
    #[expect(clippy::missing_errors_doc, reason = "the function's own error")]
    fn into_outcome(self) -> Result<(), BoxError>;
}

impl ChangeOutput for () {
    fn into_outcome(self) -> Result<(), BoxError> {
        Ok(())
    }
}

// Otherwise the compiler explains at length from which types a `BoxError` can be made.
#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> ChangeOutput for Result<(), E> {
    fn into_outcome(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// A type that a verify function can return.
#[diagnostic::on_unimplemented(
    message = "a verify function cannot return `{Self}`",
    label = "not `bool` and not a `Result<bool, E>`",
    note = "return `bool` or `Result<bool, E>`: true when the change's effect is there"
)]
pub trait VerifyOutput {
    /// Returns the answer with a boxed error.
    #[expect(clippy::missing_errors_doc, reason = "the function's own error")]
    fn into_answer(self) -> Result<bool, BoxError>;
}

impl VerifyOutput for bool {
    fn into_answer(self) -> Result<bool, BoxError> {
        Ok(self)
    }
}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> VerifyOutput for Result<bool, E> {
    fn into_answer(self) -> Result<bool, BoxError> {
        self.map_err(Into::into)
    }
}

/// Erases the return type of a change or a rollback.
///
/// It takes a boxed future, so that it is compiled once for each return type. Compiled once for
/// each change, it would double the cost of the change, and the optimizer would do that by inlining
/// it.
#[inline(never)]
pub fn erase_change<'a, T: ChangeOutput + 'a>(future: BoxFuture<'a, T>) -> Answer<'a, ()> {
    Box::pin(async move { future.await.into_outcome() })
}

/// Erases the return type of a verify function.
#[inline(never)]
pub fn erase_verify<'a, T: VerifyOutput + 'a>(future: BoxFuture<'a, T>) -> Answer<'a, bool> {
    Box::pin(async move { future.await.into_answer() })
}
