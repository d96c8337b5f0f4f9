//! Pairs of every source, drawn and learnt from.

use std::sync::Arc;

use eyas_algo::loss::preference::{MarginBeta, Pair};
use eyas_core::{Group, Image, Interrupt, Score, ScoreSheet, TokenKind, TokenSpan, Trajectory, Turn};
use eyas_gym::{Knobs, ResponseStyle, find};
use eyas_model::ScoreOptions;
use eyas_rollout::Start;

use super::weigh::{scale_betas, token_weights};
use super::*;
use crate::recipe::{GuardSettings, PairSelect, PreferenceStage, Recipe, Stage};
use crate::step::run_stage;
use crate::{GuardState, Judges, RewardModels, StageState};

fn model() -> Vlm {
    let text = "<think>left</think><answer>left right up down</answer> walk to the flag";
    Vlm::tiny([text.to_string()].into_iter(), 300, &[], Seed::new(3)).unwrap()
}

/// A recipe of one preference stage on a lake of three by three, with further keys.
fn recipe(keys: &str) -> Recipe {
    let text = format!(
        "[model]\npreset = \"tiny\"\n[[stage]]\nkind = \"preference\"\nsteps = 1\noptim = {{ lr = 1e-3 }}\n\
         env = [{{ id = \"frozen-lake\", knobs = {{ size = 3, max_turns = 3 }} }}]\n{keys}"
    );
    Recipe::from_toml(&text, "r.toml").unwrap()
}

fn stage(recipe: &Recipe) -> &PreferenceStage {
    match &recipe.stages[0] {
        Stage::Preference(stage) => stage,
        other => panic!("{other:?}"),
    }
}

fn drawn(model: &Vlm, recipe: &Recipe) -> Drawn {
    let stage = stage(recipe);
    let draw = PairDraw {
        env: &stage.env,
        pairs: &stage.pairs,
        rollout: &stage.rollout,
        reward: &stage.reward,
        corruption: stage.corruption,
        steps: stage.steps,
        micro_batch_tokens: stage.optim.micro_batch_tokens,
    };
    let (judges, reward_models, interrupt) =
        (Judges::default(), RewardModels::default(), Interrupt::default());
    let run = StageRun {
        style: ResponseStyle::Think,
        seed: Seed::new(1),
        from: 0,
        judges: &judges,
        reward_models: &reward_models,
        interrupt: &interrupt,
        env_limit: None,
    };
    draw.draw(&Cast { agent: Agent::of(model), model, judge: None }, &run, (Seed::new(5), 0)).unwrap()
}

/// Runs the stages of a recipe and gives their lines of metrics.
fn lines(model: &mut Vlm, recipe: &Recipe, reward_models: &RewardModels) -> Vec<Metrics> {
    let (judges, interrupt) = (Judges::default(), Interrupt::default());
    let mut lines = Vec::new();
    for (n, stage) in recipe.stages.iter().enumerate() {
        let run = StageRun {
            style: ResponseStyle::Think,
            seed: Seed::new(1).split("stage", n as u64),
            from: 0,
            judges: &judges,
            reward_models,
            interrupt: &interrupt,
            env_limit: None,
        };
        let mut guard = Guard::new(GuardSettings::default(), GuardState::default());
        let (mut reference, mut state) = (None, StageState::default());
        let report = &mut |report: crate::StepReport<'_>| {
            lines.push(report.metrics.clone());
            Ok(())
        };
        run_stage(model, &mut reference, &mut state, &mut guard, stage, &run, report).unwrap();
    }
    lines
}

