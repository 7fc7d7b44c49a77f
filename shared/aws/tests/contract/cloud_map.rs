//! Cloud Map: who registered what, read page by page; registered and deregistered one by one, and once.

use std::net::Ipv4Addr;

use ghostnet_aws::cloud_map::ServiceFacts;
use ghostnet_core::id::{InstallationId, InstanceId, ServiceId};
use ghostnet_core::observation::Registration;
use ghostnet_core::unit::Seconds;
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::Discovery;
use serde_json::{Value, json};

use crate::sample::{announced, region, registrar, service};
use crate::wire::{Reply, Wire, run};

fn ours() -> InstallationId {
    InstallationId::new("inst")
}

fn registered(id: &str, installation: Option<&str>, pool: &str) -> Value {
    let mut attributes =
        json!({ "AWS_INSTANCE_IPV4": "10.0.0.7", "AWS_INSTANCE_PORT": "8080", "ghostnet:fleet": "web", "ghostnet:pool": pool });
    if let (Some(installation), Some(attributes)) = (installation, attributes.as_object_mut()) {
        attributes.insert("ghostnet:installation".to_owned(), json!(installation));
    }
    json!({ "Id": id, "Attributes": attributes })
}

fn page(instances: &[Value], next: Option<&str>) -> Reply {
    Reply::json(&json!({ "Instances": instances, "NextToken": next }))
}

#[test]
fn all_pages_are_read_and_what_is_ours_is_told_by_its_attributes() {
    let wire = Wire::script([
        page(&[registered("i-1", Some("inst"), "blue")], Some("more")),
        page(
            &[
                registered("i-2", Some("another"), "blue"),
                registered("i-3", None, "blue"),
                registered("i-4", Some("inst"), "No Pool"),
                json!({ "Id": "task", "Attributes": { "AWS_INSTANCE_CNAME": "example.com" } }),
                json!({ "Id": "bare" }),
            ],
            None,
        ),
    ]);
    let found = run(wire.aws().registrations(&region(), &service(), &ours())).unwrap_or_default();
    let told: Vec<_> = found
        .iter()
        .map(|one| (one.instance.as_str(), one.by.is_some(), one.port.is_some()))
        .collect();
    assert_eq!(
        told,
        [
            ("i-1", true, true),
            ("i-2", false, true),
            ("i-3", false, true),
            ("i-4", false, true),
            ("task", false, false),
            ("bare", false, false),
        ]
    );
    let first = Registration {
        instance: InstanceId::new("i-1"),
        by: Some(registrar()),
        address: Some(Ipv4Addr::new(10, 0, 0, 7)),
        port: Some(8080),
    };
    assert_eq!(found.first(), Some(&first));
    let sent = wire.sent();
    assert_eq!(
        sent.iter()
            .map(|sent| (sent.text("ServiceId"), sent.text("NextToken")))
            .collect::<Vec<_>>(),
        [("srv-web", ""), ("srv-web", "more")]
    );
}

#[test]
fn a_part_of_a_list_is_no_list() {
    let lost = Wire::script([page(&[registered("i-1", Some("inst"), "blue")], Some("more"))]);
    let error = run(lost.aws().registrations(&region(), &service(), &ours())).err();
    assert_eq!(error.map(|error| error.class), Some(ErrorClass::Transient));
    let endless = Wire::new(|_, number| page(&[], Some(&format!("page-{number}"))));
    let error = run(endless.aws().registrations(&region(), &service(), &ours())).err();
    assert_eq!(error.map(|error| error.code), Some("TooManyPages".to_owned()));
    let gone = Wire::script([Reply::map_error(400, "ServiceNotFound")]);
    let error = run(gone.aws().registrations(&region(), &service(), &ours())).err();
    assert_eq!(error.map(|error| error.class), Some(ErrorClass::NotFound));
}

