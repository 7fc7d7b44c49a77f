//! A backtest as a table.

use ghostnet_backtest::contest::Row;
use ghostnet_backtest::replay::Timing;

use crate::render::table::{Side, plain};
use crate::verb::simulate::backtest::Backtest;

/// The table, the worst hour, and what else is worth telling.
pub(crate) fn text(backtest: &Backtest) -> String {
    let played = &backtest.played;
    let world = &played.world;
    let days = backtest.steps as f64 * f64::from(backtest.step_seconds) / 86_400.0;
    let timing = match world.timing {
        Timing::Strict => "strict",
        Timing::Default => "default",
    };
    let mut text = format!(
        "{} · {days:.1} days from {} · {} s steps · boot {} ({timing}) · one instance answers {} {} · {} steps in {:.1} s\n\n",
        backtest.trace,
        played.scored_from.strftime("%Y-%m-%d %H:%M"),
        backtest.step_seconds,
        world.boot,
        significant(world.instance.capacity),
        played.unit,
        backtest.steps,
        backtest.wall_ms as f64 / 1_000.0,
    );
    let target = format!("over {:.0} %", 100.0 * world.instance.target);
    let columns = [
        ("policy", Side::Left),
        ("cost", Side::Right),
        (target.as_str(), Side::Right),
        ("over 90 %", Side::Right),
        ("lost", Side::Right),
        ("moves/day", Side::Right),
        ("flaps/day", Side::Right),
        ("set to", Side::Left),
    ];
    text.push_str(&plain(&columns, backtest.rows.iter().map(row)));
    text.push('\n');
    let never = 100.0 * backtest.optimum.never_above;
    text.push_str(&format!(
        "\ncost is instance-hours, over the {:.1} of the cheapest schedule that knows the future and is never above {never:.0} %\n",
        backtest.optimum.instance_hours
    ));
    if let Some((policy, hour, at)) = &played.worst {
        text.push_str(&format!(
            "worst hour of `{policy}`: {}, up to {:.0} % used, {:.1} % of it above 90 %, {:.2} % of its requests lost\n",
            at.strftime("%Y-%m-%d %H:%M"),
            100.0 * hour.peak_utilisation,
            hour.over90_percent,
            hour.lost_percent,
        ));
    }
    for note in &backtest.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    text
}

fn row(row: &Row) -> Vec<String> {
    let score = &row.score;
    let settings: Vec<String> = row
        .settings
        .iter()
        .filter(|(name, _)| **name != "rules")
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    vec![
        row.policy.clone(),
        format!("{:.3}", row.cost_ratio),
        format!("{:.2} %", score.under_percent),
        format!("{:.3} %", score.over90_percent),
        format!("{:.3} %", score.lost_percent),
        format!("{:.0}", score.scale_outs_per_day + score.scale_ins_per_day),
        format!("{:.1}", score.flaps_per_day),
        settings.join(", "),
    ]
}

/// Four digits that mean something.
fn significant(value: f64) -> String {
    let digits = 3.0 - value.abs().max(1e-9).log10().floor();
    format!("{value:.*}", digits.clamp(0.0, 9.0) as usize)
}
