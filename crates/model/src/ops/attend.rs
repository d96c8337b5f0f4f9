//! The decoding side of attention: new tokens against what their sequences remember.
//!
//! Sequences that continue the same prompt read its keys and values together, so what is loaded of them
//! serves the queries of a whole group (as in Hydragen, Juravsky et al. 2024, arXiv 2402.05099). Every sum
//! runs over its terms in order, the prompt first: a row's result depends on nothing but the row and what it
//! sees, not on which others are computed with it, nor on where the prompt ends.

use std::ops::Range;

use pulp::Simd;

use super::key_values::{KeyValues, PANEL};
use super::panel::{Blocks, Tiled, add_outer, block, in_blocks, tiled};
use super::simd::softmax_inline;

/// Rows whose scores exist at once.
const ROWS: usize = 32;
/// Tokens whose values all queries take before the next ones are read.
const TOKENS: usize = 64;

/// New tokens of a sequence.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    /// What it remembers beyond the common prompt, its new tokens included.
    pub(crate) own: &'a KeyValues,
    /// How many of its last tokens ask; each sees what is before it, and itself.
    pub(crate) rows: usize,
}

/// Attention of sequences that continue `common`. `q` (rotated) and `out` are `[rows, heads·head_dim]`, the
/// rows of the readers one after the other; `scratch` is reused between calls.
pub(crate) fn attend(
    out: &mut [f32],
    q: &[f32],
    common: &KeyValues,
    readers: &[Reader<'_>],
    head_dim: usize,
    scratch: &mut Vec<f32>,
) {
    let rows: usize = readers.iter().map(|r| r.rows).sum();
    let width = q.len() / rows.max(1);
    assert_eq!((q.len(), out.len()), (rows * width, rows * width), "rows of queries");
    assert!(width.is_multiple_of(common.columns()), "heads of queries");
    let mut run = |pieces: &mut Vec<Piece<'_>>, rows: Range<usize>| {
        let columns = rows.start * width..rows.end * width;
        let (out, q) = (&mut out[columns.clone()], &q[columns]);
        let pieces = std::mem::take(pieces);
        tiled(Attend { out, q, width, head_dim, common, pieces, scores: scratch });
    };
    let mut pieces = Vec::new();
    let (mut start, mut end) = (0, 0);
    for reader in readers {
        assert!(reader.rows <= reader.own.len(), "rows of a reader");
        let mut sees = reader.own.len() - reader.rows;
        while sees < reader.own.len() {
            let rows = (reader.own.len() - sees).min(start + ROWS - end);
            pieces.push(Piece { own: reader.own, rows, sees: sees + 1 });
            end += rows;
            sees += rows;
            if end == start + ROWS {
                run(&mut pieces, start..end);
                start = end;
            }
        }
    }
    if end > start {
        run(&mut pieces, start..end);
    }
}

/// Neighbouring rows of one sequence.
struct Piece<'a> {
    own: &'a KeyValues,
    rows: usize,
    /// Tokens of its own that the first row sees; each further row sees one more.
    sees: usize,
}

/// Some queries and the tokens that all or some of them see.
struct Part<'a> {
    tokens: &'a KeyValues,
    seen: usize,
    /// Where their scores stand in a row of scores.
    first: usize,
    queries: Range<usize>,
}

struct Attend<'a> {
    out: &'a mut [f32],
    q: &'a [f32],
    width: usize,
    head_dim: usize,
    common: &'a KeyValues,
    pieces: Vec<Piece<'a>>,
    scores: &'a mut Vec<f32>,
}

impl Tiled for Attend<'_> {
    #[inline(always)]
    fn run<S: Simd, const C: usize, const R: usize>(self, simd: S) {
        let Self { out, q, width, head_dim, common, pieces, scores } = self;
        let columns = common.columns();
        let per_kv = width / columns;
        let scale = (head_dim as f32).powf(-0.5);

        // Query `i` of a key-value head is head `i % per_kv` of those that share it, in row `i / per_kv`.
        let mut parts = vec![];
        let mut queries = 0;
        for piece in &pieces {
            let (seen, count) = (piece.sees + piece.rows - 1, piece.rows * per_kv);
            let queries_of = queries..queries + count;
            parts.push(Part { tokens: piece.own, seen, first: common.len(), queries: queries_of });
            queries += count;
        }
        if !common.is_empty() {
            parts.insert(0, Part { tokens: common, seen: common.len(), first: 0, queries: 0..queries });
        }
        let stride = parts.iter().map(|part| part.first + part.seen).max().unwrap_or(0);
        scores.resize(scores.len().max(queries * stride), 0.0);
        out.fill(0.0);
        for column in (0..columns).step_by(head_dim) {
            let place = Place { column: column * per_kv, width, per_kv, head_dim };
            for part in &parts {
                let keys = part.tokens.panels(column, head_dim).take(part.seen.div_ceil(PANEL));
                for (panel, keys) in keys.enumerate() {
                    let first = part.first + panel * PANEL;
                    let lanes = (part.seen - panel * PANEL).min(PANEL);
                    let mut score = Score::<S, C> { simd, scores, stride, first, lanes, keys, q, place };
                    in_blocks::<R>(part.queries.clone(), &mut score);
                }
            }
            let mut rows = scores.chunks_exact_mut(stride);
            for piece in &pieces {
                for row in 0..piece.rows {
                    let seen = common.len() + piece.sees + row;
                    for row in rows.by_ref().take(per_kv) {
                        let (row, hidden) = row.split_at_mut(seen);
                        softmax_inline(simd, row, scale);
                        hidden.fill(0.0);
                    }
                }
            }
            for part in &parts {
                for start in (0..part.seen).step_by(TOKENS) {
                    let tokens = start..(start + TOKENS).min(part.seen);
                    let weights = part.first + start;
                    let values = &part.tokens.values()[tokens.start * columns..tokens.end * columns];
                    let mut mix =
                        Mix::<S, C> { simd, out, scores, stride, weights, values, columns, column, place };
                    in_blocks::<R>(part.queries.clone(), &mut mix);
                }
            }
        }
    }
}

