//! Defaults, and the way through TOML and back.

use eyas_algo::Decay;
use eyas_gym::ResponseStyle;

use super::super::*;
use super::{FULL, LEAST, error_of, least_with, rl};

#[test]
fn defaults_are_filled_in() {
    let recipe = Recipe::from_toml(LEAST, "r.toml").unwrap();
    assert_eq!((recipe.seed, recipe.prompt.style), (1, ResponseStyle::Perception));
    assert_eq!(recipe.model.source, ModelSource::Preset { preset: Preset::Tiny, vocab_size: 640 });
    assert_eq!(recipe.model.save_dtype, SaveDtype::F32);
    assert_eq!(recipe.model.compute_dtype, ComputeDtype::F32);
    let names: Vec<_> = recipe.stages.iter().map(Stage::name).collect();
    assert_eq!(names, ["sft", "rl"]);
    let Stage::Sft(sft) = &recipe.stages[0] else { panic!("{:?}", recipe.stages[0]) };
    assert_eq!((sft.batch_size, sft.steps), (32, 10));
    assert_eq!(
        sft.teacher,
        TeacherSettings { noise: 0.0, random_start: 0, max_context: 2048, thought_dropout: 0.0 }
    );
    let stage = rl(&recipe);
    assert_eq!((stage.rollout.groups, stage.rollout.group_size), (4, 8));
    assert_eq!((stage.rollout.temperature, stage.rollout.top_p, stage.rollout.top_k), (1.0, 1.0, 0));
    assert_eq!((stage.reward[0].name(), stage.reward[0].weight()), ("game", 1.0));
    assert_eq!(stage.loss, eyas_algo::PolicyConfig::default());
    assert_eq!((stage.optim.schedule, stage.optim.minibatches), (Decay::Constant, 1));
    assert_eq!(stage.env[0].knobs.int("size"), 4, "knobs are complete");
    assert_eq!(recipe.guard, GuardSettings::default());
    assert_eq!(recipe.guard.env_limit(), Some(std::time::Duration::from_secs(300)));
    assert_eq!(GuardSettings { env_seconds: 0.0, ..recipe.guard }.env_limit(), None);
    // The evaluation follows the last stage.
    assert_eq!(recipe.eval.env, stage.env);
    assert_eq!((recipe.eval.max_tokens, recipe.eval.episodes, recipe.eval.seed), (256, 64, 0));
}

#[test]
fn the_evaluation_follows_the_last_rl_stage() {
    let text = least_with("groups = 4", "groups = 4\nmax_tokens = 99\nmax_context = 777\nstop = [\"!\"]");
    let eval = Recipe::from_toml(&text, "r.toml").unwrap().eval;
    assert_eq!((eval.max_tokens, eval.max_context, eval.stop), (99, 777, vec!["!".to_string()]));
    let text = format!("{text}\n[eval]\nstop = []\nmax_tokens = 7\n[[eval.env]]\nid = \"swap\"\n");
    let eval = Recipe::from_toml(&text, "r.toml").unwrap().eval;
    assert_eq!((eval.max_tokens, eval.max_context, eval.stop.len()), (7, 777, 0));
    assert_eq!(eval.env.iter().map(|e| e.id.as_str()).collect::<Vec<_>>(), ["swap"]);
}

#[test]
fn training_and_evaluation_never_share_a_stream() {
    let text = format!("seed = 5\n{LEAST}\n[eval]\nseed = 5\n");
    let recipe = Recipe::from_toml(&text, "r.toml").unwrap();
    assert_eq!(recipe.seed, recipe.eval.seed);
    assert_ne!(recipe.train_seed(), recipe.eval_seed());
    let other = Recipe::from_toml(&format!("seed = 6\n{LEAST}\n[eval]\nseed = 5\n"), "r.toml").unwrap();
    assert_ne!(other.train_seed(), recipe.train_seed());
    assert_eq!(other.eval_seed(), recipe.eval_seed(), "runs that differ in their seed share their exam");
}

#[test]
fn what_is_written_is_read_back_the_same() {
    let pairs = "[model]\npreset = \"tiny\"\n[[stage]]\nkind = \"preference\"\nsteps = 1\n\
                 [[stage.env]]\nid = \"2048\"\n[stage.optim]\nlr = 1e-3\n";
    for text in [LEAST, FULL, pairs] {
        let recipe = Recipe::from_toml(text, "r.toml").unwrap();
        let written = recipe.to_toml().unwrap();
        let again = Recipe::from_toml(&written, "copy.toml").unwrap_or_else(|e| panic!("{e}\n{written}"));
        assert_eq!(again, recipe, "{written}");
        assert_eq!(again.to_toml().unwrap(), written);
    }
}

#[test]
fn what_is_written_is_what_was_said() {
    let recipe = Recipe::from_toml(FULL, "r.toml").unwrap();
    assert_eq!(recipe.model.source, ModelSource::Folder { path: "some/where".into() });
    let stage = rl(&recipe);
    assert_eq!(stage.rollout.stop, ["</answer>", "\n\n"]);
    assert_eq!(stage.reward[0].span(), eyas_core::TokenSpan::Action);
    let optim = recipe.stages[0].optim();
    assert_eq!((optim.max_grad_norm, optim.micro_batch_tokens), (f64::INFINITY, 1234));
    let schedule = optim.lr_schedule(100);
    assert_eq!((schedule.total_steps, schedule.warmup_steps, schedule.peak), (100, 10, 1e-3));
    // Half-way up the warm-up of 10 steps.
    assert_eq!(schedule.learning_rate(4), 0.5e-3);
    let written = recipe.to_toml().unwrap();
    for line in
        ["clip_high = 0.28", "weight = 0.1", "kind = \"rl\"", "max_grad_norm = inf", "form = \"mean_turn\""]
    {
        assert!(written.lines().any(|l| l == line), "{line} is not in\n{written}");
    }
}

/// Refused before anything of that size is made.
#[test]
fn curricula_and_mixtures_have_a_bound() {
    let starts = |n: u64| {
        let section = format!("[stage.curriculum]\nstarts = {n}\n[stage.rollout]");
        Recipe::from_toml(&least_with("[stage.rollout]", &section), "r.toml").map_err(|e| e.to_string())
    };
    // The stage has two environments.
    assert!(starts(500_000).is_ok());
    for n in [500_001, 1_000_000_000, i64::MAX as u64] {
        let range = "is out of range: at most 1000000, over all environments together";
        let error = starts(n).unwrap_err();
        assert!(error.starts_with("r.toml:21:1: `stage.1.curriculum.starts`: "), "{error}");
        assert!(error.ends_with(range), "{error}");
    }

    let levels = |n: usize| {
        let levels: Vec<String> = (0..n).map(|i| (i as f64 / n as f64).to_string()).collect();
        let levels = format!("id = \"frozen-lake\"\nlevels = [{}]", levels.join(", "));
        least_with("id = \"frozen-lake\"", &levels)
    };
    let recipe = Recipe::from_toml(&levels(50), "r.toml").unwrap();
    assert_eq!(rl(&recipe).env.len(), 51);
    assert_eq!(
        error_of(&levels(2000)),
        "r.toml:20:1: `stage.1.env.1.levels`: 2001 is out of range: at most 2000 environments in a mixture"
    );
}
