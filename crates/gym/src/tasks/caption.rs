//! A caption with one wrong word (after ViCrit): the answer is that word.

use eyas_core::Rng;

use super::Task;
use crate::Game;

/// The ground truth of the picture as a caption in which one word was replaced by another word of the
/// same caption, at a place whose row and column are told. `None` when all words are the same.
pub fn corrupted_caption(game: &dyn Game, rng: &mut Rng) -> Option<Task> {
    let text = game.perception().text;
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    let places: Vec<(usize, usize)> =
        lines.iter().enumerate().flat_map(|(r, line)| (0..line.len()).map(move |c| (r, c))).collect();
    let &(row, col) = rng.choose(&places)?;
    let truth = lines[row][col];
    let others: Vec<&str> = lines.iter().flatten().copied().filter(|w| *w != truth).collect();
    let wrong = *rng.choose(&others)?;
    let caption: Vec<String> = lines
        .iter()
        .enumerate()
        .map(|(r, line)| {
            let words = line.iter().enumerate().map(|(c, w)| if (r, c) == (row, col) { wrong } else { *w });
            words.collect::<Vec<_>>().join(" ")
        })
        .collect();
    Some(Task {
        env: game.spec().id,
        question: format!(
            "One word of this caption of the picture is wrong:\n{}\nAnswer: row, column and word, as 0 2 word.",
            caption.join("\n")
        ),
        frames: game.frames(),
        answer: format!("{row} {col} {wrong}"),
        distractors: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;
    use eyas_core::Seed;

    #[test]
    fn exactly_one_word_differs_from_the_truth() {
        for entry in registry() {
            let knobs = entry.knobs(&Default::default()).unwrap();
            for i in 0..10 {
                let game = entry.reset(Seed::new(i), &knobs).unwrap();
                let Some(task) = corrupted_caption(&*game, &mut Seed::new(i).rng()) else { continue };
                let truth = game.perception().text;
                let inner = task.question.split_once(":\n").unwrap().1;
                let caption = inner.rsplit_once("\nAnswer").unwrap().0;
                let pairs = truth.split([' ', '\n']).zip(caption.split([' ', '\n']));
                let wrong: Vec<&str> = pairs.filter(|(a, b)| a != b).map(|(_, b)| b).collect();
                assert_eq!(wrong.len(), 1, "{}", entry.spec.id);
                assert!(task.answer.ends_with(&format!(" {}", wrong[0])));
            }
        }
    }
}
