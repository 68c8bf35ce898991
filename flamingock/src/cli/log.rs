//! Printing the library's log events, with `-v`.

use std::io::IsTerminal;

use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::terminal::LogLines;
use super::view::Flags;
use crate::util::visible::Visible;

/// The tracing target of events that the commands print themselves.
const PRINTED: &str = "flamingock::report";

/// Prints log events to standard error until the process ends: with `-v` those of level `INFO`,
/// with `-vv` those of level `DEBUG` as well. Does nothing if the program has its own subscriber.
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
    // Values come from outside, such as errors of databases, names and reasons.
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
    // An error means that there is a subscriber already.
    let _ = tracing_subscriber::registry()
        .with(events)
        .with(lines)
        .try_init();
}
