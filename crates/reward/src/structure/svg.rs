//! A safe subset of SVG: the elements that draw, in painting order.
//!
//! Nothing is fetched, expanded or run: no entities, no scripts, no style sheets, no recursion. Reading
//! takes one pass over the text.

use std::collections::BTreeMap;

use super::read;

/// Most drawing elements of a picture.
pub const MAX_ELEMENTS: usize = 256;

/// Most numbers and letters in the paths and point lists of a picture together.
pub const MAX_PATH: usize = 4096;

/// Most attributes of an element that are looked at.
const MAX_ATTRIBUTES: usize = 32;

/// A part of a path: a command letter, or a coordinate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PathPart {
    /// `M`, `l`, `C`, …
    Command(char),
    /// A number.
    Number(f64),
}

/// One drawing element.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Element {
    /// Its tag, lower case.
    pub tag: String,
    /// Attributes that say how it looks, without `d` and `points`; `style` is taken apart.
    pub attributes: BTreeMap<String, String>,
    /// What `d` or `points` holds.
    pub path: Vec<PathPart>,
    /// The text inside, for `text`.
    pub text: String,
}

/// A picture: its elements in painting order, and the longer side of its canvas.
#[derive(Clone, Debug, PartialEq)]
pub struct Svg {
    /// The drawing elements.
    pub elements: Vec<Element>,
    /// The longer side of `viewBox`, else of `width` and `height`, else 100.
    pub side: f64,
}

const SHAPES: [&str; 9] = ["path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "use"];

/// Elements whose inside does not draw by itself.
const SILENT: [&str; 12] = [
    "defs",
    "clippath",
    "mask",
    "pattern",
    "marker",
    "symbol",
    "title",
    "desc",
    "metadata",
    "script",
    "style",
    "foreignobject",
];

/// Attributes that change the look; others (`id`, `class`, `data-…`) are left out.
const LOOKS: [&str; 24] = [
    "x",
    "y",
    "x1",
    "y1",
    "x2",
    "y2",
    "cx",
    "cy",
    "r",
    "rx",
    "ry",
    "width",
    "height",
    "fill",
    "stroke",
    "stroke-width",
    "opacity",
    "fill-opacity",
    "stroke-opacity",
    "transform",
    "font-size",
    "text-anchor",
    "dx",
    "dy",
];

/// The picture in `text`, fenced or not: what stands between the first `<svg` and its end. `None` when
/// there is no `<svg`, or the text or picture is too large.
pub fn parse(text: &str) -> Option<Svg> {
    let text = read::unfenced(text);
    if text.len() > read::MAX_TEXT {
        return None;
    }
    let mut rest = text.get(text.find("<svg")?..)?;
    let mut svg = Svg { elements: Vec::new(), side: 100.0 };
    let (mut open, mut silent, mut parts): (Vec<String>, usize, usize) = (Vec::new(), 0, 0);
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        if let (Some("text" | "tspan"), Some(last), 0) =
            (open.last().map(String::as_str), svg.elements.last_mut(), silent)
        {
            last.text = read::name(&format!("{} {before}", last.text));
        }
        let skipped = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>"), ("<!", ">")];
        if let Some((_, end)) = skipped.iter().find(|(start, _)| tag.starts_with(start)) {
            let Some(at) = tag.find(end) else { break };
            rest = tag.get(at + end.len()..).unwrap_or("");
            continue;
        }
        let Some(end) = tag_end(tag) else { break };
        let body = tag.get(1..end).unwrap_or("");
        rest = tag.get(end + 1..).unwrap_or("");
        if let Some(name) = body.strip_prefix('/') {
            // An end that nothing waits for is ignored, as browsers do.
            let name = name.trim().to_ascii_lowercase();
            if open.last() == Some(&name) {
                open.pop();
                silent -= usize::from(SILENT.contains(&name.as_str()));
                if name == "svg" && open.is_empty() {
                    break;
                }
            }
            continue;
        }
        let (body, closed) = body.strip_suffix('/').map_or((body, false), |b| (b, true));
        let (name, attributes) = split_name(body);
        if silent == 0 && name == "svg" && open.is_empty() {
            svg.side = side(attributes);
        } else if silent == 0 && SHAPES.contains(&name.as_str()) {
            let element = element(name.clone(), attributes);
            parts += element.path.len();
            svg.elements.push(element);
            if svg.elements.len() > MAX_ELEMENTS || parts > MAX_PATH {
                return None;
            }
        }
        if !closed {
            silent += usize::from(SILENT.contains(&name.as_str()));
            open.push(name);
        }
    }
    Some(svg)
}

/// Where the tag at the beginning of `text` ends: its first `>` outside quotes.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.bytes().enumerate() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == b'>' => return Some(at),
            None if c == b'"' || c == b'\'' => quote = Some(c),
            None => {}
        }
    }
    None
}

fn split_name(body: &str) -> (String, &str) {
    let end = body.find(|c: char| c.is_whitespace()).unwrap_or(body.len());
    let (name, attributes) = body.split_at(end);
    (name.to_ascii_lowercase(), attributes)
}

