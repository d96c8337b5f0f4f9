//! One play of a task by a policy, and the group of plays that are compared with each other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Image, ImageId, ScoreSheet, Seed, Trajectory};

/// The version of the JSON form of [`Episode`].
pub const EPISODE_VERSION: u32 = 1;

/// How an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The environment reached its goal.
    Success,
    /// The environment ended without its goal.
    Failure,
    /// The turn limit or the context ended it.
    Truncated,
    /// The environment panicked or hung: the episode has no result, and nothing of it may count as one. The
    /// last turn's error says why.
    Lost,
}

/// One observation and the response to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// The text shown to the policy (without the chat template).
    pub observation: String,
    /// The pictures shown with it.
    pub images: Vec<ImageId>,
    /// What the policy wrote.
    pub response: String,
    /// True when the response ended by itself, false when it was cut at the token limit.
    pub terminated: bool,
    /// The action in its canonical form, if the answer could be parsed.
    pub action: Option<String>,
    /// Why the answer could not be parsed or was refused.
    pub error: Option<String>,
    /// The environment's reward for this turn.
    pub reward: f32,
    /// Ground truth of what the picture shows, as text.
    pub perception: String,
    /// The rest of the ground truth, recorded when a reward reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truth: Option<Truth>,
}

/// What the environment knew when the policy was asked, and did not show.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// The oracle's action, in its canonical form.
    pub answer: String,
    /// What the picture shows, as structured data.
    pub facts: serde_json::Value,
}

/// A played task: what was seen, written, done and scored. One JSON line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// [`EPISODE_VERSION`].
    pub version: u32,
    /// The environment's id.
    pub env: String,
    /// The seed the environment was reset with.
    pub seed: Seed,
    /// The resolved knobs, as JSON.
    pub knobs: serde_json::Value,
    /// The turns in order.
    pub turns: Vec<Turn>,
    /// The exact tokens.
    pub trajectory: Trajectory,
    /// One row per reward of the recipe.
    pub scores: Vec<ScoreSheet>,
    /// Sum of the environment's rewards over the turns.
    pub env_return: f32,
    /// Sum of what the environment's normalised score counts.
    pub env_score: f32,
    /// How it ended.
    pub outcome: Outcome,
    /// The pictures by id. Stored beside the JSON lines, by hash.
    #[serde(skip)]
    pub images: BTreeMap<ImageId, Image>,
}

impl Episode {
    /// Why the environment gave no result, where it did not.
    pub fn lost(&self) -> Option<&str> {
        let why = self.turns.last().and_then(|turn| turn.error.as_deref());
        (self.outcome == Outcome::Lost).then(|| why.unwrap_or("no reason was given"))
    }

    /// Weighted sum of the valid scores, or `None` when any score is invalid: an episode that could
    /// not be graded has no total, rather than a total that is silently lower.
    pub fn total_score(&self) -> Option<f32> {
        self.scores.iter().map(|row| row.score.value().map(|v| v * row.weight)).sum()
    }
}

/// The episodes of one prompt or one environment state: the unit that advantages compare.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The members, all started from the same state.
    pub episodes: Vec<Episode>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Invalid, Score, TokenSpan};

    fn episode(scores: Vec<Score>) -> Episode {
        let row = |score| ScoreSheet { name: "game".into(), weight: 2.0, span: TokenSpan::All, score };
        Episode {
            version: EPISODE_VERSION,
            env: "2048".into(),
            seed: Seed::new(1),
            knobs: serde_json::json!({"size": 4}),
            turns: vec![Turn { response: "<answer>up</answer>\n".into(), ..Turn::default() }],
            trajectory: Trajectory::new(5),
            scores: scores.into_iter().map(row).collect(),
            env_return: 1.0,
            env_score: 1.0,
            outcome: Outcome::Success,
            images: BTreeMap::new(),
        }
    }

    #[test]
    fn is_one_json_line_and_comes_back() {
        let e = episode(vec![Score::Ok(0.1), Score::Invalid(Invalid::Timeout { budget: "1 s".into() })]);
        let line = serde_json::to_string(&e).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Episode>(&line).unwrap(), e);
    }

    #[test]
    fn an_invalid_score_leaves_no_total() {
        assert_eq!(episode(vec![Score::Ok(0.5), Score::Ok(1.0)]).total_score(), Some(3.0));
        assert_eq!(episode(vec![Score::Ok(0.5), Score::Invalid(Invalid::NonFinite)]).total_score(), None);
    }
}
