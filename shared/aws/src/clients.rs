//! SDK clients per region, and the time-outs that keep every step under its limit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use ghostnet_core::id::{InstallationId, Region};
use ghostnet_core::plan::STEP_SECONDS_MAX;

use crate::error::port_error;
use crate::settings::{Settings, SettingsError};
use ghostnet_engine::error::PortError;

/// Longest time to open a connection.
const CONNECT_SECONDS_MAX: u64 = 2;
/// Longest time of one attempt.
pub(crate) const ATTEMPT_SECONDS_MAX: u64 = 6;
/// Attempts of one call, the first included.
const ATTEMPTS_MAX: u32 = 3;
/// Longest time of one call, retries and the waits between them included.
const CALL_SECONDS_MAX: u64 = 18;

/// Where Global Accelerator is told what to do, wherever it accelerates.
const ACCELERATOR_REGION: &str = "us-west-2";

// a step that consists of one call ends in time
const _: () = assert!(CALL_SECONDS_MAX < STEP_SECONDS_MAX.0 as u64);

/// AWS, as GhostNet uses it.
#[derive(Debug)]
pub struct Aws {
    config: SdkConfig,
    home: Region,
    installation: InstallationId,
    pub(crate) table: String,
    pub(crate) retention_days: u32,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    clients: Mutex<BTreeMap<Region, Arc<Clients>>>,
    // made when first asked for: few fleets have such a lever
    route53: OnceLock<aws_sdk_route53::Client>,
    accelerator: OnceLock<aws_sdk_globalaccelerator::Client>,
}

/// Clients of one region.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) ec2: aws_sdk_ec2::Client,
    pub(crate) elbv2: aws_sdk_elasticloadbalancingv2::Client,
    pub(crate) cloudwatch: aws_sdk_cloudwatch::Client,
    pub(crate) cloud_map: aws_sdk_servicediscovery::Client,
}

impl Aws {
    /// Clients with the credentials and the region of the environment. Once per cold start; makes no call.
    ///
    /// # Errors
    /// No region is set.
    pub async fn connect(settings: &Settings) -> Result<Self, SettingsError> {
        let defaults = aws_config::defaults(BehaviorVersion::latest());
        let config = defaults.timeout_config(timeouts()).retry_config(retries()).load().await;
        Self::new(config, settings)
    }

    /// Clients with this configuration.
    ///
    /// # Errors
    /// It has no region.
    pub fn new(config: SdkConfig, settings: &Settings) -> Result<Self, SettingsError> {
        let home = config
            .region()
            .map(|region| Region::new(region.as_ref()))
            .ok_or(SettingsError::Region)?;
        let clients = BTreeMap::from([(home.clone(), Arc::new(Clients::new(&config, &home)))]);
        Ok(Self {
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            config,
            home,
            installation: settings.installation.clone(),
            table: settings.table.clone(),
            retention_days: settings.retention_days,
            clients: Mutex::new(clients),
            route53: OnceLock::new(),
            accelerator: OnceLock::new(),
        })
    }

    /// The region of the table and of the functions.
    #[must_use]
    pub fn home(&self) -> &Region {
        &self.home
    }

    /// This installation.
    #[must_use]
    pub fn installation(&self) -> &InstallationId {
        &self.installation
    }

    /// For calls that only the command line makes.
    pub(crate) fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// Who we are to AWS, as an ARN: for the record of who applied or paused.
    ///
    /// # Errors
    /// AWS does not answer, or does not know us.
    pub async fn caller(&self) -> Result<String, PortError> {
        const CALL: &str = "sts:GetCallerIdentity";
        let answer = aws_sdk_sts::Client::new(&self.config).get_caller_identity().send().await;
        Ok(answer
            .map_err(|error| port_error(CALL, error))?
            .arn()
            .unwrap_or("unknown")
            .to_owned())
    }

    /// Route 53, which is one for all regions of a partition.
    pub(crate) fn route53(&self) -> &aws_sdk_route53::Client {
        self.route53.get_or_init(|| aws_sdk_route53::Client::new(&self.config))
    }

    /// Global Accelerator, whose API is in one region.
    pub(crate) fn accelerator(&self) -> &aws_sdk_globalaccelerator::Client {
        self.accelerator.get_or_init(|| {
            let region = aws_config::Region::new(ACCELERATOR_REGION);
            aws_sdk_globalaccelerator::Client::new(&self.config.to_builder().region(region).build())
        })
    }

    /// The clients of a region, made when first asked for.
    pub(crate) fn clients(&self, region: &Region) -> Arc<Clients> {
        // a panic while the lock was held cannot have left half a client behind
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(
            clients
                .entry(region.clone())
                .or_insert_with(|| Arc::new(Clients::new(&self.config, region))),
        )
    }
}

impl Clients {
    fn new(config: &SdkConfig, region: &Region) -> Self {
        let config = config.to_builder().region(aws_config::Region::new(region.to_string())).build();
        Self {
            ec2: aws_sdk_ec2::Client::new(&config),
            elbv2: aws_sdk_elasticloadbalancingv2::Client::new(&config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config),
            cloud_map: aws_sdk_servicediscovery::Client::new(&config),
        }
    }
}

/// Time-outs under which every call ends before a step must.
#[must_use]
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX))
        .operation_attempt_timeout(Duration::from_secs(ATTEMPT_SECONDS_MAX))
        .operation_timeout(Duration::from_secs(CALL_SECONDS_MAX))
        .build()
}

/// Retries of every call that does not say otherwise.
#[must_use]
pub fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX)
}
