//! Steps in place of a clock: the same work is refused on every machine.

use super::Fail;

/// Steps of one comparison; a term product of small coefficients is about one step, about a microsecond.
pub(crate) const STEPS: u64 = 20_000;

/// Largest size of an exact coefficient, in bits; larger constants are known by magnitude only.
pub(crate) const BITS: u64 = 16_384;

/// What is left to spend.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u64,
}

impl Budget {
    pub(crate) fn new(steps: u64) -> Self {
        Self { left: steps }
    }

    /// Takes `steps` off, or fails when they are not there.
    pub(crate) fn spend(&mut self, steps: u64) -> Result<(), Fail> {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(Fail::Budget)
            }
        }
    }
}
