//! The stages of a recipe.

use eyas_algo::advantage::estimator::{BiLevelGae, Gae};
use eyas_algo::advantage::shape::{Pad, VisualDependency};
use eyas_algo::loss::preference::PreferenceConfig;
use eyas_algo::loss::reward_model::RewardModelLoss;
use eyas_algo::loss::supervised::weight::KindWeights;
use eyas_algo::loss::value::ppo::PpoValue;
use eyas_algo::{AdvantageConfig, Decay, PolicyConfig, Schedule};
use eyas_data::curriculum::ContextStage;
use eyas_model::Corruption;
use eyas_reward::RewardSpec;
use serde::{Deserialize, Serialize};

use super::critic::CriticSettings;
use super::draw::{
    AugmentSettings, ControlSettings, Controlled, CurriculumSettings, DynamicSampling, RestartSettings,
};
use super::{EnvChoice, FlowSettings, JudgeKind, JudgeSettings, PairSettings, PairSource, PairWeights};

/// One stage of the training.
#[expect(clippy::large_enum_variant, reason = "a recipe has a handful of them")]
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Stage {
    /// Supervised fine-tuning on demonstrations.
    Sft(SftStage),
    /// Reinforcement learning.
    Rl(RlStage),
    /// Learning from pairs of responses.
    Preference(PreferenceStage),
    /// Training a reward model on pairs of responses.
    RewardModel(RewardModelStage),
}

/// What a stage does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageKind {
    /// Supervised fine-tuning on demonstrations.
    Sft,
    /// Reinforcement learning.
    Rl,
    /// Learning from pairs of responses.
    Preference,
    /// Training a reward model on pairs of responses.
    RewardModel,
}

impl StageKind {
    /// The word in recipes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sft => "sft",
            Self::Rl => "rl",
            Self::Preference => "preference",
            Self::RewardModel => "reward_model",
        }
    }
}

impl Stage {
    /// What it does.
    pub fn kind(&self) -> StageKind {
        match self {
            Self::Sft(_) => StageKind::Sft,
            Self::Rl(_) => StageKind::Rl,
            Self::Preference(_) => StageKind::Preference,
            Self::RewardModel(_) => StageKind::RewardModel,
        }
    }

    /// Its name, unique in the recipe: lower-case letters, digits, `-` and `_`. Default: its kind.
    pub fn name(&self) -> &str {
        match self {
            Self::Sft(stage) => &stage.name,
            Self::Rl(stage) => &stage.name,
            Self::Preference(stage) => &stage.name,
            Self::RewardModel(stage) => &stage.name,
        }
    }

    /// Its number of steps, at least 1.
    pub fn steps(&self) -> u64 {
        match self {
            Self::Sft(stage) => stage.steps,
            Self::Rl(stage) => stage.steps,
            Self::Preference(stage) => stage.steps,
            Self::RewardModel(stage) => stage.steps,
        }
    }

    /// The environments it draws from, at least one.
    pub fn envs(&self) -> &[EnvChoice] {
        match self {
            Self::Sft(stage) => &stage.env,
            Self::Rl(stage) => &stage.env,
            Self::Preference(stage) => &stage.env,
            Self::RewardModel(stage) => &stage.env,
        }
    }

    /// The environments it draws from, to be changed.
    pub fn envs_mut(&mut self) -> &mut Vec<EnvChoice> {
        match self {
            Self::Sft(stage) => &mut stage.env,
            Self::Rl(stage) => &mut stage.env,
            Self::Preference(stage) => &mut stage.env,
            Self::RewardModel(stage) => &mut stage.env,
        }
    }

    /// Episodes that are compared with each other, side by side in what a step stores: the members of a group,
    /// or the two of a pair that no group is played for. A demonstration stands alone. `step` is counted within the stage.
    pub fn group_size(&self, step: u64) -> usize {
        match self {
            Self::Sft(_) => 1,
            Self::Rl(stage) => stage.group_size(step),
            Self::Preference(PreferenceStage { pairs, rollout, .. })
            | Self::RewardModel(RewardModelStage { pairs, rollout, .. }) => match pairs.source {
                PairSource::Policy => rollout.group_size,
                PairSource::Oracle | PairSource::Blind | PairSource::Corrected => 2,
            },
        }
    }

    /// What its episodes are judged by; empty where none are.
    pub fn rewards(&self) -> &[RewardSpec] {
        match self {
            Self::Sft(_) => &[],
            Self::Rl(stage) => &stage.reward,
            Self::Preference(stage) => &stage.reward,
            Self::RewardModel(stage) => &stage.reward,
        }
    }

