use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> Transformation {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    Transformation::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()).unwrap()
}

fn word(text: &str) -> KnobValue {
    KnobValue::Choice(text.into())
}

const STAR: Thing = Thing { tint: Tint::Red, shape: Shape::Star, small: false };
const DISC: Thing = Thing { tint: Tint::Blue, shape: Shape::Circle, small: true };

/// A star at 0,0, a disc at 1,1, a star at 2,0 on a board of side 3.
fn game(changes: &str) -> Transformation {
    let mut game = reset(1, &[]);
    game.before = vec![
        Placed { cell: 0, thing: STAR },
        Placed { cell: 4, thing: DISC },
        Placed { cell: 6, thing: STAR },
    ];
    game.changes = game.parse(changes).unwrap().0;
    game
}

fn worth(credit: Credit, truth: &str, said: &str) -> f32 {
    let mut game = game(truth);
    game.credit = credit;
    game.clone().step(&game.parse(said).unwrap()).reward
}

#[test]
fn star_r1_pays_by_object_attribute_and_value() {
    let pay = |truth: &str, said: &str| worth(Credit::StarR1, truth, said);
    let truth = "change_color(0,blue), change_shape(1,star)";
    assert_eq!(pay(truth, truth), 1.0);
    assert_eq!(pay(truth, "change_color(0,green), change_shape(1,star)"), 6.5 / 10.0);
    assert_eq!(pay(truth, "change_size(0,small), change_shape(1,star)"), 5.5 / 10.0);
    assert_eq!(pay(truth, "change_color(2,blue), change_shape(1,star)"), 5.0 / 10.0);
    // Too few and too many cost one point each.
    assert_eq!(pay(truth, "change_shape(1,star)"), 4.0 / 10.0);
    assert_eq!(pay(truth, "change_color(0,blue), change_shape(1,star), move(2,up)"), 9.0 / 10.0);
    assert_eq!(pay(truth, "move(2,up)"), 0.0);
}

#[test]
fn reason_rft_pays_by_parts_and_exact_pays_all_or_nothing() {
    let pay = |truth: &str, said: &str| worth(Credit::ReasonRft, truth, said);
    let truth = "change_color(0,blue), change_shape(1,star)";
    assert_eq!(pay(truth, truth), 1.0);
    assert_eq!(pay(truth, "change_color(0,green), change_shape(1,star)"), 1.5 / 2.0);
    assert_eq!(pay(truth, "change_color(2,blue)"), 0.5 / 2.0);
    assert_eq!(pay(truth, "change_color(2,green)"), 0.25 / 2.0);
    assert_eq!(pay(truth, "change_size(0,small)"), 0.0);
    let many = "change_color(0,blue), change_shape(1,star), move(2,up), change_size(2,small)";
    assert_eq!(pay(truth, many), 0.5);
    assert_eq!(worth(Credit::Exact, truth, truth), 1.0);
    assert_eq!(worth(Credit::Exact, truth, "change_color(0,blue)"), 0.0);
    let mut game = game(truth);
    let step = game.step(&game.parse("change_color(0,blue)").unwrap());
    assert_eq!((step.score, step.status), (0.5, Status::Done(Outcome::Failure)));
}

