//! The functions, as Lambda runs them: invoked at least once, overlapping, killed, retried.
//!
//! What a function does with its signal is the engine's own: routing and `reconcile`. Nothing of it is written again here.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use ghostnet_core::failover::TrafficRequest;
use ghostnet_core::id::{BuildId, FleetId, InstallationId, Region};
use ghostnet_core::signal::{Signal, fleet_of_health_alarm};
use ghostnet_engine::failover::{Occasion, TrafficReport, fail_over};
use ghostnet_engine::invocation::{FAILOVER_TIMEOUT, Invocation, ReconcileError, Report};
use ghostnet_engine::learn::learn;
use ghostnet_engine::port::{Clock, Store};
use ghostnet_engine::reconcile::reconcile;
use ghostnet_engine::route::{fleets_of_alarm, fleets_of_instances, in_turn};

use crate::clock::{MINUTE, Millis, SECOND};
use crate::hand::Hand;
use crate::region::HOME;

/// The functions of this world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Every minute, all fleets.
    Tick,
    /// An alarm changed.
    Alarm,
    /// Something happened to an instance.
    Interruption,
    /// Traffic, once a minute, or as an operator asks.
    Failover,
    /// Learns from the loads, every half an hour: this world keeps no minute for a whole one.
    Forecast,
}

impl Function {
    /// Its name in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tick => "tick",
            Self::Alarm => "alarm",
            Self::Interruption => "interruption",
            Self::Failover => "failover",
            Self::Forecast => "forecast",
        }
    }

    /// After this long Lambda ends it, as the template says.
    #[must_use]
    pub fn time_out(self) -> Millis {
        match self {
            Self::Tick => 55 * SECOND,
            Self::Alarm | Self::Interruption => 60 * SECOND,
            Self::Failover => Millis::from(FAILOVER_TIMEOUT.0) * SECOND,
            Self::Forecast => 5 * MINUTE,
        }
    }

    /// When an asynchronous invocation that failed is tried again; none: it is not.
    #[must_use]
    pub fn retry_after(self, attempt: u32) -> Option<Millis> {
        match (self, attempt) {
            // the schedule wakes it again
            (Self::Tick | Self::Failover | Self::Forecast, _) => None,
            (_, 0) => Some(MINUTE),
            (_, 1) => Some(2 * MINUTE),
            _ => None,
        }
    }
}

/// An invocation to be made.
#[derive(Debug, Clone)]
pub struct Job {
    /// Which function.
    pub function: Function,
    /// Its signal.
    pub signal: Signal,
    /// How often it was tried before.
    pub attempt: u32,
    /// What an operator asks of a fleet's traffic.
    pub asked: Option<(FleetId, TrafficRequest)>,
}

impl Job {
    /// The first try.
    #[must_use]
    pub fn new(function: Function, signal: Signal) -> Self {
        Self {
            function,
            signal,
            attempt: 0,
            asked: None,
        }
    }
}

/// What came of an invocation.
#[derive(Debug)]
pub struct Done {
    /// Per fleet.
    pub results: BTreeMap<FleetId, Result<Report, ReconcileError>>,
    /// The same of traffic.
    pub traffic: BTreeMap<FleetId, Result<TrafficReport, ReconcileError>>,
    /// Whether Lambda was told `Err`, so that it tries again.
    pub failed: bool,
}

/// An invocation that runs.
pub struct Task {
    /// What it does.
    pub job: Job,
    /// Its request id.
    pub request: Rc<str>,
    /// Its work.
    pub work: Pin<Box<dyn Future<Output = Done>>>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.job.function.name(), self.request)
    }
}

/// Begins an invocation. `deadline` is Lambda's, on Lambda's clock.
#[must_use]
pub fn begin(job: Job, hand: Hand, installation: InstallationId, deadline: Millis) -> Task {
    let invocation = Invocation {
        installation,
        region: Region::new(HOME),
        function: job.function.name(),
        request_id: hand.request.to_string(),
        build: BuildId::new("sim"),
        deadline: crate::clock::at(deadline),
    };
    let (its, request) = (job.clone(), Rc::clone(&hand.request));
    let work = Box::pin(async move {
        match its.function {
            Function::Failover => watch_traffic(&hand, &invocation, its.asked, &its.signal).await,
            Function::Forecast => look_back(&hand, &invocation).await,
            function => run(&hand, &invocation, function, &its.signal).await,
        }
    });
    Task { job, request, work }
}

async fn watch_traffic(hand: &Hand, invocation: &Invocation, asked: Option<(FleetId, TrafficRequest)>, signal: &Signal) -> Done {
    let (fleets, occasion) = match (&asked, signal) {
        (Some((fleet, request)), _) => (Ok(vec![fleet.clone()]), Occasion::Asked(request)),
        (None, Signal::AlarmChanged(change)) => (Ok(fleet_of_health_alarm(&change.alarm).into_iter().collect()), Occasion::Event),
        (None, _) => (hand.fleets().await.map(in_turn), Occasion::Schedule),
    };
    let fleets = fleets.unwrap_or_default();
    let traffic = if fleets.is_empty() {
        BTreeMap::new()
    } else {
        fail_over(hand, hand, invocation, &fleets, occasion).await
    };
    Done {
        results: BTreeMap::new(),
        traffic,
        failed: false,
    }
}

async fn look_back(hand: &Hand, invocation: &Invocation) -> Done {
    let fleets = hand.fleets().await.map(in_turn).unwrap_or_default();
    let reports = learn(hand, invocation, &fleets).await;
    Done {
        results: BTreeMap::new(),
        traffic: BTreeMap::new(),
        failed: !reports.is_empty() && reports.values().all(Result::is_err),
    }
}

async fn run(hand: &Hand, invocation: &Invocation, function: Function, signal: &Signal) -> Done {
    let fleets = match (function, signal) {
        (Function::Tick, Signal::OperatorRequest(request)) => Ok(vec![request.fleet.clone()]),
        (Function::Tick, Signal::Evaluate { fleet, .. }) => Ok(vec![fleet.clone()]),
        (Function::Tick, _) => hand.fleets().await.map(in_turn),
        (Function::Alarm, Signal::AlarmChanged(change)) => {
            // an old event wakes as well as a new one
            let _ = hand.note_alarm(change.alarm.as_str(), change.at).await;
            fleets_of_alarm(hand, change).await
        }
        (_, Signal::Interruption(notice)) => fleets_of_instances(hand, invocation, std::slice::from_ref(&notice.instance)).await,
        (_, Signal::InstanceChanged { instances, .. }) => fleets_of_instances(hand, invocation, instances).await,
        _ => Ok(Vec::new()),
    };
    let Ok(fleets) = fleets else {
        return Done {
            results: BTreeMap::new(),
            traffic: BTreeMap::new(),
            failed: true,
        };
    };
    if fleets.is_empty() || hand.now() >= invocation.execute_until(hand.now()) {
        return Done {
            results: BTreeMap::new(),
            traffic: BTreeMap::new(),
            failed: false,
        };
    }
    let results = reconcile(hand, invocation, &fleets, signal).await;
    let failed = results.values().all(Result::is_err)
        && results
            .values()
            .any(|result| result.as_ref().is_err_and(ReconcileError::is_retryable));
    Done {
        results,
        traffic: BTreeMap::new(),
        failed,
    }
}
