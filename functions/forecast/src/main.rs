//! The forecast function: once an hour it learns from what the fleets' loads were since, and keeps what is expected of the hours ahead.
//! Once a day it finds settings for each fleet whose spec wants that, in an invocation for each.
//!
//! It changes nothing but its own items of the table. What follows from a forecast is decided by whoever looks at the fleet.
//!
//! Environment: `GHOSTNET_TABLE` and `GHOSTNET_INSTALLATION` (required), `GHOSTNET_RETENTION_DAYS` (90), `GHOSTNET_LOG`
//! (`info`), and Lambda's own, of which `AWS_REGION` says where. `AWS_ENDPOINT_URL` and its variants lead to a local AWS.
//!
//! Alone, against the local AWS of `make local-up`: export what that prints and the two required variables, then
//! `cargo lambda watch --bin ghostnet-forecast` in one terminal and
//! `cargo lambda invoke ghostnet-forecast --data-file events/schedule-rule.json` in another.

// the futures of the SDK nest deeply, and the whole invocation is one future
#![recursion_limit = "256"]

mod handler;
mod host;

use ghostnet_aws::event::Payload;
use ghostnet_aws::settings::{FUNCTION, Settings, environment};
use ghostnet_aws::{Aws, function, telemetry};
use host::OnLambda;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::read(environment)?;
    telemetry::log_as_json(&settings.log);
    let aws = Aws::connect(&settings).await?;
    let host = OnLambda {
        aws: &aws,
        own: function::beside(environment(FUNCTION).as_deref(), "forecast", "forecast"),
    };
    let (aws, host) = (&aws, &host);
    run(service_fn(move |event: LambdaEvent<Payload>| async move {
        let (payload, context) = event.into_parts();
        let invocation = function::invocation(aws, "forecast", context.request_id, context.deadline);
        handler::answer(aws, host, &invocation, &payload).await
    }))
    .await
}
