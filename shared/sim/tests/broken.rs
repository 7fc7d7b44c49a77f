//! For every checker a component that is broken on purpose, which makes that checker speak: a check that cannot fail is a
//! defect.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its world should stop there")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use ghostnet_core::audit::Violation;
use ghostnet_core::id::Epoch;
use ghostnet_core::state::TrafficState;
use ghostnet_engine::invocation::ReconcileError;
use ghostnet_sim::broken::Broken;
use ghostnet_sim::check::{Check, on_report, on_traffic};
use ghostnet_sim::fault::{Fault, Faults};
use ghostnet_sim::log::Log;
use ghostnet_sim::run::{Setup, run};
use ghostnet_sim::world::World;

/// Seeds that are tried until the component was needed.
const SEEDS: u64 = 200;

/// A broken component, the faults that bring it into play, and what must be said first.
struct Case {
    broken: Broken,
    faults: &'static [(Fault, u32)],
    speaks: Check,
    /// What it must say, where it judges more than one thing.
    says: &'static str,
    /// Others that speak of the same thing.
    too: &'static [Check],
}

const RESENT: &[(Fault, u32)] = &[(Fault::SdkRetry, 100), (Fault::LostReply, 20), (Fault::LoadSpike, 8)];
const DOWN: &[(Fault, u32)] = &[(Fault::SideDown, 40)];
const RENEWED: &[(Fault, u32)] = &[(Fault::NewTemplate, 60), (Fault::Refresh, 40)];
const SLOW: &[(Fault, u32)] = &[(Fault::SlowCall, 250), (Fault::TickTwice, 30), (Fault::LoadSpike, 8)];
const NONE: &[(Fault, u32)] = &[(Fault::LoadSpike, 8)];

