//! Learning from pairs: of two responses to the same start, one is to be preferred.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use eyas_algo::Mean;
use eyas_algo::loss::preference::{
    Counts, Pair, PreferenceBatch, PreferenceLoss, ScorePairs, best_and_worst, preference_loss,
};
use eyas_core::{Episode, Group, Seed, Trajectory};
use eyas_model::{ImageStore, Policy, ScoreOptions, Scored, Upstream, Vlm};
use eyas_reward::{Progress, RewardSpec};
use eyas_rollout::{Agent, Demonstrated, Lesson, Pictures, Start, Teacher, demonstrate, rollout};
use serde_json::Value;

use crate::judges::{Scoring, Snapshot};
use crate::mixture::starts;
use crate::optim::{adamw, micro_batches};
use crate::recipe::{PairSource, PreferenceStage};
use crate::rl::rollout_config;
use crate::run_dir::Metrics;
use crate::{Guard, StageRun, StageState, StepReport, TrainError};

/// Runs the stage. `reference`: the policy at its start, which most losses compare with.
///
/// # Errors
/// [`TrainError`]; also when `report` fails.
pub fn run_preference(
    model: &mut Vlm,
    reference: Option<&Policy>,
    stage: &PreferenceStage,
    run: &StageRun<'_>,
    guard: &mut Guard,
    report: &mut dyn FnMut(StepReport<'_>) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    let asks = stage.reward.iter().any(|reward| reward.judges().is_ok_and(|judges| !judges.is_empty()));
    let name = reference.filter(|_| asks).map(|policy| format!("policy {}", policy.weights_hash()));
    for step in run.from..stage.steps {
        let begin = Instant::now();
        guard.begin();
        let seed = run.seed.split("preference", step);
        let forbidden: Arc<[u32]> = Arc::from(Agent::of(model).forbidden());
        let drawn = match stage.pairs.source {
            PairSource::Oracle => demonstrated(Agent::of(model), stage, run, seed)?,
            PairSource::Policy => {
                let agent = Agent::of(model);
                let judge = reference.zip(name.as_deref());
                let judge = judge.map(|(policy, name)| Snapshot { agent: Agent { policy, ..agent }, name });
                sampled(agent, stage, run, (seed, step), judge)?
            }
        };
        drawn.lost.iter().for_each(|why| guard.see_lost_start(why.clone()));
        guard.see_lost(&drawn.episodes);
        guard.check_scores(&drawn.episodes)?;
        let draw_secs = begin.elapsed().as_secs_f64();
        let options = ScoreOptions {
            temperature: stage.rollout.temperature as f32,
            forbidden: if stage.pairs.source == PairSource::Policy { forbidden } else { Arc::from([]) },
            ..ScoreOptions::default()
        };
        let settings = adamw(&stage.optim, stage.steps, step);
        let mut images = ImageStore::default();
        images.add(model.policy.processor(), drawn.episodes.iter().flat_map(|e| e.images.values()))?;
        let corrupted =
            images.corrupted(model.policy.processor(), stage.corruption, seed.split("corruption", 0));
        let views = Views { images: &images, corrupted: &corrupted, reference, options: &options };
        let mut sums = Sums::default();
        let done = update(&mut model.policy, &drawn, stage, &views, run, &mut sums);
        let applied = match drawn.pairs.is_empty() {
            true => None,
            false => Some(guard.apply(&mut model.policy, &settings, done.map(|()| sums.loss))?),
        };

        let mut line = Metrics::new();
        line.insert("step".into(), Value::from(step));
        line.insert("stage".into(), Value::from(stage.name.as_str()));
        let mut put = |key: &str, value: f64| {
            if value.is_finite() {
                line.insert(key.to_string(), Value::from(value));
            }
        };
        let seconds = begin.elapsed().as_secs_f64();
        let tokens: usize = drawn.episodes.iter().map(|e| e.trajectory.len()).sum();
        put("pairs", drawn.pairs.len() as f64);
        put("sampled_tokens", drawn.sampled_tokens as f64);
        if let Some(applied) = applied {
            put("loss", sums.loss);
            put("grad_norm", applied.grad_norm);
            sums.metrics.iter().for_each(|(name, mean)| put(name, mean.value()));
        }
        guard.metrics(&mut put);
        put("learning_rate", f64::from(settings.lr));
        put("num_tokens", tokens as f64);
        put("step_time", seconds);
        put("timing_s/gen", draw_secs);
        put("perf/throughput", tokens as f64 / seconds);
        let skipped = applied.is_none_or(|a| !a.applied);
        line.insert("update_skipped".into(), Value::from(skipped));
        report(StepReport {
            stage: &stage.name,
            step,
            steps: stage.steps,
            metrics: &mut line,
            episodes: &drawn.episodes,
            model,
            reference,
            state: &StageState::default(),
            guard,
        })?;
    }
    Ok(())
}

/// Episodes, and which of them are preferred to which.
struct Drawn {
    episodes: Vec<Episode>,
    /// (chosen, rejected), by position in `episodes`.
    pairs: Vec<(usize, usize)>,
    sampled_tokens: usize,
    /// What was lost because its environment failed, a sentence each.
    lost: Vec<String>,
}

/// The oracle against a player of random legal actions, from the same starts. Pairs whose responses are the
/// same are left out.
fn demonstrated(
    agent: Agent<'_>,
    stage: &PreferenceStage,
    run: &StageRun<'_>,
    seed: Seed,
) -> Result<Drawn, TrainError> {
    let teacher = |noise| Teacher {
        noise,
        style: run.style,
        max_tokens: stage.rollout.max_context,
        thought_dropout: 0.0,
        record_truth: false,
    };
    let starts = starts(&stage.env, stage.pairs.count, seed, run.watch())?;
    let mut lost: Vec<String> = starts.iter().flat_map(|(_, start)| start.failed.clone()).collect();
    let lesson = |(place, (_, start)): (usize, &(usize, Start))| {
        let rng = seed.split("teacher", place as u64).rng();
        Lesson { start: start.clone(), moves: 0, rng }
    };
    let lessons = starts.iter().enumerate().map(lesson).collect();
    let good: Vec<Demonstrated> = demonstrate(agent, lessons, &teacher(0.0), run.watch())?;
    // The same random numbers go on.
    let again = |((_, start), good): (&(usize, Start), &Demonstrated)| {
        let rng = good.as_ref().ok()?.1.clone();
        Some(Lesson { start: start.clone(), moves: 0, rng })
    };
    let lessons = starts.iter().zip(&good).filter_map(again).collect();
    let mut bad = demonstrate(agent, lessons, &teacher(1.0), run.watch())?.into_iter();
    let mut episodes = Vec::new();
    for ((env, start), good) in starts.iter().zip(good) {
        let both = good.and_then(|(good, _)| Ok((good, bad.next().transpose()?)));
        match both {
            Ok((good, Some((bad, _)))) => {
                if good.trajectory.ids() != bad.trajectory.ids() {
                    episodes.extend([good, bad]);
                }
            }
            // There is a second lesson for each first one that was given.
            Ok((_, None)) => {}
            Err(why) => {
                let (env, begun) = (&stage.env[*env].id, start.seed.value());
                lost.push(format!("a pair of {env} is lost (start {begun}): it {why}"));
            }
        }
    }
    let pairs = (0..episodes.len() / 2).map(|i| (2 * i, 2 * i + 1)).collect();
    Ok(Drawn { episodes, pairs, sampled_tokens: 0, lost })
}

/// The best of each group of the policy's own episodes against the worst.
fn sampled(
    agent: Agent<'_>,
    stage: &PreferenceStage,
    run: &StageRun<'_>,
    (seed, step): (Seed, u64),
    judge: Option<Snapshot<'_>>,
) -> Result<Drawn, TrainError> {
    let mut config = rollout_config(&stage.rollout, run.style);
    config.record_truth = stage.reward.iter().any(RewardSpec::reads_truth);
    config.env_limit = run.env_limit;
    let (places, begins): (Vec<usize>, Vec<_>) =
        starts(&stage.env, stage.rollout.groups, seed, run.watch())?.into_iter().unzip();
    let lost = begins.iter().flat_map(|start: &Start| start.failed.clone()).collect();
    let (mut groups, stats) = rollout(
        agent,
        &begins,
        stage.rollout.group_size,
        &config,
        seed.split("sampling", 0),
        &mut Pictures::default(),
        run.interrupt,
    )?;
    let scoring = Scoring {
        rewards: &stage.reward,
        envs: &stage.env,
        tags: run.style.tags(),
        progress: Progress { step, steps: stage.steps },
        judges: run.judges,
        policy: judge,
        interrupt: run.interrupt,
    };
    scoring.score(&mut groups, &places, &[])?;
    let chosen = |group: &Group| {
        let scores: Vec<Option<f64>> =
            group.episodes.iter().map(|e| e.total_score().map(f64::from)).collect();
        best_and_worst(&scores, &ScorePairs { min_difference: stage.pairs.margin })
    };
    let pairs: Vec<Option<Pair>> = groups.iter().map(chosen).collect();
    let size = stage.rollout.group_size;
    let pairs = pairs
        .into_iter()
        .enumerate()
        .filter_map(|(g, pair)| pair.map(|p| (g * size + p.chosen, g * size + p.rejected)))
        .collect();
    let episodes = groups.into_iter().flat_map(|g| g.episodes).collect();
    Ok(Drawn { episodes, pairs, sampled_tokens: stats.sampled_tokens, lost })
}

struct Views<'a> {
    images: &'a ImageStore,
    corrupted: &'a ImageStore,
    reference: Option<&'a Policy>,
    options: &'a ScoreOptions,
}

