//! Overlaps of stretches of time and of sets of them.

use super::Span;
use crate::boxes::{common_length, merged};

/// Temporal IoU: what both cover over what either covers. Stretches that do not meet share nothing.
pub fn tiou(a: Span, b: Span) -> f64 {
    let common = (a.end().min(b.end()) - a.start().max(b.start())).max(0.0);
    if common > 0.0 { (common / (a.length() + b.length() - common)).min(1.0) } else { 0.0 }
}

/// What two sets cover, and what both do, each moment once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cover {
    /// Seconds that the first covers.
    pub said: f64,
    /// Seconds that the second covers.
    pub gold: f64,
    /// Seconds that both cover.
    pub common: f64,
}

impl Cover {
    /// Measures two sets of stretches, in any order, overlapping or not.
    pub fn of(said: &[Span], gold: &[Span]) -> Self {
        let (said, gold) = (joined(said), joined(gold));
        let length = |spans: &[(f64, f64)]| spans.iter().map(|s| s.1 - s.0).sum();
        Self { said: length(&said), gold: length(&gold), common: common_length(&said, &gold) }
    }

    /// What both cover over what either covers; 1 when neither covers anything.
    pub fn iou(self) -> f64 {
        let union = self.said + self.gold - self.common;
        if union > 0.0 { (self.common / union).clamp(0.0, 1.0) } else { 1.0 }
    }

    /// The share of the first that is right; 0 when it is empty.
    pub fn precision(self) -> f64 {
        if self.said > 0.0 { (self.common / self.said).min(1.0) } else { 0.0 }
    }

    /// The share of the second that is found; 0 when it is empty.
    pub fn recall(self) -> f64 {
        if self.gold > 0.0 { (self.common / self.gold).min(1.0) } else { 0.0 }
    }
}

fn joined(spans: &[Span]) -> Vec<(f64, f64)> {
    let mut spans: Vec<_> = spans.iter().map(|s| (s.start(), s.end())).collect();
    spans.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    merged(&spans)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn s(start: f64, end: f64) -> Span {
        Span::new(start, end).unwrap()
    }

    #[test]
    fn overlaps_by_hand() {
        assert_eq!(tiou(s(2.0, 6.0), s(4.0, 8.0)), 2.0 / 6.0);
        // Apart: the hull is no union.
        assert_eq!((tiou(s(0.0, 1.0), s(5.0, 6.0)), tiou(s(1.0, 2.0), s(1.0, 2.0))), (0.0, 1.0));
        let cover = Cover::of(&[s(0.0, 4.0), s(2.0, 6.0)], &[s(5.0, 9.0)]);
        assert_eq!(cover, Cover { said: 6.0, gold: 4.0, common: 1.0 });
        assert_eq!((cover.iou(), cover.precision(), cover.recall()), (1.0 / 9.0, 1.0 / 6.0, 0.25));
        assert_eq!((Cover::of(&[], &[]).iou(), Cover::of(&[], &[s(0.0, 1.0)]).iou()), (1.0, 0.0));
    }

    fn set() -> impl Strategy<Value = Vec<Span>> {
        proptest::collection::vec(
            (0u8..40, 1u8..9).prop_map(|(a, l)| s(f64::from(a), f64::from(a + l))),
            0..6,
        )
    }

    proptest! {
        #[test]
        fn sets_agree_with_counting_seconds(a in set(), b in set()) {
            let on = |set: &[Span], t: f64| set.iter().any(|s| s.start() < t && t < s.end());
            let count = |f: &dyn Fn(f64) -> bool| (0..60).filter(|t| f(f64::from(*t) + 0.5)).count() as f64;
            let cover = Cover::of(&a, &b);
            prop_assert_eq!(cover.said, count(&|t| on(&a, t)));
            prop_assert_eq!(cover.common, count(&|t| on(&a, t) && on(&b, t)));
            let mut doubled = a.clone();
            doubled.extend(a.clone());
            prop_assert_eq!(Cover::of(&doubled, &b), cover);
        }
    }
}
