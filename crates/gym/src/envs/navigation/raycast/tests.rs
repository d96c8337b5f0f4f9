use super::*;

const PAINTS: [Rgb; 2] = [[200, 40, 40], [40, 40, 200]];

/// Three cells in a row, a blue wall at the right end, red ones elsewhere.
fn corridor(boxes: &[Cuboid]) -> Scene<'_> {
    Scene {
        cols: 3,
        rows: 1,
        above: &[1; 6],
        left: &[1, 0, 0, 2],
        paints: &PAINTS,
        pattern: Pattern::Plain,
        boxes,
        floor: [[120; 3], [140; 3]],
        ceiling: [200, 210, 230],
        lighting: Lighting::Bright,
    }
}

const EAST: Camera = Camera { x: 0.5, y: 0.5, ahead: (1.0, 0.0), spread: 1.0 };

#[test]
fn rays_meet_the_walls_where_they_are() {
    let scene = corridor(&[]);
    let ahead = scene.cast(&EAST, (1.0, 0.0));
    assert_eq!(ahead, Hit { distance: 2.5, along: 0.5, wall: 2, upright: true });
    let aside = scene.cast(&EAST, (1.0, 1.0));
    assert_eq!((aside.distance, aside.wall, aside.upright), (0.5, 1, false));
    let back = scene.cast(&EAST, (-1.0, 0.25));
    assert_eq!((back.distance, back.along, back.wall), (0.5, 0.625, 1));
    // Diagonally down the corridor: the side wall is 0.5 away after 2 units ahead.
    assert_eq!(scene.cast(&EAST, (1.0, 0.25)).distance, 2.0);
}

#[test]
fn pictures_show_ceiling_wall_and_floor() {
    let image = corridor(&[]).draw(&EAST, 64, 64);
    let at = |x: usize, y: usize| [0, 1, 2].map(|i| u32::from(image.pixels()[(y * 64 + x) * 3 + i]));
    // The far wall is 2.5 away: 64 / 2 / 2.5 = 12.8 pixels high around row 32.
    let [red, _, blue] = at(32, 32);
    assert!(blue > 2 * red, "{:?}", at(32, 32));
    assert!(at(32, 27)[2] > 2 * at(32, 27)[0] && at(32, 24)[2] < 2 * at(32, 24)[0]);
    assert!(at(2, 32)[0] > 2 * at(2, 32)[2], "the left wall is red");
    assert!(at(32, 0)[2] > at(32, 0)[0] && at(32, 63)[2] == at(32, 63)[0], "blue above, gray below");
    assert_eq!(image, corridor(&[]).draw(&EAST, 64, 64));
}

#[test]
fn boxes_hide_what_is_behind_and_are_hidden_by_walls() {
    let near = Cuboid { x: 1.5, y: 0.5, half: 0.2, height: 0.8, color: [0, 255, 0] };
    let behind = Cuboid { x: 2.5, y: 0.5, half: 0.15, height: 0.8, color: [255, 255, 0] };
    let beyond = Cuboid { x: 3.5, y: 0.5, ..near };
    let boxes = [near, behind, beyond];
    let scene = corridor(&boxes);
    assert_eq!(scene.columns_of_boxes(&EAST, 4), [Some(2), None, None]);
    let image = scene.draw(&EAST, 64, 64);
    let middle = &image.pixels()[(36 * 64 + 32) * 3..][..3];
    assert!(middle[1] > 150 && middle[0] < 20, "{middle:?}");
    let aside = Camera { y: 0.2, ..EAST };
    let seen = scene.columns_of_boxes(&aside, 4);
    assert!(seen[0].is_some() && seen[1].is_some(), "{seen:?}");
    let inside = Camera { x: 1.5, ..EAST };
    assert_eq!(scene.columns_of_boxes(&inside, 4)[0], None);
    scene.draw(&inside, 64, 64);
}

#[test]
fn textures_differ_and_lights_fade() {
    let all = [Pattern::Plain, Pattern::Brick, Pattern::Planks, Pattern::Stone];
    for (i, a) in all.iter().enumerate() {
        assert!(all[i + 1..].iter().all(|b| a.texture() != b.texture()), "{a:?}");
    }
    assert!(Lighting::Bright.at(1.0) > Lighting::Dim.at(1.0));
    assert!(Lighting::Dark.at(5.0) * 3 < Lighting::Dim.at(5.0) * 2);
}
