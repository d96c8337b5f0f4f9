//! Chart question answering: one chart, one question, one answer.
//!
//! In the line of ChartQA: the answer is a label, or a number that may be off by five hundredths of the
//! true one ("relaxed accuracy"). Charts and questions are made from the seed, so that nothing can be
//! known beforehand.

use std::fmt;

use eyas_core::{Image, Outcome, Rng, Seed};
use serde::{Deserialize, Serialize};

use super::chart::{
    CATEGORIES, CHART, Chart, FONT, GRID, LARGEST, LOG_AXIS, MISSING, Milli, SERIES, SIDE, THEME,
    VALUE_LABELS,
};
use crate::{Axis, Env, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, ParseError, Perception, Status, Step};

const GRAMMAR: &str = "a number | a label of the chart";

const SPEC: EnvSpec = EnvSpec {
    id: "chart-qa",
    group: EnvGroup::Charts,
    title: "Chart questions",
    summary: "A bar, line or pie chart and a question about it: give the number or the label.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "exact",
    score: "relaxed accuracy (1 for the right label or a number within 5 percent, 0 otherwise)",
    pixel_answers: false,
    players: 1,
    source: "ChartQA",
};

const KNOBS: &[KnobSpec] = &[
    KnobSpec::choice(
        "question",
        Axis::Reasoning,
        &["value", "extreme", "count", "difference", "mixed"],
        "mixed",
        "what is asked: a value, the largest or smallest, how many are above a limit, a difference",
    )
    .dialled(0.0, 4.0),
    CATEGORIES,
    SERIES,
    CHART,
    LARGEST,
    LOG_AXIS,
    VALUE_LABELS,
    MISSING,
    GRID,
    FONT,
    THEME,
    SIDE,
];

/// Numbers that are listed where there are endlessly many.
const SAMPLED: u64 = 16;

/// A question about one series (number 0 where there is one only).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Question {
    Value { series: usize, label: usize },
    Largest { series: usize },
    Smallest { series: usize },
    Above { series: usize, limit: u32 },
    Difference { series: usize, one: usize, other: usize },
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A number.
    Number(Milli),
    /// A label of the chart.
    Label(String),
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Label(label) => f.write_str(label),
        }
    }
}

/// What is stored of a chart question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    chart: Chart,
    question: Question,
    outcome: Option<Outcome>,
}

/// The state of a chart question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State", into = "State")]
pub struct ChartQa(State);

impl From<ChartQa> for State {
    fn from(game: ChartQa) -> Self {
        game.0
    }
}

impl TryFrom<State> for ChartQa {
    type Error = String;

    fn try_from(state: State) -> Result<Self, String> {
        state.chart.check()?;
        let known = |series: usize, labels: &[usize]| {
            series < state.chart.values.len() && labels.iter().all(|l| *l < state.chart.labels.len())
        };
        let fits = match state.question {
            Question::Value { series, label } => known(series, &[label]),
            Question::Largest { series } | Question::Smallest { series } => known(series, &[]),
            Question::Above { series, limit } => known(series, &[]) && limit <= 1000,
            Question::Difference { series, one, other } => known(series, &[one, other]),
        };
        fits.then_some(Self(state)).ok_or_else(|| "a question about something else".into())
    }
}

impl State {
    fn values(&self, series: usize) -> &[u32] {
        self.chart.values.get(series).map_or(&[], Vec::as_slice)
    }

    fn value(&self, series: usize, label: usize) -> u32 {
        self.values(series).get(label).copied().unwrap_or(0)
    }

    fn label(&self, label: usize) -> &str {
        self.chart.labels.get(label).map_or("", String::as_str)
    }

    fn wants_label(&self) -> bool {
        matches!(self.question, Question::Largest { .. } | Question::Smallest { .. })
    }

    fn text(&self) -> String {
        let of = |series: usize| self.chart.series.get(series).map_or(String::new(), |n| format!(" for {n}"));
        match self.question {
            Question::Value { series, label } => {
                format!("What is the value of {}{}?", self.label(label), of(series))
            }
            Question::Largest { series } => format!("Which label has the largest value{}?", of(series)),
            Question::Smallest { series } => format!("Which label has the smallest value{}?", of(series)),
            Question::Above { series, limit } => format!("How many values are above {limit}{}?", of(series)),
            Question::Difference { series, one, other } => {
                format!("By how much do {} and {} differ{}?", self.label(one), self.label(other), of(series))
            }
        }
    }

