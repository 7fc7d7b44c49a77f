//! Offerings that had no capacity: remembered for a while, longer the more often in a row.

use ghostnet_core::id::Region;
use ghostnet_core::observation::{ExhaustedOffering, Offering};
use ghostnet_core::state::SCHEMA;
use ghostnet_core::unit::Seconds;
use ghostnet_engine::error::PortError;
use jiff::Timestamp;

use super::item::{from_json, json, known};
use super::read::Range;
use super::table::{Item, Key, attribute, number, number_of, offerings, text, text_of};
use super::write::Write;
use crate::Aws;

/// How long an offering is left alone the first time.
const FIRST: Seconds = Seconds::minutes(3);
/// How long at most.
const LONGEST: Seconds = Seconds::minutes(30);
/// A streak ends when an offering was not found empty for this long after it could be asked again.
const STREAK_ENDS_AFTER: Seconds = Seconds::minutes(30);
/// Items are cleaned up this long after they stopped to matter.
const KEPT_FOR: Seconds = Seconds(24 * 3_600);

const CALL: &str = "dynamodb:Query";
const NOTE: &str = "dynamodb:PutItem";

/// How long an offering is left alone, and which time in a row that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Exhaustion {
    until: Timestamp,
    streak: u32,
}

impl Aws {
    pub(super) async fn exhausted_now(&self, region: &Region, now: Timestamp) -> Result<Vec<ExhaustedOffering>, PortError> {
        let items = self.query(&Range::partition(offerings(region)), |_| false).await?;
        let all: Result<Vec<_>, PortError> = items.iter().map(exhausted_offering).collect();
        Ok(all?.into_iter().filter(|exhausted| exhausted.until > now).collect())
    }

    pub(super) async fn note_exhaustion(&self, region: &Region, offering: &Offering, now: Timestamp) -> Result<(), PortError> {
        let key = Key::offering(region, offering);
        let stored = self.get(&key).await?.as_ref().and_then(exhaustion_of);
        let next = next(stored, now);
        if stored == Some(next) {
            return Ok(());
        }
        let attributes = Item::from([
            (attribute::SCHEMA.to_owned(), number(SCHEMA)),
            (attribute::BODY.to_owned(), text(json(NOTE, offering)?)),
            (attribute::AT.to_owned(), text(now)),
            (attribute::UNTIL.to_owned(), text(next.until)),
            (attribute::STREAK.to_owned(), number(next.streak)),
            (attribute::EXPIRES_AT.to_owned(), number(KEPT_FOR.after(next.until).as_second())),
        ]);
        // no condition: two that find the same offering empty at once write the same
        self.write(&Write::put(key, attributes)).await.map(|_| ())
    }
}

fn exhausted_offering(item: &Item) -> Result<ExhaustedOffering, PortError> {
    known(CALL, item)?;
    let until = exhaustion_of(item).map_or(Timestamp::MIN, |exhaustion| exhaustion.until);
    Ok(ExhaustedOffering {
        offering: from_json(CALL, item, attribute::BODY)?,
        until,
    })
}

fn exhaustion_of(item: &Item) -> Option<Exhaustion> {
    Some(Exhaustion {
        until: text_of(item, attribute::UNTIL)?.parse().ok()?,
        streak: number_of(item, attribute::STREAK)?,
    })
}

/// What holds after an offering was found empty at `now`.
fn next(stored: Option<Exhaustion>, now: Timestamp) -> Exhaustion {
    match stored {
        // several launches of one look, or of two fleets, found the same: once
        Some(stored) if now < stored.until => stored,
        Some(stored) if now < STREAK_ENDS_AFTER.after(stored.until) => in_a_row(stored.streak.saturating_add(1), now),
        _ => in_a_row(1, now),
    }
}

fn in_a_row(streak: u32, now: Timestamp) -> Exhaustion {
    let doubled = FIRST
        .0
        .saturating_mul(1_u32.checked_shl(streak.saturating_sub(1)).unwrap_or(u32::MAX));
    Exhaustion {
        until: Seconds(doubled).min(LONGEST).after(now),
        streak,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(n: i64) -> Timestamp {
        Timestamp::from_second(n * 60).unwrap_or_default()
    }

    #[test]
    fn the_wait_doubles_while_it_goes_on() {
        let mut stored = None;
        for (situation, now, until, streak) in [
            ("first", 0, 3, 1),
            ("again while it is left alone", 2, 3, 1),
            ("second in a row", 4, 10, 2),
            ("third", 10, 22, 3),
            ("fourth", 25, 49, 4),
            ("fifth is capped", 50, 80, 5),
            ("sixth", 81, 111, 6),
            ("after a pause it begins anew", 200, 203, 1),
        ] {
            let after = next(stored, minute(now));
            assert_eq!(
                after,
                Exhaustion {
                    until: minute(until),
                    streak
                },
                "{situation}"
            );
            stored = Some(after);
        }
        assert_eq!(in_a_row(u32::MAX, minute(0)).until, minute(30));
    }
}
