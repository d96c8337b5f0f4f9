//! Where the start states of a step come from: a mixture, or a curriculum.

use eyas_core::{Episode, Group, Outcome, Seed};
use eyas_data::DataError;
use eyas_data::curriculum::{Curriculum, GroupResult, Item, Pool, Rule};
use eyas_rollout::{Start, Watch};

use crate::TrainError;
use crate::mixture::{allot, draw, starts};
use crate::recipe::{CurriculumSettings, EnvChoice, RlStage, Worth};

/// A start state, and where it comes from.
pub(crate) struct Place {
    /// The environment, by its position in the stage.
    pub(crate) env: usize,
    /// The item of the curriculum.
    pub(crate) item: u64,
    /// The state.
    pub(crate) start: Start,
}

/// A curriculum over the environments, at its start.
///
/// How hard an item is: the level of its environment, and without levels the position of the environment in
/// the list, from 0 for the first to 1 for the last. Its stage ([`Rule::Staged`]): the rank of that number
/// among those that there are. Environments that `levels` made of one share a dial.
///
/// # Errors
/// [`DataError`] when the rule does not fit.
pub(crate) fn curriculum(
    envs: &[EnvChoice],
    settings: &CurriculumSettings,
    seed: Seed,
) -> Result<Curriculum, DataError> {
    let last = envs.len().saturating_sub(1).max(1) as f64;
    let difficulty = |i: usize| envs[i].level.unwrap_or(i as f64 / last);
    let mut ranks: Vec<f64> = (0..envs.len()).map(difficulty).collect();
    ranks.sort_by(f64::total_cmp);
    ranks.dedup();
    let family = |i: usize| envs[i].name.split('@').next().unwrap_or_default();
    let mut items = Vec::new();
    for i in 0..envs.len() {
        let environment = (0..envs.len()).find(|j| family(*j) == family(i)).unwrap_or(i) as u32;
        let tag = ranks.iter().position(|d| *d == difficulty(i)).unwrap_or(0) as u32;
        for k in 0..settings.starts.max(1) {
            let id = (i * settings.starts.max(1) + k) as u64;
            items.push(Item { id, environment, difficulty: difficulty(i), tag });
        }
    }
    Curriculum::new(settings.rule.clone(), Pool::new(items, settings.pool)?, seed)
}

/// The start states of `n` groups. `of_step` is the step's own random stream.
///
/// The state of an item follows from the seed that the curriculum is saved with, so it stays the same as long as
/// what is known of it: the stage's own stream is another one after the run has gone back.
///
/// # Errors
/// [`TrainError::Rollout`] when an environment refuses its knobs.
pub(crate) fn places(
    stage: &RlStage,
    curriculum: Option<&mut Curriculum>,
    n: usize,
    step: u64,
    of_step: Seed,
    watch: Watch<'_>,
) -> Result<Vec<Place>, TrainError> {
    let (Some(curriculum), Some(settings)) = (curriculum, &stage.curriculum) else {
        let drawn = starts(&stage.env, n, of_step, watch)?;
        return Ok(drawn.into_iter().map(|(env, start)| Place { env, item: env as u64, start }).collect());
    };
    if settings.starts == 0 {
        // Every environment is an item: the curriculum says how much of each, the states are new.
        let mut weights = curriculum.weights(step);
        weights.iter_mut().zip(&stage.env).for_each(|(w, env)| *w *= env.weight);
        if !weights.iter().any(|w| *w > 0.0) {
            weights.fill(1.0);
        }
        let places = allot(&weights, n, &mut of_step.split("mixture", 0).rng());
        let of_place = |(i, env): (usize, &usize)| (*env, of_step.split("start", i as u64));
        let wanted: Vec<(usize, Seed)> = places.iter().enumerate().map(of_place).collect();
        let drawn = places.into_iter().zip(draw(&stage.env, &wanted, watch)?);
        return Ok(drawn.map(|(env, start)| Place { env, item: env as u64, start }).collect());
    }
    let pool = curriculum.seed();
    let items = curriculum.draw(n, step);
    let of_item = |item: &u64| (*item as usize / settings.starts, pool.split("pool", *item));
    let wanted: Vec<(usize, Seed)> = items.iter().map(of_item).collect();
    let drawn = items.into_iter().zip(&wanted).zip(draw(&stage.env, &wanted, watch)?);
    Ok(drawn.map(|((item, (env, _)), start)| Place { env: *env, item, start }).collect())
}

