//! The sections of a recipe around its stages: paper, model, prompt, environments, evaluation.

use std::path::PathBuf;
use std::time::Duration;

use eyas_gym::{Knobs, ResponseStyle};
use serde::{Deserialize, Serialize};

/// The paper that a recipe follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paper {
    /// Its title.
    pub title: String,
    /// Its arXiv number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arxiv: Option<String>,
    /// What is done as in the paper.
    #[serde(default)]
    pub faithful: Vec<String>,
    /// What is done otherwise.
    #[serde(default)]
    pub differs: Vec<String>,
    /// What a run should show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
}

/// What is trained.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelSettings {
    /// Where the weights come from.
    #[serde(flatten)]
    pub source: ModelSource,
    /// Parameters whose names begin with one of these are not trained. Default none.
    pub freeze: Vec<String>,
    /// The type in which weights are saved. Default f32.
    pub save_dtype: SaveDtype,
    /// In what precision matrices are multiplied; weights, gradients and optimizer stay f32. Default f32.
    pub compute_dtype: ComputeDtype,
    /// What computes. Default cpu.
    pub device: DeviceName,
}

/// Where the weights come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ModelSource {
    /// A folder in Hugging Face's layout.
    Folder {
        /// The folder, relative to the working directory. Whether it exists is checked when the model is
        /// loaded.
        path: PathBuf,
    },
    /// Fresh weights.
    Preset {
        /// The shape.
        preset: Preset,
        /// Most tokens of the tokenizer that is made for it. Default 640.
        vocab_size: usize,
    },
}

/// A shape of a model with fresh weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// A Qwen2.5-VL of a few million parameters.
    Tiny,
}

/// In what precision matrices are multiplied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComputeDtype {
    /// 32 bits.
    #[default]
    F32,
    /// bfloat16 operands, f32 sums: faster where the processor has AVX-512 BF16, slower elsewhere.
    Bf16,
}

/// What computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceName {
    /// The host's processor.
    #[default]
    Cpu,
    /// The first GPU; a build with the feature `wgpu` only.
    Gpu,
}

/// The type in which weights are saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaveDtype {
    /// 32 bits: what was trained, bit for bit.
    #[default]
    F32,
    /// bfloat16: half the size.
    Bf16,
}

/// How the model is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PromptSettings {
    /// Which parts a response has. Default `perception`.
    pub style: ResponseStyle,
}

/// An environment in a mixture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EnvChoice {
    /// Its id.
    pub id: String,
    /// The name its metrics go by, unique in the mixture, so that one environment can be in it with
    /// several settings. Default: its id.
    pub name: String,
    /// How often it is drawn, relative to the others. More than 0; default 1.
    pub weight: f64,
    /// How hard it is, as the curriculum of a stage reads it: any finite number. `levels` in a recipe stands
    /// for several environments, each turned to one position of its dial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<f64>,
    /// Its knobs, every one of them.
    pub knobs: Knobs,
}

/// When a run is written down, so that it can go on after it was cut short. Changes no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CheckpointSettings {
    /// Steps between two checkpoints; 0: only when the run is interrupted. Default 50.
    pub every: u64,
    /// Besides the two newest, every checkpoint whose step is a multiple of this is kept; 0: none. Default 0.
    pub keep_every: u64,
}

/// What a run does about updates, scores and environments that go wrong. Changes nothing while they do not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuardSettings {
    /// An update is skipped when its loss or its gradient norm lies more than this many standard deviations above
    /// the mean of the updates before it. Above 0; `inf`: however far. Default inf.
    ///
    /// An update whose loss or gradient is not finite is always skipped.
    pub max_z: f64,
    /// The updates of the stage that are looked back on: the last so many that were made. `2..=4096`, default 128.
    pub window: usize,
    /// With fewer behind it, an update is not compared. `2..=window`, default 32.
    pub min_count: usize,
    /// After this many skipped updates in a row the run goes back to its last checkpoint, and on from there with
    /// other data; 0: never. Default 5.
    pub max_skips: u64,
    /// After having gone back this often, a run stops where it would go back once more. Default 2.
    pub max_rollbacks: u64,
    /// A step of which more than this share of the scores cannot be computed stops the run. Rewards that do not
    /// apply to an episode do not count. `0..=1`, default 0.5.
    pub max_invalid: f64,
    /// ... if it has at least this many scores. Default 16.
    pub min_scores: usize,
    /// An environment that takes longer than this for one step, or for one observation, loses its episode or
    /// demonstration; one that takes longer for a start is asked for another. In seconds; 0: as long as it likes.
    /// Default 300.
    pub env_seconds: f64,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self {
            max_z: f64::INFINITY,
            window: 128,
            min_count: 32,
            max_skips: 5,
            max_rollbacks: 2,
            max_invalid: 0.5,
            min_scores: 16,
            env_seconds: 300.0,
        }
    }
}

impl GuardSettings {
    /// `env_seconds` as a duration; `None` without a limit.
    pub fn env_limit(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(self.env_seconds).ok().filter(|limit| !limit.is_zero())
    }
}

/// How a policy is judged: on episodes of a stream of their own, see
/// [`Recipe::eval_seed`](super::Recipe::eval_seed).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvalSettings {
    /// Episodes of each environment. Default 64.
    pub episodes: usize,
    /// Names the episodes. Not derived from the recipe's `seed`, so that runs with different seeds are
    /// judged on the same episodes. Default 0.
    pub seed: u64,
    /// Temperature of sampling; 0 takes the likeliest token. Default 1.
    pub temperature: f64,
    /// Steps between evaluations; 0: only before the first stage and after the last.
    /// Default 0.
    pub every: u64,
    /// Most tokens of a response. Default: as in the last RL stage, else 256.
    pub max_tokens: usize,
    /// Most tokens of an episode, see [`RolloutSettings::max_context`](super::RolloutSettings). Default: as
    /// in the last RL stage, else 2048.
    pub max_context: usize,
    /// Texts that end a response. Default: as in the last RL stage, else none.
    pub stop: Vec<String>,
    /// Episodes that are played at a time. Default 32.
    pub batch: usize,
    /// The environments, each on its own: weights play no part. Default: those of the last stage.
    pub env: Vec<EnvChoice>,
}
