//! What a person does to the table, on the stages of the adapters: the operator's part of the adapter does it.

use ghostnet_aws::Aws;
use ghostnet_aws::dynamodb::operator::SpecWrite;
use ghostnet_core::id::{FleetId, SpecVersion};
use ghostnet_engine::port::CommitResult;

use crate::sample::{spec, traffic};
use crate::store::Given;

/// Does what a person would do for this to be so; false if nobody would.
pub(crate) async fn does(aws: &Aws, given: &Given) -> bool {
    match given {
        Given::Applied(fleet) => apply(aws, fleet, &[]).await,
        Given::WithAlarm(fleet, alarm) => apply(aws, fleet, &[(*alarm).to_owned()]).await,
        Given::Deleted(fleet) => delete(aws, fleet).await,
        _ => return false,
    }
    true
}

/// `ghostnet apply`.
async fn apply(aws: &Aws, fleet: &FleetId, alarms: &[String]) {
    let read = aws.get_spec(fleet).await.unwrap().map(|spec| spec.version);
    let write = SpecWrite {
        fleet,
        spec: &spec(read.map_or(1, |version| version.0 + 1)),
        read_version: read,
        first_traffic: &traffic(),
        alarms,
    };
    assert_eq!(aws.put_spec(&write).await, Ok(CommitResult::Committed));
}

/// `ghostnet delete`.
async fn delete(aws: &Aws, fleet: &FleetId) {
    let read = aws.get_spec(fleet).await.unwrap();
    let version = read.map_or(SpecVersion(0), |spec| spec.version);
    assert_eq!(aws.delete_fleet(fleet, version).await, Ok(CommitResult::Committed));
}
