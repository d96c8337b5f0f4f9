//! Demonstrations: the oracle plays, and says what it sees and why.

use eyas_core::{Episode, Rng, TokenKind, Trajectory, Truth, Turn, isolate};
use eyas_gym::{
    Frame, Game, ParseError, ResponseStyle, Status, Step, first_message, later_message, response,
};
use rayon::prelude::*;

use crate::watch::{Watch, each};
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

/// A demonstration to be given.
#[derive(Clone)]
pub struct Lesson {
    /// Where it starts.
    pub start: Start,
    /// Random legal moves before it, see [`Start::advance`].
    pub moves: usize,
    /// Where its random numbers come from.
    pub rng: Rng,
}

/// An episode, with the random numbers that come after it; or why there is none: its environment panicked, or
/// took too long.
pub type Demonstrated = Result<(Episode, Rng), String>;

/// Demonstrates every lesson, turn by turn together. Response tokens are marked as sampled, with log-prob 0, so
/// that the training code sees demonstrations and rollouts alike. An episode depends on its own lesson only.
///
/// # Errors
/// When text cannot be encoded, an environment refuses its own oracle, or the watch's interrupt is raised.
pub fn demonstrate(
    agent: Agent<'_>,
    lessons: Vec<Lesson>,
    teacher: &Teacher,
    watch: Watch<'_>,
) -> Result<Vec<Demonstrated>, RolloutError> {
    let mut done: Vec<Option<Demonstrated>> = lessons.iter().map(|_| None).collect();
    let mut running: Vec<Running> = Vec::with_capacity(lessons.len());
    for (place, lesson) in lessons.into_iter().enumerate() {
        let episode = lesson.start.episode(agent.trajectory());
        running.push(Running { place, episode, said: None, lesson });
    }
    while !running.is_empty() {
        let teacher = *teacher;
        let mut books = Vec::with_capacity(running.len());
        let mut asked = Vec::with_capacity(running.len());
        for Running { place, episode, said, lesson } in running {
            asked.push((lesson, said.as_ref().map(|said| said.action.clone())));
            books.push((place, episode, said));
        }
        // Environments are handed over as a whole, so that one that fails can be left alone.
        let told = each(asked, watch, move |(lesson, action)| go_on(lesson, action.as_deref(), &teacher))?;
        let write = |((place, episode, said), told): ((usize, Episode, Option<Said>), Result<_, String>)| {
            let written = told.and_then(|told: Result<Told, RolloutError>| {
                isolate(|| told.and_then(|told| write(agent, place, (episode, said), told, &teacher)))
            });
            (place, written)
        };
        let written: Vec<_> = books.into_par_iter().zip(told).map(write).collect();
        running = Vec::with_capacity(written.len());
        for (place, written) in written {
            match written {
                Ok(Ok(Next::On(next))) => running.push(*next),
                Ok(Ok(Next::Done(shown))) => done[place] = Some(Ok(*shown)),
                Ok(Err(error)) => return Err(error),
                Err(why) => done[place] = Some(Err(why)),
            }
        }
    }
    // None is missing: what no longer runs has come to an end.
    Ok(done.into_iter().flatten().collect())
}

/// A demonstration on its way.
struct Running {
    place: usize,
    episode: Episode,
    said: Option<Said>,
    lesson: Lesson,
}

/// What is shown in a turn, and the teacher's response.
struct Said {
    frames: Vec<Frame>,
    observation: String,
    text: String,
    action: String,
}

/// What an environment tells: what came of the last action, and the next turn, if there is one.
struct Told {
    acted: Option<Acted>,
    next: Option<Said>,
    lesson: Lesson,
}

/// What came of an action.
struct Acted {
    perception: String,
    truth: Option<Truth>,
    step: Step,
}

/// How a demonstration goes on.
enum Next {
    On(Box<Running>),
    Done(Box<(Episode, Rng)>),
}

