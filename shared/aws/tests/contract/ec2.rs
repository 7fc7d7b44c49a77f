//! EC2: pages, partial launches, tokens, error classes, and batches that one bad id fails.

use std::collections::{BTreeMap, BTreeSet};

use ghostnet_core::id::{ClientToken, InstallationId, InstanceId, StepNumber, SubnetId, Zone};
use ghostnet_core::observation::{InstanceState, Market, Told, tag};
use ghostnet_core::spec::{Reservation, TemplateVersion};
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::Compute;

use crate::reply::{Listed, done, fleet_launched, launched, page, started, stopped, terminated};
use crate::sample::{choice, launch, region};
use crate::wire::{Reply, Sent, Wire, run};

/// One instance in a listing; `leave_out` names an element to be missing.
fn listed(id: &str, state: &str, tags: &[(&str, &str)], leave_out: &str) -> String {
    let instance = Listed {
        id,
        state,
        zone: "eu-west-1a",
        instance_type: "c7a.large",
        launched_at: "2026-11-20T13:00:00.000Z",
        lifecycle: "",
        reservations: "",
        tags,
    };
    instance.xml(leave_out)
}

fn ids(names: &[&str]) -> Vec<InstanceId> {
    names.iter().map(|name| InstanceId::new(*name)).collect()
}

#[test]
fn a_listing_is_read_to_its_last_page() {
    let tags = [
        (tag::INSTALLATION, "inst"),
        (tag::FLEET, "web"),
        (tag::POOL, "blue"),
        (tag::PLAN, "plan-1"),
        (tag::STEP, "2"),
        ("protected", ""),
        (tag::STATE, "draining"),
        (tag::DRAINED, "true"),
        (tag::TEMPLATE_ID, "lt-1"),
        (tag::TEMPLATE_VERSION, "3"),
    ];
    let wire = Wire::script([
        page(&listed("i-1", "running", &tags, ""), Some("more")),
        page(&listed("i-2", "shutting-down", &[(tag::FLEET, "No Id")], ""), None),
    ]);
    let found = run(wire.aws().instances(&region(), &InstallationId::new("inst")));
    let [first, second] = found.as_deref().unwrap_or_default() else {
        panic!("{found:?}")
    };

    assert_eq!(first.fleet.as_ref().map(|fleet| fleet.as_str()), Some("web"));
    assert_eq!((first.instance.id.as_str(), first.instance.state), ("i-1", InstanceState::Running));
    assert_eq!(first.instance.pool.as_ref().map(|pool| pool.as_str()), Some("blue"));
    assert_eq!(first.instance.plan.as_ref().map(|plan| plan.as_str()), Some("plan-1"));
    assert_eq!(first.instance.step, Some(StepNumber(2)));
    assert_eq!(first.instance.launched_at.to_string(), "2026-11-20T13:00:00Z");
    assert!(first.tag_keys.contains("protected"));
    let word = first.instance.word;
    assert_eq!((word.told, word.ready, word.drained), (Some(Told::Draining), false, true));
    let from = first.instance.template.as_ref().map(|from| (from.id.as_str(), from.version));
    assert_eq!((from, &second.instance.template), (Some(("lt-1", 3)), &None));
    // a tag that is no id belongs to no fleet, but the instance is still told
    assert_eq!((second.fleet.as_ref(), second.instance.state), (None, InstanceState::ShuttingDown));

    let sent = wire.sent();
    assert_eq!(sent.iter().map(|sent| sent.text("NextToken")).collect::<Vec<_>>(), ["", "more"]);
    for request in &sent {
        assert_eq!(request.text("Filter.1.Name"), "tag:ghostnet:installation");
        assert_eq!((request.text("Filter.1.Value.1"), request.text("MaxResults")), ("inst", "1000"));
    }
}

