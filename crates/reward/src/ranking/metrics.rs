//! Measures of a ranking. Ranks count from 1.
//!
//! A ranking comes as the grade of what stands at each rank; what is not relevant, or stands there for
//! the second time, has grade 0, so that no repetition pays.

/// Discounted cumulative gain of the first `k` ranks over the best that `gold` allows. 0 when `gold` holds
/// nothing above 0.
pub fn ndcg(ranked: &[f64], gold: &[f64], k: usize) -> f64 {
    let gain = |(i, grade): (usize, &f64)| grade / ((i + 2) as f64).log2();
    let mut ideal = gold.to_vec();
    ideal.sort_unstable_by(|a, b| b.total_cmp(a));
    let best: f64 = ideal.iter().take(k).enumerate().map(gain).sum();
    let got: f64 = ranked.iter().take(k).enumerate().map(gain).sum();
    if best > 0.0 { (got / best).clamp(0.0, 1.0) } else { 0.0 }
}

/// 1 over the rank of the first relevant item within the first `k`; 0 without one.
pub fn reciprocal_rank(ranked: &[f64], k: usize) -> f64 {
    ranked.iter().take(k).position(|grade| *grade > 0.0).map_or(0.0, |i| 1.0 / (i + 1) as f64)
}

/// Relevant items within the first `k` over all relevant items; 0 when there are none.
pub fn recall(ranked: &[f64], relevant: usize, k: usize) -> f64 {
    let found = ranked.iter().take(k).filter(|grade| **grade > 0.0).count();
    if relevant == 0 { 0.0 } else { (found as f64 / relevant as f64).min(1.0) }
}

/// MM-R5's rank reward: the sum of `1 / rank^power` over relevant items, over the largest possible sum.
pub fn rank_power(ranked: &[f64], relevant: usize, power: f64) -> f64 {
    let value = |rank: usize| (rank as f64).powf(-power);
    let best: f64 = (1..=relevant).map(value).sum();
    let hits = ranked.iter().enumerate().filter(|(_, grade)| **grade > 0.0);
    let got: f64 = hits.map(|(i, _)| value(i + 1)).sum();
    if best > 0.0 { (got / best).clamp(0.0, 1.0) } else { 0.0 }
}

/// MM-R5's format term: how near the number of items is to `candidates`, times the share of the items that
/// are candidates and stand there for the first time. 0 for no items.
pub fn completeness(items: usize, good: usize, candidates: usize) -> f64 {
    if items == 0 || candidates == 0 {
        return 0.0;
    }
    let off = items.abs_diff(candidates).min(candidates) as f64;
    (1.0 - off / candidates as f64) * (good as f64 / items as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn by_hand() {
        // Grades 3, 2 and 0 in the order 2, 3, 0.
        let best = 3.0 + 2.0 / 3f64.log2();
        close(ndcg(&[2.0, 3.0, 0.0], &[3.0, 2.0], 10), (2.0 + 3.0 / 3f64.log2()) / best);
        close(ndcg(&[0.0, 3.0], &[3.0, 2.0], 1), 0.0);
        close(ndcg(&[], &[1.0], 5), 0.0);
        close(reciprocal_rank(&[0.0, 0.0, 1.0], 10), 1.0 / 3.0);
        close(reciprocal_rank(&[0.0, 0.0, 1.0], 2), 0.0);
        close(recall(&[1.0, 0.0, 1.0], 3, 2), 1.0 / 3.0);
        close(rank_power(&[1.0, 0.0, 0.0], 1, 3.0), 1.0);
        close(rank_power(&[0.0, 1.0, 0.0], 1, 3.0), 0.125);
        close(rank_power(&[0.0, 1.0, 1.0], 2, 3.0), (1.0 / 8.0 + 1.0 / 27.0) / (1.0 + 1.0 / 8.0));
        close(completeness(2, 2, 3), 2.0 / 3.0);
        close(completeness(3, 2, 3), 2.0 / 3.0);
        close(completeness(9, 3, 3), 0.0);
    }

    proptest! {
        #[test]
        fn a_swap_towards_the_order_of_grades_never_lowers(
            grades in prop::collection::vec(0u8..4, 2..9),
            i in 0usize..8,
            k in 1usize..10,
        ) {
            let mut ranked: Vec<f64> = grades.iter().map(|g| f64::from(*g)).collect();
            let gold = ranked.clone();
            let relevant = ranked.iter().filter(|g| **g > 0.0).count();
            let all = |r: &[f64]| {
                [ndcg(r, &gold, k), reciprocal_rank(r, k), recall(r, relevant, k), rank_power(r, relevant, 3.0)]
            };
            let before = all(&ranked);
            let i = i % (ranked.len() - 1);
            if ranked[i] < ranked[i + 1] {
                ranked.swap(i, i + 1);
            }
            for (after, before) in all(&ranked).iter().zip(before) {
                prop_assert!(*after >= before - 1e-12 && (0.0..=1.0).contains(after));
            }
        }
    }
}
