//! What people do to the account and the fleets while the storm lasts: operators, owners, strangers.

use std::collections::BTreeMap;

use ghostnet_core::id::{PlanId, TargetGroupArn};
use ghostnet_core::observation::{InstanceState, tag};
use ghostnet_core::operator::{Asked, OperatorRequest, Wish};
use ghostnet_core::refresh::RefreshRequest;
use ghostnet_core::signal::Signal;
use ghostnet_core::spec::raw::{RawDuration, RawMode};
use ghostnet_core::spec::{Attribute, FleetSpec, RawFleetSpec};
use ghostnet_core::state::Pause;
use ghostnet_core::unit::{Percent, Seconds};

use crate::chance::Chance;
use crate::check;
use crate::clock::{MINUTE, at};
use crate::cloud::ec2::Tags;
use crate::fault::Fault;
use crate::lambda::Function;
use crate::world::World;

impl World {
    pub(crate) fn storm_by_people(&mut self) {
        let now = self.now;
        if self.faults.strikes(Fault::ForeignInstallation) {
            self.launch_foreign(Fault::ForeignInstallation, true);
        }
        if self.faults.strikes(Fault::ForeignTarget)
            && let Some(id) = self.launch_foreign(Fault::ForeignTarget, false)
        {
            // registered once it runs, and never by us
            let groups: Vec<_> = self.cloud.groups.keys().cloned().collect();
            if let Some(group) = self
                .faults
                .chance(Fault::ForeignTarget)
                .and_then(|chance| chance.pick(&groups).cloned())
                && let Some(group) = self.cloud.groups.get_mut(&group)
            {
                group.register(&id, false, now);
            }
        }
        if self.faults.strikes(Fault::ForeignRegistration) {
            self.register_by_hand();
        }
        self.storm_in_cloud_map();
        if self.faults.strikes(Fault::ForeignAttribute) {
            self.set_attribute_by_hand();
        }
        if self.faults.strikes(Fault::HandLaunched) {
            self.launch_one_more_like_this();
        }
        if self.faults.strikes(Fault::TableRestored)
            && let Some(backup) = self.backup.clone()
        {
            self.log
                .line(now, || "the table is restored from an older point in time".to_owned());
            self.table.fleets = backup;
            let specs = self
                .table
                .fleets
                .values()
                .filter_map(|items| FleetSpec::check(&items.spec.spec).ok());
            self.watch.restored(specs.collect(), now);
        }
        if self.faults.strikes(Fault::Paused) {
            let until = now + self.lasting(Fault::Paused, 1, 90) * MINUTE;
            let resumes = self.lasting(Fault::Paused, 0, 2) == 0;
            for items in self.table.fleets.values_mut() {
                let pause = Pause {
                    by: "operator".to_owned(),
                    reason: "a test".to_owned(),
                    since: at(now),
                    until: at(until),
                };
                items.pause((!resumes).then_some(pause));
            }
        }
        if self.faults.strikes(Fault::OperatorSize) {
            self.operators_ask();
        }
        if self.faults.strikes(Fault::Refresh) {
            self.ask_for_refresh();
        }
        if self.faults.strikes(Fault::TrafficMoved) {
            self.move_traffic();
        }
        self.kill_a_side();
        self.slow_a_side();
        self.set_rules_by_hand();
        self.ask_for_a_move();
        if self.faults.strikes(Fault::HandedOver) {
            self.hand_over();
        }
        if self.faults.strikes(Fault::Evacuation) {
            self.leave_a_zone();
        }
        if self.faults.strikes(Fault::NewTemplate) {
            self.change_template();
        }
        if self.faults.strikes(Fault::SpecChanged) {
            self.change_specs();
        }
        if self.faults.strikes(Fault::ModeChanged) {
            self.change_modes();
        }
    }

    /// The owner applies every fleet in another mode, or in the usual one.
    fn change_modes(&mut self) {
        let now = self.now;
        for (id, fleet) in &mut self.fleets {
            let Some(chance) = self.faults.chance(Fault::ModeChanged) else {
                return;
            };
            let modes = [
                None,
                None,
                Some(RawMode::OutOnly),
                Some(RawMode::RecommendOnly),
                Some(RawMode::Paused),
            ];
            let mut raw = fleet.design.raw.clone();
            raw.mode = chance.pick(&modes).copied().flatten();
            let Ok(spec) = FleetSpec::check(&raw) else { continue };
            self.watch.spec_changed(&fleet.spec, now);
            self.log.line(now, || format!("{id} is applied in mode {:?}", raw.mode));
            fleet.spec = spec;
            fleet.design.raw = raw.clone();
            if let Some(items) = self.table.fleets.get_mut(id) {
                items.apply(raw, at(now));
            }
        }
    }

