//! The arguments that a change's function can take, and where their values come from.

use crate::util::database_kind::DatabaseKind;
use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

#[cfg(feature = "_sqlx")]
use sqlx::Transaction;
#[cfg(feature = "mysql")]
use sqlx::{MySql, MySqlConnection};
#[cfg(feature = "postgres")]
use sqlx::{PgConnection, Postgres};
#[cfg(feature = "sqlite")]
use sqlx::{Sqlite, SqliteConnection};

/// The kind of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NeedKind {
    /// A connection to the change's target system.
    Connection(DatabaseKind),
    /// The engine's transaction on that connection.
    Transaction(DatabaseKind),
    /// A connection to the change's target system, whatever its database: for SQL in a file.
    AnyConnection,
    /// A value that must be provided.
    Value,
    /// A value that may be missing.
    OptionalValue,
    /// The batch to do now.
    Batch,
}

/// What one argument needs.
#[derive(Clone, Copy)]
pub struct Need {
    /// The kind of the argument.
    pub kind: NeedKind,
    /// The type by which a value is looked up.
    pub type_id: fn() -> TypeId,
    /// The name of the type, for messages.
    pub type_name: fn() -> &'static str,
}

impl fmt::Debug for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Need")
            .field("kind", &self.kind)
            .field("type_name", &(self.type_name)())
            .finish()
    }
}

impl Need {
    const fn of<T: ?Sized + 'static>(kind: NeedKind) -> Need {
        Need {
            kind,
            type_id: TypeId::of::<T>,
            type_name: type_name::<T>,
        }
    }

    /// The need of SQL in a file.
    pub const ANY_CONNECTION: Need = Need::of::<str>(NeedKind::AnyConnection);

    /// Reports whether it is a connection or a transaction.
    pub const fn is_connection(&self) -> bool {
        matches!(
            self.kind,
            NeedKind::Connection(_) | NeedKind::Transaction(_) | NeedKind::AnyConnection
        )
    }

    /// Reports whether it is the batch to do.
    pub const fn is_batch(&self) -> bool {
        matches!(self.kind, NeedKind::Batch)
    }

    /// Reports whether it is a transaction.
    pub const fn is_transaction(&self) -> bool {
        matches!(self.kind, NeedKind::Transaction(_))
    }
}

/// Reports whether this is the type of a connection or a transaction, which are taken by `&mut`, of
/// a database whose feature is on.
pub(crate) fn is_taken_exclusively(type_id: TypeId) -> bool {
    let types: &[TypeId] = &[
        #[cfg(feature = "sqlite")]
        TypeId::of::<SqliteConnection>(),
        #[cfg(feature = "sqlite")]
        TypeId::of::<Transaction<'static, Sqlite>>(),
        #[cfg(feature = "postgres")]
        TypeId::of::<PgConnection>(),
        #[cfg(feature = "postgres")]
        TypeId::of::<Transaction<'static, Postgres>>(),
        #[cfg(feature = "mysql")]
        TypeId::of::<MySqlConnection>(),
        #[cfg(feature = "mysql")]
        TypeId::of::<Transaction<'static, MySql>>(),
    ];
    types.contains(&type_id)
}

/// Returns how many of the needs are connections. For the checks that the macros make at compile
/// time.
pub const fn connections(needs: &[Need]) -> usize {
    let mut count = 0;
    let mut index = 0;
    while index < needs.len() {
        if needs[index].is_connection() {
            count += 1;
        }
        index += 1;
    }
    count
}

/// Reports whether no connection comes before this argument.
pub const fn connection_is_first(needs: &[Need], index: usize) -> bool {
    !needs[index].is_connection() || connections(needs.split_at(index).0) == 0
}

/// Checks a rule at compile time, for the macros. The error points at the caller, which they place
/// on the argument that breaks the rule.
#[track_caller]
pub const fn ensure(holds: bool, rule: &'static str) {
    assert!(holds, "{}", rule);
}

