//! `eyas train RECIPE`.

mod changed;
mod saving;
mod signals;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use eyas_core::{Episode, Interrupt};
use eyas_data::stage::{Graph, Observation};
use eyas_eval::report::{MetricLine, ReportInput, write_report};
use eyas_eval::{EnvSummary, EvalConfig, EvalEnv, Evaluation, Summary, evaluate, table};
use eyas_model::{Policy, Sampling, Vlm};
use eyas_rollout::{Agent, RolloutError};
use eyas_store::{RunLock, read_text};
use eyas_train::checkpoint::Progress as Position;
use eyas_train::recipe::{MAX_RECIPE, ModelSource, Recipe, Stage};
use eyas_train::{
    Guard, GuardState, Judges, Metrics, RunDir, StageRun, StageState, StepReport, TrainError, check_prompts,
    configure, open_model, run_stage, stage_seed,
};
use serde_json::Value;

use super::open::named;
use crate::progress::Progress;
use saving::{Anchor, Found, Saving};
use signals::Signals;
pub(crate) use signals::Stopped;

/// Train a model as a recipe says.
///
/// Measures the model on held-out episodes, runs the recipe's stages, measures again, and leaves a run
/// directory: the resolved recipe, metrics.jsonl, episodes with their pictures, checkpoints, the trained model
/// as a Hugging Face folder, summary.json and report.html.
///
/// Ctrl-C (or SIGTERM) ends it between two updates with a checkpoint; a second one at once. A run that was cut
/// short in any way goes on with --resume, to the same result as one that was not.
#[derive(Args)]
#[command(after_help = "Examples:\n  eyas train recipes/quickstart.toml --set seed=2 --run runs/second\n  \
    eyas train --resume runs/second")]
pub(crate) struct TrainArgs {
    /// The recipe file.
    #[arg(required_unless_present = "resume")]
    recipe: Option<PathBuf>,
    /// Go on with the run in this directory, from its last checkpoint. Give the recipe too to change keys.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["run", "overwrite"])]
    resume: Option<PathBuf>,
    /// Keys in which the recipe may differ from the one the run was begun with: `--allow lr,steps`.
    #[arg(long, value_name = "KEYS", value_delimiter = ',', requires = "resume")]
    allow: Vec<String>,
    /// Where to put the run [default: runs/RECIPE-seedN].
    #[arg(long)]
    run: Option<PathBuf>,
    /// Replace an earlier run in the same place.
    #[arg(long)]
    overwrite: bool,
    /// Change a key: `--set stage.rl.optim.lr=2e-4`. May be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Apply the recipe's overrides for a size of machine: `[scale.NAME]`.
    #[arg(long, value_name = "NAME")]
    scale: Option<String>,
    /// Threads [default: one per core]. Results do not depend on it.
    #[arg(long)]
    threads: Option<usize>,
    /// Print summary.json on standard output instead of a table.
    #[arg(long)]
    json: bool,
}

/// A run to be made or to be gone on with.
pub(super) struct Job {
    /// The name of the recipe.
    pub(super) name: String,
    pub(super) recipe: Recipe,
    /// The run directory.
    pub(super) path: PathBuf,
    /// Whether it was begun already: then it goes on.
    pub(super) begun: bool,
    /// Replace an earlier run there.
    pub(super) overwrite: bool,
    /// Sampled tokens after which the training ends with the step it is in.
    pub(super) budget_tokens: Option<u64>,
}

pub(crate) fn run(args: &TrainArgs) -> anyhow::Result<()> {
    super::set_threads(args.threads)?;
    let job = match &args.resume {
        Some(path) => resumed(args, path)?,
        None => begun(args)?,
    };
    let Some(summary) = train(&job)? else {
        eprintln!("{} is finished: nothing is left to do", job.path.display());
        return Ok(());
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        println!("{}", table(&summary));
        println!("report: {}", job.path.join("report.html").display());
        println!("model:  {}", job.path.join("checkpoints/final").display());
    }
    Ok(())
}

fn begun(args: &TrainArgs) -> anyhow::Result<Job> {
    let file = args.recipe.as_ref().context("a recipe")?;
    let recipe = Recipe::load(file, args.scale.as_deref(), &args.sets)?;
    let name = file.file_stem().map_or("recipe".into(), |s| s.to_string_lossy().into_owned());
    let path = args.run.clone().unwrap_or_else(|| PathBuf::from(format!("runs/{name}-seed{}", recipe.seed)));
    Ok(Job { name, recipe, path, begun: false, overwrite: args.overwrite, budget_tokens: None })
}

