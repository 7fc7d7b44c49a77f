//! How many servers keep waiting rare: Erlang's formulas for one queue before all instances, processor sharing for a queue in
//! each, and plain use.
//!
//! Rates are per second, `each` is what one instance can answer, `within` the seconds that processing and queueing may take
//! together. Recurrences only: no factorials, no powers, and the same digits on every platform (`libm`).
#![expect(clippy::float_arithmetic, reason = "queueing theory")]

/// Above so many servers the recurrence is replaced by square-root staffing (Halfin and Whitt 1981).
const RECURRENCE_MAX: f64 = 100_000.0;
/// Nobody has a fleet of so many; what needs more is not counted on.
const SERVERS_MAX: f64 = 10_000_000.0;

/// The share of requests that find all of `servers` busy and are lost, at an offered load of `load` servers (Erlang B).
#[must_use]
pub fn erlang_b(servers: u32, load: f64) -> f64 {
    (1..=servers).fold(1.0, |blocked, server| next_b(blocked, server, load))
}

fn next_b(blocked: f64, server: u32, load: f64) -> f64 {
    load * blocked / (f64::from(server) + load * blocked)
}

/// The share of requests that wait, at an offered load below `servers` (Erlang C); 1 at or above it.
#[must_use]
pub fn erlang_c(servers: u32, load: f64) -> f64 {
    c_of_b(servers, load, erlang_b(servers, load))
}

fn c_of_b(servers: u32, load: f64, blocked: f64) -> f64 {
    let servers = f64::from(servers);
    if load >= servers {
        return 1.0;
    }
    servers * blocked / (servers - load * (1.0 - blocked))
}

/// The share of requests that take longer than `within`, waiting and service together, when the share `waits` waits at all
/// and the queue drains with `spare` requests per second beyond what comes.
fn slower_than(within: f64, each: f64, spare: f64, waits: f64) -> f64 {
    slower(slow_alone(within, each), within, each, spare, waits)
}

/// The share of requests whose service alone takes longer than `within`.
fn slow_alone(within: f64, each: f64) -> f64 {
    libm::exp(-each * within)
}

/// As [`slower_than`], given what service `alone` comes to: that is the same for any number of servers.
fn slower(alone: f64, within: f64, each: f64, spare: f64, waits: f64) -> f64 {
    if libm::fabs(spare - each) < 1e-9 * each {
        return alone * (1.0 + waits * each * within);
    }
    // e^(-each t) - e^(-spare t), without losing digits where both are near
    let apart = -alone * libm::expm1((each - spare) * within);
    alone + waits * each / (spare - each) * apart
}

/// The fewest instances behind one queue of which at most the share `late` of requests take longer than `within`. None if the
/// service alone is too slow for that: no number of instances helps.
#[must_use]
pub fn shared_queue(rate: f64, each: f64, within: f64, late: f64) -> Option<u32> {
    if rate <= 0.0 {
        return Some(0);
    }
    let alone = slow_alone(within, each);
    if within <= 0.0 || alone > late {
        return None;
    }
    let load = rate / each;
    if load > RECURRENCE_MAX {
        return by_square_root(load, each, within, late);
    }
    let mut servers: u32 = 0;
    let mut blocked = 1.0;
    loop {
        servers = servers.checked_add(1)?;
        blocked = next_b(blocked, servers, load);
        let spare = f64::from(servers) * each - rate;
        if spare > 0.0 && slower(alone, within, each, spare, c_of_b(servers, load, blocked)) <= late {
            return Some(servers);
        }
    }
}

/// `load + beta sqrt(load)` for the smallest beta that keeps the objective, found by halving.
fn by_square_root(load: f64, each: f64, within: f64, late: f64) -> Option<u32> {
    let root = libm::sqrt(load);
    let keeps = |beta: f64| slower_than(within, each, beta * root * each, waits_at(beta)) <= late;
    let (mut low, mut high) = (1e-6, 10.0);
    if !keeps(high) {
        return None;
    }
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if keeps(middle) { high = middle } else { low = middle }
    }
    super::finite_count(load + high * root).filter(|_| load < SERVERS_MAX)
}

/// The share that waits at `load + beta sqrt(load)` servers, in the limit of many.
fn waits_at(beta: f64) -> f64 {
    let below = 0.5 * libm::erfc(-beta / core::f64::consts::SQRT_2);
    let density = libm::exp(-0.5 * beta * beta) / libm::sqrt(2.0 * core::f64::consts::PI);
    1.0 / (1.0 + beta * below / density)
}

