//! Quotas, addresses and the rate of launches.

use std::collections::BTreeMap;

use ghostnet_core::id::{InstanceType, SubnetId};
use ghostnet_core::observation::Market;
use ghostnet_engine::live::limits::{self, Limits};
use serde_json::{Value, json};

use crate::{lines, plain, spec};

#[test]
fn every_family_counts_in_its_quota() {
    for (name, on_demand, spot) in [
        ("c7a.large", Some("L-1216C47A"), Some("L-34B43A08")),
        ("t3.micro", Some("L-1216C47A"), Some("L-34B43A08")),
        ("im4gn.large", Some("L-1216C47A"), Some("L-34B43A08")),
        ("g5.xlarge", Some("L-DB2E81BA"), Some("L-3819A6DF")),
        ("vt1.3xlarge", Some("L-DB2E81BA"), Some("L-3819A6DF")),
        ("p5.48xlarge", Some("L-417A185B"), Some("L-7212CCBC")),
        ("inf2.xlarge", Some("L-1945791B"), Some("L-B5D1601B")),
        ("trn1.2xlarge", Some("L-2C3B7624"), Some("L-6B0D517C")),
        ("x2idn.metal", Some("L-7295265B"), Some("L-E3A00192")),
        ("u-6tb1.metal", Some("L-43DA4232"), None),
        ("mac2.metal", None, None),
        ("", None, None),
    ] {
        let code = |market| limits::quota_of(&InstanceType::new(name), market).map(|quota| quota.code);
        assert_eq!((code(Market::OnDemand), code(Market::Spot)), (on_demand, spot), "{name}");
    }
}

/// An account with these vCPUs of quota, for a fleet of one pool of two to ten instances.
fn account(on_demand: u32, spot: u32) -> Limits {
    Limits {
        vcpus: BTreeMap::from([("c7a.large", 2), ("c7i.large", 4), ("g5.xlarge", 4)].map(|(name, vcpus)| (InstanceType::new(name), vcpus))),
        quotas: BTreeMap::from([("L-1216C47A", on_demand), ("L-34B43A08", spot)].map(|(code, vcpus)| (code.to_owned(), vcpus))),
        fleets: 1,
        ..Limits::default()
    }
}

#[test]
fn a_quota_is_held_against_the_largest_and_the_smallest_size() {
    let sized = |types: &[&str], market: Value, max: u32| {
        let capacity = json!({ "capacity": { "min": 2, "max": max } });
        spec(&["subnet-a"], types, &json!({ "market": market }), &capacity)
    };
    let standard = "the quota `Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances`";
    let spot = "the quota `All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests`";
    let both = ["c7a.large", "c7i.large"];
    for (situation, spec, account, expected) in [
        ("it fits", sized(&both, json!({}), 10), account(40, 0), vec![]),
        (
            "too large, by the largest type",
            sized(&both, json!({}), 10),
            account(39, 0),
            vec![format!(
                "warning pools[0].capacity.max: at its largest the fleet needs 40 vCPUs of {standard}, which is 39"
            )],
        ),
        (
            "not even its minimum",
            sized(&both, json!({}), 10),
            account(5, 0),
            vec![format!(
                "error pools[0].capacity.max: even at its smallest the fleet needs 8 vCPUs of {standard}, which is 5"
            )],
        ),
        (
            "each market by its share",
            sized(&both, json!({ "on_demand_base": 2, "spot_percent": 50 }), 10),
            account(24, 8),
            vec![format!(
                "warning pools[0].capacity.max: at its largest the fleet needs 16 vCPUs of {spot}, which is 8"
            )],
        ),
        (
            "a quota that AWS does not tell",
            sized(&["g5.xlarge"], json!({}), 10),
            account(0, 0),
            vec![],
        ),
        (
            "a type that nobody knows",
            sized(&["c9z.large"], json!({}), 10),
            account(0, 0),
            vec![],
        ),
    ] {
        assert_eq!(lines(&limits::judge(&spec, &account)), expected, "{situation}");
    }
    let by_template = sized(&[], json!({}), 10);
    let mut account = account(19, 0);
    assert_eq!(lines(&limits::judge(&by_template, &account)).len(), 0, "the template names no type");
    account.template_types = BTreeMap::from([(by_template.pools[0].id.clone(), InstanceType::new("c7a.large"))]);
    assert_eq!(lines(&limits::judge(&by_template, &account)).len(), 1);
}

#[test]
fn subnets_need_an_address_for_each_instance() {
    let ten = || spec(&["subnet-a", "subnet-b"], &["c7a.large"], &json!({}), &json!({}));
    for (situation, free, members, expected) in [
        ("room enough", vec![("subnet-a", 4), ("subnet-b", 6)], 0, vec![]),
        (
            "too few",
            vec![("subnet-a", 4), ("subnet-b", 5)],
            0,
            vec!["warning pools[0].launch.subnets: the pool's subnets have 9 free addresses, and it may grow by 10"],
        ),
        ("who is there has one", vec![("subnet-a", 4), ("subnet-b", 5)], 1, vec![]),
        ("a subnet that nobody knows", vec![("subnet-a", 1)], 0, vec![]),
    ] {
        let mut account = account(1_000, 0);
        account.free_addresses = free.into_iter().map(|(id, free)| (SubnetId::new(id), free)).collect();
        account.members = BTreeMap::from([(ten().pools[0].id.clone(), members)]);
        assert_eq!(lines(&limits::judge(&ten(), &account)), expected, "{situation}");
    }
}

#[test]
fn the_bucket_of_launches_is_shared_by_all_fleets() {
    let wide = || {
        spec(
            &["subnet-a", "subnet-b", "subnet-c"],
            &["c7a.large"],
            &json!({ "market": { "spot_percent": 50 } }),
            &json!({}),
        )
    };
    for (situation, spec, fleets, expected) in [
        ("two places, 62 fleets", plain(), 62, vec![]),
        (
            "two places, 63 fleets",
            plain(),
            63,
            vec!["warning : if all 63 fleets of the account grow in the same minute, 1 of them wait"],
        ),
        ("five calls, 25 fleets", wide(), 25, vec![]),
        (
            "five calls, 300 fleets",
            wide(),
            300,
            vec!["warning : if all 300 fleets of the account grow in the same minute, 275 of them wait"],
        ),
    ] {
        let limits = Limits {
            fleets,
            ..account(1_000, 1_000)
        };
        assert_eq!(lines(&limits::judge(&spec, &limits)), expected, "{situation}");
    }
}
