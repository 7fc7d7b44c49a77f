//! What must come of a scenario, and what is wrong if it does not.

use serde::Deserialize;

use super::Minute;

/// What must come of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// In words.
    pub says: String,
    /// From this minute; absent: the first.
    #[serde(default)]
    pub from: u32,
    /// To this minute; absent: the last.
    #[serde(default)]
    pub to: Option<u32>,
    /// The check.
    pub check: Bound,
}

/// A bound on every minute of a span, or on the whole of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Bound {
    /// Healthy targets in every minute, at least.
    ServingAtLeast(u32),
    /// Instances that exist in every minute, at most.
    ExistAtMost(usize),
    /// Instances wanted in every minute, at least.
    WantedAtLeast(u32),
    /// Instances wanted in every minute, at most.
    WantedAtMost(u32),
    /// Instances launched in the span, at most.
    LaunchedAtMost(u64),
    /// Instances launched in the span, at least.
    LaunchedAtLeast(u64),
    /// Instances on spot that exist in every minute, at least.
    SpotAtLeast(usize),
    /// Decisions about the size committed in the span, at most.
    DecisionsAtMost(u64),
    /// Invocations begun in the span, at least.
    InvocationsAtLeast(u64),
    /// Invocations in the span that Lambda ended because they took too long, at least.
    TimeOutsAtLeast(u64),
    /// Minutes of the span in which an instance has more to do than it can, at most.
    OverloadedMinutesAtMost(usize),
    /// In every minute this pool takes all the traffic.
    TrafficAt(String),
    /// In every minute these pools share the traffic, in the order of the spec.
    TrafficSharedBy(Vec<String>),
    /// In every minute something else answers in place of all pools, or in none.
    PageAnswers(bool),
    /// Times that the function moved the traffic in the span, at most.
    MovesAtMost(u64),
    /// Minutes at whose end nobody who takes traffic is healthy, at most.
    UnansweredMinutesAtMost(usize),
}

impl Bound {
    /// Whether GhostNet has to do something for it, or to refrain from something. The others say that the trouble came.
    #[must_use]
    pub fn asks_of_ghostnet(&self) -> bool {
        !matches!(self, Self::InvocationsAtLeast(_) | Self::TimeOutsAtLeast(_))
    }
}

impl Expectation {
    pub(super) fn wrong_with(&self, minutes: &[Minute]) -> Option<String> {
        let to = self.to.unwrap_or(u32::MAX);
        let span: Vec<&Minute> = minutes.iter().filter(|minute| (self.from..=to).contains(&minute.minute)).collect();
        if span.is_empty() {
            return Some("the scenario ended before".to_owned());
        }
        let first = |breaks: &dyn Fn(&Minute) -> Option<String>| {
            let found = span.iter().find_map(|minute| Some((minute.minute, breaks(minute)?)));
            found.map(|(minute, what)| format!("minute {minute}: {what}"))
        };
        let of_span = |counted: &dyn Fn(&Minute) -> u64| {
            let before = minutes
                .iter()
                .take_while(|minute| minute.minute < self.from)
                .last()
                .map_or(0, counted);
            span.last().map_or(0, |minute| counted(minute)).saturating_sub(before)
        };
        match self.check.clone() {
            Bound::ServingAtLeast(least) => first(&|minute| (minute.serving < least).then(|| format!("{} serve", minute.serving))),
            Bound::ExistAtMost(most) => first(&|minute| (minute.exist > most).then(|| format!("{} exist", minute.exist))),
            Bound::WantedAtLeast(least) => first(&|minute| (minute.wanted < least).then(|| format!("{} are wanted", minute.wanted))),
            Bound::WantedAtMost(most) => first(&|minute| (minute.wanted > most).then(|| format!("{} are wanted", minute.wanted))),
            Bound::LaunchedAtMost(most) => {
                let launched = of_span(&|minute| minute.launched);
                (launched > most).then(|| format!("{launched} were launched"))
            }
            Bound::LaunchedAtLeast(least) => {
                let launched = of_span(&|minute| minute.launched);
                (launched < least).then(|| format!("{launched} were launched"))
            }
            Bound::SpotAtLeast(least) => first(&|minute| (minute.spot < least).then(|| format!("{} are on spot", minute.spot))),
            Bound::DecisionsAtMost(most) => {
                let decisions = of_span(&|minute| minute.decisions);
                (decisions > most).then(|| format!("{decisions} decisions were committed"))
            }
            Bound::InvocationsAtLeast(least) => {
                let invocations = of_span(&|minute| minute.invocations);
                (invocations < least).then(|| format!("{invocations} invocations began"))
            }
            Bound::TimeOutsAtLeast(least) => {
                let timed_out = of_span(&|minute| minute.timed_out);
                (timed_out < least).then(|| format!("{timed_out} invocations ran out of time"))
            }
            Bound::OverloadedMinutesAtMost(most) => {
                let overloaded = span.iter().filter(|minute| minute.used > 1.0).count();
                (overloaded > most).then(|| format!("{overloaded} minutes were overloaded"))
            }
            Bound::TrafficAt(pool) => {
                first(&|minute| (minute.traffic != [pool.as_str()]).then(|| format!("the traffic is at {}", minute.traffic.join(" and "))))
            }
            Bound::TrafficSharedBy(pools) => {
                first(&|minute| (minute.traffic != pools).then(|| format!("the traffic is at {}", minute.traffic.join(" and "))))
            }
            Bound::PageAnswers(answers) => first(&|minute| {
                let wrong = minute.traffic.is_empty() != answers;
                wrong.then(|| {
                    if answers {
                        format!("the traffic is at {}", minute.traffic.join(" and "))
                    } else {
                        "a page answers".to_owned()
                    }
                })
            }),
            Bound::MovesAtMost(most) => {
                let moves = of_span(&|minute| minute.moves);
                (moves > most).then(|| format!("it was moved {moves} times"))
            }
            Bound::UnansweredMinutesAtMost(most) => {
                let unanswered = span.iter().filter(|minute| minute.answering == 0).count();
                (unanswered > most).then(|| format!("nobody answered in {unanswered} minutes"))
            }
        }
    }
}
