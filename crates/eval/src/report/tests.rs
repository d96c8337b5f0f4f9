use std::collections::BTreeMap;

use eyas_core::{
    EPISODE_VERSION, Image, Invalid, Outcome, Score, ScoreSheet, Seed, TokenSpan, Trajectory, Turn,
};
use eyas_gym::{ResponseStyle, Status, find, first_message, normalised, response};
use serde_json::json;

use super::*;
use crate::summary::{EnvSummary, Summary};

const HOSTILE: &str =
    "</script><img src=x onerror=alert(1)><perception>\"'&</pre><svg onload=1></perception>";

/// An episode of a real environment: the oracle's moves, or one repeated answer.
fn episode(env: &str, seed: u64, answer: Option<&str>) -> Episode {
    let entry = find(env).unwrap();
    let knobs = entry.knobs(&BTreeMap::new()).unwrap();
    let mut game = entry.reset(Seed::new(seed), &knobs).unwrap();
    let mut images = BTreeMap::new();
    let (mut turns, mut total) = (Vec::new(), 0.0);
    while game.status() == Status::Running && turns.len() < 60 {
        let picture = game.render();
        let action = answer.map_or_else(|| game.oracle(), str::to_string);
        let text = match answer {
            Some(_) => format!("I guess <perception>P 1\n2 3</perception><answer>{action}"),
            None => response(game.as_ref(), &action, ResponseStyle::Perception).unwrap(),
        };
        let mut turn = Turn {
            observation: first_message(game.as_ref(), ResponseStyle::Perception),
            images: vec![picture.id()],
            response: text,
            terminated: answer.is_none(),
            perception: game.perception().text,
            ..Turn::default()
        };
        images.insert(picture.id(), picture);
        let step = match game.step(&action) {
            Ok(step) => {
                turn.action = Some(action);
                step
            }
            Err(error) => {
                turn.error = Some(error.to_string());
                game.pass()
            }
        };
        turn.reward = step.reward;
        total += step.score;
        turns.push(turn);
    }
    let row = |name: &str, score| ScoreSheet { name: name.into(), weight: 1.0, span: TokenSpan::All, score };
    Episode {
        version: EPISODE_VERSION,
        env: env.into(),
        seed: Seed::new(seed),
        knobs: serde_json::to_value(knobs.values()).unwrap(),
        env_return: turns.iter().map(|t| t.reward).sum(),
        turns,
        trajectory: Trajectory::new(0),
        scores: vec![row("game", Score::Ok(total)), row("math", Score::Invalid(Invalid::NonFinite))],
        env_score: total,
        outcome: match game.status() {
            Status::Done(outcome) => outcome,
            Status::Running => Outcome::Truncated,
        },
        images,
    }
}

