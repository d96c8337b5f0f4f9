//! Stag hunt: apples for one, or a monster that only both together can beat (VS-Bench's Monster hunt).
//!
//! Board, moves and payoffs are those of VS-Bench (apple 2, monster together 5 each, alone -2 and off to
//! another cell). Ours: the monster breaks ties by rule and not by chance, the habits of the opponents.

use super::walkers::{
    self, AWAY, COORDINATES, Colors, EVENTS, GRAMMAR, GRID, MAX_ITEMS, Rules, Scene, Stride, Walk,
};
use crate::draw::Canvas;
use crate::{Axis, EnvGroup, EnvSpec, KnobError, KnobSpec, Knobs, SEAT};

const SPEC: EnvSpec = EnvSpec {
    id: "stag-hunt",
    group: EnvGroup::Strategy,
    title: "Stag hunt",
    summary: "Two players, apples and a monster: eat alone, or stand together and beat the monster.",
    knobs: KNOBS,
    grammar: GRAMMAR,
    invalid_reward: -1.0,
    oracle: "best reply to the opponent's habit, 6 turns ahead; what appears anew is not foreseen",
    score: "own return; an invalid answer costs a point (joint catches: see the perception data)",
    pixel_answers: false,
    players: 2,
    source: "VS-Bench (Monster hunt); Peysakhovich and Lerer 2018",
};

const KNOBS: &[KnobSpec] = &[
    walkers::SIZE,
    KnobSpec::int("apples", Axis::Reasoning, 1, 4, 2, "apples on the board"),
    KnobSpec::int("prize", Axis::Reasoning, 3, 10, 5, "points for each when both beat the monster"),
    KnobSpec::int("wound", Axis::Reasoning, 0, 5, 2, "points that a player loses whom the monster meets alone"),
    walkers::TURNS,
    KnobSpec::choice(
        "opponent",
        Axis::Reasoning,
        &["cooperative", "selfish", "random"],
        "cooperative",
        "cooperative: joins you and waits for the monster; selfish: eats apples and keeps clear of the monster",
    )
    .dialled(0.0, 1.0),
    SEAT,
    walkers::TILE,
    walkers::THEME,
    GRID,
    COORDINATES,
];

/// The game of the stag hunt.
pub(crate) type StagHunt = Walk<Hunt>;

/// The rules of the stag hunt: thing 0 is the monster, the others are apples.
#[derive(Clone, Debug)]
pub(crate) struct Hunt;

const APPLE: i32 = 2;

/// The monster goes to the player who is closest, red when both are, along the longer way. (In
/// VS-Bench chance decides such ties; here only what appears anew is left to chance.)
fn prowl(scene: &mut Scene) {
    let monster = scene.items[0];
    if monster != AWAY {
        let prey = scene.nearest(monster, scene.walkers);
        scene.items[0] = scene.after(monster, scene.towards(monster, prey));
    }
}

impl Rules for Hunt {
    const DEPTH: usize = 6;
    const EVENTS: [&'static str; EVENTS] = ["red_apples", "blue_apples", "joint_catches", "wounds"];

    fn spec() -> &'static EnvSpec {
        &SPEC
    }

    fn setup(knobs: &Knobs) -> Result<(u8, [i8; 3]), KnobError> {
        let apples = knobs.size("apples").min(MAX_ITEMS - 1) as u8;
        Ok((1 + apples, [knobs.int("prize") as i8, knobs.int("wound") as i8, 0]))
    }

    fn rules(scene: &Scene, player: usize) -> String {
        format!(
            "You are {}, with the white eye. An apple pays {APPLE}. The monster follows the nearest player: meeting it alone costs {}, in one cell with the other player it pays each {}.",
            if player == 0 { "red" } else { "blue" },
            scene.pays[1],
            scene.pays[0]
        )
    }

    fn advance(scene: &mut Scene, strides: [Stride; 2]) -> ([i32; 2], [u8; EVENTS]) {
        scene.walk(strides);
        prowl(scene);
        let (mut points, mut events) = ([0; 2], [0; EVENTS]);
        let (monster, walkers) = (scene.items[0], scene.walkers);
        for apple in scene.items[1..].iter_mut().filter(|apple| **apple != AWAY) {
            for player in (0..2).filter(|p| walkers[*p] == *apple) {
                points[player] += APPLE;
                events[player] += 1;
            }
            if walkers.contains(apple) || monster == *apple {
                *apple = AWAY;
            }
        }
        let met = walkers.map(|walker| walker == monster && monster != AWAY);
        if met == [true, true] {
            points = points.map(|p| p + i32::from(scene.pays[0]));
            events[2] = 1;
            scene.items[0] = AWAY;
        } else if let Some(player) = met.iter().position(|m| *m) {
            points[player] -= i32::from(scene.pays[1]);
            events[3] = 1;
            scene.walkers[player] = AWAY;
        }
        (points, events)
    }

    fn habit(scene: &Scene, player: usize, kind: &str) -> Option<Stride> {
        let from = scene.walkers[player];
        match kind {
            "cooperative" => Some(scene.towards(from, scene.walkers[1 - player])),
            "selfish" => {
                let cost = |stride: &Stride| {
                    let to = scene.after(from, *stride);
                    let apple = scene.nearest(to, scene.items[1..].iter().copied());
                    (scene.distance(to, scene.items[0]) <= 1, scene.distance(to, apple))
                };
                Stride::ALL.into_iter().min_by_key(cost)
            }
            _ => None,
        }
    }

