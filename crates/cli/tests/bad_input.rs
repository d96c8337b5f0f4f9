//! Bad input: one clear line, a hint where there is one, and nothing left behind.

mod common;

use std::fs;
use std::path::Path;

use common::{copy_model, eyas, folder, model, png, refused};
use serde_json::{Value, json};

/// A recipe that is in order: each test spoils one thing in it.
const RECIPE: &str = r#"
[model]
path = "../model"

[[stage]]
kind = "rl"
steps = 1

[[stage.env]]
id = "frozen-lake"

[stage.rollout]
groups = 4
group_size = 2
max_tokens = 8
max_context = 400

[[stage.reward]]
name = "game"

[stage.optim]
lr = 1e-4

[eval]
episodes = 2
"#;

const DOWNLOAD: &str = "hint: make a tiny model with `eyas model new DIR`, or download one, for example with \
                        `hf download Qwen/Qwen2.5-VL-3B-Instruct --local-dir DIR`";

#[test]
fn recipes() {
    let dir = folder("recipes");
    model();
    let train = |text: &str, message: &str| {
        fs::write(dir.join("r.toml"), text).unwrap();
        refused(&dir, &["train", "r.toml", "--run", "run"], message);
        refused(&dir, &["recipe", "show", "r.toml"], message);
    };
    train(
        &RECIPE.replace("max_tokens", "max_token"),
        "error: r.toml:15:1: unknown key `stage.0.rollout.max_token`, did you mean `max_tokens`?",
    );
    train(
        &RECIPE.replace("[eval]", "[evil]"),
        "error: r.toml:24:2: unknown key `evil`, did you mean `eval`?",
    );
    train(
        &RECIPE.replace("frozen-lake", "frozen-lak"),
        "error: r.toml:10:1: `stage.0.env.0.id`: unknown environment \"frozen-lak\", did you mean \
         \"frozen-lake\"?; `eyas gym list` shows all",
    );
    train(
        &RECIPE.replace("steps = 1", "steps = \"one\""),
        "error: r.toml:7:1: `stage.0.steps`: invalid type: string \"one\", expected u64",
    );
    train(
        &RECIPE.replace("group_size = 2", "group_size = 1"),
        "error: r.toml:14:1: `stage.0.rollout.group_size`: a group of one has no baseline to be compared with; \
         use at least 2",
    );
    train(
        &RECIPE.replace("lr = 1e-4", "lr = 1e-4\nminibatches = 3"),
        "error: r.toml:23:1: `stage.0.optim.minibatches`: 4 groups cannot be dealt evenly over 3 minibatches",
    );
    train("a = [", "error: r.toml:1:6: unclosed array, expected `]`");
    refused(
        &dir,
        &["train", "missing.toml"],
        "error: cannot read missing.toml: No such file or directory (os error 2)\n\
         hint: `eyas recipe list` shows the recipes in a folder",
    );
}

