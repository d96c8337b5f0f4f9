//! What happened in which order, from a trace of a game (after ENACT's forward and inverse world
//! models): frames in the order that given actions produce, or actions in the order that given frames
//! show.

use eyas_core::{Image, Rng};
use serde::{Deserialize, Serialize};

use super::answers::joined;
use super::{Answers, Task};
use crate::{Game, Status};

/// What is to be put in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// The actions are given in order, the pictures after them are shuffled.
    Forward,
    /// The pictures are given in order, the actions between them are shuffled.
    Inverse,
}

/// A task over `steps` oracle moves, and the states that it shows, one picture each; `None` when the game does
/// not last that long, or when the order is not unique: two pictures are the same, two actions are, or an
/// action of another step would have led to the same picture.
pub fn ordering(
    game: &dyn Game,
    steps: usize,
    direction: Direction,
    rng: &mut Rng,
) -> Option<(Task, Vec<Box<dyn Game>>)> {
    let mut states = vec![game.fork()];
    let mut actions: Vec<String> = Vec::new();
    while let (Some(last), true) = (states.last(), actions.len() < steps) {
        let mut next = last.fork();
        if next.status() != Status::Running {
            return None;
        }
        let action = next.oracle();
        if direction == Direction::Inverse && actions.contains(&action) {
            return None;
        }
        next.step(&action).ok()?;
        actions.push(action);
        states.push(next);
    }
    let pictures: Vec<Image> = states.iter().map(|state| state.render()).collect();
    let repeats = (1..pictures.len()).any(|i| pictures[..i].contains(&pictures[i]));
    if steps < 2 || repeats || (direction == Direction::Inverse && exchangeable(&states, &pictures, &actions))
    {
        return None;
    }
    let mut order: Vec<usize> = (0..steps).collect();
    rng.shuffle(&mut order);
    // The place of step i in the shuffled list, for every step in order.
    let places: Vec<usize> =
        (0..steps).filter_map(|i| order.iter().position(|&o| o == i).map(|p| p + 1)).collect();
    let (question, text) = match direction {
        Direction::Forward => {
            let mut shuffled: Vec<Option<Box<dyn Game>>> = states.into_iter().map(Some).collect();
            let first = shuffled.first_mut().and_then(Option::take);
            let rest: Vec<_> = order.iter().filter_map(|&i| shuffled[i + 1].take()).collect();
            states = first.into_iter().chain(rest).collect();
            (
                "The first picture is the start. These actions are made one after another. The other pictures, \
                 numbered from 1, show what comes after each, shuffled. Order them by time.",
                format!("\n{}", actions.join(", then ")),
            )
        }
        Direction::Inverse => {
            let listed = order.iter().enumerate().map(|(n, &i)| format!("\n{}: {}", n + 1, actions[i]));
            (
                "The pictures are in order of time. These actions led from one to the next, shuffled. Order \
                 them by time.",
                listed.collect(),
            )
        }
    };
    let what = if direction == Direction::Forward { "gives picture" } else { "is action" };
    let why = actions.iter().zip(&places).map(|(action, place)| format!("{action} {what} {place}"));
    let task = Task {
        question: question.into(),
        text,
        answer: joined(&places),
        reason: why.collect::<Vec<_>>().join(" then "),
        distractors: Vec::new(),
        answers: Answers::Order(steps),
    };
    Some((task, states))
}

/// Whether the action of one step would also have led where that of another step did.
fn exchangeable(states: &[Box<dyn Game>], pictures: &[Image], actions: &[String]) -> bool {
    states.iter().zip(&pictures[1..]).enumerate().any(|(i, (state, after))| {
        let leads_there = |action: &String| {
            let mut other = state.fork();
            other.step(action).is_ok() && other.render() == *after
        };
        actions.iter().enumerate().any(|(j, action)| j != i && leads_there(action))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find;
    use eyas_core::Seed;

    #[test]
    fn the_answer_puts_the_pictures_in_the_order_of_the_game() {
        let entry = find("frozen-lake").unwrap();
        let knobs = entry.knobs(&Default::default()).unwrap();
        let mut made = 0;
        for i in 0..40 {
            let game = entry.reset(Seed::new(i), &knobs).unwrap();
            let Some((task, shown)) = ordering(&*game, 3, Direction::Forward, &mut Seed::new(i).rng()) else {
                continue;
            };
            made += 1;
            let order: Vec<usize> = task.answer.split(' ').map(|n| n.parse().unwrap()).collect();
            let mut replay = game.fork();
            for n in order {
                replay.step(&replay.oracle()).unwrap();
                assert_eq!(shown[n].render(), replay.render());
            }
        }
        assert!(made > 5, "{made}");
    }

    #[test]
    fn inverse_tasks_name_each_action_once() {
        let entry = find("sokoban").unwrap();
        let knobs = entry.knobs(&Default::default()).unwrap();
        let tasks = (0..60).filter_map(|i| {
            let game = entry.reset(Seed::new(i), &knobs).unwrap();
            let made = ordering(&*game, 2, Direction::Inverse, &mut Seed::new(i).rng())?;
            Some((game, made))
        });
        let mut made = 0;
        for (game, (task, shown)) in tasks {
            made += 1;
            assert_eq!(shown.len(), 3);
            let first: usize = task.answer.split(' ').next().unwrap().parse().unwrap();
            assert!(task.text.contains(&format!("\n{first}: {}", game.oracle())), "{task:?}");
        }
        assert!(made > 5, "{made}");
    }
}
