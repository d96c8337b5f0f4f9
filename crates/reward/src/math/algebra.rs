//! The arithmetic of normal forms: sums, products, powers and roots.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use num_integer::Integer;
use num_rational::Ratio;
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::Fail;
use super::budget::{BITS, Budget};
use super::poly::{Exp, Frac, Mono, Poly, Rat, bits, times};

/// Something that is not a rational number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Gen {
    /// A variable.
    Var(String),
    /// A prime, or a number in which no small factor was found; only its roots appear.
    Prime(BigInt),
    /// −1, whose square root is `i`.
    MinusOne,
    /// π.
    Pi,
    /// Euler's number.
    E,
    /// +∞, as an end of intervals.
    Infinity,
    /// A sum of several terms; only its roots, and powers too long to expand, appear.
    Sum(Poly),
    /// A generator raised to a product that is not a number.
    Power(u32, Mono),
    /// A function of arguments.
    Call(Func, Vec<Frac>),
    /// A constant beyond [`BITS`]; above 10^300 in magnitude.
    Huge(Vec<Frac>),
}

/// A function of one or two arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Func {
    Sin,
    Cos,
    Tan,
    Cot,
    Sec,
    Csc,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Ln,
    Abs,
    Floor,
    Ceil,
    Factorial,
    Binomial,
    Power,
}

/// The generators of one comparison, and what it may still spend.
#[derive(Debug)]
pub(crate) struct Algebra {
    gens: Vec<Gen>,
    index: BTreeMap<Gen, u32>,
    pub(crate) budget: Budget,
    /// Numerals with digits after the point stand for exactly what they say.
    pub(crate) exact_decimals: bool,
    /// Such numerals equal what rounds to their digits.
    pub(crate) by_digits: bool,
}

impl Algebra {
    pub(crate) fn new(steps: u64) -> Self {
        Self {
            gens: Vec::new(),
            index: BTreeMap::new(),
            budget: Budget::new(steps),
            exact_decimals: false,
            by_digits: false,
        }
    }

    /// The number of a generator.
    pub(crate) fn intern(&mut self, generator: Gen) -> u32 {
        if let Some(id) = self.index.get(&generator) {
            return *id;
        }
        let id = self.gens.len() as u32;
        self.gens.push(generator.clone());
        self.index.insert(generator, id);
        id
    }

    pub(crate) fn generator(&self, id: u32) -> Option<&Gen> {
        self.gens.get(id as usize)
    }

    /// A generator as an expression.
    pub(crate) fn atom(&mut self, generator: Gen) -> Frac {
        let id = self.intern(generator);
        Frac::whole(Poly::term(Mono::of(id, Exp::one()), Rat::one()))
    }

    /// `i`, the square root of −1.
    pub(crate) fn imaginary(&mut self) -> Frac {
        let id = self.intern(Gen::MinusOne);
        Frac::whole(Poly::term(Mono::of(id, Ratio::new_raw(1, 2)), Rat::one()))
    }

    pub(crate) fn add(&mut self, a: &Frac, b: &Frac) -> Result<Frac, Fail> {
        self.budget.spend((a.num.0.len() + b.num.0.len()) as u64)?;
        if a.den == b.den {
            return self.quotient(a.num.clone().plus(&b.num), a.den.clone());
        }
        let left = self.over(&a.num, &b.den)?;
        let right = self.over(&b.num, &a.den)?;
        let den = self.over(&a.den, &b.den)?;
        self.quotient(left.plus(&right), den)
    }

    pub(crate) fn sub(&mut self, a: &Frac, b: &Frac) -> Result<Frac, Fail> {
        self.add(a, &b.clone().negated())
    }

    pub(crate) fn mul(&mut self, a: &Frac, b: &Frac) -> Result<Frac, Fail> {
        let num = self.product(&a.num, &b.num)?;
        let den = self.over(&a.den, &b.den)?;
        self.quotient(num, den)
    }

    /// A product in which a factor 1 is common. Both are in normal form, which the other keeps.
    fn over(&mut self, a: &Poly, b: &Poly) -> Result<Poly, Fail> {
        match (a.is_one(), b.is_one()) {
            (true, _) => Ok(b.clone()),
            (_, true) => Ok(a.clone()),
            _ => self.product(a, b),
        }
    }

