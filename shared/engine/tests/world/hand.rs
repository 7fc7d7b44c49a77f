//! An invocation's hand on the world: every port, each call behind a gate.

use super::*;

/// Where an invocation stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Before(usize),
    After(usize),
    /// The call takes effect, its answer never arrives, the invocation goes on.
    LoseReply(usize),
}

/// One invocation's view of the world.
pub struct Hand {
    pub world: Rc<RefCell<World>>,
    pub calls: Cell<usize>,
    stop: Cell<Option<Stop>>,
    waker: RefCell<Option<Waker>>,
}

impl Hand {
    pub fn new(world: &Rc<RefCell<World>>, stop: Option<Stop>) -> Self {
        Self {
            world: Rc::clone(world),
            calls: Cell::new(0),
            stop: Cell::new(stop),
            waker: RefCell::new(None),
        }
    }

    /// Lets a stopped invocation go on.
    pub fn release(&self) {
        self.stop.set(None);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// A port call: counted, stopped where the test wants it, its effect in one instant.
    async fn call<T>(&self, name: &'static str, effect: impl FnOnce(&mut World) -> Result<T, PortError>) -> Result<T, PortError> {
        let number = self.calls.get();
        self.calls.set(number + 1);
        self.wait_at(Stop::Before(number)).await;
        let result = {
            let mut world = self.world.borrow_mut();
            world.calls.push(name);
            effect(&mut world)
        };
        self.wait_at(Stop::After(number)).await;
        if self.stop.get() == Some(Stop::LoseReply(number)) {
            return Err(error(name, ErrorClass::Transient, "TimedOut"));
        }
        result
    }

    async fn wait_at(&self, here: Stop) {
        poll_fn(|context| {
            if self.stop.get() == Some(here) {
                *self.waker.borrow_mut() = Some(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }
}

fn error(call: &'static str, class: ErrorClass, code: &str) -> PortError {
    PortError {
        call,
        class,
        code: code.to_owned(),
        message: String::new(),
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        self.world.borrow().now
    }

    async fn wait(&self, time: std::time::Duration) {
        self.world.borrow_mut().now += jiff::SignedDuration::try_from(time).unwrap();
    }
}

impl Compute for Hand {
    async fn instances(&self, _: &Region, installation: &InstallationId) -> Result<Vec<ListedInstance>, PortError> {
        self.call("ec2:DescribeInstances", |world| {
            let now = world.now;
            let ours = world
                .instances
                .iter()
                .filter(|machine| machine.tags.get(tag::INSTALLATION).map(String::as_str) == Some(installation.as_str()));
            let listed = ours
                .filter(|machine| now >= LIST_LAG.after(machine.launched_at))
                .map(|machine| ListedInstance {
                    fleet: machine.tags.get(tag::FLEET).and_then(|fleet| fleet.parse().ok()),
                    instance: Instance {
                        id: machine.id.clone(),
                        state: machine.state(now),
                        zone: machine.zone.clone(),
                        instance_type: InstanceType::new("c7a.large"),
                        market: Market::OnDemand,
                        launched_at: machine.launched_at,
                        pool: machine.tags.get(tag::POOL).and_then(|pool| pool.parse().ok()),
                        plan: machine.tags.get(tag::PLAN).map(PlanId::new),
                        step: machine.tags.get(tag::STEP).and_then(|step| step.parse().ok()).map(StepNumber),
                        protected: false,
                        word: Word::of(|key| machine.tags.get(key).map(String::as_str)),
                        template: None,
                        address: Some(Ipv4Addr::new(10, 0, 0, 1)),
                    },
                    tag_keys: machine.tags.keys().map(|key| (*key).to_owned()).collect(),
                });
            Ok(listed.collect())
        })
        .await
    }

    async fn impaired(&self, _: &Region) -> Result<BTreeMap<InstanceId, Timestamp>, PortError> {
        self.call("ec2:DescribeInstanceStatus", |world| Ok(world.impaired.clone())).await
    }

    async fn create_fleet(
        &self,
        region: &Region,
        launch: &Launch,
        _: &Choice,
        tags: &[(&'static str, String)],
    ) -> Result<FleetAnswer, PortError> {
        let instances = self.launch(region, launch, tags).await?;
        Ok(FleetAnswer {
            instances,
            refused: Vec::new(),
        })
    }

    async fn launch(&self, _: &Region, launch: &Launch, tags: &[(&'static str, String)]) -> Result<Vec<InstanceId>, PortError> {
        self.call("ec2:RunInstances", |world| {
            if let Some((first, instances)) = world.tokens.get(launch.token.as_str()) {
                return if first == launch {
                    Ok(instances.clone())
                } else {
                    Err(error("ec2:RunInstances", ErrorClass::Token, "IdempotentParameterMismatch"))
                };
            }
            if world.dry.contains(&launch.place.zone) {
                return Err(error("ec2:RunInstances", ErrorClass::NoCapacity, "InsufficientInstanceCapacity"));
            }
            if let (Some(_), Some((class, code))) = (&launch.offering.reservation, world.reservations) {
                return Err(error("ec2:RunInstances", class, code));
            }
            let mut instances = Vec::new();
            for _ in 0..launch.count {
                let id = InstanceId::new(format!("i-{:017x}", world.instances.len() + 1));
                let tags = tags.iter().cloned().collect();
                world.instances.push(Machine {
                    id: id.clone(),
                    launched_at: world.now,
                    terminated_at: None,
                    stopped_at: None,
                    zone: launch.place.zone.clone(),
                    tags,
                });
                instances.push(id);
            }
            world.peak = world.peak.max(world.alive().len());
            world
                .tokens
                .insert(launch.token.as_str().to_owned(), (launch.clone(), instances.clone()));
            Ok(instances)
        })
        .await
    }

    async fn start(&self, _: &Region, instances: &[InstanceId]) -> Result<BTreeMap<InstanceId, String>, PortError> {
        self.call("ec2:StartInstances", |world| {
            let (now, dry) = (world.now, world.dry.clone());
            let named = world.instances.iter_mut().filter(|machine| instances.contains(&machine.id));
            let mut failed = BTreeMap::new();
            for machine in named {
                match machine.state(now) {
                    InstanceState::Stopped if dry.contains(&machine.zone) => {
                        return Err(error("ec2:StartInstances", ErrorClass::NoCapacity, "InsufficientInstanceCapacity"));
                    }
                    InstanceState::Stopped => (machine.stopped_at, machine.launched_at) = (None, now),
                    InstanceState::Pending | InstanceState::Running => {}
                    _ => drop(failed.insert(machine.id.clone(), "IncorrectInstanceState".to_owned())),
                }
            }
            world.peak = world.peak.max(world.alive().len());
            Ok(failed)
        })
        .await
    }

    async fn stop(&self, _: &Region, instances: &[InstanceId], _: bool) -> Result<BTreeMap<InstanceId, String>, PortError> {
        self.call("ec2:StopInstances", |world| {
            let now = world.now;
            for machine in world.instances.iter_mut().filter(|machine| instances.contains(&machine.id)) {
                machine.stopped_at.get_or_insert(now);
            }
            Ok(BTreeMap::new())
        })
        .await
    }

    async fn tell(&self, _: &Region, instances: &[InstanceId], told: Told) -> Result<(), PortError> {
        self.call("ec2:CreateTags", |world| {
            let answers = world.workers_answer && told == Told::Draining;
            for machine in world.instances.iter_mut().filter(|machine| instances.contains(&machine.id)) {
                machine.tags.insert(tag::STATE, told.as_str().to_owned());
                machine.tags.extend(answers.then(|| (tag::DRAINED, "true".to_owned())));
            }
            Ok(())
        })
        .await
    }

    async fn terminate(&self, _: &Region, instances: &[InstanceId]) -> Result<BTreeMap<InstanceId, String>, PortError> {
        self.call("ec2:TerminateInstances", |world| {
            let now = world.now;
            world.operate();
            let found: Vec<_> = instances.iter().filter(|id| world.found.contains(*id)).cloned().collect();
            world.ended_while_found.extend(found);
            let mut missing: BTreeSet<_> = instances.iter().cloned().collect();
            let named = world.instances.iter_mut().filter(|machine| instances.contains(&machine.id));
            for machine in named.filter(|machine| !world.unfound.contains(&machine.id)) {
                machine.terminated_at.get_or_insert(now);
                missing.remove(&machine.id);
            }
            if missing.is_empty() {
                return Ok(BTreeMap::new());
            }
            Err(error("ec2:TerminateInstances", ErrorClass::NotFound, "InvalidInstanceID.NotFound"))
        })
        .await
    }
}

impl LoadBalancer for Hand {
    async fn targets(&self, _: &Region, _: &TargetGroupArn) -> Result<Vec<Target>, PortError> {
        self.call("elasticloadbalancing:DescribeTargetHealth", |world| {
            let target = |(id, target): (&InstanceId, &Registration)| {
                Some(Target {
                    instance: id.clone(),
                    health: world.health(id, target)?,
                    shifted: false,
                })
            };
            Ok(world.targets.iter().filter_map(target).collect())
        })
        .await
    }

    async fn register(&self, _: &Region, _: &TargetGroupArn, instances: &[InstanceId]) -> Result<(), PortError> {
        self.call("elasticloadbalancing:RegisterTargets", |world| {
            let running = |id: &InstanceId| {
                world
                    .instances
                    .iter()
                    .any(|machine| machine.id == *id && machine.state(world.now) == InstanceState::Running)
            };
            if !instances.iter().all(running) {
                return Err(error("elasticloadbalancing:RegisterTargets", ErrorClass::Invalid, "InvalidTarget"));
            }
            for id in instances {
                let again = world.targets.get(id).is_some_and(|target| target.deregistered_at.is_none());
                if !again {
                    world.targets.insert(
                        id.clone(),
                        Registration {
                            since: world.now,
                            deregistered_at: None,
                        },
                    );
                }
            }
            Ok(())
        })
        .await
    }

    async fn deregister(&self, _: &Region, _: &TargetGroupArn, instances: &[InstanceId]) -> Result<(), PortError> {
        self.call("elasticloadbalancing:DeregisterTargets", |world| {
            let now = world.now;
            for id in instances {
                if let Some(target) = world.targets.get_mut(id) {
                    target.deregistered_at.get_or_insert(now);
                }
            }
            Ok(())
        })
        .await
    }

    async fn group_attributes(&self, _: &Region, _: &TargetGroupArn) -> Result<BTreeMap<Attribute, String>, PortError> {
        self.call("elasticloadbalancing:DescribeTargetGroupAttributes", |world| {
            Ok(world.attributes.clone())
        })
        .await
    }

    async fn set_group_attributes(
        &self,
        _: &Region,
        _: &TargetGroupArn,
        attributes: &BTreeMap<Attribute, String>,
    ) -> Result<(), PortError> {
        self.call("elasticloadbalancing:ModifyTargetGroupAttributes", |world| {
            world.attributes.extend(attributes.clone());
            Ok(())
        })
        .await
    }
}

/// From a call to Cloud Map until it is done.
pub const OPERATION: Seconds = Seconds(5);

impl Discovery for Hand {
    async fn registrations(
        &self,
        _: &Region,
        _: &ServiceId,
        installation: &InstallationId,
    ) -> Result<Vec<ghostnet_core::observation::Registration>, PortError> {
        assert_eq!(installation.as_str(), "test-installation");
        self.call("servicediscovery:ListInstances", |world| {
            world.operate();
            let listed = |id: &InstanceId| ghostnet_core::observation::Registration {
                instance: id.clone(),
                by: Some(Registrar {
                    fleet: "web".parse().unwrap(),
                    pool: "blue".parse().unwrap(),
                }),
                address: Some(Ipv4Addr::new(10, 0, 0, 1)),
                port: None,
            };
            Ok(world.found.iter().map(listed).collect())
        })
        .await
    }

    async fn announce(&self, _: &Region, _: &ServiceId, announced: &Announced<'_>) -> Result<(), PortError> {
        self.call("servicediscovery:RegisterInstance", |world| {
            let done = OPERATION.after(world.now);
            world.operations.push((done, announced.instance.clone(), true));
            Ok(())
        })
        .await
    }

    async fn withdraw(&self, _: &Region, _: &ServiceId, instance: &InstanceId) -> Result<(), PortError> {
        self.call("servicediscovery:DeregisterInstance", |world| {
            let done = OPERATION.after(world.now);
            world.operations.push((done, instance.clone(), false));
            Ok(())
        })
        .await
    }
}

impl Metrics for Hand {
    async fn series(&self, _: &Region, queries: &[MetricQuery], now: Timestamp) -> Result<Vec<Series>, PortError> {
        self.call("cloudwatch:GetMetricData", |world| {
            world.asked = queries.iter().map(|query| query.points).collect();
            let healthy = u32::try_from(world.healthy()).unwrap();
            let at = Timestamp::from_second(now.as_second().div_euclid(60) * 60 - 60).unwrap();
            let value = Finite::new(world.load / f64::from(healthy));
            let point = value
                .filter(|_| healthy > 0 && !world.metric_is_missing)
                .map(|value| Datapoint { at, value });
            let series = |points| Series::Points {
                points,
                period: Seconds(60),
                partial: false,
                incomplete: Vec::new(),
            };
            let errors = |query: &MetricQuery, stat: &Stat| {
                let own = |id: &&InstanceId| stat.dimensions.get("InstanceId").is_some_and(|named| named == id.as_str());
                let value = world
                    .errors
                    .keys()
                    .find(own)
                    .and_then(|id| world.errors.get(id))
                    .copied()
                    .unwrap_or(1.0);
                let minutes = 0..i64::from(query.points);
                let point = |minute| Datapoint {
                    at: at - jiff::SignedDuration::from_mins(minute),
                    value: Finite::new(value).unwrap(),
                };
                series(minutes.map(point).collect())
            };
            let demand = |query: &MetricQuery| {
                let minutes = 0..i64::from(query.points);
                let point = |minute| {
                    let at = at - jiff::SignedDuration::from_mins(minute);
                    let value = Finite::new(world.demand?(at))?;
                    Some(Datapoint { at, value })
                };
                series(if world.metric_is_missing {
                    Vec::new()
                } else {
                    minutes.filter_map(point).collect()
                })
            };
            let answer = |query: &MetricQuery| match &query.shape {
                QueryShape::Stat(stat) if stat.name == "JobErrors" => errors(query, stat),
                QueryShape::Stat(stat) if stat.name == "RequestCount" && world.demand.is_some() => demand(query),
                _ => series(point.into_iter().collect()),
            };
            Ok(queries.iter().map(answer).collect())
        })
        .await
    }

    async fn alarm_states(&self, _: &Region, alarms: &[AlarmName]) -> Result<BTreeMap<AlarmName, AlarmState>, PortError> {
        self.call("cloudwatch:DescribeAlarms", |_| {
            Ok(alarms.iter().map(|alarm| (alarm.clone(), AlarmState::Ok)).collect())
        })
        .await
    }

    async fn publish(&self, _: &Region, _: &[PublishedValue]) -> Result<(), PortError> {
        self.call("cloudwatch:PutMetricData", |_| Ok(())).await
    }
}

impl Store for Hand {
    async fn claim(&self, installation: &InstallationId, _: Timestamp) -> Result<InstallationId, PortError> {
        Ok(installation.clone())
    }

    async fn fleets(&self) -> Result<Vec<FleetEntry>, PortError> {
        self.call("dynamodb:Query", |world| {
            let entry = |fleet: &FleetId| FleetEntry {
                fleet: fleet.clone(),
                alarms: Vec::new(),
                fails_over: false,
                evaluated_at: world.table.evaluated.get(fleet).copied(),
            };
            Ok(world.table.specs.keys().map(entry).collect())
        })
        .await
    }

    async fn load(&self, fleets: &[FleetId]) -> Result<BTreeMap<FleetId, Result<Loaded, PortError>>, PortError> {
        self.call("dynamodb:BatchGetItem", |world| {
            let table = &world.table;
            let loaded = |fleet: &FleetId| {
                let loaded = Loaded {
                    spec: table.specs.get(fleet)?.clone(),
                    state: table.states.get(fleet).map(|(state, _)| state.clone()),
                    outcomes: table.outcomes.get(fleet).cloned().unwrap_or_default(),
                    traffic: table.traffic.get(fleet).cloned(),
                };
                Some((fleet.clone(), Ok(loaded)))
            };
            Ok(fleets.iter().filter_map(loaded).collect())
        })
        .await
    }

    async fn commit(&self, commit: &Commit) -> Result<CommitResult, PortError> {
        self.call("dynamodb:TransactWriteItems", |world| {
            let table = &mut world.table;
            let stored = table.states.get(&commit.fleet);
            if stored.is_some_and(|(_, writer)| *writer == commit.writer) {
                return Ok(CommitResult::Committed);
            }
            let unmoved = stored.map(|(state, _)| state.generation) == commit.read_generation
                && table.specs.get(&commit.fleet).map(|spec| spec.version) == Some(commit.read_spec)
                && table.traffic.get(&commit.fleet).map(|traffic| traffic.epoch) == Some(commit.read_epoch);
            if !unmoved {
                return Ok(CommitResult::Conflict);
            }
            // as the real table does: what is stored went through text
            let text = serde_json::to_string(&commit.state).unwrap();
            table
                .states
                .insert(commit.fleet.clone(), (serde_json::from_str(&text).unwrap(), commit.writer.clone()));
            let outcomes = table.outcomes.entry(commit.fleet.clone()).or_default();
            outcomes.retain(|step, _| !commit.merged.contains(step));
            table.records.insert(commit.record.id.clone(), commit.record.clone());
            Ok(CommitResult::Committed)
        })
        .await
    }

    async fn record_outcomes(
        &self,
        fleet: &FleetId,
        record: &PlanId,
        outcomes: &BTreeMap<StepId, RecordedOutcome>,
    ) -> Result<(), PortError> {
        self.call("dynamodb:UpdateItem", |world| {
            world.table.outcomes.entry(fleet.clone()).or_default().extend(outcomes.clone());
            if let Some(record) = world.table.records.get_mut(record) {
                record.outcomes.extend(outcomes.clone());
            }
            Ok(())
        })
        .await
    }

    async fn note_looks(&self, looks: &[Look]) -> Result<(), PortError> {
        self.call("dynamodb:TransactWriteItems", |world| {
            for look in looks {
                world.table.evaluated.insert(look.fleet.clone(), look.at);
                if let Some(record) = look.hold.as_ref().and_then(|hold| world.table.records.get_mut(hold)) {
                    record.count += 1;
                    record.until = look.at;
                }
            }
            Ok(())
        })
        .await
    }

    async fn record(&self, record: &DecisionRecord) -> Result<(), PortError> {
        self.call("dynamodb:PutItem", |world| {
            world.table.records.insert(record.id.clone(), record.clone());
            Ok(())
        })
        .await
    }

    async fn recorded_plans(&self, _: &FleetId, plans: &BTreeSet<PlanId>) -> Result<BTreeSet<PlanId>, PortError> {
        self.call("dynamodb:BatchGetItem", |world| {
            Ok(plans
                .iter()
                .filter(|plan| world.table.records.contains_key(*plan))
                .cloned()
                .collect())
        })
        .await
    }

    async fn exhausted(&self, _: &Region, now: Timestamp) -> Result<Vec<ExhaustedOffering>, PortError> {
        self.call("dynamodb:Query", |world| {
            Ok(world
                .table
                .exhausted
                .iter()
                .filter(|offering| offering.until > now)
                .cloned()
                .collect())
        })
        .await
    }

    async fn note_exhausted(&self, _: &Region, offering: &Offering, now: Timestamp) -> Result<(), PortError> {
        self.call("dynamodb:UpdateItem", |world| {
            world.table.exhausted.push(ExhaustedOffering {
                offering: offering.clone(),
                until: Seconds::minutes(3).after(now),
            });
            Ok(())
        })
        .await
    }

    async fn note_alarm(&self, _: &str, _: Timestamp) -> Result<bool, PortError> {
        Ok(true)
    }

    async fn forecasts(&self, fleets: &[FleetId]) -> Result<BTreeMap<FleetId, Forecast>, PortError> {
        self.call("dynamodb:BatchGetItem", |world| {
            let forecast = |fleet: &FleetId| Some((fleet.clone(), world.table.forecasts.get(fleet)?.clone()));
            Ok(fleets.iter().filter_map(forecast).collect())
        })
        .await
    }
}

impl ForecastStore for Hand {
    async fn memories(&self, loads: &[LoadId]) -> Result<BTreeMap<LoadId, Memory>, PortError> {
        self.call("dynamodb:BatchGetItem", |world| {
            let memory = |load: &LoadId| Some((load.clone(), world.table.memories.get(load)?.clone()));
            Ok(loads.iter().filter_map(memory).collect())
        })
        .await
    }

    async fn keep_forecast(&self, fleet: &FleetId, forecast: &Forecast, _: Timestamp) -> Result<CommitResult, PortError> {
        self.call("dynamodb:PutItem", |world| {
            let stored = world.table.forecasts.get(fleet).map_or(0, |stored| stored.version);
            if forecast.version != stored + 1 {
                return Ok(CommitResult::Conflict);
            }
            world.table.forecasts.insert(fleet.clone(), forecast.clone());
            Ok(CommitResult::Committed)
        })
        .await
    }

    async fn keep_memories(&self, memories: &BTreeMap<LoadId, Memory>, _: Timestamp) -> Result<(), PortError> {
        self.call("dynamodb:PutItem", |world| {
            world.table.memories.extend(memories.clone());
            Ok(())
        })
        .await
    }
}
