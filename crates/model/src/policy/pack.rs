//! Groups of trajectories -> one packed batch without padding, each group's common prompt once.

use std::collections::BTreeMap;

use eyas_core::{ImageId, Trajectory};

use crate::arch::Positions;
use crate::ops::{Family, Segments};

use super::PolicyError;

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

/// A packed batch.
pub(crate) struct Packed {
    pub(crate) ids: Vec<u32>,
    /// For image tokens, the row in the concatenated visual tokens of `images`.
    pub(crate) visual: Vec<Option<usize>>,
    pub(crate) positions: Vec<[u32; 3]>,
    pub(crate) segments: Segments,
    /// Distinct images in order of first appearance.
    pub(crate) images: Vec<ImageId>,
    /// The row whose hidden state predicts each target.
    pub(crate) target_rows: Vec<i64>,
    pub(crate) targets: Vec<u32>,
    pub(crate) origins: Vec<Origin>,
}

/// Tokens that a packed group takes: the prefix of its members once, and what is their own.
pub fn packed_tokens(members: &[&Trajectory]) -> usize {
    let shared = shared_prefix(members);
    shared + members.iter().map(|t| t.len() - shared).sum::<usize>()
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
        segments: Segments { causal: true, families: Vec::new() },
        images: Vec::new(),
        target_rows: Vec::new(),
        targets: Vec::new(),
        origins: Vec::new(),
    };
    let mut first_row: BTreeMap<ImageId, usize> = BTreeMap::new();
    let mut visual_rows = 0;
    for (group, members) in groups.iter().enumerate() {
        let shared = shared_prefix(members);
        let start = packed.ids.len();
        let mut family = Family { prefix: start..start + shared, suffixes: Vec::new() };
        for (member, trajectory) in members.iter().enumerate() {
            // The rows of this member's tokens: prefix rows first, then its own.
            let own_start = packed.ids.len() + if member == 0 { shared } else { 0 };
            let row_of =
                |token: usize| if token < shared { start + token } else { own_start + token - shared };
            let mut positions = Positions::default();
            let mut visual = vec![None; trajectory.len()];
            let mut at = 0;
            for span in trajectory.images() {
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
                    packed.images.push(span.id);
                    visual_rows += span.len;
                    visual_rows - span.len
                });
                (0..span.len).for_each(|i| visual[span.start + i] = Some(first + i));
                at = span.start + span.len;
            }
            positions.text(trajectory.len() - at);
            let from = if member == 0 { 0 } else { shared };
            packed.ids.extend_from_slice(&trajectory.ids()[from..]);
            packed.visual.extend_from_slice(&visual[from..]);
            packed.positions.extend_from_slice(&positions.rows()[from..]);
            if trajectory.len() > shared {
                family.suffixes.push(own_start..own_start + trajectory.len() - shared);
            }
            let last = trajectory.kinds().iter().rposition(|kind| kind.is_sampled());
            for token in 1..trajectory.len() {
                let kind = trajectory.kinds()[token];
                // The rows whose states are asked: the one before the token, at an end the token's own.
                let (before, own) = match targets {
                    Targets::Sampled => (kind.is_sampled(), false),
                    Targets::All => (kind != eyas_core::TokenKind::Image, false),
                    Targets::End => (false, last == Some(token)),
                    Targets::Turns => turn_ends(trajectory, token),
                };
                for row in [before.then_some(token - 1), own.then_some(token)].into_iter().flatten() {
                    packed.target_rows.push(row_of(row) as i64);
                    packed.targets.push(trajectory.ids()[token]);
                    packed.origins.push(Origin { group, member, token });
                }
            }
        }
        packed.segments.families.push(family);
    }
    Ok(packed)
}

/// Whether a token is the first and whether it is the last one that was sampled in its turn.
fn turn_ends(trajectory: &Trajectory, token: usize) -> (bool, bool) {
    let (kinds, turns) = (trajectory.kinds(), trajectory.turns());
    let same =
        |other: usize| kinds.get(other).is_some_and(|kind| kind.is_sampled()) && turns[other] == turns[token];
    let sampled = kinds[token].is_sampled();
    (sampled && !same(token - 1), sampled && !same(token + 1))
}

