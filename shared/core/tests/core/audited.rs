//! Decisions made wrong by hand: audit names what they would break. And the ones that only mend a breach: it lets them pass.

use ghostnet_core::audit::audit;
use ghostnet_core::decide::{Decision, decide};
use ghostnet_core::id::{ClientToken, Generation, InstanceId, StepId};
use ghostnet_core::observation::{InstanceState, Market, TargetHealth};
use ghostnet_core::operator::{Asked, OperatorRequest, Wish};
use ghostnet_core::plan::{Action, OpenStep, Step};
use ghostnet_core::rating::{Rating, kind};
use ghostnet_core::refresh::{LastAsked, Refresh, RefreshRequest};
use ghostnet_core::signal::Signal;
use ghostnet_core::state::{Drain, DrainReason, Member, Pause, PoolState, Tally};
use ghostnet_core::unit::Seconds;

use crate::support::*;

/// A decision, and the world it was made in.
struct Case {
    world: World,
    decision: Decision,
}

impl Case {
    fn of(mut world: World) -> Self {
        let decision = world.decide(Signal::Tick);
        Self { world, decision }
    }

    /// Four serve, and nothing is to be done.
    fn calm() -> Self {
        Self::of(World::serving(4, json!({})))
    }

    /// Two are launched, in two steps.
    fn launching() -> Self {
        let mut world = World::serving(4, json!({}));
        world.read("requests", 145.0);
        Self::of(world)
    }

    /// One of six has drained and is to be terminated.
    fn terminating() -> Self {
        let mut world = World::serving(6, json!({ "guards": { "stabilisation": { "in": "0s" } } }));
        world.read("requests", 80.0);
        world.look();
        world.pass(60);
        Self::of(world)
    }

    /// One of six begins to drain.
    fn draining() -> Self {
        let mut world = World::serving(6, json!({ "guards": { "stabilisation": { "in": "0s" } } }));
        world.read("requests", 80.0);
        Self::of(world)
    }

    /// What audit finds after this change.
    fn after(mut self, change: impl FnOnce(&mut World, &mut Decision)) -> Vec<String> {
        change(&mut self.world, &mut self.decision);
        let situation = self.world.inputs.situation(&self.world.spec);
        audit(&situation, &self.decision)
            .into_iter()
            .map(|violation| violation.invariant)
            .collect()
    }
}

fn state(decision: &mut Decision) -> &mut PoolState {
    decision.state.pools.get_mut(&pool("blue")).unwrap()
}

fn drain(decision: &mut Decision, n: u32, why: DrainReason) {
    let id = InstanceId::new(format!("i-blue-{n:03}"));
    state(decision).members.get_mut(&id).unwrap().drain = Some(Drain {
        since: at(0).into(),
        deadline: at(300).into(),
        why,
    });
    decision.state.generation = Generation(1);
}

/// Its target group says that it fails.
fn accuse(world: &mut World, n: usize) {
    let targets = world.inputs.observation.targets.get_mut(&group("blue")).unwrap();
    targets[n].health = TargetHealth::Unhealthy;
}

/// A step that is on record, as decide leaves it.
fn add(decision: &mut Decision, action: Action) {
    let number = ghostnet_core::id::StepNumber(u16::try_from(decision.plan.steps.len()).unwrap());
    let step = Step {
        id: StepId {
            plan: decision.plan.id.clone(),
            number,
        },
        pool: pool("blue"),
        action,
    };
    let open = OpenStep {
        step: step.clone(),
        committed_at: at(0),
        execute_until: decision.plan.execute_until,
        taken_over: false,
    };
    decision.plan.steps.push(step);
    decision.state.open.push(open);
    decision.state.generation = Generation(1);
}

fn first_launch(decision: &mut Decision, change: impl Fn(&mut ghostnet_core::plan::Launch)) {
    for step in [&mut decision.plan.steps[0], &mut decision.state.open[0].step] {
        let Action::Launch(launch) = &mut step.action else {
            panic!("not a launch")
        };
        change(launch);
    }
}

fn instance(n: u32) -> Vec<InstanceId> {
    vec![InstanceId::new(format!("i-blue-{n:03}"))]
}

#[test]
fn what_decide_made_passes() {
    for case in [Case::calm(), Case::launching(), Case::terminating(), Case::draining()] {
        assert_eq!(case.after(|_, _| {}), Vec::<String>::new());
    }
}

#[test]
fn i2_not_above_the_maximum() {
    let row = |change: fn(&mut World, &mut Decision)| Case::launching().after(change);
    assert_eq!(row(|world, _| world.spec.pools[0].capacity.max = 5), ["I2"]);
    assert_eq!(row(|world, _| world.spec.maximum = 5), ["I2"]);
    assert_eq!(
        row(|_, decision| first_launch(decision, |launch| launch.count = 50)),
        ["I2", "I2", "I2", "I16"]
    );
    let crowded: fn(&mut World, &mut Decision) = |_, decision| decision.pools.get_mut(&pool("blue")).unwrap().counts.draining = 6;
    assert_eq!(row(crowded), ["I2"], "with those that leave, above the surge");
}

