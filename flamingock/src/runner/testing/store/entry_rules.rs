//! The rules of the audit entries.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Broken, SERVICE, Verdict, acquired, ensure, entry, equal, next_owner, request};
use crate::audit::entry::{Entry, Facts, LatestEntry, NewEntry, Origin, State, TransactionMode};
use crate::audit::grant::LockGrant;
use crate::audit::store::{HistoryFilter, Store};
use crate::audit::store_error::StoreErrorKind;
use crate::change::definition::Recovery;
use crate::util::error_chain::ErrorChain;

rules! {
    entry_is_kept_whole: "an entry is read as it was appended";
    optional_fields_stay_unknown: "what an entry does not have is `None` when it is read";
    unknown_words_are_kept: "states, modes and origins of a later version are kept as they are";
    texts_are_kept: "quotes, backslashes, line breaks, any script and a long text are kept as they are";
    entries_are_in_order: "the history has the entries in the order in which they were appended, at growing positions";
    append_returns_the_first_position: "`append` returns the position of the first entry";
    entries_of_one_append_are_in_order: "entries that are appended together stay in their order";
    entry_belongs_to_its_owner: "an entry has the run and the fencing token of the grant";
    times_are_those_of_the_store: "an entry has the time of the store, and began before by its duration";
    idempotency_keys_are_kept: "an entry is found by the idempotency key that it was appended with";
    append_of_an_old_owner_is_refused: "an owner whose lock was released or taken appends nothing";
    append_without_the_lock_is_refused: "a grant that was never given appends nothing";
    append_by_the_owner_of_another_service_is_refused: "the lock of one service does not open the audit of another";
    refused_append_writes_nothing: "of entries that are refused, none is there";
    snapshot_has_the_latest_entries: "the snapshot has the latest entry of each change";
    latest_entry_is_whole: "the latest entry of a change has all that its entry in the history has";
    snapshot_of_another_digest_has_the_entries: "the snapshot has the entries unless the digest is that of the last release";
    history_is_filtered: "the history has the entries that match the filter, and no others";
    latest_entries_are_filtered: "`latest_only` keeps the latest entry of each change, before the other conditions";
    history_is_read_in_pages: "the pages of a history have each entry once, in order";
    waiters_see_new_entries: "the progress of the lock counts the changes applied after a position";
    services_have_entries_of_their_own: "the history of one service has no entries of another";
    services_are_listed: "services with entries are listed by name, once";
}

/// The fields that must be the same.
fn told(entry: &Entry) -> String {
    let Entry {
        service,
        run_id,
        fencing_token,
        idempotency_key,
        change_id,
        stage,
        change_order,
        target,
        author,
        description,
        location,
        digest,
        attempt,
        state,
        transaction_mode,
        recovery,
        origin,
        operator,
        duration,
        error,
        reason,
        host,
        pid,
        app_version,
        metadata,
        ..
    } = entry;
    format!(
        "{:?}",
        (
            (
                service,
                run_id,
                fencing_token,
                idempotency_key,
                change_id,
                stage
            ),
            (change_order, target, author, description, location, digest),
            (attempt, state, transaction_mode, recovery, origin, operator),
            (duration, error, reason, host, pid, app_version, metadata),
        )
    )
}

async fn history(store: &dyn Store) -> Result<Vec<Entry>, Broken> {
    Ok(store.history(SERVICE, &HistoryFilter::default()).await?)
}

/// Appends entries, and checks that they are read as they were appended.
async fn are_kept(store: &dyn Store, entries: &[NewEntry]) -> Verdict {
    let grant = acquired(store, "one").await?;
    for entry in entries {
        store.append(&grant, std::slice::from_ref(entry)).await?;
    }
    let found = history(store).await?;
    equal("the number of entries", found.len(), entries.len())?;
    for (found, new) in found.iter().zip(entries) {
        let expected = Entry::new(found.seq, &grant, [SystemTime::UNIX_EPOCH; 2], new);
        equal("an entry", told(found), told(&expected))?;
    }
    Ok(())
}

