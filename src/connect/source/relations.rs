//! Tables of the stream: relation id to plan, replaced by every Relation message.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::preview;
use super::registrar::Registrar;
use crate::change::{Column, Op, Relation, RelationId, TypeKind};
use crate::config::postgres::{ColumnMask, Language, PostgresConfig, TopicDefaults};
use crate::connect::tallies::{Tallies, Tally};
use crate::encode::transform::Unfit;
use crate::encode::wire::NoForm;
use crate::encode::{Draft, EventSettings, RelationPlan, values};
use crate::log::topic::is_internal;
use crate::log::{LogWriter, TopicSpec};
use crate::postgres::catalog::{Catalog, Table};
use crate::postgres::pgoutput::{self, Cells, RelationMessage, WalMessage};
use crate::postgres::{Client, PostgresError};
use crate::problem::Problem;
use crate::record::TopicHandle;

/// How long the stream may wait for the catalogue.
const LOOKUP_LIMIT: Duration = Duration::from_secs(60);

/// A table of the stream.
struct Known {
    /// As PostgreSQL described it, which it does once: who captures the table later needs it.
    described: Box<[u8]>,
    /// How its events are written; `None`: it is in the publication, but not in the include lists.
    plan: Option<Box<RelationPlan>>,
    /// Its changes.
    tally: Arc<Tally>,
}

/// Whose events a topic has: the table's object id, schema and name.
type Owner = (RelationId, String, String);

/// All tables seen so far.
pub struct Relations {
    config: Arc<PostgresConfig>,
    settings: Arc<EventSettings>,
    registrar: Arc<Registrar>,
    catalog: Catalog,
    known: Vec<Known>,
    by_id: HashMap<RelationId, usize>,
    /// The relation of the last row: nearly always the next one's too.
    last: Option<(RelationId, usize)>,
    topics: HashMap<String, Owner>,
    told: HashSet<String>,
    tallies: Arc<Tallies>,
}

impl Relations {
    /// None yet.
    pub fn new(config: Arc<PostgresConfig>, settings: Arc<EventSettings>, registrar: Arc<Registrar>, tallies: Arc<Tallies>) -> Self {
        Self {
            config,
            settings,
            registrar,
            catalog: Catalog::default(),
            known: Vec::new(),
            by_id: HashMap::new(),
            last: None,
            topics: HashMap::new(),
            told: HashSet::new(),
            tallies,
        }
    }

    /// A topic for events, made when it is not there. The log's own are refused: whoever names a topic, by a transformation or
    /// in a row, must not write what the log believes.
    pub async fn open_topic<W: LogWriter>(writer: &mut W, name: &str, spec: &TopicSpec) -> Result<TopicHandle, Problem> {
        writer.topic(Self::named(name)?, spec).await.map_err(|error| error.problem())
    }

    /// The name, when events may go there.
    pub fn named(name: &str) -> Result<&str, Problem> {
        if is_internal(name) {
            return Err(Problem::fail("topic/internal", format!("{name} is a topic of the log itself: events cannot go there"))
                .why("a transformation, a row or topic.prefix names it")
                .fix("give the topics of events a prefix, for example route.topic.replacement=outbox.event.${routedByValue}"));
        }
        Ok(name)
    }

    /// How topics of change events are made.
    pub fn topic_spec(config: &PostgresConfig, topic: &str) -> TopicSpec {
        let TopicDefaults { partitions, replication_factor, compression } = config.topics.of(topic);
        TopicSpec { partitions, replication_factor, compression, ..TopicSpec::default() }
    }