#[test]
fn i2_two_pools_add_up() {
    let pools = json!([{ "id": "blue", "target_groups": [group("blue")] }, { "id": "green", "target_groups": [group("green")] }]);
    let case = Case::of(World::new(json!({ "pools": pools, "maximum": 10 })));
    assert_eq!(case.after(|world, _| world.spec.maximum = 3), ["I2"], "two and two");
}

#[test]
fn i2_a_return_counts_like_a_launch() {
    let mut world = World::serving(6, json!({ "guards": { "stabilisation": { "in": "0s" } } }));
    world.read("requests", 80.0);
    world.look();
    let leaving = drained_member(&world);
    let found = Case::of(world).after(|world, decision| {
        world.spec.pools[0].capacity.max = 5;
        state(decision).members.get_mut(&leaving).unwrap().drain = None;
        decision.state.generation = world.inputs.state.generation.next();
    });
    assert_eq!(found, ["I2"]);
}

fn drained_member(world: &World) -> InstanceId {
    let members = &world.inputs.state.pools[&pool("blue")].members;
    members.iter().find(|(_, member)| member.drain.is_some()).unwrap().0.clone()
}

#[test]
fn i2_a_breach_that_is_only_mended_passes() {
    let case = Case::draining();
    assert_eq!(
        case.after(|world, _| world.spec.pools[0].capacity.max = 2),
        Vec::<String>::new(),
        "fewer, though still too many"
    );
    let case = Case::terminating();
    assert_eq!(
        case.after(|world, _| (world.spec.pools[0].capacity.max, world.spec.maximum) = (1, 1)),
        Vec::<String>::new()
    );
}

#[test]
fn i3_not_below_the_minimum_and_within_the_budget() {
    let case = Case::draining();
    assert_eq!(case.after(|world, _| world.spec.pools[0].capacity.min = 6), ["I3"]);
    let case = Case::draining();
    assert_eq!(
        case.after(|_, decision| drain(decision, 0, DrainReason::ScaleIn)),
        ["I3"],
        "two at once"
    );
    let case = Case::draining();
    let spent = |world: &mut World, _: &mut Decision| {
        world.inputs.state.pools.get_mut(&pool("blue")).unwrap().removals = vec![Tally { at: at(-30), count: 1 }];
    };
    assert_eq!(case.after(spent), ["I3"], "one within the minute was one enough");
    let case = Case::draining();
    assert_eq!(
        case.after(|world, _| world.spec.mode = ghostnet_core::spec::FleetMode::OutOnly),
        ["I3"],
        "the mode only adds"
    );
}

#[test]
fn i3_what_is_lost_anyway_may_go() {
    for why in [DrainReason::Unhealthy, DrainReason::NeverHealthy, DrainReason::Interrupted] {
        let case = Case::calm();
        let found = case.after(|world, decision| {
            world.spec.pools[0].capacity.min = 4;
            accuse(world, 1);
            drain(decision, 1, why);
        });
        assert_eq!(found, Vec::<String>::new(), "{why}");
    }
    let case = Case::calm();
    let interrupted = |_: &mut World, decision: &mut Decision| (0..4).for_each(|n| drain(decision, n, DrainReason::Interrupted));
    assert_eq!(case.after(interrupted), Vec::<String>::new(), "no budget holds up what AWS takes");
    let case = Case::draining();
    assert_eq!(
        case.after(|world, _| (world.inputs.retiring, world.spec.pools[0].capacity.min) = (true, 6)),
        Vec::<String>::new(),
        "deletion knows no minimum"
    );
}

#[test]
fn i4_drained_out_and_looked_at_twice() {
    let case = Case::terminating();
    let leaving = drained_member(&case.world);
    let member = |world: &mut World, change: fn(&mut Member)| {
        change(
            world
                .inputs
                .state
                .pools
                .get_mut(&pool("blue"))
                .unwrap()
                .members
                .get_mut(&leaving)
                .unwrap(),
        );
    };
    let unrecorded = case.after(|world, _| member(world, |member| member.drain = None));
    assert!(unrecorded.contains(&"I4".to_owned()), "{unrecorded:?}");
    let just_now: fn(&mut Member) = |member| member.drain.as_mut().unwrap().since = at(60).into();
    assert_eq!(
        Case::terminating().after(|world, _| member(world, just_now)),
        ["I4"],
        "the look that drains is not the second"
    );
    for (health, found) in [
        (TargetHealth::Healthy, vec!["I4"]),
        (TargetHealth::Unhealthy, vec!["I4"]),
        (TargetHealth::Initial, vec!["I4"]),
        (TargetHealth::Unchecked, vec!["I4"]),
        (TargetHealth::Unavailable, vec!["I4"]),
        (TargetHealth::Draining, vec![]),
        (TargetHealth::InvalidState, vec![]),
    ] {
        let listed = |world: &mut World, _: &mut Decision| {
            let target = ghostnet_core::observation::Target {
                instance: leaving.clone(),
                health,
                shifted: false,
            };
            world.inputs.observation.targets.get_mut(&group("blue")).unwrap().push(target);
        };
        assert_eq!(Case::terminating().after(listed), found, "{health:?}");
    }
    let unread = |world: &mut World, _: &mut Decision| world.inputs.observation.targets.clear();
    assert_eq!(Case::terminating().after(unread), ["I4"], "a group that was not read may list it");
}

