//! An audit store in Redis, for a service that has no SQL database. It has nothing but the public
//! interface of Flamingock, and keeps all rules of its conformance suite, but for changes in batches
//! without a database.
//!
//! Redis acknowledges a write before it is on disk, unless it is told otherwise, and would forget
//! that a change is applied: [`RedisStore`] refuses a server without `appendonly yes` and
//! `appendfsync always`, and one that may evict keys. It needs one server: a replica may lack what
//! its primary has acknowledged, so a failover would apply changes again.

mod connection;
mod scripts;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use flamingock::audit::{
    AcquireRequest, Acquired, AuditStore, Entry, HistoryFilter, LatestEntry, LeaseRenewer,
    LockGrant, LockStatus, LockStore, NewEntry, STARTUP, Snapshot, StoreError, StoreErrorKind,
};
use redis::{Client, cmd};
use serde_json::json;
use tokio::sync::OnceCell;

use crate::connection::Connection;
use crate::scripts::{ACQUIRE, APPEND, LANES, RELEASE, RENEW, SNAPSHOT};

const READ: &str = "could not read the audit";
const WRITE: &str = "could not write to the audit";
const LOCK: &str = "could not take the lock";

/// The entries and locks of all services that use this Redis.
#[derive(Clone, Debug)]
pub struct RedisStore {
    redis: Arc<Connection>,
    /// Set once the server is known to keep what it acknowledges.
    is_durable: Arc<OnceCell<()>>,
}

impl RedisStore {
    /// Creates a store. It connects when it is needed.
    ///
    /// # Errors
    /// An URL that is none of Redis.
    pub fn new(url: &str) -> redis::RedisResult<RedisStore> {
        Ok(RedisStore::with(Connection::new(Client::open(url)?)))
    }
}

impl RedisStore {
    fn with(connection: Connection) -> RedisStore {
        RedisStore {
            redis: Arc::new(connection),
            is_durable: Arc::default(),
        }
    }

    /// Fails if Redis can forget what it has acknowledged.
    async fn check(&self) -> Result<(), StoreError> {
        for (setting, wanted) in [
            ("appendonly", "yes"),
            ("appendfsync", "always"),
            ("no-appendfsync-on-rewrite", "no"),
            ("maxmemory-policy", "noeviction"),
        ] {
            let mut ask = cmd("CONFIG");
            ask.arg("GET").arg(setting);
            let answer: HashMap<String, String> = self.redis.ask(LOCK, &ask).await?;
            if answer.get(setting).is_none_or(|found| found != wanted) {
                let rule = format!(
                    "Redis would forget entries in a crash: start it with `--{setting} {wanted}`"
                );
                return Err(StoreError::new(StoreErrorKind::Other, LOCK, rule));
            }
        }
        Ok(())
    }
}

fn lock_key(service: &str, lane: &str) -> String {
    // Names may have colons.
    format!("flamingock:lock:{}:{lane}:{service}", lane.len())
}

fn key(what: &str, service: &str) -> String {
    format!("flamingock:{what}:{service}")
}

const SERVICES: &str = "flamingock:services";

const COUNTER: &str = "flamingock:position";

