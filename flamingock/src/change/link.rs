//! The traits that link a change with its rollback and its verify function at compile time.

use super::body::Body;
use super::definition::Definition;

/// Implemented by `#[change]` for a hidden type with the function's name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a change",
    label = "not a function with `#[change(..)]`",
    note = "name the function that carries `#[change(id = \"..\", order = \"..\")]`"
)]
pub trait Change {
    /// The definition of the change.
    const DEFINITION: &'static Definition;
}

/// Implemented by `#[rollback(change)]` for the change's hidden type.
pub trait HasRollback: Change {
    /// The rollback function.
    const BODY: &'static Body<()>;
}

/// Implemented by `#[verify(change)]` for the change's hidden type.
pub trait HasVerify: Change {
    /// The verify function.
    const BODY: &'static Body<bool>;
}

/// Finds the rollback and the verify function of a change at compile time: an inherent constant,
/// which exists only if there is such a function, takes precedence over the constant of the trait.
#[derive(Debug)]
pub struct Link<T>(std::marker::PhantomData<T>);

impl<T: HasRollback> Link<T> {
    /// The rollback of a change that has one.
    pub const ROLLBACK: Option<&'static Body<()>> = Some(<T as HasRollback>::BODY);
}

impl<T: HasVerify> Link<T> {
    /// The verify function of a change that has one.
    pub const VERIFY: Option<&'static Body<bool>> = Some(<T as HasVerify>::BODY);
}

/// The constants of [`Link`] for a change without a rollback or verify function.
pub trait Unlinked {
    /// No rollback.
    const ROLLBACK: Option<&'static Body<()>> = None;
    /// No verify function.
    const VERIFY: Option<&'static Body<bool>> = None;
}

impl<T> Unlinked for Link<T> {}