/// Ten, and the demand needs six of what was learned.
#[test]
fn i5_fewer_by_what_was_learned_and_never_before() {
    let learned =
        json!({ "id": "demand", "type": "capacity", "demand": "alb_request_count", "instance_capacity": "learned", "utilisation": "50%" });
    let smaller = |change: fn(&mut World)| {
        let mut world = World::serving(10, json!({ "policies": [tracking(), learned] }));
        world.read("requests", 40.0);
        world.read("demand", 60.0 * 90.0);
        let rating = Rating {
            hours: vec![40_000; 6],
            ..Rating::new(kind(&world.spec.pools[0].launch, std::iter::empty()).unwrap(), None)
        };
        let ratings = &mut world.inputs.state.pools.get_mut(&pool("blue")).unwrap().ratings;
        ratings.insert(policy("demand"), rating);
        let mut case = Case::of(world);
        case.decision = decide(&case.world.inputs.situation(&case.world.spec));
        case.decision.pools.get_mut(&pool("blue")).unwrap().after = 6;
        case.after(|world, _| change(world))
    };
    assert_eq!(smaller(|_| {}), Vec::<String>::new());
    let forgotten: fn(&mut World) = |world| world.inputs.state.pools.get_mut(&pool("blue")).unwrap().ratings.clear();
    assert_eq!(smaller(forgotten), ["I5"]);
}

#[test]
fn i5_i6_i7_fewer_by_evidence_and_votes() {
    let smaller = |world: &mut World, after: u32| {
        let mut decision = decide(&world.inputs.situation(&world.spec));
        decision.pools.get_mut(&pool("blue")).unwrap().after = after;
        decision
    };
    for (situation, load, after, found) in [
        ("asked for and carried", Some(49.0), 5, vec![]),
        ("asked for, and would be undone", Some(49.0), 4, vec!["I6"]),
        ("nobody asks", Some(100.0), 9, vec!["I7", "I6"]),
        ("somebody asks for more", Some(150.0), 9, vec!["I7", "I6"]),
        ("no data", None, 9, vec!["I7"]),
    ] {
        let mut world = World::serving(10, json!({ "defaults": { "capacity": { "max": 20 } } }));
        match load {
            Some(load) => world.read("requests", load),
            None => world.loads.clear(),
        }
        let mut case = Case::of(world);
        case.decision = smaller(&mut case.world, after);
        assert_eq!(case.after(|_, _| {}), found, "{situation}");
    }
    let mut case = Case::draining();
    case.decision = smaller(&mut case.world, 5);
    let stale = |world: &mut World, _: &mut Decision| {
        let series = world.inputs.observation.series.get_mut(&pool("blue")).unwrap();
        series.insert(policy("requests"), minutes(at(-600), &[Some(80.0)]));
    };
    assert_eq!(case.after(stale), ["I5"], "a vote that rests on an old value");
    let mut case = Case::calm();
    case.decision = smaller(&mut case.world, 3);
    assert_eq!(
        case.after(|_, decision| decision.pools.get_mut(&pool("blue")).unwrap().votes.clear()),
        ["I5", "I6"],
        "nobody votes"
    );
}

#[test]
fn i5_what_bounds_take_away_needs_no_vote() {
    let mut world = World::serving(8, json!({}));
    world.loads.clear();
    world.spec.pools[0].capacity.max = 5;
    let case = Case::of(world.clone());
    assert_eq!(blue(&case.decision).after, 5);
    assert_eq!(case.after(|_, _| {}), Vec::<String>::new());
    assert_eq!(
        Case::of(world).after(|_, decision| decision.pools.get_mut(&pool("blue")).unwrap().after = 4),
        ["I7"],
        "but not one more"
    );
}

