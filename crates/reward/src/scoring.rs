//! From rewards and episodes to score sheets.

use eyas_core::{Episode, Invalid, Outcome, Score, ScoreSheet, isolate};
use serde_json::{Map, Value};

use crate::judge::Docket;
use crate::registry::{EpisodeView, Scorer};
use crate::{Around, Gold, Progress, Response, RewardSpec, Sample, Turns, missing, named};

/// What is known around the episodes of a group.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scene<'a> {
    /// The blocks that a response should consist of.
    pub tags: &'a [&'a str],
    /// Where training stands.
    pub progress: Progress,
    /// The name of the environment in its mixture: the field `task`, and what [`RewardSpec::applies`] asks.
    pub task: &'a str,
    /// The verdicts of judges; without one no judge can be asked.
    pub docket: Option<&'a Docket>,
    /// Further fields of each episode, in their order; may be shorter.
    pub known: &'a [Map<String, Value>],
}

/// The fields that are there when an environment is played, with what they hold.
pub const SUPPLIED: &[(&str, &str)] = &[
    ("prompt", "the text that the policy was shown"),
    ("image_width", "width of the turn's first picture in pixels, where there is one"),
    ("image_height", "its height"),
    ("tokens", "tokens of the response"),
    ("episode_tokens", "tokens of all responses of the episode"),
    ("turn", "the turn, from 0"),
    ("turns", "turns of the episode"),
    ("correct", "whether the episode reached its goal"),
    ("env_score", "what the environment's normalised score counts"),
    ("env_return", "what the environment paid"),
    ("env", "the environment's id"),
    ("purchase", "what was bought, in a shop; null for a turn that bought nothing"),
    ("task", "its name in the mixture"),
    ("pass_rate", "share of the group that reached the goal"),
];

/// Fields that training works out when a reward reads them, with what they hold.
pub const WORKED_OUT: &[(&str, &str)] = &[
    ("answer_logprob", "mean log-probability of the answer's tokens under the reference policy"),
    ("reward_model", "what the reward models say of the episode, by their names"),
];

/// Fills `episode.scores` with one row per reward, in order; earlier rows are replaced. Rewards that compare
/// the episodes of a group have no score.
pub fn score_episode(specs: &[RewardSpec], episode: &mut Episode, tags: &[&str]) {
    let responses = parse_all(episode);
    let view = EpisodeView { episode, responses: &responses, tags };
    let (alone, nothing) = (Scene { tags, ..Scene::default() }, Map::new());
    let known = Known { group: &nothing, member: &nothing };
    episode.scores = specs.iter().map(|spec| row(spec, spec.judge(&view, &alone, known))).collect();
}

/// Fills the score sheets of the episodes that started from one state, rewards that compare them included.
/// Rewards that do not apply to `scene.task` have no row.
pub fn score_group(specs: &[RewardSpec], episodes: &mut [Episode], scene: &Scene<'_>) {
    let specs: Vec<&RewardSpec> = specs.iter().filter(|spec| spec.applies(scene.task)).collect();
    let won = episodes.iter().filter(|e| e.outcome == Outcome::Success).count();
    let mut group = Map::new();
    group.insert("task".into(), Value::from(scene.task));
    group.insert("pass_rate".into(), Value::from(won as f64 / episodes.len().max(1) as f64));
    let nothing = Map::new();
    let known = |member: usize| Known { group: &group, member: scene.known.get(member).unwrap_or(&nothing) };
    let together: Vec<Option<Vec<Score>>> = specs
        .iter()
        .map(|spec| match spec.info().score {
            Scorer::Group(_) => Some(spec.judge_group(episodes, scene, known)),
            _ => None,
        })
        .collect();
    for (member, episode) in episodes.iter_mut().enumerate() {
        let responses = parse_all(episode);
        let view = EpisodeView { episode, responses: &responses, tags: scene.tags };
        let score = |(spec, together): (&&RewardSpec, &Option<Vec<Score>>)| {
            let alone = || spec.judge(&view, scene, known(member));
            row(spec, together.as_ref().and_then(|scores| scores.get(member).cloned()).unwrap_or_else(alone))
        };
        episode.scores = specs.iter().zip(&together).map(score).collect();
    }
}

fn row(spec: &RewardSpec, score: Score) -> ScoreSheet {
    ScoreSheet { name: spec.label().into(), weight: spec.weight(), span: spec.span(), score }
}

/// What is known of an episode that it does not say itself.
#[derive(Clone, Copy)]
struct Known<'a> {
    group: &'a Map<String, Value>,
    member: &'a Map<String, Value>,
}

