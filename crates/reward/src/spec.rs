//! A reward as a recipe names it.

use std::collections::{BTreeMap, BTreeSet};

use eyas_core::TokenSpan;
use serde::{Deserialize, Serialize};

use crate::compose::Composition;
use crate::registry::{RewardError, RewardInfo, Scorer, find, needs};
use crate::scoring::{SUPPLIED, WORKED_OUT};
use crate::{Gold, ParamValue, Params, judge};

/// One reward of a recipe: which, with what weight, for which tokens, in which environments.
///
/// Written as `{name, label, weight, span, envs, params, gold, inputs}`. Reading checks all of it, so that a
/// spec which exists can score any episode.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct RewardSpec {
    info: &'static RewardInfo,
    label: Option<String>,
    params: Params,
    weight: f32,
    span: TokenSpan,
    envs: Vec<String>,
    gold: Gold,
    turns: Turns,
    inputs: BTreeMap<String, RewardSpec>,
}

/// Which turns of an episode a reward of single responses judges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turns {
    /// All of them: the episode has the mean.
    #[default]
    Mean,
    /// The last one, for what is decided at the end, such as what was bought.
    Last,
}

impl PartialEq for RewardSpec {
    fn eq(&self, other: &Self) -> bool {
        (self.name(), &self.label, &self.params, self.weight, self.span)
            == (other.name(), &other.label, &other.params, other.weight, other.span)
            && (&self.envs, &self.gold, self.turns, &self.inputs)
                == (&other.envs, &other.gold, other.turns, &other.inputs)
    }
}

/// The form of [`RewardSpec`] in files, before it is checked.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(default = "one")]
    weight: f32,
    #[serde(default)]
    span: TokenSpan,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    envs: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    params: BTreeMap<String, ParamValue>,
    #[serde(default, skip_serializing_if = "is_default")]
    gold: Gold,
    #[serde(default, skip_serializing_if = "is_default")]
    turns: Turns,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    inputs: BTreeMap<String, WrittenInput>,
}

/// A reward whose score is a field of another one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenInput {
    name: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    params: BTreeMap<String, ParamValue>,
    #[serde(default, skip_serializing_if = "is_default")]
    gold: Gold,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn one() -> f32 {
    1.0
}

impl TryFrom<Written> for RewardSpec {
    type Error = RewardError;

    fn try_from(written: Written) -> Result<Self, RewardError> {
        let Written { name, label, weight, span, envs, params, gold, turns, inputs } = written;
        let mut spec = Self::new(&name, weight, span, &params)?.with_gold(gold).with_envs(envs);
        spec.label = label;
        spec.turns = turns;
        for (field, input) in inputs {
            let given = Self::new(&input.name, 1.0, TokenSpan::All, &input.params)?.with_gold(input.gold);
            spec = spec.with_input(&field, given)?;
        }
        Ok(spec)
    }
}

/// Parameters as they are written.
fn written(params: &Params) -> BTreeMap<String, ParamValue> {
    params.iter().map(|(name, value)| (name.to_string(), value.clone())).collect()
}

impl From<RewardSpec> for Written {
    fn from(spec: RewardSpec) -> Self {
        let input = |(field, input): (String, RewardSpec)| {
            let params = written(&input.params);
            (field, WrittenInput { name: input.name().into(), params, gold: input.gold })
        };
        Self {
            name: spec.name().into(),
            label: spec.label,
            weight: spec.weight,
            span: spec.span,
            envs: spec.envs,
            params: written(&spec.params),
            gold: spec.gold,
            turns: spec.turns,
            inputs: spec.inputs.into_iter().map(input).collect(),
        }
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
        Ok(Self { params, weight, span, ..Self::of(info) })
    }

