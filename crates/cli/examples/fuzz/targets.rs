//! What reads files, and the laws that must hold.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Cursor, Result as IoResult};
use std::path::Path;
use std::time::Duration;

use eyas_model::hf::{
    ChatTemplate, Checkpoint, INDEX_FILE, Part, Piece, Qwen25VlConfig, Tokenizer, WEIGHTS_FILE, WeightDtype,
    WeightRef, write_weights,
};
use eyas_model::image_file::{ImageFileError, ImageLimits, decode_image};
use eyas_model::processor::{ImageProcessor, ProcessorConfig};
use eyas_reward::compose::Composition;
use eyas_reward::{Around, Progress, Response, RewardSpec, Sample};
use eyas_store::{Arrays, FileEntry, Lines, Manifest, StoreError};
use eyas_train::recipe::Recipe;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::sums;

/// Something that reads a file or a text.
pub(crate) struct Target {
    /// Its name on the command line, and its folder in `corpus`.
    pub(crate) name: &'static str,
    /// Where the folder with its own files lies.
    pub(crate) corpus: &'static str,
    /// More folders with files to start from.
    pub(crate) folders: &'static [&'static str],
    /// How their names end.
    pub(crate) extension: &'static str,
    /// What a file of those folders holds to start from.
    pub(crate) split: fn(&Path, Vec<u8>) -> Vec<Vec<u8>>,
    /// Pieces that the parser stumbles over.
    pub(crate) pieces: &'static [&'static [u8]],
    /// Files are cut after so many bytes.
    pub(crate) longest: usize,
    /// The longest that one may take.
    pub(crate) slow: Duration,
    /// Puts into the scratch folder what belongs beside the file.
    pub(crate) prepare: fn(&Path) -> IoResult<()>,
    /// The laws, with a scratch folder: whether the file was accepted, or what is broken.
    pub(crate) check: fn(&Path, &[u8]) -> Result<bool, String>,
}

/// A target without other folders and preparation.
pub(crate) const PLAIN: Target = Target {
    name: "",
    corpus: "fuzz/corpus",
    folders: &[],
    extension: "",
    split: |_, file| vec![file],
    pieces: JSON,
    longest: 40_000,
    slow: Duration::from_secs(2),
    prepare: |_| Ok(()),
    check: |_, _| Ok(false),
};

/// All that read files.
pub(crate) const TARGETS: &[Target] = &[
    Target { name: "weights", pieces: WEIGHTS, check: weights, ..PLAIN },
    Target { name: "index", pieces: WEIGHTS, prepare: shards, check: index, ..PLAIN },
    Target {
        name: "config",
        folders: &["../model/tests/fixtures/qwen2_5_vl/tied", "../model/tests/fixtures/qwen2_5_vl/untied"],
        extension: "json",
        check: config,
        ..PLAIN
    },
    Target { name: "tokenizer", pieces: TOKENIZER, check: tokenizer, ..PLAIN },
    Target {
        name: "template",
        folders: &["../model/src/hf"],
        extension: "jinja",
        pieces: TEMPLATE,
        check: template,
        ..PLAIN
    },
    Target { name: "picture", pieces: PICTURE, check: picture, ..PLAIN },
    Target {
        name: "recipe",
        folders: &["../../recipes", "../../recipes/papers"],
        extension: "toml",
        pieces: RECIPE,
        check: recipe,
        ..PLAIN
    },
    Target { name: "store", check: store, ..PLAIN },
];

