//! Ended responses become actions; environments answer with the next picture.

use eyas_core::{Outcome, TokenKind};
use eyas_gym::{Frame, Game, Status, Step, later_message};
use eyas_model::Feed;
use eyas_reward::Response;
use rayon::prelude::*;

use super::admit::{Known, show};
use super::{Engine, Player, timed};
use crate::watch::each;
use crate::{Agent, RolloutError, token_kinds};

impl Engine<'_> {
    /// Parses the responses that have ended, plays their actions, and prepares their next turn.
    pub(super) fn act(&mut self) -> Result<(), RolloutError> {
        let (agent, context, watch) = (self.agent, self.context, self.watch);
        let mut ready: Vec<&mut Player> = self.players.iter_mut().filter(|p| p.ended.is_some()).collect();
        let seconds = &mut self.stats.seconds;
        let read = || ready.par_iter_mut().map(|player| read_response(agent, player)).collect();
        let ended: Result<Vec<bool>, RolloutError> = timed(&mut seconds.act, read);
        let ended = ended?;
        // Environments are handed over as a whole, so that one that fails can be left alone.
        let response = |p: &Player| p.episode.turns.last().map(|t| t.response.clone()).unwrap_or_default();
        let games = ready.iter().map(|p| (p.game.fork(), response(p))).collect();
        let played = timed(&mut seconds.act, || each(games, watch, play))?;
        let mut running = Vec::new();
        for (n, (player, played)) in ready.iter_mut().zip(played).enumerate() {
            match played {
                Ok(played) => running.extend(player.take_in(played).map(|game| (n, game))),
                Err(why) => player.lose(why),
            }
        }
        let record = self.config.record_truth;
        let (places, games): (Vec<usize>, Vec<_>) = running.into_iter().unzip();
        let looked = timed(&mut seconds.render, || each(games, watch, move |game| look(game, record)))?;
        let mut next: Vec<Option<Looked>> = ready.iter().map(|_| None).collect();
        for (n, looked) in places.into_iter().zip(looked) {
            match looked {
                Ok(looked) => next[n] = Some(looked),
                Err(why) => ready[n].lose(why),
            }
        }
        let present = next.iter().flatten().flat_map(|l| &l.frames).map(|f| &f.image);
        timed(&mut seconds.encode, || self.pictures.add(agent.policy, present))?;
        for ((player, next), by_itself) in ready.into_iter().zip(next).zip(ended) {
            let Some(Looked { game, frames, observation, known }) = next else {
                self.decoder.close(player.sequence)?;
                continue;
            };
            player.turn += 1;
            player.game = game;
            let last = player.feed.clone();
            // A stop string ends a turn without an end-of-turn token: the template then writes it.
            let is_eos = |feed: &Feed| {
                matches!(feed, Feed::Text(ids)
                    if ids.last().is_some_and(|id| agent.tokenizer.eos_ids().contains(id)))
            };
            let prompt =
                agent.next_turn(&frames, &observation, by_itself && last.first().is_some_and(is_eos))?;
            let mut trajectory = player.episode.trajectory.clone();
            prompt.push(agent.policy, &mut trajectory, &frames, player.turn)?;
            if trajectory.len() + 1 >= context {
                player.done = true;
                self.decoder.close(player.sequence)?;
                continue;
            }
            player.episode.trajectory = trajectory;
            show(&mut player.episode, observation, &frames);
            (player.perception, player.truth) = (known.perception, known.truth);
            player.feed = last;
            player.feed.extend(prompt.feed(self.pictures, &frames)?);
            player.ended = None;
        }
        Ok(())
    }
}

/// Records a response; says whether it ended by itself.
fn read_response(agent: Agent<'_>, player: &mut Player) -> Result<bool, RolloutError> {
    let ids = std::mem::take(&mut player.ids);
    let logprobs = std::mem::take(&mut player.logprobs);
    let by_itself = player.ended.unwrap_or(false);
    let is_eos = ids.last().is_some_and(|id| agent.tokenizer.eos_ids().contains(id));
    let words = &ids[..ids.len() - usize::from(is_eos)];
    let decoded = agent.tokenizer.decode_spans(words)?;
    let mut kinds = token_kinds(&decoded.text, &decoded.spans);
    kinds.resize(ids.len(), TokenKind::Other);
    player.episode.trajectory.push_sampled(&ids, &kinds, &logprobs, player.turn)?;
    if let Some(turn) = player.episode.turns.last_mut() {
        turn.response = decoded.text;
        turn.terminated = by_itself;
        turn.perception = std::mem::take(&mut player.perception);
        turn.truth = player.truth.take();
    }
    Ok(by_itself)
}

/// An environment after a response.
struct Played {
    game: Box<dyn Game>,
    step: Step,
    action: Option<String>,
    error: Option<String>,
}

/// What an environment shows next.
struct Looked {
    game: Box<dyn Game>,
    frames: Vec<Frame>,
    observation: String,
    known: Known,
}

fn look(game: Box<dyn Game>, record_truth: bool) -> Looked {
    let (frames, observation) = (game.frames(), later_message(game.as_ref()));
    let known = Known::of(game.as_ref(), record_truth);
    Looked { game, frames, observation, known }
}

impl Player {
    /// Writes down what the environment made of the response; gives the environment if it goes on.
    fn take_in(&mut self, played: Played) -> Option<Box<dyn Game>> {
        let Played { game, step, action, error } = played;
        self.episode.env_return += step.reward;
        self.episode.env_score += step.score;
        if let Some(turn) = self.episode.turns.last_mut() {
            (turn.action, turn.error, turn.reward) = (action, error, step.reward);
        }
        match step.status {
            Status::Running => Some(game),
            Status::Done(outcome) => {
                self.episode.outcome = outcome;
                self.done = true;
                None
            }
        }
    }

    /// The environment failed: the episode ends here, without a result.
    fn lose(&mut self, why: String) {
        if let Some(turn) = self.episode.turns.last_mut() {
            turn.error = Some(why);
        }
        self.episode.outcome = Outcome::Lost;
        self.done = true;
    }
}

/// Plays the answer of a response. Without a readable answer the turn passes, at the environment's
/// price for that; it is never replaced by some other action.
fn play((mut game, text): (Box<dyn Game>, String)) -> Played {
    let response = Response::parse(&text);
    let (step, action, error) = match response.block("answer") {
        None => (game.pass(), None, Some("no closed <answer> block".to_string())),
        Some(answer) => match game.parse(answer.text) {
            Ok(action) => match game.step(&action) {
                Ok(step) => {
                    let refused = (!step.legal).then(|| "the rules refuse this action".to_string());
                    (step, Some(action), refused)
                }
                Err(error) => (game.pass(), None, Some(error.to_string())),
            },
            Err(error) => (game.pass(), None, Some(error.to_string())),
        },
    };
    Played { game, step, action, error }
}
