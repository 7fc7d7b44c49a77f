//! A fleet, its state, a commit and a launch, as small as they get.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ghostnet_core::failover::{TrafficFinding, TrafficInputs, TrafficObservation, TrafficRecord};
use ghostnet_core::forecast::{Memory, Subject};
use ghostnet_core::id::{
    BuildId, ClientToken, Epoch, FleetId, Generation, InstallationId, InstanceId, InstanceType, PlanId, PoolId, Region, ServiceId,
    SpecVersion, StepId, StepNumber, SubnetId, TargetGroupArn, WriterId, Zone,
};
use ghostnet_core::observation::{Market, Observation, Offering, Place, Registrar};
use ghostnet_core::plan::{Choice, Launch, Plan, StepOutcome, Strategy};
use ghostnet_core::record::{DecisionRecord, Inputs};
use ghostnet_core::sample::{Datapoint, Series};
use ghostnet_core::signal::Signal;
use ghostnet_core::spec::metric::{QueryShape, Stat};
use ghostnet_core::spec::{Events, RawFleetSpec, Resolved, Template, TemplateKey};
use ghostnet_core::state::{CapacityState, PoolState, RecordedOutcome, SCHEMA, StoredSpec, TrafficState};
use ghostnet_core::unit::{Finite, Seconds};
use ghostnet_engine::port::{Announced, Commit, LoadId, TrafficCommit};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) fn fleet() -> FleetId {
    name("web")
}

pub(crate) fn pool() -> PoolId {
    name("blue")
}

fn name<T: std::str::FromStr<Err = impl std::fmt::Display>>(text: &str) -> T {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn region() -> Region {
    Region::new("eu-west-1")
}

pub(crate) fn group() -> TargetGroupArn {
    TargetGroupArn::new("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/1")
}

pub(crate) fn service() -> ServiceId {
    ServiceId::new("srv-web")
}

pub(crate) fn registrar() -> Registrar {
    Registrar {
        fleet: fleet(),
        pool: pool(),
    }
}

pub(crate) fn announced<'a>(installation: &'a InstallationId, by: &'a Registrar, instance: &'a InstanceId) -> Announced<'a> {
    Announced {
        installation,
        by,
        instance,
        address: Ipv4Addr::new(10, 0, 0, 7),
        port: Some(8080),
    }
}

pub(crate) fn offering() -> Offering {
    Offering {
        zone: Zone::new("eu-west-1a"),
        instance_type: None,
        market: Market::OnDemand,
        reservation: None,
    }
}

pub(crate) fn launch(count: u32) -> Launch {
    Launch {
        count,
        template: Template {
            key: TemplateKey::Name("web".to_owned()),
            version: "3".to_owned(),
        },
        place: Place {
            subnet: SubnetId::new("subnet-a"),
            zone: Zone::new("eu-west-1a"),
        },
        offering: Offering {
            instance_type: Some(InstanceType::new("c7a.large")),
            ..offering()
        },
        choice: None,
        token: ClientToken::over(&["web"]),
        generation: Generation(7),
        warm: false,
    }
}

/// The other type that does as well.
pub(crate) fn choice() -> Choice {
    Choice {
        strategy: Strategy::CapacityOptimized,
        others: vec![InstanceType::new("m7a.large")],
    }
}

/// Minutes after noon of a day in 2026.
pub(crate) fn minute(n: i64) -> Timestamp {
    Timestamp::from_second(1_795_003_200 + n * 60).unwrap_or_default()
}

pub(crate) fn plan_id(n: i64) -> PlanId {
    PlanId::new(format!("{:.3}-abc", minute(n)))
}

pub(crate) fn step(n: i64, number: u16) -> StepId {
    StepId {
        plan: plan_id(n),
        number: StepNumber(number),
    }
}

pub(crate) fn done(n: i64) -> RecordedOutcome {
    RecordedOutcome {
        outcome: StepOutcome::Done,
        at: minute(n),
    }
}

