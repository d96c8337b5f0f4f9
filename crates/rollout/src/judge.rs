//! A model of this process as a judge.

use eyas_core::{Image, Seed, TokenKind, Trajectory};
use eyas_gym::Frame;
use eyas_model::image_file::{ImageLimits, decode_image};
use eyas_model::{Decoder, Feed, ImageStore, Sampling, ScoreOptions, SequenceId, sample};
use eyas_reward::judge::{
    Complete, Judge, JudgeError, JudgeImage, JudgePrompt, JudgeRequest, PromptJudge, Verdict, prompt,
};
use serde::{Deserialize, Serialize};

use crate::{Agent, Pictures, RolloutError};

/// How a verdict is got from a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// The model writes its judgement, the likeliest token each time, and the verdict is read from it. A model
    /// that does not keep to the form gives none.
    #[default]
    Text,
    /// The mean of all possible verdicts, each as likely as the model finds it right after the prompt (G-Eval,
    /// arXiv 2303.16634): the labels, or the whole numbers of the scale. There always is one, without a reason.
    Likelihood,
}

/// Most verdicts that are weighed.
const MOST_VERDICTS: usize = 101;

/// Sequences that are decoded at a time.
const BATCH: usize = 16;

/// A model of this process that judges.
#[derive(Clone, Copy)]
pub struct ModelJudge<'a> {
    agent: Agent<'a>,
    name: &'a str,
    reading: Reading,
    max_tokens: usize,
}

impl<'a> ModelJudge<'a> {
    /// `agent` as a judge, known as `name`, which must say whose weights they are: verdicts are remembered
    /// under it. A written judgement has at most `max_tokens` tokens.
    pub fn new(agent: Agent<'a>, name: &'a str, reading: Reading, max_tokens: usize) -> Self {
        Self { agent, name, reading, max_tokens }
    }

    /// The prompt and what judges are told alike.
    fn written(&self) -> PromptJudge<&Self> {
        PromptJudge::new(self, self.name)
    }

    /// The verdict by likelihood.
    fn weigh(&self, request: &JudgeRequest) -> Result<Verdict, JudgeError> {
        let asked = prompt(request, self.name)?;
        let choices = choices(request)?;
        let frames = frames(&asked.images)?;
        let fail = |error: RolloutError| JudgeError::BadRequest { detail: error.to_string() };
        let mut images = ImageStore::default();
        let pictures = frames.iter().map(|frame| &frame.image);
        images.add(self.agent.policy.processor(), pictures).map_err(|error| fail(error.into()))?;
        let mut given = self.agent.trajectory();
        self.agent
            .opening(&frames, &asked.text)
            .and_then(|opening| opening.push(self.agent.policy, &mut given, &frames, 0))
            .map_err(fail)?;
        let answers: Result<Vec<Trajectory>, RolloutError> =
            choices.iter().map(|(said, _)| self.answer(&given, &format!("{}: {said}", asked.word))).collect();
        let answers = answers.map_err(fail)?;
        let scored = self
            .agent
            .policy
            .score(&[answers.iter().collect()], &images, &ScoreOptions::default())
            .map_err(|error| fail(error.into()))?;
        let mut sums = vec![0.0; answers.len()];
        for (origin, logprob) in scored.origins.iter().zip(&scored.logprobs) {
            if let Some(sum) = sums.get_mut(origin.member) {
                *sum += f64::from(*logprob);
            }
        }
        let most = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let shares: Vec<f64> = sums.iter().map(|sum| (sum - most).exp()).collect();
        let mean = shares.iter().zip(&choices).map(|(share, (_, worth))| share * worth).sum::<f64>();
        let score = mean / shares.iter().sum::<f64>();
        match score.is_finite() {
            // A mean of equal numbers may lie beside them by its last digit.
            true => Ok(Verdict { score: score.clamp(request.scale.0, request.scale.1), reason: None }),
            false => Err(JudgeError::NoVerdict { detail: "the likelihoods are no numbers".into() }),
        }
    }

    /// The prompt with an answer and the end of the turn behind it, so that 1 is not the beginning of 10.
    fn answer(&self, given: &Trajectory, text: &str) -> Result<Trajectory, RolloutError> {
        let mut ids = self.agent.tokenizer.encode_plain(text)?;
        ids.push(self.agent.tokenizer.eos_ids()[0]);
        let mut trajectory = given.clone();
        trajectory.push_sampled(&ids, &vec![TokenKind::Answer; ids.len()], &vec![0.0; ids.len()], 0)?;
        Ok(trajectory)
    }