/// The environment's part of a turn: plays the last action, and has the teacher respond to what is seen then.
fn go_on(mut lesson: Lesson, action: Option<&str>, teacher: &Teacher) -> Result<Told, RolloutError> {
    let env = lesson.start.game.spec().id;
    let refused = |source| RolloutError::Oracle { env: env.to_string(), source };
    let Lesson { start, moves, rng } = &mut lesson;
    let Some(action) = action else {
        start.advance(*moves, rng);
        let observation = first_message(start.game.as_ref(), teacher.style);
        let said = say(start.game.as_ref(), observation, rng, teacher).map_err(refused)?;
        return Ok(Told { acted: None, next: Some(said), lesson });
    };
    let game = &mut start.game;
    let perception = game.perception().text;
    let truth = teacher.record_truth.then(|| Truth { answer: game.oracle(), facts: game.facts() });
    let step = game.step(action).map_err(refused)?;
    let next = match step.status {
        Status::Done(_) => None,
        Status::Running => {
            let observation = later_message(game.as_ref());
            Some(say(game.as_ref(), observation, rng, teacher).map_err(refused)?)
        }
    };
    Ok(Told { acted: Some(Acted { perception, truth, step }), next, lesson })
}

/// The teacher's response to what is shown.
fn say(game: &dyn Game, observation: String, rng: &mut Rng, teacher: &Teacher) -> Result<Said, ParseError> {
    let frames = game.frames();
    let legal = game.legal_actions();
    let slips = rng.chance(teacher.noise);
    let random = rng.choose(&legal).cloned();
    let action = random.filter(|_| slips).unwrap_or_else(|| game.oracle());
    let mut text = response(game, &action, teacher.style)?;
    // No number is drawn where nothing is left out, so that other demonstrations stay as they were.
    if teacher.thought_dropout > 0.0 && rng.chance(teacher.thought_dropout) {
        text = without_thought(&text);
    }
    Ok(Said { frames, observation, text, action })
}

/// The policy's part of a turn: writes down what came of the last one, and the tokens of the next.
fn write(
    agent: Agent<'_>,
    place: usize,
    (mut episode, said): (Episode, Option<Said>),
    Told { acted, next, lesson }: Told,
    teacher: &Teacher,
) -> Result<Next, RolloutError> {
    if let (Some(said), Some(Acted { perception, truth, step })) = (said, acted) {
        episode.images.extend(said.frames.iter().map(|f| (f.image.id(), f.image.clone())));
        episode.env_return += step.reward;
        episode.env_score += step.score;
        episode.turns.push(Turn {
            observation: said.observation,
            images: said.frames.iter().map(|f| f.image.id()).collect(),
            response: said.text,
            terminated: true,
            action: Some(said.action),
            error: None,
            reward: step.reward,
            perception,
            truth,
        });
        if let Status::Done(outcome) = step.status {
            episode.outcome = outcome;
        }
    }
    let Some(said) = next else { return Ok(Next::Done(Box::new((episode, lesson.rng)))) };
    let turn = u16::try_from(episode.turns.len()).unwrap_or(u16::MAX);
    let mut trajectory = episode.trajectory.clone();
    push(agent, &mut trajectory, &said, turn)?;
    if trajectory.len() > teacher.max_tokens && turn > 0 {
        return Ok(Next::Done(Box::new((episode, lesson.rng))));
    }
    episode.trajectory = trajectory;
    Ok(Next::On(Box::new(Running { place, episode, said: Some(said), lesson })))
}

/// Appends a turn's prompt and response.
fn push(agent: Agent<'_>, trajectory: &mut Trajectory, said: &Said, turn: u16) -> Result<(), RolloutError> {
    let Said { frames, observation, text, .. } = said;
    let prompt = match turn {
        0 => agent.opening(frames, observation)?,
        _ => agent.next_turn(frames, observation, true)?,
    };
    prompt.push(agent.policy, trajectory, frames, turn)?;
    push_response(agent, trajectory, text, turn)
}

/// Appends a response and its end, as if sampled with log-prob 0.
pub(crate) fn push_response(
    agent: Agent<'_>,
    trajectory: &mut Trajectory,
    text: &str,
    turn: u16,
) -> Result<(), RolloutError> {
    let ids = agent.tokenizer.encode_plain(text)?;
    let mut kinds = token_kinds(text, &agent.tokenizer.decode_spans(&ids)?.spans);
    kinds.push(TokenKind::Other);
    let end_of_turn = agent.tokenizer.special_tokens().im_end;
    let ids: Vec<u32> = ids.into_iter().chain([end_of_turn]).collect();
    Ok(trajectory.push_sampled(&ids, &kinds, &vec![0.0; ids.len()], turn)?)
}
