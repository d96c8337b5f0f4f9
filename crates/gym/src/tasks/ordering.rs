//! What happened in which order, from a trace of a game (after ENACT's forward and inverse world
//! models): frames in the order that given actions produce, or actions in the order that given frames
//! show.

use eyas_core::{Image, Rng};

use super::Task;
use crate::{Frame, Game, Status};

/// What is to be put in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The actions are given in order, the pictures after them are shuffled.
    Forward,
    /// The pictures are given in order, the actions between them are shuffled.
    Inverse,
}

/// A task over `steps` oracle moves; `None` when the game does not last that long, or two pictures or
/// two actions are the same, so that the order is not unique.
pub fn ordering(game: &dyn Game, steps: usize, direction: Direction, rng: &mut Rng) -> Option<Task> {
    let mut game = game.fork();
    let mut pictures: Vec<Image> = vec![game.render()];
    let mut actions = Vec::new();
    for _ in 0..steps {
        if game.status() != Status::Running {
            return None;
        }
        let action = game.oracle();
        game.step(&action).ok()?;
        actions.push(action);
        pictures.push(game.render());
    }
    let repeats = match direction {
        Direction::Forward => (1..=steps).any(|i| pictures[..i].contains(&pictures[i])),
        Direction::Inverse => (1..steps).any(|i| actions[..i].contains(&actions[i])),
    };
    if repeats || steps < 2 {
        return None;
    }
    let mut order: Vec<usize> = (0..steps).collect();
    rng.shuffle(&mut order);
    let shown = |image: &Image| Frame { image: image.clone(), seconds: None };
    let (frames, question) = match direction {
        Direction::Forward => {
            let frames = std::iter::once(&pictures[0]).chain(order.iter().map(|&i| &pictures[i + 1]));
            let listed = actions.join(" then ");
            (
                frames.map(shown).collect(),
                format!(
                    "The first picture is the start. Then these actions are made: {listed}. \
                     The other pictures, numbered from 1, are shuffled. Answer: their numbers in order of time."
                ),
            )
        }
        Direction::Inverse => {
            let listed: Vec<String> =
                order.iter().enumerate().map(|(n, &i)| format!("{} {}", n + 1, actions[i])).collect();
            (
                pictures.iter().map(shown).collect(),
                format!(
                    "The pictures are in order of time. These actions led from one to the next, shuffled: {}. \
                     Answer: their numbers in order of time.",
                    listed.join(" ")
                ),
            )
        }
    };
    // The place of step i in the shuffled list, for every step in order.
    let place = |i: usize| order.iter().position(|&o| o == i).map(|p| (p + 1).to_string());
    let answer: Vec<String> = (0..steps).filter_map(place).collect();
    Some(Task { env: game.spec().id, question, frames, answer: answer.join(" "), distractors: Vec::new() })
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
            let Some(task) = ordering(&*game, 3, Direction::Forward, &mut Seed::new(i).rng()) else {
                continue;
            };
            made += 1;
            let order: Vec<usize> = task.answer.split(' ').map(|n| n.parse().unwrap()).collect();
            let mut replay = game.fork();
            for n in order {
                replay.step(&replay.oracle()).unwrap();
                assert_eq!(task.frames[n].image, replay.render());
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
            let task = ordering(&*game, 2, Direction::Inverse, &mut Seed::new(i).rng())?;
            Some((game, task))
        });
        let mut made = 0;
        for (game, task) in tasks {
            made += 1;
            assert_eq!(task.frames.len(), 3);
            let first: usize = task.answer.split(' ').next().unwrap().parse().unwrap();
            assert!(task.question.contains(&format!("{first} {}", game.oracle())), "{task:?}");
        }
        assert!(made > 5, "{made}");
    }
}
