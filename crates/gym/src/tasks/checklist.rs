//! Questions about single details of a picture (after PEARL's perception checklists): a policy that
//! answers them wrongly has not seen the picture, whatever it does next.

use eyas_core::Rng;

use super::caption::alternatives;
use super::{Answers, Form, Task, in_form};
use crate::Game;

/// Most wrong words beside the right one.
const OTHERS: usize = 3;

/// The ground truth of the picture with `n` words replaced by `[1]`, `[2]`, ...; the answer is the words, one
/// for each, in the given form. `None` when there are fewer than `n` words that could be others.
pub fn checklist(game: &dyn Game, n: usize, form: Form, rng: &mut Rng) -> Option<Task> {
    let truth = game.perception().text;
    let mut lines: Vec<Vec<&str>> = truth.lines().map(|line| line.split(' ').collect()).collect();
    let mut places: Vec<(usize, usize)> = lines
        .iter()
        .enumerate()
        .flat_map(|(row, line)| (0..line.len()).map(move |column| (row, column)))
        .filter(|(row, column)| !alternatives(&lines, *row, *column).is_empty())
        .collect();
    if n == 0 || places.len() < n {
        return None;
    }
    rng.shuffle(&mut places);
    places.truncate(n);
    places.sort_unstable();
    let mut known: Vec<String> = lines.iter().flatten().map(ToString::to_string).collect();
    known.sort_unstable();
    known.dedup();
    let mut asked = Vec::new();
    for (i, &(row, column)) in places.iter().enumerate() {
        let right = lines[row][column];
        let mut distractors: Vec<String> =
            alternatives(&lines, row, column).iter().map(ToString::to_string).collect();
        rng.shuffle(&mut distractors);
        distractors.truncate(OTHERS);
        let one = Task {
            question: String::new(),
            text: String::new(),
            answer: right.to_string(),
            reason: format!("{} is {right}", i + 1),
            distractors,
            answers: Answers::Each { words: vec![known.clone()], any: true },
        };
        asked.push(in_form(&one, form, rng)?);
    }
    let blanks: Vec<String> = (1..=n).map(|i| format!("[{i}]")).collect();
    for (&(row, column), blank) in places.iter().zip(&blanks) {
        lines[row][column] = blank;
    }
    let mut text: String = lines.iter().map(|line| format!("\n{}", line.join(" "))).collect();
    // Options, or what is to be judged, in a line for each question.
    for (blank, task) in blanks.iter().zip(&asked).filter(|(_, task)| !task.text.is_empty()) {
        text += &format!("\n{blank}{}", task.text.replace('\n', " "));
    }
    let question = match form {
        Form::Open => "Numbers in brackets stand for words of this description of the picture. Which words?",
        Form::Choice => {
            "Numbers in brackets stand for words of this description of the picture. Which of the options?"
        }
        Form::Boolean => {
            "Numbers in brackets stand for words of this description of the picture. Are they these?"
        }
    };
    let all = |of: fn(&Task) -> &str| asked.iter().map(of).collect::<Vec<_>>().join(" ");
    let words = asked.iter().filter_map(|task| match &task.answers {
        Answers::Each { words, .. } => words.first().cloned(),
        _ => None,
    });
    Some(Task {
        question: question.into(),
        text,
        answer: all(|task| &task.answer),
        reason: all(|task| &task.reason),
        distractors: Vec::new(),
        answers: Answers::Each { words: words.collect(), any: form == Form::Open },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find;
    use eyas_core::Seed;

    fn board() -> Box<dyn Game> {
        let entry = find("2048").unwrap();
        entry.reset(Seed::new(1), &entry.knobs(&Default::default()).unwrap()).unwrap()
    }

    #[test]
    fn questions_are_about_different_places_and_true() {
        let game = board();
        let task = checklist(&*game, 3, Form::Open, &mut Seed::new(2).rng()).unwrap();
        let mut filled = task.text[1..].to_string();
        for (i, word) in task.answer.split(' ').enumerate() {
            assert_eq!(filled.matches(&format!("[{}]", i + 1)).count(), 1, "{filled}");
            filled = filled.replace(&format!("[{}]", i + 1), word);
        }
        assert_eq!(filled, game.perception().text);
        assert!(checklist(&*game, 99, Form::Open, &mut Seed::new(2).rng()).is_none());
    }

    #[test]
    fn each_question_has_its_own_options() {
        let game = board();
        let open = checklist(&*game, 2, Form::Open, &mut Seed::new(2).rng()).unwrap();
        for i in 0..20 {
            let task = checklist(&*game, 2, Form::Choice, &mut Seed::new(i).rng()).unwrap();
            let letters: Vec<&str> = task.answer.split(' ').collect();
            let lines: Vec<&str> = task.text.lines().filter(|l| l.contains("A) ")).collect();
            assert_eq!((letters.len(), lines.len()), (2, 2), "{}", task.text);
            assert!(lines[0].starts_with("[1] A) ") && lines[1].starts_with("[2] A) "), "{}", task.text);
            let task = checklist(&*game, 2, Form::Boolean, &mut Seed::new(i).rng()).unwrap();
            assert!(task.answer.split(' ').all(|a| a == "yes" || a == "no"), "{}", task.answer);
        }
        assert!(open.distractors.is_empty());
    }
}
