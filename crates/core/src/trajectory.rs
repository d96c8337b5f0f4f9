//! The append-only record of the exact token ids a policy read and wrote.
//!
//! A trajectory is never decoded and encoded again: what was sampled is what is trained on.
//! Image placeholders can only enter through [`Trajectory::push_image`], so their number always
//! matches the image handles.

use serde::{Deserialize, Serialize};

use crate::ImageId;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// Given text: system, user, template.
    Prompt,
    /// An image placeholder.
    Image,
    /// Given text after the first response: the environment's next observation.
    Observation,
    /// Sampled, inside `<perception>`.
    Perception,
    /// Sampled, inside `<think>`.
    Think,
    /// Sampled, inside `<answer>`.
    Answer,
    /// Sampled, a call to a tool.
    ToolCall,
    /// Sampled, anything else: tags, end of turn, stray text.
    Other,
}

impl TokenKind {
    /// True for tokens the policy wrote.
    pub fn is_sampled(self) -> bool {
        !matches!(self, Self::Prompt | Self::Image | Self::Observation)
    }
}

/// A run of placeholders that stands for one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSpan {
    /// The image.
    pub id: ImageId,
    /// Index of the first placeholder.
    pub start: usize,
    /// Number of placeholders.
    pub len: usize,
}

/// Why tokens were refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TrajectoryError {
    /// Placeholders may only be pushed together with their image.
    #[error(
        "token {index} of the pushed text is the image placeholder {id}; images enter with their handle only"
    )]
    Placeholder {
        /// Position in the pushed slice.
        index: usize,
        /// The placeholder's id.
        id: u32,
    },
    /// An image must occupy at least one token.
    #[error("image {id} would occupy no token")]
    EmptyImage {
        /// The image.
        id: ImageId,
    },
    /// As many log-probs, and kinds, as tokens.
    #[error("{tokens} tokens, {logprobs} log-probs, {kinds} kinds")]
    Length {
        /// Tokens given.
        tokens: usize,
        /// Log-probs given.
        logprobs: usize,
        /// Kinds given.
        kinds: usize,
    },
    /// A sampled token needs a sampled kind and a finite log-prob that is at most 0.
    #[error("token {index}: kind {kind:?} with log-prob {logprob} is not a sampled token")]
    NotSampled {
        /// Position in the pushed slice.
        index: usize,
        /// Its kind.
        kind: TokenKind,
        /// Its log-prob.
        logprob: f32,
    },
}

/// Token ids with kind, turn and, where sampled, the behaviour log-prob.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trajectory {
    placeholder: u32,
    ids: Vec<u32>,
    kinds: Vec<TokenKind>,
    turns: Vec<u16>,
    /// 0 where not sampled.
    logprobs: Vec<f32>,
    images: Vec<ImageSpan>,
}

impl Trajectory {
    /// An empty trajectory for a model whose image placeholder is `placeholder`.
    pub fn new(placeholder: u32) -> Self {
        Self { placeholder, ..Self::default() }
    }

    /// Appends given text. In turn 0 it is [`TokenKind::Prompt`], later [`TokenKind::Observation`].
    ///
    /// # Errors
    /// [`TrajectoryError::Placeholder`] when the text holds an image placeholder.
    pub fn push_text(&mut self, ids: &[u32], turn: u16) -> Result<(), TrajectoryError> {
        self.check_placeholder(ids)?;
        let kind = if turn == 0 { TokenKind::Prompt } else { TokenKind::Observation };
        for &id in ids {
            self.push(id, kind, turn, 0.0);
        }
        Ok(())
    }

    /// Appends `len` placeholders for `image`.
    ///
    /// # Errors
    /// [`TrajectoryError::EmptyImage`] when `len` is 0.
    pub fn push_image(&mut self, image: ImageId, len: usize, turn: u16) -> Result<(), TrajectoryError> {
        if len == 0 {
            return Err(TrajectoryError::EmptyImage { id: image });
        }
        self.images.push(ImageSpan { id: image, start: self.ids.len(), len });
        for _ in 0..len {
            self.push(self.placeholder, TokenKind::Image, turn, 0.0);
        }
        Ok(())
    }

