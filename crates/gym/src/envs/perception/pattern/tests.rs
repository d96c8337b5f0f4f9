use super::laws::tests::grid;
use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> Result<Pattern, KnobError> {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    Pattern::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given)?)
}

fn word(text: &str) -> KnobValue {
    KnobValue::Choice(text.into())
}

fn hand_made() -> Pattern {
    let grids = ["100 000 000", "001 000 000", "120 000 000", "021 000 000", "010 200 000"].map(grid);
    let theory = Theory::Chain(vec![Law::MirrorSides]);
    Pattern { grids: grids.into(), missing: grid("010 002 000"), theory, ..reset(1, &[]).unwrap() }
}

#[test]
fn only_the_whole_grid_pays_and_cells_score() {
    let play = |text: &str| {
        let mut game = hand_made();
        let action = game.parse(text).unwrap();
        let step = game.step(&action);
        (step.reward, step.score)
    };
    assert_eq!(play("[[0,1,0],[0,0,2],[0,0,0]]"), (1.0, 1.0));
    assert_eq!(play(" [[0, 1, 0],\n [2, 0, 0], [0, 0, 0]] "), (0.0, 7.0 / 9.0));
    assert_eq!(play("[[0,1],[0,0]]"), (0.0, 0.0));
    let game = hand_made();
    assert_eq!(game.reason(&game.oracle()), "mirror left-right of 010 200 000 gives 010 002 000");
    assert!(game.perception().text.ends_with("0 1 0 / 2 0 0 / 0 0 0\n?"));
}

#[test]
fn only_grids_of_known_colours_are_read() {
    let game = hand_made();
    for text in
        ["[1,2]", "[[1,2],[3]]", "[[1,,2]]", "[[]]", "[[1],[]]", "[[10]]", "[[-1]]", "[[1]]]", "[[١]]"]
    {
        assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
    assert!(matches!(game.parse("[[0,3]]"), Err(ParseError::Range { .. })));
    let long = format!("[[{}0]]", "0,".repeat(10));
    assert!(matches!(game.parse(&long), Err(ParseError::Range { .. })));
}

#[test]
fn one_pair_that_two_laws_explain_is_not_a_puzzle() {
    let maker = Maker {
        size: 3,
        colors: 3,
        steps: 1,
        demos: 1,
        laws: Family::Moves.laws(3, 3),
        all: Family::All.laws(3, 3),
    };
    let pair = |a: &str, b: &str| (grid(a), grid(b));
    // A mirror, or a shift by two.
    let two = [pair("100 000 000", "001 000 000")];
    assert!(!maker.is_clear(&two, &grid("120 000 000"), &grid("021 000 000")));
    assert!(!maker.is_clear(&two, &grid("012 000 000"), &grid("210 000 000")));
    let one = [pair("120 100 000", "021 001 000")];
    assert!(maker.is_clear(&one, &grid("012 000 000"), &grid("210 000 000")));
}

/// The answer follows from the theory, checked apart from the generator.
#[test]
fn answers_follow_from_their_theory() {
    for kind in ["arc", "sequence", "raven"] {
        for (rules, steps) in [("moves", 1), ("colours", 1), ("all", 2)] {
            for seed in 0..12 {
                let given = [
                    ("kind", word(kind)),
                    ("rules", word(rules)),
                    ("steps", KnobValue::Int(steps)),
                    ("size", KnobValue::Int(4)),
                ];
                let game = reset(seed, &given).unwrap();
                let made = match &game.theory {
                    Theory::Chain(laws) => {
                        laws.iter().fold(game.grids.last().unwrap().clone(), |g, l| l.apply(&g, game.colors))
                    }
                    Theory::Combine(op) => op.apply(&game.grids[6], &game.grids[7]),
                };
                assert_eq!(made, game.missing, "{kind} {rules} {seed}");
            }
        }
    }
    let odd = reset(0, &[("kind", word("sequence")), ("rules", word("shapes"))]).unwrap_err();
    assert!(odd.to_string().contains("needs rules that go on"));
}

#[test]
fn broken_snapshots_are_refused() {
    let broken = |change: &dyn Fn(&mut Pattern)| {
        let mut game = hand_made();
        change(&mut game);
        serde_json::from_value::<Pattern>(serde_json::to_value(game).unwrap()).is_err()
    };
    assert!(!broken(&|_| ()));
    assert!(broken(&|g| g.grids[0].cells[0] = 7));
    assert!(broken(&|g| g.grids[0].cells.truncate(5)));
    assert!(broken(&|g| g.grids.truncate(2)));
    assert!(broken(&|g| g.missing.rows = 0));
    assert!(broken(&|g| g.tile_px = 0));
    assert!(broken(&|g| g.kind = Kind::Raven));
}
