use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> Graph {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    Graph::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given).unwrap()).unwrap()
}

fn word(text: &str) -> KnobValue {
    KnobValue::Choice(text.into())
}

/// A graph of four nodes from edges such as `AB3`.
fn drawn(task: Task, directed: bool, edges: &str) -> Graph {
    let node = |c: u8| usize::from(c - b'A');
    let edge = |w: &str| {
        let b = w.as_bytes();
        Edge { from: node(b[0]), to: node(b[1]), weight: u32::from(b[2] - b'0') }
    };
    let mut game = reset(0, &[("nodes", KnobValue::Int(4))]);
    let mut edges: Vec<Edge> = edges.split(' ').map(edge).collect();
    edges.sort_unstable();
    let (start, end, weighted) = (0, 3, true);
    game.0 = State { task, directed, weighted, edges, start, end, ..game.0 };
    game
}

const SQUARE: &str = "AB3 AC1 BD4 CD9 BC1";

#[test]
fn each_task_has_its_answer() {
    for (task, directed, answer, reason) in [
        (Task::Path, false, "6", "way A C B D length 6"),
        (Task::Path, true, "7", "way A B D length 7"),
        (Task::Tree, false, "6", "take A-C 1 B-C 1 B-D 4 sum 6"),
        (Task::Flow, true, "4", "cut A-B 3 A-C 1 flow 4"),
        (Task::Order, true, "A B C D", "arrows into A 0 B 1 C 2 D 2 order A B C D"),
    ] {
        let game = drawn(task, directed, SQUARE);
        assert_eq!(game.oracle().to_string(), answer, "{task:?}");
        assert_eq!(game.reason(&game.oracle()), reason, "{task:?}");
        let mut played = game.clone();
        assert_eq!(played.step(&game.parse(answer).unwrap()).reward, 1.0, "{task:?}");
        assert_eq!(played.status(), Status::Done(Outcome::Success));
    }
    let game = drawn(Task::Edges, false, SQUARE);
    assert_eq!(game.oracle().to_string(), "A-B; A-C; B-C; B-D; C-D");
    assert_eq!(game.perception().text, "A B3 C1\nB A3 C1 D4\nC A1 B1 D9\nD B4 C9");
}

#[test]
fn edges_pay_their_f1_and_any_order_counts() {
    let worth = |game: &Graph, text: &str| game.clone().step(&game.parse(text).unwrap()).reward;
    let game = drawn(Task::Edges, false, SQUARE);
    assert_eq!(worth(&game, "d-c;b-a"), 4.0 / 7.0);
    assert_eq!(worth(&game, "A-D"), 0.0);
    assert_eq!(worth(&game, "A-B; A-C; B-C; B-D; C-D; A-D"), 10.0 / 11.0);
    let arrows = drawn(Task::Edges, true, SQUARE);
    assert_eq!(worth(&arrows, "B-A; A-C"), 2.0 / 7.0);
    let order = drawn(Task::Order, true, "AB1 AC1 CD1");
    for (text, right) in [("A B C D", 1.0), ("A C D B", 1.0), ("a c b d", 1.0), ("B A C D", 0.0)] {
        assert_eq!(worth(&order, text), right, "{text}");
    }
}

#[test]
fn answers_are_of_the_kind_that_is_asked_for() {
    let edges = drawn(Task::Edges, false, SQUARE);
    for text in ["", "A", "A-A", "A-B; B-A", "A-E", "A-B,", "A-B;", "AB", "3", "A--B", "Ä-B"] {
        assert!(edges.parse(text).is_err(), "{text}");
    }
    let order = drawn(Task::Order, true, SQUARE);
    for text in ["", "A B C", "A B C D D", "A B C E", "ABCD", "4", "A-B"] {
        assert!(order.parse(text).is_err(), "{text}");
    }
    let path = drawn(Task::Path, true, SQUARE);
    for text in ["", "-1", "007", "1.0", "99999", "seven", "A B"] {
        assert!(path.parse(text).is_err(), "{text}");
    }
    assert_eq!(path.parse(" 7 "), Ok(Answer::Number(7)));
}

/// All ways to pick a subset of `n` things.
fn subsets(n: usize) -> impl Iterator<Item = Vec<bool>> {
    (0..1_usize << n).map(move |code| (0..n).map(|i| code >> i & 1 == 1).collect())
}

