//! Actions on a screen, as policies and data sets write them.
//!
//! Read are JSON objects (`{"action": "click", "coordinate": [x, y]}`, also in a list, also as a tool
//! call `{"name": …, "arguments": {…}}`), function calls (`click(start_box='(x,y)')`, `type("text")`,
//! `press_back()`), WebShop's `search[words]` and bare words (`scroll down`). Of several actions the first counts. Nothing of it is
//! ever evaluated.

use serde_json::Value;

use crate::boxes::lenient::{Forest, Kind, Node, read};
use crate::points::{point_of, points};

/// Longer texts are cut before they are compared.
const MAX_TEXT: usize = 2_000;
/// Longer words are no actions.
const MAX_WORD: usize = 40;

/// Words for the same action, the first being the one used.
const KINDS: [&[&str]; 19] = [
    &["click", "tap", "left_click", "single_click", "click_element", "touch"],
    &["double_click", "left_double", "doubleclick", "double_tap"],
    &["right_click", "right_single", "rightclick"],
    &["long_press", "long_click", "longpress", "press_and_hold", "long_tap"],
    &["type", "input_text", "input", "write", "enter_text", "type_text", "set_text"],
    &["scroll"],
    &["swipe"],
    &["drag", "left_click_drag", "drag_and_drop", "dragto"],
    &["back", "press_back", "navigate_back", "go_back"],
    &["home", "press_home", "navigate_home", "go_home"],
    &["enter", "press_enter", "navigate_enter"],
    &["recent", "press_recent", "navigate_recent"],
    &["press", "key", "hotkey", "press_key", "keypress", "system_button"],
    &["open", "open_app", "launch", "launch_app", "start_app"],
    &["wait", "sleep"],
    &["finish", "finished", "complete", "done", "terminate", "stop", "task_complete", "status_complete"],
    &["hover", "mouse_move", "move", "moveto", "move_to"],
    &["search"],
    &["buy", "purchase"],
];

const POINT_KEYS: [&str; 8] = [
    "coordinate",
    "point",
    "point_2d",
    "position",
    "start_box",
    "start_point",
    "coordinates",
    "start_coordinate",
];
const END_KEYS: [&str; 6] = ["end_box", "coordinate2", "end_point", "end_coordinate", "end", "to"];
const TEXT_KEYS: [&str; 11] =
    ["text", "content", "input_text", "value", "app_name", "app", "key", "keys", "button", "query", "url"];
/// What GUI-R1's data say where there is no text.
const NO_TEXT: &str = "no input text";

const DIRECTIONS: [&str; 4] = ["up", "down", "left", "right"];

/// An action, with the arguments that were given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Action {
    /// What to do, in one word for all its names (`click` also for `tap`); others as they are, in lower
    /// case.
    pub kind: String,
    /// Where, in the coordinates as written; of a box its middle.
    pub point: Option<[f64; 2]>,
    /// Where to, for drags and swipes.
    pub end: Option<[f64; 2]>,
    /// What to type, open or press.
    pub text: Option<String>,
    /// Where to scroll: up, down, left, right.
    pub direction: Option<&'static str>,
}

/// The word that stands for all names of an action.
pub(super) fn canonical(word: &str) -> Option<String> {
    let joined = |c: char| if c == '-' || c.is_ascii_whitespace() { '_' } else { c.to_ascii_lowercase() };
    let word: String = word.trim().chars().take(MAX_WORD + 1).map(joined).collect();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if word.is_empty() || word.len() > MAX_WORD || !word.chars().all(plain) {
        return None;
    }
    let known = KINDS.iter().find(|names| names.contains(&word.as_str()));
    Some(known.and_then(|names| names.first()).map_or(word, |name| name.to_string()))
}

fn known(word: &str) -> bool {
    canonical(word).is_some_and(|w| KINDS.iter().any(|names| names.first() == Some(&w.as_str())))
}

pub(super) fn direction(text: &str) -> Option<&'static str> {
    DIRECTIONS.into_iter().find(|d| text.trim().eq_ignore_ascii_case(d))
}

/// The direction in which most of `[dx, dy]` goes; none for no movement.
fn towards([dx, dy]: [f64; 2]) -> Option<&'static str> {
    match (dx.abs() > dy.abs(), dx, dy) {
        (true, dx, _) => Some(if dx < 0.0 { "left" } else { "right" }),
        (false, _, dy) if dy != 0.0 => Some(if dy < 0.0 { "up" } else { "down" }),
        _ => None,
    }
}

