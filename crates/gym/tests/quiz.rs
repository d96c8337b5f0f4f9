//! Questions about states (`quiz = "..."`), for every environment and every kind that it allows.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::OnceLock;

use common::{envs, seed};
use eyas_core::Outcome;
use eyas_gym::tasks::{Form, Quiz};
use eyas_gym::{
    Ahead, EnvEntry, Game, KnobError, KnobValue, Knobs, ParseError, Pool, Preset, ResponseStyle, Status,
    common_knobs, find, first_message, play_oracle, play_random, response,
};

/// The forms that a kind of question has.
fn forms(quiz: Quiz) -> &'static [Form] {
    match quiz {
        Quiz::BestAction | Quiz::Caption | Quiz::Checklist => &Form::ALL,
        _ => &[Form::Open],
    }
}

fn word(text: &str) -> KnobValue {
    KnobValue::Choice(text.into())
}

fn knobs(entry: &EnvEntry, quiz: Quiz, form: Form, more: &[(&str, KnobValue)]) -> Knobs {
    let mut given: Vec<(&str, KnobValue)> =
        vec![("quiz", word(quiz.name())), ("quiz_form", word(form.name()))];
    given.extend_from_slice(more);
    entry.knobs(&given.into_iter().map(|(n, v)| (n.to_string(), v)).collect()).unwrap()
}

/// The settings in which a kind of question is tried; the later ones only where the earlier are refused.
fn setting(entry: &EnvEntry, quiz: Quiz, form: Form) -> Option<Knobs> {
    let two = ("quiz_size", KnobValue::Int(2));
    let sized = matches!(quiz, Quiz::ForwardOrder | Quiz::InverseOrder | Quiz::Checklist);
    let mut all = vec![knobs(entry, quiz, form, &[])];
    if sized {
        all.push(knobs(entry, quiz, form, std::slice::from_ref(&two)));
        let hard = knobs(entry, quiz, form, &[two]).values().clone();
        let own = |(name, _): &(String, KnobValue)| name.starts_with("quiz");
        let given = hard.into_iter().filter(own).collect();
        all.push(entry.knobs_at(&eyas_gym::Difficulty::Preset(Preset::Hard), &given).unwrap());
    }
    let allowed = |knobs: &Knobs| (0..3).all(|i| entry.reset(seed(i), knobs).is_ok());
    let plain = entry.reset(seed(0), &entry.knobs(&Default::default()).unwrap()).unwrap();
    let mut moved = plain.fork();
    let one_turn = moved.step(&plain.oracle()).unwrap().status != Status::Running;
    all.into_iter().find(|knobs| {
        // Saves the thousand states of each environment that is over after one answer at any setting.
        let orders = matches!(quiz, Quiz::ForwardOrder | Quiz::InverseOrder);
        (!orders || !one_turn || knobs.size("turns") > 1) && allowed(knobs)
    })
}

/// Every environment with every question that it allows.
fn possible() -> &'static [(EnvEntry, Quiz, Form, Knobs)] {
    static ALL: OnceLock<Vec<(EnvEntry, Quiz, Form, Knobs)>> = OnceLock::new();
    ALL.get_or_init(|| {
        let kinds =
            || Quiz::ALL.into_iter().flat_map(|quiz| forms(quiz).iter().map(move |form| (quiz, *form)));
        let all = envs().into_iter().flat_map(|entry| kinds().map(move |(quiz, form)| (entry, quiz, form)));
        all.filter_map(|(entry, quiz, form)| Some((entry, quiz, form, setting(&entry, quiz, form)?)))
            .collect()
    })
}

/// Runs `check` for all of them.
fn everywhere(check: impl Fn(&EnvEntry, Quiz, Form, &Knobs)) {
    possible().iter().for_each(|(entry, quiz, form, knobs)| check(entry, *quiz, *form, knobs));
}

fn start(entry: &EnvEntry, knobs: &Knobs, index: u64) -> Box<dyn Game> {
    entry.reset(seed(index), knobs).unwrap_or_else(|error| panic!("{}: {error}", entry.spec.id))
}

/// Everything that can be seen of a state, as one text.
fn view(game: &dyn Game) -> String {
    let frames: Vec<_> = game.frames().iter().map(|f| f.image.id().to_string()).collect();
    let prompt = first_message(game, ResponseStyle::Think);
    format!("{} {prompt} {frames:?} {:?} {}", game.snapshot().unwrap(), game.status(), game.facts())
}

