//! Reads what it takes for a side to be out, where only one of them may ever serve.

use super::check_guards::duration;
use super::problem::Problems;
use super::raw::RawFencing;
use super::{FailoverMode, Fencing, Lever, PoolSpec, defaults};
use crate::unit::{Percent, Seconds};

/// A shorter one alerts in every move, and nobody notices a longer one.
const TIMEOUT: std::ops::RangeInclusive<Seconds> = Seconds::minutes(1)..=Seconds::minutes(120);

pub(super) fn read(
    raw: &RawFencing,
    (mode, lever): (FailoverMode, &Lever),
    pools: &[(usize, PoolSpec)],
    problems: &mut Problems,
) -> Fencing {
    let at = "failover.fencing";
    match mode {
        FailoverMode::HotStandby | FailoverMode::ColdStandby => {}
        FailoverMode::ActiveActive => problems.add(
            at,
            "with `mode: active_active` every side serves at once: none of them is the only one",
            "write `mode: hot_standby` or `cold_standby`, or leave it out",
        ),
        FailoverMode::Degraded => problems.add(
            at,
            "one side alone has none to keep out",
            "leave it out, or add a pool with `role: standby`",
        ),
    }
    if *lever == Lever::TargetSwap {
        let message = "`target_swap` has the new side enter before the old one leaves, to see whether it passes its checks";
        problems.add(
            at,
            message,
            "write `lever: { listener_rules: [...] }`: a standby at weight 0 is checked where it is",
        );
    }
    if matches!(lever, Lever::ToInstance(_)) {
        let message = "with `to_instance` one instance has the address, so never two sides serve by it";
        problems.add(at, message, "leave it out");
    }
    let stop = raw.stop.unwrap_or(defaults::FENCING_STOP);
    let timeout = duration(
        raw.timeout.as_ref(),
        "failover.fencing.timeout",
        defaults::FENCING_TIMEOUT,
        problems,
    );
    if !TIMEOUT.contains(&timeout) {
        let message = format!("`{timeout}` is not between `{}` and `{}`", TIMEOUT.start(), TIMEOUT.end());
        let hint = "longer than a target may take to finish, and no longer than nobody may know: `10m`";
        problems.add("failover.fencing.timeout", message, hint);
    }
    for (n, pool) in pools {
        check_pool(*n, pool, stop, timeout, problems);
    }
    Fencing { stop, timeout }
}

fn check_pool(n: usize, pool: &PoolSpec, stop: bool, timeout: Seconds, problems: &mut Problems) {
    if pool.cloud_map.is_some() {
        let message = "clients find a side by its name whatever the rules say, so it cannot be kept out";
        problems.add(
            format!("pools[{n}].cloud_map"),
            message,
            "leave it out, or leave `failover.fencing` out",
        );
    }
    if stop && pool.launch.market.spot > Percent(0) {
        let message = "EC2 stops no spot instance, and `failover.fencing.stop` asks for it";
        problems.add(
            format!("pools[{n}].launch.market.spot_percent"),
            message,
            "write `0`, or leave it to `stop: false`",
        );
    }
    if let Some(delay) = pool.balancing.deregistration_delay.filter(|delay| *delay >= timeout) {
        let message = format!("its targets may take `{delay}` to finish, and `failover.fencing.timeout` is `{timeout}`");
        let hint = "shorten it: nobody answers while the last ones finish; or raise the time-out";
        problems.add(format!("pools[{n}].balancing.deregistration_delay"), message, hint);
    }
}
