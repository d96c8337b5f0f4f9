//! Lists and sets of short answers.

use serde_json::Value;

use super::same::{key, text_key};
use crate::text::normal::Normal;

/// Most items of an answer that are read; a longer list is no answer.
pub const MAX_ITEMS: usize = 1000;

/// How two lists are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// F1 of the items as a multiset: a repeated item counts as often as gold has it.
    F1,
    /// Items of both over items of either, as sets.
    Iou,
    /// 1 when the sets are equal. Repetitions are the same set.
    Set,
    /// 1 when the items are equal in order and number.
    Ordered,
    /// Places with the right item over the longer length.
    Places,
}

/// The items of an answer, in the form in which they are compared. Read are a JSON list of scalars, or
/// items between commas, semicolons or lines; then list marks at the beginning (`-`, `*`, `1.`), a final
/// "and" and brackets around the whole are taken off. Brackets around nothing are an empty list.
///
/// `None` for a blank text, one with more than [`MAX_ITEMS`] items, or a JSON list of other things.
pub fn items(text: &str, normal: Normal) -> Option<Vec<String>> {
    let text = unfence(text);
    if text.is_empty() {
        return None;
    }
    if let Ok(Value::Array(list)) = serde_json::from_str::<Value>(text) {
        return (list.len() <= MAX_ITEMS).then(|| list.iter().map(|v| key(v, normal)).collect()).flatten();
    }
    let bare =
        text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '[' | ']' | '{' | '}' | '(' | ')'));
    if bare.is_empty() {
        return Some(Vec::new());
    }
    let separators: &[char] = match () {
        () if bare.contains(';') => &[';'],
        () if bare.contains('\n') => &['\n'],
        () => &[','],
    };
    let mut list = Vec::new();
    // A number with thousands separators is one item when it is all there is.
    let whole = super::number::plain_number(bare).is_some();
    let parts: Vec<&str> = if whole { vec![bare] } else { bare.split(separators).collect() };
    for part in parts {
        let part = unmarked(part);
        let part = part.strip_prefix("and ").unwrap_or(part).trim();
        let part = part.trim_matches(|c| matches!(c, '"' | '\'' | ','));
        if let Some(item) = text_key(part, normal) {
            list.push(item);
        }
        if list.len() > MAX_ITEMS {
            return None;
        }
    }
    Some(list)
}

/// True for a text that says in a word that there are no items.
pub fn says_none(text: &str) -> bool {
    matches!(Normal::Letters.apply(text).as_ref(), "none" | "empty" | "nothing" | "emptylist")
}

/// A text without the code fence around it.
pub(crate) fn unfence(text: &str) -> &str {
    let text = text.trim();
    let Some(inner) = text.strip_prefix("```").and_then(|t| t.strip_suffix("```")) else { return text };
    let inner = inner.strip_prefix("json").unwrap_or(inner);
    inner.trim()
}

/// An item without the bullet or number at its beginning.
fn unmarked(item: &str) -> &str {
    let item = item.trim();
    if let Some(rest) = item.strip_prefix(['-', '*', '•']).filter(|r| r.starts_with(' ')) {
        return rest.trim();
    }
    let digits = item.bytes().take_while(u8::is_ascii_digit).count();
    let rest = item.get(digits..).filter(|_| digits > 0).unwrap_or("");
    match rest.strip_prefix(['.', ')']) {
        Some(rest) if rest.starts_with(' ') => rest.trim(),
        _ => item,
    }
}

/// How near `answer` is to `gold`. Two empty lists are equal.
pub fn compare(answer: &[String], gold: &[String], form: Form) -> f64 {
    if answer.is_empty() && gold.is_empty() {
        return 1.0;
    }
    let sorted = |list: &[String], unique: bool| {
        let mut list: Vec<String> = list.to_vec();
        list.sort_unstable();
        if unique {
            list.dedup();
        }
        list
    };
    match form {
        Form::Ordered => f64::from(u8::from(answer == gold)),
        Form::Places => {
            let right = answer.iter().zip(gold).filter(|(a, g)| a == g).count();
            right as f64 / answer.len().max(gold.len()) as f64
        }
        Form::F1 => {
            let (a, g) = (sorted(answer, false), sorted(gold, false));
            2.0 * shared(&a, &g) as f64 / (a.len() + g.len()) as f64
        }
        Form::Iou | Form::Set => {
            let (a, g) = (sorted(answer, true), sorted(gold, true));
            let both = shared(&a, &g);
            let iou = both as f64 / (a.len() + g.len() - both) as f64;
            if form == Form::Iou { iou } else { f64::from(u8::from(a == g)) }
        }
    }
}

