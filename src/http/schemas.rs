//! The schema registry's REST API, as Confluent's answers it: paths, bodies and error codes.
//!
//! It stands at the root, where clients expect it: `schema.registry.url` is this service's HTTP address. None of its paths is
//! one of Kafka Connect's.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value as Json, json};

use super::described::{Operation, Routes, does};
use super::{ApiError, App, Pairs, is_on, json_body, parameter};
use crate::connect::Schemas;
use crate::connect::schemas::With;
use crate::registry::subjects::Offer;
use crate::registry::{Kind, Level, Mode, Refusal, Schema, Version, protobuf};

/// What answers are.
const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// As many schemas are listed when no limit is asked for.
const LISTED: usize = 1_000;

/// The routes.
pub fn routes() -> Routes {
    let (no_subject, no_version) = ("Subject 'shop' not found.", "The specified version 'x' is not a valid version id.");
    let no_schema = "Schema 99 not found";
    let external = "the schema registry lives in the built-in log: with an external log, use the registry beside it";
    let asks = |summary| does(summary).fails(404, external);
    let page = |operation: Operation| {
        operation.query("offset", json!(0), "So many are left out.").query("limit", json!(100), "So many at most; -1 is all.")
    };
    let deleted = "Those deleted are listed, too.";
    let invalid = "Invalid schema: expected value at line 1 column 1";
    let is_kept = |operation: Operation| operation.fails(409, "the schema is incompatible with an earlier one").fails(422, invalid);
    let level = "NONE|BACKWARD|FORWARD|FULL|BACKWARD_TRANSITIVE|FORWARD_TRANSITIVE|FULL_TRANSITIVE";
    let levels = || json!({ "compatibilityLevel": level });
    let (mode_of, no_mode) =
        (|| json!({ "mode": "READWRITE|READONLY|IMPORT" }), "Invalid mode. Valid values are READWRITE, READONLY, IMPORT");
    let (no_level, set_level) = ("Invalid compatibility level.", || json!({ "compatibility": level }));
    Routes::of("Schema registry")
        .speaking(CONTENT_TYPE)
        .shape("Reference", json!({ "name": "Money", "subject": "money", "version": 1 }))
        .shape(
            "Offer",
            json!({ "schema": "{\"type\": \"string\"}", "schemaType?~": "AVRO|JSON|PROTOBUF", "references?~": ["@Reference"], "id?~": -1, "version?~": -1 }),
        )
        .shape(
            "Version",
            json!({ "subject": "shop-value", "version": 1, "id": 1, "schemaType?": "JSON|PROTOBUF", "references?": ["@Reference"],
                "schema": "{\"type\": \"string\"}", "deleted?": false }),
        )
        .shape("Verdict", json!({ "is_compatible": true, "messages?": ["the reader has a field without a default"] }))
        .get(
            "/subjects",
            subjects,
            page(asks("Lists the subjects"))
                .query("subjectPrefix", json!("shop"), "Those that begin so.")
                .query("deleted", json!(true), deleted)
                .query("deletedOnly", json!(true), "Those deleted alone.")
                .answers(200, "Their names.", json!(["shop-value"])),
        )
        .post(
            "/subjects/{subject}",
            look_up,
            is_kept(asks("Looks a schema up"))
                .query("normalize", json!(true), "However it is written.")
                .query("deleted", json!(true), deleted)
                .takes(json!("@Offer"))
                .answers(200, "Where it is.", json!("@Version"))
                .fails(404, no_subject),
        )
        .delete(
            "/subjects/{subject}",
            delete_subject,
            asks("Deletes a subject")
                .query("permanent", json!(true), "For good, after it was deleted.")
                .answers(200, "The versions that are gone.", json!([1, 2]))
                .fails(404, no_subject)
                .fails(422, "One or more references exist to the schema"),
        )
        .get(
            "/subjects/{subject}/versions",
            versions,
            page(asks("Lists a subject's versions"))
                .query("deleted", json!(true), deleted)
                .query("deletedOnly", json!(true), "Those deleted alone.")
                .answers(200, "Their numbers.", json!([1, 2]))
                .fails(404, no_subject),
        )
        .post(
            "/subjects/{subject}/versions",
            register,
            is_kept(asks("Registers a schema"))
                .query("normalize", json!(true), "However it is written.")
                .takes(json!("@Offer"))
                .answers(200, "Its number.", json!({ "id": 1 })),
        )
        .get(
            "/subjects/{subject}/versions/{version}",
            version,
            asks("Shows a version")
                .query("deleted", json!(true), "Also when it is deleted.")
                .answers(200, "It.", json!("@Version"))
                .fails(404, no_subject)
                .fails(422, no_version),
        )
        .delete(
            "/subjects/{subject}/versions/{version}",
            delete_version,
            asks("Deletes a version")
                .query("permanent", json!(true), "For good, after it was deleted.")
                .answers(200, "Its number.", json!(1))
                .fails(404, no_subject)
                .fails(422, no_version),
        )
        .get(
            "/subjects/{subject}/versions/{version}/schema",
            version_schema,
            asks("Shows a version's schema alone")
                .query("deleted", json!(true), "Also when it is deleted.")
                .answers(200, "The schema as it was registered; Protobuf's is no JSON.", json!(null))
                .fails(404, no_subject)
                .fails(422, no_version),
        )
        .get(
            "/subjects/{subject}/versions/{version}/referencedby",
            referenced_by,
            asks("Lists the schemas that use a version")
                .query("deleted", json!(true), deleted)
                .answers(200, "Their numbers.", json!([3]))
                .fails(404, no_subject)
                .fails(422, no_version),
        )
        .get(
            "/schemas",
            all,
            page(asks("Lists the versions of all subjects"))
                .query("subjectPrefix", json!("shop"), "Of subjects that begin so.")
                .query("deleted", json!(true), deleted)
                .query("latestOnly", json!(true), "The latest of each subject.")
                .answers(200, "The versions.", json!(["@Version"])),
        )
        .get("/schemas/types", types, does("Lists the kinds of schema").answers(200, "Their names.", json!(["AVRO"])))
        .get(
            "/schemas/ids/{id}",
            by_id,
            asks("Shows a schema by its number")
                .query("format", json!("serialized"), "serialized: a Protobuf schema compiled, in base 64.")
                .query("fetchMaxId", json!(true), "The greatest number, too.")
                .answers(
                    200,
                    "It.",
                    json!({ "schema": "{\"type\": \"string\"}", "schemaType?": "JSON|PROTOBUF", "references?": ["@Reference"], "maxId?": 1 }),
                )
                .fails(404, no_schema)
                .fails(422, invalid),
        )
        .get(
            "/schemas/ids/{id}/schema",
            schema_by_id,
            asks("Shows a schema alone by its number")
                .answers(200, "The schema as it was registered; Protobuf's is no JSON.", json!(null))
                .fails(404, no_schema),
        )
        .get(
            "/schemas/ids/{id}/subjects",
            subjects_of_id,
            page(asks("Lists the subjects that have a schema"))
                .query("deleted", json!(true), deleted)
                .answers(200, "Their names.", json!(["shop-value"]))
                .fails(404, no_schema),
        )
        .get(
            "/schemas/ids/{id}/versions",
            versions_of_id,
            page(asks("Lists the versions that have a schema"))
                .query("deleted", json!(true), deleted)
                .answers(200, "The versions.", json!([{ "subject": "shop-value", "version": 1 }]))
                .fails(404, no_schema),
        )
        .post(
            "/compatibility/subjects/{subject}/versions",
            compare_with_all,
            asks("Compares a schema with those of a subject that its level names")
                .query("verbose", json!(true), "Says why not.")
                .query("normalize", json!(true), "However it is written.")
                .takes(json!("@Offer"))
                .answers(200, "Whether it could be registered.", json!("@Verdict"))
                .fails(404, no_subject)
                .fails(422, invalid),
        )
        .post(
            "/compatibility/subjects/{subject}/versions/{version}",
            compare,
            asks("Compares a schema with a version")
                .query("verbose", json!(true), "Says why not.")
                .query("normalize", json!(true), "However it is written.")
                .takes(json!("@Offer"))
                .answers(200, "Whether they are compatible.", json!("@Verdict"))
                .fails(404, no_subject)
                .fails(422, no_version),
        )
        .get("/config", level_of_all, asks("Shows the level of compatibility").answers(200, "The level.", levels()))
        .put(
            "/config",
            put_level,
            asks("Sets the level of compatibility").takes(set_level()).answers(200, "It is set.", set_level()).fails(422, no_level),
        )
        .delete("/config", delete_level, asks("Goes back to the usual level").answers(200, "The level before.", levels()))
        .get(
            "/config/{subject}",
            subject_level,
            asks("Shows a subject's level")
                .query("defaultToGlobal", json!(true), "That of all where it has none.")
                .answers(200, "The level.", levels())
                .fails(404, "Subject 'shop' does not have subject-level compatibility configured"),
        )
        .put(
            "/config/{subject}",
            put_subject_level,
            asks("Sets a subject's level").takes(set_level()).answers(200, "It is set.", set_level()).fails(422, no_level),
        )
        .delete(
            "/config/{subject}",
            delete_subject_level,
            asks("Forgets a subject's level").answers(200, "The level before.", levels()).fails(404, no_subject),
        )
        .get("/mode", mode, asks("Shows the mode").answers(200, "The mode.", mode_of()))
        .put(
            "/mode",
            put_mode,
            asks("Sets the mode")
                .query("force", json!(true), "Also when there are schemas.")
                .takes(mode_of())
                .answers(200, "It is set.", mode_of())
                .fails(422, no_mode),
        )
        .delete("/mode", delete_mode, asks("Goes back to the usual mode").answers(200, "The mode before.", mode_of()))
        .get(
            "/mode/{subject}",
            subject_mode,
            asks("Shows a subject's mode")
                .query("defaultToGlobal", json!(true), "That of all where it has none.")
                .answers(200, "The mode.", mode_of())
                .fails(404, "Subject 'shop' does not have subject-level mode configured"),
        )
        .put(
            "/mode/{subject}",
            put_subject_mode,
            asks("Sets a subject's mode")
                .query("force", json!(true), "Also when there are schemas.")
                .takes(mode_of())
                .answers(200, "It is set.", mode_of())
                .fails(422, no_mode),
        )
        .delete(
            "/mode/{subject}",
            delete_subject_mode,
            asks("Forgets a subject's mode").answers(200, "The mode before.", mode_of()).fails(404, no_subject),
        )
        .get("/contexts", contexts, asks("Lists the contexts").answers(200, "There is one.", json!(["."])))
}

