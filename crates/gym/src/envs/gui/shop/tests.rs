use std::collections::{BTreeSet, VecDeque};

use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> Shop {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    Shop::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()).unwrap()
}

fn product(code: &str, kind: usize, attribute: usize, colors: &[usize], price: u32) -> Product {
    let options = vec![colors.to_vec()];
    Product { code: code.into(), kind, attributes: vec![attribute], options, price }
}

/// Wanted: a soft tea mug in blue for at most 30 dollars. D4 is it.
fn shop() -> Shop {
    let products = vec![
        product("A1", 1, 0, &[1, 2], 20),
        product("B2", 0, 1, &[1, 2], 20),
        product("C3", 0, 0, &[0, 2], 20),
        product("D4", 0, 0, &[0, 1], 30),
        product("E5", 0, 0, &[0, 1], 31),
        product("F6", 9, 5, &[0, 1], 10),
    ];
    let goal = Goal { kind: 0, attributes: vec![0], options: vec![1], upper: 30 };
    let style = Style::new(&Knobs::defaults(KNOBS));
    let task = Task { style, hidden: false, products, goal, max_turns: 20 };
    let (results, chosen) = (Vec::new(), vec![None]);
    let now = Now { page: Page::Search, results, sheet: 0, chosen, turn: 0, outcome: None };
    Shop { task: Arc::new(task), now }
}

fn play(shop: &mut Shop, answer: &str) -> Step {
    let act = shop.parse(answer).unwrap();
    shop.step(&act)
}

#[test]
fn the_type_reward_is_that_of_webshop() {
    // Same query, a noun of two shared; no query but two categories; a title that is like enough.
    assert_eq!(type_reward(true, 3, 1, 2), 1.0);
    assert_eq!(type_reward(false, 2, 1, 8), 1.0);
    assert_eq!(type_reward(false, 0, 1, 4), 1.0);
    // A fifth is not above 0.2; a tenth is not below 0.1; no noun shared is nothing.
    assert_eq!(type_reward(false, 1, 1, 5), 0.5);
    assert_eq!(type_reward(false, 0, 1, 10), 0.5);
    assert_eq!(type_reward(true, 3, 1, 11), 0.1);
    assert_eq!(type_reward(true, 3, 0, 2), 0.0);
    assert_eq!((type_reward(true, 0, 0, 0), type_reward(false, 0, 0, 0)), (1.0, 0.5));
}

#[test]
fn the_reward_is_that_of_webshop() {
    let shop = shop();
    let (products, goal) = (&shop.task.products, &shop.task.goal);
    let pays = |index: usize, chosen: Option<usize>| reward(&products[index], &[chosen], goal);
    // One attribute, one option and the price: thirds.
    assert_eq!((pays(3, Some(1)), pays(3, None), pays(3, Some(0))), (1.0, 2.0 / 3.0, 2.0 / 3.0));
    assert_eq!((pays(4, Some(1)), pays(1, Some(1)), pays(2, Some(2))), (2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0));
    // A travel mug answers the same query; a school bag shares no noun.
    assert_eq!((pays(0, Some(1)), pays(5, Some(1))), (1.0, 0.0));
}

#[test]
fn a_mug_is_found_and_bought() {
    let mut shop = shop();
    assert_eq!(shop.perception().text, "want soft tea mug color blue under 30");
    assert!(!play(&mut shop, "click[Back]").legal && !play(&mut shop, "buy").legal);
    assert_eq!(shop.oracle().to_string(), "search[soft tea mug]");
    shop.step(&shop.oracle());
    // Three words: C3, D4, E5; two: A1, B2; F6 has none.
    assert_eq!(shop.now.results, [2, 3, 4, 0, 1]);
    assert_eq!(shop.on_view(), [2, 3, 4]);
    assert_eq!(shop.perception().text.lines().nth(2), Some("D4 soft tea mug 30"));
    assert!(!play(&mut shop, "search[mug]").legal && !play(&mut shop, "click[A1]").legal);
    play(&mut shop, "click[Next]");
    assert_eq!(shop.on_view(), [0, 1]);
    // The travel mug would do as well, and is nearer from here.
    assert_eq!(shop.oracle().to_string(), "click[A1]");
    play(&mut shop, "click[B2]");
    assert_eq!(shop.oracle().to_string(), "click[Prev]");
    play(&mut shop, "click[Prev]");
    play(&mut shop, "click[Prev]");
    assert_eq!(shop.oracle().to_string(), "click[D4]");
    shop.step(&shop.oracle());
    assert!(!play(&mut shop, "click[green]").legal);
    assert_eq!(shop.perception().text, "item D4 tea mug 30\nsoft\ncolor red blue is -");
    assert_eq!(shop.oracle().to_string(), "click[blue]");
    shop.step(&shop.oracle());
    assert_eq!(shop.now.chosen, [Some(1)]);
    let end = play(&mut shop, "buy");
    assert_eq!((end.reward, end.status), (1.0, Status::Done(Outcome::Success)));
}

#[test]
fn a_poor_buy_pays_its_share() {
    let mut shop = shop();
    play(&mut shop, "search[MUG travel mug]");
    assert_eq!(shop.now.results[0], 0);
    assert!(play(&mut shop, "click[Back]").legal && shop.now.results.is_empty());
    play(&mut shop, "search[coat]");
    assert!(shop.on_view().is_empty());
    play(&mut shop, "click[Back]");
    play(&mut shop, "search[thick tea]");
    play(&mut shop, "click[B2]");
    let end = play(&mut shop, "buy");
    assert!((end.reward - 1.0 / 3.0).abs() < 1e-6);
    assert_eq!(end.status, Status::Done(Outcome::Failure));
}

