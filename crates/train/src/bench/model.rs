//! The model alone: training and sampling on token sequences, and the image processor.

use std::time::Instant;

use eyas_core::{Image, Rng, Seed, TokenKind, Trajectory};
use eyas_model::hf::{Qwen25VlConfig, SpecialTokens};
use eyas_model::processor::{ImageProcessor, ProcessorConfig};
use eyas_model::{
    AdamW, Decoder, Feed, ImageStore, Policy, PolicyError, ScoreOptions, Upstream, initial_weights,
    packed_tokens, sample,
};
use serde::Serialize;

use super::flops::{Load, forward};
use super::{BenchConfig, median};
use crate::TrainError;
use crate::optim::{MICRO_BATCH_TOKENS, micro_batches};

const VOCAB: u32 = 1024;
/// Words of a prompt besides its picture.
const PROMPT: usize = 24;

/// A training step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Training {
    /// Sequences of the batch.
    pub sequences: usize,
    /// Tokens of all sequences, visual ones included; shared ones count for each.
    pub tokens: usize,
    /// Forward, backward, gradient norm and AdamW, in seconds.
    pub step_secs: f64,
    /// Forward pass, in seconds.
    pub forward_secs: f64,
    /// Backward pass, in seconds.
    pub backward_secs: f64,
    /// Tokens of the batch by the time of a step.
    pub tokens_per_sec: f64,
    /// Billions of floating-point operations a second in matrix products, over the whole step.
    pub gflops: f64,
}

/// Sampling with shared prompts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sampling {
    /// Sequences at once.
    pub sequences: usize,
    /// Encoding pictures, reading prompts and drawing all tokens, in seconds.
    pub seconds: f64,
    /// Drawn tokens by that time.
    pub tokens_per_sec: f64,
}

/// A model with random weights, `width` times as wide as the tiny one.
fn policy(config: &BenchConfig) -> Result<Policy, TrainError> {
    let refused = |e: eyas_model::hf::ConfigError| TrainError::Listener(e.to_string());
    let mut shape = Qwen25VlConfig::tiny(VOCAB as usize, &SpecialTokens::FIRST).map_err(refused)?;
    let width = config.width.max(1);
    shape.text.hidden_size *= width;
    shape.text.intermediate_size *= width;
    shape.text.num_attention_heads *= width;
    shape.text.num_key_value_heads *= width;
    shape.vision.hidden_size *= width;
    shape.vision.intermediate_size *= width;
    shape.vision.num_heads *= width;
    shape.vision.out_hidden_size *= width;
    shape.validate().map_err(refused)?;
    let values = initial_weights(&shape, Seed::new(1));
    let processor = ImageProcessor::new(ProcessorConfig { min_pixels: 1, ..Default::default() })
        .map_err(PolicyError::from)?;
    let mut policy = Policy::new(shape, processor, values)?;
    policy.set_precision(config.precision);
    Ok(policy)
}

fn noise(side: u32, rng: &mut Rng) -> Result<Image, TrainError> {
    let pixels: Vec<u8> = (0..side * side * 3).map(|_| rng.below(256) as u8).collect();
    Image::new(side, side, pixels).map_err(|e| TrainError::Listener(e.to_string()))
}

fn words(n: usize, rng: &mut Rng) -> Vec<u32> {
    (0..n).map(|_| 10 + rng.below(VOCAB as usize - 10) as u32).collect()
}

/// Trains on `batch` separate sequences: a picture of its own, 26 other prompt tokens, `answer` tokens.
///
/// # Errors
/// When the sizes do not fit the model.
pub fn training(config: &BenchConfig) -> Result<Training, TrainError> {
    train(config, config.batch, 1)
}

/// The same for `groups` prompts with `group_size` answers each, whose members share their prompt.
///
/// # Errors
/// When the sizes do not fit the model.
pub fn group_training(config: &BenchConfig) -> Result<Training, TrainError> {
    train(config, config.groups, config.group_size)
}

