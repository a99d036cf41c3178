//! Everything that is sent as its text: strings, json, uuid, enums, and types without a form of their own.

use super::{Form, Malformed};
use crate::encode::json;

/// The text as a JSON string.
#[inline]
pub fn text(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    json::string(out, text);
    Ok(())
}
