use super::*;
use crate::KnobValue;

fn knobs(given: &[(&str, i64)]) -> Knobs {
    let given = given.iter().map(|(name, v)| (name.to_string(), KnobValue::Int(*v))).collect();
    Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()
}

/// A room from its perception text.
fn room(text: &str) -> Sokoban {
    let words: Vec<&str> = text.split_whitespace().collect();
    let size = text.lines().count();
    let cells = |which: &str| {
        words.iter().enumerate().filter(|(_, w)| which.contains(**w)).fold(0, |cells, (i, _)| cells | 1 << i)
    };
    Sokoban {
        room: Room { size, walls: cells("W"), targets: cells("TXQ") },
        position: Position { player: cells("PQ").trailing_zeros() as usize, boxes: cells("BX") },
        max_turns: 4,
        tile_px: 28,
        theme: Theme::Store,
        turn: 0,
        outcome: None,
    }
}

#[test]
fn one_push_solves_and_pays_once() {
    let mut game = room("- - -\nP B T\n- - W");
    assert_eq!(
        game.reason(&Direction::Right),
        "at 1 0 box 1 1 target 1 2 push right 1 0 up 2 right 0 down 2 left wall so 0"
    );
    assert_eq!(game.oracle(), Direction::Right);
    let step = game.step(&Direction::Right);
    let done = Status::Done(Outcome::Success);
    assert_eq!(step, Step { reward: 1.0, score: 1.0, legal: true, status: done });
    assert_eq!(game.perception().text, "- - -\n- P X\n- - W");
    assert_eq!(game.step(&Direction::Left), Step { reward: 0.0, score: 0.0, legal: false, status: done });
}

#[test]
fn walls_edges_and_boxes_stop_a_push() {
    // Up the edge, right a wall, below two boxes in a row, left a box against the edge.
    let mut game = room("X P W -\n- B - -\n- B - T\n- - - T");
    let before = game.perception().text;
    for (turn, direction) in Direction::ALL.into_iter().enumerate() {
        let step = game.step(&direction);
        assert!(!step.legal && step.reward == 0.0);
        assert_eq!((game.turn, &game.perception().text), (turn + 1, &before));
    }
    assert_eq!(game.status(), Status::Done(Outcome::Truncated));
}

#[test]
fn a_box_in_a_corner_off_the_targets_is_lost() {
    let mut game = room("- B P\n- - -\nT - -");
    assert_eq!(game.reason(&Direction::Left).split(" up").next(), Some("at 0 2 box 0 1 target 2 0 stuck"));
    assert_eq!(game.step(&Direction::Left).status, Status::Done(Outcome::Failure));
    // In a corner on a target, and at an edge, it is not.
    assert!(!room("X P -\n- - -\n- - -").room.cornered(1));
    assert!(!room("- B P\n- - -\nT - -").room.cornered(2));
    // A wall and the edge make a corner too.
    assert!(room("W B -\n- - -\nT - P").room.cornered(2));
}

#[test]
fn words_tell_targets_under_things() {
    let game = room("Q X T\n- B W\n- - -");
    assert_eq!(game.perception().text, "Q X T\n- B W\n- - -");
    assert_ne!(game.render(), room("P X T\n- B W\n- - -").render());
    assert_ne!(game.render(), room("Q B T\n- B W\n- - -").render());
}

/// Moves to the solution by a search forwards, which shares nothing with the one backwards.
fn forwards(room: &Room, from: Position) -> Option<usize> {
    let mut seen = vec![from];
    let mut layer = vec![from];
    for moves in 0.. {
        if layer.iter().any(|p| room.solved(*p)) {
            return Some(moves);
        }
        let mut next = Vec::new();
        for position in layer.iter().flat_map(|p| Direction::ALL.map(|d| room.play(*p, d))).flatten() {
            if !seen.contains(&position) {
                seen.push(position);
                next.push(position);
            }
        }
        if next.is_empty() {
            return None;
        }
        layer = next;
    }
    None
}

#[test]
fn distances_agree_with_a_search_forwards() {
    let (mut solvable, mut lost) = (0, 0);
    for index in 0..6 {
        let game = Sokoban::reset(Seed::new(index), &knobs(&[("size", 3), ("boxes", 2)])).unwrap();
        let distances = game.room.distances(usize::MAX);
        let mut position = game.position;
        let mut rng = Seed::new(index).rng();
        for _ in 0..12 {
            let moves = forwards(&game.room, position);
            assert_eq!(distances.moves.get(&position).copied(), moves);
            if moves.is_some() {
                solvable += 1
            } else {
                lost += 1
            }
            let direction = Direction::ALL[rng.below(4)];
            position = game.room.play(position, direction).unwrap_or(position);
        }
    }
    assert!(solvable > 5 && lost > 5, "{solvable} solvable, {lost} lost");
}

#[test]
fn the_best_solution_has_the_wanted_length() {
    for (moves, boxes) in [(1, 1), (5, 1), (9, 2), (12, 3)] {
        let wanted = [("size", 5), ("boxes", boxes), ("min_moves", moves), ("max_moves", moves)];
        for index in 0..10 {
            let mut game = Sokoban::reset(Seed::new(index), &knobs(&wanted)).unwrap();
            assert_eq!(game.position.boxes.count_ones() as i64, boxes);
            for turn in 1..=moves {
                let status = game.step(&game.oracle()).status;
                assert_eq!(status == Status::Done(Outcome::Success), turn == moves);
            }
        }
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let whole = serde_json::to_value(room("- - -\nP B T\n- - W")).unwrap();
    let broken = |part: &str, key: &str, value: u64| {
        let mut copy = whole.clone();
        copy[part][key] = json!(value);
        serde_json::from_value::<Sokoban>(copy).is_err()
    };
    assert!(!broken("position", "boxes", 1 << 7));
    assert!(broken("position", "boxes", 1 << 9));
    assert!(broken("position", "boxes", 1 << 8));
    assert!(broken("position", "boxes", 1 << 3));
    assert!(broken("position", "boxes", 0b11));
    assert!(broken("position", "player", 9));
    assert!(broken("position", "player", 8));
    assert!(broken("room", "size", 9));
    assert!(broken("room", "targets", 1 << 8));
}

#[test]
fn contradictions_are_named() {
    let text = |given: &[(&str, i64)]| {
        Sokoban::reset(Seed::new(0), &knobs(given)).map(|_| ()).unwrap_err().to_string()
    };
    assert!(text(&[("min_moves", 7)]).contains("must not decrease"));
    assert!(text(&[("max_moves", 13)]).contains("must not decrease"));
    assert!(text(&[("size", 8), ("boxes", 4)]).contains("too many to be solved exactly"));
    let far = [("size", 3), ("min_moves", 40), ("max_moves", 40), ("max_turns", 40)];
    assert!(text(&far).contains("no room of size 3"));
    assert_eq!((positions(16, 1), positions(64, 2)), (256, 64 * 2016));
}
