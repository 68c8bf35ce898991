//! A database as a target system and as the storage of the audit.

use std::any::TypeId;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use flamingock_sqlx_audit::{Ledger, Names, Row};
use sqlx::Pool;

use super::database::SqlDatabase;
use super::driver::{Driver, send};
use super::server::Server;
use super::store::SqlStore;
use super::timing::READ_TIMEOUT;
use super::transaction::tries::TransactionRunner;
use crate::audit::attempt::{Attempt, Purpose};
use crate::audit::change_progress::ChangeProgress;
use crate::audit::control::{ControlChange, ProgressControl};
use crate::audit::progress::{Progress, ProgressClaim};
use crate::audit::store::Store;
use crate::audit::store_error::StoreError;
use crate::change::body::Body;
use crate::change::client::Client;
use crate::change::names::DEFAULT;
use crate::change::problem::Problem;
use crate::lock::stop::Cut;
use crate::target::database::{
    AuditPlacement, Called, Database, Ending, MarkerOutcome, Part, TransactionOutcome,
};
use crate::target::invocation::{Ended, Invocation, Limits};
use crate::target::settings::StorageSettings;
use crate::target::storage::{IntoStorage, OpenStorage, Storage};
use crate::target::system::TargetSystem;
use crate::util::database_kind::DatabaseKind;
use crate::util::visible::visible;

#[async_trait]
impl<D: Driver> Database for SqlDatabase<D> {
    fn kind(&self) -> DatabaseKind {
        D::KIND
    }

    fn pool_identity(&self) -> usize {
        // Clones of a pool share their options.
        Arc::as_ptr(&self.pool.connect_options()) as usize
    }

    fn pool_type(&self) -> TypeId {
        TypeId::of::<Pool<D::Database>>()
    }

    async fn read(&self, statement: String) -> Result<Vec<Vec<Option<String>>>, StoreError> {
        const ACTION: &str = "could not read another tool's history";
        let mut connection = self.connection_for(ACTION).await?;
        let whole = format!("{statement}{}", D::NO_ROW_LIMIT);
        let answer = send::<D>(&mut connection, whole).await;
        let answer = answer.map_err(|error| super::error::store_error::<D>(ACTION, error))?;
        connection.return_unchanged();
        Ok(answer.rows.into_iter().map(Row::columns).collect())
    }

    fn expect(&self, body: &Body<()>) {
        let script = body.script();
        let is_for_files = || script.is_some_and(|script| script.leaves_session_alone(D::KIND));
        if self.cache.is_shared_by_files() && is_for_files() {
            return;
        }
        self.cache.open_ahead(&self.pool, body.client());
    }

    async fn options_of_sqlx(&self, body: &Body<()>) -> Option<Vec<String>> {
        let client = body.client();
        if client == Client::Pool {
            return Some(Vec::new());
        }
        let mut known = self.unknown_client_options.lock().await;
        if let Some((_, options)) = known.iter().find(|(of, _)| *of == client) {
            return Some(options.clone());
        }
        let mut connection = self.connection().await.ok()?;
        let options = D::unknown_client_options(&mut connection, client)
            .await
            .ok()?;
        connection.return_unchanged();
        known.push((client, options.clone()));
        Some(options)
    }

    fn release_cached(&self) {
        self.cache.release_cached();
    }

    fn end_sharing(&self) {
        self.cache.end_sharing();
    }

