//! The best one-to-one matching of predictions with ground truth.

/// The Hungarian method takes time proportional to the square of the shorter side; where that has more
/// than this many entries, [`best`] pairs greedily instead.
const MAX_SHORT_SIDE: usize = 300;

/// What each pair is worth: `rows` × `cols` values, row by row. Pairs worth 0 or less are never made.
#[derive(Clone, Debug)]
pub struct Values {
    rows: usize,
    cols: usize,
    values: Vec<f64>,
}

impl Values {
    /// The table of `value(row, col)`; what is not finite counts as 0.
    pub fn new(rows: usize, cols: usize, mut value: impl FnMut(usize, usize) -> f64) -> Self {
        let mut values = Vec::with_capacity(rows * cols);
        for row in 0..rows {
            values.extend((0..cols).map(|col| {
                let v = value(row, col);
                if v.is_finite() { v.max(0.0) } else { 0.0 }
            }));
        }
        Self { rows, cols, values }
    }

    fn at(&self, row: usize, col: usize) -> f64 {
        self.values.get(row * self.cols + col).copied().unwrap_or(0.0)
    }

    fn row(&self, row: usize) -> &[f64] {
        self.values.get(row * self.cols..(row + 1) * self.cols).unwrap_or(&[])
    }

    fn transposed(&self) -> Self {
        Self::new(self.cols, self.rows, |row, col| self.at(col, row))
    }
}

/// A pair: row, column, and what it is worth.
pub type Pair = (usize, usize, f64);

/// The pairing of the greatest total value, by row. Falls back on [`greedy`] for tables that are too
/// large (more than 300 on the shorter side).
pub fn best(values: &Values) -> Vec<Pair> {
    if values.rows.min(values.cols) > MAX_SHORT_SIDE { greedy(values) } else { hungarian(values) }
}

/// Takes the most valuable pair, then the most valuable of what is left, and so on; of equals the one
/// with the lower row, then the lower column. Returned by row.
pub fn greedy(values: &Values) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    for row in 0..values.rows {
        pairs.extend((0..values.cols).map(|col| (row, col, values.at(row, col))).filter(|p| p.2 > 0.0));
    }
    pairs.sort_by(|a, b| b.2.total_cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
    let (mut rows, mut cols) = (vec![false; values.rows], vec![false; values.cols]);
    pairs.retain(|&(row, col, _)| {
        let free = !rows[row] && !cols[col];
        if free {
            (rows[row], cols[col]) = (true, true);
        }
        free
    });
    pairs.sort_by_key(|p| p.0);
    pairs
}

/// The pairing of the greatest total value (Kuhn 1955, with the potentials of Jonker and Volgenant):
/// time proportional to short² × long side.
pub fn hungarian(values: &Values) -> Vec<Pair> {
    if values.rows > values.cols {
        let mut pairs: Vec<Pair> = hungarian(&values.transposed()).iter().map(|p| (p.1, p.0, p.2)).collect();
        pairs.sort_by_key(|p| p.0);
        return pairs;
    }
    Search::new(values).solve()
}

/// For each of `rows` the column that [`hungarian`] pairs it with, so that the sum of `gain(row, column)` is
/// as large as it can be; `None` for a row left over.
pub fn assign(rows: usize, columns: usize, gain: impl FnMut(usize, usize) -> f64) -> Vec<Option<usize>> {
    let mut columns_of = vec![None; rows];
    for (row, column, _) in hungarian(&Values::new(rows, columns, gain)) {
        if let Some(slot) = columns_of.get_mut(row) {
            *slot = Some(column);
        }
    }
    columns_of
}

/// The state of the Hungarian method: costs are negated values, `prices` its dual variables.
struct Search<'a> {
    values: &'a Values,
    row_price: Vec<f64>,
    col_price: Vec<f64>,
    col_of: Vec<usize>,
    row_of: Vec<usize>,
    /// Of the search for one row: cost of reaching each column, and the row before it.
    reach: Vec<f64>,
    from: Vec<usize>,
}

/// No row, no column.
const NONE: usize = usize::MAX;

impl<'a> Search<'a> {
    fn new(values: &'a Values) -> Self {
        let (rows, cols) = (values.rows, values.cols);
        Self {
            values,
            row_price: vec![0.0; rows],
            col_price: vec![0.0; cols],
            col_of: vec![NONE; rows],
            row_of: vec![NONE; cols],
            reach: vec![f64::INFINITY; cols],
            from: vec![NONE; cols],
        }
    }