    pub(crate) fn div(&mut self, a: &Frac, b: &Frac) -> Result<Frac, Fail> {
        let inverse = self.quotient(b.den.clone(), b.num.clone())?;
        self.mul(a, &inverse)
    }

    /// `num / den` in the form that [`Frac`] promises.
    fn quotient(&mut self, num: Poly, den: Poly) -> Result<Frac, Fail> {
        if den.is_zero() {
            return Err(Fail::Undefined);
        }
        if num.is_zero() {
            return Ok(Frac::whole(num));
        }
        if let Some((mono, coefficient)) = den.single() {
            if mono.is_one() && coefficient.is_one() {
                return Ok(Frac { num, den });
            }
            let inverse = Poly::term(mono.power(-Exp::one())?, coefficient.recip());
            return Ok(Frac::whole(self.product(&num, &inverse)?));
        }
        if num == den {
            return Ok(Frac::integer(1));
        }
        let Some(first) = den.0.values().next().map(|c| c.recip()) else { return Err(Fail::Undefined) };
        self.budget.spend((num.0.len() + den.0.len()) as u64)?;
        Ok(Frac { num: num.scaled(&first), den: den.scaled(&first) })
    }

    /// The product of two sums, with whole powers of roots folded back.
    pub(crate) fn product(&mut self, a: &Poly, b: &Poly) -> Result<Poly, Fail> {
        let out = self.product_flat(a, b)?;
        self.expand_roots(out)
    }

    /// Takes whole powers of primes and of −1 out of a product.
    fn fold(&self, mono: Mono) -> Result<(Mono, Rat), Fail> {
        let base = |id: u32| match self.generator(id) {
            Some(Gen::Prime(p)) => Some(p.clone()),
            Some(Gen::MinusOne) => Some(-BigInt::one()),
            _ => None,
        };
        let out = |e: &Exp| *e >= Exp::one() || e.is_negative();
        if !mono.0.iter().any(|(g, e)| out(e) && base(*g).is_some()) {
            return Ok((mono, Rat::one()));
        }
        let (mut rest, mut factor) = (Vec::with_capacity(mono.0.len()), Rat::one());
        for (generator, exp) in mono.0 {
            let Some(base) = base(generator).filter(|_| out(&exp)) else {
                rest.push((generator, exp));
                continue;
            };
            let whole = exp.floor().to_integer();
            // The parity is all that counts for −1.
            let whole = if base.is_negative() { whole.rem_euclid(2) } else { whole };
            factor *= rational_power(&Rat::from_integer(base), whole)?;
            let exp = exp - exp.floor();
            if !exp.is_zero() {
                rest.push((generator, exp));
            }
        }
        Ok((Mono(rest), factor))
    }

    /// Expands whole powers of sums: `√(x+1)² = x+1`. Powers that are too long stay as they are.
    fn expand_roots(&mut self, mut poly: Poly) -> Result<Poly, Fail> {
        for _ in 0..64 {
            let found = poly.0.keys().find_map(|mono| {
                mono.0.iter().find_map(|&(g, e)| match self.generator(g) {
                    Some(Gen::Sum(sum)) if e >= Exp::one() && short(sum, e.to_integer()) => {
                        Some((mono.clone(), g, e.to_integer(), sum.clone()))
                    }
                    _ => None,
                })
            });
            let Some((mono, generator, whole, sum)) = found else { return Ok(poly) };
            let Some(coefficient) = poly.0.remove(&mono) else { return Ok(poly) };
            let rest = mono.times(&Mono::of(generator, -Exp::from_integer(whole)))?;
            let mut term = Poly::term(rest, coefficient);
            for _ in 0..whole {
                term = self.product_flat(&term, &sum)?;
            }
            poly = poly.plus(&term);
        }
        Err(Fail::Budget)
    }

