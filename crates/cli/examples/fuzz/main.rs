//! Throws mutated files at whatever reads files from outside, and mutated texts at the parsers of what a policy writes.
//! A panic, a broken law or a slow input is a finding: it is printed, kept in a file, and ends the run with an error.
//!
//! `cargo run --release --example fuzz -- TARGET AMOUNT [SEED] [FROM]`
//!
//! - `TARGET`: one of those in `targets.rs` and `texts.rs`, or `all`, one after the other.
//! - `AMOUNT`: how many files each target gets (`50000`), or for how long (`40s`).
//! - `SEED`: default 1. The same seed throws the same files on every machine; only how many `40s` are depends on it.
//! - `FROM`: the number of the first file, default 0. `recipe 1 7 81234` throws one file again.
//!
//! Files come from the corpus of the target, the shipped recipes, the fixtures of the model and the conformance cases
//! of rewards; mutations cut, repeat, splice, insert and overwrite, and what is checksummed is summed again, so that the
//! sum is no wall. It is not guided by coverage.
//!
//! # What ends the process
//!
//! A stack that overflows and memory that cannot be had are not caught. Run it under `ulimit -v 8000000` (KiB), so that
//! an input which takes gigabytes ends the fuzzer and not the machine. The number of the file that is being thrown
//! stands in `fuzz-TARGET-SEED.at` in the folder for temporary files, which is removed when a target is through. To
//! find out more:
//!
//! `fuzz TARGET 1 SEED "$(cat /tmp/fuzz-TARGET-SEED.at)"`

mod mutate;
mod run;
mod sums;
mod targets;
mod texts;

use std::process::ExitCode;
use std::time::Duration;

use run::{Amount, run};
use targets::{TARGETS, Target};
use texts::TEXTS;

/// A count, or a time: `50000`, `40s`.
fn amount(text: &str) -> Option<Amount> {
    match text.strip_suffix('s') {
        Some(seconds) => seconds.parse().ok().map(Duration::from_secs).map(Amount::Time),
        None => text.parse().ok().map(Amount::Files),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = arguments.first().map_or("", String::as_str);
    let all = || TARGETS.iter().chain(TEXTS);
    let chosen: Vec<&Target> = all().filter(|t| name == "all" || name == t.name).collect();
    let number = |at: usize, default| arguments.get(at).map_or(Some(default), |s| s.parse::<u64>().ok());
    let given = arguments.get(1).and_then(|s| amount(s));
    let (false, Some(amount), Some(seed), Some(from), true) =
        (chosen.is_empty(), given, number(2, 1), number(3, 0), arguments.len() <= 4)
    else {
        let names: Vec<&str> = all().map(|t| t.name).collect();
        eprintln!("usage: fuzz {}|all FILES|SECONDSs [SEED] [FROM]", names.join("|"));
        return ExitCode::FAILURE;
    };
    // A panic is caught and told with its file; the usual message would come before it.
    std::panic::set_hook(Box::new(|_| {}));
    let mut findings = 0;
    for target in chosen {
        match run(target, amount, seed, from) {
            Ok(found) => findings += found,
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
