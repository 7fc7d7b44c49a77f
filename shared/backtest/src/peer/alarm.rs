//! A CloudWatch alarm that wants all of its newest points to breach.

/// Goes off when `points` points breached one after the other, and stays so until one does not.
#[derive(Debug, Clone)]
pub(super) struct Alarm {
    points: u32,
    breached: u32,
}

impl Alarm {
    /// An alarm of `points` of `points`.
    pub(super) fn new(points: u32) -> Self {
        Self { points, breached: 0 }
    }

    /// Takes in the next point, and says whether the alarm is on.
    pub(super) fn is_on(&mut self, breaches: bool) -> bool {
        self.breached = if breaches { self.breached.saturating_add(1) } else { 0 };
        self.breached >= self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_off_at_the_last_of_its_points_and_one_that_does_not_breach_ends_it() {
        let mut alarm = Alarm::new(3);
        let states: Vec<bool> = [true, true, false, true, true, true, true, false, true]
            .into_iter()
            .map(|breaches| alarm.is_on(breaches))
            .collect();
        assert_eq!(states, [false, false, false, false, false, true, true, false, false]);
    }
}
