//! The changes to choose from. Each leaves a trace of each step in `done`.

use flamingock::template::Template;
use flamingock::{Batch, Definition, Key, Keyset, Next};
use flamingock::{BoxError, change, changes, rollback, template, templates, verify};
use flamingock_tests::query;
use serde::Deserialize;

use super::Connection;
use crate::script::Script;

#[change(id = "shared", order = "001", register = false)]
async fn shared(db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    script.at("shared 0").await;
    query(db, &script.effect("shared 1")).await?;
    script.at("shared 1").await;
    query(db, &script.effect("shared 2")).await?;
    script.at("shared 2").await;
    Ok(())
}

#[change(id = "ddl", order = "002", register = false)]
async fn ddl(db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    script.at("ddl 0").await;
    query(db, &script.effect("ddl 1")).await?;
    query(db, &format!("CREATE TABLE made_{} (n INT)", script.tag)).await?;
    script.at("ddl 1").await;
    query(db, &script.effect("ddl 2")).await?;
    Ok(())
}

#[change(id = "separate", order = "003", target = "other", register = false)]
async fn separate_change(db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    script.at("separate 0").await;
    query(db, &script.effect("separate 1")).await?;
    script.at("separate 1").await;
    query(db, &script.effect("separate 2")).await?;
    script.at("separate 2").await;
    Ok(())
}

#[change(id = "verified", order = "004", transaction = false, register = false)]
async fn verified(db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    script.at("verified 0").await;
    query(db, &script.effect("verified 1")).await?;
    script.at("verified 1").await;
    Ok(())
}

#[verify(verified)]
async fn is_verified(db: &mut Connection, script: &Script) -> Result<bool, BoxError> {
    let text = format!(
        "SELECT what FROM done WHERE what = '{} verified 1'",
        script.tag
    );
    Ok(!query(db, &text).await?.is_empty())
}

/// Can run again on top of an earlier attempt.
#[change(
    id = "again",
    order = "005",
    transaction = false,
    recovery = "retry",
    register = false
)]
async fn again(db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    for step in [1, 2] {
        script.at("again").await;
        let what = format!("'{} again {step}'", script.tag);
        let select = format!("SELECT what FROM done WHERE what = {what}");
        // Not in one statement, whose locks on MariaDB would conflict with those of other processes
        // in the table.
        if query(db, &select).await?.is_empty() {
            query(db, &format!("INSERT INTO done VALUES ({what})")).await?;
        }
    }
    Ok(())
}

/// Its rollback reverses it when the second step fails, which it always does.
#[change(id = "undone", order = "006", transaction = false, register = false)]
async fn undone(db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    query(db, &script.effect("undone 1")).await?;
    script.at("undone 1").await;
    Err("the second step is refused".into())
}

#[rollback(undone)]
async fn undo(db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    let text = format!("DELETE FROM done WHERE what = '{} undone 1'", script.tag);
    query(db, &text).await?;
    Ok(())
}

/// Fails, and so does its rollback.
#[change(id = "stuck", order = "009", transaction = false, register = false)]
async fn stuck(db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    query(db, &script.effect("stuck 1")).await?;
    Err("the second step is refused".into())
}

#[rollback(stuck)]
async fn stay_stuck(_db: &mut Connection) -> Result<(), BoxError> {
    Err("there is no way back".into())
}

/// Fails in its transaction.
#[change(id = "broken", order = "010", register = false)]
async fn broken(db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    query(db, &script.effect("broken 1")).await?;
    Err("the second step is refused".into())
}

/// Can be undone, together with its entry.
#[change(id = "kept", order = "011", register = false)]
async fn kept(db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    query(db, &script.effect("kept 1")).await?;
    query(db, &script.effect("kept 2")).await?;
    Ok(())
}

#[rollback(kept)]
async fn roll_back(db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    for step in [2, 1] {
        let text = format!("DELETE FROM done WHERE what = '{} kept {step}'", script.tag);
        query(db, &text).await?;
        script.at(&format!("no kept {step}")).await;
    }
    Ok(())
}