#[test]
fn knobs_of_an_environment_and_common_ones_have_different_names() {
    for entry in envs() {
        for common in common_knobs() {
            assert!(
                entry.spec.knobs.iter().all(|k| k.name != common.name),
                "{}.{}",
                entry.spec.id,
                common.name
            );
        }
    }
}

#[test]
fn what_is_possible_is_possible() {
    let every = std::env::var_os("EYAS_ENV").is_none();
    let of = |quiz, form| possible().iter().filter(|(_, q, f, _)| (*q, *f) == (quiz, form)).count();
    // What needs nothing but an oracle and a description is possible everywhere.
    let always = [(Quiz::BestAction, Form::Open), (Quiz::Judge, Form::Open)];
    let of_words = Form::ALL.into_iter().flat_map(|form| [(Quiz::Caption, form), (Quiz::Checklist, form)]);
    for (quiz, form) in always.into_iter().chain(of_words) {
        assert_eq!(of(quiz, form), envs().len(), "{quiz:?} {form:?}");
    }
    if every {
        let counts = [Quiz::ForwardOrder, Quiz::InverseOrder].map(|quiz| of(quiz, Form::Open));
        println!("orders {counts:?}, choices {}", of(Quiz::BestAction, Form::Choice));
        assert!(of(Quiz::ForwardOrder, Form::Open) >= 25 && of(Quiz::InverseOrder, Form::Open) >= 20);
        assert!(of(Quiz::BestAction, Form::Choice) >= 35);
        assert_eq!(of(Quiz::BestAction, Form::Choice), of(Quiz::BestAction, Form::Boolean));
    }
}

#[test]
fn a_question_is_drawn_from_its_seed_and_kept_by_forks_and_snapshots() {
    everywhere(|entry, quiz, _, knobs| {
        let name = format!("{} {quiz:?}", entry.spec.id);
        let mut seen = BTreeSet::new();
        for index in 0..3 {
            let mut game = start(entry, knobs, index);
            assert_eq!(game.status(), Status::Running, "{name}");
            let first = view(&*game);
            assert_eq!(first, view(&*start(entry, knobs, index)), "{name}");
            seen.insert(first.clone());
            let text = serde_json::to_string(&game.snapshot().unwrap()).unwrap();
            let mut restored = entry.restore(serde_json::from_str(&text).unwrap()).unwrap();
            let mut fork = game.fork();
            let observation = game.observe();
            assert_eq!(view(&*restored), first, "{name}");
            let before = game.render();
            // A wrong answer, where a guess is one; an unreadable one every second time.
            let guess = game.guess(&mut seed(index).rng()).unwrap();
            assert_eq!(game.parse(&guess).as_ref(), Ok(&guess), "{name}");
            let play = |game: &mut dyn Game| match index % 2 {
                0 => game.step(&guess).unwrap(),
                _ => game.pass(),
            };
            let step = play(&mut *game);
            assert!(!observation.is_drawn(), "{name}");
            assert_eq!(observation.image(), before, "{name}");
            assert_eq!(view(&*fork), first, "{name}: a fork follows its original");
            for copy in [&mut fork, &mut restored] {
                assert_eq!(play(&mut **copy), step, "{name}");
                assert_eq!(view(&**copy), view(&*game), "{name}");
            }
            let again = entry.restore(game.snapshot().unwrap()).unwrap();
            assert_eq!(view(&*again), view(&*game), "{name}: after the end");
        }
        assert!(seen.len() >= 2, "{name}: {} questions from 3 seeds", seen.len());
    });
}

#[test]
fn one_answer_and_it_is_over() {
    everywhere(|entry, quiz, form, knobs| {
        let name = format!("{} {quiz:?} {form:?}", entry.spec.id);
        let game = start(entry, knobs, 1);
        let mut right = game.fork();
        let gold = right.oracle();
        assert_eq!(right.parse(&gold).as_ref(), Ok(&gold), "{name}");
        assert_eq!(right.parse(&format!(" {gold}\n")).as_ref(), Ok(&gold), "{name}");
        assert_eq!(right.facts()["truth"]["answer"], gold, "{name}");
        let step = right.step(&gold).unwrap();
        assert_eq!((step.reward, step.score, step.legal), (1.0, 1.0, true), "{name}");
        assert_eq!(step.status, Status::Done(Outcome::Success), "{name}");
        assert!(right.legal_actions().is_empty() && right.guess(&mut seed(1).rng()).is_none());
        assert_eq!(right.step(&gold), Err(ParseError::Over), "{name}");
        let after = right.snapshot().unwrap();
        assert_eq!((right.pass().reward, right.pass().score), (0.0, 0.0), "{name}");
        assert_eq!(right.snapshot().unwrap(), after, "{name}");
        assert!(right.truths().is_empty(), "{name}");

        let mut passed = game.fork();
        let step = passed.pass();
        assert_eq!((step.reward, step.score, step.legal), (entry.spec.invalid_reward, 0.0, false), "{name}");
        assert_eq!(step.status, Status::Done(Outcome::Truncated), "{name}");
    });
}

