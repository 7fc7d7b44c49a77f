//! The contract of Cloud Map: registrations one by one, each attempted once and done a little later, and lists that are whole.

use std::net::Ipv4Addr;

use ghostnet_core::id::{InstallationId, InstanceId, ServiceId};
use ghostnet_core::observation::Registration;
use ghostnet_core::unit::Seconds;
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::port::{Announced, Discovery};

use crate::sample::{region, registrar, service};
use crate::{Mishap, Played, Situation, Stage, by_class, expect};

/// What may be so of Cloud Map.
#[derive(Debug, Clone)]
pub(crate) enum Given {
    /// The service exists, and nobody is registered there.
    Service,
    /// Somebody else registered something under this id.
    OfSomebody(&'static str),
}

const REGISTER: &str = "servicediscovery:RegisterInstance";
/// Within this time an operation is done.
const DONE_WITHIN: Seconds = Seconds::minutes(1);
const PORT: u16 = 8080;

/// The contract.
pub(crate) fn situations<S: Stage>() -> Vec<Situation<S>> {
    vec![
        ("a service without registrations", |stage| {
            begin(stage)?;
            expect_found(stage, &[])
        }),
        ("a service that does not exist", |stage| {
            begin(stage)?;
            let missing = ServiceId::new("srv-none");
            expect("the list", list(stage, &missing).map(drop), Err(ErrorClass::NotFound))?;
            let answer = announce_in(stage, &missing, "i-1", Some(PORT), &ours());
            expect("the answer", answer, Err(ErrorClass::NotFound))
        }),
        ("an announcement", |stage| {
            registered(stage)?;
            let there = Registration {
                instance: InstanceId::new("i-1"),
                by: Some(registrar()),
                address: Some(ADDRESS),
                port: Some(PORT),
            };
            expect("the list", list(stage, &service()), Ok(vec![there]))
        }),
        ("an announcement with another port", |stage| {
            registered(stage)?;
            expect("the answer", announce_in(stage, &service(), "i-1", None, &ours()), Ok(()))?;
            stage.pass(DONE_WITHIN)?;
            let ports = list(stage, &service()).map(|there| there.iter().map(|one| one.port).collect::<Vec<_>>());
            expect("ports", ports, Ok(vec![None]))
        }),
        ("an announcement right after another", |stage| {
            begin(stage)?;
            expect("the first", announce(stage, "i-1"), Ok(()))?;
            expect("the second", announce(stage, "i-1"), Ok(()))?;
            stage.pass(DONE_WITHIN)?;
            expect_found(stage, &[("i-1", true)])
        }),
        ("a registration of another installation", |stage| {
            begin(stage)?;
            let theirs = InstallationId::new("theirs");
            expect("the answer", announce_in(stage, &service(), "i-1", None, &theirs), Ok(()))?;
            stage.pass(DONE_WITHIN)?;
            expect_found(stage, &[("i-1", false)])
        }),
        ("a registration of somebody else", |stage| {
            registered(stage)?;
            stage.discovery(Given::OfSomebody("task-1"))?;
            expect_found(stage, &[("i-1", true), ("task-1", false)])
        }),
        ("more registrations than a page holds", |stage| {
            begin(stage)?;
            for n in 0..130 {
                expect("the answer", announce(stage, &format!("i-{n:03}")), Ok(()))?;
            }
            stage.pass(DONE_WITHIN)?;
            expect("registrations", list(stage, &service()).map(|there| there.len()), Ok(130))
        }),
        ("a withdrawal", |stage| {
            registered(stage)?;
            expect("the answer", withdraw(stage, "i-1"), Ok(()))?;
            stage.pass(DONE_WITHIN)?;
            expect_found(stage, &[])
        }),
        ("a withdrawal of what is not registered", |stage| {
            begin(stage)?;
            expect("the answer", withdraw(stage, "i-1"), Ok(()))
        }),
        ("an announcement whose answer is lost", |stage| {
            begin(stage)?;
            stage.mishap(Mishap::AnswerLost)?;
            expect("the answer", announce(stage, "i-1"), Err(ErrorClass::Transient))?;
            stage.pass(DONE_WITHIN)?;
            expect_found(stage, &[("i-1", true)])
        }),
        ("an announcement whose first answer is lost", |stage| {
            begin(stage)?;
            stage.mishap(Mishap::FirstAnswerLost)?;
            expect("the answer", announce(stage, "i-1"), Err(ErrorClass::Transient))
        }),
        ("a withdrawal whose answer is lost", |stage| {
            registered(stage)?;
            stage.mishap(Mishap::AnswerLost)?;
            expect("the answer", withdraw(stage, "i-1"), Err(ErrorClass::Transient))?;
            stage.pass(DONE_WITHIN)?;
            expect_found(stage, &[])
        }),
        ("an announcement while AWS is unwell", |stage| {
            begin(stage)?;
            stage.mishap(Mishap::Unwell)?;
            expect("the answer", announce(stage, "i-1"), Err(ErrorClass::Transient))?;
            stage.pass(DONE_WITHIN)?;
            expect_found(stage, &[])
        }),
        ("announcements asked too fast", |stage| {
            begin(stage)?;
            stage.mishap(Mishap::TooFast(REGISTER))?;
            expect("the answer", announce(stage, "i-1"), Err(ErrorClass::Throttled))?;
            stage.pass(DONE_WITHIN)?;
            expect_found(stage, &[])
        }),
        ("an announcement that is not allowed", |stage| {
            begin(stage)?;
            stage.mishap(Mishap::Denied)?;
            expect("the answer", announce(stage, "i-1"), Err(ErrorClass::Denied))
        }),
    ]
}

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);

