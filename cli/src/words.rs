//! Guesses what a mistyped word was meant to be.

/// Below this similarity (Jaro-Winkler, 0 to 1) a guess confuses more than it helps.
const SIMILAR: f64 = 0.8;

/// The known word that was probably meant.
pub(crate) fn nearest<'w>(word: &str, known: &[&'w str]) -> Option<&'w str> {
    // one slip is forgiven in any word: two letters turned, one too many, too few or wrong
    let slip = |known: &str| word.len() > 2 && strsim::osa_distance(word, known) <= 1;
    let score = |known: &str| if slip(known) { 1.0 } else { strsim::jaro_winkler(word, known) };
    let scored = known.iter().map(|known| (score(known), *known));
    scored
        .filter(|(score, _)| *score >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

/// Words as a list of literals.
pub(crate) fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_guess_is_near_or_not_made() {
        let known = ["response_time", "role", "capacity", "web"];
        for (word, guess) in [
            ("respones_time", Some("response_time")),
            ("capcity", Some("capacity")),
            ("wbe", Some("web")),
            ("colour", None),
        ] {
            assert_eq!(nearest(word, &known), guess, "{word}");
        }
    }
}
