//! `eyas eval`: how well a model plays, on held-out episodes.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{anyhow, bail};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use eyas_core::{Interrupt, Seed};
use eyas_eval::{EvalConfig, EvalEnv, Evaluation, evaluate};
use eyas_gym::{EnvEntry, Preset, find, registry};
use eyas_rollout::Agent;
use serde_json::{Value, json};

use super::columns::write_columns;
use super::open::open_model;
use super::play_knobs::{knobs, preset};
use super::response_args::EpisodeArgs;
use crate::progress::Progress;

/// Measure a model on held-out episodes, between random guesses and the oracle
///
/// The episodes are those that a recipe with the same `eval.seed` is judged on, and no training ever uses
/// them. The normalised score is 0 for random guesses and 1 for the oracle, on the same episodes.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    eyas eval runs/quickstart-seed1/checkpoints/final --env 2048\n  \
    eyas eval models/tiny --env sokoban,frozen-lake --set sokoban.size=5 --temperature 0 --json\n  \
    eyas eval models/tiny --env all --episodes 16")]
pub(crate) struct EvalArgs {
    /// The folder of the model
    model: PathBuf,
    /// The environments, by id, or `all` of them; may be repeated
    #[arg(long = "env", value_name = "ID", required = true, value_delimiter = ',')]
    envs: Vec<String>,
    /// Where the difficulty dial of all environments stands; knobs given with --set go over it
    #[arg(long, value_parser = ["easy", "medium", "hard"])]
    preset: Option<String>,
    /// Turn a knob of one of the environments; may be repeated
    #[arg(long = "set", value_name = "ENV.KNOB=VALUE")]
    sets: Vec<String>,
    /// Episodes of each environment
    #[arg(long, default_value_t = 64, value_name = "N",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    episodes: usize,
    /// Names the episodes: `eval.seed` of a recipe
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    episode: EpisodeArgs,
    /// Episodes that are played at a time
    #[arg(long, default_value_t = 32, value_name = "N",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    batch: usize,
    /// Print a JSON array, one object an environment
    #[arg(long)]
    json: bool,
}

/// Runs `eyas eval`.
///
/// # Errors
/// When an environment, a knob or the model is refused.
pub(crate) fn run(args: &EvalArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let rollout = args.episode.config()?;
    let envs = environments(&args.envs, &args.sets, preset(args.preset.as_deref()))?;
    let model = open_model(&args.model)?;
    let config = EvalConfig {
        episodes: args.episodes,
        seed: Seed::new(args.seed).split("eval", 0),
        style: rollout.style,
        sampling: rollout.sampling,
        max_tokens: rollout.max_tokens,
        max_context: rollout.max_context,
        batch: args.batch,
        stop: rollout.stop,
        env_limit: None,
    };
    let mut progress = Progress::new("evaluate", (envs.len() * args.episodes) as u64);
    let mut results = Vec::with_capacity(envs.len());
    for (i, env) in envs.iter().enumerate() {
        let result = evaluate(Agent::of(&model), env, &config, &Interrupt::default(), |done| {
            progress.update((i * args.episodes + done) as u64, &env.name);
        })?;
        results.push((env, result));
    }
    progress.finish();
    if args.json {
        let rows: Vec<Value> = results.iter().map(|(env, result)| object(env, result)).collect();
        writeln!(out, "{:#}", Value::from(rows))?;
        return Ok(());
    }
    let mut rows = vec![HEAD.map(String::from)];
    rows.extend(results.iter().map(|(env, result)| row(env, result)));
    Ok(write_columns(&rows, "", out)?)
}

