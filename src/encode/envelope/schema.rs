//! Schemas of what surrounds a row: source block, transaction block, envelope, keys.

use crate::change::Relation;
use crate::encode::plan::ColumnPlan;
use crate::encode::schema::{Field, Kind, Schema};

/// `io.debezium.connector.postgresql.Source`, as a field.
pub fn source() -> Field {
    let text = || Schema::from(Kind::String);
    let number = || Schema::from(Kind::Int64);
    let allowed = "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental";
    let snapshot = text().named("io.debezium.data.Enum").parameter("allowed", allowed).with_default(b"\"false\"").optional();
    let fields = vec![
        text().field("version"),
        text().field("connector"),
        text().field("name"),
        number().field("ts_ms"),
        snapshot.field("snapshot"),
        text().field("db"),
        text().optional().field("sequence"),
        number().optional().field("ts_us"),
        number().optional().field("ts_ns"),
        text().field("schema"),
        text().field("table"),
        number().optional().field("txId"),
        number().optional().field("lsn"),
        number().optional().field("xmin"),
        text().optional().field("origin"),
        number().optional().field("origin_lsn"),
    ];
    Schema::new(Kind::Struct(fields)).named("io.debezium.connector.postgresql.Source").field("source")
}

/// `event.block`, as a field.
pub fn transaction() -> Field {
    let number = || Schema::from(Kind::Int64);
    let fields = vec![Schema::from(Kind::String).field("id"), number().field("total_order"), number().field("data_collection_order")];
    Schema::new(Kind::Struct(fields)).named("event.block").optional().field("transaction")
}

/// The row's columns: `<topic>.Value`.
pub(in crate::encode) fn row(topic: &str, relation: &Relation, columns: &[ColumnPlan]) -> Schema {
    Schema::of_struct(&format!("{topic}.Value"), fields(relation, columns))
}

/// `<topic>.Key`; `table` is the field that tells the table, where tables share a topic.
pub(in crate::encode) fn key(topic: &str, relation: &Relation, columns: &[ColumnPlan], table: Option<&(Box<str>, Box<str>)>) -> Schema {
    let mut fields = fields(relation, columns);
    fields.extend(table.map(|(name, _)| Schema::from(Kind::String).field(name)));
    Schema::of_struct(&format!("{topic}.Key"), fields)
}

pub(in crate::encode) fn fields(relation: &Relation, columns: &[ColumnPlan]) -> Vec<Field> {
    columns
        .iter()
        .filter_map(|plan| {
            let column = relation.columns.get(plan.index)?;
            // PostGIS's geometry may be null by Debezium's word, whatever the column says.
            let optional = column.nullable || plan.form.schema.optional;
            let schema = Schema { optional, default: plan.default.clone(), ..(*plan.form.schema).clone() };
            Some(schema.field(&plan.name))
        })
        .collect()
}

/// `<topic>.Envelope` around a row.
pub fn envelope(topic: &str, row: &Schema) -> Schema {
    let number = |name: &str| Schema::from(Kind::Int64).optional().field(name);
    let fields = vec![
        row.clone().optional().field("before"),
        row.clone().optional().field("after"),
        source(),
        transaction(),
        Schema::from(Kind::String).field("op"),
        number("ts_ms"),
        number("ts_us"),
        number("ts_ns"),
    ];
    Schema::of_struct(&format!("{topic}.Envelope"), fields).version(2)
}
