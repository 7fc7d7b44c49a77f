//! Scheduled actions of a group, as windows of a fleet.
//!
//! An action changes a group until the next one does; a window opens and closes. So a window lasts until the next action, and an
//! action that sets what the group has anyway is no window at all.

use ghostnet_aws::autoscaling::ScheduleFacts;
use ghostnet_core::spec::Schedule;
use ghostnet_core::spec::schedule::WINDOW_MAX;
use ghostnet_core::unit::Seconds;
use jiff::Timestamp;

use super::policies::{Ids, Written};
use super::yaml::quoted;
use super::{Draft, Group};

/// Every action that has a counterpart.
pub(super) fn write(group: &Group, bounds: (u32, u32), now: Timestamp, draft: &mut Draft) -> Vec<Written> {
    let actions = &group.rules.schedules;
    let mut ids = Ids::default();
    for policy in &group.rules.policies {
        // ids of policies are taken already
        ids.of(&policy.name);
    }
    let mut written = Vec::new();
    for action in actions {
        let Some(opens) = next(action, now) else {
            draft.remark(format!(
                "the scheduled action `{}` is over, or cannot be read: it is left out",
                action.name
            ));
            continue;
        };
        let Some(capacity) = capacity(action, bounds, draft) else {
            continue;
        };
        let closes = actions.iter().filter_map(|other| next(other, opens)).min();
        let length = closes.map_or(WINDOW_MAX, |closes| Seconds::between(opens, closes)).min(WINDOW_MAX);
        // whole minutes, as cron has them
        let length = Seconds((length.0 / 60).max(1).saturating_mul(60));
        let when = match (&action.cron, action.zone.as_deref()) {
            (Some(cron), Some(zone)) => format!("cron: {}, zone: {}", quoted(cron), quoted(zone)),
            (Some(cron), None) => format!("cron: {}", quoted(cron)),
            (None, _) => format!("at: {}", quoted(&opens.to_string())),
        };
        written.push(vec![
            format!("id: {}", ids.of(&action.name)),
            "type: scheduled".to_owned(),
            format!("when: {{ {when}, for: {length} }}            # until the next scheduled action after {opens}"),
            format!("capacity: {{ {capacity} }}"),
        ]);
        if action.cron.is_some() && actions.len() > 1 {
            draft.remark(format!(
                "the window of `{}` is always {length} long, as between its next time and the action after it; look at it if that differs by weekday",
                action.name
            ));
        }
        if let Some(end) = action.end {
            draft.remark(format!(
                "the scheduled action `{}` ends at {end}; here it goes on: take it out then",
                action.name
            ));
        }
    }
    written
}

/// What the window sets, within what may be; none: it would set what holds anyway.
fn capacity(action: &ScheduleFacts, (min, max): (u32, u32), draft: &mut Draft) -> Option<String> {
    let own_max = action.max.filter(|own| *own != max && *own > 0);
    let highest = own_max.unwrap_or(max);
    let own_min = action.min.filter(|own| *own != min);
    let lowest = own_min.unwrap_or(min);
    if lowest > highest {
        draft.remark(format!(
            "the scheduled action `{}` is left out: its minimum {lowest} is above the maximum {highest}",
            action.name
        ));
        return None;
    }
    let desired = action.desired.map(|desired| desired.clamp(lowest, highest));
    let parts = [("min", own_min), ("max", own_max), ("desired", desired)];
    let parts: Vec<String> = parts
        .iter()
        .filter_map(|(name, size)| size.map(|size| format!("{name}: {size}")))
        .collect();
    if parts.is_empty() {
        draft.remark(format!(
            "the scheduled action `{}` sets what the group has now, which holds outside of windows: it is left out",
            action.name
        ));
        return None;
    }
    Some(parts.join(", "))
}

/// When an action is next due after a moment, within a month.
fn next(action: &ScheduleFacts, after: Timestamp) -> Option<Timestamp> {
    let Some(cron) = &action.cron else {
        return action.start.filter(|start| *start > after);
    };
    // one that begins later is due then at the earliest
    let after = action.start.map_or(after, |start| Seconds(1).before(start).max(after));
    let zone = action.zone.as_deref().unwrap_or("UTC");
    let within = |length: u32| {
        let schedule = Schedule::repeating(cron, zone, Seconds(length)).ok()?;
        schedule.open_window(Seconds(length).after(after)).map(|window| window.since)
    };
    within(WINDOW_MAX.0)?;
    // the shortest time within which it is due at all
    let (mut none, mut some) = (0, WINDOW_MAX.0);
    while some.saturating_sub(none) > 1 {
        let middle = none.midpoint(some);
        if within(middle).is_some() {
            some = middle;
        } else {
            none = middle;
        }
    }
    within(some)
}
