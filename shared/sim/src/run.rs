//! Runs a world: event by event, invocation by invocation, through the storm and the calm, until something is wrong or the
//! fleets are right.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use ghostnet_core::signal::{Signal, fleet_of_health_alarm};

use crate::broken::Broken;
use crate::chance::Chance;
use crate::check::{self, Violation};
use crate::clock::{HOUR, MINUTE, Millis, SECOND};
use crate::cloud::reservation::Reservations;
use crate::fault::{Fault, Faults};
use crate::fleets;
use crate::hand::{Hand, Strike};
use crate::lambda::{self, Done, Function, Job, Task};
use crate::load::Load;
use crate::log::Log;
use crate::variants;
use crate::world::{Counters, Event, TaskId, World};

/// Minutes of calm after which the fleets must be right: cooldowns, stabilisation and removal budgets let a fleet of forty
/// shrink by one in eleven minutes at the slowest, and removal windows may keep it from that half of the time.
pub const CALM_TICKS: u32 = 800;
/// A calm world that was right this many minutes in a row, and wanted the same throughout, stays so: the longest
/// stabilisation is twenty minutes, the longest cooldown ten; a simple policy waits ten more once all that it added serves.
const RIGHT_FOR: u32 = 30;
/// Minutes from one invocation of the forecast function to the next: this world keeps no minute for an hour.
const LEARNS_EVERY: u32 = 30;
/// Minutes from one night to the next: days are short here.
const NIGHT_EVERY: u32 = 25;

/// What to run.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The seed: everything follows from it.
    pub seed: u64,
    /// Minutes of storm.
    pub ticks: u32,
    /// Only these kinds of fault, of those that the seed draws; none: all of them.
    pub only: Option<BTreeSet<Fault>>,
    /// Exactly these kinds of fault, each with its violence, whatever the seed draws.
    pub exactly: Option<BTreeMap<Fault, u32>>,
    /// Whether the log is kept.
    pub log: bool,
    /// What is broken on purpose.
    pub broken: Option<Broken>,
    /// What is done to one changing call, counted from the first of the run.
    pub strike: Option<(u64, Strike)>,
}

impl Setup {
    /// The run of a seed, as the swarm makes it.
    #[must_use]
    pub fn of(seed: u64, ticks: u32) -> Self {
        Self {
            seed,
            ticks,
            only: None,
            exactly: None,
            log: false,
            broken: None,
            strike: None,
        }
    }

