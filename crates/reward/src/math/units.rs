//! Units at the end of an answer, from a closed list.
//!
//! A unit is dropped only where a value stands before it, so that "second" in "the second" stays a word.
//! Single letters count as units in `\text{…}`, or after a blank as one of two readings.

use super::lex::{Kind, Token};

/// Spellings of a unit, the canonical one first.
const UNITS: [&[&str]; 60] = [
    &["mm", "millimeter", "millimeters", "millimetre", "millimetres"],
    &["cm", "centimeter", "centimeters", "centimetre", "centimetres", "cms"],
    &["dm", "decimeter", "decimeters"],
    &["m", "meter", "meters", "metre", "metres"],
    &["km", "kilometer", "kilometers", "kilometre", "kilometres"],
    &["in", "inch", "inches"],
    &["ft", "foot", "feet"],
    &["yd", "yard", "yards"],
    &["mi", "mile", "miles"],
    &["mg", "milligram", "milligrams"],
    &["g", "gram", "grams"],
    &["kg", "kilogram", "kilograms"],
    &["lb", "lbs", "pound", "pounds"],
    &["oz", "ounce", "ounces"],
    &["ton", "tons", "tonne", "tonnes"],
    &["ms", "millisecond", "milliseconds"],
    &["s", "sec", "secs", "second", "seconds"],
    &["min", "mins", "minute", "minutes"],
    &["h", "hr", "hrs", "hour", "hours"],
    &["day", "days"],
    &["week", "weeks"],
    &["month", "months"],
    &["yr", "year", "years"],
    &["ml", "mL", "milliliter", "milliliters", "millilitre", "millilitres"],
    &["L", "l", "liter", "liters", "litre", "litres"],
    &["gal", "gallon", "gallons"],
    &["quart", "quarts"],
    &["pint", "pints"],
    &["cup", "cups"],
    &["°", "deg", "degree", "degrees"],
    &["rad", "radian", "radians"],
    &["Hz", "hertz"],
    &["N", "newton", "newtons"],
    &["J", "joule", "joules"],
    &["kJ", "kilojoule", "kilojoules"],
    &["W", "watt", "watts"],
    &["kW", "kilowatt", "kilowatts"],
    &["V", "volt", "volts"],
    &["A", "amp", "amps", "ampere", "amperes"],
    &["K", "kelvin", "kelvins"],
    &["Pa", "pascal", "pascals"],
    &["mol", "mole", "moles"],
    &["ohm", "ohms"],
    &["mph"],
    &["kph", "kmh"],
    &["dollar", "dollars", "USD"],
    &["cent", "cents"],
    &["euro", "euros", "EUR"],
    &["rupee", "rupees", "Rs"],
    &["yuan", "RMB"],
    &["unit", "units"],
    &["point", "points"],
    &["way", "ways"],
    &["time", "times"],
    &["people", "persons", "person"],
    &["student", "students"],
    &["acre", "acres"],
    &["bit", "bits"],
    &["byte", "bytes"],
    &["item", "items"],
];

/// The canonical spelling of a unit.
pub(crate) fn canonical(word: &str) -> Option<&'static str> {
    let find =
        |w: &str| UNITS.iter().find(|names| names.contains(&w)).and_then(|names| names.first().copied());
    find(word).or_else(|| if word.len() > 2 { find(&word.to_ascii_lowercase()) } else { None })
}

