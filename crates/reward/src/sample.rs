//! What a reward of a single response sees.

use eyas_core::{Invalid, Score};
use serde_json::{Map, Value};

use crate::Response;
use crate::judge::Docket;
use crate::registry::EpisodeView;

/// One response and its ground truth.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// What the policy wrote, parsed.
    pub response: &'a Response<'a>,
    /// The ground truth, in the form that the reward asks for.
    pub gold: &'a Value,
    /// Anything else that is known of the sample, by name: `prompt`, `image_width`, `tokens`, …
    pub fields: &'a Map<String, Value>,
    /// Where training stands.
    pub progress: Progress,
    /// What stands behind the response.
    pub around: Around<'a>,
}

/// What stands behind a response; nothing where responses come from a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Around<'a> {
    /// The whole episode, for rewards that read it.
    pub episode: Option<EpisodeView<'a>>,
    /// The response's turn in it.
    pub turn: usize,
    /// The verdicts of judges.
    pub docket: Option<&'a Docket>,
}

/// Where training stands, for rewards that change on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The present step, from 0.
    pub step: u64,
    /// Steps in all; 0 when not known.
    pub steps: u64,
}

impl Progress {
    /// The share of the training that is over, 0 to 1; 0 when the number of steps is not known.
    pub fn share(self) -> f64 {
        if self.steps == 0 { 0.0 } else { (self.step as f64 / self.steps as f64).min(1.0) }
    }
}

impl<'a> Sample<'a> {
    /// The answer, trimmed: the last closed `<answer>`; in a response without any known tag the whole
    /// text. `None` when tags are there but no answer was closed.
    pub fn answer(&self) -> Option<&'a str> {
        if let Some(block) = self.response.block("answer") {
            return Some(block.text.trim());
        }
        self.response.blocks().is_empty().then(|| self.response.text().trim())
    }

    /// The ground truth as text.
    ///
    /// # Errors
    /// The score to give when it is something else.
    pub fn gold_text(&self) -> Result<&'a str, Score> {
        self.gold.as_str().ok_or_else(|| bad_gold("the ground truth is not a text"))
    }

    /// The ground truth as a finite number.
    ///
    /// # Errors
    /// The score to give when it is something else.
    pub fn gold_number(&self) -> Result<f64, Score> {
        let number = self.gold.as_f64().filter(|v| v.is_finite());
        number.ok_or_else(|| bad_gold("the ground truth is not a number"))
    }

    /// The field `name` as a number.
    ///
    /// # Errors
    /// The score to give when it is not there.
    pub fn number(&self, name: &str) -> Result<f64, Score> {
        let number = self.fields.get(name).and_then(Value::as_f64).filter(|v| v.is_finite());
        number.ok_or_else(|| missing(name))
    }

    /// The field `name` as text.
    ///
    /// # Errors
    /// The score to give when it is not there.
    pub fn text(&self, name: &str) -> Result<&'a str, Score> {
        self.fields.get(name).and_then(Value::as_str).ok_or_else(|| missing(name))
    }
}

/// The score of a sample whose ground truth cannot be read.
pub fn bad_gold(detail: impl Into<String>) -> Score {
    Score::Invalid(Invalid::UnparseableGold { detail: detail.into() })
}

/// The score of a sample without something that the reward reads.
pub fn missing(name: &str) -> Score {
    Score::Invalid(Invalid::NotApplicable { detail: format!("the sample has no field {name:?}") })
}
