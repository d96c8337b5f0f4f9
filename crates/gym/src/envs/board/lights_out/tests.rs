use super::*;
use crate::KnobValue;

/// A board from its perception text.
fn board(text: &str, pattern: Pattern, wrap: bool) -> LightsOut {
    let words: Vec<&str> = text.split_whitespace().collect();
    let lit = words.iter().enumerate().filter(|(_, w)| **w == "O").fold(0, |lit, (i, _)| lit | 1 << i);
    LightsOut {
        wiring: Wiring { size: text.lines().count(), pattern, wrap },
        lit,
        max_turns: 9,
        tile_px: 28,
        theme: Theme::Lamp,
        grid: true,
        coordinates: false,
        turn: 0,
        outcome: None,
    }
}

#[test]
fn presses_turn_what_they_should() {
    let after = |pattern, wrap, row, col| {
        let mut game = board("- - -\n- - -\n- - O", pattern, wrap);
        game.step(&Press(Cell { row, col }));
        game.perception().text
    };
    assert_eq!(after(Pattern::Plus, false, 0, 0), "O O -\nO - -\n- - O");
    assert_eq!(after(Pattern::Plus, true, 0, 0), "O O O\nO - -\nO - O");
    assert_eq!(after(Pattern::Cross, false, 1, 1), "O - O\n- O -\nO - -");
    assert_eq!(after(Pattern::Block, false, 2, 2), "- - -\n- O O\n- O -");
}

#[test]
fn the_solution_is_as_small_as_brute_force_finds() {
    let mut rng = Seed::new(3).rng();
    for (size, pattern, wrap) in [
        (3, Pattern::Plus, true),
        (4, Pattern::Plus, false),
        (4, Pattern::Cross, false),
        (4, Pattern::Block, true),
    ] {
        let wiring = Wiring { size, pattern, wrap };
        // The fewest presses for every reachable board, over all sets of presses.
        let mut fewest = vec![u32::MAX; 1 << wiring.cells()];
        for presses in 0..1_u64 << wiring.cells() {
            let turned = |i| if presses >> i & 1 == 1 { wiring.turned(i) } else { 0 };
            let lit = (0..wiring.cells()).fold(0, |lit, i| lit ^ turned(i)) as usize;
            fewest[lit] = fewest[lit].min(presses.count_ones());
        }
        let solver = Solver::new(wiring);
        for _ in 0..500 {
            let lit = rng.below(fewest.len());
            let found = solver.smallest(lit as u64).map_or(u32::MAX, Cells::count_ones);
            assert_eq!(found, fewest[lit], "{wiring:?} {lit:b}");
        }
    }
}

#[test]
fn the_search_for_the_smallest_solution_is_complete() {
    for size in 3..=8 {
        for pattern in [Pattern::Plus, Pattern::Cross, Pattern::Block] {
            for wrap in [false, true] {
                if wrap && pattern == Pattern::Block {
                    continue;
                }
                let kernel = Solver::new(Wiring { size, pattern, wrap }).kernel.len();
                assert!(kernel <= MAX_KERNEL, "{size} {pattern:?} {wrap}: {kernel}");
            }
        }
    }
}

#[test]
fn the_oracle_needs_as_many_presses_as_the_board() {
    for (size, presses) in [(3, 1), (4, 3), (5, 7), (6, 9)] {
        let given = [("size", KnobValue::Int(size)), ("presses", KnobValue::Int(presses))];
        let given = given.map(|(name, v)| (name.to_string(), v)).into();
        let knobs = Knobs::resolve(SPEC.id, KNOBS, &given).unwrap();
        for seed in 0..20 {
            let mut game = LightsOut::reset(Seed::new(seed), &knobs).unwrap();
            for turn in 1..=presses {
                assert_eq!(game.status(), Status::Running);
                let step = game.step(&game.oracle());
                assert_eq!(step.reward == 1.0, turn == presses, "size {size} seed {seed} turn {turn}");
            }
        }
    }
}

#[test]
fn the_reason_names_the_whole_solution() {
    let game = board("O O -\nO - -\n- - -", Pattern::Plus, false);
    assert_eq!(game.oracle().to_string(), "press(0,0)");
    assert_eq!(game.reason(&game.oracle()), "presses 100 000 000 total 1 so 0 0 then 0");
    let other = game.parse("press(2,2)").unwrap();
    assert_eq!(game.reason(&other), "presses 100 000 000 total 1 so 2 2 then 2");
}

#[test]
fn only_presses_on_the_board_are_read() {
    let game = board("O - -\n- - -\n- - -", Pattern::Plus, false);
    assert_eq!(game.parse(" Press( 1 , 2 ) ").unwrap().to_string(), "press(1,2)");
    for text in ["press(3,0)", "press(0,99999999999999999999)"] {
        assert!(matches!(game.parse(text), Err(ParseError::Range { .. })), "{text}");
    }
    for text in ["press(1)", "(1,2)", "press(1,2) press(0,0)", "press 1,2", "press(+1,2)", "depress(1,2)"] {
        assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let whole = serde_json::to_value(board("O - -\n- - -\n- - -", Pattern::Plus, false)).unwrap();
    let broken = |pointer: &str, value: u64| {
        let mut copy = whole.clone();
        *copy.pointer_mut(pointer).unwrap() = json!(value);
        serde_json::from_value::<LightsOut>(copy).is_err()
    };
    assert!(!broken("/lit", 1 << 8));
    assert!(broken("/lit", 1 << 9));
    assert!(broken("/wiring/size", 9));
    assert!(broken("/wiring/size", 0));
    assert!(broken("/turn", 10));
    assert!(broken("/tile_px", 0));
}