/// Takes the unit off the end. `letters`: a single letter after a blank is a unit.
pub(crate) fn strip(mut tokens: Vec<Token>, letters: bool) -> (Vec<Token>, String) {
    let mut parts: Vec<String> = Vec::new();
    let mut keep = tokens.len();
    // What ends the text so far is an exponent or a slash that belongs to a unit only if one precedes.
    let mut pending = String::new();
    let mut at = tokens.len();
    while at > 0 {
        at -= 1;
        let Some(token) = tokens.get(at) else { break };
        let last = at + 1 == tokens.len();
        match &token.kind {
            Kind::Text(words) => match phrase(words) {
                Some(unit) => {
                    parts.push(format!("{unit}{pending}"));
                    (keep, pending) = (at, String::new());
                }
                None => break,
            },
            Kind::Run(run)
                if run.len() > 1
                    || (letters && last && (token.spaced || after_slash(&tokens, at)))
                    || keep_chain(&pending) =>
            {
                let unit = match run.as_str() {
                    "square" | "sq" if !parts.is_empty() => "^2",
                    "cubic" | "cu" if !parts.is_empty() => "^3",
                    "per" if !parts.is_empty() => "/",
                    other => match canonical(other) {
                        Some(unit) => unit,
                        None => break,
                    },
                };
                parts.push(format!("{unit}{pending}"));
                (keep, pending) = (at, String::new());
            }
            // In `\cos 60^\circ` the angle is in degrees, not the value.
            Kind::Sign("°") if tokens.iter().any(is_circular) => break,
            Kind::Sign("°") => {
                // `90^\circ`: the sign before it is part of it; braces around it too.
                parts.push("°".into());
                keep = at;
                if at >= 1 && matches!(tokens.get(at - 1), Some(t) if t.kind == Kind::Sign("^")) {
                    at -= 1;
                    keep = at;
                }
            }
            Kind::Num(n) if matches!(n.as_str(), "2" | "3") && pending.is_empty() => pending = n.clone(),
            Kind::Sign("^") if pending == "2" || pending == "3" => pending = format!("^{pending}"),
            Kind::Sign("}") | Kind::Sign("{") if brace_of_exponent(&tokens, at) => {}
            Kind::Sign("/") if keep == at + 1 && !parts.is_empty() => pending = "/".into(),
            _ => break,
        }
    }
    // `5 (cm)` and units that stand for the whole answer are left alone.
    let value = keep.checked_sub(1).and_then(|k| tokens.get(k)).is_some_and(|t| match &t.kind {
        Kind::Num(_) | Kind::Run(_) | Kind::Cmd(_) => true,
        Kind::Sign(sign) => matches!(*sign, "}" | ")" | "]" | "|" | "!" | "%" | "\\}"),
        Kind::Text(_) => false,
    });
    if !value || parts.is_empty() {
        return base(tokens);
    }
    tokens.truncate(keep);
    parts.reverse();
    (tokens, tidy(&parts.concat()))
}

/// `1011_2`: the base of a numeral is kept like a unit.
fn base(mut tokens: Vec<Token>) -> (Vec<Token>, String) {
    let kinds: Vec<&Kind> = tokens.iter().map(|t| &t.kind).collect();
    let (digits, radix) = match kinds.as_slice() {
        [Kind::Num(n), Kind::Sign("_"), Kind::Num(b)] => (n, b),
        [Kind::Num(n), Kind::Sign("_"), Kind::Sign("{"), Kind::Num(b), Kind::Sign("}")] => (n, b),
        _ => return (tokens, String::new()),
    };
    if digits.contains('.') || radix.contains('.') {
        return (tokens, String::new());
    }
    let unit = format!("base {radix}");
    tokens.truncate(1);
    (tokens, unit)
}

fn after_slash(tokens: &[Token], at: usize) -> bool {
    at.checked_sub(1).and_then(|b| tokens.get(b)).is_some_and(|t| t.kind == Kind::Sign("/"))
}

fn is_circular(token: &Token) -> bool {
    let (Kind::Cmd(name) | Kind::Run(name)) = &token.kind else { return false };
    ["sin", "cos", "tan", "cot", "sec", "csc"].iter().any(|f| name.starts_with(f))
}

fn keep_chain(pending: &str) -> bool {
    pending == "/"
}

fn brace_of_exponent(tokens: &[Token], at: usize) -> bool {
    let sign = |n: usize| match tokens.get(n) {
        Some(Token { kind: Kind::Sign(sign), .. }) => *sign,
        _ => "",
    };
    let inner = |n: usize| match tokens.get(n).map(|t| &t.kind) {
        Some(Kind::Num(n)) => n == "2" || n == "3",
        Some(Kind::Sign(s)) => *s == "°",
        _ => false,
    };
    let opens =
        |n: usize| n >= 1 && sign(n) == "{" && sign(n - 1) == "^" && inner(n + 1) && sign(n + 2) == "}";
    opens(at) || (at >= 2 && opens(at - 2))
}

/// The unit that words in `\text{…}` name, if they name nothing else.
fn phrase(words: &str) -> Option<String> {
    let words = words.trim().trim_end_matches('.');
    if words.is_empty() || words.len() > 60 || !words.bytes().any(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    let mut out = String::new();
    let mut power = "";
    let spaced = words.replace('/', " / ").replace('^', " ^");
    for word in spaced.split_whitespace() {
        match word {
            "/" | "per" => out.push('/'),
            "^2" | "^3" => out.push_str(word),
            "square" | "sq" | "sq." => power = "^2",
            "cubic" | "cu" => power = "^3",
            _ => {
                out.push_str(canonical(word)?);
                out.push_str(power);
                power = "";
            }
        }
    }
    Some(out)
}

/// One spelling for `^2cm` and `cm^2`.
fn tidy(unit: &str) -> String {
    for power in ["^2", "^3"] {
        if let Some(rest) = unit.strip_prefix(power) {
            return format!("{rest}{power}");
        }
    }
    unit.replace("mi/h", "mph").replace("km/h", "kph")
}
