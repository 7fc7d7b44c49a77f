//! Records of Route 53: weighted ones, or a primary and a secondary one, of one name and type.
//!
//! A change is one batch that deletes the records as they were read and creates them anew, all or none: Route 53 refuses it if somebody
//! changed one of them meanwhile, and resolvers never see a name without records.

use std::collections::BTreeMap;

use aws_sdk_route53::config::Builder as ConfigOverride;
use aws_sdk_route53::config::retry::RetryConfig;
use aws_sdk_route53::types::{
    AliasTarget, Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, ResourceRecordSetFailover as Failover, RrType,
};
use ghostnet_core::id::{Destination, RouteId};
use ghostnet_core::route::{RecordName, Weights};
use ghostnet_core::state::{RouteTo, Routing};
use ghostnet_engine::error::{ErrorClass, PortError};
use serde::{Deserialize, Serialize};

use crate::Aws;
use crate::error::{incomplete, port_error, too_many_pages};
use crate::routes::{Setting, left_alone, refused};

const LIST: &str = "route53:ListResourceRecordSets";
const CHANGE: &str = "route53:ChangeResourceRecordSets";

/// Records of one name and type are few: more pages than this of a hundred are none that a fleet has.
const PAGES_MAX: usize = 5;

/// All records of a name and type, by set identifier: what [`Routing::actions`] holds, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Records {
    records: BTreeMap<String, Record>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    chosen: Chosen,
    answer: Answer,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    health_check: Option<String>,
}

/// How Route 53 chooses among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Chosen {
    /// As often as its weight says.
    Weighted(u32),
    /// As long as its health check passes.
    Primary,
    /// As long as that of the primary one does not.
    Secondary,
}

/// What clients are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Answer {
    /// Addresses or names.
    Values { ttl: Option<i64>, values: Vec<String> },
    /// Whatever another name says.
    Alias { zone: String, name: String, with_health: bool },
}

impl Setting for Records {
    fn weights(&self) -> Weights {
        let weight = |(identifier, record): (&String, &Record)| {
            let weight = match record.chosen {
                Chosen::Weighted(weight) => weight,
                Chosen::Primary => 1,
                Chosen::Secondary => 0,
            };
            (Destination::new(identifier.clone()), weight)
        };
        self.records.iter().map(weight).collect()
    }

    fn set_weight(&mut self, destination: &str, weight: u32) -> bool {
        let Some(record) = self.records.get_mut(destination) else {
            return false;
        };
        record.chosen = match record.chosen {
            Chosen::Weighted(_) => Chosen::Weighted(weight),
            Chosen::Primary | Chosen::Secondary if weight == 0 => Chosen::Secondary,
            Chosen::Primary | Chosen::Secondary => Chosen::Primary,
        };
        true
    }
}

