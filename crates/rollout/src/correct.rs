//! Corrections: what the oracle would have written in states that a policy came to.

use eyas_core::{Episode, ImageId, Outcome, Trajectory, Turn};
use eyas_gym::{Game, ParseError, ResponseStyle, Status, Step, response};

use crate::demo::push_response;
use crate::watch::{Watch, each};
use crate::{Agent, RolloutError, Start};

/// An episode of a policy, and the turns that are corrected.
pub struct Played<'a> {
    /// Where it began.
    pub start: &'a Start,
    /// The episode.
    pub episode: &'a Episode,
    /// Turns of it, from 0, in ascending order.
    pub turns: Vec<usize>,
}

/// A response of the policy and the oracle's to the same state. Both end their episode; what was said and seen
/// before them is given, not sampled.
#[derive(Clone, Debug, PartialEq)]
pub struct Correction {
    /// With the policy's response.
    pub own: Episode,
    /// With the oracle's.
    pub better: Episode,
}

/// Corrects every episode: its turns are played again from its start, and in those that are wanted the oracle is
/// asked. One whose environment panics or takes too long has no corrections, but a reason. The oracle's tokens have
/// log-prob 0, as in [`demonstrate`](crate::demonstrate).
///
/// **Faithful:** the policy's own states, an expert's actions (DAgger: Ross et al., AISTATS 2011).
///
/// # Errors
/// When text cannot be encoded, an environment refuses its own oracle or an action that it took before, or the
/// watch's interrupt is raised.
pub fn correct(
    agent: Agent<'_>,
    played: &[Played<'_>],
    style: ResponseStyle,
    watch: Watch<'_>,
) -> Result<Vec<Result<Vec<Correction>, String>>, RolloutError> {
    let way = |played: &Played<'_>| Way {
        game: played.start.game.fork(),
        actions: played.episode.turns.iter().map(|turn| turn.action.clone()).collect(),
        turns: played.turns.clone(),
        style,
    };
    let advised = each(played.iter().map(way).collect(), watch, Way::advice)?;
    let write = |(played, advised): (&Played<'_>, Result<Result<Vec<Advice>, ParseError>, String>)| {
        let advice = match advised {
            Err(why) => return Ok(Err(why)),
            Ok(Err(source)) => {
                return Err(RolloutError::Oracle { env: played.episode.env.clone(), source });
            }
            Ok(Ok(advice)) => advice,
        };
        advice
            .into_iter()
            .map(|advice| correction(agent, played.episode, advice))
            .collect::<Result<Vec<_>, _>>()
            .map(Ok)
    };
    played.iter().zip(advised).map(write).collect()
}

/// A played way through an environment, and where on it the oracle is asked.
struct Way {
    game: Box<dyn Game>,
    /// What was done in each turn; none where the turn passed.
    actions: Vec<Option<String>>,
    turns: Vec<usize>,
    style: ResponseStyle,
}

/// What the oracle says in a turn, and what comes of that and of what was done.
struct Advice {
    turn: usize,
    text: String,
    action: String,
    theirs: Step,
    own: Step,
    /// Returns and scores of the turns before.
    before: (f32, f32),
}

impl Way {
    fn advice(mut self) -> Result<Vec<Advice>, ParseError> {
        let mut all = Vec::with_capacity(self.turns.len());
        let mut before = (0.0, 0.0);
        for (turn, done) in self.actions.iter().enumerate() {
            if all.len() == self.turns.len() {
                break;
            }
            let asked = match self.turns.contains(&turn) {
                false => None,
                true => {
                    let action = self.game.oracle();
                    let text = response(self.game.as_ref(), &action, self.style)?;
                    let theirs = self.game.fork().step(&action)?;
                    Some((text, action, theirs))
                }
            };
            let own = match done {
                Some(action) => self.game.step(action)?,
                None => self.game.pass(),
            };
            let after = (before.0 + own.reward, before.1 + own.score);
            let ended = own.status != Status::Running;
            if let Some((text, action, theirs)) = asked {
                all.push(Advice { turn, text, action, theirs, own, before });
            }
            if ended {
                break;
            }
            before = after;
        }
        Ok(all)
    }
}

fn correction(agent: Agent<'_>, played: &Episode, advice: Advice) -> Result<Correction, RolloutError> {
    let Advice { turn, text, action, theirs, own, before } = advice;
    let number = u16::try_from(turn).unwrap_or(u16::MAX);
    let cut = |trajectory, last, step: &Step| ended(played, turn, trajectory, last, step, before);
    let from = &played.trajectory;
    let (history, sampled) = until(agent, from, number)?;
    let mut trajectory = history.clone();
    trajectory.push_sampled(
        &from.ids()[sampled.clone()],
        &from.kinds()[sampled.clone()],
        &from.logprobs()[sampled],
        number,
    )?;
    let said = played.turns.get(turn).cloned().unwrap_or_default();
    let own = cut(trajectory, said.clone(), &own);
    let mut trajectory = history;
    push_response(agent, &mut trajectory, &text, number)?;
    let corrected = Turn {
        response: text,
        terminated: true,
        action: Some(action),
        error: None,
        reward: theirs.reward,
        ..said
    };
    let better = cut(trajectory, corrected, &theirs);
    Ok(Correction { own, better })
}

/// `played` as it would be had it ended with the turn `last`, the one numbered `turn`, of which `step` came.
fn ended(
    played: &Episode,
    turn: usize,
    trajectory: Trajectory,
    last: Turn,
    step: &Step,
    before: (f32, f32),
) -> Episode {
    let turns: Vec<Turn> = played.turns.iter().take(turn).cloned().chain([last]).collect();
    let shown: Vec<ImageId> = turns.iter().flat_map(|turn| turn.images.iter().copied()).collect();
    let images = shown.into_iter().filter_map(|id| Some((id, played.images.get(&id)?.clone()))).collect();
    Episode {
        version: played.version,
        env: played.env.clone(),
        seed: played.seed,
        knobs: played.knobs.clone(),
        turns,
        trajectory,
        scores: Vec::new(),
        env_return: before.0 + step.reward,
        env_score: before.1 + step.score,
        outcome: match step.status {
            Status::Done(outcome) => outcome,
            Status::Running => Outcome::Truncated,
        },
        images,
    }
}

/// What stands before the response of a turn, all of it given, and where the response stands.
fn until(
    agent: Agent<'_>,
    from: &Trajectory,
    turn: u16,
) -> Result<(Trajectory, std::ops::Range<usize>), RolloutError> {
    let (kinds, turns) = (from.kinds(), from.turns());
    let written = |i: &usize| turns[*i] == turn && kinds[*i].is_sampled();
    let start = (0..from.len()).find(written).unwrap_or(from.len());
    let end = (start..from.len()).find(|i| !written(i)).unwrap_or(from.len());
    let mut to = agent.trajectory();
    let mut at = 0;
    for span in from.images().iter().filter(|span| span.start < start) {
        push_given(&mut to, from, at..span.start)?;
        to.push_image(span.id, span.len, turns[span.start])?;
        at = span.start + span.len;
    }
    push_given(&mut to, from, at..start)?;
    Ok((to, start..end))
}

/// Appends tokens without pictures, each in its turn.
fn push_given(
    to: &mut Trajectory,
    from: &Trajectory,
    range: std::ops::Range<usize>,
) -> Result<(), RolloutError> {
    for at in range {
        to.push_text(&from.ids()[at..=at], from.turns()[at])?;
    }
    Ok(())
}