/// Carries `'c: 'a` into the type of a function pointer; always empty.
pub type Outlives<'a, 'c> = [&'a &'c (); 0];

/// The connection for one call of a change, if it takes one.
#[derive(Debug)]
pub enum Session<'a, 'c> {
    /// No connection: the change takes none, or an argument has taken it already.
    None(PhantomData<&'a &'c ()>),
    /// A connection to SQLite.
    #[cfg(feature = "sqlite")]
    Sqlite(&'a mut SqliteConnection),
    /// A transaction on SQLite.
    #[cfg(feature = "sqlite")]
    SqliteTransaction(&'a mut Transaction<'c, Sqlite>),
    /// A connection to PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(&'a mut PgConnection),
    /// A transaction on PostgreSQL.
    #[cfg(feature = "postgres")]
    PostgresTransaction(&'a mut Transaction<'c, Postgres>),
    /// A connection to MySQL or MariaDB.
    #[cfg(feature = "mysql")]
    MySql(&'a mut MySqlConnection),
    /// A transaction on MySQL or MariaDB.
    #[cfg(feature = "mysql")]
    MySqlTransaction(&'a mut Transaction<'c, MySql>),
}

impl<'c> Session<'_, 'c> {
    /// Returns no connection.
    pub fn none() -> Self {
        Session::None(PhantomData)
    }

    /// Borrows the connection for a shorter time, so that a change with several steps can pass it
    /// to each of them.
    #[cfg(feature = "templates")]
    pub(crate) fn reborrow(&mut self) -> Session<'_, 'c> {
        match self {
            Session::None(_) => Session::None(PhantomData),
            #[cfg(feature = "sqlite")]
            Session::Sqlite(connection) => Session::Sqlite(connection),
            #[cfg(feature = "sqlite")]
            Session::SqliteTransaction(open) => Session::SqliteTransaction(open),
            #[cfg(feature = "postgres")]
            Session::Postgres(connection) => Session::Postgres(connection),
            #[cfg(feature = "postgres")]
            Session::PostgresTransaction(open) => Session::PostgresTransaction(open),
            #[cfg(feature = "mysql")]
            Session::MySql(connection) => Session::MySql(connection),
            #[cfg(feature = "mysql")]
            Session::MySqlTransaction(open) => Session::MySqlTransaction(open),
        }
    }
}

/// Values by type, as [`provide`](crate::Runner::provide) adds them.
#[derive(Clone, Default)]
pub struct Values(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Values({})", self.0.len())
    }
}

impl Values {
    /// Adds a value. It replaces an earlier one of the same type.
    pub fn insert<T: ?Sized + Send + Sync + 'static>(&mut self, value: Arc<T>) {
        self.0.insert(TypeId::of::<T>(), Arc::new(value));
    }

    /// Returns the value of a type, if there is one.
    pub fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Option<&T> {
        let value = self.0.get(&TypeId::of::<T>())?;
        value.downcast_ref::<Arc<T>>().map(|value| &**value)
    }

    /// Reports whether there is a value of a type.
    pub fn contains(&self, type_id: TypeId) -> bool {
        self.0.contains_key(&type_id)
    }
}

/// Everything from which one call of a function can take its arguments.
#[derive(Debug)]
pub struct Inputs<'a, 'c> {
    /// The connection, until an argument takes it.
    pub session: Session<'a, 'c>,
    /// The values in the order of the lookup: the attempt's own, the target's, the runner's.
    pub values: [&'a Values; 3],
}

impl<'a> Inputs<'a, '_> {
    pub(crate) fn value<T: ?Sized + Send + Sync + 'static>(&self) -> Option<&'a T> {
        self.values.iter().find_map(|values| values.get::<T>())
    }

    /// The preflight has checked the same needs against the same values, so this is a defect of the
    /// engine.
    #[cold]
    fn absent<T: ?Sized>(&self) -> ! {
        panic!(
            "the argument `{}` passed preflight but is not there",
            type_name::<T>()
        )
    }
}