#[test]
fn an_instance_is_registered_under_its_id_with_its_address_and_whose_it_is() {
    let (installation, by, instance) = (ours(), registrar(), InstanceId::new("i-1"));
    for (port, told) in [(Some(8080), Some("8080")), (None, None)] {
        let wire = Wire::script([Reply::json(&json!({ "OperationId": "operation" }))]);
        let what = ghostnet_engine::port::Announced {
            port,
            ..announced(&installation, &by, &instance)
        };
        assert_eq!(run(wire.aws().announce(&region(), &service(), &what)), Ok(()));
        let sent = wire.only();
        assert_eq!((sent.text("ServiceId"), sent.text("InstanceId")), ("srv-web", "i-1"));
        let attribute = |key: &str| sent.body["Attributes"].get(key).and_then(Value::as_str);
        assert_eq!(attribute("AWS_INSTANCE_IPV4"), Some("10.0.0.7"));
        assert_eq!(attribute("AWS_INSTANCE_PORT"), told);
        assert_eq!(attribute("ghostnet:installation"), Some("inst"));
        assert_eq!(
            (attribute("ghostnet:fleet"), attribute("ghostnet:pool")),
            (Some("web"), Some("blue"))
        );
    }
}

#[test]
fn both_are_attempted_once_and_what_goes_on_already_is_success() {
    let (installation, by, instance) = (ours(), registrar(), InstanceId::new("i-1"));
    for (situation, reply, announces, withdraws) in [
        ("lost", Reply::Lost, Some(ErrorClass::Transient), Some(ErrorClass::Transient)),
        (
            "throttled",
            Reply::map_error(400, "RequestLimitExceeded"),
            Some(ErrorClass::Throttled),
            Some(ErrorClass::Throttled),
        ),
        ("goes on already", Reply::map_error(400, "DuplicateRequest"), None, None),
        (
            "not registered",
            Reply::map_error(400, "InstanceNotFound"),
            Some(ErrorClass::NotFound),
            None,
        ),
        (
            "no such service",
            Reply::map_error(400, "ServiceNotFound"),
            Some(ErrorClass::NotFound),
            Some(ErrorClass::NotFound),
        ),
        (
            "not allowed",
            Reply::map_error(400, "AccessDeniedException"),
            Some(ErrorClass::Denied),
            Some(ErrorClass::Denied),
        ),
    ] {
        let wire = Wire::new(move |_, _| reply.clone());
        let answer = run(wire
            .aws()
            .announce(&region(), &service(), &announced(&installation, &by, &instance)));
        assert_eq!(answer.err().map(|error| error.class), announces, "{situation}");
        let answer = run(wire.aws().withdraw(&region(), &service(), &instance));
        assert_eq!(answer.err().map(|error| error.class), withdraws, "{situation}");
        assert_eq!(
            wire.operations(),
            ["servicediscovery:RegisterInstance", "servicediscovery:DeregisterInstance"],
            "{situation}"
        );
    }
}

#[test]
fn a_service_is_looked_up_with_its_records_and_checks() {
    let record = |kind: &str, ttl: u32| json!({ "Type": kind, "TTL": ttl });
    let wire = Wire::script([
        Reply::json(&json!({ "Service": { "Id": "srv-http", "Type": "HTTP" } })),
        Reply::json(&json!({ "Service": {
            "Id": "srv-dns", "Type": "DNS_HTTP", "DnsConfig": { "DnsRecords": [record("A", 15), record("SRV", 60)] },
            "HealthCheckConfig": { "Type": "HTTP" },
        } })),
        Reply::map_error(400, "ServiceNotFound"),
    ]);
    let ids = ["srv-http", "srv-dns", "srv-none"].map(ServiceId::new);
    let found = run(wire.aws().services(&region(), &ids)).unwrap_or_default();
    let http = ServiceFacts {
        records: Vec::new(),
        ttl: None,
        is_checked: false,
    };
    let dns = ServiceFacts {
        records: vec!["A".to_owned(), "SRV".to_owned()],
        ttl: Some(Seconds(60)),
        is_checked: true,
    };
    assert_eq!(found.into_values().collect::<Vec<_>>(), [dns, http]);
}
