//! A small subset of SVG: what may be written, how it is read, how it is drawn.
//!
//! Read strictly. One `<svg>` element holds rectangles, circles, lines and polygons, each closed in
//! itself, with exactly the attributes listed here and plain decimal numbers. Everything else is refused:
//! other elements, comments, entities, styles, transforms, exponents, units, more than [`MAX_ELEMENTS`]
//! elements or [`MAX_BYTES`] bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::draw::{Canvas, Rgb};

/// The longest text that is read, in bytes.
pub(super) const MAX_BYTES: usize = 8_192;

/// The most elements.
pub(super) const MAX_ELEMENTS: usize = 64;

/// The most corners of a polygon.
const MAX_CORNERS: usize = 32;

/// The largest number, either sign.
const MAX_NUMBER: f32 = 1_000.0;

/// Colour names, as CSS has them.
pub(super) const NAMES: [(&str, Rgb); 12] = [
    ("red", [255, 0, 0]),
    ("green", [0, 128, 0]),
    ("blue", [0, 0, 255]),
    ("orange", [255, 165, 0]),
    ("purple", [128, 0, 128]),
    ("teal", [0, 128, 128]),
    ("gold", [255, 215, 0]),
    ("gray", [128, 128, 128]),
    ("black", [0, 0, 0]),
    ("white", [255, 255, 255]),
    ("yellow", [255, 255, 0]),
    ("cyan", [0, 255, 255]),
];

/// One element.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Element {
    Rect { x: f32, y: f32, width: f32, height: f32, fill: Rgb },
    Circle { cx: f32, cy: f32, r: f32, fill: Rgb },
    Line { from: (f32, f32), to: (f32, f32), stroke: Rgb, width: f32 },
    Polygon { points: Vec<(f32, f32)>, fill: Rgb },
}

/// Why a text is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It does not follow the grammar.
    Grammar,
    /// It does, but a number or a count is too large.
    Range(&'static str),
}

/// The name of a colour, or its six hexadecimal digits.
pub(super) fn color_name(color: Rgb) -> String {
    match NAMES.iter().find(|(_, c)| *c == color) {
        Some((name, _)) => (*name).into(),
        None => format!("#{:02x}{:02x}{:02x}", color[0], color[1], color[2]),
    }
}

fn color(text: &str) -> Result<Rgb, Refusal> {
    if let Some((_, color)) = NAMES.iter().find(|(name, _)| *name == text) {
        return Ok(*color);
    }
    let digits = text.strip_prefix('#').filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
    let digits = digits.ok_or(Refusal::Grammar)?;
    let value = u32::from_str_radix(digits, 16).map_err(|_| Refusal::Grammar)?;
    match digits.len() {
        3 => Ok([(value >> 8) & 15, (value >> 4) & 15, value & 15].map(|v| (17 * v) as u8)),
        6 => Ok([(value >> 16) & 255, (value >> 8) & 255, value & 255].map(|v| v as u8)),
        _ => Err(Refusal::Grammar),
    }
}

/// A plain decimal of at most three places.
fn number(text: &str) -> Result<f32, Refusal> {
    let plain = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = plain.split_once('.').unwrap_or((plain, "0"));
    let digits =
        |s: &str, most: usize| (1..=most).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole, 24) || !digits(part, 3) {
        return Err(Refusal::Grammar);
    }
    let value = text.parse::<f32>().map_err(|_| Refusal::Grammar)?;
    // Adding zero turns -0 into 0, so that the text of an element is unique.
    if value.abs() <= MAX_NUMBER { Ok(value + 0.0) } else { Err(Refusal::Range("numbers are at most 1000")) }
}

/// A length: a number above zero.
fn length(text: &str) -> Result<f32, Refusal> {
    let value = number(text)?;
    if value > 0.0 { Ok(value) } else { Err(Refusal::Range("lengths are above 0")) }
}

/// Corners as `x,y x,y x,y`.
fn corners(text: &str) -> Result<Vec<(f32, f32)>, Refusal> {
    let mut points = Vec::new();
    for pair in text.split_ascii_whitespace() {
        let (x, y) = pair.split_once(',').ok_or(Refusal::Grammar)?;
        points.push((number(x)?, number(y)?));
        if points.len() > MAX_CORNERS {
            return Err(Refusal::Range("a polygon has at most 32 corners"));
        }
    }
    if points.len() >= 3 { Ok(points) } else { Err(Refusal::Grammar) }
}

