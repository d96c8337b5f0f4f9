use std::collections::{BTreeSet, VecDeque};

use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> Form {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    Form::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()).unwrap()
}

fn word(text: &str) -> KnobValue {
    KnobValue::Choice(text.into())
}

/// Name (to be Ann), Pay (card), Color (blue), News (on) and Tag (to stay A7) on the smallest screen,
/// which shows three of the six rows.
fn form() -> Form {
    let text = |word: &str| Value::Text(word.into());
    let control = |kind, label, asked, goal| Control { kind, label, asked, goal };
    let controls = vec![
        control(Kind::Text, 0, true, text("Ann")),
        control(Kind::Radio, 1, true, Value::Pick(Some(1))),
        control(Kind::Drop, 0, true, Value::Pick(Some(1))),
        control(Kind::Check, 0, true, Value::Pick(Some(0))),
        control(Kind::Text, 14, false, text("A7")),
    ];
    let none = Value::Pick(None);
    let values = vec![text(""), none.clone(), none.clone(), none, text("A7")];
    let mut style = Style::new(&Knobs::defaults(KNOBS));
    style.size = (112, 112);
    let panel = Area { x: 0, y: 0, w: 112, h: 112 };
    let now = Now { values, focus: None, marked: false, open: None, offset: 0, turn: 0, outcome: None };
    Form { task: Arc::new(Task { style, panel, controls, decay: 0.0, max_turns: 20 }), now }
}

fn play(form: &mut Form, answer: &str) -> Step {
    let act = form.parse(answer).unwrap();
    form.step(&act)
}

#[test]
fn a_form_is_filled_in_and_submitted() {
    let mut form = form();
    assert!(form.rules().starts_with("Set Name Ann, Pay card, Color blue, News on. Leave the rest"));
    assert_eq!(form.perception().text, "Form 0 0\nName Text -\nPay Radio -\nColor Drop -");
    let mut acts = Vec::new();
    while form.now.outcome.is_none() {
        let act = form.oracle();
        acts.push(act.to_string());
        form.step(&act);
    }
    let wanted = [
        "click(73,42)",
        "type(\"Ann\")",
        "click(88,70)",
        "click(73,98)",
        // The list has no room below its control and starts higher up.
        "click(73,70)",
        "scroll(0,84)",
        "click(56,42)",
        "click(56,98)",
    ];
    assert_eq!(acts, wanted);
    assert_eq!(form.now.outcome, Some(Outcome::Success));
}

#[test]
fn typing_goes_to_the_focused_field_and_replaces_what_is_marked() {
    let mut form = form();
    assert!(!play(&mut form, "type(\"x\")").legal);
    assert!(!play(&mut form, "press(backspace)").legal);
    play(&mut form, "click(73,42)");
    play(&mut form, "type(\"Anna\")");
    assert_eq!(form.oracle(), Act::Press(Key::Backspace));
    play(&mut form, "press(backspace)");
    assert_eq!(form.now.values[0], Value::Text("Ann".into()));
    play(&mut form, "type(\" and more of\")");
    assert!(!play(&mut form, "type(\"xy\")").legal, "too long");
    assert_eq!(form.oracle().to_string(), "click(73,42)");
    play(&mut form, "click(73,42)");
    assert_eq!(form.oracle(), Act::Type("Ann".into()));
    play(&mut form, "press(backspace)");
    assert_eq!(form.now.values[0], Value::Text(String::new()));
}

#[test]
fn an_open_list_takes_the_next_click() {
    let mut form = form();
    play(&mut form, "click(73,98)");
    assert_eq!(form.now.open, Some(2));
    assert!(form.perception().text.ends_with("list red blue green"));
    assert!(!play(&mut form, "scroll(0,28)").legal && !play(&mut form, "press(enter)").legal);
    assert!(play(&mut form, "click(5,40)").legal);
    assert_eq!((form.now.open, form.now.values[2].clone()), (None, Value::Pick(None)));
    play(&mut form, "click(73,98)");
    assert!(play(&mut form, "press(escape)").legal);
    assert_eq!(form.now.open, None);
}

#[test]
fn a_wrong_form_fails_and_time_decays() {
    let mut form = form();
    play(&mut form, "scroll(0,1000)");
    assert_eq!((form.now.offset, form.last_offset()), (3, 3));
    assert!(!play(&mut form, "scroll(5,27)").legal);
    let end = play(&mut form, "press(enter)");
    assert_eq!((end.reward, end.status), (0.0, Status::Done(Outcome::Failure)));
    let mut form = super::tests::form();
    form.task = Arc::new(Task { decay: 1.0, max_turns: 16, ..(*form.task).clone() });
    let mut last = 0.0;
    while form.now.outcome.is_none() {
        last = form.step(&form.oracle()).reward;
    }
    // Eight turns, seven of sixteen spent before the last.
    assert!((last - 9.0 / 16.0).abs() < 1e-6);
}

