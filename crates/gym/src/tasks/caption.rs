//! A caption with one wrong word (after ViCrit): the answer is that word.

use eyas_core::Rng;

use super::{Answers, Task};
use crate::Game;

/// Most wrong places beside the right one.
const OTHERS: usize = 3;

/// A caption of which one word is wrong.
pub(crate) struct Corrupted {
    /// The true caption.
    pub(crate) truth: String,
    /// The same with the wrong word.
    pub(crate) caption: String,
    /// Its row.
    pub(crate) row: usize,
    /// Its column.
    pub(crate) column: usize,
    /// The word that should be there.
    pub(crate) right: String,
    /// The word that is.
    pub(crate) wrong: String,
}

/// The ground truth of the picture with one word replaced by another word of the same caption: one that stands
/// at the same place of another line, where there is such, else one of the same kind (number or not). `None`
/// when no word can be replaced.
pub(crate) fn corrupt(game: &dyn Game, rng: &mut Rng) -> Option<Corrupted> {
    let truth = game.perception().text;
    let lines: Vec<Vec<&str>> = truth.lines().map(|line| line.split(' ').collect()).collect();
    let places: Vec<(usize, usize, Vec<&str>)> = lines
        .iter()
        .enumerate()
        .flat_map(|(row, line)| (0..line.len()).map(move |column| (row, column)))
        .map(|(row, column)| (row, column, alternatives(&lines, row, column)))
        .filter(|(.., others)| !others.is_empty())
        .collect();
    let (row, column, others) = rng.choose(&places)?;
    let (row, column, wrong) = (*row, *column, *rng.choose(others)?);
    let right = lines[row][column].to_string();
    let line = |(r, line): (usize, &Vec<&str>)| {
        let words = line.iter().enumerate().map(|(c, w)| if (r, c) == (row, column) { wrong } else { w });
        words.collect::<Vec<_>>().join(" ")
    };
    let caption = lines.iter().enumerate().map(line).collect::<Vec<_>>().join("\n");
    Some(Corrupted { caption, row, column, right, wrong: wrong.to_string(), truth })
}

/// Words that could stand in place of the one at `row` and `column`, in alphabetical order.
pub(crate) fn alternatives<'t>(lines: &[Vec<&'t str>], row: usize, column: usize) -> Vec<&'t str> {
    let truth = lines[row][column];
    let mut others: Vec<&str> =
        lines.iter().filter_map(|line| line.get(column).copied()).filter(|w| *w != truth).collect();
    if others.is_empty() {
        let is_number = |word: &str| word.parse::<f64>().is_ok();
        let like = |word: &&str| *word != truth && is_number(word) == is_number(truth);
        others = lines.iter().flatten().copied().filter(like).collect();
    }
    others.sort_unstable();
    others.dedup();
    others
}

/// "Which word of this caption is wrong?": the answer is its row, its column and the word. `None` when no word
/// can be replaced.
pub fn corrupted_caption(game: &dyn Game, rng: &mut Rng) -> Option<Task> {
    let Corrupted { caption, row, column, right, wrong, .. } = corrupt(game, rng)?;
    let answers = Answers::Place { caption: caption.clone() };
    let answer = format!("{row} {column} {wrong}");
    let mut distractors = answers.listed(game);
    distractors.retain(|place| *place != answer);
    rng.shuffle(&mut distractors);
    distractors.truncate(OTHERS);
    Some(Task {
        question: "One word of this caption of the picture is wrong. Which? Rows and columns count from 0."
            .into(),
        text: format!("\n{caption}"),
        answer,
        reason: format!("row {row} column {column} is {right} not {wrong}"),
        distractors,
        answers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;
    use eyas_core::Seed;

    #[test]
    fn exactly_one_word_differs_from_the_truth() {
        let mut made = 0;
        for entry in registry() {
            let knobs = entry.knobs(&Default::default()).unwrap();
            for i in 0..10 {
                let game = entry.reset(Seed::new(i), &knobs).unwrap();
                let Some(task) = corrupted_caption(&*game, &mut Seed::new(i).rng()) else { continue };
                made += 1;
                let truth = game.perception().text;
                let pairs = truth.split([' ', '\n']).zip(task.text[1..].split([' ', '\n']));
                let wrong: Vec<&str> = pairs.filter(|(a, b)| a != b).map(|(_, b)| b).collect();
                assert_eq!(wrong.len(), 1, "{}", entry.spec.id);
                assert!(task.answer.ends_with(&format!(" {}", wrong[0])));
                assert!(!task.distractors.contains(&task.answer));
            }
        }
        assert!(made > 500, "{made}");
    }

    #[test]
    fn words_take_the_place_of_their_like() {
        let lines = [vec!["BlueStar", "0", "0"], vec!["RedDisc", "0", "1"], vec!["goal", "7"]];
        assert_eq!(alternatives(&lines, 0, 0), ["RedDisc", "goal"]);
        assert_eq!(alternatives(&lines, 0, 2), ["1"]);
        // Nothing else stands in this place: another number.
        assert_eq!(alternatives(&lines[1..2], 0, 1), ["1"]);
        assert!(alternatives(&lines[2..], 0, 0).is_empty());
    }
}
