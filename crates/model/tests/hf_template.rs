//! Chat templates against what `transformers` renders (hf_chat.json; hf_chat.py says how it was made).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use eyas_model::hf::{ChatTemplate, Message, Part, Piece, Role, TemplateError};
use proptest::prelude::*;
use serde_json::{Value, json};

const CASES: &str = include_str!("hf_chat.json");

/// ChatML in the style of released templates: one line, subscripts, counters in a namespace.
const ONE_LINE: &str = "{% set pictures = namespace(n=0) %}{% for m in messages %}{% if loop.first and \
    m['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ m['role'] }}\n\
    {% if m['content'] is string %}{{ m['content'] }}<|im_end|>\n{% else %}{% for p in m['content'] %}\
    {% if p['type'] == 'image' or 'image' in p %}{% set pictures.n = pictures.n + 1 %}{% if add_vision_id %}\
    Picture {{ pictures.n }}: {% endif %}<|vision_start|><|image_pad|><|vision_end|>{% elif 'text' in p %}\
    {{ p['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}\
    <|im_start|>assistant\n{% endif %}{% if tools %}{{ raise_exception('no tools') }}{% endif %}";

fn part(value: &Value) -> Part {
    match value["type"].as_str() {
        Some("image") => Part::Image,
        _ => Part::Text(value["text"].as_str().unwrap().into()),
    }
}

fn message(value: &Value) -> Message {
    let role = match value["role"].as_str().unwrap() {
        "system" => Role::System,
        "user" => Role::User,
        _ => Role::Assistant,
    };
    match &value["content"] {
        Value::String(text) => Message::text(role, text),
        list => Message { role, parts: list.as_array().unwrap().iter().map(part).collect() },
    }
}

fn joined(pieces: &[Piece]) -> String {
    let text = pieces.iter().map(|piece| match piece {
        Piece::Template(text) | Piece::User(text) | Piece::Assistant(text) => text,
        Piece::EndOfTurn => "<|im_end|>",
        Piece::Image => "<|image_pad|>",
    });
    text.collect()
}

#[test]
fn pieces_join_to_what_transformers_renders() {
    let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
    assert_eq!(cases.len(), 22);
    for template in [ChatTemplate::builtin().unwrap(), ChatTemplate::from_source(ONE_LINE.into()).unwrap()] {
        for case in &cases {
            let messages: Vec<Message> = case["messages"].as_array().unwrap().iter().map(message).collect();
            let pieces = match case["add_generation_prompt"] == true {
                true => template.prompt(&messages),
                false => template.conversation(&messages),
            };
            assert_eq!(joined(&pieces.unwrap()), case["rendered"].as_str().unwrap());
        }
    }
}

#[test]
fn where_a_folder_keeps_its_template() {
    let folder = tempfile::tempdir().unwrap();
    let open = || ChatTemplate::from_folder(folder.path());
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    // Each place is preferred to those tried before it.
    assert!(matches!(open(), Err(TemplateError::Missing { .. })));
    write("tokenizer_config.json", "{}");
    assert!(matches!(open(), Err(TemplateError::Missing { .. })));
    let marked = |mark: &str| format!("{{# {mark} #}}{ONE_LINE}");
    let list = json!([{"name": "tools", "template": "?"}, {"name": "default", "template": marked("list")}]);
    write("tokenizer_config.json", &json!({"chat_template": list}).to_string());
    assert!(open().unwrap().source().contains("list"));
    write("tokenizer_config.json", &json!({"chat_template": marked("string")}).to_string());
    assert!(open().unwrap().source().contains("string"));
    write("chat_template.json", &json!({"chat_template": marked("own json")}).to_string());
    assert!(open().unwrap().source().contains("own json"));
    write("chat_template.jinja", &marked("jinja"));
    assert_eq!(open().unwrap().source(), marked("jinja"));

    write("chat_template.jinja", "{% if");
    assert!(matches!(open(), Err(TemplateError::Jinja { .. })));
    fs::remove_file(folder.path().join("chat_template.jinja")).unwrap();
    for damaged in ["", "{", "{\"chat_template\": 3}", "{\"chat_template\": []}"] {
        write("chat_template.json", damaged);
        assert!(matches!(open(), Err(TemplateError::Damaged { .. })), "{damaged}");
    }
}

