//! Answers in words.

/// Two-letter words that are no products of variables.
const SHORT: [&str; 20] = [
    "no", "on", "in", "or", "of", "at", "to", "up", "us", "we", "he", "is", "it", "as", "an", "am", "be",
    "by", "do", "go",
];

/// Commands that dress words and say nothing themselves.
const DRESS: [&str; 22] = [
    "text",
    "textbf",
    "textit",
    "textrm",
    "textnormal",
    "textsf",
    "texttt",
    "textsc",
    "mathrm",
    "mathbf",
    "mathsf",
    "mathtt",
    "mathit",
    "mbox",
    "hbox",
    "operatorname",
    "emph",
    "underline",
    "quad",
    "qquad",
    "boxed",
    "fbox",
];

/// What stands for something that is no prose; [`is_text`] refuses it.
const MATHS: char = '\u{0}';

/// `text` without the dress of LaTeX: lower case, single blanks, no brackets around a single word.
pub(crate) fn normal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.trim();
    let (mut depth, mut balanced) = (0i64, true);
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix('\\') {
            let name = after.bytes().take_while(u8::is_ascii_alphabetic).count();
            let command = after.get(..name).unwrap_or("");
            out.push(if name == 0 || DRESS.contains(&command) { ' ' } else { MATHS });
            let sign = after.chars().next().map_or(0, char::len_utf8);
            rest = after.get(name.max(if name == 0 { sign } else { 0 })..).unwrap_or("");
            continue;
        }
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        balanced &= depth >= 0;
        rest = rest.get(c.len_utf8()..).unwrap_or("");
        match c {
            '{' | '}' | '$' | '~' => out.push(' '),
            '’' => out.push('\''),
            _ => out.extend(c.to_lowercase()),
        }
    }
    if depth != 0 || !balanced {
        out.push(MATHS);
    }
    let joined = out.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain = joined.trim_matches(['.', ',', ';', '!', '"', '\'', '*', ' ']);
    let inner = plain.strip_prefix('(').and_then(|t| t.strip_suffix(')'));
    match inner {
        Some(inner) if inner.chars().all(char::is_alphanumeric) => inner.to_string(),
        _ => plain.to_string(),
    }
}

/// True for something that can be an answer in words: letters, ASCII digits and the signs of prose.
pub(crate) fn is_text(text: &str) -> bool {
    let plain = |c: char| c.is_alphabetic() || c.is_ascii_digit() || " ,.'-()/:;!?&\"%°#+".contains(c);
    text.chars().any(char::is_alphabetic) && text.chars().all(plain)
}

/// True for letters that make a word rather than a product of variables.
pub(crate) fn is_word(text: &str) -> bool {
    if text.len() < 2 || !text.bytes().all(|b| b.is_ascii_lowercase()) {
        return false;
    }
    if text.len() == 2 {
        return SHORT.contains(&text);
    }
    let vowel = text.bytes().any(|b| b"aeiou".contains(&b));
    vowel && !text.bytes().all(|b| b"abcdxyz".contains(&b))
}
