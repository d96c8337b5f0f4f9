//! The preference loss: a weighted list of terms.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Anchor, BcoPair, Counts, Cpo, Dpo, Hinge, ImagePreference, Ipo, Kto, Nll, Orpo, PreferenceBatch,
    PreferenceError, PreferenceSum, RobustDpo, Simpo, Sums,
};
use super::{
    add_anchor, add_bco_pair, add_cpo, add_dpo, add_hinge, add_image_preference, add_ipo, add_kto, add_nll,
    add_orpo, add_robust_dpo, add_simpo,
};
use crate::loss::{LossError, Mean, at_least_zero};

/// One part of a preference loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PreferenceTerm {
    /// See [`add_dpo`].
    Dpo(Dpo),
    /// See [`add_robust_dpo`].
    RobustDpo(RobustDpo),
    /// See [`add_ipo`].
    Ipo(Ipo),
    /// See [`add_hinge`].
    Hinge(Hinge),
    /// See [`add_kto`].
    Kto(Kto),
    /// See [`add_bco_pair`].
    BcoPair(BcoPair),
    /// See [`add_simpo`].
    Simpo(Simpo),
    /// See [`add_cpo`].
    Cpo(Cpo),
    /// See [`add_orpo`].
    Orpo(Orpo),
    /// See [`add_nll`].
    Nll(Nll),
    /// See [`add_image_preference`].
    Image(ImagePreference),
    /// See [`add_anchor`].
    Anchor(Anchor),
}

impl PreferenceTerm {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`LossError::Config`] naming the setting.
    pub fn check(&self) -> Result<(), LossError> {
        match self {
            Self::Dpo(cfg) => cfg.check(),
            Self::RobustDpo(cfg) => cfg.check(),
            Self::Ipo(cfg) => cfg.check(),
            Self::Hinge(cfg) => cfg.check(),
            Self::Kto(cfg) => cfg.check(),
            Self::BcoPair(cfg) => cfg.check(),
            Self::Simpo(cfg) => cfg.check(),
            Self::Cpo(cfg) => cfg.check(),
            Self::Orpo(cfg) => cfg.check(),
            Self::Nll(_) => Ok(()),
            Self::Image(cfg) => cfg.check(),
            Self::Anchor(cfg) => cfg.check(),
        }
    }

    /// Adds `weight` times this term.
    ///
    /// # Errors
    /// [`LossError`] when an input is missing.
    pub fn add(&self, sums: &Sums<'_>, weight: f64, sum: &mut PreferenceSum) -> Result<(), LossError> {
        match self {
            Self::Dpo(cfg) => add_dpo(sums, cfg, weight, sum),
            Self::RobustDpo(cfg) => add_robust_dpo(sums, cfg, weight, sum),
            Self::Ipo(cfg) => add_ipo(sums, cfg, weight, sum),
            Self::Hinge(cfg) => add_hinge(sums, cfg, weight, sum),
            Self::Kto(cfg) => add_kto(sums, cfg, weight, sum),
            Self::BcoPair(cfg) => add_bco_pair(sums, cfg, weight, sum),
            Self::Simpo(cfg) => add_simpo(sums, cfg, weight, sum),
            Self::Cpo(cfg) => add_cpo(sums, cfg, weight, sum),
            Self::Orpo(cfg) => add_orpo(sums, cfg, weight, sum),
            Self::Nll(cfg) => add_nll(sums, cfg, weight, sum),
            Self::Image(cfg) => add_image_preference(sums, cfg, weight, sum),
            Self::Anchor(cfg) => add_anchor(sums, cfg, weight, sum),
        }
    }

    /// Whether it reads log-probs with a corrupted picture.
    pub fn reads_pictures(&self) -> bool {
        matches!(self, Self::Image(_))
    }

    /// Whether it is a mean over pairs, so that [`Pair::weight`](super::Pair::weight) counts.
    pub fn weighs_pairs(&self) -> bool {
        !matches!(self, Self::Kto(_))
    }

    /// The `beta` that [`Pair::beta_scale`](super::Pair::beta_scale) multiplies, if it does.
    pub fn pair_beta(&self) -> Option<f64> {
        match self {
            Self::Kto(_) | Self::Nll(_) => None,
            Self::Dpo(c) => Some(c.beta),
            Self::RobustDpo(c) => Some(c.beta),
            Self::Ipo(c) => Some(c.beta),
            Self::Hinge(c) => Some(c.beta),
            Self::BcoPair(c) => Some(c.beta),
            Self::Simpo(c) => Some(c.beta),
            Self::Cpo(c) => Some(c.beta),
            Self::Orpo(c) => Some(c.beta),
            Self::Image(c) => Some(c.beta),
            Self::Anchor(c) => Some(c.beta),
        }
    }

    /// The reward that this term implies for a sequence: `beta` times its log-ratio to the reference, or its
    /// (mean) log-prob where there is no reference. For the metrics.
    fn reward(&self, sums: &Sums<'_>, s: usize) -> Result<f64, LossError> {
        const BY: &str = "a reward";
        let (beta, score) = match self {
            Self::Dpo(c) => (c.beta, sums.log_ratio(s, c.average, BY)?),
            Self::RobustDpo(c) => (c.beta, sums.log_ratio(s, false, BY)?),
            Self::Ipo(c) => (c.beta, sums.log_ratio(s, false, BY)?),
            Self::Hinge(c) if c.reference_free => (c.beta, sums.log_prob(s, false)),
            Self::Hinge(c) => (c.beta, sums.log_ratio(s, false, BY)?),
            Self::Kto(c) => (c.beta, sums.log_ratio(s, false, BY)?),
            Self::BcoPair(c) => (c.beta, sums.log_ratio(s, false, BY)?),
            Self::Simpo(c) => (c.beta, sums.log_prob(s, true)),
            Self::Cpo(c) => (c.beta, sums.log_prob(s, false)),
            Self::Orpo(c) => (c.beta, sums.log_prob(s, true)),
            Self::Nll(_) => (1.0, sums.log_prob(s, false)),
            Self::Image(c) => (c.beta, sums.log_ratio(s, false, BY)?),
            Self::Anchor(c) => (c.beta, sums.log_ratio(s, false, BY)?),
        };
        Ok(beta * score.value)
    }

    fn divisor(&self, counts: &Counts, sums: &Sums<'_>) -> (bool, f64) {
        match self {
            Self::Kto(_) => (sums.labels.is_some_and(|l| l.iter().any(Option::is_some)), counts.labels),
            Self::Nll(Nll { mean: super::NllMean::Token }) => {
                (sums.pairs.iter().any(|p| sums.length[p.chosen] > 0.0), counts.chosen_tokens)
            }
            _ => (!sums.pairs.is_empty(), counts.pairs),
        }
    }
}

