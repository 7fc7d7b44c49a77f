//! Units: durations, percentages and finite numbers, as people write them and as decisions use them.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A length of time in whole seconds, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub u32);

impl Seconds {
    /// `n` minutes.
    #[must_use]
    pub const fn minutes(n: u32) -> Self {
        Self(n.saturating_mul(60))
    }

    /// Reads `90s`, `5m`, `2h`, `7d`: a whole number and one unit.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let split = text.len().checked_sub(1)?;
        let (number, unit) = (text.get(..split)?, text.get(split..)?);
        let scale = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        number.parse::<u32>().ok()?.checked_mul(scale).map(Self)
    }

    /// The same length in jiff's type.
    #[must_use]
    pub fn span(self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.0))
    }

    /// The moment this long after `start`; the end of time instead of an overflow.
    #[must_use]
    pub fn after(self, start: Timestamp) -> Timestamp {
        let second = start.as_second().saturating_add(self.0.into());
        Timestamp::new(second, start.subsec_nanosecond()).unwrap_or(Timestamp::MAX)
    }

    /// The moment this long before `end`; the beginning of time instead of an overflow.
    #[must_use]
    pub fn before(self, end: Timestamp) -> Timestamp {
        let second = end.as_second().saturating_sub(self.0.into());
        Timestamp::new(second, end.subsec_nanosecond()).unwrap_or(Timestamp::MIN)
    }

    /// Whole seconds from `start` to `end`, zero if `end` is earlier.
    #[must_use]
    pub fn between(start: Timestamp, end: Timestamp) -> Self {
        Self(u32::try_from(end.duration_since(start).as_secs().max(0)).unwrap_or(u32::MAX))
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(s) = *self;
        match s {
            0 => f.write_str("0s"),
            s if s % 86_400 == 0 => write!(f, "{}d", s / 86_400),
            s if s % 3_600 == 0 => write!(f, "{}h", s / 3_600),
            s if s % 60 == 0 => write!(f, "{}m", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}

/// A response time in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u32);

impl Millis {
    /// Reads `300ms` and `2s`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (number, scale) = match text.strip_suffix("ms") {
            Some(number) => (number, 1),
            None => (text.strip_suffix('s')?, 1_000),
        };
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        number.parse::<u32>().ok()?.checked_mul(scale).map(Self)
    }

    /// The same time in seconds.
    #[must_use]
    #[expect(clippy::float_arithmetic, reason = "a response time is compared with a metric's")]
    pub fn seconds(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ms if ms > 0 && ms.is_multiple_of(1_000) => write!(f, "{}s", ms / 1_000),
            ms => write!(f, "{ms}ms"),
        }
    }
}

/// A moment in whole seconds since 1970, up to the year 2106, written as a number: what is remembered of a thousand instances must fit into
/// one item, and is copied with each decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(u32);

impl Moment {
    /// The moment in jiff's type.
    #[must_use]
    pub fn at(self) -> Timestamp {
        Timestamp::from_second(self.0.into()).unwrap_or(Timestamp::MAX)
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        let seconds = at.as_second().max(0);
        Self(u32::try_from(seconds).unwrap_or(u32::MAX))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.at().fmt(f)
    }
}

/// A share in whole percent, 0 to 1,000: above 100 where growth is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Percent(pub u16);

impl Percent {
    /// The most a spec may say: a fleet that grows elevenfold in one step is a typing error.
    pub const MAX: u16 = 1_000;

    /// Reads `15%`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?;
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        number.parse::<u16>().ok().filter(|n| *n <= Self::MAX).map(Self)
    }

    /// This share of `whole`, rounded up.
    #[must_use]
    pub fn of_ceil(self, whole: u32) -> u32 {
        saturate(u64::from(whole).saturating_mul(u64::from(self.0)).div_ceil(100))
    }

    /// This share of `whole`, rounded down.
    #[must_use]
    pub fn of_floor(self, whole: u32) -> u32 {
        saturate(u64::from(whole).saturating_mul(u64::from(self.0)) / 100)
    }

    /// As a factor: 0.15 for 15 %.
    #[must_use]
    #[expect(clippy::float_arithmetic, reason = "a share of a metric's value")]
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// A finite number: metric values, thresholds and targets are never NaN or infinite.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Finite(f64);

// a number that is never NaN equals itself
impl Eq for Finite {}

