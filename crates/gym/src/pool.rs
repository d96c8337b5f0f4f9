//! Many slots over a thread pool.

use eyas_core::{Image, Seed};
use rayon::prelude::*;

use crate::{Frame, Game, ParseError, Step, fast_forward, fast_forward_oracle};

/// How [`Pool::fast_forward`] chooses moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// The oracle's.
    Oracle,
    /// Random legal ones.
    Random(Seed),
}

/// Slots that are stepped and drawn together. There is no autoreset: a finished slot stays finished
/// until its owner replaces it. A slot's results depend on its own state only, so they are the same
/// for any number of threads.
pub struct Pool {
    threads: rayon::ThreadPool,
    slots: Vec<Box<dyn Game>>,
}

impl Pool {
    /// A pool over `slots` with `threads` threads (0: one per core).
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn new(slots: Vec<Box<dyn Game>>, threads: usize) -> Result<Self, rayon::ThreadPoolBuildError> {
        Ok(Self { threads: rayon::ThreadPoolBuilder::new().num_threads(threads).build()?, slots })
    }

    /// The slots.
    pub fn slots(&self) -> &[Box<dyn Game>] {
        &self.slots
    }

    /// Replaces the slots, giving back the old ones.
    pub fn replace(&mut self, slots: Vec<Box<dyn Game>>) -> Vec<Box<dyn Game>> {
        std::mem::replace(&mut self.slots, slots)
    }

    /// Plays one action text per slot; `None` lets the slot alone, an unparsable text passes its turn.
    /// Gives, per slot, the step and the parse error if there was one.
    pub fn step(&mut self, answers: &[Option<&str>]) -> Vec<Option<(Step, Option<ParseError>)>> {
        let Self { threads, slots } = self;
        threads.install(|| {
            slots
                .par_iter_mut()
                .zip(answers.par_iter())
                .map(|(slot, answer)| {
                    answer.map(|text| match slot.step(text) {
                        Ok(step) => (step, None),
                        Err(error) => (slot.pass(), Some(error)),
                    })
                })
                .collect()
        })
    }

    /// Draws every slot.
    pub fn render(&self) -> Vec<Image> {
        self.threads.install(|| self.slots.par_iter().map(|slot| slot.render()).collect())
    }

    /// Draws every slot and hands its frames to `then` on the same thread, for instance to bring them
    /// into the layout that a model takes: no picture waits for another, and none is kept.
    pub fn render_with<T: Send>(&self, then: impl Fn(usize, Vec<Frame>) -> T + Sync) -> Vec<T> {
        let draw = |(index, slot): (usize, &dyn Game)| then(index, slot.frames());
        self.threads.install(|| self.slots.par_iter().map(AsRef::as_ref).enumerate().map(draw).collect())
    }

    /// Moves every slot up to `steps` steps on, without drawing; stops before a step that ends the
    /// episode. Gives the steps made. Random moves of a slot depend on `Ahead::Random`'s seed and the
    /// number of the slot.
    pub fn fast_forward(&mut self, steps: usize, how: Ahead) -> Vec<usize> {
        let Self { threads, slots } = self;
        let forward = |(index, slot): (usize, &mut Box<dyn Game>)| match how {
            Ahead::Oracle => fast_forward_oracle(slot, steps),
            Ahead::Random(seed) => fast_forward(slot, steps, &mut seed.split("slot", index as u64).rng()),
        };
        threads.install(|| slots.par_iter_mut().enumerate().map(forward).collect())
    }

    /// `n` independent copies of one slot: the start of a group.
    pub fn fork(&self, slot: usize, n: usize) -> Vec<Box<dyn Game>> {
        self.slots.get(slot).map(|game| (0..n).map(|_| game.fork()).collect()).unwrap_or_default()
    }
}