/// A term and how much it counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightedTerm {
    /// Finite, at least 0.
    pub weight: f64,
    /// The term.
    pub loss: PreferenceTerm,
}

/// Settings of [`preference_loss`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PreferenceConfig {
    /// What is added up. The rewards in the metrics are those of the first.
    pub terms: Vec<WeightedTerm>,
}

impl Default for PreferenceConfig {
    /// DPO.
    fn default() -> Self {
        Self::of(&[(1.0, PreferenceTerm::Dpo(Dpo::default()))])
    }
}

impl PreferenceConfig {
    /// These terms with these weights.
    pub fn of(terms: &[(f64, PreferenceTerm)]) -> Self {
        Self { terms: terms.iter().map(|&(weight, loss)| WeightedTerm { weight, loss }).collect() }
    }

    /// Mixed preference optimisation: 0.8 DPO + 0.2 BCO + 1 NLL of the chosen responses (MPO: Wang et al.,
    /// arXiv 2411.10442, eq. 3). **Faithful:** the weights of InternVL's scripts.
    pub fn mpo(beta: f64) -> Self {
        Self::of(&[
            (0.8, PreferenceTerm::Dpo(Dpo { beta, ..Dpo::default() })),
            (0.2, PreferenceTerm::BcoPair(BcoPair { beta })),
            (1.0, PreferenceTerm::Nll(Nll::default())),
        ])
    }

    /// rDPO of Re-Align: DPO on the responses and DPO on the pictures (arXiv 2502.13146). `2·ln 2` where
    /// policy and reference agree.
    pub fn rdpo(beta: f64) -> Self {
        Self::of(&[
            (1.0, PreferenceTerm::Dpo(Dpo { beta, ..Dpo::default() })),
            (1.0, PreferenceTerm::Image(ImagePreference { beta })),
        ])
    }

    /// mDPO: [`Self::rdpo`] and an anchor (arXiv 2406.11839).
    pub fn mdpo(beta: f64) -> Self {
        let mut cfg = Self::rdpo(beta);
        let loss = PreferenceTerm::Anchor(Anchor { beta, ..Anchor::default() });
        cfg.terms.push(WeightedTerm { weight: 1.0, loss });
        cfg
    }

    /// ORPO: the odds ratio and the NLL of the chosen responses (arXiv 2403.07691, eq. 6).
    pub fn orpo(beta: f64) -> Self {
        Self::of(&[(1.0, PreferenceTerm::Orpo(Orpo { beta })), (1.0, PreferenceTerm::Nll(Nll::default()))])
    }

