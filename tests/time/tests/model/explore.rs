//! Explores every state that a model can reach, the near ones first.

use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A model to explore: a state, its possible events, and its rules.
pub(super) trait Model {
    type State: Clone + Hash + Debug;
    type Action: Clone + Debug;

    fn start(&self) -> Self::State;

    /// All possible next events, with the states that they lead to.
    fn next(&self, state: &Self::State, each: &mut dyn FnMut(Self::Action, Self::State));

    /// The rule that is broken in this state.
    fn broken(&self, state: &Self::State) -> Option<&'static str>;
}

/// The result.
#[derive(Debug)]
pub(super) struct Explored {
    pub(super) states: usize,
    /// The first broken rule, and a shortest path to it.
    pub(super) broken: Option<(&'static str, Vec<String>)>,
}

/// States are compared by a 64-bit hash, as in model checkers: with ten million of them the chance
/// of a collision is below one in a hundred thousand.
fn print_of(state: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

/// Explores until a rule is broken, or no new state is left.
///
/// # Panics
///
/// Fails if there are more states than `most`: an incomplete exploration proves nothing.
pub(super) fn explore<M: Model>(model: &M, most: usize) -> Explored {
    let start = model.start();
    let first = print_of(&start);
    let mut came_from: HashMap<u64, Option<(u64, M::Action)>> = HashMap::from([(first, None)]);
    let mut waiting = VecDeque::from([(first, start)]);
    while let Some((print, state)) = waiting.pop_front() {
        if let Some(rule) = model.broken(&state) {
            let way = way_to(print, &came_from);
            let states = came_from.len();
            return Explored {
                states,
                broken: Some((rule, way)),
            };
        }
        model.next(&state, &mut |action, next| {
            let found = print_of(&next);
            came_from.entry(found).or_insert_with(|| {
                waiting.push_back((found, next));
                Some((print, action))
            });
        });
        assert!(came_from.len() <= most, "more than {most} states");
    }
    Explored {
        states: came_from.len(),
        broken: None,
    }
}

fn way_to<A: Debug>(print: u64, came_from: &HashMap<u64, Option<(u64, A)>>) -> Vec<String> {
    let mut way = Vec::new();
    let mut at = print;
    while let Some(Some((before, action))) = came_from.get(&at) {
        way.push(format!("{action:?}"));
        at = *before;
    }
    way.reverse();
    way
}
