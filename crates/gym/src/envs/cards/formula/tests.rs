use super::*;

fn tokens(text: &str) -> Vec<Token> {
    read(text, "", 13).unwrap()
}

#[test]
fn values_are_exact() {
    let cases = [("8/(3-8/3)", (24, 1)), ("1-2-3", (-4, 1)), ("2+3*4", (14, 1)), ("(2+3)*4", (20, 1))];
    for (text, (num, den)) in cases.into_iter().chain([("8/4/3", (2, 3)), ("((7))", (7, 1))]) {
        assert_eq!(value(&tokens(text)), Some(Ratio { num, den }), "{text}");
    }
    for text in ["1/(2-2)", "1+", "(1", "1)", "1 2", "", "+1", "()"] {
        assert_eq!(value(&tokens(text)), None, "{text}");
    }
    let long = format!("13{}", "*13".repeat(20));
    assert_eq!(value(&tokens(&long)), None);
    let text: Vec<String> = deeds(&tokens("8/(3-8/3)")).iter().map(|d| d.3.word()).collect();
    assert_eq!(text, ["8over3", "1over3", "24"]);
}

#[test]
fn syntax_is_told_from_value() {
    for text in ["1/(2-2)", "((7))", "3*4"] {
        assert!(is_formula(&tokens(text)), "{text}");
    }
    for text in ["", "1+", "(1", "1)", "1 2", "-1", "()", "3(4)"] {
        assert!(!is_formula(&tokens(text)), "{text}");
    }
}

#[test]
fn known_hands_are_solved_or_not() {
    let can = |values: [i64; 4]| reachable(&values.map(Ratio::whole), Ratio::whole(24));
    for hand in [[3, 3, 8, 8], [1, 5, 5, 5], [4, 4, 10, 10], [6, 6, 6, 6], [1, 3, 4, 6]] {
        assert!(can(hand), "{hand:?}");
    }
    for hand in [[1, 1, 1, 1], [7, 7, 7, 7], [1, 1, 1, 7], [10, 10, 10, 10]] {
        assert!(!can(hand), "{hand:?}");
    }
}
