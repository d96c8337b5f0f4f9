//! How the answer came about: facts seen, thoughts that point, tools used, reflection, certainty.
//!
//! What a reward cannot know from the text it reads from fields that the caller fills in (correctness from
//! another reward, a likelihood from a reference model, whether a tool succeeded). [`needs`] lists them.

pub mod consistency;
pub mod facts;
pub(crate) mod fields;
pub mod frames;
pub mod gates;
pub mod points;
pub mod reflection;
pub mod tools;
pub mod trust;
pub mod video;

use crate::RewardInfo;

pub(crate) const REWARDS: &[RewardInfo] = &[
    facts::INFO,
    consistency::INFO,
    tools::BONUS,
    tools::CURIOSITY,
    reflection::INFO,
    points::INFO,
    trust::INFO,
    gates::FORMAT_FIRST,
    gates::MARKOV,
    gates::MULTIPLIER,
    gates::REWATCH,
    gates::CERTAINTY,
    video::TEMPORAL,
    video::LENGTH,
    frames::INFO,
];

/// The fields that a reward of this family reads; none for any other name. `tool_ok` is read only
/// where tools were called.
pub fn needs(reward: &str) -> &'static [&'static str] {
    match reward {
        "consistency_bonus" => &["correct", "answer_logprob"],
        "tool_bonus" | "curiosity" => &["correct", "tool_calls", "tool_ok"],
        "thinking_trust" => &["correct", "thinking_score"],
        "format_first" => &["format", "correct"],
        "markov_gate" => &["stages"],
        "consistency_multiplier" => &["format", "correct", "consistent"],
        "observation_reasoning" => &["correct", "observations", "sufficient"],
        "self_certainty" => &["self_certainty"],
        "temporal_bonus" => &["correct", "shuffled_accuracy"],
        "video_length_window" => &["correct", "tokens"],
        "frame_spotlight" => &["correct", "timed", "returned_frames"],
        _ => &[],
    }
}
