//! Counts the instances that the load will need by the time that a launch of now serves.
//!
//! What may come is known as quantiles, and each needs some number of instances. The more instances, the less often they are too few:
//! the number is taken that costs least together with what being short costs (the newsvendor's problem, `quality.md`, C.13).

use std::collections::BTreeMap;

use super::{Ballot, Opinion, capacity, finite_count};
use crate::forecast::Ahead;
use crate::id::PolicyId;
use crate::rating::{self, Rating};
use crate::reason::VoteReason;
use crate::sample::Sample;
use crate::spec::{Care, Need, Predictive};
use crate::unit::{Finite, Seconds};

/// An outlook is made every hour; one that is older than this says nothing any more.
pub const OUTLOOK_AGE_MAX: Seconds = Seconds::minutes(180);
/// While forecasts stray, so much more than the present load is kept.
const HEADROOM: f64 = 1.5;

/// So much of an instance is used where the response time decides, as far as it matters here: what is next to nothing is a share of it.
const USED: f64 = 0.7;

/// How much of a minute's load one instance carries; none: it is learned, and not known yet.
#[must_use]
pub fn unit(rule: &Predictive, ratings: &BTreeMap<PolicyId, Rating>) -> Option<f64> {
    rule.need.unit(rating::learned(ratings.get(&rule.of)).map(Finite::get), USED)
}

pub(crate) fn recommend(rule: &Predictive, ahead: Option<&Ahead>, present: Sample, ballot: &Ballot<'_>) -> Opinion {
    if ballot.measures_another {
        return (None, VoteReason::NoTraffic);
    }
    let (instances, reason) = foresee(rule, ahead, ballot);
    // of a load that is known in part only what is known may add; what is not known may not remove
    let removes = instances.is_some_and(|instances| instances < ballot.desired);
    if removes && matches!(present, Sample::Partial { .. }) {
        return (Some(ballot.desired), VoteReason::NoValue { sample: present });
    }
    (instances, reason)
}

fn foresee(rule: &Predictive, ahead: Option<&Ahead>, ballot: &Ballot<'_>) -> Opinion {
    let Some(ahead) = ahead else {
        return (None, VoteReason::NoForecast);
    };
    let age = Seconds::between(ahead.made_at.at(), ballot.now);
    if age > OUTLOOK_AGE_MAX {
        return (None, VoteReason::OldForecast { age });
    }
    let count = Count::of(rule, ballot.ratings.get(&rule.of));
    let Some(count) = count else {
        return (None, VoteReason::NoForecast);
    };
    if ahead.strays {
        return headroom(ahead, &count, ballot);
    }
    let chosen = match rule.care {
        Care::Caution(caution) => count.cheapest(ahead, caution.get()),
        Care::Exceeded(share) => ahead.enough(share.get()).and_then(|load| Some((load, count.needed(load)?))),
    };
    let Some((load, mut instances)) = chosen else {
        return impossible(ahead.expected, ballot);
    };
    let usual = rule.usual.and_then(|share| ahead.usual.iter().find(|(of, _)| *of == share.0));
    if let Some(usual) = usual.and_then(|(_, load)| count.needed(*load)) {
        instances = instances.max(usual);
    }
    let reason = VoteReason::Forecast {
        at: ahead.at.at(),
        expected: finite(per_second(ahead.expected)),
        prepared: finite(per_second(load)),
        instances,
        event: Finite::new(ahead.factor).filter(|factor| *factor != Finite::from(1)),
    };
    (Some(instances), reason)
}

/// Nobody knows what comes: more than is needed now.
#[expect(clippy::float_arithmetic, reason = "metric values are floats, finite by construction")]
fn headroom(ahead: &Ahead, count: &Count<'_>, ballot: &Ballot<'_>) -> Opinion {
    let load = ahead.now * HEADROOM;
    let Some(instances) = count.needed(load) else {
        return impossible(load, ballot);
    };
    let now = finite(per_second(ahead.now));
    (Some(instances), VoteReason::ForecastStrays { now, instances })
}

/// No number of instances is enough for the load of a minute.
fn impossible(load: f64, ballot: &Ballot<'_>) -> Opinion {
    let demand = finite(per_second(load));
    (Some(ballot.desired), VoteReason::Impossible { demand })
}

/// How many instances a load of a minute needs.
struct Count<'a> {
    need: &'a Need,
    each: f64,
}

#[expect(clippy::float_arithmetic, reason = "metric values are floats, finite by construction")]
impl<'a> Count<'a> {
    fn of(rule: &'a Predictive, rating: Option<&Rating>) -> Option<Self> {
        let each = match &rule.need {
            Need::Model { each, .. } => capacity::requests_per_second(each, rating).ok()?.get(),
            Need::Target(target) => target.get(),
        };
        Some(Self { need: &rule.need, each })
    }

    fn needed(&self, load: f64) -> Option<u32> {
        match self.need {
            Need::Model { model, .. } => capacity::instances(*model, self.each, per_second(load).max(0.0)),
            Need::Target(_) => finite_count(load / self.each),
        }
    }

    /// The load, and the instances for it, that cost least together with being short.
    fn cheapest(&self, ahead: &Ahead, caution: f64) -> Option<(f64, u32)> {
        let fleet = f64::from(self.needed(ahead.mean)?.max(1));
        let mut best: Option<(f64, f64, u32)> = None;
        let mut last: Option<(f64, u32)> = None;
        for (share, load) in ahead.loads() {
            // many shares have one load, and to count for it is the dear part
            let counted = last.filter(|(counted, _)| *counted == load).map(|(_, instances)| instances);
            let Some(instances) = counted.or_else(|| self.needed(load)) else {
                break;
            };
            last = Some((load, instances));
            let cost = f64::from(instances) + caution * fleet * share;
            match best {
                // more instances alone cost more than the best does together
                Some((least, _, _)) if f64::from(instances) >= least => break,
                Some((least, _, _)) if cost >= least => {}
                _ => best = Some((cost, load, instances)),
            }
        }
        best.map(|(_, load, instances)| (load, instances))
    }
}

#[expect(clippy::float_arithmetic, reason = "metric values are floats, finite by construction")]
fn per_second(per_minute: f64) -> f64 {
    per_minute / 60.0
}

fn finite(value: f64) -> Finite {
    Finite::new(value).unwrap_or_else(|| Finite::from(0))
}
