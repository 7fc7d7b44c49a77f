//! Long series made short enough for a chart, without losing what it is looked at for: peaks and troughs.

/// The values of a series at the steps that a chart needs: all of them if they are at most twice `buckets`, else the least and the greatest
/// of each bucket, and the last.
pub(super) fn extremes(values: &[f64], buckets: usize) -> Vec<(usize, f64)> {
    let all = values.iter().copied().enumerate();
    let of_bucket = values.len().div_ceil(buckets.max(1));
    if of_bucket <= 2 {
        return all.collect();
    }
    let all: Vec<(usize, f64)> = all.collect();
    let mut kept = Vec::with_capacity(2 * buckets + 1);
    for bucket in all.chunks(of_bucket) {
        let least = bucket.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        // of several as great the first: that is when it began
        let greatest = bucket.iter().rev().max_by(|a, b| a.1.total_cmp(&b.1));
        let mut ends: Vec<(usize, f64)> = least.into_iter().chain(greatest).copied().collect();
        ends.sort_by_key(|(step, _)| *step);
        ends.dedup();
        kept.extend(ends);
    }
    kept.extend(all.last());
    kept.dedup();
    kept
}

/// The greatest value of each bucket where it is, and the last of all; all values if there are no more than buckets.
pub(super) fn peaks(values: &[f64], buckets: usize) -> Vec<(usize, f64)> {
    let all: Vec<(usize, f64)> = values.iter().copied().enumerate().collect();
    let greatest = |bucket: &[(usize, f64)]| bucket.iter().rev().max_by(|a, b| a.1.total_cmp(&b.1)).copied();
    let mut kept: Vec<_> = all
        .chunks(values.len().div_ceil(buckets.max(1)).max(1))
        .filter_map(greatest)
        .collect();
    kept.extend(all.last());
    kept.dedup();
    kept
}

/// A count over time as its changes, and its last step; if these are too many, as its extremes.
pub(super) fn changes(counts: &[u32], buckets: usize) -> Vec<(usize, f64)> {
    let mut changes: Vec<(usize, f64)> = Vec::new();
    for (step, count) in counts.iter().enumerate() {
        let value = f64::from(*count);
        if step + 1 == counts.len() || changes.last().is_none_or(|(_, last)| (last - value).abs() > 0.0) {
            changes.push((step, value));
        }
    }
    if changes.len() <= 2 * buckets {
        return changes;
    }
    let values: Vec<f64> = counts.iter().copied().map(f64::from).collect();
    extremes(&values, buckets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_of_one_step_is_kept_with_its_height_and_place() {
        let mut values: Vec<f64> = (0..40_320).map(|step| f64::from(step % 100)).collect();
        values[31_007] = 5_000.0;
        values[31_008] = -1.0;
        let kept = extremes(&values, 1_500);
        assert!(kept.len() <= 3_001, "{}", kept.len());
        assert!(kept.contains(&(31_007, 5_000.0)) && kept.contains(&(31_008, -1.0)));
        assert!(kept.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(
            (kept.first().map(|first| first.0), kept.last().map(|last| last.0)),
            (Some(0), Some(40_319))
        );
    }

    #[test]
    fn of_what_only_its_peaks_matter_only_these_are_kept() {
        assert_eq!(peaks(&[1.0, 4.0, 4.0, 2.0, 9.0, 3.0], 2), [(1, 4.0), (4, 9.0), (5, 3.0)]);
        assert_eq!(peaks(&[1.0, 0.0], 2), [(0, 1.0), (1, 0.0)]);
        assert_eq!(peaks(&[], 2), []);
    }

    #[test]
    fn what_is_short_is_kept_whole() {
        let values = [3.0, 1.0, 2.0];
        assert_eq!(extremes(&values, 2), [(0, 3.0), (1, 1.0), (2, 2.0)]);
        assert_eq!(extremes(&[], 2), []);
    }

    #[test]
    fn a_count_is_told_when_it_changes_and_at_its_end() {
        assert_eq!(changes(&[2, 2, 3, 3, 3], 10), [(0, 2.0), (2, 3.0), (4, 3.0)]);
        let flapping: Vec<u32> = (0..10_000).map(|step| step % 2).collect();
        assert!(changes(&flapping, 100).len() <= 201);
    }
}
