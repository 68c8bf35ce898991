//! `examples/operational-work`, on the disk.

use std::{fs, io};

use flamingock_tests::Page;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::program::page;

fn work() -> io::Result<Page> {
    let page = page("operational-work")
        .with("OLD_KEY", &"11".repeat(32), "11".repeat(32))
        .with("NEW_KEY", &"22".repeat(32), "22".repeat(32));
    fs::write(page.folder().join("settings.conf"), "sundays = no\n")?;
    Ok(page)
}

async fn customers(page: &Page) -> SqlitePool {
    let file = page.folder().join("operational-work.db");
    let options = SqliteConnectOptions::new().filename(file);
    SqlitePool::connect_with(options).await.unwrap()
}

async fn telephones(pool: &SqlitePool) -> Vec<Vec<u8>> {
    let rows = "SELECT telephone FROM customers ORDER BY id";
    sqlx::query_scalar(rows).fetch_all(pool).await.unwrap()
}

#[tokio::test]
async fn page_shows_the_actual_output() -> io::Result<()> {
    work()?.check();
    Ok(())
}

#[tokio::test]
async fn row_that_cannot_be_decrypted_leaves_every_row_unchanged() -> io::Result<()> {
    let page = work()?;
    assert_eq!(page.shell("operational-work apply").code, Some(0));
    let pool = customers(&page).await;
    let rotated = telephones(&pool).await;

    // Back to the old key, with more rows than a batch has; the last of them has an unknown key.
    let undone = page.shell("operational-work undo rotate-key");
    assert_eq!(undone.code, Some(0), "{undone:?}");
    let before = telephones(&pool).await;
    assert_ne!(before, rotated);
    let foreign =
        "WITH RECURSIVE more(id) AS (SELECT 3 UNION ALL SELECT id + 1 FROM more WHERE id < 250)
        INSERT INTO customers SELECT id, 'Cy', x'00' FROM more";
    sqlx::query(foreign).execute(&pool).await.unwrap();
    let failed = page.shell("operational-work apply");
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let said = "the number of customer 3 is not encrypted with this key";
    assert!(failed.text.contains(said), "{failed:?}");
    assert_eq!(telephones(&pool).await[..2], before);
    Ok(())
}

#[tokio::test]
async fn settings_of_a_killed_run_are_sent_again_by_the_next_run() -> io::Result<()> {
    let page = work()?;
    // The command is a child of the program and ends it: the settings are replaced by then.
    let dead = page.shell("RELOAD='kill -9 $PPID' operational-work apply");
    assert_ne!(dead.code, Some(0), "{dead:?}");
    let settings = page.folder().join("settings.conf");
    assert_eq!(fs::read_to_string(&settings)?, "sundays = yes\n");
    assert_eq!(page.states("new-settings"), ["STARTED"]);
    let released = page.shell("operational-work lock release --reason killed");
    assert_eq!(released.code, Some(0), "{released:?}");

    let next = page.shell("RELOAD='touch told' operational-work apply");
    assert_eq!(next.code, Some(0), "{next:?}");
    assert!(page.folder().join("told").exists());
    let on_record = page.states("new-settings");
    assert_eq!(on_record, ["STARTED", "STARTED", "APPLIED"]);
    let undone = page.shell("operational-work undo --last");
    assert_eq!(undone.code, Some(0), "{undone:?}");
    assert_eq!(fs::read_to_string(&settings)?, "sundays = no\n");
    Ok(())
}

#[tokio::test]
async fn sent_notice_is_not_written_again() -> io::Result<()> {
    let page = work()?;
    assert_eq!(page.shell("operational-work apply").code, Some(0));
    let [waiting, sent] = ["outbox", "sent"].map(|folder| page.folder().join(folder));
    fs::rename(&waiting, &sent)?;
    fs::remove_file(page.folder().join("operational-work.db"))?;
    let again = page.shell("operational-work apply");
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(!waiting.exists());
    Ok(())
}
