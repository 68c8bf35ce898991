//! Printing panics without control characters.

use std::panic::PanicHookInfo;
use std::sync::Once;

use super::terminal::tell;
use crate::util::visible::{Visible, is_invisible};

/// Escapes panics until the process ends: a panic whose text has control characters or line breaks
/// is printed escaped, in one line. Rust prints a panic before it can be caught, and its text may
/// repeat what another system has answered. Every other panic is passed to the previous hook.
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

/// Returns the text of a panic that must not be printed unescaped.
fn hostile<'a>(panic: &'a PanicHookInfo<'_>) -> Option<&'a str> {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.filter(|text| text.chars().any(is_invisible))
}
