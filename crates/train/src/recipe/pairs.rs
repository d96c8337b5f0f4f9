//! Where pairs come from, which responses are compared, and how much each pair and token counts.

use eyas_algo::loss::preference::{HardSample, MarginBeta, PreferenceConfig};
use eyas_gym::ResponseStyle;
use eyas_model::Corruption;
use eyas_reward::RewardSpec;
use serde::{Deserialize, Serialize};

use super::at::At;
use super::file::RewardFile;
use super::reward::{check_judges, rewards};
use super::{EnvChoice, JudgeSettings, Problem, RecipeError};

/// Where pairs come from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PairSettings {
    /// The responses.
    pub source: PairSource,
    /// Starts of a step, at least 1; with the source `policy` they are `rollout.groups` instead. Default 16.
    pub count: usize,
    /// Most states of an episode that are corrected, drawn from those that the policy came to; at least 1, and 1
    /// with other sources than `corrected`. Default 1.
    pub states: usize,
    /// The least difference of the rewards of a pair, at least 0; 0 with other sources than `policy`. Default 0: any.
    pub margin: f64,
    /// Which members of a group are compared; with the source `policy`. Default: the best and the worst.
    pub select: PairSelect,
}

impl Default for PairSettings {
    fn default() -> Self {
        Self { source: PairSource::Oracle, count: 16, states: 1, margin: 0.0, select: PairSelect::Extremes }
    }
}

/// Who wrote the responses of a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairSource {
    /// Demonstrations: the oracle's against one that plays random legal actions.
    #[default]
    Oracle,
    /// The policy, now: members of a group against each other, by their rewards (online).
    Policy,
    /// The oracle's demonstration against what the policy plays when its pictures are spoilt
    /// (`corruption`), so that what can be said blindly is unlearnt. Both are scored with the true pictures.
    ///
    /// Blind preference optimisation: arXiv 2503.14189; bootstrapped preference optimisation: Pi et al.,
    /// arXiv 2403.08730. **Reading:** the chosen response is the oracle's.
    Blind,
    /// In states that the policy came to, what the oracle would have written against what it wrote itself. The
    /// turns before are given to both.
    ///
    /// **Faithful:** an expert corrects the student on the student's own states (DAgger; EMMA: Yang et al.,
    /// arXiv 2311.16714). **Reading:** the expert is the oracle, which reads the environment's true state.
    Corrected,
}

/// Which members of a group are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum PairSelect {
    /// The best against the worst.
    #[default]
    Extremes,
    /// Every two whose rewards differ, at most so many of a group, those that differ most
    /// ([`all_pairs`](eyas_algo::loss::preference::all_pairs), RLAIF-V).
    All {
        /// Pairs of a group at most, at least 1. Default 2.
        #[serde(default = "two")]
        most: usize,
        /// Pairs of the step whose better response is much shorter are left out, so that length is no hint: see
        /// [`length_balanced`](eyas_algo::loss::preference::length_balanced); lengths in tokens. Default false.
        #[serde(default)]
        balanced: bool,
    },
    /// Right ones against wrong ones, weighted by how hard the start is (GuardReasoner): see
    /// [`hard_sample_pairs`](eyas_algo::loss::preference::hard_sample_pairs).
    HardSamples {
        /// Largest change of a pair's weight, in `0..1`. Default 0.2.
        #[serde(default = "gamma")]
        gamma: f64,
        /// A reward of at least so much is right, any other wrong. Default 1.
        #[serde(default = "one")]
        right: f64,
    },
}

fn two() -> usize {
    2
}

fn gamma() -> f64 {
    HardSample::default().gamma
}

fn one() -> f64 {
    1.0
}

/// How much the tokens of a pair count, and how sharply it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PairWeights {
    /// Weight of the tokens in which two responses differ, those they have in common weigh 1 (DDPO of RLHF-V, see
    /// [`edit_weights`](eyas_algo::loss::preference::edit_weights)); at least 0. Default 1.
    pub changed_tokens: f64,
    /// A pair whose rewards differ more has a larger `beta` (MM-DPO); absent: all alike. Its `min_beta` holds for
    /// the smallest `beta` of the loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin_beta: Option<MarginBeta>,
}

