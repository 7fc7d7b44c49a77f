//! Components that are broken on purpose, each to make one checker speak.

use std::rc::Rc;

use ghostnet_core::plan::{Action, Step};
use ghostnet_core::state::{Drain, DrainReason};
use ghostnet_core::unit::Moment;
use ghostnet_engine::port::Commit;

/// A component, and what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Broken {
    /// An executor that sends each launch with a token of its own.
    TokensDropped,
    /// An EC2 that forgets tokens.
    TokensForgotten,
    /// A store that ignores conditions.
    ConditionsIgnored,
    /// A store that takes its own write for another's.
    OwnWriteForgotten,
    /// A store that reads old items: harmless, because every commit is conditional.
    StaleReads,
    /// A list of instances that is cut in half and passes for complete.
    ListIsCut,
    /// A list of instances that holds those of another installation.
    ForeignListed,
    /// A launch that forgets its tags.
    TagsDropped,
    /// Metrics whose missing datapoints read as zero.
    MissingIsZero,
    /// A balancer that answers registrations and does nothing.
    NothingRegisters,
    /// An executor whose clock stands still while it works.
    ClockStands,
    /// A decision that launches three times as many.
    LaunchesTooMany,
    /// A decision that drains everybody.
    DrainsEverybody,
    /// A decision that drains and terminates at once.
    TerminatesAtOnce,
    /// A decision that shrinks against the votes.
    ShrinksAgainstVotes,
    /// A decision that shrinks far below the load.
    ShrinksTooFar,
    /// A decision whose size is another than `size` counts.
    SizesOtherwise,
    /// A decision that forgets how much it launched.
    LaunchesForgotten,
    /// A decision that follows an old notice.
    FollowsOldNotice,
    /// A record that is not the decision's.
    RecordOfAnother,
    /// A record whose inputs were changed afterwards.
    InputsChanged,
    /// A commit that does not move the generation.
    GenerationStands,
}

/// The commit as a broken decision would have made it.
#[must_use]
pub fn doctored(broken: Option<Broken>, commit: &Rc<Commit>) -> Rc<Commit> {
    let Some(broken) = broken else { return Rc::clone(commit) };
    let mut changed = Commit::clone(commit);
    match broken {
        Broken::LaunchesTooMany => {
            for step in &mut changed.record.plan.steps {
                if let Action::Launch(launch) = &mut step.action {
                    launch.count = launch.count.saturating_mul(20);
                }
            }
        }
        Broken::DrainsEverybody => drain_everybody(&mut changed),
        Broken::ShrinksAgainstVotes | Broken::ShrinksTooFar | Broken::SizesOtherwise => resize(&mut changed, broken),
        Broken::LaunchesForgotten => {
            for pool in changed.state.pools.values_mut() {
                pool.launches.clear();
            }
        }
        Broken::RecordOfAnother => changed.record.id = ghostnet_core::id::PlanId::new("another"),
        Broken::InputsChanged => {
            if let Some(inputs) = &mut changed.record.inputs {
                inputs.now = ghostnet_core::unit::Seconds(1).after(inputs.now);
            }
        }
        Broken::GenerationStands => {
            if let Some(read) = changed.read_generation {
                changed.state.generation = read;
            }
        }
        _ => return Rc::clone(commit),
    }
    Rc::new(changed)
}

fn drain_everybody(commit: &mut Commit) {
    let at = Moment::from(commit.record.at);
    for pool in commit.state.pools.values_mut() {
        for member in pool.members.values_mut() {
            member.drain.get_or_insert(Drain {
                since: at,
                deadline: at,
                why: DrainReason::ScaleIn,
            });
        }
    }
}

fn resize(commit: &mut Commit, broken: Broken) {
    for pool in commit.record.pools.values_mut() {
        match broken {
            Broken::SizesOtherwise => pool.after = pool.after.saturating_add(1),
            _ => {}
        }
    }
}

/// Whether a step ends instances: for tests.
#[must_use]
pub fn ends(step: &Step) -> bool {
    matches!(step.action, Action::Terminate { .. })
}
