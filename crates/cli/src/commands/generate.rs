//! One response of a model, token by token.

use eyas_core::Rng;
use eyas_model::{Decoder, Feed, Sampling, SequenceId, sample};
use eyas_rollout::Agent;

/// What a model wrote.
pub(crate) struct Generated {
    /// The tokens, the end of turn included.
    pub(crate) ids: Vec<u32>,
    /// Their log-probabilities at the sampling temperature.
    pub(crate) logprobs: Vec<f32>,
    /// True when the model ended its turn, false when it was cut.
    pub(crate) ended: bool,
}

impl Generated {
    /// The tokens without the end of turn.
    pub(crate) fn words(&self) -> &[u32] {
        &self.ids[..self.ids.len() - usize::from(self.ended)]
    }
}

/// How a response is drawn.
pub(crate) struct Drawing<'a> {
    /// The sampler's settings.
    pub(crate) sampling: Sampling,
    /// Tokens that are never drawn.
    pub(crate) forbidden: &'a [u32],
    /// Most tokens, at least 1.
    pub(crate) limit: usize,
}

/// Reads `feed` and draws the response to it. `heard` is called with each token that is part of the text.
///
/// The last token drawn is not yet part of `sequence`: it has to come first in the next feed.
///
/// # Errors
/// When the model refuses the feed, or `heard` fails.
pub(crate) fn generate(
    agent: Agent<'_>,
    (decoder, sequence): (&mut Decoder<'_>, SequenceId),
    feed: Vec<Feed>,
    drawing: &Drawing<'_>,
    rng: &mut Rng,
    heard: &mut dyn FnMut(u32) -> anyhow::Result<()>,
) -> anyhow::Result<Generated> {
    let mut drawn = Generated { ids: Vec::new(), logprobs: Vec::new(), ended: false };
    let mut feed = feed;
    while !drawn.ended && drawn.ids.len() < drawing.limit {
        let mut logits = decoder.extend(&[(sequence, feed)])?;
        let token = sample(&mut logits, &drawing.sampling, drawing.forbidden, rng);
        drawn.ids.push(token.id);
        drawn.logprobs.push(token.logprob);
        drawn.ended = agent.tokenizer.eos_ids().contains(&token.id);
        if !drawn.ended {
            heard(token.id)?;
        }
        feed = vec![Feed::Text(vec![token.id])];
    }
    Ok(drawn)
}
