//! Whole model folders: written, opened again, incomplete, contradictory, overwritten.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/model.rs"]
mod model;

use std::fs;
use std::path::Path;

use eyas_model::hf::{Checkpoint, FolderError, HfFolder, ModelFiles, Qwen25VlConfig, WeightsError};
use model::{Model, PREPROCESSOR};
use serde_json::{Value, json};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn written_folders_open_and_repeat() {
    let model = Model::new();
    let parent = tempfile::tempdir().unwrap();
    let (a, b) = (parent.path().join("a"), parent.path().join("b"));
    model.write(&a, false).unwrap();
    model.write(&b, false).unwrap();
    assert_eq!(names(parent.path()), ["a", "b"], "nothing is left beside them");
    let files = [
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(names(&a), files);
    for file in files {
        assert_eq!(fs::read(a.join(file)).unwrap(), fs::read(b.join(file)).unwrap(), "{file}");
    }

    let opened = HfFolder::open(&a).unwrap();
    assert_eq!(opened.config, model.config);
    assert_eq!(opened.tokenizer.json(), model.tokenizer.json());
    assert_eq!(opened.template.source(), model.template.source());
    assert_eq!(opened.preprocessor_json, PREPROCESSOR);
    // Multiples of 1/256 below 1 are exact in bf16.
    for ((name, _), data) in model.shapes.iter().zip(&model.data) {
        assert_eq!(opened.weights.read(name).unwrap(), *data);
    }
}

#[test]
fn shards_in_a_folder() {
    let model = Model::new();
    let parent = tempfile::tempdir().unwrap();
    let target = parent.path().join("model");
    let weights = model.weights();
    ModelFiles { max_shard_bytes: 10_000, ..model.files(&weights) }.write(&target, false).unwrap();
    assert!(names(&target).len() > 8);
    HfFolder::open(&target).unwrap();
    // Written over with one file, no shard is left.
    model.write(&target, true).unwrap();
    assert_eq!(names(&target).len(), 7);
    HfFolder::open(&target).unwrap();
}

#[test]
fn only_models_are_overwritten_and_only_when_asked() {
    let model = Model::new();
    let parent = tempfile::tempdir().unwrap();
    let target = parent.path().join("model");
    fs::create_dir(&target).unwrap();
    model.write(&target, false).expect("an empty folder is no loss");
    assert!(matches!(model.write(&target, false), Err(FolderError::Exists { .. })));
    fs::write(target.join("notes.txt"), "old").unwrap();
    model.write(&target, true).unwrap();
    assert!(!target.join("notes.txt").exists());

    let other = parent.path().join("photos");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("cat.png"), "").unwrap();
    assert!(matches!(model.write(&other, true), Err(FolderError::NotAModel { .. })));
    assert!(other.join("cat.png").exists());
    let file = other.join("cat.png");
    assert!(matches!(model.write(&file, true), Err(FolderError::Io { .. })));
    assert!(matches!(model.write(&parent.path().join("no/such"), true), Err(FolderError::Io { .. })));
    assert_eq!(names(parent.path()), ["model", "photos"]);
}

#[test]
fn a_failed_write_leaves_the_old_folder() {
    let mut model = Model::new();
    let parent = tempfile::tempdir().unwrap();
    let target = parent.path().join("model");
    model.write(&target, false).unwrap();
    let before = fs::read(target.join("model.safetensors")).unwrap();
    model.data[3][0] = f32::NAN;
    let error = model.write(&target, true).unwrap_err();
    assert!(matches!(error, FolderError::Weights(WeightsError::NotFinite { .. })), "{error}");
    assert_eq!(fs::read(target.join("model.safetensors")).unwrap(), before);
    assert_eq!(names(parent.path()), ["model"]);
}

#[test]
fn what_would_not_open_is_not_written() {
    let model = Model::new();
    let parent = tempfile::tempdir().unwrap();
    let target = parent.path().join("model");
    let mut weights = model.weights();
    weights.pop();
    let error = model.files(&weights).write(&target, false).unwrap_err().to_string();
    assert!(error.contains("tensors"), "{error}");
    let mut weights = model.weights();
    weights[0].name = "stray";
    let error = model.files(&weights).write(&target, false).unwrap_err().to_string();
    assert!(error.contains("stray"), "{error}");
    let weights = model.weights();
    let error =
        ModelFiles { preprocessor_json: "[]", ..model.files(&weights) }.write(&target, false).unwrap_err();
    assert!(matches!(error, FolderError::Json { .. }), "{error}");
    let mut config = model.config.clone();
    config.image_token_id = 5;
    let error = ModelFiles { config: &config, ..model.files(&weights) }.write(&target, false).unwrap_err();
    assert!(matches!(error, FolderError::Mismatch { .. }), "{error}");
    assert_eq!(names(parent.path()), Vec::<String>::new());
}