#[derive(Default)]
struct Sums {
    loss: f64,
    metrics: BTreeMap<&'static str, Mean>,
}

/// Accumulates the gradient of all pairs, and the loss and metrics in `sums`. The two responses of a pair share the work of their prompt.
fn update(
    policy: &mut Policy,
    drawn: &Drawn,
    stage: &PreferenceStage,
    views: &Views<'_>,
    run: &StageRun<'_>,
    sums: &mut Sums,
) -> Result<(), TrainError> {
    let both = |(chosen, rejected): &(usize, usize)| {
        vec![&drawn.episodes[*chosen].trajectory, &drawn.episodes[*rejected].trajectory]
    };
    let groups: Vec<Vec<&Trajectory>> = drawn.pairs.iter().map(both).collect();
    let chosen_tokens = groups.iter().map(|g| g[0].sampled_len()).sum::<usize>() as f64;
    let counts = Counts { pairs: groups.len() as f64, chosen_tokens, labels: 2.0 * groups.len() as f64 };
    let pictured = stage.preference.terms.iter().any(|t| t.loss.reads_pictures());
    for micro in micro_batches(&groups, stage.optim.micro_batch_tokens) {
        if run.interrupt.is_raised() {
            return Err(TrainError::Interrupted);
        }
        let Views { images, corrupted, reference, options } = *views;
        let score = |policy: &Policy, images: &ImageStore| -> Result<Vec<f32>, TrainError> {
            Ok(policy.score(micro, images, options)?.logprobs)
        };
        let of_reference = reference.map(|r| score(r, images)).transpose()?;
        let masked = if pictured { Some(score(policy, corrupted)?) } else { None };
        let masked_reference = match reference.filter(|_| pictured) {
            Some(reference) => Some(score(reference, corrupted)?),
            None => None,
        };
        let mut by_masked = Vec::new();
        policy.accumulate(micro, images, options, |scored| {
            let offsets = offsets(scored);
            let pairs: Vec<Pair> = (0..micro.len()).map(|i| Pair::new(2 * i, 2 * i + 1)).collect();
            let labels: Vec<Option<bool>> = (0..2 * micro.len()).map(|i| Some(i % 2 == 0)).collect();
            let batch = PreferenceBatch {
                logprob: &scored.logprobs,
                weight: &vec![1.0; scored.logprobs.len()],
                offsets: &offsets,
                reference: of_reference.as_deref(),
                masked: masked.as_deref(),
                masked_reference: masked_reference.as_deref(),
                pairs: &pairs,
                labels: Some(&labels),
                kl: Some(0.0),
                shift: 0.0,
            };
            let PreferenceLoss { value, d_logprob, d_masked, metrics } =
                preference_loss(&batch, &stage.preference, counts)?;
            sums.loss += value;
            for (name, mean) in metrics {
                let all = sums.metrics.entry(name).or_default();
                all.sum += mean.sum;
                all.count += mean.count;
            }
            by_masked = d_masked;
            Ok::<_, TrainError>(Upstream { d_logprobs: d_logprob, ..Upstream::default() })
        })?;
        if by_masked.iter().any(|d| *d != 0.0) {
            let upstream = Upstream { d_logprobs: by_masked, ..Upstream::default() };
            policy.accumulate(micro, corrupted, options, |_| Ok::<_, TrainError>(upstream))?;
        }
    }
    Ok(())
}

/// Where the tokens of each response start, and the end.
fn offsets(scored: &Scored) -> Vec<usize> {
    let mut offsets = vec![0];
    for (i, pair) in scored.origins.windows(2).enumerate() {
        if (pair[0].group, pair[0].member) != (pair[1].group, pair[1].member) {
            offsets.push(i + 1);
        }
    }
    offsets.push(scored.origins.len());
    offsets
}
