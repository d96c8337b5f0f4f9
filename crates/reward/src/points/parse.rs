//! Points as policies write them.
//!
//! Read are `{"point_2d": [x, y]}` (also under `point`, `coordinate`, `coordinates`, `position`),
//! `{"x": …, "y": …}`, bare `[x, y]` and `(x, y)`; fenced, quoted with apostrophes, nested, any number of
//! them in any text. Four numbers in a row are a box; its centre counts as a point only where asked for.

use crate::boxes::lenient::{Forest, Kind, Node, read};

/// Points beyond this many count as wrong ones, unread.
pub const MAX_POINTS: usize = 1_000;
/// Coordinates beyond this are refused.
const LIMIT: f64 = 1e7;

const POINT_KEYS: [&str; 6] = ["point_2d", "point", "coordinate", "coordinates", "position", "center"];

/// The points of a text, in the coordinates that they are written in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    /// Those that can be read, in order, at most [`MAX_POINTS`].
    pub items: Vec<[f64; 2]>,
    /// Items that should be a point and are none, and points beyond the bound.
    pub malformed: usize,
    /// True when the text ends inside a list or item.
    pub cut: bool,
    /// True when the text is an empty list.
    pub none: bool,
}

/// Reads the points of `text`; with `centres`, boxes count as the point in their middle.
pub fn points(text: &str, centres: bool) -> Points {
    let forest = read(text);
    let mut out = Points { cut: forest.cut, ..Points::default() };
    let mut blank = true;
    for root in forest.roots() {
        blank &= root.complete && root.kind == Kind::List && root.children.is_empty();
        walk(&forest, root, centres, &mut out);
    }
    out.none = blank && forest.roots().next().is_some();
    out
}

fn walk(forest: &Forest<'_>, root: &Node<'_>, centres: bool, out: &mut Points) {
    let mut stack = vec![root];
    while let Some(node) = stack.pop() {
        if let Some(point) = point_of(forest, node, centres) {
            push(out, point);
            continue;
        }
        if let Some(value) = forest.get(node, &POINT_KEYS).filter(|_| node.kind == Kind::Object) {
            match point_of(forest, value, centres) {
                _ if !node.complete => {}
                Some(point) => push(out, point),
                None if forest.children(value).any(Node::is_container) => stack.push(value),
                None => out.malformed += 1,
            }
            continue;
        }
        let inside: Vec<_> = forest.children(node).filter(|n| n.is_container()).collect();
        stack.extend(inside.into_iter().rev());
    }
}

fn push(out: &mut Points, point: [f64; 2]) {
    if out.items.len() < MAX_POINTS && point.iter().all(|v| v.abs() <= LIMIT) {
        out.items.push(point);
    } else {
        out.malformed += 1;
    }
}

/// The point that one value is.
pub(crate) fn point_of(forest: &Forest<'_>, node: &Node<'_>, centres: bool) -> Option<[f64; 2]> {
    if !node.complete {
        return None;
    }
    if let Some(point) = forest.numbers(node) {
        return Some(point);
    }
    if let (Some(x), Some(y)) = (forest.get(node, &["x"]), forest.get(node, &["y"])) {
        return Some([x.number()?, y.number()?]);
    }
    let [x1, y1, x2, y2] = forest.numbers(node).filter(|_| centres)?;
    Some([(x1 + x2) / 2.0, (y1 + y2) / 2.0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_way_to_write_a_point() {
        for text in [
            "(3, 4.5)",
            "click at [3, 4.5], please",
            "```json\n[{\"point_2d\": [3, 4.5], \"label\": \"ok\"}]\n```",
            "{'x': 3, 'y': '4.5'}",
            "{\"point\": {\"x\": 3, \"y\": 4.5}}",
            "click(x=3, y=4.5)",
            "{\"points\": [[3, 4.5]]}",
        ] {
            assert_eq!(points(text, false).items, [[3.0, 4.5]], "{text}");
        }
        let two = points("[[1, 2], [3, 4]]", false);
        assert_eq!(two.items, [[1.0, 2.0], [3.0, 4.0]]);
        assert!(points("[1, 2, 3, 4]", false).items.is_empty());
        assert_eq!(points("[1, 2, 3, 4]", true).items, [[2.0, 3.0]]);
    }

    #[test]
    fn what_is_no_point() {
        for text in ["", "3, 4", "(3)", "(3, 4, 5)", "(a, b)", "(３, 4)", "(nan, 1)", "(3, 4", "(0x3, 4)"] {
            assert!(points(text, true).items.is_empty(), "{text}");
        }
        assert_eq!(points("{\"point_2d\": 3}", true).malformed, 1);
        assert_eq!(points("(1e30, 2)", true).malformed, 1);
        assert!(points("[]", true).none && !points("", true).none && !points("none", true).none);
    }

    #[test]
    fn the_number_of_points_is_bounded_but_all_count() {
        let read = points(&"(1,2)".repeat(1_500), false);
        assert_eq!((read.items.len(), read.malformed), (1_000, 500));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in r#"[\[\](){},:'"xy0-9 .\n]{0,120}"#) {
            prop_assert!(points(&text, true).items.iter().flatten().all(|v| v.is_finite()));
        }
    }
}
