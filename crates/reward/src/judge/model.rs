//! Judges made of a model.

use std::fmt;

use super::verdict::{parse_label, parse_verdict};
use super::{Judge, JudgeError, JudgePrompt, JudgeRequest, Verdict, prompt};

/// Something that completes a prompt: a model behind whatever connection.
pub trait Complete {
    /// The reply to `prompt`.
    ///
    /// # Errors
    /// [`JudgeError`] when there is none.
    fn complete(&self, prompt: &JudgePrompt) -> Result<String, JudgeError>;

    /// The replies to `prompts`, one for each, in their order. What can answer several at a time does so here.
    fn complete_all(&self, prompts: &[JudgePrompt]) -> Vec<Result<String, JudgeError>> {
        prompts.iter().map(|prompt| self.complete(prompt)).collect()
    }

    /// Who answers, and every setting that changes replies. Verdicts are remembered under it, so what
    /// answers differently must say so here.
    fn identity(&self) -> String;
}

impl<C: Complete + ?Sized> Complete for &C {
    fn complete(&self, prompt: &JudgePrompt) -> Result<String, JudgeError> {
        (**self).complete(prompt)
    }

    fn complete_all(&self, prompts: &[JudgePrompt]) -> Vec<Result<String, JudgeError>> {
        (**self).complete_all(prompts)
    }

    fn identity(&self) -> String {
        (**self).identity()
    }
}

/// A model in this process: any function from a prompt to a reply.
#[derive(Clone)]
pub struct Local<F> {
    identity: String,
    reply: F,
}

impl<F: Fn(&JudgePrompt) -> Result<String, JudgeError>> Local<F> {
    /// Asks `reply`, known as `identity`: for a policy, a hash of its weights and of how it samples.
    pub fn new(identity: impl Into<String>, reply: F) -> Self {
        Self { identity: identity.into(), reply }
    }
}

impl<F> fmt::Debug for Local<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl<F: Fn(&JudgePrompt) -> Result<String, JudgeError>> Complete for Local<F> {
    fn complete(&self, prompt: &JudgePrompt) -> Result<String, JudgeError> {
        (self.reply)(prompt)
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }
}

/// A judge made of a model: builds the prompt, asks, reads the reply.
#[derive(Clone)]
pub struct PromptJudge<C> {
    model: C,
    secret: String,
}

impl<C: Complete> PromptJudge<C> {
    /// Asks `model`. `secret` keeps the nonces from being foreseen; any text that the policy is never
    /// shown.
    pub fn new(model: C, secret: impl Into<String>) -> Self {
        Self { model, secret: secret.into() }
    }
}

/// The model, without the secret.
impl<C: fmt::Debug> fmt::Debug for PromptJudge<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PromptJudge").field("model", &self.model).finish_non_exhaustive()
    }
}

impl<C: Complete> Judge for PromptJudge<C> {
    fn judge(&self, request: &JudgeRequest) -> Result<Verdict, JudgeError> {
        let prompt = prompt(request, &self.secret)?;
        let reply = self.model.complete(&prompt)?;
        read(&reply, &prompt.word, request)
    }

    fn judge_all(&self, requests: &[JudgeRequest]) -> Vec<Result<Verdict, JudgeError>> {
        let prompts: Vec<_> = requests.iter().map(|request| prompt(request, &self.secret)).collect();
        let sound: Vec<JudgePrompt> = prompts.iter().flatten().cloned().collect();
        let mut replies = self.model.complete_all(&sound).into_iter();
        let silence = || Err(JudgeError::Refused { detail: "it gave no answer".into() });
        let answer = |(prompt, request): (Result<JudgePrompt, JudgeError>, &JudgeRequest)| {
            let prompt = prompt?;
            read(&replies.next().unwrap_or_else(silence)?, &prompt.word, request)
        };
        prompts.into_iter().zip(requests).map(answer).collect()
    }

    fn key(&self, request: &JudgeRequest) -> Result<[u8; 32], JudgeError> {
        Ok(prompt(request, &self.secret)?.key(&self.model.identity()))
    }
}

/// The verdict in a reply to `request`.
pub(super) fn read(reply: &str, word: &str, request: &JudgeRequest) -> Result<Verdict, JudgeError> {
    if request.labels.is_empty() {
        parse_verdict(reply, word, request.scale)
    } else {
        parse_label(reply, word, &request.labels)
    }
}