    /// Refuses tables of which two would share a topic. The stream would notice, too, but only at the second one's first
    /// row, and which one that is may change from start to start. A naming strategy may say that they shall.
    pub fn refuse_shared_topics<'t>(settings: &EventSettings, tables: impl Iterator<Item = &'t Table>) -> Result<(), Problem> {
        if settings.shares_topics() {
            return Ok(());
        }
        let mut topics: HashMap<String, Owner> = HashMap::new();
        for table in tables {
            let topic = settings.topic_name(&table.schema, &table.table);
            let here = (table.id, table.schema.clone(), table.table.clone());
            if let Some(there) = topics.get(&topic) {
                return Err(collision(&topic, there, &here));
            }
            topics.insert(topic, here);
        }
        Ok(())
    }

    /// Captures the tables of this configuration from now on.
    pub async fn follow<W: LogWriter>(&mut self, config: Arc<PostgresConfig>, client: &Client, writer: &mut W) -> Result<(), Problem> {
        self.config = config;
        self.last = None;
        let tables = &self.config.tables;
        self.topics.retain(|_, (_, schema, table)| tables.includes(schema, table));
        let mut added = Vec::new();
        for known in &mut self.known {
            let Ok(WalMessage::Relation(message)) = pgoutput::decode(&known.described, &mut Cells::default()) else { continue };
            match names_of(&message) {
                (schema, table) if !tables.includes(&schema, &table) => known.plan = None,
                _ if known.plan.is_none() => added.push(known.described.clone()),
                _ => {}
            }
        }
        for described in added {
            if let Ok(WalMessage::Relation(message)) = pgoutput::decode(&described, &mut Cells::default()) {
                self.learn(client, &message, &described, writer).await?;
            }
        }
        Ok(())
    }

    /// Takes in a Relation message, and as what it came.
    pub async fn learn<W: LogWriter>(
        &mut self,
        client: &Client,
        message: &RelationMessage<'_>,
        payload: &[u8],
        writer: &mut W,
    ) -> Result<(), Problem> {
        let (schema, table) = names_of(message);
        let plan = if self.config.tables.includes(&schema, &table) {
            let described = self.catalog.describe(client, message, &self.config.message_key_columns);
            let described = tokio::time::timeout(LOOKUP_LIMIT, described).await;
            let relation = described
                .unwrap_or(Err(PostgresError::Timeout(LOOKUP_LIMIT, "describing a table")))
                .map_err(|error| self.problem(&error))?;
            Some(Box::new(self.plan(relation, writer).await?))
        } else {
            None
        };
        let tally = plan.as_ref().map(|_| self.tallies.of(format!("{schema}.{table}")));
        let known = Known { described: payload.into(), plan, tally: tally.unwrap_or_default() };
        self.last = None;
        match self.by_id.get(&message.id) {
            Some(index) => self.known[*index] = known,
            None => {
                self.by_id.insert(message.id, self.known.len());
                self.known.push(known);
            }
        }
        Ok(())
    }

    /// A plan for a table as the snapshot reads it.
    pub async fn plan_table<W: LogWriter>(
        &mut self,
        client: &Client,
        table: &Table,
        published: Option<&[String]>,
        writer: &mut W,
    ) -> Result<RelationPlan, Problem> {
        let described = self.catalog.describe_table(client, table, published, &self.config.message_key_columns).await;
        let relation = described.map_err(|error| self.problem(&error))?;
        self.plan(relation, writer).await
    }

    /// A plan for a table whose events go nowhere: no topic is made, they have the numbers of their places in `topics`.
    pub async fn sample_plan(
        &mut self,
        client: &Client,
        table: &Table,
        published: Option<&[String]>,
        topics: &mut Vec<String>,
    ) -> Result<RelationPlan, Problem> {
        let described = self.catalog.describe_table(client, table, published, &self.config.message_key_columns).await;
        let draft = self.draft(described.map_err(|error| self.problem(&error))?).await?;
        let mut handles = HashMap::new();
        for name in draft.topics(&self.settings) {
            let handle = preview::number(topics, Self::named(&name)?);
            handles.insert(name, handle);
        }
        draft.finish(&self.settings, |name| handles[name]).map_err(|unfit| refused(&table.name(), &unfit))
    }

    async fn plan<W: LogWriter>(&mut self, relation: Relation, writer: &mut W) -> Result<RelationPlan, Problem> {
        let name_of_table = relation.name();
        let draft = self.draft(relation).await?;
        let mut handles = HashMap::new();
        for name in draft.topics(&self.settings) {
            let handle = Self::open_topic(writer, &name, &Self::topic_spec(&self.config, &name)).await?;
            handles.insert(name, handle);
        }
        draft.finish(&self.settings, |name| handles[name]).map_err(|unfit| refused(&name_of_table, &unfit))
    }

    /// A plan whose topics are not made yet; its schemas have their ids.
    async fn draft(&mut self, relation: Relation) -> Result<Draft, Problem> {
        let topic = self.settings.topic_name(&relation.schema, &relation.table);
        let here = (relation.id, relation.schema.to_string(), relation.table.to_string());
        match self.topics.get(&topic) {
            // A table that was dropped and made again has another id; one that was renamed has another name.
            Some(there) if there.0 != here.0 && (&there.1, &there.2) != (&here.1, &here.2) && !self.settings.shares_topics() => {
                return Err(collision(&topic, there, &here));
            }
            Some(there) if *there == here => {}
            _ => {
                self.topics.insert(topic, here);
            }
        }
        let left_out = self.left_out(&relation);
        if left_out.is_empty() {
            self.tell_of_text_types(&relation);
        }
        self.tell_of_unmasked(&relation);
        self.check_field_names(&relation, &left_out)?;
        let columns = &self.config.columns;
        let (schema, table) = (relation.schema.clone(), relation.table.clone());
        let includes = |column: &str| columns.includes(&schema, &table, column) && !left_out.iter().any(|name| **name == *column);
        let name = relation.name();
        let mut draft = Draft::new(Arc::new(relation), &self.settings, includes).map_err(|unfit| refused(&name, &unfit))?;
        for (topic, forms) in draft.with_forms(&self.settings).map_err(|why| no_form(&name, &why))? {
            self.registrar.register(&topic, forms).await?;
        }
        Ok(draft)
    }

    /// Two columns whose names become one would be two fields of one name, of which a consumer sees the last.
    fn check_field_names(&self, relation: &Relation, left_out: &[Box<str>]) -> Result<(), Problem> {
        let mut known: HashMap<String, &str> = HashMap::new();
        for column in &relation.columns {
            let included =
                self.config.columns.includes(&relation.schema, &relation.table, &column.name) && !left_out.contains(&column.name);
            if !included && column.key_ordinal.is_none() {
                continue;
            }
            let field = self.settings.field_name(&column.name).into_owned();
            if let Some(other) = known.insert(field.clone(), &column.name) {
                let what = format!("the columns \"{other}\" and \"{}\" of {} both become the field {field}", column.name, relation.name());
                return Err(Problem::fail("field/collision", what)
                    .why("field.name.adjustment.mode replaces what Avro does not take")
                    .fix("rename one of them, or leave one out by column.exclude.list"));
            }
        }
        Ok(())
    }

    /// The columns that Debezium leaves out, when that is asked for; said once.
    fn left_out(&mut self, relation: &Relation) -> Vec<Box<str>> {
        if !self.config.omits_unknown {
            return Vec::new();
        }
        let unknown = relation.columns.iter().filter(|column| !values::is_known(&column.kind));
        let names: Vec<_> = unknown.map(|column| column.name.clone()).collect();
        if !names.is_empty() && self.told.insert(format!("{} without {names:?}", relation.name())) {
            tracing::warn!(table = relation.name(), columns = ?names, "unknown.datatypes.handling.mode=omit: these columns are left out");
        }
        names
    }

    /// Types without a form of their own are sent as text, and said once.
    fn tell_of_text_types(&mut self, relation: &Relation) {
        if self.config.unknown_as_bytes {
            return;
        }
        for column in &relation.columns {
            let mut kind = &column.kind;
            while let TypeKind::Array(element) | TypeKind::Domain(element) = kind {
                kind = element;
            }
            let name = match kind {
                TypeKind::Other(name) => name,
                TypeKind::Geometric(name) => *name,
                _ => continue,
            };
            if self.told.insert(name.to_owned()) {
                tracing::warn!(table = relation.name(), column = %column.name, r#type = %name, "values of this type are sent as PostgreSQL's text");
            }
        }
    }

    /// Masked columns whose values are published all the same, as with Debezium, are said once.
    fn tell_of_unmasked(&mut self, relation: &Relation) {
        let shown = |column: &&Column| {
            let mask = self.config.masks.of(&relation.schema, &relation.table, &column.name);
            let hides = mask.filter(|mask| !matches!(mask, ColumnMask::Truncate(_)));
            hides.is_some_and(|mask| column.key_ordinal.is_some() || !values::mask::applies(column, mask, &self.settings.values))
        };
        let columns: Vec<&str> = relation.columns.iter().filter(shown).map(|column| &*column.name).collect();
        if !columns.is_empty() && self.told.insert(format!("{} {columns:?}", relation.name())) {
            tracing::warn!(
                table = relation.name(),
                ?columns,
                "masks name these columns, but keys are not masked, and of the rest only text is"
            );
        }
    }

    /// The plan of a relation; `None` when the table is not captured. A relation that was never described is fatal: its
    /// rows cannot be understood, and skipping them would lose them.
    #[inline]
    pub fn plan_of(&mut self, id: RelationId) -> Result<Option<&mut RelationPlan>, Problem> {
        let index = match self.last {
            Some((last, index)) if last == id => index,
            _ => {
                let index = *self.by_id.get(&id).ok_or_else(|| unknown(id))?;
                self.last = Some((id, index));
                index
            }
        };
        Ok(self.known[index].plan.as_deref_mut())
    }

    /// Counts a change of the table that was asked for last.
    #[inline]
    pub fn count(&self, op: Op) {
        if let Some((_, index)) = self.last {
            self.known[index].tally.count(op);
        }
    }

    fn problem(&self, error: &PostgresError) -> Problem {
        error.problem(&self.config.connection)
    }
}

