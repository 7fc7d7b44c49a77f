//! The adapters against a recorded wire: what they send, byte by byte as AWS would read it, and what they make of its
//! answers. For what a local AWS cannot show: pages, partial launches, error codes, lost answers, transactions.

mod accelerator;
mod actions;
mod autoscaling;
mod cbor;
mod cloud_map;
mod cloudwatch;
mod commit;
mod dry_run;
mod ec2;
mod elbv2;
mod forecast;
mod history;
mod limits;
mod operator;
mod ownership;
mod reply;
mod route53;
mod rules;
mod sample;
mod status;
mod store;
mod to_instance;
mod traffic;
mod wire;
