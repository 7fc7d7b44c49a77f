//! The same work on many things, on as many threads as the machine has.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What each item comes to, in their order. A panic of one is a panic of all.
pub(crate) fn each<T: Sync, R: Send>(items: &[T], of: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place) else { return found };
            found.push((place, of(item)));
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let mut found = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let of_worker = |worker: thread::ScopedJoinHandle<'_, Vec<(usize, R)>>| match worker.join() {
            Ok(found) => found,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().flat_map(of_worker).collect::<Vec<_>>()
    });
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, found)| found).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_back_in_their_order() {
        let knobs: Vec<f64> = (0..57).map(f64::from).collect();
        // long enough that no thread is done with all of them before the next begins
        let slowly_doubled = |knob: &f64| (0..50_000).fold(*knob * 2.0, |value, _| std::hint::black_box(value));
        let doubled: Vec<f64> = knobs.iter().map(|knob| knob * 2.0).collect();
        assert_eq!(each(&knobs, slowly_doubled), doubled);
        assert_eq!(each(&[] as &[f64], |knob| *knob), [] as [f64; 0]);
    }
}
