//! The verbs.

mod bench;
mod chat;
mod columns;
mod compare;
mod conversation;
mod data_lines;
mod eval;
mod generate;
mod gym;
mod inspect;
mod mixture;
mod model;
mod model_player;
mod open;
mod pictures;
mod play;
mod play_frames;
mod play_human;
mod play_knobs;
mod play_terminal;
mod recipe;
mod recipe_list;
mod replay;
mod response_args;
mod reward;
mod score;
mod train;
pub(crate) use train::Stopped;

use std::io::{self, Write};

use clap::{Parser, Subcommand};
use eyas_rollout::Agent;

use model_player::ModelPlayer;
use play::{Console, PlayArgs, PolicyChoice, pictures_allowed};

/// Train vision-language models to see, reason and act.
#[derive(Parser)]
#[command(version, about, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Example:\n  \
    eyas train recipes/quickstart.toml\n  \
    eyas eval runs/quickstart-seed1/checkpoints/final --env 2048\n  \
    eyas play sokoban")]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(train::TrainArgs),
    Compare(compare::CompareArgs),
    Inspect(inspect::InspectArgs),
    Replay(replay::ReplayArgs),
    Eval(eval::EvalArgs),
    Play(PlayArgs),
    Chat(chat::ChatArgs),
    Score(score::ScoreArgs),
    Gym(gym::GymArgs),
    Reward(reward::RewardArgs),
    Recipe(recipe::RecipeArgs),
    Mixture(mixture::MixtureArgs),
    Model(model::ModelArgs),
    Bench(bench::BenchArgs),
}

pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match cli.command {
        Command::Train(args) => {
            // It prints by itself.
            drop(out);
            train::run(&args)
        }
        Command::Compare(args) => compare::run(&args, &mut out),
        Command::Inspect(args) => inspect::run(&args, pictures_allowed(), &mut out),
        Command::Replay(args) => replay::run(&args, &mut out),
        Command::Eval(args) => eval::run(&args, &mut out),
        Command::Play(args) => play(&args, &mut out),
        Command::Chat(args) => chat::run(&args, &mut out),
        Command::Score(args) => score::run(&args, &mut out),
        Command::Gym(args) => gym::run(&args, &mut out),
        Command::Reward(args) => reward::run(&args, &mut out),
        Command::Recipe(args) => recipe::run(&args, &mut out),
        Command::Mixture(args) => mixture::run(&args, &mut out),
        Command::Model(args) => model::run(&args, &mut out),
        Command::Bench(args) => bench::run(&args, &mut out),
    }
}

/// Plays at the terminal, with the model loaded where one is to play.
fn play(args: &PlayArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut input = io::stdin().lock();
    let mut console = Console { input: &mut input, out, pictures: pictures_allowed() };
    let PolicyChoice::Model(path) = args.policy() else { return play::run(args, &mut console, None) };
    let config = args.episode.config()?;
    args.check()?;
    let model = open::open_model(&path)?;
    let mut player = ModelPlayer::new(Agent::of(&model), config, args.seed());
    play::run(args, &mut console, Some(&mut |game, turn| player.respond(game, turn)))
}

/// Sizes the thread pool that everything shares.
fn set_threads(threads: Option<usize>) -> anyhow::Result<()> {
    if let Some(threads) = threads {
        anyhow::ensure!(threads > 0, "--threads 0\nhint: leave it out to use every core");
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    Ok(())
}

/// The largest resident memory of this process so far, where the system tells.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}
