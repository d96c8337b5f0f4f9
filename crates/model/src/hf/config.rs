//! `config.json` of a Qwen2.5-VL model: reading both layouts in the wild, checking, writing.
//!
//! Released checkpoints keep the text model's fields at the top level (`rope_theta`, `rope_scaling`);
//! newer writers nest them under `text_config` (`rope_parameters`). Both are read. Fields that do not
//! change what the model computes are ignored; values that would change it in a way this crate does not
//! implement are errors.

use serde_json::{Value, json};

use super::fields::{Fields, check, divides, in_range, invalid, unsupported};
use super::tokenizer::SpecialTokens;
use super::weights::WeightDtype;

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The text is not JSON.
    #[error("config.json is not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A field this crate cannot do without is absent.
    #[error("config.json: `{field}` is missing")]
    Missing {
        /// Dotted path of the field.
        field: String,
    },
    /// A field has a value no model can have.
    #[error("config.json: `{field}` is {value}: {reason}")]
    Invalid {
        /// Dotted path of the field.
        field: String,
        /// The value found, as JSON, shortened.
        value: String,
        /// What was expected.
        reason: String,
    },
    /// A field asks for something that is not implemented.
    #[error("config.json: `{field}` is {value}, which is not supported: {hint}")]
    Unsupported {
        /// Dotted path of the field.
        field: String,
        /// The value found, as JSON, shortened.
        value: String,
        /// What is supported instead.
        hint: String,
    },
}

/// The language model's sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct TextConfig {
    /// Rows of the embedding matrix; token ids are below this.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the gated MLP.
    pub intermediate_size: usize,
    /// Number of decoder layers.
    pub num_hidden_layers: usize,
    /// Number of query heads; divides `hidden_size`.
    pub num_attention_heads: usize,
    /// Number of key/value heads; divides `num_attention_heads`.
    pub num_key_value_heads: usize,
    /// Longest sequence in positions.
    pub max_position_embeddings: usize,
    /// Added to the mean square in every RMS norm of the language model.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// How many rotary frequencies follow time, height and width. Sums to half of [`Self::head_dim`].
    pub mrope_section: [usize; 3],
}

impl TextConfig {
    /// Width of one attention head.
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }
}

/// The vision tower's sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct VisionConfig {
    /// Number of blocks.
    pub depth: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the gated MLP.
    pub intermediate_size: usize,
    /// Number of attention heads; divides `hidden_size`.
    pub num_heads: usize,
    /// Colour channels.
    pub in_channels: usize,
    /// Side of a square patch in pixels.
    pub patch_size: usize,
    /// Frames in a patch.
    pub temporal_patch_size: usize,
    /// Side of the square of patches that becomes one visual token.
    pub spatial_merge_size: usize,
    /// Side of an attention window in pixels; a multiple of `patch_size * spatial_merge_size`.
    pub window_size: usize,
    /// Blocks that attend over the whole image, ascending; the others attend within windows.
    pub fullatt_block_indexes: Vec<usize>,
    /// Width of a visual token; equals the text model's `hidden_size`.
    pub out_hidden_size: usize,
    /// Temporal positions in a second of video.
    pub tokens_per_second: usize,
}

impl VisionConfig {
    /// Width of one attention head.
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_heads
    }
}

/// Everything about a Qwen2.5-VL model but its weights. Both MLPs use SiLU.
#[derive(Clone, Debug, PartialEq)]
pub struct Qwen25VlConfig {
    /// The language model.
    pub text: TextConfig,
    /// The vision tower.
    pub vision: VisionConfig,
    /// Placeholder of an image's visual tokens.
    pub image_token_id: u32,
    /// Placeholder of a video's visual tokens.
    pub video_token_id: u32,
    /// Comes before a run of placeholders.
    pub vision_start_token_id: u32,
    /// Comes after a run of placeholders.
    pub vision_end_token_id: u32,
    /// True when the output matrix is the embedding matrix.
    pub tie_word_embeddings: bool,
    /// Token that begins a text, where the model has one.
    pub bos_token_id: Option<u32>,
    /// Tokens that end a text, as the configuration lists them; often only one of those the tokenizer has.
    pub eos_token_ids: Vec<u32>,
    /// Token that fills a batch.
    pub pad_token_id: Option<u32>,
}

