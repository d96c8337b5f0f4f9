use std::ops::Range;

/// Cuts a list of sizes into at most `count` neighbouring runs of about the same sum, none of them empty.
///
/// A run ends where its sum, and those before it, come nearest to their share of the whole.
pub fn shares(sizes: &[usize], count: usize) -> Vec<Range<usize>> {
    let total: usize = sizes.iter().sum();
    let mut runs = Vec::with_capacity(count);
    let (mut start, mut done) = (0, 0);
    for (i, size) in sizes.iter().enumerate() {
        done += size;
        let share = (runs.len() + 1) * total / count.max(1);
        match sizes.get(i + 1) {
            Some(next) if share.abs_diff(done) > share.abs_diff(done + next) => {}
            Some(_) if runs.len() + 1 >= count => {}
            _ => {
                runs.push(start..i + 1);
                start = i + 1;
            }
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn runs_by_hand() {
        assert_eq!(shares(&[106; 32], 2), [0..16, 16..32]);
        assert_eq!(shares(&[3000, 10, 10, 3000], 2), [0..2, 2..4]);
        assert_eq!(shares(&[9000, 10], 4), [0..1, 1..2]);
        assert_eq!(shares(&[1, 1, 1], 1), std::slice::from_ref(&(0..3)));
        assert_eq!(shares(&[0, 0], 1), std::slice::from_ref(&(0..2)));
        assert!(shares(&[], 3).is_empty());
    }

    proptest! {
        #[test]
        fn runs_cover_all_in_order(sizes in prop::collection::vec(0usize..3000, 1..40), count in 1usize..9) {
            let runs = shares(&sizes, count);
            prop_assert!(!runs.is_empty() && runs.len() <= count);
            prop_assert_eq!(runs.first().map(|r| r.start), Some(0));
            prop_assert_eq!(runs.last().map(|r| r.end), Some(sizes.len()));
            prop_assert!(runs.windows(2).all(|w| w[0].end == w[1].start));
            prop_assert!(runs.iter().all(|r| !r.is_empty()));
        }
    }
}
