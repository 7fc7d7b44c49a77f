//! What a launch gave of which AWS chose the type: instances, and an error for each offering that gave none. Its outcome is that
//! of any launch; what ran out is remembered like what a launch of one type found empty.

use std::collections::BTreeSet;

use ghostnet_core::observation::Offering;
use ghostnet_core::plan::{Refusal, StepOutcome};

use crate::error::ErrorClass;
use crate::port::{FleetAnswer, RefusedOffering};

/// What the answer means, and the offerings that had no capacity. Without an outcome nobody can know.
pub(crate) fn judge(answer: FleetAnswer) -> (Option<StepOutcome>, BTreeSet<Offering>) {
    let FleetAnswer { instances, refused } = answer;
    let ran_out = refused.iter().filter(|refused| refused.class == ErrorClass::NoCapacity);
    let exhausted = ran_out.map(|refused| refused.offering.clone()).collect();
    let outcome = if instances.is_empty() {
        nothing_launched(&refused)
    } else {
        Some(StepOutcome::Launched { instances })
    };
    (outcome, exhausted)
}

/// Nothing was launched, and AWS says so. What cannot be known speaks first, then what a person must mend, then what time mends; that pools are empty is the
/// answer only if nothing else stood in the way.
fn nothing_launched(refused: &[RefusedOffering]) -> Option<StepOutcome> {
    let first = refused.iter().min_by_key(|refused| rank(refused.class))?;
    let class = match first.class {
        ErrorClass::NoCapacity => return Some(StepOutcome::NoCapacity { code: first.code.clone() }),
        ErrorClass::Denied | ErrorClass::Invalid | ErrorClass::NotFound => Refusal::Configuration,
        ErrorClass::Quota => Refusal::Quota,
        ErrorClass::Subnet => Refusal::Subnet,
        ErrorClass::Throttled => Refusal::Throttled,
        // it may have happened, here or at an earlier attempt
        ErrorClass::Token | ErrorClass::Transient => return None,
    };
    Some(StepOutcome::Refused {
        class,
        code: first.code.clone(),
        message: first.message.clone(),
    })
}

fn rank(class: ErrorClass) -> u8 {
    match class {
        ErrorClass::Token | ErrorClass::Transient => 0,
        ErrorClass::Denied | ErrorClass::Invalid | ErrorClass::NotFound => 1,
        ErrorClass::Quota => 2,
        ErrorClass::Subnet => 3,
        ErrorClass::Throttled => 4,
        ErrorClass::NoCapacity => 5,
    }
}

#[cfg(test)]
mod tests {
    use ghostnet_core::id::{InstanceId, InstanceType, Zone};
    use ghostnet_core::observation::Market;

    use super::*;

    fn offering(instance_type: &str) -> Offering {
        Offering {
            zone: Zone::new("a"),
            instance_type: Some(InstanceType::new(instance_type)),
            market: Market::Spot,
            reservation: None,
        }
    }

    fn judged(instances: &[&str], refused: &[(&str, ErrorClass)]) -> (String, Vec<String>) {
        let refused = refused.iter().map(|(instance_type, class)| RefusedOffering {
            offering: offering(instance_type),
            class: *class,
            code: instance_type.to_uppercase(),
            message: String::new(),
        });
        let (outcome, exhausted) = judge(FleetAnswer {
            instances: instances.iter().map(|id| InstanceId::new(*id)).collect(),
            refused: refused.collect(),
        });
        let outcome = match outcome {
            Some(StepOutcome::Launched { instances }) => format!("{} launched", instances.len()),
            Some(StepOutcome::NoCapacity { code }) => format!("no capacity: {code}"),
            Some(StepOutcome::Refused { class, code, .. }) => format!("{class:?}: {code}"),
            other => format!("{other:?}"),
        };
        let types = exhausted.into_iter().filter_map(|offering| offering.instance_type);
        (outcome, types.map(|instance_type| instance_type.to_string()).collect())
    }

    #[test]
    fn instances_and_errors_are_both_told() {
        use ErrorClass::{Denied, NoCapacity, Quota, Transient};
        for (situation, instances, refused, outcome, exhausted) in [
            ("all", vec!["i-1", "i-2"], vec![], "2 launched", vec![]),
            (
                "a part, and one type is empty",
                vec!["i-1"],
                vec![("a", NoCapacity)],
                "1 launched",
                vec!["a"],
            ),
            (
                "every type is empty",
                vec![],
                vec![("a", NoCapacity), ("b", NoCapacity)],
                "no capacity: A",
                vec!["a", "b"],
            ),
            (
                "the quota stands behind an empty type",
                vec![],
                vec![("a", NoCapacity), ("b", Quota)],
                "Quota: B",
                vec!["a"],
            ),
            (
                "a person must act",
                vec![],
                vec![("a", Quota), ("b", Denied)],
                "Configuration: B",
                vec![],
            ),
            ("AWS is unwell", vec![], vec![("a", Transient), ("b", Denied)], "None", vec![]),
            ("nothing is said", vec![], vec![], "None", vec![]),
        ] {
            let exhausted = exhausted.into_iter().map(str::to_owned).collect();
            assert_eq!(judged(&instances, &refused), (outcome.to_owned(), exhausted), "{situation}");
        }
    }
}
