//! A run that is cut short and goes on ends as one that was not.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::recipes::REMEMBERING;
use common::{
    command, done, folder, hash, metrics, refused, signal, start, summary, train_args, wait_for_steps,
};
use eyas_core::Seed;

fn assert_same(whole: &Path, pieces: &Path) {
    assert_eq!(summary(whole), summary(pieces));
    assert_eq!(metrics(whole), metrics(pieces));
    for step in [0, 4, 6, 8] {
        let episodes = format!("episodes/step-{step:06}.jsonl");
        assert_eq!(fs::read(whole.join(&episodes)).unwrap(), fs::read(pieces.join(&episodes)).unwrap());
    }
    assert!(fs::read_to_string(pieces.join("report.html")).unwrap().trim_end().ends_with("</html>"));
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_as_one_that_was_not() {
    let dir = folder("resume-kill");
    fs::write(dir.join("r.toml"), REMEMBERING).unwrap();
    done(&dir, &["train", "r.toml", "--run", "whole", "--threads", "2"]);
    let run = dir.join("pieces");
    let mut kills = 0;
    for (n, steps) in [1, 3, 5, 6, 8, 9].into_iter().enumerate() {
        let threads = if n % 2 == 0 { "1" } else { "2" };
        let args = train_args(&dir, "r.toml", "pieces");
        let mut child = start(&dir, &[&args[..], &["--threads", threads]].concat());
        if wait_for_steps(&mut child, &run, steps) && child.try_wait().unwrap().is_none() {
            signal(&child, "KILL");
            kills += 1;
        }
        child.wait().unwrap();
    }
    assert!(kills >= 4, "{kills} kills");
    done(&dir, &["train", "--resume", "pieces"]);
    assert_same(&dir.join("whole"), &run);
    assert!(done(&dir, &["train", "--resume", "pieces"]).err.contains("is finished"));
}

#[test]
fn signals_end_a_run_with_a_checkpoint() {
    let dir = folder("resume-signal");
    fs::write(dir.join("r.toml"), REMEMBERING).unwrap();
    done(&dir, &["train", "r.toml", "--run", "whole"]);
    let run = dir.join("pieces");
    for (name, code, steps) in [("TERM", 143, 3), ("INT", 130, 7)] {
        let mut child = start(&dir, &train_args(&dir, "r.toml", "pieces"));
        assert!(wait_for_steps(&mut child, &run, steps));
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{name}");
        // Nothing that was logged is lost: the checkpoint is of the last finished step.
        let logged = metrics(&run).len();
        assert!(run.join(format!("checkpoints/step-{logged:08}/manifest.json")).is_file(), "{logged} steps");
    }
    done(&dir, &["train", "--resume", "pieces"]);
    assert_same(&dir.join("whole"), &run);
}

#[test]
fn a_broken_checkpoint_is_passed_over_and_another_recipe_refused() {
    let dir = folder("resume-broken");
    fs::write(dir.join("r.toml"), REMEMBERING).unwrap();
    done(&dir, &["train", "r.toml", "--run", "whole"]);
    let run = dir.join("pieces");
    let mut child = start(&dir, &["train", "r.toml", "--run", "pieces"]);
    assert!(wait_for_steps(&mut child, &run, 7));
    signal(&child, "TERM");
    child.wait().unwrap();

    // A byte of the newest checkpoint changes.
    let logged = metrics(&run).len();
    let state = run.join(format!("checkpoints/step-{logged:08}/state.safetensors"));
    let mut bytes = fs::read(&state).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&state, bytes).unwrap();

    fs::write(dir.join("other.toml"), REMEMBERING.replace("id = \"frozen-lake\"", "id = \"swap\"")).unwrap();
    let error = common::eyas(&dir, &["train", "other.toml", "--resume", "pieces", "--allow", "id"]).err;
    assert!(error.contains("`stage.0.env.1.id`") && error.contains("cannot change"), "{error}");
    let lr = ["train", "r.toml", "--resume", "pieces", "--set", "stage.rl.optim.lr=2e-3"];
    let error = common::eyas(&dir, &lr).err;
    assert!(error.contains("`stage.1.optim.lr` differ") && error.contains("--allow lr"), "{error}");

    let resumed = done(&dir, &["train", "--resume", "pieces"]);
    assert!(resumed.err.contains("is not used"), "{}", resumed.err);
    assert_same(&dir.join("whole"), &run);
    refused(
        &dir,
        &["train", "--resume", "nowhere"],
        "error: cannot read nowhere/recipe.toml: No such file or directory (os error 2)\n\
         hint: --resume takes the directory of a run, such as runs/quickstart-seed1",
    );
}

