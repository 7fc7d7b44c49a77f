//! The stage of the AWS adapters before the local AWS: the SDKs' own clients and real connections to moto (EC2, ELBv2) and
//! ministack (the rest). Every situation has an account of its own.
//!
//! What the emulators do not have, or do otherwise than AWS, is listed in `short`: the other two stages alone show it.

mod cloudwatch;
mod dynamodb;
mod ec2;
mod proxy;
mod short;
mod to_instance;

use std::io::Write;

use aws_config::BehaviorVersion;
use aws_sdk_ec2::config::Credentials;
use ghostnet_aws::settings::{Settings, environment};
use ghostnet_aws::{Aws, retries, timeouts};
use ghostnet_core::unit::Seconds;
use ghostnet_engine::port::Clock;
use tokio::runtime::{Builder, Runtime};

use self::ec2::Ec2;
use self::proxy::Proxy;
use self::short::{NEVER_DENIED, NEVER_TOO_FAST, NEVER_UNWELL, NO_CLOUD_MAP, SHORT, TIME_STANDS};
use crate::aws::Tamper;
use crate::compute::installation;
use crate::sample::region;
use crate::{Mishap, Played, Short, Stage, Why, compute, discovery, load_balancer, metrics, operator, store};

/// Where the local AWS is: what `make local-up` prints, and the SDKs read.
const ENDPOINTS: [&str; 3] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2",
];

/// As long as instances and targets take to settle. Here they do at once, so there is nothing to wait for.
const SETTLES_WITHIN: Seconds = Seconds::minutes(2);

/// The local AWS behind the adapters.
#[derive(Debug)]
pub(crate) struct Local {
    runtime: Runtime,
    aws: Aws,
    proxy: Proxy,
    ec2: Ec2,
    cloudwatch: aws_sdk_cloudwatch::Client,
    dynamodb: aws_sdk_dynamodb::Client,
}

/// Whether the environment names a local AWS. If not, it is said on stderr that `what` is skipped.
pub(crate) fn is_named(what: &str) -> bool {
    let local = |name: &str| environment(name).is_some_and(|url| url.starts_with("http://127.0.0.1:"));
    let named = ENDPOINTS.into_iter().all(local);
    if !named {
        // not by a macro: what a test prints by those is shown only if it fails
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: {what}: {} name none (`make contract-local` starts one)",
            ENDPOINTS.join(", ")
        );
    }
    named
}

impl Stage for Local {
    type Ports = Aws;

    const SHORT: &'static [(&'static str, Why)] = SHORT;

    fn ports(&self) -> &Aws {
        &self.aws
    }

    fn run<T>(&self, call: impl Future<Output = T>) -> T {
        self.proxy.call_begins();
        let result = self.runtime.block_on(call);
        self.proxy.call_is_over();
        result
    }

    fn pass(&self, time: Seconds) -> Played {
        if time > SETTLES_WITHIN {
            return Err(Short::NotShown(TIME_STANDS));
        }
        Ok(())
    }

    fn mishap(&self, mishap: Mishap) -> Played {
        match mishap {
            Mishap::AnswerLost | Mishap::FirstAnswerLost => self.proxy.meets(mishap),
            Mishap::Unwell => return Err(Short::NotShown(NEVER_UNWELL)),
            Mishap::TooFast(_) => return Err(Short::NotShown(NEVER_TOO_FAST)),
            Mishap::Denied => return Err(Short::NotShown(NEVER_DENIED)),
        }
        Ok(())
    }

    fn compute(&self, given: compute::Given) -> Played {
        self.runtime.block_on(self.ec2.compute(given))
    }

    fn load_balancer(&self, given: load_balancer::Given) -> Played {
        self.runtime.block_on(self.ec2.load_balancer(given))
    }

    fn discovery(&self, _: discovery::Given) -> Played {
        Err(Short::NotShown(NO_CLOUD_MAP))
    }

    fn metrics(&self, given: metrics::Given) -> Played {
        self.runtime.block_on(cloudwatch::given(&self.cloudwatch, given))
    }

    fn store(&self, given: store::Given) -> Played {
        self.runtime.block_on(async {
            if operator::does(&self.aws, &given).await {
                return Ok(());
            }
            dynamodb::given(&self.dynamodb, &given).await
        })
    }
}

impl Local {
    /// For EC2 and ELBv2.
    pub(crate) fn with_network() -> Self {
        Self::tampered(|_| {})
    }

    /// For the others, which stand sooner without it.
    pub(crate) fn without_network() -> Self {
        Self::connected(|_| {})
    }

    /// With an adapter that sends something else than it should.
    pub(crate) fn tampered(tamper: Tamper) -> Self {
        let local = Self::connected(tamper);
        local.runtime.block_on(local.ec2.begin());
        local
    }

    fn connected(tamper: Tamper) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let proxy = Proxy::new(tamper);
        // as a function is configured, but for the account
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(aws_config::Region::new(region().to_string()))
            .credentials_provider(Credentials::new(proxy.account(), "secret", None, None, "test"))
            .http_client(proxy.client())
            .timeout_config(timeouts())
            .retry_config(retries());
        let config = runtime.block_on(config.load());
        let settings = Settings {
            table: "table".to_owned(),
            installation: installation(),
            retention_days: 90,
            log: String::new(),
        };
        let local = Self {
            aws: Aws::new(config.clone(), &settings).unwrap(),
            ec2: Ec2::new(&config, &proxy),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            runtime,
            proxy,
        };
        local.proxy.begin(local.aws.now());
        local.runtime.block_on(dynamodb::begin(&local.dynamodb));
        local
    }
}