/// Items that two ascending lists have in common, each as often as in the one that has it less often.
pub(crate) fn shared<T: Ord>(a: &[T], b: &[T]) -> usize {
    let (mut i, mut j, mut shared) = (0, 0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        match x.cmp(y) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => (i, j, shared) = (i + 1, j + 1, shared + 1),
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(text: &str) -> Vec<String> {
        items(text, Normal::Light).unwrap()
    }

    #[test]
    fn written_forms_are_one_list() {
        for text in [
            r#"["Cat", "dog", 5]"#,
            "cat, dog, 5",
            "Cat; Dog; 5.0",
            "- cat\n- dog\n- 5",
            "1. cat\n2. dog\n3. 5",
            "[cat, dog, 5]",
            "cat, dog, and 5",
            "```json\n[\"cat\", \"dog\", 5.0]\n```",
            "{\"cat\", 'dog', 5}",
        ] {
            assert_eq!(list(text), list("cat,dog,5"), "{text}");
        }
        assert_eq!(list("1,000").len(), 1);
        assert_eq!(list("1,2,3").len(), 3);
        assert_eq!((list("[]").len(), list("()").len(), list("none").len()), (0, 0, 1));
        assert!(says_none("None.") && says_none("[none]") && !says_none("[]") && !says_none("none of it"));
        assert_eq!((items("", Normal::Light), items(" \n", Normal::Light)), (None, None));
        assert_eq!(items("[[1]]", Normal::Light), None);
        assert_eq!(items(&"a,".repeat(2000), Normal::Light), None);
    }

    #[test]
    fn by_hand() {
        let score = |a: &str, g: &str, form| compare(&list(a), &list(g), form);
        assert_eq!(score("a, b, c", "b, c, d, e", Form::F1), 4.0 / 7.0);
        assert_eq!(score("a, b, c", "b, c, d, e", Form::Iou), 2.0 / 5.0);
        assert_eq!(score("c, b, b", "b, c", Form::Set), 1.0);
        assert_eq!(score("b, b, c", "b, c", Form::F1), 0.8);
        assert_eq!(score("a, b, c", "a, c, b", Form::Places), 1.0 / 3.0);
        assert_eq!((score("a, b", "a, b", Form::Ordered), score("b, a", "a, b", Form::Ordered)), (1.0, 0.0));
        assert_eq!((score("[]", "a", Form::F1), score("[]", "[]", Form::Iou)), (0.0, 1.0));
    }

    proptest! {
        #[test]
        fn laws(
            a in prop::collection::vec("[a-d]", 0..8),
            g in prop::collection::vec("[a-d]", 1..8),
            seed in 0usize..8,
        ) {
            for form in [Form::F1, Form::Iou, Form::Set, Form::Ordered, Form::Places] {
                let score = compare(&a, &g, form);
                prop_assert!((0.0..=1.0).contains(&score));
                prop_assert_eq!(score, compare(&g, &a, form));
                prop_assert_eq!(compare(&g, &g, form), 1.0);
            }
            let mut turned = a.clone();
            turned.rotate_left(seed % a.len().max(1));
            for form in [Form::F1, Form::Iou, Form::Set] {
                prop_assert_eq!(compare(&turned, &g, form), compare(&a, &g, form));
            }
            // Writing an item once more than gold has it never helps.
            if let Some(first) = a.first() {
                let mut more = a.clone();
                more.extend(std::iter::repeat_n(first.clone(), g.len()));
                let mut yet_more = more.clone();
                yet_more.push(first.clone());
                for form in [Form::F1, Form::Iou, Form::Set, Form::Places] {
                    prop_assert!(compare(&yet_more, &g, form) <= compare(&more, &g, form));
                }
            }
        }
    }
}