fn cases() -> Vec<Case> {
    let case = |broken, faults, speaks, too| Case {
        broken,
        faults,
        speaks,
        says: "",
        too,
    };
    let saying = |broken, faults, speaks, says| Case {
        says,
        ..case(broken, faults, speaks, &[])
    };
    vec![
        case(Broken::NothingRegisters, NONE, Check::Converges, &[]),
        case(Broken::NothingTunes, NONE, Check::Balancing, &[]),
        case(Broken::TunesUnnamed, &[(Fault::ForeignAttribute, 20)], Check::Balancing, &[]),
        case(Broken::NothingWithdraws, NONE, Check::Converges, &[Check::Discovery]),
        case(Broken::AddressInvented, NONE, Check::Discovery, &[]),
        case(
            Broken::RegistrationsHidden,
            NONE,
            Check::Converges,
            &[Check::TwoPhases, Check::Discovery],
        ),
        case(Broken::LeaversHidden, NONE, Check::TwoPhases, &[]),
        case(Broken::LaunchesTooMany, NONE, Check::Ceiling, &[]),
        case(Broken::DrainsBelowMinimum, NONE, Check::Floor, &[Check::RemovalWindow]),
        case(
            Broken::DrainsInOutage,
            &[(Fault::ZonalShift, 30)],
            Check::ZoneHolds,
            &[
                Check::Floor,
                Check::RemovalBudget,
                Check::RemovalWindow,
                Check::TwoPhases,
                Check::Converges,
            ],
        ),
        case(Broken::DrainsAnother, NONE, Check::LeavesInOrder, &[]),
        case(Broken::RenewsTooEarly, NONE, Check::LaunchFirst, &[]),
        case(Broken::DrainsAllAtOnce, NONE, Check::RemovalBudget, &[]),
        case(Broken::TerminatesUndrained, NONE, Check::TwoPhases, &[]),
        case(Broken::StopsServing, NONE, Check::TwoPhases, &[]),
        case(Broken::RegistersKept, NONE, Check::WarmRests, &[]),
        case(
            Broken::MissingIsZero,
            &[(Fault::MetricMissing, 15), (Fault::MetricLate, 8)],
            Check::FreshData,
            &[],
        ),
        case(Broken::ShrinksTooFar, &[], Check::PostRemoval, &[Check::SameSize]),
        case(Broken::ShrinksAgainstVotes, NONE, Check::OutWins, &[Check::SameSize]),
        case(Broken::TokensDropped, NONE, Check::Tokens, &[]),
        case(Broken::FinishedInvented, NONE, Check::WaitsForWord, &[]),
        case(Broken::ImpairedInvented, NONE, Check::SickIsSick, &[]),
        case(Broken::HeartbeatsLost, NONE, Check::SickIsSick, &[]),
        case(Broken::FailuresInvented, NONE, Check::SickIsSick, &[]),
        case(Broken::ReadyInvented, NONE, Check::EntersReady, &[]),
        case(Broken::ListHides, NONE, Check::NoOrphan, &[Check::Converges]),
        case(Broken::SilenceIsEmpty, &[(Fault::RegionSilent, 8)], Check::Ceiling, &[]),
        saying(Broken::RegionsHidden, NONE, Check::NothingForeign, "is asked for what is in"),
        case(Broken::OwnWriteForgotten, RESENT, Check::OwnWrite, &[]),
        case(
            Broken::EpochIgnored,
            &[(Fault::TrafficMoved, 200), (Fault::SlowCall, 250), (Fault::LoadSpike, 8)],
            Check::Fenced,
            &[],
        ),
        case(Broken::RecordOfAnother, NONE, Check::OnRecord, &[]),
        case(Broken::InputsChanged, NONE, Check::Replay, &[]),
        case(
            Broken::FollowsOldNotice,
            &[(Fault::RebalanceHint, 20), (Fault::SpotReclaim, 1), (Fault::EventLate, 8)],
            Check::OldEvent,
            &[],
        ),
        case(
            Broken::FollowsOldRequest,
            &[(Fault::OperatorSize, 20), (Fault::EventLate, 8)],
            Check::OldEvent,
            &[Check::SameSize],
        ),
        case(
            Broken::FollowsOldRefresh,
            &[(Fault::Refresh, 20), (Fault::EventLate, 8)],
            Check::OldEvent,
            &[],
        ),
        case(Broken::ForgetsToWait, NONE, Check::Pace, &[]),
        case(
            Broken::LaunchesForgotten,
            &[(Fault::TerminatedByHand, 150), (Fault::SpotNoNotice, 150)],
            Check::LaunchCap,
            &[],
        ),
        case(
            Broken::ForeignListed,
            &[(Fault::ForeignInstallation, 8)],
            Check::NothingForeign,
            &[],
        ),
        case(Broken::SpotHidden, NONE, Check::Mix, &[]),
        case(Broken::ReservationsIdle, NONE, Check::Mix, &[]),
        case(
            Broken::ClockStands,
            &[(Fault::SlowCall, 250), (Fault::LoadSpike, 8)],
            Check::Window,
            &[],
        ),
        case(Broken::TokensForgotten, RESENT, Check::NoDoubleLaunch, &[]),
        case(Broken::GenerationStands, NONE, Check::Monotone, &[]),
        case(Broken::WindowsForgotten, NONE, Check::RemovalWindow, &[]),
        case(Broken::OutgrowsSpend, NONE, Check::SpendCap, &[Check::SameSize]),
        case(Broken::LearnsTwice, NONE, Check::Learns, &[]),
        case(Broken::TuningForgotten, NONE, Check::Tunes, &[]),
        case(Broken::NothingShifts, DOWN, Check::Converges, &[Check::OneActive]),
        case(Broken::HealthInvented, DOWN, Check::MovesToReady, &[]),
        case(Broken::IllnessInvented, NONE, Check::LeavesTheIll, &[]),
        saying(
            Broken::FenceUnread,
            &[(Fault::OperatorMoves, 40), (Fault::TerminatedByHand, 150)],
            Check::SingleWriter,
            "would bring somebody to",
        ),
        saying(
            Broken::FencedHidden,
            &[(Fault::OperatorMoves, 40)],
            Check::SingleWriter,
            "is let in, and of",
        ),
        case(Broken::SizesOtherwise, NONE, Check::SameSize, &[]),
        saying(Broken::TerminatesAtOnce, NONE, Check::TwoPhases, "in the decision that drained it"),
        saying(Broken::NothingDeregisters, NONE, Check::TwoPhases, "while it is registered"),
        saying(Broken::DeregistersAll, NONE, Check::Floor, "stay, and the minimum is"),
        saying(Broken::HealthyAtOnce, RENEWED, Check::LaunchFirst, "truly serve"),
        saying(
            Broken::DeregistersForeign,
            &[(Fault::ForeignTarget, 40), (Fault::LoadSpike, 8)],
            Check::NothingForeign,
            "is deregistered",
        ),
        saying(
            Broken::RegistersForeign,
            &[(Fault::ForeignInstallation, 8)],
            Check::NothingForeign,
            "is registered",
        ),
        saying(
            Broken::StartsForeign,
            &[(Fault::ForeignInstallation, 8), (Fault::LoadSpike, 8)],
            Check::NothingForeign,
            "is started",
        ),
        saying(Broken::SetsForeignRule, DOWN, Check::NothingForeign, "no fleet names it"),
        saying(Broken::LeadsAstray, NONE, Check::OneActive, "takes the traffic"),
        saying(
            Broken::WindowsCutShort,
            &[(Fault::SlowCall, 2_000), (Fault::TickTwice, 2_000), (Fault::LoadSpike, 8)],
            Check::Window,
            "and belongs to",
        ),
        saying(Broken::LostIsWon, SLOW, Check::Window, "is in no plan that"),
        saying(
            Broken::FailoverClockStands,
            &[(Fault::SideDown, 40), (Fault::SlowCall, 250)],
            Check::Window,
            "outside a window of its own",
        ),
        saying(Broken::GenerationIgnored, SLOW, Check::Monotone, "from generation"),
        saying(
            Broken::SpecVersionIgnored,
            &[(Fault::SpecChanged, 200), (Fault::SlowCall, 250)],
            Check::Fenced,
            "by spec",
        ),
        saying(
            Broken::TrafficVersionIgnored,
            &[(Fault::SideDown, 40), (Fault::SlowCall, 250), (Fault::TickTwice, 30)],
            Check::Monotone,
            "from traffic version",
        ),
        saying(Broken::EpochStands, DOWN, Check::OneActive, "are active in epoch"),
        saying(Broken::TrafficInputsChanged, DOWN, Check::Replay, "the traffic record"),
        saying(Broken::HoldsUnrecorded, NONE, Check::OnRecord, "a hold without a record"),
        saying(
            Broken::IdleInvented,
            &[(Fault::SideDown, 40), (Fault::ForeignRouting, 60), (Fault::LoadSpike, 8)],
            Check::FreshData,
            "and nobody voted",
        ),
        saying(Broken::IdleHidden, DOWN, Check::Converges, "only stands by with"),
        case(Broken::EntryInvented, NONE, Check::EntersInTurn, &[]),
        case(Broken::SpecUnreadable, NONE, Check::AuditPasses, &[]),
        case(
            Broken::ProtectionHidden,
            &[(Fault::Protected, 100), (Fault::LoadSpike, 8)],
            Check::ProtectedStays,
            &[],
        ),
        case(
            Broken::ModeHidden,
            &[(Fault::ModeChanged, 60), (Fault::LoadSpike, 8)],
            Check::ModeHolds,
            &[Check::Replay, Check::SameSize],
        ),
    ]
}

