//! What the local AWS does not have, and what it does otherwise than AWS. The other two stages show it.

use crate::Why;

pub(super) const TIME_STANDS: &str = "the time of the local AWS cannot be moved";
pub(super) const NO_CLOUD_MAP: &str = "nobody sends Cloud Map's calls to the local AWS";
pub(super) const NEVER_DENIED: &str = "the local AWS allows everything";
pub(super) const NEVER_TOO_FAST: &str = "the local AWS does not limit how fast it is asked";
pub(super) const NEVER_UNWELL: &str = "the local AWS is well";

// EC2 and ELBv2: moto
pub(super) const AT_ONCE: &str = "in the local EC2 an instance runs, stands or is gone at once";
pub(super) const ALWAYS_CAPACITY: &str = "the local EC2 has capacity, quota and addresses without end";
pub(super) const ALWAYS_PASS: &str = "the status checks of the local EC2 always pass";
pub(super) const SHOWS_AT_ONCE: &str = "the lists of the local EC2 show everything at once";
pub(super) const TOO_MANY: &str = "the local EC2 takes minutes for thousands of instances";
pub(super) const NO_CHECKS: &str = "the local ELBv2 checks and drains nothing";
pub(super) const NO_LIMIT: &str = "the local ELBv2 takes any number of targets";

// CloudWatch and DynamoDB: ministack
pub(super) const NOTHING_LATE: &str = "the local CloudWatch shows a datapoint at once";
pub(super) const NO_FAILURES: &str = "the local CloudWatch answers every query for a metric";
pub(super) const ONE_PAGE: &str = "the local CloudWatch answers in one page";
pub(super) const NO_TAGS: &str = "the local CloudWatch knows no tags";
pub(super) const ONE_AFTER_ANOTHER: &str = "the transactions of the local table take no time";

