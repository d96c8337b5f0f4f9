//! Groups of trajectories -> one packed batch without padding, what the members of a group begin with once.

use std::collections::BTreeMap;

use eyas_core::{ImageId, Trajectory};

use crate::arch::Positions;
use crate::ops::Segments;

use super::PolicyError;
use super::tree::{keys, pieces};

/// Which tokens are scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Targets {
    /// The tokens the policy wrote.
    Sampled,
    /// Every token but the first and the image placeholders.
    All,
    /// Of each trajectory the end of what the policy wrote: the value is that of the state behind its last
    /// sampled token, where a reward model reads its score. Log-prob and entropy of that row say nothing. A
    /// trajectory without a sampled token has none.
    End,
    /// Of each turn that the policy wrote, the state before its first token and the state behind its last one,
    /// each with that token as its origin: where critics of utterances read.
    Turns,
}

/// Where a scored token came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The group in the batch.
    pub group: usize,
    /// The member in the group.
    pub member: usize,
    /// The token in the member's trajectory.
    pub token: usize,
}

impl Origin {
    /// What scores are ordered by.
    pub(super) fn place(self) -> (usize, usize, usize) {
        (self.group, self.member, self.token)
    }
}

/// A packed batch.
pub(crate) struct Packed {
    pub(crate) ids: Vec<u32>,
    /// For image tokens, the row in the concatenated visual tokens of `images`.
    pub(crate) visual: Vec<Option<usize>>,
    pub(crate) positions: Vec<[u32; 3]>,
    pub(crate) segments: Segments,
    /// Distinct images in order of first appearance.
    pub(crate) images: Vec<ImageId>,
    /// Rows of visual tokens of `images`.
    visual_rows: usize,
    /// What is scored, each once: the row whose hidden state predicts it, and the token.
    pub(crate) target_rows: Vec<i64>,
    pub(crate) targets: Vec<u32>,
    pub(crate) origins: Origins,
}

/// The tokens that were asked for, in the order (group, member, token).
#[derive(Default)]
pub(crate) struct Origins {
    pub(crate) tokens: Vec<Origin>,
    /// The place of each among the packed targets. Members that wrote the same after the same share it.
    pub(crate) places: Vec<usize>,
}

/// Packs `groups`. `grid(image)` gives the merged rows and columns of an image.
pub(crate) fn pack(
    groups: &[Vec<&Trajectory>],
    targets: Targets,
    grid: &dyn Fn(ImageId) -> Option<(usize, usize)>,
) -> Result<Packed, PolicyError> {
    let mut packed = Packed {
        ids: Vec::new(),
        visual: Vec::new(),
        positions: Vec::new(),
        segments: Segments::new(true),
        images: Vec::new(),
        visual_rows: 0,
        target_rows: Vec::new(),
        targets: Vec::new(),
        origins: Origins::default(),
    };
    let mut first_row: BTreeMap<ImageId, usize> = BTreeMap::new();
    for (group, members) in groups.iter().enumerate() {
        let wanted: Vec<Vec<(usize, usize)>> = members.iter().map(|t| wanted(t, targets)).collect();
        // Nothing depends on what comes after the last state that is asked.
        let lengths: Vec<usize> =
            wanted.iter().map(|w| w.iter().map(|(state, _)| state + 1).max().unwrap_or(0)).collect();
        let rows = packed.place(members, &lengths, &mut first_row, grid)?;
        let mut places: BTreeMap<(usize, u32), usize> = BTreeMap::new();
        for (member, wanted) in wanted.into_iter().enumerate() {
            for (state, token) in wanted {
                let target = (rows[member][state], members[member].ids()[token]);
                let place = *places.entry(target).or_insert_with(|| {
                    packed.target_rows.push(target.0 as i64);
                    packed.targets.push(target.1);
                    packed.targets.len() - 1
                });
                packed.origins.tokens.push(Origin { group, member, token });
                packed.origins.places.push(place);
            }
        }
    }
    Ok(packed)
}

/// The states that are asked of a trajectory, each with the token that it is asked for: `(state, token)`.
fn wanted(trajectory: &Trajectory, targets: Targets) -> Vec<(usize, usize)> {
    let last = trajectory.kinds().iter().rposition(|kind| kind.is_sampled());
    let mut wanted = Vec::new();
    for token in 1..trajectory.len() {
        let kind = trajectory.kinds()[token];
        // The state before the token, at an end the token's own.
        let (before, own) = match targets {
            Targets::Sampled => (kind.is_sampled(), false),
            Targets::All => (kind != eyas_core::TokenKind::Image, false),
            Targets::End => (false, last == Some(token)),
            Targets::Turns => turn_ends(trajectory, token),
        };
        let states = [before.then_some(token - 1), own.then_some(token)];
        wanted.extend(states.into_iter().flatten().map(|state| (state, token)));
    }
    wanted
}