    fn faults(&self) -> Faults {
        match (&self.exactly, &self.only) {
            (Some(exactly), _) => Faults::exactly(self.seed, exactly),
            (None, Some(only)) => Faults::only(self.seed, only),
            (None, None) => Faults::of(self.seed),
        }
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What was broken, first things first; empty: nothing.
    pub violations: Vec<Violation>,
    /// The kinds of fault that existed, and how often each struck.
    pub struck: BTreeMap<Fault, u64>,
    /// What was counted.
    pub counters: Counters,
    /// Instances wanted at the end, by pool.
    pub wanted: Vec<(String, u32)>,
    /// Minutes that passed, calm included.
    pub minutes: u32,
    /// The log, if it was kept.
    pub log: Vec<String>,
}

/// Runs a seed to its end.
#[must_use]
pub fn run(setup: &Setup) -> Outcome {
    let faults = setup.faults();
    let mut world = World::new(setup.seed, faults, Log::new(setup.log));
    world.broken = setup.broken;
    world.strike = setup.strike;
    let mut chance = Chance::of(setup.seed, 2);
    let mut reserved = Chance::of(setup.seed, 4);
    let mut failing_over = Chance::of(setup.seed, 5);
    let mut varied = Chance::of(setup.seed, 7);
    let mut looking_ahead = Chance::of(setup.seed, 8);
    let mut working = Chance::of(setup.seed, 9);
    let mut fencing = Chance::of(setup.seed, 10);
    let mut leading = Chance::of(setup.seed, 11);
    let mut timing = Chance::of(setup.seed, 12);
    // of many streams the one by which fewest of the kept seeds draw other fleets than when they were kept
    let mut leading_to_one = Chance::of(setup.seed, 108);
    let mut spreading = Chance::of(setup.seed, 26);
    let mut tuning = Chance::of(setup.seed, 27);
    world.cloud.capacity.reservations = Reservations::any(&mut reserved);
    let names: &[&str] = if chance.once_in(4) { &["web", "api"] } else { &["web"] };
    for name in names {
        if let Some(mut design) = fleets::any(&mut chance, name) {
            fleets::reserve(&mut reserved, &mut design);
            fleets::fail_over(&mut failing_over, &mut design);
            variants::vary(&mut varied, &mut design);
            fleets::look_ahead(&mut looking_ahead, &mut design);
            fleets::look_as_far_as_boots(&mut timing, &mut design);
            variants::tell_jobs(&mut working, &mut design);
            fleets::fence(&mut fencing, &mut design);
            fleets::lead_elsewhere(&mut leading, &mut design);
            fleets::lead_to_one(&mut leading_to_one, &mut design);
            fleets::spread_over_regions(&mut spreading, &mut design);
            fleets::tune(&mut tuning, &mut design);
            let load = Load::any(&mut chance, design.size, design.capacity);
            world.apply(design, load);
        }
    }
    let mut runner = Runner::new(world, chance);
    runner.storm(setup.ticks);
    if runner.is_well() {
        runner.calm();
    }
    runner.end(setup.seed)
}

fn wanted(world: &World) -> Vec<(String, u32)> {
    let pools = world.table.fleets.iter().flat_map(|(fleet, items)| {
        let pools = items.capacity().into_iter().flat_map(|state| &state.pools);
        pools.map(move |(pool, state)| (format!("{fleet}/{pool}"), state.desired))
    });
    pools.collect()
}

/// A world and the invocations that run in it.
#[derive(Debug)]
pub struct Runner {
    /// The world.
    pub world: Rc<RefCell<World>>,
    tasks: BTreeMap<TaskId, Task>,
    invoked: u64,
    /// When in the minute the schedule's tick comes.
    tick_offset: Millis,
}

impl Runner {
    /// A world whose time begins now.
    #[must_use]
    pub fn new(mut world: World, mut chance: Chance) -> Self {
        let tick_offset = chance.between(0, MINUTE - 1);
        let now = world.now;
        world.schedule(now + MINUTE / 2, Event::HalfMinute);
        Self {
            world: Rc::new(RefCell::new(world)),
            tasks: BTreeMap::new(),
            invoked: 0,
            tick_offset,
        }
    }

    /// Whether nothing was broken so far.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.world.borrow().watch.violations.is_empty()
    }

    /// Minutes of storm; ends early when something is broken.
    pub fn storm(&mut self, minutes: u32) {
        let until = self.world.borrow().minute + minutes;
        while self.is_well() && self.world.borrow().minute < until {
            self.step();
        }
    }

    /// The calm: until the fleets were right for a while, or had their time.
    pub fn calm(&mut self) {
        self.world.borrow_mut().calm();
        let begin = self.world.borrow().minute;
        let (mut right_for, mut seen, mut size) = (0, begin, Vec::new());
        loop {
            self.step();
            if !self.is_well() {
                return;
            }
            let minute = self.world.borrow().minute;
            if minute == seen {
                continue;
            }
            seen = minute;
            let wrong = check::is_right(&self.world.borrow());
            let sized = wanted(&self.world.borrow());
            right_for = if wrong.is_empty() && sized == size { right_for + 1 } else { 0 };
            size = sized;
            if right_for >= RIGHT_FOR {
                return;
            }
            if minute >= begin + CALM_TICKS {
                let mut world = self.world.borrow_mut();
                let now = world.now;
                for (check, detail) in wrong {
                    world.watch.violations.push(Violation { check, at: now, detail });
                }
                return;
            }
        }
    }

