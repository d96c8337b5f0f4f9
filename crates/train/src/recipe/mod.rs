//! Recipes: one TOML file says what is trained, on what, how, and how it is judged.
//!
//! Reading has two stages. A `RecipeFile` is what was written, every key optional;
//! [`Recipe`] is what will run, every default filled in and everything checked that can be checked
//! without weights. A [`Recipe`] written with [`Recipe::to_toml`] and read again is the same [`Recipe`],
//! so the copy in a run directory is enough to repeat the run.
//!
//! Layers, each over the one before:
//! 1. the file named by `extends`, if any (tables merge key by key, arrays are replaced whole), and its
//!    `[set]` table;
//! 2. the file itself and its `[set]` table;
//! 3. `[scale.NAME]`, when that scale was asked for;
//! 4. overrides from the command line.
//!
//! `[set]` and `[scale.NAME]` hold dotted paths, `"stage.rl.loss.surrogate.clip_high" = 0.28`, so that one key of
//! one stage can be changed without repeating the stage. An element of an array is named by its index, or
//! by its `name`, `id` or `kind`.

mod at;
mod critic;
mod draw;
mod environment;
mod error;
mod file;
mod flow;
mod judge;
mod layer;
mod list;
mod pairs;
mod place;
mod read;
mod resolve;
mod reward;
mod route;
mod settings;
mod stage;
#[cfg(test)]
mod tests;

use std::path::Path;

use eyas_core::Seed;
use serde::Serialize;

pub use critic::CriticSettings;
pub use draw::{
    AugmentSettings, ControlSettings, Controlled, CurriculumSettings, DynamicSampling, RestartSettings,
    Useful, Worth,
};
pub use error::{Problem, RecipeError};
pub use flow::{FlowObjective, FlowSettings};
pub use judge::{JudgeKind, JudgeSettings};
pub use layer::MAX_RECIPE;
pub use list::{RecipeInfo, StageInfo, list_recipes};
pub use pairs::{PairSelect, PairSettings, PairSource, PairWeights};
pub use place::Place;
pub use route::Route;
pub use settings::{
    CheckpointSettings, ComputeDtype, DeviceName, EnvChoice, EvalSettings, GuardSettings, ModelSettings,
    ModelSource, Paper, Preset, PromptSettings, SaveDtype,
};
pub use stage::{
    AttemptSettings, Credit, KlWeight, OffPolicy, OptimSettings, PreferenceStage, ReferencePolicy,
    RewardModelStage, RlStage, RolloutSettings, SftStage, Stage, StageKind, TeacherSettings, ValueSettings,
};

/// A complete, checked recipe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recipe {
    /// One line on what it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Names every random stream of the training. Default 1.
    pub seed: u64,
    /// Steps of all stages together after which the run ends; absent: as many as there are. Must be given where
    /// a route leads back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// The paper it follows, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paper: Option<Paper>,
    /// What is trained.
    pub model: ModelSettings,
    /// How the model is asked.
    pub prompt: PromptSettings,
    /// Whom rewards may ask. Default nobody.
    #[serde(rename = "judge", skip_serializing_if = "Vec::is_empty")]
    pub judges: Vec<JudgeSettings>,
    /// What is done, in order. At least one.
    #[serde(rename = "stage")]
    pub stages: Vec<Stage>,
    /// Ways from stage to stage, beside that in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub route: Vec<Route>,
    /// How it is judged.
    pub eval: EvalSettings,
    /// When it is written down.
    pub checkpoint: CheckpointSettings,
    /// What is done when something goes wrong on the way.
    pub guard: GuardSettings,
}

impl Recipe {
    /// Reads a recipe file, applies the scale and the overrides (`a.b=value`, the value in TOML or, if it
    /// is not TOML, a plain string), fills in defaults and checks everything.
    ///
    /// # Errors
    /// [`RecipeError`], naming the file or override, the line and the key.
    pub fn load(path: &Path, scale: Option<&str>, sets: &[String]) -> Result<Self, RecipeError> {
        resolve::resolve(&layer::assemble(path, &layer::text_of(path)?, scale, sets)?)
    }

    /// Reads the judges, `[[judge]]`, of a text that may hold other things too. `name` stands for the file in
    /// messages.
    ///
    /// # Errors
    /// [`RecipeError`], as for [`Recipe::load`].
    pub fn judges_of(text: &str, name: &str) -> Result<Vec<JudgeSettings>, RecipeError> {
        let mut layer = layer::assemble(Path::new(name), text, None, &[])?;
        layer.table.retain(|key, _| key == "judge");
        let file = read::read(&layer)?;
        judge::judges(file.judge, &at::At::root(&layer.places).at("judge"))
    }

    /// Reads a recipe from text. `name` stands for the file in messages; `extends` is relative to it.
    ///
    /// # Errors
    /// [`RecipeError`], as for [`Recipe::load`].
    pub fn from_toml(text: &str, name: &str) -> Result<Self, RecipeError> {
        resolve::resolve(&layer::assemble(Path::new(name), text, None, &[])?)
    }

    /// The recipe as TOML, every default written out.
    ///
    /// # Errors
    /// [`RecipeError::Write`] when TOML has no form for a value.
    pub fn to_toml(&self) -> Result<String, RecipeError> {
        Ok(toml::to_string_pretty(self)?)
    }

    /// The root of everything random in the training.
    pub fn train_seed(&self) -> Seed {
        Seed::new(self.seed).split("train", 0)
    }

    /// The root of everything random in the evaluation. A stream of its own: evaluation episodes are
    /// never training episodes, even where `eval.seed` and `seed` are the same number.
    pub fn eval_seed(&self) -> Seed {
        Seed::new(self.eval.seed).split("eval", 0)
    }
}
