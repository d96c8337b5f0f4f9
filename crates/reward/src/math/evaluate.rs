//! [`Node`] → [`Value`].

use num_rational::Ratio;
use num_traits::{One, Zero};

use super::Fail;
use super::algebra::{Algebra, Func, Gen};
use super::node::Node;
use super::poly::{Exp, Frac, Mono, Poly, Rat};
use super::value::{Interval, Number, Sign, Style, Value, mentions};

/// Most parts of one list, set or matrix.
const PARTS: usize = 200;

impl Algebra {
    /// What `node` says.
    pub(crate) fn value(&mut self, node: &Node, style: Style) -> Result<Value, Fail> {
        self.budget.spend(1)?;
        let all = |algebra: &mut Self, items: &[Node]| {
            if items.len() > PARTS {
                return Err(Fail::TooLong);
            }
            items.iter().map(|n| algebra.value(n, style)).collect::<Result<Vec<_>, _>>()
        };
        match node {
            Node::Degree(x) => self.value(x, style),
            Node::Seq(open, items, close) => Ok(Value::Seq(*open, all(self, items)?, *close)),
            Node::Set(items) => Ok(Value::Set(all(self, items)?)),
            Node::List(items) => {
                let items = all(self, items)?;
                self.list(items)
            }
            Node::Matrix(rows) => {
                let rows = rows.iter().map(|r| all(self, r)).collect::<Result<Vec<_>, _>>()?;
                Ok(Value::Matrix(rows))
            }
            Node::Ratio(items) => {
                let numbers = items.iter().map(|n| self.full_number(n, style));
                Ok(Value::Ratio(numbers.collect::<Result<_, _>>()?))
            }
            Node::Reals => Ok(Value::Region(None, vec![self.everything()])),
            Node::Union(parts) => {
                let parts = all(self, parts)?;
                if parts.iter().all(|p| matches!(p, Value::Set(_))) {
                    let sets = parts.into_iter().flat_map(|p| match p {
                        Value::Set(items) => items,
                        _ => Vec::new(),
                    });
                    return Ok(Value::Set(sets.collect()));
                }
                let mut regions = Vec::new();
                for part in &parts {
                    regions.extend(self.region(part)?.ok_or(Fail::Syntax)?.1);
                }
                Ok(Value::Region(None, self.union(regions)?))
            }
            Node::Meet(parts) => {
                let parts = all(self, parts)?;
                let mut out = vec![self.everything()];
                for part in &parts {
                    let region = self.region(part)?.ok_or(Fail::Syntax)?.1;
                    out = self.meet(&out, &region)?;
                }
                Ok(Value::Region(None, out))
            }
            Node::Minus(a, b) => {
                let (a, b) = (self.value(a, style)?, self.value(b, style)?);
                let a = self.region(&a)?.ok_or(Fail::Syntax)?.1;
                let b = self.region(&b)?.ok_or(Fail::Syntax)?.1;
                let outside = self.complement(&b)?;
                Ok(Value::Region(None, self.meet(&a, &outside)?))
            }
            Node::Chain(sides, signs) => self.chain(sides, signs, style),
            _ => {
                if let Some(matrix) = self.scaled_matrix(node, style)? {
                    return Ok(matrix);
                }
                self.full_number(node, style).map(Value::Number)
            }
        }
    }

    /// `\frac12 \begin{pmatrix}…` as one matrix.
    fn scaled_matrix(&mut self, node: &Node, style: Style) -> Result<Option<Value>, Fail> {
        let factors = match node {
            Node::Mul(factors) => factors.clone(),
            Node::Neg(x) => vec![Node::Num(-Rat::one(), None), (**x).clone()],
            _ => return Ok(None),
        };
        let matrices = factors.iter().filter(|f| matches!(f, Node::Matrix(_))).count();
        if matrices != 1 {
            return Ok(None);
        }
        let mut scale = Frac::integer(1);
        let mut rows = Vec::new();
        for factor in &factors {
            match factor {
                Node::Matrix(r) => rows = r.clone(),
                other => {
                    let number = self.number(other, style)?;
                    scale = self.mul(&scale, &number)?;
                }
            }
        }
        let mut out = Vec::new();
        for row in &rows {
            let mut line = Vec::new();
            for cell in row {
                let cell = self.number(cell, style)?;
                line.push(Value::Number(Number::of(self.mul(&scale, &cell)?)));
            }
            out.push(line);
        }
        Ok(Some(Value::Matrix(out)))
    }

    fn full_number(&mut self, node: &Node, style: Style) -> Result<Number, Fail> {
        let node = if let Node::Degree(x) = node { x } else { node };
        let f = self.number(node, style)?;
        Ok(Number { f, literal: node.literal(), decimals: node.has_decimals() })
    }