/// What is left to read.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip_blanks(&mut self) -> bool {
        let trimmed = self.rest.trim_ascii_start();
        let any = trimmed.len() < self.rest.len();
        self.rest = trimmed;
        any
    }

    fn eat(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, text: &str) -> Result<(), Refusal> {
        if self.eat(text) { Ok(()) } else { Err(Refusal::Grammar) }
    }

    /// A name of letters, digits and hyphens.
    fn name(&mut self) -> Result<&'a str, Refusal> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        if name.is_empty() { Err(Refusal::Grammar) } else { Ok(name) }
    }

    /// Attributes up to `end`, each once, all of them in `known`.
    fn attributes(&mut self, known: &[&str], end: &str) -> Result<Attributes<'a>, Refusal> {
        let mut found = Vec::new();
        loop {
            let apart = self.skip_blanks();
            if self.eat(end) {
                return Ok(Attributes(found));
            }
            let name = self.name()?;
            if !apart || !known.contains(&name) || found.iter().any(|(n, _)| *n == name) {
                return Err(Refusal::Grammar);
            }
            self.expect("=")?;
            let quote = if self.eat("\"") { '"' } else { '\'' };
            if quote == '\'' {
                self.expect("'")?;
            }
            let (value, rest) = self.rest.split_once(quote).ok_or(Refusal::Grammar)?;
            if value.contains(['<', '&']) {
                return Err(Refusal::Grammar);
            }
            self.rest = rest;
            found.push((name, value));
        }
    }
}

struct Attributes<'a>(Vec<(&'a str, &'a str)>);

impl Attributes<'_> {
    fn get<T>(&self, name: &str, read: impl Fn(&str) -> Result<T, Refusal>) -> Result<T, Refusal> {
        read(self.0.iter().find(|(n, _)| *n == name).ok_or(Refusal::Grammar)?.1)
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| *n == name)
    }
}

/// Reads a whole picture of `side` pixels each way.
pub(super) fn read(text: &str, side: u32) -> Result<Vec<Element>, Refusal> {
    if text.len() > MAX_BYTES || !text.is_ascii() {
        return Err(Refusal::Grammar);
    }
    let mut reader = Reader { rest: text.trim_ascii() };
    reader.expect("<svg")?;
    let root = reader.attributes(&["xmlns", "width", "height", "viewBox"], ">")?;
    let size =
        |text: &str| if text == side.to_string() { Ok(()) } else { Err(Refusal::Range("another size")) };
    for name in ["width", "height"] {
        if root.has(name) {
            root.get(name, size)?;
        }
    }
    let view = format!("0 0 {side} {side}");
    if root.has("viewBox") {
        root.get("viewBox", |v| if v == view { Ok(()) } else { Err(Refusal::Range("another view")) })?;
    }
    let mut elements = Vec::new();
    loop {
        reader.skip_blanks();
        if reader.eat("</svg>") {
            return if reader.rest.is_empty() { Ok(elements) } else { Err(Refusal::Grammar) };
        }
        elements.push(element(&mut reader)?);
        if elements.len() > MAX_ELEMENTS {
            return Err(Refusal::Range("there are at most 64 elements"));
        }
    }
}

fn element(reader: &mut Reader) -> Result<Element, Refusal> {
    reader.expect("<")?;
    match reader.name()? {
        "rect" => {
            let of = reader.attributes(&["x", "y", "width", "height", "fill"], "/>")?;
            let (x, y) = (of.get("x", number)?, of.get("y", number)?);
            let (width, height) = (of.get("width", length)?, of.get("height", length)?);
            Ok(Element::Rect { x, y, width, height, fill: of.get("fill", color)? })
        }
        "circle" => {
            let of = reader.attributes(&["cx", "cy", "r", "fill"], "/>")?;
            let (cx, cy, r) = (of.get("cx", number)?, of.get("cy", number)?, of.get("r", length)?);
            Ok(Element::Circle { cx, cy, r, fill: of.get("fill", color)? })
        }
        "line" => {
            let of = reader.attributes(&["x1", "y1", "x2", "y2", "stroke", "stroke-width"], "/>")?;
            let from = (of.get("x1", number)?, of.get("y1", number)?);
            let to = (of.get("x2", number)?, of.get("y2", number)?);
            let width = if of.has("stroke-width") { of.get("stroke-width", length)? } else { 1.0 };
            Ok(Element::Line { from, to, stroke: of.get("stroke", color)?, width })
        }
        "polygon" => {
            let of = reader.attributes(&["points", "fill"], "/>")?;
            Ok(Element::Polygon { points: of.get("points", corners)?, fill: of.get("fill", color)? })
        }
        _ => Err(Refusal::Grammar),
    }
}