#[test]
fn a_listing_says_how_an_instance_was_bought() {
    let open = "<capacityReservationPreference>open</capacityReservationPreference>";
    let only = "<capacityReservationPreference>capacity-reservations-only</capacityReservationPreference>";
    let one = "<capacityReservationTarget><capacityReservationId>cr-0a1b</capacityReservationId></capacityReservationTarget>";
    for (lifecycle, reservations, market) in [
        ("", "", Market::OnDemand),
        ("spot", "", Market::Spot),
        ("spot", open, Market::Spot),
        ("scheduled", "", Market::OnDemand),
        ("capacity-block", "", Market::OnDemand),
        // it may run in a reservation, and need not
        ("", open, Market::OnDemand),
        ("", only, Market::Reserved),
        ("", one, Market::Reserved),
    ] {
        let instance = Listed {
            id: "i-1",
            state: "running",
            zone: "eu-west-1a",
            instance_type: "c7a.large",
            launched_at: "2026-11-20T13:00:00.000Z",
            lifecycle,
            reservations,
            tags: &[],
        };
        let wire = Wire::script([page(&instance.xml(""), None)]);
        let found = run(wire.aws().instances(&region(), &InstallationId::new("inst"))).unwrap_or_default();
        let bought = found.first().map(|listed| listed.instance.market);
        assert_eq!(bought, Some(market), "{lifecycle:?} {reservations:?}");
    }
}

#[test]
fn a_listing_with_a_gap_is_an_error() {
    let whole = listed("i-1", "running", &[], "");
    for (situation, broken) in [
        ("no id", listed("i-2", "running", &[], "instanceId")),
        ("no state", listed("i-2", "running", &[], "instanceState")),
        ("a state of next year", listed("i-2", "dreaming", &[], "")),
        ("no launch time", listed("i-2", "running", &[], "launchTime")),
    ] {
        let wire = Wire::script([page(&format!("{whole}{broken}"), None)]);
        let found = run(wire.aws().instances(&region(), &InstallationId::new("inst")));
        let error = found.err().map(|error| (error.class, error.code));
        assert_eq!(error, Some((ErrorClass::Transient, "IncompleteAnswer".to_owned())), "{situation}");
    }
}

#[test]
fn a_listing_whose_second_page_fails_is_an_error() {
    let wire = Wire::new(|_, number| match number {
        0 => page(&listed("i-1", "running", &[], ""), Some("more")),
        _ => Reply::xml_error(403, "UnauthorizedOperation"),
    });
    let found = run(wire.aws().instances(&region(), &InstallationId::new("inst")));
    assert_eq!(found.err().map(|error| error.class), Some(ErrorClass::Denied));
}

#[test]
fn a_listing_without_end_is_an_error() {
    let wire = Wire::new(|_, number| page("", Some(&format!("page-{number}"))));
    let found = run(wire.aws().instances(&region(), &InstallationId::new("inst")));
    assert_eq!(found.err().map(|error| error.code), Some("TooManyPages".to_owned()));
    assert_eq!(wire.sent().len(), 100);
}

#[test]
fn a_launch_says_everything_that_the_plan_says() {
    let wire = Wire::script([launched(&["i-1", "i-2"])]);
    let tags = [(tag::INSTALLATION, "inst".to_owned()), (tag::FLEET, "web".to_owned())];
    // three were asked for: a partial launch is a normal answer
    assert_eq!(run(wire.aws().launch(&region(), &launch(3), &tags)), Ok(ids(&["i-1", "i-2"])));
    let sent = wire.only();
    for (name, value) in [
        ("MinCount", "1"),
        ("MaxCount", "3"),
        ("ClientToken", ClientToken::over(&["web"]).as_str()),
        ("LaunchTemplate.LaunchTemplateName", "web"),
        ("LaunchTemplate.LaunchTemplateId", ""),
        ("LaunchTemplate.Version", "3"),
        ("SubnetId", "subnet-a"),
        ("InstanceType", "c7a.large"),
        ("TagSpecification.1.ResourceType", "instance"),
        ("TagSpecification.1.Tag.1.Key", "ghostnet:installation"),
        ("TagSpecification.1.Tag.2.Value", "web"),
        ("TagSpecification.2.ResourceType", "volume"),
        ("TagSpecification.2.Tag.1.Value", "inst"),
    ] {
        assert_eq!(sent.text(name), value, "{name}");
    }
}

