//! One item as yes/no, as multiple choice and as an open question (after Curr-ReFT's curriculum).

use eyas_core::Rng;
use serde::{Deserialize, Serialize};

use super::{Answers, Task};

/// How an item is asked, from hard to easy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// What is it?
    Open,
    /// Which of these?
    Choice,
    /// Is this the answer?
    Boolean,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Open, Self::Choice, Self::Boolean];

    /// Its name in recipes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Choice => "choice",
            Self::Boolean => "boolean",
        }
    }
}

/// The letter of the `i`-th option.
pub(crate) fn letter(i: usize) -> String {
    char::from(b'A' + i as u8).to_string()
}

/// `task` in another form. `None` where a form needs distractors and the task has none.
pub fn in_form(task: &Task, form: Form, rng: &mut Rng) -> Option<Task> {
    match form {
        Form::Open => Some(task.clone()),
        Form::Boolean => {
            let wrong = rng.choose(&task.distractors)?;
            let truth = rng.chance(0.5);
            let offered = if truth { &task.answer } else { wrong };
            Some(Task {
                question: asked(task, "Is it this?"),
                text: format!("{}\n{offered}", task.text),
                answer: if truth { "yes" } else { "no" }.into(),
                distractors: Vec::new(),
                answers: Answers::one_of(["yes".into(), "no".into()]),
                reason: task.reason.clone(),
            })
        }
        Form::Choice => {
            if task.distractors.is_empty() {
                return None;
            }
            let mut options: Vec<&String> = task.distractors.iter().take(3).chain([&task.answer]).collect();
            rng.shuffle(&mut options);
            let right = options.iter().position(|o| **o == task.answer)?;
            let listed = options.iter().enumerate().map(|(i, o)| format!("\n{}) {o}", letter(i)));
            Some(Task {
                question: asked(task, "Which of the options?"),
                text: task.text.clone() + &listed.collect::<String>(),
                answer: letter(right),
                distractors: Vec::new(),
                answers: Answers::one_of((0..options.len()).map(letter)),
                reason: task.reason.clone(),
            })
        }
    }
}

/// The question, and how it is to be answered.
fn asked(task: &Task, how: &str) -> String {
    if task.question.is_empty() { how.into() } else { format!("{} {how}", task.question) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::Seed;

    #[test]
    fn the_answer_fits_every_form() {
        let task = Task {
            question: "Which?".into(),
            text: String::new(),
            answer: "up".into(),
            reason: "up".into(),
            distractors: vec!["down".into(), "left".into()],
            answers: Answers::Action { open: false },
        };
        let (mut yes, mut letters) = (0, std::collections::BTreeSet::new());
        for i in 0..200 {
            let mut rng = Seed::new(i).rng();
            let asked = in_form(&task, Form::Boolean, &mut rng).unwrap();
            assert_eq!(asked.answer == "yes", asked.text == "\nup");
            yes += usize::from(asked.answer == "yes");
            let asked = in_form(&task, Form::Choice, &mut rng).unwrap();
            assert!(asked.text.contains(&format!("\n{}) up", asked.answer)), "{asked:?}");
            letters.insert(asked.answer);
        }
        assert!((70..130).contains(&yes), "{yes}");
        assert_eq!(letters.len(), 3);
        let bare = Task { distractors: Vec::new(), ..task.clone() };
        let mut rng = Seed::new(1).rng();
        assert!(in_form(&bare, Form::Boolean, &mut rng).is_none());
        assert!(in_form(&bare, Form::Choice, &mut rng).is_none());
        assert_eq!(in_form(&bare, Form::Open, &mut rng), Some(bare));
    }
}