/// A type that a change, a rollback or a verify function can take as an argument.
#[diagnostic::on_unimplemented(
    message = "a change cannot take an argument of type `{Self}`",
    label = "not something that the engine can give",
    note = "a value of type `T` is taken as `&T`, or as `Option<&T>` where it may be missing; `T` is `Send + Sync + 'static` and provided with `provide`",
    note = "the attempt itself is taken as `&Context`",
    note = "the batch to do is taken as `Batch<C>`, by a change with the key `batch`; serde writes and reads `C`",
    note = "the target system's connection is taken as `&mut SqliteConnection`, `&mut PgConnection` or `&mut MySqlConnection`, or as `&mut Transaction<'_, DB>`, with the feature `sqlite`, `postgres` or `mysql`"
)]
pub trait Argument {
    /// What the argument needs.
    const NEED: Need;
    /// The type of the value that the function gets.
    type Given<'a, 'c: 'a>;
    /// Takes the value out of the inputs.
    fn take<'a, 'c: 'a>(inputs: &mut Inputs<'a, 'c>) -> Self::Given<'a, 'c>;
}

#[diagnostic::do_not_recommend]
impl<T: ?Sized + Send + Sync + 'static> Argument for &T {
    const NEED: Need = Need::of::<T>(NeedKind::Value);
    type Given<'a, 'c: 'a> = &'a T;
    fn take<'a, 'c: 'a>(inputs: &mut Inputs<'a, 'c>) -> &'a T {
        match inputs.value::<T>() {
            Some(value) => value,
            None => inputs.absent::<T>(),
        }
    }
}

#[diagnostic::do_not_recommend]
impl<T: ?Sized + Send + Sync + 'static> Argument for Option<&T> {
    const NEED: Need = Need::of::<T>(NeedKind::OptionalValue);
    type Given<'a, 'c: 'a> = Option<&'a T>;
    fn take<'a, 'c: 'a>(inputs: &mut Inputs<'a, 'c>) -> Option<&'a T> {
        inputs.value::<T>()
    }
}

#[cfg(feature = "_sqlx")]
macro_rules! connection_arguments {
    ($feature:literal, $connection:ty, $database:ty, $plain:ident, $transaction:ident) => {
        #[cfg(feature = $feature)]
        impl Argument for &mut $connection {
            const NEED: Need = Need::of::<$connection>(NeedKind::Connection(DatabaseKind::$plain));
            type Given<'a, 'c: 'a> = &'a mut $connection;
            fn take<'a, 'c: 'a>(inputs: &mut Inputs<'a, 'c>) -> &'a mut $connection {
                match std::mem::replace(&mut inputs.session, Session::none()) {
                    Session::$plain(connection) => connection,
                    Session::$transaction(transaction) => &mut **transaction,
                    _ => inputs.absent::<$connection>(),
                }
            }
        }

        #[cfg(feature = $feature)]
        impl Argument for &mut Transaction<'_, $database> {
            const NEED: Need = Need::of::<$connection>(NeedKind::Transaction(DatabaseKind::$plain));
            type Given<'a, 'c: 'a> = &'a mut Transaction<'c, $database>;
            fn take<'a, 'c: 'a>(inputs: &mut Inputs<'a, 'c>) -> &'a mut Transaction<'c, $database> {
                match std::mem::replace(&mut inputs.session, Session::none()) {
                    Session::$transaction(transaction) => transaction,
                    _ => inputs.absent::<Transaction<'_, $database>>(),
                }
            }
        }
    };
}

#[cfg(feature = "_sqlx")]
connection_arguments!(
    "sqlite",
    SqliteConnection,
    Sqlite,
    Sqlite,
    SqliteTransaction
);
#[cfg(feature = "_sqlx")]
connection_arguments!(
    "postgres",
    PgConnection,
    Postgres,
    Postgres,
    PostgresTransaction
);
#[cfg(feature = "_sqlx")]
connection_arguments!("mysql", MySqlConnection, MySql, MySql, MySqlTransaction);