/// A refusal, as the registry answers it.
struct Refused(Refusal);

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self(Refusal::new(error.status.as_u16().into(), error.message))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, answer(json!({ "error_code": self.0.code, "message": self.0.message }))).into_response()
    }
}

type Answer = Result<Response, Refused>;

fn answer(body: Json) -> Response {
    text(body.to_string())
}

fn text(body: String) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response()
}

fn registry(app: &App) -> Result<&Arc<Schemas>, Refused> {
    let why = "the schema registry lives in the built-in log: with an external log, use the registry beside it";
    app.0.schemas.as_ref().ok_or_else(|| Refusal::new(404, why).into())
}

/// `latest`, `-1`, or a number from 1.
fn number(written: &str) -> Result<Option<u32>, Refused> {
    if matches!(written, "latest" | "-1") {
        return Ok(None);
    }
    let number = written.parse().ok().filter(|number| (1..=i32::MAX as u32).contains(number));
    let refused = || {
        let allowed = "Allowed values are between [1, 2^31-1] and the string \"latest\"";
        Refusal::new(42202, format!("The specified version '{written}' is not a valid version id. {allowed}")).into()
    };
    number.map(Some).ok_or_else(refused)
}

fn id(written: &str) -> Result<u32, Refused> {
    written.parse().map_err(|_| Refusal::new(404, "HTTP 404 Not Found").into())
}

