//! Sums of products of generators with exact rational coefficients: the normal form of an expression.
//!
//! A generator is anything that is not a rational number: a variable, the root of a prime, π, a
//! function of an argument. Exponents are rational, so that `√2·√2`, `x·x⁻¹` and `4^x` need no rules
//! of their own. What a generator is lives in [`super::algebra`]; here it is a number.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use num_integer::Integer;
use num_rational::{BigRational, Ratio};
use num_traits::{CheckedAdd, CheckedMul, One, Signed, Zero};

use super::Fail;

/// An exact number.
pub(crate) type Rat = BigRational;

/// An exponent.
pub(crate) type Exp = Ratio<i64>;

/// A product of powers of generators, ordered by generator, without zero exponents.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Mono(pub(crate) Vec<(u32, Exp)>);

/// A sum of products; no coefficient is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Poly(pub(crate) BTreeMap<Mono, Rat>);

/// A quotient. The denominator is 1 or has at least two terms and 1 as its first coefficient.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Frac {
    pub(crate) num: Poly,
    pub(crate) den: Poly,
}

impl Mono {
    pub(crate) fn of(generator: u32, exp: Exp) -> Self {
        if exp.is_zero() { Self::default() } else { Self(vec![(generator, exp)]) }
    }

    pub(crate) fn is_one(&self) -> bool {
        self.0.is_empty()
    }

    /// The product; fails when an exponent leaves 64 bits.
    pub(crate) fn times(&self, other: &Self) -> Result<Self, Fail> {
        let (a, b) = (&self.0, &other.0);
        let mut out = Vec::with_capacity(a.len() + b.len());
        let (mut i, mut j) = (0, 0);
        loop {
            match (a.get(i), b.get(j)) {
                (Some(x), Some(y)) if x.0 == y.0 => {
                    let exp = x.1.checked_add(&y.1).ok_or(Fail::Budget)?;
                    if !exp.is_zero() {
                        out.push((x.0, exp));
                    }
                    (i, j) = (i + 1, j + 1);
                }
                (Some(x), Some(y)) if x.0 < y.0 => {
                    out.push(*x);
                    i += 1;
                }
                (_, Some(y)) => {
                    out.push(*y);
                    j += 1;
                }
                (Some(x), None) => {
                    out.push(*x);
                    i += 1;
                }
                (None, None) => return Ok(Self(out)),
            }
        }
    }

    /// The power; fails when an exponent leaves 64 bits.
    pub(crate) fn power(&self, exp: Exp) -> Result<Self, Fail> {
        if exp.is_zero() {
            return Ok(Self::default());
        }
        let power = |&(g, e): &(u32, Exp)| Some((g, e.checked_mul(&exp)?));
        self.0.iter().map(power).collect::<Option<Vec<_>>>().map(Self).ok_or(Fail::Budget)
    }

    /// The exponent of a generator, 0 when it is not there.
    pub(crate) fn exp_of(&self, generator: u32) -> Exp {
        self.0.iter().find(|(g, _)| *g == generator).map_or_else(Exp::zero, |(_, e)| *e)
    }
}

impl Poly {
    pub(crate) fn zero() -> Self {
        Self::default()
    }

    pub(crate) fn constant(value: Rat) -> Self {
        Self::term(Mono::default(), value)
    }

