//! The changes at the vendor, each applied once.

use flamingock::{BoxError, change, rollback, verify};

use crate::unleash::{Flag, Unleash};

const FLAG: &str = "checkout-v2";

/// Distinguishes this application's flag from one that was created by hand.
const DESCRIPTION: &str = "The checkout on one page. Made by the shop's change checkout-flag.";

/// Creates the flag of the new checkout and turns it on for a quarter of the users.
///
/// Three requests, and the vendor can become unreachable after any of them. Each step checks first,
/// so the change can run again after a partial attempt; and the flag is off for all users until the
/// last step.
#[change(id = "checkout-flag", order = "0001", target = "unleash")]
async fn checkout_flag(flags: &Unleash) -> Result<(), BoxError> {
    let found = flags.find(FLAG).await?;
    if found.as_ref().is_some_and(|flag| !is_ours(flag)) {
        return Err(format!(
            "another application has a flag {FLAG:?}: archive it, or choose another name"
        )
        .into());
    }
    if found.is_none() {
        flags.create(FLAG, DESCRIPTION).await?;
    }
    if found.as_ref().is_none_or(|flag| flag.strategies == 0) {
        flags.roll_out(FLAG, 25).await?;
    }
    if found.is_none_or(|flag| !flag.is_on) {
        flags.turn_on(FLAG).await?;
    }
    Ok(())
}

/// Deletes every part that exists.
#[rollback(checkout_flag)]
async fn delete_checkout_flag(flags: &Unleash) -> Result<(), BoxError> {
    match flags.find(FLAG).await? {
        Some(flag) if is_ours(&flag) => flags.delete(FLAG).await,
        Some(_) | None => Ok(()),
    }
}

/// Half of the flag does not count: then the next run applies the change again.
#[verify(checkout_flag)]
async fn has_checkout_flag(flags: &Unleash) -> Result<bool, BoxError> {
    let found = flags.find(FLAG).await?;
    Ok(found.is_some_and(|flag| is_ours(&flag) && flag.is_on && flag.strategies > 0))
}

fn is_ours(flag: &Flag) -> bool {
    flag.description.as_deref() == Some(DESCRIPTION)
}
