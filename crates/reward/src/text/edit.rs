//! Scores from edits: similarity, word and character error rate, ANLS.

use super::align::{edit_distance, lcs};
use super::normal::single_blanks;
use super::words::number;

/// `1 - distance / longer length`, on characters, with white space of any width equal. 1 for two empty
/// texts.
pub fn edit_similarity(a: &str, b: &str) -> f64 {
    let (a, b) = (single_blanks(a), single_blanks(b));
    let n = number(a.chars(), b.chars());
    let longer = n.a.len().max(n.b.len());
    if longer == 0 { 1.0 } else { 1.0 - edit_distance(&n.a, &n.b) as f64 / longer as f64 }
}

/// `2 LCS / (both lengths)`, on characters: what several libraries call the Levenshtein ratio. 1 for
/// two empty texts.
pub fn indel_similarity(a: &str, b: &str) -> f64 {
    let (a, b) = (single_blanks(a), single_blanks(b));
    let n = number(a.chars(), b.chars());
    let both = n.a.len() + n.b.len();
    if both == 0 { 1.0 } else { 2.0 * lcs(&n.a, &n.b) as f64 / both as f64 }
}

/// Word error rate: edits on words over the words of `gold`. Can exceed 1; `None` when `gold` has no
/// words. Words are what white space separates.
pub fn wer(answer: &str, gold: &str) -> Option<f64> {
    let n = number(answer.split_whitespace(), gold.split_whitespace());
    rate(&n.a, &n.b)
}

/// Character error rate: edits on characters over the characters of `gold`, with white space of any
/// width equal. Can exceed 1; `None` when `gold` is blank.
pub fn cer(answer: &str, gold: &str) -> Option<f64> {
    let (a, b) = (single_blanks(answer), single_blanks(gold));
    let n = number(a.chars(), b.chars());
    rate(&n.a, &n.b)
}

fn rate(answer: &[u32], gold: &[u32]) -> Option<f64> {
    (!gold.is_empty()).then(|| edit_distance(answer, gold) as f64 / gold.len() as f64)
}

/// ANLS of one gold text (Biten et al. 2019): the edit similarity of the lower-cased texts, 0 when the
/// normalised distance is `threshold` or more.
pub fn anls(answer: &str, gold: &str, threshold: f64) -> f64 {
    let similarity = edit_similarity(&answer.to_lowercase(), &gold.to_lowercase());
    if 1.0 - similarity < threshold { similarity } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn by_hand() {
        assert_eq!(edit_similarity("kitten", "sitting"), 1.0 - 3.0 / 7.0);
        assert_eq!(indel_similarity("kitten", "sitting"), 8.0 / 13.0);
        assert_eq!(edit_similarity("a  b", "a b"), 1.0);
        assert_eq!(wer("the cat sat", "the cat sat down"), Some(0.25));
        assert_eq!(wer("a b c d", "x"), Some(4.0), "more edits than words of the gold text");
        assert_eq!((wer("a", " "), cer("a", "")), (None, None));
        assert_eq!(cer("abd", "abc"), Some(1.0 / 3.0));
        assert_eq!(anls("Hallo", "hello", 0.5), 0.8);
        assert_eq!(anls("ab", "abcd", 0.5), 0.0, "half wrong is too far");
    }

    proptest! {
        #[test]
        fn bounds_and_symmetry(a in "[a-c ]{0,30}", b in "[a-c ]{0,30}") {
            prop_assert_eq!(edit_similarity(&a, &b), edit_similarity(&b, &a));
            prop_assert_eq!(indel_similarity(&a, &b), indel_similarity(&b, &a));
            prop_assert!((0.0..=1.0).contains(&edit_similarity(&a, &b)));
            prop_assert!((0.0..=1.0).contains(&indel_similarity(&a, &b)));
            prop_assert_eq!(edit_similarity(&a, &a), 1.0);
            prop_assert!(anls(&a, &b, 0.5) <= edit_similarity(&a, &b));
        }
    }
}
