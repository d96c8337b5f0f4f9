//! Optimizer settings by step, and the cutting of batches into micro-batches.

use eyas_core::Trajectory;
use eyas_model::AdamW;

use crate::recipe::OptimSettings;

/// The optimizer's settings at `step` of a stage of `steps` steps.
pub fn adamw(optim: &OptimSettings, steps: u64, step: u64) -> AdamW {
    AdamW {
        lr: optim.lr_schedule(steps).learning_rate(step) as f32,
        beta1: optim.beta1 as f32,
        beta2: optim.beta2 as f32,
        weight_decay: optim.weight_decay as f32,
        max_grad_norm: optim.max_grad_norm as f32,
        ..AdamW::default()
    }
}

/// Cuts groups into runs of at most `budget` tokens, in order. Groups are never split: their members
/// share work.
pub fn micro_batches<'a, 'b>(
    groups: &'b [Vec<&'a Trajectory>],
    budget: usize,
) -> Vec<&'b [Vec<&'a Trajectory>]> {
    let size = |group: &Vec<&Trajectory>| group.iter().map(|t| t.len()).sum::<usize>();
    let mut cuts = Vec::new();
    let (mut from, mut tokens) = (0, 0);
    for (i, group) in groups.iter().enumerate() {
        if i > from && tokens + size(group) > budget {
            cuts.push(&groups[from..i]);
            (from, tokens) = (i, 0);
        }
        tokens += size(group);
    }
    if from < groups.len() {
        cuts.push(&groups[from..]);
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn micro_batches_keep_order_and_budget() {
        let mut t = Trajectory::new(5);
        t.push_text(&[1; 10], 0).unwrap();
        let groups = vec![vec![&t, &t], vec![&t], vec![&t], vec![&t, &t, &t, &t]];
        let sizes = |budget| micro_batches(&groups, budget).iter().map(|b| b.len()).collect::<Vec<_>>();
        assert_eq!(sizes(40), [3, 1]);
        assert_eq!(sizes(25), [1, 2, 1], "a group over the budget goes alone");
        assert_eq!(sizes(1000), [4]);
        assert!(micro_batches(&[], 10).is_empty());
    }
}
