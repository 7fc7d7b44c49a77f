//! One look at a fleet through the engine, without committing or acting.

use ghostnet_core::failover::TrafficObservation;
use ghostnet_core::id::FleetId;
use ghostnet_core::signal::Signal;
use ghostnet_core::unit::Seconds;
use ghostnet_engine::failover;
use ghostnet_engine::invocation::{Invocation, Preview, ReconcileError};
use ghostnet_engine::port::Clock;
use ghostnet_engine::reconcile::preview;

use crate::failure::Failure;
use crate::stack::Session;

/// As long as a function has: what is shown is what a function would do.
const LOOK_MAX: Seconds = Seconds(60);

fn invocation(session: &Session) -> Invocation {
    Invocation {
        installation: session.aws.installation().clone(),
        region: session.aws.home().clone(),
        function: "cli",
        request_id: "cli".to_owned(),
        build: ghostnet_aws::function::build(),
        deadline: LOOK_MAX.after(session.aws.now()),
    }
}

/// What failover would see of a fleet now; none: it does not fail over.
///
/// # Errors
/// The fleet cannot be read.
pub(crate) async fn look_at_traffic(session: &Session, fleet: &FleetId) -> Result<Option<TrafficObservation>, Failure> {
    let seen = failover::observe(&session.aws, &invocation(session), fleet).await;
    seen.map_err(|source| Failure::Undecided {
        fleet: fleet.clone(),
        source,
    })
}

/// What would be decided for a fleet now.
///
/// # Errors
/// There is no such fleet, or something stands in the way of a decision.
pub(crate) async fn look(session: &Session, fleet: &FleetId) -> Result<Preview, Failure> {
    let invocation = invocation(session);
    let signal = Signal::Evaluate {
        fleet: fleet.clone(),
        by: "ghostnet".to_owned(),
    };
    match preview(&session.aws, &invocation, fleet, &signal).await {
        Ok(preview) => Ok(preview),
        Err(ReconcileError::NoSuchFleet) => Err(session.no_fleet(fleet).await),
        Err(source) => Err(Failure::Undecided {
            fleet: fleet.clone(),
            source,
        }),
    }
}
