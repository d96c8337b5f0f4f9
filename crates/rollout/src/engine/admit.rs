//! Which episodes are open: as many as their cached keys and values leave room for.

use eyas_core::{Episode, Trajectory, Truth, Turn};
use eyas_gym::{Frame, Game, first_message};
use eyas_model::Feed;

use super::{Engine, Player, feed_tokens, timed};
use crate::agent::Encoded;
use crate::watch::each;
use crate::{RolloutError, Start};

/// Members of one start that have not been opened yet.
struct Due {
    group: usize,
    first: usize,
}

/// The episodes that wait, and the room that is left.
pub(super) struct Waiting<'a> {
    starts: &'a [Start],
    copies: usize,
    next: Due,
    /// Tokens that the budget holds, and those that open episodes may still come to need.
    budget: usize,
    reserved: usize,
}

/// A start whose prompt is ready to be read.
struct Opening {
    group: usize,
    members: std::ops::Range<usize>,
    prompt: Encoded,
    frames: Vec<Frame>,
    trajectory: Trajectory,
    observation: String,
    /// Tokens reserved for each member.
    each: usize,
}

/// What an environment knows and does not show.
pub(super) struct Known {
    pub(super) perception: String,
    /// The rest, when it is to be recorded.
    pub(super) truth: Option<Truth>,
}

impl Known {
    pub(super) fn of(game: &dyn Game, record_truth: bool) -> Self {
        let perception = game.perception();
        let truth = record_truth.then(|| Truth { answer: game.oracle(), facts: game.facts() });
        Self { perception: perception.text, truth }
    }
}

impl<'a> Waiting<'a> {
    pub(super) fn new(engine: &Engine<'_>, starts: &'a [Start], copies: usize) -> Result<Self, RolloutError> {
        let budget = engine.config.kv_bytes / engine.agent.policy.kv_bytes_per_token().max(1);
        Ok(Self { starts, copies, next: Due { group: 0, first: 0 }, budget, reserved: 0 })
    }

    /// Whether there are none.
    pub(super) fn is_over(&self) -> bool {
        self.next.group >= self.starts.len() || self.copies == 0
    }

    /// Room that an ended episode gives back.
    pub(super) fn release(&mut self, tokens: usize) {
        self.reserved -= tokens.min(self.reserved);
    }
}

