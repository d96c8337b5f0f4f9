//! The parts that cannot be taken apart by signs: numerals, names, brackets, fractions, functions.

use super::Fail;
use super::algebra::Func;
use super::lex::{Kind, Token};
use super::node::Node;
use super::parse::{Parser, decimal};
use super::poly::Rat;

/// Functions of one argument by name.
const FUNCTIONS: [(&str, Func); 27] = [
    ("sin", Func::Sin),
    ("cos", Func::Cos),
    ("tan", Func::Tan),
    ("cot", Func::Cot),
    ("sec", Func::Sec),
    ("csc", Func::Csc),
    ("arcsin", Func::Asin),
    ("arccos", Func::Acos),
    ("arctan", Func::Atan),
    ("asin", Func::Asin),
    ("acos", Func::Acos),
    ("atan", Func::Atan),
    ("sinh", Func::Sinh),
    ("cosh", Func::Cosh),
    ("tanh", Func::Tanh),
    ("ln", Func::Ln),
    ("log", Func::Ln),
    ("lg", Func::Ln),
    ("abs", Func::Abs),
    ("floor", Func::Floor),
    ("ceil", Func::Ceil),
    ("factorial", Func::Factorial),
    ("tg", Func::Tan),
    ("ctg", Func::Cot),
    ("arctg", Func::Atan),
    ("exp", Func::Power),
    ("cbrt", Func::Power),
];

