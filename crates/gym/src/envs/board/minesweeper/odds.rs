//! The chance of a mine in every closed cell, from what a player can see.
//!
//! Closed cells beside an open number fall into groups that share no number. For each group all
//! arrangements of mines that fit its numbers are counted, by how many mines they have; the groups are
//! then put together with the cells that no number touches, weighted by the ways in which those can
//! hold the rest of the mines. All numbers of arrangements are sums and products of whole numbers in
//! `f64`, the same on every machine.

use super::around;

/// What a player can see.
pub(super) struct View {
    pub(super) size: usize,
    /// The number of every open cell.
    pub(super) numbers: Vec<Option<usize>>,
    /// All mines of the field.
    pub(super) mines: usize,
}

/// The most arrangements (and part arrangements) that are looked at in a group; beyond that its cells
/// get the largest share of mines that a number beside them allows.
const MAX_NODES: usize = 400_000;

/// A number that is seen: its closed cells (as places in a group) and the mines among them.
struct Rule {
    cells: Vec<usize>,
    mines: usize,
}

/// Closed cells that share numbers.
struct Group {
    cells: Vec<usize>,
    rules: Vec<Rule>,
    /// The rules of every cell.
    rules_of: Vec<Vec<usize>>,
}

/// Arrangements of a group by their number of mines: how many there are, and how many have a mine in
/// each cell.
struct Count {
    ways: Vec<f64>,
    with_mine: Vec<Vec<f64>>,
}

/// The chance of a mine for every cell; 0 for open ones.
pub(super) fn chances(view: &View) -> Vec<f64> {
    let groups = groups(view);
    let counts: Vec<Option<Count>> = groups.iter().map(count).collect();
    let mut chances = vec![0.0; view.numbers.len()];
    let inside: usize = groups.iter().map(|g| g.cells.len()).sum();
    let closed = view.numbers.iter().filter(|n| n.is_none()).count();
    let outside = closed - inside;
    // Ways to put mines into all groups but one, and into all.
    let counted: Vec<&Count> = counts.iter().flatten().collect();
    let all = counted.iter().fold(vec![1.0], |ways, count| convolve(&ways, &count.ways));
    // Groups that were not counted take their expected mines away.
    let mut estimated = 0.0;
    for (group, count) in groups.iter().zip(&counts) {
        if count.is_none() {
            for (cell, chance) in group.cells.iter().zip(estimate(group)) {
                chances[*cell] = chance;
                estimated += chance;
            }
        }
    }
    let mines = view.mines.saturating_sub(estimated.round() as usize);
    let rest = binomials(outside);
    let spread =
        |ways: &[f64]| -> f64 { ways.iter().enumerate().map(|(k, w)| w * rest_ways(&rest, mines, k)).sum() };
    let total = spread(&all);
    if total <= 0.0 {
        return chances;
    }
    for (at, (group, count)) in groups.iter().zip(&counts).enumerate() {
        let Some(count) = count else { continue };
        let others = counts.iter().enumerate().filter(|(i, _)| *i != at).filter_map(|(_, c)| c.as_ref());
        let others = others.fold(vec![1.0], |ways, count| convolve(&ways, &count.ways));
        for (cell, with_mine) in group.cells.iter().zip(&count.with_mine) {
            chances[*cell] = rounded(spread(&convolve(&others, with_mine)) / total);
        }
    }
    if outside > 0 {
        let expected: f64 = all
            .iter()
            .enumerate()
            .map(|(k, w)| w * rest_ways(&rest, mines, k) * mines.saturating_sub(k) as f64)
            .sum();
        let chance = rounded(expected / total / outside as f64);
        let touched: Vec<usize> = groups.iter().flat_map(|g| g.cells.iter().copied()).collect();
        for (i, number) in view.numbers.iter().enumerate() {
            if number.is_none() && !touched.contains(&i) {
                chances[i] = chance;
            }
        }
    }
    chances
}

/// Without the last digits, so that what is certain is exactly 1 and rounding does not decide between
/// equals.
fn rounded(chance: f64) -> f64 {
    (chance * 1e12).round() / 1e12
}

/// The ways to put `mines` less `used` into the cells outside.
fn rest_ways(rest: &[f64], mines: usize, used: usize) -> f64 {
    mines.checked_sub(used).and_then(|left| rest.get(left)).copied().unwrap_or(0.0)
}

/// The row of Pascal's triangle for `n`.
fn binomials(n: usize) -> Vec<f64> {
    let mut row = vec![0.0; n + 1];
    row[0] = 1.0;
    for filled in 1..=n {
        for k in (1..=filled).rev() {
            row[k] += row[k - 1];
        }
    }
    row
}

fn convolve(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut product = vec![0.0; a.len() + b.len() - 1];
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            product[i + j] += x * y;
        }
    }
    product
}