#[test]
fn patches_for_another_vision_tower_are_refused() {
    let model = Model::new();
    let parent = tempfile::tempdir().unwrap();
    let target = parent.path().join("model");
    model.write(&target, false).unwrap();
    let path = target.join("preprocessor_config.json");
    let good: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    for (field, value) in [("patch_size", 14), ("temporal_patch_size", 2), ("merge_size", 2)] {
        let mut other = good.clone();
        other[field] = (2 * value).into();
        fs::write(&path, other.to_string()).unwrap();
        let error = HfFolder::open(&target).unwrap_err().to_string();
        let expected = format!("`{field}` is {}, but config.json says {value}", 2 * value);
        assert!(error.ends_with(&expected), "{error}");
    }
    fs::write(&path, good.to_string()).unwrap();
    HfFolder::open(&target).unwrap();
}

#[test]
fn missing_files_are_named() {
    let model = Model::new();
    let parent = tempfile::tempdir().unwrap();
    let target = parent.path().join("model");
    model.write(&target, false).unwrap();
    for (file, part) in [
        ("config.json", "config.json is missing"),
        ("tokenizer.json", "tokenizer.json is missing"),
        ("preprocessor_config.json", "preprocessor_config.json is missing"),
        ("chat_template.jinja", "no chat template"),
        ("model.safetensors", "neither model.safetensors nor"),
    ] {
        let bytes = fs::read(target.join(file)).unwrap();
        fs::remove_file(target.join(file)).unwrap();
        let error = HfFolder::open(&target).unwrap_err().to_string();
        assert!(error.contains(part), "{file}: {error}");
        assert_eq!(error.matches(target.to_str().unwrap()).count(), 1, "named once: {error}");
        for damaged in [&b""[..], b"\xFF\xFE", b"[1]", &bytes[..bytes.len() / 2]] {
            fs::write(target.join(file), damaged).unwrap();
            // Half a template can be a whole template, of another kind.
            let whole = file == "chat_template.jinja" && damaged == b"[1]";
            assert!(whole || HfFolder::open(&target).is_err(), "{file}");
        }
        fs::write(target.join(file), bytes).unwrap();
    }
    for file in ["tokenizer_config.json", "generation_config.json"] {
        fs::remove_file(target.join(file)).unwrap();
    }
    HfFolder::open(&target).expect("these two are not needed");
    let error = HfFolder::open(&parent.path().join("Qwen/Qwen2.5-VL-3B-Instruct")).unwrap_err().to_string();
    assert!(error.contains("not its name on a hub"), "{error}");
}

#[test]
fn contradicting_files() {
    let model = Model::new();
    let parent = tempfile::tempdir().unwrap();
    let target = parent.path().join("model");
    model.write(&target, false).unwrap();
    let path = target.join("config.json");
    let good: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let open_with = |change: &dyn Fn(&mut Value)| {
        let mut value = good.clone();
        change(&mut value);
        fs::write(&path, value.to_string()).unwrap();
        HfFolder::open(&target).unwrap_err().to_string()
    };
    let error = open_with(&|v| v["image_token_id"] = json!(5));
    assert!(error.contains("`image_token_id` is 5") && error.contains("is 6"), "{error}");
    let error = open_with(&|v| v["text_config"]["vocab_size"] = json!(100));
    assert!(error.contains("`vocab_size` 100"), "{error}");
    let error = open_with(&|v| v["text_config"]["intermediate_size"] = json!(9));
    assert!(error.contains("mlp") && error.contains("[16, 9]") && error.contains("[16, 8]"), "{error}");
    let error = open_with(&|v| v["text_config"]["num_hidden_layers"] = json!(2));
    assert!(error.contains("lacks 12"), "{error}");
    let error = open_with(&|v| v["vision_config"]["depth"] = json!(2));
    assert!(error.contains("visual.blocks.1"), "{error}");
}

#[test]
fn the_newer_place_of_the_image_processors_settings() {
    let model = Model::new();
    let parent = tempfile::tempdir().unwrap();
    let target = parent.path().join("model");
    model.write(&target, false).unwrap();
    fs::remove_file(target.join("preprocessor_config.json")).unwrap();
    let newer = target.join("processor_config.json");
    fs::write(&newer, r#"{"image_processor": {"patch_size": 14}, "processor_class": "Qwen2_5_VLProcessor"}"#)
        .unwrap();
    assert_eq!(HfFolder::open(&target).unwrap().preprocessor_json, r#"{"patch_size":14}"#);
    fs::write(&newer, "{}").unwrap();
    assert!(matches!(HfFolder::open(&target), Err(FolderError::Json { .. })));
}

#[test]
fn the_tiny_preset_is_a_few_million_parameters() {
    let tokenizer = Model::new().tokenizer;
    let tiny = Qwen25VlConfig::tiny(1024, tokenizer.special_tokens()).unwrap();
    assert!((4_000_000..6_000_000).contains(&tiny.parameter_count()));
    assert!(Checkpoint::open(Path::new("."), &tiny.tensor_shapes()).is_err());
}