/// A page of a list: `offset` and `limit`.
fn page<T>(items: impl Iterator<Item = T>, pairs: &[(String, String)], default: usize) -> Vec<T> {
    let asked = |name: &str| parameter(pairs, name).and_then(|value| value.parse::<i64>().ok());
    let offset = asked("offset").and_then(|offset| usize::try_from(offset).ok()).unwrap_or(0);
    // -1 is "all" to Confluent's clients.
    let limit = asked("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(default);
    items.skip(offset).take(limit).collect()
}

/// A version with its place.
fn describe(version: &Version) -> Json {
    let mut out = Map::new();
    out.insert("subject".into(), version.subject.clone().into());
    out.insert("version".into(), version.version.into());
    out.insert("id".into(), version.id.into());
    put_schema(&mut out, &version.schema);
    if version.deleted {
        out.insert("deleted".into(), true.into());
    }
    Json::Object(out)
}

/// What is AVRO, or empty, is not said.
fn put_schema(out: &mut Map<String, Json>, schema: &Schema) {
    if schema.kind != Kind::Avro {
        out.insert("schemaType".into(), schema.kind.name().into());
    }
    if !schema.references.is_empty() {
        out.insert("references".into(), json!(schema.references));
    }
    out.insert("schema".into(), schema.text.clone().into());
}

/// The schema in a request's body.
fn offer(headers: &HeaderMap, body: &Bytes, pairs: &[(String, String)]) -> Result<Offer, Refused> {
    let body = json_body(headers, body)?;
    let given = |name: &str| body.get(name).filter(|value| !value.is_null());
    if given("metadata").is_some() || given("ruleSet").is_some() {
        return Err(Refusal::new(42205, "metadata and rule sets are not kept here").into());
    }
    let kind = match given("schemaType").map(|kind| kind.as_str().unwrap_or_default()) {
        None | Some("") => Kind::Avro,
        Some(name) => Kind::parse(name).ok_or_else(|| Refusal::new(42201, format!("Invalid schema type {name}")))?,
    };
    let invalid = |what: &str| Refused(Refusal::new(42201, format!("Invalid schema: {what}")));
    let references = match given("references") {
        None => Vec::new(),
        Some(references) => serde_json::from_value(references.clone()).map_err(|error| invalid(&error.to_string()))?,
    };
    let positive = |name: &str| match given(name).and_then(Json::as_i64) {
        // Clients say "none of mine" so.
        None | Some(-1 | 0) => Ok(None),
        Some(number) => u32::try_from(number).map(Some).map_err(|_| invalid(name)),
    };
    Ok(Offer {
        kind,
        text: given("schema").and_then(Json::as_str).unwrap_or_default().to_owned(),
        references,
        normalize: is_on(pairs, "normalize"),
        id: positive("id")?,
        version: positive("version")?,
    })
}

async fn subjects(State(app): State<App>, Query(pairs): Pairs) -> Answer {
    let subjects = registry(&app)?.subjects();
    let prefix = parameter(&pairs, "subjectPrefix").filter(|prefix| *prefix != ":*:").unwrap_or("");
    let deleted_only = is_on(&pairs, "deletedOnly");
    let names = subjects.subjects(deleted_only || is_on(&pairs, "deleted"));
    let names = names.into_iter().filter(|name| name.starts_with(prefix));
    let names = names.filter(|name| !deleted_only || subjects.versions(name, false).is_err());
    Ok(answer(json!(page(names, &pairs, usize::MAX))))
}

async fn versions(State(app): State<App>, Path(subject): Path<String>, Query(pairs): Pairs) -> Answer {
    let subjects = registry(&app)?.subjects();
    let deleted_only = is_on(&pairs, "deletedOnly");
    let versions = subjects.versions(&subject, deleted_only || is_on(&pairs, "deleted"))?;
    let numbers = versions.iter().filter(|version| !deleted_only || version.deleted).map(|version| version.version);
    Ok(answer(json!(page(numbers, &pairs, usize::MAX))))
}

async fn version(State(app): State<App>, Path((subject, version)): Path<(String, String)>, Query(pairs): Pairs) -> Answer {
    let subjects = registry(&app)?.subjects();
    Ok(answer(describe(subjects.version(&subject, number(&version)?, is_on(&pairs, "deleted"))?)))
}

async fn version_schema(State(app): State<App>, Path((subject, version)): Path<(String, String)>, Query(pairs): Pairs) -> Answer {
    let subjects = registry(&app)?.subjects();
    Ok(text(subjects.version(&subject, number(&version)?, is_on(&pairs, "deleted"))?.schema.text.clone()))
}

async fn referenced_by(State(app): State<App>, Path((subject, version)): Path<(String, String)>, Query(pairs): Pairs) -> Answer {
    let subjects = registry(&app)?.subjects();
    let used = subjects.version(&subject, number(&version)?, true)?;
    let mut ids: Vec<u32> = subjects.users(used, is_on(&pairs, "deleted")).map(|version| version.id).collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(answer(json!(ids)))
}

async fn register(State(app): State<App>, Path(subject): Path<String>, Query(pairs): Pairs, headers: HeaderMap, body: Bytes) -> Answer {
    let version = registry(&app)?.register(&subject, offer(&headers, &body, &pairs)?).await?;
    Ok(answer(json!({ "id": version.id })))
}

async fn look_up(State(app): State<App>, Path(subject): Path<String>, Query(pairs): Pairs, headers: HeaderMap, body: Bytes) -> Answer {
    let offer = offer(&headers, &body, &pairs)?;
    Ok(answer(describe(&registry(&app)?.look_up(&subject, offer, is_on(&pairs, "deleted")).await?)))
}

async fn delete_subject(State(app): State<App>, Path(subject): Path<String>, Query(pairs): Pairs) -> Answer {
    Ok(answer(json!(registry(&app)?.delete(&subject, None, is_on(&pairs, "permanent")).await?)))
}

async fn delete_version(State(app): State<App>, Path((subject, version)): Path<(String, String)>, Query(pairs): Pairs) -> Answer {
    let gone = registry(&app)?.delete(&subject, Some(number(&version)?), is_on(&pairs, "permanent")).await?;
    Ok(answer(json!(gone.first())))
}

async fn all(State(app): State<App>, Query(pairs): Pairs) -> Answer {
    let subjects = registry(&app)?.subjects();
    let prefix = parameter(&pairs, "subjectPrefix").filter(|prefix| *prefix != ":*:").unwrap_or("");
    let (deleted, latest_only) = (is_on(&pairs, "deleted"), is_on(&pairs, "latestOnly"));
    let names = subjects.subjects(deleted).into_iter().filter(|name| name.starts_with(prefix));
    let versions = names.flat_map(|name| {
        let mut versions = subjects.versions(name, deleted).unwrap_or_default();
        if latest_only {
            versions.drain(..versions.len().saturating_sub(1));
        }
        versions
    });
    Ok(answer(page(versions, &pairs, LISTED).into_iter().map(describe).collect()))
}

async fn types() -> Response {
    answer(json!(["JSON", "PROTOBUF", "AVRO"]))
}

async fn by_id(State(app): State<App>, Path(written): Path<String>, Query(pairs): Pairs) -> Answer {
    let subjects = registry(&app)?.subjects();
    let mut out = Map::new();
    let schema = known(subjects.schema(id(&written)?), &written)?;
    put_schema(&mut out, schema);
    if schema.kind == Kind::Protobuf && parameter(&pairs, "format") == Some("serialized") {
        let text = schema.text.clone();
        // Reading a large file holds up nobody else.
        let compiled = tokio::task::spawn_blocking(move || protobuf::compiled(&text)).await;
        let compiled = compiled.unwrap_or_else(|_| Err("reading it met a defect".to_owned()));
        out.insert("schema".into(), compiled.map_err(|why| Refusal::invalid_schema(&why))?.into());
    }
    if is_on(&pairs, "fetchMaxId") {
        out.insert("maxId".into(), subjects.id_max().into());
    }
    Ok(answer(out.into()))
}

fn known<'a>(schema: Option<&'a Arc<Schema>>, id: &str) -> Result<&'a Schema, Refused> {
    schema.map(AsRef::as_ref).ok_or_else(|| Refusal::new(40403, format!("Schema {id} not found")).into())
}

