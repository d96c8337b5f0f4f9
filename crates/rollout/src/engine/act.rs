//! Ended responses become actions; environments answer with the next picture.

use eyas_core::{TokenKind, Truth};
use eyas_gym::{Frame, Game, Status, Step, later_message};
use eyas_model::Feed;
use eyas_reward::Response;
use rayon::prelude::*;

use super::admit::show;
use super::{Engine, Player, RolloutConfig, timed};
use crate::{Agent, RolloutError, token_kinds};

impl Engine<'_> {
    /// Parses the responses that have ended, plays their actions, and prepares their next turn.
    pub(super) fn act(&mut self) -> Result<(), RolloutError> {
        let (agent, context) = (self.agent, self.context);
        let mut ready: Vec<&mut Player> = self.players.iter_mut().filter(|p| p.ended.is_some()).collect();
        let seconds = &mut self.stats.seconds;
        let finish = || ready.par_iter_mut().map(|player| finish_turn(agent, player)).collect();
        let ended: Result<Vec<bool>, RolloutError> = timed(&mut seconds.act, finish);
        let ended = ended?;
        let render = || ready.par_iter().map(|p| (!p.done).then(|| p.game.frames())).collect();
        let frames: Vec<Option<Vec<Frame>>> = timed(&mut seconds.render, render);
        let present = frames.iter().flatten().flatten().map(|f| &f.image);
        timed(&mut seconds.encode, || self.pictures.add(agent.policy, present))?;
        for ((player, frames), by_itself) in ready.into_iter().zip(frames).zip(ended) {
            let Some(frames) = frames else {
                self.decoder.close(player.sequence)?;
                continue;
            };
            player.turn += 1;
            let observation = later_message(player.game.as_ref());
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
            player.perception = player.game.perception().text;
            player.truth = truth(player.game.as_ref(), self.config);
            player.feed = last;
            player.feed.extend(prompt.feed(self.pictures, &frames)?);
            player.ended = None;
        }
        Ok(())
    }
}

/// Records a response and plays it; says whether the response ended by itself.
fn finish_turn(agent: Agent<'_>, player: &mut Player) -> Result<bool, RolloutError> {
    let ids = std::mem::take(&mut player.ids);
    let logprobs = std::mem::take(&mut player.logprobs);
    let by_itself = player.ended.unwrap_or(false);
    let is_eos = ids.last().is_some_and(|id| agent.tokenizer.eos_ids().contains(id));
    let words = &ids[..ids.len() - usize::from(is_eos)];
    let decoded = agent.tokenizer.decode_spans(words)?;
    let mut kinds = token_kinds(&decoded.text, &decoded.spans);
    kinds.resize(ids.len(), TokenKind::Other);
    player.episode.trajectory.push_sampled(&ids, &kinds, &logprobs, player.turn)?;

    let (step, action, error) = play(player.game.as_mut(), &decoded.text);
    player.episode.env_return += step.reward;
    player.episode.env_score += step.score;
    if let Some(turn) = player.episode.turns.last_mut() {
        turn.response = decoded.text;
        turn.terminated = by_itself;
        turn.action = action;
        turn.error = error;
        turn.reward = step.reward;
        turn.perception = std::mem::take(&mut player.perception);
        turn.truth = player.truth.take();
    }
    if let Status::Done(outcome) = step.status {
        player.episode.outcome = outcome;
        player.done = true;
    }
    Ok(by_itself)
}

/// What the environment knows and does not show, when it is to be recorded.
pub(super) fn truth(game: &dyn Game, config: &RolloutConfig) -> Option<Truth> {
    config.record_truth.then(|| Truth { answer: game.oracle(), facts: game.facts() })
}

/// Plays the answer of a response. Without a readable answer the turn passes, at the environment's
/// price for that; it is never replaced by some other action.
fn play(game: &mut dyn Game, text: &str) -> (Step, Option<String>, Option<String>) {
    let response = Response::parse(text);
    let Some(answer) = response.block("answer") else {
        return (game.pass(), None, Some("no closed <answer> block".to_string()));
    };
    match game.parse(answer.text) {
        Ok(action) => match game.step(&action) {
            Ok(step) => {
                let refused = (!step.legal).then(|| "the rules refuse this action".to_string());
                (step, Some(action), refused)
            }
            Err(error) => (game.pass(), None, Some(error.to_string())),
        },
        Err(error) => (game.pass(), None, Some(error.to_string())),
    }
}