    fn truth(&self) -> Reply {
        let number = |n: u32| Reply::Number(Milli::whole(n));
        let labels = || (0..self.chart.labels.len()).rev();
        // Of equal values the first one counts; questions are made so that there are none.
        match self.question {
            Question::Value { series, label } => number(self.value(series, label)),
            Question::Largest { series } => {
                let label = labels().max_by_key(|l| self.value(series, *l)).unwrap_or(0);
                Reply::Label(self.label(label).into())
            }
            Question::Smallest { series } => {
                let label = labels().rev().min_by_key(|l| self.value(series, *l)).unwrap_or(0);
                Reply::Label(self.label(label).into())
            }
            Question::Above { series, limit } => {
                number(self.values(series).iter().filter(|v| **v > limit).count() as u32)
            }
            Question::Difference { series, one, other } => {
                number(self.value(series, one).abs_diff(self.value(series, other)))
            }
        }
    }

    /// Relaxed accuracy: labels must be equal, numbers may be off by a twentieth of the true one.
    fn is_right(&self, reply: &Reply) -> bool {
        match (reply, self.truth()) {
            (Reply::Number(given), Reply::Number(truth)) => given.0.abs_diff(truth.0) * 20 <= truth.0,
            (Reply::Label(given), Reply::Label(truth)) => *given == truth,
            _ => false,
        }
    }

    fn status(&self) -> Status {
        self.outcome.map_or(Status::Running, Status::Done)
    }

    fn report(&self, reward: f32, legal: bool) -> Step {
        Step { reward, score: reward, legal, status: self.status() }
    }
}

/// Values nearer than this share of the axis are not told apart by eye.
const HAIR: f32 = 0.015;

/// The questions of one kind that have one clear answer: extremes lead visibly, limits lie between
/// values and off them. Where values are not printed, what is asked for is large enough that a good eye
/// reads it within the tolerance.
fn questions(chart: &Chart, kind: &str) -> Vec<Question> {
    let mut found = Vec::new();
    let apart = |a: u32, b: u32| (chart.height(a) - chart.height(b)).abs() >= HAIR;
    let share = |part: u32| if chart.is_labelled() || chart.is_log() { 0 } else { chart.top() / part };
    for (series, values) in chart.values.iter().enumerate() {
        let labels = 0..values.len();
        let leads = |value: u32| values.iter().filter(|v| !apart(**v, value)).count() == 1;
        let (Some(&least), Some(&most)) = (values.iter().min(), values.iter().max()) else { continue };
        match kind {
            "value" => {
                let readable = labels.filter(|label| values[*label] >= share(5));
                found.extend(readable.map(|label| Question::Value { series, label }));
            }
            "extreme" => {
                found.extend(leads(most).then_some(Question::Largest { series }));
                found.extend(leads(least).then_some(Question::Smallest { series }));
            }
            "count" => {
                let step = (chart.top() / 10).max(1);
                let limits: Vec<u32> = if chart.is_log() {
                    [2, 5, 10, 20, 50, 100, 200, 500].into()
                } else {
                    (step..chart.top()).step_by(step as usize).collect()
                };
                let clear = limits.into_iter().filter(|limit| {
                    (least..most).contains(limit) && values.iter().all(|value| apart(*value, *limit))
                });
                found.extend(clear.map(|limit| Question::Above { series, limit }));
            }
            _ => {
                let pairs = labels.clone().flat_map(|one| labels.clone().map(move |other| (one, other)));
                let wide = pairs
                    .filter(|(one, other)| one < other && values[*one].abs_diff(values[*other]) > share(4));
                found.extend(wide.map(|(one, other)| Question::Difference { series, one, other }));
            }
        }
    }
    found
}

fn ask(rng: &mut Rng, chart: &Chart, kind: &str) -> Question {
    let mut kinds = ["value", "extreme", "count", "difference"];
    rng.shuffle(&mut kinds);
    if let Some(at) = kinds.iter().position(|k| *k == kind) {
        kinds.swap(0, at);
    }
    // Where a kind has no clear question the next one is tried; a value can always be asked for.
    let chosen = kinds.iter().find_map(|kind| rng.choose(&questions(chart, kind)).copied());
    chosen.unwrap_or(Question::Value { series: 0, label: 0 })
}