#[test]
fn i8_tokens() {
    let twice = |_: &mut World, decision: &mut Decision| {
        let Action::Launch(launch) = &decision.plan.steps[1].action else {
            panic!("not a launch")
        };
        let token = launch.token.clone();
        first_launch(decision, |launch| launch.token = token.clone());
    };
    assert_eq!(Case::launching().after(twice), ["I8"]);
    let long: ClientToken = serde_json::from_value(json!("x".repeat(65))).unwrap();
    assert_eq!(
        Case::launching().after(|_, decision| first_launch(decision, |launch| launch.token = long.clone())),
        ["I8"]
    );
    let odd: ClientToken = serde_json::from_value(json!("tokén")).unwrap();
    assert_eq!(
        Case::launching().after(|_, decision| first_launch(decision, |launch| launch.token = odd.clone())),
        ["I8"]
    );
}

#[test]
fn i9_every_step_is_on_record() {
    assert_eq!(Case::launching().after(|_, decision| drop(decision.state.open.remove(0))), ["I9"]);
    assert_eq!(
        Case::launching().after(|_, decision| decision.state.open[0].execute_until = at(5)),
        ["I9"],
        "with the window it is sent in"
    );
}

#[test]
fn i13_every_pool_is_decided() {
    assert_eq!(Case::calm().after(|_, decision| decision.pools.clear()), ["I13"]);
}

#[test]
fn i15_an_old_notice_is_no_input() {
    let notice = |ago| {
        move |world: &mut World, decision: &mut Decision| {
            world.inputs.signal = spot_notice(world, &instance(1)[0], ago);
            drain(decision, 1, DrainReason::Interrupted);
        }
    };
    assert_eq!(Case::calm().after(notice(600)), Vec::<String>::new());
    assert_eq!(Case::calm().after(notice(601)), ["I15"]);
}

#[test]
fn i15_an_operators_size_is_asked_for_lately_and_in_order() {
    let size = |issued: i64, until: i64| Asked {
        by: "me".into(),
        at: at(issued),
        wish: Wish::Hold {
            desired: 4,
            until: at(until),
            reason: "no".into(),
        },
    };
    let asked = |issued: i64, by_signal: bool, before: Option<i64>| {
        move |world: &mut World, decision: &mut Decision| {
            let asked = size(issued, 3_600);
            world.inputs.state.pools.get_mut(&pool("blue")).unwrap().asked = before.map(|issued| size(issued, 3_600));
            decision.state.pools.get_mut(&pool("blue")).unwrap().asked = Some(asked.clone());
            if by_signal {
                let (fleet, pool) = ("web".parse().unwrap(), None);
                world.inputs.signal = Signal::OperatorRequest(OperatorRequest { fleet, pool, asked });
            }
        }
    };
    for (situation, change, found) in [
        ("asked for lately", asked(-600, true, None), vec![]),
        ("asked for long ago", asked(-601, true, None), vec!["I15"]),
        ("nobody asked", asked(0, false, None), vec!["I15"]),
        ("an older one after a newer one", asked(-60, true, Some(-30)), vec!["I15"]),
        ("a newer one after an older one", asked(-30, true, Some(-60)), vec![]),
    ] {
        assert_eq!(Case::calm().after(change), found, "{situation}");
    }
}

#[test]
fn i15_a_refresh_is_asked_for_lately_and_in_order() {
    let last = |issued: i64| LastAsked {
        by: "me".into(),
        at: at(issued),
    };
    let refresh = |issued: i64| Refresh {
        last: Some(last(issued)),
        ..Refresh::default()
    };
    let asked = |issued: i64, wish: Option<Wish>, before: Option<i64>| {
        move |world: &mut World, decision: &mut Decision| {
            world.inputs.state.pools.get_mut(&pool("blue")).unwrap().refresh = before.map(refresh);
            decision.state.pools.get_mut(&pool("blue")).unwrap().refresh = Some(refresh(issued));
            if let Some(wish) = wish.clone() {
                let (fleet, pool) = ("web".parse().unwrap(), None);
                let (by, at) = ("me".into(), at(issued));
                let asked = Asked { by, at, wish };
                world.inputs.signal = Signal::OperatorRequest(OperatorRequest { fleet, pool, asked });
            }
        }
    };
    let cancel = || Some(Wish::Refresh(RefreshRequest::Cancel));
    for (situation, change, found) in [
        ("asked for lately", asked(-600, cancel(), None), vec![]),
        ("asked for long ago", asked(-601, cancel(), None), vec!["I15"]),
        ("nobody asked", asked(0, None, None), vec!["I15"]),
        ("something else was asked", asked(0, Some(Wish::Clear), None), vec!["I15"]),
        ("an older one after a newer one", asked(-60, cancel(), Some(-30)), vec!["I15"]),
        ("a newer one after an older one", asked(-30, cancel(), Some(-60)), vec![]),
        ("nothing new", asked(-60, None, Some(-60)), vec![]),
    ] {
        assert_eq!(Case::calm().after(change), found, "{situation}");
    }
}

