//! Windows in time: cron in a named zone, or one moment, each with a length.
//!
//! Zones come from data bundled with the program, because a decision must be the same wherever it is replayed. Daylight
//! saving follows EventBridge Scheduler: an occurrence that the clocks skip in spring does not happen, one that they
//! repeat in autumn happens once, the first time.

use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions};
use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::OpenWindow;
use crate::unit::Seconds;

/// Longest window: the cron search goes back this far.
pub const WINDOW_MAX: Seconds = Seconds(31 * 86_400);

/// When a window opens and how long it stays open.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Schedule {
    start: Start,
    length: Seconds,
    /// As written, for people and for equality.
    text: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
enum Start {
    At(Timestamp),
    #[serde(skip)]
    Cron(Box<Cron>),
}

#[derive(Debug, Clone)]
struct Cron {
    crontab: Crontab,
    /// At these times of the day, in ascending order, on the days that it names. Never none.
    times: Vec<Time>,
    zone: TimeZone,
}

impl PartialEq for Start {
    /// Cron parts are compared by the text they were parsed from, in [`Schedule`].
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::At(a), Self::At(b)) => a == b,
            (Self::Cron(_), Self::Cron(_)) => true,
            _ => false,
        }
    }
}

impl Schedule {
    /// A single window.
    #[must_use]
    pub fn once(at: Timestamp, length: Seconds) -> Self {
        Self {
            start: Start::At(at),
            length,
            text: format!("at {at} for {length}"),
        }
    }

    /// A repeating window.
    ///
    /// # Errors
    /// What the cron parser says, or that the zone is unknown.
    pub fn repeating(cron: &str, zone: &str, length: Seconds) -> Result<Self, BadSchedule> {
        let fields: Vec<&str> = cron.split_whitespace().collect();
        let [minute, hour, _, _, _] = fields[..] else {
            return Err(BadSchedule::Fields);
        };
        let zone_data = TimeZoneDatabase::bundled().get(zone).map_err(|_| BadSchedule::Zone)?;
        let crontab = parse(cron)?;
        let times = times_of_day(&parse(&format!("{minute} {hour} * * *"))?);
        let text = format!("cron {cron} in {zone} for {length}");
        Ok(Self {
            start: Start::Cron(Box::new(Cron {
                crontab,
                times,
                zone: zone_data,
            })),
            length,
            text,
        })
    }

    /// How long a window stays open.
    #[must_use]
    pub fn length(&self) -> Seconds {
        self.length
    }

