//! Times decoding of the tiny model by the number of open sequences, in groups of 8 that share a prompt.
//! `cargo run --release -p eyas-model --example decode_speed [-- PROMPT [SEQUENCES]]`
use std::time::Instant;

use eyas_core::Seed;
use eyas_model::hf::{Qwen25VlConfig, SpecialTokens};
use eyas_model::processor::{ImageProcessor, ProcessorConfig};
use eyas_model::{Decoder, Feed, Policy, Precision, initial_weights};

#[global_allocator]
static ALLOCATOR: eyas_model::Allocator = eyas_model::Allocator;

/// Passes that are timed, and how often; the fastest counts.
const PASSES: usize = 48;
const ROUNDS: usize = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    eyas_model::keep_pages();
    let config = Qwen25VlConfig::tiny(640, &SpecialTokens::FIRST)?;
    let mut rng = Seed::new(1).rng();
    let values = initial_weights(&config, Seed::new(1));
    let mut policy = Policy::new(config, ImageProcessor::new(ProcessorConfig::default())?, values)?;
    if std::env::args().any(|a| a == "bf16") {
        policy.set_precision(Precision::Bf16);
    }
    let prompt = std::env::args().nth(1).map_or(Ok(300), |n| n.parse::<usize>())?;
    println!("prompt of {prompt} tokens, {PASSES} passes");
    let only = std::env::args().nth(2).and_then(|n| n.parse::<usize>().ok());
    for count in only.map_or(vec![1, 2, 4, 8, 16, 24, 32, 48, 64, 128], |n| vec![n]) {
        let mut best = f64::INFINITY;
        let mut prefill = f64::INFINITY;
        for _ in 0..ROUNDS {
            let mut decoder = Decoder::new(&policy);
            let mut feeds = Vec::new();
            for _ in 0..usize::div_ceil(count, 8) {
                let ids = (0..prompt).map(|_| 10 + rng.below(600) as u32).collect();
                feeds.push((decoder.open(), vec![Feed::Text(ids)]));
            }
            let clock = Instant::now();
            decoder.extend(&feeds)?;
            prefill = prefill.min(clock.elapsed().as_secs_f64() * 1e3 / feeds.len() as f64);
            let mut members = Vec::new();
            for (id, _) in feeds {
                members.extend(decoder.fork(id, 8)?);
            }
            members.truncate(count);
            let clock = Instant::now();
            for _ in 0..PASSES {
                let feeds: Vec<_> = members
                    .iter()
                    .map(|id| (*id, vec![Feed::Text(vec![10 + rng.below(600) as u32])]))
                    .collect();
                decoder.extend(&feeds)?;
            }
            best = best.min(clock.elapsed().as_secs_f64() * 1e3 / PASSES as f64);
        }
        let speed = count as f64 / best * 1e3;
        println!(
            "{count:4} sequences: {best:6.2} ms a pass, {speed:6.0} tok/s; prefill {prefill:5.2} ms a prompt"
        );
    }
    Ok(())
}
