//! Weights on disk: round trips, other writers' files, and files made to break a reader.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use eyas_model::hf::{
    Checkpoint, INDEX_FILE, Qwen25VlConfig, WEIGHTS_FILE, WeightDtype, WeightRef, WeightsError, write_weights,
};
use proptest::prelude::*;
use serde_json::{Value, json};

type Shapes = Vec<(String, Vec<usize>)>;

fn shapes(list: &[(&str, &[usize])]) -> Shapes {
    list.iter().map(|(name, shape)| (name.to_string(), shape.to_vec())).collect()
}

/// Two small tensors and the list that describes them.
fn pair() -> (Shapes, Vec<Vec<f32>>) {
    (
        shapes(&[("a", &[2, 3]), ("b", &[4])]),
        vec![vec![1.0, 2.0, 3.0, 4.0, 5.0, -6.5], vec![0.5, 0.25, -0.0, 1e-30]],
    )
}

fn refs<'a>(shapes: &'a Shapes, data: &'a [Vec<f32>]) -> Vec<WeightRef<'a>> {
    shapes.iter().zip(data).map(|((name, shape), data)| WeightRef { name, shape, data }).collect()
}

/// The bytes of a file with the given header and data.
fn file(header: &Value, data: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn open_bytes(bytes: &[u8], list: &Shapes) -> Result<Checkpoint, WeightsError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(WEIGHTS_FILE), bytes).unwrap();
    Checkpoint::open(folder.path(), list)
}

#[test]
fn f32_comes_back_bit_for_bit_and_bytes_repeat() {
    let (list, data) = pair();
    let folder = tempfile::tempdir().unwrap();
    let mut weights = refs(&list, &data);
    write_weights(folder.path(), &weights, WeightDtype::F32, u64::MAX).unwrap();
    let bytes = fs::read(folder.path().join(WEIGHTS_FILE)).unwrap();
    weights.reverse();
    write_weights(folder.path(), &weights, WeightDtype::F32, u64::MAX).unwrap();
    assert_eq!(fs::read(folder.path().join(WEIGHTS_FILE)).unwrap(), bytes, "order does not matter");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");

    let checkpoint = Checkpoint::open(folder.path(), &list).unwrap();
    assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(checkpoint.shape("a"), Some(&[2, 3][..]));
    for ((name, _), data) in list.iter().zip(&data) {
        let back = checkpoint.read(name).unwrap();
        assert!(back.iter().zip(data).all(|(x, y)| x.to_bits() == y.to_bits()), "{name}");
    }
    assert!(matches!(checkpoint.read("c"), Err(WeightsError::Unknown { .. })));
}

#[test]
fn another_reader_agrees() {
    let (list, data) = pair();
    let folder = tempfile::tempdir().unwrap();
    for dtype in [WeightDtype::F32, WeightDtype::Bf16] {
        write_weights(folder.path(), &refs(&list, &data), dtype, u64::MAX).unwrap();
        let bytes = fs::read(folder.path().join(WEIGHTS_FILE)).unwrap();
        let (_, meta) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(meta.metadata().as_ref().unwrap()["format"], "pt");
        let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let b = read.tensor("b").unwrap();
        assert_eq!(b.shape(), [4]);
        let start: Vec<u8> = match dtype {
            WeightDtype::F32 => 0.5f32.to_le_bytes().to_vec(),
            WeightDtype::Bf16 => half::bf16::from_f32(0.5).to_le_bytes().to_vec(),
        };
        assert!(b.data().starts_with(&start));
    }
}

