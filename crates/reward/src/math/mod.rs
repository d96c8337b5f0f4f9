//! Does the answer equal the ground truth, as mathematics?
//!
//! ```text
//! response → extract → lex → prepare → parse → evaluate → compare
//! ```
//!
//! Expressions become quotients of polynomials over exact rationals in variables, roots of primes, π, e and
//! functions (`poly`, `algebra`); where that form decides, the decision is exact. Elsewhere both
//! sides are evaluated at fixed points with a bound on the error (`numeric`). What neither decides,
//! or what needs more than 20,000 steps (`budget`), is `Invalid`, not wrong; there is no clock.
//! Only what no answer looks like is wrong unread: more than 4,000 bytes, 40 levels or 200 parts.
//!
//! Where published verifiers are followed and where not:
//! - equality holds both ways round: an interval equals the inequality that describes it, whichever of
//!   them is the ground truth (math-verify: one way only);
//! - a numeral with digits after the point equals an exact value within 10⁻⁶ **of its size**, never of 1;
//! - words are words: "act" is not "cat", and a false statement such as `8=7` says nothing (math-verify
//!   0.9 reads the words as products of letters, and the statement as its last side);
//! - a ground truth that cannot be read is `Invalid` (LMM-R1, Observe-R1 and SRPO pay 1 for it);
//! - units are dropped at the end only (mathruler drops the letters of units anywhere);
//! - `\log` without a base is the decimal logarithm; odd roots of negative numbers are real.
//!
//! Not done: calculus (sums, integrals, limits), matrix products, solving of equations of higher
//! degree, conversion of units. Ground truths in such forms are `Invalid`.

mod algebra;
mod budget;
mod compare;
mod evaluate;
mod extract;
mod functions;
mod lex;
mod node;
mod numeric;
mod parse;
mod poly;
mod prepare;
mod primary;
mod region;
mod units;
mod value;
mod words;

use eyas_core::{Invalid, Score};

pub use extract::{Where, answer, last_box};

use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};
use algebra::Algebra;
use prepare::Reading;
use value::{Style, Value};

/// Why an expression has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fail {
    /// It cannot be read.
    Syntax,
    /// It holds words.
    Words,
    /// It is longer than is read.
    TooLong,
    /// It divides by zero, or says something false.
    Undefined,
    /// It needs too many steps or digits.
    Budget,
    /// Normal forms and evaluation do not decide.
    Undecided,
}

/// What `10%` equals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Percent {
    /// 0.1.
    #[default]
    Ratio,
    /// 0.1 and 10.
    Either,
    /// 10.
    Literal,
}

/// When a numeral with digits after its point equals another value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rounding {
    /// Within 10⁻⁶ of its size.
    #[default]
    Relative,
    /// When the value rounds to the digits written.
    Digits,
    /// Only when it is exactly the value.
    Exact,
}

/// How answers are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What `10%` equals.
    pub percent: Percent,
    /// What decimals equal.
    pub rounding: Rounding,
}

/// Why two answers could not be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MathError {
    /// The ground truth is empty, cannot be read, or has no value.
    #[error("the ground truth {0}")]
    Gold(&'static str),
    /// The comparison needs too many steps or digits.
    #[error("more than {} steps", budget::STEPS)]
    Budget,
    /// Neither normal forms nor evaluation decide.
    #[error("equality could not be decided")]
    Undecided,
}

/// True when `answer` says the same as `gold`.
///
/// An answer that cannot be read, that divides by zero, that says something false (`2+2=5`) or that is
/// longer than 4,000 bytes says nothing, and so not the same.
///
/// # Errors
/// [`MathError`] when the ground truth has no value, or when equality could not be decided.
pub fn equivalent(gold: &str, answer: &str, options: Options) -> Result<bool, MathError> {
    let (gold, answer) = (extract::unwrapped(gold), extract::unwrapped(answer));
    let percents: &[(bool, bool)] = match options.percent {
        Percent::Ratio => &[(true, true)],
        Percent::Literal => &[(false, false)],
        Percent::Either => &[(true, true), (false, false), (true, false), (false, true)],
    };
    let percents = if gold.contains('%') || answer.contains('%') { percents } else { &[(true, true)] };
    let mut error = None;
    for (g, a) in percents {
        match compare_as(gold, answer, options, Style { percent_ratio: *g }, Style { percent_ratio: *a }) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(e @ MathError::Gold(_)) => return Err(e),
            Err(e) => error = Some(e),
        }
    }
    error.map_or(Ok(false), Err)
}