#[test]
fn one_process_trains_in_a_directory() {
    let dir = folder("resume-lock");
    fs::write(dir.join("r.toml"), REMEMBERING).unwrap();
    let mut child = start(&dir, &["train", "r.toml", "--run", "one"]);
    assert!(wait_for_steps(&mut child, &dir.join("one"), 1));
    for args in [&["train", "--resume", "one"][..], &["train", "r.toml", "--run", "one", "--overwrite"]] {
        let error = common::eyas(&dir, args).err;
        assert!(error.contains(&child.id().to_string()), "names the process: {error}");
    }
    signal(&child, "KILL");
    child.wait().unwrap();
}

#[test]
fn a_process_that_was_killed_before_its_run_began_is_in_nobodys_way() {
    let dir = folder("resume-unbegun");
    let recipe = REMEMBERING.split("\n[[stage]]").take(2).collect::<Vec<_>>().join("\n[[stage]]");
    fs::write(dir.join("r.toml"), format!("{recipe}[eval]\nepisodes = 1\n")).unwrap();
    for name in ["bare", "made"] {
        fs::create_dir_all(dir.join(name)).unwrap();
        fs::write(dir.join(name).join(".lock"), "").unwrap();
    }
    fs::create_dir_all(dir.join("made/episodes/images")).unwrap();
    fs::create_dir_all(dir.join("made/checkpoints")).unwrap();
    fs::write(dir.join("made/metrics.jsonl"), "").unwrap();
    fs::write(dir.join("made/origin.json"), "{").unwrap();
    refused(
        &dir,
        &["train", "--resume", "made"],
        "error: cannot read made/recipe.toml: No such file or directory (os error 2)\n\
         hint: no step was begun there; begin with `eyas train RECIPE --run made`",
    );
    let short = ["--set", "stage.sft.steps=1"];
    done(&dir, &[&["train", "r.toml", "--run", "bare"], &short[..]].concat());
    done(&dir, &[&["train", "r.toml", "--run", "made", "--overwrite"], &short[..]].concat());
    assert_eq!(hash(&dir.join("bare")), hash(&dir.join("made")));
    // The same files with something of a run among them.
    fs::remove_file(dir.join("made/recipe.toml")).unwrap();
    let error = common::eyas(&dir, &["train", "r.toml", "--run", "made"]).err;
    assert!(error.contains("exists and is not empty"), "{error}");
}

