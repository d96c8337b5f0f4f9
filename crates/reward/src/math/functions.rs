//! General powers, and functions at the arguments where their value is known exactly.

use num_bigint::BigInt;
use num_rational::Ratio;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::Fail;
use super::algebra::{Algebra, Func, Gen};
use super::poly::{Exp, Frac, Mono, Poly, Rat};

/// Largest argument of a factorial that is written out.
const FACTORIAL: i64 = 1000;

impl Algebra {
    /// `base ^ exponent`.
    pub(crate) fn power(&mut self, base: &Frac, exponent: &Frac) -> Result<Frac, Fail> {
        self.budget.spend(4)?;
        if let Some(exp) = exponent.as_rat() {
            return self.rational_exponent(base, &exp);
        }
        if base.as_rat().is_some_and(|b| b.is_one()) {
            return Ok(Frac::integer(1));
        }
        // The power of a sum of exponents is a product of powers, one for each term.
        if let (Some((mono, coefficient)), true) = (base.single(), exponent.is_whole())
            && coefficient.is_positive()
        {
            let (mono, coefficient) = (mono.clone(), coefficient.clone());
            let mut out = Frac::integer(1);
            for (term, times) in exponent.num.0.clone() {
                let factor = self.power_of_term(&mono, &coefficient, &term, &times)?;
                out = self.mul(&out, &factor)?;
            }
            return Ok(out);
        }
        Ok(self.atom(Gen::Call(Func::Power, vec![base.clone(), exponent.clone()])))
    }

    fn rational_exponent(&mut self, base: &Frac, exp: &Rat) -> Result<Frac, Fail> {
        let power = if exp.is_integer() {
            let n = exp.to_integer().to_i64().ok_or(Fail::Budget);
            n.and_then(|n| self.whole_power(base, n))
        } else {
            small(exp).ok_or(Fail::Budget).and_then(|exp| self.root(base, exp))
        };
        match power {
            // Too large to write out: known by its magnitude, and equal to what is written alike.
            Err(Fail::Budget) if base.as_rat().is_some() => {
                let exponent = Frac::constant(exp.clone());
                Ok(self.atom(Gen::Huge(vec![base.clone(), exponent])))
            }
            power => power,
        }
    }

    /// `(c·mono) ^ (times·term)`.
    fn power_of_term(&mut self, mono: &Mono, c: &Rat, term: &Mono, times: &Rat) -> Result<Frac, Fail> {
        let times = small(times).ok_or(Fail::Budget)?;
        if term.is_one() {
            let base = Frac::whole(Poly::term(mono.clone(), c.clone()));
            return self
                .rational_exponent(&base, &Rat::new((*times.numer()).into(), (*times.denom()).into()));
        }
        if term.0.iter().any(|(g, _)| matches!(self.generator(*g), Some(Gen::Huge(_)))) {
            let base = Frac::whole(Poly::term(mono.clone(), c.clone()));
            let exponent = Frac::whole(Poly::term(term.clone(), to_rat(times)));
            return Ok(self.atom(Gen::Huge(vec![base, exponent])));
        }
        let mut out = Mono::default();
        let mut factor = Frac::integer(1);
        let mut bases: Vec<(u32, Exp)> = mono.0.clone();
        for (number, sign) in [(c.numer().clone(), 1), (c.denom().clone(), -1)] {
            for (prime, n) in self.factors(&number, 1)? {
                bases.push((self.intern(Gen::Prime(prime)), Exp::from_integer(i64::from(n) * sign)));
            }
        }
        for (base, e) in bases {
            let exp = num_traits::CheckedMul::checked_mul(&e, &times).ok_or(Fail::Budget)?;
            if matches!(self.generator(base), Some(Gen::E))
                && let Some(value) = self.exponential(term, exp)?
            {
                factor = self.mul(&factor, &value)?;
                continue;
            }
            let power = self.intern(Gen::Power(base, term.clone()));
            out = out.times(&Mono::of(power, exp))?;
        }
        self.mul(&factor, &Frac::whole(Poly::term(out, Rat::one())))
    }

