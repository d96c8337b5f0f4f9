//! Supervised fine-tuning on demonstrations of the oracle: the cold start.

use std::time::Instant;

use eyas_algo::loss::supervised::weight::kind_weights;
use eyas_algo::{LossError, sft_loss};
use eyas_core::{Episode, Group, Outcome, Rng, Seed, Trajectory, isolate};
use eyas_data::stage::{Bucket, bucket};
use eyas_gym::ResponseStyle;
use eyas_model::{ImageStore, Origin, ScoreOptions, Upstream, Vlm};
use eyas_rollout::{Agent, Lesson, Pictures, Start, Teacher, Watch, demonstrate, each, rollout};
use serde_json::Value;

use crate::mixture::starts;
use crate::optim::{adamw, micro_batches};
use crate::recipe::{RolloutSettings, SftStage};
use crate::rl::rollout_config;
use crate::run_dir::{Metrics, put};
use crate::{Guard, StageRun, StageState, StepReport, TrainError};

/// Draws the demonstrations of one step, and says which were lost because their environment failed. Each
/// depends on (seed, step, place) only.
///
/// # Errors
/// When an environment or the tokenizer refuses its input.
pub fn demonstrations(
    agent: Agent<'_>,
    stage: &SftStage,
    style: ResponseStyle,
    seed: Seed,
    step: u64,
    watch: Watch<'_>,
) -> Result<(Vec<Episode>, Vec<String>), TrainError> {
    let seed = seed.split("sft", step);
    let teacher = teacher_of(stage, style);
    let starts = starts(&stage.env, stage.batch_size, seed, watch)?;
    let mut lost: Vec<String> = starts.iter().flat_map(|(_, start)| start.failed.clone()).collect();
    let begun: Vec<(&str, u64)> =
        starts.iter().map(|(env, start)| (stage.env[*env].id.as_str(), start.seed.value())).collect();
    let lesson = |(place, (_, start)): (usize, (usize, Start))| {
        let mut rng = seed.split("teacher", place as u64).rng();
        let moves = rng.below(stage.teacher.random_start as usize + 1);
        Lesson { start, moves, rng }
    };
    let lessons = starts.into_iter().enumerate().map(lesson).collect();
    let mut episodes = Vec::with_capacity(begun.len());
    for (begun, shown) in begun.into_iter().zip(demonstrate(agent, lessons, &teacher, watch)?) {
        match shown {
            Ok((episode, _)) => episodes.push(episode),
            Err(why) => lost.push(lost_demonstration(begun, &why)),
        }
    }
    Ok((episodes, lost))
}

/// What a step learns from when the policy tries by itself.
struct Attempted {
    /// By start, an own success or a demonstration.
    episodes: Vec<Episode>,
    /// How many are the policy's own.
    own: usize,
    /// Tokens that it sampled, whether they are learnt from or not.
    sampled_tokens: usize,
}

/// Lets the policy try, and chooses what to learn from. What is lost on the way, `guard` is told.
fn attempted(
    agent: Agent<'_>,
    stage: &SftStage,
    settings: &RolloutSettings,
    run: &StageRun<'_>,
    step: u64,
    guard: &mut Guard,
) -> Result<Attempted, TrainError> {
    let attempts = stage.attempts.unwrap_or_default();
    let seed = run.seed.split("sft", step);
    let mut config = rollout_config(settings, run.style);
    config.env_limit = run.env_limit;
    let mut begins: Vec<Start> = starts(&stage.env, stage.batch_size, seed, run.watch())?
        .into_iter()
        .map(|(_, start)| start)
        .collect();
    advance(&mut begins, stage.teacher.random_start as usize, seed, run.watch())?;
    let sampling = seed.split("sampling", 0);
    let mut pictures = Pictures::default();
    let (groups, stats) =
        rollout(agent, &begins, settings.group_size, &config, sampling, &mut pictures, run.interrupt)?;
    begins.iter().flat_map(|start| &start.failed).for_each(|why| guard.see_lost_start(why.clone()));
    guard.see_lost(groups.iter().flat_map(|group| &group.episodes));
    let mut learnt = Attempted { episodes: Vec::new(), own: 0, sampled_tokens: stats.sampled_tokens };
    let buckets: Vec<Option<Bucket>> = groups.iter().map(|group| bucket(pass_rate(group))).collect();
    let taught = |place: usize| attempts.teacher && buckets[place] == Some(Bucket::Expert);
    let lesson = |(place, start): (usize, &Start)| {
        let rng = seed.split("expert", place as u64).rng();
        taught(place).then(|| Lesson { start: start.clone(), moves: 0, rng })
    };
    let lessons = begins.iter().enumerate().filter_map(lesson).collect();
    let mut shown = demonstrate(agent, lessons, &teacher_of(stage, run.style), run.watch())?.into_iter();
    for ((bucket, group), start) in buckets.iter().zip(groups).zip(begins) {
        match bucket {
            Some(Bucket::Expert) if attempts.teacher => match shown.next() {
                Some(Ok((episode, _))) => learnt.episodes.push(episode),
                Some(Err(why)) => {
                    let begun = (start.game.spec().id, start.seed.value());
                    guard.see_lost_start(lost_demonstration(begun, &why));
                }
                // There is a lesson for each of these.
                None => {}
            },
            Some(Bucket::Drop) if !attempts.solved => {}
            Some(Bucket::SelfDistilled | Bucket::Drop) => {
                // The shortest success: of what was right, what took least.
                let successes = group.episodes.into_iter().filter(|e| e.outcome == Outcome::Success);
                learnt.episodes.extend(successes.min_by_key(|e| e.trajectory.sampled_len()));
                learnt.own += 1;
            }
            Some(Bucket::Expert) | None => {}
        }
    }
    Ok(learnt)
}

