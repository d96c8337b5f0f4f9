//! What the parser makes of tokens.

use super::algebra::Func;
use super::poly::Rat;

/// An expression or answer as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// A number; the count of digits after the point when it has one.
    Num(Rat, Option<u32>),
    /// A variable or constant by name.
    Sym(String),
    /// Terms with their signs.
    Add(Vec<Node>),
    /// Factors.
    Mul(Vec<Node>),
    /// `1 / x`, for quotients.
    Inverse(Box<Node>),
    /// `-x`.
    Neg(Box<Node>),
    /// Base and exponent.
    Pow(Box<Node>, Box<Node>),
    /// A function and its arguments.
    Call(Func, Vec<Node>),
    /// `log_b x`: base and argument.
    Log(Box<Node>, Box<Node>),
    /// `x %`.
    Percent(Box<Node>),
    /// `x °`.
    Degree(Box<Node>),
    /// Values between brackets: `(1, 2]` and the like.
    Seq(char, Vec<Node>, char),
    /// Values between braces.
    Set(Vec<Node>),
    /// Values without brackets.
    List(Vec<Node>),
    /// Union of sets.
    Union(Vec<Node>),
    /// The first set without the second.
    Minus(Box<Node>, Box<Node>),
    /// Intersection of sets.
    Meet(Vec<Node>),
    /// All real numbers.
    Reals,
    /// Sides and the signs between them.
    Chain(Vec<Node>, Vec<&'static str>),
    /// `a : b : …`.
    Ratio(Vec<Node>),
    /// Rows.
    Matrix(Vec<Vec<Node>>),
}

impl Node {
    /// True when a number with digits after the point is part of it.
    pub(crate) fn has_decimals(&self) -> bool {
        match self {
            Self::Num(_, decimals) => decimals.is_some(),
            Self::Sym(_) | Self::Reals => false,
            Self::Inverse(x) | Self::Neg(x) | Self::Percent(x) | Self::Degree(x) => x.has_decimals(),
            Self::Pow(a, b) | Self::Log(a, b) | Self::Minus(a, b) => a.has_decimals() || b.has_decimals(),
            Self::Add(v) | Self::Mul(v) | Self::Call(_, v) | Self::Seq(_, v, _) | Self::Set(v) => {
                v.iter().any(Self::has_decimals)
            }
            Self::List(v) | Self::Union(v) | Self::Meet(v) | Self::Chain(v, _) | Self::Ratio(v) => {
                v.iter().any(Self::has_decimals)
            }
            Self::Matrix(rows) => rows.iter().flatten().any(Self::has_decimals),
        }
    }

    /// A number as it is written: `-1.50`.
    pub(crate) fn literal(&self) -> Option<(Rat, u32)> {
        match self {
            Self::Num(value, decimals) => Some((value.clone(), decimals.unwrap_or(0))),
            Self::Neg(x) => x.literal().map(|(value, decimals)| (-value, decimals)),
            _ => None,
        }
    }
}