/// A time of Redis, in microseconds.
fn time(microseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(microseconds)
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn unreadable(error: impl Into<flamingock::BoxError>) -> StoreError {
    StoreError::new(StoreErrorKind::Other, READ, error)
}

/// Reads an entry: its position, its time, and the grant and the entry as JSON.
fn entry(text: &str) -> Result<Entry, StoreError> {
    let mut parts = text.splitn(3, ' ');
    let mut part = || {
        parts
            .next()
            .ok_or_else(|| unreadable("an entry is cut off"))
    };
    let position = part()?.parse().map_err(unreadable)?;
    let ended = time(part()?.parse().map_err(unreadable)?);
    let (grant, new): (LockGrant, NewEntry) = serde_json::from_str(part()?).map_err(unreadable)?;
    let began = ended
        .checked_sub(new.duration.unwrap_or_default())
        .unwrap_or(ended);
    Ok(Entry::new(position, &grant, [began, ended], &new))
}

/// Reads the fields of a lock.
fn lock(
    lane: &str,
    now: u64,
    fields: &HashMap<String, String>,
) -> Result<Option<LockStatus>, StoreError> {
    let text = |name: &str| fields.get(name).map(String::as_str);
    let number = |name: &str| {
        text(name)
            .map_or(Ok(0), str::parse::<u64>)
            .map_err(unreadable)
    };
    if text("token").is_none() {
        return Ok(None);
    }
    let ends = number("ends")?;
    let shown = |at: u64| humantime_of(time(at));
    let status = json!({
        "lane": lane,
        "fencing_token": number("token")?,
        "run_id": text("run"),
        "owner": text("owner").unwrap_or_default(),
        "acquired_at": shown(number("since")?),
        "expires_at": text("ends").map(|_| shown(ends)),
        "activity": text("activity"),
        "held": text("run").is_some() && ends > now,
    });
    serde_json::from_value(status).map(Some).map_err(unreadable)
}

/// The form of times in JSON: RFC 3339.
fn humantime_of(time: SystemTime) -> String {
    humantime::format_rfc3339_micros(time).to_string()
}

#[async_trait]
impl AuditStore for RedisStore {
    async fn snapshot(&self, service: &str, digest: &str) -> Result<Snapshot, StoreError> {
        let mut script = SNAPSHOT.prepare_invoke();
        script
            .key(lock_key(service, STARTUP))
            .key(key("latest", service))
            .key(key("lanes", service))
            .arg(digest);
        let (now, fields, lanes, latest): (u64, HashMap<String, String>, u32, Vec<String>) =
            self.redis.run(READ, &script).await?;
        let mut snapshot = Snapshot::default();
        snapshot.tables = true;
        snapshot.has_lanes = lanes > 0;
        snapshot.up_to_date =
            !digest.is_empty() && fields.get("digest").is_some_and(|one| one == digest);
        snapshot.lock = lock(STARTUP, now, &fields)?;
        for text in latest {
            snapshot.latest.push(LatestEntry::from(&entry(&text)?));
        }
        Ok(snapshot)
    }

    fn schema(&self, _service: &str) -> Option<String> {
        None
    }

    /// Keys are created by writing them.
    async fn create(&self, _service: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn register(&self, _service: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn append(&self, grant: &LockGrant, entries: &[NewEntry]) -> Result<i64, StoreError> {
        let mut script = APPEND.prepare_invoke();
        let service = &grant.service;
        script
            .key(lock_key(service, &grant.lane))
            .key(key("entries", service))
            .key(key("latest", service))
            .key(COUNTER)
            .key(key("keys", service))
            .arg(&grant.run_id)
            .arg(grant.fencing_token.to_string());
        for entry in entries {
            let text = serde_json::to_string(&(grant, entry)).map_err(unreadable)?;
            script
                .arg(&entry.idempotency_key)
                .arg(&entry.change_id)
                .arg(text);
        }
        let first: Option<i64> = self.redis.run(WRITE, &script).await?;
        first.ok_or_else(|| {
            let refused = StoreErrorKind::Refused;
            StoreError::new(refused, WRITE, "the lock has another owner")
        })
    }

    async fn history(
        &self,
        service: &str,
        filter: &HistoryFilter,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut all = cmd("LRANGE");
        all.arg(key("entries", service)).arg(0).arg(-1);
        let all: Vec<String> = self.redis.ask(READ, &all).await?;
        let all = all.iter().map(|text| entry(text));
        let mut entries = all.collect::<Result<Vec<Entry>, StoreError>>()?;
        if filter.latest_only {
            let latest: HashMap<Option<String>, i64> = entries
                .iter()
                .map(|entry| (entry.change_id.clone(), entry.seq))
                .collect();
            entries.retain(|entry| latest.get(&entry.change_id) == Some(&entry.seq));
        }
        entries.retain(|entry| filter.matches(entry));
        Ok(entries)
    }

    async fn open_lane(&self, service: &str, lane: &str) -> Result<(), StoreError> {
        let mut add = cmd("SADD");
        add.arg(key("lanes", service)).arg(lane);
        self.redis.ask::<u32>(LOCK, &add).await.map(drop)
    }

    async fn lanes(&self, service: &str) -> Result<Vec<LockStatus>, StoreError> {
        let mut members = cmd("SMEMBERS");
        members.arg(key("lanes", service));
        let mut lanes: Vec<String> = self.redis.ask(READ, &members).await?;
        lanes.sort();
        let mut script = LANES.prepare_invoke();
        for lane in &lanes {
            script.key(lock_key(service, lane));
        }
        let (now, locks): (u64, Vec<HashMap<String, String>>) =
            self.redis.run(READ, &script).await?;
        let locks = lanes.iter().zip(&locks);
        let locks = locks.filter_map(|(lane, fields)| lock(lane, now, fields).transpose());
        locks.collect()
    }

    async fn services(&self) -> Result<Vec<String>, StoreError> {
        let mut members = cmd("SMEMBERS");
        members.arg(SERVICES);
        let mut services: Vec<String> = self.redis.ask(READ, &members).await?;
        services.sort();
        Ok(services)
    }
}

#[async_trait]
impl LeaseRenewer for RedisStore {
    async fn renew(
        &self,
        grant: &LockGrant,
        lease: Duration,
        activity: Option<&str>,
    ) -> Result<bool, StoreError> {
        let mut script = RENEW.prepare_invoke();
        script
            .key(lock_key(&grant.service, &grant.lane))
            .arg(&grant.run_id)
            .arg(grant.fencing_token.to_string())
            .arg(microseconds(lease))
            .arg(activity.unwrap_or_default());
        self.redis.run("could not renew the lease", &script).await
    }
}

#[async_trait]
impl LockStore for RedisStore {
    async fn acquire(&self, claim: &AcquireRequest) -> Result<Option<Acquired>, StoreError> {
        // Everything that is written comes behind an acquisition.
        self.is_durable.get_or_try_init(|| self.check()).await?;
        let mut script = ACQUIRE.prepare_invoke();
        script
            .key(lock_key(&claim.service, &claim.lane))
            .key(SERVICES)
            .arg(&claim.service)
            .arg(&claim.run_id)
            .arg(&claim.owner)
            .arg(microseconds(claim.lease))
            .arg(
                claim
                    .force
                    .map_or_else(String::new, |token| token.to_string()),
            )
            .arg(claim.floor);
        let acquired: Vec<String> = self.redis.run(LOCK, &script).await?;
        let [token, previous] = acquired.as_slice() else {
            return Ok(None);
        };
        let token = token.parse().map_err(unreadable)?;
        let previous = Some(previous.clone()).filter(|run| !run.is_empty());
        Ok(Some(Acquired::new(LockGrant::new(claim, token), previous)))
    }

    async fn release(&self, grant: &LockGrant, digest: Option<&str>) -> Result<(), StoreError> {
        let mut script = RELEASE.prepare_invoke();
        script
            .key(lock_key(&grant.service, &grant.lane))
            .arg(&grant.run_id)
            .arg(grant.fencing_token.to_string())
            .arg(digest.unwrap_or_default());
        self.redis.run::<bool>(LOCK, &script).await.map(drop)
    }

    /// Its thread has a runtime of its own, and so needs a connection of its own.
    fn renewer(&self) -> Option<Box<dyn LeaseRenewer>> {
        Some(Box::new(RedisStore::with(self.redis.another())))
    }
}