/// Names and values of attributes, names in lower case.
fn attributes(text: &str) -> Vec<(String, &str)> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let (Some((name, after)), true) = (rest.split_once('='), found.len() < MAX_ATTRIBUTES) {
        let after = after.trim_start();
        let Some(quote) = after.chars().next().filter(|c| matches!(c, '"' | '\'')) else { break };
        let Some((value, next)) = after.get(1..).and_then(|a| a.split_once(quote)) else { break };
        let name = name.split_whitespace().last().unwrap_or("").to_ascii_lowercase();
        found.push((name, value));
        rest = next;
    }
    found
}

fn element(tag: String, text: &str) -> Element {
    let mut element = Element { tag, ..Element::default() };
    for (name, value) in attributes(text) {
        match name.as_str() {
            "d" | "points" => element.path = path(value),
            "style" => {
                for (name, value) in value.split(';').take(MAX_ATTRIBUTES).filter_map(|p| p.split_once(':')) {
                    look(&mut element, name.trim(), value);
                }
            }
            _ => look(&mut element, &name, value),
        }
    }
    element
}

fn look(element: &mut Element, name: &str, value: &str) {
    if LOOKS.contains(&name) {
        let value: String = value.chars().take(64).collect();
        element.attributes.insert(name.to_string(), read::name(&value));
    }
}

/// The longer side that `<svg …>` names.
fn side(text: &str) -> f64 {
    let all = attributes(text);
    let get = |name: &str| all.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
    let of = |text: &str| length(text).filter(|v| *v > 0.0);
    let view = get("viewbox").map(|v| v.split([' ', ',']).filter(|w| !w.is_empty()).skip(2).filter_map(of));
    let longest = view.and_then(|v| v.reduce(f64::max));
    let sides = || [get("width"), get("height")].into_iter().flatten().filter_map(of).reduce(f64::max);
    longest.or_else(sides).unwrap_or(100.0).clamp(1e-6, 1e9)
}

/// A number, with or without `px`.
pub fn length(text: &str) -> Option<f64> {
    read::number(text.trim().trim_end_matches("px"))
}

/// The commands and numbers of a path, at most [`MAX_PATH`] + 1. A path ends at the first thing that is
/// neither.
pub fn path(text: &str) -> Vec<PathPart> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while parts.len() <= MAX_PATH {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        let Some(c) = rest.chars().next() else { break };
        if "MmLlHhVvCcSsQqTtAaZz".contains(c) {
            parts.push(PathPart::Command(c));
            rest = rest.get(1..).unwrap_or("");
            continue;
        }
        let end = number_end(rest);
        let Some(number) = rest.get(..end).and_then(read::number) else { break };
        parts.push(PathPart::Number(number));
        rest = rest.get(end..).unwrap_or("");
    }
    parts
}

/// Bytes of the number at the beginning: a second sign or point begins the next one (`1-2`, `.5.5`).
fn number_end(text: &str) -> usize {
    let (mut point, mut exponent, mut before) = (false, false, b' ');
    for (at, c) in text.bytes().enumerate() {
        let part = match c {
            b'0'..=b'9' => true,
            b'+' | b'-' => at == 0 || matches!(before, b'e' | b'E'),
            b'.' => !std::mem::replace(&mut point, true) && !exponent,
            b'e' | b'E' => at > 0 && !std::mem::replace(&mut exponent, true),
            _ => false,
        };
        if !part {
            return at;
        }
        before = c;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use PathPart::{Command, Number};
    use proptest::prelude::*;

    #[test]
    fn reads_what_draws() {
        let text = r##"Here: <?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "b">]>
            <svg viewBox="0 0 200 100" xmlns="http://www.w3.org/2000/svg"><!-- <rect/> --><defs><rect x="1"/></defs>
            <g><rect x="1" y='2' id="q" style="fill: Red; stroke:blue"/></g><text x="3">a <tspan>b</tspan></text>
            <script><circle r="1"/></script><path d="M1-2L.5.5z"/></svg><rect/>"##;
        let svg = parse(text).unwrap();
        let tags: Vec<_> = svg.elements.iter().map(|e| e.tag.as_str()).collect();
        assert_eq!((tags, svg.side), (vec!["rect", "text", "path"], 200.0));
        let rect = &svg.elements[0].attributes;
        assert_eq!((rect["x"].as_str(), rect["fill"].as_str(), rect.len()), ("1", "red", 4));
        assert_eq!(svg.elements[1].text, "a b");
        let d =
            [Command('M'), Number(1.0), Number(-2.0), Command('L'), Number(0.5), Number(0.5), Command('z')];
        assert_eq!(svg.elements[2].path, d);
    }

    #[test]
    fn hostile_pictures_are_bounded() {
        assert!(parse("no picture").is_none());
        assert!(parse(&format!("<svg>{}", "<rect/>".repeat(MAX_ELEMENTS + 1))).is_none());
        assert!(parse(&format!("<svg>{}", "<g>".repeat(20_000))).unwrap().elements.is_empty());
        assert!(parse(&format!("<svg><path d='M{}'/></svg>", "1 ".repeat(MAX_PATH))).is_none());
        assert!(parse("<svg><rect x=\"").unwrap().elements.is_empty());
        assert_eq!(path("M 1e999 2"), [Command('M')]);
        assert_eq!(path("1e5-3e-2"), [Number(1e5), Number(-0.03)]);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(<svg>|<g|<rect|/>|>|</svg>|<!--|-->|x='1'|d=\"M1|é| |\"|<text>|</text>|<defs>|</defs>){0,30}") {
            let _ = parse(&text);
            let _ = path(&text);
        }
    }
}
