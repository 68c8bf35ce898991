//! The measurements, one file each.

pub(crate) mod batch;
pub(crate) mod build;
pub(crate) mod history;
pub(crate) mod memory;
pub(crate) mod network;
pub(crate) mod pending;
pub(crate) mod start;
pub(crate) mod together;

use crate::table::Findings;
use crate::tools::BoxError;

/// The extent of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Enough to see that it works.
    Quick,
    /// The extent of the results in the documentation.
    Full,
}

/// The names of the parts, in the order of the documentation.
pub(crate) const ALL: [&str; 8] = [
    "start", "pending", "batch", "network", "together", "history", "memory", "build",
];

/// Measures one part.
pub(crate) async fn measure(part: &str, extent: Extent) -> Result<Findings, BoxError> {
    match part {
        "start" => start::measure(extent).await,
        "pending" => pending::measure(extent).await,
        "batch" => batch::measure(extent).await,
        "network" => network::measure(extent).await,
        "together" => together::measure(extent).await,
        "history" => history::measure(extent).await,
        "memory" => memory::measure(extent).await,
        "build" => build::measure(extent),
        other => Err(format!("no part is called \"{other}\": {}", ALL.join(", ")).into()),
    }
}