    /// The reward with its default parameters at weight 1, credited to every token.
    pub fn of(info: &'static RewardInfo) -> Self {
        Self {
            info,
            label: None,
            params: Params::defaults(info.params),
            weight: 1.0,
            span: TokenSpan::All,
            envs: Vec::new(),
            gold: Gold::default(),
            turns: Turns::default(),
            inputs: BTreeMap::new(),
        }
    }

    /// The same, with its ground truth from elsewhere.
    pub fn with_gold(self, gold: Gold) -> Self {
        Self { gold, ..self }
    }

    /// The same, judging other turns.
    pub fn with_turns(self, turns: Turns) -> Self {
        Self { turns, ..self }
    }

    /// The turns that it judges, for one that judges single responses.
    pub fn turns(&self) -> Turns {
        self.turns
    }

    /// The same with another weight.
    pub fn with_weight(self, weight: f32) -> Self {
        Self { weight, ..self }
    }

    /// The same under another name in reports.
    pub fn with_label(self, label: impl Into<String>) -> Self {
        Self { label: Some(label.into()), ..self }
    }

    /// The same in these environments only, by their names in the mixture; none: in all.
    pub fn with_envs(self, envs: Vec<String>) -> Self {
        Self { envs, ..self }
    }

    /// The same with the score of `input`, before its weight, as the field `field`.
    ///
    /// # Errors
    /// [`RewardError::UnknownInput`] when the reward reads no such field.
    pub fn with_input(mut self, field: &str, input: RewardSpec) -> Result<Self, RewardError> {
        let known = self.reads()?;
        if !known.contains(field) {
            let known = known.into_iter().collect();
            return Err(RewardError::UnknownInput { reward: self.name(), field: field.into(), known });
        }
        self.inputs.insert(field.to_string(), input);
        Ok(self)
    }

    /// The rewards whose scores are fields of this one, by field.
    pub fn inputs(&self) -> &BTreeMap<String, RewardSpec> {
        &self.inputs
    }

    /// The fields that it reads and cannot do without, its inputs among them.
    ///
    /// # Errors
    /// [`RewardError::BadTree`] for a composition that cannot be read.
    pub fn reads(&self) -> Result<BTreeSet<String>, RewardError> {
        match self.tree()? {
            Some(tree) => Ok(tree.needs().into_iter().map(str::to_string).collect()),
            None => Ok(needs(self.name()).iter().map(|field| field.to_string()).collect()),
        }
    }

    /// The fields that it reads and nobody supplies when an environment is played: see
    /// [`SUPPLIED`] and [`WORKED_OUT`].
    ///
    /// # Errors
    /// [`RewardError::BadTree`] for a composition that cannot be read.
    pub fn unsupplied(&self) -> Result<BTreeSet<String>, RewardError> {
        let supplied = |field: &String| SUPPLIED.iter().chain(WORKED_OUT).any(|(name, _)| name == field);
        let mut open: BTreeSet<String> = self.reads()?;
        open.retain(|field| !supplied(field) && !self.inputs.contains_key(field));
        for input in self.inputs.values() {
            open.extend(input.unsupplied()?);
        }
        Ok(open)
    }

    /// Whether it, or an input of it, reads the field `field`.
    pub fn reads_field(&self, field: &str) -> bool {
        self.reads().is_ok_and(|reads| reads.contains(field)) && !self.inputs.contains_key(field)
            || self.inputs.values().any(|input| input.reads_field(field))
    }

    /// The names of the judges that it asks.
    ///
    /// # Errors
    /// [`RewardError::BadTree`] for a composition that cannot be read, [`RewardError::BadJudge`] for parameters
    /// of a judge that make no sense.
    pub fn judges(&self) -> Result<BTreeSet<String>, RewardError> {
        let mut names = BTreeSet::new();
        let tree = self.tree()?;
        let parts = tree.iter().flat_map(Composition::specs);
        for spec in parts.chain([self]).filter(|spec| spec.name() == "judge") {
            let asked = judge::reward::asked(&spec.params);
            names.insert(asked.map_err(|detail| RewardError::BadJudge { detail })?);
        }
        for input in self.inputs.values() {
            names.extend(input.judges()?);
        }
        Ok(names)
    }

