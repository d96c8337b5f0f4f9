//! `eyas play`: one environment, played by a person, at random, by the oracle or by a model.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use eyas_core::{Outcome, Rng, Seed};
use eyas_gym::{EnvEntry, Game, KnobValue, Knobs, Status, find, normalised, play_oracle, play_random};
use eyas_reward::Response;
use serde::Serialize;

use super::play_frames::Frames;
use super::play_human::{Choice, ask, greet};
use super::play_knobs;
use super::play_terminal::half_blocks;
use super::response_args::EpisodeArgs;

/// Random games behind the lower reference of a normalised score.
const RANDOM_GAMES: u64 = 32;
/// Widest picture in the terminal, in characters.
const COLUMNS: u32 = 64;

/// Play an environment: by hand, at random, with the oracle or with a model
///
/// By hand you see what a policy sees, and the ground truth of the picture as text (but not beside a question
/// about it, --set quiz=...); type an action, or one of the words legal, hint, undo, quit. Each episode ends with its score and its normalised score:
/// 0 is the mean of 32 random games from the same start, 1 is the oracle's game.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    eyas play sokoban\n  \
    eyas play 2048 --policy oracle --gif 2048.gif --scale 2\n  \
    eyas play frozen-lake --policy random --episodes 20 --json\n  \
    eyas play frozen-lake --set size=6 --set slippery=0.2 --seed 4\n  \
    eyas play 2048 --set quiz=caption\n  \
    eyas play 2048 --policy models/tiny --temperature 0 --json")]
pub(crate) struct PlayArgs {
    /// The environment's id, as `eyas gym list` prints it
    env: String,
    /// Seed of the first episode; the following episodes take the following numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Turn a knob; may be repeated (`eyas gym show ENV` lists the knobs)
    #[arg(long = "set", value_name = "KNOB=VALUE")]
    set: Vec<String>,
    /// Where the difficulty dial stands; knobs given with --set go over it
    #[arg(long, value_parser = ["easy", "medium", "hard"])]
    preset: Option<String>,
    /// Who plays: human, random, oracle, or the folder of a model
    #[arg(long, default_value = "human", value_name = "human|random|oracle|PATH")]
    policy: String,
    /// Write every frame as a PNG file into this folder
    #[arg(long, value_name = "DIR")]
    frames: Option<PathBuf>,
    /// Write all frames as one animated GIF
    #[arg(long, value_name = "FILE")]
    gif: Option<PathBuf>,
    /// Number of episodes
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    episodes: u64,
    /// Print one JSON line per episode
    #[arg(long)]
    json: bool,
    /// Side of a picture's pixel in frames and GIF
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=32))]
    scale: u32,
    #[command(flatten, next_help_heading = "With the folder of a model")]
    pub(crate) episode: EpisodeArgs,
}

/// Who plays, as the command line says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PolicyChoice {
    /// A person at the keyboard.
    Human,
    /// Guesses over what the grammar allows: the random reference of the normalised score.
    Random,
    /// The environment's oracle.
    Oracle,
    /// The model in this folder.
    Model(PathBuf),
}

impl PlayArgs {
    /// Who plays. The caller loads the model of [`PolicyChoice::Model`] and hands it to [`run`].
    pub(crate) fn policy(&self) -> PolicyChoice {
        match self.policy.as_str() {
            "human" => PolicyChoice::Human,
            "random" => PolicyChoice::Random,
            "oracle" => PolicyChoice::Oracle,
            path => PolicyChoice::Model(path.into()),
        }
    }

    /// The seed of the first episode.
    pub(crate) fn seed(&self) -> Seed {
        Seed::new(self.seed)
    }

    /// Checks what can be checked before a model is loaded.
    ///
    /// # Errors
    /// When the environment or a knob is refused.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        play_knobs::knobs(&find(&self.env)?, &self.set, self.preset()).map(drop)
    }

    fn preset(&self) -> Option<eyas_gym::Preset> {
        play_knobs::preset(self.preset.as_deref())
    }
}

/// A model behind a function: gets the game and the number of the turn (from 0, a new episode starts at
/// 0), gives the whole response text, or `None` when its context is full. The last closed `<answer>` of a
/// response is played.
pub(crate) type ModelPolicy<'a> = dyn FnMut(&dyn Game, usize) -> anyhow::Result<Option<String>> + 'a;

/// The streams a game talks through.
pub(crate) struct Console<'a> {
    /// Where a person's answers come from.
    pub(crate) input: &'a mut dyn BufRead,
    /// Where results go.
    pub(crate) out: &'a mut dyn Write,
    /// Whether `out` is a terminal that shows colours: pictures are drawn then.
    pub(crate) pictures: bool,
}

