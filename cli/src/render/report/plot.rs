//! Lines over time as SVG. A value holds until the next one, so every line is a flight of steps.

use std::io;

use jiff::Timestamp;
use plotters::backend::SVGBackend;
use plotters::chart::ChartBuilder;
use plotters::coord::combinators::BindKeyPoints;
use plotters::drawing::{DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::PathElement;
use plotters::series::LineSeries;
use plotters::style::{Color, IntoFont, RGBColor, ShapeStyle};

use super::chart::Chart;
use super::colour::Colours;
use crate::report::{Line, Measure};

/// Width and height, in pixels of which a wide page shows one by one.
const SIZE: (u32, u32) = (960, 300);
const FONT: (&str, u32) = ("sans-serif", 18);
/// Of the first line: those that lie on it are narrower, so that it shows.
const WIDTH_FIRST: u32 = 6;
const WIDTH: u32 = 3;
/// The style sheet dashes what is as narrow as this.
const WIDTH_DASHED: u32 = 2;
/// A floor is a band behind the line that often lies on it.
const WIDTH_BAND: u32 = 18;
const OPACITY_BAND: f64 = 0.35;

/// Most labels of each axis.
const LABELS_MAX: i64 = 9;
const LABELS_OF_VALUES_MAX: i64 = 6;
/// Distances between labels that people read easily, in seconds.
const TIMES_APART: [i64; 17] = [
    1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 86_400, 604_800, 31_536_000,
];
const VALUES_APART: [i64; 11] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 10_000];
const DAY: i64 = 86_400;

/// The chart as an `svg` element, with colours that the style sheet knows.
///
/// # Errors
/// The drawing library refuses; nothing in a chart is known to make it.
pub(super) fn svg(chart: &Chart<'_>, colours: &Colours) -> Result<String, DrawingAreaErrorKind<io::Error>> {
    // at least a second, and at least one instance high: an axis of no length cannot be drawn
    let from = chart.course.from.as_second();
    let until = chart.course.until.as_second().max(from) + 1;
    let top = top(chart.lines);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let times = (from..until).with_key_points(labels(from, until, LABELS_MAX, &TIMES_APART));
        let values = (0..top).with_key_points(labels(0, top, LABELS_OF_VALUES_MAX, &VALUES_APART));
        let mut builder = ChartBuilder::on(&area);
        let mut context = builder
            .margin(8)
            .x_label_area_size(34)
            .y_label_area_size(58)
            .build_cartesian_2d(times, values)?;
        let plain = colours.key(None);
        let clock = |second: &i64| clock(*second, until - from);
        let value = |value: &i64| format!("{value}{}", chart.unit);
        context
            .configure_mesh()
            .axis_style(plain)
            .bold_line_style(plain.mix(0.3))
            .label_style(FONT.into_font().color(&plain))
            .x_label_formatter(&clock)
            .y_label_formatter(&value)
            .draw()?;
        for mark in chart.marks {
            let at = mark.as_second();
            context.draw_series([PathElement::new(vec![(at, 0), (at, top)], plain.stroke_width(WIDTH_DASHED))])?;
        }
        let (bands, lines): (Vec<&Line>, Vec<&Line>) = chart.known().partition(|line| line.what == Measure::Floor);
        for (number, line) in bands.iter().enumerate().chain(lines.iter().enumerate()) {
            let style = style(number, line.what, colours.key(line.side.as_ref()));
            for flight in flights(line, until) {
                context.draw_series(LineSeries::new(flight, style))?;
            }
        }
        area.present()?;
    }
    Ok(svg)
}

fn style(number: usize, what: Measure, colour: RGBColor) -> ShapeStyle {
    let width = if number == 0 { WIDTH_FIRST } else { WIDTH };
    match what {
        Measure::Share | Measure::Healthy | Measure::Wanted => colour.stroke_width(width),
        Measure::Needed => colour.stroke_width(WIDTH_DASHED),
        // of a second side at the same floor the band is narrower
        Measure::Floor => colour
            .mix(OPACITY_BAND)
            .stroke_width(WIDTH_BAND.saturating_sub(WIDTH_FIRST.saturating_sub(width) * 2)),
    }
}

/// A little above the largest value.
fn top(lines: &[Line]) -> i64 {
    let values = lines.iter().flat_map(|line| &line.points).filter_map(|point| point.value);
    let largest = values.map(i64::from).max().unwrap_or(0);
    largest + (largest / 20).max(1)
}