fn short(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

/// Reads the first action of `text`.
pub fn action(text: &str) -> Option<Action> {
    let text = text.trim();
    let forest = read(text);
    let mut stack: Vec<&Node<'_>> = forest.roots().collect();
    stack.reverse();
    while let Some(node) = stack.pop() {
        if !node.complete {
            stack.extend(
                forest.children(node).filter(|n| n.is_container()).collect::<Vec<_>>().into_iter().rev(),
            );
            continue;
        }
        if let Some(action) = object(&forest, node).or_else(|| call(&forest, node, text)) {
            return Some(action);
        }
        stack
            .extend(forest.children(node).filter(|n| n.is_container()).collect::<Vec<_>>().into_iter().rev());
    }
    labelled(text).or_else(|| bare(text))
}

/// `{"action": …}`, or a tool call around one.
fn object(forest: &Forest<'_>, node: &Node<'_>) -> Option<Action> {
    if node.kind != Kind::Object {
        return None;
    }
    let arguments = forest.get(node, &["arguments", "args", "parameters", "action_input"]);
    let inner = arguments.filter(|a| a.kind == Kind::Object && a.complete);
    let named = |n: &Node<'_>| {
        let word = forest.get(n, &["action", "action_type", "type"])?;
        word.text().map(short).or_else(|| forest.get(word, &["name", "type"])?.text().map(short))
    };
    // A tool such as computer_use names the action among its arguments.
    let word = inner.and_then(named).or_else(|| named(node));
    let word = word.or_else(|| forest.get(node, &["name", "function"])?.text().map(short))?;
    let mut action = Action { kind: canonical(&word)?, ..Action::default() };
    let nested = forest.get(node, &["action"]).filter(|a| a.kind == Kind::Object);
    for place in [inner, nested, Some(node)].into_iter().flatten() {
        fill(forest, place, &mut action);
    }
    Some(action)
}

/// `name(arguments)`.
fn call(forest: &Forest<'_>, node: &Node<'_>, text: &str) -> Option<Action> {
    let before = text.get(..node.start)?;
    if !text.get(node.start..)?.starts_with('(') {
        return None;
    }
    let from = before
        .rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .map_or(0, |i| i + before.get(i..).and_then(|s| s.chars().next()).map_or(1, char::len_utf8));
    let word = before.get(from..).filter(|w| known(w))?;
    let mut action = Action { kind: canonical(word)?, ..Action::default() };
    fill(forest, node, &mut action);
    let mut unnamed = forest.children(node).filter(|n| n.key.is_none());
    let bare = if action.point.is_none() { point_of(forest, node, true) } else { None };
    action.point = action.point.or(bare);
    if let Some(text) = unnamed.find_map(Node::text) {
        action.direction = action.direction.or_else(|| direction(text));
        action.text.get_or_insert_with(|| short(text));
    }
    if action.kind == "scroll" {
        // scroll(dx, dy): pixels to the right and down.
        action.direction = action.direction.or(bare.and_then(towards));
    }
    Some(action)
}

/// `search[words]`, `click[label]`.
fn labelled(text: &str) -> Option<Action> {
    let (word, label) = text.strip_suffix(']')?.split_once('[')?;
    let plain = known(word) && !label.contains(['[', ']']);
    plain.then_some(())?;
    Some(Action { kind: canonical(word)?, text: Some(short(label)), ..Action::default() })
}

/// `press_back`, `scroll down`.
fn bare(text: &str) -> Option<Action> {
    let words = text.trim_matches(|c: char| !c.is_alphanumeric());
    if words.len() > MAX_WORD {
        return None;
    }
    if known(words) {
        return Some(Action { kind: canonical(words)?, ..Action::default() });
    }
    let (word, rest) = words.split_once(|c: char| c.is_ascii_whitespace() || c == ':')?;
    let action = Action { kind: canonical(word)?, direction: Some(direction(rest)?), ..Action::default() };
    known(word).then_some(action)
}

/// Takes the arguments in `node` that are not set yet.
fn fill(forest: &Forest<'_>, node: &Node<'_>, action: &mut Action) {
    let place = |keys: &[&str]| {
        let value = forest.get(node, keys)?;
        // UI-TARS writes points as texts.
        let quoted = || points(value.text()?, true).items.first().copied();
        point_of(forest, value, true).or_else(quoted)
    };
    let own = || point_of(forest, node, true).filter(|_| forest.get(node, &["x"]).is_some());
    action.point = action.point.or_else(|| place(&POINT_KEYS)).or_else(own);
    action.end = action.end.or_else(|| place(&END_KEYS));
    let text = || forest.get(node, &TEXT_KEYS).and_then(text_of);
    if action.text.is_none() {
        action.text = text();
    }
    let pointed =
        forest.get(node, &["direction", "scroll_direction"]).and_then(Node::text).and_then(direction);
    // GUI-R1 writes the direction as the text to enter.
    let entered = || action.text.as_deref().filter(|_| action.kind == "scroll").and_then(direction);
    action.direction = action.direction.or(pointed).or_else(entered);
}