async fn schema_by_id(State(app): State<App>, Path(written): Path<String>) -> Answer {
    let subjects = registry(&app)?.subjects();
    Ok(text(known(subjects.schema(id(&written)?), &written)?.text.clone()))
}

async fn subjects_of_id(State(app): State<App>, Path(written): Path<String>, Query(pairs): Pairs) -> Answer {
    let subjects = registry(&app)?.subjects();
    known(subjects.schema(id(&written)?), &written)?;
    let mut names: Vec<&str> =
        subjects.uses(id(&written)?, is_on(&pairs, "deleted")).into_iter().map(|version| version.subject.as_str()).collect();
    names.dedup();
    Ok(answer(json!(page(names.into_iter(), &pairs, usize::MAX))))
}

async fn versions_of_id(State(app): State<App>, Path(written): Path<String>, Query(pairs): Pairs) -> Answer {
    let subjects = registry(&app)?.subjects();
    known(subjects.schema(id(&written)?), &written)?;
    let uses = subjects.uses(id(&written)?, is_on(&pairs, "deleted")).into_iter();
    let uses = uses.map(|version| json!({ "subject": version.subject, "version": version.version }));
    Ok(answer(page(uses, &pairs, usize::MAX).into()))
}

async fn compare_with_all(
    State(app): State<App>,
    Path(subject): Path<String>,
    Query(pairs): Pairs,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let offer = offer(&headers, &body, &pairs)?;
    verdict(registry(&app)?.compare(&subject, offer, With::Level).await?, &pairs)
}

