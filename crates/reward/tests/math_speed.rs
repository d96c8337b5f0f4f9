//! How long one comparison takes; run by hand:
//! `cargo test --release -p eyas-reward --test math_speed -- --ignored --nocapture`.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use eyas_reward::math::{Options, equivalent};

#[test]
#[ignore = "a measurement"]
fn time_of_one_comparison() {
    let path = format!("{}/tests/fixtures/math_verify.jsonl", env!("CARGO_MANIFEST_DIR"));
    let mut times = Vec::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let pair: serde_json::Value = serde_json::from_str(line).unwrap();
        let (gold, answer) = (pair["gold"].as_str().unwrap(), pair["answer"].as_str().unwrap());
        let start = Instant::now();
        let result = equivalent(gold, answer, Options::default());
        times.push(start.elapsed());
        assert!(result.is_ok());
    }
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("{} pairs: p50 {:?} p99 {:?} max {:?}", times.len(), at(0.5), at(0.99), at(1.0));

    let long = |piece: &str| piece.repeat(3_900 / piece.len());
    let hostile = [
        "9^{9^{9^9}}".to_string(),
        "10^9!".into(),
        "(10^9)!".into(),
        "1000!!!!".into(),
        long("9^"),
        long("("),
        long("{"),
        long("\\frac{1}{"),
        long("\\sqrt{"),
        long("1+"),
        long("x1+") + "1",
        long("(x+1)") + "1",
        long("(x+y+z+w)(a+b)") + "1",
        "(a+b+c+d+e+f)^{99}".into(),
        "(a+b)^{100}(c+d)^{100}".into(),
        "((((x+1)^{99}+1)^{99}+1)^{99}+1)^{99}".into(),
        "(1+\\sqrt2+\\sqrt3+\\sqrt5+\\sqrt7)^{99}".into(),
        format!("\\sqrt{{{}}}", "9".repeat(3_000)),
        "9".repeat(3_900),
        format!("{}/{}", "9".repeat(1_900), "7".repeat(1_900)),
        format!("0.{}", "123".repeat(600)),
        long("1,"),
        long("x_1,") + "1",
        format!("\\{{{}\\}}", long("12,")),
        long("(-1,1)\\cup") + "(1,2)",
        long("\\sin(") + "1",
        (0..39).map(|_| "\\sin(").collect::<String>() + "x" + &")".repeat(39),
        (0..39).map(|_| "e^{").collect::<String>() + "x" + &"}".repeat(39),
        (0..39).map(|_| "2^{").collect::<String>() + "2" + &"}".repeat(39),
        (0..38).map(|_| "\\sqrt{1+").collect::<String>() + "2" + &"}".repeat(38),
        (1..250).map(|k| format!("\\frac{{1}}{{x+{k}}}+")).collect::<String>() + "1",
        (1..400).map(|k| format!("\\sqrt{{{k}}}+")).collect::<String>() + "1",
        (1..400).map(|k| format!("\\sqrt{{{}}}*", k + 1_000_003)).collect::<String>() + "1",
        (1..300).map(|k| format!("\\frac{{1}}{{{}}}+", 1_000_003 + 2 * k)).collect::<String>() + "1",
        long("1\\pm"),
        long("5!"),
        long("a<"),
        long("1:2:"),
        long("\\text{a}"),
        "\u{202e}5".into(),
        "x".repeat(1_000_000),
        "{".repeat(1_000_000),
        "\\boxed{".repeat(100_000),
        "1e400*1e400*1e400*1e400*1e400".into(),
        "2^{16000}*3^{10000}*5^{7000}*7^{5000}".into(),
        (0..200).map(|k| format!("(2^{{16000}}+{k}x)")).collect::<String>(),
    ];
    let mut slowest = (Duration::ZERO, String::new());
    for text in &hostile {
        for (gold, answer) in [("5", text.as_str()), ("x+1", text.as_str()), (text.as_str(), text.as_str())] {
            let start = Instant::now();
            let result = equivalent(gold, answer, Options::default());
            let took = start.elapsed();
            let name: String = text.chars().take(40).collect();
            if took > Duration::from_millis(5) {
                println!("{took:?} {gold:.5} | {name}: {result:?}");
            }
            if took > slowest.0 {
                slowest = (took, name);
            }
        }
    }
    println!("hostile: slowest {slowest:?}");
    assert!(slowest.0 < Duration::from_millis(50), "{slowest:?}");
}
