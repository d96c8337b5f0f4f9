//! A reward as a recipe names it, and the score sheet of an episode.

use std::collections::BTreeMap;

use eyas_core::{Episode, Score, ScoreSheet, TokenSpan};
use serde::{Deserialize, Serialize};

use crate::registry::{RewardError, resolve};
use crate::{Response, format, game, perception};

/// How the environment's rewards make one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GameForm {
    /// Their sum, [`game::env_return`].
    Return,
    /// Their mean over the turns, [`game::mean_turn`].
    MeanTurn,
}

/// How strictly the format is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatForm {
    /// All or nothing, [`format::exact`].
    Exact,
    /// By counting tags, [`format::partial`].
    Partial,
}

/// A reward with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RewardKind {
    /// `game`
    Game(GameForm),
    /// `format`
    Format(FormatForm),
    /// `perception`, see [`perception::accuracy`].
    Perception,
    /// `perception_exact`, see [`perception::exact`].
    PerceptionExact,
}

impl RewardKind {
    /// Its name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Game(_) => "game",
            Self::Format(_) => "format",
            Self::Perception => "perception",
            Self::PerceptionExact => "perception_exact",
        }
    }

    fn params(self) -> BTreeMap<String, String> {
        let form = match self {
            Self::Game(GameForm::Return) => "return",
            Self::Game(GameForm::MeanTurn) => "mean_turn",
            Self::Format(FormatForm::Exact) => "exact",
            Self::Format(FormatForm::Partial) => "partial",
            Self::Perception | Self::PerceptionExact => return BTreeMap::new(),
        };
        BTreeMap::from([("form".to_string(), form.to_string())])
    }

    fn score(self, episode: &Episode, responses: &[Response<'_>], tags: &[&str]) -> Score {
        match self {
            Self::Game(GameForm::Return) => game::env_return(episode),
            Self::Game(GameForm::MeanTurn) => game::mean_turn(episode),
            Self::Format(FormatForm::Exact) => format::exact(responses, tags),
            Self::Format(FormatForm::Partial) => format::partial(responses, tags),
            Self::Perception => perception::accuracy(&episode.turns, responses),
            Self::PerceptionExact => perception::exact(&episode.turns, responses),
        }
    }
}

/// One reward of a recipe: which, with what weight, for which tokens.
///
/// Written as `{name, weight, span, params}`. Reading checks all of it, so that a spec which exists can
/// score any episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct RewardSpec {
    kind: RewardKind,
    weight: f32,
    span: TokenSpan,
}

/// The form of [`RewardSpec`] in files, before it is checked.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default = "one")]
    weight: f32,
    #[serde(default)]
    span: TokenSpan,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    params: BTreeMap<String, String>,
}

fn one() -> f32 {
    1.0
}

impl TryFrom<Written> for RewardSpec {
    type Error = RewardError;

    fn try_from(written: Written) -> Result<Self, RewardError> {
        Self::new(&written.name, written.weight, written.span, &written.params)
    }
}

impl From<RewardSpec> for Written {
    fn from(spec: RewardSpec) -> Self {
        Self { name: spec.name().into(), weight: spec.weight, span: spec.span, params: spec.kind.params() }
    }
}

impl From<RewardKind> for RewardSpec {
    /// The reward at weight 1, credited to every token.
    fn from(kind: RewardKind) -> Self {
        Self { kind, weight: 1.0, span: TokenSpan::All }
    }
}

impl RewardSpec {
    /// The reward `name` with `params`, weighted, credited to the tokens of `span`.
    ///
    /// # Errors
    /// [`RewardError`] when the name, a parameter or its value is unknown, or the weight is not finite.
    pub fn new(
        name: &str,
        weight: f32,
        span: TokenSpan,
        params: &BTreeMap<String, String>,
    ) -> Result<Self, RewardError> {
        let kind = resolve(name, params)?;
        if !weight.is_finite() {
            return Err(RewardError::BadWeight { reward: kind.name(), weight });
        }
        Ok(Self { kind, weight, span })
    }

    /// Its name in recipes.
    pub fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// Which reward, with its parameters.
    pub fn kind(&self) -> RewardKind {
        self.kind
    }

    /// Its weight in the total.
    pub fn weight(&self) -> f32 {
        self.weight
    }

    /// The tokens it credits.
    pub fn span(&self) -> TokenSpan {
        self.span
    }

    /// The score of an episode whose responses should have the blocks `tags`, before the weight.
    pub fn score(&self, episode: &Episode, tags: &[&str]) -> Score {
        self.kind.score(episode, &parse_all(episode), tags)
    }
}

/// Fills `episode.scores` with one row per reward, in order; earlier rows are replaced.
pub fn score_episode(specs: &[RewardSpec], episode: &mut Episode, tags: &[&str]) {
    let responses = parse_all(episode);
    let row = |spec: &RewardSpec| ScoreSheet {
        name: spec.name().into(),
        weight: spec.weight,
        span: spec.span,
        score: spec.kind.score(episode, &responses, tags),
    };
    episode.scores = specs.iter().map(row).collect();
}

