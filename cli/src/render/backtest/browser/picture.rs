//! A screenshot, and how it looks from afar: fonts and the way in which a browser smooths its lines make no difference there.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde::Deserialize;

/// Parts of a chart, side by side and one below the other.
const COLUMNS: u32 = 48;
const ROWS: u32 = 16;
/// A mean distance from the paper of so much, of 255, is one more of nine.
const SHADE: usize = 12;

/// A picture of the page: red, green and blue for each pixel.
pub(super) struct Picture {
    pixels: Vec<u8>,
    width: usize,
    channels: usize,
}

/// Where something is in the page, in pixels.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Place {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Place {
    /// Whether nothing of it is beyond such a width.
    pub(super) fn is_within(&self, width: u32) -> bool {
        self.left >= 0.0 && self.width > 0.0 && self.left + self.width <= f64::from(width)
    }
}

impl Picture {
    pub(super) fn read(file: &Path) -> Self {
        let opened = File::open(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut reader = png::Decoder::new(BufReader::new(opened))
            .read_info()
            .unwrap_or_else(|error| panic!("{error}"));
        let mut pixels = vec![0; reader.output_buffer_size().unwrap_or_default()];
        let frame = reader.next_frame(&mut pixels).unwrap_or_else(|error| panic!("{error}"));
        Self {
            width: frame.width as usize,
            channels: frame.color_type.samples(),
            pixels,
        }
    }

    /// How bright its first pixel is, which is paper: from 0 to 1.
    pub(super) fn brightness(&self) -> f64 {
        let [red, green, blue] = self.pixel(0, 0);
        f64::from(u16::from(red) + u16::from(green) + u16::from(blue)) / (3.0 * 255.0)
    }

    /// How far the colour of each part of a place is from the paper: from 0 to 9, a line for each row.
    pub(super) fn looks(&self, place: &Place) -> String {
        let row = |row: u32| (0..COLUMNS).map(|column| self.ink(place, column, row)).collect();
        let rows: Vec<String> = (0..ROWS).map(row).collect();
        rows.join("\n")
    }

    fn ink(&self, place: &Place, column: u32, row: u32) -> char {
        let edge = |from: f64, length: f64, part: u32, of: u32| (from + length * f64::from(part) / f64::from(of)) as usize;
        let across = edge(place.left, place.width, column, COLUMNS)..edge(place.left, place.width, column + 1, COLUMNS);
        let down = edge(place.top, place.height, row, ROWS)..edge(place.top, place.height, row + 1, ROWS);
        let paper = self.pixel(0, 0);
        let distance = |x: usize, y: usize| -> usize {
            let channels = self.pixel(x, y).into_iter().zip(paper);
            channels.map(|(a, b)| usize::from(a.abs_diff(b))).sum()
        };
        let all = across.len() * down.len();
        let sum: usize = down.map(|y| across.clone().map(|x| distance(x, y)).sum::<usize>()).sum();
        let digit = sum / (all * 3 * SHADE).max(1);
        u32::try_from(digit)
            .ok()
            .and_then(|digit| char::from_digit(digit.min(9), 10))
            .unwrap_or('9')
    }

    fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.width + x) * self.channels;
        let of = |channel| self.pixels.get(at + channel).copied().unwrap_or_default();
        [of(0), of(1), of(2)]
    }
}

/// How much of what is drawn differs in two looks, where it does most of all charts: none is 0, and all of it, or more, from 1 on.
pub(super) fn difference(looks: &str, looked: &str) -> f64 {
    let (now, then): (Vec<&str>, Vec<&str>) = (looks.split("\n\n").collect(), looked.split("\n\n").collect());
    if now.len() != then.len() {
        return f64::INFINITY;
    }
    now.iter().zip(then).map(|(now, then)| of_chart(now, then)).fold(0.0, f64::max)
}

fn of_chart(now: &str, then: &str) -> f64 {
    let parts = |looks: &str| -> Vec<u32> { looks.chars().filter_map(|letter| letter.to_digit(10)).collect() };
    let (now, then) = (parts(now), parts(then));
    let drawn: u32 = then.iter().sum();
    if now.len() != then.len() || drawn == 0 {
        return f64::INFINITY;
    }
    let differs: u32 = now.iter().zip(&then).map(|(now, then)| now.abs_diff(*then)).sum();
    f64::from(differs) / f64::from(drawn)
}
