//! Episodes are drawn again by the size of their advantage.

use eyas_algo::advantage::shape::{Pad, pad_draw, pad_probabilities};
use eyas_core::Seed;

use super::update::Live;
use crate::TrainError;

/// Draws episodes of all groups with replacement, and leaves out groups of which none was drawn. How many draws
/// there were; 0 when no advantage lies within the settings' band: then nothing is learnt in this step.
pub(super) fn resample(live: &mut Vec<Live<'_>>, settings: &Pad, seed: Seed) -> Result<usize, TrainError> {
    let by_group: Vec<Vec<Option<f64>>> = live.iter().map(Live::whole).collect();
    let advantages: Vec<Option<f64>> = by_group.iter().flatten().copied().collect();
    let mut rng = seed.rng();
    let uniform: Vec<f64> = (0..settings.draws(advantages.len())).map(|_| rng.unit()).collect();
    let drawn = pad_draw(&pad_probabilities(&advantages, settings)?, &uniform)?;
    let mut counts = vec![0.0f32; advantages.len()];
    drawn.iter().for_each(|i| counts[*i] += 1.0);
    let mut rest = counts.as_slice();
    let mut some = Vec::with_capacity(live.len());
    for (live, members) in live.iter_mut().zip(&by_group) {
        let (own, others) = rest.split_at(members.len());
        rest = others;
        some.push(own.iter().any(|c| *c > 0.0));
        live.repeat(own.to_vec());
    }
    let mut some = some.into_iter();
    live.retain(|_| some.next().unwrap_or(false));
    Ok(drawn.len())
}
