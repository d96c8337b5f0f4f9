//! Values with a bound on their error, where normal forms do not decide.
//!
//! A [`Ball`] is a complex `f64` with a radius that holds the exact value: every step adds what it
//! inherits to a few units of rounding (`SLACK`, 2⁻⁴⁸ of the magnitude, well above the 1 ulp or so of
//! the functions of the standard library). Two expressions **differ** when their balls are apart; they
//! **agree** when the balls meet and are both smaller than 10⁻⁹ of the magnitude; else nothing is said.

use std::collections::BTreeMap;

use num_traits::ToPrimitive;

use super::algebra::{Algebra, Func, Gen};
use super::poly::{Exp, Frac, Mono, Poly, Rat};

const SLACK: f64 = 3.6e-15;

/// Agreement asks for radii below this share of the magnitude.
const CLOSE: f64 = 1e-9;

/// A complex number within `err` of `re + i·im`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ball {
    pub(crate) re: f64,
    pub(crate) im: f64,
    pub(crate) err: f64,
}

/// What two balls say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They are equal as far as can be seen.
    Agree,
    /// They are certainly different.
    Differ,
    /// Nothing can be said here.
    Unknown,
}

impl Ball {
    pub(crate) fn real(re: f64) -> Self {
        Self { re, im: 0.0, err: re.abs() * SLACK }
    }

    fn new(re: f64, im: f64, err: f64) -> Self {
        Self { re, im, err: err + (re.abs() + im.abs()) * SLACK }
    }

    fn unknown() -> Self {
        Self { re: f64::NAN, im: 0.0, err: f64::INFINITY }
    }

    pub(crate) fn size(self) -> f64 {
        self.re.hypot(self.im)
    }

    fn is_real(self) -> bool {
        self.im.abs() <= self.err
    }

    fn add(self, o: Self) -> Self {
        Self::new(self.re + o.re, self.im + o.im, self.err + o.err)
    }

    fn mul(self, o: Self) -> Self {
        let re = self.re * o.re - self.im * o.im;
        let im = if self.im == 0.0 && o.im == 0.0 { 0.0 } else { self.re * o.im + self.im * o.re };
        let (a, b) = (self.size(), o.size());
        // The rounding of a product is relative to the factors, not to what is left after cancelling.
        Self { re, im, err: a * o.err + b * self.err + self.err * o.err + a * b * SLACK }
    }

    fn inverse(self) -> Self {
        let size = self.size();
        if size <= 2.0 * self.err || size == 0.0 {
            return Self::unknown();
        }
        let s = size * size;
        let im = if self.im == 0.0 { 0.0 } else { -self.im / s };
        Self::new(self.re / s, im, 2.0 * self.err / s)
    }

    fn ln(self) -> Self {
        let size = self.size();
        if size <= 2.0 * self.err || size == 0.0 {
            return Self::unknown();
        }
        let im = if self.im == 0.0 && self.re > 0.0 { 0.0 } else { self.im.atan2(self.re) };
        Self::new(size.ln(), im, 2.0 * self.err / size + SLACK)
    }

    fn exp(self) -> Self {
        if self.err > 1.0 || self.err.is_nan() {
            return Self::unknown();
        }
        let size = self.re.exp();
        if self.im == 0.0 {
            return Self::new(size, 0.0, 2.0 * self.err * size);
        }
        let (sin, cos) = self.im.sin_cos();
        Self::new(size * cos, size * sin, 2.0 * self.err * size + size * SLACK * (1.0 + self.im.abs()))
    }