    /// A product without the expansion of roots, so that neither calls the other for ever.
    fn product_flat(&mut self, a: &Poly, b: &Poly) -> Result<Poly, Fail> {
        if a.bits() + b.bits() > 4 * BITS {
            return Err(Fail::Budget);
        }
        self.budget.spend(a.product_steps(b))?;
        let mut out = Poly::zero();
        for (mono_a, a) in &a.0 {
            for (mono_b, b) in &b.0 {
                let (mono, factor) = self.fold(mono_a.times(mono_b)?)?;
                let product = times(a, b);
                out.add_term(mono, if factor.is_one() { product } else { times(&product, &factor) });
            }
        }
        Ok(out)
    }

    /// True when `a = b` follows from the normal form; false when it does not follow.
    pub(crate) fn same(&mut self, a: &Frac, b: &Frac) -> Result<(bool, Poly), Fail> {
        if a == b {
            return Ok((true, Poly::zero()));
        }
        let left = self.over(&a.num, &b.den)?;
        let right = self.over(&b.num, &a.den)?;
        self.budget.spend((left.0.len() + right.0.len()) as u64)?;
        let mut difference = left.plus(&right.negated());
        // Negative powers of sums are cleared, so that what remains is a polynomial in the roots.
        for generator in difference.generators() {
            let Some(Gen::Sum(sum)) = self.generator(generator).cloned() else { continue };
            let exps = difference.0.keys().map(|m| m.exp_of(generator));
            let least = exps.min().unwrap_or_else(Exp::zero);
            let up = (-least).ceil();
            if least.is_negative() && short(&sum, up.to_integer()) {
                let clear = Poly::term(Mono::of(generator, up), Rat::one());
                difference = self.product(&difference, &clear)?;
            }
        }
        Ok((difference.is_zero(), difference))
    }

    /// `base ^ n`.
    pub(crate) fn whole_power(&mut self, base: &Frac, n: i64) -> Result<Frac, Fail> {
        if n < 0 {
            let inverse = self.div(&Frac::integer(1), base)?;
            return self.whole_power(&inverse, n.checked_neg().ok_or(Fail::Budget)?);
        }
        if n == 0 {
            return Ok(Frac::integer(1));
        }
        let num = self.whole_power_of_sum(&base.num, n)?;
        let den = self.whole_power_of_sum(&base.den, n)?;
        self.quotient(num, den)
    }

    fn whole_power_of_sum(&mut self, base: &Poly, n: i64) -> Result<Poly, Fail> {
        if base.is_zero() {
            return Ok(Poly::zero());
        }
        if let Some((mono, coefficient)) = base.single() {
            let (mono, factor) = self.fold(mono.power(Exp::from_integer(n))?)?;
            let coefficient = rational_power(coefficient, n)? * factor;
            self.budget.spend(bits(&coefficient) / 64)?;
            let power = Poly::term(mono, coefficient);
            return self.expand_roots(power);
        }
        if !short(base, n) {
            let content = base.content();
            let factor = rational_power(&content, n)?;
            let sum = self.intern(Gen::Sum(base.clone().scaled(&content.recip())));
            return Ok(Poly::term(Mono::of(sum, Exp::from_integer(n)), factor));
        }
        let mut out = Poly::constant(Rat::one());
        for _ in 0..n {
            out = self.product(&out, base)?;
        }
        Ok(out)
    }

    /// `base ^ exp` for an exponent that is not whole. Odd roots of negative numbers are the real ones.
    pub(crate) fn root(&mut self, base: &Frac, exp: Exp) -> Result<Frac, Fail> {
        let num = self.root_of_sum(&base.num, exp)?;
        if base.is_whole() {
            return Ok(num);
        }
        let den = self.root_of_sum(&base.den, exp)?;
        self.div(&num, &den)
    }

