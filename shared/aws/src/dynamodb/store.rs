//! The engine's store.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_core::forecast::Forecast;
use ghostnet_core::id::{FleetId, InstallationId, PlanId, Region, StepId};
use ghostnet_core::observation::{ExhaustedOffering, Offering};
use ghostnet_core::record::DecisionRecord;
use ghostnet_core::state::{RecordedOutcome, SCHEMA};
use ghostnet_core::unit::Seconds;
use ghostnet_engine::error::PortError;
use ghostnet_engine::port::{Commit, CommitResult, FleetEntry, Loaded, Look, Store};
use jiff::Timestamp;

use super::item;
use super::read::Range;
use super::table::{FLEETS, Item, Key, attribute, number, text, text_of};
use super::write::{Write, Written};
use crate::Aws;
use crate::error::incomplete;

/// Outcomes in one update; the expression that names them may have 4 KB.
const OUTCOMES_PER_UPDATE: usize = 100;

const LOAD: &str = "dynamodb:BatchGetItem";
const LIST: &str = "dynamodb:Query";
const RECORD: &str = "dynamodb:PutItem";
const OUTCOMES: &str = "dynamodb:UpdateItem";

impl Store for Aws {
    async fn claim(&self, installation: &InstallationId, now: Timestamp) -> Result<InstallationId, PortError> {
        let attributes = Item::from([
            (attribute::SCHEMA.to_owned(), number(SCHEMA)),
            (attribute::ID.to_owned(), text(installation)),
            (attribute::AT.to_owned(), text(now)),
        ]);
        let claim = Write::put(Key::installation(), attributes)
            .when("attribute_not_exists(#pk)")
            .tell_old();
        match self.write(&claim).await? {
            Written::Done => Ok(installation.clone()),
            Written::Refused(stored) => {
                let stored = stored.ok_or_else(|| incomplete(RECORD, "the installation's item was not told"))?;
                item::known(RECORD, &stored)?;
                let id = text_of(&stored, attribute::ID).ok_or_else(|| incomplete(RECORD, "the installation's item has no id"))?;
                Ok(InstallationId::new(id))
            }
        }
    }

    async fn fleets(&self) -> Result<Vec<FleetEntry>, PortError> {
        let items = self.query(&Range::partition(FLEETS), |_| false).await?;
        items.iter().map(fleet_entry).collect()
    }

    async fn load(&self, fleets: &[FleetId]) -> Result<BTreeMap<FleetId, Result<Loaded, PortError>>, PortError> {
        let fleets: BTreeSet<_> = fleets.iter().collect();
        let keys: Vec<_> = fleets
            .iter()
            .flat_map(|fleet| [Key::spec(fleet), Key::capacity(fleet), Key::traffic(fleet)])
            .collect();
        let items = self.get_all(&keys, None).await?;
        let loaded = fleets
            .into_iter()
            .filter_map(|fleet| Some((fleet.clone(), loaded(fleet, &items).transpose()?)));
        Ok(loaded.collect())
    }

    async fn commit(&self, commit: &Commit) -> Result<CommitResult, PortError> {
        self.commit_once(commit).await
    }

    async fn record_outcomes(
        &self,
        fleet: &FleetId,
        record: &PlanId,
        outcomes: &BTreeMap<StepId, RecordedOutcome>,
    ) -> Result<(), PortError> {
        let outcomes: Vec<_> = outcomes.iter().collect();
        for some in outcomes.chunks(OUTCOMES_PER_UPDATE) {
            // the state first: it decides what happens next, the record only tells
            for key in [Key::capacity(fleet), Key::decision(fleet, record)] {
                if let Written::Refused(_) = self.write(&outcomes_write(key.clone(), some)?).await? {
                    tracing::warn!(%fleet, item = key.sk, "an outcome has no item to go to: the fleet or the record was deleted");
                }
            }
        }
        Ok(())
    }

    async fn note_looks(&self, looks: &[Look]) -> Result<(), PortError> {
        self.note_all(looks).await
    }

    async fn record(&self, record: &DecisionRecord) -> Result<(), PortError> {
        let attributes = item::record_item(RECORD, record, self.retention_days)?;
        self.write(&Write::put(Key::decision(&record.fleet, &record.id), attributes))
            .await
            .map(|_| ())
    }

