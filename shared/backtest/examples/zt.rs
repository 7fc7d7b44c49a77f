use ghostnet_backtest::contest::*;
use ghostnet_backtest::load::*;
use ghostnet_backtest::replay::*;
use ghostnet_backtest::trace::Trace;
use ghostnet_backtest::tune::*;
use ghostnet_core::spec::{FleetSpec, RawFleetSpec};
use ghostnet_core::unit::Seconds;
const W: &[(&str, Option<&str>, u32, u32)] = &[
    ("wc98_group", Some("1998-05-25"), 21, 7),
    ("nyc_taxi", Some("2014-10-06"), 42, 14),
    ("appserver_2015_2017", Some("2017-08-01"), 42, 14),
    ("servegen_small", None, 14, 7),
    ("servegen_large", None, 14, 7),
    ("nab_elb", None, 14, 7),
    ("nab_tweets_amzn", Some("2015-02-27"), 42, 14),
    ("nab_tweets_goog", Some("2015-02-27"), 42, 14),
    ("nab_tweets_fb", Some("2015-02-27"), 42, 14),
];
fn main() {
    let percent: f64 = std::env::args().nth(1).map_or(1.0, |a| a.parse().unwrap());
    let mut logs = [0.0; 2];
    for (i, (name, start, days, warm)) in W.iter().enumerate() {
        let text = std::fs::read_to_string(format!("/work/shared/traces/{name}.csv")).unwrap();
        let trace = Trace::parse(&text).unwrap();
        let start = start.map_or(trace.start(), |s| format!("{s}T00:00:00Z").parse().unwrap());
        let trace = trace.between(start, Seconds(86400 * days).after(start)).unwrap();
        let load = Load::of(&trace, Seconds(warm * 86400)).unwrap();
        let instance = Instance::for_p95(&load, 20, 0.7).unwrap();
        let raw: RawFleetSpec = serde_json::from_value(serde_json::json!({
            "fleet": "web",
            "defaults": { "capacity": { "min": 1, "max": 1000 }, "launch": { "template": { "name": "web" }, "subnets": ["subnet-0a"] } },
            "pools": [{ "id": "blue", "target_groups": ["arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0123456789abcdef"] }],
            "policies": [{ "type": "capacity", "id": "requests", "demand": "alb_request_count", "instance_capacity": instance.capacity, "utilisation": "70%" },
              { "type": "predictive", "id": "ahead", "of": "requests", "mode": "act" }],
            "guards": { "churn": {"turns": std::env::var("TURNS").map_or(6, |t| t.parse().unwrap())}, "tolerance": { "in": "0%" }, "cooldown": { "out": "0s", "in": "0s" }, "stabilisation": { "in": "10m" }, "budgets": { "launch": { "per_tick": 1000, "per_hour": 10000 }, "removal": { "per_tick": "100%" } } },
        })).unwrap();
        let spec = FleetSpec::check(&raw).unwrap();
        let pool = &spec.pools[0];
        let world = World {
            instance,
            boot: Seconds(180),
            warm_start: Seconds(30),
            stopped_price: 0.05,
            timing: Timing::Strict,
            metric_delay: Seconds(0),
        };
        let contest = Contest {
            load: &load,
            world,
            spec: &spec,
            pool,
        };
        let hours = contest.optimum_hours(0.9);
        let plain = contest.row(Contestant::GhostNet, contest.optimum_hours(0.7));
        let begun = std::time::Instant::now();
        let objective = Objective { used: 0.9, percent };
        let shadows = Shadows::play(&load, &world, &spec, pool, &objective).unwrap();
        let took = begun.elapsed();
        let mut tuned = Tuned::new(&shadows, &spec, pool, objective);
        let score = play(&load, &world, &mut tuned, |_, _, _, _| {});
        let ratio = score.instance_hours / hours;
        logs[usize::from(i >= 5)] += ratio.ln();
        println!(
            "{name:20} tuned {ratio:.3} over {:.2}% lost {:.3}% outs {:.0} ins {:.0} flaps {:.1} | plain {:.3} >70 {:.2}% >90 {:.2}% lost {:.3}% outs {:.0} | {took:.1?}",
            score.over90_percent,
            score.lost_percent,
            score.scale_outs_per_day,
            score.scale_ins_per_day,
            score.flaps_per_day,
            plain.cost_ratio,
            plain.score.under_percent,
            plain.score.over90_percent,
            plain.score.lost_percent,
            plain.score.scale_outs_per_day
        );
    }
    println!("slow {:.3} bursty {:.3}", (logs[0] / 5.0f64).exp(), (logs[1] / 4.0f64).exp());
}