#[test]
fn runs() {
    let dir = folder("runs");
    model();
    fs::write(dir.join("r.toml"), RECIPE).unwrap();
    let train = |more: &[&str], message: &str| {
        refused(&dir, &[&["train", "r.toml", "--run", "run"], more].concat(), message);
    };
    train(
        &["--set", "model.path=nowhere"],
        &format!(
            "error: nowhere: not a folder; give the path of a downloaded model, not its name on a hub\n{DOWNLOAD}"
        ),
    );
    train(
        &["--set", "model.path=x", "--set", "stage.rl.rollout.groups=no"],
        "error: --set stage.rl.rollout.groups=no: `stage.0.rollout.groups`: invalid type: string \"no\", \
         expected usize",
    );
    train(&["--threads", "0"], "error: --threads 0\nhint: leave it out to use every core");
    let context = "hint: raise the context (--max-context, in a recipe stage.NAME.rollout.max_context and \
                   eval.max_context), as far as the model's own context goes";
    let room = "tokens leaves no room for a response in a context of 40";
    for key in ["stage.rl.rollout.max_context=40", "eval.max_context=40"] {
        let before = fs::read_dir(&dir).unwrap().count();
        let ran = eyas(&dir, &["train", "r.toml", "--run", "run", "--set", key]);
        assert!(ran.err.starts_with("error: environment frozen-lake: the prompt of "), "{ran:?}");
        assert!(ran.err.ends_with(&format!("{room}\n{context}\n")), "{ran:?}");
        assert_eq!((ran.code, fs::read_dir(&dir).unwrap().count()), (1, before), "no run directory is left");
    }
    let budget = ["stage.rl.rollout.kv_budget_mib=1", "stage.rl.rollout.max_context=1500"];
    let ran = eyas(&dir, &["train", "r.toml", "--run", "run", "--set", budget[0], "--set", budget[1]]);
    let hint = "hint: raise stage.NAME.rollout.kv_budget_mib, or lower max_context\n";
    assert!(
        ran.err.starts_with("error: environment frozen-lake: an episode may take 1500 tokens"),
        "{ran:?}"
    );
    assert!(ran.err.ends_with(hint) && !dir.join("run").exists(), "{ran:?}");

    fs::create_dir(dir.join("run")).unwrap();
    fs::write(dir.join("run/thesis.txt"), "mine").unwrap();
    train(
        &[],
        "error: run directory run exists and is not empty\n\
         hint: choose another with --run DIR, or replace the old run with --overwrite",
    );
    train(
        &["--overwrite"],
        "error: run exists and holds no recipe.toml, so it is not a run; it will not be overwritten",
    );
}

/// Looks at the model from every side that opens one.
#[track_caller]
fn opening(dir: &Path, name: &str, message: &str) {
    refused(dir, &["model", "info", name], message);
    refused(dir, &["eval", name, "--env", "2048"], message);
    refused(dir, &["chat", name, "hello"], message);
}

#[test]
fn model_files() {
    let dir = folder("model_files");
    let copy = copy_model(&dir, "m");
    for (file, message) in [
        ("config.json", "config.json is missing: a model folder has one; is this the right folder?"),
        (
            "tokenizer.json",
            "tokenizer.json is missing: save the tokenizer with transformers' fast tokenizer to get it",
        ),
        (
            "preprocessor_config.json",
            "preprocessor_config.json is missing: it says how images are resized and normalised",
        ),
        ("model.safetensors", "neither model.safetensors nor model.safetensors.index.json"),
    ] {
        fs::rename(copy.join(file), dir.join("aside")).unwrap();
        opening(&dir, "m", &format!("error: m: {message}\n{DOWNLOAD}"));
        fs::rename(dir.join("aside"), copy.join(file)).unwrap();
    }
    fs::rename(copy.join("chat_template.jinja"), dir.join("aside")).unwrap();
    opening(
        &dir,
        "m",
        "error: m: no chat template in chat_template.jinja, chat_template.json or tokenizer_config.json; a base \
         model has none: use its instruct variant",
    );
    fs::rename(dir.join("aside"), copy.join("chat_template.jinja")).unwrap();

    let edit = |file: &str, change: &dyn Fn(&mut Value), message: &str| {
        let text = fs::read_to_string(copy.join(file)).unwrap();
        let mut value: Value = serde_json::from_str(&text).unwrap();
        change(&mut value);
        fs::write(copy.join(file), value.to_string()).unwrap();
        opening(&dir, "m", message);
        fs::write(copy.join(file), text).unwrap();
    };
    edit(
        "preprocessor_config.json",
        &|v| v["patch_size"] = json!(16),
        "error: m: preprocessor_config.json: `patch_size` is 16, but config.json says 14",
    );
    edit(
        "config.json",
        &|v| v["text_config"]["intermediate_size"] = json!(700),
        "error: m: tensor `model.layers.0.mlp.down_proj.weight` has shape [256, 704], config.json says [256, 700]\n\
         hint: config.json and the weights seem to be of different models; download both again",
    );
    edit(
        "config.json",
        &|v| v["image_token_id"] = json!(9),
        "error: m: config.json: `image_token_id` is 9, but the tokenizer's <|image_pad|> is 6",
    );
    edit(
        "config.json",
        &|v| v["model_type"] = json!("llava"),
        "error: m: config.json: `model_type` is \"llava\", which is not supported: only Qwen2.5-VL models can be loaded",
    );
    opening(
        &dir,
        "Qwen/Qwen2.5-VL-3B-Instruct",
        &format!(
            "error: Qwen/Qwen2.5-VL-3B-Instruct: not a folder; give the path of a downloaded model, not its name \
             on a hub\n{DOWNLOAD}"
        ),
    );
}