/// Where the queries of a key-value head stand.
#[derive(Clone, Copy)]
struct Place {
    column: usize,
    width: usize,
    per_kv: usize,
    head_dim: usize,
}

impl Place {
    #[inline(always)]
    fn of(self, query: usize) -> Range<usize> {
        let start = query / self.per_kv * self.width + self.column + query % self.per_kv * self.head_dim;
        start..start + self.head_dim
    }
}

/// `scores = q·keys` for one panel of keys.
struct Score<'a, S, const C: usize> {
    simd: S,
    scores: &'a mut [f32],
    stride: usize,
    first: usize,
    lanes: usize,
    keys: &'a [f32],
    q: &'a [f32],
    place: Place,
}

impl<S: Simd, const C: usize> Blocks for Score<'_, S, C> {
    #[inline(always)]
    fn block<const N: usize>(&mut self, query: usize) {
        let q: [&[f32]; N] = std::array::from_fn(|n| &self.q[self.place.of(query + n)]);
        let sums = block::<S, C, N>(self.simd, self.keys, q);
        for (n, sums) in sums.iter().enumerate() {
            let start = (query + n) * self.stride + self.first;
            self.scores[start..start + self.lanes].copy_from_slice(&sums[..self.lanes]);
        }
    }
}

/// `out += weights·values` for some tokens.
struct Mix<'a, S, const C: usize> {
    simd: S,
    out: &'a mut [f32],
    scores: &'a [f32],
    stride: usize,
    /// Where the weights stand in a row of scores.
    weights: usize,
    values: &'a [f32],
    columns: usize,
    column: usize,
    place: Place,
}

impl<S: Simd, const C: usize> Blocks for Mix<'_, S, C> {
    #[inline(always)]
    fn block<const N: usize>(&mut self, query: usize) {
        let head_dim = self.place.head_dim;
        let mut done = 0;
        while done + C * S::F32_LANES <= head_dim {
            self.registers::<C, N>(query, done);
            done += C * S::F32_LANES;
        }
        while done + S::F32_LANES <= head_dim {
            self.registers::<1, N>(query, done);
            done += S::F32_LANES;
        }
        for query in query..query + N {
            let weights = &self.scores[query * self.stride + self.weights..];
            for column in done..head_dim {
                let out = &mut self.out[self.place.of(query)][column];
                for (weight, row) in weights.iter().zip(self.values.chunks_exact(self.columns)) {
                    *out += weight * row[self.column + column];
                }
            }
        }
    }
}

