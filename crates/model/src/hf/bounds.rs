//! What the template engine does not bound, refused before it reads a chat template.
//!
//! The engine counts the steps of a rendering, but not what one of them takes, and none while it compiles. A product
//! makes a text of 100 MB in one step, and products of constants are worked out while compiling, again and again. Some
//! filters make as much as a number tells them. Long chains of operators or of `elif` are compiled by as many calls
//! inside one another, which overflow the stack. Of the 72 chat templates that come with TRL 1.16 none multiplies or
//! uses such a filter, but for `tojson(indent=4)`; the longest tag has 178 bytes outside of its texts.

use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, ErrorKind, filters};

/// Bound on the bytes of a tag, texts in quotes left out.
const MAX_TAG: usize = 4096;
/// Bound on the `elif`s of a template.
const MAX_ELIF: usize = 256;
/// Bound on the spaces by which `tojson` indents.
const MAX_INDENT: usize = 64;

/// Takes away the filters that make as much as a number says, all but `tojson`, which gets a bound on its number.
pub(super) fn bound_filters(engine: &mut Environment<'_>) {
    for name in ["batch", "slice", "indent", "format"] {
        engine.remove_filter(name);
    }
    engine.add_filter("tojson", tojson);
}

fn tojson(value: &Value, indent: Option<Value>, options: Kwargs) -> Result<Value, Error> {
    let width = match &indent {
        Some(width) => Some(width.clone()),
        None => options.peek::<Option<Value>>("indent")?,
    };
    if width.and_then(|width| width.as_usize()).is_some_and(|width| width > MAX_INDENT) {
        let message = format!("tojson indents by at most {MAX_INDENT} spaces");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    filters::tojson(value, indent, options)
}

/// What the template `source` does that is refused; a clause without a subject.
///
/// Tags are told from text by the rules of the engine, so that both see the same ones. What ends in the middle of a tag
/// is left to the engine, which refuses it.
pub(super) fn refused(source: &str) -> Option<String> {
    let source = source.as_bytes();
    // Brackets that are open: no tag ends inside of them, and the engine does not begin anew with each tag.
    let mut open = 0;
    let mut elifs = 0;
    let mut at = 0;
    while let Some(brace) = find(source, at, b"{") {
        let inside = brace + 2;
        at = match source.get(brace + 1) {
            Some(b'#') => find(source, inside, b"#}")? + 2,
            Some(b'%') if let Some(begin) = word_tag(source, inside, b"raw") => raw_end(source, begin)?,
            Some(mark @ (b'%' | b'{')) => {
                let end = if *mark == b'%' { b"%}" } else { b"}}" };
                elifs += usize::from(first_word(source, inside).starts_with(b"elif"));
                match tag(source, inside, end, &mut open) {
                    Tag::Ends(at) => at,
                    Tag::Unclosed => return None,
                    Tag::Product => return Some("multiplies (`*`), which no chat template needs".into()),
                    Tag::Long => {
                        return Some(format!("has a tag of more than {MAX_TAG} bytes outside of quotes"));
                    }
                }
            }
            _ => brace + 1,
        };
        if elifs > MAX_ELIF {
            return Some(format!("has more than {MAX_ELIF} `elif`"));
        }
    }
    None
}

/// What there is to say of a tag.
enum Tag {
    /// Nothing; it ends before this byte.
    Ends(usize),
    /// It has no end.
    Unclosed,
    /// It has a `*` outside of texts.
    Product,
    /// It is longer than [`MAX_TAG`].
    Long,
}

/// Reads a tag from behind its opening to its `end`.
fn tag(source: &[u8], mut at: usize, end: &[u8], open: &mut i64) -> Tag {
    let mut length = 0;
    while let Some(byte) = source.get(at) {
        if *open == 0 && source[at..].starts_with(end) {
            return Tag::Ends(at + end.len());
        }
        at += 1;
        length += 1;
        match byte {
            b'*' => return Tag::Product,
            _ if length > MAX_TAG => return Tag::Long,
            b'(' | b'[' | b'{' => *open += 1,
            b')' | b']' | b'}' => *open -= 1,
            b'\'' | b'"' => match text_end(source, at, *byte) {
                Some(end) => at = end,
                None => return Tag::Unclosed,
            },
            _ => {}
        }
    }
    Tag::Unclosed
}

/// The byte behind a text's closing quote; a backslash takes the next byte with it.
fn text_end(source: &[u8], mut at: usize, quote: u8) -> Option<usize> {
    loop {
        match source.get(at)? {
            b'\\' => at += 2,
            byte if *byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// The byte behind the `endraw` of what is text whatever stands in it.
fn raw_end(source: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let inside = find(source, at, b"{%")? + 2;
        match word_tag(source, inside, b"endraw") {
            Some(end) => return Some(end),
            None => at = inside,
        }
    }
}

/// The byte behind a tag that is this word alone, from behind its opening.
fn word_tag(source: &[u8], inside: usize, word: &[u8]) -> Option<usize> {
    let rest = first_word(source, inside).strip_prefix(word)?.trim_ascii_start();
    let rest = rest.strip_prefix(b"-").or_else(|| rest.strip_prefix(b"+")).unwrap_or(rest);
    Some(source.len() - rest.strip_prefix(b"%}")?.len())
}

/// What follows the opening of a tag, the mark that trims white space left out.
fn first_word(source: &[u8], inside: usize) -> &[u8] {
    let rest = source.get(inside..).unwrap_or_default();
    rest.strip_prefix(b"-").or_else(|| rest.strip_prefix(b"+")).unwrap_or(rest).trim_ascii_start()
}

/// Where `what` begins, from `at` on.
fn find(source: &[u8], at: usize, what: &[u8]) -> Option<usize> {
    source.get(at..)?.windows(what.len()).position(|w| w == what).map(|n| at + n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_seen_in_tags_only() {
        for fine in [
            "**bold** {{ a }} * {% if b %} * {% endif %}",
            "{# 2 * 2 #}{#- ' -#}{{ a }}*",
            "{{ 'a * b' ~ \"c * d\" }}{{ 'it\\'s * ' }}{{ '\\\\' }} * ",
            "{{ {'a': {'b': '*'}} }} * ",
            "{% raw %}{{ 2 * 2 }}{% endraw %}{%- raw -%} ' {%- endraw +%} * ",
            "{ * } ",
            "",
            "{",
            "{{ 'a * ",
            "{{ a",
        ] {
            assert_eq!(refused(fine), None, "{fine}");
        }
        for product in [
            "{{ 'a' * 99 }}",
            "{{-2*2-}}",
            "{%set a=2**2%}",
            "{% if a %}{{ f(*a) }}{% endif %}",
            "{# ' #}{{ a * 2 }}",
            "{{ '\\\\' * 2 }}",
            "{{ {'a': {'b': 1}} * 2 }}",
            "{{ {'a': {'b': 1}}['a'] }}{{ \"'\" * 2 }}",
            "{% raw %}{{ ' {% endraw %}{{ 'a' * 99 }}'",
            "{% rawer %}{{ 2 * 2 }}{% endraw %}",
            "{{ raw }}{{ 2 * 2 }}",
            "{{{ 2 * 2 }}}",
            "{#}{{ ' #}{{ 2 * 2 }}",
        ] {
            assert!(refused(product).unwrap().contains("multiplies"), "{product}");
        }
    }

    #[test]
    fn long_chains_are_refused() {
        let sum = |terms: usize| format!("{{{{ 1{} }}}}", "+1".repeat(terms));
        assert_eq!(refused(&sum(2000)), None);
        assert!(refused(&sum(2100)).unwrap().contains("a tag of more than 4096 bytes"));
        assert_eq!(refused(&format!("{{{{ '{}' }}}}", "+1".repeat(2100))), None);
        let choice = |n: usize| format!("{{% if a %}}{}{{% endif %}}", "{%-elif b%}".repeat(n));
        assert_eq!(refused(&choice(256)), None);
        assert!(refused(&choice(257)).unwrap().contains("more than 256 `elif`"));
    }
}
