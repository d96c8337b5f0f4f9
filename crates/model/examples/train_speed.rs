//! Times training steps and sampling of the tiny model: 32 sequences, each one picture of 16 visual
//! tokens, 26 other prompt tokens and 64 answer tokens; with `groups`, 16 groups of 8 that share their prompt,
//! three at a time.
//! `cargo run --release -p eyas-model --example train_speed [-- STEPS [groups] [bf16]]`
use std::time::Instant;

use eyas_core::{Image, Seed, TokenKind, Trajectory};
use eyas_model::hf::{Qwen25VlConfig, SpecialTokens};
use eyas_model::processor::{ImageProcessor, ProcessorConfig};
use eyas_model::{
    AdamW, Decoder, Feed, ImageStore, Policy, PolicyError, Precision, Sampling, ScoreOptions, Upstream,
    initial_weights, sample,
};

#[global_allocator]
static ALLOCATOR: eyas_model::Allocator = eyas_model::Allocator;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    eyas_model::keep_pages();
    let config = Qwen25VlConfig::tiny(1024, &SpecialTokens::FIRST)?;
    let mut rng = Seed::new(1).rng();
    let values = initial_weights(&config, Seed::new(1));
    let mut policy = Policy::new(
        config,
        ImageProcessor::new(ProcessorConfig { min_pixels: 1, ..Default::default() })?,
        values,
    )?;
    if std::env::args().any(|a| a == "bf16") {
        policy.set_precision(Precision::Bf16);
    }
    let mut store = ImageStore::default();
    // Prompts, answers to each, and prompts that are trained on at once.
    let (prompts, members, at_once) =
        if std::env::args().any(|a| a == "groups") { (16, 8, 3) } else { (32, 1, 32) };
    let trajectories: Vec<Vec<Trajectory>> = (0..prompts)
        .map(|_| {
            let pixels: Vec<u8> = (0..112 * 112 * 3).map(|_| rng.below(256) as u8).collect();
            let image = Image::new(112, 112, pixels).map_err(|e| e.to_string())?;
            store.add(policy.processor(), [&image]).map_err(|e| e.to_string())?;
            let mut t = Trajectory::new(5);
            let ids = |rng: &mut eyas_core::Rng, n: usize| {
                (0..n).map(|_| 10 + rng.below(1000) as u32).collect::<Vec<_>>()
            };
            t.push_text(&[3], 0).map_err(|e| e.to_string())?;
            t.push_image(image.id(), 16, 0).map_err(|e| e.to_string())?;
            t.push_text(&ids(&mut rng, 25), 0).map_err(|e| e.to_string())?;
            let mut group = vec![t; members];
            for t in &mut group {
                t.push_sampled(&ids(&mut rng, 64), &[TokenKind::Think; 64], &[-1.0; 64], 0)
                    .map_err(|e| e.to_string())?;
            }
            Ok(group)
        })
        .collect::<Result<_, String>>()?;
    let groups: Vec<Vec<&Trajectory>> = trajectories.iter().map(|group| group.iter().collect()).collect();
    let tokens: usize = trajectories.iter().flatten().map(Trajectory::len).sum();
    let scored = (prompts * members * 64) as f32;
    // The number of training steps; 0 goes straight to sampling.
    let steps = std::env::args().nth(1).map_or(Ok(8), |n| n.parse::<usize>())?;
    for step in 0..steps {
        let clock = Instant::now();
        for micro in groups.chunks(at_once) {
            policy.accumulate(micro, &store, &ScoreOptions::default(), |s| {
                let d_logprobs = vec![-1.0 / scored; s.logprobs.len()];
                Ok::<_, PolicyError>(Upstream { d_logprobs, ..Upstream::default() })
            })?;
        }
        let middle = clock.elapsed();
        policy.apply(&AdamW::default());
        println!(
            "step {step}: {:.0} ms ({:.0} ms update), {:.0} tok/s",
            clock.elapsed().as_secs_f64() * 1e3,
            (clock.elapsed() - middle).as_secs_f64() * 1e3,
            tokens as f64 / clock.elapsed().as_secs_f64()
        );
    }
    let clock = Instant::now();
    let mut decoder = Decoder::new(&policy);
    let features =
        policy.encode(trajectories.iter().flatten().flat_map(|t| t.images()).map(|s| s.id), &store)?;
    let mut sequences = Vec::new();
    let prompts: Vec<_> = trajectories
        .iter()
        .take(16)
        .map(|group| {
            let t = &group[0];
            let span = &t.images()[0];
            (
                decoder.open(),
                vec![
                    Feed::Text(vec![3]),
                    Feed::Image(features[&span.id].clone()),
                    Feed::Text(t.ids()[17..42].to_vec()),
                ],
            )
        })
        .collect();
    decoder.extend(&prompts)?;
    for (s, _) in prompts {
        sequences.extend(decoder.fork(s, 8)?);
    }
    let prefill = clock.elapsed();
    let mut feeds: Vec<_> = sequences.iter().map(|s| (*s, vec![Feed::Text(vec![9])])).collect();
    for _ in 0..64 {
        let mut logits = decoder.extend(&feeds)?;
        for ((_, feed), row) in feeds.iter_mut().zip(logits.chunks_mut(1024)) {
            *feed = vec![Feed::Text(vec![sample(row, &Sampling::default(), &[], &mut rng).id])];
        }
    }
    println!(
        "sample 128x64: prefill {:.0} ms, all {:.2} s, {:.0} tok/s",
        prefill.as_secs_f64() * 1e3,
        clock.elapsed().as_secs_f64(),
        128.0 * 64.0 / clock.elapsed().as_secs_f64()
    );
    // One sequence alone: every pass reads all weights for one row.
    let mut decoder = Decoder::new(&policy);
    let one = decoder.open();
    decoder.extend(&[(one, vec![Feed::Text((10..50).collect())])])?;
    let clock = Instant::now();
    let mut id = 9;
    for _ in 0..1000 {
        let mut row = decoder.extend(&[(one, vec![Feed::Text(vec![id])])])?;
        id = sample(&mut row, &Sampling::default(), &[], &mut rng).id;
    }
    println!("sample 1x1000: {:.0} tok/s", 1000.0 / clock.elapsed().as_secs_f64());
    Ok(())
}
