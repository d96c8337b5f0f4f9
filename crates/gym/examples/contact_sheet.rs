//! Writes a picture with four states of every environment, to be looked at.
//!
//! `cargo run -p eyas-gym --example contact_sheet -- sheet.png [knob=value ...]`: knobs are given to the
//! environments that have them.

use std::collections::BTreeMap;
use std::error::Error;

use eyas_core::Seed;
use eyas_gym::{KnobValue, Status, registry};

const STATES: u64 = 4;
const GAP: u32 = 8;
const ZOOM: u32 = 2;

fn value(text: &str) -> KnobValue {
    if let Ok(v) = text.parse() {
        return KnobValue::Bool(v);
    }
    if let Ok(v) = text.parse() {
        return KnobValue::Int(v);
    }
    text.parse().map_or_else(|_| KnobValue::Choice(text.into()), KnobValue::Float)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: contact_sheet <sheet.png> [knob=value ...]")?;
    let given: BTreeMap<String, KnobValue> = arguments
        .filter_map(|a| a.split_once('=').map(|(name, text)| (name.to_string(), value(text))))
        .collect();

    let mut rows = Vec::new();
    for entry in registry() {
        let own = given.iter().filter(|(name, _)| entry.spec.knobs.iter().any(|k| k.name == *name));
        let knobs = entry.knobs(&own.map(|(name, value)| (name.clone(), value.clone())).collect())?;
        let mut row = Vec::new();
        for index in 0..STATES {
            let mut game = entry.reset(Seed::new(index), &knobs)?;
            for _ in 0..index {
                if game.status() == Status::Running {
                    let action = game.oracle();
                    game.step(&action)?;
                }
            }
            println!("{} {index}: {}\n{}", entry.spec.id, game.rules(), game.perception().text);
            if game.status() == Status::Running {
                let action = game.oracle();
                println!("{} -> {action}", game.reason(&action)?);
            }
            row.push(game.render());
        }
        rows.push(row);
    }

    let width = rows.iter().map(|row| row.iter().map(|i| i.width() + GAP).sum::<u32>()).max().unwrap_or(0);
    let height: u32 = rows.iter().map(|row| row.iter().map(|i| i.height()).max().unwrap_or(0) + GAP).sum();
    let mut sheet =
        image::RgbImage::from_pixel((width + GAP) * ZOOM, (height + GAP) * ZOOM, image::Rgb([255; 3]));
    let mut top = GAP;
    for row in &rows {
        let mut left = GAP;
        for picture in row {
            for (index, pixel) in picture.pixels().chunks_exact(3).enumerate() {
                let (x, y) = (index as u32 % picture.width(), index as u32 / picture.width());
                for (dx, dy) in (0..ZOOM * ZOOM).map(|i| (i % ZOOM, i / ZOOM)) {
                    let color = image::Rgb([pixel[0], pixel[1], pixel[2]]);
                    sheet.put_pixel((left + x) * ZOOM + dx, (top + y) * ZOOM + dy, color);
                }
            }
            left += picture.width() + GAP;
        }
        top += row.iter().map(|i| i.height()).max().unwrap_or(0) + GAP;
    }
    sheet.save(path)?;
    Ok(())
}