impl<S: Simd, const C: usize> Mix<'_, S, C> {
    /// `W` registers of columns from `first`.
    #[inline(always)]
    fn registers<const W: usize, const N: usize>(&mut self, query: usize, first: usize) {
        let simd = self.simd;
        let wide = W * S::F32_LANES;
        let tokens = self.values.len() / self.columns;
        let weights: [&[f32]; N] =
            std::array::from_fn(|n| &self.scores[(query + n) * self.stride + self.weights..][..tokens]);
        let mut sums = [[simd.splat_f32s(0.0); W]; N];
        for (n, sums) in sums.iter_mut().enumerate() {
            let out = &self.out[self.place.of(query + n)][first..first + wide];
            sums.copy_from_slice(S::as_simd_f32s(out).0);
        }
        for (t, row) in self.values.chunks_exact(self.columns).enumerate().take(tokens) {
            let row = S::as_simd_f32s(&row[self.column + first..][..wide]).0;
            let row: &[S::f32s; W] = row.as_chunks().0.first().expect("wide enough");
            let weights: [S::f32s; N] = std::array::from_fn(|n| simd.splat_f32s(weights[n][t]));
            add_outer(simd, &mut sums, &weights, row);
        }
        for (n, sums) in sums.iter().enumerate() {
            let out = &mut self.out[self.place.of(query + n)][first..first + wide];
            S::as_mut_simd_f32s(out).0.copy_from_slice(sums);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::Seed;

    struct Random(eyas_core::Rng);

    impl Random {
        fn row(&mut self, n: usize) -> Vec<f32> {
            (0..n).map(|_| self.0.normal() as f32).collect()
        }
        fn tokens(&mut self, n: usize, columns: usize) -> KeyValues {
            let mut all = KeyValues::new(columns);
            (0..n).for_each(|_| all.push(&self.row(columns), &self.row(columns)));
            all
        }
    }

    fn run(q: &[f32], common: &KeyValues, readers: &[Reader<'_>], head_dim: usize) -> Vec<f32> {
        let mut out = vec![9.0; q.len()];
        attend(&mut out, q, common, readers, head_dim, &mut vec![5.0; 3]);
        out
    }

    #[test]
    fn equals_the_formula() {
        let mut random = Random(Seed::new(1).rng());
        for (head_dim, kv_heads, per_kv, common, own) in [
            (64, 2, 2, 45, vec![(3, 1), (70, 1), (1, 1)]),
            (8, 1, 1, 0, vec![(1, 1)]),
            (20, 2, 3, 4, vec![(100, 90), (2, 2)]),
            (80, 1, 2, 33, vec![(7, 7), (40, 1)]),
        ] {
            let columns = kv_heads * head_dim;
            let width = columns * per_kv;
            let common = random.tokens(common, columns);
            let own: Vec<(KeyValues, usize)> =
                own.into_iter().map(|(n, rows)| (random.tokens(n, columns), rows)).collect();
            let readers: Vec<Reader<'_>> =
                own.iter().map(|(own, rows)| Reader { own, rows: *rows }).collect();
            let q = random.row(readers.iter().map(|r| r.rows).sum::<usize>() * width);
            let out = run(&q, &common, &readers, head_dim);
            let mut rows = q.chunks_exact(width).zip(out.chunks_exact(width));
            for reader in &readers {
                let mut all = common.clone();
                all.append(reader.own);
                for row in 0..reader.rows {
                    let (q, out) = rows.next().unwrap();
                    let seen = all.len() - reader.rows + row + 1;
                    for head in 0..kv_heads * per_kv {
                        let column = head / per_kv * head_dim;
                        let panels: Vec<&[f32]> = all.panels(column, head_dim).collect();
                        let scores: Vec<f64> = (0..seen)
                            .map(|t| {
                                let key = |i: usize| panels[t / PANEL][i * PANEL + t % PANEL];
                                let dot: f32 = (0..head_dim).map(|i| q[head * head_dim + i] * key(i)).sum();
                                (f64::from(dot) / (head_dim as f64).sqrt()).exp()
                            })
                            .collect();
                        let total: f64 = scores.iter().sum();
                        for i in 0..head_dim {
                            let values = all.values().chunks_exact(columns).map(|v| f64::from(v[column + i]));
                            let expected: f64 = scores.iter().zip(values).map(|(s, v)| s / total * v).sum();
                            let got = f64::from(out[head * head_dim + i]);
                            assert!((got - expected).abs() < 1e-5, "{head_dim}: {got} is not {expected}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_depends_on_neither_its_neighbours_nor_where_the_prompt_ends() {
        let mut random = Random(Seed::new(2).rng());
        let (head_dim, columns, width) = (24, 48, 96);
        let common = random.tokens(37, columns);
        let own: Vec<KeyValues> = [1, 50, 7, 33, 2].into_iter().map(|n| random.tokens(n, columns)).collect();
        let rows = [1, 40, 1, 3, 2];
        let readers: Vec<Reader<'_>> = own.iter().zip(rows).map(|(own, rows)| Reader { own, rows }).collect();
        let q = random.row(rows.iter().sum::<usize>() * width);
        let together = run(&q, &common, &readers, head_dim);
        let mut first = 0;
        for reader in &readers {
            let q = &q[first * width..][..reader.rows * width];
            let expected = &together[first * width..][..reader.rows * width];
            first += reader.rows;
            assert_eq!(run(q, &common, &[*reader], head_dim), expected);
            // Its last row alone, and with the prompt as a part of its own.
            let (last, of_last) =
                (q.chunks(width).next_back().unwrap(), expected.chunks(width).next_back().unwrap());
            assert_eq!(run(last, &common, &[Reader { rows: 1, ..*reader }], head_dim), of_last);
            let mut all = common.clone();
            all.append(reader.own);
            let alone = Reader { own: &all, rows: reader.rows };
            assert_eq!(run(q, &KeyValues::new(columns), &[alone], head_dim), expected);
        }
    }
}
