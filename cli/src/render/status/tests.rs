use ghostnet_core::reason::Finding;
use ghostnet_core::refresh::{LastAsked, Phase as RefreshPhase, Progress, Refresh};
use ghostnet_core::tuning::{Came, Found, Objective, Settings};
use ghostnet_core::unit::{Finite, Percent};

use std::collections::BTreeMap;

use ghostnet_core::failover::TrafficObservation;
use ghostnet_core::spec::FleetSpec;
use ghostnet_core::state::Routing;
use ghostnet_engine::invocation::Preview;

use super::super::fixture;
use super::*;
use crate::status::status;

/// A refresh of twelve, five of them replaced, as a look finds it.
fn refreshing(phase: RefreshPhase) -> FleetStatus {
    let mut preview = fixture::preview();
    let refresh = Refresh {
        requested_at: fixture::at("12:40:00"),
        by: "arn:aws:iam::123456789012:user/ada".into(),
        reason: "a new image".into(),
        checkpoints: vec![Percent(50)],
        last: Some(LastAsked {
            by: "arn:aws:iam::123456789012:user/ben".into(),
            at: fixture::at("12:58:00"),
        }),
        ..Refresh::default()
    };
    let progress = Progress {
        replaced: 5,
        total: 12,
        phase,
    };
    for decided in preview.decision.pools.values_mut() {
        decided.findings.push(Finding::Refreshing {
            by: refresh.by.clone(),
            progress,
            back_to: None,
        });
    }
    for pool in preview.decision.state.pools.values_mut() {
        pool.refresh = Some(refresh.clone());
    }
    status(&fixture::spec(), &preview, &[], None, None)
}

#[test]
fn a_refresh_is_told_field_by_field() {
    let now = fixture::at("13:03:00");
    let until = fixture::at("13:10:00");
    let told = |phase| {
        let status = refreshing(phase);
        let text = fleet(&status, now);
        let line = text.lines().find(|line| line.contains("refresh")).unwrap_or_default().to_owned();
        let fields = status.pools.into_iter().find_map(|pool| pool.refresh);
        (line, fields)
    };
    insta::assert_json_snapshot!(
        "refresh",
        [RefreshPhase::Replacing, RefreshPhase::Baking { until }, RefreshPhase::Paused].map(told)
    );
    let without = status(&fixture::spec(), &fixture::preview(), &[], None, None);
    assert!(without.pools.iter().all(|pool| pool.refresh.is_none()));
}

#[test]
fn a_fleet_stands_on_one_screen() {
    let now = fixture::at("13:03:00");
    let mut preview = fixture::preview();
    let busy = status(&fixture::spec(), &preview, &fixture::records(), Some(fixture::at("13:02:46")), None);
    insta::assert_snapshot!("fleet", fleet(&busy, now));
    insta::assert_snapshot!("instances", instances(&busy));
    insta::assert_json_snapshot!("json", busy);
    preview.inputs.state.pause = Some(fixture::pause());
    preview.inputs.state.open.clear();
    let paused = status(
        &fixture::spec(),
        &preview,
        fixture::records().get(1..).unwrap_or_default(),
        None,
        None,
    );
    insta::assert_snapshot!("paused", fleet(&paused, now));
    insta::assert_snapshot!("fleets", fleets(&[busy, paused]));
    assert_eq!(fleets(&[]), "no fleet is applied");
}

/// The fleet of the fixture with a standby of so many healthy instances, and this traffic state.
fn with_standby(healthy: u32, change: impl FnOnce(&mut ghostnet_core::state::TrafficState)) -> FleetStatus {
    standing_by(healthy, true, change)
}