/// The chosen environments with their knobs.
fn environments(ids: &[String], sets: &[String], preset: Option<Preset>) -> anyhow::Result<Vec<EvalEnv>> {
    let entries: Vec<EnvEntry> = match ids {
        [all] if all == "all" => registry(),
        ids => ids.iter().map(|id| find(id)).collect::<Result<_, _>>()?,
    };
    if let Some((i, twice)) =
        entries.iter().enumerate().find(|(i, e)| entries[..*i].iter().any(|o| o.spec.id == e.spec.id))
    {
        bail!("--env names {:?} twice (place {})", twice.spec.id, i + 1);
    }
    let mut words: Vec<Vec<String>> = vec![Vec::new(); entries.len()];
    for set in sets {
        let (env, word) = set.split_once('.').ok_or_else(|| {
            anyhow!("--set {set:?} is not ENV.KNOB=VALUE\nhint: for example --set {}", example(&entries))
        })?;
        match entries.iter().position(|e| e.spec.id == env.trim()) {
            Some(i) => words[i].push(word.to_string()),
            None => {
                let chosen: Vec<&str> = entries.iter().map(|e| e.spec.id).collect();
                bail!("--set {set:?}: {env:?} is not among the environments ({})", chosen.join(", "));
            }
        }
    }
    let envs = entries.iter().zip(words).map(|(entry, words)| {
        let id = entry.spec.id.to_string();
        Ok(EvalEnv { name: id.clone(), id, knobs: knobs(entry, &words, preset)? })
    });
    envs.collect()
}

/// A knob of the first environment that has one, for a hint.
fn example(entries: &[EnvEntry]) -> String {
    let knob = entries.iter().find_map(|e| Some(format!("{}.{}=...", e.spec.id, e.spec.knobs.first()?.name)));
    knob.unwrap_or_else(|| "sokoban.size=5".into())
}

const HEAD: [&str; 10] = [
    "environment",
    "episodes",
    "score",
    "normalised",
    "success",
    "perception",
    "format",
    "tokens",
    "random",
    "oracle",
];

fn row(env: &EvalEnv, result: &Evaluation) -> [String; 10] {
    let Evaluation { measured, reference, response_tokens, .. } = result;
    let share = |value: Option<f64>| value.map_or_else(|| "n/a".into(), |v| format!("{v:.3}"));
    [
        env.name.clone(),
        measured.episodes.to_string(),
        format!("{:.3} ± {:.3}", measured.score, measured.score_se),
        share(result.normalised()),
        share(Some(measured.success)),
        share(measured.perception),
        share(measured.format),
        format!("{response_tokens:.1}"),
        format!("{:.3}", reference.random),
        format!("{:.3}", reference.oracle),
    ]
}

fn object(env: &EvalEnv, result: &Evaluation) -> Value {
    let Evaluation { measured, reference, response_tokens, .. } = result;
    json!({
        "environment": env.name,
        "knobs": env.knobs,
        "episodes": measured.episodes,
        "score": measured.score,
        "score_se": measured.score_se,
        "normalised": result.normalised(),
        "success": measured.success,
        "perception": measured.perception,
        "format": measured.format,
        "response_tokens": response_tokens,
        "random": reference.random,
        "oracle": reference.oracle,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(ids: &[&str], sets: &[&str]) -> anyhow::Result<Vec<EvalEnv>> {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        environments(&words(ids), &words(sets), None)
    }

    #[test]
    fn environments_keep_their_order_and_take_their_own_knobs() {
        let sets = ["frozen-lake.size=5", "sokoban.size=6", "frozen-lake.size=7", "frozen-lake.slippery=0.5"];
        let envs = chosen(&["sokoban", "frozen-lake"], &sets).unwrap();
        let sizes: Vec<_> = envs.iter().map(|e| (e.name.as_str(), e.knobs.size("size"))).collect();
        assert_eq!(sizes, [("sokoban", 6), ("frozen-lake", 7)]);
        assert_eq!(envs[1].knobs.float("slippery"), 0.5, "a dot in the value is no separator");
        assert_eq!(chosen(&["all"], &[]).unwrap().len(), registry().len());
    }

    #[test]
    fn what_was_not_asked_for_is_refused() {
        let text = |ids: &[&str], sets: &[&str]| format!("{:#}", chosen(ids, sets).unwrap_err());
        assert_eq!(text(&["2048", "swap", "2048"], &[]), "--env names \"2048\" twice (place 3)");
        assert!(text(&["all", "2048"], &[]).starts_with("unknown environment \"all\""));
        assert!(
            text(&["frozen-lake"], &["size=5"]).starts_with("--set \"size=5\" is not ENV.KNOB=VALUE\nhint:")
        );
        assert_eq!(
            text(&["swap", "2048"], &["sokoban.size=5"]),
            "--set \"sokoban.size=5\": \"sokoban\" is not among the environments (swap, 2048)"
        );
        assert!(text(&["frozen-lake"], &["frozen-lake.size=99"]).contains("is outside"));
    }
}
