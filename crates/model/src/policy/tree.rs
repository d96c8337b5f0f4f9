//! The members of a group as a tree: what members begin with is computed once for all of them.
//!
//! Members share more than their prompt. In a game several give the same answer, or the same first answers, and
//! then the rest of their episodes begins alike. The decoder is causal, so rows with the same past are the same
//! rows, whoever wrote the tokens.

use std::ops::Range;

use eyas_core::{ImageId, Trajectory};

/// A token as the model sees it: its id, and for the placeholder of an image which image.
pub(super) type Key = (u32, Option<ImageId>);

/// Neighbouring tokens that the same members share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Which tokens of each of the members.
    pub(super) tokens: Range<usize>,
    /// The piece before it, unless it is the first of its members.
    pub(super) parent: Option<usize>,
    /// The members, ascending.
    pub(super) members: Vec<usize>,
}

/// The first `len` tokens of a trajectory.
pub(super) fn keys(trajectory: &Trajectory, len: usize) -> Vec<Key> {
    let mut keys: Vec<Key> = trajectory.ids()[..len].iter().map(|id| (*id, None)).collect();
    for span in trajectory.images() {
        let placeholders = keys.iter_mut().skip(span.start).take(span.len);
        placeholders.for_each(|(_, image)| *image = Some(span.id));
    }
    keys
}

/// The pieces of `sequences`; each after its parent, and the first that continues it right behind it.
pub(super) fn pieces(sequences: &[Vec<Key>]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for branch in branches(sequences, (0..sequences.len()).collect(), 0) {
        grow(sequences, branch, 0, None, &mut pieces);
    }
    pieces
}

/// Appends the pieces of members that begin alike up to `from`, and with the same token there.
fn grow(
    sequences: &[Vec<Key>],
    members: Vec<usize>,
    from: usize,
    parent: Option<usize>,
    pieces: &mut Vec<Piece>,
) {
    let first = &sequences[members[0]];
    let end = members.iter().fold(first.len(), |end, &m| {
        let alike = first[from..end].iter().zip(&sequences[m][from..]).take_while(|(a, b)| a == b);
        from + alike.count()
    });
    let number = pieces.len();
    let branches = branches(sequences, members.clone(), end);
    pieces.push(Piece { tokens: from..end, parent, members });
    for branch in branches {
        grow(sequences, branch, end, Some(number), pieces);
    }
}

/// Members that go on at token `at`, those with the same token there together.
fn branches(sequences: &[Vec<Key>], members: Vec<usize>, at: usize) -> Vec<Vec<usize>> {
    let mut branches: Vec<Vec<usize>> = Vec::new();
    for member in members {
        let Some(key) = sequences[member].get(at) else { continue };
        match branches.iter_mut().find(|branch| sequences[branch[0]][at] == *key) {
            Some(branch) => branch.push(member),
            None => branches.push(vec![member]),
        }
    }
    branches
}

/// Tokens that a packed group takes at most: what members begin with counts once, and so does the end of each,
/// which is left out where nothing is asked of it.
pub fn packed_tokens(members: &[&Trajectory]) -> usize {
    let keys: Vec<Vec<Key>> = members.iter().map(|t| keys(t, t.len())).collect();
    pieces(&keys).iter().map(|piece| piece.tokens.len()).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn sequences(of: &[&[u32]]) -> Vec<Vec<Key>> {
        of.iter().map(|ids| ids.iter().map(|id| (*id, None)).collect()).collect()
    }

    #[test]
    fn members_part_where_they_differ() {
        let s = sequences(&[&[1, 2, 3, 4], &[1, 2, 5], &[1, 2, 3, 4], &[1, 2], &[1, 2, 3, 6], &[7]]);
        let piece = |tokens, parent, members: &[usize]| Piece { tokens, parent, members: members.to_vec() };
        assert_eq!(
            pieces(&s),
            [
                piece(0..2, None, &[0, 1, 2, 3, 4]),
                piece(2..3, Some(0), &[0, 2, 4]),
                piece(3..4, Some(1), &[0, 2]),
                piece(3..4, Some(1), &[4]),
                piece(2..3, Some(0), &[1]),
                piece(0..1, None, &[5]),
            ]
        );
        assert!(pieces(&sequences(&[&[], &[]])).is_empty());
    }

    proptest! {
        /// As many rows as there are distinct beginnings, and each member's pieces give its tokens in order.
        #[test]
        fn every_beginning_is_there_once(
            ids in prop::collection::vec(prop::collection::vec(0u32..3, 0..7), 1..9)
        ) {
            let s: Vec<Vec<Key>> = sequences(&ids.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let pieces = pieces(&s);
            let beginnings: BTreeSet<&[Key]> =
                s.iter().flat_map(|s| (1..=s.len()).map(move |n| &s[..n])).collect();
            prop_assert_eq!(pieces.iter().map(|p| p.tokens.len()).sum::<usize>(), beginnings.len());
            for (member, sequence) in s.iter().enumerate() {
                let mut at = (0, None);
                for (n, piece) in pieces.iter().enumerate().filter(|(_, p)| p.members.contains(&member)) {
                    prop_assert_eq!((piece.tokens.start, piece.parent), at);
                    at = (piece.tokens.end, Some(n));
                }
                prop_assert_eq!(at.0, sequence.len());
            }
        }
    }
}
