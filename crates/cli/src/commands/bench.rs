//! `eyas bench`: how fast training runs here, and where the time goes.

use std::io::Write;

use clap::{Args, ValueEnum};
use eyas_model::{Precision, ops::matmul_peak_gflops};
use eyas_train::bench::{self, BenchConfig, GrpoStep, Training};
use serde_json::{Value, json};

use super::columns::write_columns;
use crate::progress::Progress;

/// Measure training, sampling and a whole GRPO step on this machine
///
/// The tiny model with random weights, beside the speed at which the machine multiplies matrices in the same
/// run. Nothing else should run meanwhile.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    eyas bench\n  \
    eyas bench --dtype bf16 --json\n  \
    eyas bench --growth")]
pub(crate) struct BenchArgs {
    /// In what precision matrices are multiplied
    #[arg(long, value_enum, default_value_t = Dtype::F32)]
    dtype: Dtype,
    /// Sequences of the training batch
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = at_least_one)]
    batch: usize,
    /// Prompts of a GRPO step
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = at_least_one)]
    groups: usize,
    /// Responses to each prompt
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = at_least_two)]
    group_size: usize,
    /// Most tokens of a response
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = at_least_one)]
    answer: usize,
    /// Measurements of each; their median counts
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = at_least_one)]
    repeats: usize,
    /// Threads [default: one per core]
    #[arg(long)]
    threads: Option<usize>,
    /// Also how cost grows: with the batch, the group, the answer, the picture, the width of the model, the threads
    #[arg(long)]
    growth: bool,
    /// Print a JSON object instead of tables
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Dtype {
    /// 32 bits
    F32,
    /// bfloat16 operands, f32 sums
    Bf16,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    at_least(text, 1)
}

fn at_least_two(text: &str) -> Result<usize, String> {
    at_least(text, 2)
}

fn at_least(text: &str, least: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n >= least => Ok(n),
        Ok(_) => Err(format!("must be at least {least}")),
        Err(e) => Err(format!("{e}")),
    }
}

