use super::super::scene::Tint;
use super::*;
use crate::KnobValue;
use crate::draw::Shape;

const RED_STAR: Kind = Kind { tint: Tint::Red, shape: Shape::Star };
const BLUE_STAR: Kind = Kind { tint: Tint::Blue, shape: Shape::Star };

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> Detection {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    Detection::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()).unwrap()
}

fn scene(items: &[(Kind, u32, u32)], asked: &[Kind]) -> Detection {
    let items: Vec<Item> =
        items.iter().map(|(kind, x, y)| Item { kind: *kind, x: *x, y: *y, side: 20 }).collect();
    let (scene, asked) = (Scene::of(&items), asked.to_vec());
    Detection { scene, asked, price: 2.0, boxes: Seed::new(0), outcome: None }
}

const ONE: &str = r#"[{"bbox_2d": [10, 10, 30, 30], "label": "red star"}]"#;

#[test]
fn boxes_are_counted_by_label_and_overlap() {
    let game = scene(&[(RED_STAR, 10, 10), (RED_STAR, 60, 60), (BLUE_STAR, 60, 10)], &[RED_STAR, BLUE_STAR]);
    let play = |text: &str| {
        let step = game.clone().step(&game.parse(text).unwrap());
        (step.reward, step.score)
    };
    let all = game.oracle();
    assert!(all.to_string().starts_with(r#"[{"bbox_2d": [10, 10, 30, 30], "label": "red star"}, {"#));
    assert_eq!(
        game.clone().step(&all),
        Step { reward: 1.0, score: 1.0, legal: true, status: Status::Done(Outcome::Success) }
    );
    // One of three found: 1 / (1 + 2/2).
    assert_eq!(play(ONE), (0.5, 0.5));
    assert_eq!(play("None"), (0.0, 0.0));
    // The right place under the wrong label: a wrong box is worth two missed objects here.
    let wrong = |label: &str| {
        format!(
            r#"[{{"bbox_2d":[10,10,30,30],"label":"red star"}},{{"bbox_2d":[60,60,80,80],"label":"{label}"}}]"#
        )
    };
    assert_eq!(play(&wrong("blue star")), (1.0 / 3.0, 0.4));
    assert_eq!(play(&wrong("green frog")), (1.0 / 3.0, 0.4));
    assert_eq!(play(&wrong("red star")), (0.8, 0.8));
    // The same box twice finds one object only.
    let twice = format!("{}, {}", &ONE[..ONE.len() - 1], &ONE[1..]);
    assert_eq!(play(&twice), (1.0 / 3.0, 0.4));
    // An overlap of 280 / 520 is enough, of 260 / 540 is not.
    assert_eq!(play(&ONE.replace("30, 30]", "30, 24]")).1, 0.5);
    let shifted = |x: f32| ONE.replace("[10, 10, 30, 30]", &format!("[{x}, 10, {}, 30]", x + 20.0));
    assert_eq!((play(&shifted(16.0)).1, play(&shifted(17.0)).1), (0.5, 0.0));
}

#[test]
fn nothing_is_an_answer_where_nothing_is_there() {
    let game = scene(&[(BLUE_STAR, 10, 10)], &[RED_STAR]);
    assert_eq!(game.oracle().to_string(), "None");
    assert_eq!(game.clone().step(&game.oracle()).reward, 1.0);
    assert_eq!(game.clone().step(&game.parse("[]").unwrap()).reward, 1.0);
    assert_eq!(game.clone().step(&game.parse(ONE).unwrap()).reward, 0.0);
    assert_eq!(game.reason(&game.oracle()), "RedStar none");
    assert!(game.rules().starts_with("Find every red star. Give each"));
}

#[test]
fn a_crossed_matching_is_undone() {
    // The first box fits both objects, the second only the one that the first would take.
    let game = scene(&[(RED_STAR, 10, 10), (RED_STAR, 14, 10)], &[RED_STAR]);
    let answer = Boxes(
        [12.0, 5.0]
            .map(|x| Found { bbox: BBox::new(x, 10.0, x + 20.0, 30.0), label: "red star".into() })
            .to_vec(),
    );
    assert_eq!(game.tally(&answer), Tally { right: 2, wrong: 0, missed: 0 });
}

#[test]
fn lists_are_read_strictly() {
    let game = scene(&[(RED_STAR, 10, 10)], &[RED_STAR]);
    let compact = ONE.replace(' ', "").replace("redstar", "red star");
    assert_eq!(game.parse(&compact).unwrap().to_string(), ONE);
    for text in [
        "none",
        "[{}]",
        r#"{"bbox_2d": [1, 2, 3, 4], "label": "red star"}"#,
        r#"[[[1, 2, 3, 4], "red star"]]"#,
        r#"[{"bbox_2d": [1, 2, 3], "label": "red star"}]"#,
        r#"[{"bbox_2d": [1, 2, 3, "4"], "label": "red star"}]"#,
        r#"[{"bbox_2d": [1, 2, 3, NaN], "label": "red star"}]"#,
        r#"[{"bbox_2d": [1, 2, 3, 4]}]"#,
        r#"[{"bbox_2d": [1, 2, 3, 4], "label": "red \"star"}]"#,
        r#"[{"bbox_2d": [1, 2, 3, 4], "label": "red star", "score": 1}]"#,
        r#"[{"bbox_2d": [1, 2, 3, 4], "label": "red star"}"#,
    ] {
        assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
    for corners in ["-1, 0, 9, 9", "0, 0, 113, 9", "9, 0, 3, 9", "0, 0, 1e9, 9"] {
        let text = ONE.replace("10, 10, 30, 30", corners);
        assert!(matches!(game.parse(&text), Err(ParseError::Range { .. })), "{text}");
    }
    let many = format!("[{}]", vec![&ONE[1..ONE.len() - 1]; 51].join(","));
    assert!(matches!(game.parse(&many), Err(ParseError::Range { .. })));
}

#[test]
fn classes_are_there_as_often_as_the_knobs_say() {
    let mut none = 0;
    for seed in 0..200 {
        let game = reset(seed, &[("absent", KnobValue::Float(0.5)), ("asked", KnobValue::Int(2))]);
        assert_eq!((game.asked.len(), game.scene.items().len()), (2, 4));
        none += usize::from(game.truth().is_empty());
        assert_eq!(game.clone().step(&game.oracle()).score, 1.0);
    }
    assert!((30..70).contains(&none), "{none}");
    assert!((0..20).all(|s| !reset(s, &[("absent", KnobValue::Float(0.0))]).truth().is_empty()));
    assert!((0..20).all(|s| reset(s, &[("absent", KnobValue::Float(1.0))]).truth().is_empty()));
}

#[test]
fn broken_snapshots_are_refused() {
    let mut value = serde_json::to_value(scene(&[(RED_STAR, 10, 10)], &[RED_STAR])).unwrap();
    assert!(serde_json::from_value::<Detection>(value.clone()).is_ok());
    let mut nothing = value.clone();
    nothing["asked"] = json!([]);
    assert!(serde_json::from_value::<Detection>(nothing).is_err());
    value["scene"]["items"][0]["side"] = 1000.into();
    assert!(serde_json::from_value::<Detection>(value).is_err());
}
