//! Keys and attributes of the table (design: section 5), and the smallest steps of reading them.

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use ghostnet_core::id::{FleetId, PlanId, Region, StepId, StepNumber};
use ghostnet_core::observation::Offering;
use ghostnet_engine::port::LoadId;

/// An item as DynamoDB gives it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// Partition of the list of fleets.
pub(super) const FLEETS: &str = "FLEETS";
/// What the sort keys of decision records begin with.
pub(super) const DECISION: &str = "DECISION#";
/// What the sort keys of the records of traffic decisions begin with.
pub(super) const SHIFT: &str = "SHIFT#";
/// What the sort keys of the counters of unchanged holds begin with.
pub(super) const HOLD: &str = "HOLD#";

/// Names of attributes that are read, or written in whole items. Updates name theirs in their expressions.
pub(super) mod attribute {
    /// Partition key.
    pub(in super::super) const PK: &str = "pk";
    /// Sort key.
    pub(in super::super) const SK: &str = "sk";
    /// Schema version of the item.
    pub(in super::super) const SCHEMA: &str = "schema";
    /// `CAPACITY`: the fencing token.
    pub(in super::super) const GENERATION: &str = "generation";
    /// `TRAFFIC`: its epoch, which fences decisions about capacity.
    pub(in super::super) const EPOCH: &str = "epoch";
    /// `CAPACITY` and `TRAFFIC`: who wrote last.
    pub(in super::super) const WRITER: &str = "writer";
    /// `CAPACITY`: the state as JSON.
    pub(in super::super) const STATE: &str = "state";
    /// `CAPACITY` and `DECISION`: outcomes as JSON, by step.
    pub(in super::super) const OUTCOMES: &str = "outcomes";
    /// `SPEC` and `TRAFFIC`: its version.
    pub(in super::super) const VERSION: &str = "version";
    /// `SPEC`: digest of the spec as typed.
    pub(in super::super) const HASH: &str = "hash";
    /// The rest of an item as JSON; compressed if it is binary.
    pub(in super::super) const BODY: &str = "body";
    /// `DECISION` and `SHIFT`: the inputs as compressed JSON.
    pub(in super::super) const INPUTS: &str = "inputs";
    /// `DECISION` and `SHIFT`: how large the inputs were that were not kept.
    pub(in super::super) const INPUTS_DROPPED: &str = "inputs_dropped";
    /// `DECISION` and `SHIFT`: when. `OFFERING`: since when.
    pub(in super::super) const AT: &str = "at";
    /// `DECISION` and `HOLD`: how often.
    pub(in super::super) const COUNT: &str = "count";
    /// `HOLD`: when last. `OFFERING`: not asked again before.
    pub(in super::super) const UNTIL: &str = "until";
    /// When DynamoDB may delete the item, in epoch seconds; never a lock or a cooldown.
    pub(in super::super) const EXPIRES_AT: &str = "expires_at";
    /// `FLEETS`: when the fleet was last looked at.
    pub(in super::super) const EVALUATED_AT: &str = "evaluated_at";
    /// `FLEETS`: the user's own alarms that wake the fleet.
    pub(in super::super) const ALARMS: &str = "alarms";
    /// `FLEETS`: whether the spec says how traffic leaves a failing side.
    pub(in super::super) const FAILS_OVER: &str = "fails_over";
    /// `INSTALLATION`: the id.
    pub(in super::super) const ID: &str = "id";
    /// `OFFERING`: how often in a row it had no capacity.
    pub(in super::super) const STREAK: &str = "streak";
    /// `ALARM`: the last change seen, in epoch microseconds.
    pub(in super::super) const CHANGED_AT: &str = "changed_at";
}

/// Key of an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// Partition key.
    pub(super) pk: String,
    /// Sort key.
    pub(super) sk: String,
}

impl Key {
    pub(super) fn installation() -> Self {
        Self {
            pk: "INSTALLATION".to_owned(),
            sk: "ID".to_owned(),
        }
    }

    pub(super) fn entry(fleet: &FleetId) -> Self {
        Self {
            pk: FLEETS.to_owned(),
            sk: fleet.to_string(),
        }
    }