fn resumed(args: &TrainArgs, path: &Path) -> anyhow::Result<Job> {
    let file = path.join("recipe.toml");
    let old = read_text(&file, MAX_RECIPE).map_err(|error| {
        anyhow!("cannot read {}: {error}\nhint: --resume takes the directory of a run, such as runs/quickstart-seed1", file.display())
    })?;
    let own = Recipe::from_toml(&old, &file.to_string_lossy())?;
    let recipe = match &args.recipe {
        Some(given) => {
            let given = Recipe::load(given, args.scale.as_deref(), &args.sets)?;
            changed::check(&changed::differing(&own.to_toml()?, &given.to_toml()?)?, &args.allow)?;
            given
        }
        None if args.sets.is_empty() && args.scale.is_none() => own,
        None => {
            let changed = Recipe::load(&file, None, &args.sets)?;
            changed::check(&changed::differing(&own.to_toml()?, &changed.to_toml()?)?, &args.allow)?;
            changed
        }
    };
    let folder = path.file_name().map_or("run".into(), |n| n.to_string_lossy().into_owned());
    let suffix = format!("-seed{}", recipe.seed);
    let name = folder.strip_suffix(&suffix).unwrap_or(&folder).to_string();
    Ok(Job { name, recipe, path: path.to_path_buf(), begun: true, overwrite: false, budget_tokens: None })
}

/// Where the steps of all stages go.
struct Session<'a> {
    name: &'a str,
    recipe: &'a Recipe,
    judges: Judges,
    run: RunDir,
    saving: Saving,
    interrupt: Interrupt,
    lines: Vec<MetricLine>,
    graph: Graph,
    position: Position,
    /// Whether the last step has ended its stage.
    moved: bool,
    /// What the stage remembers, as the last finished step left it.
    state: StageState,
    begun: Instant,
    /// Seconds that earlier processes have spent on the run.
    before: f64,
    /// Sampled tokens after which it ends.
    budget: u64,
    /// What went wrong last.
    trouble: String,
    /// Seconds that the training was kept from going on by saving, not logged yet.
    stalled: f64,
}

/// Runs the job; `None` when it was finished before.
pub(super) fn train(job: &Job) -> anyhow::Result<Option<Summary>> {
    let Job { name, recipe, path, .. } = job;
    let signals = Signals::listen().context("cannot listen to signals")?;
    let command = format!("eyas train, recipe {name}");
    let lock = || RunLock::take(&eyas_store::Disk, path, &command);
    let occupied = if job.begun { true } else { RunDir::check(path, job.overwrite)? };
    // Held while what is there is looked at, so that nobody's run is taken up or replaced under their hands.
    let held = if occupied { Some(lock()?) } else { None };
    let found = if job.begun { Found::open(path)? } else { Found::default() };
    if found.finished {
        return Ok(None);
    }
    let begun = Instant::now();
    let (mut model, mut reference) = match found.checkpoint.as_ref().map(eyas_train::checkpoint::restore) {
        Some(restored) => {
            let (mut model, reference) = restored?;
            configure(&mut model, recipe)?;
            (model, reference)
        }
        None => {
            let model = begin(recipe)?;
            check_prompts(&model, recipe)?;
            (model, None)
        }
    };
    // Before anything is written, so that a judge who cannot be asked costs nothing.
    let mut judges = Judges::open(&recipe.judges)?;
    let (run, _lock) = match (&found.position, held) {
        (Some(position), Some(held)) => (RunDir::reopen(path, &position.metrics)?, held),
        (_, held) => {
            drop(held);
            (RunDir::create(path, job.overwrite || job.begun)?, lock()?)
        }
    };
    let toml = recipe.to_toml()?;
    saving::note_origin(&run, &model, &toml, found.position.as_ref().map(|p| p.done))?;
    run.write("recipe.toml", &toml)?;
    judges.remember(path)?;
    let parameters = model.policy.config().parameter_count() as f64 / 1e6;
    eprintln!("{name}: {parameters:.2} M parameters, run directory {}", path.display());
    let graph = recipe.graph()?;
    let position = match found.position {
        Some(position) => {
            eprintln!("going on after step {}", position.done);
            position
        }
        None => at_start(&graph),
    };
    let state = match &found.checkpoint {
        Some(checkpoint) => eyas_train::checkpoint::state_of_stage(checkpoint)?,
        None => StageState::default(),
    };
    let lines = eyas_train::stored::metrics(path)?;
    let saving = Saving::open(path, recipe)?;
    let before = position.seconds;
    let interrupt = signals.interrupt.clone();
    let mut session = Session {
        name,
        recipe,
        judges,
        run,
        saving,
        interrupt,
        lines,
        graph,
        position,
        moved: false,
        state,
        begun,
        before,
        budget: job.budget_tokens.unwrap_or(u64::MAX),
        trouble: String::new(),
        stalled: 0.0,
    };
    match session.go_on(&mut model, &mut reference) {
        Err(error) if is_interrupt(&error) => Err(session.stop(&model, reference.as_ref(), &signals)),
        Err(error) => {
            if error.chain().any(|cause| cause.downcast_ref().is_some_and(is_between_updates)) {
                session.keep(&model, reference.as_ref());
            }
            Err(error)
        }
        Ok(summary) => Ok(Some(summary)),
    }
}

