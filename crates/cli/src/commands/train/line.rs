//! What a step says on the progress line.

use eyas_eval::report::MetricLine;
use serde_json::Value;

/// The figures of the progress line: what there is of reward, scores, length, KL and speed.
pub(crate) fn line(metrics: &MetricLine) -> String {
    let number = |key: &str| metrics.get(key).and_then(Value::as_f64);
    let mut parts = Vec::new();
    for (key, label, digits) in [
        ("loss", "loss", 3),
        ("mean_token_accuracy", "accuracy", 3),
        ("accuracy", "pairs right", 3),
        ("held_out/accuracy", "of held-out pairs", 3),
        ("reward", "reward", 3),
        ("completions/mean_length", "length", 0),
        ("kl", "kl", 4),
        ("entropy", "entropy", 3),
        ("perf/throughput", "tok/s", 0),
    ] {
        if let Some(value) = number(key) {
            parts.push(format!("{label} {value:.digits$}"));
        }
    }
    for (key, value) in metrics {
        if let (Some(env), Some(score)) =
            (key.strip_prefix("env/").and_then(|k| k.strip_suffix("/normalised")), value.as_f64())
        {
            parts.push(format!("{env} {score:.2}"));
        }
    }
    parts.join("  ")
}