#[test]
fn algorithms_agree_with_brute_force() {
    for seed in 0..60 {
        let given = |task: &str| {
            [("task", word(task)), ("nodes", KnobValue::Int(5)), ("weights", KnobValue::Bool(true))]
        };
        // The lightest set of edges that connects everything.
        let Graph(tree) = reset(seed, &given("tree"));
        let connects = |picked: &[bool]| {
            let mut part: Vec<usize> = (0..5).collect();
            let used = tree.edges.iter().zip(picked).filter(|(_, p)| **p);
            used.filter(|(e, _)| join(&mut part, e.from, e.to)).count() == 4
        };
        let weight = |picked: &[bool]| -> u32 {
            tree.edges.iter().zip(picked).filter(|(_, p)| **p).map(|(e, _)| e.weight).sum()
        };
        let least = subsets(tree.edges.len()).filter(|p| connects(p)).map(|p| weight(&p)).min();
        assert_eq!(Some(tree.truth()), least.map(Answer::Number));
        // The smallest cut between the two ends.
        let Graph(flow) = reset(seed, &given("flow"));
        let splits = subsets(5).filter(|near| near[flow.start] && !near[flow.end]);
        let cut = |near: Vec<bool>| -> u32 {
            flow.edges.iter().filter(|e| near[e.from] && !near[e.to]).map(|e| e.weight).sum()
        };
        assert_eq!(Some(flow.truth()), splits.map(cut).min().map(Answer::Number));
        // The shortest length, by relaxing every edge often enough.
        let Graph(path) = reset(seed, &given("path"));
        let mut far = [u32::MAX / 2; 5];
        far[path.start] = 0;
        for _ in 0..5 {
            for e in &path.edges {
                far[e.to] = far[e.to].min(far[e.from] + e.weight);
                far[e.from] = far[e.from].min(far[e.to] + e.weight);
            }
        }
        assert_eq!(path.truth(), Answer::Number(far[path.end]));
    }
}

#[test]
fn graphs_are_connected_and_drawn_clearly() {
    for seed in 0..200 {
        let (count, crossings) = (3 + seed as i64 % 10, seed as i64 % 5);
        let given = [
            ("nodes", KnobValue::Int(count)),
            ("crossings", KnobValue::Int(crossings)),
            ("task", word("mixed")),
            ("side_px", KnobValue::Int(112 + 28 * (seed as i64 % 4))),
        ];
        let Graph(state) = reset(seed, &given);
        let mut part: Vec<usize> = (0..state.count()).collect();
        assert_eq!(state.edges.iter().filter(|e| join(&mut part, e.from, e.to)).count() as i64, count - 1);
        let pairs: Vec<(usize, usize)> = state.edges.iter().map(|e| (e.from, e.to)).collect();
        let crossed = |i: usize| pairs[..i].iter().filter(|p| cross(&state.nodes, **p, pairs[i])).count();
        assert!((0..pairs.len()).map(crossed).sum::<usize>() as i64 <= crossings, "seed {seed}");
        for (a, b) in &pairs {
            for other in (0..state.count()).filter(|n| n != a && n != b) {
                let free = segment_gap(state.at(other), state.at(*a), state.at(*b));
                assert!(free > state.radius(), "seed {seed}: {free}");
            }
        }
        let text = serde_json::to_string(&Graph(state.clone())).unwrap();
        assert_eq!(serde_json::from_str::<Graph>(&text).unwrap().0, state);
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let whole = serde_json::to_value(drawn(Task::Order, true, SQUARE)).unwrap();
    let broken = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut copy = whole.clone();
        change(&mut copy);
        serde_json::from_value::<Graph>(copy).is_err()
    };
    assert!(!broken(&|_| {}));
    assert!(broken(&|s| s["edges"][0]["to"] = json!(4)));
    assert!(broken(&|s| s["edges"][0]["to"] = json!(0)));
    assert!(broken(&|s| s["edges"][1] = s["edges"][0].clone()));
    assert!(broken(&|s| s["edges"] = json!([])));
    assert!(broken(&|s| s["nodes"][2] = json!([5000, 1])));
    assert!(broken(&|s| s["start"] = json!(9)));
    assert!(broken(&|s| s["task"] = json!("tree")));
    let cycle = json!([
        {"from": 0, "to": 1, "weight": 1}, {"from": 1, "to": 2, "weight": 1}, {"from": 2, "to": 0, "weight": 1}
    ]);
    assert!(broken(&|s| s["edges"] = cycle.clone()));
    assert!(broken(&|s| s["side_px"] = json!(4_000_000)));
}