    /// `e ^ (exp·term)` where it is known: turns `e^{iπq}`, and `e^{q ln f}`.
    fn exponential(&mut self, term: &Mono, exp: Exp) -> Result<Option<Frac>, Fail> {
        let kinds: Vec<_> = term.0.iter().map(|(g, e)| (self.generator(*g).cloned(), *e)).collect();
        let half = Ratio::new_raw(1, 2);
        match kinds.as_slice() {
            [(Some(a), ea), (Some(b), eb)] => {
                let turn = (*a == Gen::MinusOne && *b == Gen::Pi && *ea == half && eb.is_one())
                    || (*b == Gen::MinusOne && *a == Gen::Pi && *eb == half && ea.is_one());
                if !turn {
                    return Ok(None);
                }
                let cos = self.circle(to_rat(exp), Func::Cos)?;
                let sin = self.circle(to_rat(exp), Func::Sin)?;
                let i = self.imaginary();
                let imaginary = self.mul(&i, &sin)?;
                self.add(&cos, &imaginary).map(Some)
            }
            [(Some(Gen::Call(Func::Ln, args)), e)] if e.is_one() => match args.as_slice() {
                [inner] => self.rational_exponent(&inner.clone(), &to_rat(exp)).map(Some),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// A function of its arguments.
    pub(crate) fn call(&mut self, func: Func, args: Vec<Frac>) -> Result<Frac, Fail> {
        self.budget.spend(4)?;
        let Some(x) = args.first().cloned() else { return Err(Fail::Syntax) };
        match func {
            Func::Sin | Func::Cos => self.sine(func, &x),
            Func::Tan => self.ratio(Func::Sin, Func::Cos, &x),
            Func::Cot => self.ratio(Func::Cos, Func::Sin, &x),
            Func::Sec | Func::Csc => {
                let below = self.sine(if func == Func::Sec { Func::Cos } else { Func::Sin }, &x)?;
                self.div(&Frac::integer(1), &below)
            }
            Func::Ln => self.ln(&x),
            Func::Abs => self.abs(&x),
            Func::Factorial => self.factorial(&x),
            Func::Binomial => self.binomial(args),
            Func::Floor | Func::Ceil => match x.as_rat() {
                Some(x) => Ok(Frac::constant(if func == Func::Floor { x.floor() } else { x.ceil() })),
                None => Ok(self.atom(Gen::Call(func, args))),
            },
            Func::Asin | Func::Atan => self.arc(func, &x),
            Func::Acos => {
                // arccos x = π/2 − arcsin x
                let (arc, pi) = (self.arc(Func::Asin, &x)?, self.atom(Gen::Pi));
                let right = self.div(&pi, &Frac::integer(2))?;
                self.sub(&right, &arc)
            }
            Func::Sinh | Func::Tanh if x.num.is_zero() => Ok(Frac::integer(0)),
            _ => Ok(self.atom(Gen::Call(func, args))),
        }
    }

    fn ratio(&mut self, above: Func, below: Func, x: &Frac) -> Result<Frac, Fail> {
        let (above, below) = (self.sine(above, x)?, self.sine(below, x)?);
        self.div(&above, &below)
    }

    /// Sine or cosine: exact at the usual parts of a turn, odd or even in its argument elsewhere.
    fn sine(&mut self, func: Func, x: &Frac) -> Result<Frac, Fail> {
        if x.num.is_zero() {
            return Ok(Frac::integer(i64::from(func == Func::Cos)));
        }
        if let Some((mono, turns)) = x.single() {
            let pi = matches!(mono.0.as_slice(), [(g, e)]
                if e.is_one() && matches!(self.generator(*g), Some(Gen::Pi)));
            if pi {
                let turns = turns.clone();
                return self.circle(turns, func);
            }
        }
        let negative = x.num.0.values().next().is_some_and(|c| c.is_negative());
        let inner = if negative { x.clone().negated() } else { x.clone() };
        let value = self.atom(Gen::Call(func, vec![inner]));
        Ok(if negative && func == Func::Sin { value.negated() } else { value })
    }

    /// The sine or cosine of `x·π`.
    fn circle(&mut self, x: Rat, func: Func) -> Result<Frac, Fail> {
        let (one, two) = (Rat::one(), Rat::from_integer(2.into()));
        let half = one.clone() / &two;
        // Both as a sine of an angle in [0, 1/2], with a sign.
        let x = if func == Func::Cos { x + &half } else { x };
        let mut x = &x - (&x / &two).floor() * &two;
        let negative = x >= one;
        if negative {
            x -= &one;
        }
        if x > half {
            x = one - x;
        }
        let at = |n: i64, d: i64| Rat::new(n.into(), d.into());
        let root = |algebra: &mut Self, n: i64| algebra.root(&Frac::integer(n), Ratio::new_raw(1, 2));
        let over = |algebra: &mut Self, value: Frac, n: i64| algebra.div(&value, &Frac::integer(n));
        let value = if x.is_zero() {
            Frac::integer(0)
        } else if x == half {
            Frac::integer(1)
        } else if x == at(1, 6) {
            Frac::constant(half)
        } else if x == at(1, 4) {
            let value = root(self, 2)?;
            over(self, value, 2)?
        } else if x == at(1, 3) {
            let value = root(self, 3)?;
            over(self, value, 2)?
        } else if x == at(1, 12) || x == at(5, 12) {
            let (six, two) = (root(self, 6)?, root(self, 2)?);
            let two = if x == at(1, 12) { two.negated() } else { two };
            let sum = self.add(&six, &two)?;
            over(self, sum, 4)?
        } else {
            let pi = self.atom(Gen::Pi);
            let inner = self.mul(&Frac::constant(x), &pi)?;
            self.atom(Gen::Call(Func::Sin, vec![inner]))
        };
        Ok(if negative { value.negated() } else { value })
    }

    /// Arc sine or arc tangent: exact where the angle is one of the usual parts of a turn.
    fn arc(&mut self, func: Func, x: &Frac) -> Result<Frac, Fail> {
        if x.generators().iter().all(|g| matches!(self.generator(*g), Some(Gen::Prime(_)))) {
            for (n, d) in [(0, 1), (1, 6), (1, 4), (1, 3), (1, 2), (-1, 6), (-1, 4), (-1, 3), (-1, 2)] {
                if func == Func::Atan && d == 2 {
                    continue;
                }
                let turns = Rat::new(n.into(), d.into());
                let mut value = self.circle(turns.clone(), Func::Sin)?;
                if func == Func::Atan {
                    let below = self.circle(turns.clone(), Func::Cos)?;
                    value = self.div(&value, &below)?;
                }
                if self.same(&value, x)?.0 {
                    let pi = self.atom(Gen::Pi);
                    return self.mul(&Frac::constant(turns), &pi);
                }
            }
        }
        Ok(self.atom(Gen::Call(func, vec![x.clone()])))
    }

    /// The natural logarithm: of a product of powers of numbers term by term.
    fn ln(&mut self, x: &Frac) -> Result<Frac, Fail> {
        if x.num.is_zero() {
            return Err(Fail::Undefined);
        }
        let known = x.single().is_some_and(|(mono, c)| {
            let plain = |g: &u32| {
                matches!(self.generator(*g), Some(Gen::E | Gen::Pi | Gen::Prime(_) | Gen::Power(..)))
            };
            c.is_positive() && mono.0.iter().all(|(g, _)| plain(g))
        });
        let (Some((mono, coefficient)), true) = (x.single(), known) else {
            return Ok(self.atom(Gen::Call(Func::Ln, vec![x.clone()])));
        };
        let (mono, coefficient) = (mono.clone(), coefficient.clone());
        let mut parts: Vec<(Gen, Exp)> = Vec::new();
        for (number, sign) in [(coefficient.numer().clone(), 1), (coefficient.denom().clone(), -1)] {
            for (prime, times) in self.factors(&number, 1)? {
                parts.push((Gen::Prime(prime), Exp::from_integer(i64::from(times) * sign)));
            }
        }
        parts.extend(mono.0.iter().filter_map(|(g, e)| Some((self.generator(*g)?.clone(), *e))));
        let mut out = Frac::integer(0);
        for (generator, exp) in parts {
            let value = match generator {
                Gen::E => Frac::integer(1),
                Gen::Power(base, term) => {
                    let base = Frac::whole(Poly::term(Mono::of(base, Exp::one()), Rat::one()));
                    let base = if base == self.atom(Gen::E) { Frac::integer(1) } else { self.ln_atom(base) };
                    self.mul(&base, &Frac::whole(Poly::term(term, Rat::one())))?
                }
                Gen::Prime(p) => {
                    let inner = Frac::constant(Rat::from_integer(p));
                    self.ln_atom(inner)
                }
                other => {
                    let inner = self.atom(other);
                    self.ln_atom(inner)
                }
            };
            let value = self.mul(&Frac::constant(to_rat(exp)), &value)?;
            out = self.add(&out, &value)?;
        }
        Ok(out)
    }

    fn ln_atom(&mut self, inner: Frac) -> Frac {
        // The generator of a prime stands for the number itself here.
        let inner = match inner.single() {
            Some((mono, _)) => match mono.0.as_slice() {
                [(g, e)] if e.is_one() => match self.generator(*g) {
                    Some(Gen::Prime(p)) => Frac::constant(Rat::from_integer(p.clone())),
                    _ => inner,
                },
                _ => inner,
            },
            None => inner,
        };
        self.atom(Gen::Call(Func::Ln, vec![inner]))
    }

    fn abs(&mut self, x: &Frac) -> Result<Frac, Fail> {
        if let Some(value) = x.as_rat() {
            return Ok(Frac::constant(value.abs()));
        }
        if let Some(sign) = self.sign(x) {
            return Ok(if sign < 0 { x.clone().negated() } else { x.clone() });
        }
        let content = x.num.content();
        let negative = x.num.0.values().next().is_some_and(|c| c.is_negative());
        let factor = if negative { -content.clone() } else { content.clone() };
        let inner = Frac { num: x.num.clone().scaled(&factor.recip()), den: x.den.clone() };
        let value = self.atom(Gen::Call(Func::Abs, vec![inner]));
        self.mul(&Frac::constant(content), &value)
    }

    fn factorial(&mut self, x: &Frac) -> Result<Frac, Fail> {
        let Some(n) = x.as_rat() else { return self.shifted_factorial(x) };
        if n.is_negative() || !n.is_integer() {
            return Err(Fail::Undefined);
        }
        match n.to_integer().to_i64().filter(|n| *n <= FACTORIAL) {
            Some(n) => {
                self.budget.spend(n.unsigned_abs())?;
                let product = (2..=n).fold(BigInt::one(), |product, k| product * k);
                Ok(Frac::constant(Rat::from_integer(product)))
            }
            None => Ok(self.atom(Gen::Huge(vec![x.clone()]))),
        }
    }

    /// `(v+k)!` as `(v+k)…(v+1)·v!`, and with a quotient for negative `k`.
    fn shifted_factorial(&mut self, x: &Frac) -> Result<Frac, Fail> {
        let shift = x.is_whole().then(|| x.num.0.get(&Mono::default())).flatten();
        let shift = shift.filter(|k| k.is_integer()).and_then(|k| k.to_integer().to_i64());
        let shift = shift.filter(|k| (-12..=12).contains(k)).unwrap_or(0);
        let start = self.sub(x, &Frac::integer(shift))?;
        let mut out = self.atom(Gen::Call(Func::Factorial, vec![start.clone()]));
        for k in 1..=shift {
            let factor = self.add(&start, &Frac::integer(k))?;
            out = self.mul(&out, &factor)?;
        }
        for k in shift + 1..=0 {
            let factor = self.add(&start, &Frac::integer(k))?;
            out = self.div(&out, &factor)?;
        }
        Ok(out)
    }

    fn binomial(&mut self, args: Vec<Frac>) -> Result<Frac, Fail> {
        let [n, k] = args.as_slice() else { return Err(Fail::Syntax) };
        let whole = |x: &Frac| x.as_rat().filter(|v| v.is_integer()).and_then(|v| v.to_integer().to_i64());
        if let (None, Some(k @ 0..=8)) = (n.as_rat(), whole(k)) {
            // n(n−1)…/k!
            let mut out = Frac::integer(1);
            for j in 0..k {
                let factor = self.sub(n, &Frac::integer(j))?;
                out = self.mul(&out, &factor)?;
                out = self.div(&out, &Frac::integer(j + 1))?;
            }
            return Ok(out);
        }
        let (Some(n), Some(k)) = (whole(n), whole(k)) else {
            return Ok(self.atom(Gen::Call(Func::Binomial, args)));
        };
        if n < 0 {
            return Err(Fail::Undefined);
        }
        if k < 0 || k > n {
            return Ok(Frac::integer(0));
        }
        let k = k.min(n - k);
        if k > FACTORIAL {
            return Ok(self.atom(Gen::Call(Func::Binomial, vec![Frac::integer(n), Frac::integer(k)])));
        }
        self.budget.spend(k.unsigned_abs())?;
        let product = (0..k).fold(BigInt::one(), |product, j| product * (n - j) / (j + 1));
        Ok(Frac::constant(Rat::from_integer(product)))
    }
}

/// A number as an exponent, when it is small enough.
pub(crate) fn small(value: &Rat) -> Option<Exp> {
    let (n, d) = (value.numer().to_i64()?, value.denom().to_i64()?);
    (n.abs() < 1 << 30 && d < 1 << 20).then(|| Ratio::new(n, d))
}

fn to_rat(value: Exp) -> Rat {
    Rat::new((*value.numer()).into(), (*value.denom()).into())
}
