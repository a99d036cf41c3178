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
use rust_embed::RustEmbed;

use super::App;

/// What `npm run build` made.
#[derive(RustEmbed)]
#[folder = "console/dist/"]
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
    // Only browsers ask for XHTML, too; a program of Java asks for HTML without meaning it.
    let accepts = request.headers().get(header::ACCEPT).and_then(|accepts| accepts.to_str().ok()).unwrap_or_default();
    if request.uri().path() == "/" && request.method() == Method::GET && accepts.contains("application/xhtml+xml") {
        return Redirect::to("/ui/").into_response();
    }
    next.run(request).await
}

/// A file, and what names its content.
struct File {
    bytes: Cow<'static, [u8]>,
    hash: [u8; 32],
    kind: String,
}

fn embedded(path: &str) -> Option<File> {
    let file = Files::get(path)?;
    Some(File { hash: file.metadata.sha256_hash(), kind: file.metadata.mimetype().to_owned(), bytes: file.data })
}

async fn page(headers: HeaderMap) -> Response {
    serve(PAGE, &headers, embedded).unwrap_or_else(|| guarded((typed("text/html; charset=utf-8"), PLACEHOLDER).into_response()))
}

async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    // An address of the application has no dot in its last part, but may be of a topic: those are no file.
    match serve(&path, &headers, embedded) {
        Some(file) => file,
        None if path.starts_with(HASHED) => {
            let kept = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            guarded((StatusCode::NOT_FOUND, kept, "this file is of another version of the console: load the page again\n").into_response())
        }
        None => page(headers).await,
    }
}

fn serve(path: &str, headers: &HeaderMap, find: impl Fn(&str) -> Option<File>) -> Option<Response> {
    let plain = find(path)?;
    let kind = HeaderValue::from_str(&plain.kind).ok()?;
    let packed = FORMS.iter().filter(|(encoding, _)| takes(headers, encoding)).find_map(|(encoding, ending)| {
        let file = find(&format!("{path}.{ending}"))?;
        Some((Some(*encoding), file.bytes))
    });
    let (encoding, body) = packed.unwrap_or((None, plain.bytes));
    // Each form is bytes of its own.
    let tag = format!("\"{}{}\"", hex(&plain.hash), encoding.unwrap_or_default());
    let kept = if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
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

/// Forms of a file that lie beside it where they are smaller, the smallest first: each with its ending.
const FORMS: [(&str, &str); 2] = [("br", "br"), ("gzip", "gz")];

/// Whether the browser takes a form; what has the weight 0 it does not.
fn takes(headers: &HeaderMap, encoding: &str) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|accepted| accepted.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|weight| weight.trim().parse() == Ok(0.0_f32));
        name.trim() == encoding && !refused
    })
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
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str) -> Option<File> {
        let bytes: &'static [u8] = match path {
            "index.html" | "assets/app-1a2b.js" => b"plain",
            "assets/app-1a2b.js.br" => b"br",
            "assets/app-1a2b.js.gz" => b"gz",
            _ => return None,
        };
        Some(File { bytes: Cow::Borrowed(bytes), hash: [7; 32], kind: "text/javascript".to_owned() })
    }

    fn asked(path: &str, pairs: &[(HeaderName, &'static str)]) -> Option<Response> {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        serve(path, &headers, found)
    }

    #[test]
    fn a_file_goes_out_as_small_as_the_browser_takes_it() {
        for (accepts, form) in [
            ("gzip, deflate, br, zstd", Some("br")),
            ("gzip;q=1.0, br;q=0", Some("gzip")),
            ("gzip", Some("gzip")),
            ("brotli, x-gzip", None),
            ("", None),
        ] {
            let answer = asked("assets/app-1a2b.js", &[(header::ACCEPT_ENCODING, accepts)]).expect("a file");
            let told = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
            assert_eq!((told(header::CONTENT_ENCODING), told(header::VARY)), (form, Some("Accept-Encoding")), "{accepts}");
        }
        assert!(asked("index.html", &[(header::ACCEPT_ENCODING, "br")]).expect("it is").headers().get(header::CONTENT_ENCODING).is_none());
    }

    #[test]
    fn a_browser_keeps_what_never_changes_and_asks_about_the_page() {
        let tag = "\"07070707070707070707070707070707\"";
        for (path, kept) in [("index.html", "no-cache"), ("assets/app-1a2b.js", "public, max-age=31536000, immutable")] {
            let answer = asked(path, &[]).expect("a file");
            assert_eq!(answer.status(), StatusCode::OK);
            let told = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
            assert_eq!((told(header::CACHE_CONTROL), told(header::ETAG)), (Some(kept), Some(tag)), "{path}");
            let again = asked(path, &[(header::IF_NONE_MATCH, "\"x\", \"07070707070707070707070707070707\"")]).expect("a file");
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
            assert!(again.headers().get(header::CONTENT_SECURITY_POLICY).is_some());
        }
        assert!(asked("assets/none.js", &[]).is_none());
    }
}
