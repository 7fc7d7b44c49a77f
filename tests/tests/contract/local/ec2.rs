//! EC2 and ELBv2 as the situations find them: a launch template, two subnets, a target group behind a listener; and what a
//! situation puts into them.

use aws_sdk_ec2::types::{AttributeBooleanValue, InstanceType, RequestLaunchTemplateData, ResourceType, Tag, TagSpecification};
use aws_sdk_elasticloadbalancingv2::types::{Action, ActionTypeEnum, ProtocolEnum, TargetDescription};
use ghostnet_core::observation::{InstanceState, TargetHealth, tag};

use super::proxy::Proxy;
use super::short::{ALWAYS_CAPACITY, ALWAYS_PASS, AT_ONCE, NO_CHECKS, NO_LIMIT, SHOWS_AT_ONCE, TOO_MANY};
use crate::compute::installation;
use crate::sample::{group, launch};
use crate::{Played, Short, compute, load_balancer};

#[derive(Debug)]
pub(super) struct Ec2 {
    ec2: aws_sdk_ec2::Client,
    elsewhere: aws_sdk_ec2::Client,
    elbv2: aws_sdk_elasticloadbalancingv2::Client,
    proxy: Proxy,
}

impl Ec2 {
    pub(super) fn new(config: &aws_config::SdkConfig, proxy: &Proxy) -> Self {
        let elsewhere = config.to_builder().region(aws_config::Region::new("eu-central-1")).build();
        Self {
            ec2: aws_sdk_ec2::Client::new(config),
            elsewhere: aws_sdk_ec2::Client::new(&elsewhere),
            elbv2: aws_sdk_elasticloadbalancingv2::Client::new(config),
            proxy: proxy.clone(),
        }
    }

    pub(super) fn client(&self) -> &aws_sdk_ec2::Client {
        &self.ec2
    }

    /// What every situation finds: the account's own network, a template in version 3, and a group that is used.
    pub(super) async fn begin(&self) {
        let found = self.ec2.describe_subnets().send().await.unwrap();
        let mut vpc = String::new();
        let mut subnets = Vec::new();
        for subnet in found.subnets() {
            let id = subnet.subnet_id().unwrap();
            let zone = subnet.availability_zone().unwrap();
            self.proxy.name(&zone.replace("eu-west-1", "subnet-"), id);
            vpc = subnet.vpc_id().unwrap().to_owned();
            subnets.push(id.to_owned());
        }
        self.template().await;
        self.group(&vpc, subnets).await;
    }

    async fn template(&self) {
        let data = RequestLaunchTemplateData::builder().instance_type(InstanceType::C7aLarge).build();
        let first = self.ec2.create_launch_template().launch_template_name("web");
        first.launch_template_data(data.clone()).send().await.unwrap();
        for _ in 2..=3 {
            let next = self.ec2.create_launch_template_version().launch_template_name("web");
            next.launch_template_data(data.clone()).send().await.unwrap();
        }
    }

    async fn group(&self, vpc: &str, subnets: Vec<String>) {
        let made = self.elbv2.create_target_group().name("web").vpc_id(vpc);
        let made = made.protocol(ProtocolEnum::Http).port(80).send().await.unwrap();
        let arn = made.target_groups()[0].target_group_arn().unwrap();
        self.proxy.name(group().as_str(), arn);
        let balancer = self.elbv2.create_load_balancer().name("web").set_subnets(Some(subnets));
        let balancer = balancer.send().await.unwrap();
        let forward = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(arn).build();
        let listener = self.elbv2.create_listener().protocol(ProtocolEnum::Http).port(80);
        let listener = listener.set_load_balancer_arn(balancer.load_balancers()[0].load_balancer_arn().map(str::to_owned));
        listener.default_actions(forward).send().await.unwrap();
    }

