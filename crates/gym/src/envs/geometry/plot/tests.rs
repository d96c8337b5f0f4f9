use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, &str)]) -> Result<Plot, KnobError> {
    let value = |v: &str| match v {
        "true" => KnobValue::Bool(true),
        v => v.parse().map_or(KnobValue::Choice(v.into()), KnobValue::Int),
    };
    let given = given.iter().map(|(name, v)| (name.to_string(), value(v))).collect();
    Plot::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given)?)
}

fn hand_made(curve: Curve, question: Question, units: (i64, i64)) -> Plot {
    Plot { curves: vec![curve], question, units, colors: vec![0], asked: 0, ..reset(1, &[]).unwrap() }
}

#[test]
fn numbers_follow_from_the_formula() {
    let line = Curve::Line { m4: -2, b: 3 };
    let bowl = Curve::Parabola { a4: 2, h: 1, k: -3 };
    let tent = Curve::Abs { a4: -4, h: -1, k: 2 };
    let path = Curve::Polyline { corners: vec![(-4, 0), (-1, 3), (1, -2), (4, 1)] };
    let wave = Curve::Sine { a: -2, period: 4, k: 1 };
    let ring = Curve::Circle { x: 1, y: -1, radius: 2 };
    let cases = [
        (&line, Question::Value(2), (1, 1), "y=2"),
        (&line, Question::Value(1), (2, 5), "y=12.5"),
        (&line, Question::Solve(2), (10, 1), "x=20"),
        (&line, Question::Slope(0), (2, 5), "m=-1.25"),
        (&line, Question::Parameters, (1, 1), "m=-0.5, b=3"),
        (&bowl, Question::Value(3), (1, 1), "y=-1"),
        (&bowl, Question::Slope(3), (1, 1), "m=2"),
        (&bowl, Question::Turning, (2, 10), "x=2, y=-30"),
        (&bowl, Question::Parameters, (10, 1), "a=0.005, h=10, k=-3"),
        (&tent, Question::Slope(2), (5, 1), "m=-0.2"),
        (&tent, Question::Parameters, (1, 1), "a=-1, h=-1, k=2"),
        (&path, Question::Turning, (1, 1), "x=-1, y=3"),
        (&path, Question::Value(2), (1, 1), "y=-1"),
        (&wave, Question::Turning, (1, 1), "y=3"),
        (&wave, Question::Value(1), (1, 1), "y=-1"),
        (&wave, Question::Parameters, (1, 5), "a=10, p=4, k=5"),
        (&ring, Question::Parameters, (2, 2), "x=2, y=-2, r=4"),
    ];
    for (curve, question, units, answer) in cases {
        let game = hand_made(curve.clone(), question, units);
        assert_eq!(game.oracle().to_string(), answer, "{curve:?} {question:?}");
    }
}

#[test]
fn a_tenth_of_a_tick_is_near_enough() {
    let play = |text: &str| {
        let mut game = hand_made(Curve::Line { m4: 8, b: -1 }, Question::Parameters, (1, 1));
        let action = game.parse(text).unwrap();
        let step = game.step(&action);
        (step.reward, step.score)
    };
    assert_eq!(play("m=2, b=-1"), (1.0, 1.0));
    assert_eq!(play(" m = 2.05,b=-1.1 "), (1.0, 1.0));
    assert_eq!(play("m=2.2, b=-1"), (0.0, 0.5));
    assert_eq!(play("m=1, b=0"), (0.0, 0.0));
}

#[test]
fn only_plain_numbers_with_their_names_are_read() {
    let game = hand_made(Curve::Line { m4: 8, b: -1 }, Question::Value(1), (1, 1));
    for text in ["1", "x=1", "y=", "y=1e2", "y=nan", "y=+1", "y=.5", "y=1.", "y=1, y=1", "y=1234567", "y=--1"]
    {
        assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
    assert_eq!(game.parse("y=-0.00004").unwrap().to_string(), "y=0");
    assert_eq!(game.parse("y=01.50").unwrap().to_string(), "y=1.5");
}

#[test]
fn every_question_is_asked_and_can_be_read_off() {
    let mut kinds = std::collections::BTreeMap::new();
    for seed in 0..400 {
        let given = [("family", "mixed"), ("question", "mixed"), ("units", "true"), ("curves", "2")];
        let game = reset(seed, &given).unwrap();
        *kinds.entry((game.question.kind(), game.curve().family().name())).or_insert(0) += 1;
        let gold = game.gold();
        assert!(!gold.is_empty() && gold.iter().all(|g| g.tolerance > 0));
        // A coefficient of 0 could not be missed by a twentieth of itself.
        assert!(gold.iter().all(|g| !["m", "p", "r"].contains(&g.name) || g.value != 0), "{game:?}");
        if let Question::Solve(x) = game.question {
            let height = |t: i32| game.curve().height4(t);
            assert!((x + 1..=game.range).all(|t| height(t) != height(x)), "{game:?}");
        }
    }
    assert_eq!(kinds.len(), 20, "{kinds:?}");
    assert!(reset(0, &[("family", "circle"), ("question", "slope")]).is_err());
}

#[test]
fn curves_are_drawn_at_their_values() {
    for family in ["line", "parabola", "corner", "polyline", "sine"] {
        for seed in 0..10 {
            let game = reset(seed, &[("family", family)]).unwrap();
            let image = game.render();
            let frame = game.frame();
            let Question::Value(x) = game.question else { unreachable!() };
            let y = game.curve().height4(x).unwrap() as f32 / 4.0;
            let (px, py) = frame.at(x as f32, y);
            let edge = game.range - 1;
            if x.abs() <= edge && y.abs() <= edge as f32 {
                let at = (py as usize * image.width() as usize + px as usize) * 3;
                let wanted = game.theme.curve(game.colors[game.asked]);
                let got = &image.pixels()[at..at + 3];
                let off: i32 =
                    got.iter().zip(wanted).map(|(a, b)| (i32::from(*a) - i32::from(b)).abs()).sum();
                assert!(off < 250, "{family} {seed}: {got:?} at {x} {y}");
            }
        }
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let broken = |change: &dyn Fn(&mut Plot)| {
        let mut game = hand_made(Curve::Line { m4: 4, b: 0 }, Question::Value(1), (1, 1));
        change(&mut game);
        serde_json::from_value::<Plot>(serde_json::to_value(game).unwrap()).is_err()
    };
    assert!(!broken(&|_| ()));
    assert!(broken(&|g| g.asked = 1));
    assert!(broken(&|g| g.colors.clear()));
    assert!(broken(&|g| g.units.0 = 0));
    assert!(broken(&|g| g.range = 1_000_000));
    assert!(broken(&|g| g.question = Question::Value(1 << 30)));
    assert!(broken(&|g| g.curves[0] = Curve::Circle { x: 0, y: 0, radius: 1 }));
    assert!(broken(&|g| g.curves[0] = Curve::Sine { a: 1, period: 0, k: 0 }));
}