fn parse_all(episode: &Episode) -> Vec<Response<'_>> {
    episode.turns.iter().map(|turn| Response::parse(&turn.response)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::REWARDS;
    use eyas_core::{EPISODE_VERSION, Invalid, Outcome, Seed, Trajectory, Turn};

    const TAGS: [&str; 3] = ["perception", "think", "answer"];

    fn episode(responses: &[&str], env_return: f32) -> Episode {
        let turn = |r: &&str| Turn { response: r.to_string(), perception: "8 -".into(), ..Turn::default() };
        Episode {
            version: EPISODE_VERSION,
            env: "2048".into(),
            seed: Seed::new(1),
            knobs: serde_json::json!({}),
            turns: responses.iter().map(turn).collect(),
            trajectory: Trajectory::new(5),
            scores: Vec::new(),
            env_return,
            env_score: env_return,
            outcome: Outcome::Failure,
            images: BTreeMap::new(),
        }
    }

    fn spec(json: &str) -> Result<RewardSpec, String> {
        serde_json::from_str(json).map_err(|e| e.to_string())
    }

    #[test]
    fn fills_the_score_sheet() {
        let specs = [
            spec(r#"{"name": "game"}"#),
            spec(r#"{"name": "game", "params": {"form": "mean_turn"}}"#),
            spec(r#"{"name": "format", "weight": 0.5}"#),
            spec(r#"{"name": "format", "params": {"form": "partial"}}"#),
            spec(r#"{"name": "perception", "weight": 2, "span": "perception"}"#),
            spec(r#"{"name": "perception_exact"}"#),
        ]
        .map(Result::unwrap);
        let good = "<perception>8 -</perception><think>t</think><answer>up</answer>";
        let poor = "<perception>8 2</perception><think>t</think>up";
        let mut e = episode(&[good, poor], 3.0);
        score_episode(&specs, &mut e, &TAGS);
        let scores: Vec<_> = e.scores.iter().map(|s| s.score.value()).collect();
        assert_eq!(scores, [3.0, 1.5, 0.0, 4.0 / 6.0, 0.75, 0.5].map(Some));
        assert_eq!((e.scores[4].weight, e.scores[4].span), (2.0, TokenSpan::Perception));
        for (spec, row) in specs.iter().zip(&e.scores) {
            assert_eq!(spec.score(&e, &TAGS), row.score);
        }
        let rows = e.scores.clone();
        score_episode(&specs, &mut e, &TAGS);
        assert_eq!(e.scores, rows, "scoring twice gives the same sheet");
    }

    #[test]
    fn what_is_not_finite_is_invalid() {
        for env_return in [f32::NAN, f32::INFINITY] {
            let e = episode(&["up"], env_return);
            for form in ["return", "mean_turn"] {
                let spec = spec(&format!(r#"{{"name": "game", "params": {{"form": "{form}"}}}}"#)).unwrap();
                assert_eq!(spec.score(&e, &TAGS), Score::Invalid(Invalid::NonFinite));
            }
        }
    }

    #[test]
    fn an_episode_without_turns_has_no_score() {
        let e = episode(&[], 0.0);
        for info in REWARDS {
            let spec = spec(&format!(r#"{{"name": "{}"}}"#, info.name)).unwrap();
            assert!(
                matches!(spec.score(&e, &TAGS), Score::Invalid(Invalid::NotApplicable { .. })),
                "{}",
                info.name
            );
        }
    }

    #[test]
    fn every_listed_reward_and_option_is_read_and_written_back() {
        for info in REWARDS {
            let all = info.params.iter().flat_map(|p| p.options.iter().map(move |o| (p.name, *o)));
            for param in all.map(Some).chain([None]) {
                let params = param.map(|(k, v)| (k.to_string(), v.to_string())).into_iter().collect();
                let spec = RewardSpec::new(info.name, 0.25, TokenSpan::Action, &params).unwrap();
                assert_eq!(spec.name(), info.name);
                let json = serde_json::to_value(&spec).unwrap();
                for (k, v) in &params {
                    assert_eq!(json["params"][k], serde_json::json!(v), "{} {k}", info.name);
                }
                for p in info.params.iter().filter(|_| param.is_none()) {
                    assert_eq!(json["params"][p.name], p.options[0], "the first option is the default");
                }
                assert_eq!(serde_json::from_value::<RewardSpec>(json).unwrap(), spec);
            }
        }
    }

    #[test]
    fn mistakes_are_named() {
        let none = BTreeMap::new();
        let new = |name: &str, weight| RewardSpec::new(name, weight, TokenSpan::All, &none);
        assert_eq!(
            new("percption", 1.0),
            Err(RewardError::UnknownReward { name: "percption".into(), nearest: "perception" })
        );
        assert!(matches!(new("game", f32::NAN), Err(RewardError::BadWeight { reward: "game", .. })));
        let error = spec(r#"{"name": "gmae"}"#).unwrap_err();
        assert!(error.contains(r#"did you mean "game"?"#), "{error}");
        let error = spec(r#"{"name": "game", "params": {"from": "return"}}"#).unwrap_err();
        assert!(error.contains(r#"no parameter "from"; it has ["form"]"#), "{error}");
        let error = spec(r#"{"name": "format", "params": {"form": "return"}}"#).unwrap_err();
        assert!(error.contains(r#"["exact", "partial"]"#), "{error}");
        assert!(spec(r#"{"name": "game", "wieght": 1}"#).is_err());
    }
}