/// True when pictures may be drawn: standard output is a terminal and `NO_COLOR` is not set.
pub(crate) fn pictures_allowed() -> bool {
    use std::io::IsTerminal as _;
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// One turn that was played.
#[derive(Debug, Serialize)]
struct PlayedTurn {
    /// The model's whole response; absent for other players.
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<String>,
    action: Option<String>,
    error: Option<String>,
    legal: bool,
    reward: f32,
    score: f32,
}

/// An episode's result: one JSON line.
#[derive(Debug, Serialize)]
struct Played<'a> {
    env: &'static str,
    seed: Seed,
    policy: &'a str,
    knobs: &'a BTreeMap<String, KnobValue>,
    turns: Vec<PlayedTurn>,
    /// Absent when a person stopped before the end.
    outcome: Option<Outcome>,
    score: f64,
    env_return: f64,
    random: f64,
    oracle: f64,
    /// Absent when both references coincide.
    normalised: Option<f64>,
}

/// Runs `eyas play`. `model` answers for [`PolicyChoice::Model`].
///
/// # Errors
/// When the environment, a knob or the policy is unknown, a file cannot be written, or the model fails.
pub(crate) fn run(
    args: &PlayArgs,
    console: &mut Console<'_>,
    mut model: Option<&mut ModelPolicy<'_>>,
) -> anyhow::Result<()> {
    let entry = find(&args.env)?;
    let knobs = play_knobs::knobs(&entry, &args.set, args.preset())?;
    let policy = args.policy();
    check_policy(&policy, args.json, model.is_some())?;
    let mut frames = Frames::new(args.frames.as_deref(), args.gif.as_deref(), args.scale)?;
    let mut normalised_scores = Vec::new();
    let mut scores = Vec::new();

    for index in 0..args.episodes {
        let seed = Seed::new(args.seed.wrapping_add(index));
        let start = entry.reset(seed, &knobs)?;
        let mut table = Table {
            game: start.fork(),
            episode: index as usize,
            turns: Vec::new(),
            frames: &mut frames,
            cut: false,
            pictures: console.pictures && !args.json,
            is_question: !["", "play"].contains(&knobs.choice("quiz")),
        };
        let quit = match &policy {
            PolicyChoice::Human => table.human(console)?,
            PolicyChoice::Random => table.random(seed.split("random-player", 0).rng())?,
            PolicyChoice::Oracle => table.oracle()?,
            PolicyChoice::Model(path) => match model.as_deref_mut() {
                Some(model) => table.model(model)?,
                None => return Err(no_model(path)),
            },
        };
        let played = table.finish(&entry, &args.policy, seed, &knobs, start.as_ref())?;
        scores.push(played.score);
        normalised_scores.extend(played.normalised);
        print(&played, args.json, console.out)?;
        if quit {
            break;
        }
    }
    frames.finish()?;
    if !args.json && scores.len() > 1 {
        let text = mean(&normalised_scores).map_or_else(|| "n/a".into(), |m| format!("{m:.3}"));
        writeln!(
            console.out,
            "mean of {}: score {:.3}, normalised {text}",
            scores.len(),
            mean(&scores).unwrap_or_default()
        )?;
    }
    Ok(())
}

/// Everything about the policy that can be said before a game starts.
fn check_policy(policy: &PolicyChoice, json: bool, has_model: bool) -> anyhow::Result<()> {
    match policy {
        PolicyChoice::Human if json => {
            bail!("--json cannot print beside a person's game\nhint: add --policy random or --policy oracle")
        }
        PolicyChoice::Model(path) if !has_model => Err(no_model(path)),
        _ => Ok(()),
    }
}

fn no_model(path: &Path) -> anyhow::Error {
    anyhow::anyhow!(
        "no model is loaded for --policy {}\nhint: human, random and oracle need none; anything else is the \
         folder of a model",
        path.display()
    )
}

fn print(played: &Played<'_>, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if json {
        writeln!(out, "{}", serde_json::to_string(played)?)?;
        return Ok(());
    }
    let outcome = match played.outcome {
        Some(Outcome::Success) => "success",
        Some(Outcome::Failure) => "failure",
        Some(Outcome::Truncated) => "cut off",
        Some(Outcome::Lost) => "lost",
        None => "stopped",
    };
    let normalised = played.normalised.map_or_else(|| "n/a".into(), |n| format!("{n:.3}"));
    writeln!(
        out,
        "{} seed {}: {outcome} after {}, score {:.3}, normalised {normalised} (random {:.3}, oracle {:.3})",
        played.env,
        played.seed.value(),
        turns_count(played.turns.len()),
        played.score,
        played.random,
        played.oracle
    )?;
    Ok(())
}

fn turns_count(turns: usize) -> String {
    if turns == 1 { "1 turn".into() } else { format!("{turns} turns") }
}

/// `None` of nothing.
fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// A game on the table, with what was done so far.
struct Table<'a> {
    game: Box<dyn Game>,
    episode: usize,
    turns: Vec<PlayedTurn>,
    frames: &'a mut Frames,
    /// The model's context had no room for another turn.
    cut: bool,
    pictures: bool,
    /// The knob `quiz` asks about a state.
    is_question: bool,
}

