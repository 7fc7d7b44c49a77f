//! Moments and lengths of time, as people compare them. Times are UTC.

use ghostnet_core::unit::Seconds;
use jiff::Timestamp;

/// A moment: the time of day, with the date if it is another day than `now`.
pub(crate) fn clock(at: Timestamp, now: Timestamp) -> String {
    let (day, today) = (at.strftime("%m-%d").to_string(), now.strftime("%m-%d").to_string());
    let time = at.strftime("%H:%M:%S").to_string();
    if day == today { time } else { format!("{day} {time}") }
}

/// How long ago: `14 s`, `3 min`, `2 h`, `5 d`.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    let Seconds(seconds) = Seconds::between(at, now);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A moment with its date, to the second.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// How long something took: `1.2 s`, `3 min 5 s`, `2 h 10 min`.
pub(crate) fn length(from: Timestamp, to: Timestamp) -> String {
    let took = to.duration_since(from);
    let seconds = took.as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds}.{} s", took.subsec_millis().max(0) / 100),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_lengths_are_short() {
        let at = |second| Timestamp::from_second(second).unwrap_or_default();
        let now = at(1_780_000_000);
        for (before, shown) in [(14, "14 s"), (180, "3 min"), (7_300, "2 h"), (400_000, "4 d")] {
            assert_eq!(ago(at(1_780_000_000 - before), now), shown);
        }
        assert_eq!(clock(now, now), "20:26:40");
        assert_eq!(moment(now), "2026-05-28 20:26:40");
        assert_eq!(clock(at(1_780_000_000 - 86_400), now), "05-27 20:26:40");
    }
    #[test]
    fn what_took_less_than_a_minute_has_tenths() {
        let at = |millisecond: i64| Timestamp::from_millisecond(1_780_000_000_000 + millisecond).unwrap_or_default();
        for (took, shown) in [
            (0, "0.0 s"),
            (1_290, "1.2 s"),
            (59_999, "59.9 s"),
            (185_000, "3 min 5 s"),
            (7_800_000, "2 h 10 min"),
            (-5_000, "0.0 s"),
        ] {
            assert_eq!(length(at(0), at(took)), shown);
        }
    }
}
