//! `point`: Debezium's struct of coordinates and well-known binary.

use super::{Form, Malformed};
use crate::encode::json::{self, Alphabet};
use crate::encode::schema::{Kind, Schema};

/// The form of `point`. An unchanged value is never left out: points are small.
pub fn form() -> Form {
    let fields = vec![
        Schema::from(Kind::Double).field("x"),
        Schema::from(Kind::Double).field("y"),
        Schema::from(Kind::Bytes).optional().field("wkb"),
        Schema::from(Kind::Int32).optional().field("srid"),
    ];
    let schema = Schema::new(Kind::Struct(fields)).named("io.debezium.data.geometry.Point").doc("Geometry (POINT)");
    Form::new(point, 0, b"null".to_vec(), b"null", schema)
}

fn point(out: &mut Vec<u8>, text: &[u8], _: &Form) -> Result<(), Malformed> {
    let inside = std::str::from_utf8(text).ok().and_then(|text| text.strip_prefix('(')?.strip_suffix(')')).ok_or(Malformed)?;
    let (x, y) = inside.split_once(',').ok_or(Malformed)?;
    let number = |text: &str| text.parse::<f64>().map_err(|_| Malformed);
    let (x, y) = (number(x)?, number(y)?);
    out.extend_from_slice(b"{\"x\":");
    json::double(out, x);
    out.extend_from_slice(b",\"y\":");
    json::double(out, y);
    // Little-endian, a point.
    let mut wkb = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    wkb[5..13].copy_from_slice(&x.to_le_bytes());
    wkb[13..].copy_from_slice(&y.to_le_bytes());
    out.extend_from_slice(b",\"wkb\":\"");
    json::base64(out, &wkb, Alphabet::Standard);
    out.extend_from_slice(b"\",\"srid\":null}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_debeziums() {
        let mut out = Vec::new();
        point(&mut out, b"(1,2)", &form()).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"x":1.0,"y":2.0,"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAABA","srid":null}"#);
        for wrong in [&b"1,2"[..], b"(1)", b"(a,b)", b"", b"(", b"\xff"] {
            assert!(point(&mut Vec::new(), wrong, &form()).is_err());
        }
    }
}
