//! Turns for launches: EC2 hears few of them at once, so fleets that grow in the same minute wait for each other, and are not refused
//! one by one. Times are milliseconds since 1970.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ghostnet_core::plan::Action;
use jiff::Timestamp;

/// The turns of one invocation. Others that launch meanwhile are not known: when EC2 refuses, they were faster.
#[derive(Debug)]
pub(crate) struct Pace {
    run_instances: Lane,
    create_fleet: Lane,
    start_instances: Lane,
}

/// A token bucket: `apart` between two calls in the long run, `burst` of them at once.
///
/// The generic cell rate algorithm: a bucket that is full is one whose next turn is `burst - 1` calls ago.
#[derive(Debug)]
pub(crate) struct Lane {
    apart: i64,
    burst: i64,
    /// When the bucket would be full again.
    full_at: AtomicI64,
}

impl Pace {
    /// EC2's buckets of an account in a region, all of them full.
    /// Source: <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>.
    pub(crate) fn new() -> Self {
        Self {
            run_instances: Lane::new(5, 2),
            // that of all calls that change something
            create_fleet: Lane::new(50, 5),
            start_instances: Lane::new(5, 2),
        }
    }

    /// Where a step takes its turn; none: at once.
    pub(crate) fn lane(&self, action: &Action) -> Option<&Lane> {
        match action {
            Action::Launch(launch) if launch.choice.is_some() => Some(&self.create_fleet),
            Action::Launch(_) => Some(&self.run_instances),
            Action::Start { .. } => Some(&self.start_instances),
            Action::Stop { .. }
            | Action::Terminate { .. }
            | Action::Register { .. }
            | Action::Deregister { .. }
            | Action::Announce { .. }
            | Action::Withdraw { .. }
            | Action::Tune { .. }
            | Action::Tag { .. } => None,
        }
    }
}

impl Lane {
    fn new(burst: i64, per_second: i64) -> Self {
        Self {
            apart: 1_000 / per_second,
            burst,
            full_at: AtomicI64::new(i64::MIN / 2),
        }
    }

    /// Takes the next turn, and says how long to wait for it. None, and nothing is taken: it would not come before `until`.
    pub(crate) fn turn(&self, now: Timestamp, until: Timestamp) -> Option<Duration> {
        let now = now.as_millisecond();
        let comes = |full_at: i64| now.max(full_at.saturating_sub(self.apart.saturating_mul(self.burst - 1)));
        let taken = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            (comes(full_at) < until.as_millisecond()).then(|| full_at.max(now).saturating_add(self.apart))
        });
        let wait = comes(taken.ok()?).saturating_sub(now);
        Some(Duration::from_millis(u64::try_from(wait).unwrap_or(0)))
    }

    /// EC2 refused: somebody else has emptied the bucket.
    pub(crate) fn emptied(&self, now: Timestamp) {
        let full_at = now.as_millisecond().saturating_add(self.apart.saturating_mul(self.burst));
        self.full_at.fetch_max(full_at, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap_or_default()
    }

    fn turns(lane: &Lane, now: i64, until: i64, count: usize) -> Vec<Option<u128>> {
        (0..count).map(|_| Some(lane.turn(at(now), at(until))?.as_millis())).collect()
    }

    #[test]
    fn five_go_at_once_and_then_two_a_second() {
        let lane = Lane::new(5, 2);
        let waits = turns(&lane, 0, 60_000, 8);
        assert_eq!(waits, [0, 0, 0, 0, 0, 500, 1_000, 1_500].map(Some));
        assert_eq!(
            turns(&lane, 1_500, 60_000, 2),
            [500, 1_000].map(Some),
            "who comes later waits behind them"
        );
    }

    #[test]
    fn a_bucket_fills_up_again_and_no_further() {
        let lane = Lane::new(5, 2);
        turns(&lane, 0, 60_000, 5);
        assert_eq!(turns(&lane, 1_000, 60_000, 3), [0, 0, 500].map(Some));
        assert_eq!(turns(&lane, 60_000, 90_000, 6), [0, 0, 0, 0, 0, 500].map(Some));
    }

    #[test]
    fn a_turn_that_comes_too_late_is_not_taken() {
        let lane = Lane::new(5, 2);
        assert_eq!(turns(&lane, 0, 1_000, 8)[5..], [Some(500), None, None]);
        assert_eq!(turns(&lane, 0, 60_000, 1), [Some(1_000)], "those that gave up hold nobody up");
    }

    #[test]
    fn what_others_have_used_up_is_waited_for() {
        let lane = Lane::new(5, 2);
        turns(&lane, 0, 60_000, 1);
        lane.emptied(at(0));
        assert_eq!(turns(&lane, 0, 60_000, 2), [500, 1_000].map(Some));
        lane.emptied(at(0));
        assert_eq!(turns(&lane, 0, 60_000, 1), [Some(1_500)], "and nobody goes ahead of who waits");
    }
}
