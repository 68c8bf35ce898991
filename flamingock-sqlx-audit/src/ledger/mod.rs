//! The statements for the tables of one database.

pub(crate) mod base;
mod decode;
pub(crate) mod format;
mod marker;
mod older;
mod params;
mod places;
mod progress;
mod progress_sql;
mod row;
mod session;
mod sessions;
mod snapshot;
mod together;
mod transaction;

use crate::ledger::base::{Ledger, Result};
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use self::decode::audit_row;
pub use self::marker::FoundMarker;
use self::params::{create_params, lease_params};
pub use self::places::Misplaced;
use self::row::fencing_alone;
pub use self::session::Unfit;
pub use self::sessions::Whose;
pub use self::together::Behind;
pub use self::transaction::Witness;
use crate::backend::{Backend, Conn, Row};
use crate::dialect::Dialect;
use crate::names::Names;
use crate::rows::{Acquired, AuditRow, Filter, LockGrant, NewAuditRow, Page};
use crate::template::{Rendered, Value, Values, quoted_text, render};

/// Parses a duration in PostgreSQL's form, `0` or a number with a unit; `None` if it stands for no
/// limit.
fn duration_in(setting: &str) -> Option<Duration> {
    let unit = setting.trim_start_matches(|character: char| character.is_ascii_digit());
    let number: u64 = setting[..setting.len() - unit.len()].parse().ok()?;
    let millis = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    (number > 0).then(|| Duration::from_millis(number.saturating_mul(millis)))
}

impl<B: Backend> Ledger<B> {
    /// Creates a ledger for the tables with these names. `patience` limits how long a busy commit
    /// is repeated (SQLite).
    pub fn new(names: Names, patience: Duration) -> Ledger<B> {
        let resolved = OnceLock::new();
        if let (None, Some(home)) = (names.schema(), B::DIALECT.home) {
            resolved.get_or_init(|| names.resolved(home));
        }
        Ledger {
            names,
            resolved,
            patience,
            lock_timeout: OnceLock::new(),
            writes_lock: AtomicBool::new(false),
            backend: PhantomData,
        }
    }

