//! GhostNet itself as the one that decides: the policies, floors and guards of a pool, through `core::size`, as in production.
//!
//! What `size` is given is what a function would have seen: CloudWatch's datapoints of the load, who serves, who boots, what was
//! remembered. Not played: who is launched where, sick instances, spend caps, traffic that moves between sides.

use std::collections::BTreeMap;

use ghostnet_core::budget::{self, HOUR, TICK};
use ghostnet_core::decide::{CapacityCount, Flow, Served, open_windows};
use ghostnet_core::forecast::{Ahead, Learner};
use ghostnet_core::growth;
use ghostnet_core::id::PolicyId;
use ghostnet_core::policy::simple::Waits;
use ghostnet_core::sample::{Datapoint, Series};
use ghostnet_core::size::{SizeInput, Sizing, remember, size};
use ghostnet_core::spec::{FleetSpec, Metric, NamedMetric, OpenWindow, Policy, PoolSpec, Rule};
use ghostnet_core::state::PoolState;
use ghostnet_core::unit::{Finite, Seconds};
use jiff::Timestamp;

use crate::fleet::Stock;
use crate::foresight::{Foresight, Learning, MINUTE, predictive};
use crate::past::counted;
use crate::replay::{Look, Scaler, World};

/// Datapoints that are kept of each series: the most that a policy counts is a quarter of an hour of minutes.
const POINTS: usize = 16;
/// A pool of GhostNet that plays.
#[derive(Debug)]
pub struct GhostNet<'a> {
    spec: FleetSpec,
    pool: PoolSpec,
    room: u32,
    state: Option<PoolState>,
    feeds: Vec<Feed>,
    series: BTreeMap<PolicyId, Series>,
    sight: Sight<'a>,
    looking: Vec<PolicyId>,
    ahead: BTreeMap<PolicyId, Ahead>,
    has_schedules: bool,
    flow: Flow,
    served: u32,
    stock: Stock,
    last: Option<Sizing>,
}

/// How it comes to know what lies ahead.
#[derive(Debug)]
enum Sight<'a> {
    /// Not at all.
    None,
    /// It learns as it goes.
    Learning { learning: Learning, learner: Option<Box<Learner>> },
    /// It was learned before, from the same minutes in the same order.
    Learned(&'a Foresight),
}

/// What of a load a policy reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    /// Requests that all instances got in a period.
    Requests,
    /// Requests that each instance got in a period, on average.
    RequestsEach,
    /// How much of the instances was used, in percent, never above a hundred.
    Use,
}

#[derive(Debug)]
struct Feed {
    policy: PolicyId,
    reads: Reads,
    period: Seconds,
}

impl<'a> GhostNet<'a> {
    /// A pool of a fleet. Policies that measure what a load does not tell are left out: see [`GhostNet::left_out`].
    #[must_use]
    pub fn new(spec: &FleetSpec, pool: &PoolSpec, world: &World) -> Self {
        let sight = Learning::of(pool, world, &[]).map_or(Sight::None, |learning| Sight::Learning { learning, learner: None });
        Self::with(spec, pool, sight)
    }

    /// The same, where what it would learn was learned before.
    #[must_use]
    pub fn foreseeing(spec: &FleetSpec, pool: &PoolSpec, foresight: &'a Foresight) -> Self {
        Self::with(spec, pool, Sight::Learned(foresight))
    }

    fn with(spec: &FleetSpec, pool: &PoolSpec, sight: Sight<'a>) -> Self {
        let mut pool = pool.clone();
        let counted = counted(&pool);
        pool.policies.retain(|policy| is_played(policy, counted.as_ref()));
        let looking: Vec<PolicyId> = pool
            .policies
            .iter()
            .filter(|policy| predictive(&policy.rule).is_some())
            .map(|policy| policy.id.clone())
            .collect();
        let feed = |policy: &Policy| {
            if looking.contains(&policy.id) {
                return None;
            }
            let (reads, period) = reads(policy, counted.as_ref())?;
            Some(Feed {
                policy: policy.id.clone(),
                reads,
                period,
            })
        };
        let feeds: Vec<Feed> = pool.policies.iter().filter_map(feed).collect();
        let empty = |feed: &Feed| {
            let series = Series::Points {
                points: Vec::with_capacity(POINTS + 1),
                period: feed.period,
                partial: false,
                incomplete: Vec::new(),
            };
            (feed.policy.clone(), series)
        };
        Self {
            series: feeds.iter().map(empty).collect(),
            has_schedules: pool.policies.iter().any(|policy| matches!(policy.rule, Rule::Scheduled(_))),
            feeds,
            sight,
            looking,
            ahead: BTreeMap::new(),
            spec: spec.clone(),
            room: spec.maximum,
            state: None,
            flow: Flow::default(),
            served: 0,
            stock: Stock::default(),
            last: None,
            pool,
        }
    }

