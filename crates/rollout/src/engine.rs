//! The turn loop: many episodes at once, one decoder.
//!
//! All running responses advance by one token per pass. An episode whose response has ended waits
//! until enough others have, so that pictures are drawn, encoded and read in batches.

use std::time::Instant;

use eyas_core::{EPISODE_VERSION, Episode, Group, Image, Outcome, Rng, Seed, Turn};
use eyas_gym::{Game, ResponseStyle, Status, Step, first_message, later_message};
use eyas_model::{Decoder, Feed, Sampling, SequenceId, sample};
use eyas_reward::Response;
use rayon::prelude::*;

use crate::{Agent, Pictures, RolloutError, Start, token_kinds};

/// How episodes are played.
#[derive(Clone, Debug)]
pub struct RolloutConfig {
    /// Parts of a response.
    pub style: ResponseStyle,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Longest response of one turn, in tokens.
    pub max_tokens: usize,
    /// Longest trajectory, in tokens; the model's context if that is smaller.
    pub max_context: usize,
    /// A response also ends where one of these appears.
    pub stop: Vec<String>,
}

/// What a rollout cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RolloutStats {
    /// Tokens drawn.
    pub sampled_tokens: usize,
    /// Tokens read: prompts and observations, shared ones once.
    pub prompt_tokens: usize,
    /// Passes through the decoder.
    pub passes: usize,
    /// Where the time went.
    pub seconds: RolloutSeconds,
}

/// Wall-clock seconds of the parts of a rollout.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RolloutSeconds {
    /// Drawing pictures.
    pub render: f64,
    /// Pictures to visual tokens.
    pub encode: f64,
    /// Reading prompts and observations. A pass that also decodes counts by its rows.
    pub prefill: f64,
    /// Passes of one token a response.
    pub decode: f64,
    /// Logits to tokens.
    pub sample: f64,
    /// Parsing answers and stepping environments.
    pub act: f64,
}

/// Runs `work` and adds its wall-clock time to `to`.
fn timed<R>(to: &mut f64, work: impl FnOnce() -> R) -> R {
    let clock = Instant::now();
    let result = work();
    *to += clock.elapsed().as_secs_f64();
    result
}

/// One running episode.
struct Player {
    group: usize,
    sequence: SequenceId,
    game: Box<dyn Game>,
    episode: Episode,
    rng: Rng,
    turn: u16,
    perception: String,
    ids: Vec<u32>,
    logprobs: Vec<f32>,
    /// What goes into the decoder next.
    feed: Vec<Feed>,
    /// Response complete: by itself (`true`) or cut.
    ended: Option<bool>,
    done: bool,
}

/// Plays `copies` episodes from each start. Pictures are kept in `pictures`. Groups come back in the order of `starts`, members in the
/// order of their seeds; nothing depends on the number of threads.
///
/// # Errors
/// [`RolloutError`] when the model, the tokenizer or an environment refuses its input.
pub fn rollout(
    agent: Agent<'_>,
    starts: &[Start],
    copies: usize,
    config: &RolloutConfig,
    seed: Seed,
    pictures: &mut Pictures,
    mut progress: impl FnMut(&RolloutStats),
) -> Result<(Vec<Group>, RolloutStats), RolloutError> {
    config.sampling.validate()?;
    let mut stats = RolloutStats::default();
    let mut decoder = Decoder::new(agent.policy);
    let forbidden = agent.forbidden();
    let context = config.max_context.min(agent.policy.config().text.max_position_embeddings);

    let mut players = open(agent, starts, copies, config, seed, context, pictures, &mut decoder, &mut stats)?;
    loop {
        // Draw one token for every running response.
        let running: Vec<&mut Player> = players.iter_mut().filter(|p| !p.done && p.ended.is_none()).collect();
        let none_running = running.is_empty();
        if !none_running {
            let feeds: Vec<_> = running.iter().map(|p| (p.sequence, p.feed.clone())).collect();
            let mut seconds = 0.0;
            let mut logits = timed(&mut seconds, || decoder.extend(&feeds))?;
            let read = feeds.iter().flat_map(|(_, f)| f).map(feed_tokens).sum::<usize>() - feeds.len();
            let of_prefill = seconds * read as f64 / (read + feeds.len()) as f64;
            stats.seconds.prefill += of_prefill;
            stats.seconds.decode += seconds - of_prefill;
            stats.passes += 1;
            stats.prompt_tokens += read;
            stats.sampled_tokens += feeds.len();
            let vocab = logits.len() / feeds.len().max(1);
            let draw_all = || -> Result<Vec<()>, RolloutError> {
                running
                    .into_par_iter()
                    .zip(logits.par_chunks_mut(vocab.max(1)))
                    .map(|(player, logits)| draw(agent, config, context, player, logits, &forbidden))
                    .collect()
            };
            timed(&mut stats.seconds.sample, draw_all)?;
            progress(&stats);
        }
        // Let finished responses act once enough of them wait.
        let alive = players.iter().filter(|p| !p.done).count();
        let waiting = players.iter().filter(|p| !p.done && p.ended.is_some()).count();
        if alive == 0 {
            break;
        }
        if none_running || waiting * 4 >= alive || waiting >= 32 {
            let ready: Vec<&mut Player> =
                players.iter_mut().filter(|p| !p.done && p.ended.is_some()).collect();
            act(agent, context, ready, pictures, &mut decoder, &mut stats.seconds)?;
        }
    }
    let mut groups: Vec<Group> =
        starts.iter().map(|_| Group { episodes: Vec::with_capacity(copies) }).collect();
    for player in players {
        groups[player.group].episodes.push(player.episode);
    }
    Ok((groups, stats))
}

