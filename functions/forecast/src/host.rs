//! Lambda, as forecast runs on it.

use ghostnet_aws::Aws;
use ghostnet_aws::event::tune_payload;
use ghostnet_core::id::FleetId;
use ghostnet_engine::error::PortError;

/// Who runs this function.
pub(crate) trait Host {
    /// Has this function find settings for a fleet, in an invocation of its own, and does not wait for it.
    async fn tune_later(&self, fleet: &FleetId) -> Result<(), PortError>;
}

/// Lambda, and what it calls this function.
pub(crate) struct OnLambda<'a> {
    pub(crate) aws: &'a Aws,
    pub(crate) own: String,
}

impl Host for OnLambda<'_> {
    async fn tune_later(&self, fleet: &FleetId) -> Result<(), PortError> {
        self.aws.invoke_later(&self.own, tune_payload(fleet)).await
    }
}
