//! The stage of the simulator: a [`World`] without fleets of its own, one [`Hand`] on it, and virtual time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use ghostnet_core::id::{Epoch, InstallationId, InstanceId, Zone};
use ghostnet_core::observation::{InstanceState, TargetHealth, tag};
use ghostnet_core::plan::Launch;
use ghostnet_core::spec::BreachRule;
use ghostnet_core::spec::metric::{QueryShape, Stat};
use ghostnet_core::spec::raw::RawAlarm;
use ghostnet_core::state::{Routing, StoredSpec};
use ghostnet_core::unit::Seconds;
use ghostnet_sim::broken::Broken;
use ghostnet_sim::chance::Chance;
use ghostnet_sim::clock::{HOUR, MINUTE, Millis, SECOND};
use ghostnet_sim::cloud::capacity::Quota;
use ghostnet_sim::cloud::ec2::{Boot, Machine};
use ghostnet_sim::cloud::elb::{Group, Registration};
use ghostnet_sim::cloud::map::Entry;
use ghostnet_sim::cloud::metrics::{Alarm, Minute, Missing};
use ghostnet_sim::cloud::worker::Worker;
use ghostnet_sim::fault::{Fault, Faults};
use ghostnet_sim::hand::Hand;
use ghostnet_sim::log::Log;
use ghostnet_sim::run::Runner;
use ghostnet_sim::table::Items;
use ghostnet_sim::traffic::{forwarding, routing};
use ghostnet_sim::world::{Event, TaskId, World};

use crate::metrics::What;
use crate::sample::{fleet, group, launch, minute, pool, raw_spec, service, spec, traffic};
use crate::{Mishap, Played, Short, Stage, TrafficStage, Why, compute, discovery, load_balancer, metrics, rules, store};

const SEED: u64 = 1;
/// Makes a fault strike every time, however rare it is.
const ALWAYS: u32 = 10_000;
/// Makes a query fail about every second time.
const HALF_OF_QUERIES: u32 = 17;
/// Events of one call: sent, landed, answered, and what else happens meanwhile.
const EVENTS_MAX: usize = 1_000;

const NO_PAGES: &str = "SimCloud's lists have no pages";
const NO_PERMISSIONS: &str = "SimCloud allows everything";
const NO_SUCH_REFUSAL: &str = "SimCloud refuses no launch for this";
const NO_RATE: &str = "SimCloud does not limit how fast this is asked";
const NO_PROTECTION: &str = "SimCloud terminates everything";
const NO_DOUBT: &str = "SimCloud's balancer always knows";
const NO_LIMIT: &str = "SimCloud's groups take any number of targets";
const ALWAYS_READABLE: &str = "SimCloud's items are values, whole and of this build";
const ALWAYS_TRAFFIC: &str = "SimCloud's fleets always have a traffic state";
const ONE_AFTER_ANOTHER: &str = "SimCloud's transactions take no time";

