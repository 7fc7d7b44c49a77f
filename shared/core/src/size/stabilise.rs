//! What was recommended of late: only what was recommended throughout a window happens.

use super::SizeInput;
use crate::reason::{Direction, Guard};
use crate::spec::Guards;
use crate::state::{RUNS_MAX, Run};
use crate::unit::Seconds;

/// The recommendation of the window that decides: for moves in the largest, for moves out the smallest. History that does
/// not reach back that far counts as "no change".
pub(super) fn stabilise(input: &SizeInput<'_>, recommended: Option<u32>, window: Seconds, direction: Direction) -> Option<(Guard, u32)> {
    if window == Seconds(0) {
        return None;
    }
    let start = window.before(input.now);
    let now_recommended = recommended.unwrap_or_else(|| input.state.without_reserve());
    let mut decisive = Run {
        since: input.now,
        capacity: now_recommended,
    };
    let mut consider = |run: Run| {
        let decides = if direction == Direction::In {
            run.capacity > decisive.capacity
        } else {
            run.capacity < decisive.capacity
        };
        if decides {
            decisive = run;
        }
    };
    let runs = &input.state.recommended;
    if runs.first().is_none_or(|first| first.since > start) {
        consider(Run {
            since: start,
            capacity: input.state.without_reserve(),
        });
    }
    for (place, run) in runs.iter().enumerate() {
        let ended = runs.get(place.saturating_add(1)).map_or(input.now, |next| next.since);
        if ended > start {
            consider(*run);
        }
    }
    Some((
        Guard::Stabilisation {
            window,
            decisive: decisive.capacity,
            at: decisive.since,
        },
        decisive.capacity,
    ))
}

/// Extends the history by one run; equal recommendations make one run, so a steady fleet writes nothing.
pub(super) fn note_run(runs: &mut Vec<Run>, new: Run, guards: &Guards) {
    if runs.last().is_some_and(|last| last.capacity == new.capacity) {
        return;
    }
    // another clock may be behind: no run ends before it began
    let new = Run {
        since: runs.last().map_or(new.since, |last| last.since.max(new.since)),
        ..new
    };
    let start = guards.stabilisation_in.max(guards.stabilisation_out).before(new.since);
    let outlived = runs
        .windows(2)
        .take_while(|pair| pair.last().is_some_and(|next| next.since <= start))
        .count();
    runs.drain(..outlived);
    if runs.len() >= RUNS_MAX {
        // the oldest two become one that recommends the larger: a removal is never easier for it
        let oldest = runs.remove(0);
        if let Some(second) = runs.first_mut() {
            *second = Run {
                since: oldest.since,
                capacity: oldest.capacity.max(second.capacity),
            };
        }
    }
    runs.push(new);
}
