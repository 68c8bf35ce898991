//! Generated code triggers no lint in a crate that forbids all of them.

#![forbid(unsafe_code)]
#![forbid(unused, nonstandard_style, missing_docs, missing_debug_implementations)]
#![forbid(
    unreachable_pub,
    non_local_definitions,
    elided_lifetimes_in_paths,
    future_incompatible
)]
#![forbid(rust_2018_idioms, rust_2021_compatibility, rust_2024_compatibility)]
#![forbid(
    let_underscore,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts
)]
#![forbid(unused_qualifications, unused_lifetimes, missing_copy_implementations)]
#![forbid(
    unused_import_braces,
    variant_size_differences,
    unnameable_types,
    unused_results
)]
#![forbid(non_ascii_idents, redundant_lifetimes, explicit_outlives_requirements)]
#![deny(warnings)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery)]
#![allow(
    clippy::redundant_pub_crate,
    reason = "it contradicts `unreachable_pub`"
)]

/// A module.
mod changes {
    use flamingock::{Context, change, rollback, verify};
    use sqlx::{Sqlite, SqliteConnection, Transaction};

    /// A change.
    #[change(id = "first", order = "0001", lock_timeout = "1s", timeout = "1s", tags = ["a"])]
    pub(crate) async fn first(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let _ = sqlx::query("SELECT 1").execute(db).await?;
        Ok(())
    }

    /// A rollback.
    #[rollback(first)]
    pub(crate) async fn undo_first(
        cx: &Context,
        db: &mut Transaction<'_, Sqlite>,
    ) -> Result<(), sqlx::Error> {
        let _ = sqlx::query("SELECT ?")
            .bind(cx.change_id())
            .execute(&mut **db)
            .await?;
        Ok(())
    }

    /// A verify function.
    #[verify(first)]
    async fn is_first(db: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        Ok(sqlx::query("SELECT 1").fetch_optional(db).await?.is_some())
    }

    #[change(id = "second", order = "0002", register = false)]
    async fn second() {
        tokio::task::yield_now().await;
    }

    #[change(id = "third", order = "0003")]
    async fn third() {
        #[change(id = "inside", order = "0004")]
        async fn inside() {
            tokio::task::yield_now().await;
        }

        #[rollback(inside)]
        async fn undo_inside() {
            tokio::task::yield_now().await;
        }

        let list = flamingock::changes![inside, second];
        assert_eq!(list.len(), 2);
        tokio::task::yield_now().await;
    }
}

flamingock::link_changes!(sqlx, flamingock = "flamingock");

fn main() {
    let none = flamingock::changes![];
    assert!(none.is_empty());
    assert_eq!(flamingock::__private::FLAMINGOCK_LINKED_0_1.len(), 2);
}
