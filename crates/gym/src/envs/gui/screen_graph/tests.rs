use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> Result<ScreenGraph, KnobError> {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    ScreenGraph::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given)?)
}

/// Home leads to Mail and Search, Mail to Star; Search is a dead end, Star leads Home.
fn walk() -> ScreenGraph {
    let page = |icon: Icon, links: &[usize]| {
        let icons = [Icon::Home, Icon::Mail, Icon::Search, Icon::Star];
        let links = links.iter().map(|to| Link { icon: icons[*to], to: *to }).collect();
        Page { icon, links, decoys: Vec::new() }
    };
    let pages = vec![
        page(Icon::Home, &[1, 2]),
        page(Icon::Mail, &[3]),
        page(Icon::Search, &[]),
        page(Icon::Star, &[0]),
    ];
    let game = reset(1, &[]).unwrap();
    let task = Task { pages, goal: 3, fewest: 2, max_turns: 9, ..(*game.task).clone() };
    let now = Now { at: 0, trail: Vec::new(), visit: 0, seen: vec![0], turn: 0, outcome: None };
    ScreenGraph { task: Arc::new(task), now }
}

fn follow(game: &mut ScreenGraph, icon: Icon) -> Step {
    let button = game.buttons().into_iter().find(|b| b.icon == icon).unwrap();
    game.step(&Move::Click(button.area.middle()))
}

#[test]
fn the_shortest_way_pays_one_and_a_detour_less() {
    let mut game = walk();
    assert!(game.reason(&game.oracle()).starts_with("at Home goal Star way Mail Star icon Mail"));
    for _ in 0..2 {
        assert_eq!(game.step(&game.oracle()).reward, 0.0);
    }
    let end = game.step(&game.oracle());
    assert_eq!((end.reward, end.status), (1.0, Status::Done(Outcome::Success)));

    let mut game = walk();
    assert!(follow(&mut game, Icon::Search).legal);
    assert_eq!(game.oracle(), Move::Back);
    assert_eq!(game.reason(&Move::Back), "at Search goal Star way Home Mail Star back");
    assert!(game.perception().text.starts_with("at Search back Home"));
    game.step(&Move::Back);
    follow(&mut game, Icon::Mail);
    follow(&mut game, Icon::Star);
    // Two moves would do, four were made.
    assert_eq!(game.step(&Move::Done).reward, 0.5);
}

#[test]
fn done_elsewhere_fails_and_misses_are_refused() {
    let mut game = walk();
    assert!(!game.step(&Move::Back).legal);
    assert!(!game.step(&Move::Click(Click { x: 0, y: 0 })).legal);
    assert_eq!((game.now.at, game.now.turn), (0, 2));
    let end = game.step(&Move::Done);
    assert_eq!((end.reward, end.status), (0.0, Status::Done(Outcome::Failure)));
}

/// Fewest moves to the goal, searched over screens together with their trails.
fn brute_force(game: &ScreenGraph) -> usize {
    let mut queue = VecDeque::from([(game.now.at, game.now.trail.clone(), 0)]);
    while let Some((at, trail, moves)) = queue.pop_front() {
        if at == game.task.goal {
            return moves;
        }
        for link in &game.task.pages[at].links {
            queue.push_back((link.to, [trail.clone(), vec![at]].concat(), moves + 1));
        }
        if let [rest @ .., last] = trail.as_slice() {
            queue.push_back((*last, rest.to_vec(), moves + 1));
        }
    }
    usize::MAX
}

#[test]
fn the_oracle_needs_the_fewest_moves_from_anywhere() {
    for seed in 0..40 {
        let given = [("fresh", KnobValue::Bool(true)), ("slack", KnobValue::Int(20))];
        let mut game = reset(seed, &given).unwrap();
        assert_eq!(brute_force(&game), 2);
        let mut rng = Seed::new(seed).rng();
        for _ in 0..3 {
            let moves = game.legal_actions();
            game.step(rng.choose(&moves[..moves.len() - 1]).unwrap());
        }
        let wanted = brute_force(&game);
        let mut taken = 0;
        while game.oracle() != Move::Done {
            assert!(game.step(&game.oracle()).legal);
            taken += 1;
        }
        assert_eq!((taken, game.now.at), (wanted, game.task.goal), "seed {seed}");
    }
}

#[test]
fn graphs_are_as_the_knobs_say() {
    for seed in 0..60 {
        let given = [
            ("fresh", KnobValue::Bool(true)),
            ("screens", KnobValue::Int(12)),
            ("dead_ends", KnobValue::Int(4)),
            ("depth", KnobValue::Int(4)),
            ("decoys", KnobValue::Int(2)),
        ];
        let game = reset(seed, &given).unwrap();
        let pages = game.graph();
        assert_eq!(pages.len(), 16);
        assert_eq!(distances_to(pages, game.task.goal)[game.now.at], Some(4));
        assert!(pages[12..].iter().all(|p| p.links.is_empty()));
        for page in pages {
            assert!(page.links.len() <= 3 && page.decoys.len() == 2);
            let mut icons: Vec<Icon> = page.links.iter().map(|l| l.icon).chain(page.decoys.clone()).collect();
            assert!(page.links.iter().all(|l| l.icon == pages[l.to].icon));
            icons.sort_unstable();
            icons.dedup();
            assert_eq!(icons.len(), page.links.len() + 2);
        }
    }
    let fixed = |seed| reset(seed, &[]).unwrap().graph().to_vec();
    assert_eq!(fixed(1), fixed(2));
    assert!(reset(1, &[("depth", KnobValue::Int(6))]).is_err());
}

#[test]
fn shuffled_icons_change_places_with_every_visit() {
    let mut game =
        reset(3, &[("shuffle", KnobValue::Bool(true)), ("icons", KnobValue::Choice("target".into()))])
            .unwrap();
    let mut seen = vec![game.buttons()];
    for _ in 0..3 {
        let moves = game.legal_actions();
        game.step(&moves[0]);
        game.step(&Move::Back);
        seen.push(game.buttons());
    }
    assert!(seen.windows(2).any(|pair| pair[0] != pair[1]));
}

#[test]
fn broken_snapshots_are_refused() {
    let broken = |change: &dyn Fn(&mut Task, &mut Now)| {
        let game = walk();
        let (mut task, mut now) = ((*game.task).clone(), game.now.clone());
        change(&mut task, &mut now);
        let state = ScreenGraph { task: Arc::new(task), now };
        serde_json::from_value::<ScreenGraph>(serde_json::to_value(state).unwrap()).is_err()
    };
    assert!(!broken(&|_, _| {}));
    assert!(broken(&|task, _| task.goal = 4));
    assert!(broken(&|task, _| task.pages[2].links.push(Link { icon: Icon::Add, to: 9 })));
    assert!(broken(&|task, _| task.pages[2].decoys = vec![Icon::Add; 7]));
    assert!(broken(&|_, now| now.at = 4));
    assert!(broken(&|_, now| now.trail.push(usize::MAX)));
    assert!(broken(&|_, now| now.seen.push(4)));
    assert!(broken(&|_, now| now.turn = 10));
}
