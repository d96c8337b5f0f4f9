//! Tables of text on standard output.

use std::io::{self, Write};

/// Writes `rows` as left-aligned columns two blanks apart, each line behind `indent`.
///
/// # Errors
/// When `out` cannot be written.
pub(crate) fn write_columns<R: AsRef<[String]>>(
    rows: &[R],
    indent: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let columns = rows.iter().map(|row| row.as_ref().len()).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.as_ref().get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells: Vec<String> =
            row.as_ref().iter().zip(&widths).map(|(cell, &w)| format!("{cell:<w$}")).collect();
        writeln!(out, "{indent}{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_by_characters() {
        let rows = [["a", "bc", "d"], ["äöü", "", "e"], ["f", "g", ""]].map(|r| r.map(String::from));
        let mut out = Vec::new();
        write_columns(&rows, "> ", &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "> a    bc  d\n> äöü      e\n> f    g\n");
        let mut out = Vec::new();
        write_columns::<Vec<String>>(&[], "", &mut out).unwrap();
        assert!(out.is_empty());
    }
}