    /// The policies of a pool that cannot be played, because a load says nothing about what they measure.
    pub fn left_out(pool: &PoolSpec) -> impl Iterator<Item = &Policy> {
        let counted = counted(pool);
        pool.policies.iter().filter(move |policy| !is_played(policy, counted.as_ref()))
    }

    /// How the last size came about.
    #[must_use]
    pub fn last(&self) -> Option<&Sizing> {
        self.last.as_ref()
    }

    fn take_datapoints(&mut self, look: &Look<'_>) {
        for feed in &self.feeds {
            let is_whole = look.seconds.is_multiple_of(u64::from(feed.period.0)) && look.seconds > 0;
            let Some(Series::Points { points, .. }) = self.series.get_mut(&feed.policy).filter(|_| is_whole) else {
                continue;
            };
            let rate = look.rate(feed.period) * f64::from(feed.period.0);
            let used = look.used(feed.period);
            let value = match feed.reads {
                Reads::Requests => rate,
                Reads::RequestsEach => used * look.instance.capacity * f64::from(feed.period.0),
                Reads::Use => (100.0 * used).min(100.0),
            };
            let behind = Seconds(feed.period.0.saturating_add(look.delay.0));
            if let Some(value) = Finite::new(value) {
                points.truncate(POINTS - 1);
                let at = behind.before(look.now);
                points.insert(0, Datapoint { at, value });
            }
        }
    }

    /// Goes on with other settings of the same pool.
    pub fn retune(&mut self, spec: &FleetSpec, pool: &PoolSpec) {
        let fresh = Self::with(spec, pool, Sight::None);
        self.pool = fresh.pool;
    }

    fn look_ahead(&mut self, look: &Look<'_>) {
        let ahead = match &mut self.sight {
            Sight::None => return,
            Sight::Learning { learning, learner } => {
                let learner = learner.get_or_insert_with(|| Box::new(learning.learner(look.now)));
                let minute = (!look.rates.is_empty()).then(|| look.rate(MINUTE) * f64::from(MINUTE.0));
                learning.note(learner, minute, look.now)
            }
            Sight::Learned(foresight) => usize::try_from(look.seconds / u64::from(MINUTE.0))
                .ok()
                .and_then(|minute| foresight.at(minute, look.now)),
        };
        for policy in &self.looking {
            match &ahead {
                Some(ahead) => self.ahead.insert(policy.clone(), ahead.clone()),
                None => self.ahead.remove(policy),
            };
        }
    }

    /// The stopped ones that the pool's spec asks for beside so many that serve or boot to.
    fn stock_by(&self, state: &PoolState, there: u32) -> Stock {
        let Some(warm) = self.pool.warm else { return Stock::default() };
        let learned = growth::learned(state.growth.as_ref(), self.pool.warmup);
        Stock {
            size: warm.wanted(state.desired.max(there), self.pool.capacity.max, learned),
            takes_returns: warm.takes_returns,
        }
    }

    fn watch(&mut self, look: &Look<'_>) {
        let (recent, joined_lately) = (Flow::REACH.before(look.now), Flow::REACH_OF_EC2.before(look.now));
        self.flow.joined.retain(|since| *since > joined_lately);
        self.flow.left.retain(|served| served.until > recent);
        for _ in self.served..look.serving {
            self.flow.joined.push(look.now);
        }
        for _ in look.serving..self.served {
            // whoever came last leaves first, as far as a datapoint can tell
            let since = self.flow.joined.pop().unwrap_or(Timestamp::MIN);
            let until = look.now;
            self.flow.left.push(Served { since, until });
            self.flow.last_drain = Some(until);
        }
        self.served = look.serving;
    }
}

