//! Throws mutated files at whatever reads files from outside, for a while. A panic, a broken law or a slow input is a
//! finding: it is printed, kept in a file, and ends the run with an error.
//!
//! `cargo run --release -p eyas-train --example fuzz -- TARGET SECONDS [SEED]`, where `TARGET` is one of those in
//! `targets.rs`, or `all` (one after the other, each for `SECONDS`).
//!
//! Files come from `fuzz/corpus/TARGET`, the shipped recipes and the fixtures of the model; mutations cut, repeat,
//! splice, insert and overwrite, and what is checksummed is summed again, so that the sum is no wall. It is not
//! guided by coverage. The same seed makes the same files. Texts that a policy writes are thrown at their parsers by
//! the example of the same name in `eyas-reward`.

mod mutate;
mod sums;
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use eyas_core::Seed;
use mutate::mutated;
use targets::{TARGETS, Target};

/// The longest that one file may take. A machine with other work needs some time for itself.
const SLOW: Duration = Duration::from_secs(2);
/// A run ends after so many findings.
const FINDINGS: usize = 5;

/// The files of a target's own corpus and of its other folders, in the order of their names.
fn corpus(target: &Target) -> std::io::Result<Vec<Vec<u8>>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let own = format!("fuzz/corpus/{}", target.name);
    for folder in [own.as_str()].iter().chain(target.folders) {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(root.join(folder))?.filter_map(|e| Some(e.ok()?.path())).collect();
        paths.sort();
        for path in paths.into_iter().filter(|p| p.is_file()) {
            if *folder == own || path.extension().is_some_and(|e| e == target.extension) {
                files.push(fs::read(path)?);
            }
        }
    }
    Ok(files)
}

/// Runs one target; the number of findings.
fn run(target: &Target, seconds: u64, seed: u64) -> Result<usize, String> {
    let failed = |error: std::io::Error| format!("the corpus of {}: {error}", target.name);
    let corpus = corpus(target).map_err(failed)?;
    let scratch = tempfile::tempdir().map_err(failed)?;
    (target.prepare)(scratch.path()).map_err(failed)?;
    // A corpus that is refused as it is would be thrown at the first check only.
    let whole = corpus.iter().filter(|file| (target.check)(scratch.path(), file) == Ok(true)).count();
    if whole == 0 {
        return Err(format!("nothing in the corpus of {} is accepted", target.name));
    }
    let (begin, mut count, mut accepted, mut findings) = (Instant::now(), 0u64, 0u64, 0);
    let mut slowest = Duration::ZERO;
    while begin.elapsed() < Duration::from_secs(seconds) && findings < FINDINGS {
        let mut rng = Seed::new(seed).split(target.name, count).rng();
        let file = mutated(&corpus, target.pieces, &mut rng);
        let clock = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(|| (target.check)(scratch.path(), &file)));
        let took = clock.elapsed();
        slowest = slowest.max(took);
        let problem = match done {
            Err(_) => Some("a panic".to_string()),
            Ok(Err(problem)) => Some(problem),
            Ok(Ok(read)) => {
                accepted += u64::from(read);
                (took > SLOW).then(|| format!("{} ms", took.as_millis()))
            }
        };
        if let Some(problem) = problem {
            findings += 1;
            let kept = std::env::temp_dir().join(format!("fuzz-{}-{seed}-{count}", target.name));
            let place =
                fs::write(&kept, &file).map_or_else(|e| e.to_string(), |()| kept.display().to_string());
            println!("{}, seed {seed}, file {count}: {problem}\n{place}", target.name);
        }
        count += 1;
    }
    println!(
        "{}: {} files to start from ({whole} accepted), {count} executions in {:.0} s ({accepted} accepted), the \
         slowest {:.1} ms, {findings} findings",
        target.name,
        corpus.len(),
        begin.elapsed().as_secs_f64(),
        slowest.as_secs_f64() * 1e3,
    );
    Ok(findings)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = arguments.first().map_or("", String::as_str);
    let chosen: Vec<&Target> = TARGETS.iter().filter(|t| name == "all" || name == t.name).collect();
    let seconds = arguments.get(1).and_then(|s| s.parse::<u64>().ok());
    let seed = arguments.get(2).map_or(Some(1), |s| s.parse().ok());
    let (false, Some(seconds), Some(seed)) = (chosen.is_empty(), seconds, seed) else {
        let names: Vec<&str> = TARGETS.iter().map(|t| t.name).collect();
        eprintln!("usage: fuzz {}|all SECONDS [SEED]", names.join("|"));
        return ExitCode::FAILURE;
    };
    // A panic is caught and told with its file; the usual message would come before it.
    std::panic::set_hook(Box::new(|_| {}));
    let mut findings = 0;
    for target in chosen {
        match run(target, seconds, seed) {
            Ok(found) => findings += found,
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
