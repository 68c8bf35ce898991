//! What the functions of the user may return.

use super::body::Answer;
use crate::util::boxed::{BoxError, BoxFuture};

/// What a change or a rollback may return.
#[diagnostic::on_unimplemented(
    message = "a change cannot return `{Self}`",
    label = "not `()` and not a `Result<(), E>`",
    note = "return `()` or `Result<(), E>`, where `E` is an error that is `Send + Sync + 'static`, for example `Result<(), sqlx::Error>` or `Result<(), flamingock::BoxError>`"
)]
pub trait ChangeOutput {
    /// The outcome, with its error boxed.
    #[expect(clippy::missing_errors_doc, reason = "the function's own error")]
    fn into_outcome(self) -> Result<(), BoxError>;
}

impl ChangeOutput for () {
    fn into_outcome(self) -> Result<(), BoxError> {
        Ok(())
    }
}

// Without this the compiler would explain what `BoxError` can be made from, at length.
#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> ChangeOutput for Result<(), E> {
    fn into_outcome(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// What a probe may return.
#[diagnostic::on_unimplemented(
    message = "a verify function cannot return `{Self}`",
    label = "not `bool` and not a `Result<bool, E>`",
    note = "return `bool` or `Result<bool, E>`: true when the change's effect is there"
)]
pub trait VerifyOutput {
    /// The answer, with its error boxed.
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

/// Erases what a change or a rollback returns.
///
/// It is given a box, and so compiled once for each type that changes return: compiled once for each
/// change, it would cost as much as the change itself. The optimizer would copy it there.
#[inline(never)]
pub fn erase_change<'a, T: ChangeOutput + 'a>(future: BoxFuture<'a, T>) -> Answer<'a, ()> {
    Box::pin(async move { future.await.into_outcome() })
}

/// Erases what a probe returns.
#[inline(never)]
pub fn erase_verify<'a, T: VerifyOutput + 'a>(future: BoxFuture<'a, T>) -> Answer<'a, bool> {
    Box::pin(async move { future.await.into_answer() })
}
