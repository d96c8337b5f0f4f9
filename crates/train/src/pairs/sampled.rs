//! Members of the policy's own groups against each other, by their rewards.

use eyas_algo::loss::preference::{
    HardSample, Pair, ScorePairs, all_pairs, best_and_worst, hard_sample_pairs, length_balanced,
    strongest_pairs,
};
use eyas_core::{Group, Seed};
use eyas_reward::{Progress, RewardSpec};
use eyas_rollout::{Pictures, Start, rollout};

use super::{Cast, Drawn, PairDraw};
use crate::judges::Scoring;
use crate::mixture::starts;
use crate::recipe::{PairSelect, PairSettings};
use crate::reward_model::known_fields;
use crate::{StageRun, TrainError};

pub(super) fn draw(
    cast: &Cast<'_>,
    stage: &PairDraw<'_>,
    run: &StageRun<'_>,
    (seed, step): (Seed, u64),
) -> Result<Drawn, TrainError> {
    let mut config = stage.config(run);
    config.record_truth = stage.reward.iter().any(RewardSpec::reads_truth);
    let (places, begins): (Vec<usize>, Vec<_>) =
        starts(stage.env, stage.rollout.groups, seed, run.watch())?.into_iter().unzip();
    let lost = begins.iter().flat_map(|start: &Start| start.failed.clone()).collect();
    let mut pictures = Pictures::default();
    let sampling = seed.split("sampling", 0);
    let size = stage.rollout.group_size;
    let (mut groups, stats) =
        rollout(cast.agent, &begins, size, &config, sampling, &mut pictures, run.interrupt)?;
    let mut known = Vec::new();
    known_fields(
        stage.reward,
        &groups,
        pictures.store(),
        (run.reward_models, cast.model),
        stage.micro_batch_tokens,
        run.interrupt,
        &mut known,
    )?;
    let scoring = Scoring {
        rewards: stage.reward,
        envs: stage.env,
        tags: run.style.tags(),
        progress: Progress { step, steps: stage.steps },
        judges: run.judges,
        policy: cast.judge,
        interrupt: run.interrupt,
    };
    scoring.score(&mut groups, &places, &known)?;
    let mut drawn = Drawn { sampled_tokens: stats.sampled_tokens, lost, ..Drawn::default() };
    select(&mut drawn, &groups, stage.pairs);
    drawn.tell_success(groups.iter().flat_map(|group| &group.episodes));
    drawn.episodes = groups.into_iter().flat_map(|group| group.episodes).collect();
    Ok(drawn)
}

/// Compares the members of each group. Positions of pairs are those among the members of all groups.
pub(super) fn select(drawn: &mut Drawn, groups: &[Group], settings: &PairSettings) {
    let cfg = ScorePairs { min_difference: settings.margin };
    let mut first = 0;
    for group in groups {
        let scores: Vec<Option<f64>> =
            group.episodes.iter().map(|e| e.total_score().map(f64::from)).collect();
        let of_group = match settings.select {
            PairSelect::Extremes => best_and_worst(&scores, &cfg).into_iter().collect(),
            PairSelect::All { most, .. } => strongest_pairs(&all_pairs(&scores, &cfg), &scores, most),
            PairSelect::HardSamples { gamma, right } => {
                let correct: Vec<Option<bool>> = scores.iter().map(|s| s.map(|s| s >= right)).collect();
                hard_sample_pairs(&correct, &HardSample { gamma })
            }
        };
        drawn.ties += usize::from(of_group.is_empty());
        drawn.pairs.extend(of_group.into_iter().map(|pair: Pair| pair.offset(first)));
        first += group.episodes.len();
    }
    let all = drawn.pairs.len();
    match settings.select {
        PairSelect::All { balanced: true, .. } => {
            let members = groups.iter().flat_map(|group| &group.episodes);
            let lengths: Vec<usize> = members.map(|e| e.trajectory.sampled_len()).collect();
            drawn.pairs = length_balanced(&drawn.pairs, &lengths);
            drawn.told.push(("pairs/unbalanced", (all - drawn.pairs.len()) as f64));
        }
        PairSelect::HardSamples { .. } if all > 0 => {
            let weight = drawn.pairs.iter().map(|pair| pair.weight).sum::<f64>() / all as f64;
            drawn.told.push(("pairs/weight", weight));
        }
        _ => {}
    }
}
