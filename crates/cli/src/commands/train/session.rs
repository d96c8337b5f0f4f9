//! A training as it goes on: stage after stage, step after step.

use std::time::Instant;

use anyhow::Context;
use eyas_core::{Episode, Interrupt};
use eyas_data::stage::Graph;
use eyas_eval::Summary;
use eyas_eval::report::MetricLine;
use eyas_model::{Policy, Vlm};
use eyas_rollout::RolloutError;
use eyas_train::checkpoint::Progress as Position;
use eyas_train::recipe::{Recipe, Stage};
use eyas_train::{
    Guard, Judges, Metrics, RewardModels, RunDir, StageRun, StageState, StepReport, TrainError, observation,
    run_stage, stage_seed,
};
use serde_json::Value;

use super::line::line;
use super::saving::{self, Anchor, Saving};
use super::signals::{Signals, Stopped};
use crate::progress::Progress;

/// Where the steps of all stages go.
pub(super) struct Session<'a> {
    pub(super) name: &'a str,
    pub(super) recipe: &'a Recipe,
    pub(super) judges: Judges,
    pub(super) reward_models: RewardModels,
    pub(super) run: RunDir,
    pub(super) saving: Saving,
    pub(super) interrupt: Interrupt,
    pub(super) lines: Vec<MetricLine>,
    pub(super) graph: Graph,
    pub(super) position: Position,
    /// Whether the last step has ended its stage.
    pub(super) moved: bool,
    /// What the stage remembers, as the last finished step left it.
    pub(super) state: StageState,
    pub(super) begun: Instant,
    /// Seconds that earlier processes have spent on the run.
    pub(super) before: f64,
    /// Sampled tokens after which it ends.
    pub(super) budget: u64,
    /// What went wrong last.
    pub(super) trouble: String,
    /// Seconds that the training was kept from going on by saving, not logged yet.
    pub(super) stalled: f64,
}

/// Whether the policy is as the last finished step left it after this error.
pub(super) fn is_between_updates(error: &TrainError) -> bool {
    matches!(error, TrainError::Scores { .. } | TrainError::Rollout(_))
}

/// Whether the work gave up because it was asked to.
pub(super) fn is_interrupt(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(cause.downcast_ref(), Some(TrainError::Interrupted))
            || matches!(cause.downcast_ref(), Some(RolloutError::Interrupted))
    })
}

impl<'a> Session<'a> {
    pub(super) fn go_on(
        &mut self,
        model: &mut Vlm,
        reference: &mut Option<Policy>,
    ) -> anyhow::Result<Summary> {
        let before = match saving::read_anchors(self.run.path())? {
            Some(before) => before,
            None => {
                let evaluations = self.measure(model, "before")?;
                let anchors = evaluations.iter().map(|(name, e)| (name.clone(), Anchor::of(e))).collect();
                self.run.write(saving::ANCHORS, &serde_json::to_string_pretty(&anchors)?)?;
                anchors
            }
        };
        while let Some((i, stage)) = self.next_stage() {
            self.finish_measurement(model)?;
            if self.moved {
                *reference = None;
                self.state = StageState::default();
                self.moved = false;
                continue;
            }
            if self.spent() {
                leave(stage, model, reference.as_ref());
                break;
            }
            match self.stage(model, reference, i, stage) {
                Err(error) if matches!(error.downcast_ref(), Some(TrainError::Skipped(_))) => {
                    self.go_back(model, reference).with_context(|| format!("stage {:?}", stage.name()))?;
                    continue;
                }
                done => done.with_context(|| format!("stage {:?}", stage.name()))?,
            }
            leave(stage, model, reference.as_ref());
            *reference = None;
            self.state = StageState::default();
        }
        // What is left takes a while and can be interrupted too.
        self.save(model, None)?;
        self.finish(model, &before)
    }

    /// The stage that is next.
    fn next_stage(&self) -> Option<(usize, &'a Stage)> {
        let name = self.position.graph.node.as_ref()?;
        self.recipe.stages.iter().enumerate().find(|(_, stage)| stage.name() == name)
    }

    fn spent(&self) -> bool {
        let most = self.recipe.max_steps.unwrap_or(u64::MAX);
        self.position.tokens_sampled >= self.budget || self.position.done >= most
    }

    pub(super) fn seconds(&self) -> f64 {
        self.before + self.begun.elapsed().as_secs_f64()
    }

