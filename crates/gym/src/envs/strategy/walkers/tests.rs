use super::*;

#[test]
fn strides_stay_on_the_board_and_lead_to_the_target() {
    let scene =
        Scene { size: 3, count: 0, walkers: [0, 8], items: [AWAY; MAX_ITEMS], debts: [0; 2], pays: [0; 3] };
    let ends = |place| Stride::ALL.map(|stride| scene.after(place, stride));
    assert_eq!(ends(0), [0, 1, 3, 0, 0]);
    assert_eq!(ends(5), [2, 5, 8, 4, 5]);
    assert_eq!(ends(AWAY), [AWAY; 5]);
    for from in 0..9 {
        for to in 0..9 {
            let next = scene.after(from, scene.towards(from, to));
            assert_eq!(scene.distance(next, to), scene.distance(from, to).saturating_sub(1));
        }
    }
    assert_eq!((scene.nearest(4, [AWAY, 0, 1, 5]), scene.nearest(4, [AWAY])), (1, AWAY));
}

#[test]
fn answers_are_the_five_words() {
    assert_eq!(Stride::parse(" UP\n"), Ok(Stride::Go(Direction::Up)));
    assert_eq!(Stride::parse("stay"), Ok(Stride::Stay));
    for text in ["", "north", "up up", "up,", "<UP>"] {
        assert!(Stride::parse(text).is_err(), "{text}");
    }
}