#[test]
fn i16_launches_per_hour() {
    let case = Case::launching();
    let spent = |world: &mut World, _: &mut Decision| {
        world.inputs.state.pools.get_mut(&pool("blue")).unwrap().launches = vec![Tally { at: at(-3_599), count: 29 }];
    };
    assert_eq!(case.after(spent), ["I16"], "thirty are three times the maximum");
}

#[test]
fn i17_only_what_is_ours() {
    let others = || vec![InstanceId::new("i-of-somebody")];
    let actions: [fn(Vec<InstanceId>) -> Action; 2] = [
        |instances| Action::Deregister {
            group: group("blue"),
            instances,
        },
        |instances| Action::Register {
            group: group("blue"),
            instances,
        },
    ];
    for action in actions {
        assert_eq!(Case::calm().after(|_, decision| add(decision, action(others()))), ["I17"]);
    }
    assert_eq!(
        Case::calm().after(|_, decision| add(decision, Action::Terminate { instances: others() })),
        ["I4", "I17"]
    );
    let gone = |world: &mut World, decision: &mut Decision| {
        let id = world.put("blue", 9, InstanceState::Terminated);
        world.inputs.observation.instances = Some(world.instances.values().cloned().collect());
        add(
            decision,
            Action::Deregister {
                group: group("blue"),
                instances: vec![id],
            },
        );
    };
    assert_eq!(
        Case::calm().after(gone),
        Vec::<String>::new(),
        "an instance of ours that is gone may leave its group"
    );
}

#[test]
fn i18_windows() {
    assert_eq!(Case::calm().after(|_, decision| decision.plan.execute_until = at(61)), ["I18"]);
    assert_eq!(
        Case::launching().after(|_, decision| decision.state.generation = Generation(7)),
        ["I18"]
    );
    let again = |waited: u32| {
        let mut world = World::new(json!({ "defaults": { "launch": { "subnets": ["subnet-a"] } } }));
        let first = world.die();
        world.wait(waited);
        Case::of(world).after(|world, decision| {
            decision.plan.steps = first.plan.steps.clone();
            decision.state.open[0].execute_until = decision.plan.execute_until;
            decision.state.generation = world.inputs.state.generation.next();
        })
    };
    assert_eq!(again(60), Vec::<String>::new());
    assert_eq!(again(59), ["I18"], "its executor may still be at it");
}

#[test]
fn i18_nobody_acts_while_paused() {
    let pause = Pause {
        by: "me".into(),
        reason: "no".into(),
        since: at(0),
        until: at(60),
    };
    assert_eq!(Case::launching().after(|_, decision| decision.state.pause = Some(pause)), ["I18"]);
    assert_eq!(
        Case::launching().after(|world, _| world.spec.mode = ghostnet_core::spec::FleetMode::RecommendOnly),
        ["I18"]
    );
}

#[test]
fn i18_one_step_per_resource() {
    let register = |n| Action::Register {
        group: group("blue"),
        instances: instance(n),
    };
    let deregister = |n| Action::Deregister {
        group: group("blue"),
        instances: instance(n),
    };
    let both = |a: Action, b: Action| {
        Case::calm().after(|_, decision| {
            add(decision, a);
            add(decision, b);
        })
    };
    assert_eq!(both(register(1), deregister(1)), ["I18"]);
    assert_eq!(both(register(1), deregister(2)), Vec::<String>::new());
    assert_eq!(
        both(
            register(1),
            Action::Deregister {
                group: group("green"),
                instances: instance(1)
            }
        ),
        Vec::<String>::new(),
        "groups are resources of their own"
    );
    assert_eq!(both(Action::Terminate { instances: instance(1) }, register(1)), ["I18", "I4"]);
    assert_eq!(both(register(1), Action::Terminate { instances: instance(1) }), ["I18", "I4"]);
    let earlier = Case::calm().after(|_, decision| {
        add(decision, deregister(1));
        let mut open = decision.state.open[0].clone();
        open.step = Step {
            id: StepId {
                plan: ghostnet_core::id::PlanId::new("earlier"),
                ..open.step.id
            },
            action: register(1),
            ..open.step
        };
        decision.state.open.push(open);
    });
    assert_eq!(earlier, ["I18"], "an earlier plan's open step holds it");
}

