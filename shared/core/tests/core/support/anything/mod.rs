//! Any situation that the table and AWS could present, plausible or not.

mod member;
mod signal;
mod spec;

pub use self::spec::any_spec;

use self::member::*;
use self::signal::*;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ghostnet_core::adaptive::{Adapted, Imbalance};
use ghostnet_core::id::{
    ClientToken, Generation, InstallationId, InstanceId, InstanceType, PlanId, PoolId, ServiceId, SpecVersion, StepId, StepNumber,
    SubnetId, Zone,
};
use ghostnet_core::observation::{
    ExhaustedOffering, Instance, InstanceState, Market, Observation, Offering, Place, Registrar, Registration, Target, TargetHealth, Told,
    Word, tag,
};
use ghostnet_core::operator::{Asked, Evacuation, OperatorRequest, Wish};
use ghostnet_core::plan::{Action, Launch, OpenStep, Refusal, Step};
use ghostnet_core::policy::simple::{Adjustment, Way};
use ghostnet_core::rating::{Rating, Still};
use ghostnet_core::reason::Direction;
use ghostnet_core::record::Inputs;
use ghostnet_core::refresh::{Back, Ended, LastAsked, Refresh, RefreshRequest};
use ghostnet_core::sample::{Loads, Readings, Series};
use ghostnet_core::signal::{Interruption, InterruptionKind, Signal};
use ghostnet_core::spec::{Algorithm, Attribute, FleetSpec, PoolSpec, RawFleetSpec, Reservation, TemplateVersion};
use ghostnet_core::state::{
    CapacityState, Drain, DrainReason, Growth, LaunchBackoff, LaunchRefused, Member, Pause, Peaks, PoolState, RenewReason, Run, Spend,
    Tally, TrafficState, Turning, Unready, Warm, WarmPhase,
};
use ghostnet_core::unit::{Moment, Percent, Seconds};
use jiff::Timestamp;

use super::{Tape, Value, at, busy, group, json, minutes, partial, policy, pool, raw, resolved};

/// Any situation of this spec.
pub fn any_inputs(tape: &mut Tape<'_>, raw: RawFleetSpec) -> Inputs {
    let spec = FleetSpec::check(&raw).unwrap();
    let now = at(0);
    let mut made = Made {
        now,
        observation: Observation::unknown(now),
        state: CapacityState::new(&spec, ago(tape, 10_000)),
        launches: 0,
    };
    made.state.generation = Generation(7);
    made.state.pause = tape.maybe(8, |tape| Pause {
        by: "me".into(),
        reason: "no".into(),
        since: now,
        until: about(tape, 60),
    });
    made.state.spend = tape.maybe(2, |tape| Spend {
        at: ago(tape, 90_000).into(),
        spent: u64::from(tape.below(1_000)) * 1_000_000 * 900,
        rate: u64::from(tape.below(20)) * 1_000_000,
    });
    made.observation.instances = Some(Vec::new());
    made.observation.impaired = (!tape.once_in(4)).then(BTreeMap::new);
    for pool in &spec.pools {
        made.pool(tape, pool);
    }
    if tape.once_in(12) {
        made.observation.instances = None;
    }
    let Made { observation, state, .. } = made;
    let mut traffic = TrafficState::first(&spec).unwrap();
    traffic.floors.extend(tape.maybe(8, |tape| (pool("blue"), tape.below(12))));
    let known: Vec<InstanceId> = state.pools.values().flat_map(|pool| pool.members.keys().cloned()).collect();
    let listed: Vec<InstanceId> = observation.instances.iter().flatten().map(|instance| instance.id.clone()).collect();
    Inputs {
        installation: InstallationId::new("inst"),
        spec_version: SpecVersion(1),
        spec: raw.into(),
        resolved: resolved(),
        retiring: tape.once_in(10),
        state,
        traffic,
        signal: any_signal(tape, &known, &listed),
        observation,
        now,
        execute_until: Seconds(30).after(now),
        plan_id: PlanId::new("plan-now"),
    }
}

fn ago(tape: &mut Tape<'_>, seconds: u32) -> Timestamp {
    Seconds(tape.below(seconds)).before(at(0))
}

fn about(tape: &mut Tape<'_>, seconds: u32) -> Timestamp {
    at(i64::from(tape.below(2 * seconds)) - i64::from(seconds))
}

