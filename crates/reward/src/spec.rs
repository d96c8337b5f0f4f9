//! A reward as a recipe names it, and the score sheet of an episode.

use std::collections::BTreeMap;

use eyas_core::{Episode, Invalid, Outcome, Score, ScoreSheet, TokenSpan, Turn, isolate};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::registry::{EpisodeView, RewardError, RewardInfo, Scorer, find};
use crate::{ParamValue, Params, Progress, Response, Sample, bad_gold, missing, named};

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
    gold: Gold,
    turns: Turns,
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
    fn of(&self, turn: &Turn) -> Result<Value, Score> {
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

impl PartialEq for RewardSpec {
    fn eq(&self, other: &Self) -> bool {
        (self.name(), &self.params, self.weight, self.span, &self.gold, self.turns)
            == (other.name(), &other.params, other.weight, other.span, &other.gold, other.turns)
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
    #[serde(default, skip_serializing_if = "is_default")]
    gold: Gold,
    #[serde(default, skip_serializing_if = "is_default")]
    turns: Turns,
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
        let spec = Self::new(&written.name, written.weight, written.span, &written.params)?;
        Ok(Self { gold: written.gold, turns: written.turns, ..spec })
    }
}

impl From<RewardSpec> for Written {
    fn from(spec: RewardSpec) -> Self {
        let params = spec.params.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        let (name, gold, turns) = (spec.name().into(), spec.gold, spec.turns);
        Self { name, weight: spec.weight, span: spec.span, params, gold, turns }
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
        Ok(Self { info, params, weight, span, gold: Gold::default(), turns: Turns::default() })
    }

    /// The reward with its default parameters at weight 1, credited to every token.
    pub fn of(info: &'static RewardInfo) -> Self {
        Self {
            info,
            params: Params::defaults(info.params),
            weight: 1.0,
            span: TokenSpan::All,
            gold: Gold::default(),
            turns: Turns::default(),
        }
    }

    /// The same, with its ground truth from elsewhere.
    pub fn with_gold(mut self, gold: Gold) -> Self {
        self.gold = gold;
        self
    }

    /// The same, judging other turns.
    pub fn with_turns(mut self, turns: Turns) -> Self {
        self.turns = turns;
        self
    }

    /// Whether it needs the ground truth of the turns, see [`Turn::truth`].
    pub fn reads_truth(&self) -> bool {
        !matches!(self.info.score, Scorer::Episode(_))
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
    ///
    /// A reward of single responses judges every turn against that turn's ground truth, and the episode has
    /// the mean, or it judges the last turn alone ([`Turns`]). A reward of the responses to one prompt needs the whole group: see [`score_group`].
    pub fn score(&self, episode: &Episode, tags: &[&str]) -> Score {
        let responses = parse_all(episode);
        self.judge(&EpisodeView { episode, responses: &responses, tags }, Progress::default())
    }

    /// A reward that panics has no score, as one that fails.
    fn judge(&self, view: &EpisodeView<'_>, progress: Progress) -> Score {
        if let Some(lost) = lost(view.episode) {
            return lost;
        }
        let score = isolate(|| match self.info.score {
            Scorer::Episode(score) => score(view, &self.params),
            Scorer::Sample(score) => self.of_turns(view, progress, score),
            Scorer::Group(_) => Score::Invalid(Invalid::NotApplicable {
                detail: format!("the reward {:?} compares the responses of a group", self.info.name),
            }),
        });
        named(score.unwrap_or_else(crashed), self.info.name)
    }

    fn of_turns(
        &self,
        view: &EpisodeView<'_>,
        progress: Progress,
        score: fn(&Sample<'_>, &Params) -> Score,
    ) -> Score {
        let turns = view.episode.turns.len();
        let first = if self.turns == Turns::Last { turns.saturating_sub(1) } else { 0 };
        let mut sum = 0.0;
        for (n, (turn, response)) in view.episode.turns.iter().zip(view.responses).enumerate().skip(first) {
            let gold = match self.gold.of(turn) {
                Ok(gold) => gold,
                Err(why) => return why,
            };
            let fields = fields(view.episode, n);
            match score(&Sample { response, gold: &gold, fields: &fields, progress }, &self.params) {
                Score::Ok(value) => sum += f64::from(value),
                invalid => return invalid,
            }
        }
        match turns - first {
            0 => crate::no_turns(),
            judged => Score::from_value((sum / judged as f64) as f32),
        }
    }

    /// The last response of an episode, with what it is compared with.
    fn last_turn<'e>(
        &self,
        episode: &'e Episode,
    ) -> Result<(Response<'e>, Value, Map<String, Value>), Score> {
        if let Some(lost) = lost(episode) {
            return Err(lost);
        }
        let n = episode.turns.len().checked_sub(1).ok_or_else(crate::no_turns)?;
        let turn = &episode.turns[n];
        Ok((Response::parse(&turn.response), self.gold.of(turn)?, fields(episode, n)))
    }

    /// The scores of a group by a reward that compares its last responses.
    fn judge_group(
        &self,
        episodes: &[Episode],
        progress: Progress,
        score: fn(&[Sample<'_>], &Params) -> Vec<Score>,
    ) -> Vec<Score> {
        // Episodes without a ground truth have no score; the others are compared without them.
        let parsed: Vec<Result<_, Score>> = episodes.iter().map(|e| self.last_turn(e)).collect();
        let samples: Vec<Sample<'_>> = parsed
            .iter()
            .flatten()
            .map(|(response, gold, fields)| Sample { response, gold, fields, progress })
            .collect();
        let scores =
            isolate(|| score(&samples, &self.params)).unwrap_or_else(|why| vec![crashed(why); samples.len()]);
        let mut scores = scores.into_iter().map(|s| named(s, self.info.name));
        let mut next = || scores.next().unwrap_or_else(|| missing("score"));
        parsed.iter().map(|p| p.as_ref().map_or_else(|why| why.clone(), |_| next())).collect()
    }

    fn row(&self, score: Score) -> ScoreSheet {
        ScoreSheet { name: self.name().into(), weight: self.weight, span: self.span, score }
    }

    /// The scores of responses to one prompt, before the weight: one for each. A reward of single
    /// responses looks at each alone.
    pub fn score_samples(&self, samples: &[Sample<'_>]) -> Vec<Score> {
        let scores = match self.info.score {
            Scorer::Sample(score) => samples.iter().map(|sample| score(sample, &self.params)).collect(),
            Scorer::Group(score) => score(samples, &self.params),
            Scorer::Episode(_) => {
                let detail = format!("the reward {:?} reads whole episodes", self.info.name);
                vec![Score::Invalid(Invalid::NotApplicable { detail }); samples.len()]
            }
        };
        scores.into_iter().map(|score| named(score, self.info.name)).collect()
    }
}

/// Fills `episode.scores` with one row per reward, in order; earlier rows are replaced.
pub fn score_episode(specs: &[RewardSpec], episode: &mut Episode, tags: &[&str]) {
    let responses = parse_all(episode);
    let view = EpisodeView { episode, responses: &responses, tags };
    episode.scores = specs.iter().map(|spec| spec.row(spec.judge(&view, Progress::default()))).collect();
}

/// Fills the score sheets of the episodes that started from one state, rewards that compare them included.
pub fn score_group(specs: &[RewardSpec], episodes: &mut [Episode], tags: &[&str], progress: Progress) {
    let together: Vec<Option<Vec<Score>>> = specs
        .iter()
        .map(|spec| match spec.info.score {
            Scorer::Group(score) => Some(spec.judge_group(episodes, progress, score)),
            _ => None,
        })
        .collect();
    for (member, episode) in episodes.iter_mut().enumerate() {
        let responses = parse_all(episode);
        let view = EpisodeView { episode, responses: &responses, tags };
        let row = |(spec, together): (&RewardSpec, &Option<Vec<Score>>)| {
            let alone = || spec.judge(&view, progress);
            spec.row(together.as_ref().and_then(|scores| scores.get(member).cloned()).unwrap_or_else(alone))
        };
        episode.scores = specs.iter().zip(&together).map(row).collect();
    }
}

/// The score of an episode whose environment failed: nothing can be said of it.
fn lost(episode: &Episode) -> Option<Score> {
    let why = episode.lost()?;
    Some(crashed(format!("the environment {:?} {why}", episode.env)))
}

fn crashed(detail: String) -> Score {
    Score::Invalid(Invalid::Crash { detail })
}

/// What else is known of a turn, under the names that rewards read.
fn fields(episode: &Episode, n: usize) -> Map<String, Value> {
    let mut fields = Map::new();
    let Some(turn) = episode.turns.get(n) else { return fields };
    fields.insert("prompt".into(), Value::from(turn.observation.as_str()));
    if let Some(image) = turn.images.first().and_then(|id| episode.images.get(id)) {
        fields.insert("image_width".into(), Value::from(image.width()));
        fields.insert("image_height".into(), Value::from(image.height()));
    }
    let t = &episode.trajectory;
    let tokens =
        t.turns().iter().zip(t.kinds()).filter(|(turn, kind)| usize::from(**turn) == n && kind.is_sampled());
    fields.insert("tokens".into(), Value::from(tokens.count()));
    // What was bought is a fact of the environment: what a turn that bought had before it.
    if let Some(purchase) = turn.truth.as_ref().and_then(|t| t.facts.pointer("/truth/purchase")) {
        let bought = turn.action.as_deref() == Some("buy");
        fields.insert("purchase".into(), if bought { purchase.clone() } else { Value::Null });
    }
    fields.insert("correct".into(), Value::from(episode.outcome == Outcome::Success));
    fields
}

fn parse_all(episode: &Episode) -> Vec<Response<'_>> {
    episode.turns.iter().map(|turn| Response::parse(&turn.response)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ParamInfo, ParamKind, rewards};
    use eyas_core::{EPISODE_VERSION, Invalid, Seed, Trajectory, Truth, Turn};

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
        score_group(&specs, &mut group, &TAGS, Progress::default());
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
        score_group(&specs, &mut group, &TAGS, Progress::default());
        assert!(group[0].scores.iter().all(|row| row.score.value().is_some()), "{:?}", group[0].scores);
        for row in &group[1].scores {
            let Score::Invalid(Invalid::Crash { detail }) = &row.score else { panic!("{row:?}") };
            assert_eq!(detail, "the environment \"2048\" panicked: on purpose");
        }
    }

    #[test]
    fn a_reward_of_groups_compares_the_members() {
        let unique = spec(r#"{"name": "unique_answers"}"#).unwrap();
        let exact = spec(r#"{"name": "exact"}"#).unwrap();
        let mut group = [with_truth(&[("a", "a")]), with_truth(&[("a", "a")]), with_truth(&[("b", "a")])];
        group[1].turns[0].truth = None;
        score_group(&[unique, exact], &mut group, &TAGS, Progress::default());
        assert!(matches!(group[1].scores[0].score, Score::Invalid(_)), "no truth, no score");
        let values: Vec<_> = [0, 2].map(|i| group[i].scores[0].score.value().unwrap()).to_vec();
        assert!(values.iter().all(|v| (0.0..=1.0).contains(v)), "{values:?}");
        assert_eq!([0, 2].map(|i| group[i].scores[1].score.value()), [Some(1.0), Some(0.0)]);
    }
}