/// The fewest instances, each with its own queue and all its requests at once in service (processor sharing, whatever the
/// distribution of work), of which at most the share `late` take longer than `within`. None as [`shared_queue`].
#[must_use]
pub fn own_queues(rate: f64, each: f64, within: f64, late: f64) -> Option<u32> {
    if rate <= 0.0 {
        return Some(0);
    }
    if within <= 0.0 || late <= 0.0 {
        return None;
    }
    // the mean of which `late` are slower: exact for exponential work
    let mean = within / libm::log(1.0 / late);
    let most_each = each - 1.0 / mean;
    if most_each <= 0.0 {
        return None;
    }
    super::finite_count(rate / most_each).filter(|_| rate / most_each < SERVERS_MAX)
}

/// The fewest instances that are used at most to the share `use_at_most`.
#[must_use]
pub fn utilisation(rate: f64, each: f64, use_at_most: f64) -> Option<u32> {
    let servers = rate / (each * use_at_most);
    super::finite_count(servers).filter(|_| servers < SERVERS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!(
            libm::fabs(found - expected) < 1e-12 * libm::fabs(expected).max(1e-3),
            "{found} and not {expected}"
        );
    }

    #[test]
    fn erlang_c_is_as_published() {
        near(erlang_c(1, 0.5), 0.5);
        near(erlang_c(5, 3.5), 0.377_838_226_698_439_8);
        near(erlang_c(20, 14.0), 0.093_561_243_471_430_4);
        near(erlang_c(100, 90.0), 0.216_940_480_906_366_3);
        near(erlang_c(5, 5.0), 1.0);
    }

    /// Twenty servers of ten a second under 180 a second: half of the requests are slower than 99 ms, and so on.
    #[test]
    fn the_tail_is_as_simulated() {
        let waits = erlang_c(20, 18.0);
        for (within, late) in [(0.0990, 0.5), (0.3423, 0.05), (0.5042, 0.01)] {
            let found = slower_than(within, 10.0, 20.0, waits);
            assert!(libm::fabs(found - late) < 0.002 * late.max(0.1), "{within}: {found} and not {late}");
        }
        // where the queue drains as fast as one instance works, the formula has another form
        let (at, beside) = (slower_than(0.3, 10.0, 10.0, 0.2), slower_than(0.3, 10.0, 10.0 + 1e-6, 0.2));
        assert!(libm::fabs(at - beside) < 1e-8, "{at} and {beside}");
    }

    #[test]
    fn fewest_instances_for_half_a_second_at_ten_each() {
        for (rate, instances) in [(10.0, 3), (50.0, 7), (100.0, 12), (500.0, 53), (1_000.0, 103), (5_000.0, 503)] {
            assert_eq!(shared_queue(rate, 10.0, 0.5, 0.01), Some(instances), "{rate} a second");
        }
        assert_eq!(shared_queue(0.0, 10.0, 0.5, 0.01), Some(0));
    }

    #[test]
    fn a_service_that_is_too_slow_alone_is_never_chased() {
        assert_eq!(shared_queue(100.0, 10.0, 0.4, 0.01), None);
        assert_eq!(shared_queue(100.0, 10.0, 0.0, 0.01), None);
        assert_eq!(own_queues(100.0, 10.0, 0.4, 0.01), None);
    }

    #[test]
    fn seventy_percent_for_comparison() {
        for (rate, instances) in [(10.0, 2), (50.0, 8), (100.0, 15), (500.0, 72), (1_000.0, 143), (5_000.0, 715)] {
            assert_eq!(utilisation(rate, 10.0, 0.7), Some(instances));
        }
    }

    /// Halfin and Whitt's table, and that both ways meet where they take turns.
    #[test]
    fn many_servers_by_the_square_root() {
        for (beta, waits) in [
            (0.5, 0.5045),
            (1.0, 0.2234),
            (1.5, 0.0847),
            (2.0, 0.0269),
            (2.5, 0.0070),
            (3.0, 0.0015),
        ] {
            assert!(libm::fabs(waits_at(beta) - waits) < 5e-5, "{beta}: {}", waits_at(beta));
        }
        let exact = shared_queue(900_000.0, 10.0, 0.5, 0.01);
        let root = by_square_root(90_000.0, 10.0, 0.5, 0.01);
        let apart = exact.unwrap_or(0).abs_diff(root.unwrap_or(u32::MAX));
        assert!(apart <= 20, "{exact:?} and {root:?}");
        assert!(shared_queue(2e6, 10.0, 0.5, 0.01).is_some_and(|instances| instances > 200_000));
    }

    #[test]
    fn a_queue_in_each_instance_needs_more_than_one_before_all() {
        for rate in [10.0, 100.0, 1_000.0] {
            let (shared, own) = (shared_queue(rate, 10.0, 0.6, 0.01), own_queues(rate, 10.0, 0.6, 0.01));
            assert!(own > shared, "{rate}: {own:?} and {shared:?}");
        }
    }
}