    async fn without_effect(
        &self,
        bodies: &[&'static Body<()>],
    ) -> Result<Vec<Problem>, StoreError> {
        super::session_checks::without_effect(self, bodies).await
    }

    fn connections(&self) -> usize {
        usize::try_from(self.pool.options().get_max_connections()).unwrap_or(usize::MAX)
    }

    fn is_single_writer(&self) -> bool {
        self.ledger.dialect().has_one_writer
    }

    async fn between_batches(&self) {
        let Some(statement) = D::BETWEEN_BATCHES else {
            return;
        };
        let send = async {
            let mut connection = self.connection().await?;
            send::<D>(&mut connection, statement.to_owned()).await?;
            connection.return_unchanged();
            Ok::<(), sqlx::Error>(())
        };
        // The next batch does not depend on it.
        if !matches!(tokio::time::timeout(READ_TIMEOUT, send).await, Ok(Ok(()))) {
            tracing::debug!(statement, "not possible between two batches");
        }
    }

    fn configured(&self, settings: &StorageSettings) -> Arc<dyn Database> {
        // The schema setting applies only to the audit's database. The prefix was checked there.
        let prefix = settings.tables.prefix.as_deref();
        let names = Names::new(None, prefix).unwrap_or_default();
        let ledger = Arc::new(Ledger::new(names, settings.lock.wait));
        let server = Server::new(settings.allow_untested);
        let mut database = SqlDatabase::<D>::new(self.pool.clone(), ledger, server);
        database.set(settings);
        Arc::new(database)
    }

    async fn transact(
        &self,
        parts: &[Part<'_>],
        purpose: Purpose,
        placement: AuditPlacement<'_>,
        begins: &(dyn Fn(usize) + Sync),
    ) -> (Vec<Ending>, u32) {
        let Some(first) = parts.first() else {
            return (Vec::new(), 0);
        };
        let (store, lease): (&dyn Store, _) = match (placement, &self.store) {
            (AuditPlacement::SameDatabase, Some(store)) => (&**store, store.lease()),
            (AuditPlacement::OtherDatabase { store, .. }, _) => (store, None),
            (
                AuditPlacement::Progress {
                    store, holds_audit, ..
                },
                own,
            ) => {
                let own = own.as_ref().filter(|_| holds_audit);
                (store, own.and_then(|own| own.lease()))
            }
            (AuditPlacement::SameDatabase, None) => {
                let cause = "this database does not hold the audit".into();
                let not_run = Some((TransactionOutcome::NotRun { cause }, Duration::ZERO));
                return (vec![not_run], 0);
            }
        };
        let reached = AtomicUsize::new(0);
        let runner = TransactionRunner {
            database: self,
            placement,
            store,
            lease,
            parts,
            purpose,
            on_begin: &|part| {
                reached.fetch_max(part + 1, Ordering::Relaxed);
                begins(part);
            },
        };
        let (signals, began) = (first.invocation.signals, Instant::now());
        match signals.unless_lost(runner.run()).await {
            Ok(outcome) => outcome,
            // The last statement may have been the commit. The connection is closed.
            Err(cut) => {
                let cause = || format!("the database did not answer any more; {cut}").into();
                let unknown = |_| {
                    Some((
                        TransactionOutcome::Unknown { cause: cause() },
                        began.elapsed(),
                    ))
                };
                let reached = reached.into_inner();
                let mut all: Vec<Ending> = (0..reached).map(unknown).collect();
                if reached == 0 {
                    let ended = match &cut {
                        Cut::Lost(reason) => TransactionOutcome::Lost {
                            reason: reason.clone(),
                        },
                        Cut::Unanswered(_) => TransactionOutcome::Unknown { cause: cause() },
                    };
                    all.push(Some((ended, began.elapsed())));
                }
                all.resize_with(parts.len(), || None);
                (all, 0)
            }
        }
    }

    async fn claim_progress(&self, claim: &ProgressClaim) -> Result<Option<Progress>, StoreError> {
        super::progress::claim(self, claim).await
    }

    async fn control(
        &self,
        service: &str,
        change_id: &str,
    ) -> Result<Option<ProgressControl>, StoreError> {
        super::progress::control(self, service, change_id).await
    }

    async fn change_control(
        &self,
        service: &str,
        change_id: &str,
        change: &ControlChange,
    ) -> Result<(), StoreError> {
        super::progress::change_control(self, service, change_id, change).await
    }

    async fn progress(&self, service: &str) -> Result<Vec<ChangeProgress>, StoreError> {
        super::progress::read(self, service).await
    }

    async fn prepare_markers(&self) -> Result<(), StoreError> {
        super::marker::prepare(self).await
    }

    async fn resolve(
        &self,
        attempt: &Attempt<'_>,
        key: i64,
        run_id: &str,
    ) -> Result<MarkerOutcome, StoreError> {
        super::marker::read_outcome(self, attempt, key, run_id).await
    }

    async fn unmark(&self, attempt: &Attempt<'_>, key: i64) {
        super::marker::remove(self, attempt, key).await;
    }

    async fn call(&self, body: &'static Body<()>, invocation: &Invocation<'_>) -> Called<()> {
        call(self, body, invocation).await
    }

    async fn ask(&self, body: &'static Body<bool>, invocation: &Invocation<'_>) -> Called<bool> {
        if invocation.is_limited() && self.is_behind_pooler().await {
            // A verify function only reads. If its limits could affect other clients' sessions, it
            // runs without them.
            let without = Invocation {
                limits: Limits::default(),
                ..invocation.clone()
            };
            return call(self, body, &without).await;
        }
        call(self, body, invocation).await
    }

    #[cfg(feature = "cli")]
    async fn check_fitness(&self) -> Result<(), StoreError> {
        self.check_server().await
    }

    async fn is_behind_pooler(&self) -> bool {
        super::pooler::is_behind_pooler(self).await
    }
}

async fn call<D: Driver, T: Send + 'static>(
    database: &SqlDatabase<D>,
    body: &'static Body<T>,
    invocation: &Invocation<'_>,
) -> Called<T> {
    let call = super::autocommit::call(database, body, invocation);
    invocation
        .signals
        .unless_lost(call)
        .await
        .unwrap_or_else(|cut| Called {
            ended: match cut {
                Cut::Lost(reason) => Ended::Lost(reason),
                Cut::Unanswered(unanswered) => Ended::Returned(Err(unanswered.into())),
            },
            has_stopped: false,
        })
}

/// A pool that was passed to [`Runner::new`](crate::Runner::new).
#[derive(Debug)]
struct PoolStorage<D: Driver> {
    pub(super) pool: Pool<D::Database>,
}

impl<D: Driver> OpenStorage for PoolStorage<D> {
    fn open(&self, settings: &StorageSettings) -> Result<Storage, Vec<Problem>> {
        let tables = &settings.tables;
        let names = Names::new(tables.schema.as_deref(), tables.prefix.as_deref())
            .map_err(|error| vec![Problem::general(visible(&error.to_string()))])?;
        let ledger = Arc::new(Ledger::new(names, settings.lock.wait));
        let server = || Server::new(settings.allow_untested);
        let mut database = SqlDatabase::<D>::new(self.pool.clone(), Arc::clone(&ledger), server());
        database.set(settings);
        let cache = Arc::clone(&database.cache);
        let store = SqlStore::new(
            self.pool.clone(),
            ledger,
            settings.lock.lease,
            cache,
            server(),
        );
        let store = Arc::new(store);
        database.store = Some(Arc::clone(&store));
        let mut target = target(DEFAULT, database);
        target.holds_audit = true;
        Ok(Storage { store, target })
    }
}

fn target<D: Driver>(name: &str, database: SqlDatabase<D>) -> TargetSystem {
    let mut target = TargetSystem::new(name).provide(database.pool.clone());
    target.database = Some(Arc::new(database));
    target
}

/// A pool of sqlx whose database can be a target system. Implemented for `&PgPool`, `&MySqlPool`
/// and `&SqlitePool`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a pool whose database changes can run in",
    label = "expected `&SqlitePool`, `&PgPool` or `&MySqlPool`",
    note = "each needs the feature of its database: `sqlite`, `postgres` or `mysql`"
)]
pub trait IntoTarget: sealed::Sealed {
    #[doc(hidden)]
    fn into_target(self, name: &str) -> TargetSystem;
}

