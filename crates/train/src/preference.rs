//! Learning from pairs: of two responses to the same start, one is to be preferred.

use std::sync::Arc;
use std::time::Instant;

use eyas_algo::loss::preference::{
    Counts, Pair, PreferenceBatch, PreferenceError, PreferenceLoss, preference_loss,
};
use eyas_core::Trajectory;
use eyas_model::{ImageStore, Policy, ScoreOptions, Scored, Upstream, Vlm};
use eyas_rollout::Agent;
use serde_json::Value;

use crate::judges::Snapshot;
use crate::optim::{adamw, micro_batches};
use crate::pairs::weigh::{TokenWeights, scale_betas, token_weights};
use crate::pairs::{Cast, Drawn, PairDraw, Seconds, Sums};
use crate::recipe::{PairSource, PreferenceStage};
use crate::run_dir::{Metrics, put};
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
    let draw = PairDraw {
        env: &stage.env,
        pairs: &stage.pairs,
        rollout: &stage.rollout,
        reward: &stage.reward,
        corruption: stage.corruption,
        steps: stage.steps,
        micro_batch_tokens: stage.optim.micro_batch_tokens,
    };
    for step in run.from..stage.steps {
        let begin = Instant::now();
        guard.begin();
        let seed = run.seed.split("preference", step);
        let forbidden: Arc<[u32]> = Arc::from(Agent::of(model).forbidden());
        let agent = Agent::of(model);
        let judge = reference.zip(name.as_deref());
        let judge = judge.map(|(policy, name)| Snapshot { agent: Agent { policy, ..agent }, name });
        let mut drawn = draw.draw(&Cast { agent, model, judge }, run, (seed, step))?;
        drawn.show(guard)?;
        if let Some((cfg, beta)) = stage.pair_weights.margin_beta.zip(stage.preference.least_beta()) {
            scale_betas(&mut drawn, &cfg, beta);
        }
        let weights = token_weights(&mut drawn, stage.pair_weights.changed_tokens);
        let weights = weights.map_err(PreferenceError::from)?;
        let draw_secs = begin.elapsed().as_secs_f64();
        let options = ScoreOptions {
            temperature: stage.rollout.temperature as f32,
            forbidden: if stage.pairs.source == PairSource::Oracle { Arc::from([]) } else { forbidden },
            ..ScoreOptions::default()
        };
        let settings = adamw(&stage.optim, stage.steps, step);
        let images = drawn.images(&model.policy)?;
        let corrupted =
            images.corrupted(model.policy.processor(), stage.corruption, seed.split("corruption", 0));
        let views =
            Views { images: &images, corrupted: &corrupted, reference, options: &options, weights: &weights };
        let mut sums = Sums::default();
        let done = update(&mut model.policy, &drawn, stage, &views, run, &mut sums);
        let applied = match drawn.pairs.is_empty() {
            true => None,
            false => Some(guard.apply(&mut model.policy, &settings, done.map(|()| sums.loss))?),
        };

        let mut line = Metrics::new();
        line.insert("step".into(), Value::from(step));
        line.insert("stage".into(), Value::from(stage.name.as_str()));
        guard.metrics(|key, value| put(&mut line, key, value));
        put(&mut line, "learning_rate", f64::from(settings.lr));
        let secs = Seconds { step: begin.elapsed().as_secs_f64(), draw: draw_secs };
        drawn.metrics(&mut line, &sums, applied, &secs);
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

struct Views<'a> {
    images: &'a ImageStore,
    corrupted: &'a ImageStore,
    reference: Option<&'a Policy>,
    options: &'a ScoreOptions,
    /// Of the tokens of each pair.
    weights: &'a [TokenWeights],
}

/// Accumulates the gradient of all pairs, and the loss and metrics in `sums`. The two responses of a pair share
/// the work of their prompt.
fn update(
    policy: &mut Policy,
    drawn: &Drawn,
    stage: &PreferenceStage,
    views: &Views<'_>,
    run: &StageRun<'_>,
    sums: &mut Sums,
) -> Result<(), TrainError> {
    let both = |pair: &Pair| {
        vec![&drawn.episodes[pair.chosen].trajectory, &drawn.episodes[pair.rejected].trajectory]
    };
    let groups: Vec<Vec<&Trajectory>> = drawn.pairs.iter().map(both).collect();
    let of_chosen = views.weights.iter().flat_map(|(chosen, _)| chosen);
    let chosen_tokens = of_chosen.map(|weight| f64::from(*weight)).sum::<f64>();
    let counts = Counts { pairs: groups.len() as f64, chosen_tokens, labels: 2.0 * groups.len() as f64 };
    let pictured = stage.preference.terms.iter().any(|t| t.loss.reads_pictures());
    let mut first = 0;
    for micro in micro_batches(&groups, stage.optim.micro_batch_tokens) {
        if run.interrupt.is_raised() {
            return Err(TrainError::Interrupted);
        }
        let Views { images, corrupted, reference, options, weights } = *views;
        let own = first..first + micro.len();
        first = own.end;
        let weight: Vec<f32> = weights[own.clone()]
            .iter()
            .flat_map(|(chosen, rejected)| chosen.iter().chain(rejected))
            .copied()
            .collect();
        let place = |(i, pair): (usize, &Pair)| Pair { chosen: 2 * i, rejected: 2 * i + 1, ..*pair };
        let pairs: Vec<Pair> = drawn.pairs[own].iter().enumerate().map(place).collect();
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
            let labels: Vec<Option<bool>> = (0..2 * micro.len()).map(|i| Some(i % 2 == 0)).collect();
            let batch = PreferenceBatch {
                logprob: &scored.logprobs,
                weight: &weight,
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
            sums.add(value, metrics);
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