#[test]
fn answers_are_read_strictly_and_sorted() {
    let game = game("move(0,right)");
    let text = "move(2,up) ,change_size( 1 , large ),  change_color(1,red)";
    assert_eq!(
        game.parse(text).unwrap().to_string(),
        "change_color(1,red), change_size(1,large), move(2,up)"
    );
    for text in ["change_color(3,red)", "move(0,up), move(0,down)", "move(0,up), move(0,up)"] {
        assert!(matches!(game.parse(text), Err(ParseError::Range { .. })), "{text}");
    }
    for text in [
        "none",
        "change_color(0,up)",
        "change_color(0,'red')",
        "change_color(red,0)",
        "change_color(0,red) move(0,up)",
        "change_color(0,red),",
        "change_colour(0,red)",
        "move(0,up",
        "move(000,up)",
    ] {
        assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
}

#[test]
fn scenes_turn_clockwise_and_reasons_name_old_and_new() {
    let mut game = game("change_color(0,blue), change_shape(0,circle), move(1,right)");
    let text = "RedStar . . BlueCircle . .\n. SmallBlueCircle . . . SmallBlueCircle\nRedStar . . RedStar . .";
    assert_eq!(game.perception().text, text);
    assert_eq!(game.reason(&game.oracle()), "0 RedStar BlueCircle 1 1 1 to 1 2");
    game.turned = Some(1);
    assert_eq!([0, 2, 8, 5].map(|i| game.seen(i)).map(|c| (c.row, c.col)), [(0, 2), (2, 2), (2, 0), (2, 1)]);
    let text = "RedStar . . RedStar . BlueCircle\n. SmallBlueCircle . . . .\nRedStar . . . SmallBlueCircle .";
    assert_eq!(game.perception().text, text);
    assert_eq!(game.reason(&game.oracle()), "turned 90 0 RedStar BlueCircle 1 1 1 to 1 2");
}

#[test]
fn moves_that_could_have_been_others_are_not_asked_for() {
    // Two equal objects with one filled cell between the cells that they left.
    let at = |cells: &[usize]| cells.iter().map(|c| Placed { cell: *c, thing: STAR }).collect::<Vec<_>>();
    assert_eq!(explanations(3, &at(&[0, 2]), &at(&[1, 5])), 1);
    assert_eq!(explanations(3, &at(&[0, 4]), &at(&[1, 3])), 2);
    assert_eq!(explanations(3, &at(&[0, 4]), &at(&[0, 4])), 1);
    let before = at(&[0, 4]);
    let to = |object: usize, direction: Direction| Change { object, to: To::Move(direction) };
    assert!(after(3, &before, &[to(0, Direction::Up)]).is_none(), "off the board");
    assert!(after(3, &before, &[to(0, Direction::Right), to(1, Direction::Up)]).is_none(), "one cell");
    assert!(after(3, &at(&[0, 1]), &[to(0, Direction::Right)]).is_none(), "taken");
    let same = Change { object: 0, to: To::Color(Tint::Red) };
    assert!(after(3, &before, &[same]).is_none(), "no change");
}

#[test]
fn the_two_scenes_tell_the_changes() {
    for seed in 0..150 {
        let given = [
            ("size", KnobValue::Int(4)),
            ("objects", KnobValue::Int(8)),
            ("changes", KnobValue::Int(5)),
            ("kinds", word("all")),
        ];
        let game = reset(seed, &given);
        let new = game.after();
        assert_eq!(explanations(4, &game.before, &new), 1);
        // Read the changes off the two scenes: same cell first, then the only way for the rest.
        let mut read = Vec::new();
        for (object, old) in game.before.iter().enumerate() {
            match new.iter().find(|p| p.cell == old.cell) {
                Some(p) => {
                    let (a, b) = (old.thing, p.thing);
                    read.extend(
                        (a.tint != b.tint).then_some(To::Color(b.tint)).map(|to| Change { object, to }),
                    );
                    read.extend(
                        (a.shape != b.shape).then_some(To::Shape(b.shape)).map(|to| Change { object, to }),
                    );
                    read.extend(
                        (a.small != b.small).then_some(To::Small(b.small)).map(|to| Change { object, to }),
                    );
                }
                None => read.extend(game.changes.iter().filter(|c| c.object == object)),
            }
        }
        assert_eq!(read, game.changes, "{seed}");
        assert_eq!(game.clone().step(&game.oracle()).reward, 1.0);
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let read = |game: &Transformation| {
        serde_json::from_value::<Transformation>(serde_json::to_value(game).unwrap()).is_ok()
    };
    let fine = game("move(1,up)");
    assert!(read(&fine));
    let with =
        |object: usize, to: To| Transformation { changes: vec![Change { object, to }], ..fine.clone() };
    assert!(!read(&with(3, To::Small(true))));
    assert!(!read(&with(0, To::Move(Direction::Up))));
    assert!(!read(&Transformation { size: 2, ..fine.clone() }));
    assert!(!read(&Transformation { size: 4000, ..fine.clone() }));
    assert!(!read(&Transformation { turned: Some(4), ..fine.clone() }));
    assert!(!read(&Transformation { changes: Vec::new(), ..fine }));
}
