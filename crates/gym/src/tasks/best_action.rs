//! "What should be done now?": the answer is the oracle's action.

use eyas_core::Rng;

use super::{Answers, Task, worth};
use crate::{Game, Status};

/// The oracle's action as the answer, up to `others` actions that are certainly worse as distractors. `open`: all
/// that decides what an action is worth can be seen, and is known. `None` when the episode is over.
pub fn best_action(game: &dyn Game, open: bool, others: usize, rng: &mut Rng) -> Option<Task> {
    if game.status() != Status::Running {
        return None;
    }
    let answer = game.oracle();
    let reason = game.reason(&answer).ok()?;
    let distractors = worth::worse(game, &answer, open, others, rng);
    let question = format!("{} What is best now?", game.rules());
    let answers = Answers::Action { open };
    Some(Task { question, text: String::new(), answer, reason, distractors, answers })
}
