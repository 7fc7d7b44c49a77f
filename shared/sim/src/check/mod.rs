//! The checkers: what must hold at every step, judged from the truth and from what was committed, never from what the code
//! under test believes of itself.
//!
//! Each has a name, the number of its invariant (`docs/architecture.md` lists them), and a test in which a component that is
//! broken on purpose makes it speak: a check that cannot fail is a defect.

mod balancing;
mod calm;
mod decision;
mod discovery;
mod effect;
mod evidence;
mod fence;
pub(crate) mod holder;
mod learning;
mod mix;
mod order;
mod pace;
pub(crate) mod region;
mod same_size;
mod spend;
mod standby;
mod swap;
pub mod traffic;
mod tuning;

pub use balancing::on_tuned;
pub use calm::{is_right, no_orphans};
pub use discovery::{on_announced, on_withdrawn};
pub use effect::{Sent, on_deregistered, on_launched, on_left, on_registered, on_send, on_started, on_stopped, on_terminated};
pub(crate) use swap::belongs;

use std::collections::BTreeMap;
use std::fmt;

use ghostnet_core::id::{ClientToken, Epoch, FleetId, Generation, InstanceId, PlanId, PolicyId, PoolId, StepId};
use ghostnet_core::plan::{Action, Plan};
use ghostnet_core::reason::Finding;
use ghostnet_core::spec::FleetSpec;
use ghostnet_core::state::TrafficState;
use ghostnet_engine::invocation::{ReconcileError, Report};
use ghostnet_engine::port::{Commit, CommitResult};
use jiff::Timestamp;

use crate::clock::{HOUR, MINUTE, Millis, at};
use crate::world::World;

macro_rules! checks {
    ($($(#[$doc:meta])* $check:ident $invariant:literal $name:literal;)+) => {
        /// A checker.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Check {
            $($(#[$doc])* $check,)+
        }

        impl Check {
            /// Every checker.
            pub const ALL: &'static [Self] = &[$(Self::$check,)+];

            /// The number of its invariant; empty for the simulator's own.
            #[must_use]
            pub fn invariant(self) -> &'static str {
                match self { $(Self::$check => $invariant,)+ }
            }

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$check => $name,)+ }
            }
        }
    };
}

