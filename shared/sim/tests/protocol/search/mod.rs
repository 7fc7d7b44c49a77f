//! Breadth first through every state that can be reached, so that the first history that breaks a property is a shortest one.

mod calm;
pub(crate) mod mix;
mod story;

use std::collections::HashSet;
use std::rc::Rc;

use crate::mirror::Mirror;
use crate::mirror::rules::Rules;
use crate::model::invocation::At;
use crate::model::moves::{self, Move};
use crate::model::property::Violation;
use crate::model::world::World;
use calm::Calm;
use mix::BuildMix;

/// States that a search may visit before it says that its bounds are too wide.
const STATES_MAX: usize = 8_000_000;

/// What a search found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) states: usize,
    pub(crate) moves: usize,
    /// Different decisions of the core.
    pub(crate) decisions: usize,
    /// States from which it was tried that all comes right.
    pub(crate) calmed: usize,
    pub(crate) broken: Option<Broken>,
}

/// A shortest history that breaks a property.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) violation: Violation,
    /// A line for each thing that happens.
    pub(crate) story: Vec<String>,
}

/// Explores everything that may follow from these states.
pub(crate) fn search(starts: &[World], rules: Rules) -> Found {
    let mirror = Mirror::new(rules);
    let mut reached = Reached::default();
    let mut calm = Calm::default();
    for start in starts {
        reached.add(start.clone(), None);
    }
    let (mut next, mut made, mut broken) = (0, 0, None);
    while let Some(world) = reached.states.get(next).cloned().filter(|_| broken.is_none()) {
        for what in moves::possible(&world, &mirror) {
            made += 1;
            let mut after = (*world).clone();
            let mut result = moves::make(&mut after, what, &mirror);
            let new = result.is_ok() && reached.add(after, Some((next, what)));
            if new && mirror.are_calmed() && is_whole(reached.newest()) {
                result = calm.judge(reached.newest(), &mirror);
            }
            if let Err(violation) = result {
                let story = story::tell(&reached.history(next, what), &mirror);
                broken = Some(Broken { violation, story });
                break;
            }
        }
        next += 1;
        assert!(
            reached.states.len() <= STATES_MAX,
            "more than {STATES_MAX} states: the bounds are too wide"
        );
    }
    Found {
        states: reached.states.len(),
        moves: made,
        decisions: mirror.decisions(),
        calmed: calm.judged(),
        broken,
    }
}

/// Every state that was reached, in the order in which it was, and from where.
#[derive(Default)]
struct Reached {
    states: Vec<Rc<World>>,
    from: Vec<Option<(usize, Move)>>,
    known: HashSet<Rc<World>, BuildMix>,
}

impl Reached {
    /// Whether it is new.
    fn add(&mut self, world: World, from: Option<(usize, Move)>) -> bool {
        let world = Rc::new(world);
        let new = self.known.insert(Rc::clone(&world));
        if new {
            self.states.push(world);
            self.from.push(from);
        }
        new
    }

    fn newest(&self) -> &World {
        &self.states[self.states.len() - 1]
    }

    /// How a state was reached, and what happened then: each move with the state before it.
    fn history(&self, last: usize, what: Move) -> Vec<(World, Move)> {
        let mut history = vec![((*self.states[last]).clone(), what)];
        let mut place = last;
        while let Some((before, what)) = self.from[place] {
            history.push(((*self.states[before]).clone(), what));
            place = before;
        }
        history.reverse();
        history
    }
}

/// Whether nothing about a state is forgotten: so it is while somebody may still begin.
fn is_whole(world: &World) -> bool {
    world.invocations.iter().any(|one| one.at == At::Idle)
}
