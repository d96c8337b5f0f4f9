//! `eyas gym bench`: how fast environments step, draw, fork and reset, on one core.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use clap::Args;
use eyas_core::Seed;
use eyas_gym::{Difficulty, EnvEntry, Game, Knobs, Preset, Status, find, registry};
use serde::Serialize;

use super::super::columns::write_columns;

/// Episodes that are prepared, and played again and again.
const SCRIPTS: u64 = 200;
const RESETS: u64 = 300;

/// Arguments of `eyas gym bench`.
#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    /// Environments to measure; all when none is named
    env: Vec<String>,
    /// Where the difficulty dial stands: easy, medium, hard; the default knobs when left out
    #[arg(long, value_parser = ["easy", "medium", "hard"])]
    preset: Option<String>,
    /// Seconds to spend on each measurement
    #[arg(long, default_value_t = 0.3)]
    seconds: f64,
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,
}

/// Speeds of one environment on one core.
#[derive(Debug, Serialize)]
struct Speed {
    env: &'static str,
    group: &'static str,
    /// Steps a second, answers parsed, nothing drawn.
    steps_per_sec: f64,
    /// Whole pictures a second, all frames of a clip counted as one.
    frames_per_sec: f64,
    width: u32,
    height: u32,
    fork_micros: f64,
    reset_median_millis: f64,
    reset_p99_millis: f64,
}

pub(super) fn run(args: &BenchArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    anyhow::ensure!(args.seconds > 0.0, "--seconds {}\nhint: give a number above 0", args.seconds);
    let entries: Vec<EnvEntry> = match args.env.as_slice() {
        [] => registry(),
        ids => ids.iter().map(|id| find(id)).collect::<Result<_, _>>()?,
    };
    let mut speeds = Vec::new();
    for entry in &entries {
        let preset = Preset::ALL.into_iter().find(|p| args.preset.as_deref() == Some(p.name()));
        let knobs = match preset {
            Some(preset) => entry.knobs_at(&Difficulty::Preset(preset), &BTreeMap::new())?,
            None => entry.knobs(&BTreeMap::new())?,
        };
        speeds.push(measure(entry, &knobs, args.seconds)?);
    }
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&speeds)?)?;
        return Ok(());
    }
    let head = ["env", "group", "steps/s", "pictures/s", "size", "fork µs", "reset ms", "p99"];
    let mut rows = vec![head.map(String::from)];
    rows.extend(speeds.iter().map(|s| {
        [
            s.env.to_string(),
            s.group.to_string(),
            format!("{:.0}", s.steps_per_sec),
            format!("{:.0}", s.frames_per_sec),
            format!("{}x{}", s.width, s.height),
            format!("{:.2}", s.fork_micros),
            format!("{:.3}", s.reset_median_millis),
            format!("{:.3}", s.reset_p99_millis),
        ]
    }));
    Ok(write_columns(&rows, "", out)?)
}

/// An episode and random answers that play it to its end.
struct Script {
    start: Box<dyn Game>,
    answers: Vec<String>,
}

fn measure(entry: &EnvEntry, knobs: &Knobs, seconds: f64) -> anyhow::Result<Speed> {
    let seed = Seed::new(0).split("gym-bench", 0);
    let mut resets = Vec::new();
    let mut scripts = Vec::new();
    for i in 0..RESETS {
        let clock = Instant::now();
        let start = entry.reset(seed.split("episode", i), knobs)?;
        resets.push(clock.elapsed().as_secs_f64() * 1e3);
        if i < SCRIPTS {
            scripts.push(script(start, seed.split("answers", i)));
        }
    }
    resets.sort_by(f64::total_cmp);
    let mut steps = 0usize;
    let stepping = repeat(seconds, || {
        // Forks are made outside the clock: they are measured apart.
        let mut games: Vec<Box<dyn Game>> = scripts.iter().map(|s| s.start.fork()).collect();
        let clock = Instant::now();
        for (game, script) in games.iter_mut().zip(&scripts) {
            for answer in &script.answers {
                let done = game.step(answer);
                debug_assert!(done.is_ok());
                steps += 1;
            }
        }
        clock.elapsed().as_secs_f64()
    });
    let mut forks = 0usize;
    let forking = repeat(seconds / 2.0, || {
        let clock = Instant::now();
        for script in &scripts {
            black_box(script.start.fork());
        }
        forks += scripts.len();
        clock.elapsed().as_secs_f64()
    });
    let mut frames = 0usize;
    let drawing = repeat(seconds, || {
        let clock = Instant::now();
        for script in scripts.iter().take(20) {
            black_box(script.start.frames());
            frames += 1;
        }
        clock.elapsed().as_secs_f64()
    });
    let image = scripts.first().map(|s| s.start.render());
    let (width, height) = image.map_or((0, 0), |i| (i.width(), i.height()));
    Ok(Speed {
        env: entry.spec.id,
        group: entry.spec.group.name(),
        steps_per_sec: steps as f64 / stepping,
        frames_per_sec: frames as f64 / drawing,
        width,
        height,
        fork_micros: 1e6 * forking / forks as f64,
        reset_median_millis: resets[resets.len() / 2],
        reset_p99_millis: resets[resets.len() * 99 / 100],
    })
}

/// Calls `work`, which gives the seconds it took, until they add up to `seconds`; gives their sum.
fn repeat(seconds: f64, mut work: impl FnMut() -> f64) -> f64 {
    let mut total = 0.0;
    while total < seconds {
        total += work().max(1e-9);
    }
    total
}

/// Answers that a random player gives, at most 400 of them.
fn script(start: Box<dyn Game>, seed: Seed) -> Script {
    let (mut game, mut rng, mut answers) = (start.fork(), seed.rng(), Vec::new());
    while game.status() == Status::Running && answers.len() < 400 {
        let Some(answer) = game.guess(&mut rng) else { break };
        if game.step(&answer).is_err() {
            break;
        }
        answers.push(answer);
    }
    Script { start, answers }
}