const MODEL_TYPE: &str = "qwen2_5_vl";
const ARCHITECTURE: &str = "Qwen2_5_VLForConditionalGeneration";
/// The vision tower's rotary base is not configurable in the released architecture.
const VISION_ROPE_THETA: f64 = 10_000.0;

// Bounds far above any released model: they stop a damaged file before it makes us allocate.
const MAX_LAYERS: usize = 1024;
const MAX_HEADS: usize = 1024;
const MAX_WIDTH: usize = 1 << 16;
const MAX_MLP: usize = 1 << 20;
const MAX_VOCAB: usize = 1 << 22;
const MAX_POSITIONS: usize = 1 << 26;
const MAX_PIXELS: usize = 1 << 12;

impl Qwen25VlConfig {
    /// Reads and checks the text of a `config.json`, in either layout.
    ///
    /// # Errors
    /// [`ConfigError`] with the offending field's path.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let value: Value = serde_json::from_str(json)?;
        let root = Fields::new(&value, "")?;
        check_kind(&root)?;
        // Without `text_config` the text model's fields are at the top level.
        let nested = match root.get("text_config") {
            Some(v) => Some(Fields::new(v, "text_config")?),
            None => None,
        };
        let text_fields = nested.as_ref().unwrap_or(&root);
        let vision_value = root
            .get("vision_config")
            .ok_or_else(|| ConfigError::Missing { field: "vision_config".into() })?;
        let vision_fields = Fields::new(vision_value, "vision_config")?;