    /// The normal form of an expression.
    fn number(&mut self, node: &Node, style: Style) -> Result<Frac, Fail> {
        self.budget.spend(1)?;
        match node {
            Node::Num(value, _) => Ok(Frac::constant(value.clone())),
            Node::Sym(name) => Ok(match name.as_str() {
                "π" => self.atom(Gen::Pi),
                "e" => self.atom(Gen::E),
                "i" => self.imaginary(),
                "∞" => self.atom(Gen::Infinity),
                _ => self.atom(Gen::Var(name.clone())),
            }),
            Node::Add(terms) => {
                let mut sum = Frac::integer(0);
                for term in terms {
                    let term = self.number(term, style)?;
                    sum = self.add(&sum, &term)?;
                }
                Ok(sum)
            }
            Node::Mul(factors) => {
                let mut product = Frac::integer(1);
                for factor in factors {
                    product = match factor {
                        Node::Inverse(x) => {
                            let x = self.number(x, style)?;
                            self.div(&product, &x)?
                        }
                        _ => {
                            let factor = self.number(factor, style)?;
                            self.mul(&product, &factor)?
                        }
                    };
                }
                Ok(product)
            }
            Node::Inverse(x) => {
                let x = self.number(x, style)?;
                self.div(&Frac::integer(1), &x)
            }
            Node::Neg(x) => Ok(self.number(x, style)?.negated()),
            Node::Pow(base, exponent) => {
                let base = self.number(base, style)?;
                let exponent = self.number(exponent, style)?;
                self.power(&base, &exponent)
            }
            Node::Call(func, args) => {
                let args = args.iter().map(|a| self.number(a, style)).collect::<Result<Vec<_>, _>>()?;
                self.call(*func, args)
            }
            Node::Log(base, x) => {
                let (base, x) = (self.number(base, style)?, self.number(x, style)?);
                let above = self.call(Func::Ln, vec![x])?;
                let below = self.call(Func::Ln, vec![base])?;
                self.div(&above, &below)
            }
            Node::Percent(x) => {
                let x = self.number(x, style)?;
                let hundredth = Frac::constant(Rat::new(1.into(), 100.into()));
                if style.percent_ratio { self.mul(&x, &hundredth) } else { Ok(x) }
            }
            Node::Degree(x) => {
                let x = self.number(x, style)?;
                let pi = self.atom(Gen::Pi);
                let turn = self.mul(&pi, &Frac::constant(Rat::new(1.into(), 180.into())))?;
                self.mul(&x, &turn)
            }
            // Brackets with one value in them are read by the parser; others are no numbers.
            _ => Err(Fail::Syntax),
        }
    }

    /// Parts without brackets: conditions on one variable make one region.
    fn list(&mut self, mut items: Vec<Value>) -> Result<Value, Fail> {
        // `x = 1, 2` says `x = 1, x = 2`.
        if let Some(Value::Assign(name, ..)) = items.first()
            && items.iter().skip(1).all(|v| matches!(v, Value::Number(_)))
        {
            let name = name.clone();
            for item in items.iter_mut().skip(1) {
                *item = Value::Assign(name.clone(), Box::new(item.clone()), None);
            }
        }
        let regions: Vec<_> = items
            .iter()
            .filter_map(|v| match v {
                Value::Region(name, parts) => Some((name.clone(), parts.clone())),
                _ => None,
            })
            .collect();
        let Some((name, _)) = regions.first().cloned() else { return Ok(Value::List(items)) };
        if regions.len() != items.len() || regions.iter().any(|(n, _)| *n != name) || name.is_none() {
            return Ok(Value::List(items));
        }
        // "x > 1, x < 3" means both, "x < 1 or x > 3" means either: where they overlap they are bounds.
        let mut both = vec![self.everything()];
        for (_, parts) in &regions {
            both = self.meet(&both, parts)?;
        }
        let parts = if both.is_empty() {
            self.union(regions.into_iter().flat_map(|(_, parts)| parts).collect())?
        } else {
            both
        };
        Ok(Value::Region(name, parts))
    }

