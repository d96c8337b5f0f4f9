//! Tables as policies write them: CSV, Markdown, JSON.

use serde_json::Value;

use super::read;

/// Most cells of a table; a table with more is unparsable.
pub const MAX_CELLS: usize = 4096;

/// One value with the headers of its row and column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Header of its row.
    pub row: String,
    /// Header of its column.
    pub column: String,
    /// The value as written.
    pub value: String,
}

/// The entries of a table whose first row and first column are headers. Cells without a text are no
/// entries.
pub fn entries(rows: &[Vec<String>]) -> Vec<Entry> {
    let Some((columns, rows)) = rows.split_first() else { return Vec::new() };
    let mut entries = Vec::new();
    for row in rows {
        let Some((header, values)) = row.split_first() else { continue };
        for (value, column) in
            values.iter().zip(columns.iter().skip(1).map(Some).chain(std::iter::repeat(None)))
        {
            if !value.trim().is_empty() {
                entries.push(Entry {
                    row: read::name(header),
                    column: column.map(|c| read::name(c)).unwrap_or_default(),
                    value: value.trim().to_string(),
                });
            }
        }
    }
    entries
}

/// A table in a text: a fenced block if there is one; JSON, else rows with `|`, tabs or commas, of which
/// the first that occurs is taken. `<0x0A>` counts as a line break. `None` when no row has two cells, or
/// there are more than [`MAX_CELLS`].
pub fn parse(text: &str) -> Option<Vec<Entry>> {
    let text = read::unfenced(text);
    if text.len() > read::MAX_TEXT {
        return None;
    }
    if text.starts_with(['{', '[']) {
        return read::json(text).and_then(|v| from_json(&v));
    }
    let text = text.replace("<0x0A>", "\n");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let split: fn(&str) -> Vec<String> = if text.contains('|') {
        |line| {
            let line = line.strip_prefix('|').unwrap_or(line);
            line.strip_suffix('|').unwrap_or(line).split('|').map(|c| c.trim().to_string()).collect()
        }
    } else if text.contains('\t') {
        |line| line.split('\t').map(|c| c.trim().to_string()).collect()
    } else {
        csv
    };
    let rule = |row: &Vec<String>| row.iter().all(|c| !c.is_empty() && c.chars().all(|c| "-: ".contains(c)));
    let mut rows: Vec<Vec<String>> = lines.map(split).filter(|row| !rule(row)).collect();
    // A first line of its own (a title, or words before the table) is no row of it.
    let first = rows.iter().position(|r| r.len() > 1 && !is_title(r)).unwrap_or(rows.len());
    rows.drain(..first);
    let cells: usize = rows.iter().map(Vec::len).sum();
    (rows.len() > 1 && cells <= MAX_CELLS).then(|| entries(&rows))
}

/// A table without headers in a text: `label,value` a row (or `label | value`), rows apart by line breaks
/// or semicolons. `None` when a row has not two cells, there is none, or there are more than
/// [`MAX_CELLS`].
pub fn pairs(text: &str) -> Option<Vec<Entry>> {
    let text = read::unfenced(text);
    if text.len() > read::MAX_TEXT {
        return None;
    }
    let rows = text.split([';', '\n']).map(str::trim).filter(|row| !row.is_empty());
    let pair = |row: &str| {
        let row = row.strip_prefix('|').unwrap_or(row);
        let (label, value) = row.strip_suffix('|').unwrap_or(row).rsplit_once(['|', ','])?;
        let (row, value) = (read::name(label), value.trim().to_string());
        (!row.is_empty() && !value.is_empty()).then_some(Entry { row, column: String::new(), value })
    };
    let entries = rows.map(pair).collect::<Option<Vec<_>>>()?;
    (!entries.is_empty() && entries.len() * 2 <= MAX_CELLS).then_some(entries)
}

/// `TITLE | Sales by year`, with which DePlot's tables begin.
fn is_title(row: &[String]) -> bool {
    row.len() == 2 && row.first().is_some_and(|c| c.eq_ignore_ascii_case("title"))
}

/// The cells of a line with commas; a comma inside double quotes belongs to its cell.
fn csv(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell).trim().to_string()),
            c => cell.push(c),
        }
    }
    cells.push(cell.trim().to_string());
    cells
}