fn names_of(message: &RelationMessage<'_>) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(message.schema), text(message.table))
}

/// A transformation cannot be applied to a table.
fn refused(table: &str, unfit: &Unfit) -> Problem {
    Problem::fail("transform/unfit", unfit.to_string())
        .at(table)
        .why("without it the table's events would have another shape")
        .fix("correct the transformation, or limit it with a predicate to the topics it is for")
}

/// Why records of this table or topic cannot have the form that was asked for.
pub fn no_form(of: &str, why: &NoForm) -> Problem {
    match why {
        NoForm::Name { language: Language::Avro, .. } => Problem::fail("avro/name", format!("{of}: {why}"))
            .why("names of fields and namespaces have letters, digits and underscores, and begin with no digit")
            .fix("schema.name.adjustment.mode=avro and field.name.adjustment.mode=avro replace what is not allowed by _"),
        NoForm::Name { .. } => Problem::fail("protobuf/name", format!("{of}: {why}"))
            .why("names of fields and packages have letters, digits and underscores, and begin with no digit")
            .fix("scrub.invalid.names=true for the converter, or schema.name.adjustment.mode=avro and field.name.adjustment.mode=avro"),
        NoForm::Twice { .. } => Problem::fail("protobuf/name", format!("{of}: {why}"))
            .why("a message's fields and inner messages have names of their own")
            .fix("rename one of them, or leave one out of the events"),
        NoForm::Single(_) => Problem::fail("protobuf/value", format!("{of}: {why}")).fix("use the JSON converter for it"),
        NoForm::Pairs(..) => Problem::fail("registry/pairs", format!("{of}: {why}"))
            .fix("leave the column out (column.exclude.list), or use the JSON or the Avro converter"),
        NoForm::Part(_) => Problem::fail("cloudevents/envelope", format!("{of}: {why}"))
            .why("its records would be published without a value")
            .fix("take the transformation that changes the envelope away, or use the JSON converter"),
        NoForm::Routed(_) => Problem::fail("registry/routed", format!("{of}: {why}"))
            .fix("use the JSON converter, behind the outbox EventRouter also those of text and bytes"),
        NoForm::Sparse(_) => Problem::fail("registry/sparse", format!("{of}: {why}"))
            .why("a topic's schema is registered before its first record, and drop.fields.header.name gives each record its own")
            .fix("use the JSON converter without schemas, or remove drop.fields.header.name"),
    }
}

fn collision(topic: &str, there: &Owner, here: &Owner) -> Problem {
    let name = |(_, schema, table): &Owner| format!("\"{schema}\".\"{table}\"");
    Problem::fail("topic/collision", format!("{} and {} both map to the topic {topic}", name(there), name(here)))
        .why("their events could not be told apart by topic and key")
        .fix("rename one of them, leave one out (table.exclude.list), or set\ntopic.naming.strategy=io.debezium.schema.SchemaUnicodeTopicNamingStrategy, which keeps apart what _ replaces")
}

fn unknown(id: RelationId) -> Problem {
    Problem::fail("table/unknown-relation", format!("a row of relation {} arrived that PostgreSQL never described", id.0))
        .why("going on would lose rows silently")
        .fix("report this with the server's version; restarting the connector asks PostgreSQL to describe its tables again")
}
