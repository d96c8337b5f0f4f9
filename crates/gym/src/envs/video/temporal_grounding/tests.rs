use super::*;
use crate::KnobValue;

const STAR: Event =
    Event { color: 0, shape: Shape::Star, cell: 0, happening: Happening::Shows, start: 1, end: 4 };
const DISC: Event =
    Event { color: 2, shape: Shape::Circle, cell: 3, happening: Happening::Moves, start: 2, end: 5 };

fn clip(events: &[Event], asked: &[usize]) -> TemporalGrounding {
    TemporalGrounding(State {
        frames: 6,
        fps: 2,
        events: events.to_vec(),
        asked: asked.to_vec(),
        tile_px: 28,
        clock: false,
        theme: Theme::Light,
        outcome: None,
    })
}

#[test]
fn the_overlap_of_the_spans_is_the_reward() {
    let game = clip(&[STAR, DISC], &[0]);
    assert_eq!(game.oracle().to_string(), "0.5 to 2.0");
    let play = |text: &str| game.clone().step(&game.parse(text).unwrap());
    assert_eq!((play("0.5 to 2.0").reward, play("2.0 to 0.50").reward), (1.0, 1.0));
    // 1.0 shared; 1.5 + 2.0 - 1.0 together.
    let near = play("1.0 to 3");
    assert!((near.reward - 0.4).abs() < 1e-6);
    assert_eq!(near.status, Status::Done(Outcome::Failure));
    assert_eq!(play("2.5 to 3.0").reward, 0.0);
    assert_eq!(play("0.0 to 3.0").reward, 0.5);
}

#[test]
fn two_events_share_their_time() {
    let game = clip(&[STAR, DISC], &[0, 1]);
    assert_eq!(game.oracle().to_string(), "1.0 to 2.0");
    assert!(game.rules().ends_with("the red star is there while the blue circle moves?"));
    let reason = "RedStar frames 2 to 4 BlueCircle frames 3 to 5 both 3 to 4 2 x 50 is 100 and 4 x 50 is 200";
    assert_eq!(game.reason(&game.oracle()), reason);
    assert_eq!(pairs(&[STAR, DISC]), [[0, 1]]);
    assert!(pairs(&[STAR, Event { start: 2, end: 3, ..DISC }]).is_empty(), "one within the other");
    assert!(pairs(&[STAR, Event { start: 4, ..DISC }]).is_empty(), "one after the other");
}

#[test]
fn answers_are_two_times_within_the_clip() {
    let game = clip(&[STAR], &[0]);
    assert_eq!(game.parse(" 0.25 TO 1.5 ").unwrap().to_string(), "0.25 to 1.5");
    for text in ["0.0 to 3.5", "1.0 to 1.0", "999999 to 1"] {
        assert!(matches!(game.parse(text), Err(ParseError::Range { .. })), "{text}");
    }
    for text in ["1.0-2.0", "1 to", "to 2", "-1 to 2", "1 to 2 to 3", "nan to 1", "1.234 to 2", "1s to 2s"] {
        assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
}

#[test]
fn frames_show_what_the_events_say() {
    let glow = Event { happening: Happening::Glows, ..STAR };
    let game = clip(&[glow, DISC], &[0]);
    let lines: Vec<String> = game.perception().text.lines().map(String::from).collect();
    assert_eq!(lines[0], "1 RedStar BlueCircle-0");
    assert_eq!(lines[3], "4 RedStar-glows BlueCircle-1");
    assert_eq!(lines[5], "6 RedStar BlueCircle-3");
    assert_eq!((game.draw(0) == game.draw(5), game.draw(0) == game.draw(1)), (false, false));
    let plain = clip(&[STAR], &[0]);
    assert_eq!(plain.perception().text, "1\n2 RedStar\n3 RedStar\n4 RedStar\n5\n6");
    assert_eq!((plain.draw(0) == plain.draw(4), plain.draw(0) == plain.draw(1)), (true, false));
}

#[test]
fn clips_are_sound_and_no_event_lasts_for_the_whole_clip() {
    let word = |w: &str| KnobValue::Choice(w.into());
    let given = [("kinds", word("mixed")), ("phrase", word("mixed")), ("events", KnobValue::Int(6))];
    let given = given.into_iter().map(|(n, v)| (n.to_string(), v)).collect();
    let knobs = Knobs::resolve(SPEC.id, KNOBS, &given).unwrap();
    let mut two = 0;
    for seed in 0..200 {
        let game = TemporalGrounding::reset(Seed::new(seed), &knobs).unwrap();
        let state = serde_json::to_value(&game).unwrap();
        assert_eq!(serde_json::from_value::<TemporalGrounding>(state).unwrap(), game);
        assert!(game.0.events.iter().all(|e| e.end - e.start < 6));
        two += usize::from(game.0.asked.len() == 2);
    }
    assert!((50..150).contains(&two), "{two}");
}

#[test]
fn broken_snapshots_are_refused() {
    let fits = |event: Event, asked: usize| {
        let state = serde_json::to_value(clip(&[event], &[asked])).unwrap();
        serde_json::from_value::<TemporalGrounding>(state).is_ok()
    };
    assert!(fits(STAR, 0));
    assert!(!fits(STAR, 1));
    assert!(!fits(Event { end: 7, ..STAR }, 0));
    assert!(!fits(Event { start: 4, ..STAR }, 0));
    assert!(!fits(Event { color: 8, ..STAR }, 0));
    assert!(!fits(Event { cell: 4, ..STAR }, 0));
}