checks! {
    /// After the calm the fleet is right, whatever happened to which event.
    Converges "I1" "converges";
    /// Never more than the maximum, with what leaves never more than maximum and surge.
    Ceiling "I2" "ceiling";
    /// Never below the minimum by our own act.
    Floor "I3" "floor";
    /// Removals stay within their budget.
    RemovalBudget "I3" "removal-budget";
    /// No more leave in a removal window than it allows.
    RemovalWindow "I3" "removal-window";
    /// Terminated or stopped is only who was taken out of service in an earlier commit, and is out of every group.
    TwoPhases "I4" "two-phases";
    /// Who is kept warm is in no group.
    WarmRests "I20" "warm-rests";
    /// Who is well is replaced only when as many as are wanted serve without it.
    LaunchFirst "I3" "launch-first";
    /// Who may be busy is not terminated before its word or its deadline, where its pool waits for that word.
    WaitsForWord "I4" "waits-for-word";
    /// Where a pool waits for it, nobody enters service before its word.
    EntersReady "" "enters-ready";
    /// Fewer only on a fresh value that was really measured.
    FreshData "I5" "fresh-data";
    /// No removal after which the metric stands where it adds again.
    PostRemoval "I6" "post-removal";
    /// Nobody leaves by scale-in while a zone is out.
    ZoneHolds "I24" "zone-holds";
    /// Who leaves as sick was ailing.
    SickIsSick "I23" "sick-is-sick";
    /// Who leaves by scale-in is who the spec names first.
    LeavesInOrder "" "leaves-in-order";
    /// Who is protected stays, unless it is sick or AWS takes it.
    ProtectedStays "" "protected-stays";
    /// A fleet that only recommends or is paused takes no step, and one that only grows lets nobody leave.
    ModeHolds "" "mode-holds";
    /// A vote for more, or to hold, outweighs every vote for fewer.
    OutWins "I7" "out-wins";
    /// One step has one token, and no other step has it.
    Tokens "I8" "tokens";
    /// Nothing that a step launched is forgotten.
    NoOrphan "I9" "no-orphan";
    /// Who wrote is not told that somebody else did.
    OwnWrite "I10" "own-write";
    /// One active pool per epoch.
    OneActive "I12" "one-active";
    /// Traffic moves to a side where somebody answers, unless a person forces it.
    MovesToReady "I26" "moves-to-ready";
    /// Nothing but a side that is ill is left without being asked to.
    LeavesTheIll "I27" "leaves-the-ill";
    /// Where sides have their target groups in common, nobody enters but who takes the traffic, or is about to.
    EntersInTurn "I28" "enters-in-turn";
    /// Where only one side may ever serve, none is let in while anybody of another one is in, unless a person forces it.
    SingleWriter "I29" "single-writer";
    /// Nobody commits what was decided in an older epoch, or by an older spec.
    Fenced "I12" "fenced";
    /// Every act and every hold has its record.
    OnRecord "I13" "on-record";
    /// The recorded inputs give the recorded decision, bit for bit.
    Replay "I14" "replay";
    /// What an old event says decides nothing.
    OldEvent "I15" "old-event";
    /// Launches within the hour stay within the cap.
    LaunchCap "I16" "launch-cap";
    /// Growth stays within what the spend cap leaves of the day.
    SpendCap "I21" "spend-cap";
    /// Attributes that the spec names are as it says, and no other one is ever set.
    Balancing "I22" "balancing";
    /// Clients find whoever serves, at its address, and nobody else of ours.
    Discovery "I25" "discovery";
    /// Nothing that is not ours is touched.
    NothingForeign "I17" "nothing-foreign";
    /// Steps start inside their window, and only by its owner.
    Window "I18" "window";
    /// What is launched as spot keeps spot within its share, unless nothing can be had on demand.
    Mix "I19" "market-mix";
    /// A step never launches more than it asked for.
    NoDoubleLaunch "I8" "no-double-launch";
    /// Generations and epochs only grow.
    Monotone "" "monotone";
    /// A simple policy cools down between its changes.
    Pace "" "pace";
    /// What is learned of an instance is never more than it can do.
    Learns "" "learns";
    /// Settings that were found are gone by where the spec says so, and nowhere else.
    Tunes "" "tunes";
    /// `core::size` counts as `reconcile` did.
    SameSize "" "same-size";
    /// The spine's own audit never has to refuse a decision.
    AuditPasses "" "audit-passes";
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.invariant() {
            "" => f.write_str(self.name()),
            invariant => write!(f, "{invariant} {}", self.name()),
        }
    }
}

/// An invariant that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub check: Check,
    /// When.
    pub at: Millis,
    /// What happened.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:.3}: {}", self.check, at(self.at), self.detail)
    }
}

/// What the checkers remember.
#[derive(Debug, Default)]
pub struct Watch {
    /// What was broken so far.
    pub violations: Vec<Violation>,
    /// Datapoints that a broken store made up.
    pub invented: u64,
    steps: BTreeMap<StepId, Committed>,
    plans: BTreeMap<String, BTreeMap<FleetId, Plan>>,
    /// Requests that are over: what they sent may still land.
    over: Vec<(Millis, String)>,
    tokens: BTreeMap<ClientToken, StepId>,
    removals: BTreeMap<(FleetId, PoolId), Vec<Removal>>,
    /// Scale-in drains by fleet, pool, opening of a removal window, and how many it allows.
    window_removals: BTreeMap<(FleetId, PoolId, Timestamp, u32), u32>,
    /// What each fleet has spent, by the lists that its decisions saw.
    spent: BTreeMap<FleetId, spend::Spent>,
    paces: BTreeMap<(FleetId, PoolId, PolicyId), (std::cmp::Ordering, Timestamp)>,
    /// Specs that ceased to hold, and when: for a while launches of them may still land.
    old_specs: Vec<(Millis, FleetSpec)>,
    /// Specs of a restored table, which hold until their fleet is applied again.
    restored_specs: BTreeMap<FleetId, FleetSpec>,
    /// By which decision, and when, each drain became what it is.
    drained: BTreeMap<InstanceId, (Millis, PlanId)>,
    /// When each fleet was last seen paused.
    paused_at: BTreeMap<FleetId, Millis>,
    restored_at: Option<Millis>,
    actives: BTreeMap<(FleetId, Epoch), PoolId>,
    sides: traffic::Sides,
}