/// Runs `eyas bench`.
///
/// # Errors
/// When the sizes do not fit the model.
pub(crate) fn run(args: &BenchArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    super::set_threads(args.threads)?;
    let precision = match args.dtype {
        Dtype::F32 => Precision::F32,
        Dtype::Bf16 => Precision::Bf16,
    };
    if !precision.accelerated() {
        eprintln!("note: this processor has no bf16 instructions; bf16 is emulated and no faster than f32");
    }
    let config = BenchConfig {
        batch: args.batch,
        groups: args.groups,
        group_size: args.group_size,
        answer: args.answer,
        repeats: args.repeats,
        precision,
        ..BenchConfig::default()
    };
    let cases = if args.growth { growth_cases(&config) } else { Vec::new() };
    let stages = 7 + cases.len() as u64;
    let mut progress = Progress::new("bench", stages);
    let mut done = 0;
    let mut tick = |what: &str| {
        done += 1;
        progress.update(done, what);
    };
    let mut peak = matmul_peak_gflops(precision, 20);
    tick("matrix product");
    // Before the others: it tells the largest memory that the process has had.
    let grpo = bench::grpo_step(&config)?;
    tick("GRPO step");
    let training = bench::training(&config)?;
    tick("training");
    let group_training = bench::group_training(&config)?;
    tick("training of groups");
    let sampling = bench::sampling(&config)?;
    tick("sampling");
    let alone = bench::sampling(&BenchConfig { groups: 1, group_size: 1, answer: 1000, ..config })?;
    tick("one sequence");
    let images = [(896, 896), (1280, 1700)];
    let images = images.map(|(w, h)| (w, h, bench::image_processor(w, h, args.repeats)));
    tick("image processor");
    let mut growth = Vec::new();
    for case in cases {
        growth.push((case.name.clone(), case.run()?));
        tick(&case.name);
    }
    progress.finish();
    // A shared machine changes its speed; the better of the two ends is nearer to what it can do.
    peak = peak.max(matmul_peak_gflops(precision, 20));

    if args.json {
        let mut image_ms = serde_json::Map::new();
        for (w, h, seconds) in images {
            image_ms.insert(format!("{w}x{h}"), json!(seconds? * 1e3));
        }
        let growth: Vec<Value> = growth
            .iter()
            .map(|(name, t)| json!({"case": name, "tokens": t.tokens, "step_secs": t.step_secs, "tokens_per_sec": t.tokens_per_sec, "gflops": t.gflops}))
            .collect();
        let result = json!({
            "config": config,
            "threads": rayon::current_num_threads(),
            "matmul_peak_gflops": peak,
            "train_tokens_per_sec": training.tokens_per_sec,
            "train_fraction_of_peak": training.gflops / peak,
            "group_train_tokens_per_sec": group_training.tokens_per_sec,
            "sample_tokens_per_sec": sampling.tokens_per_sec,
            "sample_one_tokens_per_sec": alone.tokens_per_sec,
            "grpo_step_secs": grpo.seconds,
            "image_processor_ms": image_ms,
            "training": training,
            "group_training": group_training,
            "sampling": sampling,
            "grpo": grpo,
            "growth": growth,
        });
        writeln!(out, "{}", serde_json::to_string_pretty(&result)?)?;
        return Ok(());
    }
    let threads = rayon::current_num_threads();
    writeln!(out, "{threads} threads, matrix product {peak:.0} GFLOP/s")?;
    writeln!(out)?;
    let row = |cells: [String; 3]| cells.to_vec();
    let mut rows = vec![
        training_row(
            format!("training, {} sequences of {} tokens", config.batch, training.tokens / config.batch),
            &training,
            peak,
        ),
        training_row(
            format!("training, {} × {} sequences, their prompts shared", config.groups, config.group_size),
            &group_training,
            peak,
        ),
        row([
            format!(
                "sampling, {} × {} responses of {} tokens",
                config.groups, config.group_size, config.answer
            ),
            format!("{:.0} ms", sampling.seconds * 1e3),
            format!("{:.0} tok/s", sampling.tokens_per_sec),
        ]),
        row([
            "sampling, one sequence".into(),
            format!("{:.2} ms a token", 1e3 / alone.tokens_per_sec),
            format!("{:.0} tok/s", alone.tokens_per_sec),
        ]),
    ];
    for (w, h, seconds) in images {
        rows.push(row([
            format!("image processor, {w} × {h}, one core"),
            format!("{:.2} ms", seconds? * 1e3),
            String::new(),
        ]));
    }
    write_columns(&rows, "", out)?;
    writeln!(out)?;
    write_step(&config, &grpo, peak, out)?;
    if !growth.is_empty() {
        writeln!(out)?;
        let mut rows =
            vec![["training", "tokens", "ms a step", "tok/s", "GFLOP/s"].map(String::from).to_vec()];
        rows.extend(growth.iter().map(|(name, t)| {
            vec![
                name.clone(),
                t.tokens.to_string(),
                format!("{:.0}", t.step_secs * 1e3),
                format!("{:.0}", t.tokens_per_sec),
                format!("{:.0}", t.gflops),
            ]
        }));
        write_columns(&rows, "", out)?;
    }
    Ok(())
}

fn training_row(name: String, training: &Training, peak: f64) -> Vec<String> {
    let Training { step_secs, tokens_per_sec, gflops, .. } = training;
    let share = 100.0 * gflops / peak;
    vec![
        name,
        format!("{:.0} ms", step_secs * 1e3),
        format!("{tokens_per_sec:.0} tok/s, {gflops:.0} GFLOP/s = {share:.0} % of the product's"),
    ]
}

