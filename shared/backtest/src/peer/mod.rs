//! Other autoscalers as rows to compare with, each written from its documentation: no code of theirs is run, and none was copied.
//!
//! Each looks at what its documentation says it looks at, at its documented defaults, and is told what one instance can do. All keep one
//! instance at least and know no maximum. Where a documentation leaves something open, the file of that policy says what was decided. None
//! was made for this: what they come to here is what their rules come to under the boot, the timing and the load of a backtest.

use std::collections::BTreeMap;
use std::fmt;

use ghostnet_core::unit::Seconds;

use crate::load::Load;
use crate::replay::{Look, Scaler, World, play};
use crate::score::Score;

mod adapt;
mod alarm;
mod aws_predictive;
mod aws_step;
mod aws_target_tracking;
mod fixed;
mod gcp_mig;
mod hist;
mod k8s_hpa;
mod keda;
mod nomad;
pub mod optimum;
mod peak;
mod react;
mod reg;

pub use adapt::Adapt;
pub use aws_predictive::Predictive;
pub use aws_step::StepScaling;
pub use aws_target_tracking::{Metric, TargetTracking};
pub use fixed::Fixed;
pub use gcp_mig::Mig;
pub use hist::Hist;
pub use k8s_hpa::Hpa;
pub use keda::Keda;
pub use nomad::TargetValue;
pub use react::React;
pub use reg::Reg;

/// A row of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// Amazon EC2 Auto Scaling, target tracking of requests per target.
    AwsTargetTracking,
    /// Amazon EC2 Auto Scaling, step scaling as in the example of its documentation.
    AwsStep,
    /// Amazon EC2 Auto Scaling, predictive scaling beside target tracking: an emulation, as its forecast is not public.
    AwsPredictive,
    /// Kubernetes, horizontal pod autoscaler.
    K8sHpa,
    /// KEDA, on the total rate.
    Keda,
    /// Nomad autoscaler, strategy `target-value`.
    NomadTargetValue,
    /// Google Compute Engine, managed instance group.
    GcpMig,
    /// React, from research.
    React,
    /// Hist, from research.
    Hist,
    /// Reg, from research.
    Reg,
    /// Adapt, from research.
    Adapt,
    /// A fixed fleet for the highest load that is scored: chosen in hindsight.
    StaticPeak,
    /// A fixed fleet for all of that load but one hundredth: chosen in hindsight.
    StaticP99,
    /// The cheapest fleet there is, which knows the future. No scaler.
    Optimum,
}

impl Peer {
    /// All of them, in the order of a table.
    pub const ALL: [Self; 14] = [
        Self::AwsTargetTracking,
        Self::AwsStep,
        Self::AwsPredictive,
        Self::K8sHpa,
        Self::Keda,
        Self::NomadTargetValue,
        Self::GcpMig,
        Self::React,
        Self::Hist,
        Self::Reg,
        Self::Adapt,
        Self::StaticPeak,
        Self::StaticP99,
        Self::Optimum,
    ];

    /// What of it is turned for more headroom; none: nothing.
    #[must_use]
    pub fn knob(self) -> Option<Knob> {
        match self {
            Self::React | Self::Hist | Self::Reg | Self::Adapt => Some(Knob::Multiplier),
            Self::Optimum => None,
            _ => Some(Knob::Target),
        }
    }

    /// Its scaler at a knob; none: it is no scaler. What is chosen in hindsight is chosen from `load`; nobody else looks at it.
    #[must_use]
    pub fn scaler(self, load: &Load, world: &World, knob: f64) -> Option<Box<dyn Scaler>> {
        self.row(load, world, knob).map(|row| row as Box<dyn Scaler>)
    }

