//! The tables of one database, and what is asked of them.

use std::marker::PhantomData;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use crate::backend::{Backend, Conn, Row};
use crate::dialect::{Dialect, Isolation};
use crate::names::Names;
use crate::rows::{AuditRow, Filter, LockRow, NewAuditRow, NewestRow, Possession, Snapshot};
use crate::template::{Rendered, Value, render};

type Result<T> = std::result::Result<T, sqlx::Error>;
type Params = Vec<(&'static str, Value)>;

/// The tables of one database.
#[derive(Debug)]
pub struct Ledger<B> {
    names: Names,
    /// Set once the database has told where the tables are: a change may move the connection to
    /// another schema.
    resolved: OnceLock<Names>,
    /// How long a busy commit is repeated.
    patience: Duration,
    backend: PhantomData<B>,
}

/// The key of a marker: which attempt at which change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The service.
    pub service: String,
    /// The change.
    pub change_id: String,
    /// The number of the attempt's STARTED row, or any number that nobody else uses.
    pub attempt: i64,
    /// The run.
    pub run_id: String,
}

/// What the transaction of a change leaves behind only if the database commits it midway.
#[derive(Clone, Debug)]
pub enum Witness<'a> {
    /// The row of an attempt that has begun.
    Row(&'a NewAuditRow),
    /// A marker, where an audit row would say something that is not so.
    Marker(&'a Marker),
}

/// What a marker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkerKind {
    /// The transaction that inserted it was committed midway.
    Started,
    /// The transaction that inserted it was committed at its end.
    Applied,
    /// The attempt can no longer commit.
    Tombstone,
}

impl MarkerKind {
    fn as_str(self) -> &'static str {
        match self {
            MarkerKind::Started => "started",
            MarkerKind::Applied => "applied",
            MarkerKind::Tombstone => "tombstone",
        }
    }
}

impl<B: Backend> Ledger<B> {
    /// The tables of those names. `patience` bounds how long a busy commit is repeated (SQLite).
    pub fn new(names: Names, patience: Duration) -> Ledger<B> {
        Ledger {
            names,
            resolved: OnceLock::new(),
            patience,
            backend: PhantomData,
        }
    }