    /// Beside a cooperative partner it is good to be together, else near an apple.
    fn hope(scene: &Scene, player: usize, kind: &str) -> i32 {
        let (from, other) = (scene.walkers[player], scene.walkers[1 - player]);
        let apple = scene.nearest(from, scene.items[1..].iter().copied());
        let target = if kind == "cooperative" { other } else { apple };
        let way = scene.distance(from, target);
        -10 * i32::from(if way == AWAY { 2 * scene.size } else { way })
    }

    fn letter(item: usize) -> char {
        if item == 0 { 'M' } else { 'a' }
    }

    fn draw(canvas: &mut Canvas, item: usize, x: f32, y: f32, tile: f32, colors: &Colors) {
        let at = |dx: f32, dy: f32| (x + dx * tile, y + dy * tile);
        if item == 0 {
            let body = [(-0.36, -0.4), (-0.14, -0.2), (0.14, -0.2), (0.36, -0.4), (0.34, 0.3), (-0.34, 0.3)];
            canvas.fill_polygon(&body.map(|(dx, dy)| at(dx, dy)), colors.dark);
            for side in [-0.15, 0.15] {
                let (ex, ey) = at(side, -0.02);
                canvas.fill_circle(ex, ey, 0.08 * tile, colors.eye);
            }
        } else {
            let (cx, cy) = at(0.0, 0.05);
            canvas.fill_circle(cx, cy, 0.25 * tile, colors.fruit);
            canvas.line(at(0.0, -0.12), at(0.1, -0.34), 0.08 * tile, colors.dark);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arena as _, Status};
    use serde_json::json;

    fn field(rows: &str) -> StagHunt {
        StagHunt::from_text(rows, &Knobs::defaults(KNOBS))
    }

    #[test]
    fn apples_wounds_and_joint_catches_pay() {
        let mut game = field("R a - -\n- - - -\n- - a -\nB - - M");
        assert_eq!(game.points(["right", "stay"]), [2.0, 0.0]);
        // The monster went left, towards blue, and meets it alone.
        assert_eq!(field("R - - -\na a - -\n- - - -\nB M - -").points(["stay", "stay"]), [0.0, -2.0]);
        assert_eq!(field("R - - -\na a - -\nB M - -\n- - - -").points(["down", "up"]), [2.0, 2.0]);
        let mut joint = field("- - - a\nRB - - a\n- M - -\n- - - -");
        assert_eq!(joint.points(["stay", "stay"]), [0.0, 0.0]);
        assert_eq!(joint.points(["stay", "stay"]), [5.0, 5.0]);
        assert_eq!(joint.perception(0).data["events"]["joint_catches"], 1);
        assert_eq!(joint.perception(0).data["social_welfare"], 10);
        // Whoever was met alone goes on from another cell.
        let mut wounded = field("R - - -\na a - -\n- - - -\nB M - -");
        wounded.points(["stay", "stay"]);
        let scene = wounded.scene_mut();
        assert!(scene.walkers[1] < 16 && scene.walkers[1] != 12 && scene.items[0] == 12);
    }

    #[test]
    fn the_monster_prowls_by_rule() {
        let mut game = field("R - - a\n- - - -\n- - M -\na - - B");
        let scene = game.scene_mut();
        prowl(scene);
        assert_eq!(scene.items[0], 14, "blue is closest, along the column first");
        let mut tie = field("R - B\n- - a\na M -");
        prowl(tie.scene_mut());
        assert_eq!(tie.scene_mut().items[0], 4);
    }

    #[test]
    fn the_oracle_waits_for_a_partner_and_flees_without_one() {
        // Together they beat it within three turns: it is three steps away and comes nearer by itself.
        let mut game = field("- - - -\n- RB - -\n- - - M\na - - a");
        assert_eq!(Hunt::habit(game.scene_mut(), 1, "cooperative"), Some(Stride::Stay));
        let mut won = 0.0;
        for _ in 0..3 {
            let strides =
                [game.oracle(0, "cooperative"), Hunt::habit(game.scene_mut(), 1, "cooperative").unwrap()];
            won += game.step(&[(0, strides[0]), (1, strides[1])])[0].score;
        }
        assert!(won >= 5.0, "{won}");
        // Alone beside the monster only fleeing helps.
        let alone = field("- - - B\n- - - -\nM - R -\na - - a");
        let away = alone.oracle(0, "selfish").to_string();
        assert!(["right", "up", "down"].contains(&away.as_str()), "{away}");
    }

    #[test]
    fn selfish_players_keep_clear_of_the_monster() {
        let mut game = field("B - - -\n- - - -\nM a - -\na - - R");
        let stride = Hunt::habit(game.scene_mut(), 1, "selfish");
        assert!(stride != Some(Stride::ALL[2]), "down is beside the monster");
        assert!(game.refuses("/scene/items", json!([16, 0, 1, 255, 255])));
        assert!(game.refuses("/scene/debts", json!([0, 200])));
        for _ in 0..12 {
            game.pass(1);
        }
        assert_ne!(game.status(1), Status::Running);
    }
}
