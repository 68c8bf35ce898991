//! The progress of changes that work in batches: the cursor of the last committed batch.
//!
//! Each batch updates the row of its change in its own transaction, so that the cursor and the work
//! are committed together, or neither is.

use std::time::Duration;

use super::base::{Ledger, Result};
use super::params::{Params, clock_params, lease_params, tagged};
use super::transaction::{limit_idle, released};
use crate::backend::{Backend, Conn, Row};
use crate::rows::{
    BatchWrite, ChangeProgress, Control, ControlChange, ControlRequest, LockGrant, ProgressOwner,
    SavedProgress,
};
use crate::template::Rendered;

impl<B: Backend> Ledger<B> {
    /// Creates the table of progress in a database other than the audit's. Several processes may do
    /// so at the same time.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn create_progress(&self, connection: &mut Conn<B>) -> Result<()> {
        let statements = B::DIALECT
            .create_lock
            .iter()
            .chain([&B::DIALECT.progress.create]);
        let statements = statements
            .map(|template| self.render(template, &[]))
            .collect();
        B::write(connection, statements, self.patience)
            .await
            .map(drop)
    }

    /// Returns the name of the table of progress.
    pub fn progress_table(&self) -> String {
        self.names.plain("progress")
    }

    /// Makes this run the one that works on the change, unless a run with a later grant has already
    /// done so, and returns the progress. With `from_start`, the change begins anew, and so does its
    /// rollback, unless it has begun: `begun` is the state after that, `running` or `rolling_back`.
    /// Waits for a batch whose transaction is still open.
    ///
    /// Returns `None` if there is no progress although the change does not begin anew.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn take_progress(
        &self,
        connection: &mut Conn<B>,
        owner: &ProgressOwner<'_>,
        from_start: bool,
        begun: &str,
    ) -> Result<Option<SavedProgress>> {
        let mut params = owner_params(owner);
        params.push(("begun", begun.into()));
        params.push(("from_start", i64::from(from_start).into()));
        let mut statements = Vec::new();
        if from_start {
            statements.push(self.render(&B::DIALECT.progress.seed(), &params));
        }
        statements.push(self.render(&B::DIALECT.progress.take(), &params));
        B::write_together(connection, statements, self.patience).await?;
        self.progress(connection, owner.grant, owner.change_id)
            .await
    }

    /// Returns the progress of a change, if there is one.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn progress(
        &self,
        connection: &mut Conn<B>,
        grant: &LockGrant,
        change_id: &str,
    ) -> Result<Option<SavedProgress>> {
        let params = key_params(&grant.service, change_id);
        let rows = self
            .fetch(connection, &B::DIALECT.progress.read(), &params)
            .await?;
        let Some(mut row) = rows.into_iter().next() else {
            return Ok(None);
        };
        Ok(Some(SavedProgress {
            run_id: row.text(0),
            fencing_token: row.int(1)?.unwrap_or_default(),
            batches: row.int(2)?.unwrap_or_default(),
            done_rows: row.int(3)?.unwrap_or_default(),
            cursor: row.optional(4),
            bound: row.optional(5),
            size: row.int(6)?,
            state: row.text(7),
            app_version: row.optional(8),
            tag: row.optional(9),
            total_rows: row.int(10)?,
            failed_items: row.optional(11),
        }))
    }

    /// Returns the progress of all changes of a service, by id.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn progress_of_service(
        &self,
        connection: &mut Conn<B>,
        service: &str,
    ) -> Result<Vec<ChangeProgress>> {
        let mut params = clock_params();
        params.push(("service", service.into()));
        let rows = self
            .fetch(connection, &B::DIALECT.progress.list(), &params)
            .await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(ChangeProgress {
                    change_id: row.text(0),
                    run_id: row.text(1),
                    attempt: row.int(2)?.unwrap_or_default(),
                    batches: row.int(3)?.unwrap_or_default(),
                    done_rows: row.int(4)?.unwrap_or_default(),
                    total_rows: row.int(5)?,
                    size: row.int(6)?,
                    state: row.text(7),
                    started_at: row.text(8),
                    updated_at: row.text(9),
                    pause_ms: row.int(10)?,
                    throttle: row.optional(11),
                    waits_for: row.optional(12),
                    request: request(&mut row, 13),
                    requested_at: row.optional(16),
                    failed_items: row.optional(17),
                })
            })
            .collect()
    }

    /// Returns what operators have asked for of a change that has begun.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn control(
        &self,
        connection: &mut Conn<B>,
        service: &str,
        change_id: &str,
    ) -> Result<Option<Control>> {
        let params = key_params(service, change_id);
        let rows = self
            .fetch(connection, &B::DIALECT.progress.control(), &params)
            .await?;
        let Some(mut row) = rows.into_iter().next() else {
            return Ok(None);
        };
        Ok(Some(Control {
            state: row.text(0),
            request: request(&mut row, 1),
            pause_ms: row.int(4)?,
            throttle: row.optional(5),
        }))
    }

    /// Changes the control of a change that has begun and is not finished.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn change_control(
        &self,
        connection: &mut Conn<B>,
        service: &str,
        change_id: &str,
        change: &ControlChange<'_>,
    ) -> Result<()> {
        let mut params = key_params(service, change_id);
        let text = |value: Option<&str>| value.map(str::to_owned);
        match change {
            ControlChange::Request(request) => params.extend([
                (
                    "request",
                    text(request.map(|one| one.action.as_str())).into(),
                ),
                (
                    "operator",
                    request.and_then(|one| one.operator.clone()).into(),
                ),
                ("reason", request.and_then(|one| one.reason.clone()).into()),
            ]),
            ControlChange::State { state, acted } => {
                params.extend([("state", (*state).into()), ("acted", text(*acted).into())]);
            }
            ControlChange::Tune { pause_ms, throttle } => params.extend([
                ("pause_ms", (*pause_ms).into()),
                ("throttle", text(*throttle).into()),
            ]),
            ControlChange::Wait(reason) => params.push(("waits_for", text(*reason).into())),
        }
        let update = B::DIALECT.progress.change_control(change);
        let update = self.render(&update, &params);
        B::write_together(connection, vec![update], self.patience)
            .await
            .map(drop)
    }

    /// Returns the statements that begin a batch: they lock the row, and leave a trace that is
    /// visible only if the database commits midway.
    pub(super) fn batch_witness(
        &self,
        owner: &ProgressOwner<'_>,
        batch: i64,
        tag: &str,
    ) -> Vec<String> {
        let mut params = owner_params(owner);
        params.push(("batches", batch.into()));
        let dialect = &B::DIALECT.progress;
        let statements = [Some(dialect.begin()), dialect.behind_begin()];
        // Nothing can be bound in a text that begins a transaction. The tag is inserted first,
        // because ids of users may look like its placeholder.
        let rendered = statements.into_iter().flatten();
        rendered
            .map(|statement| self.render_as_text(&tagged(&statement, tag), &params))
            .collect()
    }

    /// Saves the cursor at the end of a batch, inside its transaction, after releasing the
    /// savepoint.
    ///
    /// # Errors
    /// [`Failure::NoSavepoint`](crate::Failure) if the transaction has ended in between, an error of
    /// the protocol if the row belongs to a later owner, and any other error of the database.
    pub async fn save_batch_within(
        &self,
        connection: &mut Conn<B>,
        owner: &ProgressOwner<'_>,
        batch: &BatchWrite<'_>,
        lease: Option<Duration>,
        tag: &str,
    ) -> Result<()> {
        let mut statements: Vec<Rendered> = released::<B>(tag).chain(limit_idle::<B>()).collect();
        let lease = lease.filter(|_| owner.holds_lock);
        statements.extend(self.renewal_within(owner.grant, lease));
        statements.push(self.batch_update(owner, batch, tag));
        self.send_batch(connection, statements).await
    }

    /// Does the same if the savepoint is gone because the database has committed midway.
    ///
    /// # Errors
    /// An error of the protocol if the row belongs to a later owner, and any other error of the
    /// database.
    pub async fn save_batch_midway(
        &self,
        connection: &mut Conn<B>,
        owner: &ProgressOwner<'_>,
        batch: &BatchWrite<'_>,
        tag: &str,
    ) -> Result<()> {
        let statements = vec![self.batch_update(owner, batch, tag)];
        self.send_batch(connection, statements).await
    }

    /// Saves the cursor of a batch that ran outside a transaction of this database.
    ///
    /// Returns false if the row belongs to a later owner.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn save_batch(
        &self,
        connection: &mut Conn<B>,
        owner: &ProgressOwner<'_>,
        batch: &BatchWrite<'_>,
    ) -> Result<bool> {
        let params = batch_params(owner, batch);
        let (save, holds) = (B::DIALECT.progress.save_alone(), B::DIALECT.holds);
        let update = self.render(&format!("{save}\n  AND EXISTS ({holds})"), &params);
        B::write_together(connection, vec![update], self.patience).await?;
        let saved = self.progress(connection, owner.grant, owner.change_id);
        Ok(saved.await?.is_some_and(|saved| {
            saved.run_id == owner.grant.run_id && saved.batches == batch.number + 1
        }))
    }

    /// Returns the server's id of the session whose open batch has written the row, if there is one
    /// and it is of an owner before this one, or of this one: with `is_own`, only of this one.
    /// `mark` is how the marks of sessions begin.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn session_of_batch(
        &self,
        connection: &mut Conn<B>,
        owner: &ProgressOwner<'_>,
        mark: &str,
        is_own: bool,
    ) -> Result<Option<i64>> {
        let mut params = owner_params(owner);
        params.push(("mark", mark.into()));
        params.push(("whose", i64::from(is_own).into()));
        let mut rows = Vec::new();
        for statement in B::DIALECT.progress.session {
            rows = self.fetch(connection, statement, &params).await?;
        }
        rows.first().map_or(Ok(None), |row| row.int(0))
    }

    /// Waits until no open transaction has written the row, and returns it.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn settle_progress(
        &self,
        connection: &mut Conn<B>,
        owner: &ProgressOwner<'_>,
    ) -> Result<Option<SavedProgress>> {
        let params = owner_params(owner);
        let touch = self.render(&B::DIALECT.progress.touch(), &params);
        B::write_together(connection, vec![touch], self.patience).await?;
        self.progress(connection, owner.grant, owner.change_id)
            .await
    }

    /// Returns the statement that forgets the progress of a change, for the transaction that rolls
    /// it back.
    pub fn clear_progress_text(&self, grant: &LockGrant, change_id: &str) -> String {
        let params = key_params(&grant.service, change_id);
        self.render_as_text(&B::DIALECT.progress.clear(), &params)
    }

    fn batch_update(
        &self,
        owner: &ProgressOwner<'_>,
        batch: &BatchWrite<'_>,
        tag: &str,
    ) -> Rendered {
        let mut params = batch_params(owner, batch);
        params.push(("tag", tag.into()));
        if !owner.holds_lock {
            return self.render(&B::DIALECT.progress.save(), &params);
        }
        let (save, fencing) = (B::DIALECT.progress.save(), B::DIALECT.fencing_within);
        let fenced = format!("{save}\n  AND fencing_token = {fencing}");
        self.behind_lock_write(owner.grant, self.render(&fenced, &params))
    }

    async fn send_batch(&self, connection: &mut Conn<B>, statements: Vec<Rendered>) -> Result<()> {
        match self.send_in_order(connection, statements).await? {
            0 => Err(not_owned()),
            _ => Ok(()),
        }
    }
}