/// What SimCloud does not have and, below, what it does otherwise than AWS.
const SHORT: &[(&str, Why)] = &[
    ("a launch that is not allowed", Why::NotShown(NO_PERMISSIONS)),
    ("a list that is not allowed", Why::NotShown(NO_PERMISSIONS)),
    ("status checks that are not allowed", Why::NotShown(NO_PERMISSIONS)),
    ("status checks asked too fast", Why::NotShown(NO_RATE)),
    ("a word that is not allowed", Why::NotShown(NO_PERMISSIONS)),
    ("a register that is not allowed", Why::NotShown(NO_PERMISSIONS)),
    ("attributes that our role may not set", Why::NotShown(NO_PERMISSIONS)),
    ("an announcement that is not allowed", Why::NotShown(NO_PERMISSIONS)),
    ("announcements asked too fast", Why::NotShown(NO_RATE)),
    ("series that are not allowed", Why::NotShown(NO_PERMISSIONS)),
    ("weights that our role may not set", Why::NotShown(NO_PERMISSIONS)),
    ("what our role may not set", Why::NotShown(NO_PERMISSIONS)),
    ("what our role may not read", Why::NotShown(NO_PERMISSIONS)),
    (
        "an address and a line that our role may not set or read",
        Why::NotShown(NO_PERMISSIONS),
    ),
    ("rules that our role may not read", Why::NotShown(NO_PERMISSIONS)),
    ("a load that is not allowed", Why::NotShown(NO_PERMISSIONS)),
    ("a commit that is not allowed", Why::NotShown(NO_PERMISSIONS)),
    ("a traffic commit that is not allowed", Why::NotShown(NO_PERMISSIONS)),
    ("a forecast that is not allowed", Why::NotShown(NO_PERMISSIONS)),
    ("a forecast asked too fast", Why::NotShown(NO_RATE)),
    ("a subnet without a free address", Why::NotShown(NO_SUCH_REFUSAL)),
    ("a launch template that does not exist", Why::NotShown(NO_SUCH_REFUSAL)),
    (
        "a terminate with an instance that EC2 refuses to terminate",
        Why::NotShown(NO_PROTECTION),
    ),
    ("a list whose last page fails", Why::NotShown(NO_PAGES)),
    ("an answer of several pages", Why::NotShown(NO_PAGES)),
    ("a target of which the balancer cannot say anything", Why::NotShown(NO_DOUBT)),
    ("a register in a full group", Why::NotShown(NO_LIMIT)),
    ("a fleet that cannot be read among others", Why::NotShown(ALWAYS_READABLE)),
    ("a fleet of a newer build among others", Why::NotShown(ALWAYS_READABLE)),
    ("a fleet whose traffic state was deleted", Why::NotShown(ALWAYS_TRAFFIC)),
    ("a first commit where the traffic state was deleted", Why::NotShown(ALWAYS_TRAFFIC)),
    ("a first traffic commit where it was deleted", Why::NotShown(ALWAYS_TRAFFIC)),
    ("a commit while another transaction is under way", Why::NotShown(ONE_AFTER_ANOTHER)),
    (
        "a traffic commit while another transaction is under way",
        Why::NotShown(ONE_AFTER_ANOTHER),
    ),
    ("the tag keys of an instance", Why::Otherwise("missing keys: 6, and not 0")),
];

/// The simulator's cloud.
pub(crate) struct Sim {
    runner: RefCell<Runner>,
    world: Rc<RefCell<World>>,
    hand: Hand,
}

impl Stage for Sim {
    type Ports = Hand;

