//! Dry runs: the very requests of the real calls, marked; and what each answer means.

use ghostnet_core::id::InstanceId;
use ghostnet_core::observation::tag;
use ghostnet_core::plan::Launch;
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::{Compute, DryRun, Touch};
use serde_json::Value;

use crate::reply::{fleet_launched, launched, terminated};
use crate::sample::{choice, launch, region};
use crate::wire::{Reply, Sent, Wire, run};

const TAGS: fn() -> [(&'static str, String); 1] = || [(tag::INSTALLATION, "inst".to_owned())];

/// The parameters of a request, the mark of a dry run taken out.
fn unmarked(sent: &Sent) -> Value {
    let mut body = sent.body.clone();
    let mark = body.as_object_mut().and_then(|fields| fields.remove("DryRun"));
    assert_eq!(mark.as_ref().and_then(Value::as_str), Some("true"), "{sent:?}");
    body
}

#[test]
fn a_dry_launch_is_the_launch_itself_but_for_the_mark() {
    let choosing = Launch {
        choice: Some(choice()),
        ..launch(1)
    };
    for (launch, answer) in [(launch(1), launched(&["i-1"])), (choosing.clone(), fleet_launched(&["i-1"], &[]))] {
        let real = Wire::script([answer]);
        let dry = Wire::script([Reply::xml_error(412, "DryRunOperation")]);
        let launched = match &launch.choice {
            None => run(real.aws().launch(&region(), &launch, &TAGS())).map(drop),
            Some(choice) => run(real.aws().create_fleet(&region(), &launch, choice, &TAGS())).map(drop),
        };
        assert_eq!(launched, Ok(()));
        assert_eq!(run(dry.aws().may_launch(&region(), &launch, &TAGS())), Ok(()));
        assert_eq!(real.only().operation, dry.only().operation);
        assert_eq!(real.only().body, unmarked(&dry.only()));
    }
}

#[test]
fn what_is_done_with_an_instance_is_asked_about_that_instance() {
    for (touch, operation, parameter) in [
        (Touch::Start, "ec2:StartInstances", "InstanceId.1"),
        (Touch::Stop, "ec2:StopInstances", "InstanceId.1"),
        (Touch::Tell, "ec2:CreateTags", "ResourceId.1"),
        (Touch::Terminate, "ec2:TerminateInstances", "InstanceId.1"),
    ] {
        let wire = Wire::script([Reply::xml_error(412, "DryRunOperation")]);
        assert_eq!(run(wire.aws().may_touch(&region(), &InstanceId::new("i-1"), touch)), Ok(()));
        let sent = wire.only();
        assert_eq!(
            (sent.operation.as_str(), sent.text(parameter), sent.text("DryRun")),
            (operation, "i-1", "true")
        );
    }
}

#[test]
fn every_answer_has_its_class_and_none_is_asked_for_twice() {
    for (code, status, class) in [
        ("UnauthorizedOperation", 403, ErrorClass::Denied),
        ("AuthFailure.ServiceLinkedRoleCreationNotPermitted", 403, ErrorClass::Invalid),
        ("InvalidAMIID.NotFound", 400, ErrorClass::Invalid),
        ("InvalidSubnetID.NotFound", 400, ErrorClass::Invalid),
        ("Unsupported", 400, ErrorClass::NoCapacity),
        ("InsufficientFreeAddressesInSubnet", 400, ErrorClass::Subnet),
        ("VcpuLimitExceeded", 400, ErrorClass::Quota),
        ("RequestLimitExceeded", 503, ErrorClass::Throttled),
        ("InternalError", 500, ErrorClass::Transient),
    ] {
        let wire = Wire::script([Reply::xml_error(status, code)]);
        let error = run(wire.aws().may_launch(&region(), &launch(1), &TAGS())).err();
        let told = error.map(|error| (error.call, error.class, error.code));
        assert_eq!(told, Some(("ec2:RunInstances", class, code.to_owned())));
        assert_eq!(wire.operations(), ["ec2:RunInstances"], "{code}");
    }
}

#[test]
fn an_endpoint_that_ignores_the_mark_is_no_consent() {
    let wire = Wire::new(|sent, _| match sent.operation.as_str() {
        "ec2:RunInstances" => launched(&["i-1"]),
        _ => terminated(),
    });
    let aws = wire.aws();
    for refused in [
        run(aws.may_launch(&region(), &launch(1), &TAGS())),
        run(aws.may_touch(&region(), &InstanceId::new("i-1"), Touch::Terminate)),
    ] {
        assert_eq!(refused.map_err(|error| error.code), Err("NotADryRun".to_owned()));
    }
}
