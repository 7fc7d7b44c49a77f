//! Reads how target groups spread requests, field by field over the fleet's defaults, and refuses what AWS would.

use super::balancing::{Adaptive, Algorithm, Balancing, CrossZone, Stickiness};
use super::check_guards::{duration, percent};
use super::defaults;
use super::problem::Problems;
use super::raw::{RawAdaptive, RawAlgorithm, RawBalancing, RawCookie, RawCrossZone, RawDuration, RawStickiness};
use crate::unit::{Percent, Seconds};

/// AWS's bounds of a slow start, which zero turns off.
const SLOW_START: [Seconds; 2] = [Seconds(30), Seconds::minutes(15)];
/// AWS's longest deregistration delay.
const DELAY_MOST: Seconds = Seconds::minutes(60);
/// Bounds of the time between two changes of an adaptive algorithm.
const DWELL: [Seconds; 2] = [Seconds::minutes(10), Seconds::minutes(7 * 24 * 60)];
/// AWS's longest stickiness.
const STICKS_MOST: Seconds = Seconds::minutes(7 * 24 * 60);
/// The balancer keeps cookie names that begin like this for itself.
const OWN_COOKIES: &str = "AWSALB";

pub(super) fn read(own: Option<&RawBalancing>, default: Option<&RawBalancing>, at: &str, problems: &mut Problems) -> Balancing {
    let layers = Layers { own, default, at };
    let (algorithm, algorithm_at) = layers.pick("algorithm", |raw| raw.algorithm.as_ref());
    let (adaptive, adaptive_at) = layers.pick("adaptive", |raw| raw.adaptive.as_ref());
    let (mitigation, mitigation_at) = layers.pick("anomaly_mitigation", |raw| raw.anomaly_mitigation.as_ref());
    let (stickiness, stickiness_at) = layers.pick("stickiness", |raw| raw.stickiness.as_ref());
    let (slow_start, slow_start_at) = layers.pick("slow_start", |raw| raw.slow_start.as_ref());
    let (delay, delay_at) = layers.pick("deregistration_delay", |raw| raw.deregistration_delay.as_ref());
    let (cross_zone, cross_zone_at) = layers.pick("cross_zone", |raw| raw.cross_zone.as_ref());
    let balancing = Balancing {
        algorithm: algorithm.map(|algorithm| match algorithm {
            RawAlgorithm::RoundRobin => Algorithm::RoundRobin,
            RawAlgorithm::LeastOutstandingRequests => Algorithm::LeastOutstandingRequests,
            RawAlgorithm::WeightedRandom => Algorithm::WeightedRandom,
        }),
        adaptive: adaptive.map(|raw| read_adaptive(raw, &adaptive_at, problems)),
        anomaly_mitigation: mitigation.copied(),
        stickiness: stickiness.map(|raw| read_stickiness(raw, &stickiness_at, problems)),
        slow_start: slow_start.map(|raw| read_slow_start(raw, &slow_start_at, problems)),
        deregistration_delay: delay.map(|raw| at_most(raw, &delay_at, DELAY_MOST, problems)),
        cross_zone: cross_zone.map(|raw| read_cross_zone(raw, &cross_zone_at, problems)),
    };
    if balancing.anomaly_mitigation == Some(true) && balancing.algorithm != Some(Algorithm::WeightedRandom) {
        problems.add(
            mitigation_at,
            "`true` is possible only with the algorithm `weighted_random`",
            "add `algorithm: weighted_random`, or take it out",
        );
    }
    if balancing.adaptive.is_some() && balancing.algorithm.is_some() {
        let hint = format!("keep one of them; the algorithm stands at `{algorithm_at}`");
        problems.add(&adaptive_at, "an adaptive group has no fixed algorithm", hint);
    }
    let slow = balancing.slow_start.is_some_and(|time| time > Seconds(0));
    match balancing.algorithm {
        None if slow && balancing.adaptive.is_some() => problems.add(
            slow_start_at,
            "a slow start is not possible with the algorithm `least_outstanding_requests`, which `adaptive` may choose",
            format!("set it to `0s`, or take `{adaptive_at}` out"),
        ),
        Some(algorithm @ (Algorithm::LeastOutstandingRequests | Algorithm::WeightedRandom)) if slow => problems.add(
            slow_start_at,
            format!("a slow start is not possible with the algorithm `{}`", algorithm.as_str()),
            format!("use `algorithm: round_robin`, or set it to `0s`; the algorithm stands at `{algorithm_at}`"),
        ),
        _ => {}
    }
    let sticks = balancing
        .stickiness
        .as_ref()
        .is_some_and(|stickiness| *stickiness != Stickiness::None);
    if sticks && balancing.cross_zone == Some(CrossZone::Off) {
        problems.add(
            stickiness_at,
            "stickiness is not possible where `cross_zone` is `false`",
            format!("write `cookie: none`, or take `{cross_zone_at}` out"),
        );
    }
    balancing
}

