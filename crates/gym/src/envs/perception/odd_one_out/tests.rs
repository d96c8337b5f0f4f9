use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> OddOneOut {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    OddOneOut::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()).unwrap()
}

fn word(text: &str) -> KnobValue {
    KnobValue::Choice(text.into())
}

const TRAITS: [&str; 5] = ["color", "shape", "size", "turn", "shade"];

/// The cells that differ from the most common look, found by counting.
fn by_counting(game: &OddOneOut, what: Trait) -> Vec<usize> {
    let rare = |index: &usize| {
        let same = game.cells.iter().filter(|l| l.word(what) == game.cells[*index].word(what)).count();
        same * 2 <= game.cells.len()
    };
    (0..game.cells.len()).filter(rare).collect()
}

#[test]
fn one_trait_alone_singles_cells_out() {
    for (name, what) in TRAITS.iter().zip(Trait::ALL) {
        for seed in 0..40 {
            for (differences, distractors) in [(1, false), (1, true), (3, true)] {
                let given = [
                    ("trait", word(name)),
                    ("differences", KnobValue::Int(differences)),
                    ("distractors", KnobValue::Bool(distractors)),
                ];
                let game = reset(seed, &given);
                let odd: Vec<usize> = game.odd.iter().map(|o| o.cell).collect();
                assert_eq!(odd.len() as i64, differences);
                assert_eq!(by_counting(&game, what), odd, "{name} {seed}");
                // No other trait singles so few cells out.
                for other in Trait::ALL.into_iter().filter(|t| *t != what) {
                    let rare = by_counting(&game, other);
                    assert!(rare.is_empty() || rare.len() >= 8, "{name} {seed}: {other:?} {rare:?}");
                }
            }
        }
    }
}

#[test]
fn two_grids_differ_where_they_should() {
    for seed in 0..60 {
        let game = reset(seed, &[("panels", KnobValue::Bool(true)), ("differences", KnobValue::Int(4))]);
        let differ: Vec<usize> = (0..16).filter(|i| game.cells[*i] != game.right[*i]).collect();
        assert_eq!(differ, game.odd.iter().map(|o| o.cell).collect::<Vec<_>>());
        assert_eq!(game.perception().text.lines().next().unwrap().split(' ').count(), 8);
        let reason = game.reason(&game.oracle());
        assert_eq!(reason.split(' ').count(), 16, "{reason}");
    }
}

#[test]
fn differences_are_drawn_even_at_the_lowest_contrast() {
    for name in TRAITS {
        for seed in 0..5 {
            for panels in [false, true] {
                let given = [
                    ("trait", word(name)),
                    ("contrast", KnobValue::Float(0.2)),
                    ("panels", KnobValue::Bool(panels)),
                ];
                let game = reset(seed, &given);
                let mut plain = game.clone();
                let index = game.odd[0].cell;
                if panels {
                    plain.right[index] = plain.cells[index];
                } else {
                    plain.cells[index] = plain.common;
                }
                let (a, b) = (game.render(), plain.render());
                let differ = a.pixels().iter().zip(b.pixels()).filter(|(a, b)| a.abs_diff(**b) > 4).count();
                assert!(differ > 20, "{name} {seed} {panels}: {differ}");
            }
        }
    }
}

#[test]
fn answers_are_read_and_scored() {
    let mut game = reset(1, &[("differences", KnobValue::Int(2))]);
    game.odd = vec![Odd { cell: 1, what: Trait::Color }, Odd { cell: 6, what: Trait::Color }];
    assert_eq!(game.oracle().to_string(), "(0,1) (1,2)");
    assert_eq!(game.parse(" ( 1, 2 )(0,1) ").unwrap(), game.oracle());
    let play = |text: &str| game.clone().step(&game.parse(text).unwrap());
    assert_eq!(
        (play("(0,1) (1,2)").reward, play("(0,1) (1,2)").status),
        (1.0, Status::Done(Outcome::Success))
    );
    assert_eq!((play("(0,1) (1,3)").reward, play("(3,3)").reward), (0.5, 0.0));
    assert!((play("(0,1)").reward - 2.0 / 3.0).abs() < 1e-6);
    assert!((play("(0,0) (0,1) (0,2) (1,2)").reward - 4.0 / 6.0).abs() < 1e-6);
    for text in ["(0,4)", "(4,0)", "(0,1) (0,1)", "(0,999)"] {
        assert!(matches!(game.parse(text), Err(ParseError::Range { .. })), "{text}");
    }
    for text in ["0,1", "(0)", "(0,1", "(0,1),(1,2)", "(0,-1)", "(0,1) x", "(0,0001)", "(+0,1)"] {
        assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
}

#[test]
fn words_and_reasons() {
    let mut game = reset(5, &[("trait", word("size"))]);
    game.common =
        Look { tint: Tint::Red, shape: Shape::Star, size: Size::Plain, turned: false, shade: Shade::Plain };
    game.cells = vec![game.common; 16];
    game.cells[9] = Look { size: Size::Small, ..game.common };
    game.odd = vec![Odd { cell: 9, what: Trait::Size }];
    assert_eq!(game.reason(&game.oracle()), "most Plain 2 1 Small");
    let row = "RedStar SmallRedStar RedStar RedStar";
    assert_eq!(game.perception().text.lines().nth(2), Some(row));
    let unusual = Look { turned: true, shade: Shade::Dark, ..game.cells[9] };
    assert_eq!(unusual.name(), "SmallTurnedDarkRedStar");
}

#[test]
fn broken_snapshots_are_refused() {
    let game = reset(2, &[]);
    let read =
        |game: &OddOneOut| serde_json::from_value::<OddOneOut>(serde_json::to_value(game).unwrap()).is_ok();
    assert!(read(&game));
    assert!(!read(&OddOneOut { odd: vec![Odd { cell: 16, what: Trait::Size }], ..game.clone() }));
    assert!(!read(&OddOneOut { odd: Vec::new(), ..game.clone() }));
    assert!(!read(&OddOneOut { size: 5, ..game.clone() }));
    assert!(!read(&OddOneOut { right: game.cells[..3].to_vec(), ..game.clone() }));
    assert!(!read(&OddOneOut { tile_px: 100_000, ..game }));
}
