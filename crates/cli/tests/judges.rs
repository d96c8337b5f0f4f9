//! Training with rewards that ask a judge, by the built program.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use std::fs;

use common::{done, episodes, eyas, folder, hash, metrics, model, refused, signal, start, wait_for_steps};
use serde_json::Value;

const BASE: &str = r#"
seed = 5

[model]
preset = "tiny"
vocab_size = 500

[[stage]]
kind = "rl"
steps = 2
[[stage.env]]
id = "counting"
[[stage.env]]
id = "frozen-lake"
[stage.rollout]
groups = 2
group_size = 3
max_tokens = 16
max_context = 900
[stage.optim]
lr = 1e-3

[eval]
episodes = 1
"#;

/// A judge whose verdict depends on what was written.
const SCRIPTED: &str = r#"
[[judge]]
name = "critic"
kind = "scripted"
rules = [{ contains = "v", say = "8" }, { contains = "k", say = "4" }]
otherwise = "1"
"#;

/// Name and score of the rewards of an episode.
fn scores(episode: &Value) -> Vec<(String, Value)> {
    let rows = episode["scores"].as_array().unwrap();
    rows.iter().map(|row| (row["name"].as_str().unwrap().to_string(), row["score"].clone())).collect()
}

/// The recipe with a judge and rewards.
fn with(judge: &str, rewards: &str) -> String {
    BASE.replace("[model]", &format!("{judge}\n[model]"))
        .replace("[stage.optim]", &format!("{rewards}\n[stage.optim]"))
}

#[test]
fn verdicts_are_rewards_where_they_apply() {
    let dir = folder("scripted");
    let rewards = r#"
[[stage.reward]]
name = "judge"
label = "critic"
envs = ["counting"]
params = { judge = "critic", rubric = "It says something.", reference = false }
[[stage.reward]]
name = "compose"
label = "mixed"
envs = ["frozen-lake"]
params = { tree = '{"sum": ["game", {"reward": "judge", "params": {"judge": "critic"}, "weight": 0.5}]}' }
[[stage.reward]]
name = "thinking_trust"
inputs = { thinking_score = { name = "judge", params = { judge = "critic" } } }
[[stage.reward]]
name = "format"
"#;
    fs::write(dir.join("r.toml"), with(SCRIPTED, rewards)).unwrap();
    done(&dir, &["train", "r.toml", "--run", "a", "--threads", "1"]);
    done(&dir, &["train", "r.toml", "--run", "b", "--threads", "2"]);
    let run = dir.join("a");
    let lines = metrics(&run);
    assert_eq!(lines, metrics(&dir.join("b")), "verdicts do not depend on threads");
    assert_eq!(lines.len(), 2);
    for line in &lines {
        assert!(line["judge/questions"].as_f64().unwrap() > 0.0, "{line:?}");
        assert_eq!((&line["judge/failed"], &line["training/invalid_scores"]), (&0.0.into(), &0.0.into()));
        assert!((0.0999..=0.8001).contains(&line["rewards/critic/mean"].as_f64().unwrap()), "{line:?}");
    }
    for episode in (0..2).flat_map(|step| episodes(&run, step)) {
        let names: Vec<String> = scores(&episode).into_iter().map(|(name, _)| name).collect();
        let own = if episode["env"] == "counting" { "critic" } else { "mixed" };
        assert_eq!(names, [own, "thinking_trust", "format"], "a reward has no row where it does not apply");
        if own == "critic" {
            let said = episode["turns"][0]["response"].as_str().unwrap();
            let due = match said {
                said if said.trim().is_empty() => 0.0,
                said if said.contains('v') => 0.8,
                said if said.contains('k') => 0.4,
                _ => 0.1,
            };
            let score = scores(&episode)[0].1["ok"].as_f64().unwrap();
            assert!((score - due).abs() < 1e-6, "{score} for {said:?}");
        }
    }
    let verdicts = fs::read_to_string(run.join("judges/critic.jsonl")).unwrap();
    assert!(verdicts.lines().count() > 2);
    assert_eq!(verdicts, fs::read_to_string(dir.join("b/judges/critic.jsonl")).unwrap());
}

