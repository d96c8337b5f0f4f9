//! One episode, turn by turn.

use std::io::Write;
use std::ops::Range;

use eyas_core::{Episode, Outcome, Score, TokenKind};
use eyas_train::difference::kind_name;
use serde::Serialize;

use super::super::play_terminal::half_blocks;
use super::list::count;
use super::load::Stored;

/// Widest picture in the terminal, in characters.
const COLUMNS: u32 = 64;

/// All that is stored of an episode, and what follows from it.
#[derive(Serialize)]
struct Whole<'a> {
    file: &'a str,
    episode: usize,
    group: usize,
    member: usize,
    stored: &'a Episode,
    texts: &'a [String],
    advantages: Option<&'a [f32]>,
    about_advantages: &'a str,
}

/// The episode as JSON. Numbers have the digits that are stored.
pub(super) fn object(stored: &Stored, n: usize, texts: &[String]) -> serde_json::Result<String> {
    let (group, member) = stored.place(n);
    serde_json::to_string_pretty(&Whole {
        file: &stored.name,
        episode: n,
        group,
        member,
        stored: &stored.episodes[n],
        texts,
        advantages: stored.advantages(n),
        about_advantages: &stored.about_advantages,
    })
}

/// The episode as text; in colour and with pictures where the terminal shows them.
pub(super) fn text(
    stored: &Stored,
    n: usize,
    texts: &[String],
    pictures: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let episode = &stored.episodes[n];
    writeln!(out, "{}, {}: {} seed {}", stored.name, stored.title(n), episode.env, episode.seed.value())?;
    let outcome = match episode.outcome {
        Outcome::Success => "success",
        Outcome::Failure => "failure",
        Outcome::Truncated => "cut off",
        Outcome::Lost => "lost: the environment failed",
    };
    let (score, total) = (episode.env_score, episode.env_return);
    writeln!(
        out,
        "{outcome} after {}, score {score:.3}, return {total:.3}",
        count(episode.turns.len(), "turn")
    )?;
    for row in &episode.scores {
        match &row.score {
            Score::Ok(value) => writeln!(out, "reward {}: {value:.3} × {}", row.name, row.weight)?,
            Score::Invalid(why) => writeln!(out, "reward {}: none, {}", row.name, plain(&why.to_string()))?,
        }
    }
    match stored.mean_advantage(n) {
        Some(mean) => {
            writeln!(out, "advantage {} (mean of tokens). {}", three(mean), stored.about_advantages)?
        }
        None => writeln!(out, "{}", stored.about_advantages)?,
    }
    for (number, turn) in episode.turns.iter().enumerate() {
        writeln!(out, "\nturn {number}")?;
        for id in &turn.images {
            match episode.images.get(id) {
                Some(image) if pictures => write!(out, "{}", half_blocks(image, COLUMNS))?,
                Some(image) => writeln!(out, "  picture {id}, {}x{}", image.width(), image.height())?,
                None => writeln!(out, "  picture {id} was not kept")?,
            }
        }
        for run in runs(episode, number) {
            self::run(stored, n, texts, run, pictures, out)?;
        }
        let action = turn.action.as_deref().map_or_else(|| "none".into(), plain);
        let error = turn.error.as_deref().map_or_else(String::new, |e| format!(", {}", plain(e)));
        let cut = if turn.terminated { "" } else { ", cut at the token limit" };
        writeln!(out, "  action {action}, reward {:.3}{error}{cut}", turn.reward)?;
    }
    Ok(())
}

/// The tokens of a turn in runs of one kind. Prompt and pictures go together.
fn runs(episode: &Episode, turn: usize) -> Vec<Range<usize>> {
    let (kinds, turns) = (episode.trajectory.kinds(), episode.trajectory.turns());
    let class = |i: usize| if kinds[i].is_sampled() { Some(kinds[i]) } else { None };
    let mut runs: Vec<Range<usize>> = Vec::new();
    for i in (0..kinds.len()).filter(|i| usize::from(turns[*i]) == turn) {
        match runs.last_mut() {
            Some(run) if run.end == i && class(run.start) == class(i) => run.end = i + 1,
            _ => runs.push(i..i + 1),
        }
    }
    runs
}

fn run(
    stored: &Stored,
    n: usize,
    texts: &[String],
    run: Range<usize>,
    colour: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let trajectory = &stored.episodes[n].trajectory;
    let kind = trajectory.kinds()[run.start];
    write!(out, "  {}, {}", kind_name(kind), count(run.len(), "token"))?;
    if kind.is_sampled() {
        let logprobs = &trajectory.logprobs()[run.clone()];
        let sum: f64 = logprobs.iter().map(|l| f64::from(*l)).sum();
        let least = logprobs.iter().copied().fold(0.0, f32::min);
        write!(out, ", log-prob {} (least {})", three(sum), three(f64::from(least)))?;
        if let Some(all) = stored.advantages(n) {
            let values = &all[run.clone()];
            let mean = values.iter().map(|a| f64::from(*a)).sum::<f64>() / values.len() as f64;
            write!(out, ", advantage {}", three(mean))?;
        }
    }
    writeln!(out)?;
    let text = plain(&shown(trajectory, texts, run));
    let (on, off) = if colour { (colour_of(kind), "\x1b[0m") } else { ("", "") };
    for line in text.lines() {
        writeln!(out, "    | {on}{line}{off}")?;
    }
    Ok(())
}

/// The text of some tokens, each picture as one mark.
fn shown(trajectory: &eyas_core::Trajectory, texts: &[String], run: Range<usize>) -> String {
    let mut text = String::new();
    for i in run {
        let of = trajectory.images().iter().find(|s| (s.start..s.start + s.len).contains(&i));
        match of {
            Some(span) if span.start == i => text.push_str(&format!("[picture, {} tokens]", span.len)),
            Some(_) => {}
            None => text.push_str(&texts[i]),
        }
    }
    text
}

/// Three digits, without a sign where they are all 0.
fn three(value: f64) -> String {
    let text = format!("{value:.3}");
    if text == "-0.000" { "0.000".into() } else { text }
}

/// What a policy wrote must not move the cursor.
fn plain(text: &str) -> String {
    let safe =
        |c: char| if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(safe).collect()
}

fn colour_of(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Prompt | TokenKind::Image | TokenKind::Observation | TokenKind::Other => "\x1b[90m",
        TokenKind::Perception => "\x1b[34m",
        TokenKind::Think => "\x1b[33m",
        TokenKind::Answer => "\x1b[1;32m",
        TokenKind::ToolCall => "\x1b[35m",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_cannot_move_the_cursor() {
        assert_eq!(plain("a\x1b[2Jb\r\n\tc"), "a\u{fffd}[2Jb\u{fffd}\n\tc");
    }
}