/// A text as words, or as values with units in each of its readings.
struct Read {
    words: String,
    tokens: Result<Vec<lex::Token>, Fail>,
}

impl Read {
    fn new(text: &str) -> Self {
        let mut tokens = lex::lex(text);
        // `\text{42 cm}` is read as what stands in it.
        if let Ok([lex::Token { kind: lex::Kind::Text(inner), .. }]) = tokens.as_deref() {
            tokens = lex::lex(inner.trim());
        }
        Self { words: if text.len() <= lex::LONGEST { words::normal(text) } else { String::new() }, tokens }
    }

    fn readings(&self) -> Vec<Reading> {
        match &self.tokens {
            Ok(tokens) if !tokens.is_empty() => prepare::readings(tokens),
            _ => Vec::new(),
        }
    }

    fn value(&self, algebra: &mut Algebra, reading: Reading, style: Style) -> Result<(Value, String), Fail> {
        let tokens = self.tokens.as_ref().map_err(|e| *e)?;
        let prepared = prepare::prepare(tokens, reading)?;
        let node = parse::parse(&prepared.tokens)?;
        Ok((algebra.value(&node, style)?, prepared.unit))
    }
}

fn compare_as(
    gold: &str,
    answer: &str,
    options: Options,
    gold_style: Style,
    answer_style: Style,
) -> Result<bool, MathError> {
    if gold.is_empty() {
        return Err(MathError::Gold("is empty"));
    }
    if gold.len() > lex::LONGEST {
        return Err(MathError::Gold("is longer than 4000 bytes"));
    }
    // The same text says the same, also where its value is out of reach.
    let same_text = gold == answer;
    let (gold, answer) = (Read::new(gold), Read::new(answer));
    let same_words = !gold.words.is_empty() && gold.words == answer.words;
    let (gold_word, answer_word) = (words::is_word(&gold.words), words::is_word(&answer.words));
    if (gold_word && words::is_text(&answer.words)) || (answer_word && words::is_text(&gold.words)) {
        return Ok(same_words);
    }
    let styles = (gold_style, answer_style);
    let equal = same_values((&gold, &answer), styles, options, (same_text, same_words));
    // `red` is the product `r*e*d`, either way round. What cannot be compared with a word is not that word.
    if gold_word { Ok(equal.unwrap_or(false)) } else { equal }
}

/// Compares what the texts stand for, in all their readings. `same` is whether the texts and the words are alike.
fn same_values(
    (gold, answer): (&Read, &Read),
    (gold_style, answer_style): (Style, Style),
    options: Options,
    (same_text, same_words): (bool, bool),
) -> Result<bool, MathError> {
    let mut algebra = Algebra::new(budget::STEPS);
    algebra.exact_decimals = options.rounding == Rounding::Exact;
    algebra.by_digits = options.rounding == Rounding::Digits;
    let mut worst = None;
    let mut readable = false;
    for g in gold.readings() {
        let (gold_value, gold_unit) = match gold.value(&mut algebra, g, gold_style) {
            Ok(value) => value,
            Err(fail) => {
                worst = worst.or(Some(fail));
                continue;
            }
        };
        readable = true;
        for a in answer.readings() {
            let outcome = answer.value(&mut algebra, a, answer_style).and_then(|(value, unit)| {
                same_with_units(&mut algebra, (&gold_value, &gold_unit), (&value, &unit))
            });
            match outcome {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(fail @ (Fail::Budget | Fail::Undecided)) => worst = Some(fail),
                Err(_) => {}
            }
        }
    }
    match worst {
        Some(Fail::Budget | Fail::Undecided) if same_text => Ok(true),
        Some(Fail::Budget) => Err(MathError::Budget),
        Some(Fail::Undecided) => Err(MathError::Undecided),
        _ if readable => Ok(same_text),
        Some(Fail::Undefined) => Err(MathError::Gold("divides by zero or is false")),
        // A text that is no expression equals no expression, so that equality holds both ways round.
        _ if words::is_text(&gold.words) => {
            let mut reads = |a| answer.value(&mut algebra, a, answer_style).is_ok();
            Ok(same_words && !answer.readings().into_iter().any(&mut reads))
        }
        _ => Err(MathError::Gold("cannot be read")),
    }
}

