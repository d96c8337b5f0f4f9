use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, &str)]) -> Result<MentalRotation, KnobError> {
    let value = |v: &str| v.parse().map_or(KnobValue::Choice(v.into()), KnobValue::Int);
    let value = |n: &str, v: &str| if n == "cells" { value(v) } else { KnobValue::Choice(v.into()) };
    let given = given.iter().map(|(name, v)| (name.to_string(), value(name, v))).collect();
    MentalRotation::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given)?)
}

fn hand_made() -> MentalRotation {
    // An L of four, turned by a quarter: its foot, at the lower right, is then at the lower left.
    let figure = vec![[0, 0, 0], [0, 1, 0], [0, 2, 0], [1, 2, 0]];
    MentalRotation { figure, angle: 90, ..reset(1, &[]).unwrap() }
}

#[test]
fn a_flat_figure_turns_clockwise() {
    let game = hand_made();
    assert_eq!(rows(&game.figure), ["10", "10", "11"]);
    assert_eq!(rows(&game.shown()), ["111", "100"]);
    assert_eq!(game.perception().text, "# - | # # #\n# - | # - -\n# # | - - -");
    assert_eq!(
        game.reason(&game.oracle()),
        "left 10-10-11 turns 90 111-100 180 11-01-01 270 001-111 right 111-100 so rotate 90"
    );
    let mut other = game.clone();
    assert_eq!(other.step(&game.parse("rotate(270)").unwrap()).reward, 0.0);
    let mut game = game;
    assert_eq!(game.step(&game.oracle()).status, Status::Done(Outcome::Success));
}

#[test]
fn answers_that_are_not_asked_for_are_out_of_range() {
    let flat = hand_made();
    for text in ["rotate(45)", "rotate(360)", "same", "rotate(z,90)"] {
        assert!(matches!(flat.parse(text), Err(ParseError::Range { .. })), "{text}");
    }
    for text in
        ["rotate(0)", "rotate(90.0)", "rotate(-90)", "rotate(w,90)", "rotate 90", "rotate()", "rotate(90"]
    {
        assert!(matches!(flat.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
    let solid = reset(1, &[("dimension", "3d")]).unwrap();
    assert_eq!(solid.parse("rotate( z , 270 )").unwrap().to_string(), "rotate(z,270)");
    assert!(solid.parse("rotate(90)").is_err() && solid.parse("rotate(x,45)").is_err());
    assert!(reset(1, &[("dimension", "3d"), ("step", "45")]).is_err());
}

/// Every turn is tried on the left figure; exactly the right answer must give the right one.
#[test]
fn a_search_finds_the_answer_and_no_other() {
    for seed in 0..60 {
        for cells in ["4", "7", "10"] {
            let game = reset(seed, &[("cells", cells)]).unwrap();
            let found = (1..4).filter(|n| turned_flat(&game.figure, *n) == game.shown());
            assert_eq!(found.map(|n| Answer::Rotate(90 * n as u16)).collect::<Vec<_>>(), [game.oracle()]);
            let game = reset(seed, &[("cells", cells), ("task", "same"), ("step", "30")]).unwrap();
            let same = (0..4).any(|n| turned_flat(&game.figure, n) == game.shown());
            assert_eq!(same, game.oracle() == Answer::Same);
        }
    }
    for seed in 0..12 {
        for cells in ["4", "6", "10"] {
            let game = reset(seed, &[("cells", cells), ("dimension", "3d")]).unwrap();
            let makes = |a: &Answer| match a {
                Answer::RotateAround(axis, d) => {
                    turned(&game.figure, &around(*axis, usize::from(d / 90))) == game.shown()
                }
                _ => false,
            };
            assert_eq!(turns_around().filter(makes).collect::<Vec<_>>(), [game.oracle()]);
            let given = [("cells", cells), ("dimension", "3d"), ("task", "same")];
            let game = reset(seed, &given).unwrap();
            let same = turns().iter().any(|turn| turned(&game.figure, turn) == game.shown());
            assert_eq!(same, game.oracle() == Answer::Same);
        }
    }
}

#[test]
fn figures_stay_inside_their_views() {
    for seed in 0..24 {
        for dimension in ["2d", "3d"] {
            let game = reset(seed, &[("dimension", dimension), ("task", "same"), ("cells", "9")]).unwrap();
            let image = game.render();
            let [back, border, ..] = game.theme.colors();
            let (width, height) = (image.width() as usize, image.height() as usize);
            let drawn =
                image.pixels().chunks_exact(3).enumerate().filter(|(_, p)| *p != back && *p != border);
            for (x, y) in drawn.map(|(i, _)| (i % width, i / width)) {
                assert!(x % 84 > 1 && x % 84 < 82 && y > 1 && y < height - 2, "{dimension} {seed}: {x} {y}");
            }
        }
    }
}

#[test]
fn sines_are_those_of_the_circle() {
    for degrees in (0..720).step_by(15) {
        let wanted = f64::from(degrees).to_radians().sin();
        assert!((f64::from(sine(degrees)) - wanted).abs() < 1e-6, "{degrees}");
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let broken = |change: &dyn Fn(&mut MentalRotation)| {
        let mut game = hand_made();
        change(&mut game);
        serde_json::from_value::<MentalRotation>(serde_json::to_value(game).unwrap()).is_err()
    };
    assert!(!broken(&|_| ()));
    assert!(broken(&|g| g.angle = 45));
    assert!(broken(&|g| g.angle = 0));
    assert!(broken(&|g| g.figure.clear()));
    assert!(broken(&|g| g.figure[0] = [100, 0, 0]));
    assert!(broken(&|g| g.step = 0));
    assert!(broken(&|g| (g.flat, g.angle) = (false, 24)));
    assert!(broken(&|g| g.panel_px = 0));
}