#[test]
fn half_precision_is_widened() {
    let data: Vec<u8> = [1.5f32, -0.25].iter().flat_map(|x| half::f16::from_f32(*x).to_le_bytes()).collect();
    let header = json!({"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}});
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(WEIGHTS_FILE), file(&header, &data)).unwrap();
    let checkpoint = Checkpoint::open(folder.path(), &shapes(&[("a", &[2])])).unwrap();
    assert_eq!(checkpoint.read("a").unwrap(), [1.5, -0.25]);
}

#[test]
fn shards_with_an_index() {
    let list = shapes(&[("a", &[4]), ("b", &[2]), ("c", &[2]), ("d", &[1])]);
    let data = vec![vec![1.0; 4], vec![2.0; 2], vec![3.0; 2], vec![4.0]];
    let folder = tempfile::tempdir().unwrap();
    // 16 bytes each: `a` fills one, `b` and `c` share one, `d` is left.
    write_weights(folder.path(), &refs(&list, &data), WeightDtype::F32, 16).unwrap();
    let mut names: Vec<String> =
        fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let shard = |i| format!("model-0000{i}-of-00003.safetensors");
    assert_eq!(names, [shard(1), shard(2), shard(3), INDEX_FILE.to_string()]);
    let index: Value = serde_json::from_slice(&fs::read(folder.path().join(INDEX_FILE)).unwrap()).unwrap();
    assert_eq!(index["metadata"]["total_size"], 36);
    assert_eq!(index["weight_map"]["c"], json!(shard(2)));

    let all = Checkpoint::open(folder.path(), &list).unwrap().read_all().unwrap();
    assert_eq!(all.values().cloned().collect::<Vec<_>>(), data);

    let swap = |f: &dyn Fn(&mut Value)| {
        let mut changed = index.clone();
        f(&mut changed["weight_map"]);
        fs::write(folder.path().join(INDEX_FILE), changed.to_string()).unwrap();
        let error = Checkpoint::open(folder.path(), &list).unwrap_err().to_string();
        fs::write(folder.path().join(INDEX_FILE), index.to_string()).unwrap();
        error
    };
    for name in
        ["../x.safetensors", "/etc/x.safetensors", "a/b.safetensors", "..", "a\\b.safetensors", "x.bin", ""]
    {
        let error = swap(&|map| map["a"] = json!(name));
        assert!(error.contains("is not the name of a safetensors file"), "{name}: {error}");
    }
    let error = swap(&|map| map["a"] = json!("absent.safetensors"));
    assert!(error.contains("absent.safetensors is missing"), "{error}");
    let error = swap(&|map| map["b"] = json!(shard(1)));
    assert!(error.contains("`b` should be in model-00001"), "{error}");
    let error = swap(&|map| map["e"] = json!(shard(1)));
    assert!(error.contains("`e` should be in model-00001"), "{error}");
    let error = swap(&|map| {
        map.as_object_mut().unwrap().remove("b");
    });
    assert!(error.contains("`b` is in model-00002-of-00003.safetensors but not in the index"), "{error}");
    let error = swap(&|map| *map = json!([]));
    assert!(error.contains("index.json"), "{error}");

    fs::copy(folder.path().join(shard(1)), folder.path().join("copy.safetensors")).unwrap();
    let error = swap(&|map| map["d"] = json!("copy.safetensors"));
    assert!(error.contains("`a` is in both"), "{error}");
}

#[test]
fn names_and_shapes_must_be_the_models() {
    let (list, data) = pair();
    let folder = tempfile::tempdir().unwrap();
    write_weights(folder.path(), &refs(&list, &data), WeightDtype::F32, u64::MAX).unwrap();
    let open = |list: &Shapes| Checkpoint::open(folder.path(), list).unwrap_err().to_string();
    let error = open(&shapes(&[("a", &[3, 2]), ("b", &[4])]));
    assert!(error.contains("`a`") && error.contains("[2, 3]") && error.contains("[3, 2]"), "{error}");
    let error = open(&shapes(&[("a", &[2, 3]), ("b", &[4]), ("c", &[1]), ("d", &[1])]));
    assert!(error.contains("lacks 2") && error.contains("c, d"), "{error}");
    let error = open(&shapes(&[("a", &[2, 3])]));
    assert!(error.contains("1 tensors that the model does not have: b"), "{error}");
}

#[test]
fn newer_names_and_buffers_without_meaning() {
    let header = json!({
        "model.language_model.norm.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        "model.visual.merger.ln_q.weight": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]},
        "model.rotary_emb.inv_freq": {"dtype": "F32", "shape": [1], "data_offsets": [8, 12]},
    });
    let list = shapes(&[("model.norm.weight", &[1]), ("visual.merger.ln_q.weight", &[1])]);
    let checkpoint = open_bytes(&file(&header, &[0; 12]), &list).unwrap();
    assert_eq!(checkpoint.names().count(), 2);

    let twice = json!({
        "model.language_model.norm.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        "model.norm.weight": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]},
    });
    let error = open_bytes(&file(&twice, &[0; 8]), &list).unwrap_err();
    assert!(matches!(error, WeightsError::Duplicate { .. }), "{error}");
}

#[test]
fn a_tied_output_matrix_must_be_a_copy() {
    let header = json!({
        "lm_head.weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "model.embed_tokens.weight": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]},
    });
    let list = shapes(&[("model.embed_tokens.weight", &[2])]);
    let same = [1u8, 2, 3, 4, 5, 6, 7, 8];
    open_bytes(&file(&header, &[same, same].concat()), &list).unwrap();
    let other = [1u8, 2, 3, 4, 5, 6, 7, 9];
    let error = open_bytes(&file(&header, &[same, other].concat()), &list).unwrap_err();
    assert!(matches!(error, WeightsError::NotTied), "{error}");
    let both = shapes(&[("lm_head.weight", &[2]), ("model.embed_tokens.weight", &[2])]);
    open_bytes(&file(&header, &[same, other].concat()), &both).unwrap();
}

#[test]
fn damaged_headers() {
    let list = shapes(&[("a", &[1])]);
    let entry = |start: u64, end: u64| json!({"dtype": "F32", "shape": [1], "data_offsets": [start, end]});
    let big = |n: u64| [&n.to_le_bytes()[..], b"{}"].concat();
    for (what, bytes, part) in [
        ("nothing", vec![], "too short"),
        ("7 bytes", vec![0; 7], "too short"),
        ("largest length", big(u64::MAX), "header of 18446744073709551615 bytes"),
        ("100 MB and one", big(100_000_001), "at most 100000000"),
        ("longer than the file", big(3), "cut off"),
        ("no header", vec![0; 8], "not valid JSON"),
        ("no object", file(&json!([1]), &[]), "expected an object"),
        ("not UTF-8", [&2u64.to_le_bytes()[..], &[0xFF, 0xFE]].concat(), "not valid JSON"),
        ("entry no object", file(&json!({"a": 3}), &[]), "`a`"),
        ("no offsets", file(&json!({"a": {"dtype": "F32", "shape": [1]}}), &[0; 4]), "data_offsets"),
        (
            "negative size",
            file(&json!({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}), &[0; 4]),
            "`a`",
        ),
        ("dtype", file(&json!({"a": {"dtype": "I8", "shape": [4], "data_offsets": [0, 4]}}), &[0; 4]), "I8"),
        (
            "size overflow",
            file(&json!({"a": {"dtype": "F32", "shape": [u64::MAX, 2], "data_offsets": [0, 4]}}), &[0; 4]),
            "does not fit",
        ),
        (
            "wrong bytes",
            file(&json!({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}), &[0; 4]),
            "does not fit",
        ),
        ("past the end", file(&json!({"a": entry(0, 8)}), &[0; 4]), "cut off"),
        ("backwards", file(&json!({"a": entry(4, 0)}), &[0; 4]), "4..0"),
        ("huge offsets", file(&json!({"a": entry(u64::MAX - 4, u64::MAX)}), &[0; 4]), "cut off"),
        ("gap", file(&json!({"a": entry(4, 8)}), &[0; 8]), "gap"),
        ("overlap", file(&json!({"a": entry(0, 4), "b": entry(0, 4)}), &[0; 4]), "overlaps"),
        ("data left over", file(&json!({"a": entry(0, 4)}), &[0; 5]), "belong to no tensor"),
    ] {
        let error = open_bytes(&bytes, &list).expect_err(what).to_string();
        assert!(error.contains(part), "{what}: {error}");
    }
}

#[test]
fn every_truncation_is_noticed() {
    let (list, data) = pair();
    let folder = tempfile::tempdir().unwrap();
    write_weights(folder.path(), &refs(&list, &data), WeightDtype::F32, u64::MAX).unwrap();
    let path = folder.path().join(WEIGHTS_FILE);
    let bytes = fs::read(&path).unwrap();
    for len in 0..bytes.len() {
        fs::write(&path, &bytes[..len]).unwrap();
        assert!(Checkpoint::open(folder.path(), &list).is_err(), "{len} of {} bytes", bytes.len());
    }
}

#[test]
fn values_that_are_no_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let list = shapes(&[("a", &[3])]);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let data = vec![vec![0.0, bad, 1.0]];
        let error =
            write_weights(folder.path(), &refs(&list, &data), WeightDtype::F32, u64::MAX).unwrap_err();
        assert!(
            matches!(&error, WeightsError::NotFinite { tensor, index: 1, .. } if tensor == "a"),
            "{error}"
        );
        let bytes: Vec<u8> = data[0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let header = json!({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}});
        fs::write(folder.path().join(WEIGHTS_FILE), file(&header, &bytes)).unwrap();
        let error = Checkpoint::open(folder.path(), &list).unwrap().read("a").unwrap_err();
        assert!(
            matches!(&error, WeightsError::NotFinite { tensor, index: 1, .. } if tensor == "a"),
            "{error}"
        );
    }
    // Finite, but not in bf16.
    let data = vec![vec![0.0, 0.0, f32::MAX]];
    assert!(write_weights(folder.path(), &refs(&list, &data), WeightDtype::F32, u64::MAX).is_ok());
    assert!(write_weights(folder.path(), &refs(&list, &data), WeightDtype::Bf16, u64::MAX).is_err());
}

