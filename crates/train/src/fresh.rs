//! The model a recipe starts from: a folder, or fresh weights.

use eyas_core::Seed;
use eyas_gym::{Game, ResponseStyle, Status, first_message, later_message, response};
use eyas_model::{DeviceKind, Policy, Precision, Vlm, VlmError};
use eyas_rollout::Start;

use crate::TrainError;
use crate::recipe::{ComputeDtype, DeviceName, EnvChoice, ModelSettings, ModelSource, Preset, Recipe};

/// Episodes of each environment whose text a fresh tokenizer is trained on.
const CORPUS_EPISODES: u64 = 300;

/// Opens the recipe's model folder, or makes the model it describes.
///
/// # Errors
/// [`TrainError::Model`] when the folder cannot be opened.
pub fn open_model(recipe: &Recipe) -> Result<Vlm, TrainError> {
    let mut model = match &recipe.model.source {
        ModelSource::Folder { path } => Vlm::open(path)?,
        ModelSource::Preset { preset: Preset::Tiny, vocab_size } => {
            let envs: Vec<EnvChoice> = recipe.stages.iter().flat_map(|s| s.envs().iter().cloned()).collect();
            fresh_tiny(&envs, *vocab_size, recipe.train_seed().split("fresh", 0))?
        }
    };
    configure(&mut model.policy, &recipe.model)?;
    Ok(model)
}

/// Makes the recipe's settings on a policy, a reference as well: what is frozen, how precisely and where it
/// computes.
///
/// # Errors
/// When the device cannot be used.
pub(crate) fn configure(policy: &mut Policy, settings: &ModelSettings) -> Result<(), VlmError> {
    policy.freeze(&settings.freeze);
    policy.set_precision(match settings.compute_dtype {
        ComputeDtype::F32 => Precision::F32,
        ComputeDtype::Bf16 => Precision::Bf16,
    });
    policy
        .set_device(match settings.device {
            DeviceName::Cpu => DeviceKind::Cpu,
            DeviceName::Gpu => DeviceKind::Gpu,
        })
        .map_err(VlmError::from)
}

/// A tiny model with random weights, and a tokenizer of at most `vocab_size` tokens trained on what is said
/// in `envs`.
///
/// # Errors
/// [`TrainError::Model`] when a tokenizer of that size cannot be trained, [`TrainError::Rollout`] when an
/// environment refuses its knobs.
pub fn fresh_tiny(envs: &[EnvChoice], vocab_size: usize, seed: Seed) -> Result<Vlm, TrainError> {
    let corpus = corpus(envs, seed.split("corpus", 0))?;
    Ok(Vlm::tiny(corpus.into_iter(), vocab_size, &TAGS, seed.split("weights", 0))?)
}

const TAGS: [&str; 6] = ["<perception>", "</perception>", "<think>", "</think>", "<answer>", "</answer>"];

/// What is said in the environments: rules, boards, reasons and answers of the oracle's games.
fn corpus(envs: &[EnvChoice], seed: Seed) -> Result<Vec<String>, TrainError> {
    let mut texts = Vec::new();
    for (i, env) in envs.iter().enumerate() {
        for episode in 0..CORPUS_EPISODES {
            let start =
                Start::reset(&env.id, seed.split(&env.id, i as u64).split("episode", episode), &env.knobs)?;
            play(start.game, &mut texts)
                .map_err(|source| eyas_rollout::RolloutError::Oracle { env: env.id.clone(), source })?;
        }
    }
    Ok(texts)
}

fn play(mut game: Box<dyn Game>, texts: &mut Vec<String>) -> Result<(), eyas_gym::ParseError> {
    let style = ResponseStyle::Perception;
    texts.push(first_message(game.as_ref(), style));
    texts.push(first_message(game.as_ref(), ResponseStyle::Think));
    // The words of the chat template around them.
    texts.push(format!(
        "system\nYou are a helpful assistant. user\n{} assistant\n",
        later_message(game.as_ref())
    ));
    while game.status() == Status::Running {
        let action = game.oracle();
        texts.push(response(game.as_ref(), &action, style)?);
        game.step(&action)?;
    }
    Ok(())
}
