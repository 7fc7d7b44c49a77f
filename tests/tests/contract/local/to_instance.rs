//! Addresses and lines of route tables before an emulator of EC2: whether what the adapter sends is understood, and what it reads is what is there.

use std::collections::BTreeMap;

use ghostnet_core::id::{Destination, RouteId};
use ghostnet_core::observation::InstanceState;
use ghostnet_core::route::Weights;
use ghostnet_core::state::RouteTo;
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::Routes;

use super::ec2::Ec2;
use super::{Local, is_named};
use crate::sample::region;
use crate::{Stage, by_class, compute};

const BLOCK: &str = "10.9.0.0/16";

fn to(id: &str) -> Weights {
    [(Destination::new(id), 1)].into()
}

impl Ec2 {
    /// An address that nobody has.
    async fn address(&self) -> RouteId {
        let made = self.client().allocate_address().send().await.unwrap();
        RouteId::new(made.allocation_id().unwrap())
    }

    /// A line that leads out to the world.
    async fn line(&self) -> RouteId {
        let vpcs = self.client().describe_vpcs().send().await.unwrap();
        let vpc = vpcs.vpcs()[0].vpc_id().unwrap();
        let made = self.client().create_route_table().vpc_id(vpc).send().await.unwrap();
        let table = made.route_table().and_then(|table| table.route_table_id()).unwrap().to_owned();
        let gateway = self.client().create_internet_gateway().send().await.unwrap();
        let gateway = gateway
            .internet_gateway()
            .and_then(|gateway| gateway.internet_gateway_id())
            .unwrap()
            .to_owned();
        let attached = self.client().attach_internet_gateway().vpc_id(vpc).internet_gateway_id(&gateway);
        attached.send().await.unwrap();
        let line = self.client().create_route().route_table_id(&table).destination_cidr_block(BLOCK);
        line.gateway_id(&gateway).send().await.unwrap();
        RouteId::new(format!("{table}/{BLOCK}"))
    }
}

#[test]
fn an_address_and_a_line_lead_to_an_instance_on_the_local_aws() {
    if !is_named("addresses and lines of route tables on the local AWS") {
        return;
    }
    let local = Local::with_network();
    for id in ["i-1", "i-2"] {
        local.compute(compute::Given::Instance(id, InstanceState::Running)).unwrap();
    }
    let (address, line) = local
        .runtime
        .block_on(async { (local.ec2.address().await, local.ec2.line().await) });
    let read = |routes: &[RouteId]| by_class(local.run(local.ports().routing(&region(), routes)));
    let before: BTreeMap<RouteId, Weights> = read(&[address.clone(), line.clone()])
        .unwrap()
        .into_iter()
        .map(|(route, routing)| (route, routing.weights))
        .collect();
    assert_eq!(before[&address], Weights::new(), "nobody has it");
    assert!(
        before[&line].keys().all(|to| to.as_str().starts_with("igw-")) && before[&line].len() == 1,
        "{before:?}"
    );
    for id in ["i-1", "i-2", "i-2"] {
        for route in [&address, &line] {
            let expected = read(std::slice::from_ref(route)).unwrap().remove(route).unwrap();
            let set = RouteTo::Weights(to(id));
            let answer = by_class(local.run(local.ports().set_routing(&region(), route, &expected, &set)));
            assert_eq!(answer, Ok(()), "{route} to {id}");
            assert_eq!(read(std::slice::from_ref(route)).unwrap()[route].weights, to(id), "{route}");
        }
    }
    // by what was read before: nobody had it
    let nobody = ghostnet_core::state::Routing {
        weights: Weights::new(),
        ..read(std::slice::from_ref(&address)).unwrap().remove(&address).unwrap()
    };
    let taken = local.run(
        local
            .ports()
            .set_routing(&region(), &address, &nobody, &RouteTo::Weights(to("i-1"))),
    );
    assert_eq!(
        by_class(taken),
        Err(ErrorClass::Invalid),
        "it is not taken from whoever got it meanwhile"
    );
    assert_eq!(
        read(&[RouteId::new("eipalloc-00000000"), RouteId::new("rtb-00000000/0.0.0.0/0")]),
        Ok(BTreeMap::new())
    );
}