const JSON: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b":",
    b",",
    b"null",
    b"true",
    b"NaN",
    b"1e400",
    b"-1",
    b"\\u0000",
    b"\\ud800",
    b"\xFF",
    b"\xEF\xBB\xBF",
    b"\n",
    b"\r\n",
    b"\0",
    b"[[[[[[[[",
    b"{\"a\":",
    b"\"\":",
];
const WEIGHTS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b":",
    b",",
    b"\"dtype\":",
    b"\"F32\"",
    b"\"BF16\"",
    b"\"I64\"",
    b"\"shape\":",
    b"\"data_offsets\":",
    b"[0,4]",
    b"[4,0]",
    b"18446744073709551615",
    b"\"__metadata__\":{}",
    b"\"a\":",
    b"\"b\":",
    b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
    b"\0\0\0\0",
    b"\0\0\xC0\x7F",
    b"../",
    b"/etc/passwd",
    b".safetensors",
    b"\"weight_map\":{",
    b"one.safetensors",
    b"two.safetensors",
];
const TOKENIZER: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b":",
    b",",
    b"null",
    b"\"\"",
    b"\"type\":",
    b"\"ByteLevel\"",
    b"\"Sequence\"",
    b"\"NFC\"",
    b"\"Regex\":",
    b"(a+)+$",
    b"(?!\\\\S)",
    b"\\\\s*",
    b"{1,9}",
    b"[^",
    b"(?i:",
    b"\"special\": true",
    b"\"content\": \"",
    b"\"id\":",
    b"\"merges\": [",
    b"\"a b\"",
    b"<|im_end|>",
    b"\"dropout\": 0.5",
    b"\"byte_fallback\": true",
    b"\"ignore_merges\": true",
    b"\"unk_token\": \"a\"",
    b"\xC4\xA0",
    b"\\u0120",
    b"\"continuing_subword_prefix\": \"\xC3\xA9\xC3\xA9\"",
];
// A loop that joins a text to itself takes what it likes, so nothing here brings one along.
const TEMPLATE: &[&[u8]] = &[
    b"{{",
    b"}}",
    b"{%",
    b"%}",
    b"{#",
    b"#}",
    b"{%- for m in messages %}",
    b"{% endfor %}",
    b"{% if",
    b"{% endif %}",
    b"range(99999)",
    b"m.content",
    b"m['role']",
    b"|",
    b"trim",
    b"tojson",
    b"join(',')",
    b"replace('a','b')",
    b"loop.first",
    b"namespace(n=0)",
    b"{% set x = 1 %}",
    b"~",
    b"+",
    b"* 99",
    b"[::-1]",
    b"<|im_end|>",
    b"<|image_pad|>",
    b"{% macro m(n) %}",
    b"{% endmacro %}",
    b"raise_exception('x')",
    b"\xEF\xA3\xBF",
    b"is string",
    b"{% raw %}",
    b"{% include 'a' %}",
    b"'",
    b"\"",
];
const PICTURE: &[&[u8]] = &[
    b"\xFF\xD8",
    b"\xFF\xD9",
    b"\xFF\xC0",
    b"\xFF\xC2",
    b"\xFF\xC4",
    b"\xFF\xDA",
    b"\xFF\xDB",
    b"\xFF\xDD\0\x04",
    b"\xFF\xD0",
    b"\xFF\0",
    b"\xFF\xFF",
    b"\0\0\0\0",
    b"\xFF\xFF\xFF\xFF",
    b"\0\0\0\x01",
    b"IHDR",
    b"PLTE",
    b"IDAT",
    b"IEND",
    b"tRNS",
    b"acTL",
    b"fcTL",
    b"fdAT",
    b"iCCP",
    b"zTXt",
    b"iTXt",
    b"sRGB",
    b"gAMA",
    b"eXIf",
    b"\x08\x03",
    b"\x10\x06",
    b"\x01\x00",
];
const RECIPE: &[&[u8]] = &[
    b"[",
    b"]",
    b"[[",
    b"]]",
    b"=",
    b"\"",
    b"'",
    b"\"\"\"",
    b".",
    b",",
    b"{",
    b"}",
    b"#",
    b"\n",
    b"\r\n",
    b"nan",
    b"inf",
    b"1e400",
    b"9223372036854775808",
    b"-1",
    b"1979-05-27",
    b"[[stage]]\n",
    b"[[stage.env]]\n",
    b"[[stage.reward]]\n",
    b"[set]\n",
    b"[scale.x]\n",
    b"extends = \"a.toml\"\n",
    b"kind = \"rl\"\n",
    b"name = ",
    b"id = \"2048\"\n",
    b"knobs = {",
    b"\"a.b.c\" = 1\n",
    b"\"stage.0.steps\" = 1\n",
    b"a.a.a.a.a.a.a.a = 1\n",
    b"[[[[[[[[",
    b"\\u0000",
    b"[[reward]]\n",
    b"total = {",
    b"sum = [",
    b"\xFF",
];

/// Two small tensors.
fn shapes() -> Vec<(String, Vec<usize>)> {
    vec![("a".into(), vec![2, 3]), ("b".into(), vec![4])]
}

fn weights(scratch: &Path, file: &[u8]) -> Result<bool, String> {
    let mut accepted = false;
    for bytes in [file.to_vec(), sums::safetensors(file)] {
        fs::write(scratch.join(WEIGHTS_FILE), &bytes).map_err(|e| e.to_string())?;
        accepted |= opened(scratch)?;
    }
    Ok(accepted)
}

/// Opens the weights in a folder and reads what was promised.
fn opened(folder: &Path) -> Result<bool, String> {
    let Ok(checkpoint) = Checkpoint::open(folder, &shapes()) else { return Ok(false) };
    let Ok(values) = checkpoint.read_all() else { return Ok(false) };
    for (name, shape) in shapes() {
        let found = values.get(&name).ok_or_else(|| format!("{name} was promised"))?;
        if found.len() != shape.iter().product::<usize>() || found.iter().any(|x| !x.is_finite()) {
            return Err(format!("{name} is not what its shape says, or not finite"));
        }
    }
    Ok(true)
}

