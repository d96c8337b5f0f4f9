//! One target: what it starts from, and the files that are thrown at it.

use std::fs::{self, File};
use std::io::{Result as IoResult, Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use eyas_core::Seed;
use tempfile::TempDir;

use crate::mutate::mutated;
use crate::targets::Target;

/// A run ends after so many findings.
const FINDINGS: usize = 5;

/// When a target has had enough.
#[derive(Clone, Copy)]
pub(crate) enum Amount {
    /// After so many files.
    Files(u64),
    /// After so long.
    Time(Duration),
}

/// The files of a target's own corpus and of its other folders, in the order of their names.
fn corpus(target: &Target) -> IoResult<Vec<Vec<u8>>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let paths = |folder: &str| -> IoResult<Vec<PathBuf>> {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(root.join(folder))?.filter_map(|e| Some(e.ok()?.path())).collect();
        paths.retain(|p| p.is_file());
        paths.sort();
        Ok(paths)
    };
    let mut files = Vec::new();
    for path in paths(&format!("{}/{}", target.corpus, target.name))? {
        files.push(fs::read(path)?);
    }
    for folder in target.folders {
        for path in paths(folder)?.iter().filter(|p| p.extension().is_some_and(|e| e == target.extension)) {
            files.extend((target.split)(path, fs::read(path)?));
        }
    }
    Ok(files)
}

/// A folder in memory where there is one: on a disk, writing a file takes a hundred times as long as reading it here.
fn scratch() -> IoResult<TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

/// Where the number of the file that is being thrown is written, for those that end the process.
struct Position {
    path: PathBuf,
    file: File,
}

impl Position {
    fn new(target: &Target, seed: u64) -> IoResult<Self> {
        let path = std::env::temp_dir().join(format!("fuzz-{}-{seed}.at", target.name));
        Ok(Self { file: File::create(&path)?, path })
    }

    /// Numbers only grow, so that none is left from the one before.
    fn set(&mut self, number: u64) -> IoResult<()> {
        self.file.rewind()?;
        self.file.write_all(number.to_string().as_bytes())
    }
}

/// How long this thread has been on a processor; on Linux.
fn busy() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// Runs one target; the number of findings.
pub(crate) fn run(target: &Target, amount: Amount, seed: u64, from: u64) -> Result<usize, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", target.name);
    let corpus = corpus(target).map_err(failed)?;
    let scratch = scratch().map_err(failed)?;
    (target.prepare)(scratch.path()).map_err(failed)?;
    // A corpus that is refused as it is would be thrown at the first check only.
    let whole = corpus.iter().filter(|file| (target.check)(scratch.path(), file) == Ok(true)).count();
    if whole == 0 {
        return Err(format!("nothing in the corpus of {} is accepted", target.name));
    }
    let mut position = Position::new(target, seed).map_err(failed)?;
    let (begin, mut count, mut accepted, mut findings) = (Instant::now(), 0u64, 0u64, 0);
    let mut slowest = (Duration::ZERO, from);
    let enough = |count: u64| match amount {
        Amount::Files(files) => count >= files,
        Amount::Time(time) => begin.elapsed() >= time,
    };
    while !enough(count) && findings < FINDINGS {
        let number = from + count;
        position.set(number).map_err(failed)?;
        let mut rng = Seed::new(seed).split(target.name, number).rng();
        let file = mutated(&corpus, target.pieces, target.longest, &mut rng);
        let once = || catch_unwind(AssertUnwindSafe(|| (target.check)(scratch.path(), &file)));
        let clock = Instant::now();
        let done = once();
        let mut took = clock.elapsed();
        // A machine with other work lets this wait: what seems slow is thrown again, and the time on the processor
        // counts, where the system tells it.
        if took > target.slow
            && let Some(before) = busy()
        {
            drop(once());
            took = busy().map_or(took, |after| after.saturating_sub(before));
        }
        slowest = slowest.max((took, number));
        let problem = match done {
            Err(_) => Some("a panic".to_string()),
            Ok(Err(problem)) => Some(problem),
            Ok(Ok(read)) => {
                accepted += u64::from(read);
                (took > target.slow).then(|| format!("{} ms", took.as_millis()))
            }
        };
        if let Some(problem) = problem {
            findings += 1;
            let kept = std::env::temp_dir().join(format!("fuzz-{}-{seed}-{number}", target.name));
            let place =
                fs::write(&kept, &file).map_or_else(|e| e.to_string(), |()| kept.display().to_string());
            println!("{}, seed {seed}, file {number}: {problem}\n{place}", target.name);
        }
        count += 1;
    }
    fs::remove_file(&position.path).map_err(failed)?;
    println!(
        "{}: {} files to start from ({whole} accepted), seed {seed}: {count} executions from {from} in {:.0} s \
         ({accepted} accepted), the slowest {:.1} ms ({}), {findings} findings",
        target.name,
        corpus.len(),
        begin.elapsed().as_secs_f64(),
        slowest.0.as_secs_f64() * 1e3,
        slowest.1,
    );
    Ok(findings)
}
