use super::*;

fn game(balls: &[usize], swaps: &[&[Pair]]) -> ShellGame {
    ShellGame(State {
        cups: 4,
        balls: balls.to_vec(),
        colors: (0..balls.len()).collect(),
        asked: 0,
        swaps: swaps.iter().map(|s| s.to_vec()).collect(),
        stages: 1,
        tile_px: 28,
        different: false,
        theme: Theme::Day,
        clutter: 0,
        seed: Seed::new(0),
        outcome: None,
    })
}

#[test]
fn the_ball_follows_its_cup() {
    let game = game(&[1, 3], &[&[(0, 1), (2, 3)], &[(2, 3)], &[(0, 3)]]);
    assert_eq!(game.track(), [1, 0, 0, 3]);
    assert_eq!(game.oracle().to_string(), "cup 4");
    assert_eq!(game.reason(&game.oracle()), "red ball 2 to 1 no to 4 so 4");
    assert_eq!(game.perception().text, "Red 2 Green 4\nswap 1-2 3-4\nswap 3-4\nswap 1-4");
    let play = |text: &str| game.clone().step(&game.parse(text).unwrap());
    assert_eq!((play("cup 4").reward, play("CUP 1").reward), (1.0, 0.0));
    assert_eq!(play("cup 1").status, Status::Done(Outcome::Failure));
}

#[test]
fn tracking_agrees_with_cups_that_carry_their_ball() {
    for seed in 0..200 {
        let mut rng = Seed::new(seed).rng();
        let (cups, ball) = (4, rng.below(4));
        let swaps: Vec<Vec<Pair>> = (0..8).map(|i| draw_swap(&mut rng, cups, 1 + i % 2)).collect();
        let mut row: Vec<bool> = (0..cups).map(|c| c == ball).collect();
        swaps.iter().flatten().for_each(|&(a, b)| row.swap(a, b));
        let slices: Vec<&[Pair]> = swaps.iter().map(Vec::as_slice).collect();
        assert!(row[game(&[ball], &slices).truth().0]);
    }
}

#[test]
fn answers_name_a_cup_that_is_there() {
    let game = game(&[1], &[&[(0, 1)]]);
    for text in ["cup 0", "cup 5", "cup 999999"] {
        assert!(matches!(game.parse(text), Err(ParseError::Range { .. })), "{text}");
    }
    for text in ["cup", "2", "cup two", "cup -1", "cup 1 2", "cups 2", "cup ２"] {
        assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
    assert_eq!(game.legal_actions().len(), 4);
}

#[test]
fn cups_alike_hide_the_ball_and_every_frame_of_a_swap_shows_it() {
    let images = game(&[1], &[&[(0, 1)], &[(1, 3)]]).images();
    assert_eq!(images.len(), 4);
    assert!(images.windows(2).all(|pair| pair[0] != pair[1]));
    let other = game(&[2], &[&[(0, 1)], &[(1, 3)]]).images();
    assert_ne!(images[0], other[0]);
    assert_eq!(images[1..], other[1..]);
    for (a, b) in [((0, 1), (0, 2)), ((0, 3), (1, 2)), ((1, 3), (0, 3))] {
        assert_ne!(game(&[0], &[&[a]]).images()[1], game(&[0], &[&[b]]).images()[1]);
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let fits =
        |game: ShellGame| serde_json::from_value::<ShellGame>(serde_json::to_value(game).unwrap()).is_ok();
    assert!(fits(game(&[1], &[&[(0, 1)]])));
    assert!(!fits(game(&[4], &[&[(0, 1)]])));
    assert!(!fits(game(&[1, 1], &[&[(0, 1)]])));
    assert!(!fits(game(&[1], &[&[(0, 4)]])));
    assert!(!fits(game(&[1], &[&[(0, 1), (1, 2)]])), "a cup in two swaps at once");
    assert!(!fits(game(&[1], &[])));
    let mut wrong = game(&[1], &[&[(0, 1)]]);
    wrong.0.asked = 1;
    assert!(!fits(wrong));
}
