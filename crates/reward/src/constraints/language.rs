//! Languages that can be told by their script.

/// True when `text` is in the language of this ISO 639-1 code, false when it is not, `None` when the code
/// is unknown or its script is shared with other languages and the text is in that script.
///
/// Nine of ten letters must be of the script. A text in another script is not in the language, whichever
/// it is: a Latin text is refused for Russian, but one in Cyrillic letters is `None`.
pub fn written_in(text: &str, code: &str) -> Option<bool> {
    let (mut letters, mut own, mut kana) = (0usize, 0usize, 0usize);
    let (inside, alone): (fn(char) -> bool, bool) = match code {
        "ko" => (
            |c| matches!(c, '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7af}'),
            true,
        ),
        "ja" => (is_japanese, true),
        "zh" | "zh-cn" | "zh-tw" => (is_han, true),
        "th" => (|c| matches!(c, '\u{e00}'..='\u{e7f}'), true),
        "el" => (|c| matches!(c, '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}'), true),
        "he" => (|c| matches!(c, '\u{590}'..='\u{5ff}'), true),
        "ta" => (|c| matches!(c, '\u{b80}'..='\u{bff}'), true),
        "te" => (|c| matches!(c, '\u{c00}'..='\u{c7f}'), true),
        "kn" => (|c| matches!(c, '\u{c80}'..='\u{cff}'), true),
        "ml" => (|c| matches!(c, '\u{d00}'..='\u{d7f}'), true),
        "gu" => (|c| matches!(c, '\u{a80}'..='\u{aff}'), true),
        "pa" => (|c| matches!(c, '\u{a00}'..='\u{a7f}'), true),
        "bn" => (|c| matches!(c, '\u{980}'..='\u{9ff}'), true),
        "hi" | "mr" | "ne" => (|c| matches!(c, '\u{900}'..='\u{97f}'), false),
        "ru" | "uk" | "bg" | "mk" => (|c| matches!(c, '\u{400}'..='\u{52f}'), false),
        "ar" | "fa" | "ur" => (|c| matches!(c, '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}'), false),
        "en" | "es" | "pt" | "fr" | "de" | "it" | "pl" | "vi" | "sw" | "fi" | "nl" | "sv" | "tr" | "id" => {
            (|c| matches!(c, 'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}'), false)
        }
        _ => return None,
    };
    for c in text.chars().filter(|c| c.is_alphabetic()) {
        letters += 1;
        own += usize::from(inside(c));
        kana += usize::from(is_kana(c));
    }
    let script = letters > 0 && own * 10 >= letters * 9;
    match code {
        // Japanese is written with Han characters too, but hardly a sentence without kana.
        "ja" => Some(script && kana > 0),
        "zh" | "zh-cn" | "zh-tw" => Some(script && kana == 0),
        _ if script && !alone => None,
        _ => Some(script),
    }
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

fn is_kana(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30ff}')
}

fn is_japanese(c: char) -> bool {
    is_han(c) || is_kana(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_decide_where_they_can() {
        assert_eq!(written_in("안녕하세요, 5 + 5 = 10", "ko"), Some(true));
        assert_eq!(written_in("答案是五。", "zh"), Some(true));
        assert_eq!(
            (written_in("答えは五です。", "zh"), written_in("答えは五です。", "ja")),
            (Some(false), Some(true))
        );
        assert_eq!(written_in("η απάντηση", "el"), Some(true));
        assert_eq!(written_in("the answer", "th"), Some(false));
        assert_eq!(written_in("ответ", "ru"), None, "Cyrillic is not only Russian");
        assert_eq!(written_in("the answer", "ru"), Some(false));
        assert_eq!((written_in("die Antwort", "en"), written_in("ответ", "en")), (None, Some(false)));
        assert_eq!((written_in("x", "tlh"), written_in("5 + 5", "ko")), (None, Some(false)));
    }
}
