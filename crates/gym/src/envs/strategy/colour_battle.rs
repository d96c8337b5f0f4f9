//! Battle of the colours: both players have to meet on one block, and each would rather meet on its own.
//!
//! Board, moves and payoffs are those of VS-Bench (2 and 1; on different blocks both blocks move).
//! Ours: blocks never share a cell, shorter episodes by default, the habits of the opponents.

use super::walkers::{self, AWAY, COORDINATES, Colors, EVENTS, GRAMMAR, GRID, Rules, Scene, Stride, Walk};
use crate::draw::Canvas;
use crate::{Axis, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, SEAT};

const SPEC: EnvSpec = EnvSpec {
    id: "colour-battle",
    group: EnvGroup::Strategy,
    title: "Battle of the colours",
    summary: "Two players, a red and a blue block: meet on one of them, best on your own.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: 0.0,
    oracle: "best reply to the opponent's habit, 8 turns ahead; new blocks are not foreseen",
    score: "own return (coordination and fairness: see the perception data)",
    pixel_answers: false,
    players: 2,
    source: "VS-Bench (Battle of the Colors)",
};

const KNOBS: &[KnobSpec] = &[
    walkers::SIZE,
    KnobSpec::int("own", Axis::Reasoning, 1, 5, 2, "points for a player when both meet on the block of its colour"),
    KnobSpec::int("other", Axis::Reasoning, 0, 5, 1, "points for the player whose colour it is not"),
    walkers::TURNS,
    KnobSpec::choice(
        "opponent",
        Axis::Reasoning,
        &["yielding", "follower", "stubborn", "random"],
        "yielding",
        "yielding: goes to your block; follower: to the block nearer to you; stubborn: to its own; there they wait",
    )
    .dialled(0.0, 2.0),
    SEAT,
    walkers::TILE,
    walkers::THEME,
    GRID,
    COORDINATES,
];

/// The game of the battle of the colours.
pub(crate) type ColourBattle = Walk<Battle>;

/// The rules of the battle of the colours: thing 0 is the red block, thing 1 the blue one.
#[derive(Clone, Debug)]
pub(crate) struct Battle;