    pub(super) async fn compute(&self, given: compute::Given) -> Played {
        use compute::Given;
        match given {
            Given::Instance(id, InstanceState::Running) => self.instance(id, installation().as_str()).await,
            Given::Instance(id, InstanceState::Stopped) => {
                self.instance(id, installation().as_str()).await;
                self.ec2.stop_instances().instance_ids(id).send().await.unwrap();
            }
            Given::Instance(id, InstanceState::Terminated) => {
                self.instance(id, installation().as_str()).await;
                self.ec2.terminate_instances().instance_ids(id).send().await.unwrap();
            }
            Given::OfAnother(id) => self.instance(id, "theirs").await,
            Given::Elsewhere(id) => self.launch(&self.elsewhere, None, id, installation().as_str()).await,
            Given::Unterminable(id) => {
                self.instance(id, installation().as_str()).await;
                let protected = AttributeBooleanValue::builder().value(true).build();
                let change = self.ec2.modify_instance_attribute().instance_id(id);
                change.disable_api_termination(protected).send().await.unwrap();
            }
            Given::Refused("InvalidLaunchTemplateName.NotFoundException") => {
                let gone = self.ec2.delete_launch_template().launch_template_name("web");
                gone.send().await.unwrap();
            }
            Given::Impaired(..) => return Err(Short::NotShown(ALWAYS_PASS)),
            Given::Instance(..) => return Err(Short::NotShown(AT_ONCE)),
            Given::Many(_) => return Err(Short::NotShown(TOO_MANY)),
            Given::Dry(_) | Given::DryOf(_) | Given::FewerThanAsked | Given::Refused(_) => return Err(Short::NotShown(ALWAYS_CAPACITY)),
            Given::ListsLag | Given::NotFoundYet(_) | Given::NoLastPage => return Err(Short::NotShown(SHOWS_AT_ONCE)),
        }
        Ok(())
    }

    pub(super) async fn load_balancer(&self, given: load_balancer::Given) -> Played {
        use load_balancer::Given;
        match given {
            Given::Target(id, TargetHealth::Healthy) => self.target(id).await,
            Given::Target(id, TargetHealth::Unchecked) => {
                self.target(id).await;
                self.nobody_uses_the_group().await;
            }
            Given::Target(id, TargetHealth::InvalidState) => {
                self.target(id).await;
                self.ec2.stop_instances().instance_ids(id).send().await.unwrap();
            }
            Given::LongTerminated(id) => {
                self.target(id).await;
                self.ec2.terminate_instances().instance_ids(id).send().await.unwrap();
            }
            Given::Target(..) | Given::SickAndDraining(_) => return Err(Short::NotShown(NO_CHECKS)),
            Given::Full => return Err(Short::NotShown(NO_LIMIT)),
        }
        Ok(())
    }

    /// A running instance, launched by somebody else than the adapter.
    async fn instance(&self, id: &str, installation: &str) {
        self.launch(&self.ec2, Some(launch(1).place.subnet.as_str()), id, installation)
            .await;
    }

    async fn launch(&self, ec2: &aws_sdk_ec2::Client, subnet: Option<&str>, id: &str, installation: &str) {
        let ours = Tag::builder().key(tag::INSTALLATION).value(installation).build();
        let tags = TagSpecification::builder().resource_type(ResourceType::Instance).tags(ours).build();
        let request = ec2.run_instances().min_count(1).max_count(1).image_id("ami-12345678");
        let request = request
            .instance_type(InstanceType::C7aLarge)
            .set_subnet_id(subnet.map(str::to_owned));
        let launched = request.tag_specifications(tags).send().await.unwrap();
        self.proxy.name(id, launched.instances()[0].instance_id().unwrap());
    }

    async fn target(&self, id: &str) {
        self.instance(id, installation().as_str()).await;
        let target = TargetDescription::builder().id(id).build();
        let request = self.elbv2.register_targets().target_group_arn(group().as_str());
        request.targets(target).send().await.unwrap();
    }

    async fn nobody_uses_the_group(&self) {
        let balancers = self.elbv2.describe_load_balancers().send().await.unwrap();
        for balancer in balancers.load_balancers() {
            let arn = balancer.load_balancer_arn().unwrap();
            self.elbv2.delete_load_balancer().load_balancer_arn(arn).send().await.unwrap();
        }
    }
}