fn standing_by(healthy: u32, reached: bool, change: impl FnOnce(&mut ghostnet_core::state::TrafficState)) -> FleetStatus {
    let mut spec = fixture::spec();
    let mut preview = fixture::preview();
    let text = include_str!("../../../../infra/fleets/standby.yaml");
    let Ok(other) = crate::spec_file::read("standby.yaml", text) else {
        panic!("the example has no problems")
    };
    let mut green = other.spec.pools.into_iter().filter(|pool| pool.id.as_str() == "green");
    spec.failover = other.spec.failover;
    spec.pools.retain(|pool| pool.id.as_str() == "blue");
    spec.pools.extend(green.next());
    let Some(pool) = spec.pools.last().cloned() else {
        panic!("green is there")
    };
    let state = preview.inputs.state.pools.entry(pool.id.clone()).or_default();
    for n in 0..healthy {
        let id = ghostnet_core::id::InstanceId::new(format!("i-green-{n}"));
        state
            .members
            .insert(id.clone(), ghostnet_core::state::Member::new(fixture::at("09:00:00")));
        for group in &pool.target_groups {
            preview
                .inputs
                .observation
                .targets
                .entry(group.clone())
                .or_default()
                .push(ghostnet_core::observation::Target {
                    instance: id.clone(),
                    health: ghostnet_core::observation::TargetHealth::Healthy,
                    shifted: false,
                });
        }
    }
    let side = preview
        .inputs
        .traffic
        .sides
        .entry(preview.inputs.traffic.active.clone())
        .or_default();
    side.armed = true;
    change(&mut preview.inputs.traffic);
    if let Some(failover) = spec.failover.as_mut().filter(|_| preview.inputs.traffic.fence.is_some()) {
        failover.fencing = Some(ghostnet_core::spec::Fencing {
            stop: false,
            timeout: Seconds::minutes(10),
        });
    }
    let observation = seen(&spec, &preview, reached);
    status(&spec, &preview, &[], None, Some(&observation))
}

/// What a look at the traffic sees where the look at the fleet saw that, and the rules forward to all sides or to the first alone.
fn seen(spec: &FleetSpec, preview: &Preview, reached: bool) -> TrafficObservation {
    let observed = &preview.inputs.observation;
    let sides = if reached { spec.pools.len() } else { 1 };
    let groups = spec.pools.iter().take(sides).flat_map(|pool| pool.target_groups.iter().cloned());
    let routing = Routing {
        sticks: false,
        answer: None,
        weights: groups.map(|group| ((&group).into(), 1)).collect(),
        actions: String::new(),
    };
    let instances = observed.instances.as_ref();
    TrafficObservation {
        observed_at: observed.observed_at,
        instances: instances.map(|listed| listed.iter().map(|instance| (instance.id.clone(), instance.state)).collect()),
        unlisted: std::collections::BTreeSet::new(),
        targets: observed.targets.clone(),
        alarms: BTreeMap::new(),
        application: BTreeMap::new(),
        requests: BTreeMap::new(),
        routing: spec
            .failover
            .iter()
            .flat_map(|failover| failover.routes().iter().map(|rule| (rule.clone(), routing.clone())))
            .collect(),
    }
}

