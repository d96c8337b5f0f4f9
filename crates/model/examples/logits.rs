//! Writes the logits of a model folder for one picture and a short prompt, for comparison with
//! transformers: `cargo run --release -p eyas-model --example logits -- FOLDER OUT.safetensors`, then
//! `python scripts/open_in_transformers.py FOLDER OUT.safetensors`.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::Device;
use eyas_core::{Image, Seed};
use eyas_model::Vlm;
use eyas_model::arch::{Positions, TextModel, VisionBatch, VisionModel, text_rope};
use eyas_model::hf::{Chunk, Part};
use eyas_model::ops::{Precision, Segments, attention, linear};
use safetensors::tensor::{Dtype, TensorView};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1).map(PathBuf::from);
    let (Some(folder), Some(out)) = (args.next(), args.next()) else {
        return Err("usage: logits FOLDER OUT.safetensors".into());
    };
    let model = Vlm::open(&folder)?;
    let config = model.policy.config();
    let mut rng = Seed::new(1).rng();
    let pixels: Vec<u8> = (0..140 * 84 * 3).map(|_| rng.below(256) as u8).collect();
    let patches = model.policy.processor().process(&Image::new(140, 84, pixels)?)?;
    let merge = config.vision.spatial_merge_size;
    let (rows, cols) = (patches.grid[1] / merge, patches.grid[2] / merge);

    let pieces = model.template.opening(&[Part::Image, Part::Text("Which way? 2 4 8 - up".into())])?;
    let (mut ids, mut visual, mut positions) = (Vec::new(), Vec::new(), Positions::default());
    for chunk in model.tokenizer.encode_pieces(&pieces)? {
        match chunk {
            Chunk::Given(text) | Chunk::Assistant(text) => {
                positions.text(text.len());
                visual.extend(text.iter().map(|_| None));
                ids.extend(text);
            }
            Chunk::Image => {
                positions.image(rows, cols);
                visual.extend((0..rows * cols).map(Some));
                ids.extend((0..rows * cols).map(|_| config.image_token_id));
            }
        }
    }
    let params = model.policy.params();
    let (text, vision) = (
        TextModel::new(config, params).ok_or("text")?,
        VisionModel::new(&config.vision, params).ok_or("vision")?,
    );
    let device = Device::flex();
    let w = params.tensors(&device);
    let features = vision.forward(&w, &VisionBatch::new(&config.vision, &[&patches]), &device);
    let x = text.embed(&w, &ids, &visual, Some(features));
    let rope = text_rope(&config.text, positions.rows());
    let segments = Arc::new(Segments::separate(true, [ids.len()]));
    let rows: Vec<i64> = (0..ids.len() as i64).collect();
    let hidden = text.forward(&w, x, &rows, |_, qkv| attention(qkv, text.kv_heads(), &rope, &segments));
    let logits =
        linear(hidden, text.head_weight(&w), None, Precision::F32).into_data().try_into_vec::<f32>()?;

    let long: Vec<u8> = ids.iter().flat_map(|id| i64::from(*id).to_le_bytes()).collect();
    let grid: Vec<u8> = patches.grid.iter().flat_map(|g| (*g as i64).to_le_bytes()).collect();
    let floats = |v: &[f32]| v.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let (pixel_bytes, logit_bytes) = (floats(&patches.rows), floats(&logits));
    let patch_rows = patches.rows.len() / patches.row_len;
    let vocab = config.text.vocab_size;
    let tensors: BTreeMap<&str, TensorView<'_>> = [
        ("input_ids", TensorView::new(Dtype::I64, vec![1, ids.len()], &long)?),
        ("image_grid_thw", TensorView::new(Dtype::I64, vec![1, 3], &grid)?),
        ("pixel_values", TensorView::new(Dtype::F32, vec![patch_rows, patches.row_len], &pixel_bytes)?),
        ("logits", TensorView::new(Dtype::F32, vec![1, ids.len(), vocab], &logit_bytes)?),
    ]
    .into();
    safetensors::serialize_to_file(tensors, None, &out)?;
    println!("{} tokens, {} logits -> {}", ids.len(), logits.len(), out.display());
    Ok(())
}