/// Two files with a tensor each, for an index to name.
fn shards(scratch: &Path) -> IoResult<()> {
    for ((name, shape), file) in shapes().iter().zip(["one.safetensors", "two.safetensors"]) {
        let data = vec![0.5; shape.iter().product()];
        write_weights(scratch, &[WeightRef { name, shape, data: &data }], WeightDtype::F32, u64::MAX)
            .map_err(std::io::Error::other)?;
        fs::rename(scratch.join(WEIGHTS_FILE), scratch.join(file))?;
    }
    Ok(())
}

fn index(scratch: &Path, file: &[u8]) -> Result<bool, String> {
    fs::write(scratch.join(INDEX_FILE), file).map_err(|e| e.to_string())?;
    opened(scratch)
}

fn config(_: &Path, file: &[u8]) -> Result<bool, String> {
    let Ok(text) = std::str::from_utf8(file) else { return Ok(false) };
    let mut accepted = false;
    if let Ok(config) = Qwen25VlConfig::from_json(text) {
        accepted = true;
        if config.tensor_shapes().len() > 100_000 {
            return Err("more tensors than any model".into());
        }
        config.parameter_count();
        if Qwen25VlConfig::from_json(&config.to_json(WeightDtype::Bf16)).ok() != Some(config) {
            return Err("what is written does not read back".into());
        }
    }
    if let Ok(settings) = ProcessorConfig::from_json(text) {
        let processor = ImageProcessor::new(settings.clone()).map_err(|e| e.to_string())?;
        for (width, height) in
            [(1, 1), (1, 200), (200, 1), (640, 480), (8000, 5000), (u32::MAX, u32::MAX / 2)]
        {
            let Ok(grid) = processor.grid(width, height) else { continue };
            // A picture that fits the limits may not become one that does not.
            let patch = (settings.patch_size * settings.patch_size) as u64;
            let pixels = grid.iter().map(|n| *n as u64).product::<u64>() * patch;
            if width <= 8000 && settings.do_resize && pixels > 1 << 28 {
                return Err(format!("{width}x{height} becomes {pixels} pixels"));
            }
        }
    }
    Ok(accepted)
}

fn tokenizer(_: &Path, file: &[u8]) -> Result<bool, String> {
    let Ok(text) = std::str::from_utf8(file) else { return Ok(false) };
    let Ok(tokenizer) = Tokenizer::from_json(text.to_string(), None) else { return Ok(false) };
    let special: BTreeSet<u32> = tokenizer.special_ids().into_iter().chain(tokenizer.eos_ids()).collect();
    for said in
        ["<|im_end|><|image_pad|>\n<answer>left</answer>  é漢🎉\0\r\n", &"a ".repeat(500), &" ".repeat(500)]
    {
        let Ok(ids) = tokenizer.encode_plain(said) else { continue };
        if ids.iter().any(|id| special.contains(id)) {
            return Err("text became a special token".into());
        }
        tokenizer.decode_spans(&ids).map_err(|e| format!("what was encoded does not decode: {e}"))?;
        tokenizer
            .encode_template(said)
            .map_err(|e| format!("plain text is encoded, template text not: {e}"))?;
    }
    tokenizer.never_sampled(tokenizer.vocab_size());
    Ok(true)
}

fn template(_: &Path, file: &[u8]) -> Result<bool, String> {
    let Ok(source) = std::str::from_utf8(file) else { return Ok(false) };
    let Ok(chat) = ChatTemplate::from_source(source.to_string()) else { return Ok(false) };
    let said = "board <|im_end|>{{ 1 }}\u{F8FF}0\u{F8FF}";
    let Ok(pieces) = chat.opening(&[Part::Text(said.into()), Part::Image]) else { return Ok(true) };
    let own = |p: &Piece| matches!(p, Piece::Template(text) if text.contains("board"));
    if pieces.iter().any(own) || !pieces.contains(&Piece::User(said.into())) {
        return Err(format!("what was said became part of the template: {pieces:?}"));
    }
    Ok(true)
}

