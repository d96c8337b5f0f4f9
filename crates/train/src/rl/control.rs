//! What a stage remembers: made at its start, brought up to date after every step.

use std::collections::btree_map::Entry;

use eyas_algo::control::Controller;
use eyas_core::Seed;
use serde_json::Value;

use crate::recipe::RlStage;
use crate::restart::Restarts;
use crate::run_dir::Metrics;
use crate::source::curriculum;
use crate::{StageState, TrainError};

/// Makes what the stage remembers, as far as it is not there yet.
pub(super) fn prepare(state: &mut StageState, stage: &RlStage, seed: Seed) -> Result<(), TrainError> {
    if let (None, Some(settings)) = (&state.curriculum, &stage.curriculum) {
        state.curriculum = Some(curriculum(&stage.env, settings, seed.split("curriculum", 0))?);
    }
    if let (None, Some(settings)) = (&state.restarts, &stage.restart) {
        state.restarts = Some(Restarts::new(settings)?);
    }
    for (place, control) in stage.control.iter().enumerate() {
        if let Entry::Vacant(entry) = state.controllers.entry(place) {
            entry.insert(Controller::new(control.by)?);
        }
    }
    Ok(())
}

/// Lets the controllers see the metrics of a step, and notes the values they had in it. A metric that is
/// missing in a step changes nothing.
pub(super) fn adapt(
    state: &mut StageState,
    stage: &RlStage,
    step: u64,
    line: &mut Metrics,
    episodes: usize,
) -> Result<(), TrainError> {
    for (place, settings) in stage.control.iter().enumerate() {
        let Some(controller) = state.controllers.get_mut(&place) else { continue };
        let seen = line.get(settings.watched()).and_then(Value::as_f64);
        line.insert(format!("control/{}", settings.of.as_str()), Value::from(controller.value(step)));
        if let Some(seen) = seen {
            controller.update(seen, episodes as u64)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Recipe, Stage};
    use eyas_algo::Surrogate;
    use eyas_algo::loss::term::Term;

    /// What a step trains with: entropy bonus, weight of the KL penalty, temperature, upper clip, tokens of a
    /// response, members of a group.
    fn numbers(stage: &RlStage) -> (f64, f64, f64, f64, usize, usize) {
        let entropy = stage.loss.terms.iter().find_map(|term| match term {
            Term::Entropy(entropy) => Some(entropy.coef),
            _ => None,
        });
        let Surrogate::Ppo(ppo) = &stage.loss.surrogate else { panic!("the default surrogate") };
        let rollout = &stage.rollout;
        let kl = stage.loss.kl.coef;
        (entropy.unwrap(), kl, rollout.temperature, ppo.clip_high, rollout.max_tokens, rollout.group_size)
    }

    /// A stage of nine steps with those settings, and what it remembers at its start.
    fn begun(settings: &str) -> Result<(RlStage, StageState), String> {
        let recipe = format!(
            "[model]\npreset = \"tiny\"\n[[stage]]\nkind = \"rl\"\nsteps = 9\nenv = [{{ id = \"counting\" }}]\n\
             optim = {{ lr = 1e-3 }}\n{settings}"
        );
        let recipe = Recipe::from_toml(&recipe, "r.toml").map_err(|error| error.to_string())?;
        let Some(Stage::Rl(stage)) = recipe.stages.into_iter().next() else { panic!("one stage") };
        let mut state = StageState::default();
        prepare(&mut state, &stage, Seed::new(1)).unwrap();
        Ok((stage, state))
    }

    #[test]
    fn a_constraint_that_is_broken_weighs_more() {
        let recipe = r#"
            reward = [{ name = "game" }, { name = "format", label = "constraint", weight = 7.0 }]
            [[stage.control]]
            of = "constraint"
            by = { kind = "dual", initial = 0.5, target = 0.75, rate = 2.0, form = "linear", side = "below" }
        "#;
        let (stage, mut state) = begun(recipe).unwrap();
        let weights = |state: &StageState, step| -> Vec<f32> {
            stage.at_step(step, state).reward.iter().map(eyas_reward::RewardSpec::weight).collect()
        };
        assert_eq!(weights(&state, 0), [1.0, 0.5]);
        // 0.5 + 2 · (0.75 − 0.5), then 1 + 2 · (0.75 − 1).
        for (seen, weight) in [(0.5, 1.0f32), (1.0, 0.5)] {
            let mut line: Metrics =
                [("rewards/constraint/mean".to_string(), Value::from(seen))].into_iter().collect();
            adapt(&mut state, &stage, 0, &mut line, 10).unwrap();
            assert_eq!(weights(&state, 1), [1.0, weight]);
            assert!(line.contains_key("control/constraint"), "{line:?}");
        }
        let unnamed = recipe.replace("label = \"constraint\", ", "");
        let error = begun(&unnamed).unwrap_err();
        assert!(error.contains("there is no constraint to change in this stage"), "{error}");
    }

    #[test]
    fn a_step_trains_with_the_numbers_it_reports() {
        let recipe = r#"
            reward = [{ name = "format" }]
            rollout = { groups = 2, group_size = 4, max_tokens = 32, temperature = 0.9 }
            loss = { kl = { coef = 0.3 }, terms = [{ kind = "entropy", coef = 0.1 }] }
            context = [
                { steps = 1, max_tokens = 4, group = 3 },
                { steps = 1, max_tokens = 8, group = 2 },
            ]
            control = [
                { of = "entropy", by = { kind = "ramp", from = 0.0, to = 1.0, steps = 2 } },
                { of = "temperature", by = { kind = "ramp", from = 1.0, to = 0.5, steps = 2 } },
                { of = "clip_high", by = { kind = "ramp", from = 0.25, to = 0.5, steps = 2 } },
                { of = "kl", by = { kind = "adaptive_kl", initial = 0.2, target = 0.1, horizon = 20 } },
            ]
        "#;
        let (stage, mut state) = begun(recipe).unwrap();
        assert_eq!(numbers(&stage.at_step(0, &state)), (0.0, 0.2, 1.0, 0.25, 4, 3));
        let mut line: Metrics = [("kl".to_string(), Value::from(0.4))].into_iter().collect();
        adapt(&mut state, &stage, 0, &mut line, 10).unwrap();
        assert_eq!(
            (&line["control/kl"], &line["control/temperature"]),
            (&Value::from(0.2), &Value::from(1.0))
        );
        // 0.2 · (1 + 0.2 · 10 / 20): far above the target, of which at most 0.2 counts (Ziegler et al., 2019).
        let (entropy, kl, temperature, clip, tokens, group) = numbers(&stage.at_step(1, &state));
        assert_eq!((entropy, temperature, clip, tokens, group), (0.5, 0.75, 0.375, 8, 2));
        assert!((kl - 0.22).abs() < 1e-12, "{kl}");
        // A step without the metric leaves it; behind the last of its stages the longest responses stay.
        adapt(&mut state, &stage, 1, &mut Metrics::new(), 10).unwrap();
        assert_eq!(numbers(&stage.at_step(7, &state)), (1.0, kl, 0.5, 0.5, 8, 2));
        // What is not controlled is as the recipe says.
        assert_eq!(numbers(&stage.at_step(7, &StageState::default())), (0.1, 0.3, 0.9, 0.2, 8, 2));
    }
}