    const SHORT: &'static [(&'static str, Why)] = SHORT;

    fn ports(&self) -> &Hand {
        &self.hand
    }

    fn run<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..EVENTS_MAX {
            if let Poll::Ready(result) = call.as_mut().poll(&mut context) {
                self.strike(&[]);
                return result;
            }
            self.runner.borrow_mut().step();
        }
        panic!("the call does not end");
    }

    fn pass(&self, time: Seconds) -> Played {
        let until = self.now() + i64::from(time.0) * SECOND;
        // a thing that happens to nobody: the clock stops there
        let nothing = Event::Recover(InstanceId::new("nobody"));
        self.world.borrow_mut().schedule(until, nothing);
        while self.now() < until {
            self.runner.borrow_mut().step();
        }
        Ok(())
    }

    fn mishap(&self, mishap: Mishap) -> Played {
        match mishap {
            Mishap::AnswerLost => self.strike(&[(Fault::LostReply, ALWAYS)]),
            Mishap::FirstAnswerLost => self.strike(&[(Fault::SdkRetry, ALWAYS)]),
            Mishap::Unwell => self.strike(&[(Fault::ServerError, ALWAYS)]),
            Mishap::Denied => return Err(Short::NotShown(NO_PERMISSIONS)),
            Mishap::TooFast(call) => {
                let now = self.now();
                let capacity = &mut self.world.borrow_mut().cloud.capacity;
                capacity.drain_bucket(call, now + MINUTE / 2);
                if capacity.take(call, now).is_ok() {
                    return Err(Short::NotShown(NO_RATE));
                }
            }
        }
        Ok(())
    }

    fn compute(&self, given: compute::Given) -> Played {
        use compute::Given;
        match given {
            Given::Instance(id, state) => self.instance(id, state),
            Given::Many(count) => (0..count).for_each(|n| self.instance(&format!("i-{n}"), InstanceState::Running)),
            Given::OfAnother(id) => {
                self.instance(id, InstanceState::Running);
                self.change(id, |machine, _| machine.installation = Some(InstallationId::new("theirs")));
            }
            Given::Elsewhere(id) => {
                self.instance(id, InstanceState::Running);
                self.change(id, |machine, _| machine.zone = Zone::new("eu-central-1a"));
            }
            Given::Impaired(id, _, minutes) => {
                let since = self.now() - i64::from(minutes) * MINUTE;
                self.change(id, |machine, _| machine.impaired_since = Some(since));
            }
            Given::DryOf(instance_type) => {
                let until = self.now() + HOUR;
                let capacity = &mut self.world.borrow_mut().cloud.capacity;
                for zone in ghostnet_sim::fleets::ZONES {
                    let pool = (Zone::new(zone), ghostnet_core::id::InstanceType::new(instance_type));
                    capacity.dry.insert(pool, until);
                }
            }
            Given::Dry(zone) => {
                let until = self.now() + HOUR;
                self.world.borrow_mut().cloud.capacity.zones_down.insert(zone, until);
            }
            Given::Refused("VcpuLimitExceeded") => {
                let until = self.now() + HOUR;
                self.world.borrow_mut().cloud.capacity.quota = Quota { until, most: 0 };
            }
            Given::Refused("MaxSpotInstanceCountExceeded") => {
                let until = self.now() + HOUR;
                self.world.borrow_mut().cloud.capacity.spot_quota = Quota { until, most: 0 };
            }
            Given::FewerThanAsked => self.strike(&[(Fault::PartialLaunch, ALWAYS)]),
            Given::ListsLag => self.strike(&[(Fault::ListLag, ALWAYS)]),
            Given::NotFoundYet(id) => {
                self.instance(id, InstanceState::Running);
                self.change(id, |machine, now| machine.found_from = now + 5 * MINUTE);
            }
            Given::Unterminable(_) => return Err(Short::NotShown(NO_PROTECTION)),
            Given::Refused(_) => return Err(Short::NotShown(NO_SUCH_REFUSAL)),
            Given::NoLastPage => return Err(Short::NotShown(NO_PAGES)),
        }
        Ok(())
    }

    fn load_balancer(&self, given: load_balancer::Given) -> Played {
        use load_balancer::Given;
        match given {
            Given::Target(_, TargetHealth::Unavailable) => return Err(Short::NotShown(NO_DOUBT)),
            Given::Target(id, health) => self.target(id, health),
            Given::SickAndDraining(id) => {
                self.target(id, TargetHealth::Draining);
                self.change(id, |machine, now| machine.sick_since = Some(now - HOUR));
            }
            Given::LongTerminated(id) => {
                self.target(id, TargetHealth::Healthy);
                let half_an_hour_ago = self.now() - HOUR / 2;
                self.world.borrow_mut().cloud.ec2.end(&InstanceId::new(id), 0, half_an_hour_ago);
            }
            Given::Full => return Err(Short::NotShown(NO_LIMIT)),
        }
        Ok(())
    }

    fn discovery(&self, given: discovery::Given) -> Played {
        use discovery::Given;
        let mut world = self.world.borrow_mut();
        let now = world.now;
        let there = world.cloud.services.entry(service()).or_default();
        if let Given::OfSomebody(id) = given {
            there.register(Entry {
                id: InstanceId::new(id),
                by: None,
                address: std::net::Ipv4Addr::new(192, 0, 2, 1),
                port: None,
                since: now,
                until: None,
            });
        }
        Ok(())
    }

    fn metrics(&self, given: metrics::Given) -> Played {
        use metrics::Given;
        match given {
            Given::Value(what, n, value) => self.measure(what, n, value, 0),
            Given::LateValue(what, n, value) => self.measure(what, n, value, self.now() + 5 * MINUTE),
            Given::SomeFail => self.strike(&[(Fault::MetricFailed, HALF_OF_QUERIES)]),
            Given::Alarm(name, state) => {
                let alarm = Alarm {
                    fleet: fleet(),
                    pool: pool(),
                    shape: QueryShape::Stat(any_stat()),
                    threshold: 1.0,
                    rule: BreachRule { datapoints: 1, of: 1 },
                    missing: Missing::Ignore,
                    state,
                };
                let alarms = &mut self.world.borrow_mut().cloud.history.alarms;
                alarms.insert(ghostnet_core::id::AlarmName::new(name), alarm);
            }
            Given::Pages(_) => return Err(Short::NotShown(NO_PAGES)),
        }
        Ok(())
    }

    fn store(&self, given: store::Given) -> Played {
        use store::Given;
        let mut world = self.world.borrow_mut();
        let fleets = &mut world.table.fleets;
        match given {
            Given::Applied(fleet) => match fleets.get_mut(&fleet) {
                Some(items) => items.apply(raw_spec(), minute(0)),
                None => {
                    fleets.insert(fleet, Items::new(spec(1), traffic()));
                }
            },
            Given::WithAlarm(fleet, alarm) => {
                let mut raw = raw_spec();
                raw.alarms = Some(vec![RawAlarm { alarm: alarm.to_owned() }]);
                let stored = StoredSpec {
                    spec: raw.into(),
                    ..spec(1)
                };
                fleets.insert(fleet, Items::new(stored, traffic()));
            }
            Given::TrafficMoved(fleet) => {
                if let Some(items) = fleets.get_mut(&fleet) {
                    items.traffic.epoch = Epoch(items.traffic.epoch.0 + 1);
                }
            }
            Given::Deleted(fleet) => {
                fleets.remove(&fleet);
            }
            Given::TrafficDeleted(_) => return Err(Short::NotShown(ALWAYS_TRAFFIC)),
            Given::OfNextYear(_) | Given::Damaged(_) => return Err(Short::NotShown(ALWAYS_READABLE)),
            Given::Contended => return Err(Short::NotShown(ONE_AFTER_ANOTHER)),
        }
        Ok(())
    }
}

