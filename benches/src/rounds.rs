//! Rounds: disturbances of the machine affect all subjects alike.

use std::time::Instant;

use crate::stats::Samples;
use crate::tools::{BoxError, Starter};

/// Runs each subject once a round, in another order each round. The first round does not count: it
/// fills caches.
pub(crate) async fn starts(
    starters: &mut [Box<dyn Starter>],
    rounds: usize,
) -> Result<Vec<Samples>, BoxError> {
    let mut samples = vec![Samples::default(); starters.len()];
    for round in 0..=rounds {
        for turn in 0..starters.len() {
            let index = (turn + round) % starters.len();
            let began = Instant::now();
            starters[index].start().await?;
            if round > 0 {
                samples[index].push(began.elapsed());
            }
        }
    }
    Ok(samples)
}
