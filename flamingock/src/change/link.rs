//! How a change, its rollback and its probe meet at compile time.

use super::body::Body;
use super::definition::Definition;

/// Implemented by `#[change]` for a hidden type of the function's name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a change",
    label = "not a function with `#[change(..)]`",
    note = "name the function that carries `#[change(id = \"..\", order = \"..\")]`"
)]
pub trait Change {
    /// What the attribute and the function say.
    const DEFINITION: &'static Definition;
}

/// Implemented by `#[rollback(change)]` for the change's hidden type.
pub trait HasRollback: Change {
    /// The rollback's function.
    const BODY: &'static Body<()>;
}

/// Implemented by `#[verify(change)]` for the change's hidden type.
pub trait HasVerify: Change {
    /// The probe's function.
    const BODY: &'static Body<bool>;
}

/// Finds a change's companions at compile time: an inherent constant, which exists only where there
/// is a companion, wins over the trait's.
#[derive(Debug)]
pub struct Link<T>(std::marker::PhantomData<T>);

impl<T: HasRollback> Link<T> {
    /// The rollback of a change that has one.
    pub const ROLLBACK: Option<&'static Body<()>> = Some(<T as HasRollback>::BODY);
}

impl<T: HasVerify> Link<T> {
    /// The probe of a change that has one.
    pub const VERIFY: Option<&'static Body<bool>> = Some(<T as HasVerify>::BODY);
}

/// What [`Link`] says of a change without the companion.
pub trait Unlinked {
    /// No rollback.
    const ROLLBACK: Option<&'static Body<()>> = None;
    /// No probe.
    const VERIFY: Option<&'static Body<bool>> = None;
}

impl<T> Unlinked for Link<T> {}