#[change(id = "plain", order = "007", transaction = false, register = false)]
async fn plain(db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    script.at("plain 0").await;
    query(db, &script.effect("plain 1")).await?;
    script.at("plain 1").await;
    query(db, &script.effect("plain 2")).await?;
    script.at("plain 2").await;
    Ok(())
}

#[change(id = "last", order = "008", register = false)]
async fn last(db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    script.at("last 0").await;
    query(db, &script.effect("last 1")).await?;
    Ok(())
}

/// The two changes of an atomic stage.
#[change(id = "together", order = "001", stage = "seed", register = false)]
async fn together(db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    script.at("together 0").await;
    query(db, &script.effect("together 1")).await?;
    script.at("together 1").await;
    query(db, &script.effect("together 2")).await?;
    Ok(())
}

#[change(id = "beside", order = "002", stage = "seed", register = false)]
async fn beside(db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    script.at("beside 0").await;
    query(db, &script.effect("beside 1")).await?;
    script.at("beside 1").await;
    Ok(())
}

/// DDL among the changes of the atomic stage.
#[change(id = "made-together", order = "003", stage = "seed", register = false)]
async fn made_together(db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    query(db, &script.effect("made-together 1")).await?;
    query(db, &format!("CREATE TABLE together_{} (n INT)", script.tag)).await?;
    query(db, &script.effect("made-together 2")).await?;
    Ok(())
}

/// A step of a change that a file declares.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trace {
    add: Option<String>,
    remove: Option<String>,
    #[serde(default)]
    fail: bool,
}

#[template("trace", register = false)]
async fn trace(trace: Trace, db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    if let Some(step) = &trace.remove {
        script.at(&format!("no {step}")).await;
        let text = format!("DELETE FROM done WHERE what = '{} {step}'", script.tag);
        query(db, &text).await?;
    }
    if let Some(step) = &trace.add {
        query(db, &script.effect(step)).await?;
        script.at(step).await;
    }
    if trace.fail {
        return Err("the step is refused".into());
    }
    Ok(())
}

/// The payload of a file.
pub(crate) fn known() -> [&'static Template; 1] {
    templates![trace]
}

/// The same in another database than the audit's.
#[change(id = "kept-there", order = "012", target = "other", register = false)]
async fn kept_there(db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    query(db, &script.effect("kept-there 1")).await?;
    query(db, &script.effect("kept-there 2")).await?;
    Ok(())
}

#[rollback(kept_there)]
async fn roll_back_there(db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    for step in [2, 1] {
        let tag = &script.tag;
        let text = format!("DELETE FROM done WHERE what = '{tag} kept-there {step}'");
        query(db, &text).await?;
        script.at(&format!("no kept-there {step}")).await;
    }
    Ok(())
}

/// Fails outside a transaction; its rollback runs in a transaction of the other database.
#[change(
    id = "undone-there",
    order = "013",
    target = "other",
    transaction = false,
    register = false
)]
async fn undone_there(db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    query(db, &script.effect("undone-there 1")).await?;
    script.at("undone-there 1").await;
    Err("the second step is refused".into())
}

#[rollback(undone_there)]
async fn undo_there(db: &mut Connection, script: &Script) -> Result<(), BoxError> {
    let tag = &script.tag;
    let text = format!("DELETE FROM done WHERE what = '{tag} undone-there 1'");
    query(db, &text).await?;
    script.at("no undone-there 1").await;
    Ok(())
}

/// Does its work in three batches.
#[change(id = "batches", order = "014", batch, register = false)]
async fn batches(
    batch: Batch<u32>,
    db: &mut Connection,
    script: &Script,
) -> Result<Next<u32>, BoxError> {
    one_batch("batches", batch, db, script).await
}