/// One reward by the judge `critic`, in one environment of one turn.
fn judged(judge: &str, params: &str) -> String {
    let params = format!("params = {{ judge = \"critic\", {params} }}");
    let text = with(judge, &format!("[[stage.reward]]\nname = \"judge\"\n{params}"));
    text.replace("[[stage.env]]\nid = \"frozen-lake\"\n", "")
}

#[test]
fn what_is_remembered_counts_and_what_is_no_verdict_does_not() {
    let dir = folder("remembered");
    let kept = SCRIPTED.replace("kind =", "cache = \"verdicts.jsonl\"\nkind =");
    fs::write(dir.join("r.toml"), judged(&kept, "reference = false")).unwrap();
    done(&dir, &["train", "r.toml", "--run", "first"]);
    assert!(metrics(&dir.join("first"))[0]["rewards/judge/mean"].as_f64().unwrap() < 0.9);
    // Somebody else's verdicts: the file is what is believed.
    let file = dir.join("verdicts.jsonl");
    let lines = fs::read_to_string(&file).unwrap();
    let best = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        line["score"] = 10.into();
        format!("{line}\n")
    };
    fs::write(&file, lines.lines().map(best).collect::<String>()).unwrap();
    done(&dir, &["train", "r.toml", "--run", "second"]);
    assert_eq!(metrics(&dir.join("second"))[0]["rewards/judge/mean"], 1.0);

    let nonsense = SCRIPTED.replace("say = \"8\"", "say = \"I would rather not\"");
    fs::write(dir.join("n.toml"), judged(&nonsense, "reference = false")).unwrap();
    done(&dir, &["train", "n.toml", "--run", "nonsense"]);
    let run = dir.join("nonsense");
    let line = &metrics(&run)[0];
    let failed = line["judge/failed"].as_f64().unwrap();
    assert!(failed > 0.0 && failed < line["judge/questions"].as_f64().unwrap(), "{line:?}");
    let (mut invalid, mut unwritten) = (0, 0);
    for episode in episodes(&run, 0) {
        let score = &scores(&episode)[0].1;
        let said = episode["turns"].as_array().unwrap();
        if said.iter().any(|turn| turn["response"].as_str().unwrap().contains('v')) {
            assert_eq!(score["invalid"]["reason"], "crash", "{score}");
            assert!(score["invalid"]["detail"].as_str().unwrap().contains("no verdict"), "{score}");
            invalid += 1;
        } else {
            assert!(score["ok"].is_number(), "{score}");
            unwritten += 1;
        }
    }
    assert_eq!(line["training/invalid_scores"], f64::from(invalid), "{unwritten} others");
}

#[test]
fn a_model_of_this_process_judges() {
    let dir = folder("local");
    let local = |reading: &str| {
        format!(
            "[[judge]]\nname = \"critic\"\nkind = \"local\"\npath = \"{}\"\nreading = \"{reading}\"\nmax_tokens = 8\n",
            model()
        )
    };
    let params = "pictures = true, labels = \"good = 10, bad = 0\", reference = false";
    fs::write(dir.join("r.toml"), judged(&local("likelihood"), params)).unwrap();
    for run in ["a", "b"] {
        done(&dir, &["train", "r.toml", "--run", run]);
    }
    let lines = metrics(&dir.join("a"));
    assert_eq!(lines, metrics(&dir.join("b")));
    for line in &lines {
        assert_eq!((&line["judge/failed"], &line["training/invalid_scores"]), (&0.0.into(), &0.0.into()));
        let mean = line["rewards/judge/mean"].as_f64().unwrap();
        assert!(mean > 0.0 && mean < 1.0, "{mean}");
    }
    assert!(lines.iter().any(|line| line["rewards/judge/std"].as_f64().unwrap() > 0.0), "{lines:?}");
    // Fresh weights write no verdict: nothing is learnt, and nothing is taken for 0.
    fs::write(dir.join("t.toml"), judged(&local("text"), params)).unwrap();
    done(&dir, &["train", "t.toml", "--run", "t"]);
    let line = &metrics(&dir.join("t"))[0];
    assert_eq!(line["judge/failed"], line["judge/questions"]);
    assert!(line["training/invalid_scores"].as_f64().unwrap() > 0.0, "{line:?}");
}