#[test]
fn weights() {
    let dir = folder("weights");
    let path = copy_model(&dir, "m").join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    let header_len = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&whole[8..8 + header_len]).unwrap();
    let damaged = |bytes: &[u8], message: &str, hint: &str| {
        fs::write(&path, bytes).unwrap();
        opening(&dir, "m", &format!("error: {message}\nhint: {hint}"));
    };
    let again = "copy or download the file again";
    damaged(b"hello", "m/model.safetensors: 5 bytes is too short for a safetensors file", again);
    let cut = format!(
        "m/model.safetensors: the header should be {header_len} bytes, but the file has only 192 more: it is cut off"
    );
    damaged(&whole[..200], &cut, again);
    // The tensor whose bytes are the first to be missing in half a file, in the order of names.
    let data = whole.len() / 2 - 8 - header_len;
    let bounds = |v: &Value| (v["data_offsets"][0].as_u64().unwrap(), v["data_offsets"][1].as_u64().unwrap());
    let tensors = header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__");
    let missing = tensors.filter(|(_, v)| bounds(v).1 > data as u64).min_by_key(|(name, _)| name.as_str());
    let (name, value) = missing.unwrap();
    let (start, end) = bounds(value);
    let cut = format!(
        "m/model.safetensors: tensor `{name}`: bytes {start}..{end} of {data}: the file is cut off or damaged"
    );
    damaged(&whole[..whole.len() / 2], &cut, again);

    let with_header = |change: &dyn Fn(&mut Value)| {
        let mut header = header.clone();
        change(&mut header);
        let text = header.to_string();
        [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &whole[8 + header_len..]].concat()
    };
    let other = "config.json and the weights seem to be of different models; download both again";
    damaged(
        &with_header(&|h| h["model.norm.weight"]["shape"] = json!([2, 128])),
        "m: tensor `model.norm.weight` has shape [2, 128], config.json says [256]",
        other,
    );
    damaged(
        &with_header(&|h| h["model.norm.weight"]["shape"] = json!([255])),
        "m/model.safetensors: tensor `model.norm.weight`: shape [255] of F32 does not fit its 1024 bytes",
        again,
    );
    damaged(
        &with_header(&|h| {
            let norm = h.as_object_mut().unwrap().remove("model.norm.weight").unwrap();
            h["model.other.weight"] = norm;
        }),
        "m: the checkpoint lacks 1 of the model's tensors: model.norm.weight",
        other,
    );

    let mut nan = whole.clone();
    let (start, _) = bounds(&header["model.norm.weight"]);
    let at = 8 + header_len + start as usize + 4 * 3;
    nan[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    damaged(
        &nan,
        "m: tensor `model.norm.weight` holds NaN at element 3",
        "the training that wrote these weights diverged; go back to an earlier checkpoint",
    );
}

