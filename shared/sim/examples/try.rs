use ghostnet_sim::run::{Setup, run};
fn main() {
    let args: Vec<u64> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let (from, to, ticks) = (args[0], args[1], args[2] as u32);
    let log = args.len() > 3;
    let start = std::time::Instant::now();
    let (mut recs, mut dec, mut bad, mut mins) = (0, 0, 0, 0u64);
    for seed in from..=to {
        let out = run(&Setup {
            log,
            ..Setup::of(seed, ticks)
        });
        recs += out.counters.reconciles;
        dec += out.counters.decisions;
        mins += u64::from(out.minutes);
        if log {
            for l in &out.log {
                println!("{l}");
            }
        }
        if let Some(v) = out.violations.first() {
            bad += 1;
            println!("seed {seed}: {v} (minute {}) {:?}", out.minutes, out.violations.len());
        }
    }
    let t = start.elapsed().as_secs_f64();
    eprintln!(
        "{} seeds, {bad} bad, {recs} reconciles, {dec} decisions, {mins} minutes, {t:.2}s, {:.0} rec/s",
        to - from + 1,
        recs as f64 / t
    );
}