impl Default for PairWeights {
    fn default() -> Self {
        Self { changed_tokens: 1.0, margin_beta: None }
    }
}

pub(super) fn pairs(file: Option<PairSettings>, at: &At<'_>) -> Result<PairSettings, RecipeError> {
    let pairs = file.unwrap_or_default();
    let PairSettings { source, count, states, margin, select } = pairs;
    let at = at.at("pairs");
    at.at("count").count(count)?;
    at.at("states").count(states)?;
    at.at("margin").zero_or_more(margin)?;
    if states > 1 && source != PairSource::Corrected {
        return Err(at.at("states").fail(Problem::NoStates));
    }
    if source != PairSource::Policy && margin > 0.0 {
        return Err(at.at("margin").fail(Problem::UnrewardedPairs));
    }
    if source != PairSource::Policy && select != PairSelect::Extremes {
        return Err(at.at("select").fail(Problem::NoGroups));
    }
    let at_select = at.at("select");
    match select {
        PairSelect::Extremes => {}
        PairSelect::All { most, .. } => drop(at_select.at("most").count(most)?),
        PairSelect::HardSamples { gamma, right } => {
            HardSample { gamma }.check().map_err(|error| at_select.fail(error))?;
            at_select.at("right").range(right, right.is_finite(), "a finite number")?;
            if margin > 0.0 {
                return Err(at.at("margin").fail(Problem::RightByMargin));
            }
        }
    }
    Ok(pairs)
}

/// Checks what a preference stage makes of its pairs.
pub(super) fn check_preference(
    pairs: &PairSettings,
    weights: &PairWeights,
    loss: &PreferenceConfig,
    corruption: Corruption,
    at: &At<'_>,
) -> Result<(), RecipeError> {
    if pairs.source == PairSource::Blind && !corruption.spoils() {
        return Err(at.at("corruption").fail(Problem::NothingSpoilt));
    }
    let used = || loss.terms.iter().filter(|term| term.weight > 0.0);
    let weighed = matches!(pairs.select, PairSelect::HardSamples { .. });
    if weighed && used().any(|term| !term.loss.weighs_pairs()) {
        return Err(at.at("pairs.select").fail(Problem::UnweighedPairs));
    }
    let at = at.at("pair_weights");
    at.at("changed_tokens").zero_or_more(weights.changed_tokens)?;
    if let Some(scaling) = weights.margin_beta {
        let at = at.at("margin_beta");
        scaling.check().map_err(|error| at.fail(error))?;
        if pairs.source != PairSource::Policy {
            return Err(at.fail(Problem::UnrewardedPairs));
        }
        if loss.least_beta().is_none() {
            return Err(at.fail(Problem::NoBeta));
        }
    }
    Ok(())
}

/// Checks that the stage of a reward model has what its pairs need.
pub(super) fn check_reward_model(pairs: &PairSettings, at: &At<'_>) -> Result<(), RecipeError> {
    let at = at.at("pairs");
    if pairs.source == PairSource::Blind {
        return Err(at.at("source").fail(Problem::BlindRewards));
    }
    if matches!(pairs.select, PairSelect::HardSamples { .. }) {
        return Err(at.at("select").fail(Problem::UnweighedPairs));
    }
    Ok(())
}

/// The rewards that pairs of the policy's own are judged by.
pub(super) fn pair_rewards(
    pairs: &PairSettings,
    files: Option<Vec<RewardFile>>,
    style: ResponseStyle,
    env: &[EnvChoice],
    judges: &[JudgeSettings],
    at: &At<'_>,
) -> Result<Vec<RewardSpec>, RecipeError> {
    if pairs.source != PairSource::Policy {
        // A resolved recipe writes out that there are none.
        return match files.is_some_and(|rewards| !rewards.is_empty()) {
            true => Err(at.fail(Problem::JudgedPairs)),
            false => Ok(Vec::new()),
        };
    }
    let reward = rewards(files.unwrap_or_default(), style, env, at)?;
    check_judges(&reward, judges, false, at)?;
    // The reference is not asked for likelihoods here.
    if let Some(n) = reward.iter().position(|r| r.reads_field("answer_logprob")) {
        return Err(at.at(n).fail(Problem::Unsupplied { field: "answer_logprob".into() }));
    }
    Ok(reward)
}
