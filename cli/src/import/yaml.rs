//! The few forms of YAML that are written.

/// A text, in quotes unless it can be taken for nothing else.
pub(super) fn quoted(text: &str) -> String {
    let mut letters = text.chars();
    let begins = letters.next().is_some_and(|first| first.is_ascii_lowercase());
    let plain = begins && letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '-' | '.'));
    // words that YAML reads as something else
    let is_word = matches!(text, "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n");
    if plain && !is_word {
        text.to_owned()
    } else {
        // every JSON text is YAML
        serde_json::Value::from(text).to_string()
    }
}

/// Texts in one line.
pub(super) fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// A number, without a fraction if it has none.
pub(super) fn number(value: f64) -> String {
    // what is no number does not come over the wire; 0 is shown rather than invalid YAML
    let text = if value.is_finite() { format!("{value}") } else { "0".to_owned() };
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}
