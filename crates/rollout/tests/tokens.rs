//! The tokens of an episode: what was drawn is what is trained on, nobody but the program writes special tokens, and
//! no picture is ever cut.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};

use eyas_core::{Episode, Interrupt, Seed, TokenKind};
use eyas_gym::{KnobValue, ResponseStyle, find};
use eyas_model::{Sampling, ScoreOptions, Vlm};
use eyas_rollout::{Agent, Pictures, RolloutConfig, RolloutError, Start, rollout};

fn model() -> Vlm {
    let text = "<think>left</think><answer>left right up down</answer> walk to the flag";
    Vlm::tiny([text.to_string()].into_iter(), 300, &["<answer>", "</answer>"], Seed::new(3)).unwrap()
}

fn config(temperature: f32, max_context: usize) -> RolloutConfig {
    RolloutConfig {
        style: ResponseStyle::Think,
        sampling: Sampling { temperature, ..Sampling::default() },
        max_tokens: 24,
        max_context,
        stop: Vec::new(),
        record_truth: false,
        kv_bytes: RolloutConfig::KV_BYTES,
        env_limit: None,
    }
}

fn play(
    model: &Vlm,
    config: &RolloutConfig,
    copies: usize,
    pictures: &mut Pictures,
) -> Result<Vec<Episode>, RolloutError> {
    let turns = BTreeMap::from([("max_turns".to_string(), KnobValue::Int(4))]);
    let knobs = find("frozen-lake").unwrap().knobs(&turns).unwrap();
    let start = Start::reset("frozen-lake", Seed::new(1), &knobs).unwrap();
    let (groups, _) =
        rollout(Agent::of(model), &[start], copies, config, Seed::new(9), pictures, &Interrupt::default())?;
    Ok(groups.into_iter().flat_map(|g| g.episodes).collect())
}

/// Ids and log-probs that were sampled in `turn`.
fn sampled(episode: &Episode, turn: usize) -> Vec<u32> {
    let t = &episode.trajectory;
    (0..t.len())
        .filter(|&i| t.kinds()[i].is_sampled() && usize::from(t.turns()[i]) == turn)
        .map(|i| t.ids()[i])
        .collect()
}

/// Every picture is there with all its tokens, and there is no placeholder beside them.
fn pictures_are_whole(model: &Vlm, episode: &Episode) {
    let t = &episode.trajectory;
    let pad = model.tokenizer.special_tokens().image_pad;
    let shown: usize = episode.turns.iter().map(|turn| turn.images.len()).sum();
    assert_eq!(t.images().len(), shown, "a picture is shown in each turn");
    let mut pads = 0;
    for span in t.images() {
        let image = &episode.images[&span.id];
        let whole = model.policy.processor().token_count(image.width(), image.height()).unwrap();
        assert_eq!(span.len, whole);
        assert!(t.ids()[span.start..span.start + span.len].iter().all(|&id| id == pad));
        pads += span.len;
    }
    assert_eq!(t.ids().iter().filter(|&&id| id == pad).count(), pads);
}

#[test]
fn a_policy_cannot_write_special_tokens() {
    let model = model();
    let special: BTreeSet<u32> = model.tokenizer.special_ids().into_iter().collect();
    let tokens = model.tokenizer.special_tokens();
    for id in [tokens.image_pad, tokens.video_pad, tokens.vision_start, tokens.vision_end, tokens.im_start] {
        assert!(special.contains(&id));
    }
    // So hot that every token is about as likely as any other: one in forty would be special.
    let mut seen = BTreeSet::new();
    for max_context in [1000, 1300] {
        for episode in play(&model, &config(1e4, max_context), 16, &mut Pictures::default()).unwrap() {
            for turn in 0..episode.turns.len() {
                seen.extend(sampled(&episode, turn));
            }
            pictures_are_whole(&model, &episode);
        }
    }
    assert!(seen.len() > 150, "{} different tokens", seen.len());
    assert!(seen.is_disjoint(&special), "{seen:?}");
    assert!(seen.contains(&tokens.im_end), "ends of a turn are sampled");
}

#[test]
fn what_is_trained_on_are_the_ids_that_were_drawn() {
    let model = model();
    let mut pictures = Pictures::default();
    let episodes = play(&model, &config(1.0, 900), 4, &mut pictures).unwrap();
    let mut written_otherwise = 0;
    for episode in &episodes {
        for (n, turn) in episode.turns.iter().enumerate() {
            let mut ids = sampled(episode, n);
            ids.pop_if(|id| model.tokenizer.eos_ids().contains(id));
            assert_eq!(model.tokenizer.decode(&ids).unwrap(), turn.response);
            // A response that the tokenizer would write with other tokens: encoding it again would show.
            written_otherwise += usize::from(model.tokenizer.encode_plain(&turn.response).unwrap() != ids);
        }
    }
    assert!(written_otherwise > 0, "no response is written otherwise by the tokenizer");
    // Scored by the training's pass, each id has the log-prob with which it was drawn.
    let options = ScoreOptions { forbidden: Agent::of(&model).forbidden().into(), ..ScoreOptions::default() };
    let trajectories = episodes.iter().map(|e| &e.trajectory).collect();
    let scored = model.policy.score(&[trajectories], &pictures.into_store(), &options).unwrap();
    let drawn: Vec<f32> = episodes
        .iter()
        .flat_map(|e| {
            let t = &e.trajectory;
            (0..t.len()).filter(|&i| t.kinds()[i].is_sampled()).map(|i| t.logprobs()[i])
        })
        .collect();
    assert_eq!(scored.logprobs.len(), drawn.len());
    for (scored, drawn) in scored.logprobs.iter().zip(drawn) {
        assert!((scored - drawn).abs() < 1e-3, "{scored} {drawn}");
    }
}

#[test]
fn no_context_cuts_a_picture() {
    let model = model();
    let whole = play(&model, &config(1.0, 1500), 4, &mut Pictures::default()).unwrap();
    let prompt = whole[0]
        .trajectory
        .kinds()
        .iter()
        .take_while(|k| **k == TokenKind::Prompt || **k == TokenKind::Image);
    let prompt = prompt.count();
    assert!(prompt > 16 && whole.iter().any(|e| e.turns.len() > 1));
    for context in 1..=prompt {
        // An end within the prompt, its picture included, is an error and no shorter prompt.
        if context % 16 == 0 || context + 2 > prompt {
            let error = play(&model, &config(1.0, context), 4, &mut Pictures::default()).unwrap_err();
            assert!(matches!(error, RolloutError::Prompt { prompt: p, .. } if p == prompt), "{error}");
        }
    }
    for context in (prompt + 1..prompt + 200).step_by(19) {
        for episode in play(&model, &config(1.0, context), 4, &mut Pictures::default()).unwrap() {
            assert!(episode.trajectory.len() <= context);
            pictures_are_whole(&model, &episode);
        }
    }
}
