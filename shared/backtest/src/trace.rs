//! A load series as people have it: a CSV file with a timestamp and one number a row, at a regular step.

use std::fmt;
use std::io::Read;

use ghostnet_core::unit::Seconds;
use jiff::{SignedDuration, Timestamp};

/// Fewest rows of which anything can be said.
const ROWS_LEAST: usize = 2;
/// Most rows that are read: ten years of minutes.
const ROWS_MAX: usize = 5_300_000;
/// A column of what comes in.
const RATE: &str = "requests_per_second";
/// A column of some other load, in a unit of its own.
const VALUE: &str = "value";

/// What the numbers of a trace are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Requests per second that come in.
    RequestsPerSecond,
    /// Some other load that instances share, such as jobs or messages, in a unit of its own.
    Value,
}

/// A load series: the mean of each bucket of a regular step. Never empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    unit: Unit,
    start: Timestamp,
    step: Seconds,
    values: Vec<f64>,
}

/// Why a file is no trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct TraceError {
    /// The line, counted from one.
    pub line: u64,
    /// What is wrong there.
    pub problem: String,
    /// What would be right.
    pub hint: &'static str,
}

impl Trace {
    /// A series that begins at `start`; none if it is too short, its step is zero, or a value is no finite number above or equal to zero.
    #[must_use]
    pub fn new(unit: Unit, start: Timestamp, step: Seconds, values: Vec<f64>) -> Option<Self> {
        let good = values.len() >= ROWS_LEAST && step > Seconds(0) && values.iter().all(|value| is_load(*value));
        good.then_some(Self { unit, start, step, values })
    }

    /// Reads CSV from text: see [`Trace::read`].
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, TraceError> {
        Self::read(text.as_bytes())
    }

    /// Reads CSV: a header of `timestamp` and `requests_per_second` or `value`, then one row for each bucket, oldest first. Takes no more
    /// memory than the numbers do.
    ///
    /// # Errors
    /// The first line that is wrong, or cannot be read: the file is refused whole.
    pub fn read(source: impl Read) -> Result<Self, TraceError> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(source);
        let (at, value, unit) = columns(&mut reader)?;
        let mut rows = Rows::default();
        let mut record = csv::StringRecord::new();
        loop {
            let line = reader.position().line();
            match reader.read_record(&mut record) {
                Ok(false) => break,
                Ok(true) => {}
                Err(error) => return Err(of_csv(&error, line)),
            }
            let line = record.position().map_or(line, csv::Position::line);
            rows.push(record.get(at).unwrap_or_default(), record.get(value).unwrap_or_default(), line)?;
        }
        rows.finish(unit, reader.position().line())
    }

    /// What its numbers are.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// When the first bucket begins.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Length of a bucket.
    #[must_use]
    pub fn step(&self) -> Seconds {
        self.step
    }

    /// The mean of each bucket.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// When bucket `place` begins.
    #[must_use]
    pub fn at(&self, place: usize) -> Timestamp {
        nth(self.start, self.step, place)
    }

    /// The buckets that begin at `from` or later, and at `until` at the latest; none if fewer than two do.
    #[must_use]
    pub fn between(&self, from: Timestamp, until: Timestamp) -> Option<Self> {
        let step = i64::from(self.step.0);
        let skipped = from.duration_since(self.start).as_secs().max(0);
        let first = usize::try_from(skipped.checked_add(step)?.checked_sub(1)?.checked_div(step)?).ok()?;
        let last = usize::try_from(until.duration_since(self.start).as_secs().checked_div(step)?).ok()?;
        let values = self.values.get(first..=last.min(self.values.len().saturating_sub(1)))?.to_vec();
        Self::new(self.unit, self.at(first), self.step, values)
    }
}

/// When a step is; the end of time instead of an overflow.
pub(crate) fn nth(start: Timestamp, step: Seconds, place: usize) -> Timestamp {
    let seconds = i64::try_from(place).ok().and_then(|place| place.checked_mul(i64::from(step.0)));
    let at = seconds.and_then(|seconds| start.checked_add(SignedDuration::from_secs(seconds)).ok());
    at.unwrap_or(Timestamp::MAX)
}

