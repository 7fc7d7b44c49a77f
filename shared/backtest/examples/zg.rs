use ghostnet_backtest::contest::*;
use ghostnet_backtest::ghostnet::GhostNet;
use ghostnet_backtest::load::*;
use ghostnet_backtest::replay::*;
use ghostnet_backtest::trace::Trace;
use ghostnet_core::spec::{FleetSpec, RawFleetSpec};
use ghostnet_core::unit::Seconds;
fn main() {
    let name = std::env::args().nth(1).unwrap();
    let text = std::fs::read_to_string(format!("/work/shared/traces/{name}.csv")).unwrap();
    let trace = Trace::parse(&text).unwrap();
    let load = Load::of(&trace, Seconds(7 * 86400)).unwrap();
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
    let world = World {
        instance,
        boot: Seconds(180),
        warm_start: Seconds(30),
        stopped_price: 0.05,
        timing: Timing::Strict,
        metric_delay: Seconds(0),
    };
    let mut scaler = GhostNet::new(&spec, &spec.pools[0], &world);
    let contest = Contest {
        load: &load,
        world,
        spec: &spec,
        pool: &spec.pools[0],
    };
    println!("opt {}", contest.optimum_hours(0.7));
    struct C<'a>(GhostNet<'a>, std::collections::BTreeMap<String, u32>, u32);
    impl Scaler for C<'_> {
        fn decide(&mut self, look: &Look<'_>) -> u32 {
            let n = self.0.decide(look);
            for g in &self.0.last().unwrap().guards {
                *self.1.entry(g.guard.name().to_string()).or_default() += 1;
            }
            self.2 += u32::from(
                self.0
                    .last()
                    .unwrap()
                    .votes
                    .iter()
                    .any(|v| v.reason.to_string().contains("off three")),
            );
            n
        }
    }
    let mut c = C(scaler, Default::default(), 0);
    let begun = std::time::Instant::now();
    let score = play(&load, &world, &mut c, |_, _, _, _| {});
    println!("{:?} steps {} {:?} strays {}", begun.elapsed(), load.rates().len(), c.1, c.2);
    println!("{score:?}");
}
