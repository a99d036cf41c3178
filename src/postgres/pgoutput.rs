//! pgoutput, protocol version 1: bytes to borrowed messages.
//!
//! ```text
//! B final_lsn u64 | commit_time i64 | xid u32                              Begin
//! C flags u8 | commit_lsn u64 | end_lsn u64 | commit_time i64              Commit
//! O lsn u64 | name                                                         Origin
//! R id u32 | schema | name | identity u8 | n u16 (flags u8 | name | type u32 | typmod i32)*   Relation
//! Y id u32 | schema | name                                                 Type
//! I id u32 | 'N' tuple                                                     Insert
//! U id u32 | ('K' tuple | 'O' tuple)? | 'N' tuple                          Update
//! D id u32 | ('K' | 'O') tuple                                             Delete
//! T n u32 | options u8 | id u32 *                                          Truncate
//! M flags u8 | lsn u64 | prefix | length u32 | content                     Message
//! tuple := n u16 ('n' | 'u' | 't' length u32 bytes)*
//! ```
//! Source: PostgreSQL's documentation, "Logical Replication Message Formats". Nothing is copied or allocated: cells are
//! spans of the frame, kept in vectors that the caller reuses. The messages of prepared transactions are refused by name: a
//! slot that was once read with `two_phase` goes on sending them.

use crate::change::{CellSpan, Lsn, RelationId, Tuple};

/// PostgreSQL counts microseconds from 2000-01-01.
pub(super) const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;
/// PostgreSQL allows 1,600 columns; more is not its tuple.
const COLUMNS_MAX: u16 = 1664;

/// The bytes are not a pgoutput message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A message ends before its last field, or goes on behind it.
    #[error("a {0} message of the wrong length")]
    Length(&'static str),
    /// An unknown letter where one of a few is expected.
    #[error("{0:?} in a {1} message")]
    Letter(char, &'static str),
    /// A binary value although text was asked for.
    #[error("a binary value")]
    Binary,
    /// Messages of prepared or streamed transactions, which were not asked for.
    #[error("message {0:?} of a prepared or streamed transaction: this slot was once read with two_phase; create another one")]
    TwoPhase(char),
}

/// What the old row of an update or delete carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldRow {
    /// Nothing was sent.
    None,
    /// The identity's columns.
    Key,
    /// All columns.
    Full,
}

/// Cells of the rows of one message; reuse it.
#[derive(Debug, Default)]
pub struct Cells {
    old: Vec<CellSpan>,
    new: Vec<CellSpan>,
}

impl Cells {
    /// The old row of the message decoded last.
    pub fn old<'a>(&'a self, payload: &'a [u8]) -> Tuple<'a> {
        Tuple::new(payload, &self.old)
    }

    /// The new row of the message decoded last.
    pub fn new_row<'a>(&'a self, payload: &'a [u8]) -> Tuple<'a> {
        Tuple::new(payload, &self.new)
    }
}

/// A message. Rows are in [`Cells`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalMessage<'a> {
    /// A transaction begins; all of it follows, it has committed.
    Begin {
        /// LSN of its commit record.
        final_lsn: Lsn,
        /// Microseconds since 1970.
        commit_time_us: i64,
        /// The transaction.
        xid: u32,
    },
    /// The transaction's end.
    Commit {
        /// LSN of the commit record.
        commit_lsn: Lsn,
        /// End of the commit record.
        end_lsn: Lsn,
        /// Microseconds since 1970.
        commit_time_us: i64,
    },
    /// The transaction came from elsewhere.
    Origin,
    /// A table, before its first row and after each change to it.
    Relation(RelationMessage<'a>),
    /// A type that is not built in.
    Type,
    /// A new row.
    Insert(RelationId),
    /// A changed row.
    Update(RelationId, OldRow),
    /// A removed row.
    Delete(RelationId, OldRow),
    /// Emptied tables.
    Truncate(Truncated<'a>),
    /// `pg_logical_emit_message`.
    Message {
        /// Belongs to the transaction, or stands by itself.
        transactional: bool,
        /// Where it was written.
        lsn: Lsn,
        /// Its prefix.
        prefix: &'a [u8],
        /// Its content.
        content: &'a [u8],
    },
}

/// A table as pgoutput describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationMessage<'a> {
    /// Object id.
    pub id: RelationId,
    /// Schema; empty means `pg_catalog`.
    pub schema: &'a [u8],
    /// Table.
    pub table: &'a [u8],
    /// `pg_class.relreplident`.
    pub identity: u8,
    /// Its columns.
    pub columns: Vec<ColumnMessage<'a>>,
}

/// A column as pgoutput describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnMessage<'a> {
    /// Part of the replica identity.
    pub identity: bool,
    /// Name.
    pub name: &'a [u8],
    /// The type's object id.
    pub type_oid: u32,
    /// The type's modifier.
    pub type_mod: i32,
}

