//! One database for all points of a test: creating and dropping one for each takes most of a
//! server's time.

use super::ground::{Ground, Kind};
use super::oracle::Scene;
use super::start::Start;

/// Databases for the points of a test.
#[derive(Debug)]
pub(crate) struct Common {
    kind: Kind,
    /// On servers, the database that all points share, with a service and a tag for each. A file
    /// has one writer, so services that shared one would wait for each other.
    shared: Option<Ground>,
}

/// The place for one point.
#[derive(Debug)]
pub(crate) enum Spot<'a> {
    Shared(&'a Ground),
    Own(Ground),
}

impl Common {
    pub(crate) async fn of(kind: Kind) -> Common {
        let shared = match kind.is_server() {
            true => Some(Ground::with_table(kind).await),
            false => None,
        };
        Common { kind, shared }
    }

    pub(crate) async fn spot(&self) -> Spot<'_> {
        match &self.shared {
            Some(ground) => Spot::Shared(ground),
            None => Spot::Own(Ground::with_table(self.kind).await),
        }
    }
}

impl Spot<'_> {
    pub(crate) fn url(&self) -> &str {
        match self {
            Spot::Shared(ground) => ground.url(),
            Spot::Own(ground) => ground.url(),
        }
    }
}

/// The table for the traces of a point's changes, named after its service and its tag.
pub(crate) fn scene(audit: &Spot<'_>, target: &Spot<'_>, point: &str) -> Scene {
    Scene {
        service: point.to_owned(),
        tag: point.to_owned(),
        ..Scene::of(audit.url(), target.url())
    }
}

/// A run that stops at a point.
pub(crate) fn start(changes: &str, audit: &str, point: &str) -> Start {
    Start::of(changes, audit)
        .with("--service", point)
        .with("--tag", point)
}