    fn root_of_sum(&mut self, base: &Poly, exp: Exp) -> Result<Frac, Fail> {
        if base.is_zero() {
            return if exp.is_positive() { Ok(Frac::integer(0)) } else { Err(Fail::Undefined) };
        }
        let Some((mono, coefficient)) = base.single() else {
            let content = base.content();
            let outer = self.root_of_rational(&content, exp)?;
            let sum = self.intern(Gen::Sum(base.clone().scaled(&content.recip())));
            let inner = self.expand_roots(Poly::term(Mono::of(sum, exp), Rat::one()))?;
            return self.mul(&outer, &Frac::whole(inner));
        };
        let mut out = self.root_of_rational(coefficient, exp)?;
        for &(generator, e) in &mono.0 {
            let real_sign = matches!(self.generator(generator), Some(Gen::Var(_) | Gen::Call(..)));
            let even = e.is_integer() && e.to_integer() % 2 == 0 && exp.denom() % 2 == 0;
            // √(x²) is |x|, not x.
            let generator = if real_sign && even {
                let inner = Frac::whole(Poly::term(Mono::of(generator, Exp::one()), Rat::one()));
                self.intern(Gen::Call(Func::Abs, vec![inner]))
            } else {
                generator
            };
            let factor = Poly::term(Mono::of(generator, Exp::one()).power(e)?.power(exp)?, Rat::one());
            out = self.mul(&out, &Frac::whole(factor))?;
        }
        Ok(out)
    }

    /// A power of a number as a product of roots of primes.
    fn root_of_rational(&mut self, base: &Rat, exp: Exp) -> Result<Frac, Fail> {
        let mut mono = Mono::default();
        let mut factor = Rat::one();
        if base.is_negative() {
            if exp.denom().is_odd() {
                factor = if exp.numer().is_odd() { -factor } else { factor };
            } else {
                mono = Mono::of(self.intern(Gen::MinusOne), exp);
            }
        }
        for (number, sign) in [(base.numer().abs(), 1), (base.denom().clone(), -1)] {
            for (prime, times) in self.factors(&number, *exp.denom())? {
                let e = exp * Exp::from_integer(i64::from(times) * sign);
                let prime = self.intern(Gen::Prime(prime));
                mono = mono.times(&Mono::of(prime, e))?;
            }
        }
        let (mono, folded) = self.fold(mono)?;
        Ok(Frac::whole(Poly::term(mono, factor * folded)))
    }

    /// Prime factors by trial division up to 1,000; what is left is split only when it is itself a
    /// power of `degree`, and stands as a factor otherwise.
    pub(crate) fn factors(&mut self, number: &BigInt, degree: i64) -> Result<Vec<(BigInt, u32)>, Fail> {
        let mut out = Vec::new();
        let mut rest = number.clone();
        if rest.bits() > 512 {
            return Err(Fail::Budget);
        }
        self.budget.spend(20 + rest.bits())?;
        let mut p = 2u32;
        while p < 1000 && rest > BigInt::one() {
            if BigInt::from(p) * p > rest {
                break;
            }
            let mut times = 0;
            while (&rest % p).is_zero() {
                rest /= p;
                times += 1;
            }
            if times > 0 {
                out.push((BigInt::from(p), times));
            }
            p += if p == 2 { 1 } else { 2 };
        }
        if rest > BigInt::one() {
            let degree = u32::try_from(degree).unwrap_or(1).clamp(1, 64);
            let root = rest.nth_root(degree);
            if degree > 1 && root.pow(degree) == rest {
                out.push((root, degree));
            } else {
                out.push((rest, 1));
            }
        }
        Ok(out)
    }
}

/// True when a power of a sum has few enough terms to be written out.
fn short(sum: &Poly, n: i64) -> bool {
    let terms = sum.0.len() as u64;
    let Ok(n) = u64::try_from(n) else { return false };
    match terms {
        0 | 1 => true,
        2 => n <= 100,
        3 => n <= 20,
        4..=6 => n <= 8,
        _ => n <= 3,
    }
}

/// A power of a number, within [`BITS`].
pub(crate) fn rational_power(base: &Rat, n: i64) -> Result<Rat, Fail> {
    if base.is_one() || n == 0 {
        return Ok(Rat::one());
    }
    if base.is_zero() && n < 0 {
        return Err(Fail::Undefined);
    }
    if (-base).is_one() {
        return Ok(if n % 2 == 0 { Rat::one() } else { -Rat::one() });
    }
    let size = bits(base).checked_mul(n.unsigned_abs()).filter(|b| *b <= BITS).ok_or(Fail::Budget)?;
    debug_assert!(size <= BITS);
    let n = n.to_i32().ok_or(Fail::Budget)?;
    Ok(base.pow(n))
}
