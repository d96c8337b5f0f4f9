//! Draws one environment (or all of them) at three difficulties, four states each, to be looked at.
//!
//! `cargo run --release -p eyas-gym --example contact_sheet -- frozen-lake sheet.png`

use std::collections::BTreeMap;
use std::error::Error;

use eyas_core::{Image, Seed};
use eyas_gym::draw::{Canvas, WHITE};
use eyas_gym::{Difficulty, EnvEntry, Preset, Status, find, registry};

const STATES: u64 = 4;
const GAP: u32 = 8;

fn row(entry: &EnvEntry, preset: Preset) -> Result<Vec<Image>, Box<dyn Error>> {
    let knobs = entry.knobs_at(&Difficulty::All(preset.difficulty()), &BTreeMap::new())?;
    let mut row = Vec::new();
    for index in 0..STATES {
        let mut game = entry.reset(Seed::new(index), &knobs)?;
        for _ in 0..index {
            if game.status() == Status::Running {
                let action = game.oracle();
                game.step(&action)?;
            }
        }
        println!("{} {} {index}: {}\n{}", entry.spec.id, preset.name(), game.rules(), game.perception().text);
        if game.status() == Status::Running {
            let action = game.oracle();
            println!("{} -> {action}", game.reason(&action)?);
        }
        row.push(game.render());
    }
    Ok(row)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [env, path] = arguments.as_slice() else {
        return Err("usage: contact_sheet ENV|all SHEET.png".into());
    };
    let entries = if env == "all" { registry() } else { vec![find(env)?] };
    let mut images = Vec::new();
    for entry in &entries {
        for preset in Preset::ALL {
            images.extend(row(entry, preset)?);
        }
    }
    let sheet = Canvas::sheet(&images, STATES as usize, GAP, WHITE);
    let pixels = image::RgbImage::from_raw(sheet.width(), sheet.height(), sheet.pixels().to_vec());
    pixels.ok_or("an incomplete picture")?.save(path)?;
    Ok(())
}
