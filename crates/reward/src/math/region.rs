//! Sets of real numbers as disjoint intervals in order.

use std::cmp::Ordering;

use num_traits::{One, Signed};

use super::Fail;
use super::algebra::{Algebra, Gen};
use super::value::{Interval, Number, Value};

/// A region: the variable it speaks of, and its intervals.
pub(crate) type Region = (Option<String>, Vec<Interval>);

impl Algebra {
    fn infinity(&mut self, positive: bool) -> Number {
        let infinity = self.atom(Gen::Infinity);
        Number::of(if positive { infinity } else { infinity.negated() })
    }

    /// All real numbers.
    pub(crate) fn everything(&mut self) -> Interval {
        let (low, high) = (self.infinity(false), self.infinity(true));
        Interval { low, low_in: false, high, high_in: false }
    }

    /// −1 and 1 for the infinities, 0 for a constant; fails for anything else.
    fn infinite(&self, x: &Number) -> Result<i32, Fail> {
        if let Some((mono, coefficient)) = x.f.single()
            && let [(g, e)] = mono.0.as_slice()
            && e.is_one()
            && matches!(self.generator(*g), Some(Gen::Infinity))
        {
            return Ok(if coefficient.is_negative() { -1 } else { 1 });
        }
        let constant = x.f.generators().iter().all(|g| self.is_constant(*g));
        if constant { Ok(0) } else { Err(Fail::Syntax) }
    }

    /// An end with `2·∞` and the like as `∞`.
    pub(crate) fn end(&mut self, x: &Number) -> Result<Number, Fail> {
        Ok(match self.infinite(x)? {
            0 => x.clone(),
            sign => self.infinity(sign > 0),
        })
    }

    fn order(&mut self, a: &Number, b: &Number) -> Result<Ordering, Fail> {
        let (x, y) = (self.infinite(a)?, self.infinite(b)?);
        if x != 0 || y != 0 {
            return Ok(x.cmp(&y));
        }
        if self.numbers_equal(a, b)? {
            return Ok(Ordering::Equal);
        }
        let difference = self.sub(&a.f, &b.f)?;
        let sign = match difference.as_rat() {
            Some(d) => Some(if d.is_negative() { -1 } else { 1 }),
            None => self.sign(&difference),
        };
        sign.map(|s: i32| s.cmp(&0)).ok_or(Fail::Undecided)
    }

    /// True when the two ends are the same; infinite ends only with themselves.
    pub(crate) fn ends_equal(&mut self, a: &Number, b: &Number) -> Result<bool, Fail> {
        Ok(self.order(a, b)? == Ordering::Equal)
    }

    /// A value as a region: a pair in brackets, points, or a region. `None` when it is none of these.
    pub(crate) fn region(&mut self, value: &Value) -> Result<Option<Region>, Fail> {
        match value {
            Value::Region(name, parts) => Ok(Some((name.clone(), parts.clone()))),
            Value::Assign(name, inner, _) => {
                Ok(self.region(inner)?.map(|(_, parts)| (Some(name.clone()), parts)))
            }
            Value::Seq(open, items, close) => {
                let [Value::Number(low), Value::Number(high)] = items.as_slice() else { return Ok(None) };
                if self.infinite(low).is_err() || self.infinite(high).is_err() {
                    return Ok(None);
                }
                let (low, high) = (self.end(low)?, self.end(high)?);
                // An infinite end is never part of it, whatever bracket is written there.
                let low_in = *open == '[' && self.infinite(&low)? == 0;
                let high_in = *close == ']' && self.infinite(&high)? == 0;
                let interval = Interval { low, low_in, high, high_in };
                self.union(vec![interval]).map(|parts| Some((None, parts)))
            }
            Value::Set(items) => {
                let mut points = Vec::new();
                for item in items {
                    let Value::Number(x) = item else { return Ok(None) };
                    if self.infinite(x) != Ok(0) {
                        return Ok(None);
                    }
                    points.push(Interval { low: x.clone(), low_in: true, high: x.clone(), high_in: true });
                }
                self.union(points).map(|parts| Some((None, parts)))
            }
            _ => Ok(None),
        }
    }

    fn is_empty(&mut self, i: &Interval) -> Result<bool, Fail> {
        Ok(match self.order(&i.low, &i.high)? {
            Ordering::Less => false,
            Ordering::Equal => !(i.low_in && i.high_in),
            Ordering::Greater => true,
        })
    }

    /// The union, sorted, with what touches joined.
    pub(crate) fn union(&mut self, parts: Vec<Interval>) -> Result<Vec<Interval>, Fail> {
        let mut sorted: Vec<Interval> = Vec::new();
        for part in parts {
            if self.is_empty(&part)? {
                continue;
            }
            let mut at = sorted.len();
            while let Some(before) = at.checked_sub(1).and_then(|b| sorted.get(b)).cloned() {
                self.budget.spend(4)?;
                let order = self.order(&before.low, &part.low)?;
                if order == Ordering::Less || (order == Ordering::Equal && (before.low_in || !part.low_in)) {
                    break;
                }
                at -= 1;
            }
            sorted.insert(at, part);
        }
        let mut out: Vec<Interval> = Vec::new();
        for part in sorted {
            let Some(last) = out.last().cloned() else {
                out.push(part);
                continue;
            };
            let gap = match self.order(&last.high, &part.low)? {
                Ordering::Less => true,
                Ordering::Equal => !(last.high_in || part.low_in),
                Ordering::Greater => false,
            };
            if gap {
                out.push(part);
                continue;
            }
            let (high, high_in) = match self.order(&last.high, &part.high)? {
                Ordering::Less => (part.high, part.high_in),
                Ordering::Equal => (last.high, last.high_in || part.high_in),
                Ordering::Greater => (last.high, last.high_in),
            };
            if let Some(joined) = out.last_mut() {
                (joined.high, joined.high_in) = (high, high_in);
            }
        }
        Ok(out)
    }

    /// What is in both.
    pub(crate) fn meet(&mut self, a: &[Interval], b: &[Interval]) -> Result<Vec<Interval>, Fail> {
        let mut out = Vec::new();
        for x in a {
            for y in b {
                self.budget.spend(4)?;
                let (low, low_in) = match self.order(&x.low, &y.low)? {
                    Ordering::Less => (y.low.clone(), y.low_in),
                    Ordering::Equal => (x.low.clone(), x.low_in && y.low_in),
                    Ordering::Greater => (x.low.clone(), x.low_in),
                };
                let (high, high_in) = match self.order(&x.high, &y.high)? {
                    Ordering::Less => (x.high.clone(), x.high_in),
                    Ordering::Equal => (x.high.clone(), x.high_in && y.high_in),
                    Ordering::Greater => (y.high.clone(), y.high_in),
                };
                out.push(Interval { low, low_in, high, high_in });
            }
        }
        self.union(out)
    }

    /// All real numbers that are not in it.
    pub(crate) fn complement(&mut self, parts: &[Interval]) -> Result<Vec<Interval>, Fail> {
        let all = self.everything();
        let mut out = vec![all.clone()];
        for part in parts {
            let below = Interval { high: part.low.clone(), high_in: !part.low_in, ..all.clone() };
            let above = Interval { low: part.high.clone(), low_in: !part.high_in, ..all.clone() };
            let mut outside = Vec::new();
            for side in [below, above] {
                let finite = self.infinite(&side.low)? <= 0 && self.infinite(&side.high)? >= 0;
                if finite {
                    outside.push(side);
                }
            }
            out = self.meet(&out, &outside)?;
        }
        Ok(out)
    }
}