        let tied = match root.flag("tie_word_embeddings")? {
            // Some writers keep the flag with the text model only.
            Some(true) => true,
            _ => text_fields.flag("tie_word_embeddings")?.unwrap_or(false),
        };
        // Ids are with the text model, or beside it.
        let either = |key| if text_fields.get(key).is_some() { text_fields } else { &root };
        let config = Self {
            text: read_text(text_fields)?,
            vision: read_vision(&vision_fields)?,
            image_token_id: root.id("image_token_id")?,
            video_token_id: root.id("video_token_id")?,
            vision_start_token_id: root.id("vision_start_token_id")?,
            vision_end_token_id: root.id("vision_end_token_id")?,
            tie_word_embeddings: tied,
            bos_token_id: either("bos_token_id").ids("bos_token_id")?.first().copied(),
            eos_token_ids: either("eos_token_id").ids("eos_token_id")?,
            pad_token_id: either("pad_token_id").ids("pad_token_id")?.first().copied(),
        };
        config.validate()?;
        Ok(config)
    }

    /// A model of a few million parameters that trains on a laptop: text 4 layers of width 256, vision
    /// 4 blocks of width 128, 28 × 28 pixels to a visual token, 2048 positions, tied embeddings.
    ///
    /// `vocab_size` may exceed the tokenizer's, `tokens` are the tokenizer's.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] when a token id is not below `vocab_size`.
    pub fn tiny(vocab_size: usize, tokens: &SpecialTokens) -> Result<Self, ConfigError> {
        let config = Self {
            text: TextConfig {
                vocab_size,
                hidden_size: 256,
                intermediate_size: 704,
                num_hidden_layers: 4,
                num_attention_heads: 4,
                num_key_value_heads: 2,
                max_position_embeddings: 2048,
                rms_norm_eps: 1e-6,
                rope_theta: 10_000.0,
                mrope_section: [8, 12, 12],
            },
            vision: VisionConfig {
                depth: 4,
                hidden_size: 128,
                intermediate_size: 352,
                num_heads: 4,
                in_channels: 3,
                patch_size: 14,
                temporal_patch_size: 2,
                spatial_merge_size: 2,
                window_size: 56,
                fullatt_block_indexes: vec![1, 3],
                out_hidden_size: 256,
                tokens_per_second: 2,
            },
            image_token_id: tokens.image_pad,
            video_token_id: tokens.video_pad,
            vision_start_token_id: tokens.vision_start,
            vision_end_token_id: tokens.vision_end,
            tie_word_embeddings: true,
            bos_token_id: Some(tokens.endoftext),
            eos_token_ids: vec![tokens.im_end],
            pad_token_id: Some(tokens.endoftext),
        };
        config.validate()?;
        Ok(config)
    }

    /// Checks sizes, divisibility and token ids. Reading does this already; call it after changing fields.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] naming the first field that cannot be.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_text()?;
        self.validate_vision()?;
        let vocab = self.text.vocab_size;
        let mut ids = vec![
            ("image_token_id", self.image_token_id),
            ("video_token_id", self.video_token_id),
            ("vision_start_token_id", self.vision_start_token_id),
            ("vision_end_token_id", self.vision_end_token_id),
        ];
        for (i, &(name, id)) in ids.iter().enumerate() {
            if let Some((other, _)) = ids[..i].iter().find(|(_, earlier)| *earlier == id) {
                return Err(invalid(name, id, format!("`{other}` has the same id")));
            }
        }
        ids.extend(self.bos_token_id.map(|id| ("bos_token_id", id)));
        ids.extend(self.eos_token_ids.iter().map(|&id| ("eos_token_id", id)));
        ids.extend(self.pad_token_id.map(|id| ("pad_token_id", id)));
        for (name, id) in ids {
            check(name, id, (id as usize) < vocab, || format!("token ids must be below vocab_size {vocab}"))?;
        }
        Ok(())
    }

    fn validate_text(&self) -> Result<(), ConfigError> {
        let t = &self.text;
        in_range("text.vocab_size", t.vocab_size, MAX_VOCAB)?;
        in_range("text.hidden_size", t.hidden_size, MAX_WIDTH)?;
        in_range("text.intermediate_size", t.intermediate_size, MAX_MLP)?;
        in_range("text.num_hidden_layers", t.num_hidden_layers, MAX_LAYERS)?;
        in_range("text.num_attention_heads", t.num_attention_heads, MAX_HEADS)?;
        in_range("text.num_key_value_heads", t.num_key_value_heads, MAX_HEADS)?;
        in_range("text.max_position_embeddings", t.max_position_embeddings, MAX_POSITIONS)?;
        let heads = t.num_attention_heads;
        divides("text.hidden_size", t.hidden_size, "num_attention_heads", heads)?;
        divides("text.num_attention_heads", heads, "num_key_value_heads", t.num_key_value_heads)?;
        divides("text head width (hidden_size / num_attention_heads)", t.head_dim(), "the rotary pair", 2)?;
        let eps = t.rms_norm_eps;
        check("text.rms_norm_eps", eps, eps > 0.0 && eps < 1.0, || {
            "expected a number above 0 and below 1".into()
        })?;
        let theta = t.rope_theta;
        check("text.rope_theta", theta, theta.is_finite() && theta > 1.0, || {
            "expected a finite number above 1".into()
        })?;
        let half = t.head_dim() / 2;
        let sum = t.mrope_section.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
        check("text.mrope_section", format!("{:?}", t.mrope_section), sum == Some(half), || {
            format!("must sum to half of the head width, {half}")
        })
    }

    fn validate_vision(&self) -> Result<(), ConfigError> {
        let v = &self.vision;
        in_range("vision.depth", v.depth, MAX_LAYERS)?;
        in_range("vision.hidden_size", v.hidden_size, MAX_WIDTH)?;
        in_range("vision.intermediate_size", v.intermediate_size, MAX_MLP)?;
        in_range("vision.num_heads", v.num_heads, MAX_HEADS)?;
        in_range("vision.in_channels", v.in_channels, 64)?;
        in_range("vision.patch_size", v.patch_size, MAX_PIXELS)?;
        in_range("vision.temporal_patch_size", v.temporal_patch_size, 64)?;
        in_range("vision.spatial_merge_size", v.spatial_merge_size, 64)?;
        in_range("vision.window_size", v.window_size, 64 * MAX_PIXELS)?;
        in_range("vision.out_hidden_size", v.out_hidden_size, MAX_WIDTH)?;
        in_range("vision.tokens_per_second", v.tokens_per_second, 1 << 16)?;
        divides("vision.hidden_size", v.hidden_size, "num_heads", v.num_heads)?;
        // Half of a head rotates with the row, half with the column, each half in pairs.
        divides("vision head width (hidden_size / num_heads)", v.head_dim(), "the 2-D rotary", 4)?;
        let token = v.patch_size * v.spatial_merge_size;
        divides("vision.window_size", v.window_size, "patch_size * spatial_merge_size", token)?;
        let text = self.text.hidden_size;
        check("vision.out_hidden_size", v.out_hidden_size, v.out_hidden_size == text, || {
            format!("must equal the text model's hidden_size {text}")
        })?;
        let full = &v.fullatt_block_indexes;
        let ascending = full.windows(2).all(|w| w[0] < w[1]) && full.iter().all(|&i| i < v.depth);
        check("vision.fullatt_block_indexes", format!("{full:?}"), ascending, || {
            format!("expected ascending block numbers below depth {}", v.depth)
        })
    }

    /// The configuration as `config.json`, for weights stored as `dtype`.
    ///
    /// The nested layout, with the rotary settings in both spellings, so that `transformers` 4.5x and 5.x
    /// read the same model from it. [`Self::from_json`] gives back an equal value.
    pub fn to_json(&self, dtype: WeightDtype) -> String {
        let (t, v) = (&self.text, &self.vision);
        let eos = match self.eos_token_ids.as_slice() {
            [] => Value::Null,
            [one] => json!(one),
            many => json!(many),
        };
        let value = json!({
            "architectures": [ARCHITECTURE],
            "dtype": dtype.config_name(),
            "image_token_id": self.image_token_id,
            "model_type": MODEL_TYPE,
            "text_config": {
                "attention_dropout": 0.0,
                "bos_token_id": self.bos_token_id,
                "dtype": dtype.config_name(),
                "eos_token_id": eos,
                "hidden_act": "silu",
                "hidden_size": t.hidden_size,
                "initializer_range": 0.02,
                "intermediate_size": t.intermediate_size,
                "layer_types": vec!["full_attention"; t.num_hidden_layers],
                "max_position_embeddings": t.max_position_embeddings,
                "max_window_layers": t.num_hidden_layers,
                "model_type": "qwen2_5_vl_text",
                "num_attention_heads": t.num_attention_heads,
                "num_hidden_layers": t.num_hidden_layers,
                "num_key_value_heads": t.num_key_value_heads,
                "pad_token_id": self.pad_token_id,
                "rms_norm_eps": t.rms_norm_eps,
                "rope_parameters": {
                    "mrope_section": t.mrope_section,
                    "rope_theta": t.rope_theta,
                    "rope_type": "default",
                },
                "rope_scaling": {
                    "mrope_section": t.mrope_section,
                    "rope_type": "default",
                    "type": "mrope",
                },
                "rope_theta": t.rope_theta,
                "sliding_window": null,
                "tie_word_embeddings": self.tie_word_embeddings,
                "use_cache": true,
                "use_sliding_window": false,
                "vocab_size": t.vocab_size,
            },
            "tie_word_embeddings": self.tie_word_embeddings,
            "video_token_id": self.video_token_id,
            "vision_config": {
                "depth": v.depth,
                "dtype": dtype.config_name(),
                "fullatt_block_indexes": v.fullatt_block_indexes,
                "hidden_act": "silu",
                "hidden_size": v.hidden_size,
                "in_channels": v.in_channels,
                "initializer_range": 0.02,
                "intermediate_size": v.intermediate_size,
                "model_type": "qwen2_5_vl_vision",
                "num_heads": v.num_heads,
                "out_hidden_size": v.out_hidden_size,
                "patch_size": v.patch_size,
                "spatial_merge_size": v.spatial_merge_size,
                "temporal_patch_size": v.temporal_patch_size,
                "tokens_per_second": v.tokens_per_second,
                "window_size": v.window_size,
            },
            "vision_end_token_id": self.vision_end_token_id,
            "vision_start_token_id": self.vision_start_token_id,
        });
        format!("{value:#}\n")
    }

    /// Name and shape of every tensor a checkpoint of this model holds, sorted by name, in the spelling of
    /// released checkpoints: `model.*` for the language model, `visual.*` for the vision tower, and
    /// `lm_head.weight` `[vocab, hidden]` unless the embeddings are tied. Matrices are `[out, in]`.
    pub fn tensor_shapes(&self) -> Vec<(String, Vec<usize>)> {
        let (t, v) = (&self.text, &self.vision);
        let mut out = Shapes::default();

        let kv = t.num_key_value_heads * t.head_dim();
        out.matrix("model.embed_tokens", t.vocab_size, t.hidden_size, false);
        for i in 0..t.num_hidden_layers {
            let layer = format!("model.layers.{i}");
            out.add(format!("{layer}.input_layernorm.weight"), &[t.hidden_size]);
            out.add(format!("{layer}.post_attention_layernorm.weight"), &[t.hidden_size]);
            out.matrix(&format!("{layer}.self_attn.q_proj"), t.hidden_size, t.hidden_size, true);
            out.matrix(&format!("{layer}.self_attn.k_proj"), kv, t.hidden_size, true);
            out.matrix(&format!("{layer}.self_attn.v_proj"), kv, t.hidden_size, true);
            out.matrix(&format!("{layer}.self_attn.o_proj"), t.hidden_size, t.hidden_size, false);
            out.mlp(&format!("{layer}.mlp"), t.hidden_size, t.intermediate_size, false);
        }
        out.add("model.norm.weight".into(), &[t.hidden_size]);
        if !self.tie_word_embeddings {
            out.matrix("lm_head", t.vocab_size, t.hidden_size, false);
        }

        let patch = [v.hidden_size, v.in_channels, v.temporal_patch_size, v.patch_size, v.patch_size];
        out.add("visual.patch_embed.proj.weight".into(), &patch);
        for i in 0..v.depth {
            let block = format!("visual.blocks.{i}");
            out.add(format!("{block}.norm1.weight"), &[v.hidden_size]);
            out.add(format!("{block}.norm2.weight"), &[v.hidden_size]);
            out.matrix(&format!("{block}.attn.qkv"), 3 * v.hidden_size, v.hidden_size, true);
            out.matrix(&format!("{block}.attn.proj"), v.hidden_size, v.hidden_size, true);
            out.mlp(&format!("{block}.mlp"), v.hidden_size, v.intermediate_size, true);
        }
        let merged = v.hidden_size * v.spatial_merge_size * v.spatial_merge_size;
        out.add("visual.merger.ln_q.weight".into(), &[v.hidden_size]);
        out.matrix("visual.merger.mlp.0", merged, merged, true);
        out.matrix("visual.merger.mlp.2", v.out_hidden_size, merged, true);

        out.0.sort();
        out.0
    }

    /// Number of weights; tied embeddings count once.
    pub fn parameter_count(&self) -> u64 {
        self.tensor_shapes().iter().map(|(_, shape)| shape.iter().map(|&n| n as u64).product::<u64>()).sum()
    }
}