fn read_adaptive(raw: &RawAdaptive, at: &str, problems: &mut Problems) -> Adaptive {
    let above = percent(raw.above.as_ref(), &format!("{at}.above"), defaults::ADAPTIVE_ABOVE, problems);
    let below = percent(raw.below.as_ref(), &format!("{at}.below"), defaults::ADAPTIVE_BELOW, problems);
    let dwell_at = format!("{at}.dwell");
    let dwell = duration(raw.dwell.as_ref(), &dwell_at, defaults::ADAPTIVE_DWELL, problems);
    if above <= Percent(100) {
        let message = format!("`{above}` is always exceeded: a percentile above the median is never less than the median");
        problems.add(format!("{at}.above"), message, "three times the median, `300%`, is unusual");
    }
    if below >= above {
        let message = format!("`{below}` is not below `above`, `{above}`");
        problems.add(format!("{at}.below"), message, "leave a gap, or the algorithm goes to and fro");
    }
    let [least, most] = DWELL;
    if !(least..=most).contains(&dwell) {
        let message = format!("`{dwell}` is not between `{least}` and `{most}`");
        problems.add(dwell_at, message, "a change needs minutes until it shows in the metrics");
    }
    Adaptive { above, below, dwell }
}

fn read_stickiness(raw: &RawStickiness, at: &str, problems: &mut Problems) -> Stickiness {
    let needless = |field: &str| (format!("{at}.{field}"), format!("`{field}` says nothing without such a cookie"));
    let cookie = matches!(raw.cookie, RawCookie::Lb | RawCookie::App);
    if raw.duration.is_some() && !cookie {
        let (path, message) = needless("duration");
        problems.add(path, message, "take it out, or use the cookie `lb` or `app`");
    }
    if raw.name.is_some() && raw.cookie != RawCookie::App {
        let (path, message) = needless("name");
        problems.add(path, message, "take it out, or use the cookie `app`");
    }
    let duration = || raw.duration.clone();
    match raw.cookie {
        RawCookie::None => Stickiness::None,
        RawCookie::SourceIp => Stickiness::SourceIp,
        RawCookie::Lb => Stickiness::LbCookie {
            duration: read_sticks(duration(), at, problems),
        },
        RawCookie::App => Stickiness::AppCookie {
            name: read_cookie_name(raw.name.as_deref(), at, problems),
            duration: read_sticks(duration(), at, problems),
        },
    }
}

fn read_sticks(raw: Option<RawDuration>, at: &str, problems: &mut Problems) -> Seconds {
    let Some(raw) = raw else { return defaults::STICKINESS };
    let at = format!("{at}.duration");
    let time = at_most(&raw, &at, STICKS_MOST, problems);
    if time == Seconds(0) {
        problems.add(at, "`0s` is less than `1s`", "write `cookie: none` for no stickiness");
    }
    time
}

fn read_cookie_name(name: Option<&str>, at: &str, problems: &mut Problems) -> String {
    let at = format!("{at}.name");
    match name {
        None | Some("") => problems.add(at, "an application's cookie needs its name", "add `name: SESSION`"),
        Some(name) if name.to_ascii_uppercase().starts_with(OWN_COOKIES) => problems.add(
            at,
            format!("`{name}` begins with `{OWN_COOKIES}`, which the balancer keeps for itself"),
            "name the cookie that your application sets",
        ),
        Some(_) => {}
    }
    name.unwrap_or_default().to_owned()
}

fn read_slow_start(raw: &RawDuration, at: &str, problems: &mut Problems) -> Seconds {
    let [least, most] = SLOW_START;
    let time = duration(Some(raw), at, Seconds(0), problems);
    if time != Seconds(0) && !(least..=most).contains(&time) {
        problems.add(
            at,
            format!("`{time}` is not between `{least}` and `{most}`"),
            "choose a time within AWS's bounds; `0s` turns it off",
        );
    }
    time
}

fn at_most(raw: &RawDuration, at: &str, most: Seconds, problems: &mut Problems) -> Seconds {
    let time = duration(Some(raw), at, most, problems);
    if time > most {
        problems.add(at, format!("`{time}` is more than `{most}`"), "AWS takes no longer one");
    }
    time
}

fn read_cross_zone(raw: &RawCrossZone, at: &str, problems: &mut Problems) -> CrossZone {
    match raw {
        RawCrossZone::Is(true) => CrossZone::On,
        RawCrossZone::Is(false) => CrossZone::Off,
        RawCrossZone::Word(word) => {
            if word != "as_load_balancer" {
                problems.add(
                    at,
                    format!("`{word}` is none of the known words"),
                    "write `true`, `false` or `as_load_balancer`",
                );
            }
            CrossZone::AsLoadBalancer
        }
    }
}

/// The pool's own part over that of the defaults.
struct Layers<'a> {
    own: Option<&'a RawBalancing>,
    default: Option<&'a RawBalancing>,
    at: &'a str,
}

impl<'a> Layers<'a> {
    /// A field, and where its text stands: nowhere, if nobody wrote it.
    fn pick<T>(&self, name: &str, field: impl Fn(&'a RawBalancing) -> Option<&'a T>) -> (Option<&'a T>, String) {
        if let Some(own) = self.own.and_then(&field) {
            return (Some(own), format!("{}.balancing.{name}", self.at));
        }
        match self.default.and_then(field) {
            Some(default) => (Some(default), format!("defaults.balancing.{name}")),
            None => (None, String::new()),
        }
    }
}
