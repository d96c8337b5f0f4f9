//! Small random checkpoints with their inputs and expected outputs, made by
//! `scripts/fixtures/qwen2_5_vl.py`.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses its own part of this"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eyas_core::{Image, TokenKind, Trajectory};
use eyas_model::ImageStore;
use eyas_model::hf::{Checkpoint, Qwen25VlConfig};
use eyas_model::policy::Policy;
use eyas_model::processor::{ImageProcessor, Patches, ProcessorConfig};
use safetensors::SafeTensors;

pub fn folder(variant: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/qwen2_5_vl").join(variant)
}

pub struct Fixture {
    bytes: Vec<u8>,
    pub config: Qwen25VlConfig,
    pub values: BTreeMap<String, Vec<f32>>,
}

pub struct Case {
    pub ids: Vec<u32>,
    pub grids: Vec<[usize; 3]>,
    pub patches: Vec<Patches>,
}

impl Fixture {
    pub fn load(variant: &str) -> Self {
        let dir = folder(variant);
        let config =
            Qwen25VlConfig::from_json(&std::fs::read_to_string(dir.join("config.json")).unwrap()).unwrap();
        let values = Checkpoint::open(&dir, &config.tensor_shapes()).unwrap().read_all().unwrap();
        Self { bytes: std::fs::read(dir.join("cases.safetensors")).unwrap(), config, values }
    }

    pub fn floats(&self, name: &str) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = file.tensor(name).unwrap();
        view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    pub fn ints(&self, name: &str) -> Option<Vec<i64>> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = file.tensor(name).ok()?;
        Some(view.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect())
    }

    pub fn case(&self, n: usize) -> Case {
        let ids = self.ints(&format!("case{n}.input_ids")).unwrap().iter().map(|&i| i as u32).collect();
        let grids: Vec<[usize; 3]> = self
            .ints(&format!("case{n}.image_grid_thw"))
            .unwrap_or_default()
            .chunks_exact(3)
            .map(|g| [g[0] as usize, g[1] as usize, g[2] as usize])
            .collect();
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let pixels = file.tensor("pixels").unwrap();
        let row_len = pixels.shape()[1];
        let mut start = 0;
        let patches = grids
            .iter()
            .map(|grid| {
                let n = grid.iter().product::<usize>() * row_len;
                start += n;
                let rows =
                    pixels.data()[start - n..start].iter().map(|&c| (f32::from(c) - 128.0) / 64.0).collect();
                Patches { rows, row_len, grid: *grid }
            })
            .collect();
        Case { ids, grids, patches }
    }
}

pub fn close(got: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}: size");
    let scale = expected.iter().fold(0f32, |m, v| m.max(v.abs())).max(1.0);
    let worst = got.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    assert!(worst <= tolerance * scale, "{what}: differs by {worst}, largest value {scale}");
}

/// A policy and a trajectory for a fixture case: the last five tokens are the sampled ones.
pub fn policy_case(f: &Fixture, n: usize) -> (Policy, Trajectory, ImageStore) {
    let case = f.case(n);
    let vision = &f.config.vision;
    let config = ProcessorConfig {
        patch_size: vision.patch_size,
        merge_size: vision.spatial_merge_size,
        temporal_patch_size: vision.temporal_patch_size,
        min_pixels: 1,
        ..ProcessorConfig::default()
    };
    let policy =
        Policy::new(f.config.clone(), ImageProcessor::new(config).unwrap(), f.values.clone()).unwrap();
    let (mut trajectory, mut store) = (Trajectory::new(f.config.image_token_id), ImageStore::default());
    let mut patches = case.patches.into_iter();
    let given = case.ids.len() - 5;
    let mut at = 0;
    while at < given {
        if case.ids[at] == f.config.image_token_id {
            let patches = patches.next().unwrap();
            let tokens = patches.grid.iter().product::<usize>() / vision.spatial_merge_size.pow(2);
            // The pixels themselves are the fixture's; the handle only has to be distinct.
            let handle = Image::new(1, 1, vec![at as u8, 1, 2]).unwrap();
            store.insert(handle.id(), patches);
            trajectory.push_image(handle.id(), tokens, 0).unwrap();
            at += tokens;
        } else {
            trajectory.push_text(&case.ids[at..at + 1], 0).unwrap();
            at += 1;
        }
    }
    trajectory.push_sampled(&case.ids[given..], &[TokenKind::Answer; 5], &[-1.0; 5], 0).unwrap();
    (policy, trajectory, store)
}
