//! The failover function: the schedule means all fleets that fail over, an alarm tells of a side's health, or an operator moves traffic.
//!
//! It alone moves traffic, and moves nothing else. While a side is suspect it looks again every ten seconds.
//!
//! Environment: `GHOSTNET_TABLE` and `GHOSTNET_INSTALLATION` (required), `GHOSTNET_RETENTION_DAYS` (90), `GHOSTNET_LOG`
//! (`info`), and Lambda's own, of which `AWS_REGION` says where and `AWS_LAMBDA_FUNCTION_NAME` what tick is called.
//! `AWS_ENDPOINT_URL` and its variants lead to a local AWS.
//!
//! Alone, against the local AWS of `make local-up`: export what that prints and the two required variables, then
//! `cargo lambda watch --bin ghostnet-failover` in one terminal and
//! `cargo lambda invoke ghostnet-failover --data-file events/schedule-rule.json` in another.

// the futures of the SDK nest deeply, and the whole invocation is one future
#![recursion_limit = "256"]

mod handler;
mod host;

use ghostnet_aws::event::Payload;
use ghostnet_aws::settings::{FUNCTION, Settings, environment};
use ghostnet_aws::{Aws, function, telemetry};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

use crate::host::OnLambda;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::read(environment)?;
    telemetry::log_as_json(&settings.log);
    let aws = Aws::connect(&settings).await?;
    let host = OnLambda {
        aws: &aws,
        tick: function::beside(environment(FUNCTION).as_deref(), "failover", "tick"),
    };
    let (aws, host) = (&aws, &host);
    run(service_fn(move |event: LambdaEvent<Payload>| async move {
        let (payload, context) = event.into_parts();
        let invocation = function::invocation(aws, "failover", context.request_id, context.deadline);
        handler::answer(aws, host, &invocation, &payload).await
    }))
    .await
}
