//! Coin dilemma: two players, two coins. Taking the other's coin pays as much as one's own and costs
//! the other more.
//!
//! Board, moves and payoffs are those of VS-Bench (a coin pays 1, a stolen one costs its colour 2; both
//! players on one coin each get it). Ours: shorter episodes by default, the habits of the opponents.

use super::walkers::{
    self, COORDINATES, Colors, EVENTS, GRAMMAR, GRID, MAX_DEBT, Rules, Scene, Stride, Walk,
};
use crate::draw::Canvas;
use crate::{Axis, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, SEAT};

const SPEC: EnvSpec = EnvSpec {
    id: "coin-dilemma",
    group: EnvGroup::Strategy,
    title: "Coin dilemma",
    summary: "Two players and two coins on a lawn: collect coins; taking the other's harms it.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: -1.0,
    oracle: "best reply to the opponent's habit, 8 turns ahead, new coins not foreseen; a coin stolen from a reciprocal opponent counts as lost again",
    score: "own return; an invalid answer costs a point (social welfare: see the perception data)",
    pixel_answers: false,
    players: 2,
    source: "VS-Bench; Lerer and Peysakhovich 2017",
};

const KNOBS: &[KnobSpec] = &[
    walkers::SIZE,
    KnobSpec::int("harm", Axis::Reasoning, 0, 5, 2, "points that a player loses with each coin of its colour taken by the other"),
    walkers::TURNS,
    KnobSpec::choice(
        "opponent",
        Axis::Reasoning,
        &["prosocial", "reciprocal", "selfish", "random"],
        "prosocial",
        "prosocial: own coins only; reciprocal: own coins, and one of yours for each that you took; selfish: the nearest coin",
    )
    .dialled(0.0, 2.0),
    SEAT,
    walkers::TILE,
    walkers::THEME,
    GRID,
    COORDINATES,
];

/// The game of the coin dilemma.
pub(crate) type CoinDilemma = Walk<Coins>;

/// The rules of the coin dilemma: thing 0 is the red coin, thing 1 the blue one.
#[derive(Clone, Debug)]
pub(crate) struct Coins;

