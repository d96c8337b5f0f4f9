use super::*;
use crate::KnobValue;

fn task(goal: Goal, named: usize, colors: &[usize]) -> Task {
    let mut pad_colors = vec![PALETTE.len(); 3];
    if goal == Goal::Sort {
        pad_colors[..2].copy_from_slice(&[0, 1]);
    }
    Task { goal, named, colors: colors.to_vec(), pad_colors }
}

fn game(task: &Task, pads: &[&[u8]]) -> Stack {
    let pads: Pads = pads.iter().map(|p| p.to_vec()).collect();
    let first = task.unplaced(&pads);
    Stack(State {
        task: task.clone(),
        pads,
        held: None,
        first,
        least: first,
        tile_px: 28,
        seen_from: View::Oblique,
        theme: Theme::Pale,
        coordinates: false,
        max_turns: 20,
        turn: 0,
        outcome: None,
    })
}

/// Breadth-first search without an estimate.
fn fewest(task: &Task, start: &Pads) -> usize {
    let mut seen = std::collections::BTreeSet::from([start.clone()]);
    let mut layer = vec![start.clone()];
    for moves in 0.. {
        if layer.iter().any(|pads| task.unplaced(pads) == 0) {
            return moves;
        }
        let mut next = Vec::new();
        for pads in &layer {
            for (from, to) in (0..9).map(|i| (i / 3, i % 3)).filter(|(a, b)| a != b) {
                let mut moved = pads.clone();
                let Some(block) = moved[from].pop() else { continue };
                moved[to].push(block);
                if seen.insert(moved.clone()) {
                    next.push(moved);
                }
            }
        }
        layer = next;
    }
    unreachable!()
}

#[test]
fn the_search_finds_the_fewest_moves() {
    for seed in 0..120 {
        let mut rng = Seed::new(seed).rng();
        let goal = [Goal::Stack, Goal::Sort, Goal::Align][seed as usize % 3];
        let named = 2 + rng.below(2);
        let extra = usize::from(goal != Goal::Align || named < 3);
        let (task, start) = lay_out(&mut rng, goal, named, 3, extra);
        let (_, moves) = solve(&task, std::slice::from_ref(&start)).unwrap();
        assert_eq!(moves.len(), fewest(&task, &start), "{task:?} {start:?}");
        let mut pads = start;
        for (from, to) in moves {
            let block = pads[from].pop().unwrap();
            pads[to].push(block);
        }
        assert_eq!(task.unplaced(&pads), 0);
    }
}

#[test]
fn goals_are_met_when_they_say_so() {
    let pads = |p: &[&[u8]]| -> Pads { p.iter().map(|p| p.to_vec()).collect() };
    let stack = task(Goal::Stack, 2, &[0, 1, 2]);
    let left = |t: &Task, p: &[&[u8]]| t.unplaced(&pads(p));
    assert_eq!(left(&stack, &[&[2], &[0, 1], &[]]), 0);
    assert_eq!(left(&stack, &[&[], &[0, 1, 2], &[]]), 1, "not alone");
    assert_eq!(left(&stack, &[&[1, 0], &[2], &[]]), 2);
    let sort = task(Goal::Sort, 3, &[0, 0, 1]);
    assert_eq!(left(&sort, &[&[1, 0], &[2], &[]]), 0);
    assert_eq!(left(&sort, &[&[2, 0], &[], &[1]]), 3, "the red one stands on a green one");
    let align = task(Goal::Align, 2, &[0, 1, 2]);
    assert_eq!(left(&align, &[&[0], &[1], &[2]]), 0);
    assert_eq!(left(&align, &[&[0, 2], &[1], &[]]), 1);
    assert_eq!(left(&align, &[&[1], &[0], &[2]]), 2);
}

#[test]
fn only_the_top_block_can_be_picked() {
    let mut game = game(&task(Goal::Stack, 3, &[0, 1, 2]), &[&[1, 0], &[2], &[]]);
    assert_eq!(game.size(), (84, 28 + 84));
    let (x, y) = game.grip(0);
    let low = Grasp::Pick(x, y + game.rise());
    assert!(
        !game.clone().act(low)
            && !game.clone().act(Grasp::Place(5, 100))
            && !game.clone().act(Grasp::Pick(70, 90))
    );
    let step = game.step(&Grasp::Pick(x, y));
    assert_eq!((step.legal, game.0.held, step.reward), (true, Some(0), 0.0));
    assert_eq!(game.perception().text.lines().next(), Some("hand Red"));
    assert!(!game.clone().act(Grasp::Pick(x, y)), "the hand is full");
    assert!(game.reason(&game.oracle()).starts_with("left 3 Red to 3 Green 1 to 3 Blue 2 to 3 so place"));
    assert!((game.step(&game.oracle()).reward - 1.0 / 6.0).abs() < 1e-6);
}

#[test]
fn the_oracle_needs_no_spare_turn() {
    for (goal, view) in
        ["stack", "sort", "align", "mixed"].into_iter().zip(["above", "oblique", "above", "oblique"])
    {
        let word = |w: &str| KnobValue::Choice(w.into());
        let given = [
            ("goal", word(goal)),
            ("view", word(view)),
            ("blocks", KnobValue::Int(4)),
            ("pads", KnobValue::Int(5)),
            ("extra", KnobValue::Int(1)),
            ("spare", KnobValue::Int(0)),
        ];
        let knobs = Knobs::resolve(SPEC.id, KNOBS, &given.map(|(n, v)| (n.to_string(), v)).into()).unwrap();
        for seed in 0..30 {
            let mut game = Stack::reset(Seed::new(seed), &knobs).unwrap();
            let mut total = 0.0;
            while game.status() == Status::Running {
                let step = game.step(&game.oracle());
                assert!(step.legal);
                total += step.reward;
            }
            assert!((total - 1.0).abs() < 1e-5 && game.0.turn == game.0.max_turns, "{goal} {seed}: {total}");
        }
    }
}

#[test]
fn answers_are_pixels_of_the_picture() {
    let game = game(&task(Goal::Stack, 3, &[0, 1, 2]), &[&[1, 0], &[2], &[]]);
    assert_eq!(game.parse(" Place( 3 ,4) ").unwrap().to_string(), "place(3,4)");
    for text in ["pick(84,0)", "place(0,112)"] {
        assert!(matches!(game.parse(text), Err(ParseError::Range { .. })), "{text}");
    }
    for text in ["push(1,2,3,4)", "pick(1)", "pick 1 2", "place(1,-2)", "(1,2)", "pick(1,2"] {
        assert!(matches!(game.parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let fits = |game: Stack| serde_json::from_value::<Stack>(serde_json::to_value(game).unwrap()).is_ok();
    let three = task(Goal::Stack, 3, &[0, 1, 2]);
    assert!(fits(game(&three, &[&[1, 0], &[2], &[]])));
    assert!(!fits(game(&three, &[&[1, 0], &[], &[]])), "a block is missing");
    assert!(!fits(game(&three, &[&[1, 0], &[2, 2], &[]])));
    assert!(!fits(game(&three, &[&[1, 0], &[7], &[2]])));
    assert!(!fits(game(&task(Goal::Stack, 4, &[0, 1, 2]), &[&[1, 0], &[2], &[]])));
    assert!(!fits(game(&task(Goal::Sort, 3, &[0, 1, 5]), &[&[1, 0], &[2], &[]])), "no pad for a colour");
}
