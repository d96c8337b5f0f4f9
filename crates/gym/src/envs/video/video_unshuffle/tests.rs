use super::*;
use crate::KnobValue;

fn clip(shown: &[&[u8]]) -> VideoUnshuffle {
    let movers = [Mover::Clock, Mover::Candle, Mover::Glass][..shown[0].len()].to_vec();
    VideoUnshuffle(State {
        movers,
        shown: shown.iter().map(|f| f.to_vec()).collect(),
        frame_px: 56,
        numbers: true,
        theme: Theme::Day,
        clutter: 0,
        seed: Seed::new(1),
        outcome: None,
    })
}

fn play(game: &VideoUnshuffle, text: &str) -> Step {
    game.clone().step(&game.parse(text).unwrap())
}

#[test]
fn the_exact_order_scores_and_near_ones_pay_a_little() {
    let game = clip(&[&[9], &[0], &[20], &[4]]);
    assert_eq!(game.oracle().to_string(), "2 4 1 3");
    assert_eq!((play(&game, "2 4 1 3").reward, play(&game, "2 4 1 3").score), (1.0, 1.0));
    // One pair of six is the wrong way round: tau = 4/6.
    let near = play(&game, "4 2 1 3");
    assert!((near.reward - 1.0 / 3.0).abs() < 1e-6 && near.score == 0.0);
    assert_eq!(near.status, Status::Done(Outcome::Failure));
    assert_eq!(play(&game, "3 1 4 2").reward, 0.0);
}

#[test]
fn only_permutations_are_read() {
    let game = clip(&[&[9], &[0], &[20]]);
    assert_eq!(game.parse(" 2\t1  3 ").unwrap().to_string(), "2 1 3");
    for text in ["1 2", "1 2 2", "0 1 2", "1 2 4", "1 2 3 1", "1 2 3 4"] {
        assert!(matches!(game.parse(text), Err(ParseError::Range { .. })), "{text}");
    }
    for text in ["1,2,3", "", "a b c", "1 2 -3", "1 2 3.0"] {
        assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
    assert_eq!(game.legal_actions().len(), 6);
}

#[test]
fn every_film_has_one_order_only() {
    for seed in 0..300 {
        let mut rng = Seed::new(seed).rng();
        let (movers, frames) = (1 + rng.below(3), 3 + rng.below(6));
        let (step, uneven) = (1 + rng.below(7) as u8, rng.chance(0.5));
        let film = film(&mut rng, movers, frames, step, uneven);
        for pair in film.windows(2) {
            // No thing goes back, and one goes on: so no other order lets all of them go forwards.
            assert!(pair[0].iter().zip(&pair[1]).all(|(a, b)| a <= b) && pair[0] != pair[1]);
        }
        assert!(film.iter().flatten().all(|p| *p <= LAST));
        for (first, last) in film[0].iter().zip(&film[frames - 1]) {
            assert!(first < last || frames - 1 < movers);
        }
    }
}

#[test]
fn reasons_and_words_name_the_phases() {
    let game = clip(&[&[9, 1], &[0, 1], &[9, 4]]);
    assert_eq!(game.reason(&game.oracle()), "2 at 0-1 1 at 9-1 3 at 9-4");
    assert_eq!(game.perception().text, "1 clock 9 candle 1\n2 clock 0 candle 1\n3 clock 9 candle 4");
    assert!(game.rules().ends_with("A hand turns clockwise from the top. A candle burns down."));
}

#[test]
fn broken_snapshots_are_refused() {
    let fits = |game: VideoUnshuffle| {
        serde_json::from_value::<VideoUnshuffle>(serde_json::to_value(game).unwrap()).is_ok()
    };
    assert!(fits(clip(&[&[9], &[0], &[20]])));
    assert!(!fits(clip(&[&[9], &[0], &[9]])), "two frames of one time");
    assert!(!fits(clip(&[&[9], &[0], &[24]])), "a phase too large");
    assert!(!fits(clip(&[&[9], &[0]])), "too few frames");
    assert!(!fits(clip(&[&[9, 1], &[0], &[20]])), "a phase is missing");
}

#[test]
fn each_phase_looks_different() {
    for mover in
        [Mover::Car(Direction::Up), Mover::Car(Direction::Left), Mover::Candle, Mover::Clock, Mover::Glass]
    {
        let draw = |phase: u8| {
            let mut game = clip(&[&[phase], &[0], &[23]]);
            game.0.movers = vec![mover];
            game.draw(0)
        };
        for phase in 0..LAST {
            assert_ne!(draw(phase), draw(phase + 1), "{mover:?} at {phase}");
        }
    }
}

#[test]
fn knobs_are_kept() {
    let given = [
        ("frames", KnobValue::Int(7)),
        ("movers", KnobValue::Int(2)),
        ("motion", KnobValue::Choice("clock".into())),
    ];
    let given = given.into_iter().map(|(n, v)| (n.to_string(), v)).collect();
    let game = VideoUnshuffle::reset(Seed::new(3), &Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()).unwrap();
    assert_eq!((game.0.shown.len(), game.0.movers.clone()), (7, vec![Mover::Clock; 2]));
    assert_eq!(game.legal_actions().len(), SAMPLED);
}
