//! `eyas chat`: one question about pictures, one answer.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use eyas_core::Seed;
use eyas_model::hf::{Chunk, Part};
use eyas_model::{Decoder, Feed, ImageStore, Vlm};
use eyas_rollout::Agent;
use serde_json::json;

use super::generate::{Drawing, generate};
use super::open::open_model;
use super::pictures::{Picture, shares};
use super::response_args::ResponseArgs;

/// Ask a model one question, about pictures or without
///
/// The pictures come first, in the order given, then the question. The answer is printed as it is written.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    eyas chat models/Qwen2.5-VL-3B-Instruct --image cat.jpg \"What is on the table?\"\n  \
    eyas chat runs/quickstart-seed1/checkpoints/final --image board.png --temperature 0 \"Which move?\"")]
pub(crate) struct ChatArgs {
    /// The folder of the model
    model: PathBuf,
    /// The question
    question: String,
    /// A picture, PNG or JPEG; may be repeated
    #[arg(long = "image", value_name = "FILE")]
    images: Vec<PathBuf>,
    #[command(flatten)]
    response: ResponseArgs,
    /// Names what is sampled: the same seed, the same answer
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print a JSON object, once the answer is complete
    #[arg(long)]
    json: bool,
}

/// Runs `eyas chat`.
///
/// # Errors
/// When the model or a picture cannot be opened, or the prompt does not fit the model's context.
pub(crate) fn run(args: &ChatArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let sampling = args.response.sampling()?;
    let model = open_model(&args.model)?;
    let agent = Agent::of(&model);
    let pictures =
        args.images.iter().map(|p| Picture::open(p, agent.policy)).collect::<anyhow::Result<Vec<_>>>()?;
    let parts: Vec<Part> = pictures.iter().map(|_| Part::Image).collect();
    let parts = [parts, vec![Part::Text(args.question.clone())]].concat();
    let prompt = model.tokenizer.encode_pieces(&model.template.opening(&parts)?)?;
    let length = length(&prompt, &pictures);
    let context = model.policy.config().text.max_position_embeddings;
    if length >= context {
        bail!(
            "the prompt of {length} tokens{} leaves no room for an answer in the model's context of {context}\n\
             hint: ask less, or show fewer or smaller pictures",
            shares(&pictures)
        );
    }

    let feed = feed(&model, prompt, &pictures)?;
    let mut decoder = Decoder::new(agent.policy);
    let sequence = decoder.open();
    let forbidden = agent.forbidden();
    let limit = args.response.max_tokens.min(context - length);
    let drawing = Drawing { sampling, forbidden: &forbidden, limit };
    let mut rng = Seed::new(args.seed).split("chat", 0).rng();
    let mut text = TextStream::default();
    let mut heard = |id| {
        let more = text.push(agent.tokenizer.token_bytes(id)?);
        if !args.json {
            write!(out, "{more}")?;
            out.flush()?;
        }
        Ok(())
    };
    let drawn = generate(agent, (&mut decoder, sequence), feed, &drawing, &mut rng, &mut heard)?;
    if !args.json {
        writeln!(out, "{}", text.rest())?;
        return Ok(());
    }
    let answer = json!({
        "answer": agent.tokenizer.decode(drawn.words())?,
        "ended": drawn.ended,
        "tokens": drawn.ids.len(),
        "prompt_tokens": length,
        "image_tokens": pictures.iter().map(|p| p.tokens).sum::<usize>(),
        "logprob": drawn.logprobs.iter().map(|l| f64::from(*l)).sum::<f64>(),
    });
    writeln!(out, "{answer:#}")?;
    Ok(())
}

/// Tokens of the prompt.
fn length(prompt: &[Chunk], pictures: &[Picture]) -> usize {
    let text = prompt.iter().map(|chunk| match chunk {
        Chunk::Given(ids) | Chunk::Assistant(ids) => ids.len(),
        Chunk::Image => 0,
    });
    text.sum::<usize>() + pictures.iter().map(|p| p.tokens).sum::<usize>()
}

/// The prompt as the model reads it, its pictures encoded.
fn feed(model: &Vlm, prompt: Vec<Chunk>, pictures: &[Picture]) -> anyhow::Result<Vec<Feed>> {
    let mut store = ImageStore::default();
    store.add(model.policy.processor(), pictures.iter().map(|p| &p.image))?;
    let features = model.policy.encode(pictures.iter().map(|p| p.image.id()), &store)?;
    let mut shown = pictures.iter().filter_map(|p| features.get(&p.image.id()));
    let feed = prompt.into_iter().map(|chunk| match chunk {
        Chunk::Given(ids) | Chunk::Assistant(ids) => Ok(Feed::Text(ids)),
        Chunk::Image => {
            let features = shown.next().context("the chat template shows a picture twice")?;
            Ok(Feed::Image(features.clone()))
        }
    });
    feed.collect()
}

/// Bytes of tokens as they come, as text: a character that is split across tokens waits for its end.
#[derive(Default)]
struct TextStream(Vec<u8>);

impl TextStream {
    /// The text that is complete with `bytes`. What is no UTF-8 becomes U+FFFD.
    fn push(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        let mut done = 0;
        while let Err(error) = std::str::from_utf8(&self.0[done..]) {
            done += error.valid_up_to();
            match error.error_len() {
                Some(broken) => done += broken,
                // The beginning of a character.
                None => return self.take(done),
            }
        }
        self.take(self.0.len())
    }

    /// What is left when nothing more comes.
    fn rest(&mut self) -> String {
        self.take(self.0.len())
    }

    fn take(&mut self, n: usize) -> String {
        let rest = self.0.split_off(n);
        String::from_utf8_lossy(&std::mem::replace(&mut self.0, rest)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_printed_whole() {
        let mut stream = TextStream::default();
        let bytes = "aé€".as_bytes();
        let parts: Vec<String> = bytes.chunks(1).map(|b| stream.push(b)).collect();
        assert_eq!(parts, ["a", "", "é", "", "", "€"]);
        assert_eq!(stream.rest(), "");
        assert_eq!(stream.push(b"x\xFFy\xE2\x82"), "x\u{FFFD}y");
        assert_eq!(stream.rest(), "\u{FFFD}");
    }
}
