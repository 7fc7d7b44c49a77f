//! Whether traffic could go to each side of a fleet, by its rules and health alarms as AWS has them: told when a spec is looked at.

use std::collections::BTreeMap;

use ghostnet_aws::cloudwatch::alarm::ListedAlarm;
use ghostnet_core::failover::health_alarms;
use ghostnet_core::id::{AlarmName, Destination, PoolId, Region, RouteId};
use ghostnet_core::route::Route;
use ghostnet_core::spec::{Failover, Fallback, FleetSpec, Instead, PoolSpec, Problem};
use ghostnet_core::state::Routing;
use ghostnet_engine::port::Routes;

use crate::failure::Failure;
use crate::stack::Session;

/// How the ids of instances begin.
const INSTANCE: &str = "i-";

/// What is unwise or missing.
///
/// # Errors
/// AWS does not answer.
pub(crate) async fn notes(session: &Session, spec: &FleetSpec) -> Result<Vec<Problem>, Failure> {
    let mut notes = silent_health_alarms(session, spec).await?;
    notes.extend(unreached_sides(session, spec).await?);
    Ok(notes)
}

/// Routes that could not move traffic to a side.
async fn unreached_sides(session: &Session, spec: &FleetSpec) -> Result<Vec<Problem>, Failure> {
    let rules: &[RouteId] = spec.failover.as_ref().map(Failover::routes).unwrap_or_default();
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let checked_by = instead(spec).and_then(|instead| instead.checked_by.clone());
    let read: Vec<RouteId> = spec
        .failover
        .iter()
        .flat_map(Failover::all_routes)
        .cloned()
        .chain(checked_by)
        .collect();
    let mut by_region: BTreeMap<Region, Vec<RouteId>> = BTreeMap::new();
    for route in read {
        let region = spec.region_of_route(&route, session.aws.home());
        by_region.entry(region).or_default().push(route);
    }
    let mut routing = BTreeMap::new();
    for (region, routes) in by_region {
        let there = session.aws.routing(&region, &routes).await;
        routing.extend(there.map_err(Failure::aws("the routes of `failover.lever` cannot be read"))?);
    }
    Ok(judge_rules(spec, rules, &routing))
}

fn judge_rules(spec: &FleetSpec, rules: &[RouteId], routing: &BTreeMap<RouteId, Routing>) -> Vec<Problem> {
    let mut notes = Vec::new();
    let field = spec.failover.as_ref().map(|failover| failover.lever.field()).unwrap_or_default();
    let addresses = rules.iter().filter(|rule| matches!(rule.route(), Route::Address(_))).count();
    for (n, rule) in rules.iter().enumerate() {
        let path = match rule.route() {
            Route::Address(_) => format!("failover.lever.{field}.elastic_ips[{n}]"),
            Route::VpcRoute(_) => format!("failover.lever.{field}.vpc_routes[{}]", n.saturating_sub(addresses)),
            Route::Rule | Route::Records(_) | Route::Endpoints | Route::Dials => format!("failover.lever.{field}[{n}]"),
        };
        let Some(routing) = routing.get(rule) else {
            let message = format!("it does not exist here, or {}: nothing fails over by it", why_unset(rule));
            notes.push(Problem { path, message, hint: None });
            continue;
        };
        if matches!(rule.route(), Route::Address(_) | Route::VpcRoute(_)) {
            notes.extend(judge_led(path, routing));
            continue;
        }
        for pool in unnamed(spec, routing) {
            let message = match rule.route() {
                Route::Rule => format!(
                    "it forwards to no target group of `{pool}`: traffic cannot go there, and nothing may check it; add one at weight 0"
                ),
                Route::Records(_) | Route::Endpoints | Route::Dials | Route::Address(_) | Route::VpcRoute(_) => {
                    format!("it has nothing that leads to `{pool}`: traffic cannot go there; add it at weight 0")
                }
            };
            notes.push(Problem {
                path: path.clone(),
                message,
                hint: None,
            });
        }
        if routing.sticks && spec.failover.as_ref().is_some_and(|failover| failover.fencing.is_some()) {
            let message = "clients stay with the target group that they met: they go back to a side that is kept out as soon as it is registered \
                           again; turn off the stickiness between groups";
            notes.push(Problem {
                path: path.clone(),
                message: message.to_owned(),
                hint: None,
            });
        }
        if let Some(Fallback::Forward(group)) = instead(spec).map(|instead| &instead.answer)
            && !routing.weights.contains_key(&Destination::from(group))
        {
            let message =
                "it does not forward to the group of `degraded.forward`: nothing else answers there; add it at weight 0".to_owned();
            notes.push(Problem { path, message, hint: None });
        }
    }
    notes.extend(judge_instead(spec, routing));
    notes
}

/// What an address or a line of a route table leads to; nothing is said of an instance: whether it is of the fleet, each look sees.
fn judge_led(path: String, routing: &Routing) -> Option<Problem> {
    let foreign = routing.weights.keys().find(|to| !to.as_str().starts_with(INSTANCE))?;
    Some(Problem {
        path,
        message: format!("it leads to {foreign}, which is no instance: it is left alone, and nothing fails over by it"),
        hint: Some("lead it to an instance of the fleet, or to nothing: it is followed from then on".to_owned()),
    })
}

