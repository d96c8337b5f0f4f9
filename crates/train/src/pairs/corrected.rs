//! What the policy wrote against what the oracle would have written in the same states.

use eyas_core::{Episode, Rng, Seed};
use eyas_rollout::{Agent, Pictures, Played, Start, correct, rollout};

use super::{Drawn, PairDraw, lost_pair, same_words};
use crate::guard::lost_episode;
use crate::mixture::starts;
use crate::{StageRun, TrainError};

/// The policy plays an episode from each start; some of its states are corrected. Where it wrote what the oracle
/// would have written is a tie. A correction that does not fit the context is left out and counted.
pub(super) fn draw(
    agent: Agent<'_>,
    stage: &PairDraw<'_>,
    run: &StageRun<'_>,
    seed: Seed,
) -> Result<Drawn, TrainError> {
    let (places, begins): (Vec<usize>, Vec<Start>) =
        starts(stage.env, stage.pairs.count, seed, run.watch())?.into_iter().unzip();
    let (sampling, mut pictures) = (seed.split("sampling", 0), Pictures::default());
    let (groups, stats) =
        rollout(agent, &begins, 1, &stage.config(run), sampling, &mut pictures, run.interrupt)?;
    let own: Vec<Episode> = groups.into_iter().flat_map(|group| group.episodes).collect();
    let mut drawn = Drawn { sampled_tokens: stats.sampled_tokens, ..Drawn::default() };
    drawn.tell_success(&own);
    let (mut played, mut envs) = (Vec::new(), Vec::new());
    for (place, (start, episode)) in begins.iter().zip(&own).enumerate() {
        drawn.lost.extend(start.failed.iter().cloned());
        match lost_episode(episode) {
            Some(why) => drawn.lost.push(why),
            None => {
                let rng = &mut seed.split("states", place as u64).rng();
                let turns = some(episode.turns.len(), stage.pairs.states, rng);
                played.push(Played { start, episode, turns });
                envs.push(&stage.env[places[place]]);
            }
        }
    }
    let longest = stage.rollout.max_context.min(agent.policy.config().text.max_position_embeddings);
    let mut too_long = 0;
    let corrected = correct(agent, &played, run.style, run.watch())?;
    for ((played, env), corrections) in played.iter().zip(envs).zip(corrected) {
        match corrections {
            Err(why) => drawn.lost.push(lost_pair(env, played.start.seed, &why)),
            Ok(corrections) => {
                for correction in corrections {
                    if same_words(&correction.better, &correction.own) {
                        drawn.ties += 1;
                    } else if correction.better.trajectory.len() > longest {
                        too_long += 1;
                    } else {
                        drawn.add_pair(correction.better, correction.own);
                    }
                }
            }
        }
    }
    drawn.told.push(("pairs/too_long", f64::from(too_long)));
    Ok(drawn)
}

/// At most `most` of `0..n`, in ascending order.
fn some(n: usize, most: usize, rng: &mut Rng) -> Vec<usize> {
    let mut all: Vec<usize> = (0..n).collect();
    rng.shuffle(&mut all);
    all.truncate(most);
    all.sort_unstable();
    all
}
