//! What a step tells about rewards, lengths, its updates and its cost, under the names of TRL and verl.

use std::collections::BTreeMap;

use eyas_algo::PolicyMetrics;
use eyas_core::{Episode, Outcome};
use eyas_model::PassSeconds;
use eyas_rollout::{Reference, RolloutStats};

use super::update::Sums;
use crate::recipe::RlStage;

/// Mean and (population) standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt())
}

/// Rewards in all, by reward and by environment. What an episode is worth that goes on from the middle of an earlier
/// one cannot be set against the references of its environment, so only groups that are `fresh` count there.
pub(super) fn reward_metrics(
    put: &mut impl FnMut(&str, f64),
    episodes: &[&Episode],
    stage: &RlStage,
    places: &[usize],
    fresh: &[bool],
    references: &[Reference],
) {
    let totals: Vec<f64> = episodes.iter().filter_map(|e| e.total_score()).map(f64::from).collect();
    let (mean, std) = moments(&totals);
    put("reward", mean);
    put("reward_std", std);
    put("critic/rewards/mean", mean);
    put("critic/rewards/max", totals.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    put("critic/rewards/min", totals.iter().copied().fold(f64::INFINITY, f64::min));
    let env_of_episode = || places.iter().flat_map(|p| std::iter::repeat_n(*p, stage.sampled()));
    for (i, spec) in stage.reward.iter().enumerate() {
        // A reward has no row where it does not apply.
        let row = |env: &str| stage.reward[..i].iter().filter(|before| before.applies(env)).count();
        let value = |(episode, env): (&&Episode, usize)| {
            let env = &stage.env[env].name;
            episode.scores.get(row(env)).filter(|_| spec.applies(env))?.score.value()
        };
        let values: Vec<f64> =
            episodes.iter().zip(env_of_episode()).filter_map(value).map(f64::from).collect();
        if values.is_empty() && !spec.envs().is_empty() {
            continue;
        }
        let (mean, std) = moments(&values);
        put(&format!("rewards/{}/mean", spec.label()), mean);
        put(&format!("rewards/{}/std", spec.label()), std);
    }
    let mut by_env: BTreeMap<usize, Vec<&Episode>> = BTreeMap::new();
    // An episode that was lost has no result, which is not a result of 0.
    let fresh = fresh.iter().flat_map(|f| std::iter::repeat_n(*f, stage.sampled()));
    for ((episode, env), fresh) in episodes.iter().zip(env_of_episode()).zip(fresh) {
        if episode.lost().is_some() || !fresh {
            continue;
        }
        by_env.entry(env).or_default().push(*episode);
    }
    for (env, episodes) in by_env {
        let name = &stage.env[env].name;
        let scores: Vec<f64> = episodes.iter().map(|e| f64::from(e.env_score)).collect();
        let score = moments(&scores).0;
        put(&format!("env/{name}/score"), score);
        if let Some(normalised) = references[env].normalised(score) {
            put(&format!("env/{name}/normalised"), normalised);
        }
        let returns: Vec<f64> = episodes.iter().map(|e| f64::from(e.env_return)).collect();
        put(&format!("env/{name}/return"), moments(&returns).0);
        let wins = episodes.iter().filter(|e| e.outcome == Outcome::Success).count();
        put(&format!("env/{name}/success"), wins as f64 / episodes.len().max(1) as f64);
    }
}

/// Turns, tokens, cut and invalid responses.
pub(super) fn length_metrics(put: &mut impl FnMut(&str, f64), episodes: &[&Episode]) {
    let turns: Vec<f64> = episodes.iter().map(|e| e.turns.len() as f64).collect();
    let lengths: Vec<f64> = episodes.iter().map(|e| e.trajectory.sampled_len() as f64).collect();
    let (mean, _) = moments(&lengths);
    put("completions/mean_length", mean);
    put("completions/max_length", lengths.iter().copied().fold(0.0, f64::max));
    put("completions/min_length", lengths.iter().copied().fold(f64::INFINITY, f64::min));
    put("response_length/mean", mean);
    let cut = episodes.iter().filter(|e| e.turns.iter().any(|t| !t.terminated)).count();
    put("completions/clipped_ratio", cut as f64 / episodes.len().max(1) as f64);
    put("response_length/clip_ratio", cut as f64 / episodes.len().max(1) as f64);
    put("num_turns/mean", moments(&turns).0);
    let invalid = episodes.iter().flat_map(|e| &e.turns).filter(|t| t.action.is_none()).count();
    put("invalid_actions", invalid as f64 / turns.iter().sum::<f64>().max(1.0));
}

/// What the updates of a step have done. Entropy is a mean over tokens, the distance between sampler and trainer one
/// over those scored before the first update.
pub(super) fn update_metrics(put: &mut impl FnMut(&str, f64), sums: &Sums, lr: f32) {
    put("loss", sums.loss);
    put("actor/pg_loss", sums.loss);
    let tokens = sums.tokens.max(1) as f64;
    put("entropy", sums.entropy / tokens);
    put("actor/entropy", sums.entropy / tokens);
    let mismatch = sums.mismatch / sums.unmoved.max(1) as f64;
    put("sampling/sampling_logp_difference/mean", mismatch);
    put("sampling/sampling_logp_difference/max", sums.mismatch_max);
    put("training/rollout_probs_diff_mean", mismatch);
    policy_metrics(put, &sums.metrics);
    put("grad_norm", sums.grad_norm);
    put("actor/grad_norm", sums.grad_norm);
    put("learning_rate", f64::from(lr));
    put("updates", sums.applied as f64);
}

/// Wall-clock seconds of the parts of a step.
pub(super) struct StepSeconds {
    pub(super) generation: f64,
    pub(super) rewards: f64,
    pub(super) advantages: f64,
    pub(super) updates: f64,
    /// Inside the updates.
    pub(super) passes: PassSeconds,
    pub(super) step: f64,
}

/// Tokens and seconds of a step.
pub(super) fn cost_metrics(put: &mut impl FnMut(&str, f64), stats: &RolloutStats, seconds: &StepSeconds) {
    let tokens = (stats.sampled_tokens + stats.prompt_tokens) as f64;
    put("num_tokens", tokens);
    put("sampled_tokens", stats.sampled_tokens as f64);
    put("step_time", seconds.step);
    put("timing_s/gen", seconds.generation);
    put("timing_s/render", stats.seconds.render);
    put("timing_s/encode", stats.seconds.encode);
    put("timing_s/prefill", stats.seconds.prefill);
    put("timing_s/decode", stats.seconds.decode);
    put("timing_s/sample", stats.seconds.sample);
    put("timing_s/act", stats.seconds.act);
    put("decoder_passes", stats.passes as f64);
    put("decoder_rows", stats.rows as f64);
    put("timing_s/reward", seconds.rewards);
    put("timing_s/adv", seconds.advantages);
    put("timing_s/score", seconds.passes.forward);
    put("timing_s/backward", seconds.passes.backward);
    put("timing_s/optimizer", seconds.passes.optimizer);
    put("timing_s/update_actor", seconds.updates);
    put("timing_s/step", seconds.step);
    put("perf/throughput", tokens / seconds.step);
}

/// What the loss has seen, each mean under its own name and under those of TRL and verl where they have one.
fn policy_metrics(put: &mut impl FnMut(&str, f64), metrics: &PolicyMetrics) {
    put("sampling/importance_sampling_ratio/max", metrics.ratio_max);
    put("sampling/importance_sampling_ratio/min", metrics.ratio_min);
    for (name, mean) in &metrics.means {
        let names: &[&str] = match *name {
            "clip_fraction" => &["clip_ratio/region_mean", "actor/pg_clipfrac"],
            "clip_fraction_low" => &["clip_ratio/low_mean"],
            "clip_fraction_high" => &["clip_ratio/high_mean"],
            "ppo_kl" => &["actor/ppo_kl"],
            "ratio" => &["sampling/importance_sampling_ratio/mean"],
            "kl" => &["kl", "actor/kl_loss"],
            // Of all tokens, under its own name already.
            "entropy" => &[],
            other => {
                put(&format!("loss/{other}"), mean.value());
                &[]
            }
        };
        names.iter().for_each(|name| put(name, mean.value()));
    }
}