#[test]
fn weights_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let short = [WeightRef { name: "a", shape: &[2], data: &[1.0] }];
    assert!(matches!(
        write_weights(folder.path(), &short, WeightDtype::F32, u64::MAX),
        Err(WeightsError::BadTensor { .. })
    ));
    let twice = [WeightRef { name: "a", shape: &[1], data: &[1.0] }; 2];
    assert!(matches!(
        write_weights(folder.path(), &twice, WeightDtype::F32, u64::MAX),
        Err(WeightsError::Duplicate { .. })
    ));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let absent = folder.path().join("absent");
    assert!(matches!(write_weights(&absent, &[], WeightDtype::F32, 1), Err(WeightsError::Io { .. })));
}

#[test]
fn folders_without_weights() {
    let folder = tempfile::tempdir().unwrap();
    let error = Checkpoint::open(folder.path(), &Vec::new()).unwrap_err().to_string();
    assert!(error.contains("neither model.safetensors nor") && !error.contains("convert"), "{error}");
    fs::write(folder.path().join("pytorch_model.bin"), b"").unwrap();
    let error = Checkpoint::open(folder.path(), &Vec::new()).unwrap_err().to_string();
    assert!(error.contains("pytorch_model.bin") && error.contains("convert"), "{error}");
}

/// Folders that `transformers` wrote.
#[test]
fn folders_from_elsewhere() {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/qwen2_5_vl");
    for (name, tied) in [("tied", true), ("untied", false)] {
        let folder = fixtures.join(name);
        let config =
            Qwen25VlConfig::from_json(&fs::read_to_string(folder.join("config.json")).unwrap()).unwrap();
        assert_eq!(config.tie_word_embeddings, tied);
        let checkpoint = Checkpoint::open(Path::new(&folder), &config.tensor_shapes()).unwrap();
        let read: u64 = checkpoint.read_all().unwrap().values().map(|data| data.len() as u64).sum();
        assert_eq!(read, config.parameter_count());
    }
}

