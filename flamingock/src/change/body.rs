//! The functions of a change with their types erased, and its steps.

use super::argument::{Inputs, Need, Outlives, Session, connections};
#[cfg(feature = "_sqlx")]
use super::client::Client;
use super::problem::Location;
use super::script::Script;
use crate::util::boxed::{BoxError, BoxFuture};
use std::fmt;

/// How a function of the user is called: it takes its arguments from the inputs.
pub type Call<T> = for<'a, 'c> fn(Inputs<'a, 'c>, Outlives<'a, 'c>) -> Answer<'a, T>;

/// What a [`Call`] gives: the future of a function whose types are erased.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, BoxError>>;

/// What a body runs.
pub enum Code<T: 'static> {
    /// A function, called by what a macro wrote for it.
    Function(Call<T>),
    /// Something that was read from a file.
    Read(&'static dyn Callable<T>),
}

impl<T> fmt::Debug for Code<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Code::Function(_) => "Function",
            Code::Read(_) => "Read",
        })
    }
}

impl<T> Clone for Code<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Code<T> {}

/// What was read from a file, and can be called as a function is.
pub trait Callable<T>: fmt::Debug + Send + Sync {
    /// Calls it.
    fn call<'a, 'c>(
        &'static self,
        inputs: Inputs<'a, 'c>,
        outlives: Outlives<'a, 'c>,
    ) -> Answer<'a, T>;

    /// The SQL, if that is all there is: in a transaction it can be sent in one text with everything
    /// around it.
    fn script(&self) -> Option<&Script> {
        None
    }

    /// Whether it belongs to the undo of an applied change alone: the tool that the file comes from never
    /// runs it after a failure, where it would drop what was there before.
    fn is_for_undo_only(&self) -> bool {
        false
    }

    /// Its steps, if it has any.
    fn steps(&self) -> Option<&'static [Step]> {
        None
    }

    /// The secrets that it takes, by name.
    fn secrets(&self) -> Vec<&'static str> {
        Vec::new()
    }
}

/// One function of the user: a change, a rollback (`T = ()`) or a verify (`T = bool`); or what stands
/// for one in a file.
pub struct Body<T: 'static> {
    /// The function's name, or the file's.
    pub name: &'static str,
    /// Where the function stands.
    pub location: Location,
    /// What it asks for, argument by argument.
    pub needs: &'static [Need],
    /// Whether it runs in a transaction: it takes a connection, and `transaction` is not false.
    pub transaction: bool,
    /// The function itself, with its types erased.
    pub code: Code<T>,
}

impl<T> Body<T> {
    /// A body, as the macros write it down. It runs in a transaction if that is not unwanted and if
    /// there is a connection to have one on.
    pub const fn new(
        name: &'static str,
        location: Location,
        needs: &'static [Need],
        transaction: bool,
        call: Call<T>,
    ) -> Body<T> {
        let transaction = transaction && connections(needs) > 0;
        Body {
            name,
            location,
            needs,
            transaction,
            code: Code::Function(call),
        }
    }

    /// The SQL, if that is all there is.
    pub(crate) fn script(&self) -> Option<&'static Script> {
        match self.code {
            Code::Function(_) => None,
            Code::Read(read) => read.script(),
        }
    }

    /// Under whose session options it is run.
    #[cfg(feature = "_sqlx")]
    pub(crate) fn client(&self) -> Client {
        self.script()
            .map(|script| script.client)
            .unwrap_or_default()
    }

    /// Whether it belongs to the undo of an applied change alone.
    pub(crate) fn is_for_undo_only(&self) -> bool {
        match self.code {
            Code::Function(_) => false,
            Code::Read(read) => read.is_for_undo_only(),
        }
    }

    /// Its steps, if it has any.
    pub(crate) fn steps(&self) -> Option<&'static [Step]> {
        match self.code {
            Code::Function(_) => None,
            Code::Read(read) => read.steps(),
        }
    }

    /// The secrets that it takes, by name.
    pub(crate) fn secrets(&self) -> Vec<&'static str> {
        match self.code {
            Code::Function(_) => Vec::new(),
            Code::Read(read) => read.secrets(),
        }
    }

    /// Calls the function. Taking its arguments may panic as well as the function itself.
    pub(crate) fn invoke<'a, 'c: 'a>(&self, inputs: Inputs<'a, 'c>) -> Answer<'a, T> {
        match self.code {
            Code::Function(call) => call(inputs, []),
            Code::Read(read) => read.call(inputs, []),
        }
    }
}

impl<T> fmt::Debug for Body<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("name", &self.name)
            .field("location", &self.location)
            .finish()
    }
}

/// One step.
#[derive(Debug)]
pub struct Step {
    /// What it does.
    pub apply: Body<()>,
    /// What takes that back.
    pub rollback: Option<Body<()>>,
}

/// What runs a script on the connection that a change is given. The databases provide it with the values of
/// each attempt.
pub(crate) struct ScriptRunner(
    pub(crate) for<'a, 'c> fn(&'static Script, bool, Session<'a, 'c>) -> Answer<'a, ()>,
);