/// Everything that could be part of a shortest way.
fn useful(form: &Form) -> Vec<Act> {
    let mut acts: Vec<Act> = form.parts().iter().map(|(_, area)| Act::Click(area.middle())).collect();
    acts.extend(KEYS.map(|(key, _)| Act::Press(key)));
    let rows = (0..=form.last_offset()).map(|to| to as i32 - form.now.offset as i32);
    acts.extend(rows.map(|rows| Act::Scroll(0, rows * UNIT as i32)));
    // A text that cannot become the wanted one without backspace is never worth typing; leaving such
    // texts out keeps the search small.
    if let Some((row, text, marked)) = form.focused()
        && let Value::Text(goal) = &form.controls()[row].goal
    {
        let missing = if marked { Some(goal.as_str()) } else { goal.strip_prefix(text) };
        acts.extend(missing.filter(|m| !m.is_empty()).map(|m| Act::Type(m.into())));
    }
    acts
}

fn brute_force(form: &Form) -> Option<usize> {
    let mut seen = BTreeSet::new();
    let mut queue = VecDeque::from([(form.clone(), 0)]);
    while let Some((form, count)) = queue.pop_front() {
        for act in useful(&form) {
            let mut next = form.clone();
            if !next.act(&act) {
                continue;
            }
            match next.now.outcome {
                Some(Outcome::Success) => return Some(count + 1),
                None if seen.insert(format!("{:?}", next.now)) => queue.push_back((next, count + 1)),
                _ => {}
            }
        }
    }
    None
}

#[test]
fn the_oracle_needs_the_fewest_actions() {
    let mut checked = 0;
    for seed in 0..40 {
        let given = [
            ("fields", KnobValue::Int(2)),
            ("distractors", KnobValue::Int(2)),
            ("prefilled", KnobValue::Float(0.4)),
            ("screen", word("112x112")),
        ];
        let mut form = reset(seed, &given);
        let mut rng = Seed::new(seed).rng();
        for _ in 0..seed % 4 {
            let acts: Vec<Act> = useful(&form).into_iter().filter(|a| form.clone().act(a)).collect();
            let mut next = form.clone();
            next.act(rng.choose(&acts).unwrap());
            if next.now.outcome.is_none() {
                form = next;
            }
        }
        if let Some(wanted) = brute_force(&form) {
            assert_eq!(form.fewest(), wanted, "seed {seed}: {:?}", form.now);
            checked += 1;
        }
    }
    assert!(checked >= 30, "{checked}");
}

#[test]
fn actions_are_read_and_garbage_is_not() {
    let form = form();
    for text in ["type(\"a b\")", "scroll(0,-28)", "press(enter)", "click(1,2)"] {
        assert_eq!(form.parse(text).map(|a| a.to_string()).as_deref(), Ok(text));
    }
    for text in
        ["type()", "type(\"\")", "type(\"a\"b\")", "type(\"\u{e9}\")", "press(tab)", "scroll(1)", "submit"]
    {
        assert!(form.parse(text).is_err(), "{text}");
    }
    assert!(form.parse(&format!("type(\"{}\")", "a".repeat(17))).is_err());
}

#[test]
fn all_controls_lie_on_the_screen() {
    for seed in 0..60 {
        let size = screen::SIZES[(seed % 5) as usize];
        let given =
            [("fields", KnobValue::Int(12)), ("distractors", KnobValue::Int(6)), ("screen", word(size))];
        let mut form = reset(seed, &given);
        assert_eq!(form.controls().len(), 18);
        for _ in 0..12 {
            let parts = form.parts();
            assert!(parts.iter().all(|(_, area)| area.is_on(form.task.style.size)), "{size} {parts:?}");
            form.act(&form.plan());
        }
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let broken = |change: &dyn Fn(&mut Task, &mut Now)| {
        let (mut task, mut now) = ((*form().task).clone(), form().now);
        change(&mut task, &mut now);
        let state = Form { task: Arc::new(task), now };
        serde_json::from_value::<Form>(serde_json::to_value(state).unwrap()).is_err()
    };
    assert!(!broken(&|_, _| {}));
    assert!(broken(&|task, _| task.controls[1].label = 99));
    assert!(broken(&|task, _| task.controls[1].goal = Value::Pick(Some(7))));
    assert!(broken(&|task, _| task.panel.w = 5000));
    assert!(broken(&|_, now| now.values[0] = Value::Pick(None)));
    assert!(broken(&|_, now| now.values[2] = Value::Pick(Some(3))));
    assert!(broken(&|_, now| now.values[0] = Value::Text("\u{e9}".into())));
    assert!(broken(&|_, now| drop(now.values.pop())));
    assert!(broken(&|_, now| now.focus = Some(1)));
    assert!(broken(&|_, now| now.open = Some(9)));
    assert!(broken(&|_, now| now.offset = 4));
}