#[test]
fn a_spot_launch_asks_for_spot_and_another_does_not() {
    for (market, asked) in [(Market::Spot, "spot"), (Market::OnDemand, "")] {
        let wire = Wire::script([launched(&["i-1"])]);
        let mut launch = launch(1);
        launch.offering.market = market;
        assert!(run(wire.aws().launch(&region(), &launch, &[])).is_ok());
        assert_eq!(wire.only().text("InstanceMarketOptions.MarketType"), asked);
    }
}

/// In a reservation or not at all, because whether to launch without one is the next look's to decide; on demand says nothing, so
/// that the template has its way.
#[test]
fn a_launch_into_a_reservation_names_it() {
    const GROUP: &str = "arn:aws:resource-groups:eu-west-1:123456789012:group/web";
    let only = "capacity-reservations-only";
    for (reservation, preference, id, group) in [
        (None, "", "", ""),
        (Some(Reservation::Open), only, "", ""),
        (Some(Reservation::Id("cr-0a1b".to_owned())), "", "cr-0a1b", ""),
        (Some(Reservation::Group(GROUP.to_owned())), "", "", GROUP),
    ] {
        let wire = Wire::script([launched(&["i-1"])]);
        let mut launch = launch(1);
        if reservation.is_some() {
            launch.offering.market = Market::Reserved;
        }
        launch.offering.reservation = reservation;
        assert!(run(wire.aws().launch(&region(), &launch, &[])).is_ok());
        let sent = wire.only();
        let told = |name: &str| sent.text(&format!("CapacityReservationSpecification.{name}"));
        let target = |name: &str| told(&format!("CapacityReservationTarget.{name}"));
        assert_eq!(told("CapacityReservationPreference"), preference);
        assert_eq!(target("CapacityReservationId"), id);
        assert_eq!(target("CapacityReservationResourceGroupArn"), group);
        assert_eq!(sent.text("InstanceMarketOptions.MarketType"), "");
    }
}

#[test]
fn a_launch_with_a_choice_says_everything_that_the_plan_says() {
    let wire = Wire::script([fleet_launched(&["i-1", "i-2"], &[("c7a.large", "InsufficientInstanceCapacity")])]);
    let tags = [(tag::INSTALLATION, "inst".to_owned())];
    let mut launch = launch(3);
    launch.offering.market = Market::Spot;
    launch.choice = Some(choice());
    let answer = run(wire.aws().create_fleet(&region(), &launch, &choice(), &tags)).unwrap_or_default();
    assert_eq!(answer.instances, ids(&["i-1", "i-2"]));
    let [refused] = answer.refused.as_slice() else {
        panic!("{answer:?}")
    };
    assert_eq!((&refused.offering, refused.class), (&launch.offering, ErrorClass::NoCapacity));
    assert_eq!(refused.message, "about InsufficientInstanceCapacity");
    let sent = wire.only();
    for (name, value) in [
        ("Type", "instant"),
        ("ClientToken", ClientToken::over(&["web"]).as_str()),
        ("LaunchTemplateConfigs.1.LaunchTemplateSpecification.LaunchTemplateName", "web"),
        ("LaunchTemplateConfigs.1.LaunchTemplateSpecification.Version", "3"),
        ("LaunchTemplateConfigs.1.Overrides.1.InstanceType", "c7a.large"),
        ("LaunchTemplateConfigs.1.Overrides.1.SubnetId", "subnet-a"),
        ("LaunchTemplateConfigs.1.Overrides.2.InstanceType", "m7a.large"),
        ("LaunchTemplateConfigs.1.Overrides.2.SubnetId", "subnet-a"),
        ("LaunchTemplateConfigs.1.Overrides.3.InstanceType", ""),
        ("LaunchTemplateConfigs.2.Overrides.1.InstanceType", ""),
        ("TargetCapacitySpecification.TotalTargetCapacity", "3"),
        ("TargetCapacitySpecification.DefaultTargetCapacityType", "spot"),
        ("SpotOptions.AllocationStrategy", "capacity-optimized"),
        ("TagSpecification.1.ResourceType", "instance"),
        ("TagSpecification.1.Tag.1.Key", "ghostnet:installation"),
        ("TagSpecification.2.ResourceType", "volume"),
        ("TagSpecification.3.ResourceType", "fleet"),
        ("TagSpecification.3.Tag.1.Value", "inst"),
    ] {
        assert_eq!(sent.text(name), value, "{name}");
    }
}