pub(super) const SHORT: &[(&str, Why)] = &[
    ("a launch that is not allowed", Why::NotShown(NEVER_DENIED)),
    ("a list that is not allowed", Why::NotShown(NEVER_DENIED)),
    ("status checks that are not allowed", Why::NotShown(NEVER_DENIED)),
    ("status checks asked too fast", Why::NotShown(NEVER_TOO_FAST)),
    ("status checks that fail", Why::NotShown(ALWAYS_PASS)),
    (
        "status checks that fail, of one that does not run any more",
        Why::NotShown(ALWAYS_PASS),
    ),
    ("a register that is not allowed", Why::NotShown(NEVER_DENIED)),
    ("attributes that our role may not set", Why::NotShown(NEVER_DENIED)),
    ("series that are not allowed", Why::NotShown(NEVER_DENIED)),
    ("a load that is not allowed", Why::NotShown(NEVER_DENIED)),
    ("a commit that is not allowed", Why::NotShown(NEVER_DENIED)),
    ("a forecast that is not allowed", Why::NotShown(NEVER_DENIED)),
    ("a forecast asked too fast", Why::NotShown(NEVER_TOO_FAST)),
    ("a launch asked too fast", Why::NotShown(NEVER_TOO_FAST)),
    ("a list asked too fast", Why::NotShown(NEVER_TOO_FAST)),
    ("a terminate asked too fast", Why::NotShown(NEVER_TOO_FAST)),
    ("targets asked too fast", Why::NotShown(NEVER_TOO_FAST)),
    ("a register asked too fast", Why::NotShown(NEVER_TOO_FAST)),
    ("a deregister asked too fast", Why::NotShown(NEVER_TOO_FAST)),
    ("attributes that are set too fast", Why::NotShown(NEVER_TOO_FAST)),
    ("series asked too fast", Why::NotShown(NEVER_TOO_FAST)),
    ("alarms asked too fast", Why::NotShown(NEVER_TOO_FAST)),
    ("a value published too fast", Why::NotShown(NEVER_TOO_FAST)),
    ("a load asked too fast", Why::NotShown(NEVER_TOO_FAST)),
    ("a commit asked too fast", Why::NotShown(NEVER_TOO_FAST)),
    ("a launch while EC2 is unwell", Why::NotShown(NEVER_UNWELL)),
    ("a terminate while EC2 is unwell", Why::NotShown(NEVER_UNWELL)),
    ("targets while ELBv2 is unwell", Why::NotShown(NEVER_UNWELL)),
    ("a register while ELBv2 is unwell", Why::NotShown(NEVER_UNWELL)),
    // moto judges attributes one by one
    (
        "attributes that are not possible together",
        Why::Otherwise(r#"load_balancing.algorithm.type: Ok(Some("least_outstanding_requests")), and not Ok(Some("round_robin"))"#),
    ),
    ("attributes that are set while ELBv2 is unwell", Why::NotShown(NEVER_UNWELL)),
    ("series while CloudWatch is unwell", Why::NotShown(NEVER_UNWELL)),
    ("alarms while CloudWatch is unwell", Why::NotShown(NEVER_UNWELL)),
    ("a load while the table is unwell", Why::NotShown(NEVER_UNWELL)),
    ("a commit while the table is unwell", Why::NotShown(NEVER_UNWELL)),
    // EC2: what is launched runs, what is terminated is gone, and the next list says so
    ("no capacity in the zone", Why::NotShown(ALWAYS_CAPACITY)),
    ("fewer than asked", Why::NotShown(ALWAYS_CAPACITY)),
    ("fewer than asked, and the same token again", Why::NotShown(ALWAYS_CAPACITY)),
    ("the quota is reached", Why::NotShown(ALWAYS_CAPACITY)),
    ("a subnet without a free address", Why::NotShown(ALWAYS_CAPACITY)),
    ("an instance in each state", Why::NotShown(AT_ONCE)),
    ("an instance that was just launched is not listed yet", Why::NotShown(SHOWS_AT_ONCE)),
    (
        "an instance that was just launched is not found by its id yet",
        Why::NotShown(SHOWS_AT_ONCE),
    ),
    (
        "a terminate with an instance that is listed and not found",
        Why::NotShown(SHOWS_AT_ONCE),
    ),
    ("a terminate with an instance that was gone long ago", Why::NotShown(TIME_STANDS)),
    ("a terminate that is not listed yet", Why::NotShown(SHOWS_AT_ONCE)),
    ("a list of several pages", Why::NotShown(TOO_MANY)),
    ("a list whose last page fails", Why::NotShown(TOO_MANY)),
    (
        "a terminate",
        Why::Otherwise(
            "the list: Ok({(InstanceId(\"i-1\"), Terminated), (InstanceId(\"i-2\"), Running)}), \
             and not Ok({(InstanceId(\"i-1\"), ShuttingDown), (InstanceId(\"i-2\"), Running)})",
        ),
    ),
    (
        "a terminate with an id that does not exist",
        Why::Otherwise(
            "the list: Ok({(InstanceId(\"i-1\"), Terminated), (InstanceId(\"i-2\"), Terminated)}), \
             and not Ok({(InstanceId(\"i-1\"), ShuttingDown), (InstanceId(\"i-2\"), ShuttingDown)})",
        ),
    ),
    (
        "a terminate with an instance that is gone",
        Why::Otherwise(
            "the list: Ok({(InstanceId(\"i-1\"), Terminated), (InstanceId(\"i-2\"), Terminated)}), \
             and not Ok({(InstanceId(\"i-1\"), Terminated), (InstanceId(\"i-2\"), ShuttingDown)})",
        ),
    ),
    (
        "a terminate with an instance that EC2 refuses to terminate",
        Why::Otherwise(
            "the list: Ok({(InstanceId(\"i-1\"), Terminated), (InstanceId(\"i-2\"), Terminated), (InstanceId(\"i-3\"), Running)}), \
             and not Ok({(InstanceId(\"i-1\"), ShuttingDown), (InstanceId(\"i-2\"), ShuttingDown), (InstanceId(\"i-3\"), Running)})",
        ),
    ),
    // fleets, starts, stops and words: no capacity that ends, no moment between running and stopped, and no time that passes
    ("a choice of which one type has capacity", Why::NotShown(ALWAYS_CAPACITY)),
    ("a choice of which no type has capacity", Why::NotShown(ALWAYS_CAPACITY)),
    ("a choice at the quota", Why::NotShown(ALWAYS_CAPACITY)),
    ("the quota of spot is reached", Why::NotShown(ALWAYS_CAPACITY)),
    ("a choice asked too fast", Why::NotShown(NEVER_TOO_FAST)),
    // the local EC2 answers a fleet with an internal error
    (
        "a launch with a choice",
        Why::Otherwise("not so: the launch succeeds: Err(Transient)"),
    ),
    (
        "the same token twice, with a choice",
        Why::Otherwise("not so: the launch succeeds: Err(Transient)"),
    ),
    (
        "a choice whose answer is lost",
        Why::Otherwise("not so: the launch succeeds: Err(Transient)"),
    ),
    ("a start", Why::NotShown(TIME_STANDS)),
    ("a start whose answer is lost", Why::NotShown(TIME_STANDS)),
    ("a start with instances that cannot be started", Why::NotShown(AT_ONCE)),
    ("a start without capacity in the zone", Why::NotShown(ALWAYS_CAPACITY)),
    ("a start while EC2 is unwell", Why::NotShown(NEVER_UNWELL)),
    (
        "a stop",
        Why::Otherwise(
            "the list: Ok({(InstanceId(\"i-1\"), Stopped), (InstanceId(\"i-2\"), Running)}), \
             and not Ok({(InstanceId(\"i-1\"), Stopping), (InstanceId(\"i-2\"), Running)})",
        ),
    ),
    ("a stop with an id that does not exist", Why::NotShown(TIME_STANDS)),
    ("a stop whose answer is lost", Why::NotShown(TIME_STANDS)),
    ("a stop, and then a start", Why::NotShown(TIME_STANDS)),
    (
        "a word to one that does not exist",
        Why::Otherwise("the answer: Err(Invalid), and not Err(NotFound)"),
    ),
    ("a word that is not allowed", Why::NotShown(NEVER_DENIED)),
    ("a word asked too fast", Why::NotShown(NEVER_TOO_FAST)),
    ("a word while EC2 is unwell", Why::NotShown(NEVER_UNWELL)),
    // ELBv2: a registered target is healthy, whoever uses its group, and a deregistered one is no target any more
    ("a target whose first checks still run", Why::NotShown(NO_CHECKS)),
    ("a target that fails its checks", Why::NotShown(NO_CHECKS)),
    ("a target that finishes its requests", Why::NotShown(NO_CHECKS)),
    ("a target of which the balancer cannot say anything", Why::NotShown(NO_CHECKS)),
    (
        "a target that failed its checks and finishes its requests",
        Why::NotShown(NO_CHECKS),
    ),
    ("a drained target that is taken back", Why::NotShown(NO_CHECKS)),
    ("a register of an instance that does not run yet", Why::NotShown(AT_ONCE)),
    ("a register in a full group", Why::NotShown(NO_LIMIT)),
    (
        "a target of a group that no listener uses",
        Why::Otherwise(r#"targets: Ok([("i-1", Healthy)]), and not Ok([("i-1", Unchecked)])"#),
    ),
    (
        "a register",
        Why::Otherwise(r#"targets: Ok([("i-1", Healthy), ("i-2", Healthy)]), and not Ok([("i-1", Initial), ("i-2", Initial)])"#),
    ),
    (
        "a register of targets that are registered",
        Why::Otherwise(r#"targets: Ok([("i-1", Healthy), ("i-2", Healthy)]), and not Ok([("i-1", Healthy), ("i-2", Initial)])"#),
    ),
    (
        "a register whose answer is lost",
        Why::Otherwise(r#"targets: Ok([("i-1", Healthy)]), and not Ok([("i-1", Initial)])"#),
    ),
    (
        "a register whose first answer is lost",
        Why::Otherwise(r#"targets: Ok([("i-1", Healthy)]), and not Ok([("i-1", Initial)])"#),
    ),
    (
        "a deregister",
        Why::Otherwise(r#"targets: Ok([("i-2", Healthy)]), and not Ok([("i-1", Draining), ("i-2", Healthy)])"#),
    ),
    (
        "a deregister whose answer is lost",
        Why::Otherwise(r#"targets: Ok([]), and not Ok([("i-1", Draining)])"#),
    ),
    (
        "a deregister whose first answer is lost",
        Why::Otherwise(r#"targets: Ok([]), and not Ok([("i-1", Draining)])"#),
    ),
    // CloudWatch: metrics only, no expression and no query by tag
    ("a datapoint that comes late", Why::NotShown(NOTHING_LATE)),
    ("a query by tag, in periods of five minutes", Why::NotShown(NO_TAGS)),
    ("different queries in one call", Why::NotShown(NO_TAGS)),
    ("an answer of several pages", Why::NotShown(ONE_PAGE)),
    ("some queries that cannot be answered", Why::NotShown(NO_FAILURES)),
    (
        "an expression over two metrics",
        Why::Otherwise(
            "series: Ok([Failed { why: \"InternalError: Expressions not implemented\" }]), \
             and not Ok([Points { points: [Datapoint { at: 2026-11-18T12:09:00Z, value: Finite(2.5) }], \
             period: Seconds(60), partial: false, incomplete: [] }])",
        ),
    ),
    // the table: everything but what takes time
    ("a commit while another transaction is under way", Why::NotShown(ONE_AFTER_ANOTHER)),
    (
        "a commit whose answer was lost and that is sent again much later",
        Why::NotShown(TIME_STANDS),
    ),
    (
        "a commit whose answer was lost, then another's, and that is sent again much later",
        Why::NotShown(TIME_STANDS),
    ),
];
