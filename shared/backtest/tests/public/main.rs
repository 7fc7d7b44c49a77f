//! On the public traces, which lie beside the project: a clone without them has nothing to test here, and says so.

#![expect(clippy::expect_used, reason = "a trace that cannot be read is a failed test")]

mod peers;
mod traces;

use ghostnet_backtest::optimum::{self, Prices};
use traces::SCORED;

#[test]
fn the_optimum_is_as_published() {
    for window in SCORED {
        let Some(load) = window.load() else { return };
        let instance = window.instance(&load);
        let hours = |target: f64, boot: u32| {
            let demand: Vec<u32> = load.scored().iter().map(|rate| instance.needed_at(*rate, target)).collect();
            let prices = Prices {
                start: f64::from(boot / 30),
                missing: None,
            };
            optimum::cost(&demand, prices) / 120.0
        };
        let name = window.name;
        let is_about = |what: &str, found: f64, published: f64| {
            assert!(
                (found / published - 1.0).abs() < 1e-3,
                "{name}, {what}: {found} where {published} is published"
            );
        };
        is_about("capacity", instance.capacity, window.capacity);
        let [at_180, at_90, at_30] = window.never_above_target;
        is_about("never above the target, 180 s", hours(0.7, 180), at_180);
        is_about("never above the target, 90 s", hours(0.7, 90), at_90);
        is_about("never above the target, 30 s", hours(0.7, 30), at_30);
        is_about("never above 90 %", hours(0.9, 180), window.never_above_90);
    }
}