fn write_step(config: &BenchConfig, grpo: &GrpoStep, peak: f64, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "GRPO step, {} × {} responses of up to {} tokens, a picture each: {:.2} s, {} tokens sampled, {} trained",
        config.groups,
        config.group_size,
        config.answer,
        grpo.seconds,
        grpo.sampled_tokens,
        grpo.trained_tokens
    )?;
    let mut rows = vec![["", "ms", "share", "GFLOP/s", "of the product's"].map(String::from).to_vec()];
    for part in &grpo.parts {
        let speed = part.gflops.map_or(String::new(), |g| format!("{g:.0}"));
        let share = part.gflops.map_or(String::new(), |g| format!("{:.0} %", 100.0 * g / peak));
        rows.push(vec![
            part.name.into(),
            format!("{:.1}", part.seconds * 1e3),
            format!("{:.1} %", 100.0 * part.seconds / grpo.seconds),
            speed,
            share,
        ]);
    }
    write_columns(&rows, "  ", out)?;
    if let Some(bytes) = grpo.memory_over_state {
        writeln!(out, "peak memory beyond weights and optimizer: {} MB", bytes / 1_000_000)?;
    }
    Ok(())
}

/// A training with one size changed.
struct Case {
    name: String,
    config: BenchConfig,
    /// Groups that share their prompts, instead of separate sequences.
    shared: bool,
    /// Other than those there are.
    threads: Option<usize>,
}

impl Case {
    fn run(&self) -> anyhow::Result<Training> {
        let train = || {
            if self.shared { bench::group_training(&self.config) } else { bench::training(&self.config) }
        };
        Ok(match self.threads {
            Some(threads) => rayon::ThreadPoolBuilder::new().num_threads(threads).build()?.install(train)?,
            None => train()?,
        })
    }
}

fn growth_cases(config: &BenchConfig) -> Vec<Case> {
    let c = *config;
    let separate =
        |name: &str, config: BenchConfig| Case { name: name.into(), config, shared: false, threads: None };
    let mut cases = vec![
        separate("batch 8", BenchConfig { batch: 8, ..c }),
        separate("batch 32", BenchConfig { batch: 32, ..c }),
        separate("batch 128", BenchConfig { batch: 128, ..c }),
        separate("answer of 16", BenchConfig { answer: 16, ..c }),
        separate("answer of 256", BenchConfig { answer: 256, ..c }),
        separate("answer of 1024", BenchConfig { batch: 8, answer: 1024, ..c }),
        separate("picture 224 × 224", BenchConfig { image_side: 224, ..c }),
        separate("picture 448 × 448", BenchConfig { batch: 8, image_side: 448, ..c }),
        separate("width × 2", BenchConfig { width: 2, ..c }),
        separate("width × 4", BenchConfig { batch: 8, width: 4, repeats: 1, ..c }),
    ];
    cases.extend([2, 4, 8, 16].map(|group_size| Case {
        name: format!("{} groups of {group_size}", c.groups),
        config: BenchConfig { group_size, ..c },
        shared: true,
        threads: None,
    }));
    let doubled = |threads: &usize| Some(2 * threads);
    let threads = std::iter::successors(Some(1), doubled).take_while(|n| *n <= rayon::current_num_threads());
    cases.extend(threads.map(|threads| Case {
        name: format!("threads: {threads}"),
        config: c,
        shared: false,
        threads: Some(threads),
    }));
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_is_changed_and_can_be_run() {
        let config = BenchConfig { groups: 3, answer: 2, repeats: 1, ..BenchConfig::default() };
        let cases = growth_cases(&config);
        for name in ["batch 8", "answer of 16", "width × 2", "3 groups of 2", "3 groups of 16", "threads: 1"]
        {
            assert!(cases.iter().any(|case| case.name == name), "{name}");
        }
        let case = cases.into_iter().find(|case| case.name == "3 groups of 2").unwrap();
        let case = Case { threads: Some(1), ..case };
        // 16 tokens of a picture, 26 of text, 2 of an answer.
        let Training { sequences, tokens, .. } = case.run().unwrap();
        assert_eq!((sequences, tokens), (6, 6 * 44));
    }
}
