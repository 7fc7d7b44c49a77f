//! How fleets stand, for people.

use ghostnet_core::id::{PoolId, RouteId};
use ghostnet_core::state::SignalKind;
use ghostnet_core::unit::Seconds;
use jiff::Timestamp;

use super::table::{self, Side};
use super::time;
use crate::status::{FleetStatus, Phase, PoolStatus, RecordSummary};
use crate::traffic::{DrillStatus, SideStatus, TrafficStatus};

/// One fleet.
pub(crate) fn fleet(status: &FleetStatus, now: Timestamp) -> String {
    let mut parts = vec![headline(status, now), pools(&status.pools)];
    let about = about(status, now);
    if !about.is_empty() {
        parts.push(table::aligned(&[Side::Left, Side::Left, Side::Left], about));
    }
    parts.join("\n\n")
}

/// Many fleets, a line per pool.
pub(crate) fn fleets(all: &[FleetStatus]) -> String {
    if all.is_empty() {
        return "no fleet is applied".to_owned();
    }
    let columns = [
        ("fleet", Side::Left),
        ("mode", Side::Left),
        ("pool", Side::Left),
        ("desired", Side::Right),
        ("in service", Side::Right),
        ("warming", Side::Right),
        ("pending", Side::Right),
        ("draining", Side::Right),
        ("unhealthy", Side::Right),
        ("warm", Side::Right),
        ("last reason", Side::Left),
    ];
    let rows = all.iter().flat_map(|status| {
        status.pools.iter().map(move |pool| {
            let mut row = vec![status.fleet.to_string(), mode(status), pool.id.to_string()];
            row.extend(counts(pool));
            row.push(last_reason(status));
            row
        })
    });
    let readiness = readiness(all);
    let below = if readiness.is_empty() {
        String::new()
    } else {
        format!("\n\nfailover\n{readiness}")
    };
    format!("{}{below}", table::plain(&columns, rows))
}

/// What would come of a failover right now, and what is missing: a line for each fleet that fails over.
fn readiness(all: &[FleetStatus]) -> String {
    let row = |status: &FleetStatus| {
        let traffic = status.failover.as_ref()?;
        let sides: Vec<String> = traffic.sides.iter().map(side).collect();
        Some(vec![
            status.fleet.to_string(),
            format!("at {}", names(&traffic.takers)),
            traffic.outlook.to_string(),
            sides.join(" · "),
        ])
    };
    table::aligned(&[Side::Left; 4], all.iter().filter_map(row))
}

