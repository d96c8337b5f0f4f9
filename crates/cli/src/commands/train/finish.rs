//! The end of a run: the trained model, the summary and the report.

use std::collections::BTreeMap;

use eyas_core::Episode;
use eyas_eval::report::{ReportInput, write_report};
use eyas_eval::{EnvSummary, Evaluation, Summary};
use eyas_model::Vlm;

use super::saving::{self, Anchor};
use super::session::Session;

impl Session<'_> {
    /// Measures the trained model, and writes down what came out of the run.
    pub(super) fn finish(
        &mut self,
        model: &Vlm,
        before: &BTreeMap<String, Anchor>,
    ) -> anyhow::Result<Summary> {
        let after = self.measure(model, "after")?;
        self.saving.wait();
        model.save(&self.run.checkpoint("final"), saving::dtype(self.recipe), true)?;
        let mut environments = BTreeMap::new();
        for (name, after) in &after {
            let Some(before) = before.get(name) else { continue };
            let Evaluation { reference, measured, .. } = after;
            let row = EnvSummary::new(name, reference.random, reference.oracle, &before.measured, measured)?;
            environments.insert(name.clone(), row);
        }
        let summary = Summary {
            recipe: self.name.to_string(),
            seed: eyas_core::Seed::new(self.recipe.seed),
            version: env!("CARGO_PKG_VERSION").into(),
            steps: self.position.done,
            seconds: self.seconds(),
            peak_memory_bytes: super::super::peak_memory_bytes(),
            weights_hash: model.policy.weights_hash(),
            tokens_sampled: self.position.tokens_sampled,
            tokens_trained: self.position.tokens_trained,
            ..Summary::of(environments)
        };
        let report = ReportInput {
            title: self.name.to_string(),
            summary: summary.clone(),
            metrics: std::mem::take(&mut self.lines),
            before: saving::read_samples(self.run.path(), before.keys())?,
            after: sample(&after),
            recipe_toml: self.recipe.to_toml()?,
        };
        write_report(&report, self.run.path().join("report.html"))?;
        // Last, because it says that the run is finished.
        self.run.write("summary.json", &serde_json::to_string_pretty(&summary)?)?;
        Ok(summary)
    }
}

/// A few episodes of each environment for the report: as many as can be looked at.
fn sample(evaluations: &BTreeMap<String, Evaluation>) -> Vec<Episode> {
    evaluations.values().flat_map(|e| e.episodes.iter().take(saving::SAMPLES).cloned()).collect()
}