struct Made {
    now: Timestamp,
    observation: Observation,
    state: CapacityState,
    launches: u32,
}

fn any_rating(tape: &mut Tape<'_>, spec: &PoolSpec) -> Rating {
    let of = tape.maybe(4, |_| "another".to_owned());
    let of = of.or_else(|| ghostnet_core::rating::kind(&spec.launch, std::iter::empty()));
    let version = tape.maybe(2, |tape| u64::from(tape.below(3)));
    Rating {
        still: tape.maybe(2, |tape| Still {
            since: ago(tape, 1_200).into(),
            among: "somebody".into(),
        }),
        hour: at(0).as_second() / 3_600 - i64::from(tape.below(3)),
        hours: tape.some(24, |tape, _| tape.below(100_000)),
        ..Rating::new(of.unwrap(), version)
    }
}

impl Made {
    fn pool(&mut self, tape: &mut Tape<'_>, spec: &PoolSpec) {
        let mut state = PoolState::new(tape.below(22));
        state.cooldown_out_until = tape.maybe(4, |tape| about(tape, 60));
        state.cooldown_in_until = tape.maybe(4, |tape| about(tape, 300));
        state.adjusted.extend(tape.maybe(3, |tape| {
            let adjustment = Adjustment {
                at: ago(tape, 1_200),
                way: tape.one_of(&[Way::Out, Way::In]),
                to: tape.below(22),
                done_at: tape.maybe(2, |tape| ago(tape, 400)),
            };
            (policy("simple"), adjustment)
        }));
        state.asked = tape.maybe(4, any_asked);
        let mut since = 2_000;
        state.recommended = tape.some(5, |tape, _| {
            since -= i64::from(tape.below(500));
            Run {
                since: at(-since),
                capacity: tape.below(22),
            }
        });
        state.reserve = tape.maybe(3, |tape| tape.below(state.desired + 1)).unwrap_or(0);
        state.peaks = tape.maybe(4, |tape| Peaks {
            hour: at(0).as_second() / 3_600 - i64::from(tape.below(3)),
            most: tape.some(6, |tape, _| tape.below(22)),
        });
        state.launches = tape.some(4, |tape, _| Tally {
            at: ago(tape, 4_000),
            count: tape.below(5),
        });
        state.removals = tape.some(3, |tape, _| Tally {
            at: ago(tape, 120),
            count: tape.below(3),
        });
        state.window_removals = tape
            .maybe(3, |tape| Tally {
                at: at(0),
                count: tape.below(3),
            })
            .into_iter()
            .collect();
        state.turning = tape.maybe(3, |tape| Turning {
            last: tape.one_of(&[Direction::In, Direction::Out]),
            turns: tape.some(4, |tape, _| ago(tape, 4_000).into()),
        });
        state.scheduled.extend(tape.maybe(3, |tape| (policy("window"), ago(tape, 7_200))));
        state.launch_refused = tape.maybe(8, |tape| LaunchRefused {
            until: about(tape, 60),
            code: "Quota".into(),
            message: "no".into(),
            class: tape.maybe(2, |tape| tape.one_of(&[Refusal::Configuration, Refusal::Throttled])),
        });
        state.markets_off.extend(tape.maybe(6, |tape| {
            let off = LaunchRefused {
                until: about(tape, 60),
                code: "Quota".into(),
                message: "no".into(),
                class: Some(Refusal::Quota),
            };
            (any_market(tape), off)
        }));
        state.breaker_probe = tape.maybe(8, |tape| LaunchBackoff {
            since: ago(tape, 1_800),
            wait: Seconds::minutes(10),
        });
        state.launch_backoff = tape.maybe(8, |tape| LaunchBackoff {
            since: ago(tape, 1_800),
            wait: Seconds::minutes(5),
        });
        state.growth = tape.maybe(3, |tape| Growth {
            hours: Some(Peaks {
                hour: at(0).as_second() / 3_600 - i64::from(tape.below(3)),
                most: tape.some(48, |tape, _| tape.below(9)),
            }),
            lows: tape.some(3, |tape, n| Run {
                since: at(-600 + 100 * i64::from(n)),
                capacity: tape.below(22),
            }),
        });
        state
            .zones_out
            .extend(tape.maybe(6, |tape| (Zone::new("eu-west-1a"), about(tape, 900).into())));
        state.evacuations.extend(tape.maybe(5, |tape| {
            let left = Evacuation {
                by: "ana".to_owned(),
                at: at(-600 + i64::from(tape.below(600))),
                until: about(tape, 900),
                reason: String::new(),
            };
            (Zone::new("eu-west-1b"), left)
        }));
        state.refresh = tape.maybe(3, any_refresh);
        let healths: Vec<(InstanceId, TargetHealth)> = (0..tape.below(24))
            .filter_map(|n| self.instance(tape, &spec.id, n, &mut state))
            .collect();
        if !tape.once_in(10) {
            let any_shift = tape.once_in(8);
            let targets = healths.into_iter().map(|(instance, health)| Target {
                shifted: any_shift && instance.as_str().ends_with('3'),
                instance,
                health,
            });
            let foreign = tape.maybe(6, |tape| Target {
                instance: InstanceId::new("i-foreign"),
                health: any_health(tape),
                shifted: false,
            });
            self.observation
                .targets
                .insert(group(spec.id.as_str()), targets.chain(foreign).collect());
        }
        self.registrations(tape, spec, &mut state);
        if tape.once_in(2) {
            let read = [
                (Attribute::Algorithm, tape.one_of(&["round_robin", "least_outstanding_requests"])),
                (Attribute::DeregistrationDelay, tape.one_of(&["60", "300"])),
            ];
            let read = read.map(|(attribute, value)| (attribute, value.to_owned()));
            self.observation.attributes.insert(group(spec.id.as_str()), BTreeMap::from(read));
        }
        if tape.once_in(2) {
            let seen = Imbalance {
                spread: any_series(tape, 500),
                anomalous: any_series(tape, 2),
            };
            self.observation.imbalance.insert(group(spec.id.as_str()), seen);
        }
        if tape.once_in(3) {
            let adapted = Adapted {
                algorithm: tape.one_of(&[Algorithm::RoundRobin, Algorithm::LeastOutstandingRequests]),
                since: ago(tape, 7_200).into(),
            };
            state.adapted.insert(group(spec.id.as_str()), adapted);
        }
        if tape.once_in(4) {
            let set = BTreeMap::from([(Attribute::DeregistrationDelay, "60".to_owned())]);
            state.tuned.insert(group(spec.id.as_str()), set);
        }
        if spec.policies.iter().any(|policy| policy.learning().is_some()) {
            state
                .ratings
                .extend(tape.maybe(2, |tape| (policy("demand"), any_rating(tape, spec))));
            let used = BTreeMap::from([(policy("demand"), any_series(tape, 120))]);
            self.observation.used.insert(spec.id.clone(), used);
        }
        let tops = [
            ("demand", 60_000),
            ("requests", 250),
            ("busy", 100),
            ("within", 100),
            ("simple", 100),
        ];
        let series: BTreeMap<_, _> = tops.map(|(id, top)| (policy(id), any_series(tape, top))).into();
        if spec.load_policy().is_some() && !tape.once_in(4) {
            let loads = tape.some(24, |tape, n| {
                (
                    InstanceId::new(format!("i-{}-{n:03}", spec.id)),
                    ghostnet_core::unit::Finite::from(tape.below(100)),
                )
            });
            let period = Seconds::minutes(5);
            let loads = Loads {
                at: ago(tape, 1_500),
                period,
                by_instance: loads.into_iter().collect(),
            };
            self.observation.loads.insert(spec.id.clone(), loads);
        }
        if let Some(metric) = &spec.health_metric
            && !tape.once_in(4)
        {
            let (period, datapoints) = (metric.stat.period, metric.datapoints);
            let series = tape.some(24, |tape, n| {
                (InstanceId::new(format!("i-{}-{n:03}", spec.id)), any_series(tape, 100))
            });
            let readings = Readings::of(series, period, datapoints, self.observation.observed_at);
            self.observation.readings.insert(spec.id.clone(), readings);
        }
        if !tape.once_in(10) {
            self.observation.series.insert(spec.id.clone(), series);
        }
        for zone in tape.some(3, |tape, _| tape.one_of(&["a", "b", "c"])) {
            let mut offering = offering(zone, any_market(tape));
            offering.instance_type = Some(InstanceType::new(tape.one_of(&["c7a.large", "m7a.large"])));
            self.observation.exhausted.push(ExhaustedOffering {
                offering,
                until: Timestamp::MAX,
            });
        }
        self.open_steps(tape, spec, &state);
        self.state.pools.insert(spec.id.clone(), state);
    }

