use super::*;
use crate::KnobValue;

fn tower(pegs: u8, discs: &[u8], goal: u8) -> Hanoi {
    let mut places = [0; MAX_DISCS];
    places[..discs.len()].copy_from_slice(discs);
    Hanoi {
        table: Table { pegs, discs: discs.len(), goal },
        places,
        max_turns: 300,
        tile_px: 56,
        theme: Theme::Day,
        coloring: Coloring::Rainbow,
        labels: false,
        coordinates: true,
        turn: 0,
        outcome: None,
    }
}

#[test]
fn the_recursion_finds_what_the_search_finds() {
    for discs in 2..=6 {
        for goal in 0..3 {
            let table = Table { pegs: 3, discs, goal };
            let distances = table.distances();
            let all: Vec<Places> = (0..table.positions()).map(|i| table.places(i)).collect();
            for (i, (places, needed)) in all.iter().zip(table.needed(&all)).enumerate() {
                assert_eq!((table.index(places), needed), (i, usize::from(distances[i])));
                let Some(&(disc, to)) = table.chain(places).last() else { continue };
                let after = table.play(places, Move { from: places[disc], to }).unwrap();
                assert_eq!(table.needed(&[after]), [needed - 1]);
            }
        }
    }
}

#[test]
fn towers_take_the_known_number_of_moves() {
    for (pegs, discs, known) in [(3, 3, 7), (3, 8, 255), (4, 4, 9), (4, 8, 33)] {
        let mut game = tower(pegs, &vec![0; discs], pegs - 1);
        for turn in 1..=known {
            let step = game.step(&game.oracle());
            assert_eq!((step.legal, step.reward == 1.0), (true, turn == known), "{pegs} {discs} {turn}");
        }
    }
}

#[test]
fn discs_lie_on_larger_ones_only() {
    let mut game = tower(3, &[0, 1, 0], 2);
    assert_eq!(game.perception().text, "A 3 1\nB 2\nC -\ngoal C");
    let listed: Vec<String> = game.legal_actions().iter().map(ToString::to_string).collect();
    assert_eq!(listed, ["A->B", "A->C", "B->C"]);
    for refused in ["B->A", "C->A"] {
        assert!(!game.step(&game.parse(refused).unwrap()).legal);
    }
    assert_eq!((game.turn, game.perception().text.as_str()), (2, "A 3 1\nB 2\nC -\ngoal C"));
    // 3 has to go to C, so 2 to B where it is, so 1 to B.
    assert_eq!(game.oracle().to_string(), "A->B");
    assert_eq!(game.reason(&game.oracle()), "3 to C 1 to B so A to B left 4");
    let four = tower(4, &[0, 0], 3);
    assert_eq!(four.reason(&four.oracle()), "A to B 2 A to C 2 A to D 3 so A to B left 2");
}

#[test]
fn only_two_different_pegs_are_read() {
    let game = tower(3, &[0, 0], 2);
    assert_eq!(game.parse(" a -> c ").unwrap().to_string(), "A->C");
    for text in ["A->D", "A->A", "z->A"] {
        assert!(matches!(game.parse(text), Err(ParseError::Range { .. })), "{text}");
    }
    for text in ["A>C", "A->", "1->2", "A->B->C", "AB->C", "Ａ->C"] {
        assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
}

#[test]
fn starts_are_as_far_away_as_wanted() {
    let reset = |given: &[(&str, i64)], seed| {
        let given = given.iter().map(|(name, v)| (name.to_string(), KnobValue::Int(*v))).collect();
        Hanoi::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given).unwrap())
    };
    for seed in 0..40 {
        let game = reset(&[("discs", 5), ("min_moves", 9), ("max_moves", 12)], seed).unwrap();
        assert!((9..=12).contains(&game.table.needed(&[game.places])[0]));
    }
    let error = reset(&[("min_moves", 8), ("max_moves", 9)], 0).unwrap_err().to_string();
    assert!(error.contains("8 to 9 moves away"), "{error}");
}

#[test]
fn broken_snapshots_are_refused() {
    let whole = serde_json::to_value(tower(3, &[0, 1, 0], 2)).unwrap();
    let broken = |pointer: &str, value: u64| {
        let mut copy = whole.clone();
        *copy.pointer_mut(pointer).unwrap() = json!(value);
        serde_json::from_value::<Hanoi>(copy).is_err()
    };
    assert!(!broken("/places/0", 2));
    assert!(broken("/places/0", 3));
    assert!(broken("/places/7", 1));
    assert!(broken("/table/goal", 3));
    assert!(broken("/table/discs", 9));
    assert!(broken("/table/pegs", 5));
}
