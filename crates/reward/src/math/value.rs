//! What an answer says: numbers, sequences, sets, intervals, relations, matrices.

use super::node::Node;
use super::poly::{Frac, Rat};

/// A number or an expression in variables.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    pub(crate) f: Frac,
    /// The value and the digits after the point, when it is written as one numeral.
    pub(crate) literal: Option<(Rat, u32)>,
    /// Some numeral in it has a fraction in digits.
    pub(crate) decimals: bool,
}

/// An interval of real numbers; ends may be infinite.
#[derive(Clone, Debug)]
pub(crate) struct Interval {
    pub(crate) low: Number,
    pub(crate) low_in: bool,
    pub(crate) high: Number,
    pub(crate) high_in: bool,
}

/// How the two sides of a relation stand; `>` and `≥` are turned round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// `= 0`
    Equal,
    /// `≠ 0`
    Unequal,
    /// `< 0`
    Less,
    /// `≤ 0`
    AtMost,
}

/// What an answer says.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A number or an expression.
    Number(Number),
    /// Values in order between brackets.
    Seq(char, Vec<Value>, char),
    /// Values in no order, each once.
    Set(Vec<Value>),
    /// Values without brackets.
    List(Vec<Value>),
    /// Disjoint intervals in order, and the variable they speak of.
    Region(Option<String>, Vec<Interval>),
    /// `f = 0`, `f < 0`, …
    Relation(Sign, Frac),
    /// `name = value`, and `name − value` where that is an expression.
    Assign(String, Box<Value>, Option<Frac>),
    /// Rows of values.
    Matrix(Vec<Vec<Value>>),
    /// `a : b : …`
    Ratio(Vec<Number>),
}

impl Number {
    pub(crate) fn of(f: Frac) -> Self {
        Self { f, literal: None, decimals: false }
    }
}

/// True when `name` is written somewhere in `node`.
pub(crate) fn mentions(node: &Node, name: &str) -> bool {
    let any = |v: &[Node]| v.iter().any(|n| mentions(n, name));
    match node {
        Node::Sym(s) => s == name,
        Node::Num(..) | Node::Reals => false,
        Node::Inverse(x) | Node::Neg(x) | Node::Percent(x) | Node::Degree(x) => mentions(x, name),
        Node::Pow(a, b) | Node::Log(a, b) | Node::Minus(a, b) => mentions(a, name) || mentions(b, name),
        Node::Add(v) | Node::Mul(v) | Node::Call(_, v) | Node::Seq(_, v, _) | Node::Set(v) => any(v),
        Node::List(v) | Node::Union(v) | Node::Meet(v) | Node::Chain(v, _) | Node::Ratio(v) => any(v),
        Node::Matrix(rows) => rows.iter().any(|r| any(r)),
    }
}

/// How numbers are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// `10%` is 1/10, otherwise 10.
    pub(crate) percent_ratio: bool,
}