/// A table in JSON: a text; a list of rows, the first with the headers; a list of objects, whose first key
/// names the row; `{row: {column: value}}`; `{row: value}`; or `{columns, rows}` (also `headers`, `data`).
pub fn from_json(value: &Value) -> Option<Vec<Entry>> {
    let cell = |v: &Value| match v {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(v.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    };
    let line = |v: &Value| v.as_array()?.iter().map(cell).collect::<Option<Vec<String>>>();
    let bounded = |rows: &[Vec<String>]| rows.iter().map(Vec::len).sum::<usize>() <= MAX_CELLS;
    match value {
        Value::String(text) => parse(text),
        Value::Array(rows) if rows.first().is_some_and(Value::is_object) => {
            let mut found = Vec::new();
            for row in rows {
                let mut cells = row.as_object()?.iter();
                let (_, header) = cells.next()?;
                let row = read::name(&cell(header)?);
                for (column, value) in cells {
                    push(&mut found, &row, column, cell(value)?)?;
                }
            }
            Some(found)
        }
        Value::Array(rows) => {
            let rows: Vec<Vec<String>> = rows.iter().map(line).collect::<Option<_>>()?;
            (rows.len() > 1 && bounded(&rows)).then(|| entries(&rows))
        }
        Value::Object(map) => {
            let either = |a: &str, b: &str| map.get(a).or_else(|| map.get(b)).filter(|v| v.is_array());
            if let (Some(columns), Some(rows)) = (either("columns", "headers"), either("rows", "data")) {
                let mut all = vec![line(columns)?];
                for row in rows.as_array()? {
                    all.push(line(row)?);
                }
                return bounded(&all).then(|| entries(&all));
            }
            let mut found = Vec::new();
            for (row, value) in map {
                let row = read::name(row);
                match value.as_object() {
                    Some(cells) => {
                        for (column, value) in cells {
                            push(&mut found, &row, column, cell(value)?)?;
                        }
                    }
                    None => push(&mut found, &row, "", cell(value)?)?,
                }
            }
            Some(found)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn push(found: &mut Vec<Entry>, row: &str, column: &str, value: String) -> Option<()> {
    if !value.trim().is_empty() {
        found.push(Entry { row: row.into(), column: read::name(column), value: value.trim().into() });
    }
    (found.len() <= MAX_CELLS).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn entry(row: &str, column: &str, value: &str) -> Entry {
        Entry { row: row.into(), column: column.into(), value: value.into() }
    }

    #[test]
    fn every_way_of_writing_gives_the_same_entries() {
        let want = vec![entry("2001", "sales", "5"), entry("2001", "cost", "1,000")];
        let texts = [
            "| Year | Sales | Cost |\n|---|:--:|---|\n| 2001 | 5 | 1,000 |",
            "Year,Sales,Cost\n2001,5,\"1,000\"",
            "Year\tSales\tCost\n2001\t5\t1,000",
            "TITLE | A and B <0x0A> Year | Sales | Cost <0x0A> 2001 | 5 | 1,000",
            "```csv\nYear,Sales,Cost\n2001,5,\"1,000\"\n```",
            r#"[["Year","Sales","Cost"],["2001",5,"1,000"]]"#,
            r#"[{"Year":2001,"Sales":5,"Cost":"1,000"}]"#,
            "{'2001': {'Sales': 5, 'Cost': '1,000'}}",
            r#"{"columns":["Year","Sales","Cost"],"rows":[[2001,5,"1,000"]]}"#,
        ];
        for text in texts {
            assert_eq!(parse(text).as_ref(), Some(&want), "{text}");
        }
        assert_eq!(parse(r#"{"a": 1}"#), Some(vec![entry("a", "", "1")]));
    }

    #[test]
    fn what_is_no_table_is_none() {
        for bad in ["", "no idea", "a,b", "[1,2]", "{\"a\":[[1]]}", "|||"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(parse(&"a,b\n".repeat(MAX_CELLS)), None);
        assert_eq!(from_json(&json!([["a", "b"], ["c", "d"]])), Some(vec![entry("c", "b", "d")]));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[a1|,\\-\"\n\t{}\\[\\]:]{0,80}") {
            let _ = parse(&text);
        }
    }
}