/// What an attempt was worth, in `0..=1`; none for one that has no score.
pub(crate) fn worth(episode: &Episode, worth: Worth) -> Option<f64> {
    episode.total_score()?;
    let score = f64::from(episode.env_score);
    match worth {
        Worth::Success => Some(f64::from(u8::from(episode.outcome == Outcome::Success))),
        Worth::Score => score.is_finite().then(|| score.clamp(0.0, 1.0)),
    }
}

/// The results of a group's own members, the first `sampled`.
pub(crate) fn result(item: u64, group: &Group, sampled: usize, by: Worth) -> GroupResult {
    let own = group.episodes.iter().take(sampled);
    GroupResult { id: item, scores: own.map(|episode| worth(episode, by)).collect() }
}

/// How far a curriculum is, for the metrics of a step that drew these items.
pub(crate) fn curriculum_metrics(put: &mut impl FnMut(&str, f64), curriculum: &Curriculum, drawn: &[u64]) {
    let entries = curriculum.pool().entries();
    let difficulties: Vec<f64> =
        drawn.iter().filter_map(|id| Some(curriculum.pool().entry(*id).ok()?.item.difficulty)).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    put("curriculum/difficulty", mean(&difficulties));
    let seen = entries.iter().filter(|e| e.stats.attempts > 0).count();
    put("curriculum/seen", seen as f64 / entries.len() as f64);
    let rates: Vec<f64> = entries.iter().filter_map(|e| e.stats.pass_rate).collect();
    put("curriculum/pass_rate", mean(&rates));
    match curriculum.rule() {
        Rule::Staged(_) => put("curriculum/stage", curriculum.stage().stage as f64),
        Rule::TargetDifficulty(_) => put("curriculum/target", curriculum.target()),
        Rule::Dial(_) => {
            let mut environments: Vec<u32> = entries.iter().map(|e| e.item.environment).collect();
            environments.dedup();
            let dials: Vec<f64> =
                environments.iter().filter_map(|e| Some(curriculum.dial(*e)?.value)).collect();
            put("curriculum/dial", mean(&dials));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use eyas_core::Interrupt;

    use super::*;
    use crate::StageState;
    use crate::recipe::{Recipe, Stage};

    #[test]
    fn an_item_keeps_its_state_as_long_as_what_is_known_of_it() {
        let recipe = r#"
            [model]
            preset = "tiny"
            [[stage]]
            kind = "rl"
            steps = 9
            env = [{ id = "frozen-lake" }, { id = "counting" }]
            reward = [{ name = "format" }]
            rollout = { groups = 2, group_size = 2 }
            optim = { lr = 1e-3 }
            curriculum = { rule = { kind = "uniform" }, starts = 2 }
        "#;
        let recipe = Recipe::from_toml(recipe, "r.toml").unwrap();
        let Stage::Rl(stage) = &recipe.stages[0] else { panic!("one stage") };
        let settings = stage.curriculum.as_ref().unwrap();
        let of_stage = crate::stage_seed(&recipe, 0, 0, 0);
        let new = curriculum(&stage.env, settings, of_stage.split("curriculum", 0)).unwrap();
        let state = StageState { curriculum: Some(new), ..StageState::default() };
        let seeds = |state: &StageState, of_stage: Seed, step: u64| -> BTreeMap<u64, Seed> {
            let mut state = state.clone();
            let of_step = of_stage.split("rl", step);
            let (limit, interrupt) = (None, &Interrupt::default());
            let watch = Watch { limit, interrupt };
            let drawn = places(stage, state.curriculum.as_mut(), 4, step, of_step, watch).unwrap();
            drawn.into_iter().map(|place| (place.item, place.start.seed)).collect()
        };
        let first = seeds(&state, of_stage, 0);
        let different: BTreeSet<u64> = first.values().map(|seed| seed.value()).collect();
        assert_eq!((first.len(), different.len()), (4, 4), "{first:?}");
        // After a checkpoint, in another step; and when the run has gone back, so that its streams are others.
        let back: StageState = serde_json::from_value(serde_json::to_value(&state).unwrap()).unwrap();
        assert_eq!(seeds(&back, of_stage, 5), first);
        let after = crate::stage_seed(&recipe, 0, 0, 1);
        assert_ne!(after, of_stage);
        assert_eq!(seeds(&back, after, 5), first);
    }
}
