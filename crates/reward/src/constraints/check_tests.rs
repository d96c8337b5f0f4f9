//! Each constraint on texts that keep it and texts that do not.

use super::check::{keeps, sentences};
use super::parse::Constraint as C;
use super::parse::Relation::{AtLeast, LessThan};
use proptest::prelude::*;

fn table() -> Vec<(C, Vec<&'static str>, Vec<&'static str>)> {
    let text = |t: &str| t.to_string();
    vec![
        (
            C::Keywords(vec![text("cat"), text("Dog")]),
            vec!["A dog, a CAT."],
            vec!["concatenate the dog", "cat", ""],
        ),
        (C::Keywords(vec![text("a+b")]), vec!["so a+b = c"], vec!["aab"]),
        (C::KeywordFrequency(text("cat"), AtLeast, 2), vec!["cat Cat"], vec!["cat cats"]),
        (C::KeywordFrequency(text("cat"), LessThan, 2), vec!["cat cats"], vec!["cat cat", " "]),
        (C::Forbidden(vec![text("cat")]), vec!["cats and dogs"], vec!["the Cat.", ""]),
        (C::LetterFrequency('e', AtLeast, 3), vec!["E e e"], vec!["e e"]),
        (C::LetterFrequency('#', LessThan, 1), vec!["no"], vec!["# yes"]),
        (C::Sentences(LessThan, 3), vec!["One. Two!"], vec!["One. Two! Three?"]),
        (C::Words(AtLeast, 3), vec!["one two three", "日本語"], vec!["one two", "... ,,, !!!"]),
        (C::Paragraphs(2), vec!["a *** b", "***\na\n***\nb\n***"], vec!["a", "a *** *** b", "a\n\nb"]),
        (
            C::FirstWord(2, 2, text("hello")),
            vec!["a\n\nHello, you", "a\n\n\n\n\"hello\" you"],
            vec!["a\n\nhelloo", "hello\n\na", "a\n\nhello\n\nb"],
        ),
        (C::Placeholders(2), vec!["[name] lives in [place]"], vec!["[] [ ]", "[name", "[a\nb] [c]"]),
        (
            C::Postscript(text("P.S.")),
            vec!["Hi\nP.S. bye", "Hi\np. s. bye"],
            vec!["Hi P.S", "P.S.", "PSA: bye"],
        ),
        (C::Postscript(text("P.P.S")), vec!["P.P.S. bye"], vec!["P.S. bye"]),
        (
            C::Bullets(2),
            vec!["* a\n* b", "- a\n  - b"],
            vec!["* a", "- a\n- b\n- c", "---\n- a", "**a**\n**b**"],
        ),
        (
            C::ConstrainedResponse,
            vec!["My answer is maybe."],
            vec!["My answer is yes. My answer is no.", "my answer is yes"],
        ),
        (C::Highlights(2), vec!["*a* and **b**"], vec!["* a * b", "**a**", "****", "*a* *", "2 * 3 * 4 * 5"]),
        (
            C::Sections(text("SECTION"), 2),
            vec!["SECTION 1\na\nSECTION 2\nb", "## SECTION 1: a\n## SECTION 2: b"],
            vec!["SECTION 1 SECTION 2", "SECTION 1\nSECTION 1", "SECTION A\nSECTION B"],
        ),
        (C::Json, vec![r#"{"a": 1}"#, "```json\n[1]\n```"], vec!["1", "\"a\"", "{a: 1}", "{\"a\": 1} done"]),
        (C::Title, vec!["<<Joy>>\ntext"], vec!["<<>>", "<< >>", "<Joy>", "<<Joy\n>>"]),
        (
            C::TwoResponses,
            vec!["one ****** two"],
            vec!["one ****** One.", "one", "a ****** b ****** c", "a ****** ****** b"],
        ),
        (C::RepeatPrompt(text("Why?")), vec!["why? Because."], vec!["Why?", "So: Why? Because."]),
        (C::EndPhrase(text("The end.")), vec!["So. the end.", "\"So. The end.\""], vec!["The end. Really."]),
        (C::Quotation, vec!["\"yes\""], vec!["\"", "\"\"", "\"yes", "yes", "\" \""]),
        (C::CapitalWords(AtLeast, 2), vec!["NASA and ESA."], vec!["Nasa ESA", "5 5 5"]),
        (C::Capitals, vec!["ALL OF IT, 5!"], vec!["All", "ОТВЕТ", "5"]),
        (C::Lowercase, vec!["all of it, 5!"], vec!["All", "ответ", "5"]),
        (C::NoComma, vec!["no; none"], vec!["a, b", "甲，乙", "甲、乙", ""]),
        (C::Language("ko".into()), vec!["안녕"], vec!["hello", ""]),
    ]
}

#[test]
fn each_constraint_is_kept_or_not() {
    for (constraint, good, bad) in table() {
        for text in good {
            assert_eq!(keeps(text, &constraint, true), Some(true), "{constraint:?}: {text:?}");
        }
        for text in bad {
            assert_eq!(keeps(text, &constraint, true), Some(false), "{constraint:?}: {text:?}");
        }
    }
    assert_eq!(keeps("concatenate", &C::Keywords(vec!["cat".into()]), false), Some(true));
    assert_eq!(keeps("bonjour", &C::Language("fr".into()), true), None);
}

#[test]
fn sentences_are_counted() {
    for (text, count) in [
        ("", 0),
        ("Hello", 1),
        ("One. Two. Three.", 3),
        ("Dr. Smith paid 3.50 dollars, e.g. to Mr. J. Doe.", 1),
        ("What?! No... Yes.", 3),
        ("A title\n\nOne sentence.", 2),
        ("1. First.\n2. Second.", 2),
        ("\"Go.\" (Now!)", 2),
        ("这是一句。这是两句！", 2),
        ("There are 12. So 12.", 2),
        ("... !!!", 0),
    ] {
        assert_eq!(sentences(text), count, "{text:?}");
    }
}

proptest! {
    #[test]
    fn any_text_is_judged(text in "[-*#a-cA-C<>\\[\\]\" .,!?\n，]{0,60}") {
        for (constraint, ..) in table() {
            prop_assert!(keeps(&text, &constraint, true).is_some());
        }
    }
}
