//! Runs invocations in a world: to their end, to a crash, or interleaved.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;

use futures::FutureExt;
use ghostnet_core::id::{BuildId, FleetId, InstallationId, Region};
use ghostnet_core::signal::Signal;
use ghostnet_core::spec::RawFleetSpec;
use ghostnet_core::unit::Seconds;
use ghostnet_engine::invocation::{Invocation, ReconcileError, Report};
use ghostnet_engine::reconcile::reconcile;

use super::world::{GROUP, Hand, Stop, World};

pub fn fleet() -> FleetId {
    "web".parse().unwrap()
}

/// Two to twelve instances, 1,000 requests per minute each, quick to shrink.
pub fn spec(initial: u32) -> RawFleetSpec {
    serde_json::from_value(serde_json::json!({
        "fleet": "web",
        "defaults": {
            "capacity": { "min": 2, "max": 12, "initial": initial },
            "launch": { "template": { "name": "web" }, "subnets": ["subnet-a", "subnet-b", "subnet-c"], "instance_types": ["c7a.large"] },
            "warmup": "60s",
            "drain": { "timeout": "90s" }
        },
        "pools": [{ "id": "blue", "target_groups": [GROUP] }],
        "policies": [{ "id": "requests", "type": "target_tracking", "metric": "alb_request_count_per_target", "target": 1000.0 }],
        "guards": {
            "cooldown": { "out": "0s", "in": "0s" },
            "stabilisation": { "in": "0s" },
            "budgets": { "launch": { "per_hour": 100 }, "removal": { "per_tick": 3 } }
        }
    }))
    .unwrap()
}

pub fn invocation(world: &Rc<RefCell<World>>, request: &str) -> Invocation {
    Invocation {
        installation: InstallationId::new("test-installation"),
        region: Region::new("eu-west-1"),
        function: "tick",
        request_id: request.to_owned(),
        build: BuildId::new("test"),
        deadline: Seconds(55).after(world.borrow().now),
    }
}

/// One whole look.
pub fn look(world: &Rc<RefCell<World>>, request: &str, signal: &Signal) -> Result<Report, ReconcileError> {
    look_deaf(world, request, signal, None)
}

/// One whole look, which may not hear the reply to one call.
pub fn look_deaf(world: &Rc<RefCell<World>>, request: &str, signal: &Signal, lost: Option<usize>) -> Result<Report, ReconcileError> {
    let (hand, invocation) = (Hand::new(world, lost.map(Stop::LoseReply)), invocation(world, request));
    let results = reconcile(&hand, &invocation, &[fleet()], signal)
        .now_or_never()
        .expect("nothing waits in this world");
    results.into_values().next().unwrap()
}

/// A look that is killed at a port call. Returns false if it ended before it came to that call.
pub fn crash(world: &Rc<RefCell<World>>, request: &str, stop: Stop) -> bool {
    let (hand, invocation) = (Hand::new(world, Some(stop)), invocation(world, request));
    let fleets = [fleet()];
    reconcile(&hand, &invocation, &fleets, &Signal::Tick).now_or_never().is_none()
}

/// Two looks at the same time: the first stops at one call, the second at another, then the first goes on to its end,
/// then the second. Returns false if either ended before it came to its call.
pub fn interleave(world: &Rc<RefCell<World>>, first_stop: Stop, second_stop: Stop) -> bool {
    let (first, second) = (Hand::new(world, Some(first_stop)), Hand::new(world, Some(second_stop)));
    let (a, b) = (invocation(world, "first"), invocation(world, "second"));
    let fleets = [fleet()];
    let mut run_first = pin!(reconcile(&first, &a, &fleets, &Signal::Tick));
    let mut run_second = pin!(reconcile(&second, &b, &fleets, &Signal::Tick));
    let waker = futures::task::noop_waker();
    let mut context = std::task::Context::from_waker(&waker);
    let first_stopped = run_first.as_mut().poll(&mut context).is_pending();
    let second_stopped = run_second.as_mut().poll(&mut context).is_pending();
    if first_stopped {
        first.release();
        assert!(run_first.as_mut().poll(&mut context).is_ready(), "a released look ends");
    }
    if second_stopped {
        second.release();
        assert!(run_second.as_mut().poll(&mut context).is_ready(), "a released look ends");
    }
    first_stopped && second_stopped
}

/// Time passes, and the minute's schedule with it.
pub fn ticks(world: &Rc<RefCell<World>>, from: &str, count: usize) {
    for tick in 0..count {
        wait(world, 60);
        // a conflict or an unknown is an answer; a violation never is
        let result = look(world, &format!("{from}-{tick}"), &Signal::Tick);
        assert!(
            !matches!(result, Err(ReconcileError::Audit(_) | ReconcileError::Spec(_))),
            "{result:?}"
        );
    }
}

pub fn wait(world: &Rc<RefCell<World>>, seconds: u32) {
    let mut world = world.borrow_mut();
    world.now = Seconds(seconds).after(world.now);
}