/// Collects names and shapes.
#[derive(Default)]
struct Shapes(Vec<(String, Vec<usize>)>);

impl Shapes {
    fn add(&mut self, name: String, shape: &[usize]) {
        self.0.push((name, shape.to_vec()));
    }

    fn matrix(&mut self, name: &str, rows: usize, cols: usize, bias: bool) {
        self.add(format!("{name}.weight"), &[rows, cols]);
        if bias {
            self.add(format!("{name}.bias"), &[rows]);
        }
    }

    fn mlp(&mut self, name: &str, width: usize, inner: usize, bias: bool) {
        self.matrix(&format!("{name}.gate_proj"), inner, width, bias);
        self.matrix(&format!("{name}.up_proj"), inner, width, bias);
        self.matrix(&format!("{name}.down_proj"), width, inner, bias);
    }
}

/// Refuses other architectures and quantised weights.
fn check_kind(root: &Fields<'_>) -> Result<(), ConfigError> {
    root.only("model_type", &[MODEL_TYPE], "only Qwen2.5-VL models can be loaded")?;
    if root.get("model_type").is_none() {
        return Err(ConfigError::Missing { field: "model_type".into() });
    }
    if let Some(value) = root.get("architectures") {
        let named = value.as_array().is_some_and(|list| list.iter().any(|v| v == ARCHITECTURE));
        if !named {
            return Err(unsupported("architectures", value, format!("expected {ARCHITECTURE}")));
        }
    }
    if let Some(value) = root.get("quantization_config") {
        let hint = "use the unquantised checkpoint".to_string();
        return Err(unsupported("quantization_config", value, hint));
    }
    Ok(())
}

