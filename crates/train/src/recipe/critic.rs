//! Critics of utterances: how they are taught, and when the policy begins to learn from them.

use eyas_algo::loss::value::twin::TwinCritic;
use serde::{Deserialize, Serialize};

use super::RecipeError;
use super::at::At;

/// Twin critics of whole utterances, taught from replay, whose advantages train the policy (ArCHer: Zhou et al.,
/// arXiv 2402.19446). An utterance is what the policy writes in one turn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CriticSettings {
    /// Discount, step of the target networks, and what the critics are regressed on.
    pub loss: TwinCritic,
    /// Units of a critic's hidden layer, at least 1. Default 128.
    pub hidden: usize,
    /// Learning rate of the critics, above 0. Default 1e-3.
    pub lr: f64,
    /// Updates of the critics in a step, at least 1. Default 32.
    pub updates: usize,
    /// Utterances of an update, drawn with replacement, at least 1. Default 64.
    pub batch: usize,
    /// The newest utterances that are kept to be drawn from, at least 1. Default 4096.
    pub replay: usize,
    /// Steps in which only the critics are trained. Default 0.
    pub warmup_steps: u64,
    /// Advantages are normalised over the batch. Default false.
    pub whiten: bool,
}

impl Default for CriticSettings {
    fn default() -> Self {
        Self {
            loss: TwinCritic::default(),
            hidden: 128,
            lr: 1e-3,
            updates: 32,
            batch: 64,
            replay: 4096,
            warmup_steps: 0,
            whiten: false,
        }
    }
}

impl CriticSettings {
    pub(super) fn check(&self, at: &At<'_>) -> Result<(), RecipeError> {
        self.loss.check().map_err(|error| at.at("loss").fail(error))?;
        at.at("hidden").count(self.hidden)?;
        at.at("lr").positive(self.lr)?;
        at.at("updates").count(self.updates)?;
        at.at("batch").count(self.batch)?;
        at.at("replay").count(self.replay)?;
        Ok(())
    }
}