/// Why a route that exists is not ours to set.
fn why_unset(route: &RouteId) -> &'static str {
    match route.route() {
        Route::Rule => "its actions are not one forward action",
        Route::Records(_) => "its records are not all weighted, or one primary and one secondary",
        Route::Endpoints | Route::Dials => "it has nothing to weigh",
        Route::Address(_) | Route::VpcRoute(_) => "it is of another account",
    }
}

fn instead(spec: &FleetSpec) -> Option<&Instead> {
    spec.failover.as_ref()?.degraded.as_ref()
}

/// Pools to which a route leads in no way.
fn unnamed<'a>(spec: &'a FleetSpec, routing: &Routing) -> impl Iterator<Item = &'a PoolId> {
    let is_named = |pool: &&PoolSpec| routing.weights.keys().any(|destination| pool.receives(destination));
    spec.pools.iter().filter(move |pool| !is_named(pool)).map(|pool| &pool.id)
}

/// The rules beside the lever that matter while no side can serve.
fn judge_instead(spec: &FleetSpec, routing: &BTreeMap<RouteId, Routing>) -> Vec<Problem> {
    let Some(instead) = instead(spec) else { return Vec::new() };
    let mut notes = Vec::new();
    let mut note = |path: String, message: String| {
        notes.push(Problem { path, message, hint: None });
    };
    for (n, _) in instead.shed.iter().enumerate().filter(|(_, rule)| !routing.contains_key(*rule)) {
        let message = "it does not exist here, or its actions are neither one forward nor one fixed response: it is not shed";
        note(format!("failover.degraded.shed_rules[{n}]"), message.to_owned());
    }
    if let Some(rule) = &instead.checked_by {
        let unchecked: Vec<String> = match routing.get(rule) {
            Some(routing) => unnamed(spec, routing).map(ToString::to_string).collect(),
            None => spec.pools.iter().map(|pool| pool.id.to_string()).collect(),
        };
        for pool in unchecked {
            let message =
                format!("it forwards to no target group of `{pool}`: while something else answers, nobody sees when that side is ready");
            note("failover.degraded.checked_by".to_owned(), message);
        }
    }
    notes
}

/// Alarms that are to tell of the health of a side, and are not there, or do not tell when it is well again.
async fn silent_health_alarms(session: &Session, spec: &FleetSpec) -> Result<Vec<Problem>, Failure> {
    let names: Vec<_> = health_alarms(spec).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let listed = session.aws.alarms_named(session.aws.home(), &names).await;
    let listed = listed.map_err(Failure::aws("alarms cannot be read"))?;
    Ok(judge_health_alarms(&names, &listed))
}

fn judge_health_alarms(names: &[AlarmName], listed: &[ListedAlarm]) -> Vec<Problem> {
    let note = |name: &AlarmName| {
        let (message, hint) = match listed.iter().find(|alarm| alarm.name == *name) {
            None => (
                format!("alarm `{name}` does not exist here: until it does, it says nothing of its side"),
                None,
            ),
            Some(alarm) if alarm.keeps_its_state => (
                format!(
                    "alarm `{name}` keeps its state while its metric says nothing, as that of a side without traffic may: such a side stays ill"
                ),
                Some("set its `TreatMissingData` to `missing`".to_owned()),
            ),
            Some(_) => return None,
        };
        let path = "failover.detect".to_owned();
        Some(Problem { path, message, hint })
    };
    names.iter().filter_map(note).collect()
}

#[cfg(test)]
mod tests {
    use ghostnet_core::id::TargetGroupArn;
    use ghostnet_core::spec::Fencing;
    use ghostnet_core::unit::Seconds;

    use super::*;

    #[test]
    fn an_alarm_that_is_not_there_or_never_changes_its_mind_is_told() {
        let [absent, stuck, sound] = ["absent", "stuck", "sound"].map(AlarmName::new);
        let listed = |name: &AlarmName, keeps_its_state| ListedAlarm {
            name: name.clone(),
            arn: String::new(),
            description: String::new(),
            actions: Vec::new(),
            actions_enabled: true,
            keeps_its_state,
        };
        let notes = judge_health_alarms(
            &[absent, stuck.clone(), sound.clone()],
            &[listed(&stuck, true), listed(&sound, false)],
        );
        let told: Vec<_> = notes.iter().map(|note| (note.message.as_str(), note.hint.as_deref())).collect();
        assert_eq!(
            told,
            [
                (
                    "alarm `absent` does not exist here: until it does, it says nothing of its side",
                    None
                ),
                (
                    "alarm `stuck` keeps its state while its metric says nothing, as that of a side without traffic may: such a side stays ill",
                    Some("set its `TreatMissingData` to `missing`")
                ),
            ]
        );
    }

