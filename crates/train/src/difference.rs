//! What differs between a step as it was stored and as it came out again.

use eyas_core::{Episode, Score, TokenKind};
use serde::Serialize;

use crate::run_dir::Metrics;

/// One thing that differs: where first, how, and in how many places.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// What: `token`, `log-prob`, `action`, the name of a metric.
    pub what: String,
    /// The first place: `token 31 (think, turn 0)`. Empty where there is only one.
    pub place: String,
    /// What was stored there.
    pub stored: String,
    /// What is there now.
    pub again: String,
    /// Places that differ.
    pub count: usize,
}

/// Every kind of thing in which two plays of one episode differ, causes before effects. Numbers are compared
/// bit by bit: an episode is stored exactly. Empty when they are the same.
pub fn episode_differences(stored: &Episode, again: &Episode) -> Vec<Difference> {
    let (a, b) = (&stored.trajectory, &again.trajectory);
    let at = |i: usize| {
        let of = if i < a.len() { a } else { b };
        format!("token {i} ({}, turn {})", kind_name(of.kinds()[i]), of.turns()[i])
    };
    let turn = |i: usize| format!("turn {i}");
    let alone = |_: usize| String::new();
    let mut found = Vec::new();
    {
        let mut put = |difference: Option<(usize, Difference)>| found.extend(difference.map(|(_, d)| d));
        put(first("environment", &[&stored.env], &[&again.env], alone, |v| v.to_string()));
        put(first("seed", &[stored.seed], &[again.seed], alone, |v| v.value().to_string()));
        put(first("knobs", &[&stored.knobs], &[&again.knobs], alone, |v| v.to_string()));
    }
    // Of tokens and log-probs, what comes first is the cause.
    let bits = |values: &[f32]| values.iter().map(|v| Bits(*v)).collect::<Vec<_>>();
    let mut of_tokens = vec![
        first("token", a.ids(), b.ids(), at, u32::to_string),
        first("kind of token", a.kinds(), b.kinds(), at, |k| kind_name(*k)),
        first("log-prob", &bits(a.logprobs()), &bits(b.logprobs()), at, Bits::show),
    ];
    of_tokens.sort_by_key(|d| d.as_ref().map_or(usize::MAX, |(i, _)| *i));
    found.extend(of_tokens.into_iter().flatten().map(|(_, d)| d));

    let mut put = |difference: Option<(usize, Difference)>| found.extend(difference.map(|(_, d)| d));
    let (a, b) = (&stored.turns, &again.turns);
    let some = |v: &Option<String>| v.clone().unwrap_or_else(|| "none".into());
    put(first("observation", &each(a, |t| &t.observation), &each(b, |t| &t.observation), turn, |v| {
        quoted(v)
    }));
    put(first("pictures", &each(a, |t| &t.images), &each(b, |t| &t.images), turn, |v| format!("{v:?}")));
    put(first("response", &each(a, |t| &t.response), &each(b, |t| &t.response), turn, |v| quoted(v)));
    put(first("action", &each(a, |t| &t.action), &each(b, |t| &t.action), turn, |v| some(v)));
    put(first("error", &each(a, |t| &t.error), &each(b, |t| &t.error), turn, |v| some(v)));
    put(first("reward", &each(a, |t| Bits(t.reward)), &each(b, |t| Bits(t.reward)), turn, Bits::show));
    put(first("end of response", &each(a, |t| t.terminated), &each(b, |t| t.terminated), turn, |v| {
        if *v { "by itself".into() } else { "cut".into() }
    }));
    put(first("ground truth", &each(a, |t| &t.perception), &each(b, |t| &t.perception), turn, |v| quoted(v)));
    put(first("ground truth of rewards", &each(a, |t| &t.truth), &each(b, |t| &t.truth), turn, |v| {
        serde_json::to_string(v).unwrap_or_default()
    }));
    put(first("outcome", &[stored.outcome], &[again.outcome], alone, |v| format!("{v:?}").to_lowercase()));
    put(first("return", &[Bits(stored.env_return)], &[Bits(again.env_return)], alone, Bits::show));
    put(first("score", &[Bits(stored.env_score)], &[Bits(again.env_score)], alone, Bits::show));
    let names = |i: usize| {
        let row = stored.scores.get(i).or(again.scores.get(i));
        row.map_or_else(String::new, |row| row.name.clone())
    };
    let sheet = |e: &Episode| {
        each(&e.scores, |row| (row.name.clone(), Bits(row.weight), row.span, graded(&row.score)))
    };
    put(first("score by reward", &sheet(stored), &sheet(again), names, |(name, weight, _, score)| {
        format!("{name} {score} × {}", weight.show())
    }));
    found
}

/// The lines of metrics of one step, but for what the clock says and what was measured on held-out episodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MetricsCompared {
    /// Values that were compared.
    pub compared: usize,
    /// Values of the stored line that were not.
    pub left_out: usize,
    /// Those that differ.
    pub differences: Vec<Difference>,
}

/// Compares two lines of metrics exactly.
pub fn metrics_differences(stored: &Metrics, again: &Metrics) -> MetricsCompared {
    let counts = |key: &str| {
        let clock = key.starts_with("timing_s/") || key.starts_with("perf/") || key == "step_time";
        !(clock || key.starts_with("eval/") || key.starts_with("val-core/"))
    };
    let mut result = MetricsCompared::default();
    let more = again.keys().filter(|key| !stored.contains_key(*key));
    for key in stored.keys().chain(more) {
        if !counts(key) {
            result.left_out += usize::from(stored.contains_key(key));
            continue;
        }
        result.compared += 1;
        let text = |line: &Metrics| line.get(key).map_or_else(|| "absent".to_string(), |v| v.to_string());
        // As text: 1 and 1.0 are one number, but not one line.
        let (stored, again) = (text(stored), text(again));
        if stored != again {
            result.differences.push(Difference {
                what: key.clone(),
                place: String::new(),
                stored,
                again,
                count: 1,
            });
        }
    }
    result
}