#[test]
fn pictures() {
    let dir = folder("pictures");
    let ask = |file: &str, message: &str| {
        refused(&dir, &["chat", model(), "--image", file, "what?"], &format!("error: {file}: {message}"));
    };
    png(&dir.join("thin.png"), 1, 10_000);
    ask(
        "thin.png",
        "image of 1x10000 has a zero side or one more than 200 times the other\nhint: crop the picture, or pad it",
    );
    fs::write(dir.join("empty.png"), "").unwrap();
    ask("empty.png", "the file is empty\nhint: copy or download the file again");
    fs::write(dir.join("text.png"), "hello").unwrap();
    ask("text.png", "not a PNG or JPEG file\nhint: convert the picture to PNG or JPEG");
    ask("missing.png", "No such file or directory (os error 2)");

    png(&dir.join("good.png"), 64, 64);
    let good = fs::read(dir.join("good.png")).unwrap();
    fs::write(dir.join("cut.png"), &good[..good.len() / 2]).unwrap();
    ask("cut.png", "the file is cut off\nhint: copy or download the file again");

    // A header that claims 100 megapixels: refused before anything is decoded or allocated.
    let mut huge = good.clone();
    for at in [16, 20] {
        huge[at..at + 4].copy_from_slice(&10_000u32.to_be_bytes());
    }
    fs::write(dir.join("huge.png"), huge).unwrap();
    ask(
        "huge.png",
        "10000x10000 pixels, must be 1 to 40000000\n\
         hint: scale the picture down; the model sees far fewer pixels than that",
    );

    png(&dir.join("one.png"), 1, 1);
    let ran = eyas(&dir, &["chat", model(), "--image", "one.png", "--max-tokens", "2", "--json", "what?"]);
    assert_eq!((ran.code, &ran.json()["image_tokens"]), (0, &json!(4)), "the smallest picture is seen");
}

#[test]
fn contexts() {
    let dir = folder("contexts");
    // 35 × 35 visual tokens each, of a context of 2048: one fits, two do not, and neither is cut.
    png(&dir.join("big.png"), 980, 980);
    let ask = ["chat", model(), "--image", "big.png", "--image", "big.png", "what?"];
    let ran = eyas(&dir, &ask);
    let asked = |ran: &common::Ran| -> usize { ran.err.split(' ').nth(4).unwrap().parse().unwrap() };
    let prompt = asked(&ran);
    assert!(prompt > 2450 && prompt < 2500, "{ran:?}");
    refused(
        &dir,
        &ask,
        &format!(
            "error: the prompt of {prompt} tokens (2450 of them for 2 pictures) leaves no room for an answer in \
             the model's context of 2048\nhint: ask less, or show fewer or smaller pictures"
        ),
    );
    let ran = eyas(&dir, &["chat", model(), "--image", "big.png", "--max-tokens", "2", "--json", "what?"]);
    assert_eq!(ran.json()["image_tokens"], 1225);

    let long = "no ".repeat(3000);
    let ran = eyas(&dir, &["chat", model(), &long]);
    assert!(ran.err.contains(" tokens leaves no room for an answer"), "{ran:?}");
    refused(
        &dir,
        &["eval", model(), "--env", "2048", "--max-tokens", "64", "--max-context", "64"],
        "error: responses of 64 tokens leave no room for a prompt in a context of 64\n\
         hint: lower --max-tokens or raise --max-context",
    );
    for args in [
        &["eval", model(), "--env", "2048", "--episodes", "1"][..],
        &["play", "2048", "--policy", model(), "--json"],
    ] {
        let ran = eyas(&dir, &[args, &["--max-tokens", "8", "--max-context", "20"]].concat());
        assert!(ran.err.starts_with("error: environment 2048: the prompt of "), "{ran:?}");
        assert!(
            ran.err.contains("no room for a response in a context of 20\nhint: raise the context"),
            "{ran:?}"
        );
        assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    }
}

#[test]
fn environments_and_knobs() {
    let dir = folder("environments");
    let unknown =
        "error: unknown environment \"sokobon\", did you mean \"sokoban\"?; `eyas gym list` shows all";
    refused(&dir, &["eval", model(), "--env", "sokobon"], unknown);
    refused(&dir, &["play", "sokobon", "--policy", model(), "--json"], unknown);
    refused(&dir, &["gym", "show", "sokobon"], unknown);
    let knob =
        "error: knob sokoban.size = 99 is outside 3..=8\nhint: `eyas gym show sokoban` lists the knobs";
    refused(&dir, &["eval", model(), "--env", "sokoban", "--set", "sokoban.size=99"], knob);
    refused(&dir, &["play", "sokoban", "--policy", "nowhere", "--set", "size=99", "--json"], knob);
    refused(
        &dir,
        &["eval", model(), "--env", "sokoban,2048", "--set", "swap.size=4"],
        "error: --set \"swap.size=4\": \"swap\" is not among the environments (sokoban, 2048)",
    );
    refused(
        &dir,
        &["eval", model(), "--env", "2048", "--temperature=-1"],
        "error: temperature = -1 is out of range: a finite number, at least 0",
    );
}