fn text_of(node: &Node<'_>) -> Option<String> {
    match &node.kind {
        Kind::Text(text) => Some(short(text)),
        Kind::Number(v) => Some(v.to_string()),
        _ => None,
    }
}

/// What the ground truth asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted<'a> {
    pub(super) kind: String,
    pub(super) place: Option<&'a Value>,
    pub(super) text: Option<&'a str>,
    pub(super) direction: Option<&'static str>,
}

/// Reads `{action, point or bbox, text, direction}`; `None` when it has no action or one of the rest has
/// the wrong type.
pub(super) fn wanted(gold: &Value) -> Option<Wanted<'_>> {
    let kind = canonical(gold.get("action")?.as_str()?)?;
    let word = |key: &str| match gold.get(key) {
        None | Some(Value::Null) => Some(None),
        Some(Value::String(text)) => Some(Some(text.as_str())),
        Some(_) => None,
    };
    let text = word("text")?.filter(|t| !t.trim().is_empty() && !t.eq_ignore_ascii_case(NO_TEXT));
    let direction = match word("direction")? {
        None => None,
        Some(word) => Some(direction(word)?),
    };
    let place = gold.get("bbox").or(gold.get("point")).filter(|v| !v.is_null());
    Some(Wanted { kind, place, text, direction })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_way_to_write_a_click() {
        for text in [
            r#"{"action": "click", "coordinate": [3, 4]}"#,
            r#"[{'action': 'tap', 'point': (3, 4), 'input_text': 'no input text'}]"#,
            r#"{"name": "mobile_use", "arguments": {"action": "click", "coordinate": [3, 4]}}"#,
            r#"{"name": "click", "arguments": {"x": 3, "y": 4}}"#,
            r#"{"action": {"type": "click", "x": 3, "y": 4}}"#,
            "Thought: ok\nAction: click(start_box='(3,4)')",
            "click(start_box='<|box_start|>(3,4)<|box_end|>')",
            "pyautogui.click(x=3, y=4)",
            "click(3, 4)",
            "```json\n{\"action_type\": \"left-click\", \"position\": [2, 3, 4, 5]}\n```",
        ] {
            let action = action(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((action.kind.as_str(), action.point), ("click", Some([3.0, 4.0])), "{text}");
        }
    }

    #[test]
    fn other_actions() {
        let read = |text: &str| action(text).unwrap();
        let typed = read(r#"type(content="say \"hi\"")"#);
        assert_eq!((typed.kind.as_str(), typed.text.as_deref()), ("type", Some("say \"hi\"")));
        assert_eq!(read("type('hello')").text.as_deref(), Some("hello"));
        for text in [
            "scroll(direction='down')",
            "scroll down",
            "scroll('Down')",
            r#"{"action":"scroll","input_text":"DOWN"}"#,
        ] {
            assert_eq!((read(text).kind.as_str(), read(text).direction), ("scroll", Some("down")), "{text}");
        }
        for text in ["press_back()", "press_back", "{'action': 'navigate_back'}", "Back."] {
            assert_eq!(read(text).kind, "back", "{text}");
        }
        for (text, direction) in
            [("scroll(0,28)", "down"), ("scroll(0, -28)", "up"), ("scroll(-9,2)", "left")]
        {
            assert_eq!(read(text).direction, Some(direction), "{text}");
        }
        assert_eq!(read("scroll(start_box='(3,4)')").direction, None);
        assert_eq!(read("scroll(0,0)").direction, None);
        assert_eq!(read("scroll(3, 4, 'up')").direction, Some("up"));
        for (text, kind, label) in
            [("search[round desk lamp]", "search", "round desk lamp"), ("click[B4]", "click", "B4")]
        {
            assert_eq!((read(text).kind.as_str(), read(text).text.as_deref()), (kind, Some(label)));
        }
        assert_eq!(read("buy").kind, "buy");
        assert_eq!(read("press(backspace)").text.as_deref(), Some("backspace"));
        let drag = read("drag(start_box='(1,2)', end_box='(3,4)')");
        assert_eq!((drag.point, drag.end), (Some([1.0, 2.0]), Some([3.0, 4.0])));
        assert_eq!(read("{'action': 'Teleport'}").kind, "teleport");
    }

    #[test]
    fn what_is_no_action() {
        for text in [
            "",
            "I would rather not",
            "(3, 4)",
            "{}",
            "exec(3, 4)",
            "{\"action\": 3}",
            "{\"action\": \"click\"",
        ] {
            assert_eq!(action(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in r#"[\[\](){},:='"a-cklitxy0-9 .\né]{0,120}"#) {
            let _ = action(&text);
        }
    }
}