impl Finite {
    /// `value`, unless it is NaN or infinite.
    #[must_use]
    #[expect(clippy::float_arithmetic, reason = "makes one zero of two")]
    pub fn new(value: f64) -> Option<Self> {
        // -0.0 and 0.0 would print and hash apart; one zero keeps records comparable
        value.is_finite().then_some(Self(value + 0.0))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Finite {
    type Error = &'static str;
    fn try_from(value: f64) -> Result<Self, Self::Error> {
        Self::new(value).ok_or("a number must be finite")
    }
}

impl From<Finite> for f64 {
    fn from(value: Finite) -> Self {
        value.0
    }
}

impl From<u32> for Finite {
    fn from(value: u32) -> Self {
        Self(f64::from(value))
    }
}

impl fmt::Display for Finite {
    /// At most two decimals, thousands separated: what a person compares at 3 a.m.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.2}", libm::fabs(self.0));
        let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
        let mut grouped = String::new();
        for (place, digit) in whole.chars().enumerate() {
            if place > 0 && (whole.len() - place).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        let decimals = decimals.trim_end_matches('0');
        let sign = if self.0 < 0.0 { "-" } else { "" };
        let point = if decimals.is_empty() { "" } else { "." };
        write!(f, "{sign}{grouped}{point}{decimals}")
    }
}

fn saturate(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_print_as_written() {
        for (text, seconds) in [
            ("90s", Some(90)),
            ("5m", Some(300)),
            ("2h", Some(7_200)),
            ("7d", Some(604_800)),
            ("0s", Some(0)),
        ] {
            let parsed = Seconds::parse(text);
            assert_eq!(parsed, seconds.map(Seconds));
            assert_eq!(parsed.unwrap_or_default().to_string(), text);
        }
        for bad in ["", "5", "m", "-5m", "+5m", "1.5h", "5 m", "99999999d", "５m"] {
            assert_eq!(Seconds::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn lengths_are_whole_seconds_wherever_a_second_begins() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (start, end, seconds) in [
            ("2026-06-02T15:00:00Z", "2026-06-02T15:01:00Z", 60),
            ("2026-06-02T15:00:00.7Z", "2026-06-02T15:00:02.6Z", 1),
            ("2026-06-02T15:00:00.6Z", "2026-06-02T15:00:02.7Z", 2),
            ("1969-12-31T23:59:59.4Z", "1970-01-01T00:00:00.5Z", 1),
            ("1969-12-31T23:59:58.5Z", "1969-12-31T23:59:59.4Z", 0),
            ("2026-06-02T15:00:00Z", "2026-06-02T14:59:59.5Z", 0),
            ("2026-06-02T15:00:00Z", "2020-01-01T00:00:00Z", 0),
        ] {
            let length = Seconds::between(at(start), at(end));
            assert_eq!(length, Seconds(seconds), "{start} to {end}");
            assert_eq!(length.before(length.after(at(start))), at(start));
        }
        assert_eq!(
            Seconds::minutes(1).after(at("1969-12-31T23:59:59.4Z")),
            at("1970-01-01T00:00:59.4Z")
        );
        assert_eq!(Seconds(1).after(Timestamp::MAX), Timestamp::MAX);
        assert_eq!(Seconds(1).before(Timestamp::MIN), Timestamp::MIN);
    }

    #[test]
    fn response_times_are_milliseconds_or_seconds() {
        for (text, millis) in [("300ms", 300), ("2s", 2_000), ("1500ms", 1_500), ("0ms", 0)] {
            let parsed = Millis::parse(text);
            assert_eq!(parsed, Some(Millis(millis)));
            assert_eq!(parsed.unwrap_or_default().to_string(), text);
        }
        for bad in ["", "ms", "5", "5m", "-5ms", "1.5s", "99999999s"] {
            assert_eq!(Millis::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn percentages_round_as_asked() {
        assert_eq!(Percent::parse("10%").map(|p| (p.of_ceil(41), p.of_floor(41))), Some((5, 4)));
        assert_eq!(Percent::parse("0%").map(|p| p.of_ceil(41)), Some(0));
        assert_eq!(Percent::parse("1001%"), None);
        assert_eq!(Percent::parse("10"), None);
    }

    #[test]
    fn numbers_print_for_people() {
        for (value, text) in [
            (1_090.0, "1,090"),
            (0.5, "0.5"),
            (41.256, "41.26"),
            (-1_234_567.0, "-1,234,567"),
            (0.0, "0"),
            (100.0, "100"),
        ] {
            assert_eq!(Finite::new(value).map(|v| v.to_string()).as_deref(), Some(text));
        }
        assert_eq!(Finite::new(f64::NAN), None);
        assert_eq!(Finite::new(f64::INFINITY), None);
    }
}