/// A step as it was committed.
#[derive(Debug)]
struct Committed {
    fleet: FleetId,
    pool: PoolId,
    /// Who may send it now.
    owner: String,
    /// When it was first committed.
    at: Timestamp,
    /// For a launch: how many were asked for, and how many came.
    asked: u32,
    launched: u32,
    token: Option<ClientToken>,
}

#[derive(Debug, Clone, Copy)]
struct Removal {
    at: Timestamp,
    count: u32,
    size: u32,
}

impl Watch {
    fn add(&mut self, check: Check, at: Millis, detail: String) {
        self.violations.push(Violation { check, at, detail });
    }

    /// The owner applied another spec; for a while launches of the old one may still land.
    pub fn spec_changed(&mut self, old: &FleetSpec, now: Millis) {
        self.old_specs.push((now, old.clone()));
        let restored = self.restored_specs.remove(&old.id);
        self.old_specs.extend(restored.map(|spec| (now, spec)));
    }

    /// The table is an older one: what it forgot is nobody's fault, and its specs hold again.
    pub fn restored(&mut self, specs: Vec<FleetSpec>, now: Millis) {
        self.restored_at = Some(now);
        for spec in specs {
            let before = self.restored_specs.insert(spec.id.clone(), spec);
            self.old_specs.extend(before.map(|spec| (now, spec)));
        }
        self.actives.clear();
        self.tokens.clear();
        self.removals.clear();
        self.window_removals.clear();
        self.paces.clear();
    }

    /// Whether the table was ever restored.
    #[must_use]
    pub fn was_restored(&self) -> bool {
        self.restored_at.is_some()
    }

    /// Whether the table forgot something that happened after this.
    fn forgot_after(&self, at: Millis) -> bool {
        self.restored_at.is_some_and(|restored| at <= restored)
    }

    /// Whether the table forgot something within this time.
    fn forgot_within(&self, span: Millis, now: Millis) -> bool {
        self.restored_at.is_some_and(|at| now - at < span)
    }

    /// Forgets what no check looks at any more.
    pub fn forget(&mut self, now: Millis) {
        let old = at(now - 2 * HOUR);
        self.steps.retain(|_, step| step.at >= old);
        let steps = &self.steps;
        self.tokens.retain(|_, step| steps.contains_key(step));
        self.removals.retain(|_, removals| {
            removals.retain(|removal| removal.at >= at(now - 5 * MINUTE));
            !removals.is_empty()
        });
        self.window_removals
            .retain(|(_, _, since, _), _| *since >= at(now - 40 * 24 * HOUR));
        self.drained.retain(|_, (at, _)| now - *at < 2 * HOUR);
        self.old_specs.retain(|(until, _)| now - until < 2 * HOUR);
        let landed = |(over, _): &(Millis, String)| now - over >= 5 * MINUTE;
        for (_, request) in self.over.iter().filter(|request| landed(request)) {
            self.plans.remove(request);
        }
        self.over.retain(|request| !landed(request));
        let newest: BTreeMap<FleetId, Epoch> = self.actives.keys().cloned().collect();
        self.actives.retain(|(fleet, epoch), _| newest.get(fleet) == Some(epoch));
    }

    /// An invocation is over: its plans are nobody's to carry out any more.
    pub fn invocation_over(&mut self, request: &str, now: Millis) {
        self.over.push((now, request.to_owned()));
    }
}

/// The specs of a fleet by which something may be done now: the one that holds, those that held until lately, and the one
/// that a restored table brought back.
fn specs_of<'a>(world: &'a World, fleet: &'a FleetId) -> impl Iterator<Item = &'a FleetSpec> {
    let watch = &world.watch;
    let old = watch.old_specs.iter().map(|(_, spec)| spec).filter(move |spec| spec.id == *fleet);
    let now = world.fleets.get(fleet).map(|fleet| &fleet.spec);
    old.chain(watch.restored_specs.get(fleet)).chain(now)
}

