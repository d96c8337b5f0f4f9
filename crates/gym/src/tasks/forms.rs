//! One item as yes/no, as multiple choice and as an open question (after Curr-ReFT's curriculum).

use eyas_core::Rng;

use super::Task;

/// How an item is asked, from easy to hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Is this the answer?
    YesNo,
    /// Which of these?
    Choice,
    /// What is it?
    Open,
}

/// `task` in another form. `None` where a form needs distractors and the task has none.
pub fn in_form(task: &Task, form: Form, rng: &mut Rng) -> Option<Task> {
    let asked = |question: String, answer: &str| Task { question, answer: answer.into(), ..task.clone() };
    match form {
        Form::Open => Some(task.clone()),
        Form::YesNo => {
            let wrong = rng.choose(&task.distractors)?;
            let truth = rng.chance(0.5);
            let offered = if truth { &task.answer } else { wrong };
            let question = format!("{} Is it {offered}? Answer: yes | no.", task.question);
            Some(asked(question, if truth { "yes" } else { "no" }))
        }
        Form::Choice => {
            if task.distractors.is_empty() {
                return None;
            }
            let mut options: Vec<&String> = task.distractors.iter().take(3).chain([&task.answer]).collect();
            rng.shuffle(&mut options);
            let letter = |i: usize| char::from(b'A' + i as u8);
            let right = options.iter().position(|o| **o == task.answer)?;
            let listed: Vec<String> =
                options.iter().enumerate().map(|(i, o)| format!("{}) {o}", letter(i))).collect();
            let question = format!("{} Options: {}. Answer: the letter.", task.question, listed.join(" "));
            Some(asked(question, &letter(right).to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::Seed;

    #[test]
    fn the_answer_fits_every_form() {
        let task = Task {
            env: "e",
            question: "Which?".into(),
            frames: Vec::new(),
            answer: "up".into(),
            distractors: vec!["down".into(), "left".into()],
        };
        let (mut yes, mut letters) = (0, std::collections::BTreeSet::new());
        for i in 0..200 {
            let mut rng = Seed::new(i).rng();
            let asked = in_form(&task, Form::YesNo, &mut rng).unwrap();
            assert_eq!(asked.answer == "yes", asked.question.contains("Is it up?"));
            yes += usize::from(asked.answer == "yes");
            let asked = in_form(&task, Form::Choice, &mut rng).unwrap();
            assert!(asked.question.contains(&format!("{}) up", asked.answer)), "{asked:?}");
            letters.insert(asked.answer);
        }
        assert!((70..130).contains(&yes), "{yes}");
        assert_eq!(letters.len(), 3);
        let bare = Task { distractors: Vec::new(), ..task.clone() };
        let mut rng = Seed::new(1).rng();
        assert!(in_form(&bare, Form::YesNo, &mut rng).is_none());
        assert!(in_form(&bare, Form::Choice, &mut rng).is_none());
        assert_eq!(in_form(&bare, Form::Open, &mut rng), Some(bare));
    }
}
