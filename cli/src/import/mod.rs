//! The fleet spec that does what an Auto Scaling group does: facts in, YAML out, with a remark for everything that has no
//! counterpart. Pure; the result has no problems, whatever the group is like.

mod policies;
mod schedules;
mod yaml;

use ghostnet_aws::autoscaling::{GroupFacts, GroupRules, MixedFacts, TemplateName};
use ghostnet_aws::cloudwatch::watched::AlarmFacts;
use ghostnet_core::id::FleetId;
use ghostnet_core::unit::Seconds;
use jiff::Timestamp;

use self::yaml::{list, quoted};

/// Instances of a fleet, and so of a pool.
const SIZE_MAX: u32 = 1_000;
/// Target groups of a pool.
const GROUPS_MAX: usize = 5;

/// A group with all that belongs to it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Group {
    pub(crate) facts: GroupFacts,
    pub(crate) rules: GroupRules,
    /// The alarms that its policies name, and that watch a single metric.
    pub(crate) alarms: Vec<AlarmFacts>,
}

/// A spec, and what is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Imported {
    /// The YAML, remarks included.
    pub(crate) text: String,
    /// What has no counterpart, or another meaning.
    pub(crate) remarks: Vec<String>,
}

/// What is written, part by part; remarks collect on the way.
#[derive(Debug, Default)]
struct Draft {
    lines: Vec<String>,
    remarks: Vec<String>,
}

impl Draft {
    fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn remark(&mut self, remark: impl Into<String>) {
        self.remarks.push(remark.into());
    }
}

/// Translates a group as it is now.
pub(crate) fn translate(group: &Group, fleet: &FleetId, now: Timestamp) -> Imported {
    let mut draft = Draft::default();
    let (min, max) = sizes(group, &mut draft);
    draft.line("");
    draft.line("defaults:");
    launch(&group.facts, &mut draft);
    life(&group.facts, &mut draft);
    draft.line("");
    draft.line("pools:");
    pool(&group.facts, (min, max), &mut draft);
    let mut written = policies::write(group, &mut draft);
    written.extend(schedules::write(group, (min, max), now, &mut draft));
    policies::put(written, &mut draft);
    others(group, &mut draft);
    let remarks = draft.remarks;
    let mut text = head(&group.facts.name, fleet, &remarks);
    text.push_str(&draft.lines.join("\n"));
    Imported { text, remarks }
}

fn head(name: &str, fleet: &FleetId, remarks: &[String]) -> String {
    let mut text = format!("# The fleet that does what Auto Scaling group {name} does.\n");
    if !remarks.is_empty() {
        text.push_str("#\n# What has no counterpart, or another meaning:\n");
        for remark in remarks {
            text.push_str(&format!("# - {}\n", remark.replace(['\n', '\r'], " ")));
        }
    }
    text.push_str(&format!("\nfleet: {fleet}\n"));
    text.push_str(&format!("description: {}\n", quoted(&format!("from Auto Scaling group {name}"))));
    text.push_str("mode: recommend_only            # nothing is done: compare `ghostnet plan` with the group, then `on`\n");
    text
}

/// The bounds, within those of a fleet.
fn sizes(group: &Group, draft: &mut Draft) -> (u32, u32) {
    let (min, max, _) = group.facts.sizes;
    let within = max.clamp(1, SIZE_MAX);
    if within != max {
        draft.remark(format!("the group's maximum is {max}, and a fleet has between 1 and {SIZE_MAX}"));
    }
    (min.min(within), within)
}

fn launch(facts: &GroupFacts, draft: &mut Draft) {
    draft.line("  launch:");
    let template = facts.template.clone().unwrap_or_else(|| {
        let made_from = facts.launch_configuration.as_deref().unwrap_or("nothing that AWS tells");
        draft.remark(format!(
            "the group launches from {made_from}: make a launch template of it, and name it in `launch.template`"
        ));
        TemplateName {
            name: Some("make-a-launch-template".to_owned()),
            ..TemplateName::default()
        }
    });
    let key = match (&template.name, &template.id) {
        (Some(name), _) => format!("name: {}", quoted(name)),
        (None, id) => format!("id: {}", quoted(id.as_deref().unwrap_or_default())),
    };
    let version = template
        .version
        .as_deref()
        .filter(|version| !version.is_empty())
        .unwrap_or("$Default");
    draft.line(format!("    template: {{ {key}, version: {} }}", quoted(version)));
    if facts.subnets.is_empty() {
        draft.remark("the group names no subnets: name those of your network in `launch.subnets`");
        draft.line("    subnets: [subnet-name-yours]");
    } else {
        draft.line(format!("    subnets: {}", list(&facts.subnets)));
    }
    if let Some(mixed) = &facts.mixed {
        self::mixed(mixed, draft);
    }
}