    fn power(self, exp: Exp) -> Self {
        let e = *exp.numer() as f64 / *exp.denom() as f64;
        if exp.is_integer() && exp.numer().abs() <= 64 {
            let mut out = Self { re: 1.0, im: 0.0, err: 0.0 };
            for _ in 0..exp.numer().abs() {
                out = out.mul(self);
            }
            return if *exp.numer() < 0 { out.inverse() } else { out };
        }
        if self.re == 0.0 && self.im == 0.0 && self.err == 0.0 {
            return if e > 0.0 { self } else { Self::unknown() };
        }
        // Odd roots of negative numbers are the real ones.
        if self.is_real() && self.re < 0.0 && exp.denom() % 2 == 1 && !exp.is_integer() {
            let size = Self { re: -self.re, im: 0.0, err: self.err }.power(exp);
            let sign = if exp.numer() % 2 == 0 { 1.0 } else { -1.0 };
            return Self { re: sign * size.re, ..size };
        }
        self.ln().mul(Self::real(e)).exp()
    }

    /// A real function with a bound on its slope near the value.
    fn apply(self, f: impl Fn(f64) -> f64, slope: impl Fn(f64) -> f64) -> Self {
        if !self.is_real() || !self.err.is_finite() {
            return Self::unknown();
        }
        let value = f(self.re);
        let slope = slope(self.re - self.err).abs().max(slope(self.re + self.err).abs());
        if value.is_nan() || slope.is_nan() {
            return Self::unknown();
        }
        Self::new(value, 0.0, 2.0 * slope * self.err + SLACK * self.re.abs().min(1.0))
    }

    pub(crate) fn compare(self, o: Self) -> Verdict {
        if self.re.is_infinite() || o.re.is_infinite() {
            // A constant above 10^300 is not a finite one; of two such nothing is known.
            let finite = |b: Self| b.re.is_finite() && b.im.is_finite() && b.err < 1e200 && b.size() < 1e300;
            return if finite(self) || finite(o) { Verdict::Differ } else { Verdict::Unknown };
        }
        let err = self.err + o.err;
        let gap = (self.re - o.re).hypot(self.im - o.im);
        if gap.is_nan() || !err.is_finite() {
            Verdict::Unknown
        } else if gap > err {
            Verdict::Differ
        } else if err <= CLOSE * self.size().max(o.size()) || err <= 1e-13 {
            Verdict::Agree
        } else {
            Verdict::Unknown
        }
    }
}

/// The values of generators at one point.
pub(crate) struct Point<'a> {
    algebra: &'a Algebra,
    variant: u32,
    cache: BTreeMap<u32, Ball>,
}

impl<'a> Point<'a> {
    /// Point number `variant`: 0 and 1 have positive variables, others either sign.
    pub(crate) fn new(algebra: &'a Algebra, variant: u32) -> Self {
        Self { algebra, variant, cache: BTreeMap::new() }
    }

    pub(crate) fn frac(&mut self, f: &Frac) -> Ball {
        let num = self.poly(&f.num);
        if f.is_whole() { num } else { num.mul(self.poly(&f.den).inverse()) }
    }

    pub(crate) fn poly(&mut self, p: &Poly) -> Ball {
        let mut sum = Ball { re: 0.0, im: 0.0, err: 0.0 };
        for (mono, coefficient) in &p.0 {
            sum = sum.add(self.mono(mono).mul(rational(coefficient)));
        }
        sum
    }

    fn mono(&mut self, m: &Mono) -> Ball {
        let mut product = Ball { re: 1.0, im: 0.0, err: 0.0 };
        for (generator, exp) in &m.0 {
            let factor = match self.algebra.generator(*generator) {
                // Powers of −1 are principal here: they stand for i and its roots.
                Some(Gen::MinusOne) => {
                    let (sin, cos) =
                        (std::f64::consts::PI * *exp.numer() as f64 / *exp.denom() as f64).sin_cos();
                    if *exp.denom() == 2 {
                        Ball { re: 0.0, im: sin.signum(), err: 0.0 }
                    } else {
                        Ball::new(cos, sin, SLACK)
                    }
                }
                _ => self.generator(*generator).power(*exp),
            };
            product = product.mul(factor);
        }
        product
    }