/// Commands that are variables by name.
const GREEK: [&str; 32] = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "varepsilon",
    "zeta",
    "eta",
    "theta",
    "vartheta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "rho",
    "sigma",
    "tau",
    "phi",
    "varphi",
    "chi",
    "psi",
    "omega",
    "Gamma",
    "Delta",
    "Theta",
    "Lambda",
    "Sigma",
    "Phi",
    "Psi",
    "Omega",
];

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Result<Node, Fail> {
        let Some(kind) = self.peek().cloned() else { return Err(Fail::Syntax) };
        match kind {
            Kind::Num(text) => self.numeral(&text),
            Kind::Run(name) => {
                self.at += 1;
                self.symbol(name)
            }
            Kind::Text(words) => {
                // A name in upright letters is a variable.
                let name = words.trim();
                if name.len() != 1 || !name.bytes().all(|b| b.is_ascii_alphabetic()) {
                    return Err(Fail::Words);
                }
                self.at += 1;
                self.symbol(name.to_string())
            }
            Kind::Sign(sign) => self.bracket(sign),
            Kind::Cmd(name) => {
                self.at += 1;
                self.named(&name)
            }
        }
    }

    /// A variable with its subscript and primes.
    fn symbol(&mut self, mut name: String) -> Result<Node, Fail> {
        if self.take("_") {
            name.push('_');
            if self.take("{") {
                while !self.take("}") {
                    match self.peek() {
                        Some(Kind::Num(t) | Kind::Run(t) | Kind::Cmd(t)) => name.push_str(t),
                        Some(Kind::Text(t)) => name.push_str(t.trim()),
                        Some(Kind::Sign(s)) if !matches!(*s, "{" | "\\{") => name.push_str(s),
                        _ => return Err(Fail::Syntax),
                    }
                    self.at += 1;
                }
            } else {
                match self.peek() {
                    Some(Kind::Num(t) | Kind::Run(t)) => name.push_str(t),
                    _ => return Err(Fail::Syntax),
                }
                self.at += 1;
            }
        }
        while self.take("'") {
            name.push('\'');
        }
        Ok(Node::Sym(name))
    }

    fn bracket(&mut self, open: &'static str) -> Result<Node, Fail> {
        self.at += 1;
        let bars = std::mem::take(&mut self.bars);
        let node = match open {
            "(" | "[" | "⟨" => self.sequence(open),
            "{" => self.group(),
            "\\{" => self.set(),
            "|" => {
                self.bars = 1;
                let inner = self.sum()?;
                self.expect("|")?;
                Ok(Node::Call(Func::Abs, vec![inner]))
            }
            "⌊" => {
                let inner = self.sum()?;
                self.expect("⌋")?;
                Ok(Node::Call(Func::Floor, vec![inner]))
            }
            "⌈" => {
                let inner = self.sum()?;
                self.expect("⌉")?;
                Ok(Node::Call(Func::Ceil, vec![inner]))
            }
            _ => Err(Fail::Syntax),
        }?;
        self.bars = bars;
        Ok(node)
    }

    /// `(a)` is `a`; with several parts, or brackets that differ, it is a sequence.
    fn sequence(&mut self, open: &'static str) -> Result<Node, Fail> {
        let inner = self.list()?;
        let close = match self.sign() {
            ")" => ')',
            "]" => ']',
            "⟩" => ')',
            _ => return Err(Fail::Syntax),
        };
        self.at += 1;
        let open = if open == "[" { '[' } else { '(' };
        Ok(match inner {
            Node::List(items) => Node::Seq(open, items, close),
            single if (open == '(') == (close == ')') => single,
            _ => return Err(Fail::Syntax),
        })
    }

    /// A group of TeX; several parts in it were meant as a set.
    fn group(&mut self) -> Result<Node, Fail> {
        let inner = self.list()?;
        self.expect("}")?;
        Ok(match inner {
            Node::List(items) => Node::Set(items),
            single => single,
        })
    }

    /// `\{a, b\}`, or `\{x : condition\}`, which stands for its condition.
    fn set(&mut self) -> Result<Node, Fail> {
        if self.take("\\}") {
            return Ok(Node::Set(Vec::new()));
        }
        self.bars = 1;
        let start = self.at;
        // Everything up to the bar or colon that stands outside of brackets.
        let mut depth = 0i32;
        let bar = self.tokens.get(start..).unwrap_or(&[]).iter().position(|t| {
            match t.kind {
                Kind::Sign("(" | "[" | "{" | "\\{") => depth += 1,
                Kind::Sign(")" | "]" | "}" | "\\}") => depth -= 1,
                Kind::Sign("|" | ":") if depth == 0 => return true,
                _ => {}
            }
            depth < 0
        });
        let builder = bar.map(|n| start + n).filter(|n| {
            let first = self.tokens.get(start).map(|t| &t.kind);
            *n > start
                && matches!(first, Some(Kind::Run(_) | Kind::Cmd(_)))
                && matches!(self.tokens.get(*n).map(|t| &t.kind), Some(Kind::Sign("|" | ":")))
        });
        if let Some(bar) = builder {
            self.at = bar + 1;
            let condition = self.list()?;
            self.expect("\\}")?;
            return Ok(condition);
        }
        let inner = self.list()?;
        self.expect("\\}")?;
        Ok(match inner {
            Node::List(items) => Node::Set(items),
            single => Node::Set(vec![single]),
        })
    }

    fn named(&mut self, name: &str) -> Result<Node, Fail> {
        if let Some((_, func)) = FUNCTIONS.iter().find(|(n, _)| *n == name) {
            return self.function(name, *func);
        }
        if GREEK.contains(&name) {
            return self.symbol(name.to_string());
        }
        match name {
            "pi" => Ok(Node::Sym("π".into())),
            "infty" | "infinity" | "inf" | "oo" => Ok(Node::Sym("∞".into())),
            "emptyset" | "varnothing" => Ok(Node::Set(Vec::new())),
            "reals" => Ok(Node::Reals),
            "frac" | "dfrac" | "tfrac" | "cfrac" => {
                let above = self.argument(true)?;
                let below = self.argument(true)?;
                Ok(Node::Mul(vec![above, Node::Inverse(Box::new(below))]))
            }
            "binom" | "dbinom" | "tbinom" => {
                let (n, k) = (self.argument(true)?, self.argument(true)?);
                Ok(Node::Call(Func::Binomial, vec![n, k]))
            }
            "binomial" => match self.deeper(Self::primary)? {
                Node::Seq('(', items, ')') if items.len() == 2 => Ok(Node::Call(Func::Binomial, items)),
                _ => Err(Fail::Syntax),
            },
            "sqrt" => {
                let mut degree = Node::Num(Rat::from_integer(2.into()), None);
                if self.take("[") {
                    degree = self.deeper(Self::sum)?;
                    self.expect("]")?;
                }
                let inner = self.argument(false)?;
                Ok(Node::Pow(Box::new(inner), Box::new(Node::Inverse(Box::new(degree)))))
            }
            "boxed" | "fbox" | "mathbf" | "boldsymbol" | "vec" | "hat" | "bar" | "mathcal" | "overline"
            | "overrightarrow" | "displaylines" | "ensuremath" | "bm" => self.argument(false),
            "mathbb" => {
                let reals = matches!(
                    self.tokens.get(self.at..self.at + 3),
                    Some([Token { kind: Kind::Sign("{"), .. }, Token { kind: Kind::Run(r), .. }, Token { kind: Kind::Sign("}"), .. }]) if r == "R"
                );
                if !reals {
                    return Err(Fail::Syntax);
                }
                self.at += 3;
                Ok(Node::Reals)
            }
            "begin" => self.matrix(),
            _ => Err(Fail::Syntax),
        }
    }

    /// The argument of a command: a group, or one primary. `\frac12` takes single digits.
    fn argument(&mut self, digit: bool) -> Result<Node, Fail> {
        let Some(Kind::Num(text)) = self.peek().cloned() else { return self.deeper(Self::primary) };
        let (head, rest) = (text.get(..1).unwrap_or(""), text.get(1..).unwrap_or(""));
        if !digit || rest.is_empty() || self.tokens.get(self.at).is_none() {
            self.at += 1;
            let (value, decimals) = decimal(&text)?;
            return Ok(Node::Num(value, decimals));
        }
        // `\frac12` is one token: the first digit above, the second below. More digits are not told apart.
        if rest.len() != 1 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Fail::Syntax);
        }
        if self.split {
            self.split = false;
            self.at += 1;
            return Ok(Node::Num(decimal(rest)?.0, None));
        }
        self.split = true;
        Ok(Node::Num(decimal(head)?.0, None))
    }

    fn function(&mut self, name: &str, func: Func) -> Result<Node, Fail> {
        let mut base = None;
        let mut power = None;
        for _ in 0..2 {
            if func == Func::Ln && self.take("_") {
                base = Some(self.deeper(Self::primary)?);
            } else if self.take("^") {
                power = self.exponent()?;
            }
        }
        let inner = self.deeper(Self::function_argument)?;
        let ten = || Node::Num(Rat::from_integer(10.into()), None);
        let boxed = Box::new(inner);
        let (node, inverse) = match name {
            "log" | "lg" => (Node::Log(Box::new(base.unwrap_or_else(ten)), boxed), None),
            "exp" => (Node::Pow(Box::new(Node::Sym("e".into())), boxed), None),
            "cbrt" => {
                let third = Node::Inverse(Box::new(Node::Num(Rat::from_integer(3.into()), None)));
                (Node::Pow(boxed, Box::new(third)), None)
            }
            _ => {
                let inverse = match func {
                    Func::Sin => Some(Func::Asin),
                    Func::Cos => Some(Func::Acos),
                    Func::Tan => Some(Func::Atan),
                    _ => None,
                };
                (Node::Call(func, vec![*boxed]), inverse)
            }
        };
        Ok(match (power, inverse) {
            (None, _) => node,
            // sin^{-1} is the arc sine.
            (Some(p), Some(inverse))
                if p.literal().is_some_and(|(v, _)| v == -Rat::from_integer(1.into())) =>
            {
                match node {
                    Node::Call(_, args) => Node::Call(inverse, args),
                    other => other,
                }
            }
            (Some(p), _) => Node::Pow(Box::new(node), Box::new(p)),
        })
    }

    /// `f(…)`, or `f 2x` up to the next sign or function.
    fn function_argument(&mut self) -> Result<Node, Fail> {
        if matches!(self.sign(), "(" | "{" | "[" | "|") {
            return self.primary();
        }
        let mut factors = vec![self.power()?];
        while self.begins_factor() && !matches!(self.sign(), "(" | "[" | "|") {
            let function = FUNCTIONS.iter().any(|(n, _)| *n == self.command());
            if function || matches!(self.peek(), Some(Kind::Num(_))) {
                break;
            }
            factors.push(self.power()?);
        }
        match factors.len() {
            1 => factors.pop().ok_or(Fail::Syntax),
            _ => Ok(Node::Mul(factors)),
        }
    }

    fn matrix(&mut self) -> Result<Node, Fail> {
        let name = self.environment()?;
        if !matches!(name.as_str(), "pmatrix" | "bmatrix" | "matrix" | "array" | "smallmatrix" | "Bmatrix") {
            return Err(Fail::Syntax);
        }
        if name == "array" {
            self.expect("{")?;
            while !self.take("}") {
                self.at += 1;
                if self.at >= self.tokens.len() {
                    return Err(Fail::Syntax);
                }
            }
        }
        let (mut rows, mut row) = (Vec::new(), Vec::new());
        loop {
            if self.command() == "end" {
                self.at += 1;
                self.environment()?;
                if !row.is_empty() {
                    rows.push(row);
                }
                break;
            }
            row.push(self.sum()?);
            if self.take("\\\\") {
                rows.push(std::mem::take(&mut row));
            } else if !self.take("&") && self.command() != "end" {
                return Err(Fail::Syntax);
            }
        }
        let width = rows.first().map_or(0, Vec::len);
        if width == 0 || rows.iter().any(|r| r.len() != width) {
            return Err(Fail::Syntax);
        }
        Ok(Node::Matrix(rows))
    }

    fn environment(&mut self) -> Result<String, Fail> {
        self.expect("{")?;
        let Some(Kind::Run(name)) = self.peek().cloned() else { return Err(Fail::Syntax) };
        self.at += 1;
        self.expect("}")?;
        Ok(name)
    }
}
