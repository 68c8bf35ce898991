//! Templates, which `#[template(..)]` creates from functions.

use std::fmt;

use serde::de::DeserializeOwned;

use super::mistake::Mistake;
use super::payload::Payload;
use crate::change::argument::{Inputs, Need, Outlives};
use crate::change::body::Answer;
use crate::change::definition::crate_name;
use crate::change::problem::Location;
use crate::util::boxed::BoxError;

/// The type-erased function of a template: it takes its payload, and its other arguments from the
/// inputs.
pub type TemplateCall<T> =
    for<'a, 'c> fn(Payload<'a>, Inputs<'a, 'c>, Outlives<'a, 'c>) -> Answer<'a, T>;

/// A function of a template: its own (`T = ()`), or its verify function (`T = bool`),
/// `#[verify(template = ..)]`.
pub struct TemplateBody<T: 'static> {
    /// The name of the function.
    pub name: &'static str,
    /// The place of the function in the source.
    pub location: Location,
    /// What each argument after the payload needs.
    pub needs: &'static [Need],
    /// Checks whether the function accepts a payload.
    pub check: fn(Payload<'_>) -> Result<(), Mistake>,
    /// The type-erased function.
    pub call: TemplateCall<T>,
}

impl<T> fmt::Debug for TemplateBody<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemplateBody")
            .field("name", &self.name)
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

/// A template that files can name, created by `#[template("name")]`. List templates with
/// [`templates!`](crate::templates) for [`Runner::templates`](crate::Runner::templates).
#[derive(Debug)]
pub struct Template {
    #[doc(hidden)]
    pub name: &'static str,
    #[doc(hidden)]
    pub module_path: &'static str,
    #[doc(hidden)]
    pub work: Work,
    #[doc(hidden)]
    pub verify: Option<&'static TemplateBody<bool>>,
}

/// What a template does with a payload.
#[doc(hidden)]
#[derive(Debug)]
pub enum Work {
    /// It calls a function.
    Function(TemplateBody<()>),
    /// It sends SQL, like a file of SQL.
    Sql,
}

impl Template {
    /// Returns the name that files use for it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the crate that it was written in.
    pub(crate) fn crate_name(&self) -> &'static str {
        crate_name(self.module_path)
    }

    /// Returns its place in the source; `None` for a built-in one.
    pub(crate) fn location(&self) -> Option<Location> {
        match &self.work {
            Work::Function(body) => Some(body.location),
            Work::Sql => None,
        }
    }
}

/// Implemented by `#[template(..)]` for a hidden type with the function's name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a template",
    label = "not a function with `#[template(\"..\")]`",
    note = "name the function that carries `#[template(\"name\")]`"
)]
pub trait IsTemplate {
    /// The definition of the template.
    const DEFINITION: &'static Template;
}

/// Implemented by `#[verify(template = ..)]` for the template's hidden type.
pub trait HasTemplateVerify: IsTemplate {
    /// The verify function.
    const BODY: &'static TemplateBody<bool>;
}

/// Finds a template's verify function at compile time, like [`Link`](crate::change::link::Link)
/// finds a change's.
#[derive(Debug)]
pub struct TemplateLink<T>(std::marker::PhantomData<T>);

impl<T: HasTemplateVerify> TemplateLink<T> {
    /// The verify function of a template that has one.
    pub const VERIFY: Option<&'static TemplateBody<bool>> = Some(<T as HasTemplateVerify>::BODY);
}

/// The constant of [`TemplateLink`] for a template without a verify function.
pub trait TemplateUnlinked {
    /// No verify function.
    const VERIFY: Option<&'static TemplateBody<bool>> = None;
}

impl<T> TemplateUnlinked for TemplateLink<T> {}

/// A type that a template can take as its payload: anything that serde can deserialize.
#[diagnostic::on_unimplemented(
    message = "a template cannot take a payload of type `{Self}`",
    label = "not something that is read from a file",
    note = "the first argument of a template is what the file says: a type of its own with `#[derive(serde::Deserialize)]`, by value",
    note = "what the engine gives, such as `&T` or a connection, comes behind it"
)]
pub trait IsPayload: Sized + Send {
    /// Reads the payload.
    #[expect(clippy::missing_errors_doc, reason = "part of the macros' code")]
    fn read(payload: Payload<'_>) -> Result<Self, Mistake>;

    /// Checks that the payload can be read.
    #[expect(clippy::missing_errors_doc, reason = "part of the macros' code")]
    fn check(payload: Payload<'_>) -> Result<(), Mistake> {
        Self::read(payload).map(drop)
    }
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + Send> IsPayload for T {
    fn read(payload: Payload<'_>) -> Result<T, Mistake> {
        payload.read()
    }
}

/// Returns the error of a template whose payload can no longer be read, although the check
/// succeeded.
pub fn refuse_payload<'a, T: Send + 'a>(mistake: Mistake) -> Answer<'a, T> {
    let error: BoxError = Box::new(mistake);
    Box::pin(async { Err(error) })
}

/// Replaces a template whose attribute has a mistake, so that code which names it still compiles.
/// No program can contain it.
pub const REFUSED_TEMPLATE: &Template = &Template {
    name: "",
    module_path: "",
    work: Work::Sql,
    verify: None,
};
