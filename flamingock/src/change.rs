//! A change: what the macros make of an annotated function.

mod link;
mod output;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub use self::link::{Change, HasRollback, HasVerify, Link, Unlinked};
pub use self::output::{ChangeOutput, VerifyOutput, erase_change, erase_verify};
use crate::argument::{Inputs, Need, Outlives, connections};
#[cfg(feature = "_sqlx")]
use crate::client::Client;
use crate::script::Script;
use crate::steps::Step;

/// Any error that a change may return, as the engine keeps it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How a function of the user is called: it takes its arguments from the inputs.
pub type Call<T> = for<'a, 'c> fn(Inputs<'a, 'c>, Outlives<'a, 'c>) -> Answer<'a, T>;

/// What a [`Call`] gives: the future of a function whose types are erased.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, BoxError>>;

/// Where something stands in the source: what error messages name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The file, as the compiler was given it.
    pub file: &'static str,
    /// The line, counted from 1.
    pub line: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What a change that stopped half-way may be done with, without manual resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Recovery {
    /// An operator decides: the change becomes an issue.
    Manual,
    /// It is safe to run again: the engine does.
    Retry,
}

impl Recovery {
    /// As it is written in the attribute and in the audit.
    pub fn as_str(self) -> &'static str {
        match self {
            Recovery::Manual => "manual",
            Recovery::Retry => "retry",
        }
    }

    /// From the audit; whatever else stands there is no leave to run again.
    pub(crate) fn recorded(text: &str) -> Recovery {
        match text {
            "retry" => Recovery::Retry,
            _ => Recovery::Manual,
        }
    }
}

/// Whether a change that is applied is applied again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// Never.
    Once,
    /// Whenever its digest is not the one that was applied last.
    OnChange,
}

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

/// Everything that is known of a change before it runs.
#[derive(Debug)]
pub struct Definition {
    /// Unique in the service.
    pub id: &'static str,
    /// The place in the stage, compared naturally.
    pub order: &'static str,
    /// Who wrote it; the crate's name where the attribute does not say.
    pub author: &'static str,
    /// The function's doc comment, or what the comments at the head of a file say; empty where there
    /// is none.
    pub description: &'static str,
    /// The stage; "default" where the attribute does not say.
    pub stage: &'static str,
    /// The target system; "default" where the attribute does not say.
    pub target: &'static str,
    /// What may be done with it when it stopped half-way.
    pub recovery: Recovery,
    /// Whether it is applied again.
    pub repeat: Repeat,
    /// Names that the runner selects by.
    pub tags: &'static [&'static str],
    /// The longest time that the function may take.
    pub timeout: Option<Duration>,
    /// The longest time that a statement in the change waits for a lock of the database.
    pub lock_timeout: Option<Duration>,
    /// The longest time that a statement in the change may take.
    pub statement_timeout: Option<Duration>,
    /// `v1:` and the hash of the function's parameters, return type and body, or of the file's text.
    pub digest: &'static str,
    /// Where the function stands; its first segment is the crate.
    pub module_path: &'static str,
    /// The function.
    pub body: Body<()>,
    /// Its `#[rollback]`.
    pub rollback: Option<&'static Body<()>>,
    /// Its `#[verify]`.
    pub verify: Option<&'static Body<bool>>,
}

impl Definition {
    /// The crate that the change was written in.
    pub fn crate_name(&self) -> &'static str {
        crate_name(self.module_path)
    }

    /// Where the change stands in the source.
    pub fn location(&self) -> Location {
        self.body.location
    }

    /// The secrets that its functions take, by name.
    pub(crate) fn secrets(&self) -> Vec<&'static str> {
        let mut names = self.body.secrets();
        names.extend(self.rollback.map(Body::secrets).unwrap_or_default());
        names.extend(self.verify.map(Body::secrets).unwrap_or_default());
        names
    }
}

/// The author of a change that names none: the package, or the crate where no package is known.
pub const fn default_author(package: Option<&'static str>, module: &'static str) -> &'static str {
    match package {
        Some(package) => package,
        None => crate_name(module),
    }
}

/// Stands in for a change whose attribute has a mistake, so that whatever names it still compiles and
/// the mistake is the only error. No program gets to see it.
pub const REFUSED: &Definition = &Definition {
    id: "",
    order: "",
    author: "",
    description: "",
    stage: "",
    target: "",
    recovery: Recovery::Manual,
    repeat: Repeat::Once,
    tags: &[],
    timeout: None,
    lock_timeout: None,
    statement_timeout: None,
    digest: "",
    module_path: "",
    body: Body::new("", Location { file: "", line: 0 }, &[], false, |_, _| {
        Box::pin(async { Ok(()) })
    }),
    rollback: None,
    verify: None,
};

/// The first segment of a module's path.
pub(crate) const fn crate_name(module: &'static str) -> &'static str {
    let bytes = module.as_bytes();
    let mut end = 0;
    while end < bytes.len() && bytes[end] != b':' {
        end += 1;
    }
    module.split_at(end).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn author_is_the_package_or_the_crate() {
        assert_eq!(
            default_author(Some("billing-changes"), "billing_changes::a"),
            "billing-changes"
        );
        assert_eq!(
            default_author(None, "billing_changes::a::b"),
            "billing_changes"
        );
        assert_eq!(default_author(None, "billing_changes"), "billing_changes");
    }
}