/// A picture as text.
pub(super) fn write(elements: &[Element]) -> String {
    let all: String = elements.iter().map(Element::to_string).collect();
    format!("<svg>{all}</svg>")
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rect { x, y, width, height, fill } => {
                let fill = color_name(*fill);
                write!(f, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{fill}\"/>")
            }
            Self::Circle { cx, cy, r, fill } => {
                write!(f, "<circle cx=\"{cx}\" cy=\"{cy}\" r=\"{r}\" fill=\"{}\"/>", color_name(*fill))
            }
            Self::Line { from, to, stroke, width } => {
                let stroke = color_name(*stroke);
                let ends = format!("x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"", from.0, from.1, to.0, to.1);
                write!(f, "<line {ends} stroke=\"{stroke}\" stroke-width=\"{width}\"/>")
            }
            Self::Polygon { points, fill } => {
                let points: Vec<String> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
                write!(f, "<polygon points=\"{}\" fill=\"{}\"/>", points.join(" "), color_name(*fill))
            }
        }
    }
}

impl Element {
    /// Its name in English, one capitalised word.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Rect { .. } => "Rect",
            Self::Circle { .. } => "Circle",
            Self::Line { .. } => "Line",
            Self::Polygon { .. } => "Polygon",
        }
    }

    pub(super) fn color(&self) -> Rgb {
        match self {
            Self::Rect { fill, .. } | Self::Circle { fill, .. } | Self::Polygon { fill, .. } => *fill,
            Self::Line { stroke, .. } => *stroke,
        }
    }

    /// Its numbers in the order of the attributes, the stroke's width left out.
    pub(super) fn numbers(&self) -> Vec<f32> {
        match self {
            Self::Rect { x, y, width, height, .. } => vec![*x, *y, *width, *height],
            Self::Circle { cx, cy, r, .. } => vec![*cx, *cy, *r],
            Self::Line { from, to, .. } => vec![from.0, from.1, to.0, to.1],
            Self::Polygon { points, .. } => points.iter().flat_map(|(x, y)| [*x, *y]).collect(),
        }
    }

    /// The corners of its box: least and largest x and y, half a stroke included.
    pub(super) fn bounds(&self) -> [f32; 4] {
        let around = |points: &[(f32, f32)], by: f32| {
            let start = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
            points.iter().fold(start, |[left, top, right, bottom], (x, y)| {
                [left.min(x - by), top.min(y - by), right.max(x + by), bottom.max(y + by)]
            })
        };
        match self {
            Self::Rect { x, y, width, height, .. } => [*x, *y, x + width, y + height],
            Self::Circle { cx, cy, r, .. } => [cx - r, cy - r, cx + r, cy + r],
            Self::Line { from, to, width, .. } => around(&[*from, *to], width / 2.0),
            Self::Polygon { points, .. } => around(points, 0.0),
        }
    }

    /// Whether its text would be read again.
    pub(super) fn is_sound(&self, side: u32) -> bool {
        let one = std::slice::from_ref(self);
        read(&write(one), side).as_deref() == Ok(one)
    }

    pub(super) fn draw(&self, canvas: &mut Canvas) {
        match self {
            Self::Rect { x, y, width, height, fill } => {
                if [x, y, width, height].iter().all(|v| v.fract() == 0.0) {
                    canvas.fill_rect(*x as i32, *y as i32, *width as u32, *height as u32, *fill);
                } else {
                    let (right, bottom) = (x + width, y + height);
                    canvas.fill_polygon(&[(*x, *y), (right, *y), (right, bottom), (*x, bottom)], *fill);
                }
            }
            Self::Circle { cx, cy, r, fill } => canvas.fill_circle(*cx, *cy, *r, *fill),
            Self::Line { from, to, stroke, width } => canvas.line(*from, *to, *width, *stroke),
            Self::Polygon { points, fill } => canvas.fill_polygon(points, *fill),
        }
    }
}

