//! What a panic says, on its way to a terminal.

use std::panic::PanicHookInfo;
use std::sync::Once;

use super::terminal::tell;
use crate::util::visible::{Visible, is_invisible};

/// From now on to the end of the process a panic whose text has something that a terminal acts on, or lines of
/// its own, is printed escaped, in one line. Rust prints it before anybody can catch it, and it may repeat what
/// a system has answered. Every other panic is left to the hook that was there.
pub(super) fn escape() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| match hostile(panic) {
            Some(text) => {
                let place = panic.location().map(|place| format!(" at {place}"));
                let place = place.unwrap_or_default();
                tell(&format!("panicked{place}: {}", Visible(text)));
            }
            None => before(panic),
        }));
    });
}

/// The text of a panic that must not be printed as it is.
fn hostile<'a>(panic: &'a PanicHookInfo<'_>) -> Option<&'a str> {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.filter(|text| text.chars().any(is_invisible))
}