#[test]
fn a_run_with_a_judge_that_is_killed_goes_on_to_the_same_end() {
    let dir = folder("resume");
    let policy = "[[judge]]\nname = \"critic\"\nkind = \"policy\"\nreading = \"likelihood\"\n";
    let text = judged(policy, "labels = \"good = 10, bad = 0\"").replace("steps = 2", "steps = 4");
    fs::write(dir.join("r.toml"), format!("{text}\n[checkpoint]\nevery = 2\n")).unwrap();
    done(&dir, &["train", "r.toml", "--run", "whole"]);
    let run = dir.join("pieces");
    let mut child = start(&dir, &["train", "r.toml", "--run", "pieces"]);
    assert!(wait_for_steps(&mut child, &run, 3));
    signal(&child, "KILL");
    child.wait().unwrap();
    let before = fs::read_to_string(run.join("judges/critic.jsonl")).unwrap();
    done(&dir, &["train", "--resume", "pieces"]);
    assert_eq!(metrics(&dir.join("whole")), metrics(&run));
    assert_eq!(hash(&dir.join("whole")), hash(&run));
    // Nothing was asked twice: the verdicts of the first process are still there, and each is there once.
    let after = fs::read_to_string(run.join("judges/critic.jsonl")).unwrap();
    let mut keys: Vec<&str> = after.lines().map(|line| &line[..80]).collect();
    keys.sort_unstable();
    let all = keys.len();
    keys.dedup();
    assert!(after.starts_with(&before) && keys.len() == all, "{all} verdicts, {} of them once", keys.len());
}

#[test]
fn mistakes_are_named() {
    let dir = folder("mistakes");
    let refuse = |text: &str, message: &str| {
        fs::write(dir.join("r.toml"), text).unwrap();
        refused(&dir, &["recipe", "show", "r.toml"], message);
    };
    refuse(
        &judged("", "high = 5"),
        "error: r.toml:19:1: `stage.0.reward.0`: asks the judge \"critic\"; the recipe has none, write a [[judge]] with this name",
    );
    let error = |text: &str| {
        fs::write(dir.join("e.toml"), text).unwrap();
        eyas(&dir, &["recipe", "show", "e.toml"]).err
    };
    for (text, says) in [
        (judged(SCRIPTED, "labels = \"good\""), "\"good\" is not \"name = score\""),
        (
            judged(&SCRIPTED.replace("scripted", "local"), "high = 5"),
            "a judge of kind \"local\" has no such key",
        ),
        (judged(&format!("{SCRIPTED}{SCRIPTED}"), "high = 5"), "two judges are called \"critic\""),
        (
            judged(SCRIPTED, "high = 5").replace("params", "envs = [\"chess\"]\nparams"),
            "no environment is called \"chess\"",
        ),
        (
            with(SCRIPTED, "[[stage.reward]]\nname = \"game\"\nenvs = [\"counting\"]"),
            "no reward applies to the environment \"frozen-lake\"",
        ),
        (
            judged(SCRIPTED, "high = 5").replace("params", "inputs = { x = { name = \"game\" } }\nparams"),
            "reads no field \"x\"",
        ),
    ] {
        assert!(error(&text).contains(says), "{says}: {}", error(&text));
    }
    let trust = with("", "[[stage.reward]]\nname = \"thinking_trust\"");
    assert!(
        error(&trust).contains("reads the field \"thinking_score\", which nobody supplies"),
        "{}",
        error(&trust)
    );
    let endpoint =
        "[[judge]]\nname = \"critic\"\nkind = \"endpoint\"\nurl = \"http://localhost:1/v1\"\nmodel = \"m\"\n";
    if cfg!(not(feature = "http")) {
        fs::write(dir.join("h.toml"), judged(endpoint, "high = 5")).unwrap();
        let error = eyas(&dir, &["train", "h.toml", "--run", "h"]).err;
        assert!(error.contains("cannot ask endpoints") && error.contains("--features http"), "{error}");
        assert!(!dir.join("h").exists(), "nothing is begun");
    }
}

