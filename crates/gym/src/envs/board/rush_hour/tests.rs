use super::*;
use crate::KnobValue;

fn game(text: &str) -> RushHour {
    RushHour {
        lot: Lot::from_text(text).unwrap(),
        max_turns: 30,
        tile_px: 28,
        theme: Theme::Asphalt,
        coloring: Coloring::Distinct,
        once: false,
        lettering: Lettering::Pixel,
        grid: true,
        turn: 0,
        outcome: None,
    }
}

const TWO: &str = "------ ---B-- AA-B-- ---B-- CC---- ------";

#[test]
fn cars_slide_along_free_cells_only() {
    let mut park = game(TWO);
    let listed: Vec<String> = park.legal_actions().iter().map(ToString::to_string).collect();
    assert_eq!(listed, ["A+1", "B-1", "B+1", "B+2", "C+1", "C+2", "C+3", "C+4"]);
    for text in ["A+2", "A-1", "B+3", "C-1"] {
        assert!(!park.step(&park.parse(text).unwrap()).legal, "{text}");
    }
    assert_eq!((park.turn, park.lot.clone()), (4, game(TWO).lot));
    assert_eq!(park.reason(&park.oracle()), "A behind B needs 2 B down 2 A right 4 so B down 2 left 1");
    assert!(park.step(&park.oracle()).legal);
    assert_eq!(
        park.perception().text,
        "- - - - - -\n- - - - - -\nA A - - - -\n- - - B - -\nC C - B - -\n- - - B - -"
    );
    let last = park.step(&park.parse("a+4").unwrap());
    assert_eq!((last.reward, last.status), (1.0, Status::Done(Outcome::Success)));
}

#[test]
fn only_slides_of_these_cars_are_read() {
    let park = game(TWO);
    assert_eq!(park.parse(" b-2\n").unwrap().to_string(), "B-2");
    for text in ["D+1", "A+0", "A+5", "A+99999999999999999999", "Z-1"] {
        assert!(matches!(park.parse(text), Err(ParseError::Range { .. })), "{text}");
    }
    for text in ["A", "A+", "A2", "AB+1", "A +2", "A+1 B+1", "A++1", "1+A"] {
        assert!(matches!(park.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
}

#[test]
fn boards_need_as_many_moves_as_wanted() {
    for (cars, min, max) in [(4, 1, 3), (6, 3, 6), (8, 10, 20), (10, 20, 24), (11, 40, 60)] {
        let given = [("cars", cars), ("min_moves", min), ("max_moves", max)];
        let given = given.map(|(name, v)| (name.to_string(), KnobValue::Int(v))).into();
        let knobs = Knobs::resolve(SPEC.id, KNOBS, &given).unwrap();
        for seed in 0..6 {
            let mut park = RushHour::reset(Seed::new(seed), &knobs).unwrap();
            assert_eq!(park.lot.cars() as i64, cars);
            let mut turns = 0;
            while park.status() == Status::Running {
                assert!(park.step(&park.oracle()).legal);
                turns += 1;
            }
            assert_eq!(park.status(), Status::Done(Outcome::Success));
            assert!((min..=max).contains(&turns), "{cars} cars: {turns} moves");
        }
    }
}

#[test]
fn contradictions_are_named() {
    let text = |given: &[(&str, i64)]| {
        let given = given.iter().map(|(name, v)| (name.to_string(), KnobValue::Int(*v))).collect();
        let knobs = Knobs::resolve(SPEC.id, KNOBS, &given).unwrap();
        RushHour::reset(Seed::new(0), &knobs).map(|_| ()).unwrap_err().to_string()
    };
    assert!(text(&[("min_moves", 9)]).contains("more than max_moves"));
    let few = [("cars", 4), ("min_moves", 30), ("max_moves", 40)];
    assert!(text(&few).contains("no board of 4 cars"));
}

#[test]
fn broken_snapshots_are_refused() {
    let whole = serde_json::to_value(game(TWO)).unwrap();
    assert!(serde_json::from_value::<RushHour>(whole.clone()).is_ok());
    let broken = |pointer: &str, value: serde_json::Value| {
        let mut copy = whole.clone();
        *copy.pointer_mut(pointer).unwrap() = value;
        serde_json::from_value::<RushHour>(copy).is_err()
    };
    assert!(broken("/lot/lanes/1/line", json!(6)));
    assert!(broken("/lot/lanes/1/len", json!(4)));
    assert!(broken("/lot/lanes/0/vertical", json!(true)));
    assert!(broken("/lot/places", json!(u64::MAX)));
    // C in the cells of B.
    assert!(broken("/lot/lanes/2/line", json!(2)));
    assert!(broken("/lot/lanes", json!([])));
    assert!(broken("/tile_px", json!(0)));
}

#[test]
fn lanes_of_car_a_are_checked() {
    assert!(Lot::from_text("A----- A----- ------ ------ ------ ------").is_none());
    assert!(Lot::from_text("------ ------ AA--AA ------ ------ ------").is_none());
    let lane = lot::Lane { vertical: false, line: 2, len: 2 };
    assert_eq!(game(TWO).lot.lane(0), Some(lane));
}
