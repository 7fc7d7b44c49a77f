//! What the account lets run, as it comes over the wire.

use std::collections::BTreeMap;

use ghostnet_core::id::{InstanceType, SubnetId};
use serde_json::json;

use crate::sample::region;
use crate::wire::{Reply, Wire, run};

#[test]
fn vcpus_and_free_addresses_are_read_by_filter_so_that_what_is_unknown_is_absent() {
    let types = "<item><instanceType>c7a.large</instanceType><vCpuInfo><defaultVCpus>2</defaultVCpus></vCpuInfo></item>";
    let answer = format!("<DescribeInstanceTypesResponse><instanceTypeSet>{types}</instanceTypeSet></DescribeInstanceTypesResponse>");
    let wire = Wire::script([Reply::xml(answer)]);
    let asked = ["c7a.large", "c9z.large"].map(InstanceType::new);
    let vcpus = run(wire.aws().vcpus(&region(), &asked));
    assert_eq!(vcpus, Ok(BTreeMap::from([(InstanceType::new("c7a.large"), 2)])));
    let sent = wire.only();
    assert_eq!(
        (sent.text("Filter.1.Name"), sent.text("Filter.1.Value.2")),
        ("instance-type", "c9z.large")
    );

    let subnets = "<item><subnetId>subnet-a</subnetId><availableIpAddressCount>251</availableIpAddressCount></item>";
    let answer = format!("<DescribeSubnetsResponse><subnetSet>{subnets}</subnetSet></DescribeSubnetsResponse>");
    let wire = Wire::script([Reply::xml(answer)]);
    let free = run(wire.aws().free_addresses(&region(), &["subnet-a", "subnet-z"].map(SubnetId::new)));
    assert_eq!(free, Ok(BTreeMap::from([(SubnetId::new("subnet-a"), 251)])));

    let nothing = Wire::script([]);
    assert_eq!(run(nothing.aws().vcpus(&region(), &[])), Ok(BTreeMap::new()));
    assert_eq!(run(nothing.aws().free_addresses(&region(), &[])), Ok(BTreeMap::new()));
    assert!(nothing.sent().is_empty(), "nobody is asked about nothing");
}

#[test]
fn a_quota_is_a_whole_number_and_one_that_aws_does_not_tell_is_absent() {
    let wire = Wire::new(|sent, _| match sent.text("QuotaCode") {
        "L-1" => Reply::json(&json!({ "Quota": { "QuotaCode": "L-1", "Value": 640.0 } })),
        "L-2" => Reply::json(&json!({ "Quota": { "QuotaCode": "L-2", "Value": -1.0 } })),
        "L-3" => Reply::json(&json!({ "Quota": { "QuotaCode": "L-3" } })),
        _ => Reply::json_error("NoSuchResourceException", json!({})),
    });
    let quotas = run(wire.aws().quotas(&region(), &["L-1", "L-2", "L-3", "L-4"]));
    assert_eq!(
        quotas,
        Ok(BTreeMap::from(
            [("L-1", 640), ("L-2", 0)].map(|(code, value)| (code.to_owned(), value))
        ))
    );
    assert!(wire.sent().iter().all(|sent| sent.text("ServiceCode") == "ec2"));
    let refused = Wire::new(|_, _| Reply::json_error("AccessDeniedException", json!({})));
    let error = run(refused.aws().quotas(&region(), &["L-1"])).err();
    assert_eq!(error.map(|error| error.call), Some("servicequotas:GetServiceQuota"));
}