    /// What came of it.
    #[must_use]
    pub fn end(self, seed: u64) -> Outcome {
        let world = self.world.borrow();
        Outcome {
            seed,
            violations: world.watch.violations.clone(),
            struck: world.faults.struck(),
            counters: world.counters,
            wanted: wanted(&world),
            minutes: world.minute,
            log: world.log.lines().to_vec(),
        }
    }

    /// The next event.
    pub fn step(&mut self) {
        let event = self.world.borrow_mut().next();
        match event {
            None => {}
            Some(Event::Land(call)) => self.world.borrow_mut().land(call),
            Some(Event::Answer(call)) => {
                let task = self.world.borrow_mut().answer(call);
                if let Some(task) = task {
                    self.poll(task);
                }
            }
            Some(Event::TimeOut(task)) => {
                self.world.borrow_mut().counters.timed_out += u64::from(self.tasks.contains_key(&task));
                self.kill(task, "runs out of time");
            }
            Some(Event::Invoke(job)) => self.invoke(*job),
            Some(Event::HalfMinute) => self.half_minute(),
            Some(Event::Reclaim(id)) => {
                let mut world = self.world.borrow_mut();
                let now = world.now;
                world.log.line(now, || format!("spot takes {id}"));
                world.cloud.ec2.end(&id, 5 * SECOND, now);
            }
            Some(Event::Recover(id)) => {
                let mut world = self.world.borrow_mut();
                let now = world.now;
                if let Some(machine) = world.cloud.ec2.machines.get_mut(&id) {
                    machine.recover(now);
                }
            }
            Some(Event::Blow(blow)) => self.world.borrow_mut().befalls(&blow),
            Some(Event::Toll) => self.world.borrow_mut().take_toll(),
            Some(Event::RivalLooks) => self.world.borrow_mut().rival_looks(),
        }
        self.bury();
    }

    fn half_minute(&mut self) {
        let mut world = self.world.borrow_mut();
        if !world.half_minute() {
            return;
        }
        let now = world.now;
        for (_, change) in world.cloud.history.evaluate_alarms(now) {
            let function = match fleet_of_health_alarm(&change.alarm) {
                Some(_) => Function::Failover,
                None => Function::Alarm,
            };
            world.tell(function, Signal::AlarmChanged(change));
        }
        if world.faults.rages() {
            world.storm();
            if world.minute.is_multiple_of(NIGHT_EVERY) {
                world.night();
            }
        } else {
            world.look_at_the_end_of_degraded();
        }
        if world.minute % LEARNS_EVERY == LEARNS_EVERY / 2 && world.looks_ahead() {
            let jitter = world.chance.between(0, 20 * SECOND);
            let job = Job::new(Function::Forecast, Signal::Tick);
            world.schedule(now + self.tick_offset + jitter, Event::Invoke(Box::new(job)));
        }
        let fails_over = world.fleets.values().any(|fleet| fleet.spec.failover.is_some());
        for function in [Function::Tick, Function::Failover].into_iter().take(1 + usize::from(fails_over)) {
            let ticks = match (world.faults.strikes(Fault::TickSkipped), world.faults.strikes(Fault::TickTwice)) {
                (true, _) => 0,
                (false, true) => 2,
                (false, false) => 1,
            };
            for tick in 0..ticks {
                let jitter = world.chance.between(0, 2 * SECOND) + tick * world.chance.between(0, 20 * SECOND);
                let job = Job::new(function, Signal::Tick);
                world.schedule(now + self.tick_offset + jitter, Event::Invoke(Box::new(job)));
            }
        }
    }