/// The same in another database than the audit's.
#[change(
    id = "batches-there",
    order = "015",
    target = "other",
    batch,
    register = false
)]
async fn batches_there(
    batch: Batch<u32>,
    db: &mut Connection,
    script: &Script,
) -> Result<Next<u32>, BoxError> {
    one_batch("batches-there", batch, db, script).await
}

async fn one_batch(
    id: &str,
    batch: Batch<u32>,
    db: &mut Connection,
    script: &Script,
) -> Result<Next<u32>, BoxError> {
    let step = batch.cursor().copied().unwrap_or(0) + 1;
    query(db, &script.effect(&format!("{id} {step}"))).await?;
    script.at(&format!("{id} {step}")).await;
    Ok(match step {
        3 => Next::finished().done_rows(1),
        step => Next::after(step).done_rows(1),
    })
}

/// Can be reversed in as many batches.
#[change(id = "reversible", order = "017", batch, register = false)]
async fn reversible(
    batch: Batch<u32>,
    db: &mut Connection,
    script: &Script,
) -> Result<Next<u32>, BoxError> {
    one_batch("reversible", batch, db, script).await
}

#[rollback(reversible, batch)]
async fn reverse(
    batch: Batch<u32>,
    db: &mut Connection,
    script: &Script,
) -> Result<Next<u32>, BoxError> {
    one_batch_back("reversible", batch, db, script).await
}

/// The same in another database than the audit's.
#[change(
    id = "reversible-there",
    order = "018",
    target = "other",
    batch,
    register = false
)]
async fn reversible_there(
    batch: Batch<u32>,
    db: &mut Connection,
    script: &Script,
) -> Result<Next<u32>, BoxError> {
    one_batch("reversible-there", batch, db, script).await
}

#[rollback(reversible_there, batch)]
async fn reverse_there(
    batch: Batch<u32>,
    db: &mut Connection,
    script: &Script,
) -> Result<Next<u32>, BoxError> {
    one_batch_back("reversible-there", batch, db, script).await
}

/// Removes the trace of the last step that is left, and leaves one of that.
async fn one_batch_back(
    id: &str,
    batch: Batch<u32>,
    db: &mut Connection,
    script: &Script,
) -> Result<Next<u32>, BoxError> {
    let step = batch.cursor().copied().unwrap_or(4) - 1;
    let delete = format!("DELETE FROM done WHERE what = '{} {id} {step}'", script.tag);
    query(db, &delete).await?;
    let trace = format!("{id}-back {step}");
    query(db, &script.effect(&trace)).await?;
    script.at(&trace).await;
    Ok(match step {
        1 => Next::finished().done_rows(1),
        step => Next::after(step).done_rows(1),
    })
}

/// Goes through a table, slowly enough to be killed.
#[change(id = "backfill", order = "016", batch, register = false)]
async fn backfill(batch: Batch<Key>, db: &mut Connection) -> Result<Next<Key>, BoxError> {
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let items = Keyset::table("items").key("tenant").key("id");
    let update = "UPDATE items SET times = times + 1 WHERE {range}";
    Ok(items.execute(update, &batch, db).await?)
}

/// The changes that run in another database than the audit's.
pub(crate) fn separate() -> Vec<&'static Definition> {
    changes![
        separate_change,
        kept_there,
        undone_there,
        batches_there,
        reversible_there
    ]
    .to_vec()
}

/// The definitions of the changes with these names.
pub(crate) fn chosen(
    names: &[String],
    separate: Vec<&'static Definition>,
) -> Vec<&'static Definition> {
    let known = changes![
        shared,
        ddl,
        verified,
        again,
        undone,
        plain,
        last,
        stuck,
        broken,
        together,
        beside,
        made_together,
        kept,
        batches,
        reversible,
        backfill
    ];
    let known: Vec<_> = known.into_iter().chain(separate).collect();
    let find = |name: &String| {
        known
            .iter()
            .find(|change| change.id == name)
            .copied()
            .unwrap_or_else(|| panic!("no change {name}"))
    };
    names.iter().map(find).collect()
}