proptest! {
    #[test]
    fn damage_is_an_error_and_never_a_panic(
        at in 0usize..1000, bit in 0u8..8, cut in any::<prop::sample::Index>(),
    ) {
        let (list, data) = pair();
        let folder = tempfile::tempdir().unwrap();
        write_weights(folder.path(), &refs(&list, &data), WeightDtype::Bf16, u64::MAX).unwrap();
        let path = folder.path().join(WEIGHTS_FILE);
        let mut bytes = fs::read(&path).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        bytes.truncate(bytes.len() - cut.index(3) * (at % 5));
        fs::write(&path, &bytes).unwrap();
        // A flipped bit in the values is another value; anything else must be noticed.
        if let Ok(checkpoint) = Checkpoint::open(folder.path(), &list) {
            let _ = checkpoint.read_all();
        }
    }

    #[test]
    fn bf16_is_the_nearest_value(data in prop::collection::vec(-1e30f32..1e30, 1..50)) {
        let list = vec![("a".to_string(), vec![data.len()])];
        let folder = tempfile::tempdir().unwrap();
        let data = vec![data];
        write_weights(folder.path(), &refs(&list, &data), WeightDtype::Bf16, u64::MAX).unwrap();
        let back = Checkpoint::open(folder.path(), &list).unwrap().read("a").unwrap();
        for (x, y) in data[0].iter().zip(&back) {
            prop_assert!((x - y).abs() <= x.abs() * 2f32.powi(-8), "{} became {}", x, y);
        }
    }
}