#[test]
fn i19_spot_within_its_share() {
    let as_spot = |decision: &mut Decision| {
        for step in &mut decision.plan.steps {
            if let Action::Launch(launch) = &mut step.action {
                launch.offering.market = Market::Spot;
            }
        }
        let plan = decision.plan.steps.clone();
        for open in &mut decision.state.open {
            open.step = plan.iter().find(|step| step.id == open.step.id).unwrap().clone();
        }
    };
    let market = |base: u32, spot: u32| json!({ "defaults": { "launch": { "market": { "on_demand_base": base, "spot_percent": spot } } } });
    for (situation, market, broken) in [
        ("no spot at all", json!({}), true),
        ("two of six, and half may be", market(0, 50), false),
        ("two of six, and one may be", market(4, 50), true),
    ] {
        let mut world = World::serving(4, market);
        world.read("requests", 145.0);
        let found = Case::of(world).after(|_, decision| as_spot(decision));
        assert_eq!(found, if broken { vec!["I19"] } else { vec![] }, "{situation}");
    }
    let mut world = World::serving(4, market(4, 50));
    world.read("requests", 145.0);
    let off = |world: &mut World, decision: &mut Decision| {
        as_spot(decision);
        let quota = ghostnet_core::state::LaunchRefused {
            until: at(60),
            code: "VcpuLimitExceeded".into(),
            message: String::new(),
        };
        let pool = world.inputs.state.pools.get_mut(&pool("blue")).unwrap();
        pool.markets_off.insert(Market::OnDemand, quota);
    };
    assert_eq!(Case::of(world).after(off), [""; 0], "nothing can be had on demand");
    let mut world = World::serving(4, market(4, 50));
    world.read("requests", 145.0);
    let elsewhere = |out: bool| {
        move |world: &mut World, decision: &mut Decision| {
            as_spot(decision);
            let ran_out = |zone: &str| ghostnet_core::observation::ExhaustedOffering {
                offering: ghostnet_core::observation::Offering {
                    zone: ghostnet_core::id::Zone::new(zone),
                    instance_type: Some(ghostnet_core::id::InstanceType::new("c7a.large")),
                    market: Market::OnDemand,
                    reservation: None,
                },
                until: at(600),
            };
            world.inputs.observation.exhausted = ["eu-west-1b", "eu-west-1c"].map(ran_out).to_vec();
            if out {
                let zone = ghostnet_core::id::Zone::new("eu-west-1a");
                state(decision).zones_out.insert(zone, at(600).into());
            }
        }
    };
    assert_eq!(
        Case::of(world.clone()).after(elsewhere(false)),
        ["I19"],
        "one zone has some on demand"
    );
    assert_eq!(Case::of(world).after(elsewhere(true)), [""; 0], "and that zone is out");
}

/// A decision that launches into reservations, changed so.
#[test]
fn i19_reservations_before_on_demand_and_as_the_spec_names_them() {
    use ghostnet_core::spec::Reservation;
    type Change = fn(&mut ghostnet_core::observation::Offering);
    let changes: [(&str, Change, &[&str]); 4] = [
        ("as decided", |_| {}, &[]),
        (
            "on demand at once",
            |offering| (offering.market, offering.reservation) = (Market::OnDemand, None),
            &["I19", "I19"],
        ),
        (
            "in another one",
            |offering| offering.reservation = Some(Reservation::Id("cr-0".into())),
            &["I19", "I19"],
        ),
        ("in none", |offering| offering.reservation = None, &["I19", "I19"]),
    ];
    for (situation, change, expected) in changes {
        let reserving = json!({ "defaults": { "launch": { "market": { "reservations": "open" } } } });
        let mut world = World::serving(4, reserving);
        world.read("requests", 145.0);
        let found = Case::of(world).after(|_, decision| {
            for step in &mut decision.plan.steps {
                if let Action::Launch(launch) = &mut step.action {
                    change(&mut launch.offering);
                }
            }
            let plan = decision.plan.steps.clone();
            for open in &mut decision.state.open {
                open.step = plan.iter().find(|step| step.id == open.step.id).unwrap().clone();
            }
        });
        assert_eq!(found, expected, "{situation}");
    }
}

#[test]
fn i19_no_more_launches_than_the_bucket_holds() {
    let split = |launches: u32| {
        let change = json!({ "defaults": { "capacity": { "initial": launches }, "launch": { "subnets": ["subnet-a"] } } });
        Case::of(World::new(change)).after(|_, decision| {
            let step = decision.plan.steps.remove(0);
            decision.state.open.clear();
            let Action::Launch(launch) = step.action else {
                panic!("not a launch")
            };
            for n in 0..launches {
                let one = ghostnet_core::plan::Launch {
                    count: 1,
                    token: ClientToken::over(&[&n.to_string()]),
                    ..launch.clone()
                };
                add(decision, Action::Launch(one));
            }
        })
    };
    assert_eq!(split(5), [""; 0]);
    assert_eq!(split(6), ["I19"]);
}

/// Four serve; of three that are kept one runs, one rests, and one was put into the group by somebody.
fn keeping() -> World {
    use ghostnet_core::state::{Warm, WarmPhase};
    let mut world = World::serving(4, json!({ "defaults": { "warm": { "size": 3 } } }));
    let kept = [
        (10, InstanceState::Running),
        (11, InstanceState::Stopped),
        (12, InstanceState::Running),
    ];
    for (n, running) in kept {
        let id = world.put("blue", n, running);
        // booting still: nothing is to be done yet
        world.instances.get_mut(&id).unwrap().launched_at = at(-60);
        let warm = Some(Warm {
            phase: WarmPhase::Kept,
            since: at(-60).into(),
        });
        let member = Member {
            warm,
            ..Member::new(at(-60))
        };
        world.inputs.state.pools.get_mut(&pool("blue")).unwrap().members.insert(id, member);
    }
    world
}

