//! The loss of supervised fine-tuning.

use super::{LossError, check_denominator, check_len, check_weights, derivative, finite};

/// What the loss says.
#[derive(Clone, Debug, PartialEq)]
pub struct SftLoss {
    /// The loss, to be minimised, in nats.
    pub value: f64,
    /// Its derivative by each log-prob; 0 where the weight is 0.
    pub d_logprob: Vec<f32>,
    /// Number of tokens that count.
    pub tokens: usize,
}

/// Negative log-likelihood: `L = −Σ_t w_t · logprob_t / denominator`, derivative `−w_t / denominator`.
///
/// `logprob`: log-prob of each target token. `weight`: 0 for tokens that do not count, else more than 0.
/// `denominator`: the sum of the weights over all micro-batches of the optimizer step; the loss is then the
/// mean per token. A sum of weights of 0 is refused: such a batch has no mean.
///
/// # Errors
/// [`LossError`] when lengths differ, a weight or the denominator is out of range, or a log-prob that
/// counts is not finite (naming the token).
pub fn sft_loss(logprob: &[f32], weight: &[f32], denominator: f64) -> Result<SftLoss, LossError> {
    check_denominator(denominator)?;
    check_len("weight", weight, logprob.len())?;
    check_weights(weight)?;
    let mut loss = SftLoss { value: 0.0, d_logprob: vec![0.0; logprob.len()], tokens: 0 };
    for t in (0..logprob.len()).filter(|&t| weight[t] > 0.0) {
        let share = f64::from(weight[t]) / denominator;
        loss.value -= share * finite("logprob", logprob, t)?;
        loss.d_logprob[t] = derivative(-share, t)?;
        loss.tokens += 1;
    }
    Ok(loss)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hand_computed() {
        // (1·0.5 + 2·1.5) / 3, with a masked token that may hold anything.
        let loss = sft_loss(&[-0.5, f32::NAN, -1.5], &[1.0, 0.0, 2.0], 3.0).unwrap();
        assert!((loss.value - 3.5 / 3.0).abs() < 1e-12);
        assert_eq!(loss.d_logprob, [-1.0 / 3.0, 0.0, -2.0 / 3.0]);
        assert_eq!(loss.tokens, 2);
    }

    #[test]
    fn bad_input_is_named() {
        let err = |lp: &[f32], w: &[f32], d| sft_loss(lp, w, d).unwrap_err();
        assert!(matches!(err(&[-1.0, f32::NAN], &[1.0; 2], 1.0), LossError::NonFinite { index: 1, .. }));
        assert!(matches!(err(&[f32::NEG_INFINITY], &[1.0], 1.0), LossError::NonFinite { index: 0, .. }));
        assert!(matches!(err(&[-1.0], &[-1.0], 1.0), LossError::Weight { index: 0, .. }));
        assert!(matches!(err(&[-1.0], &[], 1.0), LossError::Length { name: "weight", .. }));
        assert!(matches!(err(&[-1.0], &[1.0], 1e-300), LossError::Overflow { index: 0 }));
        for d in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(err(&[-1.0], &[1.0], d), LossError::Denominator { .. }));
        }
        assert_eq!(sft_loss(&[], &[], 1.0).unwrap().value, 0.0);
    }

    proptest! {
        #[test]
        fn derivative_is_the_difference_quotient_and_micro_batches_add_up(
            tokens in prop::collection::vec((-8.0f32..0.0, prop::sample::select(vec![0.0f32, 0.5, 1.0])), 1..20),
            cut in 0usize..20,
        ) {
            let (lp, w): (Vec<f32>, Vec<f32>) = tokens.into_iter().unzip();
            let loss = sft_loss(&lp, &w, 4.0).unwrap();
            for t in 0..lp.len() {
                let at = |step: f32| {
                    let mut moved = lp.clone();
                    moved[t] += step;
                    (sft_loss(&moved, &w, 4.0).unwrap().value, f64::from(moved[t]))
                };
                let ((up, x1), (down, x0)) = (at(0.125), at(-0.125));
                prop_assert!(((up - down) / (x1 - x0) - f64::from(loss.d_logprob[t])).abs() < 1e-6);
            }
            let cut = cut.min(lp.len());
            let (a, b) = (sft_loss(&lp[..cut], &w[..cut], 4.0).unwrap(), sft_loss(&lp[cut..], &w[cut..], 4.0).unwrap());
            prop_assert!((a.value + b.value - loss.value).abs() < 1e-12);
            prop_assert_eq!([a.d_logprob, b.d_logprob].concat(), loss.d_logprob);
        }
    }
}
