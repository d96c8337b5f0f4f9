//! `eyas gym bench`: how fast environments step, draw, fork and reset, on one core.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use clap::Args;
use eyas_core::Seed;
use eyas_gym::{
    Difficulty, EnvEntry, Game, KnobError, KnobKind, KnobValue, Knobs, Pool, Status, find, registry,
};
use serde::Serialize;

use super::super::{columns::write_columns, play_knobs};

/// Episodes that are prepared, and played again and again.
const SCRIPTS: u64 = 200;
const RESETS: u64 = 300;
/// Slots of a pool.
const POOL: usize = 2000;

/// Arguments of `eyas gym bench`.
#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    /// Environments to measure; all when none is named
    env: Vec<String>,
    /// Where the difficulty dial stands: easy, medium, hard; the default knobs when left out
    #[arg(long, value_parser = ["easy", "medium", "hard"])]
    preset: Option<String>,
    /// Turn a knob of the environments; may be repeated
    #[arg(long = "set", value_name = "KNOB=VALUE")]
    set: Vec<String>,
    /// Draw at the size that comes nearest to SIDE by SIDE pixels, by the knobs that count pixels
    #[arg(long, value_name = "SIDE")]
    side: Option<u32>,
    /// Measure a pool of slots of all these environments together, with one thread and with two
    #[arg(long)]
    pool: bool,
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

/// Speeds of a pool with one thread and with two.
#[derive(Debug, Serialize)]
struct PoolSpeed {
    slots: usize,
    steps_per_sec: [f64; 2],
    steps_ratio: f64,
    frames_per_sec: [f64; 2],
    frames_ratio: f64,
}

pub(super) fn run(args: &BenchArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    anyhow::ensure!(args.seconds > 0.0, "--seconds {}\nhint: give a number above 0", args.seconds);
    let entries: Vec<EnvEntry> = match args.env.as_slice() {
        [] => registry(),
        ids => ids.iter().map(|id| find(id)).collect::<Result<_, _>>()?,
    };
    let mut speeds = Vec::new();
    let preset = play_knobs::preset(args.preset.as_deref());
    let mut chosen = Vec::new();
    for entry in &entries {
        let given = play_knobs::given(entry, &args.set)?;
        let knobs = |given: &BTreeMap<String, KnobValue>| match preset {
            Some(preset) => entry.knobs_at(&Difficulty::Preset(preset), given),
            None => entry.knobs(given),
        };
        let knobs = match args.side {
            Some(side) => sized(entry, side, &given, knobs)?,
            None => knobs(&given)?,
        };
        chosen.push((entry, knobs));
    }
    if args.pool {
        return pool(&chosen, args, out);
    }
    for (entry, knobs) in &chosen {
        speeds.push(measure(entry, knobs, args.seconds)?);
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

/// The knobs under which pictures come nearest to `side` × `side` pixels in area, turning one knob that
/// counts pixels.
fn sized(
    entry: &EnvEntry,
    side: u32,
    given: &BTreeMap<String, KnobValue>,
    resolve: impl Fn(&BTreeMap<String, KnobValue>) -> Result<Knobs, KnobError>,
) -> anyhow::Result<Knobs> {
    let area = |knobs: &Knobs| -> anyhow::Result<f64> {
        let image = entry.reset(Seed::new(0), knobs)?.render();
        Ok(f64::from(image.width()) * f64::from(image.height()))
    };
    let wanted = f64::from(side).powi(2);
    let mut best = resolve(given)?;
    let mut least = (area(&best)? / wanted).ln().abs();
    for knob in entry.spec.knobs.iter().filter(|k| k.name.ends_with("_px") && !given.contains_key(k.name)) {
        let KnobKind::Int { min, max, .. } = knob.kind else { continue };
        for value in min..=max.min(1024) {
            let mut tried = given.clone();
            tried.insert(knob.name.into(), KnobValue::Int(value));
            // A value may not go together with the other knobs.
            let Ok(knobs) = resolve(&tried) else { continue };
            let Ok(far) = area(&knobs).map(|a| (a / wanted).ln().abs()) else { continue };
            if far < least {
                (best, least) = (knobs, far);
            }
        }
    }
    Ok(best)
}

/// Steps a second of a pool, with one thread and with two.
fn pool(chosen: &[(&EnvEntry, Knobs)], args: &BenchArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let seed = Seed::new(0).split("gym-bench-pool", 0);
    let each = (POOL / chosen.len().max(1)).max(1);
    let mut scripts = Vec::new();
    for (number, (entry, knobs)) in chosen.iter().enumerate() {
        for i in 0..each {
            let seed = seed.split("slot", (number * each + i) as u64);
            scripts.push(script(entry.reset(seed, knobs)?, seed.split("answers", 0)));
        }
    }
    // Slots whose script is empty have nothing to measure.
    scripts.retain(|script| !script.answers.is_empty());
    let mut rates = Vec::new();
    for threads in [1, 2] {
        let (steps, seconds) = pool_steps(&scripts, threads, args.seconds)?;
        let pool = Pool::new(scripts.iter().map(|s| s.start.fork()).collect(), threads)?;
        let mut frames = 0usize;
        let drawing = repeat(args.seconds, || {
            let clock = Instant::now();
            frames += black_box(pool.render()).len();
            clock.elapsed().as_secs_f64()
        });
        rates.push((steps / seconds, frames as f64 / drawing));
    }
    let [(one, drawn_one), (two, drawn_two)] = rates[..] else { return Ok(()) };
    let report = PoolSpeed {
        slots: scripts.len(),
        steps_per_sec: [one, two],
        steps_ratio: two / one,
        frames_per_sec: [drawn_one, drawn_two],
        frames_ratio: drawn_two / drawn_one,
    };
    if args.json {
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?);
    }
    let row = |what: &str, [one, two]: [f64; 2], ratio: f64| {
        [what.to_string(), format!("{one:.0}"), format!("{two:.0}"), format!("{ratio:.2}")]
    };
    let head = [format!("{} slots", report.slots), "1 thread".into(), "2 threads".into(), "ratio".into()];
    let rows = [
        head,
        row("steps/s", report.steps_per_sec, report.steps_ratio),
        row("pictures/s", report.frames_per_sec, report.frames_ratio),
    ];
    Ok(write_columns(&rows, "", out)?)
}

/// Steps of a pool in which every slot is at work, and the seconds they took. A slot whose episode is over starts
/// anew, outside the clock.
fn pool_steps(scripts: &[Script], threads: usize, seconds: f64) -> anyhow::Result<(f64, f64)> {
    let mut pool = Pool::new(scripts.iter().map(|s| s.start.fork()).collect(), threads)?;
    let mut turns = vec![0; scripts.len()];
    let (mut steps, mut total) = (0usize, 0.0);
    while total < seconds {
        let answers: Vec<_> =
            turns.iter().zip(scripts).map(|(turn, s)| s.answers.get(*turn).map(String::as_str)).collect();
        let clock = Instant::now();
        black_box(pool.step(&answers));
        total += clock.elapsed().as_secs_f64();
        steps += answers.len();
        let mut slots = pool.replace(Vec::new());
        for ((slot, turn), script) in slots.iter_mut().zip(&mut turns).zip(scripts) {
            *turn += 1;
            if *turn == script.answers.len() {
                *turn = 0;
                *slot = script.start.fork();
            }
        }
        pool.replace(slots);
    }
    Ok((steps as f64, total))
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
