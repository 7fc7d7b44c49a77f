//! Which field of a spec explains refusals of one cause: what they have in common, and no other launch has.

use std::collections::BTreeSet;

use ghostnet_core::id::{InstanceType, SubnetId};
use ghostnet_core::observation::Market;
use ghostnet_core::spec::PoolSpec;

use super::finding::listed;
use super::probe::Trial;

/// Most names in one sentence.
const NAMES_MAX: usize = 3;

/// What the refused launches of one cause have in common, and no other launch has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope<'a> {
    /// All that was asked.
    Pool,
    /// AWS's own choice of the type alone.
    Choice,
    Subnets(Vec<&'a SubnetId>),
    Types(Vec<&'a InstanceType>),
    Market(Market),
    /// A subnet and a type that do not go together.
    Pair(&'a SubnetId, Option<&'a InstanceType>),
}

impl<'a> Scope<'a> {
    pub(super) fn of(pool: &'a PoolSpec, affected: &BTreeSet<&'a Trial>, asked: impl Iterator<Item = &'a Trial>) -> Self {
        let asked: Vec<&Trial> = asked.collect();
        if asked.iter().all(|trial| affected.contains(trial)) {
            return Self::Pool;
        }
        if affected.iter().all(|trial| trial.chosen) {
            return Self::Choice;
        }
        // guilty is what was refused every time
        let guilty = |of: &dyn Fn(&Trial) -> bool| asked.iter().filter(|trial| of(trial)).all(|trial| affected.contains(trial));
        let covered = |of: &dyn Fn(&Trial) -> bool| affected.iter().all(|trial| of(trial));
        let subnets = pool.launch.subnets.iter();
        let subnets: Vec<&SubnetId> = subnets
            .filter(|id| affected.iter().any(|trial| trial.subnet == **id))
            .filter(|id| guilty(&|trial| trial.subnet == **id))
            .collect();
        let types = pool.launch.instance_types.iter();
        let types: Vec<&InstanceType> = types
            .filter(|name| affected.iter().any(|trial| trial.instance_type.as_ref() == Some(*name)))
            .filter(|name| guilty(&|trial| trial.instance_type.as_ref() == Some(*name)))
            .collect();
        let by_subnets = covered(&|trial| subnets.contains(&&trial.subnet));
        let by_types = covered(&|trial| trial.instance_type.as_ref().is_some_and(|name| types.contains(&name)));
        let market = [Market::Spot, Market::OnDemand]
            .into_iter()
            .find(|market| covered(&|trial| trial.market == *market) && guilty(&|trial| trial.market == *market));
        match (market, by_subnets, by_types) {
            (Some(market), ..) if pool.launch.market.uses_spot() => Self::Market(market),
            (_, true, false) => Self::Subnets(subnets),
            (_, false, true) => Self::Types(types),
            // each of the two would explain it: one of them was asked about once
            (_, true, true) => affected
                .first()
                .map_or(Self::Pool, |trial| Self::Pair(&trial.subnet, trial.instance_type.as_ref())),
            (_, false, false) => match affected.first() {
                Some(trial) if affected.len() == 1 => Self::Pair(&trial.subnet, trial.instance_type.as_ref()),
                _ => Self::Pool,
            },
        }
    }

    /// The field of the pool that explains it.
    pub(super) fn path(&self, pool: &PoolSpec) -> String {
        let place = |id: &SubnetId| pool.launch.subnets.iter().position(|other| other == id).unwrap_or_default();
        match self {
            Self::Pool => "launch".to_owned(),
            Self::Choice => "launch.market.allocation".to_owned(),
            Self::Market(_) => "launch.market".to_owned(),
            Self::Subnets(ids) => match ids[..] {
                [id] => format!("launch.subnets[{}]", place(id)),
                _ => "launch.subnets".to_owned(),
            },
            Self::Types(names) => match names[..] {
                [name] => {
                    let place = pool.launch.instance_types.iter().position(|other| other == name);
                    format!("launch.instance_types[{}]", place.unwrap_or_default())
                }
                _ => "launch.instance_types".to_owned(),
            },
            Self::Pair(id, _) => format!("launch.subnets[{}]", place(id)),
        }
    }

    /// What EC2 would refuse to launch, in words.
    pub(super) fn words(&self, pool: &PoolSpec) -> String {
        let template = || format!("from launch template `{}`", pool.launch.template.key.as_str());
        match self {
            Self::Pool => template(),
            Self::Choice => "by `CreateFleet`, where AWS chooses the type".to_owned(),
            Self::Market(market) => market.adverb().to_owned(),
            Self::Subnets(ids) => format!("into {}", listed(ids.iter().map(|id| id.as_str()), NAMES_MAX)),
            Self::Types(names) => format!("instances of type {}", listed(names.iter().map(|name| name.as_str()), NAMES_MAX)),
            Self::Pair(id, Some(name)) => format!("`{name}` into `{id}`"),
            Self::Pair(id, None) => format!("into `{id}`"),
        }
    }
}