#[test]
fn i4_stopped_is_only_who_was_out_of_service_and_is_in_no_group() {
    let stop = |n| {
        let mut world = keeping();
        world.health("blue", &instance(12)[0], TargetHealth::Healthy);
        let mut case = Case::of(world);
        case.decision.plan.steps.clear();
        case.decision.state.open.clear();
        case.after(|_, decision| {
            add(
                decision,
                Action::Stop {
                    instances: instance(n),
                    hibernate: false,
                },
            );
        })
    };
    assert_eq!(stop(10), Vec::<String>::new());
    assert_eq!(stop(12), ["I4"], "it is in a group");
    assert_eq!(stop(1), ["I4"], "it serves");
}

#[test]
fn i20_who_is_kept_is_in_no_group_and_only_who_is_kept_is_started() {
    let with = |action: Action| Case::of(keeping()).after(|_, decision| add(decision, action));
    let start = |n| {
        let offering = serde_json::from_value(json!({ "zone": "eu-west-1a", "type": "c7a.large", "market": "on-demand" })).unwrap();
        let instances = instance(n);
        Action::Start { instances, offering }
    };
    let register = |n| Action::Register {
        group: group("blue"),
        instances: instance(n),
    };
    assert_eq!(with(start(11)), Vec::<String>::new());
    assert_eq!(with(start(10)), ["I20"], "it runs");
    assert_eq!(with(start(1)), ["I20"], "it serves");
    assert_eq!(with(register(10)), ["I20"]);
    assert_eq!(with(register(1)), Vec::<String>::new());
}

#[test]
fn i2_those_kept_and_those_in_service_are_never_more_than_the_maximum() {
    let world = World::serving(4, json!({ "defaults": { "warm": { "size": 2 } } }));
    let row = |change: fn(&mut World, &mut Decision)| Case::of(world.clone()).after(change);
    assert_eq!(row(|_, _| {}), Vec::<String>::new());
    assert_eq!(row(|world, _| world.spec.pools[0].capacity.max = 5), ["I2"], "with two more, six");
    assert_eq!(row(|world, _| world.spec.maximum = 5), ["I2"], "of all pools");
    let crowded: fn(&mut World, &mut Decision) = |_, decision| decision.pools.get_mut(&pool("blue")).unwrap().counts.warm = 5;
    assert_eq!(row(crowded), ["I2"]);
}

#[test]
fn i4_not_before_the_word_that_is_waited_for() {
    let waits: fn(&mut World) = |world| world.spec.pools[0].wait_for_tag = true;
    assert_eq!(Case::terminating().after(|world, _| waits(world)), ["I4"]);
    let finished = |world: &mut World, _: &mut Decision| {
        waits(world);
        let listed = world.inputs.observation.instances.as_mut().unwrap();
        listed.iter_mut().for_each(|instance| instance.word.drained = true);
    };
    assert_eq!(Case::terminating().after(finished), [""; 0]);
    let kept = |world: &mut World, _: &mut Decision| {
        let members = &mut world.inputs.state.pools.get_mut(&pool("blue")).unwrap().members;
        let drains = members.values_mut().filter_map(|member| member.drain.as_mut());
        drains.for_each(|drain| drain.why = DrainReason::Kept);
    };
    assert_eq!(Case::terminating().after(kept), ["I4"], "kept for inspection");
}

#[test]
fn i3_who_is_well_leaves_only_once_it_is_replaced() {
    assert_eq!(
        Case::calm().after(|_, decision| drain(decision, 1, DrainReason::Renewed)),
        ["I3"],
        "four serve, and four are wanted"
    );
    let spare = |_: &mut World, decision: &mut Decision| {
        drain(decision, 1, DrainReason::Renewed);
        decision.pools.get_mut(&pool("blue")).unwrap().counts.in_service = 5;
    };
    assert_eq!(Case::calm().after(spare), [""; 0]);
}

#[test]
fn i18_one_tag_step_at_a_time() {
    let tag = |told| Action::Tag {
        instances: instance(1),
        told,
    };
    let twice = |_: &mut World, decision: &mut Decision| {
        add(decision, tag(ghostnet_core::observation::Told::Draining));
        add(decision, tag(ghostnet_core::observation::Told::Serving));
    };
    assert_eq!(Case::calm().after(twice), ["I18"]);
    let beside = |_: &mut World, decision: &mut Decision| {
        add(decision, tag(ghostnet_core::observation::Told::Draining));
        add(
            decision,
            Action::Deregister {
                group: group("blue"),
                instances: instance(1),
            },
        );
    };
    assert_eq!(Case::calm().after(beside), [""; 0], "a tag and a target are two things");
}