    /// The texts of the database.
    pub fn dialect(&self) -> &'static Dialect {
        B::DIALECT
    }

    /// How long a busy commit is repeated.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    fn names(&self) -> &Names {
        self.resolved.get().unwrap_or(&self.names)
    }

    fn render(&self, template: &str, params: &[(&str, Value)]) -> Rendered {
        render(
            template,
            self.names(),
            B::DIALECT.quote,
            B::DIALECT.values,
            params,
        )
    }

    async fn fetch(
        &self,
        connection: &mut Conn<B>,
        template: &str,
        params: &[(&str, Value)],
    ) -> Result<Vec<Row>> {
        Ok(B::fetch(connection, self.render(template, params))
            .await?
            .rows)
    }

    /// The statements that create the tables, for people who apply them by hand.
    pub fn schema(&self) -> String {
        let schema = self.names.schema().and(B::DIALECT.create_schema);
        let statements = schema.iter().chain(B::DIALECT.create);
        let params = seed_params("", "");
        statements.fold(String::new(), |text, template| {
            text + &self.render(template, &params).text + ";\n"
        })
    }

    /// Creates the tables that are missing and the rows of a service that has none. Safe for many
    /// at once.
    ///
    /// # Errors
    /// The database's own.
    pub async fn create(&self, connection: &mut Conn<B>, service: &str, lane: &str) -> Result<()> {
        let params = seed_params(service, lane);
        let schema = self.names.schema().and(B::DIALECT.create_schema);
        let statements = (B::DIALECT.create_lock.iter().chain(&schema))
            .chain(B::DIALECT.create)
            .chain(B::DIALECT.seed);
        let statements = statements
            .map(|template| self.render(template, &params))
            .collect();
        B::write(connection, statements, self.patience)
            .await
            .map(drop)
    }

    /// Adds the lock and lease rows of a service that has none.
    ///
    /// # Errors
    /// The database's own.
    pub async fn seed(&self, connection: &mut Conn<B>, service: &str, lane: &str) -> Result<()> {
        let params = seed_params(service, lane);
        let seed = B::DIALECT
            .seed
            .iter()
            .map(|template| self.render(template, &params));
        B::write(connection, seed.collect(), self.patience)
            .await
            .map(drop)
    }

    /// The lock row and, unless its digest is the one given, the newest row of each change, all in
    /// one statement. Writes nothing.
    ///
    /// # Errors
    /// The database's own; a missing table is [`Failure::MissingTable`](crate::Failure).
    pub async fn snapshot(
        &self,
        connection: &mut Conn<B>,
        service: &str,
        lane: &str,
        digest: &str,
    ) -> Result<Snapshot> {
        let mut params = clock_params();
        params.extend([
            ("service", service.into()),
            ("lane", lane.into()),
            ("digest", digest.into()),
        ]);
        let rows = self.fetch(connection, B::DIALECT.snapshot, &params).await?;
        let mut snapshot = Snapshot::default();
        for mut row in rows {
            if let Some(schema) = row.optional(0) {
                self.resolved.get_or_init(|| self.names.resolved(&schema));
            }
            snapshot.in_memory |= row.int(1)? == Some(1);
            if snapshot.lock.is_none() {
                snapshot.lock = lock_row(&mut row)?;
            }
            if let Some(newest) = newest_row(&mut row)? {
                snapshot.newest.push(newest);
            }
        }
        snapshot.digest_matches = snapshot
            .lock
            .as_ref()
            .is_some_and(|lock| lock.pipeline_digest.as_deref() == Some(digest));
        Ok(snapshot)
    }

    /// The rows of a service that match, oldest first.
    ///
    /// # Errors
    /// The database's own.
    pub async fn history(
        &self,
        connection: &mut Conn<B>,
        service: &str,
        filter: &Filter,
    ) -> Result<Vec<AuditRow>> {
        let params = [
            ("service", service.into()),
            ("change_id", filter.change_id.clone().into()),
            ("state", filter.state.clone().into()),
            ("run_id", filter.run_id.clone().into()),
            ("since", filter.since.clone().into()),
            ("newest_only", i64::from(filter.newest_only).into()),
        ];
        let rows = self.fetch(connection, B::DIALECT.history, &params).await?;
        rows.into_iter().map(audit_row).collect()
    }

    /// Takes the lock if its lease is over; never waits for anybody. `lease` is none where it ends
    /// with the process. `force` takes it from a living owner.
    ///
    /// # Errors
    /// The database's own; not being first is no error.
    pub async fn acquire(
        &self,
        connection: &mut Conn<B>,
        wanted: &Possession,
        owner: &str,
        lease: Option<Duration>,
        force: bool,
    ) -> Result<Option<Possession>> {
        let mut params = lease_params(wanted, lease);
        params.push(("owner", owner.into()));
        params.push(("force", i64::from(force).into()));
        let statements = B::DIALECT
            .acquire
            .iter()
            .map(|template| self.render(template, &params))
            .collect();
        let answer = B::write(connection, statements, self.patience).await?;
        let token = match answer.rows.first() {
            Some(row) => row.int(0)?,
            None => {
                (answer.affected > 0 && answer.last_insert_id > 0).then_some(answer.last_insert_id)
            }
        };
        Ok(token.map(|token| Possession {
            token,
            ..wanted.clone()
        }))
    }

    /// Moves the end of the lease. False: the possession is another's.
    ///
    /// # Errors
    /// The database's own, which is no loss.
    pub async fn renew(
        &self,
        connection: &mut Conn<B>,
        possession: &Possession,
        lease: Option<Duration>,
        activity: Option<&str>,
    ) -> Result<bool> {
        let rendered = self.renewal(possession, lease, activity);
        Ok(B::fetch(connection, rendered).await?.affected > 0)
    }

    fn renewal(
        &self,
        possession: &Possession,
        lease: Option<Duration>,
        activity: Option<&str>,
    ) -> Rendered {
        let mut params = lease_params(possession, lease);
        params.push(("activity", activity.into()));
        self.render(B::DIALECT.renew, &params)
    }

    /// Gives the lock back, with the digest of the pipeline if all of it is applied.
    ///
    /// # Errors
    /// The database's own; the lease then ends by itself.
    pub async fn release(
        &self,
        connection: &mut Conn<B>,
        possession: &Possession,
        digest: Option<&str>,
    ) -> Result<()> {
        let mut params = lease_params(possession, None);
        params.push(("digest", digest.into()));
        let statements = B::DIALECT
            .release
            .iter()
            .map(|template| self.render(template, &params))
            .collect();
        B::write(connection, statements, self.patience)
            .await
            .map(drop)
    }

    /// Appends a row of its own, durably. SQLite renews the lease with it.
    ///
    /// # Errors
    /// [`Failure::Refused`](crate::Failure) if the possession has moved, and the database's own.
    pub async fn append(
        &self,
        connection: &mut Conn<B>,
        possession: &Possession,
        lease: Option<Duration>,
        rows: &[NewAuditRow],
    ) -> Result<i64> {
        let mut seq = 0;
        if B::DIALECT.has_one_writer {
            let append = rows
                .iter()
                .map(|row| self.row(row, possession, B::DIALECT.fence_alone, ""))
                .chain([self.renewal(possession, lease, None)]);
            let answer = B::write(connection, append.collect(), self.patience).await?;
            return seq_of(&answer);
        }
        for row in rows {
            let rendered = self.row(row, possession, B::DIALECT.fence_alone, "");
            seq = seq_of(&B::fetch(connection, rendered).await?)?;
        }
        Ok(seq)
    }

    /// The text that opens the transaction of a change: the witness, where the database needs one,
    /// and the savepoint go with it. `tag` is made of letters and digits.
    pub fn begin(&self, possession: &Possession, witness: &Witness<'_>, tag: &str) -> String {
        let mut texts = vec![tagged(B::DIALECT.begin, tag)];
        if B::DIALECT.isolation == Isolation::Witnessed {
            texts.push(match witness {
                Witness::Row(row) => {
                    let metadata = B::DIALECT.witness_metadata.unwrap_or("$metadata");
                    self.row_with(row, possession, "$token", metadata, tag).text
                }
                Witness::Marker(marker) => {
                    let params = marker_params(marker, MarkerKind::Started, tag);
                    self.render(B::DIALECT.marker_insert, &params).text
                }
            });
        }
        if !B::DIALECT.savepoint.is_empty() {
            texts.push(tagged(B::DIALECT.savepoint, tag));
        }
        texts.join("; ")
    }

    /// Appends a row inside the transaction that [`begin`](Self::begin) opened, so that both are
    /// committed or neither, after the savepoint is released and the witness marker gone. SQLite
    /// renews the lease with it.
    ///
    /// # Errors
    /// [`Failure::NoSavepoint`](crate::Failure) if the transaction has ended in between,
    /// [`Failure::Refused`](crate::Failure) if the possession has moved or the transaction is not
    /// the one that was begun, and the database's own.
    pub async fn append_within(
        &self,
        connection: &mut Conn<B>,
        possession: &Possession,
        lease: Option<Duration>,
        row: &NewAuditRow,
        witness: &Witness<'_>,
        tag: &str,
    ) -> Result<()> {
        let mut statements = Vec::new();
        if !B::DIALECT.release_savepoint.is_empty() {
            statements.push(plain(tagged(B::DIALECT.release_savepoint, tag)));
        }
        statements.extend(self.row_after_savepoint(possession, lease, row, witness, tag));
        self.send_in_order(connection, statements).await
    }

    /// The same when the savepoint is gone: the database has committed midway.
    ///
    /// # Errors
    /// [`Failure::Refused`](crate::Failure) if the possession has moved, and the database's own.
    pub async fn append_midway(
        &self,
        connection: &mut Conn<B>,
        possession: &Possession,
        row: &NewAuditRow,
        witness: &Witness<'_>,
        tag: &str,
    ) -> Result<()> {
        let statements = self.row_after_savepoint(possession, None, row, witness, tag);
        self.send_in_order(connection, statements).await
    }

    /// Undoes everything since [`begin`](Self::begin) and appends rows in the same transaction:
    /// nobody else writes in between.
    ///
    /// # Errors
    /// [`Failure::NoSavepoint`](crate::Failure) if the transaction has ended in between,
    /// [`Failure::Refused`](crate::Failure) if the possession has moved, and the database's own.
    pub async fn undo_within(
        &self,
        connection: &mut Conn<B>,
        possession: &Possession,
        lease: Option<Duration>,
        rows: &[NewAuditRow],
        tag: &str,
    ) -> Result<()> {
        let mut statements = vec![
            plain(tagged(B::DIALECT.rollback_to_savepoint, tag)),
            plain(tagged(B::DIALECT.release_savepoint, tag)),
        ];
        statements.extend(
            rows.iter()
                .map(|row| self.row(row, possession, B::DIALECT.fence_within, tag)),
        );
        if B::DIALECT.has_one_writer {
            statements.push(self.renewal(possession, lease, None));
        }
        self.send_in_order(connection, statements).await
    }

    fn row_after_savepoint(
        &self,
        possession: &Possession,
        lease: Option<Duration>,
        row: &NewAuditRow,
        witness: &Witness<'_>,
        tag: &str,
    ) -> Vec<Rendered> {
        let mut statements = Vec::new();
        if let (Witness::Marker(marker), Isolation::Witnessed) = (witness, B::DIALECT.isolation) {
            let params = marker_params(marker, MarkerKind::Started, tag);
            statements.push(self.render(B::DIALECT.marker_delete, &params));
        }
        statements.push(self.row(row, possession, B::DIALECT.fence_within, tag));
        if B::DIALECT.has_one_writer {
            statements.push(self.renewal(possession, lease, None));
        }
        statements
    }

    /// As one text where values are literals: one round trip, and the server stops at the first
    /// statement that it refuses.
    async fn send_in_order(
        &self,
        connection: &mut Conn<B>,
        statements: Vec<Rendered>,
    ) -> Result<()> {
        if matches!(B::DIALECT.values, crate::template::Values::Literal(_)) {
            let texts: Vec<String> = statements.into_iter().map(|one| one.text).collect();
            return B::fetch(connection, plain(texts.join(";\n")))
                .await
                .map(drop);
        }
        for statement in statements {
            B::fetch(connection, statement).await?;
        }
        Ok(())
    }

    /// Whether the savepoint of a change is still there. Releases it.
    ///
    /// # Errors
    /// [`Failure::NoSavepoint`](crate::Failure) if the transaction has ended in between.
    pub async fn release_savepoint(&self, connection: &mut Conn<B>, tag: &str) -> Result<()> {
        let text = tagged(B::DIALECT.release_savepoint, tag);
        B::fetch(connection, plain(text)).await.map(drop)
    }

    /// Whether the possession is the newest one.
    ///
    /// # Errors
    /// The database's own.
    pub async fn holds(&self, connection: &mut Conn<B>, possession: &Possession) -> Result<bool> {
        let params = lease_params(possession, None);
        Ok(!self
            .fetch(connection, B::DIALECT.holds, &params)
            .await?
            .is_empty())
    }

    /// The server's id of the connection that wrote a witness which is not committed, where the
    /// database tells.
    ///
    /// # Errors
    /// The database's own.
    pub async fn connection_of(
        &self,
        connection: &mut Conn<B>,
        possession: &Possession,
        change_id: &str,
        attempt: i64,
    ) -> Result<Option<i64>> {
        let params = attempt_params(possession, change_id, attempt);
        let mut found = None;
        for template in B::DIALECT.connection_of.unwrap_or_default() {
            let rows = self.fetch(connection, template, &params).await?;
            found = rows.into_iter().next().map(|mut row| row.text(0));
        }
        // The id is the first number of the JSON object that the witness's metadata begins with.
        let digits = found.unwrap_or_default();
        let digits = digits.trim_start_matches("{\"connection\":");
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        Ok(digits[..end].parse().ok())
    }

    /// The states of one attempt, oldest first, on a connection that is in no transaction. It first
    /// waits, a few seconds at most, for any transaction that holds the lock row:
    /// when it answers, whatever the old session was doing is decided. The connection must be
    /// closed if this fails.
    ///
    /// # Errors
    /// The database's own.
    pub async fn settle(
        &self,
        connection: &mut Conn<B>,
        possession: &Possession,
        change_id: &str,
        attempt: i64,
    ) -> Result<Vec<String>> {
        let params = attempt_params(possession, change_id, attempt);
        let mut states = Vec::new();
        for template in B::DIALECT.settle {
            // Only the last query's rows count: the first one is the lock.
            let rows = self.fetch(connection, template, &params).await?;
            if template.contains("{audit}") {
                states = rows.into_iter().map(|mut row| row.text(0)).collect();
            }
        }
        Ok(states)
    }

    /// The states of one attempt that are visible on this connection.
    ///
    /// # Errors
    /// The database's own.
    pub async fn states(
        &self,
        connection: &mut Conn<B>,
        possession: &Possession,
        change_id: &str,
        attempt: i64,
    ) -> Result<Vec<String>> {
        let params = attempt_params(possession, change_id, attempt);
        let rows = self.fetch(connection, B::DIALECT.states, &params).await?;
        Ok(rows.into_iter().map(|mut row| row.text(0)).collect())
    }

    /// Creates the marker table. Safe for many at once.
    ///
    /// # Errors
    /// The database's own.
    pub async fn create_marker(&self, connection: &mut Conn<B>) -> Result<()> {
        let statements = B::DIALECT
            .create_lock
            .iter()
            .chain([&B::DIALECT.create_marker]);
        let statements = statements
            .map(|template| self.render(template, &[]))
            .collect();
        B::write(connection, statements, self.patience)
            .await
            .map(drop)
    }

    /// Marks the attempt as applied inside the transaction that [`begin`](Self::begin) opened with a
    /// marker as its witness, after the savepoint is released. A plain insert, which an older
    /// tombstone refuses; where there is a witness, it is what is turned.
    ///
    /// # Errors
    /// [`Failure::NoSavepoint`](crate::Failure) if the transaction has ended in between,
    /// [`Failure::Duplicate`](crate::Failure) if the attempt was entombed, and the database's own.
    pub async fn mark_within(
        &self,
        connection: &mut Conn<B>,
        marker: &Marker,
        tag: &str,
    ) -> Result<()> {
        let mut statements = Vec::new();
        if !B::DIALECT.release_savepoint.is_empty() {
            statements.push(plain(tagged(B::DIALECT.release_savepoint, tag)));
        }
        statements.push(self.applied_mark(marker, tag));
        self.send_in_order(connection, statements).await
    }

    /// The same when the savepoint is gone: the database has committed midway.
    ///
    /// # Errors
    /// The database's own.
    pub async fn mark_midway(
        &self,
        connection: &mut Conn<B>,
        marker: &Marker,
        tag: &str,
    ) -> Result<()> {
        self.send_in_order(connection, vec![self.applied_mark(marker, tag)])
            .await
    }

    fn applied_mark(&self, marker: &Marker, tag: &str) -> Rendered {
        let params = marker_params(marker, MarkerKind::Applied, tag);
        let template = match B::DIALECT.isolation {
            Isolation::Whole => B::DIALECT.marker_insert,
            Isolation::Witnessed => B::DIALECT.marker_promote,
        };
        self.render(template, &params)
    }

    /// Makes sure that the attempt cannot commit any more. Waits some seconds for a transaction
    /// that is still open.
    ///
    /// # Errors
    /// [`Failure::Duplicate`](crate::Failure) if the attempt has committed or there is a tombstone
    /// already, [`Failure::LockTimeout`](crate::Failure) or [`Failure::Busy`](crate::Failure) if it
    /// is still open, and the database's own. The connection must be closed whatever comes.
    pub async fn entomb(&self, connection: &mut Conn<B>, marker: &Marker) -> Result<()> {
        let params = marker_params(marker, MarkerKind::Tombstone, "");
        let rendered = self.render(B::DIALECT.marker_tombstone, &params);
        B::write(connection, vec![rendered], self.patience)
            .await
            .map(drop)
    }

    /// What the marker of an attempt says.
    ///
    /// # Errors
    /// The database's own.
    pub async fn marker(
        &self,
        connection: &mut Conn<B>,
        marker: &Marker,
    ) -> Result<Option<MarkerKind>> {
        let params = marker_params(marker, MarkerKind::Applied, "");
        let rows = self
            .fetch(connection, B::DIALECT.marker_read, &params)
            .await?;
        Ok(rows
            .into_iter()
            .next()
            .map(|mut row| match row.text(0).as_str() {
                "started" => MarkerKind::Started,
                "applied" => MarkerKind::Applied,
                _ => MarkerKind::Tombstone,
            }))
    }

    /// Removes a marker that has done its work; tombstones stay.
    ///
    /// # Errors
    /// The database's own.
    pub async fn unmark(&self, connection: &mut Conn<B>, marker: &Marker) -> Result<()> {
        let params = marker_params(marker, MarkerKind::Applied, "");
        let rendered = self.render(B::DIALECT.marker_delete, &params);
        B::write(connection, vec![rendered], self.patience)
            .await
            .map(drop)
    }

    fn row(&self, row: &NewAuditRow, possession: &Possession, fence: &str, tag: &str) -> Rendered {
        self.row_with(row, possession, fence, "$metadata", tag)
    }

    fn row_with(
        &self,
        row: &NewAuditRow,
        possession: &Possession,
        fence: &str,
        metadata: &str,
        tag: &str,
    ) -> Rendered {
        let mut params = lease_params(possession, None);
        let elapsed = row.duration.unwrap_or_default();
        let elapsed_us = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX);
        let started = SystemTime::now()
            .checked_sub(elapsed)
            .unwrap_or(SystemTime::UNIX_EPOCH);
        params.extend([
            ("attempt", row.attempt.into()),
            ("stage", row.stage.as_str().into()),
            ("change_id", row.change_id.as_str().into()),
            ("change_order", row.change_order.as_str().into()),
            ("author", row.author.as_str().into()),
            ("description", row.description.as_str().into()),
            ("target", row.target.as_str().into()),
            ("state", row.state.as_str().into()),
            ("transaction_mode", row.transaction_mode.as_str().into()),
            ("recovery", row.recovery.as_str().into()),
            ("origin", row.origin.as_str().into()),
            ("digest", row.digest.as_str().into()),
            ("elapsed_us", elapsed_us.into()),
            ("started_text", timestamp(started).into()),
            ("finished", i64::from(row.duration.is_some()).into()),
            ("duration_us", row.duration.map(|_| elapsed_us).into()),
            ("host", row.host.as_str().into()),
            ("pid", row.pid.into()),
            ("app_version", row.app_version.clone().into()),
            ("location", row.location.as_str().into()),
            ("error", row.error.clone().into()),
            ("reason", row.reason.clone().into()),
            ("metadata", row.metadata.clone().into()),
            ("tag", tag.into()),
        ]);
        let template = B::DIALECT
            .append
            .replace("{fence}", fence)
            .replace("{metadata}", metadata);
        self.render(&template, &params)
    }
}

