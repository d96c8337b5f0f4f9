//! `eyas score`: how likely a model finds what assistants said.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};
use clap::Args;
use eyas_core::{TokenKind, Trajectory};
use eyas_model::hf::Chunk;
use eyas_model::{ImageStore, ScoreOptions, Vlm};
use eyas_rollout::Agent;
use serde::Serialize;

use super::columns::write_columns;
use super::conversation::Conversation;
use super::data_lines::data_lines;
use super::open::open_model;
use super::pictures::{Picture, shares};

/// Score what assistants said: the log-probability of each of their tokens
///
/// Each line of the file is a conversation, {"messages": [{"role": "user", "content": [{"type": "image",
/// "image": "board.png"}, {"type": "text", "text": "Which move?"}]}, {"role": "assistant", "content":
/// "up"}]}. Content is text or a list; a picture's path is relative to the file. The end of each assistant
/// turn is scored too. All lines are checked before the first one is scored.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    eyas score models/Qwen2.5-VL-3B-Instruct talks.jsonl\n  \
    eyas score runs/quickstart-seed1/checkpoints/final talks.jsonl --json > scores.jsonl")]
pub(crate) struct ScoreArgs {
    /// The folder of the model
    model: PathBuf,
    /// The conversations, one JSON object a line
    file: PathBuf,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// The result of one line.
#[derive(Debug, Serialize)]
struct Line {
    /// The number of the line in the file, from 1.
    line: u64,
    tokens: Vec<Token>,
    sum: f64,
    mean: f64,
}

#[derive(Debug, Serialize)]
struct Token {
    id: u32,
    text: String,
    logprob: f32,
}

/// Runs `eyas score`.
///
/// # Errors
/// When the model cannot be opened, or a line is not a conversation that the model can read.
pub(crate) fn run(args: &ScoreArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let file = args.file.display();
    let mut lines: Vec<(u64, String)> = Vec::new();
    for line in data_lines(&args.file)? {
        let (number, line) = line?;
        lines.push((number, line.map_err(|problem| anyhow!("{file}:{number}: {problem}"))?));
    }
    ensure!(!lines.is_empty(), "{file}: no conversations");
    let model = open_model(&args.model)?;
    let folder = args.file.parent().unwrap_or(Path::new(""));
    let open = |(number, line): &(u64, String)| {
        prepare(&model, folder, line).with_context(|| format!("{file}:{number}"))
    };
    // Pictures are not kept between the two passes: a file may show more of them than fit the memory.
    lines.iter().try_for_each(|line| open(line).map(drop))?;
    for line in &lines {
        let (trajectory, pictures) = open(line)?;
        let result =
            score(&model, line.0, &trajectory, &pictures).with_context(|| format!("{file}:{}", line.0))?;
        print(&result, args.json, out)?;
    }
    Ok(())
}

/// A line as the model reads it. The assistant's tokens are marked as sampled.
fn prepare(model: &Vlm, folder: &Path, line: &str) -> anyhow::Result<(Trajectory, Vec<Picture>)> {
    let conversation = Conversation::parse(line)?;
    let open = |path: &PathBuf| Picture::open(&folder.join(path), &model.policy);
    let pictures = conversation.images.iter().map(open).collect::<anyhow::Result<Vec<_>>>()?;
    let chunks = model.tokenizer.encode_pieces(&model.template.conversation(&conversation.messages)?)?;
    let mut trajectory = Agent::of(model).trajectory();
    let mut shown = pictures.iter();
    let mut turn = 0u16;
    for chunk in chunks {
        match chunk {
            Chunk::Given(ids) => trajectory.push_text(&ids, turn)?,
            Chunk::Assistant(ids) => {
                trajectory.push_sampled(
                    &ids,
                    &vec![TokenKind::Other; ids.len()],
                    &vec![0.0; ids.len()],
                    turn,
                )?;
                turn = turn.saturating_add(1);
            }
            Chunk::Image => {
                let picture = shown.next().context("the chat template shows a picture twice")?;
                trajectory.push_image(picture.image.id(), picture.tokens, turn)?;
            }
        }
    }
    let (length, context) = (trajectory.len(), model.policy.config().text.max_position_embeddings);
    if length > context {
        bail!(
            "the conversation of {length} tokens{} does not fit the model's context of {context}",
            shares(&pictures)
        );
    }
    Ok((trajectory, pictures))
}

fn score(model: &Vlm, line: u64, trajectory: &Trajectory, pictures: &[Picture]) -> anyhow::Result<Line> {
    let mut images = ImageStore::default();
    images.add(model.policy.processor(), pictures.iter().map(|p| &p.image))?;
    let scored = model.policy.score(&[vec![trajectory]], &images, &ScoreOptions::default())?;
    let mut tokens = Vec::with_capacity(scored.logprobs.len());
    for (origin, &logprob) in scored.origins.iter().zip(&scored.logprobs) {
        ensure!(logprob.is_finite(), "token {}: the log-probability is {logprob}", origin.token);
        let id = trajectory.ids()[origin.token];
        tokens.push(Token { id, text: model.tokenizer.decode(&[id])?, logprob });
    }
    let sum: f64 = tokens.iter().map(|t| f64::from(t.logprob)).sum();
    Ok(Line { line, mean: sum / tokens.len().max(1) as f64, sum, tokens })
}

fn print(line: &Line, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if json {
        return Ok(writeln!(out, "{}", serde_json::to_string(line)?)?);
    }
    let Line { line, tokens, sum, mean } = line;
    writeln!(out, "line {line}: {} tokens, sum {sum:.4}, mean {mean:.4}", tokens.len())?;
    let row = |t: &Token| [t.id.to_string(), format!("{:.4}", t.logprob), format!("{:?}", t.text)];
    Ok(write_columns(&tokens.iter().map(row).collect::<Vec<_>>(), "  ", out)?)
}