fn train(config: &BenchConfig, groups: usize, group_size: usize) -> Result<Training, TrainError> {
    let mut policy = policy(config)?;
    let mut rng = Seed::new(2).rng();
    let mut store = ImageStore::default();
    let visual =
        policy.processor().token_count(config.image_side, config.image_side).map_err(PolicyError::from)?;
    let mut members = Vec::with_capacity(groups);
    for _ in 0..groups {
        let image = noise(config.image_side, &mut rng)?;
        store.add(policy.processor(), [&image])?;
        let mut t = Trajectory::new(5);
        t.push_text(&[3], 0)?;
        t.push_image(image.id(), visual, 0)?;
        t.push_text(&[4], 0)?;
        t.push_text(&words(PROMPT, &mut rng), 0)?;
        let mut group = vec![t; group_size];
        for t in &mut group {
            let answer = words(config.answer, &mut rng);
            t.push_sampled(&answer, &vec![TokenKind::Think; answer.len()], &vec![-1.0; answer.len()], 0)?;
        }
        members.push(group);
    }
    let batch: Vec<Vec<&Trajectory>> = members.iter().map(|group| group.iter().collect()).collect();
    let (sequences, tokens) = (groups * group_size, members.iter().flatten().map(Trajectory::len).sum());
    let options = ScoreOptions::default();
    let (mut steps, mut forwards, mut backwards) = (Vec::new(), Vec::new(), Vec::new());
    // The first two steps fill the allocator's pages.
    for step in 0..config.repeats + 2 {
        let clock = Instant::now();
        for micro in micro_batches(&batch, MICRO_BATCH_TOKENS) {
            policy.accumulate(micro, &store, &options, |s| {
                let n = s.logprobs.len();
                let mean = -1.0 / (sequences * config.answer) as f32;
                Ok::<_, PolicyError>(Upstream { d_logprobs: vec![mean; n], ..Upstream::default() })
            })?;
        }
        policy.apply(&AdamW::default());
        let seconds = clock.elapsed().as_secs_f64();
        let passes = policy.take_seconds();
        if step >= 2 {
            steps.push(seconds);
            forwards.push(passes.forward);
            backwards.push(passes.backward);
        }
    }
    // The last token of a sequence is predicted and has no row.
    let rows = batch.iter().map(|group| packed_tokens(group)).sum::<usize>() - sequences;
    let load = Load { tokens: rows, heads: sequences * config.answer, patches: groups * visual * 4 };
    let step_secs = median(steps);
    Ok(Training {
        sequences,
        tokens,
        step_secs,
        forward_secs: median(forwards),
        backward_secs: median(backwards),
        tokens_per_sec: tokens as f64 / step_secs,
        gflops: 3.0 * forward(policy.config(), load) / step_secs / 1e9,
    })
}

/// Draws `answer` tokens for `group_size` responses to each of `groups` prompts; one prompt and one
/// response measure a sequence alone.
///
/// # Errors
/// When the sizes do not fit the model.
pub fn sampling(config: &BenchConfig) -> Result<Sampling, TrainError> {
    let policy = policy(config)?;
    let mut rng = Seed::new(3).rng();
    let settings = eyas_model::Sampling::default();
    let mut runs = Vec::new();
    for run in 0..=config.repeats {
        let images = (0..config.groups).map(|_| noise(config.image_side, &mut rng));
        let images: Vec<Image> = images.collect::<Result<_, _>>()?;
        let clock = Instant::now();
        let mut store = ImageStore::default();
        store.add(policy.processor(), &images)?;
        let features = policy.encode(images.iter().map(Image::id), &store)?;
        let mut decoder = Decoder::new(&policy);
        let prompts: Vec<_> = images
            .iter()
            .map(|image| {
                let feed = vec![
                    Feed::Text(vec![3]),
                    Feed::Image(features[&image.id()].clone()),
                    Feed::Text(words(PROMPT + 1, &mut rng)),
                ];
                (decoder.open(), feed)
            })
            .collect();
        decoder.extend(&prompts)?;
        let mut feeds = Vec::new();
        for (sequence, _) in prompts {
            for fork in decoder.fork(sequence, config.group_size)? {
                feeds.push((fork, vec![Feed::Text(words(1, &mut rng))]));
            }
        }
        for _ in 0..config.answer {
            let mut logits = decoder.extend(&feeds)?;
            for ((_, feed), row) in feeds.iter_mut().zip(logits.chunks_exact_mut(VOCAB as usize)) {
                *feed = vec![Feed::Text(vec![sample(row, &settings, &[], &mut rng).id])];
            }
        }
        if run > 0 {
            runs.push(clock.elapsed().as_secs_f64());
        }
    }
    let (sequences, seconds) = (config.groups * config.group_size, median(runs));
    Ok(Sampling { sequences, seconds, tokens_per_sec: (sequences * config.answer) as f64 / seconds })
}

/// Seconds to make patches of one `width × height` picture, on one core.
///
/// # Errors
/// When the processor refuses the size.
pub fn image_processor(width: u32, height: u32, repeats: usize) -> Result<f64, TrainError> {
    let processor = ImageProcessor::new(ProcessorConfig::default()).map_err(PolicyError::from)?;
    let mut rng = Seed::new(4).rng();
    let pixels: Vec<u8> = (0..width * height * 3).map(|_| rng.below(256) as u8).collect();
    let image = Image::new(width, height, pixels).map_err(|e| TrainError::Listener(e.to_string()))?;
    let one_core = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let one_core = one_core.map_err(|e| TrainError::Listener(e.to_string()))?;
    let mut runs = Vec::new();
    for run in 0..=repeats {
        let clock = Instant::now();
        one_core.install(|| processor.process(&image)).map_err(PolicyError::from)?;
        if run > 0 {
            runs.push(clock.elapsed().as_secs_f64());
        }
    }
    Ok(median(runs))
}
