//! Programs compared by their text, without running or parsing them.

use eyas_core::Score;

use super::read;
use super::sequence::ordered_f1;
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};

/// Most tokens that are compared. Those of a prediction beyond count as wrong.
pub const MAX_TOKENS: usize = 8192;

/// The reward as recipes name it.
pub(crate) const INFO: RewardInfo = RewardInfo {
    name: "code_structure",
    family: "structure",
    doc: "F1 of the common subsequence of two programs: of tokens, of lines, or of tokens with names and values masked",
    source: "execution-free structure match in place of rendering (cf. VinciCoder); nothing is run",
    gold: "the program, a text",
    range: Some((0.0, 1.0)),
    params: &[ParamInfo::choice("by", &["tokens", "lines", "shape"], "what is compared")],
    score: Scorer::Sample(score),
};

/// Words that are structure in most languages and therefore stay as they are in [`shape`].
const KEYWORDS: &[&str] = &[
    "and", "as", "async", "await", "break", "case", "catch", "class", "const", "continue", "def", "do",
    "elif", "else", "enum", "except", "false", "False", "finally", "fn", "for", "from", "function", "if",
    "impl", "import", "in", "is", "let", "match", "new", "None", "not", "null", "or", "pub", "raise",
    "return", "static", "struct", "switch", "throw", "true", "True", "try", "use", "var", "while", "with",
    "yield",
];

/// Names, numbers, texts in quotes (with their quotes) and single signs, in order; blanks are left out. A
/// text in quotes ends at the end of its line at the latest. At most `most` tokens; the second value says
/// how many there are in all.
pub fn tokens(code: &str, most: usize) -> (Vec<&str>, usize) {
    let (mut found, mut count, mut rest) = (Vec::new(), 0, code);
    loop {
        rest = rest.trim_start();
        let Some(c) = rest.chars().next() else { return (found, count) };
        let end = match c {
            c if c.is_alphanumeric() || c == '_' => {
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.' && starts_number(rest)))
            }
            '"' | '\'' | '`' => Some(quoted(rest, c)),
            c => Some(c.len_utf8()),
        };
        let (token, after) = rest.split_at(end.unwrap_or(rest.len()));
        count += 1;
        if found.len() < most {
            found.push(token);
        }
        rest = after;
    }
}

fn starts_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// Bytes of the quoted text at the beginning of `text`.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' => return at,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A token with what it stands for masked: names, numbers and texts are alike among themselves; keywords
/// and signs stay.
pub fn shape(token: &str) -> &str {
    match token.chars().next() {
        Some(c) if c.is_ascii_digit() => "0",
        Some('"' | '\'' | '`') => "\"",
        Some(c) if (c.is_alphanumeric() || c == '_') && !KEYWORDS.contains(&token) => "x",
        _ => token,
    }
}

/// The F1, lowered by what was cut off: `cut` units beyond the bound count as predicted and wrong.
fn with_cut(f1: f64, compared: usize, cut: usize) -> f64 {
    if cut == 0 { f1 } else { f1 * compared as f64 / (compared + cut) as f64 }
}

fn score(sample: &Sample<'_>, params: &Params) -> Score {
    let Some(gold) = sample.gold.as_str().filter(|g| !g.trim().is_empty() && g.len() <= read::MAX_TEXT)
    else {
        return bad_gold("the ground truth is no program, or a too long one");
    };
    let Some(said) = sample.answer().map(read::unfenced).filter(|a| a.len() <= 4 * read::MAX_TEXT) else {
        return Score::Ok(0.0);
    };
    let value = if params.text("by") == "lines" {
        let lines = |code: &str| -> Vec<String> {
            let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
            code.lines().map(words).filter(|line| !line.is_empty()).collect()
        };
        let (mut said, mut gold) = (lines(said), lines(gold));
        let cut = said.len().saturating_sub(MAX_TOKENS);
        said.truncate(MAX_TOKENS);
        gold.truncate(MAX_TOKENS);
        with_cut(ordered_f1(&said, &gold), said.len() + gold.len(), cut)
    } else {
        let ((mut said, all), (mut gold, _)) = (tokens(said, MAX_TOKENS), tokens(gold, MAX_TOKENS));
        if params.text("by") == "shape" {
            said.iter_mut().chain(&mut gold).for_each(|token| *token = shape(token));
        }
        with_cut(ordered_f1(&said, &gold), said.len() + gold.len(), all - said.len())
    };
    Score::from_value(value as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tokens_are_names_numbers_texts_and_signs() {
        let (found, all) = tokens("plt.plot(x_1, 2.5, 'a b')  # é", 99);
        assert_eq!(found, ["plt", ".", "plot", "(", "x_1", ",", "2.5", ",", "'a b'", ")", "#", "é"]);
        assert_eq!(all, 12);
        assert_eq!(tokens("a b c", 2), (vec!["a", "b"], 3));
        assert_eq!(tokens("'open\nb", 9).0, ["'open", "b"]);
        assert_eq!(tokens(r"'it\'s' x", 9).0, [r"'it\'s'", "x"]);
    }

    #[test]
    fn shapes_mask_names_and_values() {
        let f1 = |a: &str, b: &str| {
            let of = |t| tokens(t, 99).0.into_iter().map(shape).collect::<Vec<_>>();
            ordered_f1(&of(a), &of(b))
        };
        assert_eq!(f1("for i in range(3): f(i)", "for k in span(4): g(k)"), 1.0);
        assert!(f1("for i in x: y", "while i in x: y") < 1.0);
    }

    proptest! {
        #[test]
        fn tokens_tile_the_text(text in any::<String>()) {
            let squeeze = |s: &str| s.split_whitespace().collect::<String>();
            prop_assert_eq!(squeeze(&tokens(&text, usize::MAX).0.concat()), squeeze(&text));
        }
    }
}