    fn solve(mut self) -> Vec<Pair> {
        // A row whose best column is free takes it: with these prices that costs nothing. Rows without
        // any value need no column.
        let mut open = Vec::new();
        for row in 0..self.values.rows {
            let line = self.values.row(row);
            let (mut col, mut most) = (NONE, 0.0);
            for (j, v) in line.iter().enumerate() {
                if *v > most {
                    (col, most) = (j, *v);
                }
            }
            if col == NONE {
                continue;
            }
            self.row_price[row] = -most;
            if self.row_of[col] == NONE {
                (self.col_of[row], self.row_of[col]) = (col, row);
            } else {
                open.push(row);
            }
        }
        for row in open {
            self.add(row);
        }
        let pair = |(row, col): (usize, &usize)| {
            let col = Some(*col).filter(|col| *col != NONE)?;
            Some((row, col, self.values.at(row, col))).filter(|p| p.2 > 0.0)
        };
        self.col_of.iter().enumerate().filter_map(pair).collect()
    }

    /// Gives `start` a column along the cheapest path of exchanges, and keeps the prices consistent.
    fn add(&mut self, start: usize) {
        self.reach.fill(f64::INFINITY);
        let mut left: Vec<usize> = (0..self.values.cols).collect();
        let (mut seen, mut row, mut cost) = (Vec::new(), start, 0.0);
        let end = loop {
            let line = self.values.row(row);
            let base = cost - self.row_price[row];
            let (mut least, mut next) = (f64::INFINITY, 0);
            for (at, &col) in left.iter().enumerate() {
                let through = base - line[col] - self.col_price[col];
                let reach = &mut self.reach[col];
                if through < *reach {
                    *reach = through;
                    self.from[col] = row;
                }
                // Of equals a free column ends the search at once.
                if *reach < least || (*reach == least && self.row_of[col] == NONE) {
                    (least, next) = (*reach, at);
                }
            }
            // There are at least as many columns as rows, so one is left.
            let col = left.swap_remove(next);
            cost = least;
            if self.row_of[col] == NONE {
                break col;
            }
            seen.push(col);
            row = self.row_of[col];
        };
        self.row_price[start] += cost;
        for col in seen {
            let spare = cost - self.reach[col];
            self.row_price[self.row_of[col]] += spare;
            self.col_price[col] -= spare;
        }
        let mut col = end;
        while col != NONE {
            let row = self.from[col];
            self.row_of[col] = row;
            col = std::mem::replace(&mut self.col_of[row], col);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(rows: &[&[f64]]) -> Values {
        Values::new(rows.len(), rows.first().map_or(0, |r| r.len()), |i, j| rows[i][j])
    }

    fn total(pairs: &[Pair]) -> f64 {
        pairs.iter().map(|p| p.2).sum()
    }

    #[test]
    fn the_best_pairing_beats_the_greedy_one() {
        let values = table(&[&[0.9, 0.8], &[0.85, 0.1]]);
        assert_eq!(greedy(&values), [(0, 0, 0.9), (1, 1, 0.1)]);
        assert_eq!(hungarian(&values), [(0, 1, 0.8), (1, 0, 0.85)]);
    }

    #[test]
    fn pairs_worth_nothing_are_not_made() {
        assert!(hungarian(&table(&[&[0.0, 0.0]])).is_empty());
        assert!(hungarian(&table(&[])).is_empty() && greedy(&table(&[])).is_empty());
        assert_eq!(hungarian(&table(&[&[0.0], &[0.5], &[f64::NAN]])), [(1, 0, 0.5)]);
    }

    /// By trying everything.
    fn brute(values: &Values, row: usize, used: &mut Vec<bool>) -> f64 {
        if row == values.rows {
            return 0.0;
        }
        let mut most = brute(values, row + 1, used);
        for col in 0..values.cols {
            if !used[col] {
                used[col] = true;
                most = most.max(values.at(row, col) + brute(values, row + 1, used));
                used[col] = false;
            }
        }
        most
    }

    proptest! {
        #[test]
        fn the_total_is_the_greatest((rows, cols, cells) in (0usize..6, 0usize..6)
            .prop_flat_map(|(r, c)| (Just(r), Just(c), proptest::collection::vec(0u8..9, r * c)))) {
            let values = Values::new(rows, cols, |i, j| f64::from(cells[i * cols + j]) / 8.0);
            let pairs = hungarian(&values);
            let mut used = vec![false; cols];
            prop_assert!((total(&pairs) - brute(&values, 0, &mut used)).abs() < 1e-9);
            prop_assert!(total(&greedy(&values)) <= total(&pairs) + 1e-9);
            let mut cols_seen: Vec<_> = pairs.iter().map(|p| p.1).collect();
            cols_seen.sort_unstable();
            cols_seen.dedup();
            prop_assert_eq!(cols_seen.len(), pairs.len());
            prop_assert!(pairs.windows(2).all(|w| w[0].0 < w[1].0));
        }
    }
}