    pub(crate) fn term(mono: Mono, coefficient: Rat) -> Self {
        let mut poly = Self::zero();
        poly.add_term(mono, coefficient);
        poly
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a sum without generators.
    pub(crate) fn as_rat(&self) -> Option<Rat> {
        match self.single() {
            None if self.is_zero() => Some(Rat::zero()),
            Some((mono, value)) if mono.is_one() => Some(value.clone()),
            _ => None,
        }
    }

    /// The only term.
    pub(crate) fn single(&self) -> Option<(&Mono, &Rat)> {
        if self.0.len() == 1 { self.0.first_key_value() } else { None }
    }

    pub(crate) fn add_term(&mut self, mono: Mono, coefficient: Rat) {
        if coefficient.is_zero() {
            return;
        }
        match self.0.entry(mono) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(coefficient);
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                let sum = entry.get_mut();
                *sum = if sum.is_integer() && coefficient.is_integer() {
                    Rat::new_raw(sum.numer() + coefficient.numer(), BigInt::one())
                } else {
                    &*sum + coefficient
                };
                if entry.get().is_zero() {
                    entry.remove();
                }
            }
        }
    }

    pub(crate) fn plus(mut self, other: &Self) -> Self {
        for (mono, coefficient) in &other.0 {
            self.add_term(mono.clone(), coefficient.clone());
        }
        self
    }

    pub(crate) fn scaled(mut self, factor: &Rat) -> Self {
        if factor.is_zero() {
            return Self::zero();
        }
        for coefficient in self.0.values_mut() {
            *coefficient = times(coefficient, factor);
        }
        self
    }

    pub(crate) fn negated(self) -> Self {
        self.scaled(&-Rat::one())
    }

    /// The generators that occur, each once.
    pub(crate) fn generators(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self.0.keys().flat_map(|m| m.0.iter().map(|(g, _)| *g)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The positive number that divides all coefficients into coprime integers; 1 for no terms.
    pub(crate) fn content(&self) -> Rat {
        let (mut num, mut den) = (BigInt::zero(), BigInt::one());
        for coefficient in self.0.values() {
            num = num.gcd(coefficient.numer());
            den = den.lcm(coefficient.denom());
        }
        if num.is_zero() { Rat::one() } else { Rat::new(num.abs(), den) }
    }

    /// The size of the largest coefficient in bits.
    pub(crate) fn bits(&self) -> u64 {
        self.0.values().map(bits).max().unwrap_or(0)
    }

    /// True for the expression 1.
    pub(crate) fn is_one(&self) -> bool {
        self.single().is_some_and(|(mono, value)| mono.is_one() && value.is_one())
    }

    fn is_integral(&self) -> bool {
        self.0.values().all(Rat::is_integer)
    }

    /// The steps that a product takes: terms by terms, by the size of the coefficients, which is
    /// squared where common divisors are searched for.
    pub(crate) fn product_steps(&self, other: &Self) -> u64 {
        let words = (self.bits() + other.bits()) / 64;
        let each = if self.is_integral() && other.is_integral() {
            1 + words / 8
        } else {
            3 + words + words * words / 16
        };
        (self.0.len() as u64).saturating_mul(other.0.len() as u64).saturating_mul(each)
    }
}

/// The product, without the search for common divisors where there can be none.
pub(crate) fn times(a: &Rat, b: &Rat) -> Rat {
    if a.is_integer() && b.is_integer() { Rat::new_raw(a.numer() * b.numer(), BigInt::one()) } else { a * b }
}

/// The size of a number in bits.
pub(crate) fn bits(value: &Rat) -> u64 {
    value.numer().bits() + value.denom().bits()
}

impl Frac {
    pub(crate) fn whole(num: Poly) -> Self {
        Self { num, den: Poly::constant(Rat::one()) }
    }

    pub(crate) fn constant(value: Rat) -> Self {
        Self::whole(Poly::constant(value))
    }

    pub(crate) fn integer(value: i64) -> Self {
        Self::constant(Rat::from_integer(value.into()))
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.den.as_rat().is_some()
    }

    /// The value of a rational number.
    pub(crate) fn as_rat(&self) -> Option<Rat> {
        if self.is_whole() { self.num.as_rat() } else { None }
    }

    /// The only term of a quotient by 1.
    pub(crate) fn single(&self) -> Option<(&Mono, &Rat)> {
        if self.is_whole() { self.num.single() } else { None }
    }

    pub(crate) fn negated(mut self) -> Self {
        self.num = self.num.negated();
        self
    }

    pub(crate) fn generators(&self) -> Vec<u32> {
        let mut all = self.num.generators();
        all.extend(self.den.generators());
        all.sort_unstable();
        all.dedup();
        all
    }
}