    /// Appends what the policy wrote in `turn`, with behaviour log-probs.
    ///
    /// # Errors
    /// When lengths differ, a placeholder was sampled, a kind is not a sampled one, or a log-prob
    /// is not a finite number at most 0 (a rounding of 1e-4 above 0 is taken as 0).
    pub fn push_sampled(
        &mut self,
        ids: &[u32],
        kinds: &[TokenKind],
        logprobs: &[f32],
        turn: u16,
    ) -> Result<(), TrajectoryError> {
        if ids.len() != kinds.len() || ids.len() != logprobs.len() {
            return Err(TrajectoryError::Length {
                tokens: ids.len(),
                logprobs: logprobs.len(),
                kinds: kinds.len(),
            });
        }
        self.check_placeholder(ids)?;
        for (index, (&kind, &logprob)) in kinds.iter().zip(logprobs).enumerate() {
            if !kind.is_sampled() || !logprob.is_finite() || logprob > 1e-4 {
                return Err(TrajectoryError::NotSampled { index, kind, logprob });
            }
        }
        for ((&id, &kind), &logprob) in ids.iter().zip(kinds).zip(logprobs) {
            self.push(id, kind, turn, logprob.min(0.0));
        }
        Ok(())
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True when nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Token ids.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Kind of each token.
    pub fn kinds(&self) -> &[TokenKind] {
        &self.kinds
    }

    /// Turn of each token.
    pub fn turns(&self) -> &[u16] {
        &self.turns
    }

    /// Behaviour log-prob of each token; 0 where it was not sampled.
    pub fn logprobs(&self) -> &[f32] {
        &self.logprobs
    }

    /// The images in order, each with its placeholders.
    pub fn images(&self) -> &[ImageSpan] {
        &self.images
    }

    /// Number of sampled tokens.
    pub fn sampled_len(&self) -> usize {
        self.kinds.iter().filter(|k| k.is_sampled()).count()
    }

    fn check_placeholder(&self, ids: &[u32]) -> Result<(), TrajectoryError> {
        match ids.iter().position(|&id| id == self.placeholder) {
            Some(index) => Err(TrajectoryError::Placeholder { index, id: self.placeholder }),
            None => Ok(()),
        }
    }

    fn push(&mut self, id: u32, kind: TokenKind, turn: u16, logprob: f32) {
        self.ids.push(id);
        self.kinds.push(kind);
        self.turns.push(turn);
        self.logprobs.push(logprob);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Image;
    use proptest::prelude::*;

    fn picture() -> ImageId {
        Image::new(1, 1, vec![1, 2, 3]).unwrap().id()
    }

    #[test]
    fn placeholders_enter_with_their_image_only() {
        let mut t = Trajectory::new(5);
        t.push_text(&[1, 2], 0).unwrap();
        t.push_image(picture(), 3, 0).unwrap();
        assert_eq!(t.ids(), &[1, 2, 5, 5, 5]);
        assert_eq!(t.push_text(&[7, 5], 0), Err(TrajectoryError::Placeholder { index: 1, id: 5 }));
        assert!(t.push_sampled(&[5], &[TokenKind::Think], &[-0.1], 0).is_err());
        assert!(t.push_image(picture(), 0, 0).is_err());
        assert_eq!(t.len(), 5, "a refused push changes nothing");
    }

    #[test]
    fn sampled_tokens_need_their_logprob() {
        let mut t = Trajectory::new(5);
        assert!(t.push_sampled(&[1], &[TokenKind::Prompt], &[-0.1], 0).is_err());
        assert!(t.push_sampled(&[1], &[TokenKind::Answer], &[f32::NAN], 0).is_err());
        assert!(t.push_sampled(&[1], &[TokenKind::Answer], &[0.3], 0).is_err());
        t.push_sampled(&[1], &[TokenKind::Answer], &[-0.3], 0).unwrap();
        assert_eq!((t.sampled_len(), t.logprobs()), (1, &[-0.3f32][..]));
    }

    proptest! {
        #[test]
        fn placeholders_always_match_images(pushes in prop::collection::vec((0u8..3, 1usize..4, 0u32..8), 0..20)) {
            let mut t = Trajectory::new(5);
            for (what, n, id) in pushes {
                let _ = match what {
                    0 => t.push_text(&vec![id; n], 0),
                    1 => t.push_image(picture(), n, 0),
                    _ => t.push_sampled(&vec![id; n], &vec![TokenKind::Think; n], &vec![-1.0; n], 0),
                };
            }
            let placeholders: Vec<usize> = (0..t.len()).filter(|&i| t.ids()[i] == 5).collect();
            let spans: Vec<usize> = t.images().iter().flat_map(|s| s.start..s.start + s.len).collect();
            prop_assert_eq!(placeholders, spans);
        }
    }
}
