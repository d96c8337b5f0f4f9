//! Characters → tokens, the same for LaTeX and plain text.
//!
//! Only ASCII digits are digits: any other character of a number class, and invisible or
//! direction-changing characters, refuse the text. The superscripts ² and ³ are read as the operators
//! "squared" and "cubed".

use super::Fail;

/// Longest text that is read, in bytes.
pub(crate) const LONGEST: usize = 4_000;

/// A piece of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Digits with at most one point: `12`, `.5`, `3.`; with `e±n` when written so.
    Num(String),
    /// Letters written together.
    Run(String),
    /// A LaTeX command without its backslash.
    Cmd(String),
    /// What stands in `\text{…}` and the like.
    Text(String),
    /// A sign: `+`, `<=`, `(`, `\{`, `\\`, …
    Sign(&'static str),
}

/// A piece, and whether blanks stood before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) spaced: bool,
}

/// Signs by their characters, longer ones first.
const SIGNS: [(&str, &str); 44] = [
    ("**", "^"),
    ("<=", "<="),
    (">=", ">="),
    ("=<", "<="),
    ("=>", "=>"),
    ("!=", "!="),
    ("==", "="),
    ("+", "+"),
    ("-", "-"),
    ("−", "-"),
    ("–", "-"),
    ("*", "*"),
    ("×", "*"),
    ("·", "*"),
    ("⋅", "*"),
    ("∗", "*"),
    ("/", "/"),
    ("÷", "/"),
    ("^", "^"),
    ("_", "_"),
    ("(", "("),
    (")", ")"),
    ("[", "["),
    ("]", "]"),
    ("{", "{"),
    ("}", "}"),
    (",", ","),
    (";", ";"),
    (":", ":"),
    ("=", "="),
    ("<", "<"),
    (">", ">"),
    ("≤", "<="),
    ("≥", ">="),
    ("≠", "!="),
    ("!", "!"),
    ("|", "|"),
    ("&", "&"),
    ("%", "%"),
    ("'", "'"),
    ("±", "±"),
    ("°", "°"),
    ("∪", "∪"),
    ("∈", "∈"),
];

/// Commands that mean the same as a sign.
const COMMAND_SIGNS: [(&str, &str); 46] = [
    ("cdot", "*"),
    ("times", "*"),
    ("ast", "*"),
    ("div", "/"),
    ("le", "<="),
    ("leq", "<="),
    ("leqslant", "<="),
    ("ge", ">="),
    ("geq", ">="),
    ("geqslant", ">="),
    ("lt", "<"),
    ("gt", ">"),
    ("ne", "!="),
    ("neq", "!="),
    ("pm", "±"),
    ("mp", "∓"),
    ("cup", "∪"),
    ("bigcup", "∪"),
    ("cap", "∩"),
    ("in", "∈"),
    ("setminus", "∖"),
    ("backslash", "∖"),
    ("mid", "|"),
    ("vert", "|"),
    ("lvert", "|"),
    ("rvert", "|"),
    ("colon", ":"),
    ("lbrace", "\\{"),
    ("rbrace", "\\}"),
    ("lbrack", "["),
    ("rbrack", "]"),
    ("lparen", "("),
    ("rparen", ")"),
    ("prime", "'"),
    ("circ", "°"),
    ("degree", "°"),
    ("lfloor", "⌊"),
    ("rfloor", "⌋"),
    ("lceil", "⌈"),
    ("rceil", "⌉"),
    ("langle", "⟨"),
    ("rangle", "⟩"),
    ("approx", "≈"),
    ("equiv", "≡"),
    ("sim", "~"),
    ("newline", "\\\\"),
];

/// Commands that only change the look; they are skipped.
const LOOK: [&str; 32] = [
    "left",
    "right",
    "big",
    "Big",
    "bigg",
    "Bigg",
    "bigl",
    "bigr",
    "Bigl",
    "Bigr",
    "biggl",
    "biggr",
    "displaystyle",
    "textstyle",
    "scriptstyle",
    "quad",
    "qquad",
    "limits",
    "nolimits",
    "middle",
    "boldmath",
    "rm",
    "bf",
    "it",
    "small",
    "large",
    "Large",
    "normalsize",
    "hfill",
    "phantom",
    "nonumber",
    "notag",
];

/// Commands whose argument is words.
const WORDS: [&str; 14] = [
    "text",
    "textbf",
    "textit",
    "textrm",
    "textnormal",
    "mathrm",
    "mbox",
    "operatorname",
    "texttt",
    "mathsf",
    "mathtt",
    "textsf",
    "hbox",
    "mathit",
];

/// Unicode letters and symbols with a command of the same meaning.
const SYMBOLS: [(char, &str); 22] = [
    ('π', "pi"),
    ('√', "sqrt"),
    ('∞', "infty"),
    ('θ', "theta"),
    ('α', "alpha"),
    ('β', "beta"),
    ('γ', "gamma"),
    ('λ', "lambda"),
    ('μ', "mu"),
    ('σ', "sigma"),
    ('φ', "phi"),
    ('ω', "omega"),
    ('ℝ', "reals"),
    ('∅', "emptyset"),
    ('ρ', "rho"),
    ('Δ', "Delta"),
    ('δ', "delta"),
    ('τ', "tau"),
    ('ℤ', "integers"),
    ('ε', "epsilon"),
    ('ψ', "psi"),
    ('∠', "angle"),
];

