//! A model at the table of `eyas play`: one episode, turn by turn, on one growing context.

use anyhow::{Context, bail};
use eyas_core::{Rng, Seed, TokenKind, Trajectory};
use eyas_gym::{Game, first_message, later_message};
use eyas_model::{Decoder, Feed, SequenceId};
use eyas_rollout::{Agent, Pictures, RolloutConfig, RolloutError, token_kinds};

use super::generate::{Drawing, generate};

/// Plays as the rollout engine does: the same prompts, the same sampling, the same end of an episode.
pub(crate) struct ModelPlayer<'a> {
    agent: Agent<'a>,
    config: RolloutConfig,
    context: usize,
    forbidden: Vec<u32>,
    seed: Seed,
    episodes: u64,
    decoder: Decoder<'a>,
    episode: Option<Episode>,
}

/// The episode that is being played.
struct Episode {
    sequence: SequenceId,
    trajectory: Trajectory,
    rng: Rng,
    /// Drawn, but not read by the model yet.
    last: Vec<Feed>,
    ended: bool,
}

impl<'a> ModelPlayer<'a> {
    /// A player whose sampling is named by `seed`.
    pub(crate) fn new(agent: Agent<'a>, config: RolloutConfig, seed: Seed) -> Self {
        let context = config.max_context.min(agent.policy.config().text.max_position_embeddings);
        Self {
            agent,
            config,
            context,
            forbidden: agent.forbidden(),
            seed,
            episodes: 0,
            decoder: Decoder::new(agent.policy),
            episode: None,
        }
    }

    /// The response to the present state; `None` when the context has no room for another turn. Turn 0
    /// begins a new episode.
    ///
    /// # Errors
    /// When the first prompt alone does not fit, or the model refuses its input.
    pub(crate) fn respond(&mut self, game: &dyn Game, turn: usize) -> anyhow::Result<Option<String>> {
        let frames = game.frames();
        let mut pictures = Pictures::default();
        pictures.add(self.agent.policy, frames.iter().map(|f| &f.image))?;
        let number = u16::try_from(turn).context("an episode has at most 65,536 turns")?;
        if turn == 0 {
            self.open()?;
        }
        let Some(episode) = self.episode.as_mut() else { bail!("turn {turn} without the turns before it") };
        let prompt = match turn {
            0 => self.agent.opening(&frames, &first_message(game, self.config.style))?,
            _ => self.agent.next_turn(&frames, &later_message(game), episode.ended)?,
        };
        let mut trajectory = episode.trajectory.clone();
        prompt.push(self.agent.policy, &mut trajectory, &frames, number)?;
        let (length, context) = (trajectory.len(), self.context);
        if turn == 0 && length + 1 > context {
            let env = game.spec().id.to_string();
            return Err(RolloutError::Prompt { env, prompt: length, context }.into());
        }
        if turn > 0 && length + 1 >= context {
            return Ok(None);
        }
        let mut feed = std::mem::take(&mut episode.last);
        feed.extend(prompt.feed(&pictures, &frames)?);
        let drawing = Drawing {
            sampling: self.config.sampling,
            forbidden: &self.forbidden,
            limit: self.config.max_tokens.min(context - length),
        };
        let at = (&mut self.decoder, episode.sequence);
        let drawn = generate(self.agent, at, feed, &drawing, &mut episode.rng, &mut |_| Ok(()))?;
        let decoded = self.agent.tokenizer.decode_spans(drawn.words())?;
        let mut kinds = token_kinds(&decoded.text, &decoded.spans);
        kinds.resize(drawn.ids.len(), TokenKind::Other);
        trajectory.push_sampled(&drawn.ids, &kinds, &drawn.logprobs, number)?;
        episode.last = vec![Feed::Text(drawn.ids.last().copied().into_iter().collect())];
        episode.ended = drawn.ended;
        episode.trajectory = trajectory;
        Ok(Some(decoded.text))
    }

    fn open(&mut self) -> anyhow::Result<()> {
        if let Some(before) = self.episode.take() {
            self.decoder.close(before.sequence)?;
        }
        self.episode = Some(Episode {
            sequence: self.decoder.open(),
            trajectory: self.agent.trajectory(),
            rng: self.seed.split("model-player", self.episodes).rng(),
            last: Vec::new(),
            ended: false,
        });
        self.episodes += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::Interrupt;
    use eyas_gym::{Knobs, ResponseStyle, Status, find};
    use eyas_model::{Sampling, Vlm};
    use eyas_reward::Response;
    use eyas_rollout::{Start, rollout};

    fn model() -> Vlm {
        let text = "<think>left</think><answer>left right up down</answer>";
        Vlm::tiny([text.to_string()].into_iter(), 300, &[], Seed::new(3)).unwrap()
    }

    fn config(max_context: usize) -> RolloutConfig {
        RolloutConfig {
            style: ResponseStyle::Think,
            sampling: Sampling { temperature: 0.0, ..Sampling::default() },
            max_tokens: 6,
            max_context,
            stop: Vec::new(),
            record_truth: false,
            kv_bytes: RolloutConfig::KV_BYTES,
            env_limit: None,
        }
    }

    /// The responses that the engine and the player give from the same start.
    fn both(model: &Vlm, config: &RolloutConfig) -> (Vec<String>, Vec<String>) {
        let knobs = Knobs::defaults(find("frozen-lake").unwrap().spec.knobs);
        let start = Start::reset("frozen-lake", Seed::new(5), &knobs).unwrap();
        let agent = Agent::of(model);
        let (groups, _) = rollout(
            agent,
            std::slice::from_ref(&start),
            1,
            config,
            Seed::new(1),
            &mut Pictures::default(),
            &Interrupt::default(),
        )
        .unwrap();
        let engine = groups[0].episodes[0].turns.iter().map(|t| t.response.clone()).collect();

        let mut player = ModelPlayer::new(agent, config.clone(), Seed::new(1));
        let (mut game, mut own) = (start.game.fork(), Vec::new());
        while game.status() == Status::Running {
            let Some(text) = player.respond(game.as_ref(), own.len()).unwrap() else { break };
            let answer = Response::parse(&text).block("answer").map(|b| b.text.to_string());
            match answer.and_then(|a| game.parse(&a).ok()) {
                Some(action) => drop(game.step(&action).unwrap()),
                None => drop(game.pass()),
            }
            own.push(text);
        }
        (engine, own)
    }

    #[test]
    fn plays_as_the_engine_does_and_stops_where_it_does() {
        let model = model();
        let (engine, own) = both(&model, &config(2048));
        assert!(engine.len() > 2, "several turns, so that the context is carried over: {engine:?}");
        assert_eq!(own, engine);
        let full = engine.len();
        let (engine, own) = both(&model, &config(450));
        assert!(engine.len() < full, "450 tokens are too few for all {full} turns");
        assert_eq!(own, engine);
    }

    #[test]
    fn a_prompt_that_does_not_fit_is_an_error() {
        let model = model();
        let entry = find("2048").unwrap();
        let game = entry.reset(Seed::new(1), &Knobs::defaults(entry.spec.knobs)).unwrap();
        let mut player = ModelPlayer::new(Agent::of(&model), config(40), Seed::new(1));
        let error = player.respond(game.as_ref(), 0).unwrap_err();
        assert!(error.to_string().contains("no room for a response in a context of 40"), "{error}");
    }
}
