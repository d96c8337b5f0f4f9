//! What a recipe says, before defaults are filled in: one struct a section, every key optional.
//!
//! What the keys mean stands at the fields of [`Recipe`](super::Recipe) and its parts, which have the same
//! names. Nothing here is flattened or untagged, so that every error keeps its place in the text.

use std::collections::BTreeMap;
use std::path::PathBuf;

use eyas_algo::advantage::shape::{Pad, VisualDependency};
use eyas_algo::loss::preference::PreferenceConfig;
use eyas_algo::loss::reward_model::RewardModelLoss;
use eyas_algo::loss::supervised::weight::KindWeights;
use eyas_algo::{AdvantageConfig, Decay, PolicyConfig};
use eyas_core::TokenSpan;
use eyas_data::curriculum::ContextStage;
use eyas_gym::{Difficulty, ResponseStyle};
use eyas_model::Corruption;
use eyas_reward::{Gold, ParamValue, Turns};
use serde::Deserialize;
use toml::Value;

use super::judge::JudgeFile;
use super::{
    AttemptSettings, AugmentSettings, ComputeDtype, ControlSettings, CriticSettings, CurriculumSettings,
    DeviceName, DynamicSampling, FlowSettings, GuardSettings, KlWeight, OffPolicy, PairSettings, PairWeights,
    Paper, Preset, ReferencePolicy, RestartSettings, Route, SaveDtype, StageKind, ValueSettings,
};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RecipeFile {
    pub(super) about: Option<String>,
    pub(super) seed: Option<u64>,
    pub(super) max_steps: Option<u64>,
    pub(super) paper: Option<Paper>,
    pub(super) model: ModelFile,
    pub(super) prompt: PromptFile,
    pub(super) judge: Vec<JudgeFile>,
    pub(super) stage: Vec<StageFile>,
    pub(super) route: Vec<Route>,
    pub(super) eval: EvalFile,
    pub(super) checkpoint: CheckpointFile,
    pub(super) guard: GuardSettings,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ModelFile {
    pub(super) path: Option<PathBuf>,
    pub(super) preset: Option<Preset>,
    pub(super) vocab_size: Option<usize>,
    pub(super) freeze: Vec<String>,
    pub(super) save_dtype: Option<SaveDtype>,
    pub(super) compute_dtype: Option<ComputeDtype>,
    pub(super) device: Option<DeviceName>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PromptFile {
    pub(super) style: Option<ResponseStyle>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct StageFile {
    pub(super) kind: Option<StageKind>,
    pub(super) name: Option<String>,
    pub(super) steps: Option<u64>,
    pub(super) batch_size: Option<usize>,
    pub(super) teacher: Option<TeacherFile>,
    pub(super) env: Vec<EnvFile>,
    pub(super) rollout: Option<RolloutFile>,
    pub(super) reward: Option<Vec<RewardFile>>,
    pub(super) advantage: Option<AdvantageConfig>,
    pub(super) loss: Option<PolicyConfig>,
    pub(super) pairs: Option<PairSettings>,
    pub(super) preference: Option<PreferenceConfig>,
    pub(super) pair_weights: Option<PairWeights>,
    pub(super) reward_model: Option<RewardModelLoss>,
    pub(super) held_out: Option<usize>,
    pub(super) facts: Option<bool>,
    pub(super) kl_weight: Option<KlWeight>,
    pub(super) reference: Option<ReferencePolicy>,
    pub(super) corruption: Option<Corruption>,
    pub(super) off_policy: Option<OffPolicy>,
    pub(super) value: Option<ValueSettings>,
    pub(super) critic: Option<CriticSettings>,
    pub(super) flow: Option<FlowSettings>,
    pub(super) dynamic_sampling: Option<DynamicSampling>,
    pub(super) curriculum: Option<CurriculumSettings>,
    pub(super) restart: Option<RestartSettings>,
    pub(super) context: Vec<ContextStage>,
    pub(super) control: Vec<ControlSettings>,
    pub(super) augment: Option<AugmentSettings>,
    pub(super) resample: Option<Pad>,
    pub(super) visual_dependency: Option<VisualDependency>,
    pub(super) attempts: Option<AttemptSettings>,
    pub(super) token_weights: Option<KindWeights>,
    pub(super) optim: OptimFile,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EnvFile {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) weight: Option<f64>,
    pub(super) difficulty: Option<Difficulty>,
    pub(super) levels: Vec<f64>,
    pub(super) level: Option<f64>,
    pub(super) knobs: BTreeMap<String, Value>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TeacherFile {
    pub(super) noise: Option<f64>,
    pub(super) random_start: Option<u32>,
    pub(super) max_context: Option<usize>,
    pub(super) thought_dropout: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RolloutFile {
    pub(super) groups: Option<usize>,
    pub(super) group_size: Option<usize>,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) top_k: Option<usize>,
    pub(super) max_tokens: Option<usize>,
    pub(super) max_context: Option<usize>,
    pub(super) stop: Vec<String>,
    pub(super) kv_budget_mib: Option<usize>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RewardFile {
    pub(super) name: Option<String>,
    pub(super) label: Option<String>,
    pub(super) weight: Option<f32>,
    pub(super) span: TokenSpan,
    pub(super) envs: Vec<String>,
    pub(super) params: BTreeMap<String, ParamValue>,
    pub(super) turns: Turns,
    pub(super) gold: Gold,
    pub(super) inputs: BTreeMap<String, InputFile>,
}

/// A reward whose score is a field of another one.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct InputFile {
    pub(super) name: Option<String>,
    pub(super) params: BTreeMap<String, ParamValue>,
    pub(super) gold: Gold,
    pub(super) turns: Turns,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OptimFile {
    pub(super) lr: Option<f64>,
    pub(super) schedule: Option<Decay>,
    pub(super) warmup_steps: Option<u64>,
    pub(super) min_lr_ratio: Option<f64>,
    pub(super) weight_decay: Option<f64>,
    pub(super) beta1: Option<f64>,
    pub(super) beta2: Option<f64>,
    pub(super) max_grad_norm: Option<f64>,
    pub(super) micro_batch_tokens: Option<usize>,
    pub(super) minibatches: Option<usize>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CheckpointFile {
    pub(super) every: Option<u64>,
    pub(super) keep_every: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EvalFile {
    pub(super) episodes: Option<usize>,
    pub(super) seed: Option<u64>,
    pub(super) temperature: Option<f64>,
    pub(super) every: Option<u64>,
    pub(super) max_tokens: Option<usize>,
    pub(super) max_context: Option<usize>,
    pub(super) stop: Option<Vec<String>>,
    pub(super) batch: Option<usize>,
    pub(super) env: Vec<EnvFile>,
}
