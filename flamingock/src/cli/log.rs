//! The library's events, for a person who asked for them.

use std::io::IsTerminal;

use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::terminal::LogLines;
use super::view::Flags;
use crate::util::visible::Visible;

/// The target of what the commands print themselves.
const PRINTED: &str = "flamingock::report";

/// With `-v` prints what is done to standard error, with `-vv` all of it, from now on to the end of
/// the process. A program that has a subscriber of its own has its say already.
pub(super) fn show(flags: Flags) {
    let level = match flags.verbose {
        _ if flags.quiet => return,
        0 => return,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let events = Targets::new()
        .with_target("flamingock", level)
        .with_target(PRINTED, LevelFilter::OFF);
    // Values are those of others: errors of databases, names, reasons.
    let fields = debug_fn(|writer, field, value| {
        let value = format!("{value:?}");
        match field.name() {
            "message" => write!(writer, "{}", Visible(value)),
            name => write!(writer, "{name}={}", Visible(value)),
        }
    });
    let lines = tracing_subscriber::fmt::layer()
        .fmt_fields(fields.delimited(" "))
        .with_writer(|| LogLines)
        .with_ansi(super::view::wants_color(
            flags,
            std::io::stderr().is_terminal(),
        ))
        .with_target(false);
    // An error says that there is a subscriber.
    let _ = tracing_subscriber::registry()
        .with(events)
        .with(lines)
        .try_init();
}
