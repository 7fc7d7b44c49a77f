//! What EC2 and AWS Health say of instances.

use ghostnet_core::id::InstanceId;
use ghostnet_core::signal::{Interruption, InterruptionKind, Signal};
use jiff::Timestamp;
use serde::Deserialize;

use super::text::{instance, shortened};
use super::{Rejected, ignored};

/// Most instances of one AWS Health event that are looked at; the next tick sees the others.
const AFFECTED_MAX: usize = 100;

/// `detail` of EC2's own events. `instance-action` of a spot warning is not bound: whether the instance is stopped,
/// terminated or put to sleep, it is lost to the fleet.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Ec2Detail {
    instance_id: Option<String>,
    state: Option<String>,
}

impl Ec2Detail {
    fn instance(&self, shape: &'static str) -> Result<InstanceId, Rejected> {
        let text = self
            .instance_id
            .as_deref()
            .ok_or_else(|| Rejected::malformed(shape, "no `instance-id`"))?;
        instance(text).ok_or_else(|| Rejected::malformed(shape, &format!("`{text}` is no instance")))
    }
}

/// An instance changed its state.
pub(super) fn state_change(shape: &'static str, at: Timestamp, detail: Ec2Detail) -> Result<Signal, Rejected> {
    let instances = vec![detail.instance(shape)?];
    let state = detail.state.ok_or_else(|| Rejected::malformed(shape, "no `state`"))?;
    Ok(Signal::InstanceChanged {
        instances,
        what: shortened(&state),
        at,
        retires: false,
    })
}

/// An instance will, or may, be taken away.
pub(super) fn interruption(shape: &'static str, at: Timestamp, kind: InterruptionKind, detail: &Ec2Detail) -> Result<Signal, Rejected> {
    Ok(Signal::Interruption(Interruption {
        instance: detail.instance(shape)?,
        kind,
        at,
    }))
}

/// `detail` of an AWS Health event. Its dates are not bound: they carry wrong weekdays, and the envelope has its own.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HealthDetail {
    event_type_code: Option<String>,
    status_code: Option<String>,
    /// `"true"` on the copy that AWS sends to a second region. A string, as are all its flags and numbers.
    backup_event: Option<String>,
    affected_entities: Option<Vec<Entity>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entity {
    entity_value: Option<String>,
}

/// AWS says something about instances.
pub(super) fn health(at: Timestamp, detail: HealthDetail) -> Result<Signal, Rejected> {
    let code = detail
        .event_type_code
        .ok_or_else(|| Rejected::malformed("AWS Health event", "no `eventTypeCode`"))?;
    if detail.backup_event.as_deref() == Some("true") {
        return Ok(ignored(&format!("`{code}`: the copy for a second region")));
    }
    let entities = detail.affected_entities.unwrap_or_default();
    let named = entities.iter().filter_map(|entity| instance(entity.entity_value.as_deref()?));
    let instances: Vec<_> = named.take(AFFECTED_MAX).collect();
    if instances.is_empty() {
        return Ok(ignored(&format!("`{code}` names no instance")));
    }
    let status = detail.status_code.unwrap_or_else(|| "no status".to_owned());
    Ok(Signal::InstanceChanged {
        instances,
        what: shortened(&format!("{code} ({status})")),
        at,
        // both codes of EC2, for instances with and without a root volume that outlives them
        retires: code.ends_with("INSTANCE_RETIREMENT_SCHEDULED") && status != "closed",
    })
}
