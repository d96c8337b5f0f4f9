use super::*;

const STAR: Kind = Kind { tint: Tint::Red, shape: Shape::Star };

fn item(shape: Shape, side: u32) -> Item {
    Item { kind: Kind { tint: Tint::Red, shape }, x: 10, y: 20, side }
}

/// The textbook test of a point in a polygon, in numbers that are exact.
fn inside(item: &Item, x: u32, y: u32) -> bool {
    let side = f64::from(item.side);
    let (px, py) = (f64::from(x - item.x) + 0.5, f64::from(y - item.y) + 0.5);
    if item.kind.shape == Shape::Circle {
        return (px - side / 2.0).powi(2) + (py - side / 2.0).powi(2) <= side * side / 4.0;
    }
    let corners: Vec<(f64, f64)> = outline(item.kind.shape)
        .iter()
        .map(|(x, y)| (*x as f64 * side / 1000.0, *y as f64 * side / 1000.0))
        .collect();
    let edges = corners.iter().zip(corners.iter().cycle().skip(1));
    let crossed = edges.filter(|((x0, y0), (x1, y1))| {
        (*y0 > py) != (*y1 > py) && px > (x1 - x0) * (py - y0) / (y1 - y0) + x0
    });
    crossed.count() % 2 == 1
}

#[test]
fn spans_are_the_pixels_of_the_shape() {
    for shape in Shape::ALL {
        for side in [7, 20, 33] {
            let item = item(shape, side);
            let mut differ = 0;
            for y in 20..20 + side {
                for x in 10..10 + side {
                    differ += u32::from(item.covers(x, y) != inside(&item, x, y));
                }
            }
            // A pixel centre that lies exactly on an edge may go either way.
            assert!(differ <= side, "{shape:?} {side}: {differ}");
            assert!(!item.covers(9, 25) && !item.covers(15, 19) && !item.covers(500, 500));
        }
    }
}

#[test]
fn a_shape_fills_exactly_its_box_and_its_pixels() {
    for shape in Shape::ALL {
        let one = item(shape, 40);
        let image = Scene::of(&[one]).canvas().into_image();
        let drawn: Vec<(u32, u32)> = image
            .pixels()
            .chunks_exact(3)
            .zip(0..)
            .filter(|(p, _)| *p != LIGHT)
            .map(|(_, i)| (i % 112, i / 112))
            .collect();
        let range = |v: Vec<u32>| (v.iter().copied().min(), v.iter().copied().max());
        assert_eq!(range(drawn.iter().map(|p| p.0).collect()), (Some(10), Some(49)), "{shape:?}");
        assert_eq!(range(drawn.iter().map(|p| p.1).collect()), (Some(20), Some(59)), "{shape:?}");
        let covered = (0..112 * 112).filter(|i| one.covers(i % 112, i / 112)).count();
        let excess = drawn.len().abs_diff(covered);
        assert!(excess < 120, "{shape:?}: {} drawn, {covered} covered", drawn.len());
    }
}

#[test]
fn layouts_keep_objects_visible() {
    for (index, overlap) in [0.0, 0.3, 0.6].into_iter().cycle().take(30).enumerate() {
        let layout = Layout { side: 112, theme: Theme::Light, size: 32, overlap, clutter: 0 };
        let scene = Scene::draw_lots(Seed::new(index as u64), &[STAR; 9], layout).unwrap();
        let mut seen = [0; 9];
        for i in 0..112 * 112 {
            if let Some(front) = scene.at(i % 112, i / 112) {
                seen[front] += 1;
            }
        }
        for (item, seen) in scene.items().iter().zip(seen) {
            let all = (0..112 * 112).filter(|i| item.covers(i % 112, i / 112)).count();
            assert!(f64::from(seen) >= (1.0 - overlap) * all as f64 - 0.5, "{seen} of {all}");
        }
    }
    let full = Layout { side: 84, theme: Theme::Dark, size: 56, overlap: 0.0, clutter: 3 };
    for seed in 0..20 {
        assert_eq!(Scene::draw_lots(Seed::new(seed), &[STAR; 40], full).unwrap().items().len(), 40);
    }
}

#[test]
fn broken_scenes_are_refused() {
    let read = |scene: &Scene| serde_json::from_value::<Scene>(serde_json::to_value(scene).unwrap()).is_ok();
    let fine = Scene::of(&[item(Shape::Star, 40)]);
    assert!(read(&fine));
    let with = |item: Item| Scene { items: vec![item], ..fine.clone() };
    assert!(!read(&with(Item { x: 73, ..fine.items[0] })));
    assert!(!read(&with(Item { y: u32::MAX, ..fine.items[0] })));
    assert!(!read(&with(Item { side: 0, ..fine.items[0] })));
    assert!(!read(&Scene { side: 4000, ..fine.clone() }));
    assert!(!read(&Scene { items: vec![fine.items[0]; 65], ..fine.clone() }));
    assert!(!read(&Scene { clutter: 100_000, ..fine }));
}

#[test]
fn kinds_are_drawn_from_colours_and_shapes() {
    let mut rng = Seed::new(1).rng();
    for (colors, shapes) in [(2, 2), (6, 6), (8, 3)] {
        let kinds = Kind::some(&mut rng, colors, shapes);
        let distinct: std::collections::BTreeSet<Kind> = kinds.iter().copied().collect();
        assert_eq!(distinct.len(), colors * shapes);
    }
    assert_eq!((STAR.name(), STAR.words()), ("RedStar".into(), "red star".into()));
    assert_eq!(shape_plural(Shape::Cross), "crosses");
}