    /// One instance: perhaps a member, perhaps listed, perhaps a target.
    fn instance(&mut self, tape: &mut Tape<'_>, pool: &PoolId, n: u32, state: &mut PoolState) -> Option<(InstanceId, TargetHealth)> {
        let id = InstanceId::new(format!("i-{pool}-{n:03}"));
        let member = !tape.once_in(14);
        if member {
            let known = any_member(tape);
            state.members.insert(id.clone(), known);
        }
        if !tape.once_in(14) {
            let plan = tape.maybe(5, |tape| {
                PlanId::new(tape.one_of(&["plan-open", "plan-recorded", "plan-other", tag::HANDED_OVER]))
            });
            self.observation.recorded_plans = BTreeSet::from([PlanId::new("plan-recorded")]);
            let states = [
                InstanceState::Running,
                InstanceState::Running,
                InstanceState::Running,
                InstanceState::Pending,
                InstanceState::Stopped,
                InstanceState::Stopped,
                InstanceState::Stopping,
                InstanceState::ShuttingDown,
                InstanceState::Terminated,
            ];
            let instance = Instance {
                id: id.clone(),
                state: tape.one_of(&states),
                zone: Zone::new(tape.one_of(&["eu-west-1a", "eu-west-1b", "eu-west-1c"])),
                instance_type: InstanceType::new(tape.one_of(&["c7a.large", "c7a.large", "m7a.large"])),
                market: any_market(tape),
                launched_at: ago(tape, 4_000),
                pool: Some(pool.clone()),
                step: plan.is_some().then(|| StepNumber(u16::try_from(tape.below(3)).unwrap())),
                plan,
                protected: tape.once_in(12),
                word: Word {
                    told: tape.maybe(4, |tape| tape.one_of(&[Told::Draining, Told::Serving])),
                    ready: !tape.once_in(4),
                    drained: tape.once_in(8),
                    beat: tape.maybe(3, |tape| ago(tape, 1_200)),
                },
                template: tape.maybe(2, |tape| template_version(1 + u64::from(tape.below(2)))),
                address: tape.maybe(2, any_address),
            };
            self.observation.instances.get_or_insert_default().push(instance);
            if tape.once_in(8)
                && let Some(impaired) = &mut self.observation.impaired
            {
                impaired.insert(id.clone(), ago(tape, 1_200));
            }
        }
        (!tape.once_in(6)).then(|| (id, any_health(tape)))
    }

