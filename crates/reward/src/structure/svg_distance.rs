//! How far one vector picture is from another, element by element.

use eyas_core::Score;

use super::read;
use super::svg::{self, Element, PathPart, Svg};
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};

/// The reward as recipes name it.
pub(crate) const INFO: RewardInfo = RewardInfo {
    name: "svg_elements",
    family: "structure",
    doc: "1 - edit distance of the drawing elements of two SVGs over the longer list",
    source: "execution-free structure match in place of rendering (cf. VAGEN's SVG task, VinciCoder)",
    gold: "the SVG, a text",
    range: Some((0.0, 1.0)),
    params: &[ParamInfo::number(
        "tolerance",
        0.001,
        1.0,
        0.1,
        "difference of a coordinate, as share of the canvas, at which it is wholly wrong",
    )],
    score: Scorer::Sample(score),
};

/// The value an attribute has when it is not written.
fn default(name: &str) -> &'static str {
    match name {
        "fill" => "black",
        "stroke" => "none",
        "stroke-width" | "opacity" | "fill-opacity" | "stroke-opacity" => "1",
        "x" | "y" | "x1" | "y1" | "x2" | "y2" | "cx" | "cy" | "rx" | "ry" | "dx" | "dy" => "0",
        "text-anchor" => "start",
        _ => "",
    }
}

/// A colour as red, green and blue: `#rgb`, `#rrggbb`, `rgb(…)` or one of the common names.
pub fn colour(text: &str) -> Option<[f64; 3]> {
    let named: &[(&str, [u8; 3])] = &[
        ("black", [0, 0, 0]),
        ("white", [255, 255, 255]),
        ("red", [255, 0, 0]),
        ("lime", [0, 255, 0]),
        ("green", [0, 128, 0]),
        ("blue", [0, 0, 255]),
        ("yellow", [255, 255, 0]),
        ("cyan", [0, 255, 255]),
        ("aqua", [0, 255, 255]),
        ("magenta", [255, 0, 255]),
        ("fuchsia", [255, 0, 255]),
        ("gray", [128, 128, 128]),
        ("grey", [128, 128, 128]),
        ("silver", [192, 192, 192]),
        ("maroon", [128, 0, 0]),
        ("navy", [0, 0, 128]),
        ("olive", [128, 128, 0]),
        ("purple", [128, 0, 128]),
        ("teal", [0, 128, 128]),
        ("orange", [255, 165, 0]),
        ("pink", [255, 192, 203]),
        ("brown", [165, 42, 42]),
        ("gold", [255, 215, 0]),
        ("lightgray", [211, 211, 211]),
        ("lightgrey", [211, 211, 211]),
        ("darkgray", [169, 169, 169]),
    ];
    if let Some((_, rgb)) = named.iter().find(|(name, _)| *name == text) {
        return Some(rgb.map(f64::from));
    }
    if let Some(hex) = text.strip_prefix('#').filter(|h| h.bytes().all(|c| c.is_ascii_hexdigit())) {
        let long = match hex.len() {
            3 => hex.chars().flat_map(|c| [c, c]).collect(),
            6 => hex.to_string(),
            _ => return None,
        };
        let part = |i: usize| u8::from_str_radix(long.get(2 * i..2 * i + 2)?, 16).ok().map(f64::from);
        return Some([part(0)?, part(1)?, part(2)?]);
    }
    let mut parts = text.strip_prefix("rgb(")?.strip_suffix(')')?.split(',').map(read::number);
    let mut next = || parts.next().flatten().filter(|v| (0.0..=255.0).contains(v));
    Some([next()?, next()?, next()?])
}

/// 0 for equal values, 1 for values with nothing in common. `unit` is the difference of coordinates that
/// is wholly wrong.
fn value_distance(name: &str, a: &str, b: &str, unit: f64) -> f64 {
    if a == b {
        return 0.0;
    }
    let (x, y) = (svg::length(a), svg::length(b));
    match (name, x, y) {
        ("fill" | "stroke", ..) => match (colour(a), colour(b)) {
            // Half of the way between black and white on one channel is another colour.
            (Some(p), Some(q)) => {
                let most = p.iter().zip(&q).map(|(p, q)| (p - q).abs()).fold(0.0, f64::max);
                (most / 128.0).min(1.0)
            }
            _ => 1.0,
        },
        (name, Some(x), Some(y)) if name.contains("opacity") => (x - y).abs().min(1.0),
        (_, Some(x), Some(y)) => ((x - y).abs() / unit).min(1.0),
        _ => 1.0,
    }
}

/// Edit distance of two paths over the longer: another command or a number wholly off costs 1.
fn path_distance(a: &[PathPart], b: &[PathPart], unit: f64) -> f64 {
    let longer = a.len().max(b.len());
    if longer == 0 {
        return 0.0;
    }
    let differ = |x: &PathPart, y: &PathPart| match (x, y) {
        (PathPart::Number(x), PathPart::Number(y)) => ((x - y).abs() / unit).min(1.0),
        (x, y) => f64::from(x != y),
    };
    align(a, b, differ) / longer as f64
}

