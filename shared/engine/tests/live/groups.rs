//! Target groups against the pools that register in them.

use std::collections::BTreeMap;

use ghostnet_core::id::{InstallationId, TargetGroupArn};
use ghostnet_core::unit::Seconds;
use ghostnet_engine::live::groups::{self, GroupFacts, Owner};
use serde_json::{Value, json};

use crate::{GROUP, lines, merge, spec};

#[test]
fn target_groups_are_judged_by_who_uses_owns_and_drains_them() {
    let ours = InstallationId::new("ours");
    let delay = |seconds| Some(Seconds(seconds));
    let drains = |timeout: &str, pool: Value| {
        let mut pool = pool;
        merge(&mut pool, &json!({ "drain": { "timeout": timeout } }));
        spec(&["subnet-a"], &["c7a.large"], &json!({}), &pool)
    };
    let of_spot = || {
        let market = json!({ "market": { "spot_percent": 50 } });
        spec(&["subnet-a"], &["c7a.large"], &market, &json!({ "drain": { "timeout": "90s" } }))
    };
    let fit = GroupFacts {
        is_used: true,
        owner: Owner::Installation("ours".to_owned()),
        delay: delay(60),
        is_spot: false,
    };
    let named = json!({ "balancing": { "deregistration_delay": "60s" } });
    for (situation, spec, facts, expected) in [
        ("all is well", drains("90s", json!({})), fit.clone(), vec![]),
        (
            "as the default drains",
            drains("5m", json!({})),
            GroupFacts {
                delay: delay(300),
                ..fit.clone()
            },
            vec![],
        ),
        (
            "nothing forwards to it",
            drains("90s", json!({})),
            GroupFacts {
                is_used: false,
                ..fit.clone()
            },
            vec!["warning pools[0].target_groups[0]: no listener and no rule forwards to target group `web`"],
        ),
        (
            "without our tag",
            drains("90s", json!({})),
            GroupFacts {
                owner: Owner::Nobody,
                ..fit.clone()
            },
            vec!["error pools[0].target_groups[0]: target group `web` is not this installation's"],
        ),
        (
            "with another's tag",
            drains("90s", json!({})),
            GroupFacts {
                owner: Owner::Installation("theirs".to_owned()),
                ..fit.clone()
            },
            vec!["error pools[0].target_groups[0]: target group `web` is not this installation's"],
        ),
        (
            "a tag that nobody could read",
            drains("90s", json!({})),
            GroupFacts {
                owner: Owner::Unknown,
                ..fit.clone()
            },
            vec![],
        ),
        (
            "longer than the instance lives",
            drains("90s", json!({})),
            GroupFacts {
                delay: delay(300),
                ..fit.clone()
            },
            vec!["warning pools[0].target_groups[0]: target group `web` lets a target finish for 5m"],
        ),
        (
            "the spec sets another",
            drains("90s", named),
            GroupFacts {
                delay: delay(300),
                ..fit.clone()
            },
            vec![],
        ),
        (
            "longer than the notice of spot",
            of_spot(),
            GroupFacts {
                delay: delay(91),
                ..fit.clone()
            },
            vec!["warning pools[0].target_groups[0]: target group `web` lets a target finish for 91s"],
        ),
        (
            "within the notice of spot",
            of_spot(),
            GroupFacts {
                delay: delay(90),
                ..fit.clone()
            },
            vec![],
        ),
        (
            "spot by the template",
            drains("10m", json!({})),
            GroupFacts {
                delay: delay(300),
                is_spot: true,
                ..fit.clone()
            },
            vec!["warning pools[0].target_groups[0]: target group `web` lets a target finish for 5m"],
        ),
        (
            "a delay that nobody knows",
            of_spot(),
            GroupFacts {
                delay: None,
                ..fit.clone()
            },
            vec![],
        ),
    ] {
        let facts = BTreeMap::from([(TargetGroupArn::new(GROUP), facts)]);
        assert_eq!(lines(&groups::judge(&spec, &ours, &facts)), expected, "{situation}");
    }
}
