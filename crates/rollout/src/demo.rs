//! Demonstrations: the oracle plays, and says what it sees and why.

use eyas_core::{EPISODE_VERSION, Episode, Outcome, Rng, TokenKind, Truth, Turn};
use eyas_gym::{ResponseStyle, Status, first_message, later_message, response};

use crate::{Agent, RolloutError, Start, token_kinds};

/// How good the teacher is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Teacher {
    /// Probability that an action is a random legal one instead of the oracle's.
    pub noise: f64,
    /// Parts of its responses.
    pub style: ResponseStyle,
    /// Longest demonstration in tokens; a longer episode is cut after the last whole turn.
    pub max_tokens: usize,
    /// Probability that the thought of a turn is left out: its tags hold an empty line.
    pub thought_dropout: f64,
    /// As [`RolloutConfig::record_truth`](crate::RolloutConfig::record_truth).
    pub record_truth: bool,
}

/// The response with nothing but an empty line in its thought.
fn without_thought(text: &str) -> String {
    let inside = |text: &str| Some((text.find("<think>")? + "<think>".len(), text.find("</think>")?));
    match inside(text) {
        Some((from, to)) if from <= to => format!("{}\n\n{}", &text[..from], &text[to..]),
        _ => text.to_string(),
    }
}

/// One demonstrated episode. Its response tokens are marked as sampled, with log-prob 0, so that the
/// training code sees demonstrations and rollouts alike.
///
/// # Errors
/// When text cannot be encoded, or the environment refuses its own oracle.
pub fn demonstrate(
    agent: Agent<'_>,
    start: Start,
    teacher: &Teacher,
    rng: &mut Rng,
) -> Result<Episode, RolloutError> {
    let Start { mut game, seed, knobs, .. } = start;
    let env = game.spec().id;
    let refused = |source| RolloutError::Oracle { env: env.to_string(), source };
    let mut trajectory = agent.trajectory();
    let mut episode = Episode {
        version: EPISODE_VERSION,
        env: env.to_string(),
        seed,
        knobs,
        turns: Vec::new(),
        trajectory: agent.trajectory(),
        scores: Vec::new(),
        env_return: 0.0,
        env_score: 0.0,
        outcome: Outcome::Truncated,
        images: Default::default(),
    };
    let end_of_turn = agent.tokenizer.special_tokens().im_end;
    for turn in 0u16.. {
        let frames = game.frames();
        let observation = if turn == 0 {
            first_message(game.as_ref(), teacher.style)
        } else {
            later_message(game.as_ref())
        };
        let prompt = if turn == 0 {
            agent.opening(&frames, &observation)?
        } else {
            agent.next_turn(&frames, &observation, true)?
        };
        let legal = game.legal_actions();
        let slips = rng.chance(teacher.noise);
        let random = rng.choose(&legal).cloned();
        let action = random.filter(|_| slips).unwrap_or_else(|| game.oracle());
        let mut text = response(game.as_ref(), &action, teacher.style).map_err(refused)?;
        // No number is drawn where nothing is left out, so that other demonstrations stay as they were.
        if teacher.thought_dropout > 0.0 && rng.chance(teacher.thought_dropout) {
            text = without_thought(&text);
        }
        let ids = agent.tokenizer.encode_plain(&text)?;
        let mut kinds = token_kinds(&text, &agent.tokenizer.decode_spans(&ids)?.spans);
        kinds.push(TokenKind::Other);
        let ids: Vec<u32> = ids.into_iter().chain([end_of_turn]).collect();
        let before = trajectory.clone();
        prompt.push(agent.policy, &mut trajectory, &frames, turn)?;
        trajectory.push_sampled(&ids, &kinds, &vec![0.0; ids.len()], turn)?;
        if trajectory.len() > teacher.max_tokens && turn > 0 {
            trajectory = before;
            break;
        }
        episode.images.extend(frames.iter().map(|f| (f.image.id(), f.image.clone())));
        let perception = game.perception().text;
        let truth = teacher.record_truth.then(|| Truth { answer: game.oracle(), facts: game.facts() });
        let step = game.step(&action).map_err(refused)?;
        episode.env_return += step.reward;
        episode.env_score += step.score;
        episode.turns.push(Turn {
            observation,
            images: frames.iter().map(|f| f.image.id()).collect(),
            response: text,
            terminated: true,
            action: Some(action),
            error: None,
            reward: step.reward,
            perception,
            truth,
        });
        if let Status::Done(outcome) = step.status {
            episode.outcome = outcome;
            break;
        }
    }
    episode.trajectory = trajectory;
    Ok(episode)
}
