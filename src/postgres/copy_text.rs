//! A row of `COPY ... TO STDOUT` in text form: the same cells as a streamed row, so snapshots share the encoders.

use std::mem;
use std::ops::Range;

use crate::change::{CellSpan, Tuple};

/// A row's values, unescaped, in memory of its own; reuse it.
#[derive(Debug, Default)]
pub struct CopyRow {
    bytes: Vec<u8>,
    cells: Vec<CellSpan>,
}

/// The line is not COPY's text form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a row of COPY is malformed")]
pub struct NotARow;

impl CopyRow {
    /// The row parsed last.
    pub fn tuple(&self) -> Tuple<'_> {
        Tuple::new(&self.bytes, &self.cells)
    }

    /// Takes a line of COPY's output, with or without its line end.
    pub fn parse(&mut self, line: &[u8]) -> Result<(), NotARow> {
        self.bytes.clear();
        self.cells.clear();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        // Nearly all values stand in the line as they are; the others are unescaped behind it.
        self.bytes.extend_from_slice(line);
        let (mut start, mut escaped) = (0, false);
        for at in memchr::memchr2_iter(b'\t', b'\\', line) {
            if line[at] == b'\\' {
                escaped = true;
                continue;
            }
            self.field(line, start..at, mem::take(&mut escaped))?;
            start = at + 1;
        }
        self.field(line, start..line.len(), escaped)
    }

    #[inline]
    fn field(&mut self, line: &[u8], at: Range<usize>, escaped: bool) -> Result<(), NotARow> {
        let span = match &line[at.clone()] {
            _ if !escaped => CellSpan::text(at.start, at.len()),
            b"\\N" => Some(CellSpan::NULL),
            field => {
                let start = self.bytes.len();
                self.unescape(field)?;
                CellSpan::text(start, self.bytes.len() - start)
            }
        };
        self.cells.push(span.ok_or(NotARow)?);
        Ok(())
    }

    fn unescape(&mut self, mut field: &[u8]) -> Result<(), NotARow> {
        while let Some(at) = field.iter().position(|byte| *byte == b'\\') {
            self.bytes.extend_from_slice(&field[..at]);
            let escaped = *field.get(at + 1).ok_or(NotARow)?;
            self.bytes.push(match escaped {
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 11,
                other => other,
            });
            field = &field[at + 2..];
        }
        self.bytes.extend_from_slice(field);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Cell;

    #[test]
    fn fields_are_split_and_unescaped() {
        let mut row = CopyRow::default();
        row.parse(b"1\t\\N\t\ta\\tb\\nc\\\\d\t\\\\x01ff\n").unwrap();
        let tuple = row.tuple();
        let cells: Vec<_> = (0..tuple.len()).map(|index| tuple.cell(index)).collect();
        assert_eq!(cells, [Cell::Text(b"1"), Cell::Null, Cell::Text(b""), Cell::Text(b"a\tb\nc\\d"), Cell::Text(b"\\x01ff")]);
        assert_eq!(row.parse(b"a\\"), Err(NotARow));
    }
}
