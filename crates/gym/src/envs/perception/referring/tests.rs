use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> Result<Referring, KnobError> {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    Referring::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given)?)
}

fn word(text: &str) -> KnobValue {
    KnobValue::Choice(text.into())
}

fn scene(objects: &[Object], phrase: Phrase) -> Referring {
    let target = objects[0];
    let boxes = Seed::new(0);
    Referring { canvas_px: 112, objects: objects.to_vec(), phrase, target, boxes, outcome: None }
}

const DISC: Object = Object { tint: Tint::Red, shape: Shape::Circle, x: 10, y: 20, side: 30 };

#[test]
fn the_overlap_is_the_reward() {
    let game = scene(&[DISC], Phrase::Attribute);
    let play = |text: &str| game.clone().step(&game.parse(text).unwrap());
    let exact = play("[10, 20, 40, 50]");
    assert_eq!((exact.reward, exact.score, exact.status), (1.0, 1.0, Status::Done(Outcome::Success)));
    // The right half of the box and as much beside it: 450 shared, 900 + 900 - 450 together.
    let half = play("[25,20.0,55,50]");
    assert!((half.reward - 1.0 / 3.0).abs() < 1e-6);
    assert_eq!(half.status, Status::Done(Outcome::Failure));
    assert_eq!(play("[50, 50, 60, 60]").reward, 0.0);
    assert_eq!(game.oracle().to_string(), "[10, 20, 40, 50]");
}

#[test]
fn boxes_outside_the_picture_or_inverted_are_out_of_range() {
    let game = scene(&[DISC], Phrase::Attribute);
    for text in ["[-1, 0, 9, 9]", "[0, 0, 112.5, 9]", "[9, 0, 3, 9]", "[1, 5, 3, 5]"] {
        assert!(matches!(game.parse(text), Err(ParseError::Range { .. })), "{text}");
    }
    for text in ["[1e1, 0, 20, 20]", "[.5, 0, 9, 9]", "[1.2.3, 0, 9, 9]", "[1, 2, 3, 4, 5]", "1, 2, 3, 4"] {
        assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
    assert_eq!(game.parse(" [ -0,0.50, 112 ,9.] ").unwrap().to_string(), "[0, 0.5, 112, 9]");
}

#[test]
fn broken_snapshots_are_refused() {
    let broken = |canvas_px: u32, object: Object| {
        let state = Referring { canvas_px, ..scene(&[object], Phrase::Attribute) };
        serde_json::from_value::<Referring>(serde_json::to_value(state).unwrap()).is_err()
    };
    assert!(!broken(112, DISC));
    assert!(!broken(112, Object { x: 82, ..DISC }));
    assert!(broken(112, Object { x: 83, ..DISC }));
    assert!(broken(112, Object { y: u32::MAX, ..DISC }));
    assert!(broken(112, Object { side: 0, ..DISC }));
    assert!(broken(100, DISC));
    let mut other = scene(&[DISC], Phrase::Attribute);
    other.target.x += 1;
    assert!(serde_json::from_value::<Referring>(serde_json::to_value(other).unwrap()).is_err());
}

#[test]
fn a_shape_fills_exactly_its_box() {
    for shape in SHAPES {
        let object = Object { shape, ..DISC };
        let image = scene(&[object], Phrase::Attribute).render();
        let drawn = image.pixels().chunks_exact(3).enumerate().filter(|(_, p)| *p != LIGHT);
        let at: Vec<(usize, usize)> = drawn.map(|(i, _)| (i % 112, i / 112)).collect();
        let xs = (at.iter().map(|p| p.0).min(), at.iter().map(|p| p.0).max());
        let ys = (at.iter().map(|p| p.1).min(), at.iter().map(|p| p.1).max());
        assert_eq!((xs, ys), ((Some(10), Some(39)), (Some(20), Some(49))), "{shape:?}");
    }
}

#[test]
fn a_reason_for_a_relation_lists_what_is_compared() {
    let other = Object { x: 60, y: 70, side: 18, ..DISC };
    let square = Object { shape: Shape::Square, x: 0, y: 80, ..DISC };
    let game = scene(&[DISC, other, square], Phrase::Relation(Extreme::Leftmost, Kin::Shape(Shape::Circle)));
    assert_eq!(game.reason(&game.oracle()), "RedCircle 25 RedCircle 69 leftmost RedCircle 1 0");
    assert!(game.rules().starts_with("Find the leftmost circle."));
    let game = scene(&[DISC, other], Phrase::Relation(Extreme::Largest, Kin::Tint(Tint::Red)));
    assert!(game.rules().starts_with("Find the largest red one."));
    let game = scene(&[DISC, square], Phrase::Attribute);
    assert!(game.rules().starts_with("Find the red circle."));
    assert_eq!(game.reason(&game.oracle()), "RedCircle 1 0");
    assert_eq!(game.perception().text, "RedCircle 1 0\nRedSquare 3 0");
}

#[test]
fn a_phrase_names_one_object_and_objects_hardly_overlap() {
    let mut kinds = [0, 0];
    for seed in 0..200 {
        let game = reset(seed, &[("phrase", word("mixed")), ("objects", KnobValue::Int(6))]).unwrap();
        for (i, a) in game.objects.iter().enumerate() {
            assert!(a.x + a.side <= 112 && a.y + a.side <= 112);
            for b in &game.objects[..i] {
                let allowed = if a.tint == b.tint { 0.0 } else { 0.1 };
                assert!(overlap(a, b) <= allowed, "seed {seed}: {a:?} and {b:?}");
            }
        }
        let target = game.target;
        let rivals = game.objects.iter().filter(|o| **o != target);
        match game.phrase {
            Phrase::Attribute => {
                kinds[0] += 1;
                assert!(rivals.clone().all(|o| (o.tint, o.shape) != (target.tint, target.shape)));
            }
            Phrase::Relation(extreme, kin) => {
                kinds[1] += 1;
                let mut rivals = rivals.filter(|o| kin.has(o)).peekable();
                assert!(kin.has(&target) && rivals.peek().is_some(), "a group of one");
                let lead = |o: &Object| i64::from(extreme.key(&target)) - i64::from(extreme.key(o));
                let sign = if extreme.wants_most() { 1 } else { -1 };
                assert!(rivals.all(|o| sign * lead(o) >= 4));
            }
        }
    }
    assert!(kinds.iter().all(|n| *n > 60), "{kinds:?}");
}

#[test]
fn knobs_bound_sizes_and_colors() {
    for seed in 0..30 {
        let given = [("sizes", word("small")), ("colors", KnobValue::Int(2))];
        let game = reset(seed, &given).unwrap();
        assert!(game.objects.iter().all(|o| (18..=26).contains(&o.side) && TINTS[..2].contains(&o.tint)));
    }
    let text = |given: &[(&str, KnobValue)]| reset(0, given).unwrap_err().to_string();
    assert!(text(&[("canvas_px", KnobValue::Int(100))]).contains("not a multiple of 28"));
    let full = [("canvas_px", KnobValue::Int(84)), ("objects", KnobValue::Int(8)), ("sizes", word("large"))];
    assert!(text(&full).contains("no scene with 8 objects"));
}
