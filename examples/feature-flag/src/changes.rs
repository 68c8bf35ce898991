//! What is done at the vendor, once.

use flamingock::{BoxError, change, rollback, verify};

use crate::unleash::{Flag, Unleash};

const FLAG: &str = "checkout-v2";

/// Tells our flag from one that somebody made by hand.
const DESCRIPTION: &str = "The checkout on one page. Made by the shop's change checkout-flag.";

/// A quarter of the users gets the new checkout.
///
/// Three requests, and the vendor may be gone after any of them. Each step looks first, so that the change can
/// run again on what it left behind; and no user sees the flag before the last of them.
#[change(id = "checkout-flag", order = "0001", target = "unleash")]
async fn checkout_flag(flags: &Unleash) -> Result<(), BoxError> {
    let found = flags.find(FLAG).await?;
    if found.as_ref().is_some_and(|flag| !is_ours(flag)) {
        return Err(format!(
            "somebody else has a flag {FLAG:?}: archive it, or choose another name"
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

/// Whatever is there of it.
#[rollback(checkout_flag)]
async fn no_checkout_flag(flags: &Unleash) -> Result<(), BoxError> {
    match flags.find(FLAG).await? {
        Some(flag) if is_ours(&flag) => flags.delete(FLAG).await,
        Some(_) | None => Ok(()),
    }
}

/// Half of it is not it: then the next start runs the change again.
#[verify(checkout_flag)]
async fn has_checkout_flag(flags: &Unleash) -> Result<bool, BoxError> {
    let found = flags.find(FLAG).await?;
    Ok(found.is_some_and(|flag| is_ours(&flag) && flag.is_on && flag.strategies > 0))
}

fn is_ours(flag: &Flag) -> bool {
    flag.description.as_deref() == Some(DESCRIPTION)
}