    /// What Cloud Map lists, if it can be read: some of ours, some of others.
    fn registrations(&mut self, tape: &mut Tape<'_>, spec: &PoolSpec, state: &mut PoolState) {
        state.service = tape.maybe(2, |tape| ServiceId::new(tape.one_of(&["srv-blue", "srv-before"])));
        state
            .former_services
            .extend(tape.maybe(6, |tape| (ServiceId::new("srv-former"), ago(tape, 1_200).into())));
        let named = spec.cloud_map.iter().map(|cloud_map| cloud_map.service.clone());
        let services: BTreeSet<ServiceId> = named
            .chain(state.service.clone())
            .chain(state.former_services.keys().cloned())
            .collect();
        for service in services {
            if tape.once_in(8) {
                continue;
            }
            let registrations = tape.some(24, |tape, n| Registration {
                instance: InstanceId::new(if tape.once_in(10) {
                    format!("task-{n}")
                } else {
                    format!("i-{}-{n:03}", spec.id)
                }),
                by: tape.maybe(2, |tape| Registrar {
                    fleet: tape.one_of(&["web", "web", "other"]).parse().unwrap(),
                    pool: pool(tape.one_of(&["blue", "green", "gone"])),
                }),
                address: tape.maybe(2, any_address),
                port: tape.maybe(3, |_| 8080),
            });
            let there = self.observation.registrations.entry(service).or_default();
            there.extend(registrations);
            there.sort_by(|a, b| a.instance.cmp(&b.instance));
            there.dedup_by(|a, b| a.instance == b.instance);
        }
    }

