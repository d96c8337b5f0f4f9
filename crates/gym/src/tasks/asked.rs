//! [`Asked`]: a state of a game as a single-turn question.

use std::cmp::Ordering;
use std::sync::Arc;

use eyas_core::{Image, Outcome, Rng};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::spec::spec_of;
use super::{Answers, Form, Quiz, Task, worth};
use crate::envs::kit::sheet;
use crate::{EnvSpec, Frame, Game, Observation, ParseError, Perception, Status, Step};

/// The question, as a snapshot keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Item {
    quiz: Quiz,
    form: Form,
    question: String,
    text: String,
    answer: String,
    reason: String,
    answers: Answers,
    outcome: Option<Outcome>,
}

/// A game that is not played but asked about: one answer, then it is over.
pub(crate) struct Asked {
    /// The state that is asked about; nobody steps it.
    game: Arc<dyn Game>,
    /// The states that are shown, where they are others; nobody steps them.
    shown: Vec<Arc<dyn Game>>,
    item: Item,
    spec: &'static EnvSpec,
}

impl Asked {
    pub(crate) fn new(
        game: Box<dyn Game>,
        (quiz, form): (Quiz, Form),
        task: Task,
        shown: Vec<Box<dyn Game>>,
        spec: &'static EnvSpec,
    ) -> Self {
        let Task { question, text, answer, reason, answers, .. } = task;
        let item = Item { quiz, form, question, text, answer, reason, answers, outcome: None };
        Self { game: Arc::from(game), shown: shown.into_iter().map(Arc::from).collect(), item, spec }
    }

    /// How much of a canonical answer is right, from 0 to 1. A checklist pays by question, as PEARL's mean over
    /// its sub-questions does; all else is right or wrong.
    fn credit(&self, answer: &str) -> f32 {
        let Item { quiz, answers, answer: truth, .. } = &self.item;
        if *quiz == Quiz::Checklist {
            let right = answer.split(' ').zip(truth.split(' ')).filter(|(a, b)| a == b).count();
            return right as f32 / truth.split(' ').count().max(1) as f32;
        }
        let as_good = || {
            matches!(answers, Answers::Action { open: true })
                && worth::compare(&*self.game, answer, truth).is_some_and(|o| o != Ordering::Less)
        };
        if answer == truth || as_good() { 1.0 } else { 0.0 }
    }

    fn end(&mut self, outcome: Outcome, credit: f32, reward: f32, legal: bool) -> Step {
        self.item.outcome = Some(outcome);
        Step { reward, score: credit, legal, status: self.status() }
    }
}

