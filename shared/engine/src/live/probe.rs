//! What the role of a function is asked about: launches by subnet, type and market, what is done with an instance, and reads.
//!
//! EC2 counts a dry run like the launch itself, in a bucket of five that refills by two a second and that every fleet of the
//! account launches from. So one invocation asks for fewer than the bucket holds, a check for a bounded number, and the ones that
//! tell most come first: with `k` launches, `k` subnets, `k` types and both markets are covered.

use std::collections::BTreeSet;

use ghostnet_core::id::{ClientToken, FleetId, Generation, InstallationId, InstanceType, PlanId, PoolId, SubnetId, TargetGroupArn, Zone};
use ghostnet_core::observation::{Market, Offering, Place};
use ghostnet_core::plan::{Choice, Launch, Strategy};
use ghostnet_core::spec::{FleetSpec, PoolSpec};
use serde::{Deserialize, Serialize};

use crate::error::{ErrorClass, PortError};
use crate::port::Touch;

/// Most launches that a check of one spec asks about.
pub const LAUNCHES_MAX: usize = 20;
/// Most launches that one invocation asks about: a fleet that launches in the same second still finds a token.
pub const LAUNCHES_PER_ASK: usize = 4;

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// A launch.
    Launch(Trial),
    /// Something done with an instance of the fleet.
    Touch(Touch),
    /// The list of our instances.
    Instances,
    /// The status checks of instances.
    Impaired,
    /// The health of the targets of a pool's first group.
    Targets(PoolId),
    /// The attributes of a target group.
    Attributes(PoolId, TargetGroupArn),
    /// The states of alarms.
    Alarms,
}

/// A launch of one pool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Trial {
    /// The pool.
    pub pool: PoolId,
    /// Into which subnet.
    pub subnet: SubnetId,
    /// Which type; none: the template's own.
    pub instance_type: Option<InstanceType>,
    /// How it is bought.
    pub market: Market,
    /// Whether AWS chooses among all types of the pool: another call, and another permission.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chosen: bool,
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// About what.
    pub probe: Probe,
    /// What AWS refused; none: it is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// What AWS refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Refused {
    /// The call, such as `ec2:RunInstances`.
    pub call: String,
    /// What follows from it.
    pub class: ErrorClass,
    /// AWS's error code.
    pub code: String,
    /// AWS's message, shortened.
    pub message: String,
}

impl From<PortError> for Refused {
    fn from(error: PortError) -> Self {
        Self {
            call: error.call.to_owned(),
            class: error.class,
            code: error.code,
            message: error.message,
        }
    }
}

/// How many launches the spec may come to.
#[must_use]
pub fn combinations(spec: &FleetSpec) -> usize {
    let of_pool = |pool: &PoolSpec| {
        let types = pool.launch.instance_types.len().max(1);
        let markets = pool.launch.market.markets().len();
        let listed = pool.launch.subnets.len().saturating_mul(types).saturating_mul(markets);
        listed.saturating_add(usize::from(choice(pool).is_some()))
    };
    spec.pools.iter().map(of_pool).fold(0, usize::saturating_add)
}

/// The launches that a check asks about, those that tell most first; the pools take turns. A spec may come to many more: only as
/// many as are asked about are made.
#[must_use]
pub fn trials(spec: &FleetSpec) -> Vec<Trial> {
    let mut pools: Vec<_> = spec.pools.iter().map(|pool| trials_of(pool).into_iter()).collect();
    let mut trials = Vec::new();
    loop {
        let round: Vec<Trial> = pools.iter_mut().filter_map(Iterator::next).collect();
        if round.is_empty() || trials.len() >= LAUNCHES_MAX {
            trials.truncate(LAUNCHES_MAX);
            return trials;
        }
        trials.extend(round);
    }
}