/// The model that the recipe begins with.
fn begin(recipe: &Recipe) -> anyhow::Result<Vlm> {
    match &recipe.model.source {
        ModelSource::Folder { path } => named(path, open_model(recipe)),
        ModelSource::Preset { .. } => Ok(open_model(recipe)?),
    }
}

/// Where a run begins.
fn at_start(graph: &Graph) -> Position {
    Position {
        graph: graph.start(),
        done: 0,
        tokens_sampled: 0,
        tokens_trained: 0,
        seconds: 0.0,
        metrics: eyas_store::Position::start(),
        guard: GuardState::default(),
        unmeasured: None,
    }
}

/// Whether the policy is as the last finished step left it after this error.
fn is_between_updates(error: &TrainError) -> bool {
    matches!(error, TrainError::Scores { .. } | TrainError::Rollout(_))
}

/// Whether the work gave up because it was asked to.
fn is_interrupt(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(cause.downcast_ref(), Some(TrainError::Interrupted))
            || matches!(cause.downcast_ref(), Some(RolloutError::Interrupted))
    })
}

impl<'a> Session<'a> {
    fn go_on(&mut self, model: &mut Vlm, reference: &mut Option<Policy>) -> anyhow::Result<Summary> {
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
                break;
            }
            match self.stage(model, reference, i, stage) {
                Err(error) if matches!(error.downcast_ref(), Some(TrainError::Skipped(_))) => {
                    self.go_back(model, reference).with_context(|| format!("stage {:?}", stage.name()))?;
                    continue;
                }
                done => done.with_context(|| format!("stage {:?}", stage.name()))?,
            }
            *reference = None;
            self.state = StageState::default();
        }
        // What is left takes a while and can be interrupted too.
        self.save(model, None)?;
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
            peak_memory_bytes: super::peak_memory_bytes(),
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

    /// The stage that is next.
    fn next_stage(&self) -> Option<(usize, &'a Stage)> {
        let name = self.position.graph.node.as_ref()?;
        self.recipe.stages.iter().enumerate().find(|(_, stage)| stage.name() == name)
    }

    fn spent(&self) -> bool {
        let most = self.recipe.max_steps.unwrap_or(u64::MAX);
        self.position.tokens_sampled >= self.budget || self.position.done >= most
    }

    fn seconds(&self) -> f64 {
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
        let run = StageRun {
            style: self.recipe.prompt.style,
            seed: stage_seed(self.recipe, index, self.position.graph.moves, self.position.guard.rollbacks),
            from,
            judges: &judges,
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
        if every > 0 && (step + 1) % every == 0 && step + 1 < steps && !guard.must_go_back() {
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
    fn log(&mut self, line: &Metrics) -> anyhow::Result<()> {
        self.run.log(line)?;
        self.lines.push(line.clone());
        let metrics = line.iter().filter_map(|(k, v)| Some((k.clone(), v.as_f64()?))).collect();
        let graph = self.graph.next(&self.position.graph, &Observation { steps: 1, metrics })?;
        self.moved = graph.moves > self.position.graph.moves;
        if self.moved {
            self.position.guard = self.position.guard.next_stage();
        }
        self.position.graph = graph;
        Ok(())
    }

    /// Measures the model in the middle of a stage, if that is due, and logs the step with what was found. Where
    /// it is interrupted it stays due, which a checkpoint remembers: the step itself is done.
    fn finish_measurement(&mut self, model: &Vlm) -> anyhow::Result<()> {
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

    /// Takes the run back to its last good checkpoint, or to its beginning. The steps behind that are made again
    /// with other data; their lines move from metrics.jsonl to a file of their own.
    fn go_back(&mut self, model: &mut Vlm, reference: &mut Option<Policy>) -> anyhow::Result<()> {
        let rollbacks = self.position.guard.rollbacks + 1;
        let (limit, skips) = (self.recipe.guard.max_rollbacks, self.position.guard.skips);
        if rollbacks > limit {
            bail!(
                "{skips} updates in a row were skipped, and the run had gone back {limit} times; \
                 the last: {}\nhint: go on with a smaller learning rate, `eyas train --resume {} --set \
                 stage.NAME.optim.lr=... --allow lr`, or change [guard] of the recipe: max_z, max_skips, max_rollbacks",
                self.trouble,
                self.run.path().display()
            );
        }
        let found = self.saving.go_back()?;
        let (restored, state, mut position) = match found {
            Some((checkpoint, position)) => {
                let state = eyas_train::checkpoint::state_of_stage(&checkpoint)?;
                (eyas_train::checkpoint::restore(&checkpoint)?, state, position)
            }
            None => ((begin(self.recipe)?, None), StageState::default(), at_start(&self.graph)),
        };
        self.state = state;
        self.moved = false;
        (*model, *reference) = restored;
        configure(model, self.recipe)?;
        let from = self.position.done;
        eprintln!(
            "warning: {skips} updates in a row were skipped; going back from step {from} to step {}, and on with \
             other data",
            position.done
        );
        let dropped = self.lines.split_off((position.metrics.lines as usize).min(self.lines.len()));
        let text: Vec<String> = dropped.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        self.run.write(&format!("rollback-{rollbacks}.jsonl"), &(text.join("\n") + "\n"))?;
        self.run.sync()?;
        self.run = RunDir::reopen(self.run.path(), &position.metrics)?;
        position.guard.rollbacks = rollbacks;
        // What was spent was spent.
        let Position { tokens_sampled, tokens_trained, .. } = self.position;
        self.position = Position { tokens_sampled, tokens_trained, ..position };
        Ok(())
    }

    /// Writes down the run as the last finished step left it, before it ends with an error.
    fn keep(&mut self, model: &Vlm, reference: Option<&Policy>) {
        let done = self.position.done;
        match self.save(model, reference).and_then(|()| self.saving.finish()) {
            Ok(()) => eprintln!("the run is kept as it was after step {done}"),
            Err(error) => eprintln!("warning: no checkpoint after step {done}: {error:#}"),
        }
    }

    /// Starts to write down the run as it is now.
    fn save(&mut self, model: &Vlm, reference: Option<&Policy>) -> anyhow::Result<()> {
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
    fn stop(&mut self, model: &Vlm, reference: Option<&Policy>, signals: &Signals) -> anyhow::Error {
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

    /// Measures the model on every evaluation environment, and keeps the episodes in the run directory.
    fn measure(&mut self, model: &Vlm, when: &str) -> anyhow::Result<BTreeMap<String, Evaluation>> {
        let evaluations = evaluations(model, self.recipe, &self.interrupt)?;
        for (name, evaluation) in &evaluations {
            let episodes: Vec<&Episode> = evaluation.episodes.iter().collect();
            self.run.episodes(&format!("{when}-{name}"), &episodes)?;
        }
        Ok(evaluations)
    }
}

/// The figures of the progress line: what there is of reward, scores, length, KL and speed.
pub(super) fn line(metrics: &MetricLine) -> String {
    let number = |key: &str| metrics.get(key).and_then(Value::as_f64);
    let mut parts = Vec::new();
    for (key, label, digits) in [
        ("loss", "loss", 3),
        ("mean_token_accuracy", "accuracy", 3),
        ("reward", "reward", 3),
        ("completions/mean_length", "length", 0),
        ("kl", "kl", 4),
        ("entropy", "entropy", 3),
        ("perf/throughput", "tok/s", 0),
    ] {
        if let Some(value) = number(key) {
            parts.push(format!("{label} {value:.digits$}"));
        }
    }
    for (key, value) in metrics {
        if let (Some(env), Some(score)) =
            (key.strip_prefix("env/").and_then(|k| k.strip_suffix("/normalised")), value.as_f64())
        {
            parts.push(format!("{env} {score:.2}"));
        }
    }
    parts.join("  ")
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

/// A few episodes of each environment for the report: as many as can be looked at.
fn sample(evaluations: &BTreeMap<String, Evaluation>) -> Vec<Episode> {
    evaluations.values().flat_map(|e| e.episodes.iter().take(saving::SAMPLES).cloned()).collect()
}
