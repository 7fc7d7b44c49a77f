//! What a schedule is worth: what it costs, what its users feel, and how much it moves (`quality.md`, B).

use ghostnet_core::unit::Seconds;
use serde::Serialize;

use crate::load::Instance;

/// From this use on, users feel it.
pub const OVERLOAD: f64 = 0.9;
/// A move that is taken back within this time is a flap.
const FLAP: Seconds = Seconds::minutes(10);
/// Use is counted in thousandths, up to four times what there is.
const USES: usize = 4_001;
/// What is above a bound by rounding alone is on it.
const HAIR: f64 = 1.0 + 1e-9;
const THOUSANDTHS: f64 = 1_000.0;

/// What one step came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Requests per second.
    pub rate: f64,
    /// Instances that take requests.
    pub serving: u32,
    /// Instances that run, and are paid.
    pub running: u32,
    /// Instances that are stopped and kept.
    pub stopped: u32,
}

/// What a schedule came to. Percentages are of time, but for `lost_percent`, which is of requests.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// Hours of one instance that were paid, boot included.
    pub instance_hours: f64,
    /// Time in which more of the instances was used than the target.
    pub under_percent: f64,
    /// Time in which more than 90 % of them was used.
    pub over90_percent: f64,
    /// Requests that came while everything was used.
    pub lost_percent: f64,
    /// Missing instances, relative to the needed ones.
    pub theta_u: f64,
    /// Spare instances, relative to the needed ones.
    pub theta_o: f64,
    /// Time in which instances were missing.
    pub tau_u: f64,
    /// Time in which there were spare ones.
    pub tau_o: f64,
    /// Time in which supply and demand moved differently.
    pub instability: f64,
    /// Moves out.
    pub scale_outs_per_day: f64,
    /// Moves in.
    pub scale_ins_per_day: f64,
    /// Moves that turned the last one round within ten minutes.
    pub flaps_per_day: f64,
    /// So much of the instances was used at most, but for one hundredth of the time.
    pub p99_utilisation: f64,
}

/// Adds up steps. Takes the same memory however many they are.
#[derive(Debug, Clone)]
pub struct Meter {
    instance: Instance,
    stopped_price: f64,
    step: Seconds,
    steps: u64,
    paid: f64,
    under: u64,
    over90: u64,
    offered: f64,
    lost: f64,
    demanded: u64,
    short: f64,
    spare: f64,
    short_steps: u64,
    spare_steps: u64,
    unstable: u64,
    last: Option<(u32, u32)>,
    used: Vec<u64>,
    moves: Moves,
}

impl Meter {
    /// Nothing yet. A stopped instance costs `stopped_price` of a running one.
    #[must_use]
    pub fn new(instance: Instance, step: Seconds, stopped_price: f64) -> Self {
        Self {
            instance,
            stopped_price,
            step,
            steps: 0,
            paid: 0.0,
            under: 0,
            over90: 0,
            offered: 0.0,
            lost: 0.0,
            demanded: 0,
            short: 0.0,
            spare: 0.0,
            short_steps: 0,
            spare_steps: 0,
            unstable: 0,
            last: None,
            used: vec![0; USES],
            moves: Moves::default(),
        }
    }

    /// Takes in a step.
    pub fn note(&mut self, step: Step) {
        let Step {
            rate,
            serving,
            running,
            stopped,
        } = step;
        let capacity = self.instance.capacity * f64::from(serving);
        let needed = self.instance.needed(rate);
        self.steps += 1;
        self.paid += f64::from(running) + f64::from(stopped) * self.stopped_price;
        self.under += u64::from(rate > self.instance.target * capacity * HAIR);
        self.over90 += u64::from(rate > OVERLOAD * capacity * HAIR);
        self.offered += rate;
        self.lost += (rate - capacity).max(0.0);
        self.note_use(if rate > 0.0 { rate / capacity } else { 0.0 });
        if rate > 0.0 {
            // a step without demand says nothing about how much of it was missed
            let of_needed = |count: u32| f64::from(count) / f64::from(needed);
            self.demanded += 1;
            self.short += of_needed(needed.saturating_sub(serving));
            self.spare += of_needed(serving.saturating_sub(needed));
        }
        self.short_steps += u64::from(serving < needed);
        self.spare_steps += u64::from(serving > needed);
        if let Some((served, demanded)) = self.last {
            self.unstable += u64::from(serving.cmp(&served) != needed.cmp(&demanded));
        }
        self.last = Some((serving, needed));
    }

    /// Takes in that the wanted size moved before this step is noted.
    pub fn note_move(&mut self, before: u32, after: u32, seconds: u64) {
        self.moves.note(before, after, seconds);
    }