    /// Whether the policy at its start is needed: by the loss, by a reward that reads likelihoods under it, or as
    /// one of `judges`.
    pub fn needs_reference(&self, judges: &[JudgeSettings]) -> bool {
        let asked = |rewards: &[RewardSpec]| {
            let own = judges.iter().filter(|judge| matches!(judge.who, JudgeKind::Policy { .. }));
            let names: Vec<&String> = own.map(|judge| &judge.name).collect();
            let asks =
                |reward: &RewardSpec| reward.judges().is_ok_and(|j| names.iter().any(|n| j.contains(*n)));
            rewards.iter().any(|reward| asks(reward) || reward.reads_field("answer_logprob"))
        };
        match self {
            Self::Sft(_) => false,
            Self::Rl(stage) => stage.compares() || asked(&stage.reward),
            // A reward model is not the policy: that plays, and is what the run goes on with.
            Self::Preference(_) | Self::RewardModel(_) => true,
        }
    }

    /// How its weights are updated.
    pub fn optim(&self) -> &OptimSettings {
        match self {
            Self::Sft(stage) => &stage.optim,
            Self::Rl(stage) => &stage.optim,
            Self::Preference(stage) => &stage.optim,
            Self::RewardModel(stage) => &stage.optim,
        }
    }
}

/// Supervised fine-tuning on what the environments' oracles would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SftStage {
    /// See [`Stage::name`].
    pub name: String,
    /// Updates, at least 1. Must be given.
    pub steps: u64,
    /// Demonstrations of a step. Default 32.
    pub batch_size: usize,
    /// What demonstrations are like.
    pub teacher: TeacherSettings,
    /// What the policy itself attempts, and which of it is learnt; absent: demonstrations only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<AttemptSettings>,
    /// How its own responses are sampled, with `attempts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutSettings>,
    /// How much each kind of token counts. Default: all alike.
    pub token_weights: KindWeights,
    /// The environments they come from.
    pub env: Vec<EnvChoice>,
    /// How weights are updated.
    pub optim: OptimSettings,
}

/// Learning from the policy's own attempts: from each start it plays `rollout.group_size` episodes.
///
/// With the teacher this is the step from RL to SFT of Metis-RISE: starts that were never solved are
/// demonstrated, starts that sometimes are solved are learnt from an own success, the others are left out.
/// Without, it is rejection sampling (RFT).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttemptSettings {
    /// Starts without a success are demonstrated. Default true.
    pub teacher: bool,
    /// Starts without a failure are learnt from as well. Default false.
    pub solved: bool,
}

impl Default for AttemptSettings {
    fn default() -> Self {
        Self { teacher: true, solved: false }
    }
}

/// What demonstrations are like. An imperfect teacher leaves room for reinforcement learning.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TeacherSettings {
    /// Chance that the demonstrated action is a random legal one, `0..=1`. Default 0.
    pub noise: f64,
    /// Random legal moves that are played before the state of a demonstration is taken, so that
    /// demonstrations cover more than beginnings. Default 0.
    pub random_start: u32,
    /// Most tokens of a demonstration, prompts and pictures included; a longer episode is cut after its
    /// last whole turn. Default 2048.
    pub max_context: usize,
    /// Chance that the thought of a demonstrated turn is left out, `0..=1` (TON: ½). Default 0.
    pub thought_dropout: f64,
}

