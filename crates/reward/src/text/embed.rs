//! Scores from vectors: any model that turns text into vectors, and what is built on top of it.

use eyas_core::{Invalid, Score};

use crate::bad_gold;

/// Most tokens of one text that [`bmas`] looks at: it compares every pair.
pub const MAX_TOKENS: usize = 2048;

/// Turns text into vectors, all of one length. The same text must always give the same vectors.
pub trait Embed {
    /// One vector for the whole text.
    fn embed(&self, text: &str) -> Vec<f32>;

    /// One vector for each token of the text.
    fn embed_tokens(&self, text: &str) -> Vec<Vec<f32>>;
}

/// The cosine of two vectors; `None` when one is zero, empty, of another length, or not finite.
pub fn cosine(a: &[f32], b: &[f32]) -> Option<f64> {
    if a.len() != b.len() {
        return None;
    }
    let dot =
        |x: &[f32], y: &[f32]| -> f64 { x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum() };
    let scale = (dot(a, a) * dot(b, b)).sqrt();
    let cosine = dot(a, b) / scale;
    (scale > 0.0 && cosine.is_finite()).then(|| cosine.clamp(-1.0, 1.0))
}

/// Cosine of answer and gold with a floor: 0 up to `floor`, from there straight up to 1 at cosine 1.
///
/// Two unrelated texts are seldom orthogonal to an embedding model; the floor is what such texts get,
/// so that they are not paid for it. A blank answer scores 0. `Invalid` when the gold text has no
/// usable vector, or the answer's vector is broken.
pub fn embedding_similarity(model: &dyn Embed, answer: &str, gold: &str, floor: f64) -> Score {
    if answer.trim().is_empty() {
        return Score::Ok(0.0);
    }
    let wanted = model.embed(gold);
    if gold.trim().is_empty() || cosine(&wanted, &wanted).is_none() {
        return bad_gold("the ground truth has no usable embedding");
    }
    match cosine(&model.embed(answer), &wanted) {
        Some(cosine) if floor < 1.0 => {
            Score::from_value(((cosine - floor) / (1.0 - floor)).clamp(0.0, 1.0) as f32)
        }
        _ => Score::Invalid(Invalid::Crash { detail: "the embedding of the answer is not usable".into() }),
    }
}

/// Best-match average similarity in both directions, as Mixed-R1 describes it: each token of the answer
/// takes its best cosine among the tokens of the gold text, averaged; the same the other way round; the
/// mean of both. Negative cosines count 0.
///
/// A blank answer scores 0, also one of which no token has a usable vector; tokens after the
/// [`MAX_TOKENS`]th make it 0 too. `Invalid` when no token of the gold text has a usable vector.
pub fn bmas(model: &dyn Embed, answer: &str, gold: &str) -> Score {
    if answer.trim().is_empty() {
        return Score::Ok(0.0);
    }
    let usable = |text: &str| -> Vec<Vec<f32>> {
        let tokens = model.embed_tokens(text);
        tokens.into_iter().filter(|t| cosine(t, t).is_some()).collect()
    };
    let gold = usable(gold);
    if gold.is_empty() || gold.len() > MAX_TOKENS {
        return bad_gold("the ground truth has no usable embedding");
    }
    let answer = usable(answer);
    if answer.is_empty() || answer.len() > MAX_TOKENS {
        return Score::Ok(0.0);
    }
    let one_way = |from: &[Vec<f32>], to: &[Vec<f32>]| {
        let best = |x: &Vec<f32>| to.iter().filter_map(|y| cosine(x, y)).fold(0.0, f64::max);
        from.iter().map(best).sum::<f64>() / from.len() as f64
    };
    Score::from_value(((one_way(&answer, &gold) + one_way(&gold, &answer)) / 2.0) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known words have scripted vectors, the rest are zero; a text is the sum of its words.
    struct Scripted;

    impl Embed for Scripted {
        fn embed(&self, text: &str) -> Vec<f32> {
            let mut sum = vec![0.0; 2];
            for token in self.embed_tokens(text) {
                sum.iter_mut().zip(token).for_each(|(s, t)| *s += t);
            }
            sum
        }

        fn embed_tokens(&self, text: &str) -> Vec<Vec<f32>> {
            let vector = |word: &str| match word {
                "cat" => vec![1.0, 0.0],
                "dog" => vec![0.0, 1.0],
                "kitten" => vec![0.8, 0.6],
                "anti" => vec![-1.0, 0.0],
                "broken" => vec![f32::NAN, 0.0],
                _ => vec![0.0, 0.0],
            };
            text.split_whitespace().map(vector).collect()
        }
    }

    fn close(score: Score, value: f32) {
        assert!((score.value().unwrap() - value).abs() < 1e-6, "{score:?} is not {value}");
    }

    #[test]
    fn cosine_with_a_floor() {
        let score = |answer, floor| embedding_similarity(&Scripted, answer, "cat", floor);
        close(score("cat", 0.5), 1.0);
        close(score("kitten", 0.0), 0.8);
        close(score("kitten", 0.5), 0.6);
        close(score("dog", 0.0), 0.0);
        close(score("anti", 0.0), 0.0);
        close(score(" ", 0.0), 0.0);
        assert_eq!(score("broken", 0.0).value(), None);
        assert_eq!(score("cat", 1.0).value(), None);
        assert_eq!(embedding_similarity(&Scripted, "cat", "unknown", 0.0).value(), None);
    }

    #[test]
    fn best_matches_both_ways() {
        close(bmas(&Scripted, "cat dog", "dog cat"), 1.0);
        // Answer to gold 0.8; gold to answer (0.8 + 0.6) / 2.
        close(bmas(&Scripted, "kitten", "cat dog"), (0.8 + 0.7) / 2.0);
        close(bmas(&Scripted, "anti", "cat"), 0.0);
        close(bmas(&Scripted, "", "cat"), 0.0);
        close(bmas(&Scripted, "unknown", "cat"), 0.0);
        close(bmas(&Scripted, &"cat ".repeat(3000), "cat"), 0.0);
        // Words repeated to please one direction do not help the other.
        close(bmas(&Scripted, "cat cat cat", "cat dog"), 0.75);
        assert_eq!(bmas(&Scripted, "cat", "").value(), None);
    }
}