impl Engine<'_> {
    /// Opens waiting episodes while there is room.
    pub(super) fn admit(&mut self, waiting: &mut Waiting<'_>) -> Result<(), RolloutError> {
        let mut openings = Vec::new();
        // Drawing is shared over threads, so a batch of starts is looked at together; how many does not
        // matter to the result.
        const BATCH: usize = 64;
        while !waiting.is_over() {
            let from = waiting.next.group;
            let starts = &waiting.starts[from..(from + BATCH).min(waiting.starts.len())];
            let style = self.config.style;
            let first = move |game: Box<dyn Game>| (game.frames(), first_message(game.as_ref(), style));
            let games = starts.iter().map(|s| s.game.fork()).collect();
            let watch = self.watch;
            let drawn = timed(&mut self.stats.seconds.render, || each(games, watch, first))?;
            let mut full = false;
            for (start, drawn) in starts.iter().zip(drawn) {
                let (frames, observation) = match drawn {
                    Ok(drawn) => drawn,
                    Err(why) => {
                        let Due { group, first } = waiting.next;
                        self.lose(start, group, first..waiting.copies, &why);
                        waiting.next = Due { group: group + 1, first: 0 };
                        continue;
                    }
                };
                let opening = self.opening(waiting, start, frames, observation)?;
                let Some(opening) = opening else {
                    full = true;
                    break;
                };
                waiting.reserved += opening.each * opening.members.len();
                waiting.next.first = opening.members.end;
                let whole = waiting.next.first == waiting.copies;
                if whole {
                    waiting.next = Due { group: opening.group + 1, first: 0 };
                }
                openings.push(opening);
                if !whole {
                    full = true;
                    break;
                }
            }
            if full {
                break;
            }
        }
        let openings = self.know(waiting, openings)?;
        if openings.is_empty() { Ok(()) } else { self.open(waiting.starts, openings) }
    }

    /// Asks the starts what they know; those that fail are lost.
    fn know(
        &mut self,
        waiting: &mut Waiting<'_>,
        openings: Vec<Opening>,
    ) -> Result<Vec<(Opening, Known)>, RolloutError> {
        let record = self.config.record_truth;
        let games = openings.iter().map(|o| waiting.starts[o.group].game.fork()).collect();
        let known = each(games, self.watch, move |game: Box<dyn Game>| Known::of(game.as_ref(), record))?;
        let mut kept = Vec::with_capacity(openings.len());
        for (opening, known) in openings.into_iter().zip(known) {
            match known {
                Ok(known) => kept.push((opening, known)),
                Err(why) => {
                    waiting.release(opening.each * opening.members.len());
                    self.lose(&waiting.starts[opening.group], opening.group, opening.members, &why);
                }
            }
        }
        Ok(kept)
    }

    /// Gives up members of a start before they are opened.
    fn lose(&mut self, start: &Start, group: usize, members: std::ops::Range<usize>, why: &str) {
        for member in members {
            let episode = start.lost(self.agent.trajectory(), why.to_string());
            self.lost.push((group, member, episode));
        }
    }

    /// The next members of the next start that fit; `None` when they have to wait.
    fn opening(
        &self,
        waiting: &Waiting<'_>,
        start: &Start,
        frames: Vec<Frame>,
        observation: String,
    ) -> Result<Option<Opening>, RolloutError> {
        let env = || start.game.spec().id.to_string();
        let prompt = self.agent.opening(&frames, &observation)?;
        let mut trajectory = self.agent.trajectory();
        prompt.push(self.agent.policy, &mut trajectory, &frames, 0)?;
        let (length, context) = (trajectory.len(), self.context);
        if length + 1 > context {
            return Err(RolloutError::Prompt { env: env(), prompt: length, context });
        }
        // A member may grow to the whole context. The prompt is kept once for all, but counted with each
        // member, so that every one gives back what it took.
        let each = context;
        if each > waiting.budget {
            return Err(RolloutError::KvBudget { env: env(), needed: each, budget: waiting.budget });
        }
        let room = (waiting.budget - waiting.reserved.min(waiting.budget)) / each;
        let left = waiting.copies - waiting.next.first;
        // Splitting a group reads its prompt twice, so only a group that can never fit is split.
        let members = if waiting.copies * each <= waiting.budget && room < left { 0 } else { room.min(left) };
        if members == 0 {
            return Ok(None);
        }
        let Due { group, first } = waiting.next;
        let members = first..first + members;
        Ok(Some(Opening { group, members, prompt, frames, trajectory, observation, each }))
    }

    /// Opens episodes: each start's prompt is read once and then forked.
    fn open(&mut self, starts: &[Start], openings: Vec<(Opening, Known)>) -> Result<(), RolloutError> {
        let policy = self.agent.policy;
        let images = openings.iter().flat_map(|(o, _)| o.frames.iter().map(|f| &f.image));
        timed(&mut self.stats.seconds.encode, || self.pictures.add(policy, images))?;
        let (mut prefixes, mut last_tokens) = (Vec::new(), Vec::new());
        for (opening, _) in &openings {
            // Everything but the last token is shared; that one is read by each member, and its logits
            // are the first ones a member draws from.
            let mut feed = opening.prompt.feed(self.pictures, &opening.frames)?;
            let last = match feed.last_mut() {
                Some(Feed::Text(ids)) if ids.len() > 1 => ids.pop(),
                _ => None,
            };
            self.stats.prompt_tokens += feed.iter().map(feed_tokens).sum::<usize>();
            prefixes.push((self.decoder.open(), feed));
            last_tokens.push(last);
        }
        timed(&mut self.stats.seconds.prefill, || self.decoder.extend(&prefixes))?;
        for (((opening, known), (sequence, _)), last) in openings.into_iter().zip(prefixes).zip(last_tokens) {
            let start = &starts[opening.group];
            let forks = self.decoder.fork(sequence, opening.members.len())?;
            for (member, sequence) in opening.members.clone().zip(forks) {
                let game = start.game.fork();
                let mut episode = start.episode(opening.trajectory.clone());
                show(&mut episode, opening.observation.clone(), &opening.frames);
                self.players.push(Player {
                    group: opening.group,
                    member,
                    reserved: opening.each,
                    sequence,
                    perception: known.perception.clone(),
                    truth: known.truth.clone(),
                    game,
                    episode,
                    rng: self.seed.split("group", opening.group as u64).split("member", member as u64).rng(),
                    turn: 0,
                    ids: Vec::new(),
                    logprobs: Vec::new(),
                    feed: vec![Feed::Text(last.into_iter().collect())],
                    ended: None,
                    done: false,
                });
            }
        }
        self.stats.most_open = self.stats.most_open.max(self.players.len());
        Ok(())
    }
}

/// Begins a turn of `episode` with what is shown.
pub(super) fn show(episode: &mut Episode, observation: String, frames: &[Frame]) {
    let images = frames.iter().map(|f| f.image.id()).collect();
    episode.turns.push(Turn { observation, images, ..Turn::default() });
    episode.images.extend(frames.iter().map(|f| (f.image.id(), f.image.clone())));
}
