//! How an error reaches the user: one line, and a hint where there is something to do about it.

use eyas_train::{RunDirError, TrainError};

/// `error: what: why`, followed by a `hint:` line if one is known.
pub(crate) fn render(error: &anyhow::Error) -> String {
    let text = format!("error: {error:#}");
    let known = text.contains("hint:");
    match error.chain().find_map(|cause| hint(cause)).filter(|_| !known) {
        Some(hint) => format!("{text}\nhint: {hint}"),
        None => text,
    }
}

fn hint(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    let run_dir = match cause.downcast_ref::<TrainError>() {
        Some(TrainError::RunDir(error)) => Some(error),
        _ => cause.downcast_ref::<RunDirError>(),
    };
    if let Some(RunDirError::Exists { .. }) = run_dir {
        return Some("choose another with --run DIR, or replace the old run with --overwrite".into());
    }
    None
}