fn plain(text: String) -> Rendered {
    Rendered {
        text,
        binds: Vec::new(),
    }
}

fn attempt_params(possession: &Possession, change_id: &str, attempt: i64) -> Params {
    let mut params = lease_params(possession, None);
    params.push(("change_id", change_id.into()));
    params.push(("attempt", attempt.into()));
    params
}

/// The tag is made by us of letters and digits, and stands where SQL takes no expression.
fn tagged(template: &str, tag: &str) -> String {
    debug_assert!(tag.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    template.replace("%tag%", tag)
}

fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_micros(time).to_string()
}

/// What only SQLite asks for: it has no clock of its own.
fn clock_params() -> Params {
    let mut params = vec![("now_text", timestamp(SystemTime::now()).into())];
    #[cfg(feature = "sqlite")]
    {
        let clock = crate::sqlite::Clock::read();
        params.push(("boot", clock.boot.into()));
        params.push(("now_ms", clock.now_ms.into()));
    }
    params
}

fn seed_params(service: &str, lane: &str) -> Params {
    let mut params = clock_params();
    params.extend([("service", service.into()), ("lane", lane.into())]);
    params
}

fn lease_params(possession: &Possession, lease: Option<Duration>) -> Params {
    let mut params = seed_params(&possession.service, &possession.lane);
    let lease_ms = lease.map_or(-1, |lease| {
        i64::try_from(lease.as_millis()).unwrap_or(i64::MAX)
    });
    let expires = lease.map(|lease| timestamp(SystemTime::now() + lease));
    params.extend([
        ("token", possession.token.into()),
        ("run_id", possession.run_id.as_str().into()),
        ("lease_ms", lease_ms.into()),
        ("expires_text", expires.into()),
    ]);
    params
}

