//! EC2: lists our instances, launches, starts, stops and terminates them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_sdk_ec2::config::Builder as ConfigOverride;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    CapacityReservationPreference, CapacityReservationSpecification, CapacityReservationTarget, Filter, Instance as Ec2Instance,
    InstanceLifecycleType, InstanceMarketOptionsRequest, InstanceStateName, InstanceType as Ec2Type, LaunchTemplateSpecification,
    LaunchTemplateVersion, MarketType, ResourceType, Tag, TagSpecification,
};
use futures::StreamExt;
use ghostnet_core::id::{InstallationId, InstanceId, InstanceType, PlanId, Region, StepNumber, SubnetId, Zone};
use ghostnet_core::observation::{Instance, InstanceState, Market, Told, Word, tag};
use ghostnet_core::plan::{Choice, Launch, STEP_SECONDS_MAX};
use ghostnet_core::spec::{Reservation, Template, TemplateKey, TemplateVersion};
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::port::{Compute, FleetAnswer, ListedInstance};
use jiff::Timestamp;

use crate::Aws;
use crate::clients::ATTEMPT_SECONDS_MAX;
use crate::error::{code, incomplete, own, port_error, too_many_pages};

/// Instances per page, the most that EC2 gives.
const PAGE_SIZE: i32 = 1_000;
/// Pages of one listing: with fewer instances on a page than asked for, still more than a thousand full fleets of ten.
const PAGES_MAX: usize = 100;
/// Calls that run at once when a batch has to be taken apart.
const ISOLATED_AT_ONCE: usize = 8;

/// Attempts of a launch, the first included; all with the same token.
const LAUNCH_ATTEMPTS_MAX: u32 = 3;
/// Wait before the second attempt of a launch; doubles.
const LAUNCH_WAIT: Duration = Duration::from_millis(200);

// three attempts, and the waits between them with their spread, are one step
const _: () = assert!(ATTEMPT_SECONDS_MAX * LAUNCH_ATTEMPTS_MAX as u64 + 2 <= STEP_SECONDS_MAX.0 as u64);

const DESCRIBE: &str = "ec2:DescribeInstances";
pub(crate) const RUN: &str = "ec2:RunInstances";
pub(crate) const START: &str = "ec2:StartInstances";
pub(crate) const STOP: &str = "ec2:StopInstances";
pub(crate) const TAG: &str = "ec2:CreateTags";
pub(crate) const TERMINATE: &str = "ec2:TerminateInstances";
const SUBNETS: &str = "ec2:DescribeSubnets";
const VERSIONS: &str = "ec2:DescribeLaunchTemplateVersions";

/// What a spec needs to know about a launch template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateFacts {
    /// The version that `$Default` or `$Latest` stands for now; none if EC2 does not say.
    pub version: Option<TemplateVersion>,
    /// Its instance type, if it names one.
    pub instance_type: Option<InstanceType>,
    /// Whether it has network interfaces: then no subnet can be chosen at launch, and EC2 refuses every launch.
    pub has_network_interfaces: bool,
    /// Whether it asks for spot capacity.
    pub is_spot: bool,
    /// Whether its instances may run in capacity reservations only.
    pub is_reserved: bool,
}