fn same_with_units(
    algebra: &mut Algebra,
    (gold, gold_unit): (&Value, &str),
    (answer, answer_unit): (&Value, &str),
) -> Result<bool, Fail> {
    let units_fit = gold_unit.is_empty() || answer_unit.is_empty() || gold_unit == answer_unit;
    if !units_fit {
        return Ok(false);
    }
    if algebra.values_equal(gold, answer)? {
        return Ok(true);
    }
    // 90° is π/2 to those who write no degrees.
    match (gold, answer) {
        (Value::Number(g), Value::Number(a)) if (gold_unit == "°") != (answer_unit == "°") => {
            let turn = |algebra: &mut Algebra, x: &value::Number| {
                let pi = algebra.atom(algebra::Gen::Pi);
                let f = algebra.mul(&x.f, &pi)?;
                let f = algebra.div(&f, &poly::Frac::integer(180))?;
                Ok(value::Number { f, ..x.clone() })
            };
            let (g, a) = if gold_unit == "°" {
                (turn(algebra, g)?, a.clone())
            } else {
                (g.clone(), turn(algebra, a)?)
            };
            algebra.numbers_equal(&g, &a)
        }
        _ => Ok(false),
    }
}

/// The rewards of this family.
pub(crate) const REWARDS: &[RewardInfo] = &[RewardInfo {
    name: "math",
    family: "math",
    doc: "1 when the answer equals the ground truth as mathematics, else 0",
    source: "math-verify's task; exact, both ways round, step budgets for clocks, unreadable gold is Invalid",
    gold: "text: a number, expression, equation, inequality, interval, set, tuple, matrix or words, LaTeX or plain",
    range: Some((0.0, 1.0)),
    params: &[
        ParamInfo::choice(
            "where",
            &["auto", "boxed", "answer", "whole"],
            "what is the answer: found by marks, in prose the last number; the last box; the answer block, whole; or all of the text",
        ),
        ParamInfo::choice(
            "percent",
            &["ratio", "either", "literal"],
            "what 10% equals: 0.1, 0.1 and 10, or 10",
        ),
        ParamInfo::choice(
            "rounding",
            &["relative", "digits", "exact"],
            "decimals equal values within 1e-6 of their size, values that round to them, or themselves",
        ),
    ],
    score: Scorer::Sample(score),
}];

fn score(sample: &Sample<'_>, params: &Params) -> Score {
    let gold = match sample.gold {
        // Data sets write integers without quotes.
        serde_json::Value::Number(number) => number.to_string(),
        _ => match sample.gold_text() {
            Ok(text) => text.to_string(),
            Err(score) => return score,
        },
    };
    let from = match params.text("where") {
        "boxed" => Where::Boxed,
        "answer" => Where::Answer,
        "whole" => Where::Whole,
        _ => Where::Auto,
    };
    let percent = match params.text("percent") {
        "either" => Percent::Either,
        "literal" => Percent::Literal,
        _ => Percent::Ratio,
    };
    let rounding = match params.text("rounding") {
        "digits" => Rounding::Digits,
        "exact" => Rounding::Exact,
        _ => Rounding::Relative,
    };
    let options = Options { percent, rounding };
    let candidates = answer(sample.response, from);
    let said = candidates.iter().copied().find(|c| readable(c)).or(candidates.first().copied()).unwrap_or("");
    match equivalent(&gold, said, options) {
        Ok(equal) => Score::Ok(if equal { 1.0 } else { 0.0 }),
        Err(error @ MathError::Gold(_)) => bad_gold(error.to_string()),
        Err(error @ MathError::Budget) => Score::Invalid(Invalid::Timeout { budget: error.to_string() }),
        Err(error @ MathError::Undecided) => {
            Score::Invalid(Invalid::NotApplicable { detail: error.to_string() })
        }
    }
}

/// True for a text that is an expression, or a word or two.
fn readable(text: &str) -> bool {
    let read = Read::new(extract::unwrapped(text));
    let parsed = read.readings().into_iter().any(|r| {
        let tokens = read.tokens.as_ref().map_err(|e| *e);
        tokens.and_then(|t| prepare::prepare(t, r)).and_then(|p| parse::parse(&p.tokens)).is_ok()
    });
    parsed || (words::is_text(&read.words) && read.words.split(' ').count() <= 4)
}

#[cfg(test)]
mod tests;
