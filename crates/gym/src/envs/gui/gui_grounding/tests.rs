use super::*;
use crate::KnobValue;

fn reset(seed: u64, given: &[(&str, KnobValue)]) -> Result<GuiGrounding, KnobError> {
    let given = given.iter().map(|(name, v)| (name.to_string(), v.clone())).collect();
    GuiGrounding::reset(Seed::new(seed), &Knobs::resolve(SPEC.id, KNOBS, &given)?)
}

fn word(text: &str) -> KnobValue {
    KnobValue::Choice(text.into())
}

fn widget(kind: Kind, word: Icon, x: u32, y: u32, w: u32) -> Widget {
    Widget { kind, word, area: Area { x, y, w, h: 24 }, row: y / 28 }
}

fn scene(target: usize, phrase: Phrase) -> GuiGrounding {
    let widgets = vec![
        widget(Kind::Icon, Icon::Save, 2, 2, 24),
        widget(Kind::Button, Icon::Save, 58, 2, 52),
        widget(Kind::Field, Icon::Mail, 30, 86, 80),
    ];
    let style = Style::new(&Knobs::defaults(KNOBS));
    let task = Task { style, icon_px: 20, widgets, target, phrase, points: Seed::new(1) };
    GuiGrounding { task: Arc::new(task), outcome: None }
}

#[test]
fn a_click_in_the_box_is_the_reward() {
    let game = scene(1, Phrase::Literal);
    assert_eq!(game.task.instruction(), "Click the Save button.");
    let play = |text: &str| game.clone().step(&game.parse(text).unwrap()).reward;
    assert_eq!((play("click(58,2)"), play("click(109,25)"), play("click( 84, 14)")), (1.0, 1.0, 1.0));
    assert_eq!((play("click(57,2)"), play("click(110,2)"), play("click(58,26)")), (0.0, 0.0, 0.0));
    assert_eq!(game.oracle().to_string(), "click(84,14)");
    assert_eq!(game.reason(&game.oracle()), "Save Button 0 3 box 58 2 110 26 middle 84 14");
    let mut over = game.clone();
    over.step(&game.oracle());
    assert_eq!(over.step(&game.oracle()).reward, 0.0);
}

#[test]
fn instructions_name_one_widget() {
    let game = scene(0, Phrase::Functional);
    assert_eq!(game.task.instruction(), "You want to store the file. Click the icon for it.");
    assert_eq!(scene(2, Phrase::Literal).task.instruction(), "Click Mail.");
    let game = scene(1, Phrase::Beside(0, true));
    let text = "Click the widget next to the right of the Save icon, in the same row.";
    assert_eq!(game.task.instruction(), text);
    assert!(game.reason(&game.oracle()).starts_with("Save Icon 0 0 right of it Save Button 0 3 box"));
    assert_eq!(game.perception().text, "Save Icon 0 0\nSave Button 0 3\nMail Field 3 2");
    let named = by_neighbour(&game.task.widgets);
    assert_eq!(named, [(1, Phrase::Beside(0, true)), (0, Phrase::Beside(1, false))]);
}

#[test]
fn widgets_do_not_overlap_and_names_are_unique() {
    for seed in 0..120 {
        let given = [
            ("widgets", KnobValue::Int(if seed % 2 == 0 { 9 } else { 60 })),
            ("screen", word(screen::SIZES[(seed % 5) as usize])),
            ("scale", KnobValue::Int([100, 60, 150][(seed % 3) as usize])),
            ("distractors", KnobValue::Int(2)),
        ];
        let game = reset(seed, &given).unwrap();
        let widgets = &game.task.widgets;
        assert!(!is_unique(widgets, game.task.target), "seed {seed}");
        for (i, a) in widgets.iter().enumerate() {
            assert!(a.area.is_on(game.task.style.size));
            for b in &widgets[..i] {
                assert!((a.kind, a.word) != (b.kind, b.word));
                let ([l, t, r, u], [x, y, z, v]) = (a.area.corners(), b.area.corners());
                assert!(r <= x || z <= l || u <= y || v <= t, "seed {seed}: {a:?} {b:?}");
            }
        }
    }
}

#[test]
fn a_neighbour_is_the_next_one_in_its_row() {
    for seed in 0..60 {
        let game = reset(seed, &[("instruction", word("relation")), ("widgets", KnobValue::Int(9))]).unwrap();
        let Phrase::Beside(index, left) = game.task.phrase else { panic!("no relation") };
        let (named, target) = (game.task.widgets[index], game.task.target());
        assert_eq!((named.row, named.area.x < target.area.x), (target.row, left));
        let between = |w: &&Widget| {
            let (low, high) = (named.area.x.min(target.area.x), named.area.x.max(target.area.x));
            w.row == named.row && w.area.x > low && w.area.x < high
        };
        assert_eq!(game.task.widgets.iter().filter(between).count(), 0);
    }
}

#[test]
fn broken_snapshots_are_refused() {
    let broken = |change: &dyn Fn(&mut Task)| {
        let mut task = (*scene(1, Phrase::Literal).task).clone();
        change(&mut task);
        let state = GuiGrounding { task: Arc::new(task), outcome: None };
        serde_json::from_value::<GuiGrounding>(serde_json::to_value(state).unwrap()).is_err()
    };
    assert!(!broken(&|_| {}));
    assert!(broken(&|task| task.target = 3));
    assert!(broken(&|task| task.phrase = Phrase::Beside(usize::MAX, true)));
    assert!(broken(&|task| task.widgets[0].area.x = 160));
    assert!(broken(&|task| task.widgets.clear()));
    assert!(broken(&|task| task.style.size = (1_000_000, 1_000_000)));
}
