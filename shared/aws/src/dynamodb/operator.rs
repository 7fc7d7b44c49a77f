//! What the command line writes: specs, pauses, and the end of a fleet. Every write is conditional on what was read, and
//! bumps the generation, so that a commit under way in a function is refused.

use aws_sdk_dynamodb::types::AttributeValue;
use ghostnet_core::id::{FleetId, SpecVersion, digest};
use ghostnet_core::state::{CapacityState, Pause, SCHEMA, StoredSpec, TrafficState};
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::port::{CommitResult, Loaded, Store};
use jiff::Timestamp;

use super::item;
use super::table::{Item, Key, attribute, number, text};
use super::write::{Transacted, Write, is_refused};
use crate::Aws;
use crate::error::own;

/// Who writes, as the capacity item names its writers. No function has this name, so none takes it for its own.
const WRITER: &str = "operator";
/// Attempts of a write that loses against a function's commit, the first included.
const ATTEMPTS_MAX: u32 = 5;

const CALL: &str = "dynamodb:TransactWriteItems";

/// A spec to be stored.
#[derive(Debug, Clone, Copy)]
pub struct SpecWrite<'a> {
    /// The fleet.
    pub fleet: &'a FleetId,
    /// The spec; its version is one more than [`Self::read_version`].
    pub spec: &'a StoredSpec,
    /// The version that was read; none: the fleet is new.
    pub read_version: Option<SpecVersion>,
    /// The traffic state of a new fleet; one that exists is left alone.
    pub first_traffic: &'a TrafficState,
    /// The user's own alarms that wake the fleet, as the spec lists them.
    pub alarms: &'a [String],
}

impl Aws {
    /// Stores a spec: the spec, the fleet's entry, the first traffic state and the generation, all or none.
    /// [`CommitResult::Conflict`]: somebody else applied since the spec was read.
    ///
    /// # Errors
    /// DynamoDB refuses or does not answer, or functions commit all the time.
    pub async fn put_spec(&self, write: &SpecWrite<'_>) -> Result<CommitResult, PortError> {
        let alarms = AttributeValue::L(write.alarms.iter().map(text).collect());
        let entry = Write::update(
            Key::entry(write.fleet),
            "SET #schema = :schema, #spec_version = :version, #alarms = :alarms, #fails_over = :fails_over",
        );
        let entry = entry
            .value(":schema", number(SCHEMA))
            .value(":version", number(write.spec.version))
            .value(":alarms", alarms)
            .value(":fails_over", AttributeValue::Bool(write.spec.spec.failover.is_some()));
        let first = write.first_traffic;
        // sets each attribute unless it is there: an existing traffic state stays as it is
        let unless_there = ["schema", "epoch", "body"]
            .map(|name| format!("#{name} = if_not_exists(#{name}, :{name})"))
            .join(", ");
        let traffic = Write::update(Key::traffic(write.fleet), format!("SET {unless_there}"))
            .value(":schema", number(SCHEMA))
            .value(":epoch", number(first.epoch.0))
            .value(":body", text(item::json(CALL, first)?));
        self.put_spec_with(write.fleet, write.spec, write.read_version, vec![entry, traffic])
            .await
    }

    /// Marks a fleet for retirement: it goes to zero whatever its spec says. The new spec; none if there is no such fleet.
    ///
    /// # Errors
    /// DynamoDB refuses or does not answer, or the spec keeps changing.
    pub async fn retire(&self, fleet: &FleetId, by: &str, now: Timestamp) -> Result<Option<StoredSpec>, PortError> {
        for _ in 0..ATTEMPTS_MAX {
            let Some(read) = self.get_spec(fleet).await? else { return Ok(None) };
            let version = SpecVersion(read.version.0.saturating_add(1));
            let spec = StoredSpec {
                version,
                retiring: true,
                applied_by: by.to_owned(),
                applied_at: now,
                ..read.clone()
            };
            let entry = Write::update(Key::entry(fleet), "SET #spec_version = :version").value(":version", number(version));
            if self.put_spec_with(fleet, &spec, Some(read.version), vec![entry]).await? == CommitResult::Committed {
                return Ok(Some(spec));
            }
        }
        Err(contended())
    }

    /// Sets or lifts a pause. `fresh` is the state to begin with if the fleet has none yet. The state as written, its
    /// outcomes unmerged.
    ///
    /// # Errors
    /// There is no such fleet, DynamoDB refuses or does not answer, or functions commit all the time.
    pub async fn set_pause(&self, fleet: &FleetId, pause: Option<&Pause>, fresh: &CapacityState) -> Result<CapacityState, PortError> {
        let key = Key::capacity(fleet);
        for _ in 0..ATTEMPTS_MAX {
            let read = self.get(&key).await?.map(|stored| item::capacity(CALL, &stored)).transpose()?;
            let base = read.as_ref().unwrap_or(fresh);
            let state = CapacityState {
                pause: pause.cloned(),
                generation: base.generation.next(),
                ..base.clone()
            };
            let exists = Write::check(Key::spec(fleet)).when("attribute_exists(#pk)");
            match self
                .transact(vec![pause_write(key.clone(), read.as_ref(), &state)?, exists], None)
                .await?
            {
                Transacted::Done => return Ok(state),
                Transacted::Cancelled(reasons) if reasons.get(1).is_some_and(is_refused) => {
                    return Err(own(
                        CALL,
                        ErrorClass::NotFound,
                        "NoSuchFleet",
                        &format!("there is no fleet `{fleet}`"),
                    ));
                }
                Transacted::Cancelled(_) | Transacted::TokenUsed => {}
            }
        }
        Err(contended())
    }