impl RewardSpec {
    /// The score of an episode whose responses should have the blocks `tags`, before the weight.
    ///
    /// A reward of single responses judges every turn against that turn's ground truth, and the episode has
    /// the mean, or it judges the last turn alone ([`Turns`]). A reward of the responses to one prompt needs the whole group: see [`score_group`].
    pub fn score(&self, episode: &Episode, tags: &[&str]) -> Score {
        let (responses, nothing) = (parse_all(episode), Map::new());
        let view = EpisodeView { episode, responses: &responses, tags };
        let known = Known { group: &nothing, member: &nothing };
        self.judge(&view, &Scene { tags, ..Scene::default() }, known)
    }

    fn judge(&self, view: &EpisodeView<'_>, scene: &Scene<'_>, known: Known<'_>) -> Score {
        if let Some(lost) = lost(view.episode) {
            return lost;
        }
        let score = isolate(|| match self.info().score {
            Scorer::Episode(score) => score(view, self.params()),
            Scorer::Sample(_) => self.of_turns(view, scene, known),
            Scorer::Group(_) => Score::Invalid(Invalid::NotApplicable {
                detail: format!("the reward {:?} compares the responses of a group", self.name()),
            }),
        });
        named(score.unwrap_or_else(crashed), self.name())
    }

    fn of_turns(&self, view: &EpisodeView<'_>, scene: &Scene<'_>, known: Known<'_>) -> Score {
        let turns = view.episode.turns.len();
        let first = if self.turns() == Turns::Last { turns.saturating_sub(1) } else { 0 };
        let mut sum = 0.0;
        let mut failed = None;
        for (n, (turn, response)) in view.episode.turns.iter().zip(view.responses).enumerate().skip(first) {
            let gold = match self.gold().of(turn) {
                Ok(gold) => gold,
                Err(why) => {
                    failed = failed.or(Some(why));
                    continue;
                }
            };
            let fields = fields(view.episode, n, known);
            let around = Around { episode: Some(*view), turn: n, docket: scene.docket };
            let sample = Sample { response, gold: &gold, fields: &fields, progress: scene.progress, around };
            match self.score_samples(&[sample]).pop().unwrap_or_else(|| missing("score")) {
                Score::Ok(value) => sum += f64::from(value),
                // The other turns are gone through all the same, for the questions that they have to judges.
                invalid => failed = failed.or(Some(invalid)),
            }
        }
        match (failed, turns - first) {
            (Some(invalid), _) => invalid,
            (None, 0) => crate::no_turns(),
            (None, judged) => Score::from_value((sum / judged as f64) as f32),
        }
    }

    /// The scores of a group by a reward that compares its last responses.
    fn judge_group<'k>(
        &self,
        episodes: &[Episode],
        scene: &Scene<'_>,
        known: impl Fn(usize) -> Known<'k>,
    ) -> Vec<Score> {
        // Episodes without a ground truth have no score; the others are compared without them.
        let last = |(member, episode)| LastTurn::of(episode, self.gold(), known(member));
        let turns: Vec<Result<LastTurn<'_>, Score>> = episodes.iter().enumerate().map(last).collect();
        let samples: Vec<Sample<'_>> =
            turns.iter().zip(episodes).filter_map(|(turn, e)| turn.as_ref().ok()?.sample(e, scene)).collect();
        let scores =
            isolate(|| self.score_samples(&samples)).unwrap_or_else(|why| vec![crashed(why); samples.len()]);
        let mut scores = scores.into_iter();
        let mut next = || scores.next().unwrap_or_else(|| missing("score"));
        turns.iter().map(|t| t.as_ref().map_or_else(|why| why.clone(), |_| next())).collect()
    }

    /// The scores of responses to one prompt, before the weight: one for each. A reward of single
    /// responses looks at each alone, one of whole episodes at the episode that the response is of.
    pub fn score_samples(&self, samples: &[Sample<'_>]) -> Vec<Score> {
        if self.inputs().is_empty() { self.score_plain(samples) } else { self.score_with_inputs(samples) }
    }

    fn score_plain(&self, samples: &[Sample<'_>]) -> Vec<Score> {
        let whole = |sample: &Sample<'_>, score: fn(&EpisodeView<'_>, &crate::Params) -> Score| {
            let detail = || format!("the reward {:?} reads whole episodes", self.name());
            match &sample.around.episode {
                Some(view) => score(view, self.params()),
                None => Score::Invalid(Invalid::NotApplicable { detail: detail() }),
            }
        };
        let scores = match self.info().score {
            Scorer::Sample(score) => samples.iter().map(|sample| score(sample, self.params())).collect(),
            Scorer::Group(score) => score(samples, self.params()),
            Scorer::Episode(score) => samples.iter().map(|sample| whole(sample, score)).collect(),
        };
        scores.into_iter().map(|score| named(score, self.name())).collect()
    }

    /// The scores as an input of another reward: with the ground truth that this one asks for, where an
    /// environment was played.
    fn score_input(&self, samples: &[Sample<'_>]) -> Vec<Score> {
        let own = |sample: &Sample<'_>| {
            let turn = sample.around.episode.and_then(|view| view.episode.turns.get(sample.around.turn));
            turn.filter(|_| self.reads_truth()).map_or_else(|| Ok(sample.gold.clone()), |t| self.gold().of(t))
        };
        let golds: Vec<Result<Value, Score>> = samples.iter().map(own).collect();
        let sound = samples.iter().zip(&golds);
        let sound: Vec<Sample<'_>> =
            sound.filter_map(|(s, gold)| gold.as_ref().ok().map(|gold| Sample { gold, ..*s })).collect();
        let mut scores = self.score_plain(&sound).into_iter();
        let mut next = || scores.next().unwrap_or_else(|| missing("score"));
        golds.iter().map(|gold| gold.as_ref().map_or_else(|why| why.clone(), |_| next())).collect()
    }

    /// The same with the scores of other rewards as fields. A response whose field has no score has none, and
    /// the others are seen without it.
    fn score_with_inputs(&self, samples: &[Sample<'_>]) -> Vec<Score> {
        let mut fields: Vec<Result<Map<String, Value>, Score>> =
            samples.iter().map(|sample| Ok(sample.fields.clone())).collect();
        for (name, input) in self.inputs() {
            for (slot, score) in fields.iter_mut().zip(input.score_input(samples)) {
                let Ok(map) = slot else { continue };
                match score {
                    Score::Ok(value) => drop(map.insert(name.clone(), Value::from(value))),
                    Score::Invalid(reason) => *slot = Err(Score::Invalid(crate::located(reason, name))),
                }
            }
        }
        let ready = samples.iter().zip(&fields);
        let ready: Vec<Sample<'_>> = ready
            .filter_map(|(sample, fields)| fields.as_ref().ok().map(|fields| Sample { fields, ..*sample }))
            .collect();
        let mut scores = self.score_plain(&ready).into_iter();
        let mut next = || scores.next().unwrap_or_else(|| missing("score"));
        fields.iter().map(|slot| slot.as_ref().map_or_else(|why| why.clone(), |_| next())).collect()
    }
}

/// The last turn of an episode, with what it is compared with.
struct LastTurn<'e> {
    responses: Vec<Response<'e>>,
    turn: usize,
    gold: Value,
    fields: Map<String, Value>,
}