    pub(super) fn spec(fleet: &FleetId) -> Self {
        Self::of_fleet(fleet, "SPEC".to_owned())
    }

    pub(super) fn capacity(fleet: &FleetId) -> Self {
        Self::of_fleet(fleet, "CAPACITY".to_owned())
    }

    pub(super) fn traffic(fleet: &FleetId) -> Self {
        Self::of_fleet(fleet, "TRAFFIC".to_owned())
    }

    pub(super) fn forecast(fleet: &FleetId) -> Self {
        Self::of_fleet(fleet, "FORECAST".to_owned())
    }

    pub(super) fn learned(load: &LoadId) -> Self {
        Self::of_fleet(&load.fleet, format!("LEARNED#{}#{}", load.pool, load.policy))
    }

    /// A plan's id begins with its time, so records sort by time.
    pub(super) fn decision(fleet: &FleetId, plan: &PlanId) -> Self {
        Self::of_fleet(fleet, format!("{DECISION}{plan}"))
    }

    /// A plan's id begins with its time here too.
    pub(super) fn shift(fleet: &FleetId, record: &PlanId) -> Self {
        Self::of_fleet(fleet, format!("{SHIFT}{record}"))
    }

    /// The counter of a hold that goes on. Beside its record, not in it, because DynamoDB bills a write by the size of the
    /// whole item: counting in a record of 20 KB every minute costs twenty times as much.
    pub(super) fn hold(fleet: &FleetId, plan: &PlanId) -> Self {
        Self::of_fleet(fleet, format!("{HOLD}{plan}"))
    }

    pub(super) fn offering(region: &Region, offering: &Offering) -> Self {
        let instance_type = offering.instance_type.as_ref().map_or("-", |name| name.as_str());
        Self {
            pk: offerings(region),
            sk: format!("{}#{instance_type}#{}", offering.zone, offering.bought()),
        }
    }

    pub(super) fn alarm(alarm: &str) -> Self {
        Self {
            pk: format!("ALARM#{alarm}"),
            sk: "LAST".to_owned(),
        }
    }

    /// The key as attributes.
    pub(super) fn item(&self) -> Item {
        Item::from([
            (attribute::PK.to_owned(), text(&self.pk)),
            (attribute::SK.to_owned(), text(&self.sk)),
        ])
    }

    /// The key of an item; none if it has none.
    pub(super) fn of(item: &Item) -> Option<Self> {
        Some(Self {
            pk: text_of(item, attribute::PK)?.to_owned(),
            sk: text_of(item, attribute::SK)?.to_owned(),
        })
    }

    fn of_fleet(fleet: &FleetId, sk: String) -> Self {
        Self {
            pk: fleet_partition(fleet),
            sk,
        }
    }
}

/// Partition of a fleet.
pub(super) fn fleet_partition(fleet: &FleetId) -> String {
    format!("FLEET#{fleet}")
}

/// Partition of a region's exhausted offerings.
pub(super) fn offerings(region: &Region) -> String {
    format!("OFFERING#{region}")
}

/// A text attribute.
pub(super) fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

/// A number attribute.
pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A text attribute's value.
pub(super) fn text_of<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// A number attribute's value.
pub(super) fn number_of<T: FromStr>(item: &Item, name: &str) -> Option<T> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// The step that an attribute name stands for: `<plan>#<number>`, as [`StepId`] prints itself.
pub(super) fn step_of(name: &str) -> Option<StepId> {
    let (plan, number) = name.rsplit_once('#')?;
    Some(StepId {
        plan: PlanId::new(plan),
        number: StepNumber(number.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_read_back_as_it_is_written() {
        let step = StepId {
            plan: PlanId::new("2026-11-20T13:02:10.123Z-a#b"),
            number: StepNumber(7),
        };
        assert_eq!(step_of(&step.to_string()), Some(step));
        for bad in ["", "plan", "plan#", "plan#x", "plan#70000"] {
            assert_eq!(step_of(bad), None, "{bad:?}");
        }
    }
}
