//! The traces, and the windows in which they are scored.

use std::path::PathBuf;

use ghostnet_backtest::load::{Instance, Load};
use ghostnet_backtest::trace::Trace;
use ghostnet_core::unit::Seconds;

/// A window of a trace, and what is published of it: the capacity of an instance, and the hours of the optimum.
pub(crate) struct Window {
    pub(crate) name: &'static str,
    start: Option<&'static str>,
    days: u32,
    warm_up_days: u32,
    pub(crate) capacity: f64,
    pub(crate) never_above_target: [f64; 3],
    pub(crate) never_above_90: f64,
}

impl Window {
    /// The load; none, and a word about it, where the traces are absent.
    pub(crate) fn load(&self) -> Option<Load> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces");
        let file = folder.join(format!("{}.csv", self.name));
        let Ok(text) = std::fs::read_to_string(&file) else {
            eprintln!("SKIPPED: there is no {}", file.display());
            return None;
        };
        let trace = Trace::parse(&text).expect("a trace");
        let start = self
            .start
            .map_or_else(|| trace.start(), |start| format!("{start}T00:00:00Z").parse().expect("a day"));
        let window = trace.between(start, Seconds(86_400 * self.days).after(start)).expect("a window");
        Load::of(&window, Seconds(86_400 * self.warm_up_days))
    }

    /// An instance of which the 95th percentile needs twenty at 70 %.
    pub(crate) fn instance(&self, load: &Load) -> Instance {
        Instance::for_p95(load, 20, 0.7).expect("some load")
    }
}

const fn window(
    name: &'static str,
    (start, days, warm_up_days): (Option<&'static str>, u32, u32),
    capacity: f64,
    never_above_target: [f64; 3],
    never_above_90: f64,
) -> Window {
    Window {
        name,
        start,
        days,
        warm_up_days,
        capacity,
        never_above_target,
        never_above_90,
    }
}

/// Those that are scored for cost, as `quality.md`, D.1 has them: five slow ones, then four bursty ones.
pub(crate) const SCORED: &[Window] = &[
    window(
        "wc98_group",
        (Some("1998-05-25"), 21, 7),
        42.062558,
        [2916.783, 2878.908, 2841.025],
        2308.217,
    ),
    window(
        "nyc_taxi",
        (Some("2014-10-06"), 42, 14),
        1.035664,
        [8642.292, 8624.742, 8613.042],
        6805.675,
    ),
    window(
        "appserver_2015_2017",
        (Some("2017-08-01"), 42, 14),
        6.963785,
        [7606.292, 7593.733, 7585.350],
        5983.433,
    ),
    window(
        "servegen_small",
        (None, 14, 7),
        125.650163,
        [2666.108, 2650.308, 2639.483],
        2092.533,
    ),
    window("servegen_large", (None, 14, 7), 24.182322, [1924.658, 1907.125, 1895.125], 1513.458),
    window("nab_elb", (None, 14, 7), 0.037071, [1641.500, 1496.758, 1394.133], 1293.600),
    window(
        "nab_tweets_amzn",
        (Some("2015-02-27"), 42, 14),
        0.022594,
        [8542.267, 8302.258, 8132.225],
        6714.967,
    ),
    window(
        "nab_tweets_goog",
        (Some("2015-02-27"), 42, 14),
        0.011429,
        [6976.508, 6653.383, 6424.742],
        5508.667,
    ),
    window(
        "nab_tweets_fb",
        (Some("2015-02-27"), 42, 14),
        0.010236,
        [6800.208, 6503.283, 6293.075],
        5360.483,
    ),
];