/// The recipe without its second stage, and a step that takes a while.
fn long_steps() -> String {
    let first = REMEMBERING.split("\n[[stage]]").take(2).collect::<Vec<_>>().join("\n[[stage]]");
    let long = first.replace("batch_size = 4", "batch_size = 24").replace("steps = 4", "steps = 2");
    assert_ne!(long, first);
    format!("{long}micro_batch_tokens = 1000000\n[eval]\nepisodes = 2\n")
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let dir = folder("resume-twice");
    fs::write(dir.join("r.toml"), long_steps()).unwrap();
    done(&dir, &["train", "r.toml", "--run", "whole"]);
    let run = dir.join("pieces");
    let mut child = command(&dir, &["train", "r.toml", "--run", "pieces"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let child = child.as_mut().unwrap();
    assert!(wait_for_steps(child, &run, 1));
    // The next step has begun: the first signal waits for a gradient over all of its demonstrations.
    signal(child, "TERM");
    sleep(Duration::from_millis(20));
    signal(child, "INT");
    let second = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let took = second.elapsed();
    let mut said = String::new();
    std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut said).unwrap();
    assert!(!said.contains("stopped by signal"), "the first signal was faster: {said}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    done(&dir, &["train", "--resume", "pieces"]);
    assert_eq!(summary(&dir.join("whole")), summary(&run));
    assert_eq!(metrics(&dir.join("whole")), metrics(&run));
}

#[test]
fn an_evaluation_in_the_middle_of_a_stage_can_be_interrupted() {
    let dir = folder("resume-evaluation");
    let recipe = REMEMBERING.replace("episodes = 2", "episodes = 24\nevery = 3\nbatch = 12");
    fs::write(dir.join("r.toml"), recipe).unwrap();
    done(&dir, &["train", "r.toml", "--run", "whole"]);
    let run = dir.join("pieces");
    // The third step of each stage is measured. The first signal comes somewhere about there; the second when the
    // step's episodes are written and its line is not, so while it is measured.
    for (name, code, steps, shown) in [("TERM", 143, 2, "before-2048"), ("INT", 130, 6, "step-000006")] {
        let mut child = start(&dir, &train_args(&dir, "r.toml", "pieces"));
        assert!(wait_for_steps(&mut child, &run, steps));
        while !run.join(format!("episodes/{shown}.jsonl")).is_file() {
            assert!(child.try_wait().unwrap().is_none());
            sleep(Duration::from_millis(1));
        }
        signal(&child, name);
        let begun = Instant::now();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        let took = begun.elapsed();
        println!("stopped after {took:?}, {} lines are logged", metrics(&run).len());
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    // The second signal met the measurement: its step is done, and its line is still to come.
    let manifest = fs::read_to_string(run.join("checkpoints/step-00000007/manifest.json")).unwrap();
    assert!(manifest.contains("\"unmeasured\"") && metrics(&run).len() == 6, "{manifest}");
    done(&dir, &["train", "--resume", "pieces"]);
    assert_same(&dir.join("whole"), &run);
    assert!(metrics(&run)[6].contains_key("eval/2048/score"));
}

#[test]
fn a_disk_that_is_full_costs_checkpoints_and_nothing_else() {
    let dir = folder("resume-full");
    fs::write(dir.join("r.toml"), REMEMBERING).unwrap();
    done(&dir, &["train", "r.toml", "--run", "whole"]);
    // The state of a checkpoint (weights and two moments) no longer fits, the weights alone do.
    let weights = fs::metadata(dir.join("whole/checkpoints/final/model.safetensors")).unwrap().len();
    let script = format!(
        "trap '' XFSZ; ulimit -f {}; exec {} train r.toml --run full",
        2 * weights / 512,
        env!("CARGO_BIN_EXE_eyas")
    );
    let ran = Command::new("sh").args(["-c", &script]).current_dir(&dir).output().unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.success(), "{said}");
    let warnings = said.matches("warning: no checkpoint after step").count();
    assert!(warnings >= 4 && said.contains("training goes on"), "{said}");
    assert_same(&dir.join("whole"), &dir.join("full"));
    let left: Vec<_> =
        fs::read_dir(dir.join("full/checkpoints")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["final"], "nothing half");
}

/// `faults/kills.sh` runs this with as many kills as it is told.
#[test]
#[ignore = "takes minutes"]
fn a_run_survives_kills_at_random_moments() {
    let wanted: usize = std::env::var("EYAS_KILLS").map_or(200, |n| n.parse().unwrap());
    let dir = folder("resume-kills");
    fs::write(dir.join("r.toml"), REMEMBERING).unwrap();
    let begun = Instant::now();
    done(&dir, &["train", "r.toml", "--run", "whole"]);
    let length = begun.elapsed().as_secs_f64();
    let mut rng = Seed::new(wanted as u64).rng();
    let (mut kills, mut survived, mut trainings) = (0, 0, 0);
    while kills < wanted {
        let name = format!("run-{trainings}");
        let run = dir.join(&name);
        let mut here = 0;
        loop {
            let mut child = start(&dir, &train_args(&dir, "r.toml", &name));
            let last = kills + here == wanted;
            let life = Duration::from_secs_f64(0.5 * length * rng.unit());
            let born = Instant::now();
            while (last || born.elapsed() < life) && child.try_wait().unwrap().is_none() {
                sleep(Duration::from_millis(2));
            }
            match child.try_wait().unwrap() {
                Some(status) => {
                    assert!(status.success(), "{name} after {here} kills: {status}");
                    break;
                }
                None => {
                    signal(&child, "KILL");
                    child.wait().unwrap();
                    here += 1;
                }
            }
        }
        kills += here;
        trainings += 1;
        let same = hash(&dir.join("whole")) == hash(&run) && metrics(&dir.join("whole")) == metrics(&run);
        survived += if same { here } else { 0 };
        println!("{survived} of {kills} after {trainings} trainings, {:.0} s", begun.elapsed().as_secs_f64());
        fs::remove_dir_all(&run).unwrap();
    }
    println!("{survived} of {kills}");
    assert_eq!(survived, kills);
}
