//! A template: what `#[template(..)]` makes of a function.

use std::fmt;

use serde::de::DeserializeOwned;

use super::mistake::Mistake;
use super::payload::Payload;
use crate::change::argument::{Inputs, Need, Outlives};
use crate::change::body::Answer;
use crate::change::definition::crate_name;
use crate::change::problem::Location;
use crate::util::boxed::BoxError;

/// How a template's function is called: with its payload and what it takes besides.
pub type TemplateCall<T> =
    for<'a, 'c> fn(Payload<'a>, Inputs<'a, 'c>, Outlives<'a, 'c>) -> Answer<'a, T>;

/// A function of a template: the template's own (`T = ()`), or its `#[verify(template = ..)]`
/// (`T = bool`).
pub struct TemplateBody<T: 'static> {
    /// The function's name.
    pub name: &'static str,
    /// Where it stands.
    pub location: Location,
    /// What it takes behind the payload, argument by argument.
    pub needs: &'static [Need],
    /// Whether a payload is one that it takes.
    pub check: fn(Payload<'_>) -> Result<(), Mistake>,
    /// The function itself, with its types erased.
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

/// A template that files can name: what [`templates!`](crate::templates) lists and
/// [`Runner::templates`](crate::Runner::templates) takes. Made by `#[template("name")]`.
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
    /// It sends SQL, as a file of SQL is sent.
    Sql,
}

impl Template {
    /// The name that files call it by.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The crate that it was written in.
    pub(crate) fn crate_name(&self) -> &'static str {
        crate_name(self.module_path)
    }

    /// Where it stands; the built-in ones stand nowhere that matters.
    pub(crate) fn location(&self) -> Option<Location> {
        match &self.work {
            Work::Function(body) => Some(body.location),
            Work::Sql => None,
        }
    }
}

/// Implemented by `#[template(..)]` for a hidden type of the function's name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a template",
    label = "not a function with `#[template(\"..\")]`",
    note = "name the function that carries `#[template(\"name\")]`"
)]
pub trait IsTemplate {
    /// What the attribute and the function say.
    const DEFINITION: &'static Template;
}

/// Implemented by `#[verify(template = ..)]` for the template's hidden type.
pub trait HasTemplateVerify: IsTemplate {
    /// The probe's function.
    const BODY: &'static TemplateBody<bool>;
}

/// Finds a template's probe at compile time, as [`Link`](crate::change::link::Link) finds a change's.
#[derive(Debug)]
pub struct TemplateLink<T>(std::marker::PhantomData<T>);

impl<T: HasTemplateVerify> TemplateLink<T> {
    /// The probe of a template that has one.
    pub const VERIFY: Option<&'static TemplateBody<bool>> = Some(<T as HasTemplateVerify>::BODY);
}

/// What [`TemplateLink`] says of a template without a probe.
pub trait TemplateUnlinked {
    /// No probe.
    const VERIFY: Option<&'static TemplateBody<bool>> = None;
}

impl<T> TemplateUnlinked for TemplateLink<T> {}

/// What a template can take from a file: anything that serde reads.
#[diagnostic::on_unimplemented(
    message = "a template cannot take a payload of type `{Self}`",
    label = "not something that is read from a file",
    note = "the first argument of a template is what the file says: a type of its own with `#[derive(serde::Deserialize)]`, by value",
    note = "what the engine gives, such as `&T` or a connection, comes behind it"
)]
pub trait IsPayload: Sized + Send {
    /// Reads it.
    #[expect(clippy::missing_errors_doc, reason = "part of the macros' code")]
    fn read(payload: Payload<'_>) -> Result<Self, Mistake>;

    /// Whether it can be read.
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

/// The answer of a template whose payload could not be read, although it was before.
pub fn refuse_payload<'a, T: Send + 'a>(mistake: Mistake) -> Answer<'a, T> {
    let error: BoxError = Box::new(mistake);
    Box::pin(async { Err(error) })
}

/// Stands in for a template whose attribute has a mistake, so that whatever names it still compiles.
/// No program gets to see it.
pub const REFUSED_TEMPLATE: &Template = &Template {
    name: "",
    module_path: "",
    work: Work::Sql,
    verify: None,
};
