//! Word patterns of a tokenizer, checked before they are compiled: a regular expression from a file can take time
//! without end.

/// Longest pattern, in bytes; released ones are below 300.
const MAX_LEN: usize = 2_000;
/// Largest number in a `{n}`.
const MAX_COUNT: u32 = 100;

/// Checks that matching a text takes time at most quadratic in its length.
///
/// A group may not be repeated, so repetitions never nest. An alternative with a look-around, which has to be
/// matched by backtracking, may have one repetition without end. There are no references back.
///
/// # Errors
/// What is refused.
pub(super) fn check_pattern(pattern: &str) -> Result<(), String> {
    if pattern.len() > MAX_LEN {
        return Err(format!("is longer than {MAX_LEN} bytes"));
    }
    let mut rest = pattern.chars().peekable();
    let mut before = Before::Start;
    let (mut depth, mut endless, mut looks) = (0usize, 0, false);
    while let Some(c) = rest.next() {
        let item = match c {
            '\\' => match rest.next() {
                Some(next) if next.is_ascii_digit() || matches!(next, 'k' | 'g' | 'G' | 'K') => {
                    return Err("refers back to what was matched".into());
                }
                // Its name in braces is no repetition.
                Some('p' | 'P' | 'x' | 'u' | 'U') => {
                    if rest.next_if_eq(&'{').is_some() {
                        rest.by_ref().take_while(|c| *c != '}').for_each(drop);
                    }
                    Before::Item
                }
                _ => Before::Item,
            },
            '[' => {
                skip_class(&mut rest)?;
                Before::Item
            }
            '(' => {
                depth += 1;
                looks |= group_kind(&mut rest)?;
                Before::Start
            }
            ')' => {
                depth = depth.saturating_sub(1);
                Before::Group
            }
            '|' => {
                if depth == 0 {
                    (endless, looks) = (0, false);
                }
                Before::Start
            }
            '*' | '+' | '{' => {
                let open = c != '{' || count(&mut rest)?;
                match before {
                    Before::Group => return Err("repeats a group".into()),
                    Before::Repeat => return Err("repeats a repetition".into()),
                    Before::Start | Before::Item => {}
                }
                endless += usize::from(open);
                Before::Repeat
            }
            // Optional, or shortest first.
            '?' => before,
            _ => Before::Item,
        };
        if looks && endless > 1 {
            return Err("has a look-around beside more than one repetition without end".into());
        }
        before = item;
    }
    Ok(())
}

/// What a repetition would repeat.
#[derive(Clone, Copy)]
enum Before {
    Start,
    Item,
    Group,
    Repeat,
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Steps over the rest of a class; classes nest.
fn skip_class(rest: &mut Chars<'_>) -> Result<(), String> {
    let mut depth = 1;
    rest.next_if_eq(&'^');
    // Right after the bracket it is a character.
    rest.next_if_eq(&']');
    while depth > 0 {
        match rest.next() {
            Some('\\') => drop(rest.next()),
            Some('[') => depth += 1,
            Some(']') => depth -= 1,
            Some(_) => {}
            None => return Err("has a class without an end".into()),
        }
    }
    Ok(())
}

/// Reads what follows the `(`; whether it is a look-around.
fn group_kind(rest: &mut Chars<'_>) -> Result<bool, String> {
    if rest.next_if_eq(&'?').is_none() {
        return Ok(false);
    }
    let mut kind = String::new();
    while let Some(c) = rest.next_if(|c| matches!(c, 'i' | 's' | 'm' | ':' | '=' | '!' | '<')) {
        kind.push(c);
        if matches!(c, ':' | '=' | '!') {
            break;
        }
    }
    match kind.as_str() {
        "=" | "!" | "<=" | "<!" => Ok(true),
        ":" | "i:" | "s:" | "m:" => Ok(false),
        _ => Err("has a group of a kind that is not supported".into()),
    }
}

/// Reads a `{n}`, `{n,}` or `{n,m}` after its brace; whether it has no end.
fn count(rest: &mut Chars<'_>) -> Result<bool, String> {
    let text: String = rest.by_ref().take_while(|c| *c != '}').collect();
    let (least, most) = text.split_once(',').unwrap_or((&text, &text));
    let number = |n: &str| n.trim().parse::<u32>().ok().filter(|n| *n <= MAX_COUNT);
    match (number(least), most.trim().is_empty(), number(most)) {
        (Some(_), true, _) => Ok(true),
        (Some(_), false, Some(_)) => Ok(false),
        _ => Err(format!("has a number of repetitions that is none, or above {MAX_COUNT}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_released_tokenizers_pass() {
        for pattern in [
            // GPT-2
            r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
            // Qwen2
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            // GPT-4o
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ] {
            check_pattern(pattern).unwrap();
        }
    }

    #[test]
    fn patterns_that_take_time_without_end_are_refused() {
        for (pattern, part) in [
            (r"(a+)+$", "repeats a group"),
            (r"(?:a|a)*b", "repeats a group"),
            (r"(?:x?){50}", "repeats a group"),
            (r"(?:\w+\s?)?*", "repeats a group"),
            (r"a+*", "repeats a repetition"),
            (r"a{90}{90}{90}", "repeats a repetition"),
            (r"(a)\1", "refers back"),
            (r"\s*\s*(?!\S)x", "look-around"),
            (r"(?=a)(?:a*b|a*)c", "look-around"),
            (r"a{1000}", "above 100"),
            (r"a{b}", "above 100"),
            (r"(?>a)", "not supported"),
            (r"(?x) # ( \n )+", "not supported"),
            (r"[a", "without an end"),
        ] {
            let error = check_pattern(pattern).expect_err(pattern);
            assert!(error.contains(part), "{pattern}: {error}");
        }
        assert!(check_pattern(&"a".repeat(2_001)).is_err());
        check_pattern(r"[]()*+]a|\)b*").unwrap();
    }
}
