//! A reward as a recipe names it, and the score sheet of an episode.

use std::collections::BTreeMap;

use eyas_core::{Episode, Invalid, Score, ScoreSheet, TokenSpan};
use serde::{Deserialize, Serialize};

use crate::registry::{EpisodeView, RewardError, RewardInfo, Scorer, find};
use crate::{ParamValue, Params, Response, Sample};

/// One reward of a recipe: which, with what weight, for which tokens.
///
/// Written as `{name, weight, span, params}`. Reading checks all of it, so that a spec which exists can
/// score any episode.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct RewardSpec {
    info: &'static RewardInfo,
    params: Params,
    weight: f32,
    span: TokenSpan,
}

impl PartialEq for RewardSpec {
    fn eq(&self, other: &Self) -> bool {
        (self.name(), &self.params, self.weight, self.span)
            == (other.name(), &other.params, other.weight, other.span)
    }
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
    params: BTreeMap<String, ParamValue>,
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
        let params = spec.params.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        Self { name: spec.name().into(), weight: spec.weight, span: spec.span, params }
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
        params: &BTreeMap<String, ParamValue>,
    ) -> Result<Self, RewardError> {
        let info = find(name)?;
        let params = Params::resolve(info.name, info.params, params)?;
        if !weight.is_finite() {
            return Err(RewardError::BadWeight { reward: info.name, weight });
        }
        Ok(Self { info, params, weight, span })
    }

    /// The reward with its default parameters at weight 1, credited to every token.
    pub fn of(info: &'static RewardInfo) -> Self {
        Self { info, params: Params::defaults(info.params), weight: 1.0, span: TokenSpan::All }
    }

    /// Its name in recipes.
    pub fn name(&self) -> &'static str {
        self.info.name
    }

    /// Which reward.
    pub fn info(&self) -> &'static RewardInfo {
        self.info
    }

    /// Its parameters.
    pub fn params(&self) -> &Params {
        &self.params
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
        let responses = parse_all(episode);
        self.judge(&EpisodeView { episode, responses: &responses, tags })
    }

    fn judge(&self, view: &EpisodeView<'_>) -> Score {
        match self.info.score {
            Scorer::Episode(score) => score(view, &self.params),
            Scorer::Sample(_) | Scorer::Group(_) => Score::Invalid(Invalid::NotApplicable {
                detail: format!("an episode has no ground truth for the reward {:?}", self.info.name),
            }),
        }
    }

    /// The scores of responses to one prompt, before the weight: one for each. A reward of single
    /// responses looks at each alone.
    pub fn score_samples(&self, samples: &[Sample<'_>]) -> Vec<Score> {
        match self.info.score {
            Scorer::Sample(score) => samples.iter().map(|sample| score(sample, &self.params)).collect(),
            Scorer::Group(score) => score(samples, &self.params),
            Scorer::Episode(_) => {
                let detail = format!("the reward {:?} reads whole episodes", self.info.name);
                vec![Score::Invalid(Invalid::NotApplicable { detail }); samples.len()]
            }
        }
    }
}

/// Fills `episode.scores` with one row per reward, in order; earlier rows are replaced.
pub fn score_episode(specs: &[RewardSpec], episode: &mut Episode, tags: &[&str]) {
    let responses = parse_all(episode);
    let view = EpisodeView { episode, responses: &responses, tags };
    let row = |spec: &RewardSpec| ScoreSheet {
        name: spec.name().into(),
        weight: spec.weight,
        span: spec.span,
        score: spec.judge(&view),
    };
    episode.scores = specs.iter().map(row).collect();
}

fn parse_all(episode: &Episode) -> Vec<Response<'_>> {
    episode.turns.iter().map(|turn| Response::parse(&turn.response)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ParamInfo, ParamKind, rewards};
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
        for info in rewards() {
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
        for info in rewards() {
            let words = |p: &ParamInfo| match p.kind {
                ParamKind::Choice { options } => options.iter().map(|o| (p.name, *o)).collect(),
                _ => Vec::new(),
            };
            for param in info.params.iter().flat_map(words).map(Some).chain([None]) {
                let value = |v: &str| ParamValue::Text(v.to_string());
                let params = param.map(|(k, v)| (k.to_string(), value(v))).into_iter().collect();
                let spec = RewardSpec::new(info.name, 0.25, TokenSpan::Action, &params).unwrap();
                assert_eq!(spec.name(), info.name);
                let json = serde_json::to_value(&spec).unwrap();
                for (k, v) in &params {
                    assert_eq!(json["params"][k], serde_json::json!(v), "{} {k}", info.name);
                }
                assert_eq!(serde_json::from_value::<RewardSpec>(json).unwrap(), spec);
            }
        }
    }

    #[test]
    fn names_are_unique_and_docs_are_there() {
        let mut names = std::collections::BTreeSet::new();
        for info in rewards() {
            assert!(names.insert(info.name), "{} is there twice", info.name);
            assert!(info.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
            for text in [info.family, info.doc, info.source] {
                assert!(!text.is_empty() && !text.contains('\n'), "{}", info.name);
            }
            assert!(info.range.is_none_or(|(low, high)| low < high), "{}", info.name);
            for param in info.params {
                let spec = RewardSpec::of(info);
                let (_, value) = spec.params().iter().find(|(name, _)| *name == param.name).unwrap();
                let given = BTreeMap::from([(param.name.to_string(), value.clone())]);
                assert!(RewardSpec::new(info.name, 1.0, TokenSpan::All, &given).is_ok(), "{}", info.name);
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
        assert!(error.contains("exact|partial"), "{error}");
        assert!(spec(r#"{"name": "game", "wieght": 1}"#).is_err());
    }
}
