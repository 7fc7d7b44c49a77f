//! What GhostNet sends to itself: a schedule's input, and a request to look at one fleet.

use ghostnet_core::signal::Signal;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::text::shortened;
use super::{Rejected, fields, ignored};

/// Our payloads. All values are strings, because EventBridge Scheduler substitutes strings.
#[derive(Deserialize)]
struct Own {
    /// Kind and version of the payload.
    ghostnet: Option<String>,
    fleet: Option<String>,
    /// Who asks.
    by: Option<String>,
    /// What a schedule wants.
    action: Option<String>,
    schedule_arn: Option<String>,
    scheduled_time: Option<String>,
}

/// A payload of our own. A version that this build does not know is ignored: a newer build may have sent it.
pub(super) fn signal(object: Map<String, Value>) -> Result<Signal, Rejected> {
    const SHAPE: &str = "payload of GhostNet";
    let own: Own = fields(SHAPE, object)?;
    match own.ghostnet.as_deref() {
        Some("evaluate/v1") => {
            let by = own.by.unwrap_or_else(|| "somebody".to_owned());
            evaluate(SHAPE, own.fleet.as_deref(), &by)
        }
        Some("schedule/v1") => match own.action.as_deref() {
            Some("evaluate") | None => {
                let schedule = own.schedule_arn.unwrap_or_else(|| "a schedule".to_owned());
                let due = own.scheduled_time.map(|time| format!(", due {time}")).unwrap_or_default();
                evaluate(SHAPE, own.fleet.as_deref(), &format!("{schedule}{due}"))
            }
            Some(other) => Ok(ignored(&format!("a schedule's action `{other}`"))),
        },
        other => Ok(ignored(&format!("a payload of GhostNet of kind `{}`", other.unwrap_or_default()))),
    }
}

fn evaluate(shape: &'static str, fleet: Option<&str>, by: &str) -> Result<Signal, Rejected> {
    let fleet = fleet.ok_or_else(|| Rejected::malformed(shape, "no `fleet`"))?;
    let fleet = fleet
        .parse()
        .map_err(|error: ghostnet_core::id::BadId| Rejected::malformed(shape, &error.to_string()))?;
    Ok(Signal::Evaluate { fleet, by: shortened(by) })
}