    /// Somebody asks for sizes, some of them out of bounds, or gives up what was asked for.
    fn operators_ask(&mut self) {
        let now = self.now;
        let mut requests = Vec::new();
        for (fleet, known) in &self.fleets {
            let Some(chance) = self.faults.chance(Fault::OperatorSize) else {
                return;
            };
            let pools: Vec<_> = known.spec.pools.iter().map(|pool| pool.id.clone()).collect();
            let wish = if chance.once_in(4) {
                Wish::Clear
            } else {
                Wish::Hold {
                    desired: chance.count(0, known.spec.maximum.saturating_add(2)),
                    until: at(now + chance.between(1, 60) * MINUTE),
                    reason: "a test".to_owned(),
                }
            };
            requests.push(OperatorRequest {
                fleet: fleet.clone(),
                pool: if chance.once_in(2) { chance.pick(&pools).cloned() } else { None },
                asked: Asked {
                    by: "operator".to_owned(),
                    at: at(now),
                    wish,
                },
            });
        }
        for request in requests {
            self.tell(Function::Tick, Signal::OperatorRequest(request));
        }
    }

    /// Traffic of every fleet goes to one of its pools, and one needs fewest instances, or none does any more.
    fn move_traffic(&mut self) {
        // where failover is at work, nobody else writes its item
        for (id, fleet) in self.fleets.iter().filter(|(_, fleet)| fleet.spec.failover.is_none()) {
            let Some(items) = self.table.fleets.get_mut(id) else { continue };
            let Some(chance) = self.faults.chance(Fault::TrafficMoved) else {
                return;
            };
            let Some(active) = chance.pick(&fleet.spec.pools).map(|pool| pool.id.clone()) else {
                continue;
            };
            let needy = chance.pick(&fleet.spec.pools).filter(|_| chance.once_in(2));
            let floors = needy.map(|pool| (pool.id.clone(), chance.count(1, pool.capacity.max.max(1))));
            let traffic = items.move_traffic(active, floors.into_iter().collect());
            self.log.line(self.now, || {
                format!("{id}: traffic goes to {} in epoch {}", traffic.active, traffic.epoch.0)
            });
            check::on_traffic(&mut self.watch, self.now, id, &traffic);
        }
    }

    /// An operator has a zone left, or used again.
    fn leave_a_zone(&mut self) {
        let now = self.now;
        let (zones, mut requests) = (self.zones(), Vec::new());
        for fleet in self.fleets.keys() {
            let Some(chance) = self.faults.chance(Fault::Evacuation) else {
                return;
            };
            let Some(zone) = chance.pick(&zones).cloned() else {
                continue;
            };
            let wish = if chance.once_in(4) {
                Wish::UseAgain { zone }
            } else {
                Wish::Evacuate {
                    zone,
                    until: at(now + chance.between(5, 60) * MINUTE),
                    reason: "a test".to_owned(),
                }
            };
            requests.push(OperatorRequest {
                fleet: fleet.clone(),
                pool: None,
                asked: Asked {
                    by: "operator".to_owned(),
                    at: at(now),
                    wish,
                },
            });
        }
        for request in requests {
            self.log
                .line(now, || format!("an operator asks of {}: {:?}", request.fleet, request.asked.wish));
            self.tell(Function::Tick, Signal::OperatorRequest(request));
        }
    }

    /// An operator asks for a refresh, pauses, resumes, cancels it, or rolls it back.
    fn ask_for_refresh(&mut self) {
        let now = at(self.now);
        let mut requests = Vec::new();
        for (fleet, known) in &self.fleets {
            let Some(chance) = self.faults.chance(Fault::Refresh) else {
                return;
            };
            let pools: Vec<_> = known.spec.pools.iter().map(|pool| pool.id.clone()).collect();
            let wish = match chance.count(0, 9) {
                0 => RefreshRequest::Pause,
                1 => RefreshRequest::Resume,
                2 => RefreshRequest::Cancel,
                3 => RefreshRequest::Rollback,
                _ => RefreshRequest::Start {
                    reason: "a new image".to_owned(),
                    checkpoints: if chance.once_in(2) {
                        Vec::new()
                    } else {
                        vec![Percent(20), Percent(50)]
                    },
                    bake: Seconds::minutes(5),
                    drifted: chance.once_in(4),
                },
            };
            requests.push(OperatorRequest {
                fleet: fleet.clone(),
                pool: if chance.once_in(2) { chance.pick(&pools).cloned() } else { None },
                asked: Asked {
                    by: "operator".to_owned(),
                    at: now,
                    wish: Wish::Refresh(wish),
                },
            });
        }
        for request in requests {
            self.log
                .line(self.now, || format!("an operator asks for a refresh: {:?}", request.asked.wish));
            self.tell(Function::Tick, Signal::OperatorRequest(request));
        }
    }

