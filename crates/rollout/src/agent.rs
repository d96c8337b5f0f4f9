//! A policy together with the words it speaks.

use std::collections::BTreeMap;

use eyas_core::{Image, ImageId, Seed, Trajectory};
use eyas_gym::Frame;
use eyas_model::hf::{ChatTemplate, Chunk, Part, Piece, Tokenizer};
use eyas_model::{Corruption, Features, Feed, ImageStore, Policy, Vlm};

use crate::RolloutError;

/// What a rollout needs of a model.
#[derive(Clone, Copy)]
pub struct Agent<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// Its tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// Its chat template.
    pub template: &'a ChatTemplate,
}

/// Given tokens and pictures, ready for a trajectory and for the model.
pub struct Encoded(Vec<Chunk>);

impl<'a> Agent<'a> {
    /// The parts of a whole model.
    pub fn of(model: &'a Vlm) -> Self {
        Self { policy: &model.policy, tokenizer: &model.tokenizer, template: &model.template }
    }

    /// The first user turn: what is seen, then `text`.
    ///
    /// # Errors
    /// When the template or the tokenizer fails.
    pub fn opening(&self, frames: &[Frame], text: &str) -> Result<Encoded, RolloutError> {
        self.encode(&self.template.opening(&parts(frames, text))?)
    }

    /// A later user turn; `ended` says whether the response before it sampled its own end of turn.
    ///
    /// # Errors
    /// When the template or the tokenizer fails.
    pub fn next_turn(&self, frames: &[Frame], text: &str, ended: bool) -> Result<Encoded, RolloutError> {
        self.encode(&self.template.next_turn(&parts(frames, text), ended)?)
    }

    fn encode(&self, pieces: &[Piece]) -> Result<Encoded, RolloutError> {
        Ok(Encoded(self.tokenizer.encode_pieces(pieces)?))
    }

    /// Tokens that sampling may never produce: special ones except the ends of a turn, and rows of the
    /// embedding that belong to no token.
    pub fn forbidden(&self) -> Vec<u32> {
        self.tokenizer.never_sampled(self.policy.config().text.vocab_size)
    }

    /// An empty trajectory for this model.
    pub fn trajectory(&self) -> Trajectory {
        Trajectory::new(self.policy.config().image_token_id)
    }
}

/// The pictures, each after its time if it has one, and the text.
fn parts(frames: &[Frame], text: &str) -> Vec<Part> {
    let mut parts = Vec::with_capacity(2 * frames.len() + 1);
    for frame in frames {
        if let Some(seconds) = frame.seconds {
            parts.push(Part::Text(format!("{seconds:.1} s ")));
        }
        parts.push(Part::Image);
    }
    parts.push(Part::Text(text.to_string()));
    parts
}

impl Encoded {
    /// Appends to a trajectory; `frames` fill the image slots in order.
    ///
    /// # Errors
    /// When the picture cannot be processed or the trajectory refuses the tokens.
    pub fn push(
        &self,
        policy: &Policy,
        to: &mut Trajectory,
        frames: &[Frame],
        turn: u16,
    ) -> Result<(), RolloutError> {
        let mut frames = frames.iter();
        for chunk in &self.0 {
            match chunk {
                Chunk::Given(ids) | Chunk::Assistant(ids) => to.push_text(ids, turn)?,
                Chunk::Image => {
                    let image = &frames.next().ok_or(RolloutError::ImageSlots)?.image;
                    let tokens = policy
                        .processor()
                        .token_count(image.width(), image.height())
                        .map_err(eyas_model::PolicyError::from)?;
                    to.push_image(image.id(), tokens, turn)?;
                }
            }
        }
        Ok(())
    }

    /// The same for the decoder, with the visual tokens of `frames`, which `pictures` holds.
    ///
    /// # Errors
    /// When a picture was not encoded, or there are more image slots than frames.
    pub fn feed(&self, pictures: &Pictures, frames: &[Frame]) -> Result<Vec<Feed>, RolloutError> {
        let mut frames = frames.iter();
        let feed = |chunk: &Chunk| {
            Ok(match chunk {
                Chunk::Given(ids) | Chunk::Assistant(ids) => Feed::Text(ids.clone()),
                Chunk::Image => {
                    let image = &frames.next().ok_or(RolloutError::ImageSlots)?.image;
                    Feed::Image(pictures.features(image)?.clone())
                }
            })
        };
        self.0.iter().map(feed).collect()
    }
}

/// The pictures of a rollout: each is processed and encoded once, however often it is seen.
#[derive(Default)]
pub struct Pictures {
    store: ImageStore,
    features: BTreeMap<ImageId, Features>,
    spoilt: Option<(Corruption, Seed)>,
}

impl Pictures {
    /// Pictures that whoever plays sees spoilt. Episodes and [`store`](Self::store) have them as they are.
    pub fn spoilt(corruption: Corruption, seed: Seed) -> Self {
        Self { spoilt: Some((corruption, seed)), ..Self::default() }
    }

    /// The processed pictures.
    pub fn store(&self) -> &ImageStore {
        &self.store
    }

    /// The same, for training on the same episodes.
    pub fn into_store(self) -> ImageStore {
        self.store
    }

    /// Processes and encodes those of `images` that are new.
    ///
    /// # Errors
    /// When a picture cannot be processed.
    pub fn add<'i>(
        &mut self,
        policy: &Policy,
        images: impl IntoIterator<Item = &'i Image>,
    ) -> Result<(), RolloutError> {
        let fresh: Vec<&Image> =
            images.into_iter().filter(|i| !self.features.contains_key(&i.id())).collect();
        let mut new = ImageStore::default();
        new.add(policy.processor(), fresh.iter().copied())?;
        let ids = fresh.iter().map(|i| i.id());
        self.features.extend(match self.spoilt {
            None => policy.encode(ids, &new)?,
            Some((corruption, seed)) => {
                policy.encode(ids, &new.corrupted(policy.processor(), corruption, seed))?
            }
        });
        self.store.append(new);
        Ok(())
    }

    pub(crate) fn features(&self, image: &Image) -> Result<&Features, RolloutError> {
        let id = image.id();
        Ok(self.features.get(&id).ok_or(eyas_model::PolicyError::MissingImage { id })?)
    }
}
