//! The change that applying one file makes: worked out whole, and only then written, on condition that the stored spec is
//! still the one that the difference was shown for.

use ghostnet_aws::cloudwatch::alarm::AlarmDefinition;
use ghostnet_aws::dynamodb::operator::SpecWrite;
use ghostnet_core::id::{FleetId, PoolId, Region, SpecVersion};
use ghostnet_core::spec::{FleetSpec, PoolSpec, Problem, RawFleetSpec, Resolved, Rule};
use ghostnet_core::state::{CapacityState, SCHEMA, StoredSpec, TrafficState};
use ghostnet_engine::port::{Clock, CommitResult};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::alarms::{self, AlarmChanges};
use crate::diff::{self, Difference};
use crate::failure::Failure;
use crate::render::problems::FileProblems;
use crate::spec_file::SpecFile;
use crate::stack::Session;
use crate::{advice, resolve};

/// What an apply changed, or would change. The JSON form is stable.
#[derive(Debug, Serialize)]
pub(crate) struct Applied {
    /// The fleet.
    pub(crate) fleet: FleetId,
    /// The version of the spec now, or after a dry run's changes.
    pub(crate) version: SpecVersion,
    /// The version before; none: the fleet is new.
    pub(crate) stored_version: Option<SpecVersion>,
    /// Whether the stored spec changes.
    pub(crate) changed: bool,
    /// Whether nothing was written.
    pub(crate) dry_run: bool,
    /// Changed fields.
    pub(crate) changes: Vec<Difference>,
    /// Changed alarms.
    pub(crate) alarms: AlarmChanges,
    /// What is only unwise.
    pub(crate) notes: Vec<String>,
}

/// Everything that one file leads to.
#[derive(Debug)]
pub(crate) struct Change<'f> {
    file: &'f SpecFile,
    resolved: Resolved,
    wanted_alarms: Vec<AlarmDefinition>,
    /// What it comes to, for people and machines.
    pub(crate) applied: Applied,
}

/// What applying a file would do, or what stands against it.
///
/// # Errors
/// AWS does not answer.
pub(crate) async fn change<'f>(session: &Session, file: &'f SpecFile, dry_run: bool) -> Result<Result<Change<'f>, FileProblems>, Failure> {
    let fleet = &file.spec.id;
    let mut found = resolve::resolve(session, &file.spec).await?;
    let (stored, state) = (session.spec(fleet).await?, session.state(fleet).await?);
    found.problems.extend(left_behind(&file.spec, state.as_ref()));
    let before = stored.as_ref().and_then(|stored| FleetSpec::check(&stored.spec).ok());
    found
        .problems
        .extend(moved_away(&file.spec, before.as_ref(), state.as_ref(), session.aws.home()));
    if !found.problems.is_empty() {
        let problems = found.problems.into_iter().map(|problem| file.locate(problem)).collect();
        let file = file.name.clone();
        return Ok(Err(FileProblems { file, problems }));
    }
    let wanted_alarms = alarms::wanted(&file.spec, &found.resolved, &session.stack);
    let alarms = alarms::compare(&wanted_alarms, &session.alarms(fleet).await?);
    let changes = differences(stored.as_ref(), file, &found.resolved)?;
    let stored_version = stored.map(|stored| stored.version);
    let changed = stored_version.is_none() || !changes.is_empty();
    let applied = Applied {
        fleet: fleet.clone(),
        version: next_version(stored_version, changed),
        stored_version,
        changed,
        dry_run,
        changes,
        alarms,
        notes: advice::notes(&file.spec)
            .into_iter()
            .chain(found.notes.into_iter().map(|note| note.message))
            .collect(),
    };
    let resolved = found.resolved;
    Ok(Ok(Change {
        file,
        resolved,
        wanted_alarms,
        applied,
    }))
}

fn next_version(stored: Option<SpecVersion>, changed: bool) -> SpecVersion {
    match stored {
        Some(stored) if !changed => stored,
        stored => SpecVersion(stored.map_or(0, |stored| stored.0).saturating_add(1)),
    }
}