#[test]
fn a_launch_with_a_choice_that_gave_nothing_says_why() {
    for (situation, errors, classes) in [
        (
            "each type is empty",
            vec![
                ("c7a.large", "UnfulfillableCapacity"),
                ("m7a.large", "InsufficientInstanceCapacity"),
            ],
            vec![("c7a.large", ErrorClass::NoCapacity), ("m7a.large", ErrorClass::NoCapacity)],
        ),
        (
            "one that its zone does not offer",
            vec![
                ("c7a.large", "InvalidFleetConfiguration"),
                ("m7a.large", "InsufficientInstanceCapacity"),
            ],
            vec![("c7a.large", ErrorClass::NoCapacity), ("m7a.large", ErrorClass::NoCapacity)],
        ),
        (
            "a quota",
            vec![("m7a.large", "MaxSpotInstanceCountExceeded")],
            vec![("m7a.large", ErrorClass::Quota)],
        ),
        (
            "a code of next year",
            vec![("m7a.large", "ACodeOfNextYear")],
            vec![("m7a.large", ErrorClass::Invalid)],
        ),
    ] {
        let wire = Wire::script([fleet_launched(&[], &errors)]);
        let answer = run(wire.aws().create_fleet(&region(), &launch(1), &choice(), &[])).unwrap_or_default();
        let told: Vec<_> = answer
            .refused
            .iter()
            .filter_map(|refused| Some((refused.offering.instance_type.as_ref()?.as_str(), refused.class)))
            .collect();
        assert_eq!((answer.instances, told), (Vec::new(), classes), "{situation}");
    }
    let wire = Wire::script([fleet_launched(&[], &[]), fleet_launched(&[], &[]), fleet_launched(&[], &[])]);
    let class = run(wire.aws().create_fleet(&region(), &launch(1), &choice(), &[]))
        .err()
        .map(|error| error.class);
    assert_eq!(class, Some(ErrorClass::Transient), "nothing is said, so nothing is known");
}

#[test]
fn a_refused_launch_has_its_class_and_is_not_repeated() {
    for (code, status, class) in [
        ("InsufficientInstanceCapacity", 500, ErrorClass::NoCapacity),
        ("Unsupported", 400, ErrorClass::NoCapacity),
        ("ReservationCapacityExceeded", 400, ErrorClass::NoCapacity),
        ("InvalidCapacityReservationId.NotFound", 400, ErrorClass::Invalid),
        ("VcpuLimitExceeded", 400, ErrorClass::Quota),
        ("MaxSpotInstanceCountExceeded", 400, ErrorClass::Quota),
        ("InsufficientFreeAddressesInSubnet", 400, ErrorClass::Subnet),
        ("IdempotentParameterMismatch", 400, ErrorClass::Token),
        ("IdempotentInstanceTerminated", 400, ErrorClass::Token),
        ("InvalidLaunchTemplateName.NotFoundException", 400, ErrorClass::Invalid),
        ("InvalidAMIID.NotFound", 400, ErrorClass::Invalid),
        ("UnauthorizedOperation", 403, ErrorClass::Denied),
        ("ACodeOfNextYear", 400, ErrorClass::Invalid),
    ] {
        let wire = Wire::new(move |_, _| Reply::xml_error(status, code));
        let error = run(wire.aws().launch(&region(), &launch(1), &[])).err();
        let told = error.map(|error| (error.call, error.class, error.code, error.message));
        assert_eq!(
            told,
            Some(("ec2:RunInstances", class, code.to_owned(), format!("about {code}"))),
            "{code}"
        );
        assert_eq!(wire.sent().len(), 1, "{code}");
    }
}

