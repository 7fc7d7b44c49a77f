//! Virtual time in milliseconds since 1970, and the queue of what happens next. Nothing sleeps: the clock jumps to the next
//! event.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::Timestamp;

/// Milliseconds since 1970, in virtual time.
pub type Millis = i64;

/// Milliseconds of a second.
pub const SECOND: Millis = 1_000;
/// Milliseconds of a minute.
pub const MINUTE: Millis = 60 * SECOND;
/// Milliseconds of an hour.
pub const HOUR: Millis = 60 * MINUTE;

/// The moment as a timestamp.
#[must_use]
pub fn at(millis: Millis) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

/// What happens, in the order of time; at the same time in the order in which it was scheduled.
#[derive(Debug)]
pub struct Queue<E> {
    heap: BinaryHeap<Reverse<(Millis, u64, usize)>>,
    events: Vec<Option<E>>,
    free: Vec<usize>,
    next: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            next: 0,
        }
    }
}

impl<E> Queue<E> {
    /// Schedules an event.
    pub fn push(&mut self, at: Millis, event: E) {
        let place = if let Some(place) = self.free.pop() {
            self.events[place] = Some(event);
            place
        } else {
            self.events.push(Some(event));
            self.events.len() - 1
        };
        self.heap.push(Reverse((at, self.next, place)));
        self.next += 1;
    }

    /// The next event and its moment.
    pub fn pop(&mut self) -> Option<(Millis, E)> {
        loop {
            let Reverse((at, _, place)) = self.heap.pop()?;
            self.free.push(place);
            if let Some(event) = self.events[place].take() {
                return Some((at, event));
            }
        }
    }
}