fn ours() -> InstallationId {
    InstallationId::new("inst")
}

fn begin<S: Stage>(stage: &S) -> Played {
    stage.discovery(Given::Service)
}

/// One of ours is registered.
fn registered<S: Stage>(stage: &S) -> Played {
    begin(stage)?;
    expect("the answer", announce(stage, "i-1"), Ok(()))?;
    stage.pass(DONE_WITHIN)
}

fn announce<S: Stage>(stage: &S, id: &str) -> Result<(), ErrorClass> {
    announce_in(stage, &service(), id, Some(PORT), &ours())
}

fn announce_in<S: Stage>(stage: &S, to: &ServiceId, id: &str, port: Option<u16>, by: &InstallationId) -> Result<(), ErrorClass> {
    let (instance, registrar) = (InstanceId::new(id), registrar());
    let announced = Announced {
        installation: by,
        by: &registrar,
        instance: &instance,
        address: ADDRESS,
        port,
    };
    by_class(stage.run(stage.ports().announce(&region(), to, &announced)))
}

fn withdraw<S: Stage>(stage: &S, id: &str) -> Result<(), ErrorClass> {
    by_class(stage.run(stage.ports().withdraw(&region(), &service(), &InstanceId::new(id))))
}

fn list<S: Stage>(stage: &S, of: &ServiceId) -> Result<Vec<Registration>, ErrorClass> {
    let mut listed = by_class(stage.run(stage.ports().registrations(&region(), of, &ours())))?;
    listed.sort_by(|a, b| a.instance.cmp(&b.instance));
    Ok(listed)
}

/// These ids are listed, ours or not.
fn expect_found<S: Stage>(stage: &S, wanted: &[(&str, bool)]) -> Played {
    let ids = |there: Vec<Registration>| there.iter().map(|one| (one.instance.to_string(), one.by.is_some())).collect();
    let found: Result<Vec<(String, bool)>, _> = list(stage, &service()).map(ids);
    let wanted = wanted.iter().map(|(id, ours)| ((*id).to_owned(), *ours)).collect();
    expect("registrations", found, Ok(wanted))
}