pub(crate) fn raw_spec() -> RawFleetSpec {
    let pool = json!({ "id": "blue", "launch": { "template": { "name": "web", "version": "3" }, "subnets": ["subnet-a"] } });
    serde_json::from_value(json!({ "fleet": "web", "pools": [pool] })).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn spec(version: u64) -> StoredSpec {
    StoredSpec {
        schema: SCHEMA,
        version: SpecVersion(version),
        spec: raw_spec().into(),
        resolved: Resolved::default(),
        retiring: false,
        applied_by: "me".to_owned(),
        applied_at: minute(0),
    }
}

pub(crate) fn state(generation: u64) -> CapacityState {
    CapacityState {
        schema: SCHEMA,
        generation: Generation(generation),
        created_at: minute(0),
        pause: None,
        pools: BTreeMap::from([(pool(), PoolState::new(2))]),
        open: Vec::new(),
        spend: None,
        last_hold: None,
    }
}

pub(crate) fn traffic() -> TrafficState {
    TrafficState {
        schema: SCHEMA,
        epoch: Epoch(0),
        active: pool(),
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

pub(crate) fn inputs() -> Inputs {
    Inputs {
        installation: InstallationId::new("inst"),
        spec_version: SpecVersion(3),
        spec: raw_spec().into(),
        resolved: Resolved::default(),
        retiring: false,
        state: state(4),
        traffic: traffic(),
        observation: Observation::unknown(minute(1)),
        signal: Signal::Tick,
        now: minute(1),
        execute_until: minute(2),
        plan_id: plan_id(1),
    }
}

pub(crate) fn record(n: i64) -> DecisionRecord {
    DecisionRecord {
        schema: SCHEMA,
        id: plan_id(n),
        fleet: fleet(),
        at: minute(n),
        function: "tick".to_owned(),
        signal: Signal::Tick,
        build: BuildId::new("test"),
        generation: Generation(4),
        pools: BTreeMap::new(),
        plan: Plan {
            id: plan_id(n),
            steps: Vec::new(),
            execute_until: minute(n + 1),
        },
        violations: Vec::new(),
        outcomes: Vec::new(),
        count: 1,
        until: minute(n),
        inputs: Some(inputs()),
        decision_digest: "d".to_owned(),
    }
}

pub(crate) fn commit() -> Commit {
    Commit {
        fleet: fleet(),
        read_generation: Some(Generation(4)),
        state: state(5),
        merged: vec![step(0, 0), step(0, 1)],
        read_epoch: Epoch(2),
        read_spec: SpecVersion(3),
        record: record(1),
        writer: WriterId::new("request-1/web/0"),
    }
}

pub(crate) fn shift_record(n: i64) -> TrafficRecord {
    let observation = TrafficObservation {
        observed_at: minute(n),
        instances: Some(BTreeMap::new()),
        unlisted: std::collections::BTreeSet::new(),
        targets: BTreeMap::new(),
        alarms: BTreeMap::new(),
        application: BTreeMap::new(),
        requests: BTreeMap::new(),
        routing: BTreeMap::new(),
    };
    TrafficRecord {
        schema: SCHEMA,
        id: plan_id(n),
        fleet: fleet(),
        at: minute(n),
        build: BuildId::new("test"),
        state: traffic(),
        steps: Vec::new(),
        findings: vec![TrafficFinding::NotArmed { pool: pool() }],
        readiness: BTreeMap::new(),
        inputs: Some(TrafficInputs {
            spec_version: SpecVersion(3),
            spec: raw_spec().into(),
            capacity: state(4),
            traffic: traffic(),
            observation,
            asked: None,
            now: minute(n),
            execute_until: minute(n + 1),
        }),
    }
}

/// The load of one of many policies.
pub(crate) fn load(n: u32) -> LoadId {
    LoadId {
        fleet: fleet(),
        pool: pool(),
        policy: name(&format!("ahead-{n}")),
    }
}

/// What is remembered of as many minutes, the loads of which are no round numbers.
pub(crate) fn memory(minutes: u32) -> Memory {
    let metric = QueryShape::Stat(Stat {
        namespace: "AWS/ApplicationELB".to_owned(),
        name: "RequestCount".to_owned(),
        dimensions: BTreeMap::new(),
        statistic: "Sum".to_owned(),
        period: Seconds(60),
    });
    let mut memory = Memory::resume(
        None,
        Subject {
            metric,
            minutes: 4,
            events: Vec::new(),
        },
        minute(10),
    );
    let point = |back: u32| Datapoint {
        at: Seconds::minutes(back).before(minute(10)),
        value: Finite::new(f64::from(back).sqrt()).unwrap_or_else(|| Finite::from(0)),
    };
    let series = Series::Points {
        points: (1..=minutes).map(point).collect(),
        period: Seconds(60),
        partial: false,
        incomplete: Vec::new(),
    };
    assert_eq!(memory.learn(&series, &Events::default(), 1.1, minute(10)), Ok(()));
    memory
}

/// A commit of failover on the version that was read, which moves the epoch.
pub(crate) fn traffic_commit(read: Option<u64>) -> TrafficCommit {
    TrafficCommit {
        fleet: fleet(),
        read_version: read,
        state: TrafficState {
            epoch: Epoch(1),
            version: read.unwrap_or(0) + 1,
            ..traffic()
        },
        read_generation: None,
        read_spec: SpecVersion(3),
        record: shift_record(1),
        writer: WriterId::new("request-1/web/0"),
    }
}

/// The item of a spec, in DynamoDB's JSON.
pub(crate) fn spec_item(fleet: &str, version: u64) -> Value {
    json!({
        "pk": { "S": format!("FLEET#{fleet}") }, "sk": { "S": "SPEC" },
        "schema": { "N": "1" }, "version": { "N": version.to_string() }, "body": { "S": text(&spec(version)) },
    })
}

/// The item of a capacity state. The JSON may hold an older generation than the attribute, as after `apply`.
pub(crate) fn capacity_item(fleet: &str, generation: u64, state: &CapacityState, outcomes: &[(StepId, RecordedOutcome)]) -> Value {
    let outcomes: serde_json::Map<_, _> = outcomes
        .iter()
        .map(|(step, outcome)| (step.to_string(), json!({ "S": text(outcome) })))
        .collect();
    json!({
        "pk": { "S": format!("FLEET#{fleet}") }, "sk": { "S": "CAPACITY" },
        "schema": { "N": "1" }, "generation": { "N": generation.to_string() }, "writer": { "S": "somebody" },
        "state": { "S": text(state) }, "outcomes": { "M": outcomes },
    })
}

/// The item of a traffic state.
pub(crate) fn traffic_item(fleet: &str) -> Value {
    json!({
        "pk": { "S": format!("FLEET#{fleet}") }, "sk": { "S": "TRAFFIC" },
        "schema": { "N": "1" }, "epoch": { "N": "0" }, "body": { "S": text(&traffic()) },
    })
}

pub(crate) fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| panic!("{error}"))
}
