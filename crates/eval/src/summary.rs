//! What a run achieved, in one serialisable value: `summary.json`.

use std::collections::BTreeMap;

use eyas_core::{Episode, Outcome, Seed};
use eyas_gym::normalised;
use serde::{Deserialize, Serialize};

/// Why scores could not be summarised.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SummaryError {
    /// Nothing was played.
    #[error("environment {env:?} was measured on no episodes")]
    NoEpisodes {
        /// The environment.
        env: String,
    },
    /// The policy before and after training must play the same held-out episodes.
    #[error(
        "environment {env:?}: {before} episodes before training, {after} after; both need the same seeds"
    )]
    Unpaired {
        /// The environment.
        env: String,
        /// Episodes played before.
        before: usize,
        /// Episodes played after.
        after: usize,
    },
}

/// How one policy did on the held-out episodes of one environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Mean raw score an episode.
    pub score: f64,
    /// Standard error of that mean.
    pub score_se: f64,
    /// Share of episodes that reached the goal, in `[0, 1]`.
    pub success: f64,
    /// Share of cells read rightly, in `[0, 1]`, where responses have a perception block.
    pub perception: Option<f64>,
    /// Share of well-formed responses, in `[0, 1]`.
    pub format: Option<f64>,
    /// Episodes played.
    pub episodes: usize,
    /// Those among them whose environment failed: they count in none of the means.
    #[serde(default)]
    pub lost: usize,
}

impl Measured {
    /// Score, success and count of `episodes`; perception and format from their score sheets, where
    /// rows of the names `perception` and `format` are valid. Episodes that were lost count in none
    /// of them. All zero for no episodes.
    pub fn of(episodes: &[Episode]) -> Self {
        let played = episodes.len();
        let episodes: Vec<&Episode> = episodes.iter().filter(|e| e.lost().is_none()).collect();
        let scores: Vec<f64> = episodes.iter().map(|e| f64::from(e.env_score)).collect();
        let won = episodes.iter().filter(|e| e.outcome == Outcome::Success).count();
        let sheet = |name: &str| {
            let valid: Vec<f64> = episodes
                .iter()
                .filter_map(|e| e.scores.iter().find(|row| row.name == name))
                .filter_map(|row| row.score.value().map(f64::from))
                .collect();
            (!valid.is_empty()).then(|| mean_and_error(&valid).0)
        };
        let (score, score_se) = mean_and_error(&scores);
        Self {
            score,
            score_se,
            success: won as f64 / episodes.len().max(1) as f64,
            perception: sheet("perception"),
            format: sheet("format"),
            episodes: played,
            lost: played - episodes.len(),
        }
    }
}

/// One environment before and after training, between its two references. Scores are means of the raw
/// score an episode ([`eyas_gym::EnvSpec::score`]) on the same held-out seeds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EnvSummary {
    /// Guesses over what the grammar allows, see [`eyas_gym::Env::guess`].
    pub random: f64,
    /// The policy before training.
    pub before: f64,
    /// The policy after training.
    pub after: f64,
    /// The oracle.
    pub oracle: f64,
    /// Episodes behind each of the means.
    pub episodes: usize,
    /// Standard error of `before`; 0 for a single episode.
    pub before_se: f64,
    /// Standard error of `after`; 0 for a single episode.
    pub after_se: f64,
    /// `(before − random) / (oracle − random)`; absent where the references coincide.
    pub before_normalised: Option<f64>,
    /// `(after − random) / (oracle − random)`; absent where the references coincide.
    pub after_normalised: Option<f64>,
    /// Share of episodes that reached the goal before training.
    pub success_before: f64,
    /// Share of episodes that reached the goal after training.
    pub success_after: f64,
    /// Share of cells read rightly before training.
    pub perception_before: Option<f64>,
    /// Share of cells read rightly after training.
    pub perception_after: Option<f64>,
    /// Share of well-formed responses before training.
    pub format_before: Option<f64>,
    /// Share of well-formed responses after training.
    pub format_after: Option<f64>,
}

impl EnvSummary {
    /// Puts the two measurements of environment `env` between the mean raw scores of its references.
    ///
    /// # Errors
    /// [`SummaryError`] when nothing was played or the numbers of episodes differ.
    pub fn new(
        env: &str,
        random: f64,
        oracle: f64,
        before: &Measured,
        after: &Measured,
    ) -> Result<Self, SummaryError> {
        if before.episodes != after.episodes {
            return Err(SummaryError::Unpaired {
                env: env.into(),
                before: before.episodes,
                after: after.episodes,
            });
        }
        if after.episodes == 0 {
            return Err(SummaryError::NoEpisodes { env: env.into() });
        }
        Ok(Self {
            random,
            before: before.score,
            after: after.score,
            oracle,
            episodes: after.episodes,
            before_se: before.score_se,
            after_se: after.score_se,
            before_normalised: normalised(before.score, random, oracle),
            after_normalised: normalised(after.score, random, oracle),
            success_before: before.success,
            success_after: after.success,
            perception_before: before.perception,
            perception_after: after.perception,
            format_before: before.format,
            format_after: after.format,
        })
    }
}

