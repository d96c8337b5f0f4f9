//! How an error reaches the user: one line, and a hint where there is something to do about it.

use std::error::Error;
use std::io;

use eyas_model::hf::{FolderError, WeightsError};
use eyas_model::image_file::ImageFileError;
use eyas_model::processor::ProcessorError;
use eyas_model::{PolicyError, VlmError};
use eyas_rollout::RolloutError;
use eyas_train::recipe::RecipeError;
use eyas_train::{RewardModelError, RunDirError, TrainError};

/// `error: what: why`, followed by a `hint:` line if one is known.
pub(crate) fn render(error: &anyhow::Error) -> String {
    let text = format!("error: {}", message(error));
    if text.contains("\nhint: ") {
        return text;
    }
    match error.chain().find_map(hint) {
        Some(hint) => format!("{text}\nhint: {hint}"),
        None => text,
    }
}

/// True when whoever read our output has heard enough, as `head` does.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(broken))
}

/// The chain of causes. A cause that its effect already quotes is not said twice.
fn message(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

const NEW_OR_DOWNLOAD: &str = "make a tiny model with `eyas model new DIR`, or download one, for example with \
    `hf download Qwen/Qwen2.5-VL-3B-Instruct --local-dir DIR`";
const DOWNLOAD_AGAIN: &str = "copy or download the file again";
const OTHER_MODEL: &str = "config.json and the weights seem to be of different models; download both again";
const DIVERGED: &str = "the training that wrote these weights diverged; go back to an earlier checkpoint";
const CONTEXT: &str = "raise the context (--max-context, in a recipe stage.NAME.rollout.max_context and \
    eval.max_context), as far as the model's own context goes";
const KV_BUDGET: &str = "raise stage.NAME.rollout.kv_budget_mib, or lower max_context";
const SCORES: &str = "a reward or its judge is failing; when it works again go on with `eyas train --resume RUN`. The \
    recipe's guard.max_invalid says how many failures are too many";
const REWARD_MODEL: &str = "params.model of the reward takes the folder that a stage of kind \"reward_model\" left, \
    RUN/reward-models/NAME, or stage:NAME for such a stage of the same recipe";
const IMAGE_SHAPE: &str = "crop the picture, or pad it";

/// What to do about `cause`. The outer errors are looked through: those that only pass an inner one on do
/// not show it in the chain.
fn hint(cause: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(error) = cause.downcast_ref::<TrainError>() {
        return match error {
            TrainError::RunDir(error) => hint(error),
            TrainError::Model(error) => hint(error),
            TrainError::Policy(error) => hint(error),
            TrainError::Rollout(error) => hint(error),
            TrainError::Recipe(error) => hint(error),
            TrainError::Scores { .. } => Some(SCORES),
            TrainError::RewardModel(error) => hint(error),
            _ => None,
        };
    }
    if let Some(error) = cause.downcast_ref::<RewardModelError>() {
        return match error {
            RewardModelError::Headless { .. } => Some(REWARD_MODEL),
            RewardModelError::Inputs { .. } => Some("train it from the same model folder as the policy"),
            RewardModelError::Store(_) => Some("train the reward model again, or take another copy of it"),
            _ => None,
        };
    }
    if let Some(error) = cause.downcast_ref::<VlmError>() {
        return match error {
            VlmError::Folder(error) => hint(error),
            VlmError::Weights(error) => hint(error),
            VlmError::Policy(error) => hint(error),
            VlmError::Processor(error) => hint(error),
            _ => None,
        };
    }
    if let Some(error) = cause.downcast_ref::<FolderError>() {
        return match error {
            FolderError::NotAFolder { .. } | FolderError::MissingFile { .. } => Some(NEW_OR_DOWNLOAD),
            FolderError::Exists { .. } => {
                Some("choose another folder, or replace the model with --overwrite")
            }
            FolderError::Weights(error) => hint(error),
            _ => None,
        };
    }
    if let Some(error) = cause.downcast_ref::<WeightsError>() {
        return match error {
            WeightsError::NoWeights { hint, .. } if hint.is_empty() => Some(NEW_OR_DOWNLOAD),
            WeightsError::Damaged { .. } | WeightsError::BadTensor { .. } | WeightsError::Index { .. } => {
                Some(DOWNLOAD_AGAIN)
            }
            WeightsError::Missing { .. } | WeightsError::Unexpected { .. } | WeightsError::Shape { .. } => {
                Some(OTHER_MODEL)
            }
            WeightsError::NotFinite { .. } => Some(DIVERGED),
            _ => None,
        };
    }
    if let Some(error) = cause.downcast_ref::<RolloutError>() {
        return match error {
            RolloutError::Prompt { .. } => Some(CONTEXT),
            RolloutError::KvBudget { .. } => Some(KV_BUDGET),
            RolloutError::Policy(error) => hint(error),
            _ => None,
        };
    }
    if let Some(error) = cause.downcast_ref::<PolicyError>() {
        return match error {
            PolicyError::Context { .. } => Some(CONTEXT),
            PolicyError::Image(error) => hint(error),
            PolicyError::NoGpuSupport => Some("build with `--features wgpu`, or set model.device to cpu"),
            PolicyError::Gpu { .. } => {
                Some("`vulkaninfo --summary` shows what the driver offers; model.device = cpu needs none")
            }
            PolicyError::GpuPrecision => Some("set model.compute_dtype to f32, or model.device to cpu"),
            _ => None,
        };
    }
    if let Some(ProcessorError::AspectRatio(_)) = cause.downcast_ref() {
        return Some(IMAGE_SHAPE);
    }
    if let Some(error) = cause.downcast_ref::<ImageFileError>() {
        return match error {
            ImageFileError::UnknownFormat { .. } => Some("convert the picture to PNG or JPEG"),
            ImageFileError::Size { .. } | ImageFileError::TooManyBytes { .. } => {
                Some("scale the picture down; the model sees far fewer pixels than that")
            }
            ImageFileError::Empty { .. } | ImageFileError::Truncated { .. } => Some(DOWNLOAD_AGAIN),
            _ => None,
        };
    }
    if let Some(RecipeError::Read { .. }) = cause.downcast_ref() {
        return Some("`eyas recipe list` shows the recipes in a folder");
    }
    if let Some(RunDirError::Exists { .. }) = cause.downcast_ref() {
        return Some("choose another with --run DIR, or replace the old run with --overwrite");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn a_cause_is_not_said_twice() {
        let inner = || io::Error::new(io::ErrorKind::NotFound, "no such file");
        let quoting = FolderError::Io { path: "m/config.json".into(), source: inner() };
        assert_eq!(render(&quoting.into()), "error: m/config.json: no such file");
        let silent = anyhow!(inner()).context("cannot open m");
        assert_eq!(render(&silent), "error: cannot open m: no such file");
    }

    #[test]
    fn hints_are_found_inside_errors_that_pass_others_on() {
        let error = FolderError::NotAFolder { path: "m".into(), hint: String::new() };
        let error = TrainError::from(VlmError::from(error));
        let text = render(&Err::<(), _>(error).context("stage \"rl\"").unwrap_err());
        assert!(text.starts_with("error: stage \"rl\": m: not a folder"), "{text}");
        assert!(text.ends_with(&format!("\nhint: {NEW_OR_DOWNLOAD}")), "{text}");
    }

    #[test]
    fn a_message_with_a_hint_gets_no_second_one() {
        let error = anyhow!(RunDirError::Exists { path: "r".into() }).context("a\nhint: b");
        assert_eq!(render(&error).matches("hint: ").count(), 1);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let pipe = io::Error::new(io::ErrorKind::BrokenPipe, "closed");
        assert!(is_broken_pipe(&anyhow!(pipe).context("printing")));
        assert!(!is_broken_pipe(&anyhow!("broken")));
    }
}
