//! The instructions of a test to the changes of one run.

use std::path::PathBuf;
use std::time::Duration;

/// The instructions of a test to the changes of one run.
#[derive(Debug)]
pub(crate) struct Script {
    /// Distinguishes the effects of this run's service from others in the same table.
    pub(crate) tag: String,
    pub(crate) hold: Vec<(String, PathBuf)>,
}

impl Script {
    /// Reports to the test that this point is reached, and waits until the test continues it.
    pub(crate) async fn at(&self, point: &str) {
        println!("at {point}");
        if let Some((_, file)) = self.hold.iter().find(|(held, _)| held == point) {
            while !file.exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    /// The statement that leaves a trace of one step.
    pub(crate) fn effect(&self, step: &str) -> String {
        format!("INSERT INTO done VALUES ('{} {step}')", self.tag)
    }
}
