//! From what was written to what will run: defaults and checks.

use eyas_algo::Estimator;
use eyas_algo::loss::supervised::weight::KindWeights;
use eyas_gym::ResponseStyle;

use super::at::At;
use super::draw::check_draw;
use super::environment::environments;
use super::file::{EvalFile, ModelFile, OptimFile, RolloutFile, StageFile, TeacherFile};
use super::flow::check_flow;
use super::layer::Layer;
use super::pairs::{check_preference, check_reward_model, pair_rewards, pairs};
use super::read::read;
use super::reward::{check_judges, check_reward_models, rewards};
use super::route::check_routes;
use super::{
    CheckpointSettings, Credit, EvalSettings, FlowSettings, GuardSettings, JudgeSettings, ModelSettings,
    ModelSource, OptimSettings, PairSource, PreferenceStage, Problem, PromptSettings, Recipe, RecipeError,
    ReferencePolicy, RewardModelStage, RlStage, RolloutSettings, SftStage, Stage, StageKind, TeacherSettings,
};
use crate::MICRO_BATCH_TOKENS;

const DEFAULT_SEED: u64 = 1;
const DEFAULT_VOCAB_SIZE: usize = 640;
const DEFAULT_MAX_TOKENS: usize = 256;
const DEFAULT_MAX_CONTEXT: usize = 2048;
const DEFAULT_KV_BUDGET_MIB: usize = 2048;
const DEFAULT_HELD_OUT: usize = 64;
const DEFAULT_CHECKPOINT_EVERY: u64 = 50;

/// Reads, completes and checks the merged layers.
pub(super) fn resolve(layer: &Layer) -> Result<Recipe, RecipeError> {
    let file = read(layer)?;
    let at = At::root(&layer.places);
    let model = model(file.model, &at.at("model"))?;
    let style = file.prompt.style.unwrap_or(ResponseStyle::Perception);
    let judges = super::judge::judges(file.judge, &at.at("judge"))?;
    let stages = stages(file.stage, style, &judges, &at.at("stage"))?;
    check_routes(&stages, &file.route, file.max_steps, &at)?;
    let eval = eval(file.eval, &stages, &at.at("eval"))?;
    Ok(Recipe {
        about: file.about,
        seed: file.seed.unwrap_or(DEFAULT_SEED),
        max_steps: file.max_steps,
        paper: file.paper,
        model,
        prompt: PromptSettings { style },
        judges,
        stages,
        route: file.route,
        eval,
        checkpoint: CheckpointSettings {
            every: file.checkpoint.every.unwrap_or(DEFAULT_CHECKPOINT_EVERY),
            keep_every: file.checkpoint.keep_every.unwrap_or(0),
        },
        guard: guard(file.guard, &at.at("guard"))?,
    })
}

fn guard(guard: GuardSettings, at: &At<'_>) -> Result<GuardSettings, RecipeError> {
    let GuardSettings { max_z, window, min_count, max_invalid, env_seconds, .. } = guard;
    at.at("max_z").range(max_z, max_z > 0.0, "above 0, or inf")?;
    at.at("window").range(window as f64, (2..=4096).contains(&window), "2 to 4096")?;
    let fits = (2..=window).contains(&min_count);
    at.at("min_count").range(min_count as f64, fits, "2 to guard.window")?;
    at.at("max_invalid").share(max_invalid)?;
    at.at("env_seconds").zero_or_more(env_seconds)?;
    Ok(guard)
}

fn model(file: ModelFile, at: &At<'_>) -> Result<ModelSettings, RecipeError> {
    let source = match (file.path, file.preset) {
        (Some(_), Some(_)) => return Err(at.fail(Problem::TwoSources)),
        (None, None) => return Err(at.fail(Problem::NoSource)),
        (Some(_), None) if file.vocab_size.is_some() => {
            return Err(at.at("vocab_size").fail(Problem::VocabSize));
        }
        (Some(path), None) if path.as_os_str().is_empty() => return Err(at.at("path").fail(Problem::Empty)),
        (Some(path), None) => ModelSource::Folder { path },
        (None, Some(preset)) => {
            let vocab_size = at.at("vocab_size").count(file.vocab_size.unwrap_or(DEFAULT_VOCAB_SIZE))?;
            ModelSource::Preset { preset, vocab_size }
        }
    };
    // An empty prefix would freeze everything.
    let freeze = at.at("freeze").texts(file.freeze)?;
    let (save_dtype, compute_dtype) =
        (file.save_dtype.unwrap_or_default(), file.compute_dtype.unwrap_or_default());
    let device = file.device.unwrap_or_default();
    Ok(ModelSettings { source, freeze, save_dtype, compute_dtype, device })
}

