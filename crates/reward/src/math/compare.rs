//! When two answers say the same. Every rule holds both ways round.

use num_rational::Ratio;
use num_traits::{One, Signed, Zero};

use super::Fail;
use super::algebra::{Algebra, Gen};
use super::numeric::{Point, Verdict};
use super::poly::{Exp, Frac, Mono, Poly, Rat};
use super::value::{Number, Sign, Value};

/// Points at which expressions in variables are compared.
const POINTS: u32 = 8;

impl Algebra {
    /// True when `a` and `b` say the same.
    pub(crate) fn values_equal(&mut self, a: &Value, b: &Value) -> Result<bool, Fail> {
        self.budget.spend(2)?;
        match (a, b) {
            (Value::Assign(x, v, f), Value::Assign(y, w, g)) => {
                if x == y && self.values_equal(v, w)? {
                    return Ok(true);
                }
                match (f, g) {
                    (Some(f), Some(g)) => self.relations_equal(Sign::Equal, f, g),
                    _ => Ok(false),
                }
            }
            (Value::Assign(_, _, Some(f)), Value::Relation(Sign::Equal, g))
            | (Value::Relation(Sign::Equal, g), Value::Assign(_, _, Some(f))) => {
                self.relations_equal(Sign::Equal, f, g)
            }
            (Value::Assign(_, v, _), other) | (other, Value::Assign(_, v, _)) if !has_names(other) => {
                self.values_equal(v, other)
            }
            (Value::Number(a), Value::Number(b)) => self.numbers_equal(a, b),
            (Value::Relation(s, f), Value::Relation(t, g)) => Ok(s == t && self.relations_equal(*s, f, g)?),
            (Value::Region(..), _) | (_, Value::Region(..)) => self.regions_equal(a, b),
            (Value::Seq(o, v, c), Value::Seq(p, w, d)) => {
                if (o, c) == (p, d) {
                    self.in_order(v, w)
                } else {
                    self.regions_equal(a, b)
                }
            }
            (Value::Seq('(', v, ')'), Value::List(w)) | (Value::List(w), Value::Seq('(', v, ')')) => {
                self.in_order(v, w)
            }
            (Value::Set(v), Value::Set(w) | Value::List(w)) | (Value::List(v), Value::Set(w)) => {
                Ok(self.contains_all(v, w)? && self.contains_all(w, v)?)
            }
            (Value::List(v), Value::List(w)) => self.in_any_order(v, w),
            (Value::Set(v), other) | (other, Value::Set(v)) => match v.as_slice() {
                [only] => self.values_equal(only, other),
                _ => Ok(false),
            },
            (Value::Matrix(m), Value::Matrix(n)) => {
                if m.len() != n.len() {
                    return Ok(false);
                }
                for (r, s) in m.iter().zip(n) {
                    if !self.in_order(r, s)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Value::Matrix(m), Value::Seq('(', v, ')') | Value::List(v))
            | (Value::Seq('(', v, ')') | Value::List(v), Value::Matrix(m)) => {
                // A row or a column is a vector.
                if m.len() > 1 && m.iter().any(|r| r.len() > 1) {
                    return Ok(false);
                }
                let vector: Vec<Value> = m.iter().flatten().cloned().collect();
                self.in_order(&vector, v)
            }
            (Value::Ratio(v), Value::Ratio(w)) => self.proportional(v, w),
            (Value::Ratio(v), Value::Number(x)) | (Value::Number(x), Value::Ratio(v)) => match v.as_slice() {
                [a, b] => {
                    let quotient = self.div(&a.f, &b.f)?;
                    self.numbers_equal(&Number::of(quotient), x)
                }
                _ => Ok(false),
            },
            _ => Ok(false),
        }
    }

    fn in_order(&mut self, v: &[Value], w: &[Value]) -> Result<bool, Fail> {
        if v.len() != w.len() {
            return Ok(false);
        }
        for (a, b) in v.iter().zip(w) {
            if !self.values_equal(a, b)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Every value of `w` is one of `v`.
    fn contains_all(&mut self, v: &[Value], w: &[Value]) -> Result<bool, Fail> {
        for b in w {
            let mut found = false;
            for a in v {
                found = found || self.values_equal(a, b)?;
            }
            if !found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The same values the same number of times.
    fn in_any_order(&mut self, v: &[Value], w: &[Value]) -> Result<bool, Fail> {
        if v.len() != w.len() {
            return Ok(false);
        }
        let mut left: Vec<&Value> = w.iter().collect();
        for a in v {
            let mut found = None;
            for (at, b) in left.iter().enumerate() {
                if self.values_equal(a, b)? {
                    found = Some(at);
                    break;
                }
            }
            match found {
                Some(at) => left.swap_remove(at),
                None => return Ok(false),
            };
        }
        Ok(true)
    }

    fn regions_equal(&mut self, a: &Value, b: &Value) -> Result<bool, Fail> {
        let (Some((x, a)), Some((y, b))) = (self.region(a)?, self.region(b)?) else { return Ok(false) };
        if a.len() != b.len() || (x.is_some() && y.is_some() && x != y) {
            return Ok(false);
        }
        for (x, y) in a.iter().zip(&b) {
            let same = x.low_in == y.low_in
                && x.high_in == y.high_in
                && self.ends_equal(&x.low, &y.low)?
                && self.ends_equal(&x.high, &y.high)?;
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn proportional(&mut self, v: &[Number], w: &[Number]) -> Result<bool, Fail> {
        let (Some(a), Some(b)) = (v.first(), w.first()) else { return Ok(false) };
        if v.len() != w.len() {
            return Ok(false);
        }
        for (x, y) in v.iter().zip(w) {
            let left = self.mul(&x.f, &b.f)?;
            let right = self.mul(&y.f, &a.f)?;
            if !self.numbers_equal(&Number::of(left), &Number::of(right))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Relations are equal up to a constant factor, which must be positive for inequalities.
    fn relations_equal(&mut self, sign: Sign, f: &Frac, g: &Frac) -> Result<bool, Fail> {
        let ordered = matches!(sign, Sign::Less | Sign::AtMost);
        let (f, g) = if ordered { (f.clone(), g.clone()) } else { (self.cleared(f)?, self.cleared(g)?) };
        if f.num.is_zero() || g.num.is_zero() {
            return Ok(f.num.is_zero() && g.num.is_zero());
        }
        // The factor is read off the constant part of one term that both have.
        let lead = |algebra: &Self, p: &Poly| -> Option<(Mono, Poly)> {
            let split = |m: &Mono| -> (Mono, Mono) {
                let (c, v): (Vec<_>, Vec<_>) =
                    m.0.iter().copied().partition(|(g, _)| algebra.is_constant(*g));
                (Mono(v), Mono(c))
            };
            let key = p.0.keys().map(|m| split(m).0).max()?;
            let mut sum = Poly::zero();
            for (m, c) in &p.0 {
                let (v, rest) = split(m);
                if v == key {
                    sum.add_term(rest, c.clone());
                }
            }
            Some((key, sum))
        };
        let (Some((x, a)), Some((y, b))) = (lead(self, &f.num), lead(self, &g.num)) else { return Ok(false) };
        if x != y {
            return Ok(false);
        }
        let (a, b) = (Frac::whole(a), Frac::whole(b));
        let factor = self.div(&a, &b)?;
        if ordered {
            match self.sign(&factor) {
                Some(1) => {}
                Some(_) => return Ok(false),
                None => return Err(Fail::Undecided),
            }
        }
        let scaled = self.mul(&g, &factor)?;
        self.numbers_equal(&Number::of(f), &Number::of(scaled))
    }

    /// The numerator without negative powers: what is zero where `f` is zero.
    fn cleared(&mut self, f: &Frac) -> Result<Frac, Fail> {
        let mut out = f.num.clone();
        for generator in out.generators() {
            let least = out.0.keys().map(|m| m.exp_of(generator)).min().unwrap_or_else(Exp::zero);
            if least.is_negative() && matches!(self.generator(generator), Some(Gen::Var(_))) {
                let up = Poly::term(Mono::of(generator, -least), Rat::one());
                out = self.product(&out, &up)?;
            }
        }
        Ok(Frac::whole(out))
    }

    /// True when the two numbers or expressions are equal.
    ///
    /// Without digits after a point on either side this is exact where normal forms decide, and by
    /// [`Point`] elsewhere. A numeral with digits after its point equals an exact constant within 10⁻⁶
    /// of its size, and another numeral when the one with more digits rounds to it and is as near.
    pub(crate) fn numbers_equal(&mut self, a: &Number, b: &Number) -> Result<bool, Fail> {
        let (equal, difference) = self.same(&a.f, &b.f)?;
        if equal {
            return Ok(true);
        }
        let constant = |algebra: &Self, n: &Number| n.f.generators().iter().all(|g| algebra.is_constant(*g));
        if !constant(self, a) || !constant(self, b) {
            return self.sampled(a, b, &difference);
        }
        if !self.exact_decimals && (a.decimals || b.decimals) {
            return self.near(a, b);
        }
        if self.decides(&difference) {
            return Ok(false);
        }
        let mut point = Point::new(self, 0);
        let (x, y) = (point.frac(&a.f), point.frac(&b.f));
        // A fraction p/q agrees only if (p±1)/q would not: e^{π√163} is near many whole numbers.
        let coarse = [&a.f, &b.f].into_iter().filter_map(Frac::as_rat).any(|r| {
            let q = super::numeric::rational(&Rat::from_integer(r.denom().clone()));
            (x.err + y.err) * q.re >= 0.25
        });
        match x.compare(y) {
            Verdict::Agree if coarse => Err(Fail::Undecided),
            Verdict::Agree => Ok(true),
            Verdict::Differ => Ok(false),
            Verdict::Unknown => match (self.log_size(&a.f), self.log_size(&b.f)) {
                (Some(x), Some(y)) if x.compare(y) == Verdict::Differ => Ok(false),
                _ => Err(Fail::Undecided),
            },
        }
    }

    fn near(&mut self, a: &Number, b: &Number) -> Result<bool, Fail> {
        if self.by_digits {
            return Ok(self.rounds_to(&a.f, b) || self.rounds_to(&b.f, a));
        }
        if let (Some(x), Some(y)) = (a.f.as_rat(), b.f.as_rat()) {
            let gap = (&x - &y).abs();
            let size = x.abs().max(y.abs());
            let million = Rat::from_integer(1_000_000.into());
            if &gap * &million > size {
                return Ok(false);
            }
            let noise = &gap * &million * &million <= size;
            // A whole number is meant exactly: 10000000.4 is not 10000000.
            let whole = (x.is_integer() && !a.decimals) || (y.is_integer() && !b.decimals);
            if whole {
                return Ok(noise || gap * million <= Rat::one());
            }
            // Of two numerals the longer must round to the shorter: 1234567.89 is not 1234567.8.
            if let (Some((_, m)), Some((_, n))) = (&a.literal, &b.literal) {
                let ulp = Rat::new(1.into(), num_bigint::BigInt::from(10).pow(*m.min(n)));
                return Ok(noise || gap * Rat::from_integer(2.into()) <= ulp);
            }
            return Ok(true);
        }
        let mut point = Point::new(self, 0);
        let (x, y) = (point.frac(&a.f), point.frac(&b.f));
        if x.compare(y) == Verdict::Unknown && !(x.err + y.err).is_finite() {
            return Err(Fail::Undecided);
        }
        let gap = (x.re - y.re).hypot(x.im - y.im);
        let size = x.size().max(y.size());
        if !gap.is_finite() {
            return if x.compare(y) == Verdict::Differ { Ok(false) } else { Err(Fail::Undecided) };
        }
        Ok(gap <= 1e-6 * size)
    }

    /// True when the numeral is the value rounded to the digits that it has.
    pub(crate) fn rounds_to(&self, value: &Frac, numeral: &Number) -> bool {
        let Some((shown, digits)) = &numeral.literal else { return false };
        if *digits == 0 {
            return false;
        }
        let half = Rat::new(1.into(), num_bigint::BigInt::from(10).pow(*digits) * 2);
        if let Some(value) = value.as_rat() {
            return (value - shown).abs() <= half;
        }
        let value = Point::new(self, 0).frac(value);
        let (shown, half) = (super::numeric::rational(shown), super::numeric::rational(&half));
        (value.re - shown.re).abs() <= half.re + value.err + shown.err && value.im.abs() <= value.err
    }

    /// True when a difference that is not zero in normal form cannot be zero: it is a polynomial in
    /// variables, `i`, roots of primes, which are linearly independent, and π or e, which are
    /// transcendental. (Of π and e together nothing is known.)
    fn decides(&self, difference: &Poly) -> bool {
        // What has no factor below 1,000 and is below 10⁶ is prime.
        let prime = |p: &num_bigint::BigInt| *p < num_bigint::BigInt::from(1_000_000);
        let plain = |generator: u32, exp: &Exp| match self.generator(generator) {
            Some(Gen::Pi | Gen::E) => exp.is_integer(),
            Some(Gen::Prime(p)) => prime(p),
            Some(Gen::MinusOne) => *exp == Ratio::new_raw(1, 2),
            Some(Gen::Var(_)) => true,
            _ => false,
        };
        let circle = |g: &u32| matches!(self.generator(*g), Some(Gen::Pi | Gen::E));
        difference.0.keys().all(|mono| mono.0.iter().all(|(g, e)| plain(*g, e)))
            && difference.generators().iter().filter(|g| circle(g)).count() <= 1
    }

    /// Expressions in variables: different when they differ at one point where both are real.
    fn sampled(&mut self, a: &Number, b: &Number, difference: &Poly) -> Result<bool, Fail> {
        if self.decides(difference) {
            return Ok(false);
        }
        if a.f
            .generators()
            .iter()
            .chain(&b.f.generators())
            .any(|g| matches!(self.generator(*g), Some(Gen::Infinity)))
        {
            return Ok(false);
        }
        let complex =
            difference.generators().iter().any(|g| matches!(self.generator(*g), Some(Gen::MinusOne)));
        let mut agreed = 0;
        for variant in 0..POINTS {
            self.budget.spend(4 + (a.f.num.0.len() + b.f.num.0.len()) as u64)?;
            let mut point = Point::new(self, variant);
            let (x, y) = (point.frac(&a.f), point.frac(&b.f));
            if !complex && (x.im.abs() > x.err || y.im.abs() > y.err) {
                continue;
            }
            match x.compare(y) {
                Verdict::Differ => return Ok(false),
                Verdict::Agree => agreed += 1,
                Verdict::Unknown => {}
            }
        }
        if agreed >= 2 { Ok(true) } else { Err(Fail::Undecided) }
    }
}

/// True for values that name a variable themselves.
fn has_names(value: &Value) -> bool {
    matches!(value, Value::Relation(..) | Value::Region(Some(_), _))
}