#[test]
fn answers_are_listed_and_the_right_one_stands_out() {
    everywhere(|entry, quiz, form, knobs| {
        let name = format!("{} {quiz:?} {form:?}", entry.spec.id);
        for index in 0..3 {
            let game = start(entry, knobs, index);
            let legal = game.legal_actions();
            assert!(legal.len() >= 2 || quiz == Quiz::BestAction, "{name}: {legal:?}");
            // Where worth is compared an answer takes a while, and the environments list many.
            for answer in legal.iter().take(if quiz == Quiz::BestAction { 8 } else { 60 }) {
                assert_eq!(game.parse(answer).as_ref(), Ok(answer), "{name}");
                let step = game.fork().step(answer).unwrap();
                assert!((0.0..=1.0).contains(&step.score) && step.legal, "{name}");
                let right = step.score == 1.0;
                let may_be =
                    right == (*answer == game.oracle()) || (quiz, form) == (Quiz::BestAction, Form::Open);
                assert!(may_be, "{name}: {answer} pays {}", step.score);
                assert!(!game.reason(answer).unwrap().is_empty(), "{name}");
            }
        }
    });
}

#[test]
fn the_oracle_is_right_and_chance_is_not() {
    everywhere(|entry, quiz, form, knobs| {
        const EPISODES: u64 = 20;
        let mut random = 0.0;
        for i in 0..EPISODES {
            let game = start(entry, knobs, i);
            random += play_random(game.fork(), seed(500 + i)) / EPISODES as f32;
            assert_eq!(play_oracle(game), 1.0, "{} {quiz:?} {form:?}", entry.spec.id);
        }
        assert!(random <= 0.9, "{} {quiz:?} {form:?}: {random}", entry.spec.id);
    });
}

#[test]
fn garbage_is_an_error_or_wrong_and_changes_nothing() {
    let long = "9".repeat(100_000);
    let many = "1 ".repeat(50_000);
    let garbage =
        ["", " ", "banana", "99999999999999999999", "-1", "[[[[", "up up", "ｕｐ", "Ａ", "\u{0}", "🦅"];
    let garbage: Vec<&str> = garbage.into_iter().chain([long.as_str(), many.as_str()]).collect();
    everywhere(|entry, quiz, form, knobs| {
        let name = format!("{} {quiz:?} {form:?}", entry.spec.id);
        let mut game = start(entry, knobs, 3);
        let before = game.snapshot().unwrap();
        for text in &garbage {
            let short: String = text.chars().take(40).collect();
            match game.parse(text) {
                // Any word may be the word that is missing.
                Ok(_) => {
                    assert_eq!((quiz, form), (Quiz::Checklist, Form::Open), "{name} reads {short:?}");
                    assert_eq!(game.fork().step(text).unwrap().score, 0.0, "{name}: {short:?}");
                }
                Err(error) => {
                    assert!(error.to_string().len() < 600, "{name}: a long message for {short:?}");
                    assert!(game.step(text).is_err() && game.reason(text).is_err(), "{name}: {short:?}");
                }
            }
        }
        assert_eq!(before, game.snapshot().unwrap(), "{name}");
    });
}

#[test]
fn texts_are_plain_and_short() {
    everywhere(|entry, quiz, form, knobs| {
        let game = start(entry, knobs, 4);
        let name = format!("{} {quiz:?} {form:?}", entry.spec.id);
        let rules = game.rules();
        assert!(!rules.contains('\n') && rules.split_whitespace().count() <= 60, "{name}: {rules}");
        assert!(game.note().is_empty() || game.note().starts_with('\n'), "{name}");
        assert!(game.spec().id == entry.spec.id && game.spec().players == 1, "{name}");
        let prompt = first_message(&*game, ResponseStyle::Perception);
        assert!(prompt.contains(game.spec().grammar) && prompt.ends_with(&game.note()), "{name}");
        let gold = game.oracle();
        let told = response(&*game, &gold, ResponseStyle::Perception).unwrap();
        assert!(told.ends_with(&format!("<answer>{gold}</answer>")), "{name}: {told}");
        let reason = game.reason(&gold).unwrap();
        assert!(!reason.contains(['\n', '<']) && reason.split_whitespace().count() <= 60, "{name}: {reason}");
    });
}

