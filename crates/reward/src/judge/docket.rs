//! What judges are to be asked, and what they said.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use eyas_core::{Image, Invalid, Score};

use super::{JudgeError, JudgeRequest, Verdict, score_of};

/// A question to a judge.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The judge's name.
    pub judge: String,
    /// What it is asked; without pictures, which stand in `pictures`.
    pub request: JudgeRequest,
    /// The pictures of the question, not yet encoded.
    pub pictures: Vec<Image>,
}

impl Question {
    /// A hash of all of it.
    fn key(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(self.judge.len() as u64).to_le_bytes()).update(self.judge.as_bytes());
        hasher.update(&self.request.key());
        for picture in &self.pictures {
            hasher.update(picture.id().to_string().as_bytes());
        }
        *hasher.finalize().as_bytes()
    }
}

/// Questions to judges, and the verdicts at hand.
///
/// Rewards are plain functions and cannot wait for a judge. One that needs a verdict which is not there leaves
/// its question here and gives no score yet. Whoever scores asks all open questions together and scores again,
/// until none is open; a question that is left twice is asked once.
#[derive(Debug, Default)]
pub struct Docket {
    known: BTreeMap<[u8; 32], Result<Verdict, JudgeError>>,
    open: Mutex<BTreeMap<[u8; 32], Question>>,
}

impl Docket {
    /// The score from 0 to 1 that the verdict on `question` gives, or why there is none. A question without a
    /// verdict stays open.
    pub fn score(&self, question: Question) -> Score {
        let key = question.key();
        match self.known.get(&key) {
            Some(answer) => score_of(answer, question.request.scale),
            None => {
                let judge = &question.judge;
                let detail = format!("the judge {judge:?} has not been asked yet");
                self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(key, question);
                Score::Invalid(Invalid::NotApplicable { detail })
            }
        }
    }

    /// How many questions are open.
    pub fn open(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Asks everything that is open: `ask` gives one answer for each question, in their order, which does not
    /// depend on the order in which they were left. Returns how many were asked and how many got no verdict.
    pub fn settle(
        &mut self,
        ask: impl FnOnce(&[Question]) -> Vec<Result<Verdict, JudgeError>>,
    ) -> (usize, usize) {
        let open = std::mem::take(self.open.get_mut().unwrap_or_else(PoisonError::into_inner));
        let (keys, questions): (Vec<_>, Vec<_>) = open.into_iter().unzip();
        if questions.is_empty() {
            return (0, 0);
        }
        let mut answers = ask(&questions).into_iter();
        let mut failed = 0;
        for key in keys {
            let silence = || Err(JudgeError::Refused { detail: "it gave no answer".into() });
            let answer = answers.next().unwrap_or_else(silence);
            failed += usize::from(answer.is_err());
            self.known.insert(key, answer);
        }
        (questions.len(), failed)
    }
}
