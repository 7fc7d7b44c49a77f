//! What GhostNet sends to itself: a schedule's input, a request to look at one fleet, an operator's request.

use ghostnet_core::adoption::HANDED_OVER_MAX;
use ghostnet_core::id::{FleetId, InstanceId, PoolId, Zone};
use ghostnet_core::operator::{Asked, OperatorRequest, Wish};
use ghostnet_core::refresh::RefreshRequest;
use ghostnet_core::signal::Signal;
use ghostnet_core::spec::RawFleetSpec;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::text::{instance, shortened};
use super::{PAYLOAD_BYTES_MAX, Rejected, fields, ignored};

/// Largest request for a check: the largest spec file, and as much again for the way JSON writes it.
pub const CHECK_BYTES_MAX: usize = 512 * 1024;

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
    match object.get("ghostnet").and_then(Value::as_str) {
        Some(SCALE) => return scale(SHAPE, fields(SHAPE, object)?),
        Some(HAND_OVER) => return hand_over(SHAPE, fields(SHAPE, object)?),
        Some(EVACUATE) => return Ok(evacuate(fields(SHAPE, object)?)),
        Some(REFRESH) => return Ok(refresh(fields(SHAPE, object)?)),
        _ => {}
    }
    let own: Own = fields(SHAPE, object)?;
    match own.ghostnet.as_deref() {
        Some(EVALUATE) => {
            let by = own.by.unwrap_or_else(|| "somebody".to_owned());
            evaluate(SHAPE, own.fleet.as_deref(), &by)
        }
        Some(TUNE) => Ok(Signal::Tune {
            fleet: named(SHAPE, own.fleet.as_deref())?,
        }),
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
    let fleet = named(shape, fleet)?;
    Ok(Signal::Evaluate { fleet, by: shortened(by) })
}

fn named(shape: &'static str, fleet: Option<&str>) -> Result<FleetId, Rejected> {
    let fleet = fleet.ok_or_else(|| Rejected::malformed(shape, "no `fleet`"))?;
    fleet
        .parse()
        .map_err(|error: ghostnet_core::id::BadId| Rejected::malformed(shape, &error.to_string()))
}

/// Kind and version of a request for a look at one fleet.
const EVALUATE: &str = "evaluate/v1";
/// Kind and version of a request to find settings for one fleet.
const TUNE: &str = "tune/v1";
/// Kind and version of an operator's request for a size.
const SCALE: &str = "scale/v1";
/// Kind and version of an operator's request to take instances over.
const HAND_OVER: &str = "hand-over/v1";
/// Kind and version of an operator's request about a zone.
const EVACUATE: &str = "evacuate/v1";
/// Kind and version of an operator's request about a refresh.
const REFRESH: &str = "refresh/v1";

/// What an operator asks, as a signal: of whom, who asks and when, and what.
fn asked_of((fleet, pool): (FleetId, Option<PoolId>), (by, at): (&str, Timestamp), wish: Wish) -> Signal {
    let by = shortened(by);
    Signal::OperatorRequest(OperatorRequest {
        fleet,
        pool,
        asked: Asked { by, at, wish },
    })
}

/// An operator's request for a size. Nobody but our own command line writes it, so nothing else is tolerated in it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scale {
    ghostnet: String,
    fleet: FleetId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pool: Option<PoolId>,
    by: String,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<Hold>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    clear: bool,
}

/// A size for a time.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hold {
    desired: u32,
    until: Timestamp,
    reason: String,
}

fn scale(shape: &'static str, scale: Scale) -> Result<Signal, Rejected> {
    let wish = match (scale.hold, scale.clear) {
        (Some(Hold { desired, until, reason }), false) => Wish::Hold {
            desired,
            until,
            reason: shortened(&reason),
        },
        (None, true) => Wish::Clear,
        _ => return Err(Rejected::malformed(shape, "exactly one of `hold` and `clear` is needed")),
    };
    Ok(asked_of((scale.fleet, scale.pool), (&scale.by, scale.at), wish))
}

/// An operator's request about a zone.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Evacuate {
    ghostnet: String,
    fleet: FleetId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pool: Option<PoolId>,
    by: String,
    at: Timestamp,
    zone: String,
    /// Absent: it is used again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leave: Option<Leave>,
}

/// For how long a zone is left, and why.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Leave {
    until: Timestamp,
    reason: String,
}

fn evacuate(evacuate: Evacuate) -> Signal {
    let zone = Zone::new(shortened(&evacuate.zone));
    let wish = match evacuate.leave {
        Some(Leave { until, reason }) => Wish::Evacuate {
            zone,
            until,
            reason: shortened(&reason),
        },
        None => Wish::UseAgain { zone },
    };
    asked_of((evacuate.fleet, evacuate.pool), (&evacuate.by, evacuate.at), wish)
}

/// An operator's request about a refresh.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refresh {
    ghostnet: String,
    fleet: FleetId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pool: Option<PoolId>,
    by: String,
    at: Timestamp,
    refresh: RefreshRequest,
}

fn refresh(refresh: Refresh) -> Signal {
    let mut request = refresh.refresh;
    if let RefreshRequest::Start { reason, .. } = &mut request {
        *reason = shortened(reason);
    }
    asked_of((refresh.fleet, refresh.pool), (&refresh.by, refresh.at), Wish::Refresh(request))
}

