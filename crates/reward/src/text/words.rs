//! Words, numbered words, and how many runs of them two texts share.

use super::hash::FastMap;

/// The words of `text`, in order: runs of letters and digits of any script. Han characters and kana
/// are a word each, because those scripts put no blanks between words. Everything else separates.
///
/// Case is kept; lower-case the text first where it should not count.
pub fn words(text: &str) -> Vec<&str> {
    if text.is_ascii() {
        let split = text.split(|c: char| !c.is_ascii_alphanumeric());
        return split.filter(|w| !w.is_empty()).collect();
    }
    let mut words = Vec::with_capacity(text.len() / 6 + 1);
    let mut start = None;
    for (at, c) in text.char_indices() {
        let alone = !c.is_ascii() && stands_alone(c);
        if alone || !in_word(c) {
            if let Some(from) = start.take() {
                words.extend(text.get(from..at));
            }
            if alone {
                words.extend(text.get(at..at + c.len_utf8()));
            }
        } else if start.is_none() {
            start = Some(at);
        }
    }
    if let Some(from) = start {
        words.extend(text.get(from..));
    }
    words
}

fn in_word(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric();
    }
    // Marks that belong to the letter before them: combining accents and the virama of Indic scripts.
    c.is_alphanumeric()
        || matches!(c, '\u{300}'..='\u{36f}' | '\u{94d}' | '\u{9cd}' | '\u{a4d}' | '\u{acd}' | '\u{b4d}')
        || matches!(c, '\u{bcd}' | '\u{c4d}' | '\u{ccd}' | '\u{d4d}' | '\u{e31}' | '\u{e34}'..='\u{e4e}')
}

fn stands_alone(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
        || matches!(c, '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3134f}')
}

/// Two sequences with their items numbered alike: equal items have equal numbers, counted from 0 in
/// the order in which they first occur.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbered {
    /// The first sequence.
    pub a: Vec<u32>,
    /// The second sequence.
    pub b: Vec<u32>,
}

/// Numbers the items of two sequences.
pub fn number<T: Eq + std::hash::Hash>(
    a: impl IntoIterator<Item = T>,
    b: impl IntoIterator<Item = T>,
) -> Numbered {
    let a = a.into_iter();
    let mut seen: FastMap<T, u32> = FastMap::default();
    seen.reserve(a.size_hint().0);
    let mut of = |item: T| {
        let next = seen.len() as u32;
        *seen.entry(item).or_insert(next)
    };
    let a = a.map(&mut of).collect();
    Numbered { a, b: b.into_iter().map(of).collect() }
}

/// The runs of `n` items that `a` and `b` have in common, each as often as in the one that has it less
/// often, and the number of runs of `a` and of `b`. `n` is 1 to 4; others count nothing.
pub fn shared_ngrams(a: &[u32], b: &[u32], n: usize) -> (usize, usize, usize) {
    if !(1..=4).contains(&n) {
        return (0, 0, 0);
    }
    // Short numbers fit four to a machine word.
    if a.iter().chain(b).all(|x| *x <= u32::from(u16::MAX)) {
        let pack = |run: &[u32]| run.iter().fold(0u64, |all, x| all << 16 | u64::from(*x));
        shared(sorted(a, n, pack), sorted(b, n, pack))
    } else {
        let pack = |run: &[u32]| run.iter().fold(0u128, |all, x| all << 32 | u128::from(*x));
        shared(sorted(a, n, pack), sorted(b, n, pack))
    }
}

/// Every run of `n` items as one integer, in ascending order.
fn sorted<T: Ord>(items: &[u32], n: usize, pack: impl Fn(&[u32]) -> T) -> Vec<T> {
    let mut runs: Vec<T> = items.windows(n).map(pack).collect();
    runs.sort_unstable();
    runs
}

/// How many items two ascending lists share, and their lengths.
fn shared<T: Ord>(a: Vec<T>, b: Vec<T>) -> (usize, usize, usize) {
    (crate::answer::list::shared(&a, &b), a.len(), b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        assert_eq!(
            words("The cat's 2 hats, e.g. 3.5!"),
            ["The", "cat", "s", "2", "hats", "e", "g", "3", "5"]
        );
        assert_eq!(words("été naïve"), ["été", "naïve"]);
        assert_eq!(words("红色car"), ["红", "色", "car"]);
        assert_eq!(words("हिन्दी भाषा"), ["हिन्दी", "भाषा"]);
        assert!(words(" .,!").is_empty() && words("").is_empty());
    }

    #[test]
    fn runs_are_counted_with_their_multiplicity() {
        let n = number("a b a b c".split(' '), "a b b".split(' '));
        assert_eq!((n.a.as_slice(), n.b.as_slice()), (&[0, 1, 0, 1, 2][..], &[0, 1, 1][..]));
        assert_eq!(shared_ngrams(&n.a, &n.b, 1), (3, 5, 3));
        assert_eq!(shared_ngrams(&n.a, &n.b, 2), (1, 4, 2));
        assert_eq!(shared_ngrams(&n.a, &n.b, 4), (0, 2, 0));
        assert_eq!(shared_ngrams(&n.a, &n.b, 5), (0, 0, 0));
        let large = [70_000, 1, 70_000, 1];
        assert_eq!(shared_ngrams(&large, &[1, 70_000, 1], 2), (2, 3, 2));
    }
}