fn brute_force(shop: &Shop) -> usize {
    let mut seen = BTreeSet::new();
    let mut queue = VecDeque::from([(shop.clone(), 0)]);
    while let Some((shop, count)) = queue.pop_front() {
        let mut acts = shop.legal_actions();
        if shop.now.page == Page::Search {
            // Every set of wanted words, and every title.
            let words = shop.task.wanted();
            let sets = (1..1 << words.len()).map(|set: usize| {
                let chosen = words.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1);
                chosen.map(|(_, w)| *w).collect::<Vec<_>>().join(" ")
            });
            acts = sets.map(Act::Search).collect();
            acts.extend(shop.task.products.iter().map(|p| Act::Search(p.title(shop.task.hidden).join(" "))));
        }
        for act in acts {
            let mut next = shop.clone();
            assert!(next.act(&act));
            match next.now.outcome {
                Some(Outcome::Success) => return count + 1,
                None if seen.insert(format!("{:?}", next.now)) => queue.push_back((next, count + 1)),
                _ => {}
            }
        }
    }
    usize::MAX
}

#[test]
fn the_oracle_needs_the_fewest_actions() {
    for seed in 0..16 {
        let given = [
            ("products", KnobValue::Int(14)),
            ("near_misses", KnobValue::Float(0.8)),
            ("attributes", KnobValue::Int(2)),
            ("hidden", KnobValue::Bool(seed % 2 == 0)),
        ];
        let mut shop = reset(seed, &given);
        let mut rng = Seed::new(seed).rng();
        for _ in 0..seed % 5 {
            let acts: Vec<Act> = shop.legal_actions().into_iter().filter(|a| *a != Act::Buy).collect();
            shop.act(rng.choose(&acts).unwrap());
        }
        assert_eq!(shop.fewest(), brute_force(&shop), "seed {seed}: {:?}", shop.now);
    }
}

#[test]
fn a_near_miss_misses_and_the_wanted_product_is_there() {
    for seed in 0..100 {
        let given = [("products", KnobValue::Int(12)), ("near_misses", KnobValue::Float(1.0))];
        let shop = reset(seed, &given);
        let fits: Vec<bool> = shop.task.products.iter().map(|p| p.fits(&shop.task.goal)).collect();
        assert!(fits.contains(&true));
        assert_eq!(fits.iter().filter(|f| **f).count(), 1, "seed {seed}");
        assert!(shop.task.products.iter().all(|p| p.options.iter().all(|o| o.len() >= 2)));
    }
}

/// `fuzz.ratio`: twice the longest common subsequence over all letters, in percent.
fn ratio(a: &str, b: &str) -> usize {
    let mut row = vec![0; b.len() + 1];
    for x in a.bytes() {
        let mut corner = 0;
        for (j, y) in b.bytes().enumerate() {
            let above = row[j + 1];
            row[j + 1] = if x == y { corner + 1 } else { above.max(row[j]) };
            corner = above;
        }
    }
    200 * row[b.len()] / (a.len() + b.len())
}

#[test]
fn no_two_words_match_by_being_alike() {
    let options = OPTIONS.iter().flat_map(|(_, words)| words.iter().copied());
    let words: Vec<&str> = ATTRIBUTES.into_iter().chain(options).collect();
    for (i, a) in words.iter().enumerate() {
        for b in &words[..i] {
            assert!(ratio(a, b) <= 85, "{a} and {b}");
        }
    }
}

#[test]
fn answers_are_read_and_garbage_is_not() {
    let shop = shop();
    for text in ["search[soft tea mug]", "click[D4]", "click[Next]", "buy"] {
        assert_eq!(shop.parse(text).map(|a| a.to_string()).as_deref(), Ok(text));
    }
    for text in [
        "search[]",
        "search[ ]",
        "search[a]]",
        "search[\u{e9}]",
        "click[a-b]",
        "Buy",
        "buy now",
        "click(1,2)",
    ] {
        assert!(shop.parse(text).is_err(), "{text}");
    }
    assert!(shop.parse(&format!("search[{}]", "a".repeat(61))).is_err());
}

#[test]
fn broken_snapshots_are_refused() {
    let broken = |change: &dyn Fn(&mut Task, &mut Now)| {
        let (mut task, mut now) = ((*shop().task).clone(), shop().now);
        change(&mut task, &mut now);
        let state = Shop { task: Arc::new(task), now };
        serde_json::from_value::<Shop>(serde_json::to_value(state).unwrap()).is_err()
    };
    assert!(!broken(&|_, _| {}));
    assert!(broken(&|task, _| task.products[0].kind = 16));
    assert!(broken(&|task, _| task.products[0].attributes.clear()));
    assert!(broken(&|task, _| task.products[0].options[0].push(6)));
    assert!(broken(&|task, _| drop(task.products[0].options.pop())));
    assert!(broken(&|task, _| task.goal.options = vec![6]));
    assert!(broken(&|task, _| task.products.clear()));
    assert!(broken(&|_, now| now.page = Page::Item(6)));
    assert!(broken(&|_, now| now.results = vec![6]));
    assert!(broken(&|_, now| now.sheet = 1));
    assert!(broken(&|_, now| now.chosen = vec![Some(6)]));
    assert!(broken(&|_, now| now.turn = 21));
}