impl Compute for Aws {
    async fn instances(&self, region: &Region, installation: &InstallationId) -> Result<Vec<ListedInstance>, PortError> {
        let ours = Filter::builder()
            .name(format!("tag:{}", tag::INSTALLATION))
            .values(installation.as_str())
            .build();
        let request = self.clients(region).ec2.describe_instances().filters(ours).max_results(PAGE_SIZE);
        let mut pages = request.into_paginator().send();
        let mut listed = Vec::new();
        let mut pages_read = 0;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| port_error(DESCRIBE, error))?;
            for instance in page.reservations().iter().flat_map(|reservation| reservation.instances()) {
                listed.push(listed_instance(instance)?);
            }
            pages_read += 1;
            if pages_read == PAGES_MAX && page.next_token().is_some() {
                return Err(too_many_pages(DESCRIBE, PAGES_MAX));
            }
        }
        Ok(listed)
    }

    async fn impaired(&self, region: &Region) -> Result<BTreeMap<InstanceId, Timestamp>, PortError> {
        self.failing_checks(region).await
    }

    async fn launch(&self, region: &Region, launch: &Launch, tags: &[(&'static str, String)]) -> Result<Vec<InstanceId>, PortError> {
        repeated(launch, || self.launch_once(region, launch, tags)).await
    }

    async fn create_fleet(
        &self,
        region: &Region,
        launch: &Launch,
        choice: &Choice,
        tags: &[(&'static str, String)],
    ) -> Result<FleetAnswer, PortError> {
        repeated(launch, || self.create_fleet_once(region, launch, choice, tags)).await
    }

    async fn start(&self, region: &Region, instances: &[InstanceId]) -> Result<BTreeMap<InstanceId, String>, PortError> {
        within_a_step(START, self.all_or_each(region, Batch::Start, instances)).await
    }

    async fn stop(&self, region: &Region, instances: &[InstanceId], hibernate: bool) -> Result<BTreeMap<InstanceId, String>, PortError> {
        within_a_step(STOP, self.all_or_each(region, Batch::Stop { hibernate }, instances)).await
    }

    async fn tell(&self, region: &Region, instances: &[InstanceId], told: Told) -> Result<(), PortError> {
        let state = Tag::builder().key(tag::STATE).value(told.as_str()).build();
        let request = self
            .clients(region)
            .ec2
            .create_tags()
            .set_resources(Some(instances.iter().map(ToString::to_string).collect()))
            .tags(state);
        // one attempt, no second: a late repetition could say the opposite of what was decided meanwhile
        let once = ConfigOverride::new().retry_config(RetryConfig::disabled());
        let answer = request.customize().config_override(once).send().await;
        answer.map(|_| ()).map_err(|error| port_error(TAG, error))
    }

    async fn terminate(&self, region: &Region, instances: &[InstanceId]) -> Result<BTreeMap<InstanceId, String>, PortError> {
        within_a_step(TERMINATE, self.all_or_each(region, Batch::Terminate, instances)).await
    }
}

/// A call about many instances, which one bad id fails for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Batch {
    Start,
    Stop { hibernate: bool },
    Terminate,
}

/// The batch and what follows it are one step, which ends before anybody else may take it over.
pub(crate) async fn within_a_step<T>(call: &'static str, work: impl Future<Output = Result<T, PortError>>) -> Result<T, PortError> {
    let limit = Duration::from_secs(u64::from(STEP_SECONDS_MAX.0)).saturating_sub(Duration::from_secs(1));
    let timed_out = || own(call, ErrorClass::Transient, code::TIMEOUT, "the step ran out of time");
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(timed_out()))
}

impl Aws {
    /// The zones of these subnets; one that does not exist is absent.
    ///
    /// # Errors
    /// EC2 does not answer, or not wholly.
    pub async fn zones(&self, region: &Region, subnets: &[SubnetId]) -> Result<BTreeMap<SubnetId, Zone>, PortError> {
        if subnets.is_empty() {
            return Ok(BTreeMap::new());
        }
        // a filter, because one unknown id in the list of ids would fail the whole call
        let wanted = subnets.iter().map(ToString::to_string).collect();
        let filter = Filter::builder().name("subnet-id").set_values(Some(wanted)).build();
        let mut pages = self.clients(region).ec2.describe_subnets().filters(filter).into_paginator().send();
        let mut zones = BTreeMap::new();
        while let Some(page) = pages.next().await {
            for subnet in page.map_err(|error| port_error(SUBNETS, error))?.subnets() {
                if let (Some(id), Some(zone)) = (subnet.subnet_id(), subnet.availability_zone()) {
                    zones.insert(SubnetId::new(id), Zone::new(zone));
                }
            }
        }
        Ok(zones)
    }

    /// A launch template's version; none if there is no such template or version.
    ///
    /// # Errors
    /// EC2 does not answer.
    pub async fn launch_template(&self, region: &Region, template: &Template) -> Result<Option<TemplateFacts>, PortError> {
        let request = self
            .clients(region)
            .ec2
            .describe_launch_template_versions()
            .versions(&template.version);
        let request = match &template.key {
            TemplateKey::Id(id) => request.launch_template_id(id),
            TemplateKey::Name(name) => request.launch_template_name(name),
        };
        match request.send().await.map_err(|error| port_error(VERSIONS, error)) {
            Ok(answer) => Ok(answer.launch_template_versions().first().map(template_facts)),
            // `InvalidLaunchTemplateName.NotFoundException` and its kin are the spec's fault, not a failure of the look-up
            Err(error) if error.code.contains("NotFound") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One attempt, without the SDK's own: of those only the last one's error is told, and a refusal after a time-out would
    /// hide that the launch may have happened.
    async fn launch_once(&self, region: &Region, launch: &Launch, tags: &[(&'static str, String)]) -> Result<Vec<InstanceId>, PortError> {
        let request = run_instances(self.clients(region).ec2.run_instances(), launch, tags);
        let once = ConfigOverride::new().retry_config(RetryConfig::disabled());
        let answer = request.customize().config_override(once).send().await;
        let answer = answer.map_err(|error| port_error(RUN, error))?;
        let ids: Option<Vec<_>> = answer
            .instances()
            .iter()
            .map(|instance| instance.instance_id().map(InstanceId::new))
            .collect();
        // with a minimum of one, success without an instance cannot be: what happened is unknown
        ids.filter(|ids| !ids.is_empty())
            .ok_or_else(|| incomplete(RUN, "success, but no instance id"))
    }

    async fn all_or_each(
        &self,
        region: &Region,
        batch: Batch,
        instances: &[InstanceId],
    ) -> Result<BTreeMap<InstanceId, String>, PortError> {
        match (self.send_batch(region, batch, instances).await, instances) {
            (Ok(()), _) => Ok(BTreeMap::new()),
            (Err(error), [_, _, ..]) if batch.is_about_an_instance(error.class) => self.one_by_one(region, batch, instances).await,
            (Err(error), [id]) if batch.is_about_an_instance(error.class) => batch.came_to(1, [(id.clone(), error)].into()),
            (Err(error), _) => Err(error),
        }
    }

    /// Each alone.
    async fn one_by_one(&self, region: &Region, batch: Batch, instances: &[InstanceId]) -> Result<BTreeMap<InstanceId, String>, PortError> {
        let each = instances.iter().map(|id| async move {
            let answer = self.send_batch(region, batch, std::slice::from_ref(id)).await;
            answer.err().map(|error| (id.clone(), error))
        });
        let failed = futures::stream::iter(each)
            .buffer_unordered(ISOLATED_AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await;
        batch.came_to(instances.len(), failed)
    }

    async fn send_batch(&self, region: &Region, batch: Batch, instances: &[InstanceId]) -> Result<(), PortError> {
        let ids = Some(instances.iter().map(ToString::to_string).collect());
        let ec2 = &self.clients(region).ec2;
        // one attempt, no second: a late stop could undo a start that somebody decided in the meantime, and of several attempts
        // only the last one's error would be told
        let once = || ConfigOverride::new().retry_config(RetryConfig::disabled());
        match batch {
            Batch::Start => {
                let request = ec2.start_instances().set_instance_ids(ids).customize().config_override(once());
                request.send().await.map(|_| ()).map_err(|error| port_error(START, error))
            }
            Batch::Stop { hibernate } => {
                let request = ec2.stop_instances().set_instance_ids(ids).set_hibernate(hibernate.then_some(true));
                let answer = request.customize().config_override(once()).send().await;
                answer.map(|_| ()).map_err(|error| port_error(STOP, error))
            }
            Batch::Terminate => {
                let answer = ec2.terminate_instances().set_instance_ids(ids).send().await;
                answer.map(|_| ()).map_err(|error| port_error(TERMINATE, error))
            }
        }
    }
}

/// A launch, tried again with the same token while that makes sense.
async fn repeated<T, F: Future<Output = Result<T, PortError>>>(launch: &Launch, once: impl Fn() -> F) -> Result<T, PortError> {
    let mut unknown = false;
    let mut attempt = 1;
    loop {
        let error = match once().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        unknown |= error.class == ErrorClass::Transient;
        if !error.is_retryable() || attempt == LAUNCH_ATTEMPTS_MAX {
            return Err(if unknown { error.of_launch_after_unknown() } else { error });
        }
        #[expect(clippy::disallowed_methods, reason = "a moment between attempts, within the step's time")]
        tokio::time::sleep(launch_wait(launch, attempt)).await;
        attempt += 1;
    }
}

/// Doubling waits, moved apart by the launch's token: fleets that ask in the same second must not ask again in the same one.
fn launch_wait(launch: &Launch, attempt: u32) -> Duration {
    let spread = launch.token.as_str().bytes().fold(0_u8, u8::wrapping_add);
    let doubled = LAUNCH_WAIT.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.saturating_add(Duration::from_millis(u64::from(spread)))
}

impl Batch {
    /// Whether one instance of a batch can be the cause: an unknown or protected one, one whose tags or state forbid it, or, of those
    /// to be started, the one for which there is no room any more, fails all.
    fn is_about_an_instance(self, class: ErrorClass) -> bool {
        match class {
            ErrorClass::NotFound | ErrorClass::Denied | ErrorClass::Invalid => true,
            ErrorClass::NoCapacity => self == Self::Start,
            _ => false,
        }
    }

    /// The failed ones of so many with their codes. An error if nobody can know what became of one of them, or if none had a chance
    /// for want of capacity.
    fn came_to(self, asked: usize, failed: BTreeMap<InstanceId, PortError>) -> Result<BTreeMap<InstanceId, String>, PortError> {
        let lacked = failed.len() == asked && failed.values().all(|error| error.class == ErrorClass::NoCapacity);
        match failed.values().find(|error| lacked || !self.is_answered_by(error.class)) {
            Some(error) => Err(error.clone()),
            None => Ok(failed.into_iter().map(|(id, error)| (id, error.code)).collect()),
        }
    }

    /// Whether an error about one instance says what became of it. A terminate is attempted several times and must happen: only a
    /// refusal ends it. `NotFound` is none, because EC2 says it of one that runs, too, for minutes after its launch.
    fn is_answered_by(self, class: ErrorClass) -> bool {
        match self {
            Self::Start | Self::Stop { .. } => class != ErrorClass::Transient,
            Self::Terminate => matches!(class, ErrorClass::Denied | ErrorClass::Invalid),
        }
    }
}

pub(crate) fn run_instances(
    request: RunInstancesFluentBuilder,
    launch: &Launch,
    tags: &[(&'static str, String)],
) -> RunInstancesFluentBuilder {
    let template = LaunchTemplateSpecification::builder().version(&launch.template.version);
    let template = match &launch.template.key {
        TemplateKey::Id(id) => template.launch_template_id(id),
        TemplateKey::Name(name) => template.launch_template_name(name),
    };
    request
        // as many as there are: a partial launch is a normal answer
        .min_count(1)
        .max_count(i32::try_from(launch.count).unwrap_or(i32::MAX))
        .client_token(launch.token.as_str())
        .launch_template(template.build())
        .subnet_id(launch.place.subnet.as_str())
        .set_instance_market_options(market_options(launch.offering.market))
        .set_capacity_reservation_specification(launch.offering.reservation.as_ref().map(reserved))
        .set_instance_type(launch.offering.instance_type.as_ref().map(|name| Ec2Type::from(name.as_str())))
        // tags come with the launch: a tag set afterwards leaves a moment in which an instance belongs to nobody
        .tag_specifications(tagged(ResourceType::Instance, tags))
        .tag_specifications(tagged(ResourceType::Volume, tags))
}

/// A spot request for once, which AWS terminates when it takes the capacity back: EC2's defaults. On demand is what the
/// template says, because a launch cannot take spot out of it.
fn market_options(market: Market) -> Option<InstanceMarketOptionsRequest> {
    match market {
        Market::Reserved | Market::OnDemand => None,
        Market::Spot => Some(InstanceMarketOptionsRequest::builder().market_type(MarketType::Spot).build()),
    }
}

/// In a reservation or not at all: whether to launch without one is decided by the next look, and on record.
fn reserved(reservation: &Reservation) -> CapacityReservationSpecification {
    let specification = CapacityReservationSpecification::builder();
    let target = CapacityReservationTarget::builder();
    let target = match reservation {
        Reservation::Open => {
            return specification
                .capacity_reservation_preference(CapacityReservationPreference::CapacityReservationsOnly)
                .build();
        }
        Reservation::Id(id) => target.capacity_reservation_id(id),
        Reservation::Group(arn) => target.capacity_reservation_resource_group_arn(arn),
    };
    specification.capacity_reservation_target(target.build()).build()
}

/// How EC2 says that an instance was bought. Any other lifecycle, as that of a capacity block, is not taken back; what may run in a
/// reservation only is bound to it for as long as it exists, whether it was launched by us or not.
fn market_of(ec2: &Ec2Instance) -> Market {
    let specification = ec2.capacity_reservation_specification();
    let is_bound = specification.is_some_and(|specification| {
        let has_target = specification.capacity_reservation_target().is_some();
        has_target || is_only(specification.capacity_reservation_preference())
    });
    match ec2.instance_lifecycle() {
        Some(InstanceLifecycleType::Spot) => Market::Spot,
        _ if is_bound => Market::Reserved,
        _ => Market::OnDemand,
    }
}

fn is_only(preference: Option<&CapacityReservationPreference>) -> bool {
    preference == Some(&CapacityReservationPreference::CapacityReservationsOnly)
}

fn template_facts(version: &LaunchTemplateVersion) -> TemplateFacts {
    let data = version.launch_template_data();
    let market = data
        .and_then(|data| data.instance_market_options())
        .and_then(|options| options.market_type());
    TemplateFacts {
        version: version
            .launch_template_id()
            .zip(version.version_number().and_then(|number| u64::try_from(number).ok()))
            .map(|(id, version)| TemplateVersion {
                id: id.to_owned(),
                version,
            }),
        instance_type: data
            .and_then(|data| data.instance_type())
            .map(|name| InstanceType::new(name.as_str())),
        has_network_interfaces: data.is_some_and(|data| !data.network_interfaces().is_empty()),
        is_spot: market == Some(&MarketType::Spot),
        is_reserved: data
            .and_then(|data| data.capacity_reservation_specification())
            .is_some_and(|specification| {
                let has_target = specification.capacity_reservation_target().is_some();
                has_target || is_only(specification.capacity_reservation_preference())
            }),
    }
}

pub(crate) fn tagged(resource: ResourceType, tags: &[(&'static str, String)]) -> TagSpecification {
    let tags = tags
        .iter()
        .map(|(key, value)| Tag::builder().key(*key).value(value).build())
        .collect();
    TagSpecification::builder().resource_type(resource).set_tags(Some(tags)).build()
}

/// Reads an instance. One that lacks what EC2 always says makes the whole listing unusable: leaving it out would turn a
/// gap of ours into its absence.
fn listed_instance(ec2: &Ec2Instance) -> Result<ListedInstance, PortError> {
    let id = ec2.instance_id().ok_or_else(|| incomplete(DESCRIBE, "an instance without id"))?;
    let missing = |what: &str| incomplete(DESCRIBE, &format!("{id} has no {what}"));
    let tags: BTreeMap<&str, &str> = ec2
        .tags()
        .iter()
        .filter_map(|tag| Some((tag.key()?, tag.value().unwrap_or_default())))
        .collect();
    let launched_at = ec2
        .launch_time()
        .and_then(|at| Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok());
    let instance = Instance {
        id: InstanceId::new(id),
        state: ec2
            .state()
            .and_then(|state| instance_state(state.name()?))
            .ok_or_else(|| missing("known state"))?,
        zone: Zone::new(
            ec2.placement()
                .and_then(|place| place.availability_zone())
                .ok_or_else(|| missing("zone"))?,
        ),
        instance_type: InstanceType::new(ec2.instance_type().ok_or_else(|| missing("type"))?.as_str()),
        market: market_of(ec2),
        launched_at: launched_at.ok_or_else(|| missing("launch time"))?,
        pool: tags.get(tag::POOL).and_then(|pool| pool.parse().ok()),
        plan: tags.get(tag::PLAN).map(|plan| PlanId::new(*plan)),
        step: tags.get(tag::STEP).and_then(|step| step.parse().ok()).map(StepNumber),
        protected: false,
        word: Word::of(|key| tags.get(key).copied()),
        template: TemplateVersion::of(|key| tags.get(key).copied()),
        address: ec2.private_ip_address().and_then(|address| address.parse().ok()),
    };
    let fleet = tags.get(tag::FLEET).and_then(|fleet| fleet.parse().ok());
    Ok(ListedInstance {
        fleet,
        instance,
        tag_keys: tags.keys().map(ToString::to_string).collect::<BTreeSet<_>>(),
    })
}

fn instance_state(name: &InstanceStateName) -> Option<InstanceState> {
    match name {
        InstanceStateName::Pending => Some(InstanceState::Pending),
        InstanceStateName::Running => Some(InstanceState::Running),
        InstanceStateName::ShuttingDown => Some(InstanceState::ShuttingDown),
        InstanceStateName::Terminated => Some(InstanceState::Terminated),
        InstanceStateName::Stopping => Some(InstanceState::Stopping),
        InstanceStateName::Stopped => Some(InstanceState::Stopped),
        _ => None,
    }
}
