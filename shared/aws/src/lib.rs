//! The only crate that knows the AWS SDKs: the engine's ports for production, the operator's writes for the command
//! line, and the parsing of events.
//!
//! One [`Aws`] per cold start. It holds SDK clients per region and nothing that a decision could depend on. One file per
//! service; [`error`] sorts AWS's codes into classes; `clock` is the one file that reads the operating system's clock.
#![warn(missing_docs)]

mod accelerator;
pub mod actions;
pub mod answer;
pub mod autoscaling;
mod clients;
pub mod clock;
pub mod cloud_map;
pub mod cloudwatch;
mod create_fleet;
mod dry_run;
pub mod dynamodb;
pub mod ec2;
pub mod elbv2;
pub mod error;
pub mod event;
pub mod function;
pub mod lambda;
mod limits;
pub mod ownership;
mod route53;
mod routes;
mod rules;
pub mod settings;
mod status;
pub mod telemetry;
mod to_instance;

pub use clients::{Aws, retries, timeouts};
