use super::*;
use crate::KnobValue;

const HAMMER: Tool = Tool { kind: Kind::Hammer, color: 0, x: 50, y: 50, size: 40, turn: 0 };

fn game(tool: Tool, ask: Ask, marks: Option<[(i32, i32); 2]>) -> Affordance {
    Affordance(State {
        canvas_px: 112,
        tools: vec![tool],
        target: 0,
        ask,
        marks,
        theme: Theme::Pale,
        samples: Seed::new(0),
        outcome: None,
    })
}

#[test]
fn boxes_of_parts_are_their_outlines() {
    // From -1.0 to 0.55 and from -0.1 to 0.1 of 20 pixels around 50.
    assert_eq!(HAMMER.corners(0), [30, 48, 61, 52]);
    assert_eq!(Tool { turn: 6, ..HAMMER }.corners(0), [48, 30, 52, 61]);
    assert_eq!(HAMMER.corners(1), [60, 41, 67, 59]);
    assert_eq!(game(HAMMER, Ask::Use, None).oracle().to_string(), "[30, 48, 61, 52]");
    assert_eq!(game(HAMMER, Ask::Pass, None).oracle().to_string(), "[60, 41, 67, 59]");
    assert_eq!(
        game(HAMMER, Ask::Part(1), None).rules(),
        "Hold the head of the red hammer. Give the box of that part in pixels; the picture is 112 by 112."
    );
}

#[test]
fn giou_by_hand() {
    assert_eq!(giou([0, 0, 10, 10], [0, 0, 10, 10]), 1.0);
    // Nothing shared, 200 together in a hull of 300.
    assert!((giou([0, 0, 10, 10], [20, 0, 30, 10]) + 1.0 / 3.0).abs() < 1e-6);
    // Half of each shared.
    assert!((giou([0, 0, 10, 10], [5, 0, 15, 10]) - 1.0 / 3.0).abs() < 1e-6);
    assert_eq!(giou([5, 5, 5, 9], [0, 0, 10, 10]), -1.0);
    let mut exact = game(HAMMER, Ask::Use, None);
    assert_eq!(exact.step(&Hold::Box([30, 48, 61, 52])).reward, 1.0);
    assert_eq!(exact.status(), Status::Done(Outcome::Success));
}

#[test]
fn paths_are_compared_point_by_point_and_by_direction() {
    let game = game(HAMMER, Ask::Use, Some([(10, 10), (100, 100)]));
    assert_eq!(game.oracle().to_string(), "[[10, 10], [45, 50], [100, 100]]");
    let score = |text: &str| game.score(&game.parse(text).unwrap());
    assert!(score("[[10, 10], [45, 50], [100, 100]]") > 0.999);
    // The same line with more points is the same path.
    assert!(score("[[10, 10], [45, 50], [45, 50], [100, 100]]") > 0.999);
    let shifted = score("[[10, 20], [45, 60], [100, 110]]");
    assert!((shifted - (1.0 - 2.0 * 10.0 / 112.0)).abs() < 1e-3, "{shifted}");
    let back = score("[[100, 100], [45, 50], [10, 10]]");
    assert_eq!((back, score("[[50, 50], [50, 50]]")), (0.0, 0.0));
    let mut line = [(0.0, 0.0); SAMPLES];
    line.iter_mut().enumerate().for_each(|(i, p)| p.0 = 4.0 * i as f32);
    assert_eq!(resampled(&[(0, 0), (5, 0), (32, 0)]), line);
    assert_eq!(frechet(&line, &line, 100.0), 0.0);
}

#[test]
fn answers_are_of_the_kind_that_is_asked() {
    let boxes = game(HAMMER, Ask::Use, None);
    for text in ["[0, 0, 113, 5]", "[9, 0, 3, 9]", "[1, 5, 3, 5]"] {
        assert!(matches!(boxes.parse(text), Err(ParseError::Range { .. })), "{text}");
    }
    for text in ["[[1, 2], [3, 4]]", "[1, 2, 3]", "1, 2, 3, 4", "[1.5, 2, 3, 4]", "[-1, 0, 3, 4]"] {
        assert!(matches!(boxes.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
    let paths = game(HAMMER, Ask::Use, Some([(10, 10), (100, 100)]));
    assert_eq!(paths.parse("[[1,2],[3,4] , [5,6]]").unwrap().to_string(), "[[1, 2], [3, 4], [5, 6]]");
    assert!(matches!(paths.parse("[[1,2],[3,400]]"), Err(ParseError::Range { .. })));
    let long = format!("[{}]", vec!["[1, 2]"; 17].join(", "));
    for text in [
        "[1, 2, 3, 4]",
        "[[1, 2]]",
        "[]",
        "[[]]",
        "[[1, 2] [3, 4]]",
        "[[1, 2], [3, 4],]",
        "[[1, 2, 3], [4, 5, 6]]",
        &long,
    ] {
        assert!(matches!(paths.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
}

#[test]
fn tools_keep_apart_and_inside() {
    let word = |w: &str| KnobValue::Choice(w.into());
    let given = [
        ("tools", KnobValue::Int(5)),
        ("turned", word("any")),
        ("answer", word("path")),
        ("tool_px", KnobValue::Int(72)),
    ];
    let knobs = Knobs::resolve(SPEC.id, KNOBS, &given.map(|(n, v)| (n.to_string(), v)).into()).unwrap();
    for seed in 0..60 {
        let game = Affordance::reset(Seed::new(seed), &knobs).unwrap();
        assert_eq!(game.0.tools.len(), 5);
        for (i, a) in game.0.tools.iter().enumerate() {
            assert!(game.0.tools[..i].iter().all(|b| shared(a.extent(), b.extent()) == 0.0));
        }
        let back: Affordance = serde_json::from_value(serde_json::to_value(&game).unwrap()).unwrap();
        assert_eq!(back, game);
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let fits =
        |game: Affordance| serde_json::from_value::<Affordance>(serde_json::to_value(game).unwrap()).is_ok();
    assert!(fits(game(HAMMER, Ask::Use, None)));
    assert!(!fits(game(Tool { x: 5, ..HAMMER }, Ask::Use, None)));
    assert!(!fits(game(Tool { color: 8, ..HAMMER }, Ask::Use, None)));
    assert!(!fits(game(Tool { size: i32::MAX, ..HAMMER }, Ask::Use, None)));
    assert!(!fits(game(HAMMER, Ask::Part(2), None)));
    assert!(!fits(game(HAMMER, Ask::Use, Some([(0, 0), (0, 900)]))));
    let mut wrong = game(HAMMER, Ask::Use, None);
    wrong.0.target = 1;
    assert!(!fits(wrong));
}