    /// An operator tags an instance that runs and is nobody's, and asks a fleet to take it over; if there is none, one is launched.
    fn hand_over(&mut self) {
        let (now, ours) = (self.now, self.installation.clone());
        let groups = &self.cloud.groups;
        let is_nobodys = |machine: &crate::cloud::ec2::Machine| {
            let is_registered = groups.values().any(|group| group.targets.contains_key(&machine.id));
            machine.by_hand && machine.installation.is_none() && machine.state(now) == InstanceState::Running && !is_registered
        };
        let found = self
            .cloud
            .ec2
            .machines
            .values()
            .find(|machine| is_nobodys(machine))
            .map(|machine| machine.id.clone());
        let Some(id) = found else {
            self.launch_foreign(Fault::HandedOver, false);
            return;
        };
        let Some(chance) = self.faults.chance(Fault::HandedOver) else {
            return;
        };
        let fleets: Vec<_> = self.fleets.iter().map(|(id, fleet)| (id.clone(), &fleet.spec.pools)).collect();
        let Some((fleet, pools)) = chance.pick(&fleets) else { return };
        let ids: Vec<_> = pools.iter().map(|pool| pool.id.clone()).collect();
        let Some(pool) = chance.pick(&ids).cloned() else { return };
        let fleet = fleet.clone();
        if let Some(machine) = self.cloud.ec2.machines.get_mut(&id) {
            machine.installation = Some(ours);
            machine.tags = Tags {
                fleet: Some(fleet.clone()),
                pool: Some(pool.clone()),
                plan: Some(PlanId::new(tag::HANDED_OVER)),
                step: None,
            };
        }
        self.log.line(now, || format!("an operator hands {id} over to {fleet}/{pool}"));
        let request = OperatorRequest {
            fleet,
            pool: Some(pool),
            asked: Asked {
                by: "operator".to_owned(),
                at: at(now),
                wish: Wish::HandOver { instances: vec![id] },
            },
        };
        self.tell(Function::Tick, Signal::OperatorRequest(request));
    }

    /// The launch template gets another default version, and every fleet is applied again.
    fn change_template(&mut self) {
        let version = self.cloud.ec2.default_version.max(1) + 1;
        self.cloud.ec2.default_version = version;
        self.log
            .line(self.now, || format!("version {version} of the launch template is the default"));
        let now = at(self.now);
        for (id, fleet) in &self.fleets {
            if let Some(items) = self.table.fleets.get_mut(id) {
                items.apply(fleet.design.raw.clone(), now);
                items.apply_template(version);
            }
        }
    }

    /// An instance that is not ours: of another installation with a fleet of the same name, or of nobody.
    fn launch_foreign(&mut self, fault: Fault, tagged: bool) -> Option<ghostnet_core::id::InstanceId> {
        let now = self.now;
        let like = self.any_machine(fault, |_| true)?;
        let like = self.cloud.ec2.machines.get(&like)?.clone();
        let installation = tagged.then(|| ghostnet_core::id::InstallationId::new("theirs"));
        let tags = if tagged { like.tags.clone() } else { Tags::default() };
        let few = self.cloud.ec2.machines.values().filter(|machine| machine.by_hand).count() < 40;
        few.then(|| self.cloud.ec2.launch_by_hand(&like, installation, tags, now))
    }