/// The tables of a TRUNCATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated<'a>(&'a [u8]);

impl Truncated<'_> {
    /// Their ids.
    pub fn relations(&self) -> impl Iterator<Item = RelationId> + '_ {
        self.0.chunks_exact(4).map(|id| RelationId(u32::from_be_bytes([id[0], id[1], id[2], id[3]])))
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    name: &'static str,
}

impl<'a> Reader<'a> {
    #[inline]
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let found = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()).ok_or(DecodeError::Length(self.name))?;
        self.at += N;
        Ok(*found)
    }

    #[inline]
    fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take::<1>()?[0])
    }

    fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.take()?))
    }

    #[inline]
    fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.take()?))
    }

    fn lsn(&mut self) -> Result<Lsn, DecodeError> {
        Ok(Lsn(u64::from_be_bytes(self.take()?)))
    }

    fn time(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.take()?).saturating_add(POSTGRES_EPOCH_US))
    }

    fn text(&mut self) -> Result<&'a [u8], DecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == 0).ok_or(DecodeError::Length(self.name))?;
        self.at += length + 1;
        Ok(&rest[..length])
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.at.checked_add(length).ok_or(DecodeError::Length(self.name))?;
        let found = self.bytes.get(self.at..end).ok_or(DecodeError::Length(self.name))?;
        self.at = end;
        Ok(found)
    }

    #[inline]
    fn tuple(&mut self, cells: &mut Vec<CellSpan>) -> Result<(), DecodeError> {
        cells.clear();
        let count = self.u16()?;
        if count > COLUMNS_MAX {
            return Err(DecodeError::Length(self.name));
        }
        for _ in 0..count {
            let cell = match self.u8()? {
                b't' => {
                    let length = self.u32()? as usize;
                    let start = self.at;
                    self.bytes(length)?;
                    CellSpan::text(start, length).ok_or(DecodeError::Length(self.name))?
                }
                b'n' => CellSpan::NULL,
                b'u' => CellSpan::UNCHANGED,
                b'b' => return Err(DecodeError::Binary),
                other => return Err(DecodeError::Letter(char::from(other), self.name)),
            };
            cells.push(cell);
        }
        Ok(())
    }

    fn end(&self) -> Result<(), DecodeError> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(DecodeError::Length(self.name)) }
    }
}

/// Reads one message; rows go to `cells`.
#[inline]
pub fn decode<'a>(payload: &'a [u8], cells: &mut Cells) -> Result<WalMessage<'a>, DecodeError> {
    let mut reader = Reader { bytes: payload, at: 1, name: "" };
    let kind = *payload.first().ok_or(DecodeError::Length("empty"))?;
    let message = match kind {
        b'I' => {
            reader.name = "insert";
            let id = RelationId(reader.u32()?);
            expect_new(&mut reader)?;
            reader.tuple(&mut cells.new)?;
            WalMessage::Insert(id)
        }
        b'U' => {
            reader.name = "update";
            let id = RelationId(reader.u32()?);
            let old = match reader.u8()? {
                b'N' => OldRow::None,
                letter => {
                    let old = old_row(letter, reader.name)?;
                    reader.tuple(&mut cells.old)?;
                    expect_new(&mut reader)?;
                    old
                }
            };
            reader.tuple(&mut cells.new)?;
            WalMessage::Update(id, old)
        }
        b'D' => {
            reader.name = "delete";
            let id = RelationId(reader.u32()?);
            let old = old_row(reader.u8()?, reader.name)?;
            reader.tuple(&mut cells.old)?;
            WalMessage::Delete(id, old)
        }
        _ => return rare(kind, reader),
    };
    reader.end()?;
    Ok(message)
}

fn expect_new(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    match reader.u8()? {
        b'N' => Ok(()),
        other => Err(DecodeError::Letter(char::from(other), reader.name)),
    }
}

fn old_row(letter: u8, name: &'static str) -> Result<OldRow, DecodeError> {
    match letter {
        b'K' => Ok(OldRow::Key),
        b'O' => Ok(OldRow::Full),
        other => Err(DecodeError::Letter(char::from(other), name)),
    }
}