/// Reinforcement learning from groups of episodes that start from the same state.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RlStage {
    /// See [`Stage::name`].
    pub name: String,
    /// Steps (rollout, then update), at least 1. Must be given.
    pub steps: u64,
    /// How episodes are sampled.
    pub rollout: RolloutSettings,
    /// How rewards become advantages. Default: as in GRPO.
    pub advantage: AdvantageConfig,
    /// The loss. Default: the clipped ratio of PPO, mean over tokens, no KL penalty.
    pub loss: PolicyConfig,
    /// What else the KL penalty of an episode depends on.
    pub kl_weight: KlWeight,
    /// The policy of the KL penalty.
    pub reference: ReferencePolicy,
    /// How pictures are spoilt for the parts of the loss that ask what the policy would say without them.
    pub corruption: Corruption,
    /// Members that the policy did not sample.
    pub off_policy: OffPolicy,
    /// A value head whose values give the advantages; absent: `advantage` compares rewards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<ValueSettings>,
    /// Critics of utterances, taught from replay, that give the advantages (ArCHer); absent: as `value` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critic: Option<CriticSettings>,
    /// The objective is over flows, and there are neither advantages nor a surrogate (GFlowVLM); absent: there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<FlowSettings>,
    /// More groups are sampled than are trained on; absent: as many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynamic_sampling: Option<DynamicSampling>,
    /// Which start states come next; absent: new ones, environments by their weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curriculum: Option<CurriculumSettings>,
    /// Groups that start in the middle of earlier episodes (Satori); absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartSettings>,
    /// Longer and longer responses, in place of `rollout.max_tokens` and `rollout.group_size`; empty: those.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<ContextStage>,
    /// Pictures that are changed; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub augment: Option<AugmentSettings>,
    /// Episodes are drawn again, with replacement, by the size of their advantage (ReVisual-R1's PAD); absent:
    /// each is trained on once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resample: Option<Pad>,
    /// Episodes whose tokens need the picture more count more (VPPO); absent: all alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visual_dependency: Option<VisualDependency>,
    /// Numbers that change over the stage.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub control: Vec<ControlSettings>,
    /// The environments.
    pub env: Vec<EnvChoice>,
    /// The rewards, in the order of reports. At least one.
    pub reward: Vec<RewardSpec>,
    /// How weights are updated.
    pub optim: OptimSettings,
}

impl RlStage {
    /// Whether its loss compares with a reference policy in some step.
    pub fn compares(&self) -> bool {
        self.loss.needs().reference || self.control.iter().any(|c| c.of == Controlled::Kl)
    }

    /// Members of a group that the policy samples; demonstrations are the others.
    pub fn sampled(&self) -> usize {
        self.rollout.group_size - self.off_policy.demonstrations
    }
}

/// Learning from pairs of responses to the same start: this one rather than that one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PreferenceStage {
    /// See [`Stage::name`].
    pub name: String,
    /// Updates, at least 1. Must be given.
    pub steps: u64,
    /// Where the pairs come from.
    pub pairs: PairSettings,
    /// How the policy's responses are sampled, where some are its own.
    pub rollout: RolloutSettings,
    /// The rewards that pairs of the policy's own are judged by; none otherwise.
    pub reward: Vec<RewardSpec>,
    /// The loss. Default: DPO.
    pub preference: PreferenceConfig,
    /// How much the tokens of a pair count, and how sharply it is judged.
    pub pair_weights: PairWeights,
    /// How pictures are spoilt, for losses that prefer the right picture and for the source `blind`.
    pub corruption: Corruption,
    /// The environments.
    pub env: Vec<EnvChoice>,
    /// How weights are updated.
    pub optim: OptimSettings,
}

/// Training a reward model: a copy of the policy learns to give the better of two responses to the same start the
/// higher score. When the stage ends the model is put down in the run directory, `reward-models/NAME`, where the
/// reward `reward_model` finds it, and the run goes on with the policy as it was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RewardModelStage {
    /// See [`Stage::name`].
    pub name: String,
    /// Updates, at least 1. Must be given.
    pub steps: u64,
    /// Where the pairs come from.
    pub pairs: PairSettings,
    /// How the policy's responses are sampled, where some are its own.
    pub rollout: RolloutSettings,
    /// The rewards that pairs of the policy's own are judged by; none otherwise.
    pub reward: Vec<RewardSpec>,
    /// The loss. Default: Bradley–Terry.
    pub reward_model: RewardModelLoss,
    /// The model reads what there truly was to be seen beside what the policy saw and wrote (LLaVA-RLHF). Default
    /// false.
    pub facts: bool,
    /// Starts of their own that give the pairs on which the model is measured after the last step. 0: it is not.
    /// Default 64.
    pub held_out: usize,
    /// The environments.
    pub env: Vec<EnvChoice>,
    /// How weights are updated.
    pub optim: OptimSettings,
}

/// How episodes are sampled.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RolloutSettings {
    /// States of a step, each the start of a group. Default 16.
    pub groups: usize,
    /// Episodes of a group, at least 2. Default 8.
    pub group_size: usize,
    /// Temperature of sampling, more than 0. Default 1.
    pub temperature: f64,
    /// Only the likeliest tokens that together have this probability are sampled; in `(0, 1]`. Default 1:
    /// all of them.
    pub top_p: f64,
    /// Only so many of the likeliest tokens are sampled; 0: all of them. Default 0.
    pub top_k: usize,
    /// Most tokens of a response, at least 1. Default 256.
    pub max_tokens: usize,
    /// Most tokens of an episode, prompts, pictures and responses of all turns together; an episode that
    /// would exceed it ends. Default 2048.
    pub max_context: usize,
    /// Texts that end a response, besides the end-of-turn token. Default none.
    pub stop: Vec<String>,
    /// MiB that cached keys and values of episodes may take; the others wait until some have ended. It
    /// changes the time of a step, never its result. Default 2048.
    pub kv_budget_mib: usize,
}

