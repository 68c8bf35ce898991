//! `recovery.md` and `concepts.md`: a change with its rollback and its verify function.

use flamingock::{BoxError, change, rollback, verify};

struct Gateway;

impl Gateway {
    async fn open(&self, _: &str) -> Result<(), BoxError> {
        Ok(())
    }

    async fn close(&self, _: &str) -> Result<(), BoxError> {
        Ok(())
    }

    async fn has(&self, _: &str) -> Result<bool, BoxError> {
        Ok(true)
    }
}

/// Opens the main account at the payment gateway.
#[change(id = "open-account", order = "0001")]
async fn open_account(gateway: &Gateway) -> Result<(), BoxError> {
    gateway.open("main").await
}

/// Called when the change fails outside a transaction, and by `undo`.
#[rollback(open_account)]
async fn close_account(gateway: &Gateway) -> Result<(), BoxError> {
    gateway.close("main").await
}

/// Called by the run after a crash: if it returns true, the change counts as applied.
#[verify(open_account)]
async fn account_is_open(gateway: &Gateway) -> Result<bool, BoxError> {
    gateway.has("main").await
}