#[test]
fn a_launch_is_repeated_with_its_token_and_keeps_what_is_unknown() {
    let throttled = || Reply::xml_error(503, "RequestLimitExceeded");
    let denied = || Reply::xml_error(403, "UnauthorizedOperation");
    for (situation, replies, class) in [
        ("lost once", vec![Reply::Lost, launched(&["i-1"])], None),
        ("throttled once", vec![throttled(), launched(&["i-1"])], None),
        (
            "throttled to the end",
            vec![throttled(), throttled(), throttled()],
            Some(ErrorClass::Throttled),
        ),
        (
            "lost, then throttled: it may have happened",
            vec![Reply::Lost, throttled(), throttled()],
            Some(ErrorClass::Transient),
        ),
        (
            "lost, then denied: it may have happened",
            vec![Reply::Lost, denied()],
            Some(ErrorClass::Transient),
        ),
        (
            "lost, then over the quota: it may have happened",
            vec![Reply::Lost, Reply::xml_error(400, "VcpuLimitExceeded")],
            Some(ErrorClass::Transient),
        ),
        (
            "lost, then no capacity: the token says it did not",
            vec![Reply::Lost, Reply::xml_error(500, "InsufficientInstanceCapacity")],
            Some(ErrorClass::NoCapacity),
        ),
        (
            "5xx to the end",
            vec![
                Reply::xml_error(500, "InternalError"),
                Reply::xml_error(503, "Unavailable"),
                Reply::Lost,
            ],
            Some(ErrorClass::Transient),
        ),
        (
            "success without an instance",
            vec![launched(&[]), launched(&[]), launched(&[])],
            Some(ErrorClass::Transient),
        ),
    ] {
        let expected = replies.len();
        let wire = Wire::script(replies);
        let result = run(wire.aws().launch(&region(), &launch(1), &[]));
        assert_eq!(result.err().map(|error| error.class), class, "{situation}");
        let tokens: BTreeSet<_> = wire.sent().iter().map(|sent| sent.text("ClientToken").to_owned()).collect();
        assert_eq!((wire.sent().len(), tokens.len()), (expected, 1), "{situation}");
    }
}

/// EC2 fails the whole batch for one bad id.
fn terminate(sent: &Sent, bad: &[(&str, u16, &str)]) -> Reply {
    unless(sent, bad, terminated)
}

fn unless(sent: &Sent, bad: &[(&str, u16, &str)], well: fn() -> Reply) -> Reply {
    let named = |id: &str| (1..=10).any(|n| sent.text(&format!("InstanceId.{n}")) == id);
    let error = bad.iter().find(|(id, _, _)| named(id));
    error.map_or_else(well, |(_, status, code)| Reply::xml_error(*status, code))
}

const LACKS: &str = "InsufficientInstanceCapacity";

#[test]
fn what_keeps_one_from_starting_keeps_no_other() {
    let bad = [
        ("i-full", 500, LACKS),
        ("i-stopping", 400, "IncorrectInstanceState"),
        ("i-gone", 400, "InvalidInstanceID.NotFound"),
    ];
    let wire = Wire::new(move |sent, _| unless(sent, &bad, started));
    let result = run(wire.aws().start(&region(), &ids(&["i-1", "i-full", "i-stopping", "i-gone", "i-2"])));
    let failed = bad.map(|(id, _, code)| (InstanceId::new(id), code.to_owned()));
    assert_eq!(result, Ok(failed.into()));
    assert_eq!(wire.sent().len(), 6, "the batch, and then each alone");
    let wire = Wire::new(move |sent, _| {
        unless(
            sent,
            &[("i-stopping", 400, "IncorrectInstanceState"), ("i-lost", 503, "ServiceUnavailable")],
            started,
        )
    });
    let result = run(wire.aws().start(&region(), &ids(&["i-stopping", "i-lost"])));
    assert_eq!(
        result.err().map(|error| error.class),
        Some(ErrorClass::Transient),
        "nobody can know of that one"
    );
    let wire = Wire::script([started()]);
    assert_eq!(run(wire.aws().start(&region(), &ids(&["i-1", "i-2"]))), Ok(BTreeMap::new()));
    assert_eq!(
        (wire.only().operation.as_str(), wire.only().text("InstanceId.2")),
        ("ec2:StartInstances", "i-2")
    );
}