#[test]
fn dumps_are_scored_by_judges_too() {
    let dir = folder("dump");
    let spec = format!(
        "{SCRIPTED}[[reward]]\nname = \"judge\"\nparams = {{ judge = \"critic\", reference = false }}\n"
    );
    fs::write(dir.join("spec.toml"), spec).unwrap();
    fs::write(
        dir.join("d.jsonl"),
        "{\"response\": \"vow\"}\n{\"response\": \"ok\"}\n{\"response\": \"no\"}\n",
    )
    .unwrap();
    let ran = done(&dir, &["reward", "score", "spec.toml", "d.jsonl", "--json"]);
    let totals: Vec<f64> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["total"].as_f64().unwrap())
        .collect();
    assert_eq!(totals.iter().map(|v| (v * 10.0).round() as i64).collect::<Vec<_>>(), [8, 4, 1]);
    assert!(done(&dir, &["reward", "show", "thinking_trust"]).out.contains("correct, thinking_score"));
    assert!(done(&dir, &["reward", "fields"]).out.contains("answer_logprob"));
}

#[cfg(feature = "http")]
mod http {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    fn body(stream: &mut TcpStream) -> Option<Value> {
        let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
                let length: usize =
                    head.lines().find_map(|l| l.strip_prefix("content-length:")?.trim().parse().ok())?;
                if bytes.len() >= end + 4 + length {
                    return serde_json::from_slice(&bytes[end + 4..]).ok();
                }
            }
            match stream.read(&mut chunk).ok()? {
                0 => return None,
                n => bytes.extend(&chunk[..n]),
            }
        }
    }

    /// What is wrong with an endpoint.
    #[derive(Clone, Copy, PartialEq)]
    enum Wrong {
        Nothing,
        /// Every third answer: nonsense, a refusal, silence.
        Thirds,
        /// From the ninth to the twentieth question it thinks for a minute.
        Slow,
    }

    /// An endpoint that gives 7 of 10. Also how often it was asked.
    fn serve(wrong: Wrong) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let count = Arc::new(AtomicUsize::new(0));
        let asked = Arc::clone(&count);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, asked) = (stream.unwrap(), Arc::clone(&asked));
                std::thread::spawn(move || {
                    let Some(body) = body(&mut stream) else { return };
                    let n = asked.fetch_add(1, Ordering::Relaxed);
                    let content = &body["messages"][0]["content"];
                    let text = content.as_str().unwrap().trim_end();
                    let word = text.lines().last().unwrap().trim_end_matches(": N").to_string();
                    let mut message = serde_json::json!({"content": format!("Fine.\n{word}: 7")});
                    match (wrong, n % 3, n) {
                        (Wrong::Thirds, 2, 2) => return sleep(Duration::from_secs(5)),
                        (Wrong::Thirds, 2, n) if n % 2 == 0 => message["refusal"] = "I must not".into(),
                        (Wrong::Thirds, 2, _) => message["content"] = "score: 10".into(),
                        (Wrong::Slow, _, 8..20) => sleep(Duration::from_secs(60)),
                        _ => {}
                    }
                    let choice =
                        serde_json::json!({"choices": [{"message": message, "finish_reason": "stop"}]});
                    let text = choice.to_string();
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        text.len()
                    );
                    drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(text.as_bytes())));
                });
            }
        });
        (url, count)
    }

    fn endpoint(url: &str) -> String {
        format!(
            "[[judge]]\nname = \"critic\"\nkind = \"endpoint\"\nurl = \"{url}\"\nmodel = \"m\"\ntimeout_ms = 1500\n\
             attempts = 1\ncache = \"verdicts.jsonl\"\n"
        )
    }

    #[test]
    fn an_endpoint_judges_and_is_asked_once() {
        let dir = folder("endpoint");
        let (url, count) = serve(Wrong::Nothing);
        fs::write(dir.join("r.toml"), judged(&endpoint(&url), "reference = false")).unwrap();
        done(&dir, &["train", "r.toml", "--run", "a"]);
        let lines = metrics(&dir.join("a"));
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line["judge/failed"] == 0.0), "{lines:?}");
        let asked = count.load(Ordering::Relaxed);
        let questions: f64 = lines.iter().map(|line| line["judge/questions"].as_f64().unwrap()).sum();
        assert!(asked > 0 && asked as f64 <= questions, "{asked} of {questions}");
        done(&dir, &["train", "r.toml", "--run", "b"]);
        assert_eq!((count.load(Ordering::Relaxed), metrics(&dir.join("b"))), (asked, lines));
    }

    #[test]
    fn faults_of_the_endpoint_are_reasons_and_no_zeros() {
        let dir = folder("faults");
        let (url, _) = serve(Wrong::Thirds);
        fs::write(dir.join("r.toml"), judged(&endpoint(&url), "reference = false")).unwrap();
        done(&dir, &["train", "r.toml", "--run", "a"]);
        let run = dir.join("a");
        let reasons: Vec<String> = (0..2)
            .flat_map(|step| episodes(&run, step))
            .filter_map(|e| Some(scores(&e)[0].1.get("invalid")?.to_string()))
            .collect();
        for fault in ["timeout", "refused", "no line"] {
            assert!(reasons.iter().any(|reason| reason.contains(fault)), "{fault}: {reasons:?}");
        }
        let failed: f64 = metrics(&run).iter().map(|line| line["judge/failed"].as_f64().unwrap()).sum();
        assert!(failed >= 3.0, "{failed}");
    }

    #[test]
    fn a_signal_does_not_wait_for_a_judge_who_thinks() {
        let dir = folder("slow");
        let recipe = |url: &str| {
            let patient = endpoint(url).replace("timeout_ms = 1500", "timeout_ms = 120000\nparallel = 2");
            judged(&patient.replace("cache = \"verdicts.jsonl\"\n", ""), "reference = false")
        };
        let (url, _) = serve(Wrong::Nothing);
        fs::write(dir.join("whole.toml"), recipe(&url)).unwrap();
        done(&dir, &["train", "whole.toml", "--run", "whole"]);

        let (url, count) = serve(Wrong::Slow);
        fs::write(dir.join("r.toml"), recipe(&url)).unwrap();
        let run = dir.join("pieces");
        let mut child = start(&dir, &["train", "r.toml", "--run", "pieces"]);
        assert!(wait_for_steps(&mut child, &run, 1));
        // Six questions of the first step, two of the second, and two that nobody answers.
        while count.load(Ordering::Relaxed) < 10 {
            assert!(child.try_wait().unwrap().is_none());
            sleep(Duration::from_millis(5));
        }
        signal(&child, "TERM");
        let begun = Instant::now();
        assert_eq!(child.wait().unwrap().code(), Some(143));
        let took = begun.elapsed();
        println!("stopped after {took:?}");
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert_eq!((count.load(Ordering::Relaxed), metrics(&run).len()), (10, 1), "no further question");
        assert!(run.join("checkpoints/step-00000001/manifest.json").is_file());
        // Once it has thought, it answers again.
        count.store(20, Ordering::Relaxed);
        done(&dir, &["train", "--resume", "pieces"]);
        assert_eq!((hash(&run), metrics(&run)), (hash(&dir.join("whole")), metrics(&dir.join("whole"))));
    }
}
