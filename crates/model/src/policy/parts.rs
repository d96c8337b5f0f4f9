//! Cutting a batch into parts that cost about the same.
//!
//! Where the cuts fall depends on the batch and the model alone, not on the number of threads.

use eyas_core::Trajectory;

use super::tree::{Key, keys, pieces};

/// The fewest tokens of a part, about: halves need not be equal. Each adds up a gradient of its own, which costs
/// about as much as twenty tokens.
const FEWEST: usize = 512;
/// Tokens of a part of a large batch.
const USUAL: usize = 2048;
/// A part has at least about one token for so many parameters, so that its gradient takes no more memory than
/// what is kept of its tokens.
const PARAMETERS_PER_TOKEN: usize = 8192;

/// How many parts a batch of `tokens` is cut into where it can be: a power of two, as many threads share them
/// evenly.
fn count(tokens: usize, parameters: usize) -> usize {
    let needed = parameters / PARAMETERS_PER_TOKEN;
    match tokens / USUAL.max(needed) {
        0..4 if tokens >= 2 * FEWEST.max(needed) => 2,
        0..4 => 1,
        large => 1 << large.ilog2(),
    }
}

/// What a model of so many parameters costs, in products for a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Costs {
    /// Parameters in all.
    pub(super) parameters: usize,
    /// Of a token of text.
    pub(super) text: usize,
    /// Of a placeholder of an image: what stands behind it in the vision tower too, if that is computed anew.
    pub(super) image: usize,
}

impl Costs {
    fn of(self, keys: &[Key]) -> usize {
        keys.iter().map(|(_, image)| if image.is_some() { self.image } else { self.text }).sum()
    }
}

/// A group of a part: its number in the batch, and which of its members.
pub(super) type Members = (usize, Vec<usize>);

/// Cuts a batch into parts. A group may be in two of them; what the members on both sides begin with is
/// computed in both then.
pub(super) fn parts(groups: &[Vec<&Trajectory>], costs: Costs) -> Vec<Vec<Members>> {
    let (mut places, mut tokens) = (Vec::new(), 0);
    for (group, members) in groups.iter().enumerate() {
        let keys: Vec<Vec<Key>> = members.iter().map(|t| keys(t, t.len())).collect();
        let pieces = pieces(&keys);
        tokens += pieces.iter().map(|piece| piece.tokens.len()).sum::<usize>();
        let mut last: &[Key] = &[];
        for piece in &pieces {
            for &member in piece.members.iter().filter(|m| keys[**m].len() == piece.tokens.end) {
                let own = &keys[member];
                let shared = own.iter().zip(last).take_while(|(a, b)| a == b).count();
                places.push(Place { group, member, shared: costs.of(&own[..shared]), whole: costs.of(own) });
                last = own;
            }
        }
    }
    let mut runs = vec![places.as_slice()];
    for _ in 0..count(tokens, costs.parameters).ilog2() {
        runs = runs.into_iter().flat_map(halves).collect();
    }
    runs.into_iter().map(together).collect()
}

/// A member, in an order in which neighbours begin alike for longest.
struct Place {
    group: usize,
    member: usize,
    /// Cost of what it begins with like the one before it.
    shared: usize,
    /// Cost of all of it.
    whole: usize,
}

/// Cut where the dearer half is cheapest; whole if it can not be cut, or too much would be computed twice.
fn halves(run: &[Place]) -> Vec<&[Place]> {
    let Some(first) = run.first() else { return vec![run] };
    let total = first.whole + run[1..].iter().map(|place| place.whole - place.shared).sum::<usize>();
    let mut left = first.whole;
    let mut best = (total - total / 4, run.len());
    for (i, place) in run.iter().enumerate().skip(1) {
        best = best.min((left.max(total - left + place.shared), i));
        left += place.whole - place.shared;
    }
    let (left, right) = run.split_at(best.1);
    if right.is_empty() { vec![left] } else { vec![left, right] }
}

/// The members of a run by group, both ascending.
fn together(run: &[Place]) -> Vec<Members> {
    let mut groups: Vec<Members> = Vec::new();
    for place in run {
        match groups.last_mut().filter(|(group, _)| *group == place.group) {
            Some((_, members)) => members.push(place.member),
            None => groups.push((place.group, vec![place.member])),
        }
    }
    groups.iter_mut().for_each(|(_, members)| members.sort_unstable());
    groups
}

#[cfg(test)]
mod tests {
    use eyas_core::TokenKind;

    use super::*;

    fn trajectory(prompt: u32, len: usize, answer: u32) -> Trajectory {
        let mut t = Trajectory::new(5);
        t.push_text(&[10 + prompt; 10], 0).unwrap();
        t.push_sampled(&vec![answer; len], &vec![TokenKind::Answer; len], &vec![-1.0; len], 0).unwrap();
        t
    }

    fn cut(groups: &[Vec<Trajectory>], parameters: usize) -> Vec<Vec<Members>> {
        let groups: Vec<Vec<&Trajectory>> = groups.iter().map(|members| members.iter().collect()).collect();
        parts(&groups, Costs { parameters, text: 1, image: 5 })
    }

    #[test]
    fn small_batches_and_large_models_are_not_cut() {
        let groups = |n: u32, len| (0..n).map(|g| vec![trajectory(g, len, 1)]).collect::<Vec<_>>();
        assert_eq!(cut(&groups(3, 290), 1_000_000).len(), 1);
        assert_eq!(cut(&groups(8, 990), 3_000_000_000).len(), 1);
        let halves = cut(&groups(32, 96), 4_570_000);
        assert_eq!(halves.iter().map(Vec::len).collect::<Vec<_>>(), [16, 16]);
        assert_eq!(cut(&groups(20, 490), 4_570_000).len(), 4);
        assert_eq!(cut(&groups(1, 9000), 1).len(), 1, "one sequence is never cut");
        assert!(cut(&[], 1).iter().all(Vec::is_empty));
    }

    #[test]
    fn a_large_group_is_cut_between_members_that_differ_early() {
        // 10 + 4 × 300 tokens; the first and the third are alike.
        let members = [1, 2, 1, 3].map(|answer| trajectory(7, 500, answer)).to_vec();
        let small = vec![trajectory(8, 20, 1)];
        assert_eq!(cut(&[small, members], 1), [vec![(0, vec![0]), (1, vec![0, 2])], vec![(1, vec![1, 3])]],);
        // Nothing is gained where nearly all would be computed twice.
        let alike = [900, 901].map(|len| trajectory(7, len, 1)).to_vec();
        let other = vec![trajectory(8, 200, 1)];
        assert_eq!(cut(&[alike, other], 1), [vec![(0, vec![0, 1]), (1, vec![0])]]);
    }

    #[test]
    fn the_picture_of_a_prompt_counts() {
        let costs = Costs { parameters: 1, text: 1, image: 5 };
        let image = eyas_core::Image::new(1, 1, vec![0; 3]).unwrap().id();
        let mut t = Trajectory::new(5);
        t.push_text(&[1, 2], 0).unwrap();
        t.push_image(image, 4, 0).unwrap();
        assert_eq!(costs.of(&keys(&t, t.len())), 22);
    }
}