#[test]
fn no_capacity_for_any_is_no_capacity() {
    for instances in [&["i-1"][..], &["i-1", "i-2"]] {
        let wire = Wire::new(|_, _| Reply::xml_error(500, LACKS));
        let error = run(wire.aws().start(&region(), &ids(instances))).err();
        let told = error.map(|error| (error.call, error.class, error.code));
        assert_eq!(
            told,
            Some(("ec2:StartInstances", ErrorClass::NoCapacity, LACKS.to_owned())),
            "{instances:?}"
        );
    }
}

#[test]
fn a_stop_is_sent_once_and_hibernates_if_asked_to() {
    for (hibernate, said) in [(true, "true"), (false, "")] {
        let wire = Wire::script([stopped()]);
        assert_eq!(run(wire.aws().stop(&region(), &ids(&["i-1"]), hibernate)), Ok(BTreeMap::new()));
        let sent = wire.only();
        assert_eq!(
            (sent.operation.as_str(), sent.text("InstanceId.1"), sent.text("Hibernate")),
            ("ec2:StopInstances", "i-1", said)
        );
    }
    let bad = [
        ("i-spot", 400, "UnsupportedOperation"),
        ("i-gone", 400, "InvalidInstanceID.NotFound"),
    ];
    let wire = Wire::new(move |sent, _| unless(sent, &bad, stopped));
    let failed = bad.map(|(id, _, code)| (InstanceId::new(id), code.to_owned()));
    assert_eq!(
        run(wire.aws().stop(&region(), &ids(&["i-1", "i-spot", "i-gone"]), false)),
        Ok(failed.into())
    );
}

#[test]
fn a_start_or_a_stop_whose_answer_is_lost_is_not_repeated() {
    let stop = async |aws: &ghostnet_aws::Aws| aws.stop(&region(), &ids(&["i-1"]), false).await;
    let start = async |aws: &ghostnet_aws::Aws| aws.start(&region(), &ids(&["i-1"])).await;
    for starts in [true, false] {
        let wire = Wire::script([Reply::Lost, started()]);
        let aws = wire.aws();
        let result = if starts { run(start(&aws)) } else { run(stop(&aws)) };
        assert_eq!(
            (result.err().map(|error| error.class), wire.sent().len()),
            (Some(ErrorClass::Transient), 1)
        );
    }
}

#[test]
fn one_bad_id_does_not_stop_the_others() {
    let bad = [("i-protected", "OperationNotPermitted"), ("i-?", "InvalidInstanceID.Malformed")];
    let wire = Wire::new(move |sent, _| terminate(sent, &bad.map(|(id, code)| (id, 400, code))));
    let result = run(wire.aws().terminate(&region(), &ids(&["i-1", "i-protected", "i-?", "i-2"])));
    let failed: BTreeMap<_, _> = bad.map(|(id, code)| (InstanceId::new(id), code.to_owned())).into();
    assert_eq!(result, Ok(failed));
    assert_eq!(asked_alone(&wire), 4, "the batch, and then each alone");
}

#[test]
fn a_terminate_of_which_one_is_not_answered_ends_the_others_and_stays_open() {
    for (status, code, class) in [
        (400, "InvalidInstanceID.NotFound", ErrorClass::NotFound),
        (503, "ServiceUnavailable", ErrorClass::Transient),
        (503, "RequestLimitExceeded", ErrorClass::Throttled),
    ] {
        let bad = [("i-1", 400, "OperationNotPermitted"), ("i-open", status, code)];
        let wire = Wire::new(move |sent, _| terminate(sent, &bad));
        let result = run(wire.aws().terminate(&region(), &ids(&["i-1", "i-open", "i-2"])));
        assert_eq!(result.map_err(|error| error.class), Err(class), "{code}");
        assert_eq!(asked_alone(&wire), 3, "{code}");
    }
}

/// How many were asked for one by one, after the batch.
fn asked_alone(wire: &Wire) -> usize {
    let sent = wire.sent();
    let alone: BTreeSet<_> = sent.iter().skip(1).map(|sent| sent.text("InstanceId.1").to_owned()).collect();
    alone.len()
}

#[test]
fn a_batch_without_trouble_is_one_call() {
    let wire = Wire::script([terminated()]);
    assert_eq!(run(wire.aws().terminate(&region(), &ids(&["i-1", "i-2"]))), Ok(BTreeMap::new()));
    assert_eq!((wire.only().text("InstanceId.1"), wire.only().text("InstanceId.2")), ("i-1", "i-2"));
}

