//! Looking at every state that a model can come to, the near ones first.

use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What can be explored: a state, what may happen in it, and what must hold.
pub(super) trait Model {
    type State: Clone + Hash + Debug;
    type Action: Clone + Debug;

    fn start(&self) -> Self::State;

    /// Everything that may happen next, with what it leads to.
    fn next(&self, state: &Self::State, each: &mut dyn FnMut(Self::Action, Self::State));

    /// The rule that is broken in this state.
    fn broken(&self, state: &Self::State) -> Option<&'static str>;
}

/// What was found.
#[derive(Debug)]
pub(super) struct Explored {
    pub(super) states: usize,
    /// The first rule that is broken, and a shortest way to there.
    pub(super) broken: Option<(&'static str, Vec<String>)>,
}

/// States are told apart by 64 bits of hash, as model checkers do: with ten million of them the
/// chance that two are taken for one is below one in a hundred thousand.
fn print_of(state: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

/// Explores until a rule is broken, or there is nothing new.
///
/// # Panics
///
/// When there are more states than `most`: an exploration that is not complete proves nothing.
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
