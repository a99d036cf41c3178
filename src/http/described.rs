//! Routes with what is said about them: one table, of which the router and `GET /openapi.json` are both made.
//!
//! Owns the notation in which a body is described, and how it becomes a JSON Schema and an example. Promises that a route
//! without a description cannot exist: a [`Routes`] is all that [`super::router`] takes beside the console's pages. Leaves what is true of each route to the
//! module that has its handler, which describes it where it adds it.
//!
//! A *shape* is an example that says its types: `{"name": "shop", "lag_ms~": 12, "trace?": "why", "tasks": ["@Task"]}`.
//! A key that ends with `?` may be missing, one that ends with `~` may be null, `<shop>` stands for keys of any name. A text
//! `A|B` is one of these, `@Name` is the shape of that name, null is anything.

use std::collections::BTreeMap;

use axum::Router;
use axum::handler::Handler;
use axum::http::{Method, StatusCode};
use axum::routing::{MethodFilter, on};
use serde_json::{Map, Value as Json, json};

use super::{App, auth, session};

/// What JSON is.
const JSON: &str = "application/json";
/// An error under `/v1` (RFC 9457).
pub const PROBLEM: &str = "application/problem+json";

/// Routes of one subject, described.
pub struct Routes {
    router: Router<App>,
    subject: &'static str,
    media: &'static str,
    operations: Vec<Described>,
    shapes: BTreeMap<&'static str, Json>,
}

struct Described {
    path: &'static str,
    method: Method,
    subject: &'static str,
    media: &'static str,
    operation: Operation,
}

impl Routes {
    /// No routes yet, of this subject.
    pub fn of(subject: &'static str) -> Self {
        Self { router: Router::new(), subject, media: JSON, operations: Vec::new(), shapes: BTreeMap::new() }
    }

    /// The media type of bodies, where it is not `application/json`.
    #[must_use]
    pub fn speaking(self, media: &'static str) -> Self {
        Self { media, ..self }
    }

    /// Names a shape, so that others say `@name`.
    #[must_use]
    pub fn shape(mut self, name: &'static str, shape: Json) -> Self {
        self.shapes.insert(name, shape);
        self
    }

    /// A GET.
    #[must_use]
    pub fn get<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H, operation: Operation) -> Self {
        self.add(MethodFilter::GET, Method::GET, path, handler, operation)
    }

    /// A POST.
    #[must_use]
    pub fn post<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H, operation: Operation) -> Self {
        self.add(MethodFilter::POST, Method::POST, path, handler, operation)
    }

    /// A PUT.
    #[must_use]
    pub fn put<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H, operation: Operation) -> Self {
        self.add(MethodFilter::PUT, Method::PUT, path, handler, operation)
    }

    /// A PATCH.
    #[must_use]
    pub fn patch<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H, operation: Operation) -> Self {
        self.add(MethodFilter::PATCH, Method::PATCH, path, handler, operation)
    }

    /// A DELETE.
    #[must_use]
    pub fn delete<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H, operation: Operation) -> Self {
        self.add(MethodFilter::DELETE, Method::DELETE, path, handler, operation)
    }

    fn add<H: Handler<T, App>, T: 'static>(
        mut self,
        filter: MethodFilter,
        method: Method,
        path: &'static str,
        handler: H,
        operation: Operation,
    ) -> Self {
        self.router = self.router.route(path, on(filter, handler));
        self.operations.push(Described { path, method, subject: self.subject, media: self.media, operation });
        self
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.router = self.router.merge(others.router);
        self.operations.extend(others.operations);
        self.shapes.extend(others.shapes);
        self
    }

    /// The router alone.
    pub fn router(self) -> Router<App> {
        self.router
    }

    /// The OpenAPI document.
    pub fn document(&self) -> Json {
        let mut paths: BTreeMap<&str, Map<String, Json>> = BTreeMap::new();
        for described in &self.operations {
            let method = described.method.as_str().to_ascii_lowercase();
            paths.entry(described.path).or_default().insert(method, described.json(&self.shapes));
        }
        let schemas: Map<String, Json> = self.shapes.iter().map(|(name, shape)| ((*name).to_owned(), schema(shape))).collect();
        let mut subjects: Vec<&str> = self.operations.iter().map(|described| described.subject).collect();
        subjects.sort_unstable();
        subjects.dedup();
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Rowfeed",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "Kafka Connect's REST API, a schema registry's, Rowfeed's own under /v1, and probes.",
                "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            },
            "servers": [{ "url": "/" }],
            "tags": subjects.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
            // None of them where http.auth lets in everybody, or this machine.
            "security": [{ "bearer": [] }, { "basic": [] }, { "session": [] }, {}],
            "paths": paths,
            "components": { "schemas": schemas, "securitySchemes": session::schemes() },
        })
    }
}