    /// The reward models that it asks, as its parameters name them: a folder, or `stage:NAME`.
    ///
    /// # Errors
    /// [`RewardError::BadTree`] for a composition that cannot be read.
    pub fn reward_models(&self) -> Result<BTreeSet<String>, RewardError> {
        let mut names = BTreeSet::new();
        let tree = self.tree()?;
        let parts = tree.iter().flat_map(Composition::specs);
        for spec in parts.chain([self]).filter(|spec| spec.name() == "reward_model") {
            names.insert(judge::scalar::asked(&spec.params).to_string());
        }
        for input in self.inputs.values() {
            names.extend(input.reward_models()?);
        }
        Ok(names)
    }

    /// The tree of a composition.
    fn tree(&self) -> Result<Option<Composition>, RewardError> {
        if self.name() != "compose" {
            return Ok(None);
        }
        let tree = serde_json::from_str(self.params.text("tree"));
        tree.map(Some).map_err(|error| RewardError::BadTree { detail: error.to_string() })
    }

    /// Whether it speaks of episodes of the environment that is called `env` in its mixture.
    pub fn applies(&self, env: &str) -> bool {
        self.envs.is_empty() || self.envs.iter().any(|name| name == env)
    }

    /// The environments that it is limited to; empty for all.
    pub fn envs(&self) -> &[String] {
        &self.envs
    }

    /// Whether it needs the ground truth of the turns, see [`Turn::truth`](eyas_core::Turn::truth).
    pub fn reads_truth(&self) -> bool {
        !matches!(self.info.score, Scorer::Episode(_))
    }

    /// Where its ground truth comes from.
    pub fn gold(&self) -> &Gold {
        &self.gold
    }