mod sealed {
    /// Only the pools of the supported databases.
    pub trait Sealed {}
}

impl TargetSystem {
    /// A database other than the audit's: its changes take its connection, its transaction or its
    /// pool.
    pub fn sqlx(name: impl Into<String>, pool: impl IntoTarget) -> TargetSystem {
        pool.into_target(&name.into())
    }
}

macro_rules! pools {
    ($feature:literal, $database:ty, $driver:ty) => {
        #[cfg(feature = $feature)]
        impl sealed::Sealed for &Pool<$database> {}

        #[cfg(feature = $feature)]
        impl IntoTarget for &Pool<$database> {
            fn into_target(self, name: &str) -> TargetSystem {
                let wait = crate::LockOptions::default().wait;
                let ledger = Arc::new(Ledger::new(Names::default(), wait));
                let server = Server::new(false);
                target(
                    name,
                    SqlDatabase::<$driver>::new(self.clone(), ledger, server),
                )
            }
        }

        #[cfg(feature = $feature)]
        impl IntoStorage for &Pool<$database> {
            fn into_storage(self) -> Box<dyn OpenStorage> {
                Box::new(PoolStorage::<$driver> { pool: self.clone() })
            }
        }
    };
}

pools!("postgres", sqlx::Postgres, flamingock_sqlx_audit::Postgres);
pools!("mysql", sqlx::MySql, flamingock_sqlx_audit::MySql);
pools!("sqlite", sqlx::Sqlite, flamingock_sqlx_audit::Sqlite);