/// A commit was written.
pub fn on_committed(world: &mut World, commit: &Commit, before: Option<Generation>, request: &str) {
    if before.is_some_and(|before| commit.state.generation <= before) {
        let detail = format!("{} went from generation {before:?} to {}", commit.fleet, commit.state.generation);
        world.watch.add(Check::Monotone, world.now, detail);
    }
    let decided_in = commit.record.inputs.as_ref().map(|inputs| inputs.traffic.epoch);
    let epoch = world.table.fleets.get(&commit.fleet).map(|items| items.traffic.epoch);
    if decided_in.zip(epoch).is_some_and(|(decided_in, epoch)| decided_in != epoch) {
        let detail = format!("{} was decided in epoch {decided_in:?} and committed in {epoch:?}", commit.fleet);
        world.watch.add(Check::Fenced, world.now, detail);
    }
    let decided_by = commit.record.inputs.as_ref().map(|inputs| inputs.spec_version);
    let version = world.table.fleets.get(&commit.fleet).map(|items| items.spec.version);
    if decided_by.zip(version).is_some_and(|(decided_by, version)| decided_by != version) {
        let detail = format!(
            "{} was decided by spec {decided_by:?} and committed under {version:?}",
            commit.fleet
        );
        world.watch.add(Check::Fenced, world.now, detail);
    }
    remember_steps(world, commit, request);
    remember_drains(world, commit);
    decision::judge(world, commit);
}

fn remember_steps(world: &mut World, commit: &Commit, request: &str) {
    let (watch, now) = (&mut world.watch, world.now);
    for step in &commit.record.plan.steps {
        let (asked, token) = match &step.action {
            Action::Launch(launch) => (launch.count, Some(launch.token.clone())),
            _ => (0, None),
        };
        if let Some(token) = &token {
            let other = watch
                .tokens
                .insert(token.clone(), step.id.clone())
                .filter(|other| *other != step.id);
            if let Some(other) = other {
                watch.add(Check::Tokens, now, format!("{} and {other} have one token", step.id));
            }
            if token.as_str().len() > 64 || !token.as_str().is_ascii() {
                watch.add(
                    Check::Tokens,
                    now,
                    format!("token {} is longer than 64 or not ASCII", token.as_str()),
                );
            }
        }
        let committed = watch.steps.entry(step.id.clone()).or_insert_with(|| Committed {
            fleet: commit.fleet.clone(),
            pool: step.pool.clone(),
            owner: String::new(),
            at: commit.record.at,
            asked,
            launched: 0,
            token: token.clone(),
        });
        committed.owner = request.to_owned();
    }
    let plans = watch.plans.entry(request.to_owned()).or_default();
    plans.insert(commit.fleet.clone(), commit.record.plan.clone());
}

fn remember_drains(world: &mut World, commit: &Commit) {
    let Some(inputs) = &commit.record.inputs else { return };
    let now = world.now;
    for (pool, next) in &commit.state.pools {
        let before = |id: &InstanceId| inputs.state.pools.get(pool).and_then(|pool| pool.members.get(id)?.drain);
        let changed = next
            .members
            .iter()
            .filter(|(id, member)| member.drain.is_some() && member.drain != before(id));
        let drained = changed.map(|(id, _)| (id.clone(), (now, commit.record.id.clone())));
        world.watch.drained.extend(drained);
    }
}

/// A commit was refused by its conditions, or found to be written already.
pub fn on_refused(world: &mut World, commit: &Commit, own: bool, told: CommitResult) {
    if own && told == CommitResult::Conflict {
        let detail = format!("{} was told that somebody else wrote what it wrote itself", commit.writer);
        world.watch.add(Check::OwnWrite, world.now, detail);
    }
}

