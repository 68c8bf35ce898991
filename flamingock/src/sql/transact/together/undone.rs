//! What is recorded of changes that were undone with their stage, and what they come to.

use std::ops::Range;

use super::super::failure::Recorded;
use super::super::lost_reason;
use super::{Round, Rounded, Together};
use crate::attempt::Purpose;
use crate::audit::{ErrorChain, NewEntry, State, StoreError, TransactionMode};
use crate::call::chain;
use crate::change::BoxError;
use crate::database::Transacted;
use crate::sql::driver::Driver;
use crate::sql::settle::{Settled, settle};

impl<D: Driver> Together<'_, D> {
    /// Reads of each change what became of it, and records what was undone.
    pub(super) async fn settle_each(
        &self,
        round: &Round<'_>,
        range: Range<usize>,
        at: usize,
        cause: &BoxError,
    ) -> Vec<Transacted> {
        let mut all = Vec::with_capacity(range.len());
        for index in range {
            let own: BoxError = if index == at {
                chain(cause).to_string().into()
            } else {
                with_its_stage(round, at).into()
            };
            let settled = settle::<D>(self.database, &round.attempts[index]).await;
            all.push(match settled {
                Settled::Visible(states) if Purpose::Apply.has_succeeded(&states) => {
                    Transacted::Done {
                        mode: TransactionMode::Shared,
                    }
                }
                Settled::Visible(states) if states.contains(&State::Started) => {
                    self.left_behind(round, index, own).await
                }
                Settled::Visible(_) => {
                    let entries = self.entries_of_undone(round, index, at, cause);
                    match self.alone(round, index).record(&entries).await {
                        Recorded::Yes => undone(own, None),
                        Recorded::No(error) => undone(own, Some(error)),
                        Recorded::Lost => Transacted::Lost {
                            reason: lost_reason(),
                        },
                    }
                }
                Settled::Unreachable => Transacted::Unknown { cause: own },
            });
        }
        all
    }

    pub(super) async fn left_behind(
        &self,
        round: &Round<'_>,
        at: usize,
        cause: BoxError,
    ) -> Transacted {
        let alone = self.alone(round, at);
        let reason = Some(chain(&cause));
        let entry = round.attempts[at].entry(State::Failed, TransactionMode::None, reason);
        let unrecorded = match alone.record(&[entry]).await {
            Recorded::Yes => None,
            Recorded::No(error) => Some(error),
            Recorded::Lost => {
                return Transacted::Lost {
                    reason: lost_reason(),
                };
            }
        };
        Transacted::LeftBehind { cause, unrecorded }
    }

    /// What is recorded when everything up to the change that failed is undone.
    pub(super) fn undone_entries(
        &self,
        round: &Round<'_>,
        at: usize,
        cause: &BoxError,
    ) -> Vec<NewEntry> {
        let all = round.first..=at;
        all.flat_map(|index| self.entries_of_undone(round, index, at, cause))
            .collect()
    }

    fn entries_of_undone(
        &self,
        round: &Round<'_>,
        index: usize,
        at: usize,
        cause: &BoxError,
    ) -> Vec<NewEntry> {
        if index == at {
            return self.alone(round, at).undone_entries(cause);
        }
        let reason = ErrorChain::text(&with_its_stage(round, at));
        let mode = TransactionMode::Shared;
        round.attempts[index].nothing_left(&mode, Some(reason))
    }
}

/// Why a change is undone that did not fail.
fn with_its_stage(round: &Round<'_>, at: usize) -> String {
    let definition = round.attempts[at].definition;
    format!(
        "it was taken back with its stage \"{}\", which is atomic: the change \"{}\" failed",
        definition.stage, definition.id
    )
}

pub(super) fn all_lost(round: &Round<'_>, at: usize, reason: &str) -> Rounded {
    let lost = |_| Transacted::Lost {
        reason: reason.to_owned(),
    };
    Rounded::Ended((round.first..=at).map(lost).collect())
}

/// Everything up to the change that failed is undone.
pub(super) fn all_undone(
    round: &Round<'_>,
    at: usize,
    cause: BoxError,
    unrecorded: Option<StoreError>,
) -> Rounded {
    let earlier = (round.first..at).map(|_| undone(with_its_stage(round, at).into(), None));
    let mut all: Vec<Transacted> = earlier.collect();
    all.push(undone(cause, unrecorded));
    Rounded::Ended(all)
}

fn undone(cause: BoxError, unrecorded: Option<StoreError>) -> Transacted {
    Transacted::Undone { cause, unrecorded }
}
