//! Which side has which colour. The five can be told apart by those who see few colours, and lines differ in width and dashes besides.

use std::collections::BTreeMap;

use ghostnet_core::id::PoolId;
use plotters::style::RGBColor;

/// A colour of a line.
struct Shade {
    /// Its class in the style sheet.
    class: &'static str,
    /// In a chart. The style sheet takes it for a key, and puts a lighter one in its place where the page is dark.
    key: RGBColor,
    /// Sides with such a name have it: a side `green` in blue would be misread.
    names: &'static [&'static str],
}

static SHADES: [Shade; 5] = [
    Shade {
        class: "side-blue",
        key: RGBColor(0, 114, 178),
        names: &["blue"],
    },
    Shade {
        class: "side-green",
        key: RGBColor(0, 158, 115),
        names: &["green"],
    },
    Shade {
        class: "side-red",
        key: RGBColor(213, 94, 0),
        names: &["red"],
    },
    Shade {
        class: "side-purple",
        key: RGBColor(170, 68, 153),
        names: &["purple", "pink"],
    },
    Shade {
        class: "side-yellow",
        key: RGBColor(148, 108, 0),
        names: &["yellow", "orange"],
    },
];

/// Of what is no side's: axes, marks and limits that hold for all.
static PLAIN: Shade = Shade {
    class: "plain",
    key: RGBColor(89, 99, 110),
    names: &[],
};

/// The colours of a fleet's sides.
pub(super) struct Colours(BTreeMap<PoolId, &'static Shade>);

impl Colours {
    /// A side whose name is that of a colour has it, the others have the rest in their order; of more than five some share one.
    pub(super) fn of(sides: &[PoolId]) -> Self {
        let by_name = |side: &PoolId| SHADES.iter().find(|shade| shade.names.contains(&side.as_str()));
        let taken: Vec<&str> = sides.iter().filter_map(by_name).map(|shade| shade.class).collect();
        let is_free = |shade: &&Shade| !taken.contains(&shade.class);
        let mut rest = SHADES.iter().filter(is_free).chain(SHADES.iter().cycle());
        let shade = |side: &PoolId| by_name(side).or_else(|| rest.next()).unwrap_or(&PLAIN);
        let shades: Vec<&'static Shade> = sides.iter().map(shade).collect();
        Self(sides.iter().cloned().zip(shades).collect())
    }

    /// The class in the style sheet.
    pub(super) fn class(&self, side: Option<&PoolId>) -> &'static str {
        self.shade(side).class
    }

    /// In a chart.
    pub(super) fn key(&self, side: Option<&PoolId>) -> RGBColor {
        self.shade(side).key
    }

    fn shade(&self, side: Option<&PoolId>) -> &'static Shade {
        side.and_then(|side| self.0.get(side)).copied().unwrap_or(&PLAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::pool;

    fn classes(sides: &[&str]) -> Vec<&'static str> {
        let sides: Vec<PoolId> = sides.iter().map(|side| pool(side)).collect();
        let colours = Colours::of(&sides);
        sides.iter().map(|side| colours.class(Some(side))).collect()
    }

    #[test]
    fn a_side_that_is_called_after_a_colour_has_it() {
        assert_eq!(classes(&["blue", "green"]), ["side-blue", "side-green"]);
        assert_eq!(classes(&["east", "green", "west"]), ["side-blue", "side-green", "side-red"]);
        assert_eq!(classes(&["a", "b", "c", "d", "e", "f"]).len(), 6, "more sides than colours");
    }

    /// The style sheet finds lines by the colour that they were drawn in.
    #[test]
    fn the_style_sheet_knows_every_colour() {
        for shade in SHADES.iter().chain([&PLAIN]) {
            let RGBColor(red, green, blue) = shade.key;
            let key = format!("[stroke=\"#{red:02X}{green:02X}{blue:02X}\"]");
            assert!(super::super::STYLE.contains(&key), "{key}");
            assert!(super::super::STYLE.contains(&format!(".{} {{", shade.class)), "{}", shade.class);
        }
    }
}