impl Scaler for GhostNet<'_> {
    fn decide(&mut self, look: &Look<'_>) -> u32 {
        if self.state.is_none() {
            self.served = look.serving;
        }
        self.take_datapoints(look);
        self.watch(look);
        self.look_ahead(look);
        let windows: BTreeMap<PolicyId, OpenWindow> = if self.has_schedules {
            open_windows(&self.pool, look.now)
        } else {
            BTreeMap::new()
        };
        let open = self.spec.open_removal_windows(look.now);
        let mut state = self.state.take().unwrap_or_else(|| PoolState::new(look.serving));
        let counts = CapacityCount {
            in_service: look.serving,
            pending: look.booting,
            ..CapacityCount::default()
        };
        let input = SizeInput {
            counts,
            range: self.pool.capacity,
            market: &self.pool.launch.market,
            policies: &self.pool.policies,
            reserve: &self.pool.reserve,
            guards: &self.pool.guards,
            mode: self.spec.mode,
            paused_until: None,
            retiring: false,
            traffic_floor: 0,
            ready_floor: 0,
            rests: false,
            measures_another: false,
            room: self.room,
            spend_room: None,
            series: &self.series,
            ahead: &self.ahead,
            windows: &windows,
            flow: &self.flow,
            window_removals: budget::window_removals_left(&open, &state),
            state: &state,
            waits: Waits::of(&self.pool),
            now: look.now,
        };
        let sizing = size(&input);
        let mut next = state.clone();
        remember(&sizing, &input, &mut next);
        state = next;
        growth::note(&mut state, &self.pool, look.now);
        self.stock = self.stock_by(&state, counts.capacity());
        let there = counts.capacity();
        budget::note(&mut state.launches, sizing.desired.saturating_sub(there), HOUR, look.now);
        let removed = there.saturating_sub(sizing.desired);
        budget::note(&mut state.removals, removed, TICK, look.now);
        budget::note_window_removals(&open, &mut state, removed);
        let desired = sizing.desired;
        self.state = Some(state);
        self.last = Some(sizing);
        desired
    }

    fn stock(&self) -> Stock {
        self.stock
    }

    fn why(&self) -> Option<String> {
        let sizing = self.last.as_ref()?;
        let votes = sizing
            .votes
            .iter()
            .filter(|vote| vote.capacity.is_some() && vote.capacity == sizing.recommended);
        let told = votes.map(|vote| format!("{}: {}", vote.policy, vote.told()));
        let limits = sizing.guards.iter().map(|outcome| outcome.guard.to_string());
        let all: Vec<String> = told.chain(limits).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

fn is_played(policy: &Policy, counted: Option<&Metric>) -> bool {
    matches!(policy.rule, Rule::Scheduled(_)) || reads(policy, counted).is_some()
}

/// What of a load a policy reads, of a pool for which this metric counts what comes in; none if a load does not tell it.
fn reads(policy: &Policy, counted: Option<&Metric>) -> Option<(Reads, Seconds)> {
    let measure = policy.rule.measure()?;
    if counted == Some(&measure.metric) && !matches!(measure.metric, Metric::Several { .. }) {
        return Some((Reads::Requests, measure.metric.period()));
    }
    let reads = match &measure.metric {
        Metric::Named { name, .. } => match name {
            NamedMetric::AlbRequestCount => Reads::Requests,
            NamedMetric::AlbRequestCountPerTarget => Reads::RequestsEach,
            NamedMetric::Cpu => Reads::Use,
            NamedMetric::NetworkIn
            | NamedMetric::NetworkOut
            | NamedMetric::Memory
            | NamedMetric::Disk
            | NamedMetric::ResponseTime
            | NamedMetric::ErrorRate => return None,
        },
        Metric::Stat(stat) => match (stat.name.as_str(), stat.statistic.as_str()) {
            ("RequestCount", "Sum") => Reads::Requests,
            ("RequestCountPerTarget", "Sum") => Reads::RequestsEach,
            ("CPUUtilization" | "cpu_usage_active", _) => Reads::Use,
            _ => return None,
        },
        Metric::Expression { .. } | Metric::Several { .. } => return None,
    };
    Some((reads, measure.metric.period()))
}