/// What a policy is told and what is right, for one environment.
#[test]
fn prompts_and_answers() {
    let mut text = String::new();
    for env in ["frozen-lake", "counting"] {
        let entry = find(env).unwrap();
        for quiz in Quiz::ALL {
            for form in forms(quiz) {
                let Some(knobs) = setting(&entry, quiz, *form) else { continue };
                let game = start(&entry, &knobs, 1);
                let told = response(&*game, &game.oracle(), ResponseStyle::Think).unwrap();
                let prompt = first_message(&*game, ResponseStyle::Think);
                writeln!(text, "## {env}, {}, {}\n{prompt}\n-> {told}\n", quiz.name(), form.name()).unwrap();
            }
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn an_action_that_is_as_good_is_right_too() {
    let entry = find("frozen-lake").unwrap();
    let asked = knobs(&entry, Quiz::BestAction, Form::Open, &[]);
    let plain = entry.knobs(&Default::default()).unwrap();
    let (mut others, mut worse) = (0, 0);
    for i in 0..30 {
        let (game, played) = (start(&entry, &asked, i), start(&entry, &plain, i));
        assert_eq!(game.oracle(), played.oracle());
        assert_eq!(game.render(), played.render());
        // Turns to the flag by the oracle after this action; none when it is not reached.
        let way = |action: &str| {
            let mut game = played.fork();
            let mut status = game.step(action).unwrap().status;
            let mut turns = 1;
            while status == Status::Running {
                status = game.step(&game.oracle()).unwrap().status;
                turns += 1;
            }
            (status == Status::Done(Outcome::Success)).then_some(turns)
        };
        let best = way(&played.oracle());
        for action in played.legal_actions() {
            let score = game.fork().step(&action).unwrap().score;
            assert_eq!(score, if way(&action) == best { 1.0 } else { 0.0 }, "{action}");
            others += usize::from(score == 1.0 && action != game.oracle());
            worse += usize::from(score == 0.0);
        }
    }
    assert!(others > 5 && worse > 5, "{others} {worse}");
}

#[test]
fn a_checklist_pays_by_question() {
    let entry = find("2048").unwrap();
    let game =
        start(&entry, &knobs(&entry, Quiz::Checklist, Form::Open, &[("quiz_size", KnobValue::Int(4))]), 2);
    let gold = game.oracle();
    let mut words: Vec<&str> = gold.split(' ').collect();
    words[0] = "wrong";
    let step = game.fork().step(&words.join(" ")).unwrap();
    assert_eq!((step.score, step.reward), (0.75, 0.75));
    assert_eq!(step.status, Status::Done(Outcome::Failure));
}

#[test]
fn what_contradicts_itself_is_refused() {
    let refused = |env: &str, given: &[(&str, KnobValue)]| {
        let entry = find(env).unwrap();
        let knobs = entry.knobs(&given.iter().map(|(n, v)| (n.to_string(), v.clone())).collect()).unwrap();
        match entry.reset(seed(1), &knobs).map(drop) {
            Err(KnobError::Conflict { detail, .. }) => detail,
            other => panic!("{given:?}: {other:?}"),
        }
    };
    let int = KnobValue::Int;
    type Case<'a> = (&'a str, &'a [(&'a str, KnobValue)], &'a str);
    let cases: [Case<'_>; 11] = [
        ("2048", &[("quiz_form", word("choice"))], "quiz_form needs a quiz, and there is none"),
        ("2048", &[("quiz_size", int(2))], "quiz_size needs a quiz, and there is none"),
        (
            "2048",
            &[("quiz", word("caption")), ("actions", int(2))],
            "quiz = caption is one turn with one answer: no actions",
        ),
        (
            "2048",
            &[("quiz", word("caption")), ("history", int(1))],
            "quiz = caption is one turn with one answer: no history",
        ),
        (
            "2048",
            &[("quiz", word("judge")), ("quiz_form", word("choice"))],
            "quiz = judge has no form choice",
        ),
        (
            "2048",
            &[("quiz", word("forward-order")), ("quiz_form", word("boolean"))],
            "quiz = forward-order has no form boolean",
        ),
        (
            "2048",
            &[("quiz", word("judge")), ("quiz_size", int(2))],
            "quiz_size means nothing with quiz = judge",
        ),
        (
            "sokoban",
            &[("quiz", word("inverse-order")), ("quiz_size", int(1))],
            "quiz = inverse-order: one move has no order; quiz_size is 2 or more",
        ),
        (
            "sokoban",
            &[("quiz", word("inverse-order")), ("show", word("text"))],
            "quiz = inverse-order is about pictures: show cannot be text",
        ),
        // A game of one turn has nothing to put in order, and nothing certain to choose among.
        ("2048", &[("quiz", word("forward-order"))], "none of 1000 states allows quiz = forward-order"),
        (
            "tetris",
            &[("quiz", word("best-action")), ("quiz_form", word("choice"))],
            "none of 1000 states allows quiz = best-action in the form choice",
        ),
    ];
    for (env, given, detail) in cases {
        assert_eq!(refused(env, given), detail);
    }
}

/// Another try, a spoilt picture, a start further on: what else can be turned still can.
#[test]
fn questions_go_with_the_other_knobs() {
    let entry = find("2048").unwrap();
    let tries = knobs(&entry, Quiz::Caption, Form::Open, &[("tries", KnobValue::Int(2))]);
    let mut game = start(&entry, &tries, 1);
    let wrong = game.legal_actions().into_iter().find(|a| *a != game.oracle()).unwrap();
    assert_eq!(game.step(&wrong).unwrap().status, Status::Running);
    assert!(game.note().ends_with("Wrong. Try again."), "{}", game.note());
    let mut restored = entry.restore(game.snapshot().unwrap()).unwrap();
    let gold = game.oracle();
    for game in [&mut game, &mut restored] {
        assert_eq!(game.step(&gold).unwrap().score, 0.5);
    }
    let noise =
        [("noise", KnobValue::Float(0.2)), ("start_steps", KnobValue::Int(3)), ("turns", KnobValue::Int(9))];
    let spoilt = start(&entry, &knobs(&entry, Quiz::Caption, Form::Open, &noise), 1);
    let clear = start(&entry, &knobs(&entry, Quiz::Caption, Form::Open, &noise[1..]), 1);
    let fresh = start(&entry, &knobs(&entry, Quiz::Caption, Form::Open, &noise[2..]), 1);
    assert_eq!(spoilt.note(), clear.note());
    assert_ne!(spoilt.render(), clear.render());
    assert_ne!(clear.perception(), fresh.perception());
}

#[test]
fn a_pool_answers_many_at_once() {
    let slots: Vec<_> = ["sokoban", "counting", "2048"]
        .iter()
        .flat_map(|id| {
            let entry = find(id).unwrap();
            let knobs = knobs(&entry, Quiz::Judge, Form::Open, &[]);
            (0..4).map(move |i| start(&entry, &knobs, i))
        })
        .collect();
    let mut pool = Pool::new(slots, 2).unwrap();
    let golds: Vec<String> = pool.slots().iter().map(|slot| slot.oracle()).collect();
    // A move ahead would be an answer, and the end: none is made.
    assert!(pool.fast_forward(5, Ahead::Random(seed(1))).iter().all(|made| *made == 0));
    assert_eq!(pool.render().len(), golds.len());
    let answers: Vec<Option<&str>> = golds.iter().map(|gold| Some(gold.as_str())).collect();
    let steps = pool.step(&answers);
    assert!(steps.iter().flatten().all(|(step, error)| step.score == 1.0 && error.is_none()));
    assert_eq!(steps.iter().flatten().count(), 12);
}

#[test]
fn nonsense_in_a_snapshot_is_refused() {
    let entry = find("sokoban").unwrap();
    let asked = knobs(&entry, Quiz::ForwardOrder, Form::Open, &[("quiz_size", KnobValue::Int(2))]);
    let state = start(&entry, &asked, 1).snapshot().unwrap();
    assert!(entry.restore(state.clone()).is_ok());
    let broken = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut state = state.clone();
        change(&mut state);
        entry.restore(state).map(drop).unwrap_err().to_string()
    };
    let pop = |s: &mut serde_json::Value| drop(s["@shown"].as_array_mut().unwrap().pop());
    assert!(broken(&pop).contains("too few or too many states to show"));
    assert!(broken(&|s| s["@quiz"]["answer"] = "1 1".into()).contains("the answer is none"));
    assert!(broken(&|s| s["@quiz"]["answers"]["order"] = 99.into()).contains("too few or too many things"));
    assert!(broken(&|s| s["@quiz"]["quiz"] = "tea".into()).contains("unknown variant"));
    assert!(broken(&|s| drop(s.as_object_mut().unwrap().remove("@quiz"))).contains("without a question"));
}