    /// Recursion is as deep as functions are nested, which the parser bounds.
    fn generator(&mut self, id: u32) -> Ball {
        if let Some(known) = self.cache.get(&id) {
            return *known;
        }
        let algebra = self.algebra;
        let value = match algebra.generator(id) {
            None | Some(Gen::Infinity) => Ball::unknown(),
            Some(Gen::Var(name)) => Ball { re: self.variable(name), im: 0.0, err: 0.0 },
            Some(Gen::Prime(p)) => rational(&Rat::from_integer(p.clone())),
            Some(Gen::MinusOne) => Ball { re: -1.0, im: 0.0, err: 0.0 },
            Some(Gen::Pi) => Ball::real(std::f64::consts::PI),
            Some(Gen::E) => Ball::real(std::f64::consts::E),
            Some(Gen::Sum(sum)) => self.poly(sum),
            Some(Gen::Power(base, term)) => {
                let (base, term) = (self.generator(*base), self.mono(term));
                base.ln().mul(term).exp()
            }
            Some(Gen::Call(func, args)) => self.call(*func, args),
            Some(Gen::Huge(args)) => self.huge(args),
        };
        self.cache.insert(id, value);
        value
    }

    /// A value that depends on the name and the point only, with a finite binary expansion.
    fn variable(&self, name: &str) -> f64 {
        let seed = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        let mut z = seed ^ u64::from(self.variant).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let size = 0.25 + (z >> 44) as f64 / (1u64 << 20) as f64 * 2.5;
        if self.variant >= 2 && z & 1 == 1 { -size } else { size }
    }

    fn call(&mut self, func: Func, args: &[Frac]) -> Ball {
        let Some(first) = args.first() else { return Ball::unknown() };
        let x = self.frac(first);
        match func {
            Func::Sin => x.apply(f64::sin, |_| 1.0).blur(x),
            Func::Cos => x.apply(f64::cos, |_| 1.0).blur(x),
            Func::Tan => x.apply(f64::tan, |t| 1.0 + t.tan().powi(2)),
            Func::Cot => x.apply(|t| 1.0 / t.tan(), |t| 1.0 + t.tan().powi(-2)),
            Func::Sec => x.apply(|t| 1.0 / t.cos(), |t| t.cos().powi(-2)),
            Func::Csc => x.apply(|t| 1.0 / t.sin(), |t| t.sin().powi(-2)),
            Func::Asin => x.apply(f64::asin, |t| 1.0 / (1.0 - t * t).sqrt()),
            Func::Acos => x.apply(f64::acos, |t| 1.0 / (1.0 - t * t).sqrt()),
            Func::Atan => x.apply(f64::atan, |_| 1.0),
            Func::Sinh => x.apply(f64::sinh, f64::cosh),
            Func::Cosh => x.apply(f64::cosh, f64::sinh),
            Func::Tanh => x.apply(f64::tanh, |_| 1.0),
            Func::Ln => x.ln(),
            Func::Abs => Ball { re: x.size(), im: 0.0, err: x.err },
            Func::Floor | Func::Ceil => {
                let round = |t: f64| if func == Func::Floor { t.floor() } else { t.ceil() };
                let (low, high) = (round(x.re - x.err), round(x.re + x.err));
                if x.is_real() && low == high { Ball { re: low, im: 0.0, err: 0.0 } } else { Ball::unknown() }
            }
            Func::Power => match args.get(1) {
                Some(exponent) => x.ln().mul(self.frac(exponent)).exp(),
                None => Ball::unknown(),
            },
            Func::Factorial => factorial(x),
            Func::Binomial => match args.get(1) {
                Some(k) => {
                    let k = self.frac(k);
                    let minus = Ball { re: -k.re, im: -k.im, err: k.err };
                    factorial(x).mul(factorial(k).mul(factorial(x.add(minus))).inverse())
                }
                None => Ball::unknown(),
            },
        }
    }

    /// Infinite where the magnitude is certainly above 10^300, otherwise unknown.
    fn huge(&mut self, args: &[Frac]) -> Ball {
        let infinite = Ball { re: f64::INFINITY, im: 0.0, err: 0.0 };
        let [base, exponent] = args else { return infinite };
        let (base, exponent) = (self.frac(base), self.frac(exponent));
        let digits = base.size().log10() * exponent.re;
        if digits > 310.0 && exponent.re > 0.0 { infinite } else { Ball::unknown() }
    }
}