impl Game for Asked {
    fn spec(&self) -> &'static EnvSpec {
        self.spec
    }
    fn rules(&self) -> String {
        self.item.question.clone()
    }
    fn note(&self) -> String {
        self.item.text.clone()
    }
    fn render(&self) -> Image {
        if self.shown.is_empty() {
            return self.game.render();
        }
        let images: Vec<Image> = self.shown.iter().map(|state| state.render()).collect();
        sheet(&images)
    }
    fn frames(&self) -> Vec<Frame> {
        if self.shown.is_empty() {
            return self.game.frames();
        }
        self.shown.iter().map(|state| Frame { image: state.render(), seconds: None }).collect()
    }
    fn observe(&self) -> Observation {
        Observation::new(self.fork())
    }
    fn parse(&self, answer: &str) -> Result<String, ParseError> {
        self.item.answers.parse(&*self.game, self.spec.grammar, answer)
    }
    fn step(&mut self, action: &str) -> Result<Step, ParseError> {
        if self.item.outcome.is_some() {
            return Err(ParseError::Over);
        }
        let credit = self.credit(&self.parse(action)?);
        let outcome = if credit >= 1.0 { Outcome::Success } else { Outcome::Failure };
        Ok(self.end(outcome, credit, credit, true))
    }
    fn pass(&mut self) -> Step {
        if self.item.outcome.is_some() {
            return Step { reward: 0.0, score: 0.0, legal: false, status: self.status() };
        }
        self.end(Outcome::Truncated, 0.0, self.spec.invalid_reward, false)
    }
    fn begin_here(&mut self) {}
    fn oracle(&self) -> String {
        self.item.answer.clone()
    }
    fn reason(&self, action: &str) -> Result<String, ParseError> {
        let action = self.parse(action)?;
        match self.item.answers {
            Answers::Action { .. } => self.game.reason(&action),
            _ => Ok(self.item.reason.clone()),
        }
    }
    fn perception(&self) -> Perception {
        self.game.perception()
    }
    fn truths(&self) -> Map<String, Value> {
        if self.item.outcome.is_some() {
            return Map::new();
        }
        // What the environment knows of its own action is of use only where that is the answer.
        let own = matches!(self.item.answers, Answers::Action { .. });
        let mut truths = if own { self.game.truths() } else { Map::new() };
        truths.insert("quiz".into(), json!(self.item.quiz));
        truths.insert("answer".into(), json!(self.item.answer));
        truths
    }
    fn legal_actions(&self) -> Vec<String> {
        if self.item.outcome.is_some() { Vec::new() } else { self.item.answers.listed(&*self.game) }
    }
    fn guess(&self, rng: &mut Rng) -> Option<String> {
        if self.item.outcome.is_some() { None } else { self.item.answers.guess(&*self.game, rng) }
    }
    fn status(&self) -> Status {
        self.item.outcome.map_or(Status::Running, Status::Done)
    }
    fn fork(&self) -> Box<dyn Game> {
        Box::new(Self {
            game: self.game.clone(),
            shown: self.shown.clone(),
            item: self.item.clone(),
            spec: self.spec,
        })
    }
    fn snapshot(&self) -> Result<Value, serde_json::Error> {
        let mut state = self.game.snapshot()?;
        if let Some(fields) = state.as_object_mut() {
            fields.insert(QUIZ.to_string(), serde_json::to_value(&self.item)?);
            if !self.shown.is_empty() {
                let shown: Result<_, _> = self.shown.iter().map(|state| state.snapshot()).collect();
                fields.insert(SHOWN.to_string(), Value::Array(shown?));
            }
        }
        Ok(state)
    }
}

/// Where a snapshot keeps the question; absent when the environment is played.
const QUIZ: &str = "@quiz";

/// Where it keeps the states that are shown; absent when it is the one that is asked about.
const SHOWN: &str = "@shown";

/// The question of a snapshot, and the snapshots of the states that it shows.
pub(crate) type Taken = (Item, Vec<Value>);

/// Takes the question out of a snapshot.
pub(crate) fn unwrap_snapshot(snapshot: &mut Value) -> Result<Option<Taken>, serde_json::Error> {
    let mut take = |key| snapshot.as_object_mut().and_then(|fields| fields.remove(key));
    let (item, shown) = (take(QUIZ), take(SHOWN));
    let item: Option<Item> = item.map(serde_json::from_value).transpose()?;
    let shown: Vec<_> = shown.map(serde_json::from_value).transpose()?.unwrap_or_default();
    if item.is_none() && !shown.is_empty() {
        return Err(wrong("states without a question"));
    }
    Ok(item.map(|item| (item, shown)))
}

/// The question about `game`, checked: files can hold anything.
pub(crate) fn restore(
    env: &str,
    game: Box<dyn Game>,
    item: Item,
    shown: Vec<Box<dyn Game>>,
) -> Result<Box<dyn Game>, serde_json::Error> {
    let spec = spec_of(env, item.quiz, item.form).ok_or_else(|| wrong("it is not in the registry"))?;
    if let Some(problem) = item.answers.problem() {
        return Err(wrong(problem));
    }
    let pictures = match &item.answers {
        Answers::Order(n) => n + 1,
        _ => 0,
    };
    if shown.len() != pictures {
        return Err(wrong("too few or too many states to show"));
    }
    let shown = shown.into_iter().map(Arc::from).collect();
    let asked = Asked { game: Arc::from(game), shown, item, spec };
    if asked.parse(&asked.item.answer).as_ref() != Ok(&asked.item.answer) {
        return Err(wrong("the answer is none"));
    }
    Ok(Box::new(asked))
}

fn wrong(what: &str) -> serde_json::Error {
    serde::de::Error::custom(format!("quiz: {what}"))
}