fn stages(
    files: Vec<StageFile>,
    style: ResponseStyle,
    judges: &[JudgeSettings],
    at: &At<'_>,
) -> Result<Vec<Stage>, RecipeError> {
    if files.is_empty() {
        return Err(at.fail(Problem::NoStage));
    }
    let mut stages: Vec<Stage> = Vec::new();
    for (index, file) in files.into_iter().enumerate() {
        let at = at.at(index);
        let stage = stage(file, style, judges, &at)?;
        check_reward_models(stage.rewards(), &stages, &at.at("reward"))?;
        if stages.iter().any(|s| s.name() == stage.name()) {
            return Err(at.fail(Problem::DuplicateStage(stage.name().into())));
        }
        stages.push(stage);
    }
    Ok(stages)
}

fn stage(
    file: StageFile,
    style: ResponseStyle,
    judges: &[JudgeSettings],
    at: &At<'_>,
) -> Result<Stage, RecipeError> {
    let kind = at.at("kind").given(
        file.kind,
        "write kind = \"sft\", kind = \"rl\", kind = \"preference\" or kind = \"reward_model\"",
    )?;
    let name = file.name.clone().unwrap_or_else(|| kind.as_str().into());
    check_stage_name(&name, &at.at("name"))?;
    check_placement(&file, kind, &name, at)?;
    let steps = at.at("steps").given(file.steps, "write how many steps the stage takes")?;
    at.at("steps").range(steps as f64, steps >= 1, "at least 1")?;
    let env = environments(file.env, &at.at("env"))?;
    if env.is_empty() {
        return Err(at.at("env").fail(Problem::NoEnv));
    }
    let optim = optim(file.optim, steps, &at.at("optim"))?;
    Ok(match kind {
        StageKind::Sft => Stage::Sft(SftStage {
            name,
            steps,
            batch_size: at.at("batch_size").count(file.batch_size.unwrap_or(32))?,
            teacher: teacher(file.teacher.unwrap_or_default(), &at.at("teacher"))?,
            attempts: file.attempts,
            rollout: match file.attempts {
                Some(_) => Some(rollout(file.rollout.unwrap_or_default(), &at.at("rollout"))?),
                None => None,
            },
            token_weights: weights(file.token_weights, &at.at("token_weights"))?,
            env,
            optim,
        }),
        StageKind::Rl => {
            let rollout = rollout(file.rollout.unwrap_or_default(), &at.at("rollout"))?;
            if rollout.groups % optim.minibatches != 0 {
                let (groups, minibatches) = (rollout.groups, optim.minibatches);
                return Err(at.at("optim.minibatches").fail(Problem::Minibatches { groups, minibatches }));
            }
            let stage = RlStage {
                name,
                steps,
                rollout,
                advantage: file.advantage.unwrap_or_default(),
                loss: file.loss.unwrap_or_default(),
                kl_weight: file.kl_weight.unwrap_or_default(),
                reference: file.reference.unwrap_or_default(),
                corruption: file.corruption.unwrap_or_default(),
                off_policy: file.off_policy.unwrap_or_default(),
                value: file.value,
                critic: file.critic,
                flow: file.flow.map(FlowSettings::complete),
                dynamic_sampling: file.dynamic_sampling,
                curriculum: file.curriculum,
                restart: file.restart,
                context: file.context,
                control: file.control,
                augment: file.augment,
                resample: file.resample,
                visual_dependency: file.visual_dependency,
                reward: rewards(file.reward.unwrap_or_default(), style, &env, &at.at("reward"))?,
                env,
                optim,
            };
            check_objective(&stage, at)?;
            check_draw(&stage, at)?;
            check_flow(&stage, at)?;
            let moves = matches!(stage.reference, ReferencePolicy::Ema { .. });
            check_judges(&stage.reward, judges, moves, &at.at("reward"))?;
            Stage::Rl(stage)
        }
        StageKind::Preference => {
            let pairs = pairs(file.pairs, at)?;
            let preference = file.preference.unwrap_or_default();
            preference.check().map_err(|error| at.at("preference").fail(error))?;
            let corruption = file.corruption.unwrap_or_default();
            corruption.check().map_err(|error| at.at("corruption").fail(Problem::Type(error)))?;
            let pair_weights = file.pair_weights.unwrap_or_default();
            check_preference(&pairs, &pair_weights, &preference, corruption, at)?;
            Stage::Preference(PreferenceStage {
                name,
                steps,
                reward: pair_rewards(&pairs, file.reward, style, &env, judges, &at.at("reward"))?,
                pairs,
                rollout: rollout(file.rollout.unwrap_or_default(), &at.at("rollout"))?,
                preference,
                pair_weights,
                corruption,
                env,
                optim,
            })
        }
        StageKind::RewardModel => {
            let pairs = pairs(file.pairs, at)?;
            let loss = file.reward_model.unwrap_or_default();
            loss.check().map_err(|error| at.at("reward_model").fail(error))?;
            if loss.reads_rewards() && pairs.source != PairSource::Policy {
                return Err(at.at("reward_model").fail(Problem::UnrewardedPairs));
            }
            check_reward_model(&pairs, at)?;
            Stage::RewardModel(RewardModelStage {
                name,
                steps,
                reward: pair_rewards(&pairs, file.reward, style, &env, judges, &at.at("reward"))?,
                pairs,
                rollout: rollout(file.rollout.unwrap_or_default(), &at.at("rollout"))?,
                reward_model: loss,
                facts: file.facts.unwrap_or(false),
                held_out: file.held_out.unwrap_or(DEFAULT_HELD_OUT),
                env,
                optim,
            })
        }
    })
}