#[test]
fn traffic_stands_in_a_line_or_two() {
    use ghostnet_core::state::{AtRisk, Drill, DrillEnd, DrillOutcome, Fence, Moved, Shift, ShiftReason, SignalKind, Stage};
    let pool = |name: &str| name.parse::<PoolId>().unwrap_or_else(|error| panic!("{error}"));
    let by = vec![SignalKind::Instances, SignalKind::Targets];
    let told = |status: FleetStatus| {
        let text = fleet(&status, fixture::at("13:03:00"));
        let is_told = |line: &&str| {
            ["failover", "moving", "moved", "drill", "fence"]
                .iter()
                .any(|label| line.starts_with(label))
        };
        text.lines().filter(is_told).map(|line| format!("{line}\n")).collect::<String>()
    };
    let moved = |why, at| Moved {
        from: pool("green"),
        to: pool("blue"),
        why,
        at: fixture::at(at),
        previous: BTreeMap::new(),
        set: BTreeMap::new(),
        sharing: None,
    };
    let drill = |outcome: Option<DrillOutcome>| Drill {
        by: "schedule".into(),
        reason: "a window for drills is open".into(),
        begun_at: fixture::at("12:00:00"),
        from: pool("blue"),
        to: pool("green"),
        moved_at: Some(fixture::at("12:00:12")),
        back_at: outcome.is_some().then(|| fixture::at("12:30:21")),
        ended: outcome.map(|why| DrillEnd {
            at: fixture::at("12:30:12"),
            why,
        }),
        sets_since: None,
        at_risk: AtRisk {
            there: Some(1_240),
            back: None,
        },
    };
    let asked = ShiftReason::Asked {
        by: "ana".into(),
        reason: "rehearsal".into(),
        until: Some(fixture::at("16:40:00")),
        forced: false,
    };
    let all = [
        told(with_standby(2, |_| {})),
        told(with_standby(1, |traffic| traffic.moved = Some(moved(asked, "12:40:00")))),
        told(with_standby(2, |traffic| traffic.sides.clear())),
        told(standing_by(2, false, |_| {})),
        told(with_standby(2, |traffic| {
            traffic.moved = Some(moved(ShiftReason::Down { by: by.clone() }, "12:59:00"))
        })),
        told(with_standby(2, |traffic| traffic.drill = Some(drill(None)))),
        told(with_standby(2, |traffic| traffic.drill = Some(drill(Some(DrillOutcome::Passed))))),
        told(with_standby(1, |traffic| {
            traffic.shift = Some(Shift {
                from: pool("blue"),
                to: pool("green"),
                why: ShiftReason::Down { by: by.clone() },
                since: fixture::at("13:02:00"),
                stage: Stage::Preparing,
                sharing: None,
            });
        })),
        told(with_standby(2, |traffic| {
            traffic.fence = Some(Fence {
                pool: pool("blue"),
                since: fixture::at("12:59:30"),
                out: 0,
                of: 0,
                late: false,
                undo: false,
            });
            traffic.shift = Some(Shift {
                from: pool("blue"),
                to: pool("green"),
                why: ShiftReason::Down { by },
                since: fixture::at("12:59:30"),
                stage: Stage::Preparing,
                sharing: None,
            });
        })),
    ];
    insta::assert_snapshot!("failover", all.join("\n"));
    let plain = status(&fixture::spec(), &fixture::preview(), &[], None, None);
    let all = fleets(&[plain, with_standby(2, |_| {}), with_standby(1, |_| {})]);
    let below = all.split_once("failover\n").map(|(_, below)| below);
    insta::assert_snapshot!("readiness", below.unwrap_or("nothing"));
    insta::assert_json_snapshot!("failover_json", with_standby(1, |_| {}).failover);
    let pools = |of: &[&str]| of.iter().map(|name| pool(name)).collect::<Vec<_>>();
    let side = |name: &str, takes, healthy, needed| SideStatus {
        id: pool(name),
        takes,
        healthy,
        needed,
        down_by: Vec::new(),
        unreachable: Vec::new(),
    };
    let sharing = TrafficStatus {
        takers: pools(&["blue", "green"]),
        epoch: ghostnet_core::id::Epoch(3),
        armed: true,
        down_by: [(pool("green"), vec![SignalKind::Targets])].into(),
        sides: vec![side("blue", true, 4, 3), side("green", true, 4, 3), side("red", false, 1, 2)],
        outlook: crate::traffic::Outlook::Succeed,
        shift: None,
        leads_to: None,
        fenced: None,
        last_move: None,
        drill: None,
    };
    let told = failover(&sharing, fixture::at("13:03:00"))[0][2].clone();
    assert_eq!(
        told,
        "armed · blue, green share the traffic, epoch 3 · green is down by targets · without blue 4 healthy, needs 3 · \
         without green 4 healthy, needs 3 · red 1 healthy, needs 2 · would succeed now"
    );
    let leading = TrafficStatus {
        leads_to: Some(ghostnet_core::id::InstanceId::new("i-0a")),
        ..sharing
    };
    let told = failover(&leading, fixture::at("13:03:00"))[0][2].clone();
    assert!(told.ends_with(" · leads to i-0a · would succeed now"), "{told}");
    assert!(status(&fixture::spec(), &fixture::preview(), &[], None, None).failover.is_none());
}

#[test]
fn what_tuning_found_is_told_with_what_becomes_of_it() {
    let settings = |caution, utilisation| Settings {
        caution: Finite::new(caution).unwrap(),
        hold: Seconds::minutes(6),
        usual: Some(Percent(90)),
        utilisation: Some(Percent(utilisation)),
    };
    let written = settings(8.0, 70);
    let told = |in_force, settings, cost| {
        let came = |instance_hours_per_day, over_percent| Came {
            instance_hours_per_day,
            over_percent,
        };
        let found = Found {
            tuned: Tuned {
                settings,
                instead_of: written,
            },
            at: fixture::at("03:05:00").into(),
            objective: Objective { used: 0.9, percent: 1.0 },
            days: 14,
            written: came(200.0, 0.1),
            found: came(cost, 0.825),
        };
        tuning(&TuningStatus {
            pool: "blue".parse().unwrap(),
            in_force,
            found,
        })
    };
    let by = "over 90 % for 0.82 % of the time (as written 0.10 %), by 14 days";
    assert_eq!(
        told(true, settings(4.0, 75), 175.0),
        format!("goes by caution 4, hold 6m, usual 90%, utilisation 75% · 12.5 % less, {by}")
    );
    assert_eq!(
        told(false, settings(16.0, 70), 210.0),
        format!("suggests caution 16, hold 6m, usual 90% · 5.0 % more, {by}")
    );
    assert_eq!(
        told(true, written, 200.0),
        "what is written is as good as anything near it, by 14 days"
    );
}