fn picture(_: &Path, file: &[u8]) -> Result<bool, String> {
    let limits = ImageLimits { max_pixels: 1 << 20, max_bytes: 1 << 20 };
    let mut accepted = false;
    for bytes in [file.to_vec(), sums::png(file)] {
        let image = match decode_image(&bytes, "x", &limits) {
            Ok(image) => image,
            // It caught a panic.
            Err(ImageFileError::Decode { reason, .. }) if reason.contains("gave up") => return Err(reason),
            Err(_) => continue,
        };
        accepted = true;
        let pixels = u64::from(image.width()) * u64::from(image.height());
        if pixels == 0 || pixels > limits.max_pixels || image.pixels().len() as u64 != 3 * pixels {
            return Err(format!("{}x{} with {} bytes", image.width(), image.height(), image.pixels().len()));
        }
        if decode_image(&bytes, "x", &limits).ok().as_ref() != Some(&image) {
            return Err("the second time it is another picture".into());
        }
    }
    Ok(accepted)
}

/// What recipes `extend` is found from here.
const RECIPE_NAME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes/papers/fuzz.toml");

/// What a spec of rewards holds.
#[derive(Deserialize)]
struct Rewards {
    #[serde(default)]
    reward: Vec<RewardSpec>,
    total: Option<Composition>,
}

fn recipe(_: &Path, file: &[u8]) -> Result<bool, String> {
    let Ok(text) = std::str::from_utf8(file) else { return Ok(false) };
    if let Ok(rewards) = toml::from_str::<Rewards>(text) {
        let response = Response::parse("<think>a</think><answer>[0, 0, 1, 1]</answer>");
        let (gold, fields) = (json!([0, 0, 1, 1]), Map::<String, Value>::new());
        let sample = || Sample {
            response: &response,
            gold: &gold,
            fields: &fields,
            progress: Progress::default(),
            around: Around::default(),
        };
        let samples = [sample(), sample()];
        for reward in &rewards.reward {
            if reward.score_samples(&samples).len() != samples.len() {
                return Err(format!("{} does not score each sample", reward.name()));
            }
        }
        if let Some(total) = &rewards.total {
            total.evaluate(&samples);
        }
    }
    let Ok(recipe) = Recipe::from_toml(text, RECIPE_NAME) else { return Ok(false) };
    let written = recipe.to_toml().map_err(|e| e.to_string())?;
    match Recipe::from_toml(&written, "again.toml") {
        Ok(again) if again == recipe => Ok(true),
        Ok(_) => Err("what is written reads back as another recipe".into()),
        Err(e) => Err(format!("what is written does not read back: {e}")),
    }
}

fn store(_: &Path, file: &[u8]) -> Result<bool, String> {
    let path = Path::new("file");
    let mut accepted = false;
    if let Ok(manifest) = Manifest::parse(path, file) {
        accepted = true;
        if manifest.text().as_bytes() != file {
            return Err("a manifest that says something else was accepted".into());
        }
    }
    // As an attacker would write it, with the right check sum.
    if let Ok(value) = serde_json::from_slice::<Value>(file)
        && let Ok(entries) = serde_json::from_value::<Vec<FileEntry>>(value["files"].clone())
        && let Ok(forged) =
            Manifest::new(value["name"].as_str().unwrap_or(""), value["meta"].clone(), entries)
    {
        let outside = |e: &FileEntry| e.path.starts_with('/') || e.path.split('/').any(|part| part == "..");
        if forged.files.iter().any(outside) {
            return Err("a path that leaves the directory".into());
        }
        if Manifest::parse(path, forged.text().as_bytes()).ok().as_ref() != Some(&forged) {
            return Err("a manifest does not read back".into());
        }
    }
    for bytes in [file.to_vec(), sums::safetensors(file)] {
        let Ok(arrays) = Arrays::read(&bytes) else { continue };
        accepted = true;
        let mut written = Vec::new();
        arrays.write(&mut written).map_err(|e| e.to_string())?;
        if written.len() as u64 != arrays.file_bytes() {
            return Err("arrays of another length than they say".into());
        }
        let mut again = Vec::new();
        let read = Arrays::read(&written).map_err(|e| format!("arrays do not read back: {e}"))?;
        read.write(&mut again).map_err(|e| e.to_string())?;
        // Bytes, because NaN equals nothing.
        if again != written {
            return Err("arrays read back as others".into());
        }
    }
    const LIMIT: usize = 100;
    let lines = Lines::of(Box::new(Cursor::new(file.to_vec())), path, LIMIT).going_on();
    let mut count = 0;
    for line in lines {
        count += 1;
        match line {
            Ok(line) if line.len() > LIMIT || line.contains('\n') => return Err(format!("a line {line:?}")),
            Ok(_) | Err(StoreError::LineTooLong { .. } | StoreError::NotUtf8 { .. }) => {}
            Err(e) => return Err(e.to_string()),
        }
    }
    if count != file.split_inclusive(|b| *b == b'\n').count() {
        return Err(format!("{count} lines"));
    }
    Ok(accepted)
}