#[test]
fn a_template_without_end_is_cut_short() {
    let nested = "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}x\
                  {% endfor %}{% endfor %}{% endfor %}";
    assert!(ChatTemplate::from_source(nested.into()).is_err());
    // The same without a word: 10^15 steps, of which two million are taken.
    let silent = nested.replace('x', "");
    let error = ChatTemplate::from_source(silent).unwrap_err().to_string();
    assert!(error.contains("out of fuel") && error.contains("loops without end"), "{error}");
    let recursive = "{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}";
    assert!(ChatTemplate::from_source(recursive.into()).is_err());
    let error = ChatTemplate::from_source(" ".repeat((1 << 20) + 1)).unwrap_err().to_string();
    assert!(error.contains("longer than 1048576 bytes"), "{error}");
}

/// What makes as much as a number says is not there, however it is written.
#[test]
fn a_template_that_multiplies_is_refused() {
    let refused = |tag: &str| ChatTemplate::from_source(format!("{tag}{ONE_LINE}")).unwrap_err().to_string();
    let product = format!("{{{{ 'a{}' {} }}}}", " *".repeat(40), "* 99".repeat(300));
    assert_eq!(refused(&product), "chat template: multiplies (`*`), which no chat template needs");
    for filter in ["batch(9999999999)", "slice(9999999999)", "indent(9999999999)"] {
        let error = refused(&format!("{{{{ [1, 2] | {filter} }}}}"));
        assert!(error.contains("unknown filter"), "{filter}: {error}");
    }
    assert!(refused("{{ '%9999999999d' | format(1) }}").contains("unknown filter"));
    for call in ["tojson(9999999999)", "tojson(indent=9999999999)"] {
        let error = refused(&format!("{{{{ [1] | {call} }}}}"));
        assert!(error.contains("at most 64 spaces"), "{call}: {error}");
    }
    let indented = "{% if false %}{{ messages | tojson(indent=4) }}{% endif %}{% set x = [1] | tojson(4) %}";
    ChatTemplate::from_source(format!("{indented}{ONE_LINE}")).unwrap();
}

/// The engine compiles them by as many calls inside one another.
#[test]
fn a_template_with_an_endless_chain_is_refused() {
    let sum = format!("{{{{ m{} }}}}", "+1".repeat(500_000));
    let choice = format!("{{% if a %}}{}{{% endif %}}", "{%elif b%}".repeat(100_000));
    for (source, message) in [(sum, "a tag of more than"), (choice, "`elif`")] {
        let error = ChatTemplate::from_source(source).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

/// Found by the fuzzer: the engine panics on it.
#[test]
fn a_template_on_which_the_engine_panics_is_refused() {
    let error =
        ChatTemplate::from_source(format!("{{% for m in [][::-1] %}}{{% endfor %}}{ONE_LINE}")).unwrap_err();
    assert_eq!(error.to_string(), "chat template: the engine gave up on it");
}

#[test]
fn a_long_conversation_has_fuel_enough() {
    let talk: Vec<Message> = (0..10_000)
        .map(|i| match i % 2 {
            0 => Message { role: Role::User, parts: vec![Part::Image, Part::Text("a".into())] },
            _ => Message::text(Role::Assistant, "b"),
        })
        .collect();
    for chat in [ChatTemplate::builtin().unwrap(), ChatTemplate::from_source(ONE_LINE.into()).unwrap()] {
        let pieces = chat.conversation(&talk).unwrap();
        assert_eq!(pieces.iter().filter(|p| **p == Piece::Image).count(), 5_000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever people write, the template's own text stays the same.
    #[test]
    fn text_never_moves_into_the_template(texts in prop::collection::vec(any::<String>(), 1..4)) {
        let chat = ChatTemplate::builtin().unwrap();
        let prompt = |texts: &[String]| {
            let parts: Vec<Part> =
                texts.iter().flat_map(|t| [Part::Text(t.clone()), Part::Image]).collect();
            chat.opening(&parts).unwrap()
        };
        let own = |pieces: &[Piece]| -> Vec<Piece> {
            pieces.iter().filter(|p| !matches!(p, Piece::User(_))).cloned().collect()
        };
        let pieces = prompt(&texts);
        let user: Vec<&str> = pieces.iter().filter_map(|p| match p {
            Piece::User(text) => Some(text.as_str()),
            _ => None,
        }).collect();
        let written: Vec<&str> = texts.iter().map(String::as_str).filter(|t| !t.is_empty()).collect();
        prop_assert_eq!(user, written);
        let harmless: Vec<String> = texts.iter().map(|_| "a".to_string()).collect();
        let all_filled = texts.iter().all(|t| !t.is_empty());
        prop_assert!(!all_filled || own(&pieces) == own(&prompt(&harmless)));
    }
}
