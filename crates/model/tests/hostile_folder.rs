//! Model folders made to break a reader: each is an error that says what is wrong, soon, and without taking more
//! memory than the files have.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/largest.rs"]
mod largest;
#[path = "common/model.rs"]
mod model;

use std::fs;
use std::path::{Path, PathBuf};

use eyas_model::Vlm;
use eyas_model::hf::{Checkpoint, HfFolder, INDEX_FILE, Qwen25VlConfig, WEIGHTS_FILE};
use eyas_model::processor::{ImageProcessor, ProcessorConfig};
use largest::largest;
use model::Model;
use serde_json::{Value, json};

fn written() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let target = parent.path().join("model");
    Model::new().write(&target, false).unwrap();
    (parent, target)
}

#[track_caller]
fn refused(target: &Path) -> String {
    match Vlm::open(target) {
        Ok(_) => panic!("it was opened"),
        Err(error) => error.to_string(),
    }
}

/// A safetensors file with this text as its header.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

#[test]
fn no_header_takes_more_memory_than_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(WEIGHTS_FILE);
    let list = [("a".to_string(), vec![1])];
    let entry = r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
    let many =
        format!(r#"{{"a":{{"dtype":"F32","shape":[{}1],"data_offsets":[0,4]}}}}"#, "1,".repeat(1_000_000));
    let deep = format!(r#"{{"a":{}}}"#, "[".repeat(1_000_000));
    let ignored = format!(r#"{{"__metadata__":{}}}"#, "[".repeat(1_000_000));
    let cases = [
        ("2^64-1", u64::MAX.to_le_bytes().to_vec(), "header of 18446744073709551615 bytes"),
        ("2^63", (1u64 << 63).to_le_bytes().to_vec(), "header of 9223372036854775808 bytes"),
        ("100 MB", 100_000_000u64.to_le_bytes().to_vec(), "cut off"),
        ("many sizes", file(&many, &[0; 4]), "`a`: invalid length 9, expected at most 8 sizes"),
        ("deep", file(&deep, &[]), "tensor `a`: invalid type"),
        ("deep metadata", file(&ignored, &[]), "not valid JSON"),
        (
            "a name twice",
            file(&format!(r#"{{"a":{entry},"\u0061":{entry}}}"#), &[0; 4]),
            "`a` is there twice",
        ),
        (
            "a field twice",
            file(r#"{"a":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}}"#, &[0; 4]),
            "duplicate field `dtype`",
        ),
        (
            "terabytes",
            file(
                r#"{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}"#,
                &[0; 4],
            ),
            "cut off or damaged",
        ),
    ];
    for (what, bytes, part) in cases {
        fs::write(&path, &bytes).unwrap();
        let (opened, most) = largest(|| Checkpoint::open(folder.path(), &list));
        let error = opened.expect_err(what).to_string();
        assert!(error.contains(part), "{what}: {error}");
        assert!(error.contains(WEIGHTS_FILE) && error.len() < 1000, "{what}: {error}");
        // A buffer that grows is up to twice as large as what is in it.
        assert!(most <= (2 * bytes.len()).max(16 << 10), "{what}: {most} bytes at once for {}", bytes.len());
    }
}

#[test]
fn a_folder_cut_at_any_kilobyte_is_refused() {
    let (_parent, target) = written();
    let path = target.join(WEIGHTS_FILE);
    let whole = fs::read(&path).unwrap();
    assert!(whole.len() > 20 << 10);
    for len in (0..whole.len()).step_by(1 << 10).chain([whole.len() - 1]) {
        fs::write(&path, &whole[..len]).unwrap();
        let error = refused(&target);
        assert!(error.contains(WEIGHTS_FILE), "{len}: {error}");
    }
    fs::write(&path, &whole).unwrap();
    Vlm::open(&target).unwrap();
    for file in ["config.json", "tokenizer.json", "preprocessor_config.json"] {
        let whole = fs::read(target.join(file)).unwrap();
        // The last byte is a line break.
        for len in (0..whole.len() - 1).step_by(whole.len() / 20) {
            fs::write(target.join(file), &whole[..len]).unwrap();
            let error = refused(&target);
            assert!(error.contains(file), "{file} cut to {len}: {error}");
        }
        fs::write(target.join(file), whole).unwrap();
    }
}

#[test]
fn a_weight_that_is_no_number_names_its_tensor() {
    let (_parent, target) = written();
    let path = target.join(WEIGHTS_FILE);
    let whole = fs::read(&path).unwrap();
    let header_len = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&whole[8..8 + header_len]).unwrap();
    for name in ["model.norm.weight", "visual.merger.ln_q.weight"] {
        let start = header[name]["data_offsets"][0].as_u64().unwrap() as usize;
        // NaN and infinities of bfloat16.
        for bits in [0x7FC0u16, 0x7F80, 0xFF80] {
            let mut bytes = whole.clone();
            bytes[8 + header_len + start + 4..][..2].copy_from_slice(&bits.to_le_bytes());
            fs::write(&path, bytes).unwrap();
            let error = refused(&target);
            assert!(error.contains(&format!("`{name}` holds ")) && error.contains("element 2"), "{error}");
        }
    }
}

#[test]
fn a_tensor_may_not_be_promised_to_two_shards() {
    let model = Model::new();
    let parent = tempfile::tempdir().unwrap();
    let target = parent.path().join("model");
    let weights = model.weights();
    eyas_model::hf::ModelFiles { max_shard_bytes: 10_000, ..model.files(&weights) }
        .write(&target, false)
        .unwrap();
    let path = target.join(INDEX_FILE);
    let text = fs::read_to_string(&path).unwrap();
    let index: Value = serde_json::from_str(&text).unwrap();
    let mut map = index["weight_map"].as_object().unwrap().iter();
    let (name, first) = map.next().unwrap();
    let other = map.map(|(_, shard)| shard).find(|shard| *shard != first).unwrap();
    let twice = text.replacen(&format!("\"{name}\""), &format!("\"{name}\": {other}, \"{name}\""), 1);
    fs::write(&path, twice).unwrap();
    let error = refused(&target);
    assert!(error.contains(&format!("{name:?} is there twice")), "{error}");
    for (hostile, part) in [
        ("{\"weight_map\": ".to_string() + &"[".repeat(1_000_000), "index.json"),
        (json!({"weight_map": {name: "../model/model.safetensors"}}).to_string(), "beside the index"),
        (json!({"weight_map": {name: "/etc/passwd"}}).to_string(), "beside the index"),
        (json!({"weight_map": {name: "a\u{0}.safetensors"}}).to_string(), "beside the index"),
        (json!({"weight_map": {name: "missing.safetensors"}}).to_string(), "missing from the folder"),
        (json!({"weight_map": {}}).to_string(), "lacks"),
    ] {
        fs::write(&path, hostile).unwrap();
        let error = refused(&target);
        assert!(error.contains(part) && error.len() < 1000, "{error}");
    }
}

/// A pickle whose loading runs `touch`.
const PICKLE: &[u8] = b"cos\nsystem\n(S'touch canary'\ntR.";

#[test]
fn other_formats_are_named_and_never_loaded() {
    for (name, part) in [
        ("pytorch_model.bin", "convert"),
        ("weights.pt", "convert"),
        ("weights.PKL", "convert"),
        ("model-q4.gguf", "with safetensors"),
    ] {
        let (_parent, target) = written();
        fs::remove_file(target.join(WEIGHTS_FILE)).unwrap();
        fs::write(target.join(name), PICKLE).unwrap();
        let error = refused(&target);
        assert!(error.contains(name) && error.contains(part), "{error}");
        // The same where it is all there is, and where it is given itself.
        fs::remove_file(target.join("config.json")).unwrap();
        let error = refused(&target);
        assert!(error.contains("config.json is missing") && error.contains(name), "{error}");
        let error = refused(&target.join(name));
        assert!(error.contains("not a folder") && error.contains(part), "{error}");
        assert!(!Path::new("canary").exists() && !target.join("canary").exists());
    }
    // Beside safetensors it is of no concern.
    let (_parent, target) = written();
    fs::write(target.join("pytorch_model.bin"), PICKLE).unwrap();
    Vlm::open(&target).unwrap();
    assert!(!Path::new("canary").exists());
}

/// Hubs' caches consist of links, so they are followed; what is no file at the end is not waited for.
#[test]
#[cfg(unix)]
fn links_are_followed_but_pipes_folders_and_devices_are_refused() {
    use std::os::unix::fs::symlink;
    let (parent, target) = written();
    let files = [
        "config.json",
        "preprocessor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        WEIGHTS_FILE,
    ];
    let aside = parent.path().join("blob");
    for file in files {
        fs::rename(target.join(file), &aside).unwrap();
        symlink(&aside, target.join(file)).unwrap();
        Vlm::open(&target).unwrap();
        let put = |what: &str| {
            fs::remove_file(target.join(file)).unwrap();
            match what {
                "a pipe" => {
                    let made = std::process::Command::new("mkfifo").arg(target.join(file)).status().unwrap();
                    assert!(made.success());
                }
                "a folder" => fs::create_dir(target.join(file)).unwrap(),
                _ => symlink("/dev/zero", target.join(file)).unwrap(),
            }
        };
        for what in ["a pipe", "a device", "a folder"] {
            put(what);
            let error = refused(&target);
            assert!(error.contains(file) && error.contains(&format!("{what}, not a file")), "{error}");
        }
        fs::remove_dir(target.join(file)).unwrap();
        fs::rename(&aside, target.join(file)).unwrap();
    }
    Vlm::open(&target).unwrap();
}

#[test]
fn sizes_that_no_model_has_are_refused_before_memory_is_taken() {
    let (_parent, target) = written();
    let path = target.join("config.json");
    let good: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let with = |pointer: &str, text: &str| {
        let mut value = good.clone();
        let slot = value.pointer_mut(pointer).unwrap();
        *slot = json!("HERE");
        fs::write(&path, value.to_string().replace("\"HERE\"", text)).unwrap();
        let (opened, most) = largest(|| HfFolder::open(&target));
        assert!(most < 4 << 20, "{pointer} = {text}: {most} bytes at once");
        opened.expect_err(pointer).to_string()
    };
    for (field, text) in [
        ("/text_config/num_hidden_layers", "1000000000"),
        ("/text_config/num_hidden_layers", "1e9"),
        ("/text_config/num_attention_heads", "0"),
        ("/text_config/num_attention_heads", "3"),
        ("/text_config/num_key_value_heads", "0"),
        ("/text_config/hidden_size", "0"),
        ("/text_config/hidden_size", "18446744073709551615"),
        ("/text_config/hidden_size", "-16"),
        ("/text_config/intermediate_size", "9223372036854775807"),
        ("/text_config/vocab_size", "7"),
        ("/text_config/vocab_size", "4294967296"),
        ("/text_config/max_position_embeddings", "1000000000000"),
        ("/text_config/rope_theta", "0"),
        ("/text_config/rope_theta", "-1e4"),
        ("/text_config/rope_theta", "\"NaN\""),
        ("/text_config/rms_norm_eps", "0"),
        ("/vision_config/num_heads", "0"),
        ("/vision_config/depth", "4000000000"),
        ("/vision_config/patch_size", "100000"),
        ("/vision_config/spatial_merge_size", "0"),
        ("/vision_config/window_size", "0"),
        ("/vision_config/temporal_patch_size", "65"),
        ("/vision_config/in_channels", "1000000"),
    ] {
        let error = with(field, text);
        let name = field.rsplit('/').next().unwrap();
        assert!(error.contains(name) || name == "vocab_size", "{field} = {text}: {error}");
    }
    for text in ["NaN", "Infinity", "1e400", &"[".repeat(1_000_000)] {
        assert!(with("/text_config/rope_theta", text).contains("not valid JSON"));
    }
    // As large as is allowed, with the weights of a small model.
    let error = with("/text_config/intermediate_size", "1048576");
    assert!(error.contains("config.json says [16, 1048576]"), "{error}");
    let error = with("/text_config/num_hidden_layers", "1024");
    assert!(error.contains("lacks"), "{error}");
}

#[test]
fn settings_of_the_image_processor_cannot_ask_for_more_than_they_may() {
    for (text, part) in [
        (r#"{"min_pixels": 16777217, "max_pixels": 16777217}"#, "min_pixels is 16777217"),
        (r#"{"max_pixels": 1e400}"#, "number out of range"),
        (r#"{"max_pixels": 18446744073709551615}"#, "max_pixels"),
        (r#"{"patch_size": 16, "merge_size": 32}"#, "at most 256"),
        (r#"{"temporal_patch_size": 17}"#, "temporal_patch_size"),
        (r#"{"image_mean": [0.5, 0.5]}"#, "image processor settings"),
        (r#"{"rescale_factor": -1}"#, "rescale_factor"),
    ] {
        let error = ProcessorConfig::from_json(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    // The most that one picture of 1 × 200 pixels can be made to take.
    let greedy = ProcessorConfig {
        patch_size: 256,
        merge_size: 1,
        temporal_patch_size: 16,
        min_pixels: 1 << 24,
        max_pixels: 1 << 30,
        ..ProcessorConfig::default()
    };
    let [t, h, w] = ImageProcessor::new(greedy).unwrap().grid(1, 200).unwrap();
    let rows = t * h * w * 3 * 16 * 256 * 256 * 4;
    assert!(rows < 8 << 30, "{rows} bytes");
}

#[test]
fn a_config_of_any_layout_fits_what_it_says_of_itself() {
    // What the tests above spoil is in order.
    let (_parent, target) = written();
    let text = fs::read_to_string(target.join("config.json")).unwrap();
    assert_eq!(Qwen25VlConfig::from_json(&text).unwrap(), Model::new().config);
}
