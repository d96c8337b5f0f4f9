//! The best one-to-one matching.

/// For each row the column that it is matched with, so that the sum of `gain(row, column)` is as large as
/// it can be; `None` for a row left over. Pairs without gain are left apart. Gains that are negative or not
/// finite count as 0. Shortest augmenting paths: time `rows² × columns` after swapping so that rows are the
/// fewer.
pub fn assign(rows: usize, columns: usize, gain: impl Fn(usize, usize) -> f64) -> Vec<Option<usize>> {
    let clean = |row, column| {
        let g: f64 = gain(row, column);
        if g.is_finite() { g.max(0.0) } else { 0.0 }
    };
    let (n, m, swapped) = if rows <= columns { (rows, columns, false) } else { (columns, rows, true) };
    let at = |i: usize, j: usize| if swapped { clean(j, i) } else { clean(i, j) };
    let gains: Vec<f64> = (0..n).flat_map(|i| (0..m).map(move |j| (i, j))).map(|(i, j)| at(i, j)).collect();
    let owner = solve(n, m, &gains);
    let mut result = vec![None; rows];
    for (j, i) in owner.into_iter().enumerate().filter_map(|(j, i)| i.map(|i| (j, i))) {
        let (row, column) = if swapped { (j, i) } else { (i, j) };
        if let (Some(slot), true) = (result.get_mut(row), clean(row, column) > 0.0) {
            *slot = Some(column);
        }
    }
    result
}

/// The row that owns each of `m` columns, for `n <= m` rows of `gains`.
fn solve(n: usize, m: usize, gains: &[f64]) -> Vec<Option<usize>> {
    // Potentials and owners are counted from 1; column 0 stands for "none yet".
    let (mut u, mut v) = (vec![0.0; n + 1], vec![0.0; m + 1]);
    let mut owner = vec![0usize; m + 1];
    for row in 1..=n {
        owner[0] = row;
        let mut at = 0;
        let mut slack = vec![f64::INFINITY; m + 1];
        let mut from = vec![0usize; m + 1];
        let mut done = vec![false; m + 1];
        loop {
            done[at] = true;
            let i = owner[at];
            let (mut step, mut next) = (f64::INFINITY, 0);
            let line = &gains[(i - 1) * m..i * m];
            for j in 1..=m {
                if done[j] {
                    continue;
                }
                let reduced = -line[j - 1] - u[i] - v[j];
                if reduced < slack[j] {
                    slack[j] = reduced;
                    from[j] = at;
                }
                if slack[j] < step {
                    step = slack[j];
                    next = j;
                }
            }
            for j in 0..=m {
                if done[j] {
                    u[owner[j]] += step;
                    v[j] -= step;
                } else {
                    slack[j] -= step;
                }
            }
            at = next;
            if owner[at] == 0 {
                break;
            }
        }
        while at != 0 {
            let before = from[at];
            owner[at] = owner[before];
            at = before;
        }
    }
    owner.into_iter().skip(1).map(|i| i.checked_sub(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn total(rows: usize, columns: usize, gains: &[f64]) -> f64 {
        let gain = |i: usize, j: usize| gains[i * columns + j];
        assign(rows, columns, gain).iter().enumerate().filter_map(|(i, j)| j.map(|j| gain(i, j))).sum()
    }

    /// The best sum over all matchings, by trying them.
    fn brute(row: usize, rows: usize, used: u32, columns: usize, gains: &[f64]) -> f64 {
        if row == rows {
            return 0.0;
        }
        let skip = brute(row + 1, rows, used, columns, gains);
        (0..columns).filter(|j| used & (1 << j) == 0).fold(skip, |best, j| {
            best.max(gains[row * columns + j] + brute(row + 1, rows, used | (1 << j), columns, gains))
        })
    }

    #[test]
    fn greedy_is_not_enough() {
        // Greedy takes 0.9 and is left with 0: the best sum is 0.8 + 0.8.
        assert_eq!(total(2, 2, &[0.9, 0.8, 0.8, 0.0]), 1.6);
        assert_eq!(assign(0, 3, |_, _| 1.0), []);
        assert_eq!(assign(2, 0, |_, _| 1.0), [None, None]);
        assert_eq!(assign(1, 1, |_, _| f64::NAN), [None]);
    }

    proptest! {
        #[test]
        fn it_is_the_best(rows in 0usize..6, columns in 0usize..6, gains in prop::collection::vec(0.0f64..1.0, 36)) {
            let best = brute(0, rows, 0, columns, &gains);
            prop_assert!((total(rows, columns, &gains) - best).abs() < 1e-9);
        }
    }
}
