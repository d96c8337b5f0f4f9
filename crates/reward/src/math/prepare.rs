//! Tokens → tokens: numbers in groups, units, labels, letters that stand together.

use super::Fail;
use super::lex::{Kind, Token};
use super::units;

/// How a text with more than one reading is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// `1,000` outside brackets is one number, not two.
    pub(crate) grouped: bool,
    /// `5 m` is five metres, not five times m.
    pub(crate) unit_letter: bool,
}

/// Tokens ready for the parser.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) tokens: Vec<Token>,
    /// The unit at the end, by its canonical name; empty when there is none.
    pub(crate) unit: String,
}

/// Names that are written without a backslash.
const NAMES: [&str; 53] = [
    "arcsin",
    "arccos",
    "arctan",
    "arccot",
    "arcsec",
    "arccsc",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "sin",
    "cos",
    "tan",
    "cot",
    "sec",
    "csc",
    "sqrt",
    "cbrt",
    "log",
    "ln",
    "exp",
    "abs",
    "floor",
    "ceil",
    "factorial",
    "binomial",
    "pi",
    "infinity",
    "infty",
    "inf",
    "oo",
    "and",
    "or",
    "union",
    "theta",
    "alpha",
    "beta",
    "gamma",
    "lambda",
    "mu",
    "sigma",
    "phi",
    "omega",
    "percent",
    "frac",
    "pm",
    "cup",
    "in",
    "cdot",
    "times",
    "emptyset",
];

/// Which readings the tokens allow; the usual one first.
pub(crate) fn readings(tokens: &[Token]) -> Vec<Reading> {
    let grouped = groups(tokens);
    let letter = unit_letter(tokens);
    let mut out = Vec::with_capacity(4);
    for g in [true, false] {
        for u in [true, false] {
            if (g || grouped) && (!u || letter) {
                out.push(Reading { grouped: g, unit_letter: u });
            }
        }
    }
    out
}

fn groups(tokens: &[Token]) -> bool {
    merge_groups(tokens.to_vec(), true).len() != merge_groups(tokens.to_vec(), false).len()
}

/// True for a number, a blank and a letter that is a unit, alone or over another: `5 m`, `5 m/s`.
fn unit_letter(tokens: &[Token]) -> bool {
    let letter =
        |t: &Token| matches!(&t.kind, Kind::Run(run) if run.len() == 1 && units::canonical(run).is_some());
    let number = |t: &Token| matches!(t.kind, Kind::Num(_));
    match tokens {
        [.., n, a] if number(n) => letter(a) && a.spaced,
        [.., n, a, over, b] if number(n) && over.kind == Kind::Sign("/") => {
            matches!(a.kind, Kind::Run(_)) && a.spaced && letter(b)
        }
        _ => false,
    }
}

/// Tokens as the parser wants them.
pub(crate) fn prepare(tokens: &[Token], reading: Reading) -> Result<Prepared, Fail> {
    let tokens = merge_groups(tokens.to_vec(), reading.grouped);
    let (tokens, unit) = units::strip(tokens, reading.unit_letter);
    let tokens = strip_label(tokens);
    Ok(Prepared { tokens: split_runs(tokens)?, unit })
}

/// Joins digits in groups of three: `1{,}000` and `1\,000` anywhere, `1,000` outside brackets.
fn merge_groups(tokens: Vec<Token>, commas: bool) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut depth = 0usize;
    let mut at = 0;
    // Whether the number at the end of `out` may go on with a further group.
    let mut open = false;
    while let Some(token) = tokens.get(at) {
        let follows = |n: usize| match tokens.get(at + n) {
            Some(Token { kind: Kind::Num(text), spaced }) => Some((text, *spaced)),
            _ => None,
        };
        let sign = |n: usize| match tokens.get(at + n) {
            Some(Token { kind: Kind::Sign(sign), .. }) => *sign,
            _ => "",
        };
        let (skip, next) = if open && sign(0) == "{" && sign(1) == "," && sign(2) == "}" {
            (4, follows(3).filter(|(t, _)| is_group(t)).map(|(t, _)| t))
        } else if open && commas && depth == 0 && sign(0) == "," && !token.spaced {
            (2, follows(1).filter(|(t, spaced)| is_group(t) && !spaced).map(|(t, _)| t))
        } else if open {
            (1, follows(0).filter(|(t, _)| is_group(t)).map(|(t, _)| t))
        } else {
            (0, None)
        };
        if let (Some(next), Some(Token { kind: Kind::Num(number), .. })) = (next, out.last_mut()) {
            number.push_str(next);
            open = !next.contains(['.', 'e', 'E']);
            at += skip;
            continue;
        }
        match &token.kind {
            Kind::Sign("(" | "[" | "{" | "\\{" | "⟨") => depth += 1,
            Kind::Sign(")" | "]" | "}" | "\\}" | "⟩") => depth = depth.saturating_sub(1),
            _ => {}
        }
        let after_number = matches!(out.last(), Some(Token { kind: Kind::Num(_), .. }));
        open = matches!(&token.kind, Kind::Num(n)
            if (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()) && !n.starts_with('0'))
            && !after_number;
        out.push(token.clone());
        at += 1;
    }
    out
}