    fn stage(
        &mut self,
        model: &mut Vlm,
        reference: &mut Option<Policy>,
        index: usize,
        stage: &Stage,
    ) -> anyhow::Result<()> {
        let from = self.position.graph.steps;
        self.moved = false;
        let interrupt = self.interrupt.clone();
        let judges = std::mem::take(&mut self.judges);
        let reward_models = std::mem::take(&mut self.reward_models);
        let run = StageRun {
            style: self.recipe.prompt.style,
            seed: stage_seed(self.recipe, index, self.position.graph.moves, self.position.guard.rollbacks),
            from,
            judges: &judges,
            reward_models: &reward_models,
            interrupt: &interrupt,
            env_limit: self.recipe.guard.env_limit(),
        };
        let mut guard = Guard::new(self.recipe.guard, self.position.guard.clone());
        let mut state = self.state.clone();
        let mut progress = Progress::new(stage.name(), stage.steps());
        let mut report = |step: StepReport<'_>| {
            for note in step.guard.notes() {
                self.trouble = format!("step {}: {note}", self.position.done);
                progress.warn(&self.trouble);
            }
            let skipped = step.guard.must_go_back().then(|| step.guard.state().skips);
            progress.update(step.step + 1, &line(step.metrics));
            self.step(stage, step).map_err(|e| match is_interrupt(&e) {
                true => TrainError::Interrupted,
                false => TrainError::Listener(format!("{e:#}")),
            })?;
            match skipped {
                Some(skipped) => Err(TrainError::Skipped(skipped)),
                None if self.spent() || self.moved => Err(TrainError::Interrupted),
                None => Ok(()),
            }
        };
        let done = run_stage(model, reference, &mut state, &mut guard, stage, &run, &mut report);
        self.judges = judges;
        self.reward_models = reward_models;
        self.state = state;
        match done {
            // The end of the budget is an end like any other, and so is that of the stage.
            Err(TrainError::Interrupted) if (self.spent() || self.moved) && !self.interrupt.is_raised() => {}
            done => done?,
        }
        progress.finish();
        Ok(())
    }

    /// Logs one finished step, measures and saves when it is time.
    fn step(&mut self, stage: &Stage, report: StepReport<'_>) -> anyhow::Result<()> {
        let StepReport { step, steps, metrics, episodes, model, reference, state, guard, .. } = report;
        let done = self.position.done;
        metrics.insert("step".into(), Value::from(done));
        let number = |key: &str| metrics.get(key).and_then(Value::as_f64);
        let sampled = number("sampled_tokens").unwrap_or(0.0) as u64;
        let trained = episodes.iter().map(|e| e.trajectory.len() as u64).sum::<u64>();
        metrics.insert("timing_s/checkpoint".into(), Value::from(std::mem::take(&mut self.stalled)));
        // Demonstrations can be made again from the seed at any time; the first ones are kept to look at.
        if !matches!(stage, Stage::Sft(_)) || step == 0 {
            let episodes: Vec<&Episode> = episodes.iter().collect();
            self.run.episodes(&format!("step-{done:06}"), &episodes)?;
        }
        self.position = Position {
            done: done + 1,
            tokens_sampled: self.position.tokens_sampled + sampled,
            tokens_trained: self.position.tokens_trained + trained,
            guard: guard.state().clone(),
            unmeasured: None,
            ..self.position.clone()
        };
        let every = self.recipe.eval.every;
        // A reward model in training no longer plays.
        let plays = !matches!(stage, Stage::RewardModel(_));
        if plays && every > 0 && (step + 1) % every == 0 && step + 1 < steps && !guard.must_go_back() {
            self.position.unmeasured = Some(metrics.clone());
            self.finish_measurement(model)?;
        } else {
            self.log(metrics)?;
        }
        // What the run may have to go back to is written down while nothing seems wrong.
        if self.saving.is_due(done + 1) && guard.state().skips == 0 {
            self.state = state.clone();
            self.save(model, reference)?;
        }
        Ok(())
    }

    /// Logs a step, and looks whether it was the last one of its stage.
    pub(super) fn log(&mut self, line: &Metrics) -> anyhow::Result<()> {
        self.run.log(line)?;
        self.lines.push(line.clone());
        let graph = self.graph.next(&self.position.graph, &observation(line))?;
        self.moved = graph.moves > self.position.graph.moves;
        if self.moved {
            self.position.guard = self.position.guard.next_stage();
        }
        self.position.graph = graph;
        Ok(())
    }

    /// Writes down the run as the last finished step left it, before it ends with an error.
    pub(super) fn keep(&mut self, model: &Vlm, reference: Option<&Policy>) {
        let done = self.position.done;
        match self.save(model, reference).and_then(|()| self.saving.finish()) {
            Ok(()) => eprintln!("the run is kept as it was after step {done}"),
            Err(error) => eprintln!("warning: no checkpoint after step {done}: {error:#}"),
        }
    }

    /// Starts to write down the run as it is now.
    pub(super) fn save(&mut self, model: &Vlm, reference: Option<&Policy>) -> anyhow::Result<()> {
        let clock = Instant::now();
        if self.moved {
            // The next stage begins anew.
            self.state = StageState::default();
        }
        let reference = reference.filter(|_| !self.moved);
        self.position.metrics = self.run.sync()?;
        self.position.seconds = self.seconds();
        let started = self.saving.save(model, reference, &self.state, &self.position, self.recipe);
        self.stalled += clock.elapsed().as_secs_f64();
        started
    }

    /// Writes down the run as the last finished step left it, and says how it can go on.
    pub(super) fn stop(
        &mut self,
        model: &Vlm,
        reference: Option<&Policy>,
        signals: &Signals,
    ) -> anyhow::Error {
        let signal = signals.signal();
        let path = self.run.path().to_path_buf();
        let done = self.position.done;
        let saved = self.save(model, reference).and_then(|()| self.saving.finish());
        let (kept, resume) = match saved {
            Ok(()) => (format!("after step {done}"), Some(path)),
            Err(error) => (format!("after step {done}, which could not be saved: {error:#}"), Some(path)),
        };
        anyhow::Error::new(Stopped { signal, kept, resume })
    }
}

/// Ends a stage, perhaps before its last step: a run that ends while it trains a reward model leaves the policy.
fn leave(stage: &Stage, model: &mut Vlm, reference: Option<&Policy>) {
    if let (Stage::RewardModel(_), Some(policy)) = (stage, reference) {
        model.policy.take_on(policy);
    }
}
