//! CreateFleet of type instant: a launch of which AWS chooses the type, answered at once with instances and with an error for
//! each type that gave none. The fleet itself is only the envelope of the request: it replaces nobody and grows never.

use aws_config::retry::RetryConfig;
use aws_sdk_ec2::config::Builder as ConfigOverride;
use aws_sdk_ec2::operation::create_fleet::CreateFleetOutput;
use aws_sdk_ec2::operation::create_fleet::builders::CreateFleetFluentBuilder;
use aws_sdk_ec2::types::{
    CreateFleetError, DefaultTargetCapacityType, FleetLaunchTemplateConfigRequest, FleetLaunchTemplateOverridesRequest,
    FleetLaunchTemplateSpecificationRequest, FleetType, InstanceType as Ec2Type, ResourceType, SpotAllocationStrategy, SpotOptionsRequest,
    TargetCapacitySpecificationRequest,
};
use ghostnet_core::id::{InstanceId, InstanceType, Region};
use ghostnet_core::observation::{Market, Offering};
use ghostnet_core::plan::{Choice, Launch, Strategy};
use ghostnet_core::spec::TemplateKey;
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::port::{FleetAnswer, RefusedOffering};

use crate::Aws;
use crate::ec2::tagged;
use crate::error::{class_of_answer, incomplete, port_error, shortened};

pub(crate) const CREATE: &str = "ec2:CreateFleet";

impl Aws {
    /// One attempt, without the SDK's own, for the reason that a launch of one type has.
    pub(crate) async fn create_fleet_once(
        &self,
        region: &Region,
        launch: &Launch,
        choice: &Choice,
        tags: &[(&'static str, String)],
    ) -> Result<FleetAnswer, PortError> {
        let request = request(self.clients(region).ec2.create_fleet(), launch, choice, tags);
        let once = ConfigOverride::new().retry_config(RetryConfig::disabled());
        let answer = request.customize().config_override(once).send().await;
        read(launch, &answer.map_err(|error| port_error(CREATE, error))?)
    }
}

pub(crate) fn request(
    request: CreateFleetFluentBuilder,
    launch: &Launch,
    choice: &Choice,
    tags: &[(&'static str, String)],
) -> CreateFleetFluentBuilder {
    let template = FleetLaunchTemplateSpecificationRequest::builder().version(&launch.template.version);
    let template = match &launch.template.key {
        TemplateKey::Id(id) => template.launch_template_id(id),
        TemplateKey::Name(name) => template.launch_template_name(name),
    };
    let of_type = |instance_type: InstanceType| {
        FleetLaunchTemplateOverridesRequest::builder()
            .instance_type(Ec2Type::from(instance_type.as_str()))
            .subnet_id(launch.place.subnet.as_str())
            .build()
    };
    let types = launch.offerings().filter_map(|offering| offering.instance_type);
    let config = FleetLaunchTemplateConfigRequest::builder()
        .launch_template_specification(template.build())
        .set_overrides(Some(types.map(of_type).collect()));
    let capacity = TargetCapacitySpecificationRequest::builder()
        .total_target_capacity(i32::try_from(launch.count).unwrap_or(i32::MAX))
        .default_target_capacity_type(match launch.offering.market {
            Market::Reserved | Market::OnDemand => DefaultTargetCapacityType::OnDemand,
            Market::Spot => DefaultTargetCapacityType::Spot,
        });
    let strategy = match choice.strategy {
        Strategy::LowestPrice => SpotAllocationStrategy::LowestPrice,
        Strategy::CapacityOptimized => SpotAllocationStrategy::CapacityOptimized,
    };
    let tag = |resource: ResourceType| tagged(resource, tags);
    request
        // the default, maintain, would go on launching behind our back
        .r#type(FleetType::Instant)
        .client_token(launch.token.as_str())
        .launch_template_configs(config.build())
        .target_capacity_specification(capacity.build())
        .spot_options(SpotOptionsRequest::builder().allocation_strategy(strategy).build())
        .tag_specifications(tag(ResourceType::Instance))
        .tag_specifications(tag(ResourceType::Volume))
        .tag_specifications(tag(ResourceType::Fleet))
}

fn read(launch: &Launch, answer: &CreateFleetOutput) -> Result<FleetAnswer, PortError> {
    let ids = answer.instances().iter().flat_map(|instances| instances.instance_ids());
    let instances: Vec<InstanceId> = ids.map(InstanceId::new).collect();
    let refused: Vec<RefusedOffering> = answer.errors().iter().map(|error| refused(launch, error)).collect();
    // what happened is unknown: a repeated request may be answered without what the first one launched
    if instances.is_empty() && refused.is_empty() {
        return Err(incomplete(CREATE, "success, but neither an instance nor an error"));
    }
    Ok(FleetAnswer { instances, refused })
}

/// An error about no type in particular is told about the preferred one.
fn refused(launch: &Launch, error: &CreateFleetError) -> RefusedOffering {
    let overrides = error.launch_template_and_overrides().and_then(|of| of.overrides());
    let named = overrides
        .and_then(|of| of.instance_type())
        .map(|name| InstanceType::new(name.as_str()));
    let code = error.error_code().unwrap_or("Unknown");
    let class = match code {
        // of one type: its zone does not offer it, which a plain launch is told as `Unsupported`
        "InvalidFleetConfiguration" if named.is_some() => ErrorClass::NoCapacity,
        _ => class_of_answer(code),
    };
    RefusedOffering {
        offering: Offering {
            instance_type: named.or_else(|| launch.offering.instance_type.clone()),
            ..launch.offering.clone()
        },
        class,
        code: code.to_owned(),
        message: shortened(error.error_message().unwrap_or_default()),
    }
}