/// True for three digits, and for three digits with a fraction.
fn is_group(number: &str) -> bool {
    let whole = number.split('.').next().unwrap_or("");
    whole.len() == 3 && number.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// Drops what only names the answer: `f(x) =`, `\text{Area} =`, `\angle ABC =`.
fn strip_label(mut tokens: Vec<Token>) -> Vec<Token> {
    let equals = |t: &Token| t.kind == Kind::Sign("=");
    let Some(at) = tokens.iter().position(equals) else { return tokens };
    if tokens.iter().filter(|t| equals(t)).count() > 1 || at == 0 || at + 1 == tokens.len() {
        return tokens;
    }
    let label = tokens.get(..at).unwrap_or(&[]);
    let kinds: Vec<&Kind> = label.iter().map(|t| &t.kind).collect();
    let function = match kinds.as_slice() {
        [Kind::Run(f), Kind::Sign("("), Kind::Run(x), Kind::Sign(")")] => f.len() == 1 && x.len() == 1,
        _ => false,
    };
    let names = kinds.iter().any(|k| match k {
        Kind::Text(_) => true,
        Kind::Run(run) => run.len() > 3 && !NAMES.contains(&run.as_str()),
        Kind::Cmd(name) => matches!(name.as_str(), "angle" | "overline" | "triangle" | "measuredangle"),
        _ => false,
    });
    let only_names = kinds.iter().all(|k| match k {
        Kind::Num(_) => false,
        Kind::Sign(sign) => matches!(*sign, "(" | ")" | "{" | "}" | "_" | "'"),
        _ => true,
    });
    if function || (names && only_names) {
        tokens.drain(..=at);
    }
    tokens
}

/// Takes letters that stand together apart: names, or one variable each. Words are refused.
fn split_runs(tokens: Vec<Token>) -> Result<Vec<Token>, Fail> {
    let mut out = Vec::with_capacity(tokens.len() + 8);
    let mut environment = false;
    for token in tokens {
        let Kind::Run(run) = &token.kind else {
            if let Kind::Cmd(name) = &token.kind {
                environment = matches!(name.as_str(), "begin" | "end");
            }
            out.push(token);
            continue;
        };
        if environment || run.len() == 1 {
            environment = false;
            out.push(token);
            continue;
        }
        let lower = run.to_ascii_lowercase();
        if NAMES.contains(&lower.as_str()) {
            out.push(Token { kind: Kind::Cmd(lower), spaced: token.spaced });
            continue;
        }
        let mut rest = run.as_str();
        let mut spaced = token.spaced;
        if run.len() <= 8
            && let Some(name) = NAMES.iter().find(|n| n.len() >= 2 && rest.starts_with(**n))
            && rest.len() - name.len() <= 2
            && !matches!(*name, "in" | "or" | "and" | "oo" | "inf" | "pm" | "mu" | "exp")
        {
            out.push(Token { kind: Kind::Cmd((*name).into()), spaced });
            rest = rest.get(name.len()..).unwrap_or("");
            spaced = false;
        }
        if rest.len() > 3 {
            return Err(Fail::Words);
        }
        for letter in rest.chars() {
            out.push(Token { kind: Kind::Run(letter.to_string()), spaced });
            spaced = false;
        }
    }
    Ok(out)
}