fn mixed(mixed: &MixedFacts, draft: &mut Draft) {
    if !mixed.types.is_empty() {
        draft.line(format!("    instance_types: {}       # in order of preference", list(&mixed.types)));
    }
    let spot = 100_u32.saturating_sub(mixed.on_demand_percent);
    if spot > 0 {
        let strategy = mixed.spot_strategy.as_deref().unwrap_or("lowest-price");
        let allocation = match strategy {
            // with fewer than two types there is nothing to choose
            _ if mixed.types.len() < 2 => "listed_order",
            "lowest-price" => "lowest_price",
            _ => "capacity_optimized",
        };
        draft.line(format!(
            "    market: {{ on_demand_base: {}, spot_percent: {spot}, allocation: {allocation} }}",
            mixed.on_demand_base
        ));
        if !matches!(strategy, "lowest-price" | "capacity-optimized") {
            draft.remark(format!("spot is allocated `{strategy}`; here `{allocation}` comes nearest"));
        }
    }
    for (is_so, remark) in [
        (
            mixed.has_weights,
            "types are weighted in the group; here every instance counts as one",
        ),
        (
            mixed.by_attributes,
            "types are chosen by attributes; list them in `launch.instance_types`, in order of preference",
        ),
        (
            mixed.has_templates,
            "some types have a launch template or an image of their own; here all share one: make a pool for the others",
        ),
        (
            mixed.spot_max_price.is_some(),
            "spot has a highest price in the group; here it has none: cap the day with `guards.budgets.spend`",
        ),
        (
            mixed.on_demand_strategy.as_deref() == Some("lowest-price"),
            "on demand takes the cheapest type in the group; here it takes the first listed that has capacity",
        ),
    ] {
        if is_so {
            draft.remark(remark);
        }
    }
}

/// Warm-up, health, age, order and stock.
fn life(facts: &GroupFacts, draft: &mut Draft) {
    match facts.warmup_seconds {
        Some(seconds) => draft.line(format!("  warmup: {}", Seconds(seconds))),
        None => draft.remark(format!(
            "the group has no default instance warm-up and waits {} between adjustments; `warmup` is the default here, set it to what an instance takes",
            Seconds(facts.cooldown_seconds)
        )),
    }
    draft.line(format!("  health: {{ grace: {} }}", Seconds(facts.grace_seconds)));
    if facts.health_check == "EC2" && !facts.target_groups.is_empty() {
        draft.remark("the group replaces by EC2's checks alone; here who is unhealthy in a target group is replaced too");
    }
    if let Some(lifetime) = facts.lifetime_seconds {
        draft.line(format!("  max_age: {}", Seconds(lifetime.max(3_600))));
    }
    order(facts, draft);
    let Some(warm) = &facts.warm else { return };
    let (_, max, desired) = facts.sizes;
    // AWS keeps so many prepared that all that run and rest together are the maximum, if nothing else is said
    let prepared = warm.max_prepared.unwrap_or(max).min(max);
    let size = prepared.saturating_sub(desired).max(warm.min_size).min(max.clamp(1, SIZE_MAX));
    let state = if warm.state == "Hibernated" { "hibernated" } else { "stopped" };
    draft.line(format!("  warm: {{ size: {size}, state: {state}, return: {} }}", warm.reuses));
    draft.remark(format!(
        "the warm pool fills up to {prepared} instances, running ones included; here {size} are kept, whatever the size: a share such as `20%` follows it"
    ));
    if warm.state == "Running" {
        draft.remark("the warm pool keeps instances running; here they are stopped: `reserve` keeps running ones in service");
    }
    if facts.mixed.as_ref().is_some_and(|mixed| mixed.on_demand_percent < 100) {
        draft.remark("spot instances cannot be kept stopped: those kept are on demand");
    }
}

