//! Fixed data for the snapshots: one fleet that grew, held and lost an instance.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_core::audit::Violation;
use ghostnet_core::decide::{CapacityCount, Decision, PoolDecision};
use ghostnet_core::id::{
    AlarmName, BuildId, ClientToken, Generation, InstallationId, InstanceId, InstanceType, PlanId, PolicyId, PoolId, SpecVersion, StepId,
    StepNumber, SubnetId, TargetGroupArn, Zone,
};
use ghostnet_core::observation::{Instance, InstanceState, Market, Observation, Offering, Place, Target, TargetHealth};
use ghostnet_core::plan::{Action, Launch, OpenStep, Plan, Step, StepOutcome};
use ghostnet_core::reason::{Finding, Guard, GuardOutcome, Vote, VoteReason};
use ghostnet_core::record::{DecisionRecord, Inputs};
use ghostnet_core::signal::{AlarmChange, AlarmChangeKind, AlarmState, Signal};
use ghostnet_core::spec::{FleetSpec, RawFleetSpec, Resolved, Template, TemplateKey};
use ghostnet_core::state::{CapacityState, Drain, DrainReason, Member, Pause, RecordedOutcome, TrafficState};
use ghostnet_core::unit::{Finite, Percent, Seconds};
use ghostnet_engine::invocation::Preview;
use jiff::Timestamp;

pub(crate) fn at(time: &str) -> Timestamp {
    match format!("2026-06-05T{time}Z").parse() {
        Ok(at) => at,
        Err(error) => panic!("{time}: {error}"),
    }
}

fn number(value: f64) -> Finite {
    Finite::new(value).unwrap_or_else(|| Finite::from(0))
}

fn policy(id: &str) -> PolicyId {
    match id.parse() {
        Ok(id) => id,
        Err(error) => panic!("{id}: {error}"),
    }
}

pub(crate) fn blue() -> PoolId {
    match "blue".parse() {
        Ok(id) => id,
        Err(error) => panic!("{error}"),
    }
}

fn group() -> TargetGroupArn {
    TargetGroupArn::new("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web-blue/6d0ecf831eec9f09")
}

fn ids(ids: &[&str]) -> Vec<InstanceId> {
    ids.iter().map(|id| InstanceId::new(*id)).collect()
}

fn plan(id: &str, actions: Vec<Action>) -> Plan {
    let id = PlanId::new(id);
    let step = |(number, action): (u16, Action)| Step {
        id: StepId {
            plan: id.clone(),
            number: StepNumber(number),
        },
        pool: blue(),
        action,
    };
    Plan {
        steps: (0..).zip(actions).map(step).collect(),
        execute_until: at("13:03:10"),
        id,
    }
}

fn launch(count: u32) -> Action {
    let zone = Zone::new("eu-west-1b");
    Action::Launch(Launch {
        count,
        template: Template {
            key: TemplateKey::Name("web".to_owned()),
            version: "$Default".to_owned(),
        },
        place: Place {
            subnet: SubnetId::new("subnet-0b"),
            zone: zone.clone(),
        },
        offering: Offering {
            zone,
            instance_type: Some(InstanceType::new("c7a.large")),
            market: Market::OnDemand,
            reservation: None,
        },
        choice: None,
        token: ClientToken::over(&["fixture"]),
        generation: Generation(4_812),
        warm: false,
    })
}

fn counts(in_service: u32, warming: u32, draining: u32) -> CapacityCount {
    CapacityCount {
        in_service,
        warming,
        draining,
        ..CapacityCount::default()
    }
}

fn vote(id: &str, capacity: Option<u32>, reason: VoteReason) -> Vote {
    Vote {
        policy: policy(id),
        capacity,
        reason,
        withheld: None,
    }
}

/// A pool that grows: one policy wants more, another is between its steps.
pub(crate) fn growing() -> PoolDecision {
    PoolDecision {
        counts: counts(11, 0, 0),
        before: 11,
        after: 12,
        reserve: 0,
        spend_room: None,
        recommended: Some(14),
        votes: vec![
            vote(
                "requests",
                Some(14),
                VoteReason::Tracked {
                    value: number(1_290.0),
                    target: number(1_000.0),
                },
            ),
            vote("cpu", Some(11), VoteReason::BetweenBands { value: number(41.0) }),
            vote("friday-evening", None, VoteReason::WindowClosed),
        ],
        guards: vec![GuardOutcome {
            guard: Guard::LaunchPerTick { limit: 1 },
            before: 14,
            after: 12,
        }],
        findings: Vec::new(),
    }
}