fn rare(kind: u8, mut reader: Reader<'_>) -> Result<WalMessage<'_>, DecodeError> {
    let message = match kind {
        b'B' => {
            reader.name = "begin";
            WalMessage::Begin { final_lsn: reader.lsn()?, commit_time_us: reader.time()?, xid: reader.u32()? }
        }
        b'C' => {
            reader.name = "commit";
            reader.u8()?;
            WalMessage::Commit { commit_lsn: reader.lsn()?, end_lsn: reader.lsn()?, commit_time_us: reader.time()? }
        }
        b'O' => {
            reader.name = "origin";
            reader.lsn()?;
            reader.text()?;
            WalMessage::Origin
        }
        b'R' => {
            reader.name = "relation";
            WalMessage::Relation(relation(&mut reader)?)
        }
        b'Y' => {
            reader.name = "type";
            reader.u32()?;
            reader.text()?;
            reader.text()?;
            WalMessage::Type
        }
        b'T' => {
            reader.name = "truncate";
            let count = reader.u32()? as usize;
            reader.u8()?;
            WalMessage::Truncate(Truncated(reader.bytes(count.checked_mul(4).ok_or(DecodeError::Length("truncate"))?)?))
        }
        b'M' => {
            reader.name = "message";
            let transactional = reader.u8()? & 1 == 1;
            let lsn = reader.lsn()?;
            let prefix = reader.text()?;
            let length = reader.u32()? as usize;
            WalMessage::Message { transactional, lsn, prefix, content: reader.bytes(length)? }
        }
        b'b' | b'P' | b'K' | b'r' | b'p' | b'S' | b'E' | b'c' | b'A' => return Err(DecodeError::TwoPhase(char::from(kind))),
        other => return Err(DecodeError::Letter(char::from(other), "pgoutput")),
    };
    reader.end()?;
    Ok(message)
}

fn relation<'a>(reader: &mut Reader<'a>) -> Result<RelationMessage<'a>, DecodeError> {
    let id = RelationId(reader.u32()?);
    let (schema, table, identity) = (reader.text()?, reader.text()?, reader.u8()?);
    let count = reader.u16()?;
    if count > COLUMNS_MAX {
        return Err(DecodeError::Length(reader.name));
    }
    let mut columns = Vec::new();
    for _ in 0..count {
        let flags = reader.u8()?;
        let name = reader.text()?;
        let type_oid = reader.u32()?;
        let type_mod = i32::from_be_bytes(reader.take()?);
        columns.push(ColumnMessage { identity: flags & 1 == 1, name, type_oid, type_mod });
    }
    Ok(RelationMessage { id, schema, table, identity, columns })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Cell;
    use proptest::prelude::*;

    fn put_tuple(out: &mut Vec<u8>, cells: &[Option<Vec<u8>>]) {
        out.extend_from_slice(&(cells.len() as u16).to_be_bytes());
        for cell in cells {
            match cell {
                None => out.push(b'n'),
                Some(text) if text == b"<u>" => out.push(b'u'),
                Some(text) => {
                    out.push(b't');
                    out.extend_from_slice(&(text.len() as u32).to_be_bytes());
                    out.extend_from_slice(text);
                }
            }
        }
    }

    fn check(tuple: Tuple<'_>, cells: &[Option<Vec<u8>>]) {
        assert_eq!(tuple.len(), cells.len());
        for (index, cell) in cells.iter().enumerate() {
            let expected = match cell {
                None => Cell::Null,
                Some(text) if text == b"<u>" => Cell::Unchanged,
                Some(text) => Cell::Text(text),
            };
            assert_eq!(tuple.cell(index), expected);
        }
    }

    fn row() -> impl Strategy<Value = Vec<Option<Vec<u8>>>> {
        proptest::collection::vec(
            proptest::option::of(prop_oneof![proptest::collection::vec(any::<u8>(), 0..20), Just(b"<u>".to_vec())]),
            0..6,
        )
    }

    proptest! {
        #[test]
        fn rows_come_back_as_they_were_sent(old in row(), new in row(), id: u32) {
            let mut cells = Cells::default();
            let mut update = vec![b'U'];
            update.extend_from_slice(&id.to_be_bytes());
            update.push(b'O');
            put_tuple(&mut update, &old);
            update.push(b'N');
            put_tuple(&mut update, &new);
            prop_assert_eq!(decode(&update, &mut cells), Ok(WalMessage::Update(RelationId(id), OldRow::Full)));
            check(cells.old(&update), &old);
            check(cells.new_row(&update), &new);
            for cut in 0..update.len() {
                prop_assert!(decode(&update[..cut], &mut cells).is_err());
            }
        }

        #[test]
        fn any_bytes_are_refused_not_panicked_on(kind in "[BCORYIUDTMbPKrpSEcAx]", rest in proptest::collection::vec(any::<u8>(), 0..80)) {
            let payload = [kind.as_bytes(), &rest].concat();
            let mut cells = Cells::default();
            if let Ok(WalMessage::Truncate(truncated)) = decode(&payload, &mut cells) {
                truncated.relations().count();
            }
        }
    }

    #[test]
    fn begin_and_commit_carry_their_positions() {
        let mut begin = vec![b'B'];
        begin.extend_from_slice(&0x16B_3748u64.to_be_bytes());
        begin.extend_from_slice(&0i64.to_be_bytes());
        begin.extend_from_slice(&746u32.to_be_bytes());
        let expected = WalMessage::Begin { final_lsn: Lsn(0x16B_3748), commit_time_us: POSTGRES_EPOCH_US, xid: 746 };
        assert_eq!(decode(&begin, &mut Cells::default()), Ok(expected));
    }
}
