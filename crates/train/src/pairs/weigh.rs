//! How much the tokens of a pair count, and how sharply it is judged.

use eyas_algo::LossError;
use eyas_algo::loss::preference::{MarginBeta, Pair, edit_weights};
use eyas_core::Trajectory;

use super::Drawn;

/// Scales the `beta` of each pair by the difference of its rewards. `beta`: the smallest of the loss, to which the
/// floor of `cfg` applies. A pair without rewards is left as it is.
pub(crate) fn scale_betas(drawn: &mut Drawn, cfg: &MarginBeta, beta: f64) {
    let Drawn { episodes, pairs, told, .. } = drawn;
    let reward = |n: usize| episodes[n].total_score().map_or(f64::NAN, f64::from);
    for pair in pairs.iter_mut() {
        pair.beta_scale = cfg.scale(reward(pair.chosen) - reward(pair.rejected), beta);
    }
    if !pairs.is_empty() {
        told.push(("pairs/beta_scale", pairs.iter().map(|p| p.beta_scale).sum::<f64>() / pairs.len() as f64));
    }
}

/// Of the sampled tokens of a pair: of the chosen response, and of the rejected one.
pub(crate) type TokenWeights = (Vec<f32>, Vec<f32>);

/// The weight of each sampled token of both responses of each pair: 1, and `changed` where they differ.
///
/// # Errors
/// [`LossError::Config`] when `changed` is not a number of at least 0.
pub(crate) fn token_weights(drawn: &mut Drawn, changed: f64) -> Result<Vec<TokenWeights>, LossError> {
    let of_pair = |pair: &Pair| {
        let [chosen, rejected] = [pair.chosen, pair.rejected].map(|n| written(&drawn.episodes[n].trajectory));
        match changed == 1.0 {
            true => Ok((vec![1.0; chosen.len()], vec![1.0; rejected.len()])),
            false => edit_weights(&chosen, &rejected, changed as f32),
        }
    };
    let weights = drawn.pairs.iter().map(of_pair).collect::<Result<Vec<_>, LossError>>()?;
    let all: Vec<f32> = weights.iter().flat_map(|(a, b)| a.iter().chain(b)).copied().collect();
    if changed != 1.0 && !all.is_empty() {
        let differ = all.iter().filter(|weight| **weight != 1.0).count();
        drawn.told.push(("pairs/changed_tokens", differ as f64 / all.len() as f64));
    }
    Ok(weights)
}

/// The tokens that were sampled.
fn written(trajectory: &Trajectory) -> Vec<u32> {
    let tokens = trajectory.ids().iter().zip(trajectory.kinds());
    tokens.filter(|(_, kind)| kind.is_sampled()).map(|(id, _)| *id).collect()
}