/// A pool that holds although one policy wants fewer.
pub(crate) fn holding() -> PoolDecision {
    PoolDecision {
        counts: counts(11, 1, 0),
        before: 12,
        after: 12,
        reserve: 0,
        spend_room: None,
        recommended: Some(11),
        votes: vec![
            vote(
                "requests",
                Some(11),
                VoteReason::Tracked {
                    value: number(810.0),
                    target: number(1_000.0),
                },
            ),
            vote(
                "cpu",
                Some(11),
                VoteReason::InBand {
                    value: number(22.5),
                    from: None,
                    below: Some(number(30.0)),
                },
            ),
        ],
        guards: vec![GuardOutcome {
            guard: Guard::Stabilisation {
                window: Seconds::minutes(10),
                decisive: 12,
                at: at("13:02:10"),
            },
            before: 11,
            after: 12,
        }],
        findings: vec![Finding::RebalanceHint {
            instance: InstanceId::new("i-0aaaaaaaaaaaaaaa1"),
        }],
    }
}

/// A pool within the tolerance: no guard has to speak.
pub(crate) fn content() -> PoolDecision {
    let reason = VoteReason::WithinTolerance {
        value: number(1_043.0),
        target: number(1_000.0),
        tolerance: Percent(10),
    };
    let votes = vec![vote("requests", Some(11), reason)];
    PoolDecision {
        counts: counts(11, 0, 0),
        before: 11,
        after: 11,
        reserve: 0,
        spend_room: None,
        recommended: Some(11),
        votes,
        guards: Vec::new(),
        findings: Vec::new(),
    }
}

fn shrinking() -> PoolDecision {
    let votes = vec![vote(
        "requests",
        Some(11),
        VoteReason::Tracked {
            value: number(780.0),
            target: number(1_000.0),
        },
    )];
    let findings = vec![Finding::Drains {
        instance: InstanceId::new("i-09aaaaaaaaaaaaaa9"),
        why: DrainReason::ScaleIn,
    }];
    PoolDecision {
        counts: counts(11, 0, 1),
        before: 12,
        after: 11,
        reserve: 0,
        spend_room: None,
        recommended: Some(11),
        votes,
        guards: Vec::new(),
        findings,
    }
}

/// A decision about one pool with these steps.
pub(crate) fn decision(pool: PoolDecision, actions: Vec<Action>) -> Decision {
    let Preview { decision, .. } = preview();
    Decision {
        plan: plan("2026-06-05T13:02:10.000Z-5f0c2a9be411", actions),
        pools: [(blue(), pool)].into(),
        ..decision
    }
}

/// What a growing pool sends.
pub(crate) fn growing_actions() -> Vec<Action> {
    vec![
        launch(1),
        Action::Register {
            group: group(),
            instances: ids(&["i-0aaaaaaaaaaaaaaa1"]),
        },
    ]
}

fn record(
    time: &str,
    function: &str,
    signal: Signal,
    pool: PoolDecision,
    actions: Vec<Action>,
    outcomes: Vec<StepOutcome>,
) -> DecisionRecord {
    let plan = plan(&format!("2026-06-05T{time}.000Z-5f0c2a9be411"), actions);
    let recorded = |outcome| RecordedOutcome {
        outcome,
        at: Timestamp::from_millisecond(at(time).as_millisecond() + 2_150).unwrap_or_default(),
    };
    let outcomes = plan
        .steps
        .iter()
        .map(|step| step.id.clone())
        .zip(outcomes.into_iter().map(recorded))
        .collect();
    let Ok(fleet) = "web".parse() else { panic!("a good id") };
    DecisionRecord {
        schema: 1,
        id: plan.id.clone(),
        fleet,
        at: at(time),
        function: function.to_owned(),
        signal,
        build: BuildId::new("0.1.0"),
        generation: Generation(4_811),
        pools: [(blue(), pool)].into(),
        plan,
        violations: Vec::new(),
        outcomes,
        count: 1,
        until: at(time),
        inputs: None,
        decision_digest: String::new(),
    }
}

/// Records of an hour, the newest first.
pub(crate) fn records() -> Vec<DecisionRecord> {
    let alarm = Signal::AlarmChanged(AlarmChange {
        alarm: AlarmName::new("ghostnet/web/blue/requests/out"),
        arn: None,
        state: AlarmState::Alarm,
        at: at("13:02:08"),
        muted: false,
        change: AlarmChangeKind::State,
    });
    let launched = StepOutcome::Launched {
        instances: ids(&["i-0c3fffffffffffff1"]),
    };
    let mut hold = record("13:01:20", "tick", Signal::Tick, content(), Vec::new(), Vec::new());
    hold.count = 9;
    hold.until = at("13:01:59");
    let mut refused = record("12:40:02", "tick", Signal::Tick, growing(), vec![launch(1)], Vec::new());
    refused.violations = vec![Violation {
        invariant: "I2".to_owned(),
        pool: Some(blue()),
        detail: "41 in service and coming, at most 40".to_owned(),
    }];
    vec![
        record(
            "13:02:10",
            "alarm",
            alarm,
            growing(),
            growing_actions(),
            vec![launched, StepOutcome::Done],
        ),
        hold,
        record(
            "12:51:10",
            "tick",
            Signal::Tick,
            shrinking(),
            vec![Action::Deregister {
                group: group(),
                instances: ids(&["i-09aaaaaaaaaaaaaa9"]),
            }],
            Vec::new(),
        ),
        record(
            "12:45:00",
            "tick",
            Signal::Tick,
            growing(),
            vec![launch(2)],
            vec![StepOutcome::NoCapacity {
                code: "InsufficientInstanceCapacity".to_owned(),
            }],
        ),
        refused,
    ]
}