    /// Its name in recipes.
    pub fn name(&self) -> &'static str {
        self.info.name
    }

    /// Its name in reports.
    pub fn label(&self) -> &str {
        self.label.as_deref().unwrap_or(self.info.name)
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EpisodeView, ParamInfo, ParamKind, Sample, Scene, rewards, score_episode, score_group};
    use eyas_core::{EPISODE_VERSION, Episode, Invalid, Outcome, Score, Seed, Trajectory, Truth, Turn};

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
    fn what_is_not_finite_is_invalid_and_names_its_reward() {
        for env_return in [f32::NAN, f32::INFINITY] {
            let e = episode(&["up"], env_return);
            for form in ["return", "mean_turn"] {
                let spec = spec(&format!(r#"{{"name": "game", "params": {{"form": "{form}"}}}}"#)).unwrap();
                let Score::Invalid(Invalid::Crash { detail }) = spec.score(&e, &TAGS) else {
                    panic!("{form}")
                };
                assert!(detail.contains("\"game\"") && detail.contains("not finite"), "{detail}");
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

    fn with_truth(answers: &[(&str, &str)]) -> Episode {
        let mut e = episode(&[], 0.0);
        e.turns = answers
            .iter()
            .map(|(said, right)| Turn {
                response: format!("<think>t</think><answer>{said}</answer>"),
                truth: Some(Truth {
                    answer: right.to_string(),
                    facts: serde_json::json!({"objects": [{"box": [0, 0, 10, 10]}]}),
                }),
                ..Turn::default()
            })
            .collect();
        e
    }

    #[test]
    fn a_reward_of_responses_reads_the_ground_truth_of_the_turns() {
        let exact = spec(r#"{"name": "exact"}"#).unwrap();
        assert!(exact.reads_truth() && !spec(r#"{"name": "game"}"#).unwrap().reads_truth());
        let e = with_truth(&[("left", "left"), ("up", "down")]);
        assert_eq!(exact.score(&e, &TAGS), Score::Ok(0.5), "the mean over turns");
        let last = spec(r#"{"name": "exact", "turns": "last"}"#).unwrap();
        assert_eq!(last.score(&e, &TAGS), Score::Ok(0.0), "the last turn");
        assert_eq!(serde_json::to_value(&last).unwrap()["turns"], "last");
        assert_eq!(serde_json::to_value(&exact).unwrap().get("turns"), None);
        let iou = spec(r#"{"name": "iou", "gold": "/objects/0/box"}"#).unwrap();
        assert_eq!(iou.score(&with_truth(&[("[0, 0, 10, 5]", "")]), &TAGS), Score::Ok(0.5));
        let json = spec(r#"{"name": "iou", "gold": "answer_json"}"#).unwrap();
        assert_eq!(json.score(&with_truth(&[("[0, 0, 10, 5]", "[0, 0, 10, 10]")]), &TAGS), Score::Ok(0.5));
        assert_eq!(serde_json::to_value(&iou).unwrap()["gold"], "/objects/0/box");
        let order = spec(r#"{"name": "order", "gold": "answer_list"}"#).unwrap();
        assert_eq!(order.score(&with_truth(&[("3, 1, 2", "3 1 2")]), &TAGS), Score::Ok(1.0));
        let nothing = spec(r#"{"name": "detection_f1", "gold": "answer_json"}"#).unwrap();
        assert!(nothing.score(&with_truth(&[("None", "None")]), &TAGS).value().is_some());
    }

    #[test]
    fn without_a_ground_truth_there_is_no_score() {
        let exact = spec(r#"{"name": "exact"}"#).unwrap();
        let mut e = with_truth(&[("left", "left"), ("up", "up")]);
        e.turns[1].truth = None;
        assert!(matches!(exact.score(&e, &TAGS), Score::Invalid(Invalid::NotApplicable { .. })));
        let nowhere = spec(r#"{"name": "iou", "gold": "/things"}"#).unwrap();
        assert!(matches!(
            nowhere.score(&with_truth(&[("[0, 0, 1, 1]", "")]), &TAGS),
            Score::Invalid(Invalid::UnparseableGold { .. })
        ));
        assert!(matches!(exact.score(&episode(&[], 0.0), &TAGS), Score::Invalid(_)));
        assert!(spec(r#"{"name": "iou", "gold": "things"}"#).unwrap_err().contains("none of"));
    }

    #[test]
    fn a_reward_of_groups_compares_the_members() {
        let unique = spec(r#"{"name": "unique_answers"}"#).unwrap();
        let exact = spec(r#"{"name": "exact"}"#).unwrap();
        let mut group = [with_truth(&[("a", "a")]), with_truth(&[("a", "a")]), with_truth(&[("b", "a")])];
        group[1].turns[0].truth = None;
        score_group(&[unique, exact], &mut group, &Scene { tags: &TAGS, ..Scene::default() });
        assert!(matches!(group[1].scores[0].score, Score::Invalid(_)), "no truth, no score");
        let values: Vec<_> = [0, 2].map(|i| group[i].scores[0].score.value().unwrap()).to_vec();
        assert!(values.iter().all(|v| (0.0..=1.0).contains(v)), "{values:?}");
        assert_eq!([0, 2].map(|i| group[i].scores[1].score.value()), [Some(1.0), Some(0.0)]);
    }

    /// The score sheets of a group in the environment called `task`, with verdicts that `say` gives.
    fn sheets(
        specs: &[RewardSpec],
        group: &mut [Episode],
        task: &str,
        say: impl Fn(&str) -> f64,
    ) -> Vec<Vec<(String, Score)>> {
        let mut docket = crate::judge::Docket::default();
        loop {
            let scene = Scene { tags: &TAGS, task, docket: Some(&docket), ..Scene::default() };
            score_group(specs, group, &scene);
            let asked = docket.settle(|questions| {
                let verdict = |score| Ok(crate::judge::Verdict { score, reason: None });
                questions.iter().map(|q| verdict(say(&q.request.response))).collect()
            });
            if asked.0 == 0 {
                let rows = |e: &Episode| e.scores.iter().map(|r| (r.name.clone(), r.score.clone())).collect();
                return group.iter().map(rows).collect();
            }
        }
    }

    #[test]
    fn a_reward_that_does_not_apply_has_no_row() {
        let specs = [
            spec(r#"{"name": "exact", "label": "rule", "envs": ["a"]}"#).unwrap(),
            spec(r#"{"name": "game", "envs": ["b", "c"]}"#).unwrap(),
            spec(r#"{"name": "format"}"#).unwrap(),
        ];
        let mut group = [with_truth(&[("x", "x")])];
        let names = |sheets: Vec<Vec<(String, Score)>>| -> Vec<String> {
            sheets[0].iter().map(|(name, _)| name.clone()).collect()
        };
        assert_eq!(names(sheets(&specs, &mut group, "a", |_| 0.0)), ["rule", "format"]);
        assert_eq!(names(sheets(&specs, &mut group, "c", |_| 0.0)), ["game", "format"]);
        assert_eq!(group[0].total_score(), Some(0.0));
        let json = serde_json::to_value(&specs[0]).unwrap();
        assert_eq!(serde_json::from_value::<RewardSpec>(json).unwrap(), specs[0]);
    }

    #[test]
    fn scores_of_others_are_inputs() {
        let trust = r#"{"name": "thinking_trust", "params": {"fade": 0},
            "inputs": {"thinking_score": {"name": "judge", "params": {"of": "think"}},
                       "correct": {"name": "exact"}}}"#;
        let trust = spec(trust).unwrap();
        assert_eq!(trust.judges().unwrap(), BTreeSet::from(["judge".to_string()]));
        assert!(trust.unsupplied().unwrap().is_empty() && !trust.reads_field("correct"));
        let bare = spec(r#"{"name": "thinking_trust"}"#).unwrap();
        assert_eq!(bare.unsupplied().unwrap(), BTreeSet::from(["thinking_score".to_string()]));
        let mut group = [with_truth(&[("a", "a")]), with_truth(&[("b", "a")]), with_truth(&[("a", "a")])];
        group[1].turns[0].response = "<think>u</think><answer>b</answer>".into();
        group[2].turns[0].response = "<think>odd</think><answer>a</answer>".into();
        let said = |thought: &str| match thought {
            "t" => 4.0,
            "u" => 8.0,
            _ => 99.0,
        };
        let rows = sheets(std::slice::from_ref(&trust), &mut group, "", said);
        let value = |k: usize| rows[k][0].1.value();
        let trusted = f64::exp(-0.4) * 0.3;
        assert!((f64::from(value(0).unwrap()) - 0.4 * trusted).abs() < 1e-6, "{rows:?}");
        assert!((f64::from(value(1).unwrap()) - 0.8 * trusted).abs() < 1e-6, "{rows:?}");
        let Score::Invalid(Invalid::Crash { detail }) = &rows[2][0].1 else { panic!("{rows:?}") };
        assert!(detail.starts_with("thinking_score: ") && detail.contains("not on the scale"), "{detail}");
        let json = serde_json::to_value(&trust).unwrap();
        assert_eq!(serde_json::from_value::<RewardSpec>(json).unwrap(), trust);
        let error = spec(r#"{"name": "game", "inputs": {"x": {"name": "exact"}}}"#).unwrap_err();
        assert!(error.contains("reads no field \"x\"; it reads none"), "{error}");
    }

    #[test]
    fn a_tree_holds_whole_episodes_judges_and_what_is_known() {
        let tree = r#"{"sum": ["game", {"fallback": {"of": {"reward": "judge"}, "or": 5}, "weight": 2},
            {"route": {"cases": {"a": {"field": "pass_rate"}}, "default": -1}}]}"#;
        let compose = serde_json::json!({"name": "compose", "params": {"tree": tree}});
        let compose = spec(&compose.to_string()).unwrap();
        let mut group = [with_truth(&[("x", "x")]), with_truth(&[("y", "x")])];
        group[0].env_return = 3.0;
        group[1].outcome = Outcome::Success;
        let said = |response: &str| if response.contains('x') { 10.0 } else { 11.0 };
        let values =
            |rows: Vec<Vec<(String, Score)>>| rows.into_iter().map(|r| r[0].1.value()).collect::<Vec<_>>();
        let rows = sheets(std::slice::from_ref(&compose), &mut group, "a", said);
        assert_eq!(
            values(rows),
            [Some(5.5), Some(10.5)],
            "3 + 2 + 1/2 and 0 + 10 + 1/2: no verdict, so the other"
        );
        let rows = sheets(std::slice::from_ref(&compose), &mut group, "b", said);
        assert_eq!(values(rows), [Some(4.0), Some(9.0)]);
        assert_eq!(compose.judges().unwrap(), BTreeSet::from(["judge".to_string()]));
        let alone = compose.score_samples(&[]);
        assert!(alone.is_empty());
    }

    #[test]
    fn a_reward_that_panics_loses_its_own_score() {
        fn touchy(view: &EpisodeView<'_>, _: &Params) -> Score {
            match view.episode.turns[0].response.as_str() {
                "bad" => panic!("on purpose"),
                _ => Score::Ok(1.0),
            }
        }
        fn together(samples: &[Sample<'_>], _: &Params) -> Vec<Score> {
            panic!("{} of them", samples.len())
        }
        const TOUCHY: RewardInfo =
            RewardInfo { name: "touchy", score: Scorer::Episode(touchy), ..crate::game::INFO };
        const TOGETHER: RewardInfo =
            RewardInfo { name: "together", score: Scorer::Group(together), ..crate::game::INFO };
        static REWARDS: [RewardInfo; 2] = [TOUCHY, TOGETHER];
        let specs: Vec<RewardSpec> =
            REWARDS.iter().map(RewardSpec::of).chain([spec(r#"{"name": "game"}"#).unwrap()]).collect();
        let mut group = ["good", "bad", "good"].map(|text| episode(&[text], 2.0));
        for e in &mut group {
            e.turns[0].truth = Some(Truth::default());
        }
        score_group(&specs, &mut group, &Scene { tags: &TAGS, ..Scene::default() });
        let crash = |score: &Score, detail: &str| {
            let Score::Invalid(Invalid::Crash { detail: got }) = score else { panic!("{score:?}") };
            assert!(got.ends_with(detail), "{got}");
        };
        assert_eq!(
            (&group[0].scores[0].score, &group[2].scores[0].score),
            (&Score::Ok(1.0), &Score::Ok(1.0))
        );
        crash(&group[1].scores[0].score, "on purpose");
        for e in &group {
            crash(&e.scores[1].score, "3 of them");
            assert_eq!(e.scores[2].score, Score::Ok(2.0), "the other rewards are untouched");
        }
    }

    #[test]
    fn an_episode_that_was_lost_has_no_score() {
        let specs = ["game", "format", "exact", "unique_answers"]
            .map(|name| spec(&format!(r#"{{"name": "{name}"}}"#)).unwrap());
        let mut group = [(); 2].map(|()| with_truth(&[("left", "left")]));
        group[1].outcome = Outcome::Lost;
        group[1].turns[0].error = Some("panicked: on purpose".into());
        score_group(&specs, &mut group, &Scene { tags: &TAGS, ..Scene::default() });
        assert!(group[0].scores.iter().all(|row| row.score.value().is_some()), "{:?}", group[0].scores);
        for row in &group[1].scores {
            let Score::Invalid(Invalid::Crash { detail }) = &row.score else { panic!("{row:?}") };
            assert_eq!(detail, "the environment \"2048\" panicked: on purpose");
        }
    }
}