/// Pools that the spec does not name any more although they have instances: nobody would look after those.
fn left_behind(spec: &FleetSpec, state: Option<&CapacityState>) -> Vec<Problem> {
    let pools = state
        .into_iter()
        .flat_map(|state| state.pools.iter().map(move |(id, pool)| (id, pool, state)));
    // a launch that has no outcome yet may still bring its instances
    let counted = pools.map(|(id, pool, state)| (id, pool.members.len().saturating_add(state.open_of(id).count())));
    let left = counted.filter(|(id, count)| spec.pool(id).is_none() && *count > 0);
    let problem = |(id, count): (&PoolId, usize)| Problem {
        path: "pools".to_owned(),
        message: format!("pool `{id}` is not in the spec any more, but has {count} instances or open steps"),
        hint: Some(format!(
            "keep `{id}` with `capacity: {{ min: 0, max: 0 }}` until `ghostnet status` shows it empty"
        )),
    };
    left.map(problem).collect()
}

/// Pools whose instances stay where the pool is no longer looked for: nobody would see those.
fn moved_away(spec: &FleetSpec, before: Option<&FleetSpec>, state: Option<&CapacityState>, home: &Region) -> Vec<Problem> {
    let Some((before, state)) = before.zip(state) else {
        return Vec::new();
    };
    let problem = |(n, pool): (usize, &PoolSpec)| {
        let was = before.pool(&pool.id)?.region_or(home);
        let there = state.pools.get(&pool.id).map_or(0, |pool| pool.members.len());
        let count = there.saturating_add(state.open_of(&pool.id).count());
        (was != pool.region_or(home) && count > 0).then(|| Problem {
            path: format!("pools[{n}].region"),
            message: format!(
                "pool `{}` has {count} instances or open steps in `{was}`, where nobody would look for them any more",
                pool.id
            ),
            hint: Some("add a pool of another id in the new region, and shrink this one to nothing first".to_owned()),
        })
    };
    spec.pools.iter().enumerate().filter_map(problem).collect()
}

/// What an apply can change, side by side with what is stored.
#[derive(Serialize)]
struct Comparable<'a> {
    #[serde(flatten)]
    spec: &'a RawFleetSpec,
    resolved: &'a Resolved,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    retiring: bool,
}

fn differences(stored: Option<&StoredSpec>, file: &SpecFile, resolved: &Resolved) -> Result<Vec<Difference>, Failure> {
    let value = |spec, resolved, retiring| {
        serde_json::to_value(Comparable { spec, resolved, retiring }).map_err(|error| Failure::Output(error.into()))
    };
    let old = match stored {
        Some(stored) => value(&stored.spec, &stored.resolved, stored.retiring)?,
        None => Value::Object(Map::new()),
    };
    Ok(diff::differences(&old, &value(&file.raw, resolved, false)?))
}