fn lost_demonstration((env, start): (&str, u64), why: &str) -> String {
    format!("a demonstration of {env} is lost (start {start}): it {why}")
}

/// Plays up to `most` random moves from each start. Where its environment fails on the way, a start stays at the
/// last whole move, or where it was if the environment takes too long; [`Start::failed`] tells.
fn advance(begins: &mut [Start], most: usize, seed: Seed, watch: Watch<'_>) -> Result<(), TrainError> {
    let with_moves = |(place, start): (usize, &Start)| {
        let mut rng = seed.split("teacher", place as u64).rng();
        (start.clone(), rng.below(most + 1), rng)
    };
    let items = begins.iter().enumerate().map(with_moves).collect();
    let advanced = each(items, watch, |(mut start, moves, mut rng): (Start, usize, Rng)| {
        // A start changes only by whole moves, so what a panic leaves can be played.
        let early = isolate(|| start.advance(moves, &mut rng)).err();
        (start, early)
    })?;
    for (start, advanced) in begins.iter_mut().zip(advanced) {
        let early = match advanced {
            Ok((moved, early)) => {
                *start = moved;
                early
            }
            Err(why) => Some(why),
        };
        if let Some(why) = early {
            let (env, begun) = (start.game.spec().id, start.seed.value());
            start.failed.push(format!("the random moves of {env} end early (start {begun}): it {why}"));
        }
    }
    Ok(())
}

/// The share of a group's episodes that reached their goal; of those whose environment failed nothing is known,
/// so they do not count. `None` when none is left.
fn pass_rate(group: &Group) -> Option<f64> {
    let known: Vec<&Episode> = group.episodes.iter().filter(|e| e.lost().is_none()).collect();
    let won = known.iter().filter(|e| e.outcome == Outcome::Success).count();
    (!known.is_empty()).then(|| won as f64 / known.len() as f64)
}

fn teacher_of(stage: &SftStage, style: ResponseStyle) -> Teacher {
    Teacher {
        noise: stage.teacher.noise,
        style,
        max_tokens: stage.teacher.max_context,
        thought_dropout: stage.teacher.thought_dropout,
        record_truth: false,
    }
}