/// The word for a kind of token, as in stored episodes.
pub fn kind_name(kind: TokenKind) -> String {
    let word = serde_json::to_value(kind).ok();
    word.as_ref().and_then(|w| w.as_str()).unwrap_or_default().to_string()
}

/// A number that equals another one only with the same bits.
#[derive(Clone, Copy)]
struct Bits(f32);

impl PartialEq for Bits {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Bits {
    fn show(&self) -> String {
        self.0.to_string()
    }
}

fn each<'a, T, U>(items: &'a [T], of: impl Fn(&'a T) -> U) -> Vec<U> {
    items.iter().map(of).collect()
}

/// A score as text; `f32` prints as it is stored, so equal texts are equal bits.
fn graded(score: &Score) -> String {
    match score {
        Score::Ok(value) => value.to_string(),
        Score::Invalid(why) => format!("none ({why})"),
    }
}

/// The first place at which two lists differ, and what is there; one that is shorter has nothing there.
fn first<T: PartialEq>(
    what: &str,
    stored: &[T],
    again: &[T],
    place: impl Fn(usize) -> String,
    show: impl Fn(&T) -> String,
) -> Option<(usize, Difference)> {
    let length = stored.len().max(again.len());
    let differs = |i: &usize| stored.get(*i) != again.get(*i);
    let at = (0..length).find(differs)?;
    let text = |item: Option<&T>| item.map_or_else(|| "nothing".to_string(), &show);
    Some((
        at,
        Difference {
            what: what.into(),
            place: place(at),
            stored: text(stored.get(at)),
            again: text(again.get(at)),
            count: (at..length).filter(differs).count(),
        },
    ))
}

/// The beginning of a text, in quotation marks.
fn quoted(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::{EPISODE_VERSION, Outcome, ScoreSheet, Seed, TokenSpan, Trajectory, Turn};

    fn episode(ids: &[u32], logprobs: &[f32]) -> Episode {
        let mut trajectory = Trajectory::new(5);
        trajectory.push_text(&[7], 0).unwrap();
        trajectory.push_sampled(ids, &vec![TokenKind::Think; ids.len()], logprobs, 0).unwrap();
        let score =
            ScoreSheet { name: "game".into(), weight: 1.0, span: TokenSpan::All, score: Score::Ok(0.5) };
        Episode {
            version: EPISODE_VERSION,
            env: "2048".into(),
            seed: Seed::new(1),
            knobs: serde_json::json!({}),
            turns: vec![Turn { action: Some("up".into()), ..Turn::default() }],
            trajectory,
            scores: vec![score],
            env_return: 1.0,
            env_score: 1.0,
            outcome: Outcome::Success,
            images: Default::default(),
        }
    }

    #[test]
    fn causes_come_before_effects_and_bits_count() {
        let stored = episode(&[1, 2, 3], &[-0.5, -0.25, -0.0]);
        assert_eq!(episode_differences(&stored, &stored.clone()), []);

        // A log-prob that moved by one bit before the token did.
        let mut again = episode(&[1, 2, 4], &[-0.5, f32::from_bits((-0.25f32).to_bits() + 1), -0.0]);
        again.turns[0].action = None;
        again.scores[0].score = Score::Ok(0.0);
        let found = episode_differences(&stored, &again);
        let what: Vec<&str> = found.iter().map(|d| d.what.as_str()).collect();
        assert_eq!(what, ["log-prob", "token", "action", "score by reward"]);
        assert_eq!(found[0].place, "token 2 (think, turn 0)");
        assert_eq!((found[0].stored.as_str(), found[0].again.as_str()), ("-0.25", "-0.25000003"));
        assert_eq!((found[1].stored.as_str(), found[1].again.as_str()), ("3", "4"));
        assert_eq!((found[2].stored.as_str(), found[2].again.as_str()), ("up", "none"));
        assert_eq!(found[3].place, "game");

        // One that ended earlier.
        let found = episode_differences(&stored, &episode(&[1], &[-0.5]));
        assert_eq!(
            (found[0].what.as_str(), found[0].again.as_str(), found[0].count),
            ("token", "nothing", 2)
        );
        // A sign that no comparison of numbers sees.
        let mut again = stored.clone();
        again.turns[0].reward = -0.0;
        assert_eq!(episode_differences(&stored, &again)[0].what, "reward");
    }

    #[test]
    fn metrics_are_compared_but_for_clock_and_measurements() {
        let line = |json: serde_json::Value| json.as_object().cloned().unwrap();
        let stored =
            line(serde_json::json!({"loss": 0.5, "kl": 0.1, "timing_s/gen": 1.0, "eval/a/score": 1.0}));
        let again = line(serde_json::json!({"loss": 0.25, "kl": 0.1, "timing_s/gen": 2.0, "new": 1}));
        let found = metrics_differences(&stored, &again);
        let names: Vec<&str> = found.differences.iter().map(|d| d.what.as_str()).collect();
        assert_eq!((names, found.compared, found.left_out), (vec!["loss", "new"], 3, 2));
        assert_eq!(found.differences[1].stored, "absent");
    }
}