    fn chain(&mut self, sides: &[Node], signs: &[&'static str], style: Style) -> Result<Value, Fail> {
        let ([first, .., last], Some(sign)) = (sides, signs.first()) else { return Err(Fail::Syntax) };
        if sides.len() > PARTS {
            return Err(Fail::TooLong);
        }
        let name = |node: &Node| match node {
            Node::Sym(name) if !matches!(name.as_str(), "π" | "e" | "i" | "∞") => Some(name.clone()),
            // `(x, y) = (1, 2)`
            Node::Seq('(', items, ')') => {
                let names =
                    items.iter().map(|n| if let Node::Sym(name) = n { Some(name.as_str()) } else { None });
                names.collect::<Option<Vec<_>>>().map(|names| names.join(","))
            }
            _ => None,
        };
        if matches!(*sign, "=" | "∈")
            && let Some(x) = name(first)
            && !sides.iter().skip(1).any(|s| mentions(s, &x))
            && (signs.len() == 1 || signs.iter().all(|s| *s == "="))
        {
            let value = match sides {
                [_, value] => self.value(value, style)?,
                _ => self.chain(sides.get(1..).unwrap_or(&[]), signs.get(1..).unwrap_or(&[]), style)?,
            };
            let f = match &value {
                Value::Number(number) if *sign == "=" => {
                    let x = self.atom(Gen::Var(x.clone()));
                    Some(self.sub(&x, &number.f)?)
                }
                _ => None,
            };
            return Ok(Value::Assign(x, Box::new(value), f));
        }
        if signs.iter().all(|s| *s == "=") {
            if sides.len() == 2
                && let Some(x) = name(last)
                && !mentions(first, &x)
            {
                return self.chain(&[last.clone(), first.clone()], &["="], style);
            }
            return self.equation(sides, style);
        }
        let mut relations = Vec::new();
        for (pair, sign) in sides.windows(2).zip(signs) {
            let [a, b] = pair else { return Err(Fail::Syntax) };
            let (a, b) = (self.number(a, style)?, self.number(b, style)?);
            let (sign, f) = match *sign {
                "<" => (Sign::Less, self.sub(&a, &b)?),
                "<=" => (Sign::AtMost, self.sub(&a, &b)?),
                ">" => (Sign::Less, self.sub(&b, &a)?),
                ">=" => (Sign::AtMost, self.sub(&b, &a)?),
                "=" => (Sign::Equal, self.sub(&a, &b)?),
                "!=" => (Sign::Unequal, self.sub(&a, &b)?),
                _ => return Err(Fail::Syntax),
            };
            relations.push(self.solve(sign, f)?);
        }
        if relations.len() == 1 {
            return relations.pop().ok_or(Fail::Syntax);
        }
        match self.list(relations)? {
            Value::List(items) => Ok(Value::Set(items)),
            other => Ok(other),
        }
    }

    /// Sides that are said to be equal: a computation has the value of its first exact side, an
    /// identity that of its last side.
    fn equation(&mut self, sides: &[Node], style: Style) -> Result<Value, Fail> {
        let numbers = sides.iter().map(|s| self.full_number(s, style)).collect::<Result<Vec<_>, _>>()?;
        let [first, .., last] = numbers.as_slice() else { return Err(Fail::Syntax) };
        let constant = numbers.iter().all(|n| n.f.generators().iter().all(|g| self.is_constant(*g)));
        if constant {
            for other in numbers.iter().skip(1) {
                let close = self.numbers_equal(first, other)? || self.rounds_to(&first.f, other);
                if !close {
                    return Err(Fail::Undefined);
                }
            }
            return Ok(Value::Number(if first.decimals { last.clone() } else { first.clone() }));
        }
        let mut identity = true;
        for other in numbers.iter().skip(1) {
            identity &= self.same(&first.f, &other.f)?.0;
        }
        if identity {
            return Ok(Value::Number(last.clone()));
        }
        match numbers.as_slice() {
            [a, b] => {
                let f = self.sub(&a.f, &b.f)?;
                Ok(Value::Relation(Sign::Equal, f))
            }
            _ => {
                let mut relations = Vec::new();
                for pair in numbers.windows(2) {
                    let [a, b] = pair else { return Err(Fail::Syntax) };
                    relations.push(Value::Relation(Sign::Equal, self.sub(&a.f, &b.f)?));
                }
                Ok(Value::Set(relations))
            }
        }
    }

    /// A condition that is linear in its only variable as a region, any other as a relation.
    fn solve(&mut self, sign: Sign, f: Frac) -> Result<Value, Fail> {
        let variables: Vec<u32> =
            f.generators().into_iter().filter(|g| matches!(self.generator(*g), Some(Gen::Var(_)))).collect();
        let inner = |g: &u32| !self.is_constant(*g) && !matches!(self.generator(*g), Some(Gen::Infinity));
        let rest = f.generators().iter().filter(|g| !variables.contains(g)).any(inner);
        let (&[x], true, false) = (variables.as_slice(), f.is_whole(), rest) else {
            return Ok(Value::Relation(sign, f));
        };
        let (mut slope, mut offset) = (Poly::zero(), Poly::zero());
        for (mono, coefficient) in &f.num.0 {
            let exp = mono.exp_of(x);
            if exp.is_one() {
                slope.add_term(mono.times(&Mono::of(x, Ratio::new_raw(-1, 1)))?, coefficient.clone());
            } else if exp == Exp::zero() {
                offset.add_term(mono.clone(), coefficient.clone());
            } else {
                return Ok(Value::Relation(sign, f));
            }
        }
        let slope = Frac::whole(slope);
        let Some(up) = self.sign(&slope) else { return Ok(Value::Relation(sign, f)) };
        let bound = self.div(&Frac::whole(offset).negated(), &slope)?;
        let bound = self.end(&Number::of(bound))?;
        let name = match self.generator(x) {
            Some(Gen::Var(name)) => Some(name.clone()),
            _ => None,
        };
        let all = self.everything();
        let closed = sign == Sign::AtMost;
        let below = Interval { high: bound.clone(), high_in: closed, ..all.clone() };
        let above = Interval { low: bound.clone(), low_in: closed, ..all };
        let parts = match sign {
            Sign::Equal => return Ok(Value::Relation(sign, f)),
            Sign::Unequal => vec![below, above],
            _ if up > 0 => vec![below],
            _ => vec![above],
        };
        let parts = self.union(parts)?;
        Ok(Value::Region(name, parts))
    }
}
