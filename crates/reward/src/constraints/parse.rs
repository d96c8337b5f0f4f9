//! Constraints as the ground truth lists them.

use serde_json::{Map, Value};

/// At least, or less than.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// This many or more.
    AtLeast,
    /// Fewer than this many.
    LessThan,
}

impl Relation {
    /// True when `count` stands in this relation to `bound`.
    pub fn holds(self, count: usize, bound: usize) -> bool {
        match self {
            Self::AtLeast => count >= bound,
            Self::LessThan => count < bound,
        }
    }
}

/// One verifiable instruction of IFEval; MathIF's fifteen are among them. The comments give the ids.
#[derive(Clone, Debug, PartialEq)]
pub enum Constraint {
    /// `keywords:existence`: each of them occurs.
    Keywords(Vec<String>),
    /// `keywords:frequency`: how often a keyword occurs.
    KeywordFrequency(String, Relation, usize),
    /// `keywords:forbidden_words`: none of them occurs.
    Forbidden(Vec<String>),
    /// `keywords:letter_frequency`: how often a character occurs, in either case.
    LetterFrequency(char, Relation, usize),
    /// `language:response_language`: an ISO 639-1 code.
    Language(String),
    /// `length_constraint_checkers:number_sentences`.
    Sentences(Relation, usize),
    /// `length_constraint_checkers:number_words`.
    Words(Relation, usize),
    /// `length_constraint_checkers:number_paragraphs`: exactly this many, divided by `***`.
    Paragraphs(usize),
    /// `length_constraint_checkers:nth_paragraph_first_word`: number of paragraphs, which one, its word.
    FirstWord(usize, usize, String),
    /// `detectable_content:number_placeholders`: at least this many `[…]`.
    Placeholders(usize),
    /// `detectable_content:postscript`: a line that begins with the mark.
    Postscript(String),
    /// `detectable_format:number_bullet_lists`: exactly this many.
    Bullets(usize),
    /// `detectable_format:constrained_response`: yes, no or maybe in the given words.
    ConstrainedResponse,
    /// `detectable_format:number_highlighted_sections`: at least this many `*…*`.
    Highlights(usize),
    /// `detectable_format:multiple_sections`: at least this many, each begun by the word and a number.
    Sections(String, usize),
    /// `detectable_format:json_format`.
    Json,
    /// `detectable_format:title`: `<<…>>`.
    Title,
    /// `combination:two_responses`: divided by `******`.
    TwoResponses,
    /// `combination:repeat_prompt`: the prompt, then an answer.
    RepeatPrompt(String),
    /// `startend:end_checker`: the last words.
    EndPhrase(String),
    /// `startend:quotation`: in double quotes.
    Quotation,
    /// `change_case:capital_word_frequency`: words in capitals.
    CapitalWords(Relation, usize),
    /// `change_case:english_capital`: capitals only.
    Capitals,
    /// `change_case:english_lowercase`: no capitals.
    Lowercase,
    /// `punctuation:no_comma`.
    NoComma,
}

/// The constraints of a ground truth: a list of `{id, args}`, or the columns of IFEval
/// (`instruction_id_list`, `kwargs`) or MathIF (`constraint_name`, `constraint_args`).
///
/// # Errors
/// What is wrong with it.
pub fn constraints(gold: &Value) -> Result<Vec<Constraint>, String> {
    let none = Value::Null;
    let pairs: Vec<(&Value, &Value)> = match gold {
        Value::Array(items) => items
            .iter()
            .map(|item| (item.get("id").unwrap_or(&none), item.get("args").unwrap_or(&none)))
            .collect(),
        Value::Object(map) => {
            let column = |a: &str, b: &str| map.get(a).or_else(|| map.get(b)).and_then(Value::as_array);
            let ids = column("instruction_id_list", "constraint_name").ok_or("no list of constraints")?;
            let args = column("kwargs", "constraint_args").ok_or("no list of arguments")?;
            if ids.len() != args.len() {
                return Err("as many arguments as constraints are needed".into());
            }
            ids.iter().zip(args).collect()
        }
        _ => return Err("neither a list nor an object of constraints".into()),
    };
    if pairs.is_empty() {
        return Err("no constraints".into());
    }
    pairs.into_iter().map(|(id, args)| one(id.as_str().unwrap_or(""), args)).collect()
}

