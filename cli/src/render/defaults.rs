//! What holds where a spec is silent.

use ghostnet_core::spec::defaults::Default;
use serde::Serialize;

use super::table::{self, Side};
use crate::spec_file::Marks;

/// One default beside what the file says.
#[derive(Debug, Serialize)]
pub(crate) struct DefaultRow {
    /// The field.
    pub(crate) path: &'static str,
    /// Its default.
    pub(crate) value: String,
    /// Lines of the file that say otherwise; none: the default holds.
    pub(crate) set_on_lines: Vec<usize>,
    /// Why this value.
    pub(crate) reason: &'static str,
}

/// Every default, and where the file sets the field itself.
pub(crate) fn rows(defaults: Vec<Default>, marks: Option<&Marks>) -> Vec<DefaultRow> {
    let row = |default: Default| {
        let set = marks
            .into_iter()
            .flat_map(|marks| marks.paths().filter(|path| names(default.path, path)).map(|path| marks.line(path)));
        let mut set_on_lines: Vec<usize> = set.collect();
        set_on_lines.sort_unstable();
        DefaultRow {
            path: default.path,
            value: default.value,
            set_on_lines,
            reason: default.reason,
        }
    };
    defaults.into_iter().map(row).collect()
}

/// The rows as a table.
pub(crate) fn text(rows: &[DefaultRow], file: Option<&str>) -> String {
    let set = |row: &DefaultRow| match (row.set_on_lines.as_slice(), file) {
        (_, None) => String::new(),
        ([], Some(_)) => "default".to_owned(),
        (lines, Some(_)) => format!("line {}", lines.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    };
    let cells = rows.iter().map(|row| match file {
        Some(_) => vec![row.path.to_owned(), row.value.clone(), set(row), row.reason.to_owned()],
        None => vec![row.path.to_owned(), row.value.clone(), row.reason.to_owned()],
    });
    match file {
        Some(file) => table::plain(
            &[
                ("field", Side::Left),
                ("default", Side::Left),
                (file, Side::Left),
                ("because", Side::Left),
            ],
            cells,
        ),
        None => table::plain(&[("field", Side::Left), ("default", Side::Left), ("because", Side::Left)], cells),
    }
}

/// Whether a path of the file is the field that a default names: `pools[2].capacity.min` is `capacity.min`.
fn names(default: &str, path: &str) -> bool {
    let mut plain = String::new();
    let mut inside = false;
    for letter in path.chars() {
        match letter {
            '[' => inside = true,
            ']' => inside = false,
            _ if inside => continue,
            _ => {}
        }
        plain.push(letter);
    }
    let own = plain.strip_prefix("pools[].").or_else(|| plain.strip_prefix("defaults."));
    plain == default || own == Some(default)
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_default_is_set_in_the_pool_or_for_all_pools() {
        for (default, path, same) in [
            ("capacity.min", "pools[0].capacity.min", true),
            ("capacity.min", "defaults.capacity.min", true),
            ("capacity.min", "policies[0].capacity.min", false),
            ("policies[].missing", "policies[3].missing", true),
            ("policies[].missing", "pools[0].policies[1].missing", true),
            ("mode", "mode", true),
            ("pools[].role", "pools[1].role", true),
        ] {
            assert_eq!(names(default, path), same, "{default} {path}");
        }
    }
}
