//! The scripts of the page, what a browser is told to let them do, and the data that they read.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, PreEscaped, html};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Apache ECharts, as its makers built it: `assets/README.md`.
const LIBRARY: &str = include_str!("../../../assets/echarts/echarts.common.min.js");
/// What is drawn with it.
const CHARTS: &str = include_str!("charts.js");

/// What this page may do: run these very scripts, and use its own style. Nothing is loaded, and no other script runs, wherever it came from.
pub(super) fn policy() -> String {
    let hash = |script: &str| STANDARD.encode(Sha256::digest(script));
    let (library, charts) = (hash(LIBRARY), hash(CHARTS));
    format!("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{library}' 'sha256-{charts}'")
}

/// Both scripts.
pub(super) fn scripts() -> Markup {
    html! {
        script { (PreEscaped(LIBRARY)) }
        script { (PreEscaped(CHARTS)) }
    }
}

/// Data for the scripts, as JSON that is no markup whatever is in it.
pub(super) fn data(id: &str, data: &impl Serialize) -> Markup {
    // what cannot be written would be a map with keys that are no text
    let json = serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned());
    html! {
        script id=(id) type="application/json" { (PreEscaped(inert(&json))) }
    }
}

/// JSON without a character that means something to a reader of HTML or of JavaScript. Inside of JSON such a character is in a text, so that
/// its number does as well.
fn inert(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(safe, "\\u{:04x}", u32::from(letter));
            }
            _ => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_the_script_that_it_is_in() {
        let hostile = [
            "</script><script>alert(1)</script>",
            "<!--<script>",
            "]]>",
            "a\u{2028}b\u{2029}c",
            "&lt;\\\"'",
        ];
        let written = data("data", &hostile).into_string();
        let inside = written.strip_prefix("<script id=\"data\" type=\"application/json\">");
        let inside = inside.and_then(|rest| rest.strip_suffix("</script>")).unwrap_or_default();
        assert!(!inside.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{inside}");
        let read: Vec<String> = serde_json::from_str(inside).unwrap_or_default();
        assert_eq!(read, hostile, "and nothing is lost");
    }

    /// Either would end the script, or keep it from running under the policy.
    #[test]
    fn the_scripts_can_stand_in_a_page() {
        for script in [LIBRARY, CHARTS] {
            for never in ["</script", "</SCRIPT", "<!--", "new Function(", "eval("] {
                assert!(!script.contains(never), "{never}");
            }
        }
    }

    #[test]
    fn the_library_is_the_one_that_its_readme_names() {
        let sum = Sha256::digest(LIBRARY)
            .iter()
            .fold(String::new(), |sum, byte| sum + &format!("{byte:02x}"));
        let readme = include_str!("../../../assets/README.md");
        assert!(readme.contains(&sum), "{sum}");
        let version = LIBRARY.split("t.version=\"").nth(1).and_then(|rest| rest.split('"').next());
        assert!(version.is_some_and(|version| readme.contains(version)), "{version:?}");
    }
}
