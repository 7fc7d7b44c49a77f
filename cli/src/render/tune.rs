//! What to set, as text.

use ghostnet_backtest::tune::Evidence;
use ghostnet_core::unit::Percent;

use super::table::{Side, plain};
use crate::verb::tune::Tuned;

/// The settings, what to write into the spec, and what one can have instead.
pub(crate) fn text(tuned: &Tuned) -> String {
    let (suggestion, limit) = (&tuned.suggestion, 100.0 * tuned.objective.used);
    let over = format!("over {limit:.0} %");
    let columns = [
        ("", Side::Left),
        ("instance-hours/day", Side::Right),
        (over.as_str(), Side::Right),
        ("caution", Side::Right),
        ("usual", Side::Right),
        ("hold", Side::Right),
        ("utilisation", Side::Right),
    ];
    let named = [("now", &suggestion.present), ("chosen", &suggestion.chosen)];
    let rows = named.map(|(name, evidence)| row(name, evidence));
    let mut text = format!(
        "{} · the last {} days · at most {} % of the time above {limit:.0} %\n\n{}\n\n",
        tuned.trace,
        suggestion.days,
        tuned.objective.percent,
        plain(&columns, rows)
    );
    if tuned.set.is_empty() {
        text.push_str("nothing to change: no setting gains a hundredth\n");
    } else {
        let gain = tuned.gain_percent;
        let what = if gain < 0.0 {
            "costs more, and keeps the objective"
        } else {
            "saves"
        };
        text.push_str(&format!("{what}: {:.1} %; to set:\n", gain.abs()));
        for set in &tuned.set {
            match &set.value {
                Some(value) => text.push_str(&format!("  {}: {value}\n", set.path)),
                None => text.push_str(&format!("  {}: leave it out\n", set.path)),
            }
        }
    }
    text.push_str("\nwhat one can have, by what time above the limit is worth:\n");
    text.push_str(&plain(&columns, suggestion.front.iter().map(|evidence| row("", evidence))));
    text.push('\n');
    for note in &tuned.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    text
}

fn row(name: &str, evidence: &Evidence) -> Vec<String> {
    let settings = &evidence.settings;
    vec![
        name.to_owned(),
        format!("{:.1}", evidence.instance_hours_per_day),
        format!("{:.3} %", evidence.over_percent),
        settings.caution.to_string(),
        share(settings.usual),
        settings.hold.to_string(),
        share(settings.utilisation),
    ]
}

fn share(share: Option<Percent>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| share.to_string())
}

#[cfg(test)]
mod tests {
    use ghostnet_backtest::tune::Suggestion;
    use ghostnet_core::tuning::{Objective, Settings};
    use ghostnet_core::unit::{Finite, Seconds};

    use super::*;
    use crate::verb::tune::Set;

    fn evidence(caution: f64, usual: Option<u16>, instance_hours_per_day: f64, over_percent: f64) -> Evidence {
        Evidence {
            settings: Settings {
                caution: Finite::new(caution).unwrap(),
                hold: Seconds::minutes(12),
                usual: usual.map(Percent),
                utilisation: Some(Percent(90)),
            },
            instance_hours_per_day,
            over_percent,
        }
    }

    fn tuned(chosen: Evidence, gain_percent: f64, set: Vec<Set>) -> Tuned {
        Tuned {
            trace: "june.csv".to_owned(),
            objective: Objective { used: 0.9, percent: 1.0 },
            suggestion: Suggestion {
                days: 14,
                present: evidence(8.0, None, 412.0, 0.41),
                chosen,
                front: vec![chosen, evidence(24.0, Some(95), 471.25, 0.093)],
            },
            gain_percent,
            set,
            notes: vec!["the load of three days is missing".to_owned()],
        }
    }

    fn set(path: &str, value: Option<&str>) -> Set {
        Set {
            path: path.to_owned(),
            value: value.map(str::to_owned),
        }
    }

    #[test]
    fn settings_that_save_are_told_as_fields_of_the_spec() {
        let fields = vec![set("policies.ahead.caution", Some("2")), set("policies.ahead.usual", Some("70%"))];
        let saves = tuned(evidence(2.0, Some(70), 371.5, 0.88), 9.83, fields);
        insta::assert_snapshot!("saves", text(&saves));
    }

    #[test]
    fn what_keeps_an_objective_may_cost_more_and_what_gains_nothing_is_left() {
        let costs = tuned(
            evidence(24.0, Some(95), 471.25, 0.093),
            -14.38,
            vec![set("policies.ahead.caution", Some("24")), set("policies.ahead.usual", None)],
        );
        let told =
            "costs more, and keeps the objective: 14.4 %; to set:\n  policies.ahead.caution: 24\n  policies.ahead.usual: leave it out\n";
        assert!(text(&costs).contains(told));
        let stays = tuned(evidence(8.0, None, 412.0, 0.41), 0.0, Vec::new());
        assert!(text(&stays).contains("nothing to change: no setting gains a hundredth\n"));
    }
}