/// The traffic state was written.
pub fn on_traffic(watch: &mut Watch, now: Millis, fleet: &FleetId, traffic: &TrafficState) {
    let newest = watch.actives.keys().filter(|(of, _)| of == fleet).map(|(_, epoch)| *epoch).max();
    if newest.is_some_and(|newest| traffic.epoch < newest) {
        watch.add(Check::Monotone, now, format!("{fleet} went back to epoch {}", traffic.epoch.0));
    }
    let key = (fleet.clone(), traffic.epoch);
    let other = watch
        .actives
        .insert(key, traffic.active.clone())
        .filter(|other| *other != traffic.active);
    if let Some(other) = other {
        let detail = format!("{other} and {} are active in epoch {} of {fleet}", traffic.active, traffic.epoch.0);
        watch.add(Check::OneActive, now, detail);
    }
}

/// A look ended.
pub fn on_report(world: &mut World, fleet: &FleetId, result: &Result<Report, ReconcileError>) {
    let now = world.now;
    match result {
        Err(error @ (ReconcileError::Audit(_) | ReconcileError::Spec(_) | ReconcileError::Record(_))) => {
            world.watch.add(Check::AuditPasses, now, format!("{fleet}: {error}"));
        }
        Ok(report) if !report.committed && !world.watch.forgot_within(5 * MINUTE, now) => {
            let hold = report.decision.state.last_hold.as_ref();
            let items = world.table.fleets.get(fleet);
            let on_record = hold.is_none_or(|hold| items.is_some_and(|items| items.records.contains_key(&hold.record)));
            // a look that changed nothing after an act has that act's record
            if !on_record
                || (hold.is_none() && report.decision.plan.steps.is_empty() && items.is_some_and(|items| items.records.is_empty()))
            {
                world.watch.add(Check::OnRecord, now, format!("{fleet}: a hold without a record"));
            }
        }
        _ => {}
    }
}

/// A commit in a few words, for the log.
#[must_use]
pub fn summary(commit: &Commit) -> String {
    let mut text = String::new();
    for (pool, decided) in &commit.record.pools {
        let counts = &decided.counts;
        text.push_str(&format!(
            "{pool} {} -> {} ({} in service, {} warming, {} coming, {} leaving, {} sick)",
            decided.before,
            decided.after,
            counts.in_service,
            counts.warming_serving,
            counts.coming(),
            counts.draining,
            counts.unhealthy
        ));
        for vote in &decided.votes {
            let asked = vote.capacity.map_or_else(|| "-".to_owned(), |capacity| capacity.to_string());
            text.push_str(&format!("; `{}` {asked}: {}", vote.policy, vote.told()));
        }
        for outcome in &decided.guards {
            text.push_str(&format!("; {} {} -> {}", outcome.guard.name(), outcome.before, outcome.after));
        }
        for finding in &decided.findings {
            text.push_str(&format!("; {finding}"));
        }
        text.push_str(". ");
    }
    for step in &commit.record.plan.steps {
        let ids: Vec<&str> = step.action.instances().into_iter().map(InstanceId::as_str).collect();
        let count = if let Action::Launch(launch) = &step.action {
            launch.count.to_string()
        } else {
            ids.join(" ")
        };
        text.push_str(&format!("{} {count} ({}); ", step.action.kind(), step.id));
    }
    text
}

/// What of a commit a person would tell: sizes that changed and why, who leaves, what is launched.
#[must_use]
pub fn story(commit: &Commit) -> Vec<String> {
    let mut lines = Vec::new();
    for (pool, decided) in &commit.record.pools {
        if decided.before != decided.after {
            let voted = decided.votes.iter().max_by_key(|vote| vote.capacity);
            let why = decided.guards.last().map(|outcome| outcome.guard.to_string());
            let why = why
                .or_else(|| voted.map(|vote| format!("`{}`: {}", vote.policy, vote.told())))
                .unwrap_or_default();
            lines.push(format!(
                "{}: {pool} {} -> {}, {why}",
                commit.record.function, decided.before, decided.after
            ));
        }
        let telling = |finding: &&Finding| !matches!(finding, Finding::ForeignTarget { .. } | Finding::ForeignRegistrations { .. });
        lines.extend(decided.findings.iter().filter(telling).map(ToString::to_string));
    }
    for step in &commit.record.plan.steps {
        if let Action::Launch(launch) = &step.action {
            lines.push(format!("launch {} in {}", launch.count, launch.place.zone));
        }
    }
    lines
}
