//! Arguments that people type: lengths of time and moments.

use ghostnet_core::unit::Seconds;
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

/// A length of time: `90s`, `5m`, `2h`, `7d`.
///
/// # Errors
/// It is none.
pub(crate) fn length(text: &str) -> Result<Seconds, String> {
    Seconds::parse(text)
        .filter(|length| length.0 > 0)
        .ok_or_else(|| "write a whole number and a unit: `90s`, `5m`, `2h`, `7d`".to_owned())
}

/// Why somebody asks for something: more than nothing.
///
/// # Errors
/// It is nothing.
pub(crate) fn reason(text: &str) -> Result<String, String> {
    let reason = text.trim();
    if reason.is_empty() {
        Err("say why: it is all that others will know".to_owned())
    } else {
        Ok(reason.to_owned())
    }
}

/// A moment, or a text that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// This one.
    At(Timestamp),
    /// Something else.
    Other,
}

/// Reads `13:02`, `13:02:10` (today or, if that is still to come, yesterday, UTC) or `2026-06-05T13:02:10Z`.
pub(crate) fn moment(text: &str, now: Timestamp) -> Moment {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Moment::At(at);
    }
    let Ok(time) = text.parse::<Time>() else { return Moment::Other };
    let today = now.to_zoned(TimeZone::UTC).date();
    let on = |date: jiff::civil::Date| date.to_datetime(time).to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
    let yesterday = || today.yesterday().and_then(on);
    match on(today) {
        Ok(at) if at <= now => Moment::At(at),
        _ => yesterday().map_or(Moment::Other, Moment::At),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_today_yesterday_or_written_out() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap_or_default();
        let now = at("2026-06-05T13:30:00Z");
        for (text, expected) in [
            ("13:02:10", Some("2026-06-05T13:02:10Z")),
            ("13:02", Some("2026-06-05T13:02:00Z")),
            ("23:59:59", Some("2026-06-04T23:59:59Z")),
            ("2026-06-01T00:00:00+02:00", Some("2026-05-31T22:00:00Z")),
            ("2026-06-05T13:02:10.123Z-5f0c2a9be411", None),
            ("soon", None),
        ] {
            assert_eq!(
                moment(text, now),
                expected.map_or(Moment::Other, |text| Moment::At(at(text))),
                "{text}"
            );
        }
    }

    #[test]
    fn lengths_have_a_unit_and_are_not_nothing() {
        assert_eq!(length("90s"), Ok(Seconds(90)));
        for bad in ["90", "0s", "an hour", ""] {
            assert!(length(bad).is_err(), "{bad}");
        }
    }
}