/// The least price of turning `a` into `b`: 1 for what is added or removed, `change` for what is changed.
fn align<T>(a: &[T], b: &[T], change: impl Fn(&T, &T) -> f64) -> f64 {
    let mut row: Vec<f64> = (0..=b.len()).map(|j| j as f64).collect();
    for x in a {
        let mut left = row.first().copied().unwrap_or(0.0) + 1.0;
        let mut diagonal = std::mem::replace(&mut row[0], left);
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let above = *cell;
            left = (diagonal + change(x, y)).min(above + 1.0).min(left + 1.0);
            diagonal = std::mem::replace(cell, left);
        }
    }
    row.last().copied().unwrap_or(0.0)
}

/// How far two elements are apart, 0 to 1: 1 for another tag, else the mean over the attributes that
/// either has, its path and its text.
pub fn element_distance(a: &Element, b: &Element, unit: f64) -> f64 {
    if a.tag != b.tag {
        return 1.0;
    }
    let (mut sum, mut parts) = (0.0, 0.0);
    let names = a.attributes.keys().chain(b.attributes.keys().filter(|k| !a.attributes.contains_key(*k)));
    for name in names {
        let of = |e: &Element| e.attributes.get(name).cloned().unwrap_or_else(|| default(name).to_string());
        sum += value_distance(name, &of(a), &of(b), unit);
        parts += 1.0;
    }
    if !(a.path.is_empty() && b.path.is_empty()) {
        // A path is most of what its element says: it weighs as much as everything else.
        let weight = f64::max(parts, 1.0);
        sum += weight * path_distance(&a.path, &b.path, unit);
        parts += weight;
    }
    if !(a.text.is_empty() && b.text.is_empty()) {
        sum += f64::from(a.text != b.text);
        parts += 1.0;
    }
    if parts > 0.0 { sum / parts } else { 0.0 }
}

/// 1 - edit distance of the elements in painting order over the longer list; 0 when only one draws.
pub fn similarity(said: &Svg, gold: &Svg, tolerance: f64) -> f64 {
    let longer = said.elements.len().max(gold.elements.len());
    if longer == 0 {
        return 1.0;
    }
    let unit = (gold.side * tolerance).max(1e-9);
    let price = align(&said.elements, &gold.elements, |a, b| element_distance(a, b, unit));
    (1.0 - price / longer as f64).clamp(0.0, 1.0)
}

fn score(sample: &Sample<'_>, params: &Params) -> Score {
    let gold = sample.gold.as_str().and_then(svg::parse).filter(|g| !g.elements.is_empty());
    let Some(gold) = gold else {
        return bad_gold("the ground truth is no SVG that draws, or a too large one");
    };
    let said = sample.answer().and_then(svg::parse);
    Score::from_value(said.map_or(0.0, |s| similarity(&s, &gold, params.number("tolerance"))) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(a: &str, b: &str) -> f64 {
        let of = |t: &str| svg::parse(&format!("<svg viewBox='0 0 100 100'>{t}</svg>")).unwrap();
        similarity(&of(a), &of(b), 0.1)
    }

    #[test]
    fn hand_computed() {
        let two = "<rect x='10' y='0' width='20' height='20' fill='red'/><circle cx='50' cy='50' r='5'/>";
        assert_eq!(value(two, two), 1.0);
        assert_eq!(value("", two), 0.0);
        assert_eq!(value("<circle cx='50' cy='50' r='5'/>", two), 0.5);
        // One of three attributes off by half of the tolerance of 10: 1/6 of one element.
        let near = value("<circle cx='55' cy='50' r='5'/>", "<circle cx='50' cy='50' r='5'/>");
        assert!((near - 5.0 / 6.0).abs() < 1e-12);
        assert_eq!(value("<rect fill='#f00'/>", "<rect style='fill: rgb(255, 0, 0)'/>"), 1.0);
        assert_eq!(value("<path d='M0 0 L10 10'/>", "<path d='M0,0L10,10'/>"), 1.0);
        assert_eq!(value("<path d='M0 0 L10 10'/>", "<path d='M50 50 L90 90'/>"), 1.0 - 4.0 / 6.0);
        assert_eq!(value("<text>Hello</text>", "<text>world</text>"), 0.0);
        let spam = "<circle cx='50' cy='50' r='5'/>".repeat(100);
        assert!(value(&spam, two) < 0.02);
    }

    #[test]
    fn colours() {
        assert_eq!(colour("#0f0"), colour("lime"));
        assert_eq!(colour("rgb(0, 255, 0)"), colour("#00ff00"));
        for bad in ["#12", "#é00", "rgb(1,2)", "rgb(1,2,999)", "url(#a)", "none"] {
            assert_eq!(colour(bad), None, "{bad}");
        }
    }
}
