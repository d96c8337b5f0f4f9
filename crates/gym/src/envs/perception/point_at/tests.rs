use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> PointAt {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    PointAt::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()).unwrap()
}

fn scene(items: &[Item], phrase: Phrase, target: usize) -> PointAt {
    PointAt { scene: Scene::of(items), phrase, target, points: Seed::new(0), outcome: None }
}

fn item(tint: Tint, shape: Shape, x: u32, y: u32) -> Item {
    Item { kind: Kind { tint, shape }, x, y, side: 20 }
}

#[test]
fn a_point_on_the_visible_part_pays() {
    let (back, front) = (item(Tint::Red, Shape::Square, 10, 10), item(Tint::Blue, Shape::Square, 20, 10));
    let game = scene(&[back, front], Phrase::Attribute, 0);
    let play = |text: &str| game.clone().step(&game.parse(text).unwrap());
    let hit = play("(12, 15)");
    assert_eq!((hit.reward, hit.score, hit.status), (1.0, 1.0, Status::Done(Outcome::Success)));
    assert_eq!(play("(10, 10)").reward, 1.0);
    assert_eq!(play("(19.9, 29.5)").reward, 1.0);
    // Outside, and where the other one hides it.
    assert_eq!(play("(9.9, 15)").reward, 0.0);
    assert_eq!(play("(12, 30)").reward, 0.0);
    assert_eq!(play("(20, 15)").status, Status::Done(Outcome::Failure));
    // The middle of the box is hidden; the nearest inner pixel is not.
    assert_eq!(game.oracle().to_string(), "(18, 20)");
    let diamond = scene(&[item(Tint::Red, Shape::Diamond, 10, 10)], Phrase::Attribute, 0);
    let corner = Point { x: 11.0, y: 11.0 };
    assert_eq!(diamond.clone().step(&corner).reward, 0.0, "the corner of its box is not its own");
}

#[test]
fn points_are_read_strictly() {
    let game = scene(&[item(Tint::Red, Shape::Star, 0, 0)], Phrase::Attribute, 0);
    assert_eq!(game.parse(" ( -0,12.50 ) ").unwrap().to_string(), "(0, 12.5)");
    assert_eq!(game.parse("(112, 112)").unwrap().to_string(), "(112, 112)");
    for text in ["(112.5, 3)", "(3, -1)", "(3, 99999)"] {
        assert!(matches!(game.parse(text), Err(ParseError::Range { .. })), "{text}");
    }
    for text in ["1, 2", "(1)", "(1, 2, 3)", "(1e1, 2)", "(nan, 2)", "(, 2)", "[1, 2]", "(1, 2) (3, 4)"] {
        assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
}

#[test]
fn phrases_name_one_object_and_reasons_compare() {
    let items = [
        item(Tint::Red, Shape::Star, 0, 0),
        item(Tint::Blue, Shape::Circle, 30, 0),
        item(Tint::Green, Shape::Circle, 80, 0),
        item(Tint::Blue, Shape::Circle, 82, 80),
    ];
    let discs = Group::Shape(Shape::Circle);
    let near = Phrase::Nearest(0, discs);
    assert_eq!(near.target(&items), Some(1));
    let game = scene(&items, near, 1);
    assert!(game.rules().starts_with("Point at the circle nearest to the red star."), "{}", game.rules());
    let reason = "RedStar 0 0 BlueCircle 30 GreenCircle 80 BlueCircle 114 nearest BlueCircle 0 1";
    assert_eq!(game.reason(&game.oracle()), reason);
    // Two pixels apart is too close to call.
    assert_eq!(Phrase::Extreme(Extreme::Rightmost, discs).target(&items), None);
    let left = Phrase::Extreme(Extreme::Leftmost, discs);
    assert_eq!(left.target(&items), Some(1));
    let game = scene(&items, left, 1);
    assert!(game.rules().starts_with("Point at the leftmost circle."));
    let reason = "BlueCircle 40 GreenCircle 90 BlueCircle 92 leftmost BlueCircle 0 1";
    assert_eq!(game.reason(&game.oracle()), reason);
    assert_eq!(Phrase::Extreme(Extreme::Lowest, Group::Tint(Tint::Red)).target(&items), None);
    let game = scene(&items, Phrase::Extreme(Extreme::Lowest, Group::Tint(Tint::Blue)), 3);
    assert!(game.rules().starts_with("Point at the lowest blue object."));
}

#[test]
fn the_oracle_always_hits_and_names_are_unique() {
    let crowded = [("objects", KnobValue::Int(16)), ("overlap", KnobValue::Float(0.6))];
    for form in ["attribute", "extreme", "nearest", "mixed"] {
        for seed in 0..60 {
            let mut given = vec![("phrase", KnobValue::Choice(form.into())), ("colors", KnobValue::Int(3))];
            if seed % 2 == 0 {
                given.extend(crowded.clone());
            }
            let mut game = reset(seed, &given);
            let items = game.scene.items();
            let alike = |i: usize| items.iter().filter(|o| o.kind == items[i].kind).count();
            match game.phrase {
                Phrase::Attribute => assert_eq!(alike(game.target), 1),
                Phrase::Nearest(anchor, group) => {
                    assert!(alike(anchor) == 1 && !group.has(&items[anchor]));
                    assert_eq!(game.phrase.target(items), Some(game.target));
                }
                Phrase::Extreme(..) => assert_eq!(game.phrase.target(items), Some(game.target)),
            }
            assert_eq!(game.step(&game.oracle()).reward, 1.0, "{form} {seed}");
        }
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let items = [item(Tint::Red, Shape::Star, 0, 0), item(Tint::Blue, Shape::Star, 40, 0)];
    let read =
        |game: &PointAt| serde_json::from_value::<PointAt>(serde_json::to_value(game).unwrap()).is_ok();
    let group = Group::Shape(Shape::Star);
    assert!(read(&scene(&items, Phrase::Nearest(1, group), 0)));
    assert!(!read(&scene(&items, Phrase::Attribute, 2)));
    assert!(!read(&scene(&items, Phrase::Nearest(2, group), 0)));
}
