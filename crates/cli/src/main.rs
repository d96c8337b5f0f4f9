//! `eyas`: train vision-language models to see, reason and act.
#![forbid(unsafe_code)]

mod commands;
mod hint;
mod progress;

use std::process::ExitCode;

use clap::Parser;

// Training makes and drops large buffers at every step; this allocator keeps their pages, once it is told to.
#[global_allocator]
static ALLOCATOR: eyas_model::Allocator = eyas_model::Allocator;

fn main() -> ExitCode {
    eyas_model::keep_pages();
    eyas_core::catch_quietly();
    let cli = commands::Cli::parse();
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if hint::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(stopped) = error.downcast_ref::<commands::Stopped>() {
                eprintln!("{stopped}");
                if let Some(run) = &stopped.resume {
                    eprintln!("hint: go on with `eyas train --resume {}`", run.display());
                }
                return ExitCode::from(128 + stopped.signal);
            }
            eprintln!("{}", hint::render(&error));
            ExitCode::FAILURE
        }
    }
}