fn trials_of(pool: &PoolSpec) -> Vec<Trial> {
    let subnets = &pool.launch.subnets;
    let types: Vec<Option<&InstanceType>> = match &pool.launch.instance_types[..] {
        [] => vec![None],
        types => types.iter().map(Some).collect(),
    };
    let markets = pool.launch.market.markets();
    let trial = |subnet: &SubnetId, instance_type: Option<&InstanceType>, market: Market, chosen: bool| Trial {
        pool: pool.id.clone(),
        subnet: subnet.clone(),
        instance_type: instance_type.cloned(),
        market,
        chosen,
    };
    let chosen = subnets.first().zip(choice(pool)).map(|(subnet, _)| {
        let market = if pool.launch.market.uses_spot() {
            Market::Spot
        } else {
            Market::OnDemand
        };
        trial(subnet, types.first().copied().flatten(), market, true)
    });
    // the diagonal first: each subnet, each type and each market as early as can be
    let longest = subnets.len().max(types.len()).max(markets.len());
    let together = subnets.iter().cycle().zip(types.iter().cycle()).zip(markets.iter().cycle());
    let diagonal = together
        .take(longest)
        .map(|((subnet, instance_type), market)| (subnet, *instance_type, *market));
    let all = subnets
        .iter()
        .flat_map(|subnet| types.iter().copied().map(move |instance_type| (subnet, instance_type)));
    let all = all.flat_map(|(subnet, instance_type)| markets.iter().map(move |market| (subnet, instance_type, *market)));
    let listed = diagonal
        .chain(all)
        .map(|(subnet, instance_type, market)| trial(subnet, instance_type, market, false));
    let mut seen = BTreeSet::new();
    let in_order = chosen.into_iter().chain(listed);
    in_order.filter(|trial| seen.insert(trial.clone())).take(LAUNCHES_MAX).collect()
}

/// Among which types AWS chooses, and how; none: the list is followed.
fn choice(pool: &PoolSpec) -> Option<Choice> {
    let strategy = Strategy::of(pool.launch.market.allocation)?;
    let others: Vec<InstanceType> = pool.launch.instance_types.iter().skip(1).cloned().collect();
    (!others.is_empty()).then_some(Choice { strategy, others })
}

impl Trial {
    /// The launch that is asked about: what a plan would hold, under a token of its own.
    pub(super) fn launch(&self, installation: &InstallationId, fleet: &FleetId, pool: &PoolSpec, plan: &PlanId) -> Launch {
        // the zone is in no request: the subnet says it
        let zone = Zone::new("unknown");
        let instance_type = self.instance_type.as_ref().map_or("", InstanceType::as_str);
        let parts = [
            installation.as_str(),
            fleet.as_str(),
            plan.as_str(),
            self.pool.as_str(),
            self.subnet.as_str(),
            instance_type,
            self.market.as_str(),
        ];
        Launch {
            count: 1,
            template: pool.launch.template.clone(),
            place: Place {
                subnet: self.subnet.clone(),
                zone: zone.clone(),
            },
            offering: Offering {
                zone,
                instance_type: self.instance_type.clone(),
                market: self.market,
                reservation: pool.launch.market.reservations.clone().filter(|_| self.market == Market::Reserved),
            },
            choice: choice(pool).filter(|_| self.chosen),
            token: ClientToken::over(&parts),
            generation: Generation(0),
            warm: false,
        }
    }
}

/// What would be done with instances of this fleet.
pub(super) fn touches(spec: &FleetSpec) -> Vec<Touch> {
    let keeps_warm = spec.pools.iter().any(|pool| pool.warm.is_some());
    let tells = spec.pools.iter().any(|pool| pool.wait_for_tag);
    let wanted = [
        (Touch::Start, keeps_warm),
        (Touch::Stop, keeps_warm),
        (Touch::Tell, tells),
        (Touch::Terminate, true),
    ];
    wanted.into_iter().filter_map(|(touch, is_done)| is_done.then_some(touch)).collect()
}
