//! The type-erased functions of a change, and its steps.

use super::argument::{Inputs, Need, Outlives, Session, connections};
use super::batch::CursorType;
#[cfg(feature = "_sqlx")]
use super::client::Client;
use super::problem::Location;
use super::script::Script;
use crate::util::boxed::{BoxError, BoxFuture};
use std::fmt;

/// The type-erased form of a user's function: it takes its arguments from the inputs.
pub type Call<T> = for<'a, 'c> fn(Inputs<'a, 'c>, Outlives<'a, 'c>) -> Answer<'a, T>;

/// The result of a [`Call`]: the future of a type-erased function.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, BoxError>>;

/// The code of a body.
pub enum Code<T: 'static> {
    /// A function, called by code that a macro generated.
    Function(Call<T>),
    /// The same of a change that works in batches: the function does one batch.
    Batch(Call<T>, CursorType),
    /// Content of a file.
    Read(&'static dyn Callable<T>),
    /// None: the change was deleted after this version.
    Retired(&'static str),
}

impl<T> fmt::Debug for Code<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Code::Function(_) => "Function",
            Code::Batch(..) => "Batch",
            Code::Read(_) => "Read",
            Code::Retired(_) => "Retired",
        })
    }
}

impl<T> Clone for Code<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Code<T> {}

/// Content of a file that can be called like a function.
pub trait Callable<T>: fmt::Debug + Send + Sync {
    /// Calls it.
    fn call<'a, 'c>(
        &'static self,
        inputs: Inputs<'a, 'c>,
        outlives: Outlives<'a, 'c>,
    ) -> Answer<'a, T>;

    /// Returns the SQL, if there is nothing else: in a transaction it can be sent as a single
    /// message with everything around it.
    fn script(&self) -> Option<&Script> {
        None
    }

    /// Reports whether this rollback is only for undoing an applied change. The tool that the file
    /// comes from never runs it after a failure, where it would drop what existed before.
    fn is_for_undo_only(&self) -> bool {
        false
    }

    /// Returns the steps, if there are any.
    fn steps(&self) -> Option<&'static [Step]> {
        None
    }

    /// Returns the names of the secrets that it uses.
    fn secrets(&self) -> Vec<&'static str> {
        Vec::new()
    }
}

/// One function of the user: a change or a rollback (`T = ()`), or a verify function (`T = bool`);
/// or the content of a file in its place.
pub struct Body<T: 'static> {
    /// The name of the function or of the file.
    pub name: &'static str,
    /// The place of the function in the source.
    pub location: Location,
    /// What each argument needs.
    pub needs: &'static [Need],
    /// Whether it runs in a transaction: it takes a connection, and `transaction` is not false.
    pub transaction: bool,
    /// The type-erased function.
    pub code: Code<T>,
}

impl<T> Body<T> {
    /// Creates a body, for the code of the macros. It runs in a transaction if `transaction` is
    /// true and the function takes a connection.
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

    /// Creates the body of a change that works in batches, for the code of the macros.
    pub const fn batch(
        name: &'static str,
        location: Location,
        needs: &'static [Need],
        transaction: bool,
        call: Call<T>,
        cursor: CursorType,
    ) -> Body<T> {
        let body = Body::new(name, location, needs, transaction, call);
        Body {
            code: Code::Batch(call, cursor),
            ..body
        }
    }

    /// Returns the type of the cursor, if it works in batches.
    pub(crate) fn cursor(&self) -> Option<CursorType> {
        match self.code {
            Code::Batch(_, cursor) => Some(cursor),
            Code::Function(_) | Code::Read(_) | Code::Retired(_) => None,
        }
    }

    /// Returns the SQL, if there is nothing else.
    pub(crate) fn script(&self) -> Option<&'static Script> {
        match self.code {
            Code::Function(_) | Code::Batch(..) | Code::Retired(_) => None,
            Code::Read(read) => read.script(),
        }
    }

    /// Returns the client whose session options it runs with.
    #[cfg(feature = "_sqlx")]
    pub(crate) fn client(&self) -> Client {
        self.script()
            .map(|script| script.client)
            .unwrap_or_default()
    }

    /// Reports whether this rollback is only for undoing an applied change.
    pub(crate) fn is_for_undo_only(&self) -> bool {
        match self.code {
            Code::Function(_) | Code::Batch(..) | Code::Retired(_) => false,
            Code::Read(read) => read.is_for_undo_only(),
        }
    }

    /// Returns the steps, if there are any.
    pub(crate) fn steps(&self) -> Option<&'static [Step]> {
        match self.code {
            Code::Function(_) | Code::Batch(..) | Code::Retired(_) => None,
            Code::Read(read) => read.steps(),
        }
    }

    /// Returns the names of the secrets that it uses.
    pub(crate) fn secrets(&self) -> Vec<&'static str> {
        match self.code {
            Code::Function(_) | Code::Batch(..) | Code::Retired(_) => Vec::new(),
            Code::Read(read) => read.secrets(),
        }
    }

    /// Calls the function. The extraction of its arguments can panic as well as the function
    /// itself.
    pub(crate) fn invoke<'a, 'c: 'a>(&self, inputs: Inputs<'a, 'c>) -> Answer<'a, T> {
        match self.code {
            Code::Function(call) | Code::Batch(call, _) => call(inputs, []),
            Code::Read(read) => read.call(inputs, []),
            // No run comes here: a retired change that is not applied stops it before.
            Code::Retired(_) => Box::pin(async { Err("the change is retired".into()) }),
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

/// One step of a change.
#[derive(Debug)]
pub struct Step {
    /// What the step does.
    pub apply: Body<()>,
    /// The function that reverses the step.
    pub rollback: Option<Body<()>>,
}

/// Runs a script on the connection of a change. The databases provide it among the values of each
/// attempt.
pub(crate) struct ScriptRunner(
    pub(crate) for<'a, 'c> fn(&'static Script, bool, Session<'a, 'c>) -> Answer<'a, ()>,
);
