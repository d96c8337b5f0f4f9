//! Runs the built program in a folder of its own, so that messages hold short relative paths.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses its own part of this"
)]

pub mod recipes;

use std::collections::BTreeMap;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

/// What the program did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// Runs `eyas` in `dir`.
pub fn eyas(dir: &Path, args: &[&str]) -> Ran {
    let done = command(dir, args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: done.status.code().unwrap_or(-1), out: text(done.stdout), err: text(done.stderr) }
}

/// The same, not started yet.
pub fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eyas"));
    command.current_dir(dir).args(args).stdin(Stdio::null()).env("RUST_BACKTRACE", "0");
    command
}

/// Runs `eyas` and insists that it succeeds.
pub fn done(dir: &Path, args: &[&str]) -> Ran {
    let ran = eyas(dir, args);
    assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
    ran
}

/// Runs `eyas` and insists that it refuses with exactly this message, prints nothing else, and leaves the
/// folder as it was.
#[track_caller]
pub fn refused(dir: &Path, args: &[&str], message: &str) {
    let before = files(dir);
    let ran = eyas(dir, args);
    assert_eq!(ran.err, format!("{message}\n"), "{args:?}");
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{args:?}");
    assert_eq!(files(dir), before, "{args:?} left something behind");
}

/// Every file and folder below `dir`, with its length.
fn files(dir: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let meta = entry.metadata().unwrap();
        found.insert(entry.path(), if meta.is_dir() { 0 } else { meta.len() });
        if meta.is_dir() {
            found.extend(files(&entry.path()));
        }
    }
    found
}

/// The folder of this test binary; empty when first asked for.
fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME"));
        if root.exists() {
            fs::remove_dir_all(&root).unwrap();
        }
        fs::create_dir_all(&root).unwrap();
        root
    })
}

/// The folder of one test. A test that passes removes it: checkpoints of all tests together are 11 GB.
pub struct Folder(PathBuf);

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !thread::panicking() {
            // What cannot be removed now goes when the tests are run again.
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// A fresh folder for one test.
pub fn folder(name: &str) -> Folder {
    let path = root().join(name);
    fs::create_dir(&path).unwrap();
    Folder(path)
}

/// A tiny model beside the folders of the tests, made once. Its place as seen from them.
pub fn model() -> &'static str {
    static MODEL: OnceLock<()> = OnceLock::new();
    MODEL.get_or_init(|| {
        done(root(), &["model", "new", "model"]);
    });
    "../model"
}

/// A copy of the model in `dir`, to be damaged.
pub fn copy_model(dir: &Path, name: &str) -> PathBuf {
    let (from, to) = (dir.join(model()), dir.join(name));
    fs::create_dir(&to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
    to
}

/// Writes a PNG of that size, striped so that sizes differ in content.
pub fn png(path: &Path, width: u32, height: u32) {
    let picture = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 90]));
    picture.save(path).unwrap();
}

/// The lines of a run's metrics.jsonl, without what the clock says.
pub fn metrics(run: &Path) -> Vec<Map<String, Value>> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let timing =
        |key: &String| key.starts_with("timing_s/") || key.starts_with("perf/") || key == "step_time";
    text.lines()
        .map(|line| {
            let mut line: Map<String, Value> = serde_json::from_str(line).unwrap();
            line.retain(|key, _| !timing(key));
            line
        })
        .collect()
}

/// Trains the recipe; gives the lines of metrics of its run directory `name`.
pub fn run(dir: &Path, name: &str, recipe: &str) -> Vec<Map<String, Value>> {
    fs::write(dir.join(format!("{name}.toml")), recipe).unwrap();
    done(dir, &["train", &format!("{name}.toml"), "--run", name]);
    metrics(&dir.join(name))
}

/// A metric of each line.
pub fn numbers(lines: &[Map<String, Value>], key: &str) -> Vec<f64> {
    lines.iter().map(|l| l[key].as_f64().unwrap_or_else(|| panic!("{key} in {l:?}"))).collect()
}

/// The stored episodes of a step.
pub fn episodes(run: &Path, step: usize) -> Vec<Value> {
    let text = fs::read_to_string(run.join(format!("episodes/step-{step:06}.jsonl"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The summary of a run, without what the clock and the machine say.
pub fn summary(run: &Path) -> Value {
    let text = fs::read_to_string(run.join("summary.json")).unwrap();
    let mut summary: Value = serde_json::from_str(&text).unwrap();
    for key in ["seconds", "peak_memory_bytes", "recipe"] {
        summary[key] = Value::Null;
    }
    summary
}

/// The hash of the weights that a run ended with.
pub fn hash(run: &Path) -> Value {
    summary(run)["weights_hash"].clone()
}

/// The folder of the shipped tiny model.
pub fn shipped_model() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/eyas-tiny");
    folder.canonicalize().unwrap().display().to_string()
}

/// The arguments that begin a run, or go on with it when it was begun.
pub fn train_args<'a>(dir: &Path, recipe: &'a str, run: &'a str) -> Vec<&'a str> {
    match dir.join(run).join("recipe.toml").is_file() {
        true => vec!["train", "--resume", run],
        false => vec!["train", recipe, "--run", run],
    }
}

/// Starts `eyas` and does not wait for it; nobody reads what it prints.
pub fn start(dir: &Path, args: &[&str]) -> Child {
    command(dir, args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// How many steps a run has logged.
pub fn logged(run: &Path) -> usize {
    fs::read_to_string(run.join("metrics.jsonl")).map_or(0, |text| text.lines().count())
}

/// Waits until the run has logged so many steps; false when it ended before.
pub fn wait_for_steps(child: &mut Child, run: &Path, steps: usize) -> bool {
    let begun = Instant::now();
    while logged(run) < steps {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(begun.elapsed() < Duration::from_secs(300), "{} of {steps} steps", logged(run));
        sleep(Duration::from_millis(5));
    }
    true
}

/// Sends a process that was started here a signal by its name.
pub fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}