fn is_load(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

fn columns(reader: &mut csv::Reader<impl Read>) -> Result<(usize, usize, Unit), TraceError> {
    const HINT: &str = "the header names two columns: `timestamp,requests_per_second`, or `timestamp,value` for another load";
    let wrong = |problem: String| TraceError {
        line: 1,
        problem,
        hint: HINT,
    };
    let header = reader.headers().map_err(|error| wrong(error.to_string()))?;
    let place = |name: &str| header.iter().position(|column| column.trim_start_matches('\u{feff}') == name);
    let at = place("timestamp").ok_or_else(|| wrong(format!("there is no column `timestamp` in `{}`", list(header))))?;
    match (place(RATE), place(VALUE)) {
        (Some(rate), None) => Ok((at, rate, Unit::RequestsPerSecond)),
        (None, Some(value)) => Ok((at, value, Unit::Value)),
        (None, None) => Err(wrong(format!("there is neither `{RATE}` nor `{VALUE}` in `{}`", list(header)))),
        (Some(_), Some(_)) => Err(wrong(format!("there are both `{RATE}` and `{VALUE}`"))),
    }
}

fn list(header: &csv::StringRecord) -> String {
    header.iter().collect::<Vec<_>>().join(",")
}

fn of_csv(error: &csv::Error, line: u64) -> TraceError {
    let line = error.position().map_or(line, csv::Position::line);
    let problem = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => format!("{len} fields, where the header has {expected_len}"),
        csv::ErrorKind::Utf8 { .. } => "this is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    };
    let hint = "each row has a timestamp and a number, with a comma between";
    TraceError { line, problem, hint }
}

/// The rows so far, and whether they are at a regular step.
#[derive(Debug, Default)]
struct Rows {
    start: Option<Timestamp>,
    last: Option<Timestamp>,
    step: Option<i64>,
    values: Vec<f64>,
}

impl Rows {
    fn push(&mut self, at: &str, value: &str, line: u64) -> Result<(), TraceError> {
        let wrong = |problem: String, hint| Err(TraceError { line, problem, hint });
        let Ok(at) = at.parse::<Timestamp>() else {
            return wrong(format!("`{at}` is no timestamp"), "write it as `2026-11-01T00:00:00Z`");
        };
        let Some(value) = value.parse::<f64>().ok().filter(|value| is_load(*value)) else {
            let hint = "a load is a finite number, zero or above, such as `12.5`; leave no row empty: a hole is not zero";
            return wrong(format!("`{value}` is no load"), hint);
        };
        if self.values.len() >= ROWS_MAX {
            return wrong(
                format!("more than {ROWS_MAX} rows"),
                "cut it into files of at most ten years of minutes",
            );
        }
        if let Some(last) = self.last {
            let ahead = at.duration_since(last);
            let seconds = ahead.as_secs();
            if seconds <= 0 {
                return wrong(
                    format!("`{at}` is not after `{last}`"),
                    "sort the rows by time, one row for each moment",
                );
            }
            if ahead.subsec_nanos() != 0 || u32::try_from(seconds).is_err() {
                return wrong(format!("`{at}` is not whole seconds after `{last}`"), "use a step of whole seconds");
            }
            let step = *self.step.get_or_insert(seconds);
            if seconds > step {
                let hint = "fill the gap, or cut the file there: what was not measured is not known";
                return wrong(
                    format!("a gap of {seconds} s between `{last}` and `{at}`, where the step is {step} s"),
                    hint,
                );
            }
            if seconds < step {
                let hint = "all rows are at the same step; the first two say which";
                return wrong(format!("`{at}` comes {seconds} s after `{last}`, where the step is {step} s"), hint);
            }
        }
        self.start.get_or_insert(at);
        self.last = Some(at);
        self.values.push(value);
        Ok(())
    }

    fn finish(self, unit: Unit, line: u64) -> Result<Trace, TraceError> {
        let step = self.step.and_then(|step| u32::try_from(step).ok());
        let (Some(start), Some(step)) = (self.start, step) else {
            let problem = format!("{} rows are no trace", self.values.len());
            let hint = "a trace has at least two rows, better two weeks of them";
            return Err(TraceError { line, problem, hint });
        };
        Ok(Trace {
            unit,
            start,
            step: Seconds(step),
            values: self.values,
        })
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RequestsPerSecond => "requests/s",
            Self::Value => "units",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_read_with_its_step() {
        let trace = Trace::parse("timestamp,requests_per_second\n2026-01-01T00:00:00Z,1.5\n2026-01-01T00:05:00Z,2\n").unwrap();
        assert_eq!(
            (trace.step(), trace.values(), trace.unit()),
            (Seconds(300), &[1.5, 2.0][..], Unit::RequestsPerSecond)
        );
        assert_eq!(trace.at(1).to_string(), "2026-01-01T00:05:00Z");
        let other = Trace::parse("value,timestamp\n3,2026-01-01T00:00:00+02:00\n4,2026-01-01T00:00:10+02:00\n").unwrap();
        assert_eq!(
            (other.step(), other.values(), other.unit()),
            (Seconds(10), &[3.0, 4.0][..], Unit::Value)
        );
    }

    #[test]
    fn a_wrong_row_is_named_by_its_line() {
        let row =
            |second: &str| format!("timestamp,value\n2026-01-01T00:00:00Z,1\n2026-01-01T00:01:00Z,1\n{second}\n2026-01-01T00:03:00Z,1\n");
        for (situation, text, line, says) in [
            ("gap", row("2026-01-01T00:04:00Z,1"), 4, "a gap of 180 s"),
            ("too early", row("2026-01-01T00:01:30Z,1"), 4, "30 s after"),
            ("order", row("2026-01-01T00:00:30Z,1"), 4, "is not after"),
            ("twice", row("2026-01-01T00:01:00Z,1"), 4, "is not after"),
            ("not finite", row("2026-01-01T00:02:00Z,NaN"), 4, "`NaN` is no load"),
            ("infinite", row("2026-01-01T00:02:00Z,inf"), 4, "`inf` is no load"),
            ("negative", row("2026-01-01T00:02:00Z,-1"), 4, "`-1` is no load"),
            ("empty", row("2026-01-01T00:02:00Z,"), 4, "`` is no load"),
            ("words", row("2026-01-01T00:02:00Z,many"), 4, "`many` is no load"),
            ("time", row("yesterday,1"), 4, "`yesterday` is no timestamp"),
            ("parts of a second", row("2026-01-01T00:02:00.5Z,1"), 4, "whole seconds"),
            ("one field", row("2026-01-01T00:02:00Z"), 4, "1 fields"),
            ("three fields", row("2026-01-01T00:02:00Z,1,2"), 4, "3 fields"),
            ("no header", "2026-01-01T00:00:00Z,1\n".to_owned(), 1, "no column `timestamp`"),
            ("no value", "timestamp,load\n".to_owned(), 1, "neither"),
            ("both", "timestamp,value,requests_per_second\n".to_owned(), 1, "both"),
            ("one row", "timestamp,value\n2026-01-01T00:00:00Z,1\n".to_owned(), 3, "1 rows"),
            ("nothing", String::new(), 1, "no column"),
        ] {
            let error = Trace::parse(&text).unwrap_err();
            assert_eq!(error.line, line, "{situation}: {error}");
            assert!(error.problem.contains(says), "{situation}: {error}");
        }
    }

    #[test]
    fn a_window_has_the_buckets_from_its_begin_to_its_end_both_included() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let trace = Trace::new(Unit::Value, start, Seconds(60), vec![0.0, 1.0, 2.0, 3.0, 4.0]).unwrap();
        let values = |from: u32, until: u32| {
            let window = trace.between(Seconds(from).after(start), Seconds(until).after(start))?;
            Some((
                window.start() == trace.at(usize::try_from(window.values()[0] as u32).ok()?),
                window.values().to_vec(),
            ))
        };
        assert_eq!(values(60, 180), Some((true, vec![1.0, 2.0, 3.0])));
        assert_eq!(values(30, 200), Some((true, vec![1.0, 2.0, 3.0])));
        assert_eq!(values(0, 86_400), Some((true, vec![0.0, 1.0, 2.0, 3.0, 4.0])));
        assert_eq!(values(240, 86_400), None);
        assert_eq!(
            trace
                .between(Seconds(60).before(start), Seconds(60).after(start))
                .map(|w| w.values().len()),
            Some(2)
        );
    }
}
