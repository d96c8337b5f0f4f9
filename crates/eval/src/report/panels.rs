//! Which metrics are drawn together, and under which names they are looked for.

use std::collections::BTreeSet;

use super::MetricLine;
use super::chart::{Series, figure};

/// A chart.
struct Panel {
    title: &'static str,
    unit: &'static str,
    /// One entry per line of the chart.
    lines: &'static [Line],
    /// Whether every stage of the run has a chart of its own, because the metric means something else
    /// in each of them.
    by_stage: bool,
}

/// One line of a chart, or one per name where the keys hold a `*`.
struct Line {
    /// The label; empty: the part of the key that `*` stands for, or the key.
    label: &'static str,
    /// The spellings of the metric (TRL's, verl's, ours); the first that occurs is drawn.
    keys: &'static [&'static str],
}

const fn line(label: &'static str, keys: &'static [&'static str]) -> Line {
    Line { label, keys }
}

const PANELS: &[Panel] = &[
    Panel {
        title: "Reward",
        unit: "mean an episode",
        lines: &[
            line("total", &["reward", "critic/rewards/mean"]),
            line("", &["rewards/*/mean", "reward/*"]),
        ],
        by_stage: false,
    },
    Panel {
        title: "Reward spread",
        unit: "standard deviation",
        lines: &[line("within groups", &["reward_std"])],
        by_stage: false,
    },
    Panel {
        title: "Groups without signal",
        unit: "share",
        lines: &[line("all rewards equal", &["frac_reward_zero_std"])],
        by_stage: false,
    },
    Panel {
        title: "Normalised score",
        unit: "0 random, 1 oracle",
        lines: &[
            line("mean", &["eval/mean_normalised", "eval/normalised"]),
            line("", &["eval/*/normalised"]),
        ],
        by_stage: false,
    },
    Panel {
        title: "Raw score",
        unit: "held-out episodes",
        lines: &[line("", &["eval/*/score", "eval/*/raw"])],
        by_stage: false,
    },
    Panel {
        title: "Score while training",
        unit: "sampled episodes",
        lines: &[line("", &["env/*/normalised", "env/*/score", "score/*", "train/*/score"])],
        by_stage: false,
    },
    Panel {
        title: "Success",
        unit: "share of episodes",
        lines: &[
            line("training", &["success", "success_rate"]),
            line("", &["eval/*/success", "env/*/success"]),
        ],
        by_stage: false,
    },
    Panel {
        title: "Perception accuracy",
        unit: "share of cells",
        lines: &[
            line("training", &["perception", "perception_accuracy"]),
            line("", &["eval/*/perception", "env/*/perception", "perception/*"]),
        ],
        by_stage: false,
    },
    Panel {
        title: "Well-formed responses",
        unit: "share",
        lines: &[line("training", &["format", "format_rate"]), line("", &["eval/*/format", "env/*/format"])],
        by_stage: false,
    },
    Panel {
        title: "Response length",
        unit: "tokens",
        lines: &[
            line("mean", &["completions/mean_length", "response_length/mean", "response_length"]),
            line("max", &["completions/max_length", "response_length/max"]),
        ],
        by_stage: false,
    },
    Panel {
        title: "Responses cut short",
        unit: "share",
        lines: &[line("cut", &["completions/clipped_ratio", "response_length/clip_ratio"])],
        by_stage: false,
    },
    Panel {
        title: "Answers that are no action",
        unit: "share of turns",
        lines: &[line("invalid", &["invalid_actions"])],
        by_stage: false,
    },
    Panel {
        title: "Turns",
        unit: "mean an episode",
        lines: &[line("turns", &["num_turns/mean"])],
        by_stage: false,
    },
    Panel {
        title: "KL divergence",
        unit: "nats a token",
        lines: &[
            line("from the reference", &["kl", "actor/kl_loss"]),
            line("from the sampler", &["ppo_kl", "actor/ppo_kl"]),
        ],
        by_stage: false,
    },
    Panel {
        title: "Entropy",
        unit: "nats a token",
        lines: &[line("entropy", &["entropy", "actor/entropy"])],
        by_stage: false,
    },
    Panel {
        title: "Loss",
        unit: "",
        lines: &[line("loss", &["loss", "actor/loss", "actor/pg_loss"])],
        by_stage: true,
    },
    Panel {
        title: "Token accuracy",
        unit: "share of the demonstrations",
        lines: &[line("right", &["mean_token_accuracy"])],
        by_stage: false,
    },
    Panel {
        title: "Gradient norm",
        unit: "",
        lines: &[line("before clipping", &["grad_norm", "actor/grad_norm"])],
        by_stage: false,
    },
    Panel {
        title: "Clipped tokens",
        unit: "share",
        lines: &[
            line("all", &["clip_ratio/region_mean", "actor/pg_clipfrac", "clip_fraction"]),
            line("low", &["clip_ratio/low_mean", "clip_fraction_low"]),
            line("high", &["clip_ratio/high_mean", "clip_fraction_high"]),
        ],
        by_stage: false,
    },
    Panel {
        title: "Learning rate",
        unit: "",
        lines: &[line("learning rate", &["lr", "learning_rate", "actor/lr"])],
        by_stage: false,
    },
    Panel {
        title: "Sampling and scoring differ by",
        unit: "log-prob",
        lines: &[
            line("mean", &["sampling/sampling_logp_difference/mean", "training/rollout_probs_diff_mean"]),
            line("max", &["sampling/sampling_logp_difference/max", "training/rollout_probs_diff_max"]),
        ],
        by_stage: false,
    },
    Panel {
        title: "Throughput",
        unit: "tokens/s",
        lines: &[
            line("all", &["tokens_per_second", "perf/throughput"]),
            line("", &["perf/*_tokens_per_second", "*_tokens_per_second", "tokens_per_second/*"]),
        ],
        by_stage: false,
    },
    Panel {
        title: "Time",
        unit: "seconds a step",
        lines: &[line("step", &["step_time", "timing_s/step"]), line("", &["time/*", "timing_s/*"])],
        by_stage: false,
    },
];

/// The charts that `metrics` has data for, in the order of [`PANELS`].
pub(super) fn charts(metrics: &[MetricLine]) -> String {
    let all: Vec<&MetricLine> = metrics.iter().collect();
    let stages = by_stage(metrics);
    let mut html = String::new();
    for panel in PANELS {
        if !panel.by_stage || stages.len() < 2 {
            html.push_str(&chart(panel, panel.title, &all));
            continue;
        }
        for (stage, lines) in &stages {
            html.push_str(&chart(panel, &format!("{}, {stage}", panel.title), lines));
        }
    }
    html
}

/// The lines of every stage, in the order in which the stages first occur. Lines without a "stage"
/// count to one without a name.
fn by_stage(metrics: &[MetricLine]) -> Vec<(&str, Vec<&MetricLine>)> {
    let mut stages: Vec<(&str, Vec<&MetricLine>)> = Vec::new();
    for line in metrics {
        let name = line.get("stage").and_then(|v| v.as_str()).unwrap_or_default();
        match stages.iter_mut().find(|(stage, _)| *stage == name) {
            Some((_, lines)) => lines.push(line),
            None => stages.push((name, vec![line])),
        }
    }
    stages
}

/// One chart; empty without data.
fn chart(panel: &Panel, title: &str, metrics: &[&MetricLine]) -> String {
    let keys: BTreeSet<&str> = metrics.iter().flat_map(|l| l.keys().map(String::as_str)).collect();
    let mut series: Vec<Series> = Vec::new();
    for line in panel.lines {
        for (key, label) in matching(line, &keys) {
            let points = points(metrics, key);
            // The same quantity may occur under two names.
            if !points.is_empty() && !series.iter().any(|s| s.label == label) {
                series.push(Series { label, points });
            }
        }
    }
    if series.is_empty() { String::new() } else { figure(title, panel.unit, &series) }
}

/// The keys of the first spelling of `line` that occurs, each with its label.
fn matching<'a>(line: &Line, keys: &BTreeSet<&'a str>) -> Vec<(&'a str, String)> {
    let of_spelling = |spelling: &&str| -> Vec<(&'a str, String)> {
        keys.iter()
            .filter_map(|key| {
                let part = part(spelling, key)?;
                let label = if line.label.is_empty() { part } else { line.label };
                Some((*key, label.to_string()))
            })
            .collect()
    };
    line.keys.iter().map(of_spelling).find(|found| !found.is_empty()).unwrap_or_default()
}