impl TrafficStage for Sim {
    fn rules(&self, given: rules::Given) -> Played {
        use rules::Given;
        let (rule, does) = match given {
            Given::Forwards(rule, weights) => (rule, routing(weights)),
            Given::Sticks(rule, weights) => (rule, forwarding(weights, "clients stay for 600 seconds")),
            Given::Redirects(rule) => {
                let elsewhere = Routing {
                    sticks: false,
                    weights: BTreeMap::new(),
                    actions: "redirect".to_owned(),
                    answer: None,
                };
                (rule, elsewhere)
            }
        };
        self.world.borrow_mut().cloud.rules.insert(rule, does);
        Ok(())
    }

    fn led(&self, given: crate::led::Given) -> Played {
        self.world.borrow_mut().cloud.rules.insert(given.0, routing(given.1));
        Ok(())
    }
}

impl Sim {
    /// As it should be.
    pub(crate) fn new() -> Self {
        Self::with(None)
    }

    /// With a component that is broken on purpose.
    pub(crate) fn with(broken: Option<Broken>) -> Self {
        let mut world = World::new(SEED, faults(&[]), Log::new(false));
        world.broken = broken;
        world.now = minute(10).as_millisecond();
        // a used group whose targets take half a minute to be checked and five minutes to drain
        world.cloud.groups.insert(group(), Group::new(5 * MINUTE, MINUTE / 2, true));
        let runner = Runner::new(world, Chance::of(SEED, 2));
        let world = Rc::clone(&runner.world);
        let hand = Hand {
            world: Rc::clone(&world),
            task: TaskId(0),
            request: Rc::from("request-1"),
            skew: 0,
            began: minute(10).as_millisecond(),
        };
        Self {
            runner: RefCell::new(runner),
            world,
            hand,
        }
    }