fn read_text(f: &Fields<'_>) -> Result<TextConfig, ConfigError> {
    f.only("hidden_act", &["silu"], "only silu is implemented")?;
    if f.flag("use_sliding_window")? == Some(true) {
        return Err(unsupported(
            &f.path("use_sliding_window"),
            &json!(true),
            "every layer attends over the whole text".into(),
        ));
    }
    if let Some(value) = f.get("layer_types") {
        let full = value.as_array().is_some_and(|list| list.iter().all(|v| v == "full_attention"));
        if !full {
            let hint = "every layer must be full_attention".to_string();
            return Err(unsupported(&f.path("layer_types"), value, hint));
        }
    }
    f.fixed_number("attention_dropout", 0.0, "training uses no dropout")?;
    let heads = f.size("num_attention_heads")?;
    let hidden_size = f.size("hidden_size")?;
    if let Some(width) = hidden_size.checked_div(heads) {
        // A head width of its own would change the shapes of every attention matrix.
        f.fixed_number("head_dim", width as f64, "it must be hidden_size / num_attention_heads")?;
    }
    let (rope_theta, mrope_section) = read_rope(f)?;
    Ok(TextConfig {
        vocab_size: f.size("vocab_size")?,
        hidden_size,
        intermediate_size: f.size("intermediate_size")?,
        num_hidden_layers: f.size("num_hidden_layers")?,
        num_attention_heads: heads,
        num_key_value_heads: f.size_or("num_key_value_heads", heads)?,
        max_position_embeddings: f.size("max_position_embeddings")?,
        rms_norm_eps: f.number("rms_norm_eps")?,
        rope_theta,
        mrope_section,
    })
}