    /// Returns the SQL of the database.
    pub fn dialect(&self) -> &'static Dialect {
        B::DIALECT
    }

    /// Returns the name of the table of leases, for SQL.
    pub fn lease_table(&self) -> String {
        self.names().quoted("lease", B::DIALECT.quote)
    }

    /// Returns how long a busy commit is repeated.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Returns how long a statement waits for a lock by the settings of its session; `None` if that
    /// is unlimited or not known.
    pub fn lock_timeout(&self) -> Option<Duration> {
        self.lock_timeout.get().copied().flatten()
    }

    fn set_lock_timeout(&self, setting: Option<&str>) {
        if let Some(setting) = setting {
            self.lock_timeout.get_or_init(|| duration_in(setting));
        }
    }

    /// Makes each entry also write the row of the lock from now on, if the database has a statement
    /// for that. The nodes of a cluster do not see each other's shared locks, but two writes to the
    /// same row conflict at commit.
    pub fn write_lock_with_entries(&self) {
        self.writes_lock.store(true, Ordering::Relaxed);
    }

    /// Returns the statement that writes the row of the lock together with an entry.
    fn lock_write(&self, grant: &LockGrant) -> Option<Rendered> {
        let template = B::DIALECT.write_lock?;
        let wanted = self.writes_lock.load(Ordering::Relaxed);
        wanted.then(|| self.render(template, &lease_params(grant, None)))
    }

    fn names(&self) -> &Names {
        self.resolved.get().unwrap_or(&self.names)
    }

    /// Records the schema that the database reports for the connection. A schema that was named
    /// takes precedence.
    fn set_schema(&self, schema: &str) {
        if self.names.schema().is_none() {
            self.resolved.get_or_init(|| self.names.resolved(schema));
        }
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

    /// Renders a template with its values as quoted text, for statements that people read, or in
    /// which nothing can be bound.
    fn render_as_text(&self, template: &str, params: &[(&str, Value)]) -> String {
        let values = match B::DIALECT.values {
            Values::Bound => Values::Literal(quoted_text),
            Values::Literal(encode) => Values::Literal(encode),
        };
        render(template, self.names(), B::DIALECT.quote, values, params).text
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

    /// Returns the statements that create the tables and the rows of a service, so that they can be
    /// applied by hand.
    pub fn schema(&self, service: &str, lane: &str) -> String {
        let params = create_params(service, lane);
        let schema = self.names.schema().and(B::DIALECT.create_schema);
        let statements = schema
            .iter()
            .chain(B::DIALECT.create)
            .chain(B::DIALECT.seed);
        statements.fold(String::new(), |text, template| {
            // A text that is handed on cannot have bound values.
            let values = Values::Literal(quoted_text);
            let rendered = render(template, &self.names, B::DIALECT.quote, values, &params);
            text + &rendered.text + ";\n"
        })
    }

    /// Returns the statements that grant four database users the rights on the tables that each
    /// needs. `None` for a database without users.
    pub fn grants(&self) -> Option<String> {
        crate::grants::statements(B::DIALECT, &self.names)
    }

    /// Creates the missing tables, and the rows of a service that has none. Several processes may
    /// do so at the same time.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn create(&self, connection: &mut Conn<B>, service: &str, lane: &str) -> Result<()> {
        let params = create_params(service, lane);
        let schema = self.names.schema().and(B::DIALECT.create_schema);
        let statements = (B::DIALECT.create_lock.iter().chain(&schema))
            .chain(B::DIALECT.create)
            .chain(B::DIALECT.seed);
        let statements = statements
            .map(|template| self.render(template, &params))
            .collect();
        let moot = B::DIALECT.is_made.map(|text| self.render(text, &params));
        B::write_among_others(connection, statements, moot, self.patience)
            .await
            .map(drop)
    }

    /// Reports whether another session is creating the tables right now, if the database shows it.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn is_being_made(&self, connection: &mut Conn<B>) -> Result<bool> {
        let Some(ask) = B::DIALECT.create_lock_is_free else {
            return Ok(false);
        };
        let rows = self.fetch(connection, ask, &[]).await?;
        Ok(rows.into_iter().any(|mut row| row.text(0) == "f"))
    }

    /// Adds the rows of the lock and the lease for a service that has none.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn seed(&self, connection: &mut Conn<B>, service: &str, lane: &str) -> Result<()> {
        let params = create_params(service, lane);
        let seed = B::DIALECT
            .seed
            .iter()
            .map(|template| self.render(template, &params));
        B::write_among_others(connection, seed.collect(), None, self.patience)
            .await
            .map(drop)
    }

    /// Adds the rows of the lock and the lease of another lane of a service, unless they exist.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn open_lane(
        &self,
        connection: &mut Conn<B>,
        service: &str,
        lane: &str,
    ) -> Result<()> {
        let params = create_params(service, lane);
        let lock = std::iter::once(&B::DIALECT.seed_lane);
        // The row of the lock is there already.
        let statements = lock
            .chain(B::DIALECT.seed)
            .map(|template| self.render(template, &params));
        B::write_among_others(connection, statements.collect(), None, self.patience)
            .await
            .map(drop)
    }

    /// Returns a page of the matching rows of a service, oldest first.
    ///
    /// # Errors
    /// Any error of the database.
    pub async fn history(
        &self,
        connection: &mut Conn<B>,
        service: &str,
        filter: &Filter,
        page: Page,
    ) -> Result<Vec<AuditRow>> {
        let params = [
            ("service", service.into()),
            ("change_id", filter.change_id.clone().into()),
            ("state", filter.state.clone().into()),
            ("attempt", filter.attempt.into()),
            ("run_id", filter.run_id.clone().into()),
            ("since", filter.since.clone().into()),
            ("latest_only", i64::from(filter.latest_only).into()),
            ("after", page.after.into()),
            ("limit", page.limit.into()),
        ];
        let rows = self.fetch(connection, B::DIALECT.history, &params).await?;
        rows.into_iter().map(audit_row).collect()
    }

    /// Returns the lanes of a service that have a lock, without this one.
    ///
    /// # Errors
    /// Any error of the database; [`Failure::MissingTable`](crate::Failure) if a table does not
    /// exist.
    pub async fn other_lanes(
        &self,
        connection: &mut Conn<B>,
        service: &str,
        lane: &str,
    ) -> Result<Vec<String>> {
        let params = [("service", service.into()), ("lane", lane.into())];
        let rows = self.fetch(connection, B::DIALECT.lanes, &params).await?;
        Ok(rows.into_iter().map(|mut row| row.text(0)).collect())
    }

    /// Returns all services that have a lock or an entry, by name.
    ///
    /// # Errors
    /// Any error of the database; [`Failure::MissingTable`](crate::Failure) if a table does not
    /// exist.
    pub async fn services(&self, connection: &mut Conn<B>, lane: &str) -> Result<Vec<String>> {
        let params = [("lane", lane.into())];
        let rows = self.fetch(connection, B::DIALECT.services, &params).await?;
        Ok(rows.into_iter().map(|mut row| row.text(0)).collect())
    }

    /// Acquires the lock if it is free or its lease has ended; never waits for another session.
    /// `lease` is `None` if it ends with the process. `force` takes the lock from the live owner
    /// with this fencing token, and only from that one. The run that has the lock already gets it
    /// again, with the same fencing token. A new token is larger than that of `wanted`.
    ///
    /// # Errors
    /// Any error of the database; close the connection then. That the lock has another owner is no
    /// error.
    pub async fn acquire(
        &self,
        connection: &mut Conn<B>,
        wanted: &LockGrant,
        owner: &str,
        lease: Option<Duration>,
        force: Option<i64>,
    ) -> Result<Option<Acquired>> {
        let mut params = lease_params(wanted, lease);
        params.push(("floor", wanted.fencing_token.into()));
        params.push(("owner", owner.into()));
        params.push(("force", force.into()));
        let statements = B::DIALECT
            .acquire
            .iter()
            .map(|template| self.render(template, &params))
            .collect();
        let moot = B::DIALECT.is_held.map(|text| self.render(text, &params));
        let written = B::write_among_others(connection, statements, moot, self.patience);
        acquired(written.await?.rows, wanted)
    }

    /// Extends the lease. Returns false if the lock has another owner.
    ///
    /// # Errors
    /// Any error of the database, which does not mean that the lease is lost.
    pub async fn renew(
        &self,
        connection: &mut Conn<B>,
        grant: &LockGrant,
        lease: Option<Duration>,
        activity: Option<&str>,
    ) -> Result<bool> {
        let rendered = self.renewal(grant, lease, activity);
        Ok(B::fetch(connection, rendered).await?.affected > 0)
    }

    /// Returns the renewal of a lease in the transaction of the work, where nothing else could write
    /// meanwhile. Without a length there is nothing to renew.
    fn renewal_within(&self, grant: &LockGrant, lease: Option<Duration>) -> Option<Rendered> {
        let lease = lease.filter(|_| B::DIALECT.has_one_writer)?;
        Some(self.renewal(grant, Some(lease), None))
    }

    fn renewal(
        &self,
        grant: &LockGrant,
        lease: Option<Duration>,
        activity: Option<&str>,
    ) -> Rendered {
        let mut params = lease_params(grant, lease);
        params.push(("activity", activity.into()));
        self.render(B::DIALECT.renew, &params)
    }

    /// Releases the lock, and records the digest of the pipeline if all of it is applied.
    ///
    /// # Errors
    /// Any error of the database; the lease then ends by itself.
    pub async fn release(
        &self,
        connection: &mut Conn<B>,
        grant: &LockGrant,
        digest: Option<&str>,
    ) -> Result<()> {
        let mut params = lease_params(grant, None);
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

    /// Appends rows in their own transaction, durably; either all of them or none. On SQLite this
    /// also renews the lease.
    ///
    /// # Errors
    /// [`Failure::Refused`](crate::Failure) if the lock has another owner, or, on databases behind
    /// a network, if a row says that an attempt has begun or failed that has ended already; and any
    /// other error of the database.
    pub async fn append(
        &self,
        connection: &mut Conn<B>,
        grant: &LockGrant,
        lease: Option<Duration>,
        rows: &[NewAuditRow],
    ) -> Result<i64> {
        let mut statements: Vec<Rendered> = rows
            .iter()
            .map(|row| self.row(row, grant, &fencing_alone::<B>(row), ""))
            .collect();
        statements.extend(self.renewal_within(grant, lease));
        // The effects of a non-transactional attempt must not outlive the record that it began.
        let answer = if self.lock_write(grant).is_some() {
            B::write_together(connection, statements, self.patience).await?
        } else if rows.iter().any(|row| row.state == "STARTED") {
            B::write_durably(connection, statements, self.patience).await?
        } else if rows.len() > 1 {
            B::write_together(connection, statements, self.patience).await?
        } else {
            B::write(connection, statements, self.patience).await?
        };
        seq_of(&answer)
    }
}

/// Reads the answers of the statements that acquire the lock: the previous run, and the fencing
/// token if the lock was acquired, each in its own column, in one row or in two.
fn acquired(rows: Vec<Row>, wanted: &LockGrant) -> Result<Option<Acquired>> {
    let (mut previous_run, mut obtained) = (None, None);
    for mut row in rows {
        obtained = row.int(1)?.or(obtained);
        previous_run = row.optional(0).or(previous_run);
    }
    Ok(obtained.map(|fencing_token| Acquired {
        grant: LockGrant {
            fencing_token,
            ..wanted.clone()
        },
        previous_run: previous_run.filter(|run| !run.is_empty()),
    }))
}

fn seq_of(answer: &crate::backend::Answer) -> Result<i64> {
    match answer.rows.first() {
        Some(row) => Ok(row.int(0)?.unwrap_or_default()),
        None => Ok(answer.insert_id),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration_in;

    #[test]
    fn a_setting_without_limit_is_none() {
        for (setting, expected) in [
            ("0", None),
            ("70ms", Some(70)),
            ("5s", Some(5_000)),
            ("2min", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("1d", Some(86_400_000)),
            ("soon", None),
        ] {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(duration_in(setting), expected, "{setting}");
        }
    }
}
