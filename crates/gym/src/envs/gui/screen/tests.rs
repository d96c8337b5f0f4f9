use super::*;
use crate::draw::BLACK;

#[test]
fn icons_stay_in_their_box_and_differ() {
    let draw = |icon: Icon, side: u32, size: f32| {
        let mut canvas = Canvas::new(side, side, WHITE);
        let middle = side as f32 / 2.0;
        icon.draw(&mut canvas, middle, middle, size, BLACK, WHITE);
        canvas.into_image()
    };
    for (i, a) in Icon::ALL.into_iter().enumerate() {
        let image = draw(a, 40, 28.0);
        let dark = image.pixels().chunks_exact(3).enumerate().filter(|(_, p)| p[0] < 128);
        let spots: Vec<(usize, usize)> = dark.map(|(i, _)| (i % 40, i / 40)).collect();
        assert!(spots.len() > 100, "{a:?} has {} dark pixels", spots.len());
        assert!(spots.iter().all(|(x, y)| (5..35).contains(x) && (5..35).contains(y)), "{a:?}");
        for b in &Icon::ALL[i + 1..] {
            let (small, other) = (draw(a, 16, 14.0), draw(*b, 16, 14.0));
            let apart = small.pixels().iter().zip(other.pixels());
            let apart = apart.filter(|(x, y)| x.abs_diff(**y) > 60).count() / 3;
            assert!(apart > 15, "{a:?} and {b:?} differ in {apart} pixels");
        }
    }
    let mut words: Vec<_> = Icon::ALL.iter().flat_map(|i| [i.name(), i.purpose()]).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), 60);
}

#[test]
fn clicks_are_read_and_checked() {
    let parse = |text: &str| Click::parse(text, (100, 50), "click(x,y)");
    assert_eq!(parse(" click(7, 49)\n").map(|c| c.to_string()), Ok("click(7,49)".into()));
    for text in ["click(100,1)", "click(1,50)", "click(-1,3)", "click(999999,3)"] {
        assert!(matches!(parse(text), Err(ParseError::Range { .. })), "{text}");
    }
    for text in
        ["click(1)", "click(1,2,3)", "click(1.5,2)", "click(,)", "Click(1,2)", "click(1,2", "click(１,2)"]
    {
        assert!(matches!(parse(text), Err(ParseError::Grammar { .. })), "{text}");
    }
    assert!(matches!(parse("click(+1,2)"), Err(ParseError::Grammar { .. })));
    assert!(matches!(parse("click(9999999,2)"), Err(ParseError::Grammar { .. })));
}

#[test]
fn areas_own_their_pixels() {
    let area = Area { x: 10, y: 20, w: 5, h: 4 };
    let inside = |x, y| area.contains(Click { x, y });
    assert!(inside(10, 20) && inside(14, 23) && !inside(15, 20) && !inside(9, 20) && !inside(10, 24));
    assert!(area.is_on((15, 24)) && !area.is_on((14, 24)));
    assert!(!Area { w: 0, ..area }.is_on((90, 90)) && !Area { x: u32::MAX, ..area }.is_on((90, 90)));
}