    fn now(&self) -> Millis {
        self.world.borrow().now
    }

    /// From now on, these faults; until the next call is over.
    fn strike(&self, violence: &[(Fault, u32)]) {
        self.world.borrow_mut().faults = faults(violence);
    }

    /// An instance of ours, made as a launch makes them.
    fn instance(&self, id: &str, state: InstanceState) {
        let now = self.now();
        let began = match state {
            InstanceState::Pending => now,
            _ => now - HOUR,
        };
        let boot = Boot {
            takes: MINUTE,
            list_lag: 0,
            bad_image: false,
            worker: Worker::default(),
        };
        let id = InstanceId::new(id);
        let ec2 = &mut self.world.borrow_mut().cloud.ec2;
        let one = Launch {
            token: ghostnet_core::id::ClientToken::over(&["before", id.as_str()]),
            ..launch(1)
        };
        let tags: Vec<_> = compute::tags().into_iter().filter(|(key, _)| *key != tag::STEP).collect();
        for made in ec2.launch(&one, &tags, &[(one.offering.clone(), boot)], began) {
            if let Some(mut machine) = ec2.machines.remove(&made) {
                machine.id = id.clone();
                ec2.machines.insert(id.clone(), machine);
            }
        }
        match state {
            InstanceState::ShuttingDown => ec2.end(&id, 0, now),
            InstanceState::Terminated => ec2.end(&id, 0, now - 10 * MINUTE),
            _ => {}
        }
        if let Some(machine) = ec2.machines.get_mut(&id) {
            machine.stopped_at = match state {
                InstanceState::Stopping => Some(now),
                InstanceState::Stopped => Some(now - 10 * MINUTE),
                _ => None,
            };
        }
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Machine, Millis)) {
        let now = self.now();
        if let Some(machine) = self.world.borrow_mut().cloud.ec2.machines.get_mut(&InstanceId::new(id)) {
            change(machine, now);
        }
    }

    /// A target whose instance and registration are such that the balancer says this.
    fn target(&self, id: &str, health: TargetHealth) {
        let now = self.now();
        self.instance(
            id,
            match health {
                TargetHealth::InvalidState => InstanceState::Stopped,
                _ => InstanceState::Running,
            },
        );
        if health == TargetHealth::Unhealthy {
            self.change(id, |machine, now| machine.sick_since = Some(now - HOUR));
        }
        if let Some(group) = self.world.borrow_mut().cloud.groups.get_mut(&group()) {
            group.used = health != TargetHealth::Unchecked;
            let registration = Registration {
                since: if health == TargetHealth::Initial { now } else { now - HOUR },
                drained_at: (health == TargetHealth::Draining).then_some(now + group.deregistration_delay),
                ours: true,
            };
            group.targets.insert(InstanceId::new(id), registration);
        }
    }

    fn measure(&self, what: What, n: i64, value: f64, shown_from: Millis) {
        let value_of = |which: What| (what == which).then_some(value);
        let measured = Minute {
            start: minute(n).as_millisecond(),
            shown_from,
            requests: value_of(What::Requests),
            errors: value_of(What::Errors),
            cpu: value_of(What::Processor),
            ..Minute::default()
        };
        self.world.borrow_mut().cloud.history.add(&fleet(), &pool(), measured);
    }
}

/// These faults and no tick: nothing else happens in this world.
fn faults(violence: &[(Fault, u32)]) -> Faults {
    let no_tick = (Fault::TickSkipped, ALWAYS);
    Faults::exactly(SEED, &violence.iter().copied().chain([no_tick]).collect::<BTreeMap<_, _>>())
}

fn any_stat() -> Stat {
    Stat {
        namespace: "N".to_owned(),
        name: "M".to_owned(),
        dimensions: BTreeMap::new(),
        statistic: "Sum".to_owned(),
        period: Seconds(60),
    }
}