/// The rotary base and sections, from `rope_parameters` (5.x) or `rope_scaling` and `rope_theta` (4.x).
///
/// Where a file has both spellings, they must agree: which one a reader believes differs by version.
fn read_rope(f: &Fields<'_>) -> Result<(f64, [usize; 3]), ConfigError> {
    let mut sections: Vec<(String, [usize; 3])> = Vec::new();
    let mut thetas: Vec<(String, f64)> = Vec::new();
    for key in ["rope_parameters", "rope_scaling"] {
        let Some(value) = f.get(key) else { continue };
        let rope = Fields::new(value, &f.path(key))?;
        for kind in ["rope_type", "type"] {
            rope.only(kind, &["default", "mrope"], "only unscaled rotary positions are implemented")?;
        }
        rope.fixed_number("partial_rotary_factor", 1.0, "the whole head rotates")?;
        if rope.flag("mrope_interleaved")? == Some(true) {
            let hint = "sections must be contiguous".to_string();
            return Err(unsupported(&rope.path("mrope_interleaved"), &json!(true), hint));
        }
        if rope.get("mrope_section").is_some() {
            sections.push((rope.path("mrope_section"), rope.triple("mrope_section")?));
        }
        if rope.get("rope_theta").is_some() {
            thetas.push((rope.path("rope_theta"), rope.number("rope_theta")?));
        }
    }
    if f.get("rope_theta").is_some() {
        thetas.push((f.path("rope_theta"), f.number("rope_theta")?));
    }
    let section = agree(sections, || f.path("rope_parameters.mrope_section"))?;
    let theta = agree(thetas, || f.path("rope_theta"))?;
    Ok((theta, section))
}

/// The one value that all fields found give.
fn agree<T: PartialEq + std::fmt::Debug>(
    found: Vec<(String, T)>,
    missing: impl Fn() -> String,
) -> Result<T, ConfigError> {
    let mut found = found.into_iter();
    let (name, first) = found.next().ok_or_else(|| ConfigError::Missing { field: missing() })?;
    for (other, value) in found {
        check(&other, format!("{value:?}"), value == first, || format!("`{name}` is {first:?}"))?;
    }
    Ok(first)
}

