//! What every command prints when all is well.

mod common;

use std::fs;
use std::io::Read;
use std::process::Stdio;

use common::{command, done, eyas, folder, model, png};
use serde_json::{Value, json};

#[test]
fn every_command_has_help_with_an_example() {
    let dir = folder("help");
    for words in [
        &["train"][..],
        &["inspect"],
        &["replay"],
        &["eval"],
        &["play"],
        &["chat"],
        &["score"],
        &["gym"],
        &["gym", "list"],
        &["gym", "show"],
        &["recipe"],
        &["recipe", "list"],
        &["recipe", "show"],
        &["model"],
        &["model", "new"],
        &["model", "info"],
        &["bench"],
        &[],
    ] {
        let help = done(&dir, &[words, &["--help"]].concat()).out;
        let example = help.split("Example").nth(1).unwrap_or_else(|| panic!("{words:?} has no example"));
        assert!(example.contains(&format!("eyas {}", words.join(" "))), "{words:?}: {example}");
    }
}

#[test]
fn the_table_of_environments_is_up_to_date() {
    let dir = folder("gym-table");
    let table = done(&dir, &["gym", "list", "--markdown"]).out;
    let stored = include_str!("../../../docs/environments.md");
    assert!(stored.ends_with(&table), "write `eyas gym list --markdown` into docs/environments.md");
    let sheet = done(&dir, &["gym", "gallery", "sheet.png", "--env", "2048", "--env", "maze", "--sheet"]).out;
    assert!(sheet.contains("2 environments"), "{sheet}");
}

#[test]
fn gym_bench_measures_at_a_size_and_of_a_pool() {
    let dir = folder("gym-bench");
    let quick = ["gym", "bench", "maze", "--seconds", "0.01", "--json"];
    let speeds = done(&dir, &[&quick[..], &["--side", "224", "--set", "size=4"]].concat()).json();
    assert_eq!((&speeds[0]["width"], &speeds[0]["height"]), (&json!(224), &json!(224)));
    assert!(speeds[0]["steps_per_sec"].as_f64().is_some_and(|v| v > 0.0), "{speeds}");
    let pool = done(&dir, &[&quick[..], &["--pool"]].concat()).json();
    assert!(pool["steps_ratio"].as_f64().is_some_and(|v| v > 0.0), "{pool}");
}

#[test]
fn bench_measures_every_part() {
    let dir = folder("bench");
    let small =
        ["bench", "--repeats", "1", "--batch", "2", "--groups", "2", "--group-size", "2", "--answer", "4"];
    for dtype in ["f32", "bf16"] {
        let result = done(&dir, &[&small[..], &["--json", "--dtype", dtype]].concat()).json();
        for key in [
            "grpo_step_secs",
            "train_tokens_per_sec",
            "group_train_tokens_per_sec",
            "sample_tokens_per_sec",
            "matmul_peak_gflops",
        ] {
            assert!(result[key].as_f64().is_some_and(|v| v > 0.0), "{key}: {result}");
        }
        let parts = result["grpo"]["parts"].as_array().unwrap();
        let names: Vec<&str> = parts.iter().filter_map(|p| p["name"].as_str()).collect();
        for name in
            ["render", "encode", "prefill", "decode", "reward", "adv", "score", "backward", "optimizer"]
        {
            assert!(names.contains(&name), "{name} is missing in {names:?}");
        }
        let sum: f64 = parts.iter().filter_map(|p| p["seconds"].as_f64()).sum();
        assert!((sum - result["grpo_step_secs"].as_f64().unwrap()).abs() < 1e-3, "{result}");
    }
    let table = done(&dir, &small).out;
    assert!(table.contains("GRPO step, 2 × 2 responses") && table.contains("backward"), "{table}");
    let refused = command(&dir, &["bench", "--group-size", "1"]).output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("must be at least 2"));
}

