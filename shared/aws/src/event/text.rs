//! Text out of a payload, made safe to keep: signals end up in decision records, whose size is limited.

use ghostnet_core::id::InstanceId;
use jiff::Timestamp;

use super::Rejected;

/// Longest free text that is kept of a payload.
const TEXT_CHARS_MAX: usize = 200;
/// Longest instance id: `i-` and 17 digits today.
const INSTANCE_ID_BYTES_MAX: usize = 40;

/// `text`, cut where it gets too long to keep.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// A moment as AWS writes it: ISO 8601 with `Z` in envelopes, with `+0000` inside alarms.
pub(super) fn moment(shape: &'static str, text: Option<&str>) -> Result<Timestamp, Rejected> {
    let text = text.ok_or_else(|| Rejected::malformed(shape, "no time"))?;
    text.parse()
        .map_err(|_| Rejected::malformed(shape, &format!("`{text}` is no time")))
}

/// An instance, named by its id or by its ARN. The ARN's other parts are not read: in a spot warning they hold a zone
/// in place of the region, and no account.
pub(super) fn instance(text: &str) -> Option<InstanceId> {
    let id = text.rsplit('/').next().unwrap_or(text);
    let digits = id.strip_prefix("i-")?;
    let fits = id.len() <= INSTANCE_ID_BYTES_MAX && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_alphanumeric());
    fits.then(|| InstanceId::new(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_writes_times_in_two_ways() {
        let expected = moment("test", Some("2019-10-02T17:04:40.989Z"));
        assert!(expected.is_ok());
        assert_eq!(moment("test", Some("2019-10-02T17:04:40.989+0000")), expected);
        assert_eq!(moment("test", None), Err(Rejected::malformed("test", "no time")));
        assert_eq!(
            moment("test", Some("yesterday")),
            Err(Rejected::malformed("test", "`yesterday` is no time"))
        );
    }

    #[test]
    fn instances_are_named_by_id_or_arn() {
        for (text, id) in [
            ("i-1234567890abcdef0", Some("i-1234567890abcdef0")),
            (
                "arn:aws:ec2:us-east-1:123456789012:instance/i-1234567890abcdef0",
                Some("i-1234567890abcdef0"),
            ),
            ("arn:aws:ec2:us-east-2a:instance/i-1234567890abcdef0", Some("i-1234567890abcdef0")),
            ("arn:aws:ec2:us-east-1:123456789012:volume/vol-0abc", None),
            ("i-", None),
            ("i-1234 5678", None),
            ("", None),
        ] {
            assert_eq!(instance(text).as_ref().map(InstanceId::as_str), id, "{text}");
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        let cut = shortened(&"ö".repeat(TEXT_CHARS_MAX + 1));
        assert_eq!(cut.chars().count(), TEXT_CHARS_MAX + 1);
        assert!(cut.ends_with('…'));
    }
}
