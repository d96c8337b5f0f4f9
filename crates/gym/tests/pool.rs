//! A pool gives the same results for any number of threads.
#![allow(clippy::unwrap_used)]

mod common;

use common::{seed, settings, start};
use eyas_gym::{Ahead, Game, Pool, Status, registry};

/// Four slots of every environment.
fn slots() -> Vec<Box<dyn Game>> {
    registry()
        .iter()
        .flat_map(|entry| {
            let knobs = settings(entry).swap_remove(0);
            (0..4).map(move |i| start(entry, &knobs, i)).collect::<Vec<_>>()
        })
        .collect()
}

/// Everything that ten random steps of all slots do, invalid answers and idle slots among them.
fn play(threads: usize) -> Vec<String> {
    let mut pool = Pool::new(slots(), threads).unwrap();
    let mut rng = seed(50).rng();
    let mut log = Vec::new();
    for _ in 0..10 {
        let answers: Vec<Option<String>> = pool
            .slots()
            .iter()
            .map(|slot| match rng.below(5) {
                0 => Some("banana".to_string()),
                1 => None,
                _ => rng.choose(&slot.legal_actions()).cloned(),
            })
            .collect();
        let borrowed: Vec<Option<&str>> = answers.iter().map(Option::as_deref).collect();
        log.push(format!("{:?}", pool.step(&borrowed)));
        log.push(format!("{:?}", pool.render()));
    }
    log.extend(pool.slots().iter().map(|slot| slot.snapshot().unwrap().to_string()));
    log
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let one = play(1);
    assert_eq!(one, play(2));
    assert_eq!(one, play(4));
    assert!(one.iter().any(|line| line.contains("Grammar")), "no invalid answer was played");
}

#[test]
fn a_fork_is_as_many_equal_and_independent_slots() {
    let mut pool = Pool::new(slots(), 2).unwrap();
    for index in 0..pool.slots().len() {
        let slot = &pool.slots()[index];
        let state = slot.snapshot().unwrap();
        let mut group = pool.fork(index, 3);
        assert_eq!(group.len(), 3);
        assert!(group.iter().all(|g| g.snapshot().unwrap() == state && g.render() == slot.render()));
        let action = slot.oracle();
        let steps: Vec<_> = group.iter_mut().map(|g| g.step(&action).unwrap()).collect();
        assert!(steps.iter().all(|s| *s == steps[0]));
        assert_eq!(pool.slots()[index].snapshot().unwrap(), state, "a fork changed its original");
    }
    assert!(pool.fork(9_999, 3).is_empty());
    let all = pool.slots().len();
    assert_eq!(pool.replace(Vec::new()).len(), all);
    assert!(pool.slots().is_empty());
}

#[test]
fn an_answer_steps_its_own_slot_and_nothing_else() {
    let mut pool = Pool::new(slots(), 2).unwrap();
    let before: Vec<_> = pool.slots().iter().map(|s| s.snapshot().unwrap()).collect();
    let mut answers = vec![None; before.len()];
    answers[2] = Some("banana");
    let results = pool.step(&answers);
    for (index, result) in results.iter().enumerate() {
        assert_eq!(result.is_some(), index == 2);
        assert_eq!(pool.slots()[index].snapshot().unwrap() == before[index], index != 2);
    }
    let (step, error) = results[2].clone().unwrap();
    assert!(!step.legal && error.is_some());
}

#[test]
fn slots_are_moved_on_alike_by_any_number_of_threads() {
    let forward = |threads, how| {
        let mut pool = Pool::new(slots(), threads).unwrap();
        let made = pool.fast_forward(3, how);
        assert!(pool.slots().iter().all(|slot| slot.status() == Status::Running));
        let states = pool.slots().iter().map(|slot| slot.snapshot().unwrap());
        (made, states.collect::<Vec<_>>())
    };
    for how in [Ahead::Oracle, Ahead::Random(seed(7))] {
        let one = forward(1, how);
        assert_eq!(one, forward(3, how));
        assert!(one.0.contains(&3), "no game went on for three moves");
    }
    assert_ne!(forward(1, Ahead::Random(seed(7))).1, forward(1, Ahead::Random(seed(8))).1);
}

#[test]
fn frames_are_handed_on_in_the_order_of_the_slots() {
    let pool = Pool::new(slots(), 3).unwrap();
    let drawn = pool.render_with(|index, frames| (index, frames.len(), frames[0].image.id()));
    for (index, (at, count, id)) in drawn.into_iter().enumerate() {
        let frames = pool.slots()[index].frames();
        assert_eq!((at, count, id), (index, frames.len(), frames[0].image.id()));
    }
}
