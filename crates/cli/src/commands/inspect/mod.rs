//! `eyas inspect RUN`: the episodes that a run stored, from a table down to the token.

mod list;
mod load;
mod show;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, anyhow, ensure};
use clap::Args;
use eyas_eval::report::{ShownEpisode, inspect_page};
use eyas_train::stored::StoredRun;

use load::{Stored, tokenizer};

/// Look at the episodes that a run stored
///
/// Without --step: a table of the steps whose episodes are stored, with their scores. With --step: the episodes
/// of that step. With --episode too: its turns with their pictures, the text by what it is for (prompt, picture,
/// perception, thought, answer), log-probs, advantages, rewards and outcome.
///
/// --html writes a page on which every token tells its log-prob and its advantage, with pictures. Advantages are
/// not stored; they are worked out again from the stored scores as the recipe says, over the groups that dynamic
/// sampling chose; the others have none. Where a value head, critics or `visual_dependency` had a part they
/// depend on weights and are not shown.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    eyas inspect runs/quickstart-seed1\n  \
    eyas inspect runs/quickstart-seed1 --step 12\n  \
    eyas inspect runs/quickstart-seed1 --step 12 --episode 3\n  \
    eyas inspect runs/quickstart-seed1 --step 12 --html step-12.html\n  \
    eyas inspect runs/quickstart-seed1 --step after-2048 --json")]
pub(crate) struct InspectArgs {
    /// The run directory
    run: PathBuf,
    /// A step, from 0 over all stages, or another file of episodes by name: `before-2048`
    #[arg(long, value_name = "S")]
    step: Option<String>,
    /// One episode of the step, from 0
    #[arg(long, value_name = "N", requires = "step")]
    episode: Option<usize>,
    /// Write the episode, or all of the step, as a page that needs nothing else
    #[arg(long, value_name = "FILE", requires = "step", conflicts_with = "json")]
    html: Option<PathBuf>,
    /// Print JSON; of one episode all that is stored, and text and advantage of each token
    #[arg(long)]
    json: bool,
}

/// Runs `eyas inspect`. `pictures`: whether `out` shows colours.
///
/// # Errors
/// When there is no such run, step or episode, or a file of it cannot be read.
pub(crate) fn run(args: &InspectArgs, pictures: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let run = StoredRun::open(&args.run).map_err(super::open::run_error)?;
    let Some(name) = &args.step else { return list::files(&run, args.json, out) };
    let mut stored = Stored::load(&run, name)?;
    if let Some(n) = args.episode {
        let count = stored.episodes.len();
        ensure!(
            n < count,
            "--episode {n}: {} holds {count} episodes, counted from 0\nhint: without --episode they are listed",
            stored.name
        );
    }
    if let Some(file) = &args.html {
        return page(&run, &mut stored, args, file, out);
    }
    match args.episode {
        None => list::episodes(&stored, args.json, out),
        Some(n) => {
            stored.add_pictures(&run, n)?;
            let texts = stored.texts(n, &tokenizer(&run)?)?;
            match args.json {
                true => Ok(writeln!(out, "{}", show::object(&stored, n, &texts)?)?),
                false => show::text(&stored, n, &texts, pictures, out),
            }
        }
    }
}

fn page(
    run: &StoredRun,
    stored: &mut Stored,
    args: &InspectArgs,
    file: &std::path::Path,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let chosen: Vec<usize> = args.episode.map_or((0..stored.episodes.len()).collect(), |n| vec![n]);
    chosen.iter().try_for_each(|n| stored.add_pictures(run, *n))?;
    let tokenizer = tokenizer(run)?;
    let shown = |n: &usize| {
        Ok(ShownEpisode {
            name: stored.title(*n),
            episode: &stored.episodes[*n],
            texts: stored.texts(*n, &tokenizer)?,
            advantages: stored.advantages(*n),
        })
    };
    let shown: Vec<ShownEpisode<'_>> = chosen.iter().map(shown).collect::<anyhow::Result<_>>()?;
    let title = format!("{}: {}", run.path.display(), stored.name);
    let html = inspect_page(&title, &stored.about_advantages, &shown)?;
    std::fs::write(file, &html).map_err(|error| {
        anyhow!("cannot write {}: {error}\nhint: --html wants a file in a folder that exists", file.display())
    })?;
    let size = html.len() as f64 / f64::from(1 << 20);
    writeln!(out, "{}: {} episodes, {size:.1} MiB", file.display(), shown.len()).context("standard output")
}
