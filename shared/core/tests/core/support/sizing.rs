//! One pool at one moment, ready to be sized.

use std::collections::BTreeMap;

use ghostnet_core::decide::{CapacityCount, Flow};
use ghostnet_core::forecast::Ahead;
use ghostnet_core::id::PolicyId;
use ghostnet_core::reason::{Guard, VoteReason};
use ghostnet_core::sample::Series;
use ghostnet_core::size::{SizeInput, Sizing, remember, size};
use ghostnet_core::spec::{FleetMode, OpenWindow, PoolSpec, Rule};
use ghostnet_core::state::{PoolState, Run};
use jiff::Timestamp;

use super::{Value, at, fresh, json, policy, spec};

/// What [`size`] is given. Ten instances in service and wanted, a history that is calm and long enough.
pub struct Pool {
    pub spec: PoolSpec,
    pub counts: CapacityCount,
    pub flow: Flow,
    pub state: PoolState,
    pub series: BTreeMap<PolicyId, Series>,
    pub ahead: BTreeMap<PolicyId, Ahead>,
    pub mode: FleetMode,
    pub paused_until: Option<Timestamp>,
    pub retiring: bool,
    pub traffic_floor: u32,
    pub ready_floor: u32,
    pub rests: bool,
    pub room: u32,
    pub spend_room: Option<u32>,
    pub window_removals: Option<(u32, Guard)>,
    pub now: Timestamp,
}

impl Pool {
    /// A pool between 1 and 100, without cooldowns, windows and other limits but those that `guards` sets.
    pub fn with(policies: Value, guards: Value) -> Self {
        Self::with_reserve(policies, guards, json!({}))
    }

    pub fn with_reserve(policies: Value, guards: Value, reserve: Value) -> Self {
        let mut all = json!({
            "cooldown": { "out": "0s", "in": "0s" },
            "stabilisation": { "out": "0s", "in": "0s" },
            "budgets": { "launch": { "per_tick": 1000, "per_hour": 1000 }, "removal": { "per_tick": 1000 } },
        });
        super::merge(&mut all, guards);
        let spec =
            spec(json!({ "policies": policies, "guards": all, "reserve": reserve, "defaults": { "capacity": { "min": 1, "max": 100 } } }));
        let counts = CapacityCount {
            in_service: 10,
            ..CapacityCount::default()
        };
        Self {
            spec: spec.pools.into_iter().next().unwrap(),
            counts,
            flow: Flow::default(),
            state: PoolState::new(10),
            series: BTreeMap::new(),
            ahead: BTreeMap::new(),
            mode: FleetMode::On,
            paused_until: None,
            retiring: false,
            traffic_floor: 0,
            ready_floor: 0,
            rests: false,
            room: u32::MAX,
            spend_room: None,
            window_removals: None,
            now: at(0),
        }
    }

    /// The pool of one target-tracking policy, 100 per instance.
    pub fn tracked(guards: Value) -> Self {
        Self::with(json!([super::tracking()]), guards)
    }

    /// The pool of one target-tracking policy, with a reserve.
    pub fn tracked_with(reserve: Value, guards: Value) -> Self {
        Self::with_reserve(json!([super::tracking()]), guards, reserve)
    }

    /// The policy `requests` reads this value.
    pub fn load(mut self, value: f64) -> Self {
        self.series.insert(policy("requests"), fresh(self.now, value));
        self
    }

    /// What was recommended before, in seconds before now.
    pub fn recommended(mut self, runs: &[(i64, u32)]) -> Self {
        self.state.recommended = runs
            .iter()
            .map(|(ago, capacity)| Run {
                since: at(-ago),
                capacity: *capacity,
            })
            .collect();
        self
    }

    pub fn change(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn windows(&self) -> BTreeMap<PolicyId, OpenWindow> {
        let open = |rule: &Rule| {
            if let Rule::Scheduled(scheduled) = rule {
                scheduled.schedule.open_window(self.now)
            } else {
                None
            }
        };
        self.spec
            .policies
            .iter()
            .filter_map(|policy| Some((policy.id.clone(), open(&policy.rule)?)))
            .collect()
    }

    /// What [`size`] is given.
    pub fn on<T>(&self, act: impl FnOnce(&SizeInput<'_>) -> T) -> T {
        act(&SizeInput {
            counts: self.counts,
            range: self.spec.capacity,
            market: &self.spec.launch.market,
            policies: &self.spec.policies,
            reserve: &self.spec.reserve,
            guards: &self.spec.guards,
            mode: self.mode,
            paused_until: self.paused_until,
            retiring: self.retiring,
            traffic_floor: self.traffic_floor,
            ready_floor: self.ready_floor,
            rests: self.rests,
            measures_another: false,
            room: self.room,
            spend_room: self.spend_room,
            series: &self.series,
            ahead: &self.ahead,
            windows: &self.windows(),
            flow: &self.flow,
            window_removals: self.window_removals,
            state: &self.state,
            waits: ghostnet_core::policy::simple::Waits::of(&self.spec),
            now: self.now,
        })
    }

    pub fn size(&self) -> Sizing {
        self.on(size)
    }

    /// Sizes and remembers, and lets time pass.
    pub fn step(&mut self, seconds: u32) -> Sizing {
        let (sizing, state) = self.on(|input| {
            let (sizing, mut state) = (size(input), self.state.clone());
            remember(&sizing, input, &mut state);
            (sizing, state)
        });
        self.state = state;
        self.now = ghostnet_core::unit::Seconds(seconds).after(self.now);
        sizing
    }

    /// The only policy's vote.
    pub fn vote(&self) -> (Option<u32>, VoteReason) {
        let vote = self.size().votes.into_iter().next().unwrap();
        (vote.capacity, vote.reason)
    }
}

/// Names of the guards that spoke.
pub fn guards(sizing: &Sizing) -> Vec<&'static str> {
    sizing.guards.iter().map(|outcome| outcome.guard.name()).collect()
}
