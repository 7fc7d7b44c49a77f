//! Formulas over named metrics: `max(waiting / 100, requests / 60000)`.
//!
//! The expressions are those of Jinja, as minijinja evaluates them: small, well kept, and free of input and output. Only numbers,
//! the metrics' names and the functions below come in, so a formula is arithmetic and nothing else.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use minijinja::value::Rest;
use minijinja::{Environment, Error, Expression, Value};
use serde::Serialize;

use crate::unit::Finite;

/// Longest formula, in characters: nobody reads a longer one at night.
pub const FORMULA_LENGTH_MAX: usize = 300;

/// The functions that a formula may use.
pub const FUNCTIONS: [&str; 5] = ["abs", "ceil", "floor", "max", "min"];

/// A formula that was understood, and the names that it may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Formula {
    text: String,
    /// In order.
    names: Vec<String>,
}

/// Why a formula is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFormula {
    /// Too long.
    #[error("{0} characters are more than {FORMULA_LENGTH_MAX}")]
    TooLong(usize),
    /// A character that no arithmetic needs.
    #[error("`{0}` has no meaning here")]
    Strange(String),
    /// A name that is neither a metric nor a function.
    #[error("`{0}` is neither one of its metrics nor a function")]
    Unknown(String),
    /// A metric that is not used.
    #[error("the metric `{0}` is not used")]
    Unused(String),
    /// Not an expression, or not one of numbers.
    #[error("{0}")]
    NotUnderstood(String),
}

/// What formulas are evaluated in: nothing but the functions.
static ARITHMETIC: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut arithmetic = Environment::empty();
    arithmetic.add_function("abs", f64::abs);
    arithmetic.add_function("ceil", libm::ceil);
    arithmetic.add_function("floor", libm::floor);
    arithmetic.add_function("max", |first: f64, rest: Rest<f64>| rest.iter().copied().fold(first, f64::max));
    arithmetic.add_function("min", |first: f64, rest: Rest<f64>| rest.iter().copied().fold(first, f64::min));
    arithmetic
});

impl Formula {
    /// Reads a formula over the metrics of these names.
    ///
    /// # Errors
    ///
    /// Whatever cannot be evaluated to a number: [`BadFormula`] says what.
    pub fn read<'n>(text: &str, names: impl IntoIterator<Item = &'n String>) -> Result<Self, BadFormula> {
        let length = text.chars().count();
        if length > FORMULA_LENGTH_MAX {
            return Err(BadFormula::TooLong(length));
        }
        check_characters(text)?;
        let mut names: Vec<String> = names.into_iter().cloned().collect();
        names.sort();
        let formula = Self {
            text: text.to_owned(),
            names,
        };
        let compiled = ARITHMETIC.compile_expression(text).map_err(|error| not_understood(&error))?;
        let used = compiled.undeclared_variables(false);
        let known = |name: &String| formula.names.contains(name) || FUNCTIONS.contains(&name.as_str());
        if let Some(unknown) = used.iter().filter(|name| !known(name)).min() {
            return Err(BadFormula::Unknown(unknown.clone()));
        }
        if let Some(unused) = formula.names.iter().find(|name| !used.contains(*name)) {
            return Err(BadFormula::Unused(unused.clone()));
        }
        formula.try_out(&compiled)?;
        Ok(formula)
    }

    /// Ready to be evaluated; none only for a text that [`Formula::read`] would refuse.
    pub(crate) fn compile(&self) -> Option<Compiled<'_>> {
        let expression = ARITHMETIC.compile_expression(&self.text).ok()?;
        Some(Compiled {
            expression,
            names: &self.names,
        })
    }

    /// A formula that gives something else than a number gives it for any values.
    fn try_out(&self, compiled: &Expression<'_, '_>) -> Result<(), BadFormula> {
        // far from each other, so that a difference of two is not zero by accident
        let sample = [7.0, 110.0, 13_000.0];
        let values: Vec<f64> = self.names.iter().zip(sample.iter().cycle()).map(|(_, value)| *value).collect();
        match compiled.eval(variables(&self.names, &values)) {
            Ok(value) if number(&value).is_some() => Ok(()),
            Ok(_) => Err(BadFormula::NotUnderstood("it gives no number".to_owned())),
            Err(error) if error.to_string().contains("unable to calculate") => Ok(()),
            Err(error) => Err(not_understood(&error)),
        }
    }
}

impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A formula that is ready to be evaluated.
#[derive(Debug)]
pub(crate) struct Compiled<'f> {
    expression: Expression<'f, 'f>,
    names: &'f [String],
}

impl Compiled<'_> {
    /// The value, given those of the metrics in the order of their names; none where it is no number, as after a division by zero.
    pub(crate) fn value(&self, values: &[f64]) -> Option<Finite> {
        let value = self.expression.eval(variables(self.names, values)).ok()?;
        Finite::new(number(&value)?)
    }
}

fn variables(names: &[String], values: &[f64]) -> Value {
    names
        .iter()
        .map(String::as_str)
        .zip(values.iter().copied())
        .collect::<BTreeMap<_, _>>()
        .into()
}

fn number(value: &Value) -> Option<f64> {
    value.is_number().then(|| f64::try_from(value.clone()).ok())?
}

/// Powers are left out because platforms compute them differently; text, lists and filters because they are no arithmetic.
fn check_characters(text: &str) -> Result<(), BadFormula> {
    let is_arithmetic = |c: char| c.is_ascii_alphanumeric() || " _.+-*/(),<>=!".contains(c);
    if let Some(strange) = text.chars().find(|c| !is_arithmetic(*c)) {
        return Err(BadFormula::Strange(strange.to_string()));
    }
    match ["**", "//"].into_iter().find(|operator| text.contains(operator)) {
        Some(operator) => Err(BadFormula::Strange(operator.to_owned())),
        None => Ok(()),
    }
}

fn not_understood(error: &Error) -> BadFormula {
    BadFormula::NotUnderstood(error.detail().map_or_else(|| error.kind().to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["requests", "waiting"].map(str::to_owned).into()
    }

    #[test]
    fn formulas_are_arithmetic() {
        for (text, value) in [
            ("waiting / 100 + requests", 52.0),
            ("max(waiting / 100, requests)", 50.0),
            ("min(waiting, 7, requests)", 7.0),
            ("max(ceil(waiting / 150), floor(requests / 60))", 2.0),
            ("requests if waiting > 100 else 0 * requests", 50.0),
            ("abs(-waiting) * 1e-1 + requests * 0", 20.0),
            ("1/3 * requests * waiting * 0 + 1/4", 0.25),
        ] {
            let formula = Formula::read(text, &names()).unwrap();
            assert_eq!(
                formula.compile().unwrap().value(&[50.0, 200.0]).map(Finite::get),
                Some(value),
                "{text}"
            );
        }
    }

    #[test]
    fn a_division_by_zero_is_no_value() {
        let formula = Formula::read("waiting / requests", &names()).unwrap();
        assert_eq!(formula.compile().unwrap().value(&[0.0, 200.0]), None);
        let difference = Formula::read("requests / (waiting - waiting)", &names()).unwrap();
        assert_eq!(difference.compile().unwrap().value(&[5.0, 200.0]), None);
    }

    #[test]
    fn what_is_no_arithmetic_is_refused() {
        let strange = |text: &str| BadFormula::Strange(text.to_owned());
        for (text, expected) in [
            ("waiting ** requests", strange("**")),
            ("waiting // requests", strange("//")),
            ("waiting | requests", strange("|")),
            ("'x' * waiting * requests", strange("'")),
            ("[waiting, requests]", strange("[")),
            ("waiting + request", BadFormula::Unknown("request".to_owned())),
            ("range(waiting) + requests", BadFormula::Unknown("range".to_owned())),
            ("waiting * 2", BadFormula::Unused("requests".to_owned())),
            ("waiting > requests", BadFormula::NotUnderstood("it gives no number".to_owned())),
        ] {
            assert_eq!(Formula::read(text, &names()), Err(expected), "{text}");
        }
        for text in [
            "",
            "waiting requests",
            "waiting + (requests",
            "waiting.requests + requests",
            "max() + waiting + requests",
            "waiting +* requests",
        ] {
            assert!(matches!(Formula::read(text, &names()), Err(BadFormula::NotUnderstood(_))), "{text}");
        }
        let long = "waiting+".repeat(100) + "requests";
        assert!(matches!(Formula::read(&long, &names()), Err(BadFormula::TooLong(_))));
    }
}