/// Number of leading tokens that all members share and nobody sampled. A lone member is all prefix.
fn shared_prefix(members: &[&Trajectory]) -> usize {
    let Some((first, rest)) = members.split_first() else { return 0 };
    if rest.is_empty() {
        return first.len();
    }
    let given = |t: &Trajectory| t.kinds().iter().position(|k| k.is_sampled()).unwrap_or(t.len());
    let mut shared = given(first);
    for other in rest {
        let same = first.ids().iter().zip(other.ids()).take_while(|(a, b)| a == b).count();
        shared = shared.min(same).min(given(other));
    }
    // Equal placeholders may stand for different pictures: cut before the first that differs, and
    // never in the middle of an image.
    let images = |t: &'_ Trajectory, i: usize| t.images().get(i).cloned();
    let mut i = 0;
    while let Some(span) = images(first, i).filter(|s| s.start < shared) {
        let everywhere = rest.iter().all(|t| images(t, i).as_ref() == Some(&span));
        if !everywhere || span.start + span.len > shared {
            return span.start;
        }
        i += 1;
    }
    shared
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn the_prompt_of_a_group_appears_once() {
        let (a, b) = (trajectory(&[1, 2], 7, &[3, 4]), trajectory(&[1, 2], 7, &[3, 6, 8]));
        let packed = pack(&[vec![&a, &b]], Targets::Sampled, &|_| Some((2, 2))).unwrap();
        assert_eq!(packed.ids, [1, 2, 5, 5, 5, 5, 9, 3, 4, 3, 6, 8]);
        assert_eq!(packed.segments.families, [Family { prefix: 0..7, suffixes: vec![7..9, 9..12] }]);
        assert_eq!(packed.target_rows, [6, 7, 6, 9, 10]);
        assert_eq!(packed.targets, [3, 4, 3, 6, 8]);
        // Text 0 1, image at 2 (2×2), then 4 for the closing token and on.
        assert_eq!(packed.positions[6..12].iter().map(|p| p[0]).collect::<Vec<_>>(), [4, 5, 6, 5, 6, 7]);
        assert_eq!(packed.visual[2..6], [Some(0), Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn the_end_is_the_row_of_the_last_sampled_token() {
        let (a, mut b) = (trajectory(&[1, 2], 7, &[3, 4]), trajectory(&[1, 2], 7, &[3, 6, 8]));
        b.push_text(&[9, 9], 0).unwrap();
        let mut given = Trajectory::new(5);
        given.push_text(&[1, 2], 0).unwrap();
        let packed = pack(&[vec![&a, &b], vec![&a], vec![&given]], Targets::End, &|_| Some((2, 2))).unwrap();
        // The prompt once in rows 0..7, then 3 4 | 3 6 8 9 9 | the lone one.
        assert_eq!(packed.target_rows, [8, 11, 14 + 8]);
        assert_eq!(
            packed.origins.iter().map(|o| (o.group, o.member, o.token)).collect::<Vec<_>>(),
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
        assert_eq!(packed.origins.iter().map(|o| o.token).collect::<Vec<_>>(), [7, 9, 11, 11]);
    }

    #[test]
    fn different_pictures_end_the_prefix() {
        let (a, b) = (trajectory(&[1, 2], 7, &[3]), trajectory(&[1, 2], 8, &[3]));
        let packed = pack(&[vec![&a, &b]], Targets::Sampled, &|_| Some((2, 2))).unwrap();
        assert_eq!(packed.segments.families, [Family { prefix: 0..2, suffixes: vec![2..8, 8..14] }]);
        assert_eq!(packed.images.len(), 2);
        assert_eq!(packed.visual[8], Some(4));
    }

    #[test]
    fn wrong_feature_counts_are_errors() {
        let a = trajectory(&[1], 7, &[3]);
        let error = pack(&[vec![&a]], Targets::Sampled, &|_| Some((3, 2))).err().map(|e| e.to_string());
        assert!(error.is_some_and(|e| e.contains("4 placeholders") && e.contains("6 visual tokens")));
        assert!(pack(&[vec![&a]], Targets::Sampled, &|_| None).is_err());
    }
}