    #[test]
    fn an_address_that_leads_to_no_instance_is_told() {
        let Ok(file) = crate::spec_file::read("", include_str!("../../infra/fleets/router.yaml")) else {
            panic!("the example has no problems")
        };
        let rules = file.spec.failover.as_ref().map(Failover::routes).unwrap_or_default();
        for (to, address, line) in [
            (Some("i-0123456789abcdef0"), None, None),
            (None, None, None),
            (
                Some("eni-1"),
                Some("it leads to eni-1, which is no instance"),
                Some("it leads to eni-1, which is no instance"),
            ),
        ] {
            let leads = |rule: &RouteId| {
                let weights = to.map(|to| (Destination::new(to), 1)).into_iter().collect();
                let routing = Routing {
                    sticks: false,
                    answer: None,
                    weights,
                    actions: String::new(),
                };
                (rule.clone(), routing)
            };
            let notes = judge_rules(&file.spec, rules, &rules.iter().map(leads).collect());
            let told: Vec<(&str, &str)> = notes.iter().map(|note| (note.path.as_str(), note.message.as_str())).collect();
            let at = [
                "failover.lever.to_instance.elastic_ips[0]",
                "failover.lever.to_instance.vpc_routes[0]",
            ];
            let expected = at
                .into_iter()
                .zip([address, line])
                .filter_map(|(path, message)| Some((path, message?)));
            let is_told = |((path, told), (at, message)): (&(&str, &str), (&str, &str))| *path == at && told.starts_with(message);
            assert_eq!(told.len(), expected.clone().count(), "{to:?}: {told:?}");
            assert!(told.iter().zip(expected).all(is_told), "{to:?}: {told:?}");
        }
        let notes = judge_rules(&file.spec, rules, &BTreeMap::new());
        assert!(
            notes.iter().all(|note| note.message.contains("it does not exist here")) && notes.len() == rules.len(),
            "{notes:?}"
        );
    }

    /// What the rules of the example of two sides do, and what is told of it.
    #[test]
    fn a_rule_that_names_no_group_of_a_side_is_told() {
        let Ok(file) = crate::spec_file::read("", include_str!("../../infra/fleets/standby.yaml")) else {
            panic!("the example has no problems")
        };
        let spec = &file.spec;
        let rules = spec.failover.as_ref().map(Failover::routes).unwrap_or_default();
        let of = |sides: usize| {
            let groups = spec.pools.iter().take(sides).flat_map(|pool| pool.target_groups.iter().cloned());
            let routing = Routing {
                sticks: false,
                answer: None,
                weights: groups.map(|group| (Destination::from(&group), 1)).collect(),
                actions: String::new(),
            };
            rules.iter().map(|rule| (rule.clone(), routing.clone())).collect()
        };
        let told = |routing: BTreeMap<RouteId, Routing>| {
            let notes = judge_rules(spec, rules, &routing);
            notes
                .into_iter()
                .map(|note| format!("{}: {}", note.path, note.message))
                .collect::<Vec<_>>()
        };
        assert_eq!(told(of(2)), Vec::<String>::new());
        let without_green = told(of(1)).join("\n");
        assert!(
            without_green.contains("listener_rules[0]: it forwards to no target group of `green`"),
            "{without_green}"
        );
        let unknown = told(BTreeMap::new()).join("\n");
        assert!(unknown.contains("listener_rules[0]: it does not exist here"), "{unknown}");

        let mut fenced = spec.clone();
        if let Some(failover) = &mut fenced.failover {
            failover.fencing = Some(Fencing {
                stop: false,
                timeout: Seconds::minutes(10),
            });
        }
        for (sticks, expected) in [(false, 0), (true, 1)] {
            let mut routing: BTreeMap<RouteId, Routing> = of(2);
            routing.values_mut().for_each(|routing| routing.sticks = sticks);
            assert_eq!(told(routing.clone()), Vec::<String>::new(), "{sticks}: both sides may serve");
            let notes = judge_rules(&fenced, rules, &routing);
            let about = notes
                .iter()
                .filter(|note| note.message.contains("turn off the stickiness between groups"));
            assert_eq!((about.count(), notes.len()), (expected, expected), "{sticks}");
        }

        let mut spec = spec.clone();
        let checks = RouteId::new("checks");
        if let Some(failover) = &mut spec.failover {
            failover.degraded = Some(Instead {
                answer: Fallback::Forward(TargetGroupArn::new("sorry")),
                shed: vec![RouteId::new("shed")],
                checked_by: Some(checks.clone()),
            });
        }
        let mut named = of(2);
        let two = named.values().next().cloned();
        let told = |routing: &BTreeMap<RouteId, Routing>| {
            let notes = judge_rules(&spec, rules, routing);
            notes.into_iter().map(|note| note.path).collect::<Vec<_>>()
        };
        let [sorry, shed, checked] = ["lever.listener_rules[0]", "degraded.shed_rules[0]", "degraded.checked_by"];
        let at = |place: &str| format!("failover.{place}");
        assert_eq!(
            told(&named),
            [at(sorry), at(shed), at(checked), at(checked)],
            "none of them is there"
        );
        named.extend(two.map(|two| (checks, two)));
        assert_eq!(told(&named), [at(sorry), at(shed)]);
    }
}
