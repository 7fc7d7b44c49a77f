//! Lambda, as failover runs on it.

use ghostnet_aws::Aws;
use ghostnet_aws::event::evaluate_payload;
use ghostnet_core::id::FleetId;
use ghostnet_engine::error::PortError;
use ghostnet_engine::port::Host;

/// This function, and the name of tick.
pub(crate) struct OnLambda<'a> {
    pub(crate) aws: &'a Aws,
    pub(crate) tick: String,
}

impl Host for OnLambda<'_> {
    async fn wake_tick(&self, fleets: &[FleetId]) -> Result<(), PortError> {
        let mut woken = Ok(());
        for fleet in fleets {
            // one that is not woken does not keep the others from it
            let asked = self.aws.invoke_later(&self.tick, evaluate_payload(fleet, "failover")).await;
            woken = woken.and(asked);
        }
        woken
    }
}