fn feed_tokens(feed: &Feed) -> usize {
    match feed {
        Feed::Text(ids) => ids.len(),
        Feed::Image(image) => image.tokens(),
    }
}

/// Opens all episodes: each start's prompt is read once and then forked.
#[expect(clippy::too_many_arguments, reason = "the state of one rollout, used once")]
fn open(
    agent: Agent<'_>,
    starts: &[Start],
    copies: usize,
    config: &RolloutConfig,
    seed: Seed,
    context: usize,
    pictures: &mut Pictures,
    decoder: &mut Decoder<'_>,
    stats: &mut RolloutStats,
) -> Result<Vec<Player>, RolloutError> {
    let render = || starts.par_iter().map(|s| s.game.render()).collect();
    let images: Vec<Image> = timed(&mut stats.seconds.render, render);
    timed(&mut stats.seconds.encode, || pictures.add(agent.policy, &images))?;
    let mut players = Vec::with_capacity(starts.len() * copies);
    let mut prefixes = Vec::with_capacity(starts.len());
    let mut last_tokens = Vec::with_capacity(starts.len());
    for (start, image) in starts.iter().zip(&images) {
        let observation = first_message(start.game.as_ref(), config.style);
        let prompt = agent.opening(&observation)?;
        let mut trajectory = agent.trajectory();
        prompt.push(agent.policy, &mut trajectory, image, 0)?;
        if trajectory.len() + 1 > context {
            let env = start.game.spec().id.to_string();
            return Err(RolloutError::Prompt { env, prompt: trajectory.len(), context });
        }
        // Everything but the last token is shared; that one is read by each member, and its logits are
        // the first ones a member draws from.
        let mut feed = prompt.feed(pictures.features(image)?);
        let last = match feed.last_mut() {
            Some(Feed::Text(ids)) if ids.len() > 1 => ids.pop(),
            _ => None,
        };
        let sequence = decoder.open();
        stats.prompt_tokens += feed.iter().map(feed_tokens).sum::<usize>();
        prefixes.push((sequence, feed));
        last_tokens.push((last, trajectory, observation));
    }
    timed(&mut stats.seconds.prefill, || decoder.extend(&prefixes))?;
    for (group, ((start, image), ((sequence, _), (last, trajectory, observation)))) in
        starts.iter().zip(&images).zip(prefixes.into_iter().zip(last_tokens)).enumerate()
    {
        for (member, sequence) in decoder.fork(sequence, copies)?.into_iter().enumerate() {
            let mut episode = Episode {
                version: EPISODE_VERSION,
                env: start.game.spec().id.to_string(),
                seed: start.seed,
                knobs: start.knobs.clone(),
                turns: vec![turn(observation.clone(), image)],
                trajectory: trajectory.clone(),
                scores: Vec::new(),
                env_return: 0.0,
                env_score: 0.0,
                outcome: Outcome::Truncated,
                images: Default::default(),
            };
            episode.images.insert(image.id(), image.clone());
            let game = start.game.fork();
            players.push(Player {
                group,
                sequence,
                perception: game.perception().text,
                game,
                episode,
                rng: seed.split("group", group as u64).split("member", member as u64).rng(),
                turn: 0,
                ids: Vec::new(),
                logprobs: Vec::new(),
                feed: vec![Feed::Text(last.into_iter().collect())],
                ended: None,
                done: false,
            });
        }
    }
    Ok(players)
}

