//! The decoder: embeddings -> hidden states.

use burn::tensor::{Int, Tensor, TensorData};

use super::params::{Params, Tensors};
use crate::hf::Qwen25VlConfig;
use crate::ops::{Mlp, Precision, gated_mlp, joined_linear, linear, rms_norm};

pub(crate) struct Layer {
    pub(crate) norm1: usize,
    pub(crate) q: (usize, usize),
    pub(crate) k: (usize, usize),
    pub(crate) v: (usize, usize),
    pub(crate) out: usize,
    pub(crate) norm2: usize,
    pub(crate) gate: usize,
    pub(crate) up: usize,
    pub(crate) down: usize,
}

/// Positions of the decoder's parameters.
pub struct TextModel {
    pub(crate) precision: Precision,
    eps: f32,
    kv_heads: usize,
    embed: usize,
    pub(crate) layers: Vec<Layer>,
    pub(crate) norm: usize,
    pub(crate) head: usize,
}

impl TextModel {
    /// Finds the decoder's parameters; `None` when one is missing.
    pub fn new(config: &Qwen25VlConfig, params: &Params) -> Option<Self> {
        let find = |name: String| params.position(&name);
        let layers = (0..config.text.num_hidden_layers)
            .map(|i| {
                let at = |name: &str| format!("model.layers.{i}.{name}");
                let affine = |name: &str| {
                    Some((find(at(&format!("{name}.weight")))?, find(at(&format!("{name}.bias")))?))
                };
                Some(Layer {
                    norm1: find(at("input_layernorm.weight"))?,
                    q: affine("self_attn.q_proj")?,
                    k: affine("self_attn.k_proj")?,
                    v: affine("self_attn.v_proj")?,
                    out: find(at("self_attn.o_proj.weight"))?,
                    norm2: find(at("post_attention_layernorm.weight"))?,
                    gate: find(at("mlp.gate_proj.weight"))?,
                    up: find(at("mlp.up_proj.weight"))?,
                    down: find(at("mlp.down_proj.weight"))?,
                })
            })
            .collect::<Option<_>>()?;
        let embed = find("model.embed_tokens.weight".into())?;
        let head = if config.tie_word_embeddings { embed } else { find("lm_head.weight".into())? };
        Some(Self {
            precision: Precision::F32,
            eps: config.text.rms_norm_eps as f32,
            kv_heads: config.text.num_key_value_heads,
            embed,
            layers,
            norm: find("model.norm.weight".into())?,
            head,
        })
    }

    /// Number of layers.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// The embedding `[D]` of a token below the vocabulary's size.
    pub(crate) fn embedding<'a>(&self, params: &'a Params, id: u32) -> &'a [f32] {
        let table = &params.entries()[self.embed];
        let d = table.matrix()[1];
        &table.value[id as usize * d..][..d]
    }

    /// The head's weight `[V, D]`.
    pub fn head_weight(&self, w: &Tensors) -> Tensor<2> {
        w.get(self.head)
    }

    /// Embeddings `[T, D]`: row `t` is the word embedding of `ids[t]`, or, where `visual[t]` says so,
    /// that row of `features`.
    pub fn embed(
        &self,
        w: &Tensors,
        ids: &[u32],
        visual: &[Option<usize>],
        features: Option<Tensor<2>>,
    ) -> Tensor<2> {
        let table = w.get(self.embed);
        let device = table.device();
        let index = |rows: Vec<i64>| {
            let n = rows.len();
            Tensor::<1, Int>::from_data(TensorData::new(rows, [n]), &device)
        };
        let Some(features) = features else {
            return table.select(0, index(ids.iter().map(|&id| i64::from(id)).collect()));
        };
        // Words are looked up apart and joined with the visual rows; one more gather sorts them.
        let words: Vec<i64> =
            ids.iter().zip(visual).filter(|(_, v)| v.is_none()).map(|(&id, _)| i64::from(id)).collect();
        if words.is_empty() {
            return features.select(0, index(visual.iter().flatten().map(|&v| v as i64).collect()));
        }
        let offset = words.len() as i64;
        let mut word = 0;
        let order = visual
            .iter()
            .map(|v| match v {
                Some(row) => offset + *row as i64,
                None => {
                    word += 1;
                    word - 1
                }
            })
            .collect();
        Tensor::cat(vec![table.select(0, index(words)), features], 0).select(0, index(order))
    }

    /// Key-value heads of a layer.
    pub fn kv_heads(&self) -> usize {
        self.kv_heads
    }

    /// Hidden states `[N, D]` of the given rows after the final norm. `attend(layer, qkv)` mixes the tokens, whose
    /// queries, keys and values stand side by side; it is where training (packed sequences) and decoding (cached
    /// keys and values) differ.
    ///
    /// Of the other rows nothing is asked behind the last layer's keys and values: they go no further.
    pub fn forward(
        &self,
        w: &Tensors,
        mut x: Tensor<2>,
        rows: &[i64],
        mut attend: impl FnMut(usize, Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        let wanted = Tensor::<1, Int>::from_data(TensorData::new(rows.to_vec(), [rows.len()]), &x.device());
        for (i, layer) in self.layers.iter().enumerate() {
            let h = rms_norm(x.clone(), w.get(layer.norm1), self.eps);
            let maps = [layer.q, layer.k, layer.v].map(|(weight, bias)| (w.get(weight), w.get(bias)));
            let mut mixed = attend(i, joined_linear(h, maps, self.precision));
            if i + 1 == self.layers.len() {
                (mixed, x) = (mixed.select(0, wanted.clone()), x.select(0, wanted.clone()));
            }
            x = x + linear(mixed, w.get(layer.out), None, self.precision);
            let h = rms_norm(x.clone(), w.get(layer.norm2), self.eps);
            let weights = [layer.gate, layer.up, layer.down].map(|i| w.get(i));
            x = x + gated_mlp(h, Mlp { weights, biases: None }, self.precision);
        }
        rms_norm(x, w.get(self.norm), self.eps)
    }
}
