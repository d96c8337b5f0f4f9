//! Questions about single details of a picture (after PEARL's perception checklists): a policy that
//! answers them wrongly has not seen the picture, whatever it does next.

use eyas_core::Rng;

use super::Task;
use crate::Game;

/// Up to `n` questions, each about one word of the ground truth at a place of its own.
pub fn checklist(game: &dyn Game, n: usize, rng: &mut Rng) -> Vec<Task> {
    let text = game.perception().text;
    let words: Vec<(usize, usize, &str)> = text
        .lines()
        .enumerate()
        .flat_map(|(r, line)| line.split(' ').enumerate().map(move |(c, word)| (r, c, word)))
        .collect();
    let mut kinds: Vec<&str> = words.iter().map(|(.., word)| *word).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut asked: Vec<usize> = (0..words.len()).collect();
    rng.shuffle(&mut asked);
    let frames = game.frames();
    asked
        .into_iter()
        .take(n)
        .map(|i| {
            let (row, col, word) = words[i];
            let mut others: Vec<String> =
                kinds.iter().filter(|k| **k != word).map(ToString::to_string).collect();
            rng.shuffle(&mut others);
            others.truncate(3);
            Task {
                env: game.spec().id,
                question: format!("What is in row {row}, place {col} of the picture's description?"),
                frames: frames.clone(),
                answer: word.to_string(),
                distractors: others,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find;
    use eyas_core::Seed;

    #[test]
    fn questions_are_about_different_places_and_true() {
        let entry = find("2048").unwrap();
        let game = entry.reset(Seed::new(1), &entry.knobs(&Default::default()).unwrap()).unwrap();
        let tasks = checklist(&*game, 99, &mut Seed::new(2).rng());
        assert_eq!(tasks.len(), 16);
        let text = game.perception().text;
        let rows: Vec<Vec<&str>> = text.lines().map(|l| l.split(' ').collect()).collect();
        for task in &tasks {
            let numbers: Vec<usize> =
                task.question.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
            assert_eq!(rows[numbers[0]][numbers[1]], task.answer);
            assert!(!task.distractors.contains(&task.answer));
        }
        let questions: std::collections::BTreeSet<_> = tasks.iter().map(|t| &t.question).collect();
        assert_eq!(questions.len(), 16);
    }
}
