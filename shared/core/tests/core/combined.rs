//! Several policies on one pool: any vote out wins, in only if every vote that binds agrees.

use crate::support::*;

/// Three policies of 100 per instance, the second of which ignores missing data.
fn three(a: Option<f64>, b: Option<f64>, c: Option<f64>) -> Option<u32> {
    let policy =
        |id: &str, missing: &str| json!({ "type": "target_tracking", "id": id, "metric": busy(), "target": 100.0, "missing": missing });
    let policies = json!([policy("a", "hold"), policy("b", "ignore"), policy("c", "hold")]);
    let pool = Pool::with(policies, json!({})).change(|pool| {
        for (id, value) in [("a", a), ("b", b), ("c", c)] {
            pool.series.insert(policy_id(id), minutes(pool.now, &[value]));
        }
    });
    pool.size().recommended
}

fn policy_id(id: &str) -> ghostnet_core::id::PolicyId {
    policy(id)
}

#[test]
fn any_out_wins_and_in_needs_all() {
    let (out, more, calm, low, lower) = (Some(150.0), Some(200.0), Some(100.0), Some(60.0), Some(40.0));
    for (situation, votes, size) in [
        ("one out, two hold", (out, calm, calm), 15),
        ("one out, two in", (out, low, low), 15),
        ("the largest of two", (out, more, low), 20),
        ("all in: the smallest removal", (low, lower, lower), 6),
        ("two in, one holds", (low, calm, low), 10),
        ("two in, one is missing and holds", (None, low, low), 10),
        ("two in, one is missing and ignored", (low, None, low), 6),
        ("one out though others are missing", (None, None, out), 15),
    ] {
        assert_eq!(three(votes.0, votes.1, votes.2), Some(size), "{situation}");
    }
}

#[test]
fn without_votes_nothing_is_recommended_and_nothing_moves() {
    let mut policy = tracking();
    policy["missing"] = json!("ignore");
    let pool =
        Pool::with(json!([policy]), json!({})).change(|pool| drop(pool.series.insert(policy_id("requests"), minutes(pool.now, &[]))));
    let sizing = pool.size();
    assert_eq!((sizing.recommended, sizing.desired), (None, 10));
    let sizing = Pool::with(json!([]), json!({})).size();
    assert_eq!((sizing.recommended, sizing.desired), (None, 10));
}

/// A quiet look reads no metrics. It must not leave a "no change" in the history.
#[test]
fn a_look_without_metrics_recommends_nothing() {
    let mut pool = Pool::tracked(json!({}));
    assert_eq!(pool.step(60).recommended, None);
    assert_eq!(pool.state.recommended, []);
}