/// An entry with all fields.
fn whole() -> NewEntry {
    let mut whole = entry("create-users", 3, State::Failed);
    whole.description = "Creates the users.\nAnd their index.".to_owned();
    whole.recovery = Some(Recovery::Retry);
    whole.transaction_mode = TransactionMode::Separate;
    whole.origin = Origin::Undo;
    whole.duration = Some(Duration::from_millis(1_250));
    whole.error = Some(ErrorChain::text("no rights").and("on the table"));
    whole.reason = Some("step 2 of 3".to_owned());
    whole.origin_facts = Arc::new(Facts {
        operator: Some("ada".to_owned()),
        app_version: Some("1.8.0".to_owned()),
        metadata: Some("{\"region\":\"eu\"}".to_owned()),
        ..(*whole.origin_facts).clone()
    });
    whole
}

async fn entry_is_kept_whole(store: &dyn Store) -> Verdict {
    are_kept(store, &[whole()]).await
}

async fn optional_fields_stay_unknown(store: &dyn Store) -> Verdict {
    are_kept(store, &[entry("a", 1, State::Started)]).await?;
    let found = history(store).await?;
    let Some(found) = found.first() else {
        return Err(Broken("there is no entry".to_owned()));
    };
    equal("the duration", found.duration, None)?;
    equal("the error", found.error.is_some(), false)?;
    equal("the reason", found.reason.as_deref(), None)?;
    equal("the operator", found.operator.as_deref(), None)?;
    equal("the version", found.app_version.as_deref(), None)?;
    equal("the metadata", found.metadata.as_deref(), None)
}

async fn unknown_words_are_kept(store: &dyn Store) -> Verdict {
    let mut odd = entry("a", 1, State::from("ARCHIVED"));
    odd.transaction_mode = TransactionMode::from("nested");
    odd.origin = Origin::from("robot");
    are_kept(store, &[odd]).await
}

async fn texts_are_kept(store: &dyn Store) -> Verdict {
    let texts = [
        "it's a \"test\" \\ with `marks`",
        "a\nb\r\n\tc",
        "%s $1 ? :name {} --",
        "\u{1f9a9} \u{202e}abc\u{202c} \u{e9}\u{4e2d}",
    ];
    let mut entries = Vec::new();
    for text in texts {
        let mut with = entry("a", 1, State::Failed);
        with.description = text.to_owned();
        with.error = Some(ErrorChain::text(text));
        with.reason = Some(text.to_owned());
        entries.push(with);
    }
    let mut long = entry("a", 1, State::Failed);
    long.description = "long ".repeat(20_000);
    entries.push(long);
    are_kept(store, &entries).await
}

async fn append_many(store: &dyn Store, grant: &LockGrant, count: u32) -> Verdict {
    for attempt in 1..=count {
        let one = entry("a", attempt, State::Applied);
        store.append(grant, &[one]).await?;
    }
    Ok(())
}

async fn entries_are_in_order(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    append_many(store, &grant, 5).await?;
    let found = history(store).await?;
    let attempts: Vec<u32> = found.iter().map(|entry| entry.attempt).collect();
    equal("the order", attempts, vec![1, 2, 3, 4, 5])?;
    let grows = found.windows(2).all(|two| two[0].seq < two[1].seq);
    ensure(grows, || "the positions do not grow".to_owned())
}

async fn append_returns_the_first_position(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    append_many(store, &grant, 2).await?;
    let both = [
        entry("b", 7, State::Failed),
        entry("b", 7, State::RolledBack),
    ];
    let position = store.append(&grant, &both).await?;
    let found = history(store).await?;
    let first = found.iter().find(|entry| entry.attempt == 7);
    equal("the position", Some(position), first.map(|entry| entry.seq))
}

async fn entries_of_one_append_are_in_order(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    let entries: Vec<NewEntry> = (1..=150)
        .map(|attempt| entry("a", attempt, State::Applied))
        .collect();
    store.append(&grant, &entries).await?;
    let found = history(store).await?;
    let attempts: Vec<u32> = found.iter().map(|entry| entry.attempt).collect();
    equal("the order", attempts, (1..=150).collect())
}

async fn entry_belongs_to_its_owner(store: &dyn Store) -> Verdict {
    let first = acquired(store, "one").await?;
    append_many(store, &first, 1).await?;
    let second = next_owner(store, &first, "two").await?;
    append_many(store, &second, 1).await?;
    let found = history(store).await?;
    let owners: Vec<(&str, i64)> = found
        .iter()
        .map(|entry| (&*entry.run_id, entry.fencing_token))
        .collect();
    let expected = vec![("one", first.fencing_token), ("two", second.fencing_token)];
    equal("the owners", owners, expected)
}