/// Draws a picture.
pub(super) fn draw(elements: &[Element], side: u32, background: Rgb) -> Canvas {
    let mut canvas = Canvas::new(side, side, background);
    elements.iter().for_each(|e| e.draw(&mut canvas));
    canvas
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "<svg><rect x=\"1\" y=\"-2.5\" width=\"30\" height=\"4\" fill=\"red\"/>\
        <circle cx=\"5\" cy=\"6\" r=\"7\" fill=\"#0a0b0c\"/>\
        <line x1=\"1\" y1=\"2\" x2=\"3\" y2=\"4\" stroke=\"black\" stroke-width=\"3\"/>\
        <polygon points=\"1,2 3,4 5,0.5\" fill=\"gold\"/></svg>";

    #[test]
    fn what_is_written_is_read_again() {
        let elements = read(ALL, 112).unwrap();
        assert_eq!(elements.len(), 4);
        assert_eq!(write(&elements), ALL);
        let loose = "<svg xmlns='http://www.w3.org/2000/svg' viewBox=\"0 0 112 112\" width=\"112\">\n  \
            <rect fill='#f00' height='4' width='30.0' y='-2.50' x='01' />\n</svg>";
        assert_eq!(read(loose, 112).unwrap(), elements[..1]);
        assert_eq!(read("<svg></svg>", 112), Ok(vec![]));
    }

    #[test]
    fn everything_else_is_refused() {
        let rect = |attributes: &str| format!("<svg><rect {attributes}/></svg>");
        let grammar = [
            "".into(),
            "<svg>".into(),
            "<svg/>".into(),
            "<svg></svg><svg></svg>".into(),
            "<svg><script/></svg>".into(),
            "<svg><!-- a --></svg>".into(),
            "<svg><g></g></svg>".into(),
            "<!DOCTYPE svg><svg></svg>".into(),
            "<svg onload=\"x\"></svg>".into(),
            "<svg>text</svg>".into(),
            rect("x=\"1\" y=\"1\" width=\"1\" height=\"1\""),
            rect("x=\"1\" x=\"1\" y=\"1\" width=\"1\" height=\"1\" fill=\"red\""),
            rect("x=\"1\"y=\"1\" width=\"1\" height=\"1\" fill=\"red\""),
            rect("x=\"NaN\" y=\"1\" width=\"1\" height=\"1\" fill=\"red\""),
            rect("x=\"1e3\" y=\"1\" width=\"1\" height=\"1\" fill=\"red\""),
            rect("x=\"1px\" y=\"1\" width=\"1\" height=\"1\" fill=\"red\""),
            rect("x=\"1\" y=\"1\" width=\"1\" height=\"1\" fill=\"mauve\""),
            rect("x=\"1\" y=\"1\" width=\"1\" height=\"1\" fill=\"#ff\""),
            rect("x=\"1\" y=\"1\" width=\"1\" height=\"1\" fill=\"red\" transform=\"scale(9)\""),
            "<svg><polygon points=\"1,2 3,4\" fill=\"red\"/></svg>".into(),
            "<svg><rect x=\"".into(),
        ];
        for text in &grammar {
            assert_eq!(read(text, 112), Err(Refusal::Grammar), "{text}");
        }
        let range = [
            "<svg width=\"200\"></svg>".into(),
            "<svg viewBox=\"0 0 1 1\"></svg>".into(),
            rect("x=\"99999999999\" y=\"1\" width=\"1\" height=\"1\" fill=\"red\""),
            rect("x=\"1\" y=\"1\" width=\"0\" height=\"1\" fill=\"red\""),
            rect("x=\"1\" y=\"1\" width=\"-1\" height=\"1\" fill=\"red\""),
            format!("<svg>{}</svg>", "<circle cx=\"1\" cy=\"1\" r=\"1\" fill=\"red\"/>".repeat(65)),
            format!("<svg><polygon points=\"{}\" fill=\"red\"/></svg>", "1,1 ".repeat(33)),
        ];
        for text in &range {
            assert!(matches!(read(text, 112), Err(Refusal::Range(_))), "{text}");
        }
        for hostile in ["<svg>".repeat(200_000), format!("<svg>{}", " ".repeat(1 << 20)), "<".repeat(8_000)] {
            assert_eq!(read(&hostile, 112), Err(Refusal::Grammar));
        }
    }

    #[test]
    fn huge_shapes_are_cut_off() {
        let text = "<svg><circle cx=\"-1000\" cy=\"0\" r=\"1000\" fill=\"red\"/>\
            <line x1=\"-1000\" y1=\"-1000\" x2=\"1000\" y2=\"1000\" stroke=\"red\" stroke-width=\"1000\"/></svg>";
        let canvas = draw(&read(text, 28).unwrap(), 28, [255; 3]);
        assert!(canvas.pixels().chunks_exact(3).all(|p| p == [255, 0, 0]));
    }
}