fn read_vision(f: &Fields<'_>) -> Result<VisionConfig, ConfigError> {
    f.only("hidden_act", &["silu"], "only silu is implemented")?;
    f.only(
        "model_type",
        &["qwen2_5_vl_vision", MODEL_TYPE],
        "only the Qwen2.5-VL vision tower is implemented",
    )?;
    if let Some(value) = f.get("rope_parameters") {
        let rope = Fields::new(value, &f.path("rope_parameters"))?;
        rope.only("rope_type", &["axial", "default"], "positions follow the row and the column")?;
        rope.fixed_number("rope_theta", VISION_ROPE_THETA, "the vision tower's base is 10000")?;
    }
    // Released files spell it `in_chans`.
    let channels = if f.get("in_channels").is_some() { "in_channels" } else { "in_chans" };
    let full = match f.get("fullatt_block_indexes") {
        Some(_) => f.sizes("fullatt_block_indexes")?,
        None => return Err(ConfigError::Missing { field: f.path("fullatt_block_indexes") }),
    };
    Ok(VisionConfig {
        depth: f.size("depth")?,
        hidden_size: f.size("hidden_size")?,
        intermediate_size: f.size("intermediate_size")?,
        num_heads: f.size("num_heads")?,
        in_channels: f.size_or(channels, 3)?,
        patch_size: f.size("patch_size")?,
        temporal_patch_size: f.size_or("temporal_patch_size", 2)?,
        spatial_merge_size: f.size_or("spatial_merge_size", 2)?,
        window_size: f.size("window_size")?,
        fullatt_block_indexes: full,
        out_hidden_size: f.size("out_hidden_size")?,
        tokens_per_second: f.size_or("tokens_per_second", 4)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> SpecialTokens {
        SpecialTokens {
            endoftext: 0,
            im_start: 1,
            im_end: 2,
            vision_start: 3,
            vision_end: 4,
            image_pad: 6,
            video_pad: 7,
        }
    }

    /// The sizes of the released 3B model, in the flat layout.
    fn flat() -> Value {
        json!({
            "architectures": ["Qwen2_5_VLForConditionalGeneration"], "model_type": "qwen2_5_vl",
            "attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151645,
            "vision_start_token_id": 151652, "vision_end_token_id": 151653,
            "image_token_id": 151655, "video_token_id": 151656, "vision_token_id": 151654,
            "hidden_act": "silu", "hidden_size": 2048, "intermediate_size": 11008,
            "max_position_embeddings": 128000, "max_window_layers": 70, "num_attention_heads": 16,
            "num_hidden_layers": 36, "num_key_value_heads": 2, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
            "sliding_window": 32768, "tie_word_embeddings": true, "use_sliding_window": false,
            "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}, "vocab_size": 151936,
            "vision_config": {
                "depth": 32, "hidden_act": "silu", "hidden_size": 1280, "intermediate_size": 3420,
                "num_heads": 16, "in_chans": 3, "out_hidden_size": 2048, "patch_size": 14,
                "spatial_merge_size": 2, "spatial_patch_size": 14, "window_size": 112,
                "fullatt_block_indexes": [7, 15, 23, 31], "tokens_per_second": 2, "temporal_patch_size": 2,
            },
        })
    }

    fn read(value: &Value) -> Result<Qwen25VlConfig, ConfigError> {
        Qwen25VlConfig::from_json(&value.to_string())
    }

    #[test]
    fn flat_layout_of_the_released_3b_model() {
        let config = read(&flat()).unwrap();
        assert_eq!(config.text.mrope_section, [16, 24, 24]);
        assert_eq!(config.vision.in_channels, 3);
        assert_eq!((config.bos_token_id, config.pad_token_id), (Some(151643), None));
        assert_eq!(config.eos_token_ids, [151645]);
        assert!(config.tie_word_embeddings);
        // The size published for the model: 3.75 B.
        assert_eq!(config.parameter_count(), 3_754_622_976);
    }

    #[test]
    fn tiny_survives_writing_and_reading() {
        let tiny = Qwen25VlConfig::tiny(640, &tokens()).unwrap();
        for dtype in [WeightDtype::F32, WeightDtype::Bf16] {
            assert_eq!(Qwen25VlConfig::from_json(&tiny.to_json(dtype)).unwrap(), tiny);
        }
        let mut other = tiny.clone();
        other.tie_word_embeddings = false;
        other.eos_token_ids = vec![2, 0];
        other.bos_token_id = None;
        assert_eq!(Qwen25VlConfig::from_json(&other.to_json(WeightDtype::F32)).unwrap(), other);
        assert_eq!(other.parameter_count(), tiny.parameter_count() + 640 * 256);
    }

    #[test]
    fn shapes_are_sorted_and_named_once() {
        let shapes = Qwen25VlConfig::tiny(640, &tokens()).unwrap().tensor_shapes();
        assert!(shapes.windows(2).all(|w| w[0].0 < w[1].0));
        assert!(!shapes.iter().any(|(name, _)| name == "lm_head.weight"));
    }

    #[test]
    fn null_key_value_heads_mean_one_each() {
        let mut value = flat();
        value["num_key_value_heads"] = Value::Null;
        assert_eq!(read(&value).unwrap().text.num_key_value_heads, 16);
    }

    /// Puts `new` at a dotted path and returns the error.
    fn broken(path: &str, new: Value) -> String {
        let mut value = flat();
        let pointer = format!("/{}", path.replace('.', "/"));
        match value.pointer_mut(&pointer) {
            Some(slot) => *slot = new,
            None => value[path] = new,
        }
        read(&value).unwrap_err().to_string()
    }

    #[test]
    fn damaged_fields_are_named() {
        for (path, new, part) in [
            ("model_type", json!("llama"), "model_type"),
            ("model_type", Value::Null, "model_type"),
            ("architectures", json!(["LlamaForCausalLM"]), "architectures"),
            ("quantization_config", json!({"bits": 4}), "unquantised"),
            ("hidden_act", json!("gelu"), "hidden_act"),
            ("vision_config.hidden_act", json!("gelu"), "vision_config.hidden_act"),
            ("use_sliding_window", json!(true), "use_sliding_window"),
            ("use_sliding_window", json!("yes"), "use_sliding_window"),
            ("layer_types", json!(["sliding_attention"]), "layer_types"),
            ("rope_scaling.type", json!("yarn"), "rope_scaling.type"),
            ("rope_scaling.mrope_section", json!([16, 24]), "mrope_section"),
            ("rope_scaling.mrope_section", json!([16, 24, 25]), "sum to half"),
            ("rope_scaling.mrope_section", json!([u64::MAX, 1, 64]), "mrope_section"),
            ("rope_parameters", json!({"rope_theta": 5.0}), "rope_theta"),
            ("rope_theta", json!(null), "rope_theta"),
            ("rope_theta", json!(0.5), "rope_theta"),
            ("rms_norm_eps", json!(-1e-6), "rms_norm_eps"),
            ("rms_norm_eps", json!("NaN"), "rms_norm_eps"),
            ("num_hidden_layers", json!(0), "num_hidden_layers"),
            ("num_hidden_layers", json!(1025), "num_hidden_layers"),
            ("num_hidden_layers", json!(2.5), "num_hidden_layers"),
            ("hidden_size", json!(-1), "hidden_size"),
            ("hidden_size", json!(2049), "hidden_size"),
            ("num_attention_heads", json!(0), "num_attention_heads"),
            ("num_key_value_heads", json!(3), "num_attention_heads"),
            ("vocab_size", json!(1u64 << 60), "vocab_size"),
            ("vocab_size", json!(1000), "image_token_id"),
            ("image_token_id", json!(151656), "video_token_id"),
            ("eos_token_id", json!([1, "x"]), "eos_token_id"),
            ("eos_token_id", json!([151645, 999999]), "eos_token_id"),
            ("head_dim", json!(64), "head_dim"),
            ("vision_config", json!([]), "vision_config"),
            ("vision_config.window_size", json!(100), "window_size"),
            ("vision_config.num_heads", json!(640), "head width"),
            ("vision_config.fullatt_block_indexes", json!([7, 32]), "fullatt_block_indexes"),
            ("vision_config.fullatt_block_indexes", json!([7, 7]), "fullatt_block_indexes"),
            ("vision_config.out_hidden_size", json!(1024), "out_hidden_size"),
            ("vision_config.patch_size", json!([14, 14]), "patch_size"),
        ] {
            let message = broken(path, new.clone());
            assert!(message.contains(part), "{path} = {new}: {message}");
        }
    }

    #[test]
    fn text_that_is_no_object_is_refused() {
        for text in ["", "[]", "3", "{", "null", "{\"model_type\": \"qwen2_5_vl\"}"] {
            assert!(Qwen25VlConfig::from_json(text).is_err(), "{text:?}");
        }
    }
}