    /// The window that is open at `now`, the latest one if several overlap.
    #[must_use]
    pub fn open_window(&self, now: Timestamp) -> Option<OpenWindow> {
        let since = match &self.start {
            Start::At(at) => (*at <= now).then_some(*at),
            Start::Cron(cron) => last_occurrence(cron, self.length, now),
        }?;
        let until = self.length.after(since);
        (now < until).then_some(OpenWindow { since, until })
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a schedule cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSchedule {
    /// Not five fields.
    #[error("cron needs five fields: minute, hour, day of month, month, day of week")]
    Fields,
    /// A field is wrong.
    #[error("cron: {0}")]
    Cron(String),
    /// No such zone.
    #[error("unknown time zone")]
    Zone,
}

/// Parsed as UTC without naming a zone, because a name would make the parser read the machine's zone files: occurrences are civil times,
/// and the zone is applied here, from bundled data.
fn parse(cron: &str) -> Result<Crontab, BadSchedule> {
    let mut options = ParseOptions::default();
    options.fallback_timezone_option = FallbackTimezoneOption::UTC;
    cronexpr::parse_crontab_with(cron, options).map_err(|error| BadSchedule::Cron(error.to_string()))
}

/// The times at which a cron occurs that names every day. Every hour that it names has the same minutes.
fn times_of_day(daily: &Crontab) -> Vec<Time> {
    let Ok(first) = daily.find_next(Timestamp::UNIX_EPOCH) else {
        return Vec::new();
    };
    let (day, first) = (first.date(), first.time());
    let occurs = |time: &Time| is_on(daily, day.to_datetime(*time));
    let hours = (0..24).filter_map(|hour| Time::new(hour, first.minute(), 0, 0).ok()).filter(occurs);
    let minutes = (0..60)
        .filter_map(|minute| Time::new(first.hour(), minute, 0, 0).ok())
        .filter(occurs);
    let minutes: Vec<i8> = minutes.map(Time::minute).collect();
    hours
        .flat_map(|hour| minutes.iter().filter_map(move |minute| Time::new(hour.hour(), *minute, 0, 0).ok()))
        .collect()
}

/// Whether a cron occurs at a civil time.
fn is_on(crontab: &Crontab, civil: DateTime) -> bool {
    let at = TimeZone::UTC.to_timestamp(civil).ok();
    at.is_some_and(|at| crontab.matches(at).unwrap_or(false))
}

/// The latest occurrence in `(now - length, now]`.
fn last_occurrence(cron: &Cron, length: Seconds, now: Timestamp) -> Option<Timestamp> {
    let opened_after = length.before(now);
    let (earliest, mut before) = civil_range(&cron.zone, opened_after, now);
    loop {
        let civil = last_civil(cron, earliest, before)?;
        match moment(civil, &cron.zone) {
            Some(at) if at <= now => return (at > opened_after).then_some(at),
            // skipped in spring, or repeated in autumn and not there yet: the one before it
            _ => before = civil,
        }
    }
}

/// The latest occurrence in `(after, before)`: on the latest day that has one, at the latest time of that day.
fn last_civil(cron: &Cron, after: DateTime, before: DateTime) -> Option<DateTime> {
    let mut day = before.date();
    loop {
        let times = cron.times.iter().rev().map(|time| day.to_datetime(*time));
        let latest = times.take_while(|at| *at > after).find(|at| *at < before);
        if let Some(latest) = latest.filter(|latest| is_on(&cron.crontab, *latest)) {
            return Some(latest);
        }
        day = day.yesterday().ok().filter(|day| *day >= after.date())?;
    }
}

/// Civil times that enclose those that the clocks of a zone have shown in `(since, now]`.
fn civil_range(zone: &TimeZone, since: Timestamp, now: Timestamp) -> (DateTime, DateTime) {
    let steady_since = since.checked_sub(DAY).unwrap_or(Timestamp::MIN);
    let changed = zone.following(steady_since).next().is_some_and(|change| change.timestamp() <= now);
    if changed {
        return (civil_earliest(zone, since), civil_latest(zone, now));
    }
    let just_after = now.checked_add(SECOND).unwrap_or(now);
    (zone.to_datetime(since), zone.to_datetime(just_after))
}

/// Just after the latest time that the clocks of a zone have shown up to `now`: not the present one if they were set
/// back within the last day.
fn civil_latest(zone: &TimeZone, now: Timestamp) -> DateTime {
    let shown = zone.to_datetime(now);
    // a change at this very moment counts: what `preceding` is given is not among its answers
    let just_after = now.checked_add(SECOND).unwrap_or(now);
    let change = zone.preceding(just_after).next().map(|change| change.timestamp());
    let set_back = change.filter(|change| now.duration_since(*change) < DAY);
    let before_change = set_back
        .and_then(|change| change.checked_sub(SECOND).ok())
        .map(|at| zone.to_datetime(at));
    let latest = before_change.map_or(shown, |earlier| earlier.max(shown));
    latest.checked_add(SECOND).unwrap_or(DateTime::MAX)
}

/// A time before every one that the clocks of a zone have shown since `moment`.
fn civil_earliest(zone: &TimeZone, moment: Timestamp) -> DateTime {
    zone.to_datetime(moment).checked_sub(DAY).unwrap_or(DateTime::MIN)
}

/// The moment a civil time names: none if the clocks skip it, the first if they repeat it.
fn moment(civil: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(civil);
    match ambiguous.offset() {
        AmbiguousOffset::Gap { .. } => None,
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.compatible().ok(),
    }
}

/// No zone shifts its clocks by more.
const DAY: SignedDuration = SignedDuration::from_hours(24);
const SECOND: SignedDuration = SignedDuration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap_or(Timestamp::MIN)
    }

    fn opened(cron: &str, zone: &str, length: &str, now: &str) -> Option<String> {
        let schedule = Schedule::repeating(cron, zone, Seconds::parse(length).unwrap_or_default()).ok()?;
        schedule.open_window(at(now)).map(|window| window.since.to_string())
    }

    #[test]
    fn a_window_opens_on_time_and_closes_on_time() {
        for (situation, now, since) in [
            ("a second before", "2026-06-05T11:59:59Z", None),
            ("as it opens", "2026-06-05T12:00:00Z", Some("2026-06-05T12:00:00Z")),
            ("inside", "2026-06-05T17:59:59Z", Some("2026-06-05T12:00:00Z")),
            ("as it closes", "2026-06-05T18:00:00Z", None),
            ("another day of the week", "2026-06-06T12:30:00Z", None),
        ] {
            // Friday 20:00 in Shanghai is 12:00 UTC
            assert_eq!(opened("0 20 * * 5", "Asia/Shanghai", "6h", now).as_deref(), since, "{situation}");
        }
    }

