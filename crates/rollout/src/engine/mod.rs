//! The turn loop: many episodes at once, one decoder.
//!
//! All running responses advance by one token per pass. An episode whose response has ended waits
//! until enough others have, so that pictures are drawn, encoded and read in batches; the others go
//! on meanwhile. Episodes are admitted as long as their caches fit the budget, and as others end.

mod act;
mod admit;

use std::ops::AddAssign;
use std::time::{Duration, Instant};

use eyas_core::{Episode, Group, Interrupt, Rng, Seed, Truth};
use eyas_gym::{Game, ResponseStyle};
use eyas_model::{Decoder, Feed, Sampling, SequenceId, sample};
use rayon::prelude::*;

use crate::watch::Watch;
use crate::{Agent, Pictures, RolloutError, Start};
use admit::Waiting;

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
    /// Whether the oracle's answers and the structured ground truth are recorded with the turns. Costs
    /// what the oracle costs.
    pub record_truth: bool,
    /// Bytes that cached keys and values may take. Episodes beyond that wait until others have ended;
    /// what is played does not depend on it.
    pub kv_bytes: usize,
    /// Longest time that an environment may take for one step, or for one observation. One that takes longer
    /// loses its episode ([`Outcome::Lost`](eyas_core::Outcome)), and keeps the thread it is on. `None`: as long
    /// as it likes.
    pub env_limit: Option<Duration>,
}

impl RolloutConfig {
    /// Two gigabytes of keys and values.
    pub const KV_BYTES: usize = 2 << 30;
}

/// What a rollout cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RolloutStats {
    /// Tokens drawn.
    pub sampled_tokens: usize,
    /// Tokens read: prompts, once for a group, and observations.
    pub prompt_tokens: usize,
    /// Passes through the decoder.
    pub passes: usize,
    /// Rows of all passes: tokens read and drawn, those that members of a group share once.
    pub rows: usize,
    /// Most episodes that were open at once.
    pub most_open: usize,
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

impl AddAssign for RolloutStats {
    fn add_assign(&mut self, other: Self) {
        self.sampled_tokens += other.sampled_tokens;
        self.prompt_tokens += other.prompt_tokens;
        self.passes += other.passes;
        self.rows += other.rows;
        self.most_open = self.most_open.max(other.most_open);
        let (sum, more) = (&mut self.seconds, other.seconds);
        sum.render += more.render;
        sum.encode += more.encode;
        sum.prefill += more.prefill;
        sum.decode += more.decode;
        sum.sample += more.sample;
        sum.act += more.act;
    }
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
    member: usize,
    /// The admission it came with; what it reserved goes back there.
    reserved: usize,
    sequence: SequenceId,
    game: Box<dyn Game>,
    episode: Episode,
    rng: Rng,
    turn: u16,
    perception: String,
    truth: Option<Truth>,
    ids: Vec<u32>,
    logprobs: Vec<f32>,
    /// What goes into the decoder next.
    feed: Vec<Feed>,
    /// Response complete: by itself (`true`) or cut.
    ended: Option<bool>,
    done: bool,
}

/// Everything a rollout works with.
struct Engine<'a> {
    agent: Agent<'a>,
    config: &'a RolloutConfig,
    context: usize,
    forbidden: Vec<u32>,
    seed: Seed,
    decoder: Decoder<'a>,
    pictures: &'a mut Pictures,
    stats: RolloutStats,
    players: Vec<Player>,
    /// Episodes that were lost before they were opened, with their group and member.
    lost: Vec<(usize, usize, Episode)>,
    watch: Watch<'a>,
}

