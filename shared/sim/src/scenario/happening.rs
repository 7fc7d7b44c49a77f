//! What befalls a fleet, and how.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ghostnet_core::id::{InstanceType, Zone};
use ghostnet_core::observation::InstanceState;
use ghostnet_core::signal::Signal;
use ghostnet_core::spec::{FleetSpec, PoolSpec};
use serde::Deserialize;

use crate::clock::MINUTE;
use crate::fleets::{TYPES, ZONES};
use crate::lambda::Function;
use crate::traffic::routing;
use crate::world::World;

/// Something that happens once.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum What {
    /// A zone fails for so many minutes.
    ZoneFails {
        /// Which.
        zone: String,
        /// For how long.
        minutes: u32,
    },
    /// Nothing, or nothing as spot, can be launched in these zones for so many minutes.
    CapacityRunsOut {
        /// Which.
        zones: Vec<String>,
        /// For how long.
        minutes: u32,
        /// Whether on demand stays.
        #[serde(default)]
        only_spot: bool,
    },
    /// What is launched within so many minutes never becomes healthy.
    ImageIsBroken {
        /// For how long.
        minutes: u32,
    },
    /// So many instances become sick at once, for so many minutes.
    InstancesSicken {
        /// How many.
        count: usize,
        /// For how long.
        minutes: u32,
    },
    /// The fleet's alarm function is invoked so many times at once.
    AlarmsStorm {
        /// How many.
        count: u32,
    },
    /// A pool's instances all end at once, or all fail their checks for so many minutes.
    SideFails {
        /// Which.
        pool: String,
        /// For how long; those that end stay ended.
        #[serde(default)]
        minutes: u32,
        /// Whether they end.
        #[serde(default)]
        ends: bool,
    },
    /// A pool answers so slowly for so many minutes that nobody can work with it, and passes its checks.
    SideSlows {
        /// Which.
        pool: String,
        /// For how long.
        minutes: u32,
    },
    /// A person sets the weights of the fleet's rules, by pool.
    WeightsAreSet(BTreeMap<String, u32>),
    /// The account's API is used up by somebody else for so many minutes.
    AccountIsThrottled {
        /// For how long.
        minutes: u32,
    },
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZoneFails { zone, minutes } => write!(f, "zone {zone} fails for {minutes} minutes"),
            Self::CapacityRunsOut { zones, minutes, only_spot } => {
                let what = if *only_spot { "spot capacity" } else { "capacity" };
                write!(f, "{what} runs out in {} for {minutes} minutes", zones.join(", "))
            }
            Self::ImageIsBroken { minutes } => write!(f, "the image is broken for {minutes} minutes: nothing from it becomes healthy"),
            Self::InstancesSicken { count, minutes } => write!(f, "{count} instances fall sick for {minutes} minutes"),
            Self::AlarmsStorm { count } => write!(f, "{count} alarms arrive at once"),
            Self::SideFails { pool, ends: true, .. } => write!(f, "every instance of {pool} ends at once"),
            Self::SideFails { pool, minutes, .. } => write!(f, "every instance of {pool} fails its checks for {minutes} minutes"),
            Self::SideSlows { pool, minutes } => write!(f, "{pool} answers far too slowly for {minutes} minutes, and passes its checks"),
            Self::WeightsAreSet(weights) => {
                let weights: Vec<String> = weights.iter().map(|(pool, weight)| format!("{pool} {weight}")).collect();
                write!(f, "somebody sets the weights by hand: {}", weights.join(", "))
            }
            Self::AccountIsThrottled { minutes } => write!(f, "somebody else uses up the account's calls for {minutes} minutes"),
        }
    }
}

impl World {
    pub(super) fn happens(&mut self, what: &What, spec: &FleetSpec) {
        let now = self.now;
        let lasting = |minutes: &u32| now + i64::from(*minutes) * MINUTE;
        self.log.story(now, || what.to_string());
        match what {
            What::ZoneFails { zone, minutes } => self.lose_zone(&Zone::new(zone.clone()), lasting(minutes)),
            What::CapacityRunsOut { zones, minutes, only_spot } => {
                for zone in ZONES.iter().filter(|zone| zones.iter().any(|named| named == *zone)) {
                    for instance_type in TYPES {
                        let pool = (Zone::new(*zone), InstanceType::new(instance_type));
                        let capacity = &mut self.cloud.capacity;
                        let pools = if *only_spot { &mut capacity.spot_dry } else { &mut capacity.dry };
                        pools.insert(pool, lasting(minutes));
                    }
                }
            }
            What::ImageIsBroken { minutes } => self.cloud.capacity.bad_image_until = lasting(minutes),
            What::InstancesSicken { count, minutes } => {
                let running = self
                    .cloud
                    .ec2
                    .machines
                    .values()
                    .filter(|machine| machine.state(now) == InstanceState::Running);
                let ids: Vec<_> = running.take(*count).map(|machine| machine.id.clone()).collect();
                for id in ids {
                    if let Some(machine) = self.cloud.ec2.machines.get_mut(&id) {
                        machine.sick_since = Some(now);
                    }
                    self.schedule(lasting(minutes), crate::world::Event::Recover(id));
                }
            }
            What::AlarmsStorm { count } => {
                let names: BTreeSet<_> = self.cloud.history.alarms.keys().cloned().collect();
                let Some(alarm) = names.into_iter().find(|name| name.as_str().contains(spec.id.as_str())) else {
                    return;
                };
                for _ in 0..*count {
                    let change = ghostnet_core::signal::AlarmChange {
                        alarm: alarm.clone(),
                        arn: None,
                        state: ghostnet_core::signal::AlarmState::Alarm,
                        at: crate::clock::at(now),
                        muted: false,
                        change: ghostnet_core::signal::AlarmChangeKind::State,
                    };
                    self.tell(Function::Alarm, Signal::AlarmChanged(change));
                }
            }
            What::SideFails { pool, minutes, ends } => {
                if let Some(pool) = spec.pools.iter().find(|side| side.id.as_str() == pool) {
                    self.side_fails(&spec.id, &pool.id, *ends, lasting(minutes));
                }
            }
            What::SideSlows { pool, minutes } => {
                if let Some(pool) = spec.pools.iter().find(|side| side.id.as_str() == pool) {
                    self.side_slows(&spec.id, &pool.id, lasting(minutes));
                }
            }
            What::WeightsAreSet(weights) => {
                let of = |pool: &PoolSpec| weights.get(pool.id.as_str()).copied().unwrap_or(0);
                let groups = spec
                    .pools
                    .iter()
                    .flat_map(|pool| pool.reached_by().into_iter().map(move |destination| (destination, of(pool))));
                let set = routing(groups.collect());
                for rule in spec.failover.iter().flat_map(|failover| failover.routes()) {
                    self.cloud.set_route(rule.clone(), set.clone(), self.now);
                }
            }
            What::AccountIsThrottled { minutes } => self.cloud.capacity.drain_buckets(lasting(minutes)),
        }
    }
}
