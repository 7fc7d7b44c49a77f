//! The page in headless Chromium: that it says nothing on the console, that its charts are drawn and look as they did, in light and dark, and
//! that it fits a phone. Where there is no Chromium that is said, and nothing is tested.

mod chromium;
mod picture;

use serde::Deserialize;

use self::chromium::{Chromium, Opened, Scheme};
use self::picture::Place;
use super::fixture::{HOSTILE, Played};
use super::page;

/// How the charts of the fixture look: for each part of a chart how far its colour is from the paper, from 0 to 9.
const LIGHT: &str = include_str!("browser/light.txt");
const DARK: &str = include_str!("browser/dark.txt");
/// So much of a chart may differ from how it looked: fonts differ, and how lines are smoothed.
const TOLERANCE: f64 = 0.4;
/// The policies that are shown at first, in their colours of the light style sheet.
const SUBJECT: &str = "#0072b2";
const RIVAL: &str = "#d55e00";

/// What the watcher beside the page found in it.
#[derive(Debug, Deserialize)]
struct Found {
    /// Width of what is in the page, and of its window.
    content: u32,
    window: u32,
    /// Where the charts are.
    charts: Vec<Chart>,
    /// What is told where one points at.
    tips: Vec<String>,
    /// In which colours the first chart is printed.
    printed: Vec<String>,
    /// Elements that nobody wrote.
    strangers: u32,
}

#[derive(Debug, Deserialize)]
struct Chart {
    id: String,
    drawn: bool,
    /// In which colours lines are drawn and shapes are filled.
    colours: Vec<String>,
    #[serde(flatten)]
    place: Place,
}

#[test]
fn its_charts_look_as_they_did_in_light_in_dark_and_printed() {
    let Some(chromium) = Chromium::find() else { return };
    let page = page(&Played::new().report());
    for (scheme, looked) in [(Scheme::Light, LIGHT), (Scheme::Dark, DARK)] {
        let opened = chromium.open(&page, 1_000, scheme);
        let found = found(&opened);
        let drawn: Vec<&str> = found
            .charts
            .iter()
            .filter(|chart| chart.drawn)
            .map(|chart| chart.id.as_str())
            .collect();
        assert_eq!(drawn, ["whole", "worst", "pareto"], "{scheme:?}");
        let has_both = |colours: &[String]| [SUBJECT, RIVAL].iter().all(|colour| colours.iter().any(|drawn| drawn == colour));
        let in_light = found.charts.iter().all(|chart| has_both(&chart.colours));
        assert_eq!(in_light, scheme == Scheme::Light, "{:?}", found.charts);
        assert!(has_both(&found.printed), "paper is white: {:?}", found.printed);
        let picture = opened.picture();
        let is_dark = picture.brightness() < 0.5;
        assert_eq!(is_dark, scheme == Scheme::Dark, "{}", picture.brightness());
        let looks = |chart: &Chart| format!("{}\n{}\n", chart.id, picture.looks(&chart.place));
        let looks = found.charts.iter().map(looks).collect::<Vec<_>>().join("\n");
        let differs = picture::difference(&looks, looked);
        assert!(differs < TOLERANCE, "{scheme:?} differs by {differs:.2}:\n{looks}");
    }
}

#[test]
fn it_fits_a_phone_and_tells_its_reasons_where_one_points_at() {
    let Some(chromium) = Chromium::find() else { return };
    let found = found(&chromium.open(&page(&Played::new().report()), 360, Scheme::Light));
    assert!(found.content <= found.window, "{} in {}", found.content, found.window);
    assert!(
        found.charts.iter().all(|chart| chart.drawn && chart.place.is_within(360)),
        "{:?}",
        found.charts
    );
    let [whole, worst, pareto] = &found.tips[..] else {
        panic!("{:?}", found.tips)
    };
    for tip in [whole, worst] {
        assert!(
            tip.contains("requests/s") && tip.contains("ghostnet") && tip.contains("`requests` asks for"),
            "{tip}"
        );
    }
    assert!(pareto.contains("of the time above 90 %"), "{pareto}");
}

/// What others name is shown and never run, neither by the page nor by what it draws later.
#[test]
fn hostile_names_and_reasons_stay_text_where_one_points_at() {
    let Some(chromium) = Chromium::find() else { return };
    let found = found(&chromium.open(&page(&Played::hostile().report()), 1_000, Scheme::Light));
    assert_eq!(found.strangers, 0);
    assert!(
        found.tips.iter().filter(|tip| tip.contains(HOSTILE)).count() >= 2,
        "{:?}",
        found.tips
    );
}

fn found(opened: &Opened) -> Found {
    assert!(opened.complaints().is_empty(), "{:?}", opened.complaints());
    opened.found()
}