impl Described {
    fn json(&self, shapes: &BTreeMap<&'static str, Json>) -> Json {
        let operation = &self.operation;
        let mut parameters: Vec<Json> = path_parameters(self.path).map(path_parameter).collect();
        parameters.extend(operation.parameters.iter().map(|(name, shape, says)| {
            json!({ "name": name, "in": "query", "description": says, "schema": schema(shape), "example": example(shape, shapes) })
        }));
        let mut out = json!({
            "operationId": self.id(),
            "tags": [self.subject],
            "summary": operation.summary,
            "parameters": parameters,
            "responses": self.answers(shapes),
        });
        let Some(map) = out.as_object_mut() else { return out };
        if self.is_open() {
            map.insert("security".into(), json!([]));
        }
        if !operation.detail.is_empty() {
            map.insert("description".into(), operation.detail.into());
        }
        if let Some((shape, required)) = &operation.body {
            // Bodies are read as JSON whatever the answer is.
            let content = json!({ JSON: { "schema": schema(shape), "example": example(shape, shapes) } });
            map.insert("requestBody".into(), json!({ "required": required, "content": content }));
        }
        out
    }

    /// `GET /connectors/{name}/status` is `getConnectorsNameStatus`.
    fn id(&self) -> String {
        let mut id = self.method.as_str().to_ascii_lowercase();
        for word in self.path.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
            let mut letters = word.chars();
            id.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            id.push_str(letters.as_str());
        }
        if self.path == "/" { id + "Root" } else { id }
    }

    fn answers(&self, shapes: &BTreeMap<&'static str, Json>) -> Json {
        let mut answers: BTreeMap<String, Json> = BTreeMap::new();
        if !self.is_open() {
            // The same everywhere, so without an example.
            let (media, shape) = if self.path.starts_with("/v1/") { (PROBLEM, "Problem") } else { (JSON, "Error") };
            let content = json!({ media: { "schema": { "$ref": format!("#/components/schemas/{shape}") } } });
            answers.insert("401".to_owned(), json!({ "description": "No token, where one is needed.", "content": content }));
        }
        for (status, message) in self.usual_errors().into_iter().chain(self.operation.errors.iter().copied()) {
            answers.insert(status.to_string(), self.error(status, message));
        }
        for (status, says, content) in &self.operation.answers {
            let body = match content {
                Content::None => None,
                Content::Json(shape) => Some(json!({ self.media: { "schema": schema(shape), "example": example(shape, shapes) } })),
                Content::Text(media, text) => Some(json!({ *media: { "schema": { "type": "string" }, "example": text } })),
            };
            let answer = answers.entry(status.to_string()).or_insert_with(|| json!({ "description": says }));
            // The same status in another form is told beside the first.
            if let Some(Json::Object(content)) = body {
                for (media, shape) in content {
                    answer["content"][media] = shape;
                }
            }
        }
        json!(answers)
    }

    /// Whether no token is ever needed.
    fn is_open(&self) -> bool {
        auth::needs(self.path, &self.method, "", None).is_empty()
    }

    /// What every request can meet, before its handler.
    fn usual_errors(&self) -> Vec<(u16, &'static str)> {
        let mut errors = vec![(403, "the Host of the request is not this machine")];
        if self.operation.body.is_some() {
            errors.push((400, "Malformed JSON: expected value at line 1 column 1"));
            errors.push((408, "the request's body did not arrive in time"));
            errors.push((413, "a body has at most 1048576 bytes"));
            errors.push((415, "HTTP 415 Unsupported Media Type: send Content-Type: application/json"));
        }
        if !self.method.is_safe() {
            errors.push((500, "the request was not finished"));
            errors.push((503, "the service is ending"));
        }
        errors
    }

    fn error(&self, status: u16, message: &str) -> Json {
        let code = StatusCode::from_u16(status).ok();
        let reason = code.and_then(|status| status.canonical_reason()).unwrap_or("Refused");
        if self.path.starts_with("/v1/") {
            let example = json!({ "type": "about:blank", "title": reason, "status": status, "detail": message,
                "request_id": "01934d2c-6c1f-7a52-8d0e-6f3a3f0d9b1c", "error_code": status, "message": message });
            let content = json!({ PROBLEM: { "schema": { "$ref": "#/components/schemas/Problem" }, "example": example } });
            return json!({ "description": reason, "content": content });
        }
        let one = json!({ "schema": { "$ref": "#/components/schemas/Error" }, "example": { "error_code": status, "message": message } });
        let mut content = json!({ JSON: one });
        if let (true, Some(map)) = (self.media != JSON, content.as_object_mut()) {
            map.insert(self.media.to_owned(), one);
        }
        json!({ "description": reason, "content": content })
    }
}

