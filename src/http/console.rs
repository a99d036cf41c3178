//! `/ui/`: the console, which is inside the program.
//!
//! Owns the files of `console/dist` as they were when the program was built, and a page in their place that says how they are built.
//! Promises that each address below `/ui/` is the application, which knows its pages itself, that a file whose name changes with its content
//! is kept by browsers while the page itself is asked about anew, that files go out as small as a browser takes them, and that a page asks
//! nobody but its own origin and runs nothing from elsewhere. Leaves what pages show to the paths that everybody uses.

use std::borrow::Cow;

use axum::extract::{Path, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::App;

/// What `npm run build` made.
#[derive(RustEmbed)]
#[folder = "console/dist"]
#[allow_missing = true]
struct Files;

/// The page, before anybody asks for another.
const PAGE: &str = "index.html";
/// Where files have the hash of their content in their names.
const HASHED: &str = "assets/";
/// Nothing from elsewhere, nothing inside the page, in nobody's frame.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; connect-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
/// What stands in the console's place.
const PLACEHOLDER: &str = r#"<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>rowfeed</title></head>
<body>
<h1>The console is not in this program</h1>
<p>It was built without Node. With Node 20 or newer, in the source folder:</p>
<pre>npm --prefix console ci
npm --prefix console run build
cargo build --release</pre>
<p>All that it shows is in the API: <a href="/openapi.json">/openapi.json</a>, <a href="/v1/status">/v1/status</a>.</p>
</body>
</html>
"#;

/// The routes. They are no part of the API, and need no token.
pub fn router() -> axum::Router<App> {
    axum::Router::new().route("/ui", get(page)).route("/ui/{*path}", get(file))
}

/// A browser that asks for the root is shown the console; Kafka Connect's clients ask for JSON.
pub async fn welcome(request: Request, next: Next) -> Response {
    let accepts = request.headers().get(header::ACCEPT).and_then(|accepts| accepts.to_str().ok()).unwrap_or_default();
    if request.uri().path() == "/" && request.method() == Method::GET && accepts.contains("text/html") {
        return Redirect::to("/ui/").into_response();
    }
    next.run(request).await
}

async fn page(headers: HeaderMap) -> Response {
    serve(PAGE, &headers).unwrap_or_else(|| guarded((typed("text/html; charset=utf-8"), PLACEHOLDER).into_response()))
}

async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    // An address of the application has no dot in its last part, but may be of a topic: those are no file.
    match serve(&path, &headers) {
        Some(file) => file,
        None if path.starts_with(HASHED) => {
            guarded((StatusCode::NOT_FOUND, "this file is of another version of the console: load the page again\n").into_response())
        }
        None => page(headers).await,
    }
}

fn serve(path: &str, headers: &HeaderMap) -> Option<Response> {
    let plain = Files::get(path)?;
    let kind = HeaderValue::from_str(plain.metadata.mimetype()).ok()?;
    let tag = format!("\"{}\"", hex(&plain.metadata.sha256_hash()));
    let (encoding, body) = smallest(path, headers, plain);
    let is_hashed = path.starts_with(HASHED);
    let kept = if is_hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
    let is_known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).is_some_and(|tags| tags.contains(&tag));
    let mut response = if is_known { StatusCode::NOT_MODIFIED.into_response() } else { body.into_response() };
    let set = response.headers_mut();
    set.insert(header::CONTENT_TYPE, kind);
    set.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    set.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    set.insert(header::ETAG, HeaderValue::from_str(&tag).ok()?);
    if let Some(encoding) = encoding {
        set.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    Some(guarded(response))
}

/// The file in the smallest form that the browser takes: each lies beside it where that is worth it.
fn smallest(path: &str, headers: &HeaderMap, plain: EmbeddedFile) -> (Option<&'static str>, Cow<'static, [u8]>) {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|accepted| accepted.to_str().ok()).unwrap_or_default();
    let takes = |encoding: &str| accepted.split(',').any(|one| one.split(';').next().is_some_and(|name| name.trim() == encoding));
    let forms = [("br", "br"), ("gzip", "gz")];
    let packed = forms.into_iter().filter(|(encoding, _)| takes(encoding)).find_map(|(encoding, ending)| {
        let file = Files::get(&format!("{path}.{ending}"))?;
        Some((Some(encoding), file.data))
    });
    packed.unwrap_or((None, plain.data))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn typed(kind: &'static str) -> [(HeaderName, HeaderValue); 2] {
    [(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))]
}

/// What holds for every page and file.
fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
