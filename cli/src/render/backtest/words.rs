//! Numbers of a backtest as people read them.

/// A share of something, in percent: none of it is `0 %`, and what is hardly anything is not nothing. The spaces do not break.
pub(super) fn percent(value: f64) -> String {
    match value {
        value if value <= 0.0 => "0\u{a0}%".to_owned(),
        value if value < 0.001 => "<\u{a0}0.001\u{a0}%".to_owned(),
        value if value < 0.01 => format!("{value:.3}\u{a0}%"),
        value if value < 1.0 => format!("{value:.2}\u{a0}%"),
        value if value < 99.95 => format!("{value:.1}\u{a0}%"),
        value => format!("{value:.0}\u{a0}%"),
    }
}

/// A ratio as whole percent.
pub(super) fn percent_of(share: f64) -> String {
    format!("{:.0}\u{a0}%", 100.0 * share)
}

/// A cost relative to the optimum.
pub(super) fn ratio(value: f64) -> String {
    format!("{value:.2}")
}

/// How often a day.
pub(super) fn per_day(value: f64) -> String {
    if value > 0.0 && value < 9.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// A count with its thousands apart: the spaces are narrow and do not break.
pub(super) fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut told = if value <= -0.5 { "-".to_owned() } else { String::new() };
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            told.push('\u{202f}');
        }
        told.push(digit);
    }
    told
}

/// A length of time: `90 s`, `10 min`, `14 days`.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", tenths(seconds, 60)),
        7_200..172_800 => format!("{} h", tenths(seconds, 3_600)),
        _ => format!("{} days", tenths(seconds, 86_400)),
    }
}

fn tenths(seconds: u64, of: u64) -> String {
    let tenths = (seconds * 10 + of / 2) / of;
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        rest => format!("{}.{rest}", tenths / 10),
    }
}

/// A number for a chart: four digits are more than can be seen.
pub(super) fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardly_anything_is_not_nothing() {
        let shown = [0.0, 0.0002, 0.003, 0.058, 0.5, 2.04, 31.62, 100.0].map(|value| percent(value).replace('\u{a0}', " "));
        assert_eq!(
            shown,
            ["0 %", "< 0.001 %", "0.003 %", "0.06 %", "0.50 %", "2.0 %", "31.6 %", "100 %"]
        );
    }

    #[test]
    fn counts_and_lengths_are_short() {
        assert_eq!(
            [0.0, 9.0, 999.6, 20_160.0].map(thousands),
            ["0", "9", "1\u{202f}000", "20\u{202f}160"]
        );
        assert_eq!(
            [30, 180, 5_430, 7_200, 1_209_600].map(span),
            ["30 s", "3 min", "90.5 min", "2 h", "14 days"]
        );
        assert_eq!([0.0, 2.25, 29.4].map(per_day), ["0", "2.2", "29"]);
        assert_eq!([0.123_456, 98_765.4].map(rounded), [0.1235, 98_770.0]);
    }
}
