use clap::Parser;
use serde_json::Value;

use super::*;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    play: PlayArgs,
}

fn args(line: &str) -> PlayArgs {
    Command::try_parse_from(std::iter::once("play").chain(line.split_whitespace())).unwrap().play
}

/// Plays with `typed` as a person's input; gives the output.
fn play(line: &str, typed: &str, model: Option<&mut ModelPolicy<'_>>) -> anyhow::Result<String> {
    let mut input = typed.as_bytes();
    let mut out = Vec::new();
    run(&args(line), &mut Console { input: &mut input, out: &mut out, pictures: false }, model)?;
    Ok(String::from_utf8(out).unwrap())
}

/// The oracle's moves from the start of `seed`.
fn solution(env: &str, seed: u64) -> Vec<String> {
    let entry = find(env).unwrap();
    let mut game = entry.reset(Seed::new(seed), &entry.knobs(&BTreeMap::new()).unwrap()).unwrap();
    let mut moves = Vec::new();
    while game.status() == Status::Running {
        moves.push(game.oracle());
        game.step(moves.last().unwrap()).unwrap();
    }
    moves
}

#[test]
fn a_person_wins_with_the_right_moves() {
    let moves = solution("frozen-lake", 3).join("\n");
    let out = play("frozen-lake --seed 3", &format!("help\nlegal\nhint\n\nfly\n{moves}\n"), None).unwrap();
    assert!(out.contains("answer: ") && out.contains("undo, quit"), "{out}");
    assert!(out.contains("does not follow the grammar"), "a slip is explained: {out}");
    assert!(out.contains("success") && out.contains("normalised 1.000"), "{out}");
    assert!(!out.contains('\x1b'), "no colours outside a terminal");
}

#[test]
fn a_question_is_told_and_its_answer_is_not() {
    let entry = find("2048").unwrap();
    let given = [("quiz".to_string(), eyas_gym::KnobValue::Choice("caption".into()))].into();
    let game = entry.reset(Seed::new(3), &entry.knobs(&given).unwrap()).unwrap();
    let typed = format!("9 9 9\n{}\n", game.oracle());
    let out = play("2048 --seed 3 --set quiz=caption", &typed, None).unwrap();
    assert!(out.contains("One word of this caption") && out.contains(game.note().trim_start()), "{out}");
    assert!(!out.contains(&game.perception().text), "the true caption is shown: {out}");
    assert!(out.contains("is no such word") && out.contains("success after 1 turn"), "{out}");
}

#[test]
fn undo_takes_a_turn_back() {
    let moves = solution("frozen-lake", 3);
    let first = &moves[0];
    let typed = format!("undo\n{first}\nundo\n{}\n", moves.join("\n"));
    let out = play("frozen-lake --seed 3", &typed, None).unwrap();
    assert!(out.contains("this is the first turn"), "{out}");
    assert!(out.contains(&format!("success after {} turns", moves.len())), "{out}");
}

#[test]
fn quitting_or_the_end_of_input_stops_all_episodes() {
    for typed in ["quit\n", ""] {
        let out = play("sokoban --episodes 3", typed, None).unwrap();
        assert_eq!(out.matches("stopped after 0 turns").count(), 1, "{out}");
    }
}

#[test]
fn pictures_appear_where_they_are_allowed() {
    let mut out = Vec::new();
    let mut console = Console { input: &mut "quit\n".as_bytes(), out: &mut out, pictures: true };
    run(&args("sokoban"), &mut console, None).unwrap();
    assert!(String::from_utf8(out).unwrap().contains("\x1b[38;2;"));
}

#[test]
fn json_lines_are_the_same_every_time() {
    let line = "frozen-lake --policy random --episodes 3 --seed 9 --json --set size=5";
    let out = play(line, "", None).unwrap();
    assert_eq!(out, play(line, "", None).unwrap());
    let rows: Vec<Value> = out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(rows.iter().map(|r| r["seed"].as_u64().unwrap()).collect::<Vec<_>>(), [9, 10, 11]);
    for row in &rows {
        let sum: f64 = row["turns"].as_array().unwrap().iter().map(|t| t["score"].as_f64().unwrap()).sum();
        assert_eq!(row["score"].as_f64().unwrap(), sum);
        assert_eq!((&row["knobs"]["size"], &row["oracle"]), (&5.into(), &1.0.into()));
        assert!(row["outcome"].is_string());
    }
}

#[test]
fn the_oracle_scores_one_and_leaves_frames() {
    let folder = tempfile::tempdir().unwrap();
    let (frames, gif) = (folder.path().join("frames"), folder.path().join("a.gif"));
    let line = format!(
        "frozen-lake --seed 3 --policy oracle --episodes 2 --scale 2 --frames {} --gif {}",
        frames.display(),
        gif.display()
    );
    let out = play(&line, "", None).unwrap();
    assert_eq!(out.matches("normalised 1.000").count(), 3, "two episodes and the mean: {out}");
    let turns = solution("frozen-lake", 3).len() + solution("frozen-lake", 4).len();
    assert_eq!(std::fs::read_dir(&frames).unwrap().count(), turns + 2, "one more than turns an episode");
    assert!(std::fs::read(&gif).unwrap().starts_with(b"GIF89a"));
}

#[test]
fn a_model_is_read_by_its_answer() {
    let mut seen = Vec::new();
    let mut model = |game: &dyn Game, turn: usize| {
        seen.push(turn);
        Ok(Some(match turn {
            0 => "no idea".to_string(),
            1 => "<answer>fly</answer>".to_string(),
            _ => format!("<think>x</think><answer>{}</answer>", game.oracle()),
        }))
    };
    let out = play("frozen-lake --seed 3 --policy some/folder --json", "", Some(&mut model)).unwrap();
    let row: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(row["turns"].as_array().unwrap().len(), seen.len());
    assert_eq!(seen[..3], [0, 1, 2]);
    assert_eq!(row["turns"][0]["error"], "the response has no closed <answer>");
    assert!(row["turns"][1]["error"].as_str().unwrap().contains("grammar"));
    assert!(row["turns"][2]["action"].is_string() && row["policy"] == "some/folder");

    let mut full =
        |game: &dyn Game, turn: usize| Ok((turn < 1).then(|| format!("<answer>{}</answer>", game.oracle())));
    let out = play("frozen-lake --seed 3 --policy x", "", Some(&mut full)).unwrap();
    assert!(out.contains("cut off after 1 turn,"), "{out}");

    let mut broken = |_: &dyn Game, _: usize| -> anyhow::Result<Option<String>> { bail!("out of memory") };
    let error = play("frozen-lake --policy x", "", Some(&mut broken)).unwrap_err();
    assert_eq!(error.to_string(), "out of memory");
}

#[test]
fn errors_say_what_to_do() {
    let text = |line| format!("{:#}", play(line, "", None).unwrap_err());
    assert!(text("frozen-lak").contains("did you mean \"frozen-lake\""));
    assert!(text("frozen-lake --set size").contains("hint:"));
    assert!(text("frozen-lake --json").contains("hint:"));
    assert!(text("frozen-lake --policy a/model").contains("a/model\nhint:"));
    assert!(Command::try_parse_from(["play", "2048", "--scale", "0"]).is_err());
    assert!(Command::try_parse_from(["play", "2048", "--episodes", "0"]).is_err());
}