async fn times_are_those_of_the_store(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    let mut took = entry("a", 1, State::Applied);
    took.duration = Some(Duration::from_secs(90));
    store.append(&grant, &[took]).await?;
    let found = history(store).await?;
    let Some(found) = found.first() else {
        return Err(Broken("there is no entry".to_owned()));
    };
    let finished = found
        .finished_at
        .ok_or_else(|| Broken("the entry has no end".to_owned()))?;
    let between = finished.duration_since(found.started_at);
    let is_right = between.is_ok_and(|between| between.as_millis().abs_diff(90_000) < 10);
    ensure(is_right, || {
        "the times of the entry are not its duration apart".to_owned()
    })
}

async fn idempotency_keys_are_kept(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    let entries = [
        entry("a", 1, State::Failed),
        entry("a", 1, State::RolledBack),
    ];
    store.append(&grant, &entries).await?;
    let found = history(store).await?;
    let found: Vec<&str> = found
        .iter()
        .filter_map(|entry| entry.idempotency_key.as_deref())
        .collect();
    let expected: Vec<&str> = entries
        .iter()
        .map(|entry| &*entry.idempotency_key)
        .collect();
    equal("the keys", found, expected)
}

async fn is_refused(store: &dyn Store, grant: &LockGrant) -> Verdict {
    match store
        .append(grant, &[entry("late", 1, State::Applied)])
        .await
    {
        Err(error) if error.kind == StoreErrorKind::Refused => Ok(()),
        Err(error) => Err(Broken(format!("the error is {error}, and not `Refused`"))),
        Ok(_) => Err(Broken("it was appended".to_owned())),
    }
}

async fn append_of_an_old_owner_is_refused(store: &dyn Store) -> Verdict {
    let old = acquired(store, "one").await?;
    store.release(&old, None).await?;
    is_refused(store, &old).await?;
    acquired(store, "two").await?;
    is_refused(store, &old).await
}

async fn append_without_the_lock_is_refused(store: &dyn Store) -> Verdict {
    is_refused(store, &LockGrant::new(&request(SERVICE, "one"), 1)).await?;
    let mut other = acquired(store, "one").await?;
    other.fencing_token += 1;
    is_refused(store, &other).await
}

async fn append_by_the_owner_of_another_service_is_refused(store: &dyn Store) -> Verdict {
    let mut grant = acquired(store, "one").await?;
    "another".clone_into(&mut grant.service);
    store.register("another").await?;
    is_refused(store, &grant).await
}

async fn refused_append_writes_nothing(store: &dyn Store) -> Verdict {
    let old = acquired(store, "one").await?;
    next_owner(store, &old, "two").await?;
    is_refused(store, &old).await?;
    equal("the number of entries", history(store).await?.len(), 0)
}

async fn latest(store: &dyn Store, digest: &str) -> Result<Vec<(String, u32, String)>, Broken> {
    let snapshot = store.snapshot(SERVICE, digest).await?;
    let told = |entry: LatestEntry| (entry.change_id, entry.attempt, entry.state.to_string());
    let mut latest: Vec<_> = snapshot.latest.into_iter().map(told).collect();
    latest.sort();
    Ok(latest)
}

async fn snapshot_has_the_latest_entries(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    for (id, attempt, state) in [
        ("a", 1, State::Started),
        ("b", 1, State::Applied),
        ("a", 1, State::Failed),
        ("a", 2, State::Applied),
        ("c", 1, State::Failed),
    ] {
        store.append(&grant, &[entry(id, attempt, state)]).await?;
    }
    let expected = [("a", 2, "APPLIED"), ("b", 1, "APPLIED"), ("c", 1, "FAILED")];
    let expected = expected.map(|(id, attempt, state)| (id.to_owned(), attempt, state.to_owned()));
    equal("the snapshot", latest(store, "").await?, expected.to_vec())
}

async fn latest_entry_is_whole(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    store.append(&grant, &[whole()]).await?;
    let all = history(store).await?;
    let expected = all.last().map(LatestEntry::from);
    let found = store.snapshot(SERVICE, "").await?.latest.pop();
    equal("the entry", format!("{found:?}"), format!("{expected:?}"))
}

async fn snapshot_of_another_digest_has_the_entries(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    append_many(store, &grant, 1).await?;
    store.release(&grant, Some("digest")).await?;
    equal(
        "the number of entries",
        latest(store, "other").await?.len(),
        1,
    )
}

