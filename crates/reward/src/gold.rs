//! Where ground truth comes from when an environment is played.

use eyas_core::{Score, Turn};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{bad_gold, missing};

/// Where the ground truth of a reward of single responses comes from when an environment is played.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Gold {
    /// The oracle's answer as text; `"answer"` in recipes.
    #[default]
    Answer,
    /// The oracle's answer read as JSON; `"answer_json"`. `None`, the answer where nothing is to be found, is
    /// the empty list.
    AnswerJson,
    /// The words of the oracle's answer as a list, numbers as numbers; `"answer_list"`. Blanks and commas
    /// part them: `3 1 2` is `[3, 1, 2]`.
    AnswerList,
    /// A place in the structured perception, a JSON pointer (RFC 6901) such as `"/objects/0/box"`; `"/"`
    /// is all of it.
    Facts(String),
}

impl TryFrom<String> for Gold {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "answer" => Ok(Self::Answer),
            "answer_json" => Ok(Self::AnswerJson),
            "answer_list" => Ok(Self::AnswerList),
            pointer if pointer.starts_with('/') => Ok(Self::Facts(text)),
            _ => Err(format!(
                "gold {text:?} is none of \"answer\", \"answer_json\", \"answer_list\", \"/place/in/the/facts\""
            )),
        }
    }
}

impl From<Gold> for String {
    fn from(gold: Gold) -> Self {
        match gold {
            Gold::Answer => "answer".into(),
            Gold::AnswerJson => "answer_json".into(),
            Gold::AnswerList => "answer_list".into(),
            Gold::Facts(pointer) => pointer,
        }
    }
}

impl Gold {
    /// The ground truth, or the score of a turn without one.
    pub(crate) fn of(&self, turn: &Turn) -> Result<Value, Score> {
        let truth = turn.truth.as_ref().ok_or_else(|| missing("truth"))?;
        match self {
            Self::Answer => Ok(Value::from(truth.answer.as_str())),
            Self::AnswerJson if truth.answer.trim() == "None" => Ok(Value::Array(Vec::new())),
            Self::AnswerList => Ok(truth
                .answer
                .split(|c: char| c == ',' || c.is_whitespace())
                .filter(|word| !word.is_empty())
                .map(|word| match word.parse::<i64>() {
                    Ok(number) => Value::from(number),
                    Err(_) => Value::from(word),
                })
                .collect()),
            Self::AnswerJson => serde_json::from_str(&truth.answer)
                .map_err(|error| bad_gold(format!("the oracle's answer is no JSON: {error}"))),
            Self::Facts(pointer) if pointer == "/" => Ok(truth.facts.clone()),
            Self::Facts(pointer) => truth
                .facts
                .pointer(pointer)
                .cloned()
                .ok_or_else(|| bad_gold(format!("the perception has nothing at {pointer:?}"))),
        }
    }
}