fn order(facts: &GroupFacts, draft: &mut Draft) {
    let mut order = vec!["zone_balance"];
    for policy in &facts.termination_policies {
        match policy.as_str() {
            "NewestInstance" => order.push("newest"),
            "OldestInstance" | "Default" | "AllocationStrategy" => order.push("oldest"),
            "ClosestToNextInstanceHour" => order.push("closest_to_billing"),
            "OldestLaunchTemplate" | "OldestLaunchConfiguration" => {
                order.push("oldest");
                draft.remark(format!(
                    "`{policy}` has no counterpart; the oldest instance comes nearest, and `launch.drift: replace` renews the others"
                ));
            }
            other => draft.remark(format!("the termination policy `{other}` has no counterpart")),
        }
    }
    order.dedup();
    // what comes after an order by age never decides
    let by_age = order.iter().position(|criterion| matches!(*criterion, "oldest" | "newest"));
    order.truncate(by_age.map_or(order.len(), |at| at + 1));
    draft.line(format!("  scale_in: {{ order: [{}] }}", order.join(", ")));
    if facts.protects_new {
        draft.remark("new instances are protected from scale-in in the group; here the launch template sets the tag `ghostnet:protect` on those that must stay");
    }
}

fn pool(facts: &GroupFacts, (min, max): (u32, u32), draft: &mut Draft) {
    let (_, _, desired) = facts.sizes;
    draft.line("  - id: main");
    draft.line(format!(
        "    capacity: {{ min: {min}, max: {max}, initial: {} }}   # initial: its size when this was written",
        desired.clamp(min, max)
    ));
    if facts.target_groups.is_empty() {
        return;
    }
    draft.line("    target_groups:");
    for group in facts.target_groups.iter().take(GROUPS_MAX) {
        draft.line(format!("      - {}", quoted(group)));
    }
    let left_out = facts.target_groups.len().saturating_sub(GROUPS_MAX);
    if left_out > 0 {
        draft.remark(format!("{left_out} target groups are left out: a pool has at most {GROUPS_MAX}"));
    }
    draft.remark("tag the target groups `ghostnet:installation=<InstallationId output>`, or the functions may not register in them");
}

/// What has no counterpart at all.
fn others(group: &Group, draft: &mut Draft) {
    let facts = &group.facts;
    for balancer in &facts.classic_balancers {
        draft.remark(format!(
            "the Classic Load Balancer {balancer} has no counterpart: use a target group"
        ));
    }
    for source in &facts.other_sources {
        draft.remark(format!("the traffic source {source} has no counterpart"));
    }
    for hook in &group.rules.hooks {
        let instead = if hook.contains("TERMINATING") {
            "`drain: { wait_for_tag: true }` waits for an instance's own word"
        } else {
            "`health: { ready_tag: true }` waits for an instance's own word"
        };
        draft.remark(format!("the lifecycle hook {hook} has no counterpart; {instead}"));
    }
    if facts.capacity_rebalance {
        draft.remark("the group replaces spot instances at a rebalance recommendation; here only at the interruption notice, and the recommendation is told");
    }
    if let Some((fewest, most)) = facts.maintenance {
        draft.remark(format!(
            "the maintenance policy allows {fewest} % to {most} %; here a replacement is launched first, within a tenth beyond the maximum"
        ));
    }
    if let Some(unit) = &facts.counted_in {
        draft.remark(format!(
            "the group counts in {unit}, a fleet in instances: all sizes must be looked at"
        ));
    }
    if let Some(name) = &facts.placement_group {
        draft.remark(format!("the placement group {name} belongs into the launch template"));
    }
    if !facts.suspended.is_empty() {
        draft.remark(format!("suspended in the group now: {}", facts.suspended.join(", ")));
    }
}

/// A fleet's id from a group's name.
pub(crate) fn fleet_of(name: &str) -> Option<FleetId> {
    let lower = name.to_ascii_lowercase();
    let mut id = String::new();
    for letter in lower.chars() {
        match letter {
            'a'..='z' => id.push(letter),
            '0'..='9' if !id.is_empty() => id.push(letter),
            _ if !id.is_empty() && !id.ends_with('-') => id.push('-'),
            _ => {}
        }
    }
    let id: String = id.chars().take(32).collect();
    id.trim_end_matches('-').parse().ok()
}

#[cfg(test)]
mod tests;
