//! All rows as tables: what people compare first, and the finer scores and settings for who wants them.

use maud::{Markup, html};

use super::policies::Shown;
use super::words::{per_day, percent, percent_of, ratio, thousands};
use crate::report::backtest::BacktestReport;

/// What each policy cost, what its users felt, and how much it moved.
pub(super) fn section(report: &BacktestReport<'_>, policies: &[Shown<'_>]) -> Markup {
    let target = percent_of(report.world.instance.target);
    html! {
        section aria-labelledby="rows" {
            h2 id="rows" { "What each policy came to" }
            p class="note" {
                "Cost is relative to the optimum, that of someone who knows the future. Over " (target) " and over 90 % is time, lost is "
                "what came while all instances were used up."
            }
            div class="wide" role="region" tabindex="0" aria-labelledby="rows" {
                table {
                    caption { "Cost, time above limits, lost requests and moves of each policy" }
                    thead {
                        tr {
                            th scope="col" { "policy" }
                            th scope="col" { "cost" }
                            th scope="col" { "over " (target) }
                            th scope="col" { "over 90 %" }
                            th scope="col" { "lost" }
                            th scope="col" { "moves a day" }
                        }
                    }
                    tbody {
                        @for shown in policies {
                            (row(shown))
                        }
                    }
                }
            }
            details {
                summary { "Elasticity, flaps and instance-hours" }
                (scores(policies))
            }
            @if policies.iter().any(|shown| !shown.row.settings.is_empty()) {
                details {
                    summary { "Settings" }
                    (settings(policies))
                }
            }
        }
    }
}

fn row(shown: &Shown<'_>) -> Markup {
    let score = &shown.row.score;
    html! {
        tr class=[shown.is_subject.then_some("subject")] {
            (name(shown))
            td { (ratio(shown.row.cost_ratio)) }
            td { (percent(score.under_percent)) }
            td { (percent(score.over90_percent)) }
            td { (percent(score.lost_percent)) }
            td { (per_day(score.scale_outs_per_day + score.scale_ins_per_day)) }
        }
    }
}

fn name(shown: &Shown<'_>) -> Markup {
    html! {
        th scope="row" { span class="key" style={ "--key: var(--" (shown.colour.name()) ")" } {} (shown.row.policy) }
    }
}

fn scores(policies: &[Shown<'_>]) -> Markup {
    html! {
        p class="note" {
            "θ is how many instances were missing (U) or spare (O), relative to those needed; τ is the time in which some were; "
            "instability is the time in which supply and demand moved differently. A flap is a move taken back within ten minutes."
        }
        div class="wide" role="region" tabindex="0" aria-label="Elasticity, flaps and instance-hours" {
            table {
                caption { "Elasticity, flaps and instance-hours of each policy" }
                thead {
                    tr {
                        @for heading in ["policy", "θU", "θO", "τU", "τO", "instability", "flaps a day", "used, p99", "instance-hours"] {
                            th scope="col" { (heading) }
                        }
                    }
                }
                tbody {
                    @for shown in policies {
                        @let score = &shown.row.score;
                        tr class=[shown.is_subject.then_some("subject")] {
                            (name(shown))
                            @for value in [score.theta_u, score.theta_o, score.tau_u, score.tau_o, score.instability] {
                                td { (percent(value)) }
                            }
                            td { (per_day(score.flaps_per_day)) }
                            td { (percent_of(score.p99_utilisation)) }
                            td { (thousands(score.instance_hours)) }
                        }
                    }
                }
            }
        }
    }
}

fn settings(policies: &[Shown<'_>]) -> Markup {
    html! {
        dl class="settings" {
            @for shown in policies.iter().filter(|shown| !shown.row.settings.is_empty()) {
                dt { (shown.row.policy) }
                @for (setting, value) in &shown.row.settings {
                    dd { (setting) ": " (value) }
                }
            }
        }
    }
}
