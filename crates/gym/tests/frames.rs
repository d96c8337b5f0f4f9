//! The pictures, byte for byte: a change in drawing must be a decision.
#![allow(clippy::unwrap_used)]

mod common;

use common::{envs, settings, start};
use eyas_gym::{Axis, EnvEntry};

/// Size and content hash of the first picture, and of the one after a move, under the default knobs
/// and with each perception knob turned.
fn frames(entry: &EnvEntry) -> String {
    let all = settings(entry);
    let mut lines = Vec::new();
    for knobs in &all {
        let differs = |name: &str| knobs.values()[name] != all[0].values()[name];
        let turned: Vec<_> = entry.spec.knobs.iter().filter(|k| differs(k.name)).collect();
        if turned.iter().any(|k| k.axis != Axis::Perception) {
            continue;
        }
        let title = turned.first().map(|k| format!("{} = {}", k.name, knobs.values()[k.name]));
        lines.push(title.unwrap_or("defaults".into()));
        for index in 0..3 {
            let mut game = start(entry, knobs, index);
            let first = game.render();
            game.step(&game.legal_actions()[0]).unwrap();
            let (width, height, next) = (first.width(), first.height(), game.render());
            lines.push(format!("  {index}: {width}x{height} {} {}", first.id(), next.id()));
        }
    }
    lines.join("\n")
}

#[test]
fn pictures_are_the_same_bytes_as_ever() {
    for entry in envs() {
        insta::assert_snapshot!(entry.spec.id, frames(&entry));
    }
}
