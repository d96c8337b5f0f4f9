//! The oracle against a player of random legal actions.

use eyas_core::Seed;
use eyas_rollout::{Agent, Demonstrated, Lesson, Start, demonstrate};

use super::{Drawn, PairDraw, lost_pair};
use crate::mixture::starts;
use crate::{StageRun, TrainError};

/// Both from the same starts. Pairs whose responses are the same are left out.
pub(super) fn draw(
    agent: Agent<'_>,
    stage: &PairDraw<'_>,
    run: &StageRun<'_>,
    seed: Seed,
) -> Result<Drawn, TrainError> {
    let starts = starts(stage.env, stage.pairs.count, seed, run.watch())?;
    let mut drawn = Drawn {
        lost: starts.iter().flat_map(|(_, start)| start.failed.clone()).collect(),
        ..Drawn::default()
    };
    let lesson = |(place, (_, start)): (usize, &(usize, Start))| {
        let rng = seed.split("teacher", place as u64).rng();
        Lesson { start: start.clone(), moves: 0, rng }
    };
    let lessons = starts.iter().enumerate().map(lesson).collect();
    let good: Vec<Demonstrated> = demonstrate(agent, lessons, &stage.teacher(run, 0.0), run.watch())?;
    // The same random numbers go on.
    let again = |((_, start), good): (&(usize, Start), &Demonstrated)| {
        let rng = good.as_ref().ok()?.1.clone();
        Some(Lesson { start: start.clone(), moves: 0, rng })
    };
    let lessons = starts.iter().zip(&good).filter_map(again).collect();
    let mut bad = demonstrate(agent, lessons, &stage.teacher(run, 1.0), run.watch())?.into_iter();
    for ((env, start), good) in starts.iter().zip(good) {
        let both = good.and_then(|(good, _)| Ok((good, bad.next().transpose()?)));
        match both {
            Ok((good, Some((bad, _)))) if good.trajectory.ids() == bad.trajectory.ids() => drawn.ties += 1,
            Ok((good, Some((bad, _)))) => drawn.add_pair(good, bad),
            // There is a second lesson for each first one that was given.
            Ok((_, None)) => {}
            Err(why) => drawn.lost.push(lost_pair(&stage.env[*env], start.seed, &why)),
        }
    }
    Ok(drawn)
}