fn turn(observation: String, image: &Image) -> Turn {
    Turn { observation, images: vec![image.id()], ..Turn::default() }
}

/// Draws the next token of one response and says whether it ends here.
fn draw(
    agent: Agent<'_>,
    config: &RolloutConfig,
    context: usize,
    player: &mut Player,
    logits: &mut [f32],
    forbidden: &[u32],
) -> Result<(), RolloutError> {
    let drawn = sample(logits, &config.sampling, forbidden, &mut player.rng);
    player.ids.push(drawn.id);
    player.logprobs.push(drawn.logprob);
    player.feed = vec![Feed::Text(vec![drawn.id])];
    if agent.tokenizer.eos_ids().contains(&drawn.id) || stopped(agent, config, &player.ids)? {
        player.ended = Some(true);
    } else if player.ids.len() >= config.max_tokens
        || player.episode.trajectory.len() + player.ids.len() >= context
    {
        player.ended = Some(false);
    }
    Ok(())
}

/// Whether a stop string has just appeared. Only the tail is decoded: it is long enough to hold the
/// longest stop string, as every token has at least one byte.
fn stopped(agent: Agent<'_>, config: &RolloutConfig, ids: &[u32]) -> Result<bool, RolloutError> {
    let Some(longest) = config.stop.iter().map(String::len).max() else { return Ok(false) };
    let tail = agent.tokenizer.decode(&ids[ids.len().saturating_sub(longest)..])?;
    Ok(config.stop.iter().any(|s| tail.contains(s.as_str())))
}

/// Parses the responses of `ready`, plays their actions, and prepares their next turn.
fn act(
    agent: Agent<'_>,
    context: usize,
    mut ready: Vec<&mut Player>,
    pictures: &mut Pictures,
    decoder: &mut Decoder<'_>,
    seconds: &mut RolloutSeconds,
) -> Result<(), RolloutError> {
    let finish = || ready.par_iter_mut().map(|player| finish_turn(agent, player)).collect();
    let ended: Result<Vec<bool>, RolloutError> = timed(&mut seconds.act, finish);
    let ended = ended?;
    let render = || ready.par_iter().map(|p| (!p.done).then(|| p.game.render())).collect();
    let images: Vec<Option<Image>> = timed(&mut seconds.render, render);
    let present: Vec<Image> = images.iter().flatten().cloned().collect();
    timed(&mut seconds.encode, || pictures.add(agent.policy, &present))?;
    for ((player, image), by_itself) in ready.into_iter().zip(images).zip(ended) {
        let Some(image) = image else {
            decoder.close(player.sequence)?;
            continue;
        };
        player.turn += 1;
        let observation = later_message();
        let last = player.feed.clone();
        // A stop string ends a turn without an end-of-turn token: the template then writes it.
        let ended = by_itself
            && matches!(last.first(), Some(Feed::Text(ids)) if ids.last().is_some_and(|id| agent.tokenizer.eos_ids().contains(id)));
        let prompt = agent.next_turn(&observation, ended)?;
        let mut trajectory = player.episode.trajectory.clone();
        prompt.push(agent.policy, &mut trajectory, &image, player.turn)?;
        if trajectory.len() + 1 >= context {
            player.done = true;
            decoder.close(player.sequence)?;
            continue;
        }
        player.episode.trajectory = trajectory;
        player.episode.turns.push(turn(observation, &image));
        player.perception = player.game.perception().text;
        player.feed = last;
        player.feed.extend(prompt.feed(pictures.features(&image)?));
        player.episode.images.insert(image.id(), image);
        player.ended = None;
    }
    Ok(())
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
    kinds.resize(ids.len(), eyas_core::TokenKind::Other);
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
    }
    if let Status::Done(outcome) = step.status {
        player.episode.outcome = outcome;
        player.done = true;
    }
    Ok(by_itself)
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