/// The groups of a field, each with its cells in the order in which its numbers reach them.
fn groups(view: &View) -> Vec<Group> {
    let closed_around = |number: usize| -> Vec<usize> {
        around(view.size, number).filter(|c| view.numbers[*c].is_none()).collect()
    };
    let mut place: Vec<Option<usize>> = vec![None; view.numbers.len()];
    let mut used = vec![false; view.numbers.len()];
    let mut groups = Vec::new();
    for start in 0..view.numbers.len() {
        if used[start] || view.numbers[start].is_none() || closed_around(start).is_empty() {
            continue;
        }
        let mut group = Group { cells: Vec::new(), rules: Vec::new(), rules_of: Vec::new() };
        let mut queue = std::collections::VecDeque::from([start]);
        used[start] = true;
        while let Some(number) = queue.pop_front() {
            let cells = closed_around(number);
            for &cell in cells.iter().filter(|c| place[**c].is_none()).collect::<Vec<_>>() {
                place[cell] = Some(group.cells.len());
                group.cells.push(cell);
                group.rules_of.push(Vec::new());
                for next in around(view.size, cell) {
                    if view.numbers[next].is_some() && !used[next] {
                        used[next] = true;
                        queue.push_back(next);
                    }
                }
            }
            let cells: Vec<usize> = cells.iter().filter_map(|c| place[*c]).collect();
            cells.iter().for_each(|c| group.rules_of[*c].push(group.rules.len()));
            group.rules.push(Rule { cells, mines: view.numbers[number].unwrap_or(0) });
        }
        groups.push(group);
    }
    groups
}

/// Counts all arrangements of a group; `None` when there are too many.
fn count(group: &Group) -> Option<Count> {
    struct Walk<'a> {
        group: &'a Group,
        /// Mines and cells that are left to every rule.
        left: Vec<(usize, usize)>,
        mined: Vec<bool>,
        count: Count,
        nodes: usize,
    }

    impl Walk<'_> {
        /// Tries both values of the cells from `at` on; false when there were too many.
        fn go(&mut self, at: usize, mines: usize) -> bool {
            self.nodes += 1;
            if self.nodes > MAX_NODES {
                return false;
            }
            if at == self.mined.len() {
                self.count.ways[mines] += 1.0;
                for (cell, _) in self.mined.iter().enumerate().filter(|(_, mined)| **mined) {
                    self.count.with_mine[cell][mines] += 1.0;
                }
                return true;
            }
            for mine in [false, true] {
                let rules = &self.group.rules_of[at];
                let fits = rules.iter().all(|r| {
                    let (mines, cells) = self.left[*r];
                    if mine { mines > 0 } else { cells > mines }
                });
                if !fits {
                    continue;
                }
                let value = usize::from(mine);
                rules.iter().for_each(|r| {
                    self.left[*r].0 -= value;
                    self.left[*r].1 -= 1;
                });
                self.mined[at] = mine;
                let enough = self.go(at + 1, mines + value);
                self.mined[at] = false;
                rules.iter().for_each(|r| {
                    self.left[*r].0 += value;
                    self.left[*r].1 += 1;
                });
                if !enough {
                    return false;
                }
            }
            true
        }
    }

    let cells = group.cells.len();
    let mut walk = Walk {
        group,
        left: group.rules.iter().map(|r| (r.mines, r.cells.len())).collect(),
        mined: vec![false; cells],
        count: Count { ways: vec![0.0; cells + 1], with_mine: vec![vec![0.0; cells + 1]; cells] },
        nodes: 0,
    };
    walk.go(0, 0).then_some(walk.count)
}

/// For groups too large to count: the largest share that a rule gives a cell, 0 where one allows none.
fn estimate(group: &Group) -> Vec<f64> {
    let share = |rule: &Rule| rule.mines as f64 / rule.cells.len().max(1) as f64;
    let of_cell = |rules: &Vec<usize>| {
        let shares = rules.iter().map(|r| share(&group.rules[*r]));
        let none = shares.clone().any(|s| s <= 0.0);
        if none { 0.0 } else { shares.fold(0.0, f64::max) }
    };
    group.rules_of.iter().map(of_cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::Seed;

    /// The chances by trying every set of closed cells.
    fn brute_force(view: &View) -> Vec<f64> {
        let closed: Vec<usize> = (0..view.numbers.len()).filter(|i| view.numbers[*i].is_none()).collect();
        let (mut total, mut with_mine) = (0.0, vec![0.0; view.numbers.len()]);
        for set in 0_u32..1 << closed.len() {
            if set.count_ones() as usize != view.mines {
                continue;
            }
            let mined =
                |cell: usize| closed.iter().position(|c| *c == cell).is_some_and(|i| set >> i & 1 == 1);
            let fits = (0..view.numbers.len()).all(|i| {
                view.numbers[i].is_none_or(|n| around(view.size, i).filter(|c| mined(*c)).count() == n)
            });
            if fits {
                total += 1.0;
                closed.iter().filter(|c| mined(**c)).for_each(|c| with_mine[*c] += 1.0);
            }
        }
        with_mine.iter().map(|w| w / total).collect()
    }

    #[test]
    fn chances_are_those_of_brute_force() {
        let mut rng = Seed::new(11).rng();
        for _ in 0..60 {
            let mut cells: Vec<usize> = (0..16).collect();
            rng.shuffle(&mut cells);
            let mines = 2 + rng.below(3);
            let open = 2 + rng.below(5);
            let (mined, rest) = cells.split_at(mines);
            let mut view = View { size: 4, numbers: vec![None; 16], mines };
            for cell in &rest[..open] {
                view.numbers[*cell] = Some(around(4, *cell).filter(|c| mined.contains(c)).count());
            }
            let (found, wanted) = (chances(&view), brute_force(&view));
            for (cell, (a, b)) in found.iter().zip(&wanted).enumerate() {
                assert!((a - b).abs() < 1e-11, "{:?} cell {cell}: {a} and not {b}", view.numbers);
            }
        }
    }

    #[test]
    fn a_field_without_numbers_is_even() {
        let view = View { size: 4, numbers: vec![None; 16], mines: 4 };
        assert!(chances(&view).iter().all(|c| (c - 0.25).abs() < 1e-12));
    }
}