impl Rules for Battle {
    const DEPTH: usize = 8;
    const EVENTS: [&'static str; EVENTS] = ["both_on_red", "both_on_blue", "different_blocks", ""];

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn setup(knobs: &Knobs) -> Result<(u8, [i8; 3]), KnobError> {
        Ok((2, [knobs.int("own") as i8, knobs.int("other") as i8, 0]))
    }

    fn rules(scene: &Scene, player: usize) -> String {
        let (me, other) = if player == 0 { ("red", "blue") } else { ("blue", "red") };
        format!(
            "You are {me}, with the white eye. Both on the {me} block pays you {}, both on the {other} one {}. On different blocks both blocks move and nobody is paid.",
            scene.pays[0], scene.pays[1]
        )
    }

    fn advance(scene: &mut Scene, strides: [Stride; 2]) -> ([i32; 2], [u8; EVENTS]) {
        scene.walk(strides);
        let (mut points, mut events) = ([0; 2], [0; EVENTS]);
        let on =
            scene.walkers.map(|walker| scene.items[..2].iter().position(|b| *b == walker && walker != AWAY));
        if let [Some(first), Some(second)] = on {
            if first == second {
                points[first] = i32::from(scene.pays[0]);
                points[1 - first] = i32::from(scene.pays[1]);
                events[first] = 1;
            } else {
                events[2] = 1;
            }
            scene.items[first] = AWAY;
            scene.items[second] = AWAY;
        }
        (points, events)
    }

    fn habit(scene: &Scene, player: usize, kind: &str) -> Option<Stride> {
        let from = scene.walkers[player];
        target(scene, player, kind).map(|block| scene.towards(from, block))
    }

    /// It is good to be near the block that the opponent goes to; beside one that does anything, near
    /// one's own.
    fn hope(scene: &Scene, player: usize, kind: &str) -> i32 {
        let block = target(scene, 1 - player, kind).unwrap_or(scene.items[player]);
        let way = scene.distance(scene.walkers[player], block);
        -10 * i32::from(if way == AWAY { scene.size } else { way })
    }

    fn letter(item: usize) -> char {
        if item == 0 { 'r' } else { 'b' }
    }

    fn draw(canvas: &mut Canvas, item: usize, x: f32, y: f32, tile: f32, colors: &Colors) {
        let color = colors.sides[item.min(1)];
        let side = 0.86 * tile;
        let (left, top) = ((x - side / 2.0).round() as i32, (y - side / 2.0).round() as i32);
        canvas.fill_rect(left, top, side as u32, side as u32, colors.pale(item));
        canvas.frame(left, top, side as u32, side as u32, (tile / 10.0).max(1.0) as u32, color);
    }
}

/// The block that a player of the named kind goes to; `None` when it does anything.
fn target(scene: &Scene, player: usize, kind: &str) -> Option<u8> {
    let (own, other) = (scene.items[player], scene.items[1 - player]);
    match kind {
        "yielding" => Some(other),
        "stubborn" => Some(own),
        "follower" => Some(scene.nearest(scene.walkers[1 - player], [own, other])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arena as _, Status};
    use serde_json::json;

    fn field(rows: &str) -> ColourBattle {
        ColourBattle::from_text(rows, &Knobs::defaults(KNOBS))
    }

    #[test]
    fn meeting_pays_by_colour_and_clashes_move_the_blocks() {
        let board = "r R -\nB - -\n- - b";
        assert_eq!(field(board).points(["left", "up"]), [2.0, 1.0]);
        assert_eq!(field("- - -\nB - R\n- b r").points(["stay", "stay"]), [0.0, 0.0]);
        assert_eq!(field("- - -\n- B -\nR b r").points(["right", "down"]), [1.0, 2.0]);
        let mut clash = field("- - -\n- B R\n- b r");
        assert_eq!(clash.points(["down", "down"]), [0.0, 0.0]);
        assert_eq!(clash.perception(0).data["events"]["different_blocks"], 1);
        let items = clash.scene_mut().items;
        assert!(items[..2].iter().all(|item| *item < 7), "{items:?}");
        // One alone on a block: nothing happens, and the words say who is where.
        let mut alone = field(board);
        assert_eq!(alone.points(["left", "stay"]), [0.0, 0.0]);
        assert_eq!(alone.perception(0).text, "Rr - -\nB - -\n- - b\nyou R +0 foe B +0");
    }

    #[test]
    fn the_oracle_meets_every_kind_where_it_goes() {
        let rows = "R - - - r\n- - - - -\n- - - - -\n- - - - -\nb - - - B";
        for (kind, mean) in [("yielding", 2), ("stubborn", 1)] {
            let mut game = field(rows);
            for _ in 0..8 {
                let mine = game.oracle(0, kind);
                let foe = Battle::habit(game.scene_mut(), 1, kind).unwrap();
                if game.step(&[(0, mine), (1, foe)])[0].score > 0.0 {
                    break;
                }
            }
            assert_eq!(game.perception(0).data["returns"][0], mean, "{kind}");
        }
        // The follower comes to whichever block red is nearer to: its own, then.
        let near = field("- R - - r\n- - - - -\n- - - - -\n- - - - -\nb - - - B");
        assert_eq!(near.oracle(0, "follower").to_string(), "right");
    }

    #[test]
    fn episodes_end_and_snapshots_are_checked() {
        let mut game = field("r R -\nB - -\n- - b");
        assert!(game.refuses("/scene/items", json!([0, 9, 255, 255, 255])));
        assert!(game.refuses("/returns", json!([2_000_000_000, 0])));
        assert!(game.refuses("/turn", json!(13)));
        for _ in 0..12 {
            game.pass(0);
        }
        assert_ne!(game.status(0), Status::Running);
    }
}