/// A stage's name is used as a folder name and as a segment of dotted paths.
fn check_stage_name(name: &str, at: &At<'_>) -> Result<(), RecipeError> {
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if begins && name.chars().all(fits) { Ok(()) } else { Err(at.fail(Problem::StageName(name.into()))) }
}

/// Keys of the other kind of stage are errors, not ignored.
fn check_placement(file: &StageFile, kind: StageKind, name: &str, at: &At<'_>) -> Result<(), RecipeError> {
    let of_rl: &[(&str, bool)] = &[
        ("advantage", file.advantage.is_some()),
        ("loss", file.loss.is_some()),
        ("kl_weight", file.kl_weight.is_some()),
        ("reference", file.reference.is_some()),
        ("off_policy", file.off_policy.is_some()),
        ("value", file.value.is_some()),
        ("critic", file.critic.is_some()),
        ("flow", file.flow.is_some()),
        ("dynamic_sampling", file.dynamic_sampling.is_some()),
        ("curriculum", file.curriculum.is_some()),
        ("restart", file.restart.is_some()),
        ("context", !file.context.is_empty()),
        ("control", !file.control.is_empty()),
        ("augment", file.augment.is_some()),
        ("resample", file.resample.is_some()),
        ("visual_dependency", file.visual_dependency.is_some()),
        ("optim.minibatches", file.optim.minibatches.is_some_and(|m| m != 1)),
    ];
    let of_played: &[(&str, bool)] = &[
        ("rollout", file.rollout.is_some() && file.attempts.is_none()),
        ("reward", file.reward.is_some()),
        ("corruption", file.corruption.is_some()),
    ];
    let of_sft: &[(&str, bool)] = &[
        ("batch_size", file.batch_size.is_some()),
        ("teacher", file.teacher.is_some()),
        ("attempts", file.attempts.is_some()),
        ("token_weights", file.token_weights.is_some()),
    ];
    let of_pairs: &[(&str, bool)] = &[("pairs", file.pairs.is_some())];
    let of_preference: &[(&str, bool)] =
        &[("preference", file.preference.is_some()), ("pair_weights", file.pair_weights.is_some())];
    let of_reward_model: &[(&str, bool)] = &[
        ("reward_model", file.reward_model.is_some()),
        ("facts", file.facts.is_some()),
        ("held_out", file.held_out.is_some()),
    ];
    let of_corruption: &[(&str, bool)] = &[("corruption", file.corruption.is_some())];
    let foreign: &[(&'static str, &[(&str, bool)])] = match kind {
        StageKind::Sft => &[
            ("rl", of_played),
            ("rl", of_rl),
            ("preference", of_pairs),
            ("preference", of_preference),
            ("reward_model", of_reward_model),
        ],
        StageKind::Rl => &[
            ("sft", of_sft),
            ("preference", of_pairs),
            ("preference", of_preference),
            ("reward_model", of_reward_model),
        ],
        StageKind::Preference => &[("sft", of_sft), ("rl", of_rl), ("reward_model", of_reward_model)],
        StageKind::RewardModel => {
            &[("sft", of_sft), ("rl", of_rl), ("rl", of_corruption), ("preference", of_preference)]
        }
    };
    let given =
        foreign.iter().flat_map(|(owner, keys)| keys.iter().map(move |(key, given)| (owner, key, given)));
    match given.into_iter().find(|(_, _, given)| **given) {
        None => Ok(()),
        Some((owner, key, _)) => {
            Err(at.at(key).fail(Problem::Misplaced { owner, stage: name.into(), kind: kind.as_str() }))
        }
    }
}

fn teacher(file: TeacherFile, at: &At<'_>) -> Result<TeacherSettings, RecipeError> {
    Ok(TeacherSettings {
        noise: at.at("noise").share(file.noise.unwrap_or(0.0))?,
        random_start: file.random_start.unwrap_or(0),
        max_context: at.at("max_context").count(file.max_context.unwrap_or(DEFAULT_MAX_CONTEXT))?,
        thought_dropout: at.at("thought_dropout").share(file.thought_dropout.unwrap_or(0.0))?,
    })
}

fn weights(file: Option<KindWeights>, at: &At<'_>) -> Result<KindWeights, RecipeError> {
    let weights = file.unwrap_or_default();
    weights.check().map_err(|error| at.fail(error))?;
    Ok(weights)
}

fn rollout(file: RolloutFile, at: &At<'_>) -> Result<RolloutSettings, RecipeError> {
    let group_size = at.at("group_size").count(file.group_size.unwrap_or(8))?;
    if group_size == 1 {
        return Err(at.at("group_size").fail(Problem::GroupOfOne));
    }
    let top_p = file.top_p.unwrap_or(1.0);
    let max_tokens = file.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
    let (max_tokens, max_context) = lengths(max_tokens, file.max_context.unwrap_or(DEFAULT_MAX_CONTEXT), at)?;
    Ok(RolloutSettings {
        groups: at.at("groups").count(file.groups.unwrap_or(16))?,
        group_size,
        temperature: at.at("temperature").positive(file.temperature.unwrap_or(1.0))?,
        top_p: at.at("top_p").range(top_p, top_p > 0.0 && top_p <= 1.0, "above 0, at most 1")?,
        top_k: file.top_k.unwrap_or(0),
        max_tokens,
        max_context,
        stop: at.at("stop").texts(file.stop)?,
        kv_budget_mib: at.at("kv_budget_mib").count(file.kv_budget_mib.unwrap_or(DEFAULT_KV_BUDGET_MIB))?,
    })
}

pub(super) fn lengths(
    max_tokens: usize,
    max_context: usize,
    at: &At<'_>,
) -> Result<(usize, usize), RecipeError> {
    at.at("max_tokens").count(max_tokens)?;
    if max_tokens >= max_context {
        return Err(at.at("max_tokens").fail(Problem::Context { max_tokens, max_context }));
    }
    Ok((max_tokens, max_context))
}

/// Checks the parts of an RL stage whose settings are read as they are.
fn check_objective(stage: &RlStage, at: &At<'_>) -> Result<(), RecipeError> {
    stage.loss.check().map_err(|error| at.at("loss").fail(error))?;
    stage.advantage.check().map_err(|error| at.at("advantage").fail(error))?;
    stage.corruption.check().map_err(|error| at.at("corruption").fail(Problem::Type(error)))?;
    if let Some(value) = stage.value {
        value.loss.check().map_err(|error| at.at("value.loss").fail(error))?;
        let checked = match value.credit {
            Credit::Token(cfg) | Credit::Turn(cfg) => cfg.check(),
            Credit::BiLevel(cfg) => cfg.check(),
        };
        checked.map_err(|error| at.at("value.credit").fail(error))?;
    }
    if let Some(critic) = stage.critic {
        critic.check(&at.at("critic"))?;
        if stage.value.is_some() {
            return Err(at.at("critic").fail(Problem::TwoCritics));
        }
    }
    if (stage.value.is_some() || stage.critic.is_some()) && stage.off_policy.demonstrations > 0 {
        return Err(at.at("off_policy.demonstrations").fail(Problem::ValuesOfOthers));
    }
    let routed = stage.reward.iter().position(|reward| !reward.envs().is_empty());
    if let (Some(n), Estimator::Gdpo(_)) = (routed, stage.advantage.estimator) {
        return Err(at.at("reward").at(n).at("envs").fail(Problem::GdpoRoute));
    }
    if let ReferencePolicy::Ema { decay, every } = stage.reference {
        at.at("reference.decay").share(decay)?;
        at.at("reference.every").range(every as f64, every >= 1, "at least 1")?;
    }
    let (demonstrations, size) = (stage.off_policy.demonstrations, stage.rollout.group_size);
    let fits = demonstrations < size;
    at.at("off_policy.demonstrations").range(demonstrations as f64, fits, "less than rollout.group_size")?;
    Ok(())
}

fn optim(file: OptimFile, steps: u64, at: &At<'_>) -> Result<OptimSettings, RecipeError> {
    const LR: &str = "write a learning rate; 1e-3 suits fresh weights, 1e-6 pretrained ones";
    let warmup = file.warmup_steps.unwrap_or(0);
    if warmup > steps {
        return Err(at.at("warmup_steps").fail(Problem::Warmup { warmup, steps }));
    }
    let norm = file.max_grad_norm.unwrap_or(1.0);
    Ok(OptimSettings {
        lr: at.at("lr").zero_or_more(at.at("lr").given(file.lr, LR)?)?,
        schedule: file.schedule.unwrap_or_default(),
        warmup_steps: warmup,
        min_lr_ratio: at.at("min_lr_ratio").share(file.min_lr_ratio.unwrap_or(0.0))?,
        weight_decay: at.at("weight_decay").zero_or_more(file.weight_decay.unwrap_or(0.0))?,
        beta1: at.at("beta1").decay(file.beta1.unwrap_or(0.9))?,
        beta2: at.at("beta2").decay(file.beta2.unwrap_or(0.999))?,
        max_grad_norm: at.at("max_grad_norm").range(norm, norm > 0.0, "above 0, or inf")?,
        micro_batch_tokens: at
            .at("micro_batch_tokens")
            .count(file.micro_batch_tokens.unwrap_or(MICRO_BATCH_TOKENS))?,
        minibatches: at.at("minibatches").count(file.minibatches.unwrap_or(1))?,
    })
}

fn eval(file: EvalFile, stages: &[Stage], at: &At<'_>) -> Result<EvalSettings, RecipeError> {
    let rollout = stages.iter().rev().find_map(|stage| match stage {
        Stage::Rl(stage) => Some(&stage.rollout),
        Stage::Preference(stage) => Some(&stage.rollout),
        Stage::RewardModel(stage) => Some(&stage.rollout),
        Stage::Sft(_) => None,
    });
    let mut env = environments(file.env, &at.at("env"))?;
    if env.is_empty() {
        env = stages.last().map(|stage| stage.envs().to_vec()).unwrap_or_default();
    }
    let max_tokens = file.max_tokens.or(rollout.map(|r| r.max_tokens)).unwrap_or(DEFAULT_MAX_TOKENS);
    let max_context = file.max_context.or(rollout.map(|r| r.max_context)).unwrap_or(DEFAULT_MAX_CONTEXT);
    let (max_tokens, max_context) = lengths(max_tokens, max_context, at)?;
    let stop = file.stop.or(rollout.map(|r| r.stop.clone())).unwrap_or_default();
    Ok(EvalSettings {
        episodes: at.at("episodes").count(file.episodes.unwrap_or(64))?,
        seed: file.seed.unwrap_or(0),
        temperature: at.at("temperature").zero_or_more(file.temperature.unwrap_or(1.0))?,
        every: file.every.unwrap_or(0),
        max_tokens,
        max_context,
        stop: at.at("stop").texts(stop)?,
        batch: at.at("batch").count(file.batch.unwrap_or(32))?,
        env,
    })
}
