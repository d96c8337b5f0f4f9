//! Keys and values that a sequence remembers, laid out for [`super::attend`].

use super::panel::WIDTH;

/// Tokens in a panel of keys.
pub(super) const PANEL: usize = WIDTH;

/// Keys (rotated) and values of one layer, growing token by token.
///
/// Keys stand in panels of 32 tokens, `[column][token]`, so that a query meets as many keys at once as
/// registers hold; the last panel is filled up with zeros. Values stand row by row, `[tokens, columns]`.
#[derive(Clone, Debug)]
pub(crate) struct KeyValues {
    columns: usize,
    tokens: usize,
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl KeyValues {
    /// Without tokens; a token has `columns` numbers, of all key-value heads, in its key and in its value.
    pub(crate) fn new(columns: usize) -> Self {
        Self { columns, tokens: 0, keys: Vec::new(), values: Vec::new() }
    }

    /// Tokens in it.
    pub(crate) fn len(&self) -> usize {
        self.tokens
    }

    /// True without tokens.
    pub(crate) fn is_empty(&self) -> bool {
        self.tokens == 0
    }

    /// Adds a token.
    pub(crate) fn push(&mut self, key: &[f32], value: &[f32]) {
        assert_eq!((key.len(), value.len()), (self.columns, self.columns), "columns of a key and a value");
        let lane = self.tokens % PANEL;
        if lane == 0 {
            self.keys.resize(self.keys.len() + self.columns * PANEL, 0.0);
        }
        let first = self.keys.len() - self.columns * PANEL;
        for (slot, v) in self.keys[first + lane..].iter_mut().step_by(PANEL).zip(key) {
            *slot = *v;
        }
        self.values.extend_from_slice(value);
        self.tokens += 1;
    }

    /// Adds the tokens of another one.
    pub(crate) fn append(&mut self, other: &Self) {
        for token in 0..other.tokens {
            let first = token / PANEL * other.columns * PANEL + token % PANEL;
            let key: Vec<f32> =
                other.keys[first..].iter().step_by(PANEL).take(other.columns).copied().collect();
            self.push(&key, &other.values[token * other.columns..][..other.columns]);
        }
    }

    /// The panels of `width` columns from `column`, each `[width, 32]`.
    pub(super) fn panels(&self, column: usize, width: usize) -> impl Iterator<Item = &[f32]> {
        self.keys
            .chunks_exact((self.columns * PANEL).max(1))
            .map(move |panel| &panel[column * PANEL..(column + width) * PANEL])
    }

    /// Values `[tokens, columns]`.
    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    /// Numbers in a key.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_in_panels_and_values_in_rows() {
        let mut all = KeyValues::new(3);
        for t in 0..40 {
            let row = [t as f32, 100.0 + t as f32, 200.0 + t as f32];
            all.push(&row, &row.map(|v| -v));
        }
        assert_eq!(all.len(), 40);
        let panels: Vec<&[f32]> = all.panels(1, 2).collect();
        assert_eq!(panels.len(), 2);
        assert_eq!((panels[0][0], panels[0][31], panels[0][32]), (100.0, 131.0, 200.0));
        assert_eq!((panels[1][7], panels[1][8], panels[1][32]), (139.0, 0.0, 232.0));
        assert_eq!(all.values()[39 * 3..], [-39.0, -139.0, -239.0]);

        // Joined out of parts it is the same.
        let (mut first, mut second) = (KeyValues::new(3), KeyValues::new(3));
        for t in 0..40 {
            let row = [t as f32, 100.0 + t as f32, 200.0 + t as f32];
            let part = if t < 17 { &mut first } else { &mut second };
            part.push(&row, &row.map(|v| -v));
        }
        first.append(&second);
        assert_eq!((first.len(), first.keys, first.values), (all.len(), all.keys, all.values));
    }
}
