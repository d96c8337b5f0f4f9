//! Tokens → [`Node`], by recursive descent with a bound on depth.

use num_bigint::BigInt;
use num_traits::{One, Zero};

use super::Fail;
use super::lex::{Kind, Token};
use super::node::Node;
use super::poly::Rat;

/// Deepest nesting of groups, exponents and functions.
const DEPTH: usize = 40;

/// Largest exponent of ten in `1e9`.
const TENS: i32 = 400;

pub(super) struct Parser<'a> {
    pub(super) tokens: &'a [Token],
    pub(super) at: usize,
    depth: usize,
    /// How many `|…|` are open: there `|` closes, and does not begin a factor.
    pub(super) bars: usize,
    /// What `±` stands for in this reading.
    plus: bool,
    /// The first digit of `\\frac12` has been taken.
    pub(super) split: bool,
}

/// The expression that all of `tokens` make; `±` doubles it into a list of two.
pub(crate) fn parse(tokens: &[Token]) -> Result<Node, Fail> {
    let both = tokens.iter().any(|t| matches!(t.kind, Kind::Sign("±" | "∓")));
    let read = |plus: bool| {
        let mut parser = Parser { tokens, at: 0, depth: 0, bars: 0, plus, split: false };
        let node = parser.list()?;
        if parser.at == tokens.len() { Ok(node) } else { Err(Fail::Syntax) }
    };
    let node = read(true)?;
    if !both {
        return Ok(node);
    }
    let other = read(false)?;
    // `x = 1 ± 2` says `x = 3` or `x = -1`.
    Ok(match (node, other) {
        (Node::Set(a), Node::Set(b)) => Node::Set([a, b].concat()),
        (Node::List(a), Node::List(b)) => Node::List([a, b].concat()),
        (a, b) => Node::List(vec![a, b]),
    })
}