/// What the loss compares the policy with, apart from the policy that sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ReferencePolicy {
    /// The policy at the start of the stage.
    #[default]
    Start,
    /// A running mean of the policy: after every `every` steps, `decay · mean + (1 − decay) · policy`.
    Ema {
        /// What remains of the mean, `0..=1`.
        decay: f64,
        /// Steps between two updates of the mean, at least 1.
        every: u64,
    },
}

/// Actor and critic: a linear head on the decoder says what is to come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ValueSettings {
    /// How advantages come from values and rewards.
    pub credit: Credit,
    /// The loss of the values. Default: clipped at 0.5, squared.
    pub loss: PpoValue,
    /// The value loss trains the head alone. Default false.
    pub stop_gradient: bool,
    /// Steps in which only the values are trained. Default 0.
    pub warmup_steps: u64,
    /// Advantages are normalised over the batch. Default true.
    pub whiten: bool,
}

impl Default for ValueSettings {
    fn default() -> Self {
        let credit = Credit::Token(Gae::default());
        Self { credit, loss: PpoValue::default(), stop_gradient: false, warmup_steps: 0, whiten: true }
    }
}

/// Which states have a value, and which tokens share an advantage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Credit {
    /// Every token: [`gae`](eyas_algo::advantage::estimator::gae).
    Token(Gae),
    /// Every turn of the environment (VL-DAC): [`turn_gae`](eyas_algo::advantage::estimator::turn_gae).
    Turn(Gae),
    /// First turns, then the tokens of each (VAGEN):
    /// [`bi_level_gae`](eyas_algo::advantage::estimator::bi_level_gae).
    BiLevel(BiLevelGae),
}

/// What the KL penalty of an episode is multiplied by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlWeight {
    /// Nothing.
    #[default]
    One,
    /// APO's weight by the group's pass rate, for episodes with a positive advantage: see
    /// [`dads_kl_weight`](eyas_algo::loss::term::dads_kl_weight).
    Dads,
}

/// Members of a group that the policy did not sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OffPolicy {
    /// Demonstrations of the oracle in each group, in the place of as many of its last members. Their
    /// tokens count as sampled with probability 1. Less than `rollout.group_size`; default 0.
    pub demonstrations: usize,
}

/// How weights are updated: AdamW under a learning-rate schedule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OptimSettings {
    /// The highest learning rate, finite and at least 0. Must be given: what suits fresh weights ruins
    /// pretrained ones.
    pub lr: f64,
    /// How it falls after the warm-up. Default `constant`.
    pub schedule: Decay,
    /// Steps of the stage in which it rises, at most all of them. Default 0.
    pub warmup_steps: u64,
    /// The share of `lr` left at the last step, `0..=1`; not used by `constant`. Default 0.
    pub min_lr_ratio: f64,
    /// Decoupled weight decay, at least 0. Default 0.
    pub weight_decay: f64,
    /// Decay of the first moment, `0..1`. Default 0.9.
    pub beta1: f64,
    /// Decay of the second moment, `0..1`. Default 0.999.
    pub beta2: f64,
    /// Gradients are scaled down to this global norm, more than 0; `inf`: never. Default 1.
    pub max_grad_norm: f64,
    /// Most tokens in one forward and backward pass; gradients are summed over as many passes as an update
    /// needs. Bounds the memory, changes no result but by rounding. A group is never split; one that is
    /// larger is a pass of its own. Default [`MICRO_BATCH_TOKENS`](crate::MICRO_BATCH_TOKENS).
    pub micro_batch_tokens: usize,
    /// Updates made from the episodes of a step; divides `rollout.groups`. 1 in SFT stages. Default 1.
    pub minibatches: usize,
}

impl OptimSettings {
    /// The learning rate over the `steps` steps of the stage. All updates of a step share one rate.
    pub fn lr_schedule(&self, steps: u64) -> Schedule {
        Schedule {
            peak: self.lr,
            warmup_steps: self.warmup_steps,
            total_steps: steps,
            decay: self.schedule,
            min_ratio: self.min_lr_ratio,
        }
    }
}