/// The steps of a line, one flight for each time in which it has a value.
fn flights(line: &Line, until: i64) -> Vec<Vec<(i64, i64)>> {
    let mut flights = Vec::new();
    let mut flight: Vec<(i64, i64)> = Vec::new();
    for point in &line.points {
        let at = point.at.as_second();
        if let Some((_, before)) = flight.last().copied() {
            flight.push((at, before));
        }
        match point.value {
            Some(value) => flight.push((at, i64::from(value))),
            None if flight.is_empty() => {}
            None => flights.push(std::mem::take(&mut flight)),
        }
    }
    if let Some((_, last)) = flight.last().copied() {
        flight.push((until - 1, last));
        flights.push(flight);
    }
    flights
}

/// Whole multiples of the least distance at which there are few enough of them.
fn labels(from: i64, until: i64, most: i64, apart: &[i64]) -> Vec<i64> {
    let fits = |apart: &&i64| (until - from) / **apart < most;
    let apart = apart.iter().find(fits).or_else(|| apart.last()).copied().unwrap_or(1).max(1);
    let first = from.div_euclid(apart) * apart;
    let first = if first < from { first + apart } else { first };
    let all = std::iter::successors(Some(first), |last| last.checked_add(apart));
    all.take_while(|label| *label < until).collect()
}

/// The time of day; the date where the chart is of several days.
fn clock(second: i64, length: i64) -> String {
    let format = if length > DAY { "%m-%d %H:%M" } else { "%H:%M:%S" };
    let at = Timestamp::from_second(second);
    at.map(|at| at.strftime(format).to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Course;
    use crate::report::tests::{report, there_and_back};

    fn course() -> Course {
        let course = report(&there_and_back().records(), &[]).course;
        course.unwrap_or_else(|| panic!("something was decided"))
    }

    fn drawn(course: &Course, lines: &[Line]) -> String {
        let chart = Chart {
            title: "t",
            unit: "",
            lines,
            course,
            marks: &[],
        };
        match svg(&chart, &Colours::of(&course.sides)) {
            Ok(svg) => svg,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn every_line_is_drawn_in_the_colour_of_its_side() {
        let course = course();
        let svg = drawn(&course, &course.share);
        for colour in ["#0072B2", "#009E73"] {
            assert_eq!(svg.matches(&format!("stroke=\"{colour}\"")).count(), 1, "{svg}");
        }
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
        let floors = drawn(&course, &course.wanted);
        assert!(
            floors.matches("opacity=\"0.35\" stroke=\"#0072B2\" stroke-width=\"18\"").count() == 2,
            "{floors}"
        );
    }

    #[test]
    fn a_moment_with_one_value_can_be_drawn() {
        let mut course = course();
        course.until = course.from;
        course.share.truncate(1);
        course.share.iter_mut().for_each(|line| line.points.truncate(1));
        let svg = drawn(&course, &course.share);
        assert!(
            svg.contains("polyline") && svg.contains(&clock(course.from.as_second(), 1)),
            "{svg}"
        );
        assert!(drawn(&course, &[]).contains("<svg"));
    }

    #[test]
    fn a_line_goes_in_steps_and_ends_where_its_value_is_not_known() {
        let course = course();
        let Some(floor) = course.wanted.iter().find(|line| line.what == Measure::Floor) else {
            panic!("a floor was set")
        };
        let until = course.until.as_second() + 1;
        let flights_of_floor = flights(floor, until);
        assert_eq!(flights_of_floor.len(), 2, "{flights_of_floor:?}");
        let end = flights_of_floor.last().and_then(|flight| flight.last());
        assert_eq!(end.map(|(at, _)| *at), Some(until - 1));
        for line in course.share.iter().chain(&course.wanted) {
            for pair in flights(line, until).iter().flat_map(|flight| flight.windows(2)) {
                let ((from, before), (to, after)) = (pair[0], pair[1]);
                assert!(from <= to && (from == to || before == after), "{line:?}: {pair:?}");
            }
        }
    }

    #[test]
    fn labels_are_few_and_round() {
        assert_eq!(labels(0, 105, 6, &VALUES_APART), [0, 20, 40, 60, 80, 100]);
        assert_eq!(labels(0, 5, 6, &VALUES_APART), [0, 1, 2, 3, 4]);
        let minutes: Vec<String> = labels(46_805, 46_990, 9, &TIMES_APART)
            .into_iter()
            .map(|second| clock(second, 185))
            .collect();
        assert_eq!(minutes, ["13:00:30", "13:01:00", "13:01:30", "13:02:00", "13:02:30", "13:03:00"]);
        assert_eq!(clock(46_800, 2 * DAY), "01-01 13:00");
        assert!(
            labels(0, i64::from(u32::MAX), 9, &TIMES_APART).len() < 200,
            "a long time is no loop"
        );
    }
}