impl Change<'_> {
    /// Whether a policy of the fleet looks ahead.
    pub(crate) fn looks_ahead(&self) -> bool {
        let mut policies = self.file.spec.pools.iter().flat_map(|pool| &pool.policies);
        policies.any(|policy| matches!(policy.rule, Rule::Predictive(_)))
    }

    /// Writes it. The spec first: an alarm without its policy wakes for nothing, a policy without its alarm waits a minute
    /// for the tick.
    ///
    /// # Errors
    /// AWS refuses, or somebody else applied in between.
    pub(crate) async fn write(&self, session: &Session, by: &str) -> Result<(), Failure> {
        if self.applied.changed {
            self.write_spec(session, by).await?;
        }
        let region = session.aws.home();
        // an unchanged alarm is put too: somebody may have edited it
        for alarm in &self.wanted_alarms {
            let put = session.aws.put_alarm(region, alarm).await;
            put.map_err(Failure::aws(format!("alarm `{}` cannot be kept", alarm.name)))?;
        }
        let removed = session.aws.delete_alarms(region, &self.applied.alarms.removed).await;
        removed.map_err(Failure::aws(format!(
            "old alarms of fleet `{}` cannot be removed",
            self.applied.fleet
        )))
    }

    async fn write_spec(&self, session: &Session, by: &str) -> Result<(), Failure> {
        let Applied {
            fleet,
            version,
            stored_version,
            ..
        } = &self.applied;
        let stored = StoredSpec {
            schema: SCHEMA,
            version: *version,
            spec: self.file.raw.clone().into(),
            resolved: self.resolved.clone(),
            retiring: false,
            applied_by: by.to_owned(),
            applied_at: session.aws.now(),
        };
        // a checked spec has an active pool
        let no_active = || Failure::Argument(format!("fleet `{fleet}` has no active pool"));
        let write = SpecWrite {
            fleet,
            spec: &stored,
            read_version: *stored_version,
            first_traffic: &TrafficState::first(&self.file.spec).ok_or_else(no_active)?,
            alarms: &self.file.spec.alarms,
        };
        let written = session.aws.put_spec(&write).await;
        match written.map_err(Failure::aws(format!("fleet `{fleet}` cannot be stored")))? {
            CommitResult::Committed => Ok(()),
            CommitResult::Conflict => Err(Failure::Raced(fleet.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use ghostnet_core::id::InstanceId;
    use ghostnet_core::state::{Member, PoolState};

    use super::*;
    use crate::render::fixture;

    #[test]
    fn a_pool_with_instances_cannot_be_left_behind() {
        let spec = fixture::spec();
        let mut state = CapacityState::new(&spec, fixture::at("12:00:00"));
        let Ok(green) = "green".parse() else { panic!("a good id") };
        let mut pool = PoolState::new(1);
        state.pools.insert(green, pool.clone());
        assert_eq!(left_behind(&spec, Some(&state)), [], "an empty one can");
        pool.members.insert(InstanceId::new("i-0"), Member::new(fixture::at("12:00:00")));
        state.pools.values_mut().for_each(|any| *any = pool.clone());
        let told: Vec<_> = left_behind(&spec, Some(&state))
            .into_iter()
            .map(|problem| problem.message)
            .collect();
        assert_eq!(
            told,
            ["pool `green` is not in the spec any more, but has 1 instances or open steps"]
        );
    }

    #[test]
    fn a_pool_with_instances_cannot_be_moved_to_another_region() {
        let before = fixture::spec();
        let (home, other) = (Region::new("eu-west-1"), Region::new("eu-north-1"));
        let mut state = CapacityState::new(&before, fixture::at("12:00:00"));
        let mut after = before.clone();
        after.pools.iter_mut().for_each(|pool| pool.region = Some(other.clone()));
        let told = |state: &CapacityState, after: &FleetSpec| moved_away(after, Some(&before), Some(state), &home);
        assert_eq!(told(&state, &after), [], "an empty one can");
        for pool in state.pools.values_mut() {
            pool.members.insert(InstanceId::new("i-0"), Member::new(fixture::at("12:00:00")));
        }
        let [problem] = told(&state, &after).try_into().unwrap_or_else(|told| panic!("{told:?}"));
        assert_eq!(problem.path, "pools[0].region");
        assert!(
            problem.message.contains("has 1 instances or open steps in `eu-west-1`"),
            "{}",
            problem.message
        );
        after.pools.iter_mut().for_each(|pool| pool.region = Some(home.clone()));
        assert_eq!(told(&state, &after), [], "where it was, and said so");
        assert_eq!(moved_away(&after, None, Some(&state), &home), [], "it is new");
    }

    #[test]
    fn a_version_grows_only_with_a_change() {
        for (stored, changed, next) in [(None, true, 1), (Some(3), true, 4), (Some(3), false, 3)] {
            assert_eq!(next_version(stored.map(SpecVersion), changed), SpecVersion(next));
        }
    }
}