/// What the model reads of each token of a trajectory beside its id, as in [`Packed`].
struct Read {
    positions: Vec<[u32; 3]>,
    visual: Vec<Option<usize>>,
}

impl Packed {
    /// Appends the first `lengths` tokens of the members of a group; gives the row of each.
    fn place(
        &mut self,
        members: &[&Trajectory],
        lengths: &[usize],
        first_row: &mut BTreeMap<ImageId, usize>,
        grid: &dyn Fn(ImageId) -> Option<(usize, usize)>,
    ) -> Result<Vec<Vec<usize>>, PolicyError> {
        let mut sequences = Vec::with_capacity(members.len());
        let mut read = Vec::with_capacity(members.len());
        for (trajectory, &len) in members.iter().zip(lengths) {
            sequences.push(keys(trajectory, len));
            read.push(self.read(trajectory, len, first_row, grid)?);
        }
        let mut rows: Vec<Vec<usize>> = vec![Vec::new(); members.len()];
        let mut numbers = Vec::new();
        for piece in pieces(&sequences) {
            let first = piece.members[0];
            let (start, len) = (self.ids.len(), piece.tokens.len());
            numbers.push(self.segments.push(len, piece.parent.map(|parent: usize| numbers[parent])));
            let Read { positions, visual } = &read[first];
            self.ids.extend_from_slice(&members[first].ids()[piece.tokens.clone()]);
            self.visual.extend_from_slice(&visual[piece.tokens.clone()]);
            self.positions.extend_from_slice(&positions[piece.tokens]);
            piece.members.into_iter().for_each(|member| rows[member].extend(start..start + len));
        }
        Ok(rows)
    }

    /// What the model reads of the first `len` tokens beside their ids; takes in their images.
    fn read(
        &mut self,
        trajectory: &Trajectory,
        len: usize,
        first_row: &mut BTreeMap<ImageId, usize>,
        grid: &dyn Fn(ImageId) -> Option<(usize, usize)>,
    ) -> Result<Read, PolicyError> {
        let mut positions = Positions::default();
        let mut visual = vec![None; len];
        let mut at = 0;
        for span in trajectory.images().iter().filter(|span| span.start < len) {
            let (rows, cols) = grid(span.id).ok_or(PolicyError::MissingImage { id: span.id })?;
            if rows * cols != span.len {
                return Err(PolicyError::ImageTokens {
                    id: span.id,
                    placeholders: span.len,
                    features: rows * cols,
                });
            }
            positions.text(span.start - at);
            positions.image(rows, cols);
            let first = *first_row.entry(span.id).or_insert_with(|| {
                self.images.push(span.id);
                self.visual_rows += span.len;
                self.visual_rows - span.len
            });
            // A picture is there as a whole: nothing is asked of a state in the middle of one.
            visual[span.start..].iter_mut().zip(first..first + span.len).for_each(|(v, row)| *v = Some(row));
            at = span.start + span.len;
        }
        positions.text(len.saturating_sub(at));
        Ok(Read { positions: positions.take_rows(), visual })
    }
}