    /// CPO: the preference and the NLL of the chosen responses (arXiv 2401.08417).
    pub fn cpo(beta: f64) -> Self {
        Self::of(&[
            (1.0, PreferenceTerm::Cpo(Cpo { beta, ..Cpo::default() })),
            (1.0, PreferenceTerm::Nll(Nll::default())),
        ])
    }

    /// The smallest `beta` of its terms that a pair can scale; `None` where none has one.
    pub fn least_beta(&self) -> Option<f64> {
        let used = self.terms.iter().filter(|term| term.weight > 0.0);
        used.filter_map(|term| term.loss.pair_beta()).reduce(f64::min)
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`LossError::Config`] naming the setting.
    pub fn check(&self) -> Result<(), LossError> {
        if self.terms.is_empty() {
            return Err(LossError::Config { name: "terms", value: 0.0, range: "at least one" });
        }
        self.terms.iter().try_for_each(|t| {
            at_least_zero("weight", t.weight)?;
            t.loss.check()
        })
    }
}

/// What the loss says.
#[derive(Clone, Debug, PartialEq)]
pub struct PreferenceLoss {
    /// The loss, to be minimised.
    pub value: f64,
    /// Its derivative by each token's log-prob; 0 where the weight is 0.
    pub d_logprob: Vec<f32>,
    /// Its derivative by each token's log-prob with the corrupted picture; empty: all 0.
    pub d_masked: Vec<f32>,
    /// Means by name: `rewards/chosen`, `rewards/rejected`, `rewards/margins`, `rewards/accuracies` (how often
    /// the chosen one has the larger reward), `logps/chosen`, `logps/rejected`, and those of the terms.
    pub metrics: BTreeMap<&'static str, Mean>,
}

/// `L = Σ_k weight_k · term_k`. Each term is a mean over pairs, over labelled sequences (KTO) or over chosen
/// tokens (NLL).
///
/// `counts`: the sum of [`PreferenceBatch::counts`] over all micro-batches of the update, so that their losses
/// and derivatives add up to those of the whole. Without pairs the rewards in the metrics are those of
/// desirable and undesirable sequences; there are no margins then, as nothing is compared.
///
/// A term of weight 0 needs no input and is not computed.
///
/// # Errors
/// [`PreferenceError`] when a setting is out of range, lengths differ, an input is missing, a count that
/// something is divided by is not positive, or a number that counts is not finite.
pub fn preference_loss(
    batch: &PreferenceBatch<'_>,
    cfg: &PreferenceConfig,
    counts: Counts,
) -> Result<PreferenceLoss, PreferenceError> {
    cfg.check()?;
    let sums = batch.sums(counts)?;
    let mut sum = PreferenceSum::new(sums.logprob.len());
    for term in cfg.terms.iter().filter(|t| t.weight > 0.0) {
        let (used, divisor) = term.loss.divisor(&counts, &sums);
        if used {
            crate::loss::check_denominator(divisor)?;
        }
        term.loss.add(&sums, term.weight, &mut sum)?;
    }
    if let Some(first) = cfg.terms.iter().find(|t| t.weight > 0.0) {
        see_rewards(&sums, &first.loss, &mut sum)?;
    }
    let (d_logprob, d_masked) = sum.by_token(batch)?;
    Ok(PreferenceLoss { value: sum.value, d_logprob, d_masked, metrics: sum.metrics })
}

fn see_rewards(sums: &Sums<'_>, term: &PreferenceTerm, sum: &mut PreferenceSum) -> Result<(), LossError> {
    for pair in sums.pairs {
        let (chosen, rejected) = (term.reward(sums, pair.chosen)?, term.reward(sums, pair.rejected)?);
        sum.see("rewards/chosen", chosen);
        sum.see("rewards/rejected", rejected);
        sum.see("rewards/margins", chosen - rejected);
        sum.see("rewards/accuracies", f64::from(u8::from(chosen > rejected)));
        sum.see("logps/chosen", sums.logprob[pair.chosen]);
        sum.see("logps/rejected", sums.logprob[pair.rejected]);
    }
    if let Some(labels) = sums.labels.filter(|_| sums.pairs.is_empty()) {
        for (s, label) in labels.iter().enumerate().filter_map(|(s, l)| Some((s, (*l)?))) {
            let (reward, logp) = if label {
                ("rewards/chosen", "logps/chosen")
            } else {
                ("rewards/rejected", "logps/rejected")
            };
            sum.see(reward, term.reward(sums, s)?);
            sum.see(logp, sums.logprob[s]);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