impl Parser<'_> {
    pub(super) fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.at).map(|t| &t.kind)
    }

    pub(super) fn sign(&self) -> &'static str {
        match self.peek() {
            Some(Kind::Sign(sign)) => sign,
            _ => "",
        }
    }

    pub(super) fn command(&self) -> &str {
        match self.peek() {
            Some(Kind::Cmd(name)) => name,
            _ => "",
        }
    }

    pub(super) fn take(&mut self, sign: &str) -> bool {
        let found = !sign.is_empty() && self.sign() == sign;
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, sign: &str) -> Result<(), Fail> {
        if self.take(sign) { Ok(()) } else { Err(Fail::Syntax) }
    }

    /// Runs `read` one level deeper.
    pub(super) fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Fail>) -> Result<T, Fail> {
        if self.depth >= DEPTH {
            return Err(Fail::Syntax);
        }
        self.depth += 1;
        let out = read(self);
        self.depth -= 1;
        out
    }

    fn separator(&mut self) -> bool {
        let word = match self.peek() {
            Some(Kind::Cmd(name)) => name.as_str(),
            Some(Kind::Text(text)) => text.trim(),
            Some(Kind::Sign(sign)) => sign,
            _ => "",
        };
        if !matches!(word, "," | ";" | "and" | "or" | "lor" | ", and" | ", or") {
            return false;
        }
        self.at += 1;
        true
    }

    /// Parts with commas, "and" or "or" between them; a part alone stands for itself.
    pub(super) fn list(&mut self) -> Result<Node, Fail> {
        let mut items = vec![self.chain()?];
        while self.separator() {
            // "1, 2, and 3".
            while self.separator() {}
            items.push(self.chain()?);
        }
        Ok(match items.len() {
            1 => items.pop().ok_or(Fail::Syntax)?,
            _ => Node::List(items),
        })
    }

    /// Sides with `=`, `<`, … between them.
    fn chain(&mut self) -> Result<Node, Fail> {
        let first = self.sets()?;
        let (mut sides, mut signs) = (vec![first], Vec::new());
        loop {
            let sign = match self.sign() {
                "≈" => "=",
                sign @ ("=" | "<" | ">" | "<=" | ">=" | "!=" | "∈") => sign,
                _ if self.command() == "in" => "∈",
                _ => break,
            };
            self.at += 1;
            signs.push(sign);
            sides.push(self.sets()?);
        }
        if signs.is_empty() { sides.pop().ok_or(Fail::Syntax) } else { Ok(Node::Chain(sides, signs)) }
    }

    fn sets(&mut self) -> Result<Node, Fail> {
        let mut node = self.ratio()?;
        loop {
            let union = matches!(self.command(), "union" | "cup") || self.sign() == "∪";
            if union || self.sign() == "∩" {
                self.at += 1;
                let next = self.ratio()?;
                node = match (node, union) {
                    (Node::Union(mut parts), true) => {
                        parts.push(next);
                        Node::Union(parts)
                    }
                    (node, true) => Node::Union(vec![node, next]),
                    (Node::Meet(mut parts), false) => {
                        parts.push(next);
                        Node::Meet(parts)
                    }
                    (node, false) => Node::Meet(vec![node, next]),
                };
            } else if self.sign() == "∖" && !matches!(node, Node::Minus(..)) {
                self.at += 1;
                node = Node::Minus(Box::new(node), Box::new(self.ratio()?));
            } else {
                return Ok(node);
            }
        }
    }

    fn ratio(&mut self) -> Result<Node, Fail> {
        let first = self.sum()?;
        // Inside braces `:` parts a variable from its condition.
        if self.sign() != ":" {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.take(":") {
            parts.push(self.sum()?);
        }
        Ok(Node::Ratio(parts))
    }

    pub(super) fn sum(&mut self) -> Result<Node, Fail> {
        let mut terms = Vec::new();
        loop {
            let mut negative = false;
            let mut signed = terms.is_empty();
            loop {
                match self.sign() {
                    "+" => {}
                    "-" => negative = !negative,
                    "±" => negative ^= !self.plus,
                    "∓" => negative ^= self.plus,
                    _ => break,
                }
                self.at += 1;
                signed = true;
            }
            if !signed {
                break;
            }
            let term = self.product()?;
            terms.push(if negative { Node::Neg(Box::new(term)) } else { term });
        }
        match terms.len() {
            1 => terms.pop().ok_or(Fail::Syntax),
            _ => Ok(Node::Add(terms)),
        }
    }

    fn product(&mut self) -> Result<Node, Fail> {
        let mut factors = vec![self.unary()?];
        loop {
            if self.take("*") {
                factors.push(self.unary()?);
            } else if self.take("/") {
                let below = self.unary()?;
                factors.push(Node::Inverse(Box::new(below)));
            } else if self.begins_factor() {
                let was = self.at;
                // Two numerals side by side are no product.
                let number = matches!(self.peek(), Some(Kind::Num(_)));
                let before = self.tokens.get(was.wrapping_sub(1)).map(|t| &t.kind);
                if number && !matches!(before, Some(Kind::Sign(")" | "}" | "]" | "!"))) {
                    return Err(Fail::Syntax);
                }
                let next = self.power()?;
                match (factors.last(), proper(&next), before) {
                    // A mixed number: 1\frac{1}{2}.
                    (Some(Node::Num(whole, None)), true, Some(Kind::Num(_))) => {
                        let whole = Node::Num(whole.clone(), None);
                        factors.pop();
                        factors.push(Node::Add(vec![whole, next]));
                    }
                    _ => factors.push(next),
                }
            } else {
                break;
            }
        }
        match factors.len() {
            1 => factors.pop().ok_or(Fail::Syntax),
            _ => Ok(Node::Mul(factors)),
        }
    }

    fn unary(&mut self) -> Result<Node, Fail> {
        let mut negative = false;
        while matches!(self.sign(), "+" | "-") {
            negative ^= self.sign() == "-";
            self.at += 1;
        }
        let node = self.power()?;
        Ok(if negative { Node::Neg(Box::new(node)) } else { node })
    }

    /// True where a factor may follow without a sign.
    pub(super) fn begins_factor(&self) -> bool {
        match self.peek() {
            Some(Kind::Num(_) | Kind::Run(_)) => true,
            Some(Kind::Cmd(name)) => !matches!(
                name.as_str(),
                "and" | "or" | "lor" | "union" | "cup" | "in" | "end" | "to" | "cdot"
            ),
            Some(Kind::Sign(sign)) => {
                matches!(*sign, "(" | "[" | "{" | "⌊" | "⌈") || (*sign == "|" && self.bars == 0)
            }
            _ => false,
        }
    }

    /// A primary with what is written behind it: powers, factorials, percent, degrees.
    pub(super) fn power(&mut self) -> Result<Node, Fail> {
        let mut node = self.deeper(Self::primary)?;
        let mut behind = 0;
        loop {
            match self.sign() {
                "!" => {
                    self.at += 1;
                    node = Node::Call(super::algebra::Func::Factorial, vec![node]);
                }
                "%" => {
                    self.at += 1;
                    node = Node::Percent(Box::new(node));
                }
                "°" => {
                    self.at += 1;
                    node = Node::Degree(Box::new(node));
                }
                "^" => {
                    self.at += 1;
                    node = match self.exponent()? {
                        Some(exponent) => Node::Pow(Box::new(node), Box::new(exponent)),
                        None => Node::Degree(Box::new(node)),
                    };
                }
                _ if self.command() == "percent" => {
                    self.at += 1;
                    node = Node::Percent(Box::new(node));
                }
                _ => return Ok(node),
            }
            behind += 1;
            if behind > 4 {
                return Err(Fail::Syntax);
            }
        }
    }

    /// What stands after `^`; `None` for the degree sign.
    pub(super) fn exponent(&mut self) -> Result<Option<Node>, Fail> {
        if self.take("°") {
            return Ok(None);
        }
        let sign = |n: usize| match self.tokens.get(self.at + n) {
            Some(Token { kind: Kind::Sign(sign), .. }) => *sign,
            _ => "",
        };
        if sign(0) == "{" && sign(1) == "°" && sign(2) == "}" {
            self.at += 3;
            return Ok(None);
        }
        self.deeper(|p| {
            let mut negative = false;
            while matches!(p.sign(), "+" | "-") {
                negative ^= p.sign() == "-";
                p.at += 1;
            }
            let base = p.primary()?;
            let node = match p.sign() {
                "^" => {
                    p.at += 1;
                    let exponent = p.exponent()?.ok_or(Fail::Syntax)?;
                    Node::Pow(Box::new(base), Box::new(exponent))
                }
                _ => base,
            };
            Ok(Some(if negative { Node::Neg(Box::new(node)) } else { node }))
        })
    }

    /// A numeral: with a repeating part (`0.\overline{3}`), or mixed (`1 1/2`).
    pub(super) fn numeral(&mut self, text: &str) -> Result<Node, Fail> {
        self.at += 1;
        let (value, decimals) = decimal(text)?;
        let kind = |n: usize| self.tokens.get(self.at + n).map(|t| &t.kind);
        if text.contains('.')
            && let (
                Some(Kind::Cmd(bar)),
                Some(Kind::Sign("{")),
                Some(Kind::Num(digits)),
                Some(Kind::Sign("}")),
            ) = (kind(0), kind(1), kind(2), kind(3))
            && bar == "overline"
            && digits.len() <= 20
            && digits.bytes().all(|b| b.is_ascii_digit())
        {
            let repeated: BigInt = digits.parse().map_err(|_| Fail::Syntax)?;
            let ten = BigInt::from(10);
            let nines = ten.pow(digits.len() as u32) - BigInt::one();
            let shift = ten.pow(decimals.unwrap_or(0));
            self.at += 4;
            return Ok(Node::Num(value + Rat::new(repeated, nines * shift), None));
        }
        if decimals.is_none()
            && let (Some(Kind::Num(n)), Some(Kind::Sign("/")), Some(Kind::Num(d))) =
                (kind(0), kind(1), kind(2))
            && self.tokens.get(self.at).is_some_and(|t| t.spaced)
            && let ((n, None), (d, None)) = (decimal(n)?, decimal(d)?)
            && n < d
        {
            self.at += 3;
            return Ok(Node::Num(value + n / d, None));
        }
        Ok(Node::Num(value, decimals))
    }
}