/// What `*` stands for when `key` has this spelling (the whole key where there is no `*`). The part is
/// never empty and holds no `/`, so that `rewards/*/mean` and `time/*` stay apart from deeper keys.
fn part<'k>(spelling: &str, key: &'k str) -> Option<&'k str> {
    let Some((head, tail)) = spelling.split_once('*') else {
        return (spelling == key).then_some(key);
    };
    let part = key.strip_prefix(head)?.strip_suffix(tail)?;
    (!part.is_empty() && !part.contains('/')).then_some(part)
}

/// The finite values of `key` by step, in ascending order of the steps.
fn points(metrics: &[&MetricLine], key: &str) -> Vec<(f64, f64)> {
    let number = |line: &MetricLine, key: &str| line.get(key)?.as_f64().filter(|v| v.is_finite());
    let mut points: Vec<(f64, f64)> =
        metrics.iter().filter_map(|l| number(l, "step").zip(number(l, key))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lines(values: serde_json::Value) -> Vec<MetricLine> {
        serde_json::from_value(values).unwrap()
    }

    #[test]
    fn spellings_match_one_level() {
        assert_eq!(part("rewards/*/mean", "rewards/game/mean"), Some("game"));
        assert_eq!(part("rewards/*/mean", "rewards/a/b/mean"), None);
        assert_eq!(part("rewards/*/mean", "rewards//mean"), None);
        assert_eq!(part("*_tokens_per_second", "rollout_tokens_per_second"), Some("rollout"));
        assert_eq!((part("kl", "kl"), part("kl", "ppo_kl")), (Some("kl"), None));
    }

    #[test]
    fn the_first_spelling_wins_and_gaps_are_skipped() {
        let metrics = lines(json!([
            {"step": 2, "reward": 0.5, "critic/rewards/mean": 9.0, "rewards/format/mean": 1.0},
            {"step": 1, "reward": 0.25, "note": "text"},
            {"step": 3, "reward": null},
            {"reward": 7.0},
        ]));
        let all: Vec<&MetricLine> = metrics.iter().collect();
        assert_eq!(points(&all, "reward"), [(1.0, 0.25), (2.0, 0.5)]);
        let html = charts(&metrics);
        assert_eq!(html.matches("<figure").count(), 1, "only the reward panel has data");
        assert!(html.contains("data-label=\"total\" data-points=\"1,0.25 2,0.5\""), "{html}");
        assert!(html.contains("data-label=\"format\"") && !html.contains(",9"));
    }

    #[test]
    fn no_metric_no_chart() {
        assert_eq!(charts(&[]), "");
        assert_eq!(charts(&lines(json!([{"step": 1, "unheard/of": 1.0}]))), "");
    }

    #[test]
    fn one_label_is_drawn_once_a_panel() {
        let html =
            charts(&lines(json!([{"step": 1, "step_time": 2.0, "timing_s/step": 2.0, "timing_s/gen": 1.0}])));
        assert_eq!(html.matches("data-label").count(), 2, "{html}");
    }

    #[test]
    fn stages_have_their_own_loss() {
        let html = charts(&lines(json!([
            {"step": 0, "stage": "warm-up", "loss": 3.0, "grad_norm": 1.0},
            {"step": 1, "stage": "rl", "loss": 0.1, "grad_norm": 1.0},
            {"step": 2, "stage": "rl", "loss": 0.2, "grad_norm": 1.0},
        ])));
        assert!(
            html.contains("<figcaption>Loss, warm-up<") && html.contains("<figcaption>Loss, rl<"),
            "{html}"
        );
        assert!(html.contains("data-points=\"1,0.1 2,0.2\""), "{html}");
        assert_eq!(html.matches("<figcaption>Gradient norm<").count(), 1);
        assert!(
            charts(&lines(json!([{"step": 0, "stage": "rl", "loss": 0.1}]))).contains("<figcaption>Loss<")
        );
    }
}