impl<'e> LastTurn<'e> {
    fn of(episode: &'e Episode, gold: &Gold, known: Known<'_>) -> Result<Self, Score> {
        if let Some(lost) = lost(episode) {
            return Err(lost);
        }
        let turn = episode.turns.len().checked_sub(1).ok_or_else(crate::no_turns)?;
        let gold = gold.of(episode.turns.get(turn).ok_or_else(crate::no_turns)?)?;
        Ok(Self { responses: parse_all(episode), turn, gold, fields: fields(episode, turn, known) })
    }

    fn sample<'a>(&'a self, episode: &'a Episode, scene: &Scene<'a>) -> Option<Sample<'a>> {
        let view = EpisodeView { episode, responses: &self.responses, tags: scene.tags };
        let around = Around { episode: Some(view), turn: self.turn, docket: scene.docket };
        let response = self.responses.get(self.turn)?;
        Some(Sample { response, gold: &self.gold, fields: &self.fields, progress: scene.progress, around })
    }
}

/// What else is known of a turn, under the names that rewards read: see [`SUPPLIED`].
fn fields(episode: &Episode, n: usize, known: Known<'_>) -> Map<String, Value> {
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
    fields.insert("episode_tokens".into(), Value::from(t.sampled_len()));
    fields.insert("turn".into(), Value::from(n));
    fields.insert("turns".into(), Value::from(episode.turns.len()));
    fields.insert("correct".into(), Value::from(episode.outcome == Outcome::Success));
    fields.insert("env_score".into(), Value::from(episode.env_score));
    fields.insert("env_return".into(), Value::from(episode.env_return));
    fields.insert("env".into(), Value::from(episode.env.as_str()));
    // What was bought is a fact of the environment: what a turn that bought had before it.
    if let Some(purchase) = turn.truth.as_ref().and_then(|t| t.facts.pointer("/truth/purchase")) {
        let bought = turn.action.as_deref() == Some("buy");
        fields.insert("purchase".into(), if bought { purchase.clone() } else { Value::Null });
    }
    fields.extend(known.group.iter().chain(known.member).map(|(name, value)| (name.clone(), value.clone())));
    fields
}

/// The score of an episode whose environment failed: nothing can be said of it.
fn lost(episode: &Episode) -> Option<Score> {
    let why = episode.lost()?;
    Some(crashed(format!("the environment {:?} {why}", episode.env)))
}

fn crashed(detail: String) -> Score {
    Score::Invalid(Invalid::Crash { detail })
}

fn parse_all(episode: &Episode) -> Vec<Response<'_>> {
    episode.turns.iter().map(|turn| Response::parse(&turn.response)).collect()
}