    /// Forgets a fleet: spec, state, traffic, forecast and entry, if the spec is still the one that was read. Its decisions, and what is
    /// remembered of its loads, stay until they expire; its instances are not touched.
    ///
    /// # Errors
    /// DynamoDB refuses or does not answer.
    pub async fn delete_fleet(&self, fleet: &FleetId, read_version: SpecVersion) -> Result<CommitResult, PortError> {
        for _ in 0..ATTEMPTS_MAX {
            // a commit under way checks the spec, so it fails once this is done
            let spec = Write::delete(Key::spec(fleet))
                .when("#version = :read")
                .value(":read", number(read_version));
            let rest = [Key::capacity(fleet), Key::traffic(fleet), Key::forecast(fleet), Key::entry(fleet)].map(Write::delete);
            match self.transact(std::iter::once(spec).chain(rest).collect(), None).await? {
                Transacted::Done => return Ok(CommitResult::Committed),
                Transacted::Cancelled(reasons) if !reasons.iter().any(is_refused) => {}
                Transacted::Cancelled(_) | Transacted::TokenUsed => return Ok(CommitResult::Conflict),
            }
        }
        Err(contended())
    }

    /// A fleet's spec as stored.
    ///
    /// # Errors
    /// DynamoDB does not answer, or an item cannot be read.
    pub async fn get_spec(&self, fleet: &FleetId) -> Result<Option<StoredSpec>, PortError> {
        Ok(self.load_one(fleet).await?.map(|loaded| loaded.spec))
    }

    /// A fleet's capacity state, outcomes merged; none if it was never looked at.
    ///
    /// # Errors
    /// DynamoDB does not answer, or an item cannot be read.
    pub async fn get_state(&self, fleet: &FleetId) -> Result<Option<CapacityState>, PortError> {
        let Some(loaded) = self.load_one(fleet).await? else {
            return Ok(None);
        };
        Ok(loaded.state.map(|mut state| {
            state.merge(&loaded.outcomes);
            state
        }))
    }

    /// A fleet's traffic state.
    ///
    /// # Errors
    /// DynamoDB does not answer, or an item cannot be read.
    pub async fn get_traffic(&self, fleet: &FleetId) -> Result<Option<TrafficState>, PortError> {
        Ok(self.load_one(fleet).await?.and_then(|loaded| loaded.traffic))
    }

    async fn load_one(&self, fleet: &FleetId) -> Result<Option<Loaded>, PortError> {
        self.load(std::slice::from_ref(fleet)).await?.remove(fleet).transpose()
    }

    /// Writes a spec, what goes with it, and a new generation.
    async fn put_spec_with(
        &self,
        fleet: &FleetId,
        spec: &StoredSpec,
        read: Option<SpecVersion>,
        with: Vec<Write>,
    ) -> Result<CommitResult, PortError> {
        for _ in 0..ATTEMPTS_MAX {
            let has_state = self.get(&Key::capacity(fleet)).await?.is_some();
            let mut writes = vec![spec_write(fleet, spec, read)?, fence(fleet, has_state)];
            writes.extend(with.clone());
            match self.transact(writes, None).await? {
                Transacted::Done => return Ok(CommitResult::Committed),
                Transacted::Cancelled(reasons) if reasons.first().is_some_and(is_refused) => return Ok(CommitResult::Conflict),
                // a function's commit came between: the state is there now, or is being written
                Transacted::Cancelled(_) | Transacted::TokenUsed => {}
            }
        }
        Err(contended())
    }
}

fn spec_write(fleet: &FleetId, spec: &StoredSpec, read: Option<SpecVersion>) -> Result<Write, PortError> {
    let body = item::json(CALL, spec)?;
    let attributes = Item::from([
        (attribute::SCHEMA.to_owned(), number(SCHEMA)),
        (attribute::VERSION.to_owned(), number(spec.version)),
        (attribute::HASH.to_owned(), text(digest(&item::json(CALL, &spec.spec)?))),
        (attribute::BODY.to_owned(), text(body)),
    ]);
    let put = Write::put(Key::spec(fleet), attributes);
    Ok(match read {
        None => put.when("attribute_not_exists(#pk)"),
        Some(read) => put.when("#version = :read").value(":read", number(read)),
    })
}

/// A new generation of the capacity state, so that what was decided under the old spec is refused.
fn fence(fleet: &FleetId, has_state: bool) -> Write {
    let key = Key::capacity(fleet);
    if !has_state {
        return Write::check(key).when("attribute_not_exists(#pk)");
    }
    let bump = Write::update(key, "SET #writer = :writer ADD #generation :one").when("attribute_exists(#pk)");
    bump.value(":writer", text(WRITER)).value(":one", number(1))
}

fn pause_write(key: Key, read: Option<&CapacityState>, state: &CapacityState) -> Result<Write, PortError> {
    let set = "SET #schema = :schema, #generation = :generation, #writer = :writer, #state = :state";
    let write = match read {
        Some(read) => Write::update(key, set)
            .when("#generation = :read")
            .value(":read", number(read.generation)),
        None => Write::update(key, format!("{set}, #outcomes = :none"))
            .when("attribute_not_exists(#pk)")
            .value(":none", AttributeValue::M(Item::new())),
    };
    let text_of_state = item::state_text(CALL, state)?;
    let write = write
        .value(":schema", number(SCHEMA))
        .value(":generation", number(state.generation));
    Ok(write.value(":writer", text(WRITER)).value(":state", text(text_of_state)))
}

fn contended() -> PortError {
    own(
        CALL,
        ErrorClass::Throttled,
        "Contended",
        "functions commit to this fleet all the time: try again",
    )
}