impl Table<'_> {
    /// Gives true when the person wants no further episode.
    fn human(&mut self, console: &mut Console<'_>) -> anyhow::Result<bool> {
        let mut history: Vec<Box<dyn Game>> = Vec::new();
        if self.episode == 0 || self.is_question {
            greet(self.game.as_ref(), console.out)?;
        }
        while self.game.status() == Status::Running {
            self.show(console.out)?;
            match ask(self.game.as_ref(), console.input, console.out)? {
                Choice::Quit => return Ok(true),
                Choice::Undo => match history.pop() {
                    Some(game) => {
                        self.game = game;
                        self.turns.pop();
                    }
                    None => writeln!(console.out, "this is the first turn")?,
                },
                Choice::Play(action) => {
                    self.frame()?;
                    history.push(self.game.fork());
                    self.play(&action, None);
                    if let Some(turn) = self.turns.last() {
                        let refused = if turn.legal { "" } else { ", refused by the rules" };
                        writeln!(console.out, "{action}: reward {}{refused}", turn.reward)?;
                    }
                }
            }
        }
        self.show(console.out)?;
        Ok(false)
    }

    fn random(&mut self, mut rng: Rng) -> anyhow::Result<bool> {
        while self.game.status() == Status::Running {
            self.frame()?;
            match self.game.guess(&mut rng) {
                Some(action) => self.play(&action, None),
                None => self.pass("there is no legal action".into(), None),
            }
        }
        Ok(false)
    }

    fn oracle(&mut self) -> anyhow::Result<bool> {
        while self.game.status() == Status::Running {
            self.frame()?;
            self.play(&self.game.oracle(), None);
        }
        Ok(false)
    }

    fn model(&mut self, model: &mut ModelPolicy<'_>) -> anyhow::Result<bool> {
        while self.game.status() == Status::Running {
            self.frame()?;
            let Some(text) = model(self.game.as_ref(), self.turns.len())? else {
                self.cut = true;
                break;
            };
            let answer = Response::parse(&text).block("answer").map(|b| b.text.to_string());
            match answer {
                Some(answer) => self.play(&answer, Some(text)),
                None => self.pass("the response has no closed <answer>".into(), Some(text)),
            }
        }
        Ok(false)
    }

    /// Plays an answer; one that cannot be parsed passes the turn.
    fn play(&mut self, answer: &str, response: Option<String>) {
        let action = match self.game.parse(answer) {
            Ok(action) => action,
            Err(error) => return self.pass(error.to_string(), response),
        };
        match self.game.step(&action) {
            Ok(step) => self.turns.push(PlayedTurn {
                response,
                action: Some(action),
                error: (!step.legal).then(|| "refused by the rules".into()),
                legal: step.legal,
                reward: step.reward,
                score: step.score,
            }),
            Err(error) => self.pass(error.to_string(), response),
        }
    }

    fn pass(&mut self, error: String, response: Option<String>) {
        let step = self.game.pass();
        self.turns.push(PlayedTurn {
            response,
            action: None,
            error: Some(error),
            legal: false,
            reward: step.reward,
            score: step.score,
        });
    }

    fn frame(&mut self) -> anyhow::Result<()> {
        if self.frames.wanted() {
            let last = self.game.status() != Status::Running;
            self.frames.add(&self.game.render(), self.episode, self.turns.len(), last)?;
        }
        Ok(())
    }

    fn show(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        writeln!(out)?;
        if self.pictures {
            write!(out, "{}", half_blocks(&self.game.render(), COLUMNS))?;
        }
        // The truth would give a question away; what it is about is told instead.
        let text = if self.is_question { self.game.note() } else { self.game.perception().text };
        writeln!(out, "{}", text.trim_start_matches('\n'))?;
        Ok(())
    }

    /// The last frame, and the result between the references of the same start.
    fn finish<'a>(
        mut self,
        entry: &EnvEntry,
        policy: &'a str,
        seed: Seed,
        knobs: &'a Knobs,
        start: &dyn Game,
    ) -> anyhow::Result<Played<'a>> {
        self.frame()?;
        let score = self.turns.iter().map(|t| f64::from(t.score)).sum();
        let game = |i| f64::from(play_random(start.fork(), seed.split("random-reference", i)));
        let random = (0..RANDOM_GAMES).map(game).sum::<f64>() / RANDOM_GAMES as f64;
        // An oracle may be slow, and it would only play the same game again.
        let oracle = if policy == "oracle" { score } else { f64::from(play_oracle(start.fork())) };
        Ok(Played {
            env: entry.spec.id,
            seed,
            policy,
            knobs: knobs.values(),
            outcome: match self.game.status() {
                Status::Done(outcome) => Some(outcome),
                Status::Running => self.cut.then_some(Outcome::Truncated),
            },
            score,
            env_return: self.turns.iter().map(|t| f64::from(t.reward)).sum(),
            random,
            oracle,
            normalised: normalised(score, random, oracle),
            turns: self.turns,
        })
    }
}

#[cfg(test)]
#[path = "play_tests.rs"]
mod tests;