/// Runs the stage; `report` is called after every update.
///
/// # Errors
/// [`TrainError`]; also when `report` fails.
pub fn run_sft(
    model: &mut Vlm,
    stage: &SftStage,
    run: &StageRun<'_>,
    guard: &mut Guard,
    report: &mut dyn FnMut(StepReport<'_>) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    let StageRun { style, seed, from, interrupt, .. } = *run;
    for step in from..stage.steps {
        let begin = Instant::now();
        guard.begin();
        let Attempted { episodes, own, sampled_tokens } = match &stage.rollout {
            None => {
                let (episodes, lost) =
                    demonstrations(Agent::of(model), stage, style, seed, step, run.watch())?;
                lost.into_iter().for_each(|why| guard.see_lost_start(why));
                Attempted { episodes, own: 0, sampled_tokens: 0 }
            }
            Some(rollout) => attempted(Agent::of(model), stage, rollout, run, step, guard)?,
        };
        let policy = &mut model.policy;
        let drawn = begin.elapsed().as_secs_f64();
        let mut images = ImageStore::default();
        images.add(policy.processor(), episodes.iter().flat_map(|e| e.images.values()))?;
        let groups: Vec<Vec<&Trajectory>> = episodes.iter().map(|e| vec![&e.trajectory]).collect();
        let weights: Vec<Vec<f32>> = episodes
            .iter()
            .map(|e| kind_weights(e.trajectory.kinds(), &stage.token_weights))
            .collect::<Result<_, _>>()?;
        let denominator: f64 = weights.iter().flatten().map(|w| f64::from(*w)).sum();
        let mut first = 0;
        let (mut loss, mut correct, mut scored_tokens) = (0.0, 0usize, 0usize);
        let mut failed = None;
        for micro in micro_batches(&groups, stage.optim.micro_batch_tokens) {
            if interrupt.is_raised() {
                return Err(TrainError::Interrupted);
            }
            let done = policy.accumulate(micro, &images, &ScoreOptions::default(), |scored| {
                let of = |o: &Origin| weights[first + o.group][o.token];
                let weight: Vec<f32> = scored.origins.iter().map(of).collect();
                let result = sft_loss(&scored.logprobs, &weight, denominator.max(f64::MIN_POSITIVE))?;
                scored_tokens += weight.iter().filter(|w| **w > 0.0).count();
                loss += result.value;
                // More likely than all others together: a lower bound of greedy accuracy that costs nothing.
                let likely = |(l, w): &(&f32, &f32)| **l > -std::f32::consts::LN_2 && **w > 0.0;
                correct += scored.logprobs.iter().zip(&weight).filter(likely).count();
                Ok::<_, TrainError>(Upstream {
                    d_logprobs: result.d_logprob,
                    d_entropies: Vec::new(),
                    ..Upstream::default()
                })
            });
            if let Err(error) = done {
                failed = Some(error);
                break;
            }
            first += micro.len();
        }
        let settings = adamw(&stage.optim, stage.steps, step);
        let update = guard.apply(policy, &settings, failed.map_or(Ok(loss), Err))?;
        let seconds = begin.elapsed().as_secs_f64();
        let tokens: usize = episodes.iter().map(|e| e.trajectory.len()).sum();
        let mut line = Metrics::new();
        let mut put = |key: &str, value: f64| put(&mut line, key, value);
        put("step", step as f64);
        put("loss", loss);
        put("mean_token_accuracy", correct as f64 / scored_tokens.max(1) as f64);
        if stage.attempts.is_some() {
            put("attempts/own", own as f64);
            put("attempts/demonstrated", (episodes.len() - own) as f64);
            put("sampled_tokens", sampled_tokens as f64);
        }
        put("grad_norm", update.grad_norm);
        put("learning_rate", f64::from(settings.lr));
        put("num_tokens", tokens as f64);
        put("step_time", seconds);
        put("timing_s/demonstrations", drawn);
        put("perf/throughput", tokens as f64 / seconds);
        guard.metrics(&mut put);
        line.insert("stage".into(), Value::from(stage.name.as_str()));
        line.insert("update_skipped".into(), Value::from(!update.applied));
        report(StepReport {
            stage: &stage.name,
            step,
            steps: stage.steps,
            metrics: &mut line,
            episodes: &episodes,
            model,
            reference: None,
            state: &StageState::default(),
            guard,
        })?;
    }
    Ok(())
}

impl From<LossError> for TrainError {
    fn from(error: LossError) -> Self {
        Self::Loss(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::EPISODE_VERSION;

    #[test]
    fn a_lost_episode_is_no_failure() {
        let episode = |outcome: Outcome| Episode {
            version: EPISODE_VERSION,
            env: "frozen-lake".into(),
            seed: Seed::new(1),
            knobs: Value::Null,
            turns: Vec::new(),
            trajectory: Trajectory::default(),
            scores: Vec::new(),
            env_return: 0.0,
            env_score: 0.0,
            outcome,
            images: Default::default(),
        };
        let of = |outcomes: &[Outcome]| {
            bucket(pass_rate(&Group { episodes: outcomes.iter().copied().map(episode).collect() }))
        };
        let (won, failed, lost) = (Outcome::Success, Outcome::Failure, Outcome::Lost);
        assert_eq!(of(&[won, lost]), Some(Bucket::Drop));
        assert_eq!(of(&[failed, lost]), Some(Bucket::Expert));
        assert_eq!(of(&[won, failed, lost]), Some(Bucket::SelfDistilled));
        assert_eq!(of(&[lost, lost]), None, "nothing is known: neither its own nor to be shown");
    }
}