impl Ball {
    /// Rounding of the argument of a periodic function is relative to the argument.
    fn blur(self, x: Self) -> Self {
        Self { err: self.err + x.re.abs() * SLACK, ..self }
    }
}

/// `Γ(x+1)` for `x > −1`, by Stirling's series after a shift to arguments above 16, where six terms
/// leave less than 10⁻¹⁵ of the value.
fn factorial(x: Ball) -> Ball {
    if !x.is_real() || x.re <= -0.99 || x.re > 150.0 || x.err > 1e-6 || x.err.is_nan() {
        return Ball::unknown();
    }
    let (mut t, mut below) = (x.re + 1.0, 1.0);
    while t < 16.0 {
        below *= t;
        t += 1.0;
    }
    let s = 1.0 / (t * t);
    let series =
        (1.0 / 12.0 - s * (1.0 / 360.0 - s * (1.0 / 1260.0 - s * (1.0 / 1680.0 - s * (1.0 / 1188.0))))) / t;
    let ln = (t - 0.5) * t.ln() - t + 0.5 * (2.0 * std::f64::consts::PI).ln() + series;
    let value = ln.exp() / below;
    // The slope of ln Γ is below 10 in size on this range away from the pole.
    let slope = 10.0 + 1.0 / (x.re + 1.0);
    Ball::new(value, 0.0, value * (x.err * slope + 1e-12))
}

/// The nearest number; infinite beyond 10^308.
pub(crate) fn rational(value: &Rat) -> Ball {
    value.to_f64().map_or_else(Ball::unknown, |v| Ball { re: v, im: 0.0, err: v.abs() * SLACK })
}

impl Algebra {
    /// The logarithm of the magnitude of one product of powers with constants beyond all bounds.
    pub(crate) fn log_size(&self, x: &Frac) -> Option<Ball> {
        let (mono, coefficient) = x.single()?;
        let mut sum = Ball::real(rational(coefficient).size().ln());
        let mut point = Point::new(self, 0);
        for (generator, exp) in &mono.0 {
            let e = Ball::real(*exp.numer() as f64 / *exp.denom() as f64);
            let ln = match self.generator(*generator)? {
                Gen::Huge(args) => {
                    let [base, exponent] = args.as_slice() else { return None };
                    let size = Ball::real(point.frac(base).size());
                    size.ln().mul(point.frac(exponent))
                }
                _ => Ball::real(point.generator(*generator).size()).ln(),
            };
            sum = sum.add(ln.mul(e));
        }
        (sum.re.is_finite() && sum.err.is_finite()).then_some(sum)
    }

    /// The sign of a constant, where it can be told.
    pub(crate) fn sign(&self, x: &Frac) -> Option<i32> {
        if !x.generators().iter().all(|g| self.is_constant(*g)) {
            return None;
        }
        let value = Point::new(self, 0).frac(x);
        let clear = value.is_real() && value.re.abs() > value.err && value.err.is_finite();
        clear.then_some(if value.re > 0.0 { 1 } else { -1 })
    }

    /// True for a generator without variables.
    pub(crate) fn is_constant(&self, id: u32) -> bool {
        match self.generator(id) {
            None | Some(Gen::Var(_) | Gen::Infinity) => false,
            Some(Gen::Sum(sum)) => sum.generators().iter().all(|g| self.is_constant(*g)),
            Some(Gen::Power(base, term)) => {
                self.is_constant(*base) && term.0.iter().all(|(g, _)| self.is_constant(*g))
            }
            Some(Gen::Call(_, args) | Gen::Huge(args)) => {
                args.iter().all(|a| a.generators().iter().all(|g| self.is_constant(*g)))
            }
            Some(Gen::Prime(_) | Gen::MinusOne | Gen::Pi | Gen::E) => true,
        }
    }
}
