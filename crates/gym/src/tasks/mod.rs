//! Environments as endless streams of single-turn tasks: a question, pictures, the true answer.
//!
//! A task is a pure function of environment, knobs, split and index. Training and test tasks come from
//! streams of different names, so no index of one is an index of the other.

mod caption;
mod checklist;
mod forms;
mod ordering;

use eyas_core::{Rng, Seed};
use serde::{Deserialize, Serialize};

use crate::{EnvEntry, Frame, Game, GymError, Knobs, Status};

pub use caption::corrupted_caption;
pub use checklist::checklist;
pub use forms::{Form, in_form};
pub use ordering::{Direction as OrderingDirection, ordering};

/// Which part of the stream a task is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// For training.
    Train,
    /// For measuring.
    Test,
}

impl Split {
    /// The seed of the task `index` of this split.
    pub fn seed(self, base: Seed, index: u64) -> Seed {
        match self {
            Self::Train => base.split("tasks-train", index),
            Self::Test => base.split("tasks-test", index),
        }
    }
}

/// A question with its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The environment it was made from.
    pub env: &'static str,
    /// What is asked.
    pub question: String,
    /// What is shown.
    pub frames: Vec<Frame>,
    /// The true answer.
    pub answer: String,
    /// Wrong answers that look right, for multiple choice; may be empty.
    pub distractors: Vec<String>,
}

/// The state that a task of this split and index is about: the environment, played at random for up to
/// `most_steps` steps.
///
/// # Errors
/// [`GymError::Knob`] when the knobs contradict each other.
pub fn state(
    entry: &EnvEntry,
    knobs: &Knobs,
    base: Seed,
    split: Split,
    index: u64,
    most_steps: usize,
) -> Result<Box<dyn Game>, GymError> {
    let seed = split.seed(base, index);
    let mut game = entry.reset(seed, knobs)?;
    let mut rng = seed.split("task-state", 0).rng();
    let steps = rng.below(most_steps + 1);
    crate::fast_forward(&mut game, steps, &mut rng);
    Ok(game)
}

/// "What should be done now?": the answer is the oracle's action, other legal actions distract.
pub fn best_action(game: &dyn Game, rng: &mut Rng) -> Task {
    let answer = if game.status() == Status::Running { game.oracle() } else { String::new() };
    let mut distractors = game.legal_actions();
    distractors.retain(|a| *a != answer);
    rng.shuffle(&mut distractors);
    distractors.truncate(3);
    let (rules, grammar) = (game.rules(), game.spec().grammar);
    Task {
        env: game.spec().id,
        question: format!("{rules} Answer: {grammar}."),
        frames: game.frames(),
        answer,
        distractors,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find;

    #[test]
    fn splits_never_share_a_seed_and_tasks_repeat() {
        let base = Seed::new(3);
        let seeds =
            |split: Split| -> Vec<u64> { (0..500).map(|i| split.seed(base, i).rng().next_u64()).collect() };
        let (train, test) = (seeds(Split::Train), seeds(Split::Test));
        assert!(train.iter().all(|s| !test.contains(s)));
        let entry = find("frozen-lake").unwrap();
        let knobs = entry.knobs(&Default::default()).unwrap();
        let task =
            |split, i| best_action(&*state(&entry, &knobs, base, split, i, 3).unwrap(), &mut base.rng());
        assert_eq!(task(Split::Train, 4), task(Split::Train, 4));
        assert_ne!(task(Split::Train, 4), task(Split::Test, 4));
        let one = task(Split::Train, 1);
        assert!(!one.answer.is_empty() && !one.distractors.contains(&one.answer));
    }
}