fn run() -> ReportInput {
    let metrics = (1..=120).map(|step| {
        let t = f64::from(step) / 120.0;
        let noise = Seed::new(5).split("noise", step as u64).rng().normal() * 0.05;
        let line = json!({
            "step": step, "reward": 0.2 + 0.6 * t + noise, "reward_std": 0.3 - 0.1 * t, "entropy": 1.5 - t + noise,
            "rewards/game/mean": 0.1 + 0.5 * t - noise, "rewards/format/mean": (0.5 + t).min(1.0),
            "perception": 0.4 + 0.5 * t + noise, "completions/mean_length": 60.0 - 20.0 * t, "kl": 0.02 * t,
            "ppo_kl": 1e-4 * noise, "loss": -0.01 * t + 0.1 * noise, "lr": 1e-4 * (1.0 - t),
            "sampling/sampling_logp_difference/mean": 1e-6 * (1.0 + noise),
            "tokens_per_second": 12_000.0 + 4_000.0 * noise, "step_time": 4.0 + noise, "grad_norm": 0.8 - noise,
        });
        let mut line: MetricLine = serde_json::from_value(line).unwrap();
        if step % 20 == 0 {
            for (i, env) in ["frozen-lake", "sokoban", "referring"].iter().enumerate() {
                line.insert(format!("eval/{env}/normalised"), json!(t * (0.9 - 0.2 * i as f64)));
                line.insert(format!("eval/{env}/score"), json!(t * (0.8 - 0.2 * i as f64)));
            }
        }
        line
    });
    let env = |random: f64, before: f64, after: f64| EnvSummary {
        random,
        before,
        after,
        oracle: 1.0,
        episodes: 64,
        before_se: 0.03,
        after_se: 0.05,
        before_normalised: normalised(before, random, 1.0),
        after_normalised: normalised(after, random, 1.0),
        success_before: 0.1,
        success_after: 0.6,
        perception_before: Some(0.31),
        perception_after: Some(0.93),
        format_before: Some(0.5),
        format_after: Some(1.0),
    };
    let environments = [
        ("frozen-lake", env(0.11, 0.2, 0.83)),
        ("referring", env(0.05, 0.02, 0.6)),
        ("sokoban", env(0.02, 0.1, 0.06)),
    ];
    let summary = Summary {
        recipe: "tiny-perception".into(),
        seed: Seed::new(7),
        version: "0.1.0".into(),
        steps: 120,
        seconds: 512.3,
        peak_memory_bytes: Some(1_234_567_890),
        weights_hash: "9f2c4b7d10e8a6534f0b".into(),
        tokens_sampled: 1_843_200,
        tokens_trained: 1_512_345,
        ..Summary::of(environments.map(|(n, e)| (n.to_string(), e)).into())
    };
    let play = |answer: [Option<&str>; 3]| {
        let envs = ["frozen-lake", "sokoban", "referring"];
        let of_env =
            |(env, answer): (&str, Option<&str>)| [episode(env, 11, answer), episode(env, 12, answer)];
        envs.into_iter().zip(answer).flat_map(of_env).collect::<Vec<_>>()
    };
    ReportInput {
        title: "Seeing before acting <on ice>".into(),
        summary,
        metrics: metrics.collect(),
        before: play([Some("left"), Some("jump"), Some("[1, 2]")]),
        after: play([None, None, None]),
        recipe_toml: "# a comment\n[model]\npreset = \"tiny\"\n\n[[stage]]\nname = \"rl <1>\"\n".into(),
    }
}

/// Every tag that was opened is closed, in order. Returns what is wrong.
fn unbalanced(html: &str) -> Option<String> {
    const VOID: [&str; 4] = ["meta", "img", "!DOCTYPE", "br"];
    // Style and script hold no markup.
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let Some(end) = rest.find('>') else {
            return Some(format!("an open angle bracket before {rest:.40}"));
        };
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        if tag.starts_with('/') {
            if open.pop() != Some(name) {
                return Some(format!("</{name}> closes something else"));
            }
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
        if !tag.starts_with('/') && (name == "script" || name == "style") {
            let close = format!("</{name}>");
            let Some(at) = rest.find(&close) else { return Some(format!("{close} is missing")) };
            rest = &rest[at..];
        }
    }
    open.pop().map(|name| format!("<{name}> is never closed"))
}

#[test]
fn a_full_report_is_whole_and_needs_no_network() {
    let run = run();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    write_report(&run, &path).unwrap();
    let html = std::fs::read_to_string(&path).unwrap();
    // A place to keep the file, for looking at it.
    if let Some(keep) = std::env::var_os("EYAS_REPORT_SAMPLE") {
        std::fs::copy(&path, keep).unwrap();
    }
    assert_eq!(unbalanced(&html), None);
    for foreign in ["http://", "https://", "src=\"//", "@import", "url("] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    for part in [
        "Seeing before acting &lt;on ice&gt;",
        "tiny-perception",
        "9f2c4b7d10e8",
        "8 min 32 s",
        "rl &lt;1&gt;",
    ] {
        assert!(html.contains(part), "{part}");
    }
    for panel in ["Reward", "Normalised score", "Entropy", "Learning rate", "Sampling and scoring differ by"]
    {
        assert!(html.contains(&format!("<figcaption>{panel}")), "{panel}");
    }
    assert_eq!(html.matches("<article").count(), 6);
    let pictures: usize = run.before.iter().chain(&run.after).map(|e| e.turns.len().min(40)).sum();
    assert_eq!(html.matches("<img ").count(), pictures);
    assert_eq!(html, render_report(&run).unwrap(), "the same bytes every time");
}