fn request(row: &mut Row, at: usize) -> Option<ControlRequest> {
    Some(ControlRequest {
        action: row.optional(at)?,
        operator: row.optional(at + 1),
        reason: row.optional(at + 2),
    })
}

fn not_owned() -> sqlx::Error {
    let text = "the progress of the change is gone, or another run works on it";
    sqlx::Error::Protocol(text.to_owned())
}

fn key_params(service: &str, change_id: &str) -> Params {
    let mut params = clock_params();
    params.extend([("service", service.into()), ("change_id", change_id.into())]);
    params
}

fn owner_params(owner: &ProgressOwner<'_>) -> Params {
    let mut params = lease_params(owner.grant, None);
    params.extend([
        ("change_id", owner.change_id.into()),
        ("attempt", owner.attempt.into()),
        ("digest", owner.digest.into()),
        ("app_version", owner.app_version.map(str::to_owned).into()),
    ]);
    params
}

fn batch_params(owner: &ProgressOwner<'_>, batch: &BatchWrite<'_>) -> Params {
    let mut params = owner_params(owner);
    let text = |value: Option<&str>| value.map(str::to_owned);
    params.extend([
        ("batches", batch.number.into()),
        ("cursor", text(batch.cursor).into()),
        ("bound", text(batch.bound).into()),
        ("done_rows", batch.done_rows.into()),
        ("total_rows", batch.total_rows.into()),
        ("size", batch.size.into()),
        ("state", batch.state.into()),
        ("failed_items", batch.failed_items.clone().into()),
    ]);
    params
}