async fn compare(
    State(app): State<App>,
    Path((subject, version)): Path<(String, String)>,
    Query(pairs): Pairs,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let with = number(&version)?.map_or(With::Latest, With::Version);
    let offer = offer(&headers, &body, &pairs)?;
    verdict(registry(&app)?.compare(&subject, offer, with).await?, &pairs)
}

fn verdict(obstacles: Vec<String>, pairs: &[(String, String)]) -> Answer {
    let mut out = json!({ "is_compatible": obstacles.is_empty() });
    if is_on(pairs, "verbose")
        && let Some(out) = out.as_object_mut()
    {
        out.insert("messages".into(), obstacles.into());
    }
    Ok(answer(out))
}

async fn level_of_all(State(app): State<App>) -> Answer {
    let level = registry(&app)?.subjects().own_level(None).unwrap_or_default();
    Ok(answer(json!({ "compatibilityLevel": level.name() })))
}

async fn subject_level(State(app): State<App>, Path(subject): Path<String>, Query(pairs): Pairs) -> Answer {
    let subjects = registry(&app)?.subjects();
    let level = match subjects.own_level(Some(&subject)) {
        Some(level) => level,
        None if is_on(&pairs, "defaultToGlobal") => subjects.level(&subject),
        None => {
            let why = format!("Subject '{subject}' does not have subject-level compatibility configured");
            return Err(Refusal::new(40408, why).into());
        }
    };
    Ok(answer(json!({ "compatibilityLevel": level.name() })))
}

