//! Tables without borders: columns stand two spaces apart, as wide as their widest cell.

/// On which side of its column a cell stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A table with these columns. A row that is too short ends early.
pub(crate) fn plain(columns: &[(&str, Side)], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let headings: Vec<String> = columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
    aligned(
        &columns.iter().map(|(_, side)| *side).collect::<Vec<_>>(),
        std::iter::once(headings).chain(rows),
    )
}

/// Rows without headings.
pub(crate) fn aligned(sides: &[Side], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    let widths: Vec<usize> = (0..sides.len()).map(|column| widest(&rows, column)).collect();
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(sides).zip(&widths).map(|((cell, side), width)| match side {
            Side::Left => format!("{cell:<width$}"),
            Side::Right => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn widest(rows: &[Vec<String>], column: usize) -> usize {
    rows.iter()
        .filter_map(|row| row.get(column))
        .map(|cell| cell.chars().count())
        .max()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_no_line_ends_in_spaces() {
        let rows = [
            vec!["blue".to_owned(), "12".to_owned()],
            vec!["g…n".to_owned(), "6".to_owned()],
            vec!["red".to_owned()],
        ];
        let text = plain(&[("pool", Side::Left), ("desired", Side::Right)], rows);
        assert_eq!(text, "pool  desired\nblue       12\ng…n         6\nred");
    }
}