/// By how much the log-probs that an episode was sampled with differ from those with `images`, at most.
fn off(model: &Vlm, episode: &Episode, images: &ImageStore) -> f32 {
    let options =
        ScoreOptions { forbidden: Arc::from(Agent::of(model).forbidden()), ..ScoreOptions::default() };
    let scored = model.policy.score(&[vec![&episode.trajectory]], images, &options).unwrap();
    let t = &episode.trajectory;
    let sampled = (0..t.len()).filter(|i| t.kinds()[*i].is_sampled()).map(|i| t.logprobs()[i]);
    sampled.zip(&scored.logprobs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_blind_player_did_not_see_what_the_oracle_saw() {
    let model = model();
    let recipe = recipe(
        "pairs = { source = \"blind\", count = 4 }\ncorruption = { kind = \"blank\" }\n\
         rollout = { max_tokens = 8, max_context = 1200 }\n",
    );
    let drawn = drawn(&model, &recipe);
    assert_eq!((drawn.pairs.len(), drawn.ties, drawn.episodes.len()), (4, 0, 8));
    assert!(drawn.sampled_tokens > 0 && drawn.lost.is_empty());
    let images = drawn.images(&model.policy).unwrap();
    let blank = images.corrupted(model.policy.processor(), Corruption::Blank, Seed::new(9));
    for pair in &drawn.pairs {
        let (chosen, rejected) = (&drawn.episodes[pair.chosen], &drawn.episodes[pair.rejected]);
        assert_eq!((&chosen.env, chosen.seed), (&rejected.env, rejected.seed), "the same start");
        assert_eq!(chosen.turns[0].images, rejected.turns[0].images, "told by the true picture");
        assert_eq!(chosen.outcome, Outcome::Success, "the oracle gets there");
        assert!(off(&model, rejected, &blank) < 1e-3, "{}", off(&model, rejected, &blank));
        assert!(off(&model, rejected, &images) > 1e-2, "{}", off(&model, rejected, &images));
    }
    assert_eq!(drawn.told, [("own/success", 0.0)]);
}

#[test]
fn the_policy_is_corrected_in_states_that_it_came_to() {
    let model = model();
    let keys = |states: usize, context: usize| {
        format!(
            "pairs = {{ source = \"corrected\", count = 3, states = {states} }}\n\
             rollout = {{ max_tokens = 4, max_context = {context} }}\n"
        )
    };
    let all = drawn(&model, &recipe(&keys(2, 1500)));
    // Four tokens are no answer, so every turn passes and all three are played: two of them are drawn.
    assert_eq!((all.pairs.len(), all.ties), (6, 0));
    let knobs = &stage(&recipe(&keys(2, 1500))).env[0].knobs.clone();
    let mut turns = Vec::new();
    for pair in &all.pairs {
        let (better, own) = (&all.episodes[pair.chosen], &all.episodes[pair.rejected]);
        let start = Start::reset("frozen-lake", own.seed, knobs).unwrap();
        let n = own.turns.len();
        turns.push(n);
        assert!(own.turns.iter().all(|turn| turn.action.is_none()));
        assert_eq!(better.turns[n - 1].action, Some(start.game.oracle()), "nobody has moved");
        let prompt = |e: &Episode| {
            let ids = e.trajectory.ids();
            ids[..ids.len() - e.trajectory.sampled_len()].to_vec()
        };
        assert_eq!(prompt(better), prompt(own));
        assert_eq!(own.trajectory.sampled_len(), 4);
        assert!(off(&model, own, &all.images(&model.policy).unwrap()) < 1e-3);
    }
    assert!(turns.iter().any(|n| *n > 1), "{turns:?}");
    assert_eq!(all.told, [("own/success", 0.0), ("pairs/too_long", 0.0)]);
    // What the oracle would write does not fit here.
    let first = all.episodes.iter().find(|e| e.turns.len() == 1 && e.trajectory.sampled_len() == 4);
    let prompt = first.map_or(0, |e| e.trajectory.len() - 4);
    assert!(prompt > 0, "{turns:?}");
    let short = drawn(&model, &recipe(&keys(1, prompt + 8)));
    assert_eq!((short.pairs.len(), short.ties), (0, 0));
    assert_eq!(short.told[1], ("pairs/too_long", 3.0));
}

/// An episode that wrote these tokens and was paid so much.
fn paid(reward: Option<f32>, tokens: &[u32]) -> Episode {
    let start =
        Start::reset("frozen-lake", Seed::new(1), &Knobs::defaults(find("frozen-lake").unwrap().spec.knobs));
    let mut trajectory = Trajectory::new(0);
    trajectory.push_text(&[1, 2], 0).unwrap();
    let image = Image::new(1, 1, vec![7; 3]).unwrap().id();
    trajectory.push_image(image, 2, 0).unwrap();
    let n = tokens.len();
    trajectory.push_sampled(tokens, &vec![TokenKind::Answer; n], &vec![-1.0; n], 0).unwrap();
    let score = reward.map_or(Score::from_value(f32::NAN), Score::Ok);
    let row = ScoreSheet { name: "game".into(), weight: 1.0, span: TokenSpan::All, score };
    let turns = vec![Turn { response: format!("{tokens:?}"), ..Turn::default() }];
    Episode { scores: vec![row], turns, ..start.unwrap().episode(trajectory) }
}

#[test]
fn members_of_a_group_are_selected_by_their_rewards() {
    // Of the first group one is lost to a failed reward; the second is of one mind.
    let first = [Some(1.0), Some(0.0), None, Some(0.5)].map(|reward| paid(reward, &[5, 6]));
    let third = [(1.0, 2), (0.0, 8), (0.0, 2), (1.0, 2)].map(|(reward, n)| paid(Some(reward), &vec![7; n]));
    let groups = [
        Group { episodes: first.into() },
        Group { episodes: (0..4).map(|_| paid(Some(1.0), &[5])).collect() },
        Group { episodes: third.into() },
    ];
    let select = |select, margin| {
        let mut drawn = Drawn::default();
        let settings = PairSettings { source: PairSource::Policy, margin, select, ..Default::default() };
        sampled::select(&mut drawn, &groups, &settings);
        let ids: Vec<(usize, usize)> = drawn.pairs.iter().map(|p| (p.chosen, p.rejected)).collect();
        (ids, drawn)
    };
    let (ids, drawn) = select(PairSelect::Extremes, 0.2);
    assert_eq!((ids, drawn.ties), (vec![(0, 1), (8, 9)], 1));
    let all = |most, balanced| PairSelect::All { most, balanced };
    assert_eq!(select(all(2, false), 0.0).0, [(0, 1), (0, 3), (8, 9), (8, 10)]);
    assert_eq!(select(all(9, false), 0.6).0, [(0, 1), (8, 9), (8, 10), (11, 9), (11, 10)]);
    // Two pairs have 2 tokens against 8; without them chosen and rejected ones are equally long.
    let (ids, drawn) = select(all(9, true), 0.6);
    assert_eq!(ids, [(0, 1), (8, 10), (11, 10)]);
    assert_eq!(drawn.told, [("pairs/unbalanced", 2.0)]);
    // One of three is right: 1 + 0.2·(2 − 1)/3; two of four: 1.
    let (ids, drawn) = select(PairSelect::HardSamples { gamma: 0.2, right: 1.0 }, 0.0);
    assert_eq!(ids, [(0, 1), (0, 3), (8, 9), (8, 10), (11, 9), (11, 10)]);
    let weights: Vec<f64> = drawn.pairs.iter().map(|p| p.weight).collect();
    for (weight, want) in weights.iter().zip([16.0 / 15.0, 16.0 / 15.0, 1.0, 1.0, 1.0, 1.0]) {
        assert!((weight - want).abs() < 1e-12, "{weights:?}");
    }
    assert!(drawn.told[0].0 == "pairs/weight" && (drawn.told[0].1 - 46.0 / 45.0).abs() < 1e-12);
}

#[test]
fn margins_scale_betas_and_differences_weigh_tokens() {
    let episodes = vec![paid(Some(0.5), &[5, 6, 7]), paid(Some(-1.5), &[5, 8, 7, 9]), paid(None, &[5, 6, 7])];
    let mut drawn = Drawn { episodes, pairs: vec![Pair::new(0, 1), Pair::new(0, 2)], ..Drawn::default() };
    scale_betas(&mut drawn, &MarginBeta { weight: 0.25, ..MarginBeta::default() }, 0.1);
    let scales: Vec<f64> = drawn.pairs.iter().map(|p| p.beta_scale).collect();
    // 1 + ¼·2, and no margin.
    assert!((scales[0] - 1.5).abs() < 1e-12 && scales[1] == 1.0, "{scales:?}");
    let weights = token_weights(&mut drawn, 3.0).unwrap();
    assert_eq!(weights[0], (vec![1.0, 3.0, 1.0], vec![1.0, 3.0, 1.0, 3.0]));
    assert_eq!(weights[1], (vec![1.0; 3], vec![1.0; 3]));
    assert_eq!(drawn.told, [("pairs/beta_scale", 1.25), ("pairs/changed_tokens", 3.0 / 13.0)]);
    let plain = token_weights(&mut drawn, 1.0).unwrap();
    assert_eq!(plain[0], (vec![1.0; 3], vec![1.0; 4]));
    assert!(token_weights(&mut drawn, f64::NAN).is_err());
}

#[test]
fn weights_of_tokens_reach_the_update() {
    let norm = |keys: &str| {
        let text = format!("pairs = {{ count = 2 }}\nrollout = {{ max_context = 1200 }}\n{keys}");
        let line = lines(&mut model(), &recipe(&text), &RewardModels::default()).remove(0);
        (line["grad_norm"].as_f64().unwrap(), line)
    };
    let (plain, line) = norm("");
    assert!((line["loss"].as_f64().unwrap() - 2f64.ln()).abs() < 1e-6, "policy and reference agree");
    assert!(line.get("pairs/changed_tokens").is_none());
    let (dense, line) = norm("pair_weights = { changed_tokens = 3.0 }\n");
    let share = line["pairs/changed_tokens"].as_f64().unwrap();
    assert!(0.0 < share && share < 1.0, "{share}");
    assert!((dense / plain - 1.0).abs() > 0.05, "{plain} {dense}");
    // What they have in common alone: the same words in another context.
    let (common, _) = norm("pair_weights = { changed_tokens = 0.0 }\n");
    assert!(common < 0.5 * plain, "{plain} {common}");
}

#[test]
fn a_reward_model_of_an_earlier_stage_judges_pairs() {
    let text = "[model]\npreset = \"tiny\"\n\
        [[stage]]\nkind = \"reward_model\"\nname = \"taste\"\nsteps = 2\nheld_out = 0\n\
        env = [{ id = \"frozen-lake\", knobs = { size = 3 } }]\npairs = { count = 2 }\n\
        rollout = { max_context = 1200 }\noptim = { lr = 1e-2 }\n\
        [[stage]]\nkind = \"preference\"\nsteps = 1\nenv = [{ id = \"frozen-lake\", knobs = { size = 3 } }]\n\
        pairs = { source = \"policy\" }\npair_weights = { margin_beta = { weight = 100.0 } }\n\
        rollout = { groups = 2, group_size = 2, max_tokens = 6, max_context = 700 }\n\
        reward = [{ name = \"reward_model\", params = { model = \"stage:taste\" } }]\noptim = { lr = 1e-3 }\n";
    let recipe = Recipe::from_toml(text, "r.toml").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let line = lines(&mut model(), &recipe, &RewardModels::new(dir.path(), &recipe)).remove(2);
    assert_eq!((&line["pairs"], &line["pairs/ties"]), (&2.0.into(), &0.0.into()));
    assert!(line["pairs/beta_scale"].as_f64().unwrap() > 1.0, "{line:?}");
    assert_eq!(line["update_skipped"], false);
}