fn setup(seed: u64, faults: &[(Fault, u32)], broken: Option<Broken>) -> Setup {
    Setup {
        exactly: Some(faults.iter().copied().collect::<BTreeMap<_, _>>()),
        broken,
        ..Setup::of(seed, 150)
    }
}

#[test]
fn every_broken_component_makes_its_checker_speak() {
    let (cases, next) = (cases(), AtomicUsize::new(0));
    let judge_all = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            speaks(case);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(judge_all);
        }
    });
}

fn speaks(case: &Case) {
    let outcomes = (1..=SEEDS).map(|seed| run(&setup(seed, case.faults, Some(case.broken))));
    let spoken = outcomes.into_iter().find(|outcome| !outcome.violations.is_empty());
    let Some(outcome) = spoken else {
        panic!("{:?}: nobody spoke in {SEEDS} worlds", case.broken)
    };
    let first = outcome.violations.first().unwrap();
    assert_eq!(first.check, case.speaks, "{:?}, seed {}: {first}", case.broken, outcome.seed);
    assert!(
        first.detail.contains(case.says),
        "{:?}, seed {}: {first}",
        case.broken,
        outcome.seed
    );
    let others: BTreeSet<Check> = outcome.violations.iter().map(|violation| violation.check).collect();
    let expected = |check: &Check| *check == case.speaks || case.too.contains(check);
    assert!(others.iter().all(expected), "{:?}: {others:?}", case.broken);
    // the same world without the broken part is well: it is the part that speaks, not the faults
    let whole = run(&setup(outcome.seed, case.faults, None));
    assert_eq!(whole.violations, [], "seed {} without {:?}", outcome.seed, case.broken);
}