/// Whether a token is the first and whether it is the last one that was sampled in its turn.
fn turn_ends(trajectory: &Trajectory, token: usize) -> (bool, bool) {
    let (kinds, turns) = (trajectory.kinds(), trajectory.turns());
    let same =
        |other: usize| kinds.get(other).is_some_and(|kind| kind.is_sampled()) && turns[other] == turns[token];
    let sampled = kinds[token].is_sampled();
    (sampled && !same(token - 1), sampled && !same(token + 1))
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use eyas_core::{Image, TokenKind};

    fn trajectory(prompt: &[u32], image: u8, answer: &[u32]) -> Trajectory {
        let mut t = Trajectory::new(5);
        t.push_text(prompt, 0).unwrap();
        t.push_image(Image::new(1, 1, vec![image; 3]).unwrap().id(), 4, 0).unwrap();
        t.push_text(&[9], 0).unwrap();
        t.push_sampled(answer, &vec![TokenKind::Answer; answer.len()], &vec![-1.0; answer.len()], 0).unwrap();
        t
    }

    /// The rows that each segment sees from its beginning on.
    fn paths(packed: &Packed) -> Vec<Vec<(usize, usize)>> {
        let pairs = |path: Vec<Range<usize>>| path.iter().map(|range| (range.start, range.end)).collect();
        (0..packed.segments.ranges().len()).map(|n| pairs(packed.segments.path(n))).collect()
    }

    #[test]
    fn what_members_begin_with_appears_once() {
        let (a, b) = (trajectory(&[1, 2], 7, &[3, 4]), trajectory(&[1, 2], 7, &[3, 6, 8]));
        let packed = pack(&[vec![&a, &b, &b]], Targets::Sampled, &|_| Some((2, 2))).unwrap();
        // The last token of each is predicted, and no row is needed of it.
        assert_eq!(packed.ids, [1, 2, 5, 5, 5, 5, 9, 3, 6]);
        assert_eq!(paths(&packed), [vec![(0, 8)], vec![(0, 9)]]);
        // 3 after the prompt, 4 or 6 after the 3, 8 after the 6.
        assert_eq!(packed.target_rows, [6, 7, 7, 8]);
        assert_eq!(packed.targets, [3, 4, 6, 8]);
        assert_eq!(packed.origins.places, [0, 1, 0, 2, 3, 0, 2, 3]);
        let of = |o: &Origin| (o.group, o.member, o.token);
        let members: Vec<_> = packed.origins.tokens.iter().map(of).collect();
        let (first, second) = ([(0, 0, 7), (0, 0, 8)], [(0, 1, 7), (0, 1, 8), (0, 1, 9)]);
        assert_eq!(members[..2], first);
        assert_eq!(members[2..5], second);
        // Text 0 1, image at 2 (2×2), then 4 for the closing token and on.
        assert_eq!(packed.positions[6..].iter().map(|p| p[0]).collect::<Vec<_>>(), [4, 5, 6]);
        assert_eq!(packed.visual[2..6], [Some(0), Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn the_end_is_the_row_of_the_last_sampled_token() {
        let (a, mut b) = (trajectory(&[1, 2], 7, &[3, 4]), trajectory(&[1, 2], 7, &[3, 6, 8]));
        b.push_text(&[9, 9], 0).unwrap();
        let mut given = Trajectory::new(5);
        given.push_text(&[1, 2], 0).unwrap();
        let packed = pack(&[vec![&a, &b], vec![&a], vec![&given]], Targets::End, &|_| Some((2, 2))).unwrap();
        // The prompt and the 3 once in rows 0..8, then 4 | 6 8 | the lone one; nothing of the one without an end.
        assert_eq!(packed.target_rows, [8, 10, 11 + 8]);
        assert_eq!(packed.ids.len(), 20);
        assert_eq!(
            packed.origins.tokens.iter().map(|o| (o.group, o.member, o.token)).collect::<Vec<_>>(),
            [(0, 0, 8), (0, 1, 9), (1, 0, 8)]
        );
    }

    #[test]
    fn turns_are_read_before_and_behind() {
        let mut a = trajectory(&[1, 2], 7, &[3, 4, 3]);
        a.push_text(&[9], 1).unwrap();
        a.push_sampled(&[6], &[TokenKind::Answer], &[-1.0], 1).unwrap();
        let packed = pack(&[vec![&a]], Targets::Turns, &|_| Some((2, 2))).unwrap();
        // 7 tokens of prompt, 3 4 3 in rows 7 to 9, 9 in row 10, 6 in row 11.
        assert_eq!(packed.target_rows, [6, 9, 10, 11]);
        assert_eq!(packed.origins.tokens.iter().map(|o| o.token).collect::<Vec<_>>(), [7, 9, 11, 11]);
    }

    #[test]
    fn different_pictures_part_what_reads_alike() {
        let (a, b) = (trajectory(&[1, 2], 7, &[3, 4]), trajectory(&[1, 2], 8, &[3, 4]));
        let packed = pack(&[vec![&a, &b]], Targets::Sampled, &|_| Some((2, 2))).unwrap();
        assert_eq!(paths(&packed), [vec![(0, 2)], vec![(0, 8)], vec![(0, 2), (8, 14)]]);
        assert_eq!(packed.images.len(), 2);
        assert_eq!(packed.visual[8], Some(4));
        assert_eq!(packed.origins.places, [0, 1, 2, 3]);
    }

    #[test]
    fn wrong_feature_counts_are_errors() {
        let a = trajectory(&[1], 7, &[3]);
        let error = pack(&[vec![&a]], Targets::Sampled, &|_| Some((3, 2))).err().map(|e| e.to_string());
        assert!(error.is_some_and(|e| e.contains("4 placeholders") && e.contains("6 visual tokens")));
        assert!(pack(&[vec![&a]], Targets::Sampled, &|_| None).is_err());
    }
}