/// Instances that an operator hands over.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HandOver {
    ghostnet: String,
    fleet: FleetId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pool: Option<PoolId>,
    by: String,
    at: Timestamp,
    instances: Vec<InstanceId>,
}

fn hand_over(shape: &'static str, handed: HandOver) -> Result<Signal, Rejected> {
    // ids go into a record: what is none, or too many of them, goes nowhere
    let ids = handed.instances.iter().map(|id| instance(id.as_str()));
    let ids: Option<Vec<InstanceId>> = ids.collect();
    let instances = ids
        .filter(|ids| ids.len() <= HANDED_OVER_MAX)
        .ok_or_else(|| Rejected::malformed(shape, "`instances` are at most 200 ids"))?;
    Ok(asked_of(
        (handed.fleet, handed.pool),
        (&handed.by, handed.at),
        Wish::HandOver { instances },
    ))
}

/// Kind and version of a request to check the account for a spec.
const CHECK: &str = "check/v1";

/// A request to check the account for a spec, as typed: nothing of it is believed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    ghostnet: String,
    /// The spec.
    pub spec: RawFleetSpec,
    /// How many launches were asked about before.
    pub from: usize,
}

/// Whether a payload is one of ours of this kind and version.
pub(super) fn is_of_kind(payload: &[u8], kind: &str) -> bool {
    /// The kind alone: everything else is skipped.
    #[derive(Deserialize)]
    struct Kind {
        ghostnet: String,
    }
    payload.len() <= PAYLOAD_BYTES_MAX && serde_json::from_slice::<Kind>(payload).is_ok_and(|found| found.ghostnet == kind)
}

impl CheckRequest {
    /// A request about this spec.
    #[must_use]
    pub fn new(spec: RawFleetSpec, from: usize) -> Self {
        let ghostnet = CHECK.to_owned();
        Self { ghostnet, spec, from }
    }

    /// Its payload.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        // text and numbers always serialise
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Out of a payload; none if it is something else. It is no signal: it says nothing about what is to be done, so it goes to
    /// no decision and into no record, and no envelope is opened for it.
    #[must_use]
    pub fn of(payload: &[u8]) -> Option<Result<Self, Rejected>> {
        const SHAPE: &str = "request for a check";
        if !is_of_kind(payload, CHECK) {
            return None;
        }
        if payload.len() > CHECK_BYTES_MAX {
            let why = format!("{} bytes are more than {CHECK_BYTES_MAX}", payload.len());
            return Some(Err(Rejected::malformed(SHAPE, &why)));
        }
        let request = serde_json::from_slice(payload).map_err(|error| Rejected::malformed(SHAPE, &error.to_string()));
        Some(request)
    }
}

/// The payload of a request for a look at one fleet, as [`classify`](super::classify) reads it.
#[must_use]
pub fn evaluate_payload(fleet: &FleetId, by: &str) -> Vec<u8> {
    serde_json::json!({ "ghostnet": EVALUATE, "fleet": fleet, "by": by })
        .to_string()
        .into_bytes()
}

/// The payload of a request to find settings for one fleet, as [`classify`](super::classify) reads it.
#[must_use]
pub fn tune_payload(fleet: &FleetId) -> Vec<u8> {
    serde_json::json!({ "ghostnet": TUNE, "fleet": fleet }).to_string().into_bytes()
}

/// The payload of an operator's request, as [`classify`](super::classify) reads it.
#[must_use]
pub fn request_payload(request: &OperatorRequest) -> Vec<u8> {
    let OperatorRequest { fleet, pool, asked } = request.clone();
    let Asked { by, at, wish } = asked;
    let scale = |hold: Option<Hold>, clear: bool| Scale {
        ghostnet: SCALE.to_owned(),
        fleet: fleet.clone(),
        pool: pool.clone(),
        by: by.clone(),
        at,
        hold,
        clear,
    };
    let about_zone = |zone: &Zone, leave: Option<Leave>| Evacuate {
        ghostnet: EVACUATE.to_owned(),
        fleet: fleet.clone(),
        pool: pool.clone(),
        by: by.clone(),
        at,
        zone: zone.as_str().to_owned(),
        leave,
    };
    // text, numbers and moments always serialise
    match wish {
        Wish::Evacuate { zone, until, reason } => serde_json::to_vec(&about_zone(&zone, Some(Leave { until, reason }))),
        Wish::UseAgain { zone } => serde_json::to_vec(&about_zone(&zone, None)),
        Wish::Hold { desired, until, reason } => serde_json::to_vec(&scale(Some(Hold { desired, until, reason }), false)),
        Wish::Clear => serde_json::to_vec(&scale(None, true)),
        Wish::HandOver { instances } => serde_json::to_vec(&HandOver {
            ghostnet: HAND_OVER.to_owned(),
            fleet: fleet.clone(),
            pool: pool.clone(),
            by: by.clone(),
            at,
            instances,
        }),
        Wish::Refresh(request) => serde_json::to_vec(&Refresh {
            ghostnet: REFRESH.to_owned(),
            fleet: fleet.clone(),
            pool: pool.clone(),
            by: by.clone(),
            at,
            refresh: request,
        }),
    }
    .unwrap_or_default()
}
