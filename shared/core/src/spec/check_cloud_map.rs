//! Reads which Cloud Map service a pool's instances are registered in.

use super::CloudMap;
use super::problem::Problems;
use super::raw::RawCloudMap;
use crate::id::ServiceId;

const HINT: &str = "its id looks like `srv-utcrh6wavdkggqtk`, its ARN ends with `:service/` and that id";

pub(super) fn read(raw: Option<&RawCloudMap>, at: &str, problems: &mut Problems) -> Option<CloudMap> {
    let raw = raw?;
    if raw.port == Some(0) {
        problems.add(format!("{at}.cloud_map.port"), "`0` is no port", "1 to 65535, or leave it out");
    }
    let service = service(&raw.service);
    if service.is_none() {
        let message = format!("`{}` is neither the id nor the ARN of a Cloud Map service", raw.service);
        problems.add(format!("{at}.cloud_map.service"), message, HINT);
    }
    Some(CloudMap {
        service: service?,
        port: raw.port,
    })
}

/// The id that a text names, itself or at the end of an ARN.
fn service(text: &str) -> Option<ServiceId> {
    let id = match text.split_once(":servicediscovery:") {
        Some((arn, rest)) if arn.starts_with("arn:") => rest.split_once(":service/")?.1,
        Some(_) => return None,
        None => text,
    };
    let random = id.strip_prefix("srv-")?;
    let is_plain = random.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    (is_plain && !random.is_empty() && id.len() <= 64).then(|| ServiceId::new(id))
}
