//! The policies of a page: which of them are shown at first, and in which colour.

use ghostnet_backtest::contest::Row;
use ghostnet_backtest::peer::Peer;

use crate::report::backtest::BacktestReport;

/// More than these at once cannot be told apart in a chart: the others are shown when asked for.
const SHOWN_MOST: usize = 3;
/// Colours of the style sheet; the first is that of the row that the page is about.
const COLOURS: usize = 7;

/// A row and how it is shown.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    /// The row.
    pub(super) row: &'a Row,
    /// Its place among the rows.
    pub(super) place: usize,
    /// Whether it is the one that the page is about.
    pub(super) is_subject: bool,
    /// Whether it is the schedule that the others are measured by.
    pub(super) is_optimum: bool,
    /// Whether the charts show it at first.
    pub(super) at_first: bool,
    /// Its colour in the style sheet, without dashes.
    pub(super) colour: Colour,
}

/// The number of a colour of the style sheet; none: the plain one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour(Option<usize>);

impl Colour {
    /// Its property in the style sheet, without dashes.
    pub(super) fn name(self) -> String {
        self.0.map_or_else(|| "plain".to_owned(), |number| format!("policy-{number}"))
    }
}

/// All rows, in their order.
pub(super) fn all<'a>(report: &BacktestReport<'a>) -> Vec<Shown<'a>> {
    let subject = report.subject();
    let is_subject = |row: &Row| subject.is_some_and(|subject| std::ptr::eq(subject, row));
    let is_optimum = |row: &Row| row.policy == Peer::Optimum.to_string();
    let mut rest = (1..COLOURS).cycle();
    // beside the subject and the optimum, as many of the others as there is room for
    let mut room = SHOWN_MOST.saturating_sub(report.rows.iter().filter(|row| is_subject(row) || is_optimum(row)).count());
    let mut has_room = || {
        let has = room > 0;
        room = room.saturating_sub(1);
        has
    };
    let rows = report.rows.iter().enumerate();
    rows.map(|(place, row)| {
        let (is_subject, is_optimum) = (is_subject(row), is_optimum(row));
        Shown {
            row,
            place,
            is_subject,
            is_optimum,
            at_first: is_subject || is_optimum || has_room(),
            colour: Colour(match (is_subject, is_optimum) {
                (true, _) => Some(0),
                (_, true) => None,
                _ => rest.next(),
            }),
        }
    })
    .collect()
}
