//! What the simulator's seeds gave.

use super::table::{Side, plain};
use crate::verb::swarm::Swept;

/// How often what happened, and what broke.
pub(crate) fn text(swept: &Swept) -> String {
    let rows = swept
        .faults
        .iter()
        .map(|(fault, times)| vec![(*fault).to_owned(), times.to_string()]);
    let mut text = plain(&[("fault", Side::Left), ("struck", Side::Right)], rows);
    text.push_str(&format!(
        "\n\n{} seeds, {} hours of virtual time: {} looks, {} decisions, {} instances launched, {} terminated\n",
        swept.runs,
        swept.minutes / 60,
        swept.reconciles,
        swept.decisions,
        swept.launched,
        swept.terminated
    ));
    if swept.failures.is_empty() {
        text.push_str("every invariant held at every step, and every fleet was right after the calm\n");
    }
    for broken in &swept.failures {
        let needed = if broken.faults.is_empty() {
            "no fault at all".to_owned()
        } else {
            broken.faults.join(", ")
        };
        text.push_str(&format!(
            "\nseed {}: {} at {}\n  {}\n  needs {needed}\n  {}\n",
            broken.seed, broken.check, broken.at, broken.detail, broken.command
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::verb::swarm::Broken;

    #[test]
    fn a_broken_seed_tells_how_to_run_it_again() {
        let swept = Swept {
            runs: 1000,
            minutes: 230_000,
            reconciles: 310_000,
            decisions: 140_000,
            launched: 21_000,
            terminated: 19_500,
            faults: BTreeMap::from([("kill-after", 812), ("lost-reply", 1_204)]),
            failures: vec![Broken {
                seed: 42,
                ticks: 15,
                check: "I8 no-double-launch".to_owned(),
                at: "2026-06-01T00:14:59.801Z".to_owned(),
                detail: "2026-06-01T00:14:59.801Z-a87b2fdac171#0 asked for 2 and launched 4".to_owned(),
                faults: vec!["lost-reply"],
                command: "ghostnet swarm --seed 42 --ticks 15 --faults lost-reply --log run.log".to_owned(),
            }],
        };
        insta::assert_snapshot!("swarm", text(&swept));
    }
}