#[test]
fn the_allocator_keeps_its_pages_unless_it_is_told_otherwise() {
    let dir = folder("pages");
    let purges = |delay: Option<&str>| -> u64 {
        let mut command = command(&dir, &["gym", "list"]);
        command.env_remove("MIMALLOC_PURGE_DELAY").env("MIMALLOC_SHOW_STATS", "1");
        if let Some(delay) = delay {
            command.env("MIMALLOC_PURGE_DELAY", delay);
        }
        let report = String::from_utf8(command.output().unwrap().stderr).unwrap();
        let line = report.lines().find_map(|line| line.trim().strip_prefix("purges")).expect(&report);
        line.trim_matches([' ', ':']).parse().expect(&report)
    };
    assert_eq!(purges(None), 0);
    assert!(purges(Some("0")) > 0);
}

#[test]
fn lists_are_arrays() {
    let dir = folder("lists");
    let envs = done(&dir, &["gym", "list", "--json"]).json();
    assert!(envs.as_array().unwrap().iter().any(|e| e["id"] == "2048"), "{envs}");
    let table = done(&dir, &["gym", "list"]).out;
    assert_eq!(table.lines().count(), envs.as_array().unwrap().len() + 1);

    fs::create_dir(dir.join("recipes")).unwrap();
    let recipe = "about = \"One\"\n[model]\npreset = \"tiny\"\n[[stage]]\nkind = \"sft\"\nsteps = 3\n\
                  [[stage.env]]\nid = \"2048\"\n[stage.optim]\nlr = 1e-3\nmax_grad_norm = inf\n\
                  [scale.small]\n\"stage.sft.steps\" = 1\n";
    fs::write(dir.join("recipes/one.toml"), recipe).unwrap();
    let found = done(&dir, &["recipe", "list", "--json"]).json();
    assert_eq!(found, json!([{"path": "recipes/one.toml", "description": "One"}]));
    assert_eq!(done(&dir, &["recipe", "list"]).out, "recipes/one.toml  One\n");

    let show = ["recipe", "show", "recipes/one.toml", "--scale", "small", "--set", "seed=7"];
    let shown = done(&dir, &show).out;
    assert!(shown.contains("seed = 7\n") && shown.contains("steps = 1\n"), "{shown}");
    fs::write(dir.join("copy.toml"), &shown).unwrap();
    assert_eq!(done(&dir, &["recipe", "show", "copy.toml"]).out, shown, "what is shown is itself a recipe");
    let value = done(&dir, &[&show[..], &["--json"]].concat()).json();
    assert_eq!((&value["seed"], &value["stage"][0]["steps"]), (&json!(7), &json!(1)));
    assert_eq!(value["stage"][0]["optim"]["max_grad_norm"], "inf");
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let dir = folder("pipe");
    let mut child = command(&dir, &["gym", "list", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}

#[test]
fn models_are_made_and_looked_at() {
    let dir = folder("models");
    let info = done(&dir, &["model", "info", model(), "--json"]).json();
    let parts = info["parameters"]["by_part"].as_object().unwrap();
    let names: Vec<&str> = parts.keys().map(String::as_str).collect();
    assert_eq!(names, ["embedding", "merger", "text", "vision"]);
    let sum: u64 = parts.values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(info["parameters"]["total"], sum);
    assert_eq!(info["stored_as"], json!(["F32"]));
    let rows = info["text"]["embedding_rows"].as_u64().unwrap();
    assert_eq!((&info["tokenizer"]["tokens"], &parts["embedding"]), (&json!(rows), &json!(rows * 256)));
    assert_eq!(info["tokenizer"]["special_ids"]["<|image_pad|>"], 6);
    let text = done(&dir, &["model", "info", model()]).out;
    let hash = info["weights_hash"].as_str().unwrap();
    assert!(text.lines().any(|l| l.starts_with("weights_hash ") && l.ends_with(hash)), "{text}");

    // The same seed, the same bytes; another seed, other weights.
    let again = done(&dir, &["model", "new", "deep/again", "--json"]).json();
    assert_eq!(again["weights_hash"], info["weights_hash"]);
    let other = ["model", "new", "deep/again", "--seed", "2", "--vocab-size", "300", "--overwrite", "--json"];
    let other = done(&dir, &other).json();
    assert_ne!(other["weights_hash"], info["weights_hash"]);
    assert_eq!(other["tokenizer"]["tokens"], 300);
    let left: Vec<_> = fs::read_dir(dir.join("deep")).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(left, ["again"], "no partial or replaced folder is left");
}

#[test]
fn evaluations_repeat_and_print_both_ways() {
    let dir = folder("eval");
    let args =
        ["eval", model(), "--env", "frozen-lake,2048", "--set", "frozen-lake.size=3", "--episodes", "3"];
    let args = [&args[..], &["--max-tokens", "6", "--max-context", "300", "--batch", "2"]].concat();
    let json = [&args[..], &["--json"]].concat();
    let ran = done(&dir, &json);
    let rows = ran.json();
    let names: Vec<&Value> = rows.as_array().unwrap().iter().map(|r| &r["environment"]).collect();
    assert_eq!(names, [&json!("frozen-lake"), &json!("2048")]);
    let row = &rows[0];
    assert_eq!(
        (&row["episodes"], &row["knobs"]["size"], &row["oracle"]),
        (&json!(3), &json!(3), &json!(1.0))
    );
    assert_eq!((&row["score"], &row["format"]), (&json!(0.0), &json!(0.0)), "6 tokens are too few to answer");
    assert!(row["response_tokens"].as_f64().unwrap() <= 6.0, "{row}");
    assert!(ran.err.contains("evaluate 6/6 2048"), "progress is on standard error: {}", ran.err);
    assert_eq!(done(&dir, &json).out, ran.out, "the same seed, the same result");
    let other = done(&dir, &[&json[..], &["--seed", "9"]].concat()).json();
    assert_ne!(other[0]["random"], row["random"], "another seed, other episodes");

    let table = done(&dir, &args).out;
    let head = "environment  episodes  score          normalised  success  perception  format  tokens";
    assert!(table.starts_with(head), "{table}");
    assert!(table.contains("\nfrozen-lake  3         0.000 ± 0.000  "), "{table}");

    let think = [&json[..], &["--style", "think"]].concat();
    assert_eq!(done(&dir, &think).json()[0]["perception"], Value::Null);
}

#[test]
fn a_model_plays() {
    let dir = folder("play");
    let args = ["play", "frozen-lake", "--policy", model(), "--json", "--episodes", "2", "--max-tokens", "5"];
    let out = done(&dir, &args).out;
    let games: Vec<Value> = out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(games.len(), 2);
    for game in &games {
        let turns = game["turns"].as_array().unwrap();
        assert!(!turns.is_empty() && turns.iter().all(|t| t["response"].is_string()), "{game}");
    }
    assert_eq!(done(&dir, &args).out, out, "the same seed, the same games");
    let cut = done(&dir, &[&args[..], &["--max-context", "200"]].concat()).out;
    let cut: Value = serde_json::from_str(cut.lines().next().unwrap()).unwrap();
    assert_eq!(cut["outcome"], "truncated");
    let turns = |game: &Value| game["turns"].as_array().unwrap().len();
    assert!(turns(&cut) < turns(&games[0]), "the context ends the episode: {cut}");
    assert_eq!(cut["turns"][0], games[0]["turns"][0]);
}

#[test]
fn an_answer_is_streamed_or_told() {
    let dir = folder("chat");
    png(&dir.join("a.png"), 56, 84);
    let args = ["chat", model(), "--image", "a.png", "--max-tokens", "12", "--seed", "3", "What?"];
    let streamed = done(&dir, &args);
    assert_eq!(streamed.err, "");
    let told = done(&dir, &[&args[..], &["--json"]].concat()).json();
    assert_eq!(format!("{}\n", told["answer"].as_str().unwrap()), streamed.out);
    assert_eq!(
        (&told["image_tokens"], &told["tokens"], &told["ended"]),
        (&json!(6), &json!(12), &json!(false))
    );
    assert!(told["logprob"].as_f64().unwrap() < 0.0 && told["prompt_tokens"].as_u64().unwrap() > 6, "{told}");
    let other =
        done(&dir, &["chat", model(), "--image", "a.png", "--max-tokens", "12", "--seed", "4", "What?"]);
    assert_ne!(other.out, streamed.out);
    let without =
        done(&dir, &["chat", model(), "--max-tokens", "12", "--seed", "3", "What?", "--json"]).json();
    assert_eq!(without["image_tokens"], 0);
}

#[test]
fn answers_are_scored_token_by_token() {
    let dir = folder("score");
    fs::create_dir(dir.join("data")).unwrap();
    png(&dir.join("data/a.png"), 56, 56);
    let picture = json!({"type": "image", "image": "a.png"});
    let question = json!({"type": "text", "text": "Which move?"});
    let talk = |content: Value, answer: &str| {
        json!({"id": 1, "messages": [
            {"role": "user", "content": content},
            {"role": "assistant", "content": answer},
            {"role": "user", "content": "Next."},
            {"role": "assistant", "content": "down"},
        ]})
    };
    let lines = [
        talk(json!([picture, question]), "<answer>up</answer>"),
        talk(json!([question]), "<answer>up</answer>"),
        talk(json!("Which move?"), "<answer>up</answer>"),
        talk(json!("Which move?"), "<|im_end|>"),
    ];
    let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
    fs::write(dir.join("data/talks.jsonl"), text).unwrap();

    let out = done(&dir, &["score", model(), "data/talks.jsonl", "--json"]).out;
    let rows: Vec<Value> = out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(rows.iter().map(|r| r["line"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4]);
    for row in &rows {
        let tokens = row["tokens"].as_array().unwrap();
        let logprobs: Vec<f64> = tokens.iter().map(|t| t["logprob"].as_f64().unwrap()).collect();
        let sum: f64 = logprobs.iter().sum();
        assert!((row["sum"].as_f64().unwrap() - sum).abs() < 1e-4);
        assert!((row["mean"].as_f64().unwrap() - sum / tokens.len() as f64).abs() < 1e-5);
        // Fresh weights know nothing: every one of the 640 tokens is about as likely.
        let uniform = -(640f64.ln());
        assert!((row["mean"].as_f64().unwrap() - uniform).abs() < 1.0, "{row}");
        let ends = tokens.iter().filter(|t| t["id"] == 2).count();
        assert_eq!(ends, 2, "each turn's own end, and none that was written as text: {row}");
    }
    let words = |row: &Value| -> String {
        row["tokens"].as_array().unwrap().iter().map(|t| t["text"].as_str().unwrap()).collect()
    };
    assert_eq!(words(&rows[0]), "<answer>up</answer><|im_end|>down<|im_end|>");
    assert_eq!(words(&rows[3]), "<|im_end|><|im_end|>down<|im_end|>");
    assert_ne!(rows[0]["sum"], rows[1]["sum"], "the picture is seen");
    assert_eq!(rows[1]["sum"], rows[2]["sum"], "text is text in both forms");

    let table = done(&dir, &["score", model(), "data/talks.jsonl"]).out;
    assert_eq!(table.matches("line ").count(), 4);
    let first = table.lines().next().unwrap();
    let n = rows[0]["tokens"].as_array().unwrap().len();
    assert!(first.starts_with(&format!("line 1: {n} tokens, sum -")), "{first}");
    assert!(table.contains("\"<|im_end|>\"\n"), "{table}");
}

#[test]
fn usage_errors_have_their_own_code() {
    let dir = folder("usage");
    for args in [
        &["eval", "m"][..],
        &["play"],
        &["chat", "m"],
        &["nonsense"],
        &["model", "new", "m", "--preset", "x"],
    ] {
        let ran = eyas(&dir, args);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}");
        assert!(ran.err.starts_with("error: "), "{ran:?}");
    }
}