async fn some(store: &dyn Store) -> Result<Vec<Entry>, Broken> {
    let first = acquired(store, "one").await?;
    for (id, attempt, state) in [
        ("a", 1, State::Started),
        ("a", 1, State::Failed),
        ("b", 1, State::Applied),
    ] {
        store.append(&first, &[entry(id, attempt, state)]).await?;
    }
    let second = next_owner(store, &first, "two").await?;
    for (id, attempt, state) in [
        ("a", 2, State::Started),
        ("a", 2, State::Applied),
        ("c", 1, State::Failed),
    ] {
        store.append(&second, &[entry(id, attempt, state)]).await?;
    }
    history(store).await
}

fn positions(entries: &[Entry]) -> Vec<i64> {
    entries.iter().map(|entry| entry.seq).collect()
}

async fn history_is_filtered(store: &dyn Store) -> Verdict {
    let all = some(store).await?;
    let middle = all
        .get(3)
        .map_or(SystemTime::UNIX_EPOCH, |entry| entry.started_at);
    let every = HistoryFilter::default;
    for filter in [
        every().change("a"),
        every().change("nothing"),
        every().state(State::Failed),
        every().attempt(2),
        every().run("one"),
        every().since(middle),
        every().change("a").state(State::Applied).run("two"),
    ] {
        let found = positions(&store.history(SERVICE, &filter).await?);
        let expected = all.iter().filter(|entry| filter.matches(entry));
        let expected: Vec<i64> = expected.map(|entry| entry.seq).collect();
        equal(&format!("the history with {filter:?}"), found, expected)?;
    }
    Ok(())
}

async fn latest_entries_are_filtered(store: &dyn Store) -> Verdict {
    let all = some(store).await?;
    let latest = [2, 4, 5].map(|at| all.get(at).map_or(0, |entry| entry.seq));
    let every = HistoryFilter::default;
    for (filter, expected) in [
        (every().latest_only(), latest.to_vec()),
        (every().latest_only().state(State::Failed), vec![latest[2]]),
        (every().latest_only().change("a"), vec![latest[1]]),
        (every().latest_only().state(State::Started), Vec::new()),
    ] {
        let found = positions(&store.history(SERVICE, &filter).await?);
        equal(&format!("the history with {filter:?}"), found, expected)?;
    }
    Ok(())
}

async fn history_is_read_in_pages(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    append_many(store, &grant, 11).await?;
    let filter = HistoryFilter::default().change("a");
    for limit in [1, 4, 11, 100] {
        let (mut after, mut read) = (0, Vec::new());
        loop {
            let page = store.page(SERVICE, &filter, after, limit).await?;
            ensure(page.len() <= limit, || {
                format!("a page of {limit} has {} entries", page.len())
            })?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            read.extend(page.iter().map(|entry| entry.attempt));
        }
        equal("the pages", read, (1..=11).collect())?;
    }
    Ok(())
}

async fn waiters_see_new_entries(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    let first = entry("a", 1, State::Applied);
    let since = store.append(&grant, &[first]).await?;
    store
        .append(&grant, &[entry("b", 1, State::Started)])
        .await?;
    store
        .append(&grant, &[entry("b", 1, State::Applied)])
        .await?;
    let Some(progress) = store.lock_progress(SERVICE, "", since).await? else {
        return Ok(());
    };
    equal("the lock is held", progress.lock.held, true)?;
    equal("the changes applied since", progress.applied, 1)?;
    let last = history(store).await?.last().map(|entry| entry.seq);
    equal("the latest position", Some(progress.latest), last)
}

async fn services_have_entries_of_their_own(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    append_many(store, &grant, 2).await?;
    let everything = HistoryFilter::default();
    let others = store.history("another", &everything).await?;
    equal("the entries of another service", others.len(), 0)?;
    let snapshot = store.snapshot("another", "").await?;
    equal("the entries of another service", snapshot.latest.len(), 0)
}

async fn services_are_listed(store: &dyn Store) -> Verdict {
    let grant = acquired(store, "one").await?;
    append_many(store, &grant, 2).await?;
    store.register("another").await?;
    let other = store.acquire(&request("another", "two")).await?;
    let other = other.ok_or_else(|| Broken("the lock was not acquired".to_owned()))?;
    let one = entry("a", 1, State::Applied);
    store.append(&other.grant, &[one]).await?;
    let services = store.services().await?;
    equal(
        "the services",
        services,
        vec!["another".to_owned(), SERVICE.to_owned()],
    )
}
