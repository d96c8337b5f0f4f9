//! Which sampled tokens are perception, thought and answer.

use std::ops::Range;

use eyas_core::TokenKind;
use eyas_reward::Response;

/// The kind of each token of a response, from the byte range it covers in `text`: that of its first
/// byte in the one parse that rewards use too.
pub fn token_kinds(text: &str, spans: &[Range<usize>]) -> Vec<TokenKind> {
    let response = Response::parse(text);
    spans.iter().map(|span| response.kind_at(span.start)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_stray_text_belong_to_no_block() {
        let text = "<think>ab</think><answer>c</answer>!";
        let spans: Vec<_> = (0..text.len()).map(|i| i..i + 1).collect();
        let letters: String = token_kinds(text, &spans)
            .iter()
            .map(|k| match k {
                TokenKind::Think => 't',
                TokenKind::Answer => 'a',
                _ => '.',
            })
            .collect();
        assert_eq!(letters, ".......tt................a..........");
    }
}