#[test]
fn a_single_bad_id_is_not_asked_again() {
    for (code, answer) in [
        ("InvalidInstanceID.NotFound", Err(ErrorClass::NotFound)),
        ("OperationNotPermitted", Ok(1)),
    ] {
        let wire = Wire::new(move |_, _| Reply::xml_error(400, code));
        let result = run(wire.aws().terminate(&region(), &ids(&["i-1"])));
        let result = result.map(|failed| failed.len()).map_err(|error| error.class);
        assert_eq!((result, wire.sent().len()), (answer, 1), "{code}");
    }
}

#[test]
fn a_lost_terminate_is_tried_again_and_then_left_open() {
    let wire = Wire::script([]);
    let result = run(wire.aws().terminate(&region(), &ids(&["i-1", "i-2"])));
    assert_eq!(result.err().map(|error| error.class), Some(ErrorClass::Transient));
    assert_eq!(wire.sent().len(), 3, "by the SDK, and not one by one: no single id is the cause");
}

#[test]
fn a_word_is_one_tag_on_all_and_is_sent_once() {
    let wire = Wire::script([done("CreateTags")]);
    assert_eq!(run(wire.aws().tell(&region(), &ids(&["i-1", "i-2"]), Told::Draining)), Ok(()));
    let sent = wire.only();
    for (name, value) in [
        ("ResourceId.1", "i-1"),
        ("ResourceId.2", "i-2"),
        ("Tag.1.Key", "ghostnet:state"),
        ("Tag.1.Value", "draining"),
        ("Tag.2.Key", ""),
    ] {
        assert_eq!(sent.text(name), value, "{name}");
    }

    for (reply, class) in [
        (Reply::Lost, ErrorClass::Transient),
        (Reply::xml_error(400, "InvalidInstanceID.NotFound"), ErrorClass::NotFound),
        (Reply::xml_error(403, "UnauthorizedOperation"), ErrorClass::Denied),
        (Reply::xml_error(503, "RequestLimitExceeded"), ErrorClass::Throttled),
    ] {
        let wire = Wire::script([reply]);
        let result = run(wire.aws().tell(&region(), &ids(&["i-1"]), Told::Serving));
        assert_eq!((result.err().map(|error| error.class), wire.sent().len()), (Some(class), 1));
    }
}

#[test]
fn lookups_leave_out_what_does_not_exist() {
    let subnet = "<item><subnetId>subnet-a</subnetId><availabilityZone>eu-west-1a</availabilityZone></item>";
    let wire = Wire::script([Reply::xml(format!(
        "<DescribeSubnetsResponse><subnetSet>{subnet}</subnetSet></DescribeSubnetsResponse>"
    ))]);
    let zones = run(wire.aws().zones(&region(), &[SubnetId::new("subnet-a"), SubnetId::new("subnet-b")]));
    assert_eq!(zones, Ok(BTreeMap::from([(SubnetId::new("subnet-a"), Zone::new("eu-west-1a"))])));

    let template = launch(1).template;
    let wire = Wire::script([Reply::xml_error(400, "InvalidLaunchTemplateName.NotFoundException")]);
    assert_eq!(run(wire.aws().launch_template(&region(), &template)), Ok(None));
    let data = "<launchTemplateData><instanceType>c7a.large</instanceType></launchTemplateData>";
    let version = format!("<item><launchTemplateId>lt-1</launchTemplateId><versionNumber>3</versionNumber>{data}</item>");
    let wire = Wire::script([Reply::xml(format!(
        "<DescribeLaunchTemplateVersionsResponse><launchTemplateVersionSet>{version}</launchTemplateVersionSet></DescribeLaunchTemplateVersionsResponse>"
    ))]);
    let facts = run(wire.aws().launch_template(&region(), &template));
    let facts = facts
        .ok()
        .flatten()
        .map(|facts| (facts.version, facts.has_network_interfaces, facts.is_spot || facts.is_reserved));
    let third = TemplateVersion {
        id: "lt-1".to_owned(),
        version: 3,
    };
    assert_eq!(facts, Some((Some(third), false, false)));
}