fn marker_params(marker: &Marker, kind: MarkerKind, tag: &str) -> Params {
    let mut params = clock_params();
    params.extend([
        ("service", marker.service.as_str().into()),
        ("change_id", marker.change_id.as_str().into()),
        ("attempt", marker.attempt.into()),
        ("run_id", marker.run_id.as_str().into()),
        ("kind", kind.as_str().into()),
        ("tag", tag.into()),
    ]);
    params
}

fn seq_of(answer: &crate::backend::Answer) -> Result<i64> {
    match answer.rows.first() {
        Some(row) => Ok(row.int(0)?.unwrap_or_default()),
        None => Ok(answer.last_insert_id),
    }
}

fn lock_row(row: &mut Row) -> Result<Option<LockRow>> {
    let Some(token) = row.int(2)? else {
        return Ok(None);
    };
    Ok(Some(LockRow {
        token,
        run_id: row.text(3),
        owner: row.text(4),
        pipeline_digest: row.optional(5),
        acquired_at: row.text(6),
        expires_at: row.optional(7),
        activity: row.optional(8),
        held: row.int(9)? == Some(1),
    }))
}

fn newest_row(row: &mut Row) -> Result<Option<NewestRow>> {
    let Some(change_id) = row.optional(10) else {
        return Ok(None);
    };
    Ok(Some(NewestRow {
        change_id,
        seq: row.int(11)?.unwrap_or_default(),
        state: row.text(12),
        transaction_mode: row.text(13),
        origin: row.text(14),
        digest: row.text(15),
        attempt: row.int(16)?.unwrap_or_default(),
        run_id: row.text(17),
        stage: row.text(18),
        change_order: row.text(19),
        target: row.text(20),
        started_at: row.text(21),
        error: row.optional(22),
    }))
}

fn audit_row(mut row: Row) -> Result<AuditRow> {
    let duration_us = row.int(18)?;
    Ok(AuditRow {
        seq: row.int(0)?.unwrap_or_default(),
        service: row.text(1),
        run_id: row.text(2),
        fence: row.int(3)?.unwrap_or_default(),
        started_at: row.text(4),
        finished_at: row.optional(5),
        row: NewAuditRow {
            attempt: row.int(6)?.unwrap_or_default(),
            stage: row.text(7),
            change_id: row.text(8),
            change_order: row.text(9),
            author: row.text(10),
            description: row.text(11),
            target: row.text(12),
            state: row.text(13),
            transaction_mode: row.text(14),
            recovery: row.text(15),
            origin: row.text(16),
            digest: row.text(17),
            duration: duration_us
                .map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or_default())),
            host: row.text(19),
            pid: row.int(20)?.unwrap_or_default(),
            app_version: row.optional(21),
            location: row.text(22),
            error: row.optional(23),
            reason: row.optional(24),
            metadata: row.optional(25),
        },
    })
}