fn kinds(kinds: &[SignalKind]) -> String {
    kinds.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

fn names(sides: &[PoolId]) -> String {
    sides.iter().map(PoolId::as_str).collect::<Vec<_>>().join(", ")
}

/// What a side that takes no traffic has and needs; of one that shares it, the others.
fn side(side: &SideStatus) -> String {
    let down = if side.down_by.is_empty() {
        String::new()
    } else {
        format!(", down by {}", kinds(&side.down_by))
    };
    let unreachable: Vec<&str> = side.unreachable.iter().map(RouteId::as_str).collect();
    let unreachable = if unreachable.is_empty() {
        String::new()
    } else {
        format!(", not named by {}", unreachable.join(", "))
    };
    let without = if side.takes { "without " } else { "" };
    format!(
        "{without}{} {} healthy, needs {}{down}{unreachable}",
        side.id, side.healthy, side.needed
    )
}

fn headline(status: &FleetStatus, now: Timestamp) -> String {
    let evaluated = match status.evaluated_at {
        Some(at) => format!("evaluated {} ago", time::ago(at, now)),
        None => "not evaluated yet".to_owned(),
    };
    format!(
        "{} · {} · generation {} · {evaluated}",
        status.fleet,
        mode(status),
        status.generation
    )
}

fn mode(status: &FleetStatus) -> String {
    match (status.retiring, &status.pause) {
        (true, _) => "being deleted".to_owned(),
        (false, Some(_)) => format!("{}, paused", status.mode),
        (false, None) => status.mode.to_string(),
    }
}

fn pools(pools: &[PoolStatus]) -> String {
    let columns = [
        ("pool", Side::Left),
        ("role", Side::Left),
        ("desired", Side::Right),
        ("in service", Side::Right),
        ("warming", Side::Right),
        ("pending", Side::Right),
        ("draining", Side::Right),
        ("unhealthy", Side::Right),
        ("warm", Side::Right),
    ];
    let rows = pools.iter().map(|pool| {
        let mut row = vec![pool.id.to_string(), pool.role.to_string()];
        row.extend(counts(pool));
        row
    });
    table::plain(&columns, rows)
}

fn counts(pool: &PoolStatus) -> [String; 7] {
    let pending = pool.pending.saturating_add(pool.in_flight);
    [
        pool.desired,
        pool.in_service,
        pool.warming,
        pending,
        pool.draining,
        pool.unhealthy,
        pool.warm,
    ]
    .map(|count| count.to_string())
}

fn about(status: &FleetStatus, now: Timestamp) -> Vec<Vec<String>> {
    let row = |label: &str, at: String, text: String| vec![label.to_owned(), at, text];
    let mut rows = Vec::new();
    if let Some(pause) = &status.pause {
        rows.push(row(
            "paused",
            format!("until {}", time::clock(pause.until, now)),
            format!("{}, by {}", pause.reason, pause.by),
        ));
    }
    rows.extend(
        status
            .last_act
            .as_ref()
            .map(|act| row("last act", time::clock(act.at, now), format!("{}: {}", act.change, act.summary))),
    );
    rows.extend(newer_hold(status).map(|hold| row("since then", time::clock(hold.at, now), held(hold, now))));
    rows.extend(status.next_look.map(|at| row("next look", time::clock(at, now), String::new())));
    rows.extend(status.failover.iter().flat_map(|traffic| failover(traffic, now)));
    for open in &status.open_steps {
        let since = Seconds::between(open.committed_at, now);
        rows.push(row(
            "under way",
            time::clock(open.committed_at, now),
            format!("{}, for {since}", open.text),
        ));
    }
    let learned = status.pools.iter().flat_map(|pool| &pool.learned);
    rows.extend(learned.filter_map(|learned| {
        let each = learned.instance_capacity?;
        let text = format!("{each} requests a second of one instance, by `{}`", learned.policy);
        Some(row("learned", String::new(), text))
    }));
    rows.extend(status.findings.iter().map(|finding| row("finding", String::new(), finding.clone())));
    rows
}

/// How the traffic stands, a move that is under way, and the last one.
fn failover(traffic: &TrafficStatus, now: Timestamp) -> Vec<Vec<String>> {
    let row = |label: &str, at: String, text: String| vec![label.to_owned(), at, text];
    let armed = if traffic.armed { "armed" } else { "not armed" };
    let take = if traffic.takers.len() > 1 { "share" } else { "takes" };
    let mut parts = vec![
        armed.to_owned(),
        format!("{} {take} the traffic, epoch {}", names(&traffic.takers), traffic.epoch.0),
    ];
    let down = |(side, by): (&PoolId, &Vec<SignalKind>)| format!("{side} is down by {}", kinds(by));
    parts.extend(traffic.down_by.iter().map(down));
    parts.extend(traffic.sides.iter().map(side));
    parts.push(traffic.outlook.to_string());
    let mut rows = vec![row("failover", String::new(), parts.join(" · "))];
    rows.extend(traffic.shift.iter().map(|shift| {
        let text = format!("{} -> {}, {}: {}", shift.from, shift.to, shift.stage.as_str(), shift.why);
        row("moving", time::clock(shift.since, now), text)
    }));
    rows.extend(
        traffic
            .fenced
            .iter()
            .map(|fenced| row("fence", time::clock(fenced.since, now), fenced.told.clone())),
    );
    rows.extend(traffic.last_move.iter().map(|moved| {
        let until = moved.until.map(|until| format!(", until {}", time::clock(until, now)));
        let text = format!("{} -> {}: {}{}", moved.from, moved.to, moved.why, until.unwrap_or_default());
        row("moved", time::clock(moved.at, now), text)
    }));
    rows.extend(
        traffic
            .drill
            .iter()
            .map(|drill| row("drill", time::clock(drill.begun_at, now), drilled(drill))),
    );
    rows
}

fn drilled(drill: &DrillStatus) -> String {
    let mut parts = vec![format!("{} -> {}, by {}", drill.from, drill.to, drill.by)];
    parts.extend(drill.to_shift.map(|length| format!("there after {length}")));
    parts.extend(drill.outcome.clone());
    parts.extend(drill.to_recover.map(|length| format!("back after {length}")));
    let risked = |way, requests: Option<u64>| requests.map(|requests| format!("{requests} {way}"));
    let risked: Vec<String> = [
        risked("there", drill.requests_at_risk.there),
        risked("back", drill.requests_at_risk.back),
    ]
    .into_iter()
    .flatten()
    .collect();
    parts.extend((!risked.is_empty()).then(|| format!("requests at risk: {}", risked.join(", "))));
    parts.extend(drill.is_running.then(|| "under way".to_owned()));
    parts.join(" · ")
}

/// The last hold, if nothing was done after it.
fn newer_hold(status: &FleetStatus) -> Option<&RecordSummary> {
    status
        .last_hold
        .as_ref()
        .filter(|hold| status.last_act.as_ref().is_none_or(|act| hold.at > act.at))
}

fn held(hold: &RecordSummary, now: Timestamp) -> String {
    let times = if hold.count > 1 {
        format!(" x {}, last {}", hold.count, time::clock(hold.until, now))
    } else {
        String::new()
    };
    format!("{}: hold{times}: {}", hold.change, hold.summary)
}

/// Why the fleet is as it is: the latest decision's reason, else what the look found.
fn last_reason(status: &FleetStatus) -> String {
    let record = newer_hold(status).or(status.last_act.as_ref());
    record
        .map(|record| &record.reason)
        .or_else(|| status.findings.first())
        .cloned()
        .unwrap_or_default()
}

/// The instances of a fleet, for `status --instances`.
pub(crate) fn instances(status: &FleetStatus) -> String {
    let columns = [
        ("instance", Side::Left),
        ("pool", Side::Left),
        ("phase", Side::Left),
        ("zone", Side::Left),
        ("type", Side::Left),
    ];
    let rows = status.pools.iter().flat_map(|pool| {
        pool.instances.iter().map(move |instance| {
            let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
            vec![
                instance.id.to_string(),
                pool.id.to_string(),
                phase(instance.phase).to_owned(),
                text(instance.zone.as_ref().map(ToString::to_string)),
                text(instance.instance_type.as_ref().map(ToString::to_string)),
            ]
        })
    });
    table::plain(&columns, rows)
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "pending",
        Phase::Warming => "warming",
        Phase::InService => "in service",
        Phase::Unhealthy => "unhealthy",
        Phase::Draining => "draining",
        Phase::Warm => "warm",
        Phase::Preparing => "preparing",
        Phase::Stopped => "stopped",
    }
}

#[cfg(test)]
mod tests {
    use ghostnet_core::reason::Finding;
    use ghostnet_core::refresh::{LastAsked, Phase as RefreshPhase, Progress, Refresh};
    use ghostnet_core::unit::Percent;

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
        let text = include_str!("../../../infra/fleets/standby.yaml");
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
        assert!(status(&fixture::spec(), &fixture::preview(), &[], None, None).failover.is_none());
    }
}