impl Rules for Coins {
    const DEPTH: usize = 8;
    const EVENTS: [&'static str; EVENTS] =
        ["red_takes_red", "red_takes_blue", "blue_takes_red", "blue_takes_blue"];

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn setup(knobs: &Knobs) -> Result<(u8, [i8; 3]), KnobError> {
        Ok((2, [knobs.int("harm") as i8, 0, 0]))
    }

    fn rules(scene: &Scene, player: usize) -> String {
        let (me, other) = if player == 0 { ("red", "blue") } else { ("blue", "red") };
        format!(
            "You are {me}, with the white eye. Both move at once. Any coin pays 1; whose colour is taken by the other loses {}. The {other} player wants coins too.",
            scene.pays[0]
        )
    }

    fn advance(scene: &mut Scene, strides: [Stride; 2]) -> ([i32; 2], [u8; EVENTS]) {
        scene.walk(strides);
        let (mut points, mut events) = ([0; 2], [0; EVENTS]);
        for coin in 0..2 {
            let place = scene.items[coin];
            let takers = scene.walkers.map(|walker| walker == place);
            for player in (0..2).filter(|p| takers[*p]) {
                points[player] += 1;
                events[2 * player + coin] = 1;
                if player != coin {
                    points[coin] -= i32::from(scene.pays[0]);
                    scene.debts[player] = scene.debts[player].saturating_sub(1);
                    scene.debts[coin] = (scene.debts[coin] + 1).min(MAX_DEBT);
                }
            }
            if takers.contains(&true) {
                scene.items[coin] = walkers::AWAY;
            }
        }
        (points, events)
    }

    fn habit(scene: &Scene, player: usize, kind: &str) -> Option<Stride> {
        let (from, own, other) = (scene.walkers[player], scene.items[player], scene.items[1 - player]);
        let any = scene.nearest(from, [own, other]);
        let target = match kind {
            "prosocial" => own,
            "reciprocal" if scene.debts[player] == 0 => own,
            "reciprocal" | "selfish" => any,
            _ => return None,
        };
        Some(scene.towards(from, target))
    }

    /// Near coins are better. A reciprocal opponent will have back what it was robbed of.
    fn hope(scene: &Scene, player: usize, kind: &str) -> i32 {
        let from = scene.walkers[player];
        let (own, other) = (scene.items[player], scene.items[1 - player]);
        let owed = if kind == "reciprocal" { i32::from(scene.debts[1 - player]) } else { 0 };
        let friendly = kind == "reciprocal" && scene.pays[0] > 0;
        let wanted = if friendly { [own, walkers::AWAY] } else { [own, other] };
        let near = scene.nearest(from, wanted);
        let way = if near == walkers::AWAY { scene.size } else { scene.distance(from, near) };
        -10 * i32::from(way) - 1000 * owed * i32::from(scene.pays[0])
    }

    fn letter(item: usize) -> char {
        if item == 0 { 'r' } else { 'b' }
    }

    fn draw(canvas: &mut Canvas, item: usize, x: f32, y: f32, tile: f32, colors: &Colors) {
        let color = colors.sides[item.min(1)];
        canvas.fill_circle(x, y, 0.27 * tile, colors.pale(item));
        canvas.ring(x, y, 0.27 * tile, 0.09 * tile, color);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arena as _, Status};
    use serde_json::json;

    fn lawn(rows: &str) -> CoinDilemma {
        CoinDilemma::from_text(rows, &Knobs::defaults(KNOBS))
    }

    #[test]
    fn coins_pay_and_harm() {
        let board = "- r -\n- R b\n- B -";
        let own = lawn(board).points(["up", "stay"]);
        assert_eq!(own, [1.0, 0.0]);
        assert_eq!(lawn(board).points(["right", "stay"]), [1.0, -2.0]);
        assert_eq!(lawn(board).points(["down", "up"]), [0.0, 0.0]);
        // Both on the blue coin at once: each takes it, and it is stolen from blue.
        assert_eq!(lawn("- r -\n- R b\n- - B").points(["right", "up"]), [1.0, -1.0]);
        let mut game = lawn(board);
        game.points(["right", "stay"]);
        assert_eq!(game.scene_mut().debts, [0, 1]);
        assert!(game.scene_mut().items[..2].iter().all(|item| *item < 9));
        assert_eq!(game.perception(0).data["social_welfare"], -1);
        assert_eq!(game.perception(0).data["events"]["red_takes_blue"], 1);
        assert!(game.perception(1).text.ends_with("you B -2 foe R +1"));
    }

    #[test]
    fn opponents_keep_to_their_habits() {
        let mut game = lawn("r - - - B\n- - - - -\n- - - - -\n- - - - -\nR - - - b");
        let word = |game: &CoinDilemma, kind: &str| {
            Coins::habit(game.clone().scene_mut(), 1, kind).map(|s| s.to_string())
        };
        for kind in ["prosocial", "reciprocal", "selfish"] {
            assert_eq!(word(&game, kind).as_deref(), Some("down"), "{kind}");
        }
        assert_eq!(word(&game, "random"), None);
        game.scene_mut().items[0] = 2;
        assert_eq!(word(&game, "selfish").as_deref(), Some("left"));
        assert_eq!(word(&game, "reciprocal").as_deref(), Some("down"));
        game.scene_mut().debts[1] = 1;
        assert_eq!(word(&game, "reciprocal").as_deref(), Some("left"));
    }

    #[test]
    fn the_oracle_takes_what_pays_in_the_long_run() {
        // The blue coin is beside red; its own is further away.
        let game = lawn("- - r\nR b -\n- - B");
        assert_eq!(game.oracle(0, "prosocial").to_string(), "right");
        assert_eq!(game.oracle(0, "reciprocal").to_string(), "up");
        let reason = game.reason(0, "prosocial", &game.oracle(0, "prosocial"));
        assert!(reason.starts_with("R 1 0 B 2 2 r 0 2 b 1 1 up "), "{reason}");
    }

    #[test]
    fn the_game_lasts_its_turns_and_snapshots_are_checked() {
        let mut game = lawn("R - r\n- - b\n- - B");
        for _ in 0..11 {
            assert_eq!(game.pass(0).score, -1.0);
        }
        assert_eq!(game.status(0), Status::Running);
        game.points(["stay", "stay"]);
        assert!(game.acting().is_empty() && game.pass(0).score == 0.0);
        let game = lawn("R - r\n- - b\n- - B");
        assert!(!game.refuses("/scene/walkers", json!([3, 4])));
        assert!(game.refuses("/scene/walkers", json!([9, 4])));
        assert!(game.refuses("/scene/items", json!([255, 1, 255, 255, 255])));
        assert!(game.refuses("/scene/size", json!(0)));
        assert!(game.refuses("/scene/count", json!(6)));
        assert!(game.refuses("/tile_px", json!(100_000)));
    }
}
