//! Scores by a judge that reads.
//!
//! This crate asks nobody: it builds the prompt so that what the policy wrote cannot pass for the
//! instructions, reads the reply strictly, and repeats and remembers requests. Whoever has a model
//! implements [`Judge`], or [`Complete`] and takes the rest from [`PromptJudge`].

mod prompt;
mod verdict;
mod wrap;

use serde::{Deserialize, Serialize};

pub use prompt::{Complete, Prompt, PromptJudge, prompt};
pub use verdict::{MAX_REPLY, parse_verdict};
pub use wrap::{Cached, Retrying, Scripted};

use eyas_core::{Invalid, Score};

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
    /// Lowest and highest score.
    pub scale: (f64, f64),
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
        *hasher.finalize().as_bytes()
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
    /// The score as a share of the scale, 0 to 1.
    pub fn share(&self, scale: (f64, f64)) -> f64 {
        let width = scale.1 - scale.0;
        let share = (self.score - scale.0) / width;
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// Why there is no verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JudgeError {
    /// The judge could not be asked; asking again may help.
    #[error("the judge cannot be reached: {detail}")]
    Unavailable {
        /// What went wrong.
        detail: String,
    },
    /// The judge answered, but gave no verdict that can be read; asking again may help.
    #[error("no verdict: {detail}")]
    NoVerdict {
        /// What is wrong with the reply.
        detail: String,
    },
    /// The request makes no sense; asking again does not help.
    #[error("bad request: {detail}")]
    BadRequest {
        /// What is wrong with it.
        detail: String,
    },
}

/// Somebody who scores a response.
pub trait Judge {
    /// The verdict on `request`.
    ///
    /// # Errors
    /// [`JudgeError`] when there is none. A judge without a verdict never stands for a score.
    fn judge(&self, request: &JudgeRequest) -> Result<Verdict, JudgeError>;

    /// The verdict as a score from 0 to 1; no verdict is no score.
    fn score(&self, request: &JudgeRequest) -> Score {
        match self.judge(request) {
            Ok(verdict) => Score::from_value(verdict.share(request.scale) as f32),
            Err(error) => Score::Invalid(Invalid::Crash { detail: error.to_string() }),
        }
    }
}

impl<J: Judge + ?Sized> Judge for &J {
    fn judge(&self, request: &JudgeRequest) -> Result<Verdict, JudgeError> {
        (**self).judge(request)
    }
}

impl<J: Judge + ?Sized> Judge for Box<J> {
    fn judge(&self, request: &JudgeRequest) -> Result<Verdict, JudgeError> {
        (**self).judge(request)
    }
}

#[cfg(test)]
mod tests;