impl Aws {
    /// The records of a name, or none if there are none or they are not ours to set.
    pub(crate) async fn records(&self, name: &RecordName<'_>) -> Result<Option<Routing>, PortError> {
        let mut found = BTreeMap::new();
        let mut from: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let request = self.route53().list_resource_record_sets().hosted_zone_id(name.zone);
            let request = request.start_record_name(name.name).start_record_type(RrType::from(name.kind));
            let page = match request.set_start_record_identifier(from).send().await {
                Ok(page) => page,
                Err(error) => {
                    let error = port_error(LIST, error);
                    return if error.class == ErrorClass::NotFound {
                        Ok(None)
                    } else {
                        Err(error)
                    };
                }
            };
            // sorted by name, type and identifier: what follows is of others
            let listed = page.resource_record_sets().len();
            let own = page.resource_record_sets().iter().take_while(|set| is_of(set, name));
            let mut read = 0;
            for set in own {
                read += 1;
                match Record::read(set)? {
                    Ok((identifier, record)) => drop(found.insert(identifier, record)),
                    Err(why) => {
                        left_alone(name, why);
                        return Ok(None);
                    }
                }
            }
            from = page.next_record_identifier().map(ToOwned::to_owned);
            if !page.is_truncated() || read < listed || from.is_none() {
                return Records { records: found }.ours(name);
            }
        }
        Err(too_many_pages(LIST, PAGES_MAX))
    }

    /// One batch. None is sent where nothing would be other.
    pub(crate) async fn set_records(
        &self,
        name: &RecordName<'_>,
        route: &RouteId,
        expected: &Routing,
        set: &RouteTo,
    ) -> Result<(), PortError> {
        let now = Records::parse(CHANGE, expected)?;
        let next = Records::next(CHANGE, route, expected, set)?;
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        for (identifier, record) in &next.records {
            let Some(before) = now.records.get(identifier) else {
                return Err(refused(CHANGE, &format!("there is no record `{identifier}` any more")));
            };
            if record != before {
                gone.push(before.change(ChangeAction::Delete, name, identifier)?);
                new.push(record.change(ChangeAction::Create, name, identifier)?);
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        gone.extend(new);
        let batch = ChangeBatch::builder()
            .comment("GhostNet moves traffic")
            .set_changes(Some(gone))
            .build();
        let batch = batch.map_err(|error| refused(CHANGE, &error.to_string()))?;
        let request = self
            .route53()
            .change_resource_record_sets()
            .hosted_zone_id(name.zone)
            .change_batch(batch);
        let answer = request.customize().config_override(once()).send().await;
        answer.map(|_| ()).map_err(|error| port_error(CHANGE, error))
    }
}

impl Records {
    /// All weighted, or one primary and one secondary.
    fn ours(&self, name: &RecordName<'_>) -> Result<Option<Routing>, PortError> {
        if self.records.is_empty() {
            return Ok(None);
        }
        let count = |is: fn(&Chosen) -> bool| self.records.values().filter(|record| is(&record.chosen)).count();
        let weighted = count(|chosen| matches!(chosen, Chosen::Weighted(_)));
        let (first, second) = (
            count(|chosen| *chosen == Chosen::Primary),
            count(|chosen| *chosen == Chosen::Secondary),
        );
        if weighted != self.records.len() && (weighted, first, second) != (0, 1, 1) {
            left_alone(name, "its records are neither all weighted, nor one primary and one secondary");
            return Ok(None);
        }
        self.routing(LIST).map(Some)
    }
}

impl Record {
    /// With its set identifier; or why it is not ours to set.
    fn read(set: &ResourceRecordSet) -> Result<Result<(String, Self), &'static str>, PortError> {
        let is_other = set.region().is_some()
            || set.geo_location().is_some()
            || set.geo_proximity_location().is_some()
            || set.cidr_routing_config().is_some()
            || set.multi_value_answer().is_some();
        if is_other || set.traffic_policy_instance_id().is_some() {
            return Ok(Err("it is chosen by something other than weight and failover"));
        }
        let chosen = match (set.weight(), set.failover()) {
            (Some(weight), None) => {
                let weight = u32::try_from(weight).map_err(|_| incomplete(LIST, &format!("a record of weight {weight}")))?;
                Chosen::Weighted(weight)
            }
            (None, Some(Failover::Primary)) => Chosen::Primary,
            (None, Some(Failover::Secondary)) => Chosen::Secondary,
            _ => return Ok(Err("it has no weight, and is neither primary nor secondary")),
        };
        let Some(identifier) = set.set_identifier() else {
            return Err(incomplete(LIST, "a record without set identifier"));
        };
        let answer = match set.alias_target() {
            Some(alias) => Answer::Alias {
                zone: alias.hosted_zone_id().to_owned(),
                name: alias.dns_name().to_owned(),
                with_health: alias.evaluate_target_health(),
            },
            None => Answer::Values {
                ttl: set.ttl(),
                values: set.resource_records().iter().map(|record| record.value().to_owned()).collect(),
            },
        };
        let health_check = set.health_check_id().map(ToOwned::to_owned);
        Ok(Ok((
            identifier.to_owned(),
            Self {
                chosen,
                answer,
                health_check,
            },
        )))
    }

    fn change(&self, action: ChangeAction, name: &RecordName<'_>, identifier: &str) -> Result<Change, PortError> {
        let bad = |error: aws_sdk_route53::error::BuildError| refused(CHANGE, &error.to_string());
        let set = ResourceRecordSet::builder()
            .name(name.name)
            .r#type(RrType::from(name.kind))
            .set_identifier(identifier)
            .set_health_check_id(self.health_check.clone());
        let set = match self.chosen {
            Chosen::Weighted(weight) => set.weight(i64::from(weight)),
            Chosen::Primary => set.failover(Failover::Primary),
            Chosen::Secondary => set.failover(Failover::Secondary),
        };
        let set = match &self.answer {
            Answer::Values { ttl, values } => {
                let values = values.iter().map(|value| ResourceRecord::builder().value(value).build());
                set.set_ttl(*ttl)
                    .set_resource_records(Some(values.collect::<Result<_, _>>().map_err(bad)?))
            }
            Answer::Alias { zone, name, with_health } => {
                let alias = AliasTarget::builder().hosted_zone_id(zone).dns_name(name);
                set.alias_target(alias.evaluate_target_health(*with_health).build().map_err(bad)?)
            }
        };
        let change = Change::builder().action(action).resource_record_set(set.build().map_err(bad)?);
        change.build().map_err(bad)
    }
}

/// One attempt, no second.
fn once() -> ConfigOverride {
    ConfigOverride::new().retry_config(RetryConfig::disabled())
}

/// Whether a record is one of this name and type. Route 53 gives names back with a dot at their end, and `*` as `\052`.
fn is_of(set: &ResourceRecordSet, name: &RecordName<'_>) -> bool {
    let given = set.name().trim_end_matches('.').replace("\\052", "*");
    given == name.name && set.r#type().as_str() == name.kind
}
