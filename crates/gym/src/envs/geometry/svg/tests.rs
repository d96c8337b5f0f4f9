use super::likeness::{Likeness, plain};
use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> Result<Svg, KnobError> {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    Svg::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given)?)
}

fn word(text: &str) -> KnobValue {
    KnobValue::Choice(text.into())
}

fn hand_made() -> Svg {
    let red = Element::Rect { x: 14.0, y: 28.0, width: 42.0, height: 28.0, fill: [255, 0, 0] };
    let disc = Element::Circle { cx: 84.0, cy: 70.0, r: 14.0, fill: [0, 0, 255] };
    Svg { shapes: vec![red, disc], ..reset(1, &[]).unwrap() }
}

#[test]
fn the_likeness_is_the_reward() {
    let play = |text: &str| {
        let mut game = hand_made();
        let action = game.parse(text).unwrap();
        game.step(&action)
    };
    let whole = hand_made().oracle().to_string();
    assert_eq!((play(&whole).reward, play(&whole).status), (1.0, Status::Done(Outcome::Success)));
    assert_eq!(play("<svg></svg>").reward, 0.0);
    let rect = "<svg><rect x=\"14\" y=\"28\" width=\"42\" height=\"28\" fill=\"red\"/></svg>";
    let part = play(rect).reward;
    assert!((0.4..0.9).contains(&part), "{part}");
    let flood = play("<svg><rect x=\"0\" y=\"0\" width=\"112\" height=\"112\" fill=\"red\"/></svg>").reward;
    assert!(flood < 0.2, "{flood}");
    // Another way to write the same picture.
    let twice = rect.replace("</svg>", "<circle cx=\"84\" cy=\"70\" r=\"14\" fill=\"#00f\"/></svg>");
    assert_eq!(play(&twice).reward, 1.0);
}

/// Answers to a task: by lot, the right one, and what lies between.
fn answers(game: &Svg, rng: &mut Rng) -> Vec<Picture> {
    let whole = game.oracle().0;
    let moved = whole.iter().map(|shape| match shape {
        Element::Rect { x, y, width, height, fill } => {
            Element::Rect { x: x + 1.0, y: y - 0.5, width: *width, height: *height, fill: *fill }
        }
        Element::Circle { cx, cy, r, fill } => {
            Element::Circle { cx: cx - 2.0, cy: *cy, r: r + 0.25, fill: fill.map(|v| v ^ 32) }
        }
        other => other.clone(),
    });
    let flood = Element::Circle { cx: 0.0, cy: 300.0, r: 290.0, fill: [128, 90, 250] };
    let guess = game.guess(rng).unwrap();
    let both = guess.0.iter().chain(&whole).cloned().collect();
    let some = whole[..rng.below(whole.len())].to_vec();
    [guess.0.clone(), both, some, moved.collect(), vec![flood], vec![], whole.clone()].map(Picture).into()
}

#[test]
fn the_likeness_is_that_of_the_plain_form() {
    let settings: [&[(&str, KnobValue)]; 4] = [
        &[],
        &[("shapes", KnobValue::Int(5)), ("kinds", word("all")), ("snap_px", KnobValue::Int(3))],
        &[("theme", word("muted")), ("overlap", KnobValue::Bool(true)), ("canvas_px", KnobValue::Int(84))],
        &[("theme", word("night")), ("kinds", word("all")), ("canvas_px", KnobValue::Int(308))],
    ];
    for (seed, given) in (0..80).zip(settings.iter().cycle()) {
        let game = reset(seed, given).unwrap();
        let (side, background) = (game.canvas_px as usize, game.theme.background());
        let picture = |shapes: &[Element]| draw(shapes, game.canvas_px, background);
        let target = picture(&game.shapes);
        let fast = Target::new(target.clone(), background);
        for answer in answers(&game, &mut Seed::new(seed).rng()) {
            let made = picture(&answer.0);
            let bits = |l: Likeness| [l.structure, l.color, l.edges].map(f64::to_bits);
            let plain = plain::likeness(target.pixels(), made.pixels(), side, background);
            let fast = fast.likeness(&Analysis::new(made, background));
            assert_eq!(bits(fast), bits(plain), "seed {seed}, {given:?}: {answer}");
            let mut fork = game.clone();
            assert_eq!(fork.step(&answer).reward.to_bits(), (plain.mean() as f32).to_bits());
        }
    }
}

#[test]
fn forks_share_the_target() {
    let game = hand_made();
    let mut fork = game.clone();
    assert!(game.target.0.get().is_none());
    fork.step(&Picture(vec![]));
    assert!(game.target.0.get().is_some());
    // It is no part of the state.
    let restored: Svg = serde_json::from_value(serde_json::to_value(&game).unwrap()).unwrap();
    assert!(restored.target.0.get().is_none());
    assert_eq!(restored, game);
    assert_eq!(restored.clone().step(&game.oracle()), game.clone().step(&game.oracle()));
}

#[test]
fn reasons_and_perception_name_the_shapes() {
    let game = hand_made();
    assert_eq!(game.reason(&game.oracle()), "2 shapes Rect width 42 height 28 Circle centre 84 70 radius 14");
    assert_eq!(game.perception().text, "red Rect 14 28 56 56\nblue Circle 70 56 98 84");
    assert!(matches!(game.parse("<svg><rect/></svg>"), Err(ParseError::Grammar { .. })));
    assert!(matches!(game.parse("<svg width=\"1\"></svg>"), Err(ParseError::Range { .. })));
}

#[test]
fn enough_is_seen_of_every_shape() {
    for seed in 0..20 {
        let given = [
            ("shapes", KnobValue::Int(6)),
            ("kinds", word("all")),
            ("overlap", KnobValue::Bool(true)),
            ("snap_px", KnobValue::Int(2)),
        ];
        let game = reset(seed, &given).unwrap();
        let whole = game.render();
        for index in 0..game.shapes.len() {
            // Without it, the picture is another one.
            let mut rest = game.clone();
            rest.shapes.remove(index);
            let rest = rest.render();
            let changed = whole.pixels().chunks_exact(3).zip(rest.pixels().chunks_exact(3));
            assert!(changed.filter(|(a, b)| a != b).count() > 40, "seed {seed}, shape {index}");
        }
        let mut copy = game.clone();
        assert_eq!(copy.step(&game.oracle()).reward, 1.0);
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let broken = |change: &dyn Fn(&mut Svg)| {
        let mut game = hand_made();
        change(&mut game);
        serde_json::from_value::<Svg>(serde_json::to_value(game).unwrap()).is_err()
    };
    assert!(!broken(&|_| ()));
    assert!(broken(&|g| g.canvas_px = 100));
    assert!(broken(&|g| g.shapes.clear()));
    assert!(broken(&|g| g.shapes = vec![g.shapes[0].clone(); 80]));
    assert!(broken(&|g| g.shapes[0] = Element::Polygon { points: vec![], fill: [0; 3] }));
    let huge = Element::Circle { cx: 1e9, cy: 0.0, r: 1.0, fill: [0; 3] };
    assert!(broken(&|g| g.shapes[0] = huge.clone()));
    assert!(broken(&|g| g.snap_px = 0));
}