impl Env for ChartQa {
    type Action = Reply;

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let chart = Chart::new(seed, knobs);
        let question = ask(&mut seed.split("question", 0).rng(), &chart, knobs.choice("question"));
        Ok(Self(State { chart, question, outcome: None }))
    }

    fn rules(&self) -> String {
        let how = match self.0.question {
            Question::Largest { .. } | Question::Smallest { .. } => "Give the label.",
            Question::Above { .. } => "Give the number.",
            _ => "Give the number, within 5 percent.",
        };
        format!("{} {how}", self.0.text())
    }

    fn render(&self) -> Image {
        self.0.chart.render()
    }

    /// A question for a label takes labels only, one for a number numbers only.
    fn parse(&self, answer: &str) -> Result<Reply, ParseError> {
        let text = answer.trim();
        let reply = if self.0.wants_label() {
            let known = self.0.chart.labels.iter().find(|label| label.eq_ignore_ascii_case(text));
            known.cloned().map(Reply::Label)
        } else {
            Milli::read(text).map(Reply::Number)
        };
        reply.ok_or_else(|| ParseError::grammar(answer, GRAMMAR))
    }

    fn step(&mut self, action: &Reply) -> Step {
        if self.0.outcome.is_some() {
            return self.0.report(0.0, false);
        }
        let right = self.0.is_right(action);
        self.0.outcome = Some(if right { Outcome::Success } else { Outcome::Failure });
        self.0.report(if right { 1.0 } else { 0.0 }, true)
    }

    fn pass(&mut self) -> Step {
        self.0.outcome = self.0.outcome.or(Some(Outcome::Truncated));
        self.0.report(0.0, false)
    }

    fn oracle(&self) -> Reply {
        self.0.truth()
    }

    /// The values that count, then what follows from them.
    fn reason(&self, action: &Reply) -> String {
        let state = &self.0;
        let pair =
            |series: usize, label: usize| format!("{} {}", state.label(label), state.value(series, label));
        let all = |series: usize| {
            let pairs: Vec<String> = (0..state.chart.labels.len()).map(|label| pair(series, label)).collect();
            pairs.join(" ")
        };
        let name = |series: usize| state.chart.series.get(series).map_or(String::new(), |n| format!("{n} "));
        // A number with decimals is no word of a reason; the oracle gives whole ones.
        let answer = action.to_string().replace('.', "point");
        match state.question {
            Question::Value { series, label } => {
                format!("{}{} so {answer}", name(series), pair(series, label))
            }
            Question::Largest { series } => format!("{}{} largest {answer}", name(series), all(series)),
            Question::Smallest { series } => format!("{}{} smallest {answer}", name(series), all(series)),
            Question::Above { series, limit } => {
                format!("{}{} above {limit} are {answer}", name(series), all(series))
            }
            Question::Difference { series, one, other } => {
                format!("{}{} {} apart {answer}", name(series), pair(series, one), pair(series, other))
            }
        }
    }

    fn perception(&self) -> Perception {
        self.0.chart.perception()
    }

    /// The labels; or numbers along the axis, for a count the numbers up to all values.
    fn legal_actions(&self) -> Vec<Reply> {
        let state = &self.0;
        if state.outcome.is_some() {
            return Vec::new();
        }
        if state.wants_label() {
            return state.chart.labels.iter().cloned().map(Reply::Label).collect();
        }
        let most = match state.question {
            Question::Above { .. } => state.chart.labels.len() as u64,
            _ => u64::from(state.chart.top()),
        };
        let count = most.min(SAMPLED);
        (0..=count).map(|i| Reply::Number(Milli(most * i / count.max(1) * 1000))).collect()
    }

    fn status(&self) -> Status {
        self.0.status()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KnobValue;
    use serde_json::json;

    fn reset(seed: u64, given: &[(&str, KnobValue)]) -> ChartQa {
        let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
        ChartQa::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()).unwrap()
    }

    /// A chart of four labels with values 3, 8, 8, 5 and a question about it.
    fn asked(question: Question) -> ChartQa {
        let mut game = reset(0, &[("chart", KnobValue::Choice("bar".into()))]);
        game.0.chart.labels = ["Jan", "Feb", "Mar", "Apr"].map(String::from).into();
        game.0.chart.values = vec![vec![3, 8, 8, 5]];
        game.0.question = question;
        game
    }

    fn reward(game: &ChartQa, text: &str) -> f32 {
        game.clone().step(&game.parse(text).unwrap()).reward
    }

    #[test]
    fn every_kind_of_question_is_answered() {
        let (one, other, series) = (0, 3, 0);
        for (question, text, answer) in [
            (Question::Value { series, label: 3 }, "What is the value of Apr?", "5"),
            (Question::Smallest { series }, "Which label has the smallest value?", "Jan"),
            (Question::Largest { series }, "Which label has the largest value?", "Feb"),
            (Question::Above { series, limit: 4 }, "How many values are above 4?", "3"),
            (Question::Difference { series, one, other }, "By how much do Jan and Apr differ?", "2"),
        ] {
            let game = asked(question);
            assert_eq!((game.0.text().as_str(), game.oracle().to_string().as_str()), (text, answer));
            assert_eq!(reward(&game, answer), 1.0);
        }
        let game = asked(Question::Above { series, limit: 4 });
        assert_eq!(game.reason(&game.oracle()), "Jan 3 Feb 8 Mar 8 Apr 5 above 4 are 3");
        assert_eq!(game.perception().text, "Jan 3\nFeb 8\nMar 8\nApr 5");
    }

    #[test]
    fn numbers_may_be_off_by_a_twentieth() {
        let mut game = asked(Question::Value { series: 0, label: 1 });
        for (text, right) in
            [("8", 1.0), ("8.4", 1.0), ("7.6", 1.0), ("8.401", 0.0), ("7.599", 0.0), ("80", 0.0)]
        {
            assert_eq!(reward(&game, text), right, "{text}");
        }
        game.0.question = Question::Above { series: 0, limit: 9 };
        assert_eq!((reward(&game, "0"), reward(&game, "0.0"), reward(&game, "0.001")), (1.0, 1.0, 0.0));
    }

    #[test]
    fn answers_are_of_the_kind_that_is_asked_for() {
        let number = asked(Question::Value { series: 0, label: 1 });
        let label = asked(Question::Smallest { series: 0 });
        for text in ["Jan", "", "-8", "8 ", "1e1", "eight", "8,0"] {
            assert_eq!(number.parse(text).is_ok(), text == "8 ", "{text}");
        }
        for text in ["8", "", "Dec", "Jan Feb", "J"] {
            assert!(label.parse(text).is_err(), "{text}");
        }
        assert_eq!(label.parse(" jan").unwrap().to_string(), "Jan");
    }

    #[test]
    fn questions_are_clear() {
        for seed in 0..300 {
            let kinds = ["value", "extreme", "count", "difference", "mixed"];
            let word = |text: &str| KnobValue::Choice(text.into());
            let given = [
                ("question", word(kinds[seed as usize % 5])),
                ("categories", KnobValue::Int(2 + seed as i64 % 9)),
                ("series", KnobValue::Int(1 + seed as i64 % 3)),
                ("chart", word("mixed")),
                ("log_axis", KnobValue::Bool(seed % 7 == 0)),
            ];
            let game = reset(seed, &given);
            match game.0.question {
                Question::Value { .. } => {}
                Question::Largest { series } | Question::Smallest { series } => {
                    let truth = game.oracle().to_string();
                    let at = game.0.chart.labels.iter().position(|l| *l == truth).unwrap();
                    let value = game.0.value(series, at);
                    assert_eq!(game.0.values(series).iter().filter(|v| **v == value).count(), 1);
                }
                Question::Above { series, limit } => assert!(!game.0.values(series).contains(&limit)),
                Question::Difference { series, one, other } => {
                    assert_ne!(game.0.value(series, one), game.0.value(series, other));
                }
            }
            assert_eq!(reward(&game, &game.oracle().to_string()), 1.0);
        }
    }

    #[test]
    fn broken_snapshots_are_refused() {
        let whole = serde_json::to_value(asked(Question::Value { series: 0, label: 3 })).unwrap();
        let broken = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut copy = whole.clone();
            change(&mut copy);
            serde_json::from_value::<ChartQa>(copy).is_err()
        };
        assert!(!broken(&|_| {}));
        assert!(broken(&|s| s["question"] = json!({"value": {"series": 0, "label": 4}})));
        assert!(broken(&|s| s["question"] = json!({"largest": {"series": 1}})));
        assert!(broken(&|s| s["chart"]["labels"] = json!(["Jan"])));
        assert!(broken(&|s| s["chart"]["labels"][0] = json!("a b")));
        assert!(broken(&|s| s["chart"]["values"][0][0] = json!(5000)));
        assert!(broken(&|s| s["chart"]["values"] = json!([])));
        assert!(broken(&|s| s["chart"]["look"]["side_px"] = json!(100_000)));
        assert!(broken(&|s| s["chart"]["series"] = json!(["Ana"])));
    }
}
