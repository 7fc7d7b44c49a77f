//! `validate --live` from the command line to the account and back: what it shows, its exit code, and that it writes nothing.

mod account;
#[path = "../../shared/aws/tests/contract/cbor.rs"]
mod cbor;
mod run;

use account::{Account, alarm};
use ghostnet_core::unit::Seconds;
use ghostnet_engine::error::ErrorClass;
use ghostnet_engine::live::Refused;
use ghostnet_engine::live::probe::Trial;
use run::shown;

const LIVE: [&str; 3] = ["validate", "--live", "tests/specs/live.yaml"];

fn refused(code: &str, class: ErrorClass, message: &str) -> Refused {
    Refused {
        call: "ec2:RunInstances".to_owned(),
        class,
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

fn no_role(_: &Trial) -> Option<Refused> {
    let message = "You are not authorized to perform this operation. User: arn:aws:sts::123456789012:assumed-role/ghostnet-TickRole-1/ghostnet-tick \
                   is not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/web because no identity-based policy \
                   allows the iam:PassRole action";
    Some(refused("UnauthorizedOperation", ErrorClass::Denied, message))
}

fn no_type(trial: &Trial) -> Option<Refused> {
    let is_it = trial.instance_type.as_ref().is_some_and(|name| name.as_str() == "c7i.large");
    let message = "Your requested instance type (c7i.large) is not supported in your requested Availability Zone.";
    is_it.then(|| refused("Unsupported", ErrorClass::NoCapacity, message))
}

#[test]
fn an_account_that_fits_is_told_so() {
    insta::assert_snapshot!("live_fit", shown(&Account::fit().run(&LIVE)));
}

#[test]
fn warnings_are_told_and_are_no_failure() {
    let account = Account {
        refuses: no_type,
        delay: Seconds(300),
        is_used: false,
        quota: 32.0,
        free_addresses: 15,
        alarm: || alarm("Maximum", 300),
        is_muted: true,
        ..Account::fit()
    };
    insta::assert_snapshot!("live_warnings", shown(&account.run(&LIVE)));
}

#[test]
fn an_error_is_a_failure() {
    let account = || Account {
        refuses: no_role,
        owner: "theirs",
        ..Account::fit()
    };
    insta::assert_snapshot!("live_errors", shown(&account().run(&LIVE)));
    let [verb, live, file] = LIVE;
    insta::assert_snapshot!("live_json", shown(&account().run(&[verb, live, "--json", file])));
}

#[test]
fn a_file_with_problems_is_not_asked_about_and_the_others_are() {
    let [verb, live, file] = LIVE;
    let output = Account::fit().run(&[verb, live, "tests/specs/syntax.yaml", file]);
    insta::assert_snapshot!("live_mixed", shown(&output));
}

#[test]
fn an_older_function_is_named_as_that() {
    let account = Account {
        is_deployed: false,
        ..Account::fit()
    };
    insta::assert_snapshot!("live_older", shown(&account.run(&LIVE)));
}
