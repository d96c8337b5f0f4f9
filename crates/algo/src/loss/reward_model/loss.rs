//! The losses that a stage can train a reward model with, by name.

use serde::{Deserialize, Serialize};

use super::{
    BradleyTerry, Regression, ScoreError, ScoreLoss, ScorePair, bradley_terry_loss, regression_loss,
};
use crate::loss::{LossError, at_least_zero};

/// Which loss, and what it reads of the true rewards.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RewardModelLoss {
    /// The better response of each pair shall score higher: [`bradley_terry_loss`].
    BradleyTerry(PairLoss),
    /// Each response shall score its true reward: [`regression_loss`].
    Regression(Regression),
}

/// Settings of Bradley–Terry over pairs whose true rewards may be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PairLoss {
    /// See [`BradleyTerry::center`]. Default 0.
    pub center: f64,
    /// The margin of a pair is the difference of its true rewards times this; at least 0. Default 0: none.
    pub margin: f64,
}

impl Default for RewardModelLoss {
    fn default() -> Self {
        Self::BradleyTerry(PairLoss::default())
    }
}

/// The scores of pairs, one behind the other: the better response's at `2i`, the other's at `2i + 1`.
#[derive(Clone, Copy, Debug)]
pub struct ScoredPairs<'a> {
    /// What the reward model says.
    pub scores: &'a [f32],
    /// The true reward of each response; `None` where it is not known.
    pub rewards: &'a [Option<f64>],
}

impl RewardModelLoss {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`LossError::Config`] naming the setting.
    pub fn check(&self) -> Result<(), LossError> {
        match self {
            Self::BradleyTerry(PairLoss { center, margin }) => {
                BradleyTerry { center: *center }.check()?;
                at_least_zero("margin", *margin)
            }
            Self::Regression(Regression { loss }) => loss.check(),
        }
    }

    /// Whether it reads the true rewards.
    pub fn reads_rewards(&self) -> bool {
        match self {
            Self::BradleyTerry(cfg) => cfg.margin > 0.0,
            Self::Regression(_) => true,
        }
    }
}

/// The loss of the reward model, a mean over `pairs`, their number in the whole update. Metrics whatever the
/// loss: `accuracy`, how often the better response scores higher, and `margin`, by how much.
///
/// # Errors
/// [`ScoreError`] naming the setting, the score or the reward that is not there.
pub fn reward_model_loss(
    batch: &ScoredPairs<'_>,
    cfg: &RewardModelLoss,
    pairs: f64,
) -> Result<ScoreLoss, ScoreError> {
    let ScoredPairs { scores, rewards } = *batch;
    super::check_length("rewards", rewards.len(), scores.len())?;
    let reward =
        |index: usize| rewards[index].ok_or(ScoreError::Value { name: "reward", index, value: f64::NAN });
    let mut ranked = Vec::with_capacity(scores.len() / 2);
    for chosen in (0..scores.len() / 2).map(|i| 2 * i) {
        let pair = ScorePair::new(chosen, chosen + 1);
        ranked.push(match cfg {
            RewardModelLoss::BradleyTerry(PairLoss { margin, .. }) if *margin > 0.0 => {
                ScorePair { margin: margin * (reward(chosen)? - reward(chosen + 1)?), ..pair }
            }
            _ => pair,
        });
    }
    let center = match cfg {
        RewardModelLoss::BradleyTerry(cfg) => cfg.center,
        RewardModelLoss::Regression(_) => 0.0,
    };
    let by_pairs = bradley_terry_loss(scores, &ranked, &BradleyTerry { center }, pairs)?;
    match cfg {
        RewardModelLoss::BradleyTerry(_) => Ok(by_pairs),
        RewardModelLoss::Regression(cfg) => {
            let targets: Vec<Option<f32>> =
                (0..scores.len()).map(|i| Ok(Some(reward(i)? as f32))).collect::<Result<_, ScoreError>>()?;
            let mut loss = regression_loss(scores, &targets, cfg, 2.0 * pairs)?;
            loss.metrics.extend(by_pairs.metrics);
            Ok(loss)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::RegressionLoss;
    use super::super::testing::{assert_slopes, near};
    use super::*;

    fn run(scores: &[f32], rewards: &[Option<f64>], cfg: RewardModelLoss) -> Result<ScoreLoss, ScoreError> {
        reward_model_loss(&ScoredPairs { scores, rewards }, &cfg, scores.len() as f64 / 2.0)
    }

    #[test]
    fn by_hand() {
        // r_c − r_r = ln 3 + 1, the margin 0.5·(3 − 1): σ(ln 3) = 3/4.
        let scores = [1.0 + 3f32.ln(), 0.0];
        let rewards = [Some(3.0), Some(1.0)];
        let pairs = |margin| RewardModelLoss::BradleyTerry(PairLoss { margin, ..PairLoss::default() });
        let loss = run(&scores, &rewards, pairs(0.5)).unwrap();
        near(loss.value, -(0.75f64.ln()));
        near(f64::from(loss.d_score[0]), -0.25);
        assert!(run(&scores, &[None; 2], pairs(0.0)).unwrap().value < loss.value, "no margin, no rewards");

        // Errors −1 and 2: (½ + 2) / 2 responses; the pair is in order.
        let squared = RewardModelLoss::Regression(Regression { loss: RegressionLoss::Squared });
        let loss = run(&[2.0, 1.0], &[Some(3.0), Some(-1.0)], squared).unwrap();
        near(loss.value, 1.25);
        assert_eq!(loss.d_score, [-0.5, 1.0]);
        near(loss.metrics["accuracy"].value(), 1.0);
        near(loss.metrics["margin"].value(), 1.0);
        near(loss.metrics["error"].value(), 1.5);
    }

    #[test]
    fn slopes_of_both() {
        let (scores, rewards) = ([0.5f32, -0.3, 0.1, 0.9], [Some(1.0), Some(0.0), Some(0.75), Some(0.5)]);
        for cfg in [
            RewardModelLoss::BradleyTerry(PairLoss { center: 0.1, margin: 1.5 }),
            RewardModelLoss::Regression(Regression::default()),
        ] {
            let got = run(&scores, &rewards, cfg).unwrap().d_score;
            assert_slopes(&scores, &got, |s| run(s, &rewards, cfg).unwrap().value);
        }
    }

    #[test]
    fn bad_input_is_named() {
        let squared = RewardModelLoss::Regression(Regression::default());
        let margin = RewardModelLoss::BradleyTerry(PairLoss { margin: 1.0, ..PairLoss::default() });
        for cfg in [squared, margin] {
            let missing = run(&[0.0; 2], &[Some(1.0), None], cfg);
            assert!(
                matches!(missing, Err(ScoreError::Value { name: "reward", index: 1, .. })),
                "{missing:?}"
            );
            assert!(cfg.reads_rewards());
        }
        assert!(run(&[0.0; 2], &[], squared).is_err());
        assert!(!RewardModelLoss::default().reads_rewards());
        for margin in [-1.0, f64::NAN] {
            assert!(
                RewardModelLoss::BradleyTerry(PairLoss { margin, ..PairLoss::default() }).check().is_err()
            );
        }
        let read = |text| serde_json::from_str::<RewardModelLoss>(text);
        assert_eq!(read(r#"{"kind": "bradley_terry"}"#).unwrap(), RewardModelLoss::default());
        assert!(read(r#"{"kind": "bradley_terry", "centre": 1}"#).is_err());
    }
}
