use super::*;

/// A board from its perception text.
fn board(text: &str) -> SlidingPuzzle {
    let mut tiles = [0; MAX_CELLS];
    for (tile, word) in tiles.iter_mut().zip(text.split_whitespace()) {
        *tile = word.parse().unwrap_or(0);
    }
    SlidingPuzzle {
        size: text.lines().count(),
        tiles,
        max_turns: 20,
        tile_px: 56,
        theme: Theme::Wood,
        lettering: Lettering::Pixel,
        grid: true,
        coordinates: false,
        turn: 0,
        outcome: None,
    }
}

#[test]
fn tiles_slide_into_the_gap_only() {
    let mut game = board("1 2 3\n4 - 6\n7 5 8");
    let listed: Vec<String> = game.legal_actions().iter().map(ToString::to_string).collect();
    assert_eq!(listed, ["move 5 up", "move 4 right", "move 2 down", "move 6 left"]);
    let refused = game.step(&game.parse("move 5 left").unwrap());
    assert_eq!((refused.legal, game.turn), (false, 1));
    assert!(game.step(&game.parse("move 5 up").unwrap()).legal);
    assert_eq!(game.perception().text, "1 2 3\n4 5 6\n7 - 8");
    assert_eq!(game.reason(&game.oracle()), "gap 2 1 needs 1 7 right 2 5 down 2 8 left 0 so 8 left");
    let last = game.step(&game.oracle());
    assert_eq!((last.reward, last.status), (1.0, Status::Done(Outcome::Success)));
}

/// Distances of all boards of `size` to the ordered one, by breadth-first search.
fn distances(size: usize) -> HashMap<Tiles, usize> {
    let mut found = HashMap::from([(ordered(size), 0)]);
    let mut queue = VecDeque::from([ordered(size)]);
    while let Some(tiles) = queue.pop_front() {
        let (distance, gap) = (found[&tiles], tiles.iter().position(|t| *t == 0).unwrap());
        for from in Direction::ALL.into_iter().filter_map(|d| source(gap, d, size)) {
            let mut next = tiles;
            next.swap(from, gap);
            found.entry(next).or_insert_with(|| {
                queue.push_back(next);
                distance + 1
            });
        }
    }
    found
}

#[test]
fn solutions_are_as_short_as_breadth_first_search_finds() {
    let all = distances(2);
    assert_eq!((all.len(), all.values().max()), (12, Some(&6)));
    assert!(all.iter().all(|(tiles, moves)| solve(tiles, 2).unwrap().0 == *moves));
    let all = distances(3);
    assert_eq!((all.len(), all.values().max()), (181_440, Some(&31)));
    let mut sorted: Vec<(&Tiles, &usize)> = all.iter().collect();
    sorted.sort();
    for (tiles, moves) in sorted.into_iter().step_by(701) {
        let (length, first) = solve(tiles, 3).unwrap();
        assert_eq!(length, *moves, "{tiles:?}");
        assert_eq!(first.is_none(), length == 0);
    }
}

#[test]
fn the_walking_distance_has_the_published_table() {
    // 24,964 states for the fifteen puzzle, the farthest 35 moves away.
    let walk = Walk::of(4);
    assert_eq!((walk.far.len(), walk.far.iter().max()), (24_964, Some(&35)));
}

#[test]
fn boards_of_four_are_solved_in_time() {
    let mut rng = Seed::new(5).rng();
    for moves in [10, 20, 30, 40] {
        let tiles = scramble(&mut rng, 4, moves);
        let mut game = SlidingPuzzle { tiles, size: 4, max_turns: moves, ..board("1 2\n3 -") };
        let (needed, _) = solve(&tiles, 4).unwrap();
        assert!(needed <= moves && needed % 2 == moves % 2);
        for _ in 0..needed {
            game.step(&game.oracle());
        }
        assert_eq!(game.status(), Status::Done(Outcome::Success));
    }
}

#[test]
fn only_moves_of_this_grammar_are_read() {
    let game = board("1 2\n3 -");
    assert_eq!(game.parse(" Move 3  RIGHT ").unwrap().to_string(), "move 3 right");
    for text in ["move 0 up", "move 4 up", "move 999999999999 up"] {
        assert!(matches!(game.parse(text), Err(ParseError::Range { .. })), "{text}");
    }
    for text in ["3 right", "move right", "move3 right", "move 3", "move 3 right 1", "move -3 right"] {
        assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let accepted = |game: SlidingPuzzle| {
        serde_json::from_value::<SlidingPuzzle>(serde_json::to_value(game).unwrap()).is_ok()
    };
    assert!(accepted(board("1 2 3\n4 - 6\n7 5 8")));
    assert!(!accepted(board("1 2 3\n4 5 6\n8 7 -")), "an exchange of two tiles");
    assert!(!accepted(board("1 2 3\n4 4 6\n7 8 -")));
    assert!(!accepted(SlidingPuzzle { size: 4, ..board("1 2\n3 -") }));
    assert!(!accepted(SlidingPuzzle { size: 5, ..board("1 2\n3 -") }));
    assert!(!accepted(SlidingPuzzle { turn: 21, ..board("1 2\n3 -") }));
}