/// A run in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The recipe's name.
    pub recipe: String,
    /// The root seed.
    pub seed: Seed,
    /// The version of Eyas that ran it.
    pub version: String,
    /// Training steps done.
    pub steps: u64,
    /// Wall-clock time in seconds.
    pub seconds: f64,
    /// Largest resident memory, where it can be measured.
    pub peak_memory_bytes: Option<u64>,
    /// Hash of the final weights, in hex.
    pub weights_hash: String,
    /// Tokens the policy wrote.
    pub tokens_sampled: u64,
    /// Tokens that went through a training pass.
    pub tokens_trained: u64,
    /// Results by environment name.
    pub environments: BTreeMap<String, EnvSummary>,
    /// Mean of `before_normalised` over the environments that have one.
    pub mean_normalised_before: Option<f64>,
    /// Mean of `after_normalised` over the environments that have one.
    pub mean_normalised_after: Option<f64>,
}

impl Summary {
    /// The means over `environments`, with every fact of the run still blank:
    /// `Summary { recipe, seed, ..Summary::of(environments) }`.
    pub fn of(environments: BTreeMap<String, EnvSummary>) -> Self {
        let mean = |pick: fn(&EnvSummary) -> Option<f64>| {
            let values: Vec<f64> = environments.values().filter_map(pick).collect();
            (!values.is_empty()).then(|| mean_and_error(&values).0)
        };
        Self {
            mean_normalised_before: mean(|e| e.before_normalised),
            mean_normalised_after: mean(|e| e.after_normalised),
            recipe: String::new(),
            seed: Seed::new(0),
            version: String::new(),
            steps: 0,
            seconds: 0.0,
            peak_memory_bytes: None,
            weights_hash: String::new(),
            tokens_sampled: 0,
            tokens_trained: 0,
            environments,
        }
    }
}

/// Mean and standard error of the mean (sample variance, n − 1); (0, 0) of nothing, error 0 of one.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let mean = values.iter().sum::<f64>() / n;
    if values.len() == 1 {
        return (mean, 0.0);
    }
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::{EPISODE_VERSION, Invalid, Score, ScoreSheet, TokenSpan, Trajectory};

    fn measured(score: f64, episodes: usize) -> Measured {
        Measured { score, episodes, ..Measured::default() }
    }

    fn episode(env_score: f32, outcome: Outcome, perception: Score) -> Episode {
        let row =
            |name: &str, score| ScoreSheet { name: name.into(), weight: 1.0, span: TokenSpan::All, score };
        Episode {
            version: EPISODE_VERSION,
            env: "sokoban".into(),
            seed: Seed::new(1),
            knobs: serde_json::Value::Null,
            turns: Vec::new(),
            trajectory: Trajectory::new(0),
            scores: vec![row("perception", perception)],
            env_return: 0.0,
            env_score,
            outcome,
            images: BTreeMap::new(),
        }
    }

    #[test]
    fn episodes_are_measured_by_hand() {
        let crash = Score::Invalid(Invalid::NonFinite);
        let played = [
            episode(1.0, Outcome::Success, Score::Ok(0.5)),
            episode(2.0, Outcome::Failure, Score::Ok(1.0)),
            episode(3.0, Outcome::Truncated, crash.clone()),
            episode(4.0, Outcome::Failure, crash),
        ];
        let m = Measured::of(&played);
        // Sample variance 5/3, divided by 4.
        assert!((m.score_se - (5.0f64 / 12.0).sqrt()).abs() < 1e-12);
        assert_eq!((m.score, m.success, m.episodes), (2.5, 0.25, 4));
        assert_eq!((m.perception, m.format), (Some(0.75), None), "invalid scores do not count");
        assert_eq!(Measured::of(&[]), Measured::default());

        // A lost episode is no result of 0.
        let lost = episode(0.0, Outcome::Lost, Score::Invalid(Invalid::NonFinite));
        let with = Measured::of(&[&played[..], &[lost]].concat());
        assert_eq!(with, Measured { episodes: 5, lost: 1, ..m });
    }

    #[test]
    fn normalises_between_the_references() {
        let e = EnvSummary::new("2048", 100.0, 500.0, &measured(100.0, 8), &measured(400.0, 8)).unwrap();
        assert_eq!((e.before_normalised, e.after_normalised), (Some(0.0), Some(0.75)));
        let flat = EnvSummary::new("2048", 1.0, 1.0, &measured(1.0, 8), &measured(1.0, 8)).unwrap();
        assert_eq!(flat.after_normalised, None);

        let all = Summary::of([("2048".into(), e.clone()), ("flat".into(), flat), ("b".into(), e)].into());
        assert_eq!((all.mean_normalised_before, all.mean_normalised_after), (Some(0.0), Some(0.75)));
        assert_eq!(Summary::of(BTreeMap::new()).mean_normalised_after, None);
    }

    #[test]
    fn refuses_what_cannot_be_compared() {
        let error = |b, a| EnvSummary::new("x", 0.0, 1.0, &measured(0.0, b), &measured(0.0, a)).unwrap_err();
        assert_eq!(error(0, 0), SummaryError::NoEpisodes { env: "x".into() });
        assert_eq!(error(4, 5), SummaryError::Unpaired { env: "x".into(), before: 4, after: 5 });
    }

    #[test]
    fn json_comes_back() {
        let e = EnvSummary::new("2048", 0.1, 0.7, &measured(0.2, 3), &measured(0.3, 3)).unwrap();
        let s = Summary {
            seed: Seed::new(u64::MAX),
            peak_memory_bytes: Some(1 << 40),
            ..Summary::of([("2048".into(), e)].into())
        };
        assert_eq!(serde_json::from_str::<Summary>(&serde_json::to_string(&s).unwrap()).unwrap(), s);
    }
}
