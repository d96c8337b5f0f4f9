use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> Result<Ocr, KnobError> {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    Ocr::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given)?)
}

fn word(text: &str) -> KnobValue {
    KnobValue::Choice(text.into())
}

fn saying(text: &str) -> Ocr {
    let mut game = reset(1, &[]).unwrap();
    game.signs[0].text = text.into();
    game
}

#[test]
fn the_reward_is_one_minus_the_edit_distance() {
    let play = |text: &str| {
        let mut game = saying("HK7Q");
        let action = game.parse(text).unwrap();
        let step = game.step(&action);
        (step.reward, step.status)
    };
    assert_eq!(play("\"HK7Q\""), (1.0, Status::Done(Outcome::Success)));
    assert_eq!(play("\"HK7O\""), (0.75, Status::Done(Outcome::Failure)));
    assert_eq!(play("\"K7Q\""), (0.75, Status::Done(Outcome::Failure)));
    assert_eq!(play("\"hk7q\"").0, 0.25);
    assert_eq!(play("\"HK7QHK7Q\"").0, 0.5);
    assert_eq!(play("\"WXYZ\"").0, 0.0);
    let mut game = saying("A");
    assert_eq!(game.pass().reward, 0.0);
    assert_eq!(game.status(), Status::Done(Outcome::Truncated));
}

#[test]
fn only_quoted_printable_text_is_read() {
    let game = saying("HK7Q");
    for text in ["HK7Q", "\"", "\"\"", "\"A", "A\"", "\"A\"B\"", "\" A\"", "\"é\"", "\"A\nB\"", "'A'"] {
        assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
    let long = format!("\"{}\"", "A".repeat(65));
    assert!(matches!(game.parse(&long), Err(ParseError::Range { .. })));
    assert_eq!(game.parse(" \"Ab (c) 1\" ").unwrap().to_string(), "\"Ab (c) 1\"");
}

#[test]
fn texts_have_their_length_and_letters() {
    for (name, length) in
        [("digits", 1), ("capitals", 16), ("mixed", 9), ("symbols", 12), ("words", 1), ("words", 16)]
    {
        for seed in 0..60 {
            let given = [("text", word(name)), ("length", KnobValue::Int(length))];
            let game = reset(seed, &given).unwrap();
            let text = &game.signs[0].text;
            assert_eq!(text.len(), length as usize, "{text:?}");
            assert!(is_text(text) && !text.contains("  "), "{text:?}");
            let letters = game.writing.letters();
            let known = |b: u8| letters.contains(&b) || b == b' ' || name == "words";
            assert!(text.bytes().all(known), "{text:?}");
        }
    }
}

#[test]
fn every_sign_is_drawn_inside_its_plate_and_in_its_ink() {
    for seed in 0..20 {
        let given = [
            ("signs", KnobValue::Int(3)),
            ("slant", KnobValue::Float(1.0)),
            ("warp", KnobValue::Float(1.0)),
            ("length", KnobValue::Int(10)),
        ];
        let game = reset(seed, &given).unwrap();
        let image = game.render();
        assert_eq!((image.width(), image.height()), (168, 168));
        for (index, sign) in game.signs.iter().enumerate() {
            let pixel = |x: usize, y: usize| &image.pixels()[((index * 56 + y) * 168 + x) * 3..][..3];
            let inked = |x: &usize| (4..52).any(|y| pixel(*x, y) != sign.plate());
            let columns: Vec<usize> = (3..165).filter(inked).collect();
            assert!(columns.len() > 60, "seed {seed}: {} columns", columns.len());
            assert!(columns.iter().all(|x| (4..164).contains(x)), "seed {seed}: {columns:?}");
        }
    }
}

#[test]
fn reasons_spell_and_signs_are_named() {
    let mut game = saying("A+b 7");
    game.signs[0].color = 2;
    assert_eq!(game.reason(&game.oracle()), "Blue sign 5 characters A plus b blank 7");
    assert_eq!(game.perception().text, "Blue A+b 7");
    let mut other = game.signs[0].clone();
    other.color = 0;
    game.signs.push(other);
    game.target = 1;
    assert!(game.rules().starts_with("Read the red sign"));
}

#[test]
fn broken_snapshots_and_crowded_signs_are_refused() {
    let broken = |change: &dyn Fn(&mut Ocr)| {
        let mut game = saying("AB");
        change(&mut game);
        serde_json::from_value::<Ocr>(serde_json::to_value(game).unwrap()).is_err()
    };
    assert!(!broken(&|_| ()));
    assert!(broken(&|g| g.target = 1));
    assert!(broken(&|g| g.signs.clear()));
    assert!(broken(&|g| g.signs[0].color = 8));
    assert!(broken(&|g| g.signs[0].period = 0));
    assert!(broken(&|g| g.signs[0].text = "a\nb".into()));
    assert!(broken(&|g| g.width_px = 5));
    let crowded = [("length", KnobValue::Int(16)), ("width_px", KnobValue::Int(112))];
    assert!(reset(0, &crowded).unwrap_err().to_string().contains("cannot be read"));
}
