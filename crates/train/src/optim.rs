//! Learning-rate schedule, optimizer settings and the cutting of batches into micro-batches.

use eyas_algo::Schedule;
use eyas_core::Trajectory;
use eyas_model::AdamW;

/// Optimizer settings of a stage.
#[derive(Clone, Debug)]
pub struct OptimConfig {
    /// Learning rate by step.
    pub schedule: Schedule,
    /// Everything else; its `lr` is replaced by the schedule's.
    pub adam: AdamW,
    /// Tokens of one forward and backward pass; a single group larger than this still goes alone.
    pub micro_batch_tokens: usize,
}

impl OptimConfig {
    /// The settings of update `step`.
    pub fn at(&self, step: u64) -> AdamW {
        AdamW { lr: self.schedule.learning_rate(step) as f32, ..self.adam }
    }
}

/// Cuts groups into runs of at most `budget` tokens, in order. Groups are never split: their members
/// share work.
pub fn micro_batches<'a, 'b>(groups: &'b [Vec<&'a Trajectory>], budget: usize) -> Vec<&'b [Vec<&'a Trajectory>]> {
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
