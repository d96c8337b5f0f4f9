//! Memory does not grow with the number of steps, even when no image comes twice.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Fixture, policy_case};
use eyas_core::{Image, TokenKind, Trajectory};
use eyas_model::processor::Patches;
use eyas_model::{AdamW, Allocator, Decoder, Feed, ImageStore, PolicyError, ScoreOptions, Upstream};

// As the program has it.
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

const STEPS: u32 = 10_000;
/// After so many steps every buffer has been as large as it will be.
const WARM: u32 = 2_000;

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn ten_thousand_steps_with_ever_new_images_stay_where_they_are() {
    eyas_model::keep_pages();
    let f = Fixture::load("untied");
    let (mut policy, ..) = policy_case(&f, 3);
    let vision = &f.config.vision;
    let side = 2 * vision.spatial_merge_size;
    let row_len = f.case(3).patches[0].row_len;
    let (mut warm, mut most) = (0, 0);
    // The tower is trained in the first half and frozen, with a cache too small for all, in the second.
    for step in 0..STEPS {
        if step == STEPS / 2 {
            policy.freeze(&["visual.".to_string()]);
            policy.set_feature_cache(64 << 10);
        }
        let handle = Image::new(1, 1, step.to_le_bytes()[..3].to_vec()).unwrap();
        let pixel = |i: usize| ((i as u32 * 31 + step) % 17) as f32 / 8.0 - 1.0;
        let rows: Vec<f32> = (0..side * side * row_len).map(pixel).collect();
        let mut images = ImageStore::default();
        images.insert(handle.id(), Patches { rows, row_len, grid: [1, side, side] });
        let mut trajectory = Trajectory::new(f.config.image_token_id);
        trajectory.push_text(&[1, 2], 0).unwrap();
        trajectory.push_image(handle.id(), 4, 0).unwrap();
        trajectory.push_text(&[3], 0).unwrap();
        // Sampling, then a step on what was sampled.
        let features = policy.encode([handle.id()], &images).unwrap();
        let mut decoder = Decoder::new(&policy);
        let sequence = decoder.open();
        let image = Feed::Image(features[&handle.id()].clone());
        let feed = vec![Feed::Text(vec![1, 2]), image, Feed::Text(vec![3])];
        assert!(decoder.extend(&[(sequence, feed)]).unwrap().iter().all(|l| l.is_finite()));
        drop(decoder);
        trajectory.push_sampled(&[4, 20 + step % 9], &[TokenKind::Answer; 2], &[-1.0; 2], 0).unwrap();
        policy
            .accumulate(&[vec![&trajectory]], &images, &ScoreOptions::default(), |_| {
                Ok::<_, PolicyError>(Upstream {
                    d_logprobs: vec![-0.1, 0.1],
                    d_entropies: vec![],
                    ..Upstream::default()
                })
            })
            .unwrap();
        assert!(policy.apply(&AdamW { lr: 1e-5, ..AdamW::default() }).applied);
        if step == WARM {
            warm = resident();
        }
        if step > WARM && step % 100 == 0 {
            most = most.max(resident());
        }
    }
    assert!(policy.feature_cache_bytes() <= 64 << 10);
    let slope = (most as f64 - warm as f64) / f64::from(STEPS - WARM) * 1000.0 / 1e6;
    println!("at most {slope:.3} MB more in 1,000 steps, over {} steps", STEPS - WARM);
    // The slope that a leak of one kilobyte a step would have is 8 MB here.
    assert!(most < warm + (2 << 20), "{warm} bytes after {WARM} steps, up to {most} later");
}