async fn put_level(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Answer {
    set_level(&app, None, &headers, &body).await
}

async fn put_subject_level(State(app): State<App>, Path(subject): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    set_level(&app, Some(&subject), &headers, &body).await
}

async fn set_level(app: &App, subject: Option<&str>, headers: &HeaderMap, body: &Bytes) -> Answer {
    let body = json_body(headers, body)?;
    let others = body.as_object().into_iter().flatten().filter(|(name, value)| *name != "compatibility" && !value.is_null());
    if let Some((other, _)) = others.into_iter().next() {
        return Err(Refusal::new(42205, format!("only \"compatibility\" can be set here, not \"{other}\"")).into());
    }
    let level = body.get("compatibility").and_then(Json::as_str).and_then(Level::parse).ok_or_else(|| {
        let valid = "none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive";
        Refusal::new(42203, format!("Invalid compatibility level. Valid values are {valid}"))
    })?;
    registry(app)?.set_level(subject, Some(level)).await?;
    Ok(answer(json!({ "compatibility": level.name() })))
}

async fn delete_level(State(app): State<App>) -> Answer {
    let level = registry(&app)?.subjects().own_level(None).unwrap_or_default();
    registry(&app)?.set_level(None, None).await?;
    Ok(answer(json!({ "compatibilityLevel": level.name() })))
}

async fn delete_subject_level(State(app): State<App>, Path(subject): Path<String>) -> Answer {
    let level = registry(&app)?.subjects().own_level(Some(&subject)).ok_or_else(|| Refusal::no_subject(&subject))?;
    registry(&app)?.set_level(Some(&subject), None).await?;
    Ok(answer(json!({ "compatibilityLevel": level.name() })))
}

async fn mode(State(app): State<App>) -> Answer {
    let mode = registry(&app)?.subjects().own_mode(None).unwrap_or_default();
    Ok(answer(json!({ "mode": mode.name() })))
}

async fn subject_mode(State(app): State<App>, Path(subject): Path<String>, Query(pairs): Pairs) -> Answer {
    let subjects = registry(&app)?.subjects();
    let mode = match subjects.own_mode(Some(&subject)) {
        Some(mode) => mode,
        None if is_on(&pairs, "defaultToGlobal") => subjects.mode(&subject),
        None => return Err(Refusal::new(40409, format!("Subject '{subject}' does not have subject-level mode configured")).into()),
    };
    Ok(answer(json!({ "mode": mode.name() })))
}

async fn put_mode(State(app): State<App>, Query(pairs): Pairs, headers: HeaderMap, body: Bytes) -> Answer {
    set_mode(&app, None, &pairs, &headers, &body).await
}

async fn put_subject_mode(
    State(app): State<App>,
    Path(subject): Path<String>,
    Query(pairs): Pairs,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    set_mode(&app, Some(&subject), &pairs, &headers, &body).await
}

async fn set_mode(app: &App, subject: Option<&str>, pairs: &[(String, String)], headers: &HeaderMap, body: &Bytes) -> Answer {
    let body = json_body(headers, body)?;
    let mode = body.get("mode").and_then(Json::as_str).and_then(Mode::parse);
    let mode = mode.ok_or_else(|| Refusal::new(42204, "Invalid mode. Valid values are READWRITE, READONLY, IMPORT"))?;
    registry(app)?.set_mode(subject, Some(mode), is_on(pairs, "force")).await?;
    Ok(answer(json!({ "mode": mode.name() })))
}

async fn delete_mode(State(app): State<App>) -> Answer {
    let mode = registry(&app)?.subjects().own_mode(None).unwrap_or_default();
    registry(&app)?.set_mode(None, None, false).await?;
    Ok(answer(json!({ "mode": mode.name() })))
}

async fn delete_subject_mode(State(app): State<App>, Path(subject): Path<String>) -> Answer {
    let mode = registry(&app)?.subjects().own_mode(Some(&subject)).ok_or_else(|| Refusal::no_subject(&subject))?;
    registry(&app)?.set_mode(Some(&subject), None, false).await?;
    Ok(answer(json!({ "mode": mode.name() })))
}

async fn contexts(State(app): State<App>) -> Answer {
    registry(&app)?;
    Ok(answer(json!(["."])))
}
