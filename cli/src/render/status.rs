//! How fleets stand, for people.

use ghostnet_core::id::{PoolId, RouteId};
use ghostnet_core::state::SignalKind;
use ghostnet_core::tuning::Tuned;
use ghostnet_core::unit::Seconds;
use jiff::Timestamp;

use super::table::{self, Side};
use super::time;
use crate::status::{FleetStatus, Phase, PoolStatus, RecordSummary, TuningStatus};
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
    let tuned = status.tuning.iter();
    rows.extend(tuned.map(|tuned| row("tuning", time::clock(tuned.found.at.at(), now), tuning(tuned))));
    rows.extend(status.findings.iter().map(|finding| row("finding", String::new(), finding.clone())));
    rows
}

/// What was found, what becomes of it, and what the days that are past came to by it.
fn tuning(tuned: &TuningStatus) -> String {
    let (found, gain) = (&tuned.found, tuned.found.gain_percent());
    let Tuned { settings, instead_of } = &found.tuned;
    if settings == instead_of {
        return format!("what is written is as good as anything near it, by {} days", found.days);
    }
    let used = settings.utilisation.filter(|_| settings.utilisation != instead_of.utilisation);
    let used = used.map(|used| format!(", utilisation {used}")).unwrap_or_default();
    let becomes = if tuned.in_force { "goes by" } else { "suggests" };
    let costs = if gain < 0.0 { "more" } else { "less" };
    let limit = 100.0 * found.objective.used;
    format!(
        "{becomes} {settings}{used} · {:.1} % {costs}, over {limit:.0} % for {:.2} % of the time (as written {:.2} %), by {} days",
        gain.abs(),
        found.found.over_percent,
        found.written.over_percent,
        found.days
    )
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
    parts.extend(traffic.leads_to.iter().map(|instance| format!("leads to {instance}")));
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
mod tests;