#[test]
fn conversations() {
    let dir = folder("conversations");
    let good = r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#;
    let score = |second: &str, message: &str| {
        fs::write(dir.join("talks.jsonl"), format!("{good}\n\n{second}\n{good}\n")).unwrap();
        refused(
            &dir,
            &["score", model(), "talks.jsonl", "--json"],
            &format!("error: talks.jsonl:3: {message}"),
        );
    };
    score("{\"messages\": [", "not JSON: the line is cut off");
    score("{\"messages\": []}", "no assistant message, so there is nothing to score");
    score(
        r#"{"messages": [{"role": "user", "content": [{"type": "video", "video": "v.mp4"}]}]}"#,
        "messages[0].content[0]: expected {\"type\": \"text\", \"text\": \"...\"} or {\"type\": \"image\", \
         \"image\": \"FILE\"}",
    );
    let with_picture = |file: &str| {
        format!(
            r#"{{"messages": [{{"role": "user", "content": [{{"type": "image", "image": "{file}"}}]}},
               {{"role": "assistant", "content": "b"}}]}}"#
        )
        .replace('\n', " ")
    };
    score(&with_picture("missing.png"), "missing.png: No such file or directory (os error 2)");
    png(&dir.join("thin.png"), 1, 10_000);
    score(
        &with_picture("thin.png"),
        "thin.png: image of 1x10000 has a zero side or one more than 200 times the other\n\
         hint: crop the picture, or pad it",
    );
    score(
        r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": [{"type": "image", "image": "thin.png"}]}]}"#,
        "thin.png: image of 1x10000 has a zero side or one more than 200 times the other\n\
         hint: crop the picture, or pad it",
    );
    png(&dir.join("small.png"), 56, 56);
    score(
        r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": [{"type": "image", "image": "small.png"}]}]}"#,
        "conversation: message 1: the assistant cannot show an image",
    );
    let long = good.replace("\"a\"", &format!("\"{}\"", "no ".repeat(3000)));
    fs::write(dir.join("talks.jsonl"), &long).unwrap();
    let ran = eyas(&dir, &["score", model(), "talks.jsonl"]);
    assert!(ran.err.starts_with("error: talks.jsonl:1: the conversation of "), "{ran:?}");
    assert!(ran.err.ends_with(" tokens does not fit the model's context of 2048\n"), "{ran:?}");

    fs::write(dir.join("talks.jsonl"), "\n").unwrap();
    refused(&dir, &["score", model(), "talks.jsonl"], "error: talks.jsonl: no conversations");
    fs::write(dir.join("talks.jsonl"), b"\xFF").unwrap();
    refused(&dir, &["score", model(), "talks.jsonl"], "error: talks.jsonl:1: not UTF-8 at byte 0");
    refused(
        &dir,
        &["score", model(), "missing.jsonl"],
        "error: cannot read missing.jsonl: No such file or directory (os error 2)",
    );
}

#[test]
fn new_models() {
    let dir = folder("new_models");
    let name = copy_model(&dir, "m");
    refused(
        &dir,
        &["model", "new", "m"],
        "error: m: exists and is not empty; choose another path, or ask for it to be overwritten\n\
         hint: choose another folder, or replace the model with --overwrite",
    );
    refused(
        &dir,
        &["model", "new", "fresh", "--vocab-size", "100"],
        "error: cannot train a tokenizer: vocab_size 100 is not in 270..=4194304",
    );
    fs::remove_file(name.join("config.json")).unwrap();
    refused(
        &dir,
        &["model", "new", "m", "--overwrite"],
        "error: m: holds no config.json, so it is not a model; it will not be overwritten",
    );
}
