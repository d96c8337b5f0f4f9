//! Single-turn questions about a state of any environment: a picture, a question, one right answer.
//!
//! They are knobs that every environment has ([`QUIZ_KNOBS`]), so recipes, players and evaluation know them
//! like any other knob: with `quiz = "caption"` a slot of the environment is one question, and over after one
//! answer. `quiz.rs` draws the state and asks, `asked.rs` is the slot.

mod answers;
mod asked;
mod best_action;
mod caption;
mod checklist;
mod forms;
mod judge;
mod ordering;
mod quiz;
mod spec;
mod worth;

pub use best_action::best_action;
pub use caption::corrupted_caption;
pub use checklist::checklist;
pub use forms::{Form, in_form};
pub use judge::judge;
pub use ordering::{Direction as OrderingDirection, ordering};
pub use quiz::{QUIZ_KNOBS, Quiz};

pub(crate) use asked::{restore, unwrap_snapshot};
pub(crate) use quiz::begin;

use answers::Answers;

/// A question with its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// What is asked, in one line.
    pub question: String,
    /// What the question is about, besides the picture: options, a caption; empty where there is nothing.
    /// Lines, each after a line break.
    pub text: String,
    /// The true answer.
    pub answer: String,
    /// Why it is, from the ground truth.
    pub reason: String,
    /// Wrong answers that look right, for other forms of the question; may be empty.
    pub distractors: Vec<String>,
    /// What may be answered.
    pub(crate) answers: Answers,
}