#[test]
fn i3_a_removal_window_and_i5_a_reserve() {
    let window = |max: u32| {
        let windows = json!([{ "cron": "0 9 * * *", "for": "9h", "max": max }]);
        World::serving(
            6,
            json!({ "guards": { "stabilisation": { "in": "0s" }, "budgets": { "removal": { "per_tick": 9, "windows": windows } } } }),
        )
    };
    let one_leaves = |max| Case::of(window(max)).after(|_, decision| drain(decision, 0, DrainReason::ScaleIn));
    assert_eq!(one_leaves(1), Vec::<String>::new());
    assert_eq!(one_leaves(0), ["I3"]);
    let sick = Case::of(window(0)).after(|world, decision| {
        accuse(world, 0);
        drain(decision, 0, DrainReason::Unhealthy);
    });
    assert_eq!(sick, Vec::<String>::new(), "the sick are replaced all the same");

    // eight, of which two are the reserve; one of them is given up
    let given_up = |known: bool| {
        let mut world = World::serving(8, json!({ "reserve": { "threshold": 2 } }));
        world.inputs.state.pools.get_mut(&pool("blue")).unwrap().reserve = 2;
        world.read("requests", 75.0);
        if !known {
            world.loads.clear();
        }
        Case::of(world).after(|_, decision| {
            let decided = decision.pools.get_mut(&pool("blue")).unwrap();
            (decided.after, decided.reserve) = (7, 1);
        })
    };
    assert_eq!(given_up(true), Vec::<String>::new());
    assert_eq!(given_up(false), ["I5"]);
}

#[test]
fn i21_growth_beyond_the_spend_cap() {
    // it is noon, and the day has room for eight until midnight
    let grown = |after: u32, min: u32| {
        let guards = json!({ "budgets": { "spend": { "instance_hours_per_day": 96 } } });
        let world = World::serving(
            4,
            json!({ "guards": guards, "defaults": { "capacity": { "min": min, "max": 20, "initial": min } } }),
        );
        Case::of(world).after(|_, decision| decision.pools.get_mut(&pool("blue")).unwrap().after = after)
    };
    assert_eq!(grown(8, 1), Vec::<String>::new());
    assert_eq!(grown(9, 1), ["I21"]);
    assert_eq!(grown(9, 9), Vec::<String>::new(), "a minimum does not wait");
}

#[test]
fn i23_one_that_leaves_as_sick_without_a_report() {
    let leaves = |health: Value, accused: fn(&mut World)| {
        let world = World::serving(4, json!({ "defaults": { "health": health } }));
        Case::of(world).after(|world, decision| {
            accused(world);
            drain(decision, 1, DrainReason::Unhealthy);
        })
    };
    let all = || json!({ "status_checks": "5m", "heartbeat": "5m" });
    let id = || InstanceId::new("i-blue-001");
    let beat = |world: &mut World, minutes: u32| {
        let last = Seconds::minutes(minutes).before(world.now());
        let instances = world.inputs.observation.instances.as_mut().unwrap();
        instances.iter_mut().find(|instance| instance.id == id()).unwrap().word.beat = Some(last);
    };
    assert_eq!(leaves(all(), |_| {}), ["I23"]);
    assert_eq!(leaves(all(), |world| accuse(world, 1)), Vec::<String>::new());
    assert_eq!(leaves(all(), |world| accuse(world, 2)), ["I23"], "another one");
    let impaired: fn(&mut World) = |world| {
        let since = Seconds::minutes(9).before(world.now());
        world.inputs.observation.impaired = Some([(InstanceId::new("i-blue-001"), since)].into());
    };
    assert_eq!(leaves(all(), impaired), Vec::<String>::new());
    assert_eq!(leaves(json!({}), impaired), ["I23"], "no spec asks");
    for (minutes, found) in [(9, Vec::<String>::new()), (4, vec!["I23".to_owned()])] {
        let world = World::serving(4, json!({ "defaults": { "health": all() } }));
        let told = Case::of(world).after(|world, decision| {
            beat(world, minutes);
            drain(decision, 1, DrainReason::Unhealthy);
        });
        assert_eq!(told, found, "silent for {minutes} minutes");
    }
}

#[test]
fn i24_one_that_leaves_while_a_zone_is_out() {
    let leaves = |until: i64, change: fn(&mut World)| {
        Case::draining().after(|world, decision| {
            change(world);
            let zone = ghostnet_core::id::Zone::new("eu-west-1a");
            state(decision).zones_out.insert(zone, at(until).into());
        })
    };
    assert_eq!(leaves(60, |_| {}), ["I24"]);
    assert_eq!(leaves(0, |_| {}), Vec::<String>::new(), "it is over");
    assert_eq!(leaves(60, |world| world.inputs.retiring = true), Vec::<String>::new());
}
