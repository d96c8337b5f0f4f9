//! The oracle against what the policy plays when it cannot see.

use eyas_core::Seed;
use eyas_rollout::{Agent, Lesson, Pictures, Start, demonstrate, rollout};

use super::{Drawn, PairDraw, lost_pair, same_words};
use crate::guard::lost_episode;
use crate::mixture::starts;
use crate::{StageRun, TrainError};

/// Both from the same starts; what they saw is told by the true pictures. A blind player who wrote what the oracle
/// did is a tie.
pub(super) fn draw(
    agent: Agent<'_>,
    stage: &PairDraw<'_>,
    run: &StageRun<'_>,
    seed: Seed,
) -> Result<Drawn, TrainError> {
    let (places, begins): (Vec<usize>, Vec<Start>) =
        starts(stage.env, stage.pairs.count, seed, run.watch())?.into_iter().unzip();
    let lesson = |(place, start): (usize, &Start)| {
        let rng = seed.split("teacher", place as u64).rng();
        Lesson { start: start.clone(), moves: 0, rng }
    };
    let lessons = begins.iter().enumerate().map(lesson).collect();
    let seeing = demonstrate(agent, lessons, &stage.teacher(run, 0.0), run.watch())?;
    let mut pictures = Pictures::spoilt(stage.corruption, seed.split("blind", 0));
    let sampling = seed.split("sampling", 0);
    let (groups, stats) =
        rollout(agent, &begins, 1, &stage.config(run), sampling, &mut pictures, run.interrupt)?;
    let mut drawn = Drawn { sampled_tokens: stats.sampled_tokens, ..Drawn::default() };
    drawn.tell_success(groups.iter().flat_map(|group| &group.episodes));
    let blind = groups.into_iter().flat_map(|group| group.episodes);
    for (((env, start), seeing), blind) in places.iter().zip(&begins).zip(seeing).zip(blind) {
        drawn.lost.extend(start.failed.iter().cloned());
        match (seeing, lost_episode(&blind)) {
            (Err(why), _) => drawn.lost.push(lost_pair(&stage.env[*env], start.seed, &why)),
            (Ok(_), Some(why)) => drawn.lost.push(why),
            (Ok((seeing, _)), None) if same_words(&seeing, &blind) => drawn.ties += 1,
            (Ok((seeing, _)), None) => drawn.add_pair(seeing, blind),
        }
    }
    Ok(drawn)
}