fn one(id: &str, args: &Value) -> Result<Constraint, String> {
    let empty = Map::new();
    let args = Args { id, map: args.as_object().unwrap_or(&empty) };
    let name = id.rsplit_once(':').map_or(id, |(_, name)| name);
    Ok(match name {
        "existence" => Constraint::Keywords(args.texts("keywords")?),
        "frequency" => Constraint::KeywordFrequency(
            args.text("keyword")?,
            args.relation("relation")?,
            args.count("frequency")?,
        ),
        "forbidden_words" => Constraint::Forbidden(args.texts("forbidden_words")?),
        "letter_frequency" => {
            let letter = args.text("letter")?;
            let mut chars = letter.chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) => Constraint::LetterFrequency(
                    c,
                    args.relation("let_relation")?,
                    args.count("let_frequency")?,
                ),
                _ => return Err(args.error("letter")),
            }
        }
        "response_language" => Constraint::Language(args.text("language")?),
        "number_sentences" => Constraint::Sentences(args.relation("relation")?, args.count("num_sentences")?),
        "number_words" => Constraint::Words(args.relation("relation")?, args.count("num_words")?),
        "number_paragraphs" => Constraint::Paragraphs(args.count("num_paragraphs")?),
        "nth_paragraph_first_word" => {
            let (all, nth) = (args.count("num_paragraphs")?, args.count("nth_paragraph")?);
            if nth == 0 || nth > all {
                return Err(args.error("nth_paragraph"));
            }
            Constraint::FirstWord(all, nth, args.text("first_word")?)
        }
        "number_placeholders" => Constraint::Placeholders(args.count("num_placeholders")?),
        "postscript" => Constraint::Postscript(args.text("postscript_marker")?),
        "number_bullet_lists" => Constraint::Bullets(args.count("num_bullets")?),
        "constrained_response" => Constraint::ConstrainedResponse,
        "number_highlighted_sections" => Constraint::Highlights(args.count("num_highlights")?),
        "multiple_sections" => {
            Constraint::Sections(args.text("section_spliter")?, args.count("num_sections")?)
        }
        "json_format" => Constraint::Json,
        "title" => Constraint::Title,
        "two_responses" => Constraint::TwoResponses,
        "repeat_prompt" => Constraint::RepeatPrompt(args.text("prompt_to_repeat")?),
        "end_checker" => Constraint::EndPhrase(args.text("end_phrase")?),
        "quotation" => Constraint::Quotation,
        "capital_word_frequency" => {
            Constraint::CapitalWords(args.relation("capital_relation")?, args.count("capital_frequency")?)
        }
        "english_capital" => Constraint::Capitals,
        "english_lowercase" => Constraint::Lowercase,
        "no_comma" => Constraint::NoComma,
        _ => return Err(format!("unknown constraint {id:?}")),
    })
}

/// The arguments of one constraint.
struct Args<'a> {
    id: &'a str,
    map: &'a Map<String, Value>,
}

impl Args<'_> {
    fn error(&self, name: &str) -> String {
        format!("the constraint {:?} has no usable argument {name:?}", self.id)
    }

    fn text(&self, name: &str) -> Result<String, String> {
        let text = self.map.get(name).and_then(Value::as_str).map(str::trim).filter(|t| !t.is_empty());
        text.map(str::to_string).ok_or_else(|| self.error(name))
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let items = self.map.get(name).and_then(Value::as_array).filter(|items| !items.is_empty());
        let text = |v: &Value| v.as_str().map(str::trim).filter(|t| !t.is_empty()).map(str::to_string);
        items.and_then(|items| items.iter().map(text).collect()).ok_or_else(|| self.error(name))
    }

    /// A count; data sets that passed through tables write it as `3.0`.
    fn count(&self, name: &str) -> Result<usize, String> {
        let number = self.map.get(name).and_then(Value::as_f64);
        let number = number.filter(|n| n.fract() == 0.0 && (0.0..=1e9).contains(n));
        number.map(|n| n as usize).ok_or_else(|| self.error(name))
    }

    fn relation(&self, name: &str) -> Result<Relation, String> {
        match self.map.get(name).and_then(Value::as_str) {
            Some("at least") => Ok(Relation::AtLeast),
            Some("less than") => Ok(Relation::LessThan),
            _ => Err(self.error(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn three_forms_are_read_alike() {
        let list = json!([
            {"id": "punctuation:no_comma"},
            {"id": "length_constraint_checkers:number_words", "args": {"relation": "at least", "num_words": 30}},
        ]);
        let ifeval = json!({
            "instruction_id_list": ["punctuation:no_comma", "length_constraint_checkers:number_words"],
            "kwargs": [{"num_words": null}, {"relation": "at least", "num_words": 30.0, "language": null}],
        });
        let mathif = json!({
            "constraint_name": ["punctuation:no_comma", "length_constraint_checkers:number_words"],
            "constraint_args": [null, {"relation": "at least", "num_words": 30}],
        });
        let wanted = vec![Constraint::NoComma, Constraint::Words(Relation::AtLeast, 30)];
        for gold in [list, ifeval, mathif] {
            assert_eq!(constraints(&gold), Ok(wanted.clone()));
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (gold, part) in [
            (json!([]), "no constraints"),
            (json!("x"), "neither"),
            (json!([{"id": "keywords:exists"}]), "unknown constraint"),
            (json!([{"id": "keywords:existence", "args": {"keywords": []}}]), "keywords"),
            (json!([{"id": "x:number_words", "args": {"relation": "around", "num_words": 3}}]), "relation"),
            (
                json!([{"id": "x:number_words", "args": {"relation": "at least", "num_words": -3}}]),
                "num_words",
            ),
            (json!([{"id": "keywords:letter_frequency", "args": {"letter": "ab"}}]), "letter"),
            (json!({"kwargs": []}), "no list of constraints"),
        ] {
            let error = constraints(&gold).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
