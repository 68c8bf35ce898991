//! Calling all steps of a change in a transaction, which rolls all of them back if one fails.

use std::fmt;
use std::time::Instant;

use crate::change::argument::{Inputs, Outlives};
use crate::change::body::Step;
use crate::change::body::{Answer, Body, Callable};
use crate::change::step::{Direction, StepObserver};
use crate::util::boxed::BoxError;
use crate::util::error_chain::chain;

/// The steps of a change, in order.
#[derive(Debug)]
pub(crate) struct Forward(pub(crate) &'static [Step]);

/// The rollbacks of the steps, last first.
#[derive(Debug)]
pub(crate) struct Backward(pub(crate) &'static [Step]);

/// The error of a step, with the step's number from 1.
#[derive(Debug)]
pub(crate) struct StepError {
    text: String,
    source: BoxError,
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for StepError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}

impl Callable<()> for Forward {
    fn call<'a, 'c>(
        &'static self,
        inputs: Inputs<'a, 'c>,
        _outlives: Outlives<'a, 'c>,
    ) -> Answer<'a, ()> {
        let turns = self.0.iter().enumerate().map(|(index, step)| Turn {
            body: &step.apply,
            index,
            direction: Direction::Forward,
        });
        one_by_one(turns, self.0.len(), inputs)
    }

    fn steps(&self) -> Option<&'static [Step]> {
        Some(self.0)
    }

    fn secrets(&self) -> Vec<&'static str> {
        self.0
            .iter()
            .flat_map(|step| step.apply.secrets())
            .collect()
    }
}

impl Callable<()> for Backward {
    fn call<'a, 'c>(
        &'static self,
        inputs: Inputs<'a, 'c>,
        _outlives: Outlives<'a, 'c>,
    ) -> Answer<'a, ()> {
        // After a failure, only the steps that were reached are rolled back; in an undo, all of
        // them.
        let observer = inputs.value::<StepObserver>();
        let reached = observer.map_or(self.0.len(), |StepObserver(steps)| steps.reached());
        let steps = self.0.iter().enumerate().take(reached).rev();
        let turns = steps.filter_map(|(index, step)| {
            Some(Turn {
                body: step.rollback.as_ref()?,
                index,
                direction: Direction::Backward,
            })
        });
        one_by_one(turns, self.0.len(), inputs)
    }

    fn steps(&self) -> Option<&'static [Step]> {
        Some(self.0)
    }

    fn secrets(&self) -> Vec<&'static str> {
        let rollbacks = self.0.iter().filter_map(|step| step.rollback.as_ref());
        rollbacks.flat_map(Body::secrets).collect()
    }
}

/// One call.
struct Turn {
    body: &'static Body<()>,
    index: usize,
    direction: Direction,
}

/// Calls the functions one after the other on the same connection, until one fails.
fn one_by_one<'a, 'c>(
    turns: impl Iterator<Item = Turn> + Send + 'a,
    count: usize,
    inputs: Inputs<'a, 'c>,
) -> Answer<'a, ()>
where
    'c: 'a,
{
    Box::pin(async move {
        let observer = inputs
            .value::<StepObserver>()
            .map(|StepObserver(steps)| steps);
        let Inputs {
            mut session,
            values,
        } = inputs;
        for turn in turns {
            let Turn {
                body,
                index,
                direction,
            } = turn;
            let inputs = Inputs {
                session: session.reborrow(),
                values,
            };
            let began = Instant::now();
            if let Some(observer) = observer {
                observer.begin(index, direction);
            }
            let result = body.invoke(inputs).await;
            if let Some(observer) = observer {
                let error = result.as_ref().err().map(chain);
                observer.end(index, direction, began.elapsed(), error);
            }
            if let Err(source) = result {
                let text = direction.failed(index, count);
                return Err(Box::new(StepError { text, source }) as BoxError);
            }
        }
        Ok(())
    })
}