    fn open_steps(&mut self, tape: &mut Tape<'_>, spec: &PoolSpec, state: &PoolState) {
        let members: Vec<InstanceId> = state.members.keys().cloned().collect();
        let drained: Vec<InstanceId> = state
            .members
            .iter()
            .filter(|(_, member)| member.drain.is_some())
            .map(|(id, _)| id.clone())
            .collect();
        for action in tape
            .some(4, |tape, n| self.action(tape, n, spec, &members, &drained))
            .into_iter()
            .flatten()
        {
            let number = StepNumber(u16::try_from(self.state.open.len()).unwrap());
            let step = Step {
                id: StepId {
                    plan: PlanId::new("plan-open"),
                    number,
                },
                pool: spec.id.clone(),
                action,
            };
            let committed_at = ago(tape, 900);
            let execute_until = Seconds(30)
                .after(committed_at)
                .max(about(tape, 100).min(Seconds(30).after(self.now)));
            self.state.open.push(OpenStep {
                step,
                committed_at,
                execute_until,
                taken_over: tape.once_in(3),
            });
        }
    }

    fn action(&mut self, tape: &mut Tape<'_>, n: u32, spec: &PoolSpec, members: &[InstanceId], drained: &[InstanceId]) -> Option<Action> {
        let group = group(spec.id.as_str());
        let one = |tape: &mut Tape<'_>, of: &[InstanceId]| (!of.is_empty()).then(|| vec![tape.one_of(of)]);
        match tape.below(10) {
            8 => Some(Action::Announce {
                service: ServiceId::new("srv-blue"),
                addresses: one(tape, members)?.into_iter().map(|id| (id, any_address(tape))).collect(),
                port: None,
            }),
            9 => Some(Action::Withdraw {
                service: ServiceId::new("srv-blue"),
                instances: one(tape, members)?,
            }),
            6 => Some(Action::Tag {
                instances: one(tape, members)?,
                told: tape.one_of(&[Told::Draining, Told::Serving]),
            }),
            0 => {
                self.launches += 1;
                let place = Place {
                    subnet: SubnetId::new("subnet-a"),
                    zone: Zone::new("eu-west-1a"),
                };
                let token = ClientToken::over(&["open", spec.id.as_str(), &n.to_string(), &self.launches.to_string()]);
                Some(Action::Launch(Launch {
                    count: 1 + tape.below(4),
                    template: spec.launch.template.clone(),
                    place,
                    offering: offering("a", any_market(tape)),
                    choice: None,
                    token,
                    generation: Generation(6),
                    warm: tape.once_in(4),
                }))
            }
            1 => Some(Action::Register {
                group,
                instances: one(tape, members)?,
            }),
            2 => Some(Action::Deregister {
                group,
                instances: one(tape, members)?,
            }),
            3 => Some(Action::Start {
                instances: one(tape, members)?,
                offering: offering("a", Market::OnDemand),
            }),
            4 => Some(Action::Stop {
                instances: one(tape, members)?,
                hibernate: false,
            }),
            7 => Some(Action::Tune {
                group,
                set: BTreeMap::from([(Attribute::DeregistrationDelay, "60".to_owned())]),
            }),
            _ => Some(Action::Terminate {
                instances: one(tape, drained)?,
            }),
        }
    }
}

fn offering(zone: &str, market: Market) -> Offering {
    Offering {
        zone: Zone::new(format!("eu-west-1{zone}")),
        instance_type: Some(InstanceType::new("c7a.large")),
        market,
        reservation: (market == Market::Reserved).then_some(Reservation::Open),
    }
}

pub fn any_series(tape: &mut Tape<'_>, top: u32) -> Series {
    let now = at(0);
    let value = |tape: &mut Tape<'_>| f64::from(tape.below(top)) + f64::from(tape.below(7)) / 7.0;
    match tape.below(8) {
        0..=3 => minutes(now, &[Some(value(tape)), Some(value(tape)), None, Some(value(tape))]),
        4 => partial(now, value(tape)),
        _ => no_series(tape),
    }
}

/// A series that says nothing about the present.
pub fn no_series(tape: &mut Tape<'_>) -> Series {
    match tape.below(4) {
        0 => minutes(at(0), &[]),
        1 => minutes(at(-1_000), &[Some(1.0)]),
        2 => Series::Failed { why: "throttled".into() },
        _ => Series::NotAsked,
    }
}