#[test]
fn old_reads_are_harmless_because_commits_are_conditional() {
    for seed in 1..=5 {
        let outcome = run(&setup(seed, NONE, Some(Broken::StaleReads)));
        assert_eq!(outcome.violations, [], "seed {seed}");
    }
}

fn quiet_world() -> World {
    World::new(1, Faults::exactly(1, &BTreeMap::new()), Log::new(false))
}

fn traffic(epoch: u64, active: &str) -> TrafficState {
    TrafficState {
        schema: 1,
        epoch: Epoch(epoch),
        active: active.parse().unwrap(),
        floors: BTreeMap::new(),
        version: 0,
        sides: BTreeMap::new(),
        shift: None,
        moved: None,
        degraded: None,
        spread: None,
        drill: None,
        fence: None,
        serves_until: None,
        holder: None,
        gave_up_at: None,
    }
}

#[test]
fn two_active_pools_in_one_epoch_and_an_epoch_that_goes_back() {
    for (situation, second, speaks) in [
        ("the same again", traffic(2, "blue"), None),
        ("the next epoch", traffic(3, "green"), None),
        ("two in one epoch", traffic(2, "green"), Some(Check::OneActive)),
        ("an older epoch", traffic(1, "blue"), Some(Check::Monotone)),
    ] {
        let mut world = quiet_world();
        let fleet = "web".parse().unwrap();
        on_traffic(&mut world.watch, 0, &fleet, &traffic(2, "blue"));
        on_traffic(&mut world.watch, 0, &fleet, &second);
        let spoken: Vec<Check> = world.watch.violations.iter().map(|violation| violation.check).collect();
        assert_eq!(spoken, Vec::from_iter(speaks), "{situation}");
    }
}

#[test]
fn a_decision_that_audit_refuses_is_a_violation() {
    let mut world = quiet_world();
    let refused = Violation {
        invariant: "I2".into(),
        detail: "too many".into(),
        pool: None,
    };
    on_report(&mut world, &"web".parse().unwrap(), &Err(ReconcileError::Audit(vec![refused])));
    assert_eq!(world.watch.violations.first().unwrap().check, Check::AuditPasses);
}

#[test]
fn every_checker_has_a_case() {
    let covered: BTreeSet<Check> = cases().iter().map(|case| case.speaks).collect();
    let without: Vec<Check> = Check::ALL.iter().copied().filter(|check| !covered.contains(check)).collect();
    assert_eq!(without, []);
}
