//! Opening a model folder.

use std::path::Path;

use eyas_model::Vlm;
use eyas_train::stored::StoredError;

/// Opens a model folder.
///
/// # Errors
/// What is wrong with which file; the folder is always named.
pub(crate) fn open_model(path: &Path) -> anyhow::Result<Vlm> {
    named(path, Vlm::open(path))
}

/// What is wrong with a run directory, and what to do about it.
pub(crate) fn run_error(error: StoredError) -> anyhow::Error {
    match error {
        StoredError::NotARun { .. } => {
            anyhow::anyhow!("{error}\nhint: name the directory of a run, such as runs/quickstart-seed1")
        }
        error => error.into(),
    }
}

/// Makes sure that an error begins with the folder, or a file in it; most do by themselves.
pub(crate) fn named<T, E>(path: &Path, result: Result<T, E>) -> anyhow::Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let folder = path.display().to_string();
    result.map_err(|error| match error.to_string().strip_prefix(&folder) {
        Some(rest) if rest.starts_with([':', '/', '\\']) => error.into(),
        _ => anyhow::Error::from(error).context(folder),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_named_once() {
        for (message, expected) in [
            ("m: not a folder", "m: not a folder"),
            ("m/config.json: damaged", "m/config.json: damaged"),
            ("model is damaged", "m: model is damaged"),
            ("tensor `m` is damaged", "m: tensor `m` is damaged"),
        ] {
            let error = named::<(), _>(Path::new("m"), Err(std::io::Error::other(message))).unwrap_err();
            assert_eq!(format!("{error:#}"), expected);
        }
    }
}
