//! The oracle is asked in the states that a player came to, and everything before them is the player's.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use eyas_core::{Interrupt, Outcome, Seed};
use eyas_gym::{Knobs, ResponseStyle, find};
use eyas_model::Vlm;
use eyas_rollout::{
    Agent, Correction, Lesson, Played, RolloutError, Start, Teacher, Watch, correct, demonstrate,
};

fn model() -> Vlm {
    Vlm::tiny(["<think>left</think>".to_string()].into_iter(), 300, &[], Seed::new(3)).unwrap()
}

fn start(env: &str, seed: u64) -> Start {
    let knobs = Knobs::defaults(find(env).unwrap().spec.knobs);
    Start::reset(env, Seed::new(seed), &knobs).unwrap()
}

#[test]
fn random_play_is_corrected_where_it_went() {
    let (model, quiet) = (model(), Interrupt::default());
    let (agent, watch) = (Agent::of(&model), Watch { limit: None, interrupt: &quiet });
    let style = ResponseStyle::Perception;
    let starts = [start("frozen-lake", 1), start("sokoban", 2), start("sliding-puzzle", 3)];
    let teacher = Teacher { noise: 1.0, style, max_tokens: 6000, thought_dropout: 0.0, record_truth: true };
    let lessons =
        starts.iter().map(|s| Lesson { start: s.clone(), moves: 0, rng: Seed::new(7).rng() }).collect();
    let episodes: Vec<_> =
        demonstrate(agent, lessons, &teacher, watch).unwrap().into_iter().map(|d| d.unwrap().0).collect();
    assert!(episodes.iter().any(|e| e.turns.len() > 3), "several turns");
    let played: Vec<Played<'_>> = starts
        .iter()
        .zip(&episodes)
        .map(|(start, episode)| Played { start, episode, turns: (0..episode.turns.len()).collect() })
        .collect();
    let all = correct(agent, &played, style, watch).unwrap();
    let mut differ = 0;
    for (corrections, whole) in all.into_iter().map(Result::unwrap).zip(&episodes) {
        assert_eq!(corrections.len(), whole.turns.len());
        for (turn, Correction { own, better }) in corrections.iter().enumerate() {
            // The oracle's answer was written down when the turn was played.
            let truth = &whole.turns[turn].truth.as_ref().unwrap().answer;
            assert_eq!(better.turns[turn].action.as_ref(), Some(truth));
            assert!(better.turns[turn].response.ends_with(&format!("<answer>{truth}</answer>")));
            differ += usize::from(own.turns[turn].action != better.turns[turn].action);
            assert_eq!(own.turns, whole.turns[..=turn]);
            assert_eq!(better.turns[..turn], whole.turns[..turn]);
            let n = own.trajectory.len();
            assert_eq!(own.trajectory.ids(), &whole.trajectory.ids()[..n]);
            assert_eq!(own.trajectory.images(), better.trajectory.images());
            for episode in [own, better] {
                let t = &episode.trajectory;
                let mut sampled = (0..t.len()).filter(|i| t.kinds()[*i].is_sampled());
                assert!(sampled.all(|i| usize::from(t.turns()[i]) == turn), "the last response alone");
                assert!(t.images().iter().all(|span| episode.images.contains_key(&span.id)));
            }
            let shared = n - own.trajectory.sampled_len();
            assert_eq!(own.trajectory.ids()[..shared], better.trajectory.ids()[..shared]);
        }
        let last = &corrections[whole.turns.len() - 1].own;
        assert_eq!((last.env_return, last.env_score), (whole.env_return, whole.env_score));
        assert_eq!(last.outcome, whole.outcome);
        assert!(corrections[..whole.turns.len() - 1].iter().all(|c| c.own.outcome == Outcome::Truncated));
    }
    assert!(differ > 3, "{differ} actions differ");
}

#[test]
fn only_the_wanted_turns_are_corrected_and_passed_ones_pass_again() {
    let (model, quiet) = (model(), Interrupt::default());
    let (agent, watch) = (Agent::of(&model), Watch { limit: None, interrupt: &quiet });
    let start = start("sliding-puzzle", 3);
    let teacher = Teacher {
        noise: 0.0,
        style: ResponseStyle::Think,
        max_tokens: 6000,
        thought_dropout: 0.0,
        record_truth: false,
    };
    let lesson = Lesson { start: start.clone(), moves: 0, rng: Seed::new(7).rng() };
    let mut shown = demonstrate(agent, vec![lesson], &teacher, watch).unwrap();
    let mut episode = shown.remove(0).unwrap().0;
    // Had the first turn passed, the second would have begun where the first did.
    episode.turns[0].action = None;
    let played = [Played { start: &start, episode: &episode, turns: vec![1] }];
    let corrections = correct(agent, &played, ResponseStyle::Think, watch).unwrap().remove(0).unwrap();
    assert_eq!(corrections.len(), 1);
    assert_eq!(corrections[0].better.turns[1].action, Some(start.game.oracle()));
    // What the environment never took is an error.
    episode.turns[0].action = Some("fly".into());
    let played = [Played { start: &start, episode: &episode, turns: vec![1] }];
    let error = correct(agent, &played, ResponseStyle::Think, watch).unwrap_err();
    assert!(matches!(error, RolloutError::Oracle { .. }), "{error}");
}