/// The tokens of `text`; [`Fail::Syntax`] for a character that has no place in an expression,
/// [`Fail::TooLong`] beyond [`LONGEST`].
pub(crate) fn lex(text: &str) -> Result<Vec<Token>, Fail> {
    if text.len() > LONGEST {
        return Err(Fail::TooLong);
    }
    let mut out = Vec::new();
    let mut rest = text;
    let mut spaced = false;
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_whitespace() || matches!(first, '\u{a0}' | '~' | '$') {
            rest = rest.get(first.len_utf8()..).unwrap_or("");
            spaced = true;
            continue;
        }
        let (kind, used) = match first {
            '\\' => match command(rest)? {
                (Some(kind), used) => (kind, used),
                (None, used) => {
                    // `6,\!000`: a negative space is none.
                    spaced |= !rest.starts_with("\\!");
                    rest = rest.get(used..).unwrap_or("");
                    continue;
                }
            },
            '0'..='9' | '.' => number(rest)?,
            'a'..='z' | 'A'..='Z' => {
                let used = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
                (Kind::Run(rest.get(..used).unwrap_or("").to_string()), used)
            }
            '²' | '³' => {
                out.push(Token { kind: Kind::Sign("^"), spaced: false });
                (Kind::Num(if first == '²' { "2" } else { "3" }.into()), first.len_utf8())
            }
            '’' => (Kind::Sign("'"), first.len_utf8()),
            _ => {
                let sign = SIGNS.iter().find(|(chars, _)| rest.starts_with(chars));
                let symbol = SYMBOLS.iter().find(|(c, _)| *c == first);
                match (sign, symbol) {
                    (Some((chars, sign)), _) => (Kind::Sign(sign), chars.len()),
                    (_, Some((c, name))) => (Kind::Cmd((*name).into()), c.len_utf8()),
                    _ => return Err(Fail::Syntax),
                }
            }
        };
        out.push(Token { kind, spaced });
        spaced = false;
        rest = rest.get(used..).unwrap_or("");
    }
    Ok(out)
}

/// Digits with at most one point, and an exponent written as `e±n` that nothing else explains.
fn number(text: &str) -> Result<(Kind, usize), Fail> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
    let mut used = digits(0);
    let mut any = used > 0;
    if bytes.get(used) == Some(&b'.') {
        let fraction = digits(used + 1);
        any |= fraction > 0;
        used += 1 + fraction;
    }
    if !any || bytes.get(used) == Some(&b'.') {
        return Err(Fail::Syntax);
    }
    if let Some(b'e' | b'E') = bytes.get(used) {
        let sign = usize::from(matches!(bytes.get(used + 1), Some(b'+' | b'-')));
        let exponent = digits(used + 1 + sign);
        let next = bytes.get(used + 1 + sign + exponent);
        // `2e+3` could be a sum, but nobody writes 2·e + 3 without blanks and means it.
        if (1..=6).contains(&exponent) && !matches!(next, Some(b'.' | b'^' | b'a'..=b'z' | b'A'..=b'Z')) {
            used += 1 + sign + exponent;
        }
    }
    Ok((Kind::Num(text.get(..used).unwrap_or("").into()), used))
}

/// What a backslash begins: a token, or nothing for spacing and looks; and its length.
fn command(text: &str) -> Result<(Option<Kind>, usize), Fail> {
    let name_len = text.bytes().skip(1).take_while(u8::is_ascii_alphabetic).count();
    if name_len == 0 {
        let kind = match text.chars().nth(1) {
            Some('{') => Some(Kind::Sign("\\{")),
            Some('}') => Some(Kind::Sign("\\}")),
            Some('\\') => Some(Kind::Sign("\\\\")),
            Some('%') => Some(Kind::Sign("%")),
            Some('|') => Some(Kind::Sign("|")),
            Some(
                ',' | '!' | ';' | ':' | ' ' | '$' | '>' | '(' | ')' | '[' | ']' | '\n' | '_' | '&' | '#',
            ) => None,
            _ => return Err(Fail::Syntax),
        };
        return Ok((kind, 2));
    }
    let name = text.get(1..=name_len).unwrap_or("");
    let mut used = 1 + name_len;
    if LOOK.contains(&name) {
        // `\left.` is an empty bracket.
        let dot = matches!(name, "left" | "right") && text.get(used..).is_some_and(|t| t.starts_with('.'));
        return Ok((None, used + usize::from(dot)));
    }
    if let Some((_, sign)) = COMMAND_SIGNS.iter().find(|(n, _)| *n == name) {
        return Ok((Some(Kind::Sign(sign)), used));
    }
    if WORDS.contains(&name) {
        let after = text.get(used..).unwrap_or("");
        let blanks = after.len() - after.trim_start().len();
        let Some(body) = after.trim_start().strip_prefix('{') else { return Err(Fail::Syntax) };
        let close = closing(body).ok_or(Fail::Syntax)?;
        used += blanks + 1 + close + 1;
        let words = body.get(..close).unwrap_or("").replace(['$', '~'], " ").replace("\\ ", " ");
        return Ok((Some(Kind::Text(words)), used));
    }
    Ok((Some(Kind::Cmd(name.into())), used))
}

/// The position of the `}` that closes a group whose `{` came just before `text`.
pub(crate) fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut escaped) = (0usize, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}
