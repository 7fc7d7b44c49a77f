//! Looking up a thousand ids in order: two sorted lists walked side by side cost a comparison or two per id, where a map
//! costs ten.

use std::cmp::Ordering;

use crate::id::InstanceId;

/// Values by instance, sorted. Built once and walked several times.
#[derive(Debug)]
pub struct Sorted<'a, T> {
    pairs: Vec<(&'a InstanceId, T)>,
}

impl<'a, T: Copy> Sorted<'a, T> {
    /// Sorts them, if they are not sorted already.
    #[must_use]
    pub fn of(pairs: impl Iterator<Item = (&'a InstanceId, T)>) -> Self {
        let mut pairs: Vec<_> = pairs.collect();
        // what comes sorted already, as EC2's list does, costs one pass
        pairs.sort_by_key(|(id, _)| *id);
        Self { pairs }
    }

    /// All of them, in ascending order.
    pub fn iter(&self) -> Pairs<'_, 'a, T> {
        self.pairs.iter().copied()
    }

    /// From the front.
    #[must_use]
    pub fn walk(&self) -> Walk<'a, T, Pairs<'_, 'a, T>> {
        Walk::over(self.iter())
    }

    /// The value of this id, if it has one: the first one that was given.
    #[must_use]
    pub fn get(&self, id: &InstanceId) -> Option<T> {
        let place = self.pairs.partition_point(|(other, _)| *other < id);
        let found = self.pairs.get(place).filter(|(other, _)| *other == id);
        found.map(|(_, value)| *value)
    }
}

/// What [`Sorted::iter`] goes over.
pub type Pairs<'s, 'a, T> = std::iter::Copied<std::slice::Iter<'s, (&'a InstanceId, T)>>;

/// A sorted list on its way from front to back.
#[derive(Debug)]
pub struct Walk<'a, T, I> {
    next: Option<(&'a InstanceId, T)>,
    rest: I,
}

impl<'a, T: Copy, I: Iterator<Item = (&'a InstanceId, T)>> Walk<'a, T, I> {
    /// `sorted` must be: a map's entries, or [`Sorted::iter`].
    pub fn over(mut sorted: I) -> Self {
        Self {
            next: sorted.next(),
            rest: sorted,
        }
    }

    /// The value of this id, if it has one. Ids must be asked for in ascending order.
    pub fn to(&mut self, id: &InstanceId) -> Option<T> {
        while let Some((next, value)) = self.next {
            match next.cmp(id) {
                Ordering::Less => self.next = self.rest.next(),
                Ordering::Equal => return Some(value),
                Ordering::Greater => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walked_or_searched_every_id_is_found() {
        let ids: Vec<InstanceId> = [5, 1, 3, 9].map(|n| InstanceId::new(format!("i-{n}"))).to_vec();
        let sorted = Sorted::of(ids.iter().map(|id| (id, id.as_str())));
        let mut walk = sorted.walk();
        for (n, found) in [
            (0, None),
            (1, Some("i-1")),
            (1, Some("i-1")),
            (2, None),
            (5, Some("i-5")),
            (6, None),
            (9, Some("i-9")),
            (9, Some("i-9")),
        ] {
            let id = InstanceId::new(format!("i-{n}"));
            assert_eq!((walk.to(&id), sorted.get(&id)), (found, found), "{n}");
        }
    }
}