    /// What it is set to, by name: where its knob stands, and by which rules it goes.
    #[must_use]
    pub fn settings(self, load: &Load, world: &World, knob: f64) -> BTreeMap<&'static str, String> {
        let rules = self
            .row(load, world, knob)
            .map_or_else(|| "knows the future".to_owned(), |row| row.to_string());
        let stands = match self.knob() {
            Some(Knob::Multiplier) => ("multiplier", knob.to_string()),
            Some(Knob::Target) => ("target", percent(knob)),
            None => ("target", percent(world.instance.target)),
        };
        BTreeMap::from([stands, ("rules", rules)])
    }

    /// What it comes to at its default.
    #[must_use]
    pub fn score(self, load: &Load, world: &World) -> Score {
        let knob = self.knob().map_or(world.instance.target, |knob| knob.default_in(world));
        match self.scaler(load, world, knob) {
            Some(mut scaler) => play(load, world, scaler.as_mut(), |_, _, _, _| {}),
            None => optimum::score(load, world),
        }
    }

    fn row(self, load: &Load, world: &World, knob: f64) -> Option<Box<dyn Row>> {
        Some(match self {
            Self::AwsTargetTracking => measured(TargetTracking::new(Metric::RequestsPerTarget, knob)),
            Self::AwsStep => measured(StepScaling::new(knob)),
            Self::AwsPredictive => measured(Predictive::new(knob)),
            Self::K8sHpa => measured(Hpa::new(knob)),
            Self::Keda => measured(Keda::new(knob)),
            Self::NomadTargetValue => measured(TargetValue::new(knob)),
            Self::GcpMig => measured(Mig::new(knob, world.boot)),
            Self::React => measured(React::new(knob)),
            Self::Hist => measured(Hist::new(knob)),
            Self::Reg => measured(Reg::new(knob)),
            Self::Adapt => measured(Adapt::new(knob)),
            Self::StaticPeak => Box::new(Fixed::for_peak(load, world, knob)),
            Self::StaticP99 => Box::new(Fixed::for_p99(load, world, knob)),
            Self::Optimum => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::AwsTargetTracking => "aws-target-tracking",
            Self::AwsStep => "aws-step",
            Self::AwsPredictive => "aws-predictive",
            Self::K8sHpa => "k8s-hpa",
            Self::Keda => "keda",
            Self::NomadTargetValue => "nomad-target-value",
            Self::GcpMig => "gcp-mig",
            Self::React => "react",
            Self::Hist => "hist",
            Self::Reg => "reg",
            Self::Adapt => "adapt",
            Self::StaticPeak => "static-peak",
            Self::StaticP99 => "static-p99",
            Self::Optimum => "optimum",
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What is turned for more or less headroom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knob {
    /// The share of an instance that may be used, between zero and one.
    Target,
    /// The load is taken for so many times what it is, and the target is left alone.
    Multiplier,
}

impl Knob {
    /// Where it stands if nobody turns it.
    #[must_use]
    pub fn default_in(self, world: &World) -> f64 {
        match self {
            Self::Target => world.instance.target,
            Self::Multiplier => 1.0,
        }
    }

    /// The values between which the cheapest is looked for, the one with the least headroom first.
    #[must_use]
    pub fn from_least_headroom_to_most(self) -> (f64, f64) {
        match self {
            Self::Target => (0.98, 0.04),
            Self::Multiplier => (0.6, 10.0),
        }
    }
}

/// A scaler that says its settings.
trait Row: Scaler + fmt::Display {}

impl<T: Scaler + fmt::Display> Row for T {}

/// A scaler that changes nothing before it knows a metric: where theirs is missing, all of them leave the fleet as it is.
struct Measured<T>(T);

fn measured(scaler: impl Scaler + fmt::Display + 'static) -> Box<dyn Row> {
    Box::new(Measured(scaler))
}

impl<T: Scaler> Scaler for Measured<T> {
    fn every(&self) -> Seconds {
        self.0.every()
    }

    fn decide(&mut self, look: &Look<'_>) -> u32 {
        if look.rates.is_empty() {
            look.capacity()
        } else {
            self.0.decide(look)
        }
    }
}

impl<T: fmt::Display> fmt::Display for Measured<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Fewest whole instances that are so many, one at the least. A hair above a whole number is that number.
fn whole(count: f64) -> u32 {
    ((count - 1e-9).ceil() as u32).max(1)
}

/// The mean load of the newest `length`, in instances at the target.
fn needed(look: &Look<'_>, length: Seconds) -> f64 {
    look.rate(length) / (look.instance.target * look.instance.capacity)
}

fn percent(share: f64) -> String {
    format!("{} %", (share * 1_000.0).round() / 10.0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::load::Instance;
    use crate::replay::Timing;
    use jiff::Timestamp;

    /// A midnight.
    pub(crate) fn start() -> Timestamp {
        "2026-03-02T00:00:00Z".parse().unwrap()
    }

    /// An instance does ten requests a second, half of which may be used, and boots for three minutes.
    pub(crate) fn world() -> World {
        World {
            timing: Timing::Default,
            ..World::of(Instance {
                capacity: 10.0,
                target: 0.5,
            })
        }
    }

    /// So many requests a second at each step of 30 s.
    pub(crate) fn load(rates: Vec<f64>) -> Load {
        Load::made_up(start(), Seconds(30), rates, 0).unwrap()
    }

    /// What is wanted after each step.
    pub(crate) fn wanted(load: &Load, world: &World, scaler: &mut dyn Scaler) -> Vec<u32> {
        let mut wanted = Vec::new();
        play(load, world, scaler, |_, _, count, _| wanted.push(count));
        wanted
    }

    /// A look at made-up rates and uses.
    pub(crate) fn look<'a>(rates: &'a [f64], used: &'a [f64], serving: u32, booting: u32) -> Look<'a> {
        Look {
            instance: world().instance,
            step: Seconds(30),
            now: start(),
            seconds: 0,
            delay: Seconds(0),
            rates,
            used,
            serving,
            booting,
        }
    }

    #[test]
    fn nobody_but_the_optimum_and_the_fixed_ones_knows_the_future() {
        let rates = |later: f64| {
            let wave = (0..3 * 2_880).map(|step| 60.0 + 50.0 * (f64::from(step) / 400.0).sin());
            load(wave.chain((0..400).map(|step| later * (1.0 + f64::from(step % 7)))).collect())
        };
        let (one, other) = (rates(3.0), rates(90.0));
        for peer in Peer::ALL {
            let counts = |load: &Load| Some(wanted(load, &world(), peer.scaler(load, &world(), 0.5)?.as_mut()));
            let known = |counts: Option<Vec<u32>>| {
                counts.map(|mut counts| {
                    counts.truncate(3 * 2_880);
                    counts
                })
            };
            let (of_one, of_other) = (known(counts(&one)), known(counts(&other)));
            let is_fixed = matches!(peer, Peer::StaticPeak | Peer::StaticP99);
            assert_eq!(of_one == of_other, !is_fixed || of_one.is_none(), "{peer}");
            assert_eq!(of_one.is_none(), peer == Peer::Optimum);
        }
    }

    #[test]
    fn everybody_keeps_one_and_says_what_it_does() {
        let nothing = load(vec![0.0; 400]);
        for peer in Peer::ALL {
            let knob = peer.knob().map_or(1.0, |knob| knob.default_in(&world()));
            if let Some(mut scaler) = peer.scaler(&nothing, &world(), knob) {
                let least = wanted(&nothing, &world(), scaler.as_mut()).into_iter().min();
                assert_eq!(least, Some(1), "{peer}");
            }
            let settings = peer.settings(&nothing, &world(), knob);
            assert_eq!(settings.len(), 2, "{peer}: {settings:?}");
            assert!(
                settings.values().all(|text| !text.is_empty() && !text.contains('\n')),
                "{peer}: {settings:?}"
            );
        }
    }

    #[test]
    fn without_a_metric_nothing_changes() {
        let busy = load(vec![100.0; 60]);
        let world = World {
            metric_delay: Seconds::minutes(10),
            ..world()
        };
        for peer in Peer::ALL {
            let knob = peer.knob().map_or(1.0, |knob| knob.default_in(&world));
            if let Some(mut scaler) = peer.scaler(&busy, &world, knob) {
                assert_eq!(wanted(&busy, &world, scaler.as_mut())[..20], [20; 20], "{peer}");
            }
        }
    }

    #[test]
    fn a_steady_load_is_served_at_the_target_or_a_little_below() {
        let steady = load(vec![100.0; 2_880 * 2]);
        for peer in Peer::ALL {
            let score = peer.score(&steady, &world());
            let mean = score.instance_hours / 48.0;
            assert!((19.9..=24.1).contains(&mean), "{peer}: {mean} where 20 are needed");
            assert_eq!(score.under_percent, 0.0, "{peer}");
        }
    }
}
