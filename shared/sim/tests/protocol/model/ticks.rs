//! Time in the model: ticks of ten seconds, and every limit of the protocol made from the constant that it is in the code.

use ghostnet_core::plan::{
    CLOCK_SKEW_MAX, LAUNCH_GIVEN_UP_AFTER, RESEND_AGE_MAX, STEP_SECONDS_MAX, TAKE_OVER_MARGIN, UNLISTED_COUNTS_FOR, WINDOW_MAX,
};
use ghostnet_core::unit::Seconds;

/// A moment, in ticks from the present one, or a number of ticks.
pub(crate) type Ticks = i8;

/// One tick, in seconds.
pub(crate) const TICK: u32 = 10;

/// So many ticks. A constant that is no whole number of them would make the model lie about a boundary.
const fn ticks(seconds: Seconds) -> Ticks {
    assert!(seconds.0.is_multiple_of(TICK) && seconds.0 / TICK < 100);
    (seconds.0 / TICK) as Ticks
}

/// A call lands at most this long after its step began, or never.
pub(crate) const STEP: Ticks = ticks(STEP_SECONDS_MAX);
/// A clock runs ahead by this, or not at all. The real bound is exclusive, so the model's clocks are a little worse.
pub(crate) const SKEW: Ticks = ticks(CLOCK_SKEW_MAX);
/// After a window has ended, this long nobody takes its steps over.
pub(crate) const MARGIN: Ticks = ticks(TAKE_OVER_MARGIN);
/// A launch is sent again only while younger.
pub(crate) const RESEND: Ticks = ticks(RESEND_AGE_MAX);
/// A launch that was not found is dropped so long after its last window.
pub(crate) const GIVEN_UP: Ticks = ticks(LAUNCH_GIVEN_UP_AFTER);
/// A member that is not listed counts so long.
pub(crate) const UNLISTED: Ticks = ticks(UNLISTED_COUNTS_FOR);
/// EC2's list shows an instance at most this long after the last moment at which its launch can have landed: it is what
/// the wait before a launch is given up leaves for it.
pub(crate) const LAG: Ticks = GIVEN_UP - MARGIN - STEP;

/// After so long Lambda ends an invocation, unless the bounds say otherwise. Less than the real minute, because each tick more
/// costs several times the states: a decision is made at most one tick after its look.
pub(crate) const LIFE: Ticks = 5;
/// The life of one whose decision may be as much older than its look as the real ones: up to 37 s.
pub(crate) const LONG_LIFE: Ticks = 7;
/// What `Invocation::execute_until` keeps free at the end of it: a step, and a moment to write outcomes down.
pub(crate) const KEPT_FREE: Ticks = STEP + 1;
/// Longest execution window of one that lives so long.
pub(crate) const WINDOW: Ticks = LIFE - KEPT_FREE;

// a decision may be made a tick later than its look, else a stale one would not exist
const _: () = assert!(WINDOW >= 2 && LONG_LIFE - KEPT_FREE <= ticks(WINDOW_MAX));