    /// What it all comes to.
    #[must_use]
    pub fn score(&self) -> Score {
        let steps = self.steps.max(1) as f64;
        let percent = |count: u64| 100.0 * count as f64 / steps;
        let hours_of_step = f64::from(self.step.0) / 3_600.0;
        let days = steps * hours_of_step / 24.0;
        let per_day = |count: u64| count as f64 / days;
        Score {
            instance_hours: self.paid * hours_of_step,
            under_percent: percent(self.under),
            over90_percent: percent(self.over90),
            lost_percent: if self.offered > 0.0 {
                100.0 * self.lost / self.offered
            } else {
                0.0
            },
            theta_u: 100.0 * self.short / self.demanded.max(1) as f64,
            theta_o: 100.0 * self.spare / self.demanded.max(1) as f64,
            tau_u: percent(self.short_steps),
            tau_o: percent(self.spare_steps),
            instability: 100.0 * self.unstable as f64 / (self.steps.saturating_sub(1)).max(1) as f64,
            scale_outs_per_day: per_day(self.moves.outs),
            scale_ins_per_day: per_day(self.moves.ins),
            flaps_per_day: per_day(self.moves.flaps),
            p99_utilisation: self.p99(),
        }
    }

    fn note_use(&mut self, used: f64) {
        // of no instances everything is used; the last place stands for all that is beyond
        let place = (used * THOUSANDTHS).ceil().min((USES - 1) as f64) as usize;
        if let Some(count) = self.used.get_mut(place) {
            *count += 1;
        }
    }

    fn p99(&self) -> f64 {
        let wanted = (self.steps as f64 * 0.99).ceil() as u64;
        let mut seen = 0;
        let place = self.used.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        place.unwrap_or_default() as f64 / THOUSANDTHS
    }
}

/// Moves of the wanted size.
#[derive(Debug, Clone, Default)]
struct Moves {
    outs: u64,
    ins: u64,
    flaps: u64,
    last: Option<(u64, std::cmp::Ordering)>,
}

impl Moves {
    fn note(&mut self, before: u32, after: u32, seconds: u64) {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let way = after.cmp(&before);
        match way {
            Greater => self.outs += 1,
            Less => self.ins += 1,
            Equal => return,
        }
        let turned = |(at, last): (u64, _)| last != way && seconds.saturating_sub(at) <= u64::from(FLAP.0);
        self.flaps += u64::from(self.last.is_some_and(turned));
        self.last = Some((seconds, way));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores supply against demand, in instances of which each does one request a second at the target.
    fn score(demand: &[u32], supply: &[u32]) -> Score {
        let instance = Instance {
            capacity: 2.0,
            target: 0.5,
        };
        let mut meter = Meter::new(instance, Seconds(3_600), 0.0);
        for (needed, serving) in demand.iter().zip(supply) {
            meter.note(Step {
                rate: f64::from(*needed),
                serving: *serving,
                running: *serving,
                stopped: 0,
            });
        }
        meter.score()
    }

    fn is_about(value: f64, expected: f64) -> bool {
        (value - expected).abs() < 5e-5
    }

    #[test]
    fn elasticity_as_the_spec_research_group_defines_it() {
        let score = score(&[2, 2, 3, 3, 2, 1], &[2, 2, 2, 3, 3, 3]);
        assert!(is_about(score.theta_u, 5.5556), "{}", score.theta_u);
        assert!(is_about(score.theta_o, 41.6667), "{}", score.theta_o);
        assert!(is_about(score.tau_u, 16.6667), "{}", score.tau_u);
        assert!(is_about(score.tau_o, 33.3333), "{}", score.tau_o);
        assert!(is_about(score.instability, 80.0), "{}", score.instability);
        assert!(is_about(score.under_percent, 16.6667), "{}", score.under_percent);
        assert!(is_about(score.instance_hours, 15.0), "{}", score.instance_hours);
    }

    #[test]
    fn what_comes_while_everything_is_used_is_lost() {
        let score = score(&[2, 5], &[2, 2]);
        // of 7 requests 4 of the 5 are answered
        assert!(is_about(score.lost_percent, 100.0 / 7.0), "{}", score.lost_percent);
        assert!(is_about(score.over90_percent, 50.0), "{}", score.over90_percent);
        assert!(is_about(score.p99_utilisation, 1.25), "{}", score.p99_utilisation);
    }

    #[test]
    fn whole_instances_at_the_bound_are_not_above_it() {
        let instance = Instance {
            capacity: 0.010_236,
            target: 0.7,
        };
        let mut meter = Meter::new(instance, Seconds(60), 0.0);
        for count in 1..100 {
            meter.note(Step {
                rate: instance.target * instance.capacity * f64::from(count),
                serving: count,
                running: count,
                stopped: 0,
            });
        }
        assert!(is_about(meter.score().under_percent, 0.0), "{}", meter.score().under_percent);
    }

    #[test]
    fn a_move_that_is_taken_back_within_ten_minutes_is_a_flap() {
        let instance = Instance {
            capacity: 2.0,
            target: 0.5,
        };
        let mut meter = Meter::new(instance, Seconds(60), 0.0);
        let step = Step {
            rate: 1.0,
            serving: 1,
            running: 1,
            stopped: 0,
        };
        for minute in 0..1_440_u64 {
            let wanted = [(0, 1, 2), (5, 2, 1), (20, 1, 2), (31, 2, 3), (33, 3, 3), (45, 3, 1)];
            for (_, before, after) in wanted.iter().filter(|(at, _, _)| *at == minute) {
                meter.note_move(*before, *after, minute * 60);
            }
            meter.note(step);
        }
        let score = meter.score();
        assert!(is_about(score.scale_outs_per_day, 3.0));
        assert!(is_about(score.scale_ins_per_day, 2.0));
        assert!(is_about(score.flaps_per_day, 1.0));
    }
}