#[test]
fn hostile_text_stays_text() {
    let mut run = run();
    run.after.truncate(1);
    run.before.truncate(1);
    let episode = &mut run.after[0];
    episode.env = format!("env\"{HOSTILE}");
    episode.knobs = json!({HOSTILE: HOSTILE});
    episode.turns.truncate(1);
    let turn = &mut episode.turns[0];
    (turn.response, turn.perception, turn.observation) = (HOSTILE.into(), HOSTILE.into(), HOSTILE.into());
    (turn.action, turn.error) = (Some(HOSTILE.into()), Some(HOSTILE.into()));
    episode.scores[0].name = HOSTILE.into();
    run.title = HOSTILE.into();
    run.recipe_toml = HOSTILE.into();
    run.summary.recipe = HOSTILE.into();
    run.summary.weights_hash = HOSTILE.into();
    let env = run.summary.environments["sokoban"].clone();
    run.summary.environments.insert(HOSTILE.into(), env);
    run.metrics[0].insert(format!("rewards/{}/mean", HOSTILE.replace('/', "")), json!(1.0));

    let html = render_report(&run).unwrap();
    assert_eq!(unbalanced(&html), None);
    assert!(!html.contains("<img src=x") && !html.contains("<svg onload"));
    assert_eq!(html.matches("</script>").count(), 1);
    assert_eq!(html.matches("<script").count(), 1);
    assert!(html.contains("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;"));
}

#[test]
fn a_run_without_anything_still_has_a_page() {
    let run = ReportInput {
        title: "empty".into(),
        summary: Summary::of(BTreeMap::new()),
        metrics: Vec::new(),
        before: Vec::new(),
        after: Vec::new(),
        recipe_toml: String::new(),
    };
    let html = render_report(&run).unwrap();
    assert_eq!(unbalanced(&html), None);
    assert!(!html.contains("<figure") && !html.contains("<article"));
}

#[test]
fn missing_pictures_and_partners_are_said() {
    let mut run = run();
    run.before.clear();
    run.after.truncate(1);
    run.after[0].images.clear();
    let html = render_report(&run).unwrap();
    assert!(html.contains("before: not played") && html.contains("was not kept"));
    assert_eq!(html.matches("<img ").count(), 0);
}

#[test]
fn a_long_run_is_sampled() {
    let one = episode("referring", 1, None);
    let many: Vec<Episode> = (0..40).map(|i| Episode { seed: Seed::new(i), ..one.clone() }).collect();
    let run = ReportInput { before: many.clone(), after: many, ..run() };
    let html = render_report(&run).unwrap();
    assert_eq!(html.matches("<article").count(), 12);
    assert!(html.contains("referring (12 of 40)"));
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = write_report(&run(), folder.path()).unwrap_err();
    assert!(error.to_string().contains(&folder.path().display().to_string()), "{error}");
}

#[test]
fn the_balance_check_finds_faults() {
    assert!(unbalanced("<p><b></p>").is_some());
    assert!(unbalanced("<p>").is_some());
    assert!(unbalanced("<p><img src=\"x\"><path d=\"\"/></p>").is_none());
    let pixel = Image::new(1, 1, vec![0; 3]).unwrap();
    assert!(unbalanced(&format!("<b>{}</b>", pixel.id())).is_none());
}