    /// The likeliest replies to some prompts, decoded together.
    fn decode(&self, prompts: &[JudgePrompt]) -> Result<Vec<String>, RolloutError> {
        let Agent { policy, tokenizer, .. } = self.agent;
        let forbidden = self.agent.forbidden();
        let greedy = Sampling { temperature: 0.0, ..Sampling::default() };
        // Nothing is drawn at temperature 0.
        let mut rng = Seed::new(0).rng();
        let (mut pictures, mut decoder) = (Pictures::default(), Decoder::new(policy));
        let mut open: Vec<(usize, SequenceId, Vec<Feed>)> = Vec::new();
        for (n, asked) in prompts.iter().enumerate() {
            let frames = frames(&asked.images).map_err(|_| RolloutError::ImageSlots)?;
            pictures.add(policy, frames.iter().map(|frame| &frame.image))?;
            let feed = self.agent.opening(&frames, &asked.text)?.feed(&pictures, &frames)?;
            open.push((n, decoder.open(), feed));
        }
        let mut replies = vec![Vec::new(); prompts.len()];
        let vocab = policy.config().text.vocab_size;
        while !open.is_empty() {
            let feeds: Vec<(SequenceId, Vec<Feed>)> =
                open.iter_mut().map(|(_, id, feed)| (*id, std::mem::take(feed))).collect();
            let mut logits = decoder.extend(&feeds)?;
            let mut going = Vec::new();
            for ((n, id, _), row) in open.into_iter().zip(logits.chunks_exact_mut(vocab)) {
                let token = sample(row, &greedy, &forbidden, &mut rng).id;
                let reply: &mut Vec<u32> = &mut replies[n];
                let ended = tokenizer.eos_ids().contains(&token);
                if !ended {
                    reply.push(token);
                }
                if ended || reply.len() >= self.max_tokens {
                    decoder.close(id)?;
                } else {
                    going.push((n, id, vec![Feed::Text(vec![token])]));
                }
            }
            open = going;
        }
        replies.iter().map(|ids| Ok(tokenizer.decode(ids)?)).collect()
    }
}

/// The verdicts to choose from, and what they are worth.
fn choices(request: &JudgeRequest) -> Result<Vec<(String, f64)>, JudgeError> {
    if !request.labels.is_empty() {
        return Ok(request.labels.iter().map(|label| (label.name.clone(), label.score)).collect());
    }
    let (low, high) = (request.scale.0.ceil(), request.scale.1.floor());
    let count = high - low + 1.0;
    if !(2.0..=MOST_VERDICTS as f64).contains(&count) {
        let detail = format!("a scale with 2 to {MOST_VERDICTS} whole numbers is needed, or labels");
        return Err(JudgeError::BadRequest { detail });
    }
    Ok((0..count as i64).map(|n| low + n as f64).map(|grade| (format!("{grade}"), grade)).collect())
}

fn frames(images: &[JudgeImage]) -> Result<Vec<Frame>, JudgeError> {
    let decode = |image: &JudgeImage| -> Result<Image, JudgeError> {
        decode_image(image.bytes(), "a picture for the judge", &ImageLimits::default())
            .map_err(|error| JudgeError::BadRequest { detail: error.to_string() })
    };
    images.iter().map(|image| Ok(Frame { image: decode(image)?, seconds: None })).collect()
}

impl Complete for ModelJudge<'_> {
    fn complete(&self, prompt: &JudgePrompt) -> Result<String, JudgeError> {
        let reply = self.complete_all(std::slice::from_ref(prompt)).pop();
        reply.unwrap_or_else(|| Err(JudgeError::Refused { detail: "it gave no answer".into() }))
    }

    fn complete_all(&self, prompts: &[JudgePrompt]) -> Vec<Result<String, JudgeError>> {
        let mut replies = Vec::with_capacity(prompts.len());
        for batch in prompts.chunks(BATCH) {
            match self.decode(batch) {
                Ok(texts) => replies.extend(texts.into_iter().map(Ok)),
                // One prompt may be too long; the others are asked without it.
                Err(_) => replies.extend(batch.iter().map(|prompt| {
                    let mut reply = self
                        .decode(std::slice::from_ref(prompt))
                        .map_err(|error| JudgeError::BadRequest { detail: error.to_string() })?;
                    Ok(reply.pop().unwrap_or_default())
                })),
            }
        }
        replies
    }

    fn identity(&self) -> String {
        format!("{} {:?} {}", self.name, self.reading, self.max_tokens)
    }
}

impl Judge for ModelJudge<'_> {
    fn judge(&self, request: &JudgeRequest) -> Result<Verdict, JudgeError> {
        match self.reading {
            Reading::Text => self.written().judge(request),
            Reading::Likelihood => self.weigh(request),
        }
    }

    fn judge_all(&self, requests: &[JudgeRequest]) -> Vec<Result<Verdict, JudgeError>> {
        match self.reading {
            Reading::Text => self.written().judge_all(requests),
            Reading::Likelihood => requests.iter().map(|request| self.weigh(request)).collect(),
        }
    }

    fn key(&self, request: &JudgeRequest) -> Result<[u8; 32], JudgeError> {
        self.written().key(request)
    }
}
