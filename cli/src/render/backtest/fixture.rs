//! A made-up backtest: days that rise and fall, and one flash crowd, played by policies that follow the load.

use std::collections::BTreeMap;

use ghostnet_backtest::contest::{Course, Move, Row, worst_hour};
use ghostnet_backtest::load::{Instance, Load};
use ghostnet_backtest::replay::{Look, Scaler, World, play};
use ghostnet_backtest::score::Score;
use ghostnet_core::id::BuildId;
use ghostnet_core::unit::Seconds;

use crate::report::backtest::{BacktestReport, Denominator, Expected};

/// Text that would be markup, script or the end of either.
pub(super) const HOSTILE: &str = "</script><script>alert(1)</script>\"><img src=x onerror='alert(2)'>&amp;<!--\u{2028}";

/// What a report borrows from.
pub(super) struct Played {
    pub(super) load: Load,
    pub(super) world: World,
    pub(super) rows: Vec<Row>,
    pub(super) trace: String,
    pub(super) notes: Vec<String>,
    pub(super) command: String,
    pub(super) build: BuildId,
    forecast: Vec<Expected>,
}

/// Wants what the load needs, and some more; sees it late.
struct Follower {
    more: f64,
    late: Seconds,
    last: Option<(f64, u32)>,
}

impl Scaler for Follower {
    fn decide(&mut self, look: &Look<'_>) -> u32 {
        let late = usize::try_from(self.late.0 / look.step.0).unwrap_or_default();
        let rate = look.rates.iter().rev().nth(late).copied().unwrap_or_default();
        let wanted = look.instance.needed(rate * self.more);
        let wanted = if wanted.abs_diff(look.capacity()) > 1 {
            wanted
        } else {
            look.capacity()
        };
        self.last = Some((rate, wanted));
        wanted
    }

    fn why(&self) -> Option<String> {
        self.last
            .map(|(rate, wanted)| format!("`requests` asks for {wanted}: {rate:.0} requests a second come in"))
    }
}

impl Played {
    /// Two days, of which half a day is a warm-up.
    pub(super) fn new() -> Self {
        Self::of(2)
    }

    /// Thirty days.
    pub(super) fn long() -> Self {
        Self::of(30)
    }

    fn of(days: u32) -> Self {
        let steps = days * 2_880;
        let rates: Vec<f64> = (0..steps).map(rate).collect();
        let start = "2026-06-10T00:00:00Z".parse().unwrap_or_default();
        let load = Load::made_up(start, Seconds(30), rates, 1_440).unwrap_or_else(|| panic!("a load"));
        let world = World::of(Instance {
            capacity: 40.0,
            target: 0.7,
        });
        let follow = |policy, more, late| row(policy, &load, &world, Follower { more, late, last: None });
        let mut rows = vec![
            follow("optimum", 1.0, Seconds(0)),
            follow("aws-target-tracking", 1.12, Seconds(120)),
            follow("k8s-hpa", 0.95, Seconds(60)),
            follow("ghostnet", 1.06, Seconds(0)),
            follow("late", 1.15, Seconds(900)),
        ];
        let hours = rows.first().map_or(1.0, |optimum| optimum.score.instance_hours);
        rows.iter_mut().for_each(|row| row.cost_ratio = row.score.instance_hours / hours);
        let expected = |step: u32| Expected {
            step: step as usize,
            median: daily(step + 1_440),
            upper: 1.2 * daily(step + 1_440),
        };
        Self {
            forecast: (0..steps - 1_440).step_by(10).map(expected).collect(),
            trace: "june.csv".to_owned(),
            notes: vec!["`warm: { size: 4 }` would have held the worst hour.".to_owned()],
            command: "ghostnet simulate --fleet web.yaml --trace june.csv --html june.html".to_owned(),
            build: BuildId::new("0.1.0"),
            load,
            world,
            rows,
        }
    }

    /// What its page is made of.
    pub(super) fn report(&self) -> BacktestReport<'_> {
        let subject = self.rows.iter().find(|row| row.policy == "ghostnet");
        BacktestReport {
            trace: &self.trace,
            unit: "requests/s",
            load: &self.load,
            world: &self.world,
            optimum: Denominator {
                hours: self.rows.first().map_or(1.0, |row| row.score.instance_hours),
                used: 0.7,
            },
            rows: &self.rows,
            worst: subject.and_then(|row| row.worst),
            forecast: &self.forecast,
            notes: &self.notes,
            command: &self.command,
            build: &self.build,
        }
    }

    /// Whatever can be named by somebody else is hostile.
    pub(super) fn hostile() -> Self {
        let mut played = Self::new();
        played.trace = HOSTILE.to_owned();
        played.notes = vec![HOSTILE.to_owned()];
        played.command = HOSTILE.to_owned();
        played.build = BuildId::new(HOSTILE);
        for row in &mut played.rows {
            row.settings.insert("setting", HOSTILE.to_owned());
            row.course.moves.iter_mut().for_each(|moved| moved.why = Some(HOSTILE.to_owned()));
        }
        for row in played.rows.iter_mut().filter(|row| row.policy != "optimum") {
            row.policy = HOSTILE.to_owned();
        }
        played
    }
}

/// So much comes in on a usual day.
fn daily(step: u32) -> f64 {
    let day = f64::from(step % 2_880) / 2_880.0;
    let wave = (std::f64::consts::TAU * (day - 0.3)).sin();
    (90.0 * wave).mul_add(wave.abs(), 260.0) + 120.0 * wave
}

/// The same with noise, and with a crowd on the second evening.
fn rate(step: u32) -> f64 {
    let noise = f64::from(step.wrapping_mul(2_654_435_761) >> 16) / 65_536.0 - 0.5;
    let since = f64::from(step) - 5_280.0;
    let crowd = if since >= 0.0 {
        2.2 * (since / 3.0).min(1.0) * (-since / 60.0).exp()
    } else {
        0.0
    };
    daily(step) * (0.08f64.mul_add(noise, 1.0) + crowd)
}

fn row(policy: &'static str, load: &Load, world: &World, mut scaler: Follower) -> Row {
    let mut course = Course::default();
    let mut before = None;
    let score: Score = play(load, world, &mut scaler, |place, step, wanted, scaler| {
        let moved = before.replace(wanted).filter(|before| *before != wanted);
        let Some(scored) = place.checked_sub(load.scored_from()) else {
            return;
        };
        course.serving.push(step.serving);
        course.moves.extend(moved.map(|before| Move {
            step: scored,
            before,
            after: wanted,
            why: scaler.why(),
        }));
    });
    Row {
        policy: policy.to_owned(),
        score,
        cost_ratio: 1.0,
        settings: BTreeMap::from([("cooldown", "60 s".to_owned())]),
        worst: worst_hour(load, world, &course),
        course,
    }
}