    #[test]
    fn clocks_skip_an_occurrence_in_spring_and_do_not_repeat_one_in_autumn() {
        // Berlin 2026: 29 March 02:00 -> 03:00, 25 October 03:00 -> 02:00
        assert_eq!(opened("30 2 * * *", "Europe/Berlin", "2h", "2026-03-29T01:45:00Z"), None);
        let first = Some("2026-10-25T00:30:00Z".to_owned());
        assert_eq!(opened("30 2 * * *", "Europe/Berlin", "3h", "2026-10-25T00:45:00Z"), first);
        assert_eq!(
            opened("30 2 * * *", "Europe/Berlin", "3h", "2026-10-25T01:45:00Z"),
            first,
            "the second 02:30 opens nothing new"
        );
    }

    /// Second 02:00 to 02:59 of that night: the clock shows less than what it has shown already.
    #[test]
    fn a_window_stays_open_through_the_repeated_hour() {
        let half_past_two = Some("2026-10-25T00:30:00Z".to_owned());
        for (situation, now, since) in [
            ("first 02:15", "2026-10-25T00:15:00Z", Some("2026-10-25T00:00:00Z".to_owned())),
            ("first 02:45", "2026-10-25T00:45:00Z", half_past_two.clone()),
            ("second 02:15", "2026-10-25T01:15:00Z", half_past_two.clone()),
            ("second 02:45", "2026-10-25T01:45:00Z", half_past_two),
            ("03:00", "2026-10-25T02:00:00Z", Some("2026-10-25T02:00:00Z".to_owned())),
        ] {
            assert_eq!(opened("*/30 * * * *", "Europe/Berlin", "3h", now), since, "{situation}");
        }
    }

    /// The search by days finds what a look at every minute finds.
    #[test]
    fn the_latest_occurrence_is_the_one_a_clock_would_have_met() {
        let zones = ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"];
        for (cron, zone) in ["17 3 * * *", "*/7 * * * *", "0 0 1 * *", "30 2 * * 0", "59 23 * * 1-5"]
            .iter()
            .zip(zones.iter().cycle())
        {
            let schedule = Schedule::repeating(cron, zone, Seconds::minutes(3_000)).unwrap();
            let Start::Cron(parts) = &schedule.start else { panic!("a cron") };
            let Cron { crontab, zone, .. } = parts.as_ref();
            let mut latest = None;
            // around the night in which the clocks go back in Europe, minute by minute
            for minute in 0..36 * 60 {
                let now = Seconds::minutes(minute).after(at("2026-10-24T12:00:00Z"));
                let civil = zone.to_datetime(now);
                let matches = crontab.matches(TimeZone::UTC.to_timestamp(civil).unwrap()).unwrap();
                if matches && moment(civil, zone) == Some(now) {
                    latest = Some(now);
                }
                if let Some(since) = latest.filter(|since| now < schedule.length.after(*since)) {
                    assert_eq!(schedule.open_window(now).map(|window| window.since), Some(since), "{cron} at {now}");
                }
            }
        }
    }

    #[test]
    fn a_window_longer_than_the_interval_shows_its_latest_opening() {
        assert_eq!(
            opened("*/10 * * * *", "UTC", "1h", "2026-06-05T12:34:00Z").as_deref(),
            Some("2026-06-05T12:30:00Z")
        );
    }

    #[test]
    fn a_single_window_needs_no_cron() {
        let schedule = Schedule::once(at("2026-11-27T17:00:00Z"), Seconds::minutes(60));
        assert_eq!(schedule.open_window(at("2026-11-27T16:59:59Z")), None);
        assert!(schedule.open_window(at("2026-11-27T17:30:00Z")).is_some());
        assert_eq!(schedule.open_window(at("2026-11-27T18:00:00Z")), None);
    }

    #[test]
    fn bad_schedules_say_why() {
        let length = Seconds::minutes(5);
        assert_eq!(Schedule::repeating("0 20 * *", "UTC", length).err(), Some(BadSchedule::Fields));
        assert_eq!(
            Schedule::repeating("0 20 * * 5", "Mars/Olympus", length).err(),
            Some(BadSchedule::Zone)
        );
        assert!(matches!(
            Schedule::repeating("0 25 * * 5", "UTC", length),
            Err(BadSchedule::Cron(_))
        ));
    }
}
