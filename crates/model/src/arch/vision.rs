//! The vision tower: patches -> merged visual tokens.

use std::sync::Arc;

use burn::tensor::activation::gelu;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::params::{Params, Tensors};
use super::positions::vision_rope;
use super::window::window_order;
use crate::hf::VisionConfig;
use crate::ops::{Mlp, Precision, Rope, Segments, attention, gated_mlp, linear, rms_norm};
use crate::processor::Patches;

/// The norms of the tower use this constant whatever the configuration says, as in transformers.
const EPS: f32 = 1e-6;

#[derive(Clone, Copy)]
struct Affine {
    weight: usize,
    bias: usize,
}

struct Block {
    norm1: usize,
    qkv: Affine,
    proj: Affine,
    norm2: usize,
    gate: Affine,
    up: Affine,
    down: Affine,
}

/// Positions of the tower's parameters.
pub struct VisionModel {
    pub(crate) precision: Precision,
    config: VisionConfig,
    patch_embed: usize,
    blocks: Vec<Block>,
    merger_norm: usize,
    merger_in: Affine,
    merger_out: Affine,
}

/// Several images, ready for the tower: rows in window order.
pub struct VisionBatch {
    pixels: Vec<f32>,
    row_len: usize,
    rows: usize,
    rope: Rope,
    windows: Arc<Segments>,
    frames: Arc<Segments>,
    /// For each merged token in image order, its place in window order.
    restore: Vec<i64>,
}

impl VisionBatch {
    /// Reorders the patches of `images` window by window and works out who attends to whom.
    pub fn new(config: &VisionConfig, images: &[&Patches]) -> Self {
        let merge = config.spatial_merge_size;
        let unit = merge * merge;
        let side = (config.window_size / merge / config.patch_size).max(1);
        let rows: usize = images.iter().map(|p| p.grid.iter().product::<usize>()).sum();
        let row_len = images.first().map_or(0, |p| p.row_len);
        let mut pixels = Vec::with_capacity(rows * row_len);
        let mut places = Vec::with_capacity(rows);
        let (mut windows, mut frames) = (Vec::new(), Vec::new());
        let mut restore = vec![0i64; rows / unit];
        let mut done = 0;
        for patches in images {
            let [time, height, width] = patches.grid;
            let (merged_rows, merged_cols) = (height / merge, width / merge);
            let (order, lengths) = window_order(merged_rows, merged_cols, side);
            for frame in 0..time {
                windows.extend(lengths.iter().map(|n| n * unit));
                frames.push(height * width);
                let first = frame * order.len();
                for (i, &merged) in order.iter().enumerate() {
                    restore[done + first + merged] = (done + first + i) as i64;
                    let start = (first + merged) * unit;
                    pixels.extend_from_slice(&patches.rows[start * row_len..(start + unit) * row_len]);
                    let (row, col) = (merged / merged_cols * merge, merged % merged_cols * merge);
                    places.extend((0..unit).map(|p| ((row + p / merge) as u32, (col + p % merge) as u32)));
                }
            }
            done += time * merged_rows * merged_cols;
        }
        Self {
            pixels,
            row_len,
            rows,
            rope: vision_rope(config, &places),
            windows: Arc::new(Segments::separate(false, windows)),
            frames: Arc::new(Segments::separate(false, frames)),
            restore,
        }
    }
}

impl VisionModel {
    /// Finds the tower's parameters; `None` when one is missing.
    pub fn new(config: &VisionConfig, params: &Params) -> Option<Self> {
        let find = |name: String| params.position(&name);
        let affine = |name: String| {
            Some(Affine { weight: find(format!("{name}.weight"))?, bias: find(format!("{name}.bias"))? })
        };
        let blocks = (0..config.depth)
            .map(|i| {
                let at = |name: &str| format!("visual.blocks.{i}.{name}");
                Some(Block {
                    norm1: find(at("norm1.weight"))?,
                    qkv: affine(at("attn.qkv"))?,
                    proj: affine(at("attn.proj"))?,
                    norm2: find(at("norm2.weight"))?,
                    gate: affine(at("mlp.gate_proj"))?,
                    up: affine(at("mlp.up_proj"))?,
                    down: affine(at("mlp.down_proj"))?,
                })
            })
            .collect::<Option<_>>()?;
        Some(Self {
            precision: Precision::F32,
            config: config.clone(),
            patch_embed: find("visual.patch_embed.proj.weight".into())?,
            blocks,
            merger_norm: find("visual.merger.ln_q.weight".into())?,
            merger_in: affine("visual.merger.mlp.0".into())?,
            merger_out: affine("visual.merger.mlp.2".into())?,
        })
    }

    /// Visual tokens `[N, out_hidden]` of all images, in image order, row-major in the merged grid.
    pub fn forward(&self, w: &Tensors, batch: &VisionBatch, device: &Device) -> Tensor<2> {
        let linear = |x, weight, bias| linear(x, weight, bias, self.precision);
        let affine = |x, a: Affine| linear(x, w.get(a.weight), Some(w.get(a.bias)));
        let pixels = TensorData::new(batch.pixels.clone(), [batch.rows, batch.row_len]);
        let mut x = linear(Tensor::<2>::from_data(pixels, device), w.get(self.patch_embed), None);
        let hidden = self.config.hidden_size;
        for (i, block) in self.blocks.iter().enumerate() {
            let full = self.config.fullatt_block_indexes.contains(&i);
            let segments = if full { &batch.frames } else { &batch.windows };
            let qkv = affine(rms_norm(x.clone(), w.get(block.norm1), EPS), block.qkv);
            let mixed = attention(qkv, self.config.num_heads, &batch.rope, segments);
            x = x + affine(mixed, block.proj);
            let h = rms_norm(x.clone(), w.get(block.norm2), EPS);
            let maps = [block.gate, block.up, block.down];
            let mlp =
                Mlp { weights: maps.map(|a| w.get(a.weight)), biases: Some(maps.map(|a| w.get(a.bias))) };
            x = x + gated_mlp(h, mlp, self.precision);
        }
        let unit = self.config.spatial_merge_size.pow(2);
        let x = rms_norm(x, w.get(self.merger_norm), EPS).reshape([batch.rows / unit, hidden * unit]);
        let x = affine(gelu(affine(x, self.merger_in)), self.merger_out);
        let restore = TensorData::new(batch.restore.clone(), [batch.restore.len()]);
        x.select(0, Tensor::<1, Int>::from_data(restore, device))
    }
}