/// True for a fraction of two numerals below 1.
fn proper(node: &Node) -> bool {
    let Node::Mul(factors) = node else { return false };
    match factors.as_slice() {
        [Node::Num(n, None), Node::Inverse(below)] => match &**below {
            Node::Num(d, None) => n < d,
            _ => false,
        },
        _ => false,
    }
}

/// The value of a numeral, and the count of digits after its point if it has any.
pub(crate) fn decimal(text: &str) -> Result<(Rat, Option<u32>), Fail> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((m, e)) => (m, e.parse::<i32>().map_err(|_| Fail::Syntax)?),
        None => (text, 0),
    };
    if !(-TENS..=TENS).contains(&exponent) {
        return Err(Fail::Budget);
    }
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() > 2_000 {
        return Err(Fail::TooLong);
    }
    let digits: BigInt = format!("0{whole}{fraction}").parse().map_err(|_| Fail::Syntax)?;
    let places = fraction.len() as i32 - exponent;
    let ten = BigInt::from(10).pow(places.unsigned_abs());
    let value = if places >= 0 { Rat::new(digits, ten) } else { Rat::from_integer(digits * ten) };
    let decimals = (!fraction.is_empty()).then(|| places.max(0).unsigned_abs());
    debug_assert!(value >= Rat::zero());
    Ok((value, decimals))
}
