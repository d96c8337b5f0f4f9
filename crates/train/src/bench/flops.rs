//! Multiplications and additions of the matrix products, from the shapes of the model.

use eyas_model::hf::Qwen25VlConfig;

/// What passes through the model.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Load {
    /// Rows of the decoder, visual tokens included.
    pub(crate) tokens: usize,
    /// Rows that are asked: those that go past the keys and values of the last layer, and through the head.
    pub(crate) heads: usize,
    /// Rows of the vision tower.
    pub(crate) patches: usize,
}

/// Floating-point operations of one forward pass; a backward pass takes twice as many. Products of the
/// linear maps only: attention, norms and activations are left out.
pub(crate) fn forward(config: &Qwen25VlConfig, load: Load) -> f64 {
    let (t, v) = (&config.text, &config.vision);
    let (d, dv) = (t.hidden_size, v.hidden_size);
    let kv = t.num_key_value_heads * t.head_dim();
    let (queries_keys_values, rest) = (d * d + 2 * d * kv, d * d + 3 * d * t.intermediate_size);
    let block = 4 * dv * dv + 3 * dv * v.intermediate_size;
    let patch = v.in_channels * v.temporal_patch_size * v.patch_size * v.patch_size * dv;
    let merged = dv * v.spatial_merge_size.pow(2);
    // Four patches share one row of the merger.
    let merger = (merged * merged + merged * v.out_hidden_size) / v.spatial_merge_size.pow(2);
    let layers = t.num_hidden_layers;
    2.0 * (load.tokens * (layers * queries_keys_values + (layers - 1) * rest)
        + load.heads * (rest + d * t.vocab_size)
        + load.patches * (patch + v.depth * block + merger)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_model::hf::SpecialTokens;

    #[test]
    fn tiny_by_hand() {
        let config = Qwen25VlConfig::tiny(1000, &SpecialTokens::FIRST).unwrap();
        // Queries, keys and values 256² + 2·256·128 = 131,072, the rest of a layer 256² + 3·256·704 = 606,208.
        let text = Load { tokens: 10, ..Load::default() };
        assert_eq!(forward(&config, text), 2.0 * 10.0 * (4.0 * 131_072.0 + 3.0 * 606_208.0));
        let head = Load { heads: 3, ..Load::default() };
        assert_eq!(forward(&config, head), 2.0 * 3.0 * (606_208.0 + 256_000.0));
        // patch 1176·128; block 4·128² + 3·128·352 = 200,704; merger (512² + 512·256) / 4 = 98,304.
        let picture = Load { patches: 64, ..Load::default() };
        assert_eq!(forward(&config, picture), 2.0 * 64.0 * (150_528.0 + 4.0 * 200_704.0 + 98_304.0));
    }
}