fn raw() -> (RawFleetSpec, FleetSpec) {
    match crate::spec_file::read("web.yaml", include_str!("../../../infra/fleets/web.yaml")) {
        Ok(file) => (file.raw, file.spec),
        Err(problems) => panic!("{problems:?}"),
    }
}

/// A look at the fleet: three instances serve, one warms up, one leaves, one is coming.
pub(crate) fn preview() -> Preview {
    let (raw, spec) = raw();
    let Some(traffic) = TrafficState::first(&spec) else {
        panic!("the example has an active pool")
    };
    let mut state = CapacityState::new(&spec, at("09:00:00"));
    state.generation = Generation(4_812);
    let mut observation = Observation::unknown(at("13:02:59"));
    let all = [
        ("i-0aaaaaaaaaaaaaaa1", "09:01:00", true),
        ("i-0aaaaaaaaaaaaaaa2", "09:01:00", true),
        ("i-09aaaaaaaaaaaaaa9", "09:01:00", true),
        ("i-0c3fffffffffffff1", "13:02:12", false),
    ];
    observation.instances = Some(all.iter().map(|(id, launched, _)| instance(id, launched)).collect());
    let health = |healthy: bool| if healthy { TargetHealth::Healthy } else { TargetHealth::Initial };
    let targets = all.iter().map(|(id, _, healthy)| Target {
        instance: InstanceId::new(*id),
        health: health(*healthy),
        shifted: false,
    });
    observation.targets = BTreeMap::from([(group(), targets.collect())]);
    observation.recorded_plans = BTreeSet::new();
    let pool = state.pools.entry(blue()).or_default();
    pool.desired = 3;
    for (id, launched, healthy) in all {
        let served_since = healthy.then(|| at("09:03:00").into());
        pool.members.insert(
            InstanceId::new(id),
            Member {
                served_since,
                ..Member::new(at(launched))
            },
        );
    }
    if let Some(leaving) = pool.members.get_mut(&InstanceId::new("i-09aaaaaaaaaaaaaa9")) {
        leaving.drain = Some(Drain {
            since: at("13:01:00").into(),
            deadline: at("13:02:30").into(),
            why: DrainReason::ScaleIn,
        });
    }
    let step = plan("2026-06-05T13:02:50.000Z-000000000000", vec![launch(1)]).steps;
    state.open = step
        .into_iter()
        .map(|step| OpenStep {
            step,
            committed_at: at("13:02:50"),
            execute_until: at("13:03:40"),
            taken_over: false,
        })
        .collect();
    let pools = BTreeMap::from([(
        blue(),
        PoolDecision {
            before: 3,
            after: 3,
            reserve: 0,
            spend_room: None,
            counts: CapacityCount {
                in_flight: 1,
                ..counts(2, 1, 1)
            },
            ..holding()
        },
    )]);
    let decision = Decision {
        state: state.clone(),
        plan: plan("p", Vec::new()),
        pools,
        look_again_at: Some(at("13:03:40")),
    };
    let inputs = Inputs {
        installation: InstallationId::new("installation"),
        spec_version: SpecVersion(7),
        spec: raw.into(),
        resolved: Resolved::default(),
        retiring: false,
        state,
        traffic,
        observation,
        signal: Signal::Tick,
        now: at("13:03:00"),
        execute_until: at("13:03:40"),
        plan_id: PlanId::new("p"),
    };
    Preview {
        inputs,
        decision,
        violations: Vec::new(),
    }
}

pub(crate) fn pause() -> Pause {
    Pause {
        by: "arn:aws:iam::123456789012:user/alice".to_owned(),
        reason: "load test".to_owned(),
        since: at("12:00:00"),
        until: at("14:00:00"),
    }
}

pub(crate) fn spec() -> FleetSpec {
    raw().1
}

fn instance(id: &str, launched: &str) -> Instance {
    Instance {
        id: InstanceId::new(id),
        state: InstanceState::Running,
        zone: Zone::new("eu-west-1a"),
        instance_type: InstanceType::new("c7a.large"),
        market: Market::OnDemand,
        launched_at: at(launched),
        pool: Some(blue()),
        plan: None,
        step: None,
        protected: false,
        word: ghostnet_core::observation::Word::default(),
        template: None,
        address: None,
    }
}

/// The words of a page, a line for each piece of text: no tags, no style.
pub(crate) fn words(page: &str) -> String {
    let (_, body) = page.split_once("<body>").unwrap_or_default();
    let texts = body
        .split('<')
        .map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text).trim());
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}
