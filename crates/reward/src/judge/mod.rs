//! Scores by a judge that reads.
//!
//! The prompt is built so that what the policy wrote cannot pass for the instructions, the reply is read
//! strictly, and verdicts are remembered. A model in this process is asked through [`Local`]; one behind an
//! endpoint through `ChatClient`, with the feature `http`; whoever has something else implements
//! [`Complete`] and takes the rest from [`PromptJudge`], or [`Judge`] itself.

mod backoff;
mod cache;
mod cache_file;
#[cfg(feature = "http")]
mod chat;
mod docket;
mod error;
mod fence;
mod image;
mod model;
mod prompt;
pub(crate) mod reward;
mod rules;
pub(crate) mod scalar;
mod verdict;
mod wrap;

use eyas_core::{Invalid, Score};
use serde::{Deserialize, Serialize};

pub use backoff::Backoff;
pub use cache::{CacheCounts, Cached, VerdictCache};
#[cfg(feature = "http")]
pub use chat::{ChatClient, ChatSettings};
pub use docket::{Docket, Question};
pub use error::JudgeError;
pub use image::JudgeImage;
pub use model::{Complete, Local, PromptJudge};
pub use prompt::{JudgePrompt, prompt};
pub use rules::{Rule, Rules};
pub use verdict::{MAX_REPLY, parse_label, parse_verdict};
pub use wrap::{Parallel, Retrying, Scripted};

/// What a judge is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgeRequest {
    /// What the policy was asked.
    pub question: String,
    /// What a good response is; the judge's instructions.
    pub rubric: String,
    /// The right answer, where the judge may see it.
    #[serde(default)]
    pub reference: Option<String>,
    /// What the policy wrote. Never trusted.
    pub response: String,
    /// The pictures of the question.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<JudgeImage>,
    /// Lowest and highest score.
    pub scale: (f64, f64),
    /// The verdicts to choose from, where the judge gives no number but a label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
}

/// A verdict that a judge may choose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// What it is worth, on the scale of the request.
    pub score: f64,
}

impl JudgeRequest {
    /// A hash of everything in the request. Two requests have the same only if they are the same.
    pub fn key(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let reference = self.reference.as_deref();
        for text in [Some(&*self.question), Some(&*self.rubric), reference, Some(&*self.response)] {
            // Lengths keep "ab" + "c" apart from "a" + "bc", and no reference from an empty one.
            hasher.update(&text.map_or(u64::MAX, |t| t.len() as u64).to_le_bytes());
            hasher.update(text.unwrap_or("").as_bytes());
        }
        hasher.update(&self.scale.0.to_le_bytes()).update(&self.scale.1.to_le_bytes());
        hasher.update(&(self.labels.len() as u64).to_le_bytes());
        for label in &self.labels {
            hasher.update(&(label.name.len() as u64).to_le_bytes()).update(label.name.as_bytes());
            hasher.update(&label.score.to_le_bytes());
        }
        for image in &self.images {
            for part in [image.media_type().as_bytes(), image.bytes()] {
                hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
            }
        }
        *hasher.finalize().as_bytes()
    }

    /// Whether scale and labels make sense.
    fn check(&self) -> Result<(), JudgeError> {
        let bad = |detail: String| Err(JudgeError::BadRequest { detail });
        let (low, high) = self.scale;
        if !(low.is_finite() && high.is_finite() && low < high && (high - low).is_finite()) {
            return bad(format!("a scale from {low} to {high}"));
        }
        for (n, label) in self.labels.iter().enumerate() {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            let twice = self.labels.iter().take(n).any(|l| l.name.eq_ignore_ascii_case(&label.name));
            if label.name.is_empty() || !label.name.chars().all(plain) || twice {
                return bad(format!("the label {:?}", label.name));
            }
            if !(low..=high).contains(&label.score) {
                return bad(format!("the label {:?} is worth {}", label.name, label.score));
            }
        }
        Ok(())
    }
}

/// What a judge said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The score, on the scale of the request.
    pub score: f64,
    /// Why, if the judge said so.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Verdict {
    /// The score as a share of the scale, 0 to 1; `None` when it is not on the scale or that has no width.
    pub fn share(&self, scale: (f64, f64)) -> Option<f64> {
        let share = (self.score - scale.0) / (scale.1 - scale.0);
        (0.0..=1.0).contains(&share).then_some(share)
    }
}

/// Somebody who scores a response.
pub trait Judge {
    /// The verdict on `request`.
    ///
    /// # Errors
    /// [`JudgeError`] when there is none. A judge without a verdict never stands for a score.
    fn judge(&self, request: &JudgeRequest) -> Result<Verdict, JudgeError>;

    /// The verdicts on `requests`, one for each, in their order. A judge that can answer several at a time does
    /// so here.
    fn judge_all(&self, requests: &[JudgeRequest]) -> Vec<Result<Verdict, JudgeError>> {
        requests.iter().map(|request| self.judge(request)).collect()
    }

    /// The verdict as a score from 0 to 1; no verdict is no score.
    fn score(&self, request: &JudgeRequest) -> Score {
        score_of(&self.judge(request), request.scale)
    }

    /// What the verdict on `request` is remembered under: a hash of all that it depends on.
    ///
    /// # Errors
    /// [`JudgeError::BadRequest`] when the request makes no sense.
    fn key(&self, request: &JudgeRequest) -> Result<[u8; 32], JudgeError> {
        Ok(request.key())
    }
}

/// A verdict as a score from 0 to 1; no verdict is no score.
fn score_of(answer: &Result<Verdict, JudgeError>, scale: (f64, f64)) -> Score {
    match answer {
        Ok(verdict) => match verdict.share(scale) {
            Some(share) => Score::Ok(share as f32),
            None => {
                let detail = format!("the judge's verdict {} is not on the scale", verdict.score);
                Score::Invalid(Invalid::Crash { detail })
            }
        },
        Err(error) => error.clone().into(),
    }
}

impl<J: Judge + ?Sized> Judge for &J {
    fn judge(&self, request: &JudgeRequest) -> Result<Verdict, JudgeError> {
        (**self).judge(request)
    }
    fn judge_all(&self, requests: &[JudgeRequest]) -> Vec<Result<Verdict, JudgeError>> {
        (**self).judge_all(requests)
    }

    fn key(&self, request: &JudgeRequest) -> Result<[u8; 32], JudgeError> {
        (**self).key(request)
    }
}

impl<J: Judge + ?Sized> Judge for Box<J> {
    fn judge(&self, request: &JudgeRequest) -> Result<Verdict, JudgeError> {
        (**self).judge(request)
    }
    fn judge_all(&self, requests: &[JudgeRequest]) -> Vec<Result<Verdict, JudgeError>> {
        (**self).judge_all(requests)
    }

    fn key(&self, request: &JudgeRequest) -> Result<[u8; 32], JudgeError> {
        (**self).key(request)
    }
}

#[cfg(test)]
mod tests;
