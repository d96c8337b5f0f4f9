//! Weights in formats that are not read: named, never opened.

use std::fs;
use std::path::Path;

/// Endings of files with weights in other formats. Most are pickles, which run code when they are loaded.
const PICKLES: &[&str] = &[".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"];
const OTHERS: &[&str] = &[".gguf", ".ggml", ".h5", ".msgpack", ".npz", ".onnx"];

/// What to do about a file of that name, if its ending is that of another format.
pub(super) fn conversion_hint(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| lower.ends_with(ending));
    if ends(PICKLES) {
        Some(format!(
            "; {name} is in another format: load it with transformers and save_pretrained(..., \
             safe_serialization=True) to convert it"
        ))
    } else if ends(OTHERS) {
        Some(format!(
            "; {name} is in another format, which is not read: take the folder with safetensors that it was \
             made from"
        ))
    } else {
        None
    }
}

/// The same for the first such file in a folder; empty where there is none.
pub(super) fn other_formats(folder: &Path) -> String {
    let Ok(files) = fs::read_dir(folder) else { return String::new() };
    let mut names: Vec<String> = files.filter_map(|f| f.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names.iter().find_map(|name| conversion_hint(name)).unwrap_or_default()
}
