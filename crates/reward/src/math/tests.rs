use super::*;

fn same(gold: &str, answer: &str) -> bool {
    equivalent(gold, answer, Options::default()).unwrap_or_else(|e| panic!("{gold} | {answer}: {e}"))
}

#[track_caller]
fn all(pairs: &[(&str, &str)], expect: bool) {
    let mut wrong = Vec::new();
    for (a, b) in pairs {
        for (a, b) in [(a, b), (b, a)] {
            let got = equivalent(a, b, Options::default());
            if got != Ok(expect) {
                wrong.push(format!("{a}  |  {b}: {got:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "expected {expect}:\n{}", wrong.join("\n"));
}

#[test]
fn equal_pairs() {
    all(
        &[
            ("1/2", "\\frac{1}{2}"),
            ("0.5", "\\frac12"),
            ("1,000", "1000"),
            ("1{,}000{,}000", "10^6"),
            ("5", "5.0"),
            ("1\\frac{1}{2}", "3/2"),
            ("1 1/2", "1.5"),
            ("2^{10}", "1024"),
            ("\\sqrt{8}", "2\\sqrt{2}"),
            ("\\frac{\\sqrt{2}}{2}", "1/sqrt(2)"),
            ("\\frac{1}{1+\\sqrt{2}}", "\\sqrt2-1"),
            ("\\sqrt{2+\\sqrt{3}}", "\\frac{\\sqrt6+\\sqrt2}{2}"),
            ("\\sqrt[3]{-8}", "-2"),
            ("x^2-1", "(x-1)(x+1)"),
            ("(x+1)^2", "x^2+2x+1"),
            ("\\frac{x^2-1}{x-1}", "x+1"),
            ("\\sqrt{x^2}", "|x|"),
            ("e^{i\\pi}", "-1"),
            ("\\sin^2 x+\\cos^2 x", "1"),
            ("\\sin(30^\\circ)", "1/2"),
            ("\\tan\\frac{\\pi}{4}", "1"),
            ("\\ln(e^2)", "2"),
            ("\\log_2 8", "3"),
            ("\\ln 8", "3\\ln 2"),
            ("\\arctan 1", "\\pi/4"),
            ("x=5", "5"),
            ("x = 5", "5 = x"),
            ("y=2x+1", "2x - y + 1 = 0"),
            ("2x+2y=4", "x+y=2"),
            ("x > 3", "(3,\\infty)"),
            ("1<x\\le 5", "(1,5]"),
            ("x\\in[1,2]", "1 \\leq x \\leq 2"),
            ("x<1 \\text{ or } x>3", "(-\\infty,1)\\cup(3,\\infty)"),
            ("x \\ne 0", "(-\\infty,0)\\cup(0,\\infty)"),
            ("\\mathbb{R}\\setminus\\{0\\}", "(-\\infty,0)\\cup(0,\\infty)"),
            ("2x+1>5", "x>2"),
            ("\\{1,2,3\\}", "\\{3,2,1\\}"),
            ("\\{1,2\\}", "1, 2"),
            ("(1,2)", "\\left(1, 2\\right)"),
            (
                "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}",
                "\\begin{bmatrix}1&2\\\\3&\\frac{8}{2}\\end{bmatrix}",
            ),
            ("1\\pm\\sqrt2", "1+\\sqrt2, 1-\\sqrt2"),
            ("x=1 \\text{ or } x=2", "1,2"),
            ("10\\%", "0.1"),
            ("5\\text{ cm}", "5"),
            ("5 \\mathrm{cm}^2", "5 square centimeters"),
            ("90^\\circ", "90"),
            ("90^\\circ", "\\pi/2"),
            ("\\$5", "5 dollars"),
            ("East", "\\text{east}"),
            ("\\text{(A)}", "A"),
            ("0.\\overline{3}", "1/3"),
            ("1/3", "0.333333"),
            ("\\sqrt2", "1.414214"),
            ("3:2", "6:4"),
            ("3!", "6"),
            ("\\binom{5}{2}", "10"),
            ("f(x)=x^2", "x^2"),
            ("\\text{Area} = 12", "12"),
            ("3 \\times 10^8", "3e8"),
            ("2^{x+1}", "2\\cdot 2^x"),
            ("4^x", "2^{2x}"),
            ("\\frac{3\\pi}{4}", "0.75pi"),
            ("\\emptyset", "\\{\\}"),
            ("abc", "a \\cdot c \\cdot b"),
            ("-\\frac{1}{2}", "\\frac{-1}{2}"),
            ("1/2 = 0.5", "0.5"),
            ("x = \\frac{1}{3} \\approx 0.33", "1/3"),
            ("100,200", "100, 200"),
            ("1011_2", "1011"),
        ],
        true,
    );
}

#[test]
fn different_pairs() {
    all(
        &[
            ("5", "6"),
            ("1/2", "1/3"),
            ("12345678", "12345678.9"),
            ("0", "0.0000001"),
            ("\\sqrt{x^2}", "x"),
            ("(1,2)", "[1,2]"),
            ("(1,2)", "(2,1)"),
            ("x>3", "[3,\\infty)"),
            ("x=5", "y=5"),
            ("2x+2y=4", "x+y=4"),
            ("\\{1,2\\}", "1"),
            ("3", "1,2,3"),
            ("5\\text{ cm}", "5\\text{ m}"),
            ("no", "on"),
            ("cat", "act"),
            ("10\\%", "10"),
            ("x", "X"),
            ("\\ln 2", "\\log 2"),
            ("xy=x", "y=1"),
            ("9^{9^{9^9}}", "5"),
            ("1000!", "5"),
            ("100000!", "5"),
            ("x<2", "x>2"),
            ("-x>2", "x>-2"),
        ],
        false,
    );
}

#[test]
fn unreadable_gold_is_invalid_and_unreadable_answers_are_wrong() {
    for gold in ["", "\\frac{1}{", "1/0", "٣", "{{{{", "2+2=5", "((("] {
        assert!(matches!(equivalent(gold, gold, Options::default()), Err(MathError::Gold(_))), "{gold}");
        assert!(!same("5", gold), "{gold}");
    }
}

/// Found by the fuzzer: the word was a product one way round only.
#[test]
fn a_word_is_a_product_both_ways_round() {
    all(&[("red", "r*ed"), ("red", "r \\cdot e \\cdot d"), ("inf", "\\infty")], true);
    all(&[("red", "r*e"), ("red", "r+e+d"), ("red", "reed"), ("red", "r ed"), ("no", "n/o")], false);
    for answer in ["r*", "\\frac{r}{0}", "r^{e^{d^{r^e}}}*\\sin d", "\\color{red}", "*"] {
        assert_eq!(equivalent("red", answer, Options::default()), Ok(false), "{answer}");
    }
}

#[test]
fn what_is_not_decided_is_said() {
    let undecided = |a: &str, b: &str| equivalent(a, b, Options::default());
    // They differ by less than 10⁻¹²; 262537412640768743 would agree as well.
    assert_eq!(undecided("e^{\\pi\\sqrt{163}}", "262537412640768744"), Err(MathError::Undecided));
    assert_eq!(undecided("100000!", "100001!"), Err(MathError::Undecided));
    let long = "(a+b+c+d+e+f)^{8}(a+b+c+d+e+f)^{8}";
    assert_eq!(undecided(long, "x"), Err(MathError::Budget));
    assert_eq!(undecided(long, long), Ok(true), "the same text says the same");
}

#[test]
fn every_option_is_kept_to() {
    let percent = |percent| Options { percent, ..Options::default() };
    assert_eq!(equivalent("10\\%", "10", percent(Percent::Ratio)), Ok(false));
    assert_eq!(equivalent("10\\%", "10", percent(Percent::Either)), Ok(true));
    assert_eq!(equivalent("10\\%", "0.1", percent(Percent::Either)), Ok(true));
    assert_eq!(equivalent("10\\%", "0.1", percent(Percent::Literal)), Ok(false));
    let rounding = |rounding| Options { rounding, ..Options::default() };
    assert_eq!(equivalent("\\sqrt2", "1.41", rounding(Rounding::Digits)), Ok(true));
    assert_eq!(equivalent("\\sqrt2", "1.42", rounding(Rounding::Digits)), Ok(false));
    assert_eq!(equivalent("\\sqrt2", "1.4142135623730951", rounding(Rounding::Exact)), Ok(false));
    assert_eq!(equivalent("1/4", "0.25", rounding(Rounding::Exact)), Ok(true));
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "1",
            "2",
            "0.5",
            "1,000",
            "x",
            "y",
            "abc",
            "+",
            "-",
            "*",
            "/",
            "^",
            "_",
            "!",
            "%",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            "\\{",
            "\\}",
            "|",
            "=",
            "<",
            "\\le",
            "\\ne",
            ",",
            ":",
            ";",
            "\\frac",
            "\\frac12",
            "\\sqrt",
            "\\sqrt[3]",
            "\\pi",
            "e",
            "i",
            "\\infty",
            "\\cup",
            "\\in",
            "\\setminus",
            "\\mathbb{R}",
            "\\pm",
            "\\sin",
            "\\ln",
            "\\log_2",
            "\\binom",
            "\\text{cm}",
            "\\text{",
            "^\\circ",
            "\\%",
            "\\overline",
            "or",
            "and",
            " ",
            "\\\\",
            "&",
            "\\begin{pmatrix}",
            "\\end{pmatrix}",
            "\\boxed{",
            "m",
            "é",
            "٣",
            "\\left(",
            "999999999999",
            "\\lfloor",
            "\\rfloor",
            "'",
            "$",
            "\\",
            "0",
            ".",
        ]);
        prop::collection::vec(piece, 0..14).prop_map(|p| p.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn anything_is_answered_and_both_ways_alike(a in pieces(), b in pieces()) {
            let (there, back) = (
                equivalent(&a, &b, Options::default()),
                equivalent(&b, &a, Options::default()),
            );
            if let (Ok(there), Ok(back)) = (&there, &back) {
                prop_assert_eq!(there, back, "{} | {}", a, b);
            }
            // What can be a ground truth at all equals itself.
            let own = equivalent(&a, &a, Options::default());
            prop_assert!(matches!(own, Ok(true) | Err(MathError::Gold(_))), "{}: {:?}", a, own);
        }

        #[test]
        fn any_text_at_all(a in any::<String>()) {
            let _ = equivalent(&a, "1", Options::default());
            let _ = equivalent("1", &a, Options::default());
            let _ = answer(&crate::Response::parse(&a), Where::Auto);
        }

        #[test]
        fn fractions_are_compared_as_rationals(a in -50i64..50, b in 1i64..50, c in -50i64..50, d in 1i64..50) {
            let (x, y) = (format!("\\frac{{{a}}}{{{b}}}"), format!("{c}/{d}"));
            prop_assert_eq!(same(&x, &y), a * d == b * c);
        }

        #[test]
        fn integers_are_exact(a in any::<i64>(), b in -2i64..3) {
            let other = a.saturating_add(b);
            prop_assert_eq!(same(&a.to_string(), &other.to_string()), a == other);
        }

        #[test]
        fn surds_are_exact(a in 1i64..30, n in 1i64..200, m in 1i64..200) {
            let x = format!("{a}\\sqrt{{{n}}}");
            let inside = format!("\\sqrt{{{}}}", a * a * n);
            prop_assert!(same(&x, &inside));
            let other = format!("\\sqrt{{{m}}}");
            prop_assert_eq!(same(&x, &other), a * a * n == m);
        }

        #[test]
        fn factored_and_expanded(a in -9i64..10, b in -9i64..10, c in -9i64..10, off in -1i64..2) {
            let factored = format!("(x-({a}))(x-({b}))(x-({c}))");
            let (s, p, q) = (a + b + c, a * b + b * c + c * a + off, a * b * c);
            let expanded = format!("x^3-({s})x^2+({p})x-({q})");
            prop_assert_eq!(same(&factored, &expanded), off == 0);
        }

        #[test]
        fn sets_have_no_order(mut items in prop::collection::vec(-20i32..20, 2..6)) {
            let show = |v: &[i32]| format!("\\{{{}\\}}", v.iter().map(i32::to_string).collect::<Vec<_>>().join(", "));
            let set = show(&items);
            items.reverse();
            prop_assert!(same(&set, &show(&items)));
            items.push(99);
            prop_assert!(!same(&set, &show(&items)));
        }

        #[test]
        fn a_longer_list_is_never_right(items in prop::collection::btree_set(-50i32..50, 2..8)) {
            let list: Vec<String> = items.iter().map(i32::to_string).collect();
            prop_assert!(!same(&list[0], &list.join(", ")));
        }
    }
}
