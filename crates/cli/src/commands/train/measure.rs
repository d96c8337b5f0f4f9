//! The model is measured on held-out episodes: before, in the middle of a stage, and after.

use std::collections::BTreeMap;

use eyas_core::{Episode, Interrupt};
use eyas_eval::{EvalConfig, EvalEnv, Evaluation, evaluate};
use eyas_model::{Sampling, Vlm};
use eyas_rollout::Agent;
use eyas_train::recipe::Recipe;
use serde_json::Value;

use super::session::Session;
use crate::progress::Progress;

impl Session<'_> {
    /// Measures the model in the middle of a stage, if that is due, and logs the step with what was found. Where
    /// it is interrupted it stays due, which a checkpoint remembers: the step itself is done.
    pub(super) fn finish_measurement(&mut self, model: &Vlm) -> anyhow::Result<()> {
        let Some(mut line) = self.position.unmeasured.clone() else { return Ok(()) };
        for (name, e) in evaluations(model, self.recipe, &self.interrupt)? {
            line.insert(format!("eval/{name}/score"), Value::from(e.measured.score));
            line.insert(format!("val-core/{name}/score/mean@1"), Value::from(e.measured.score));
            for (key, value) in [("normalised", e.normalised()), ("perception", e.measured.perception)] {
                if let Some(value) = value {
                    line.insert(format!("eval/{name}/{key}"), Value::from(value));
                }
            }
        }
        self.log(&line)?;
        self.position.unmeasured = None;
        Ok(())
    }

    /// Measures the model on every evaluation environment, and keeps the episodes in the run directory.
    pub(super) fn measure(
        &mut self,
        model: &Vlm,
        when: &str,
    ) -> anyhow::Result<BTreeMap<String, Evaluation>> {
        let evaluations = evaluations(model, self.recipe, &self.interrupt)?;
        for (name, evaluation) in &evaluations {
            let episodes: Vec<&Episode> = evaluation.episodes.iter().collect();
            self.run.episodes(&format!("{when}-{name}"), &episodes)?;
        }
        Ok(evaluations)
    }
}

fn evaluations(
    model: &Vlm,
    recipe: &Recipe,
    interrupt: &Interrupt,
) -> anyhow::Result<BTreeMap<String, Evaluation>> {
    let settings = &recipe.eval;
    let config = EvalConfig {
        episodes: settings.episodes,
        seed: recipe.eval_seed(),
        style: recipe.prompt.style,
        sampling: Sampling { temperature: settings.temperature as f32, ..Sampling::default() },
        max_tokens: settings.max_tokens,
        max_context: settings.max_context,
        batch: settings.batch,
        stop: settings.stop.clone(),
        env_limit: recipe.guard.env_limit(),
    };
    let total = (settings.env.len() * settings.episodes) as u64;
    let mut progress = Progress::new("evaluate", total);
    let mut results = BTreeMap::new();
    for (i, choice) in settings.env.iter().enumerate() {
        let env = EvalEnv { id: choice.id.clone(), name: choice.name.clone(), knobs: choice.knobs.clone() };
        let evaluation = evaluate(Agent::of(model), &env, &config, interrupt, |done| {
            progress.update((i * settings.episodes + done) as u64, &env.name);
        })?;
        let lost: Vec<&str> = evaluation.episodes.iter().filter_map(Episode::lost).collect();
        if let Some(first) = lost.first() {
            let (n, all) = (lost.len(), evaluation.episodes.len());
            progress.warn(&format!(
                "{n} of {all} episodes of {} are lost and do not count: it {first}",
                env.name
            ));
        }
        results.insert(env.name.clone(), evaluation);
    }
    progress.finish();
    Ok(results)
}