/// The names in braces.
fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> Json {
    let (says, example) = match name {
        "name" => ("The connector's name.", "shop"),
        "task" => ("The task's number: there is one, 0.", "0"),
        "plugin" => ("A class, with or without its package, and a connector's without `Connector`.", "PostgresConnector"),
        "logger" => ("A logger's name, or root.", "root"),
        "topic" => ("The topic's name.", "shop.public.orders"),
        "key" => ("The record's key: JSON, or the bare value of a key of one column.", "42"),
        "slot" => ("The slot's name.", "shop"),
        "subject" => ("The subject's name.", "shop.public.orders-value"),
        "version" => ("A version's number, or latest.", "latest"),
        "id" => ("The number of a schema.", "1"),
        "group" => ("The consumer group's name.", "billing"),
        _ => ("Its name.", "one"),
    };
    json!({ "name": name, "in": "path", "required": true, "description": says, "schema": { "type": "string" }, "example": example })
}

/// What a route takes and answers.
pub struct Operation {
    summary: &'static str,
    detail: &'static str,
    parameters: Vec<(&'static str, Json, &'static str)>,
    body: Option<(Json, bool)>,
    answers: Vec<(u16, &'static str, Content)>,
    errors: Vec<(u16, &'static str)>,
}

enum Content {
    None,
    Json(Json),
    Text(&'static str, &'static str),
}

/// An operation that does this.
pub fn does(summary: &'static str) -> Operation {
    Operation { summary, detail: "", parameters: Vec::new(), body: None, answers: Vec::new(), errors: Vec::new() }
}

impl Operation {
    /// More about it.
    #[must_use]
    pub fn detail(self, detail: &'static str) -> Self {
        Self { detail, ..self }
    }

    /// A parameter of the query.
    #[must_use]
    pub fn query(mut self, name: &'static str, shape: Json, says: &'static str) -> Self {
        self.parameters.push((name, shape, says));
        self
    }

    /// It takes a body of this shape.
    #[must_use]
    pub fn takes(self, shape: Json) -> Self {
        Self { body: Some((shape, true)), ..self }
    }

    /// It answers with a body of this shape.
    #[must_use]
    pub fn answers(mut self, status: u16, says: &'static str, shape: Json) -> Self {
        self.answers.push((status, says, Content::Json(shape)));
        self
    }

    /// It answers with a text; this is one.
    #[must_use]
    pub fn text(mut self, status: u16, says: &'static str, media: &'static str, example: &'static str) -> Self {
        self.answers.push((status, says, Content::Text(media, example)));
        self
    }

    /// It answers without a body.
    #[must_use]
    pub fn empty(mut self, status: u16, says: &'static str) -> Self {
        self.answers.push((status, says, Content::None));
        self
    }

    /// It refuses; this is what it says then.
    #[must_use]
    pub fn fails(mut self, status: u16, message: &'static str) -> Self {
        self.errors.push((status, message));
        self
    }
}

/// The words of a text that is one of several.
fn words(text: &str) -> Option<Vec<&str>> {
    let words: Vec<&str> = text.split('|').collect();
    (words.len() > 1 && words.iter().all(|word| !word.is_empty() && !word.contains(' '))).then_some(words)
}

/// The shape as a JSON Schema.
fn schema(shape: &Json) -> Json {
    match shape {
        Json::Null => json!({}),
        Json::Bool(_) => json!({ "type": "boolean" }),
        Json::Number(number) if number.is_f64() => json!({ "type": "number" }),
        Json::Number(_) => json!({ "type": "integer" }),
        Json::String(text) => match (text.strip_prefix('@'), words(text)) {
            (Some(name), _) => json!({ "$ref": format!("#/components/schemas/{name}") }),
            (None, Some(words)) => json!({ "type": "string", "enum": words }),
            (None, None) => json!({ "type": "string" }),
        },
        Json::Array(items) => match items.first() {
            Some(item) => json!({ "type": "array", "items": schema(item) }),
            None => json!({ "type": "array" }),
        },
        Json::Object(map) => {
            let (mut properties, mut required) = (Map::new(), Vec::new());
            let mut out = json!({ "type": "object" });
            for (key, shape) in map {
                let (name, optional, nullable) = key_of(key);
                let mut schema = schema(shape);
                if nullable {
                    schema = json!({ "anyOf": [schema, { "type": "null" }] });
                }
                if let Some(of_any_name) = key.strip_prefix('<').map(|_| schema.clone()) {
                    out["additionalProperties"] = of_any_name;
                    continue;
                }
                properties.insert(name.to_owned(), schema);
                if !optional {
                    required.push(name);
                }
            }
            if !properties.is_empty() {
                out["properties"] = properties.into();
            }
            if !required.is_empty() {
                out["required"] = json!(required);
            }
            out
        }
    }
}

/// A key's name, whether it may be missing, and whether its value may be null.
fn key_of(key: &str) -> (&str, bool, bool) {
    let (key, nullable) = key.strip_suffix('~').map_or((key, false), |key| (key, true));
    let (key, optional) = key.strip_suffix('?').map_or((key, false), |key| (key, true));
    (key.trim_start_matches('<').trim_end_matches('>'), optional, nullable)
}

/// The shape's example.
fn example(shape: &Json, shapes: &BTreeMap<&'static str, Json>) -> Json {
    match shape {
        Json::String(text) => match (text.strip_prefix('@'), words(text)) {
            (Some(name), _) => shapes.get(name).map_or(Json::Null, |shape| example(shape, shapes)),
            (None, Some(words)) => json!(words.first()),
            (None, None) => shape.clone(),
        },
        Json::Array(items) => items.iter().map(|item| example(item, shapes)).collect(),
        Json::Object(map) => {
            map.iter().map(|(key, shape)| (key_of(key).0.to_owned(), example(shape, shapes))).collect::<Map<_, _>>().into()
        }
        shape => shape.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_a_schema_and_an_example() {
        let shape = json!({ "name": "shop", "lag_ms~": 12, "trace?": "why", "state": "RUNNING|PAUSED", "of": ["@Task"], "any?~": null });
        let shapes = BTreeMap::from([("Task", json!({ "<key>": "value" }))]);
        let expected = json!({
            "type": "object",
            "properties": {
                "name": { "type": "string" },
                "lag_ms": { "anyOf": [{ "type": "integer" }, { "type": "null" }] },
                "trace": { "type": "string" },
                "state": { "type": "string", "enum": ["RUNNING", "PAUSED"] },
                "of": { "type": "array", "items": { "$ref": "#/components/schemas/Task" } },
                "any": { "anyOf": [{}, { "type": "null" }] },
            },
            "required": ["name", "lag_ms", "state", "of"],
        });
        assert_eq!(schema(&shape), expected);
        let shown = json!({ "name": "shop", "lag_ms": 12, "trace": "why", "state": "RUNNING", "of": [{ "key": "value" }], "any": null });
        assert_eq!(example(&shape, &shapes), shown);
        assert_eq!(schema(&shapes["Task"]), json!({ "type": "object", "additionalProperties": { "type": "string" } }));
    }

    /// A route that is added past the table would be in no description. The console's pages are no part of the API.
    #[test]
    fn routes_are_added_here_only() {
        let mut left = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http")];
        while let Some(path) = left.pop() {
            if path.is_dir() {
                left.extend(std::fs::read_dir(&path).expect("the folder").flatten().map(|file| file.path()));
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a text");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let own = path.ends_with("described.rs") || path.ends_with("console.rs");
            assert!(own || !code.contains("axum::routing"), "{}: add routes through Routes", path.display());
        }
    }
}