    async fn recorded_plans(&self, fleet: &FleetId, plans: &BTreeSet<PlanId>) -> Result<BTreeSet<PlanId>, PortError> {
        let keys: BTreeMap<_, _> = plans.iter().map(|plan| (Key::decision(fleet, plan), plan)).collect();
        let found = self
            .get_all(&keys.keys().cloned().collect::<Vec<_>>(), Some(&[attribute::PK, attribute::SK]))
            .await?;
        Ok(keys
            .into_iter()
            .filter(|(key, _)| found.contains_key(key))
            .map(|(_, plan)| plan.clone())
            .collect())
    }

    async fn exhausted(&self, region: &Region, now: Timestamp) -> Result<Vec<ExhaustedOffering>, PortError> {
        self.exhausted_now(region, now).await
    }

    async fn note_exhausted(&self, region: &Region, offering: &Offering, now: Timestamp) -> Result<(), PortError> {
        self.note_exhaustion(region, offering, now).await
    }

    async fn note_alarm(&self, alarm: &str, changed_at: Timestamp) -> Result<bool, PortError> {
        let expires_at = Seconds::minutes(self.retention_days.saturating_mul(24 * 60))
            .after(changed_at)
            .as_second();
        let attributes = Item::from([
            (attribute::SCHEMA.to_owned(), number(SCHEMA)),
            (attribute::CHANGED_AT.to_owned(), number(changed_at.as_microsecond())),
            (attribute::EXPIRES_AT.to_owned(), number(expires_at)),
        ]);
        let note = Write::put(Key::alarm(alarm), attributes)
            // the same change again is news as well: Lambda repeats an event whose first look failed
            .when("attribute_not_exists(#pk) OR #changed_at <= :changed_at")
            .value(":changed_at", number(changed_at.as_microsecond()));
        Ok(self.write(&note).await? == Written::Done)
    }

    async fn forecasts(&self, fleets: &[FleetId]) -> Result<BTreeMap<FleetId, Forecast>, PortError> {
        self.forecasts_of(fleets).await
    }
}

/// What the items say about one fleet; none if it has no spec.
fn loaded(fleet: &FleetId, items: &BTreeMap<Key, Item>) -> Result<Option<Loaded>, PortError> {
    let Some(spec) = items.get(&Key::spec(fleet)) else {
        return Ok(None);
    };
    let capacity = items.get(&Key::capacity(fleet));
    Ok(Some(Loaded {
        spec: item::spec(LOAD, spec)?,
        state: capacity.map(|item| item::capacity(LOAD, item)).transpose()?,
        outcomes: capacity.map(|item| item::outcomes(LOAD, item)).transpose()?.unwrap_or_default(),
        traffic: items.get(&Key::traffic(fleet)).map(|item| item::traffic(LOAD, item)).transpose()?,
    }))
}

fn fleet_entry(entry: &Item) -> Result<FleetEntry, PortError> {
    item::known(LIST, entry)?;
    let fleet = text_of(entry, attribute::SK)
        .and_then(|sk| sk.parse().ok())
        .ok_or_else(|| incomplete(LIST, "an entry that is no fleet"))?;
    let alarms = entry
        .get(attribute::ALARMS)
        .and_then(|alarms| alarms.as_l().ok())
        .into_iter()
        .flatten();
    Ok(FleetEntry {
        fleet,
        alarms: alarms.filter_map(|alarm| alarm.as_s().ok().cloned()).collect(),
        fails_over: entry.get(attribute::FAILS_OVER).is_some_and(|says| says.as_bool() == Ok(&true)),
        // an unreadable moment counts as never: the fleet comes first then
        evaluated_at: text_of(entry, attribute::EVALUATED_AT).and_then(|at| at.parse().ok()),
    })
}

/// Sets outcomes in the map of an item, if the item exists.
fn outcomes_write(key: Key, outcomes: &[(&StepId, &RecordedOutcome)]) -> Result<Write, PortError> {
    let sets: Vec<_> = (0..outcomes.len()).map(|n| format!("#outcomes.#s{n} = :o{n}")).collect();
    let write = Write::update(key, format!("SET {}", sets.join(", "))).when("attribute_exists(#pk)");
    outcomes.iter().enumerate().try_fold(write, |write, (n, (step, outcome))| {
        Ok(write
            .name(format!("#s{n}"), step.to_string())
            .value(format!(":o{n}"), text(item::json(OUTCOMES, outcome)?)))
    })
}