    fn invoke(&mut self, job: Job) {
        if (matches!(job.signal, Signal::OperatorRequest(_)) || job.asked.is_some()) && !self.world.borrow().faults.rages() {
            // the operators went home, and took back what was still under way
            return;
        }
        if job.function == Function::Failover && self.world.borrow().rival.is_some() {
            return;
        }
        self.invoked += 1;
        let task = TaskId(self.invoked);
        let (hand, installation, deadline) = {
            let mut world = self.world.borrow_mut();
            world.counters.invocations += 1;
            let mut skew = 0;
            if world.faults.strikes(Fault::ClockSkew) {
                skew = world
                    .faults
                    .chance(Fault::ClockSkew)
                    .map_or(0, |chance| chance.between(-4 * SECOND, 4 * SECOND));
            }
            if world.faults.strikes(Fault::ClockJump) {
                skew = world
                    .faults
                    .chance(Fault::ClockJump)
                    .map_or(0, |chance| chance.between(-HOUR, HOUR));
            }
            let now = world.now;
            let deadline = now + job.function.time_out();
            world
                .log
                .line(now, || format!("{task:?}: {} {}", job.function.name(), job.signal.kind()));
            world.schedule(deadline, Event::TimeOut(task));
            let hand = Hand {
                world: Rc::clone(&self.world),
                task,
                request: Rc::from(format!("{}-{}", job.function.name(), task.0)),
                skew,
                began: now,
            };
            (hand, world.installation.clone(), deadline)
        };
        self.tasks.insert(task, lambda::begin(job, hand, installation, deadline));
        self.poll(task);
    }

    fn poll(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(done) = task.work.as_mut().poll(&mut context) else {
            return;
        };
        let Some(task) = self.tasks.remove(&id) else { return };
        self.done(id, &task, &done);
    }

    fn done(&mut self, id: TaskId, task: &Task, done: &Done) {
        let mut world = self.world.borrow_mut();
        let now = world.now;
        for (fleet, result) in &done.results {
            world.counters.reconciles += 1;
            world.log.line(now, || match result {
                Ok(report) if report.committed => format!("{id:?}: {fleet} done, {} steps sent", report.sent),
                Ok(_) => format!("{id:?}: {fleet} unchanged"),
                Err(error) => format!("{id:?}: {fleet}: {error}"),
            });
            check::on_report(&mut world, fleet, result);
        }
        for (fleet, result) in &done.traffic {
            world.log.line(now, || match result {
                Ok(report) => format!(
                    "{id:?}: traffic of {fleet} at {}, {} rules set",
                    report.decision.state.active, report.sent
                ),
                Err(error) => format!("{id:?}: traffic of {fleet}: {error}"),
            });
        }
        if done.failed {
            retry(&mut world, &task.job);
        }
        world.calls.release(id);
        world.watch.invocation_over(&task.request, now);
    }

    /// Who died in this step is gone: its work ends where it stood, what it sent goes on.
    fn bury(&mut self) {
        loop {
            let doomed = self.world.borrow_mut().doomed.pop();
            let Some(task) = doomed else { return };
            self.kill(task, "is killed");
        }
    }

    fn kill(&mut self, id: TaskId, how: &'static str) {
        let Some(task) = self.tasks.remove(&id) else { return };
        let mut world = self.world.borrow_mut();
        let now = world.now;
        world.log.line(now, || format!("{id:?} {how}"));
        retry(&mut world, &task.job);
        world.calls.release(id);
        world.watch.invocation_over(&task.request, now);
        drop(world);
        // its future holds hands on the world, and may call them as it is dropped
        drop(task);
    }
}

/// Lambda tries an asynchronous invocation again that failed, died or ran out of time.
fn retry(world: &mut World, job: &Job) {
    if let Some(wait) = job.function.retry_after(job.attempt) {
        let again = Job {
            attempt: job.attempt + 1,
            ..job.clone()
        };
        world.schedule(world.now + wait, Event::Invoke(Box::new(again)));
    }
}
