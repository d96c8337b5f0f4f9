//! Scores from the words that two texts share: token F1, ROUGE, BLEU, n-gram overlap.

use super::align::lcs;
use super::normal::squad;
use super::words::{Numbered, number, shared_ngrams, words};

/// `2PR / (P + R)`: 0 when nothing is shared.
pub fn f1(shared: usize, predicted: usize, gold: usize) -> f64 {
    if shared == 0 { 0.0 } else { 2.0 * shared as f64 / (predicted + gold) as f64 }
}

/// The words of both texts, lower-cased and numbered.
pub fn numbered_words(answer: &str, gold: &str) -> Numbered {
    let (a, b) = (answer.to_lowercase(), gold.to_lowercase());
    number(words(&a), words(&b))
}

/// SQuAD's F1: of the words that both texts have, each as often as in the one with fewer, after lower
/// case and without punctuation and articles.
pub fn token_f1(answer: &str, gold: &str) -> f64 {
    let (a, b) = (squad(answer), squad(gold));
    let n = number(a.split(' ').filter(|w| !w.is_empty()), b.split(' ').filter(|w| !w.is_empty()));
    let (shared, a, b) = shared_ngrams(&n.a, &n.b, 1);
    f1(shared, a, b)
}

/// ROUGE-N: F1 of the runs of `n` words, 1 to 4. 0 when either text has none.
pub fn rouge_n(texts: &Numbered, n: usize) -> f64 {
    let (shared, a, b) = shared_ngrams(&texts.a, &texts.b, n);
    f1(shared, a, b)
}

/// ROUGE-L: F1 of the longest common subsequence of words.
pub fn rouge_l(texts: &Numbered) -> f64 {
    f1(lcs(&texts.a, &texts.b), texts.a.len(), texts.b.len())
}

/// Runs of `n` words shared, over runs in either (weighted Jaccard). 0 when there is none.
pub fn ngram_overlap(texts: &Numbered, n: usize) -> f64 {
    let (shared, a, b) = shared_ngrams(&texts.a, &texts.b, n);
    if shared == 0 { 0.0 } else { shared as f64 / (a + b - shared) as f64 }
}

/// What BLEU does about orders without a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Smoothing {
    /// Adds one to matches and runs of the orders from 2 on (Lin and Och 2004; method 2 of Chen and
    /// Cherry 2014).
    AddOne,
    /// Counts a tenth of a match where there is none (method 1 of Chen and Cherry 2014).
    Epsilon,
    /// Nothing: one order without a match makes the score 0.
    None,
}

/// Sentence BLEU of orders 1 to 4 with the brevity penalty `exp(1 - gold/answer)`, equal weights.
///
/// Orders longer than the answer are left out, so that equal texts of fewer than four words score 1.
/// Without a single shared word the score is 0 whatever the smoothing.
pub fn bleu(texts: &Numbered, smoothing: Smoothing) -> f64 {
    let (answer, gold) = (texts.a.len(), texts.b.len());
    if answer == 0 || gold == 0 {
        return 0.0;
    }
    let orders = answer.min(4);
    let mut log_precision = 0.0;
    for n in 1..=orders {
        let (shared, runs, _) = shared_ngrams(&texts.a, &texts.b, n);
        let (mut shared, mut runs) = (shared as f64, runs as f64);
        match smoothing {
            _ if n == 1 && shared == 0.0 => return 0.0,
            Smoothing::AddOne if n > 1 => (shared, runs) = (shared + 1.0, runs + 1.0),
            Smoothing::Epsilon if shared == 0.0 => shared = 0.1,
            Smoothing::None if shared == 0.0 => return 0.0,
            _ => {}
        }
        log_precision += (shared / runs).ln() / orders as f64;
    }
    let brevity = if answer < gold { 1.0 - gold as f64 / answer as f64 } else { 0.0 };
    (log_precision + brevity).exp().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn by_hand() {
        // Answer "cat sat", gold "cat sat on mat": 2 shared of 2 and 4.
        close(token_f1("The cat sat.", "cat sat on the mat"), 2.0 * 2.0 / 6.0);
        let n = numbered_words("the cat sat on the mat", "the cat on the mat");
        close(rouge_n(&n, 1), 10.0 / 11.0);
        // Pairs: the-cat, cat-sat, sat-on, on-the, the-mat against the-cat, cat-on, on-the, the-mat.
        close(rouge_n(&n, 2), 6.0 / 9.0);
        close(rouge_l(&n), 10.0 / 11.0);
        close(ngram_overlap(&n, 2), 3.0 / 6.0);
        // BLEU: 5/6, (3+1)/(5+1), (1+1)/(4+1), (0+1)/(3+1), no brevity penalty.
        let by_hand = (5.0 / 6.0 * 4.0 / 6.0 * 2.0 / 5.0 * 1.0 / 4.0f64).powf(0.25);
        close(bleu(&n, Smoothing::AddOne), by_hand);
        let by_hand = (5.0 / 6.0 * 3.0 / 5.0 * 1.0 / 4.0 * 0.1 / 3.0f64).powf(0.25);
        close(bleu(&n, Smoothing::Epsilon), by_hand);
        close(bleu(&n, Smoothing::None), 0.0);
        close(bleu(&numbered_words("cat", "the cat"), Smoothing::None), (-1.0f64).exp());
    }

    #[test]
    fn repeated_words_do_not_pay() {
        let n = numbered_words("the the the the the the the", "the cat is on the mat");
        close(rouge_n(&n, 1), 4.0 / 13.0);
        assert!(bleu(&n, Smoothing::Epsilon) < 0.12);
    }

    proptest! {
        #[test]
        fn bounds_and_symmetry(a in "[a-d ]{0,40}", b in "[a-d ]{0,40}") {
            let (n, m) = (numbered_words(&a, &b), numbered_words(&b, &a));
            for k in 1..=4 {
                prop_assert_eq!(rouge_n(&n, k), rouge_n(&m, k));
                prop_assert_eq!(ngram_overlap(&n, k), ngram_overlap(&m, k));
                prop_assert!(ngram_overlap(&n, k) <= rouge_n(&n, k) && rouge_n(&n, k) <= 1.0);
            }
            prop_assert_eq!(rouge_l(&n), rouge_l(&m));
            prop_assert!(rouge_l(&n) <= rouge_n(&n, 1));
            prop_assert_eq!(token_f1(&a, &b), token_f1(&b, &a));
            for s in [Smoothing::AddOne, Smoothing::Epsilon, Smoothing::None] {
                let score = bleu(&n, s);
                prop_assert!((0.0..=1.0).contains(&score), "{}", score);
                let same = numbered_words(&a, &a);
                prop_assert!(same.a.is_empty() || (bleu(&same, s) - 1.0).abs() < 1e-12);
            }
        }
    }
}
