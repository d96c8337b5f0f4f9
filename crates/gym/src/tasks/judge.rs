//! Which of two answers is better (after LLaVA-Critic-R1 and UnifiedReward-Think): a preference that is known
//! from the environment and not from people.

use eyas_core::Rng;

use super::caption::corrupt;
use super::forms::letter;
use super::{Answers, Task, worth};
use crate::{Game, Status};

/// Two actions, the oracle's and one that is certainly worse, or two captions, a true one and one with a wrong
/// word, in random order; the answer is the letter of the better one. Actions and captions are equally likely
/// where the state has both; `None` where it has neither. `open`: see [`best_action`](super::best_action).
pub fn judge(game: &dyn Game, open: bool, rng: &mut Rng) -> Option<Task> {
    let actions = rng.chance(0.5);
    let first = if actions { two_actions(game, open, rng) } else { two_captions(game, rng) };
    first.or_else(|| if actions { two_captions(game, rng) } else { two_actions(game, open, rng) })
}

fn two_actions(game: &dyn Game, open: bool, rng: &mut Rng) -> Option<Task> {
    if game.status() != Status::Running {
        return None;
    }
    let best = game.oracle();
    let worse = worth::worse(game, &best, open, 1, rng).pop()?;
    let reason = game.reason(&best).ok()?;
    let question = format!("A task: {} Two answers to it: which is better?", game.rules());
    Some(pair(question, best, worse, reason, rng))
}

fn two_captions(game: &dyn Game, rng: &mut Rng) -> Option<Task> {
    let c = corrupt(game, rng)?;
    let question = "Two captions of the picture: which is better?".to_string();
    let reason = format!("row {} column {} is {} not {}", c.row, c.column, c.right, c.wrong);
    Some(pair(question, format!("\n{}", c.truth), format!("\n{}", c.caption), reason, rng))
}

fn pair(question: String, better: String, worse: String, reason: String, rng: &mut Rng) -> Task {
    let swapped = rng.chance(0.5);
    let (a, b) = if swapped { (worse, better) } else { (better, worse) };
    let blank = |text: &str| if text.starts_with('\n') { "" } else { " " };
    Task {
        question,
        text: format!("\nA:{}{a}\nB:{}{b}", blank(&a), blank(&b)),
        answer: letter(usize::from(swapped)),
        reason,
        distractors: Vec::new(),
        answers: Answers::one_of([letter(0), letter(1)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find;
    use eyas_core::Seed;
    use std::cmp::Ordering;

    #[test]
    fn the_better_one_is_better_and_stands_anywhere() {
        let entry = find("frozen-lake").unwrap();
        let knobs = entry.knobs(&Default::default()).unwrap();
        let (mut actions, mut first) = (0, 0);
        for i in 0..200 {
            let game = entry.reset(Seed::new(i), &knobs).unwrap();
            let task = judge(&*game, true, &mut Seed::new(i).rng()).unwrap();
            let (a, b) = task.text.strip_prefix("\nA:").unwrap().split_once("\nB:").unwrap();
            let (better, worse) = if task.answer == "A" { (a, b) } else { (b, a) };
            first += usize::from(task.answer == "A");
            if task.question.starts_with("Two captions") {
                assert_eq!(better[1..], game.perception().text);
                assert_ne!(better, worse);
            } else {
                actions += 1;
                let (better, worse) = (&better[1..], &worse[1..]);
                assert_eq!(better, game.oracle());
                let refused = !game.fork().step(worse).unwrap().legal;
                let less = worth::compare(&*game, worse, better) == Some(Ordering::Less);
                assert!(refused || less, "{worse}");
            }
        }
        assert!((70..130).contains(&first) && (60..140).contains(&actions), "{first} {actions}");
    }
}
