//! `eyas model`: making a tiny model, and looking at any.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use eyas_core::Seed;
use eyas_gym::{Knobs, registry};
use eyas_model::hf::{FolderError, HfFolder, WeightDtype, weights_hash};
use eyas_model::processor::ProcessorConfig;
use eyas_train::fresh_tiny;
use eyas_train::recipe::EnvChoice;
use serde_json::{Value, json};

use super::columns::write_columns;
use super::open::named;

/// Models: make a tiny one, look at any
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  eyas model new models/tiny\n  eyas model info models/tiny")]
pub(crate) struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Subcommand, Debug)]
enum ModelCommand {
    New(NewArgs),
    Info(InfoArgs),
}

/// Make a model with random weights
///
/// A Qwen2.5-VL of a few million parameters as a Hugging Face folder, which opens in transformers too. Its
/// tokenizer is trained on what is said in the environments of the gym.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  eyas model new models/tiny --preset tiny --seed 2")]
struct NewArgs {
    /// The folder to write
    folder: PathBuf,
    /// The shape of the model
    #[arg(long, value_enum, default_value_t = Shape::Tiny)]
    preset: Shape,
    /// Most tokens of the tokenizer
    #[arg(long, default_value_t = 640, value_name = "N")]
    vocab_size: usize,
    /// Names the weights and the text of the tokenizer: the same seed, the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Replace the model that is in the folder
    #[arg(long)]
    overwrite: bool,
    /// Print what was made as a JSON object, as `eyas model info --json` does
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shape {
    /// A few million parameters: trains on a laptop
    Tiny,
}

/// Look at a model: sizes, parameters by part, tokens, a fingerprint of the weights
///
/// Every file is opened and every weight is read and checked.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  eyas model info runs/quickstart-seed1/checkpoints/final --json")]
struct InfoArgs {
    /// The folder of the model
    model: PathBuf,
    /// Print a JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Runs `eyas model`.
///
/// # Errors
/// When a model cannot be made, written or opened.
pub(crate) fn run(args: &ModelArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    match &args.command {
        ModelCommand::New(args) => new(args, out),
        ModelCommand::Info(args) => info(args, out),
    }
}

fn new(args: &NewArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let occupied = fs::read_dir(&args.folder).is_ok_and(|mut files| files.next().is_some());
    if occupied && !args.overwrite {
        return Err(FolderError::Exists { path: args.folder.clone() }.into());
    }
    let env = |spec: &eyas_gym::EnvSpec| EnvChoice {
        id: spec.id.into(),
        name: spec.id.into(),
        weight: 1.0,
        level: None,
        knobs: Knobs::defaults(spec.knobs),
    };
    let envs: Vec<EnvChoice> = registry().iter().map(|entry| env(entry.spec)).collect();
    let seed = Seed::new(args.seed).split("model", 0);
    let model = match args.preset {
        Shape::Tiny => fresh_tiny(&envs, args.vocab_size, seed)?,
    };
    if let Some(parent) = args.folder.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    model.save(&args.folder, WeightDtype::F32, args.overwrite)?;
    info(&InfoArgs { model: args.folder.clone(), json: args.json }, out)
}

fn info(args: &InfoArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let folder = named(&args.model, HfFolder::open(&args.model))?;
    let values = named(&args.model, folder.weights.read_all())?;
    let pictures = named(&args.model, ProcessorConfig::from_json(&folder.preprocessor_json))?;
    let hash = weights_hash(values.iter().map(|(name, data)| (name.as_str(), data.as_slice())));
    let mut parts: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, data) in &values {
        let Some(part) = part(name) else { bail!("{}: `{name}` is of no known part", args.model.display()) };
        *parts.entry(part).or_default() += data.len();
    }
    let (text, vision) = (&folder.config.text, &folder.config.vision);
    let tokens = folder.tokenizer.special_tokens();
    let value = json!({
        "model": args.model.display().to_string(),
        "architecture": "Qwen2_5_VLForConditionalGeneration",
        "parameters": {"total": folder.config.parameter_count(), "by_part": parts},
        "stored_as": folder.weights.dtypes(),
        "text": {
            "layers": text.num_hidden_layers,
            "width": text.hidden_size,
            "heads": text.num_attention_heads,
            "key_value_heads": text.num_key_value_heads,
            "context": text.max_position_embeddings,
            "embedding_rows": text.vocab_size,
            "tied_embeddings": folder.config.tie_word_embeddings,
        },
        "vision": {
            "blocks": vision.depth,
            "width": vision.hidden_size,
            "heads": vision.num_heads,
            "pixels_per_token_side": vision.patch_size * vision.spatial_merge_size,
            "min_pixels": pictures.min_pixels,
            "max_pixels": pictures.max_pixels,
        },
        "tokenizer": {
            "tokens": folder.tokenizer.vocab_size(),
            "special_ids": {
                "<|endoftext|>": tokens.endoftext,
                "<|im_start|>": tokens.im_start,
                "<|im_end|>": tokens.im_end,
                "<|vision_start|>": tokens.vision_start,
                "<|vision_end|>": tokens.vision_end,
                "<|image_pad|>": tokens.image_pad,
                "<|video_pad|>": tokens.video_pad,
            },
        },
        "weights_hash": hash,
    });
    if args.json {
        writeln!(out, "{value:#}")?;
        return Ok(());
    }
    let mut rows = Vec::new();
    flatten(&value, "", &mut rows);
    Ok(write_columns(&rows, "", out)?)
}

/// The part of the architecture that a parameter belongs to.
fn part(name: &str) -> Option<&'static str> {
    let parts = [
        ("model.embed_tokens.", "embedding"),
        ("model.", "text"),
        ("lm_head.", "head"),
        ("visual.merger.", "merger"),
        ("visual.", "vision"),
    ];
    parts.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, part)| *part)
}

/// One row a leaf, named by its path.
fn flatten(value: &Value, path: &str, rows: &mut Vec<[String; 2]>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(value, &path, rows);
            }
        }
        Value::Array(items) => {
            let words: Vec<String> = items.iter().map(plain).collect();
            rows.push([path.to_string(), words.join(", ")]);
        }
        leaf => rows.push([path.to_string(), plain(leaf)]),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_go_by_the_longest_name() {
        let all = [
            ("model.embed_tokens.weight", Some("embedding")),
            ("model.layers.0.mlp.up_proj.weight", Some("text")),
            ("model.norm.weight", Some("text")),
            ("lm_head.weight", Some("head")),
            ("visual.merger.ln_q.weight", Some("merger")),
            ("visual.blocks.0.norm1.weight", Some("vision")),
            ("other", None),
        ];
        for (name, expected) in all {
            assert_eq!(part(name), expected, "{name}");
        }
    }

    #[test]
    fn a_row_for_every_leaf() {
        let mut rows = Vec::new();
        flatten(&json!({"a": {"b": 1, "c": ["x", "y"]}, "d": "e"}), "", &mut rows);
        assert_eq!(rows, [["a.b", "1"], ["a.c", "x, y"], ["d", "e"]].map(|r| r.map(String::from)));
    }
}