/// Plays `copies` episodes from each start. Pictures are kept in `pictures`. Groups come back in the
/// order of `starts`, members in the order of their seeds; nothing depends on the number of threads or
/// on the cache budget.
///
/// An environment that panics, or takes longer than [`RolloutConfig::env_limit`], loses its own episode, which
/// comes back as far as it was played, with the outcome [`Lost`](eyas_core::Outcome::Lost); if that happens
/// before anything was shown, its trajectory is empty.
///
/// # Errors
/// [`RolloutError`] when the model, the tokenizer or an environment refuses its input, when a single
/// episode may outgrow the cache budget, or when `interrupt` is raised on the way.
pub fn rollout(
    agent: Agent<'_>,
    starts: &[Start],
    copies: usize,
    config: &RolloutConfig,
    seed: Seed,
    pictures: &mut Pictures,
    interrupt: &Interrupt,
) -> Result<(Vec<Group>, RolloutStats), RolloutError> {
    config.sampling.validate()?;
    let mut engine = Engine {
        agent,
        config,
        context: config.max_context.min(agent.policy.config().text.max_position_embeddings),
        forbidden: agent.forbidden(),
        seed,
        decoder: Decoder::new(agent.policy),
        pictures,
        stats: RolloutStats::default(),
        players: Vec::new(),
        lost: Vec::new(),
        watch: Watch { limit: config.env_limit, interrupt },
    };
    let mut waiting = Waiting::new(&engine, starts, copies)?;
    let mut groups: Vec<Vec<Option<Episode>>> = vec![vec![None; copies]; starts.len()];
    loop {
        engine.admit(&mut waiting)?;
        for (group, member, episode) in engine.lost.drain(..) {
            groups[group][member] = Some(episode);
        }
        if engine.players.is_empty() {
            if waiting.is_over() {
                break;
            }
            continue;
        }
        let running = engine.draw()?;
        if interrupt.is_raised() {
            return Err(RolloutError::Interrupted);
        }
        // Let finished responses act once enough of them wait.
        let ended = engine.players.iter().filter(|p| p.ended.is_some()).count();
        if running == 0 || ended * 4 >= engine.players.len() || ended >= 32 {
            engine.act()?;
        }
        for player in engine.players.extract_if(.., |p| p.done) {
            waiting.release(player.reserved);
            groups[player.group][player.member] = Some(player.episode);
        }
    }
    // Every admitted episode has ended, so none is missing.
    let groups = groups.into_iter().map(|g| Group { episodes: g.into_iter().flatten().collect() });
    Ok((groups.collect(), engine.stats))
}

fn feed_tokens(feed: &Feed) -> usize {
    match feed {
        Feed::Text(ids) => ids.len(),
        Feed::Image(image) => image.tokens(),
    }
}

impl Engine<'_> {
    /// Draws one token for every running response; gives the number of those.
    fn draw(&mut self) -> Result<usize, RolloutError> {
        let running: Vec<&mut Player> = self.players.iter_mut().filter(|p| p.ended.is_none()).collect();
        let n = running.len();
        if n == 0 {
            return Ok(0);
        }
        let feeds: Vec<_> = running.iter().map(|p| (p.sequence, p.feed.clone())).collect();
        let stats = &mut self.stats;
        let mut seconds = 0.0;
        let mut logits = timed(&mut seconds, || self.decoder.extend(&feeds))?;
        stats.rows = self.decoder.rows();
        let read = feeds.iter().flat_map(|(_, f)| f).map(feed_tokens).sum::<usize>() - n;
        let of_prefill = seconds * read as f64 / (read + n) as f64;
        stats.seconds.prefill += of_prefill;
        stats.seconds.decode += seconds - of_prefill;
        stats.passes += 1;
        stats.prompt_tokens += read;
        stats.sampled_tokens += n;
        let vocab = logits.len() / n;
        let (agent, config, context, forbidden) = (self.agent, self.config, self.context, &self.forbidden);
        let draw_all = || -> Result<Vec<()>, RolloutError> {
            running
                .into_par_iter()
                .zip(logits.par_chunks_mut(vocab.max(1)))
                .map(|(player, logits)| draw(agent, config, context, player, logits, forbidden))
                .collect()
        };
        timed(&mut stats.seconds.sample, draw_all)?;
        Ok(n)
    }
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
