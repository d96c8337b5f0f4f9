//! Comparing texts that are typed.

use std::collections::BTreeMap;

/// Words beyond this many are not compared, and count as wrong.
const MAX_WORDS: usize = 1_000;

/// The words of a text: runs of letters and digits in lower case; characters of scripts that do not
/// separate words are one each.
fn words(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut open = false;
    for c in text.chars() {
        let alone = ('\u{2e80}'..='\u{9fff}').contains(&c);
        if !c.is_alphanumeric() {
            open = false;
            continue;
        }
        match out.last_mut().filter(|_| open && !alone) {
            Some(word) => word.extend(c.to_lowercase()),
            None => out.push(c.to_lowercase().collect()),
        }
        open = !alone;
    }
    out
}

/// F1 of the words of two texts as multisets: order does not matter, repeating a word does not pay, and
/// a part of a word matches nothing. Texts without words are compared as they are.
pub fn token_f1(gold: &str, said: &str) -> f64 {
    let (want, have) = (words(gold), words(said));
    if want.is_empty() {
        return f64::from(u8::from(have.is_empty() && gold.trim() == said.trim()));
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for word in want.iter().take(MAX_WORDS) {
        *counts.entry(word).or_default() += 1;
    }
    let mut common = 0.0;
    for word in have.iter().take(MAX_WORDS) {
        if let Some(left) = counts.get_mut(word.as_str()).filter(|left| **left > 0) {
            *left -= 1;
            common += 1.0;
        }
    }
    2.0 * common / (want.len() + have.len()) as f64
}

/// Equal but for case and the width of blanks.
pub(super) fn same(a: &str, b: &str) -> bool {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    plain(a) == plain(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn f1_by_hand() {
        assert_eq!(token_f1("google", "e"), 0.0);
        assert_eq!(token_f1("New York", "new   york!"), 1.0);
        assert_eq!(token_f1("new york", "york"), 2.0 / 3.0);
        assert_eq!(token_f1("york", "york york york"), 0.5);
        assert_eq!((token_f1("a", ""), token_f1("?", "?"), token_f1("?", "a")), (0.0, 1.0, 0.0));
        assert_eq!(token_f1("天气", "天"), 2.0 / 3.0);
    }

    proptest! {
        #[test]
        fn symmetric_and_bounded(a in "[ab ]{0,12}", b in "[ab ]{0,12}") {
            let value = token_f1(&a, &b);
            prop_assert!((0.0..=1.0).contains(&value));
            if a.contains(['a', 'b']) && b.contains(['a', 'b']) {
                prop_assert_eq!(value, token_f1(&b, &a));
            }
        }
    }
}