    /// Somebody sets an attribute in the console. What would make impossible what the spec names is left alone: nobody could
    /// put that right but the owner.
    fn set_attribute_by_hand(&mut self) {
        let now = self.now;
        let pools = self.fleets.values().flat_map(|fleet| &fleet.spec.pools);
        let groups: Vec<(TargetGroupArn, BTreeMap<Attribute, String>)> = pools
            .flat_map(|pool| {
                pool.target_groups
                    .iter()
                    .map(|group| (group.clone(), pool.balancing.attributes(None)))
            })
            .collect();
        let Some(chance) = self.faults.chance(Fault::ForeignAttribute) else {
            return;
        };
        let values = [
            (Attribute::Algorithm, "round_robin"),
            (Attribute::Algorithm, "least_outstanding_requests"),
            (Attribute::Algorithm, "weighted_random"),
            (Attribute::AnomalyMitigation, "on"),
            (Attribute::SlowStart, "60"),
            (Attribute::SlowStart, "0"),
            (Attribute::Stickiness, "true"),
            (Attribute::Stickiness, "false"),
            (Attribute::CrossZone, "false"),
            (Attribute::DeregistrationDelay, "20"),
            (Attribute::DeregistrationDelay, "240"),
            (Attribute::LbCookieDuration, "600"),
        ];
        let Some(((group, named), (attribute, value))) = chance.pick(&groups).cloned().zip(chance.pick(&values).copied()) else {
            return;
        };
        let harmless = matches!(attribute, Attribute::DeregistrationDelay | Attribute::LbCookieDuration);
        if (harmless || named.contains_key(&attribute))
            && let Some(group) = self.cloud.groups.get_mut(&group)
        {
            let set = BTreeMap::from([(attribute, value.to_owned())]);
            let taken = group.set(&set, false);
            self.log
                .line(now, || format!("somebody sets {attribute} to {value}, taken: {taken}"));
        }
    }

    fn launch_one_more_like_this(&mut self) {
        let (now, ours) = (self.now, self.installation.clone());
        let is_ours = |machine: &crate::cloud::ec2::Machine| machine.installation.as_ref() == Some(&ours) && machine.is_alive(now);
        let Some(like) = self.any_machine(Fault::HandLaunched, is_ours) else {
            return;
        };
        let Some(like) = self.cloud.ec2.machines.get(&like).cloned() else {
            return;
        };
        // the plan's tag is copied too, or the person leaves it out
        let copies_plan = self.lasting(Fault::HandLaunched, 0, 1) == 0;
        let tags = if copies_plan {
            like.tags.clone()
        } else {
            Tags {
                plan: None,
                step: None,
                ..like.tags.clone()
            }
        };
        let id = self.cloud.ec2.launch_by_hand(&like, like.installation.clone(), tags, now);
        self.log.line(now, || format!("somebody launches {id} like {}", like.id));
    }

    fn change_specs(&mut self) {
        let now = self.now;
        let ids: Vec<_> = self.fleets.keys().cloned().collect();
        for id in ids {
            let Some(fleet) = self.fleets.get_mut(&id) else { continue };
            let Some(chance) = self.faults.chance(Fault::SpecChanged) else {
                return;
            };
            let Some((raw, spec)) = other_bounds(&fleet.design.raw, fleet.design.size, chance) else {
                continue;
            };
            self.watch.spec_changed(&fleet.spec, now);
            fleet.spec = spec.clone();
            fleet.design.raw = raw.clone();
            if let Some(items) = self.table.fleets.get_mut(&id) {
                items.apply(raw, at(now));
            }
            self.add_services(&spec);
            self.log.line(now, || format!("{id} is applied with other bounds"));
        }
    }
}

fn other_bounds(raw: &RawFleetSpec, size: u32, chance: &mut Chance) -> Option<(RawFleetSpec, FleetSpec)> {
    let mut raw = raw.clone();
    let capacity = raw.defaults.as_mut()?.capacity.as_mut()?;
    let max = size + chance.count(0, size);
    capacity.max = Some(max);
    capacity.min = Some(chance.count(0, max.min(size)));
    capacity.initial = capacity.min;
    raw.maximum = None;
    let balancing = raw.defaults.as_mut().and_then(|defaults| defaults.balancing.as_mut());
    if let Some(delay) = balancing.and_then(|balancing| balancing.deregistration_delay.as_mut()) {
        *delay = RawDuration(if max.is_multiple_of(2) { "45s" } else { "75s" }.to_owned());
    }
    for cloud_map in raw.pools.iter_mut().filter_map(|pool| pool.cloud_map.as_mut()) {
        // clients are to find the pool elsewhere
        let moved = cloud_map.service.trim_end_matches("moved").to_owned();
        cloud_map.service = moved + if max.is_multiple_of(3) { "moved" } else { "" };
    }
    for policy in raw.policies.iter_mut().flatten() {
        if let ghostnet_core::spec::raw::RawPolicy::Scheduled(scheduled) = policy {
            scheduled.capacity.desired = scheduled.capacity.desired.map(|desired| desired.min(max));
            scheduled.capacity.min = scheduled.capacity.min.map(|min| min.min(max));
        }
    }
    let spec = FleetSpec::check(&raw).ok()?;
    Some((raw, spec))
}
