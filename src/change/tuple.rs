//! One row as spans of the frame it arrived in: nothing is copied, nothing allocated per row.

/// One column's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// SQL NULL, or a column that was not sent.
    Null,
    /// A large value that the update did not touch and PostgreSQL did not send.
    Unchanged,
    /// The value in PostgreSQL's text form.
    Text(&'a [u8]),
}

/// Where a cell is in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellSpan {
    start: u32,
    /// Length, or one of the marks below.
    length: u32,
}

const NULL: u32 = u32::MAX;
const UNCHANGED: u32 = u32::MAX - 1;

impl CellSpan {
    /// SQL NULL.
    pub const NULL: Self = Self { start: 0, length: NULL };
    /// An unchanged large value.
    pub const UNCHANGED: Self = Self { start: 0, length: UNCHANGED };

    /// A text value at `start`; frames are smaller than 4 GiB less two bytes.
    pub fn text(start: usize, length: usize) -> Option<Self> {
        let (start, length) = (u32::try_from(start).ok()?, u32::try_from(length).ok()?);
        (length < UNCHANGED).then_some(Self { start, length })
    }
}

/// A row. Copying it copies two pointers.
#[derive(Clone, Copy, Debug)]
pub struct Tuple<'a> {
    frame: &'a [u8],
    spans: &'a [CellSpan],
}

impl<'a> Tuple<'a> {
    /// A row whose cells are `spans` of `frame`.
    pub fn new(frame: &'a [u8], spans: &'a [CellSpan]) -> Self {
        Self { frame, spans }
    }

    /// How many columns were sent.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// True when no column was sent.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// A column's value; a column that is not there is NULL.
    #[inline]
    pub fn cell(&self, index: usize) -> Cell<'a> {
        match self.spans.get(index) {
            Some(span) if span.length < UNCHANGED => {
                let (start, length) = (span.start as usize, span.length as usize);
                self.frame.get(start..start + length).map_or(Cell::Null, Cell::Text)
            }
            Some(span) if span.length == UNCHANGED => Cell::Unchanged,
            _ => Cell::Null,
        }
    }
}
