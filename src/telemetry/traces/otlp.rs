//! OTLP over HTTP: spans in batches to a collector.
//!
//! Owns OpenTelemetry's own parts: the sampler (`OTEL_TRACES_SAMPLER`), the bounded queue and its thread (`OTEL_BSP_*`), the encoding,
//! and the client, which is the one that the program has already. Promises that a full queue drops spans and that a request ends in its
//! time; a collector that does not take spans is told of once a minute, and that it takes them again once.

use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Link, Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, TracerProvider};
use opentelemetry::{Array, Context, InstrumentationScope, KeyValue, StringValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use super::{Asked, Span, Value, shown};
use crate::problem::Problem;

/// An answer of a collector says which spans it did not take: a few words.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// A file of certificates.
const AUTHORITIES_BYTES_MAX: u64 = 1 << 20;

/// Sends spans.
pub(super) struct Exporter {
    tracer: SdkTracer,
    /// Never dropped: that would wait for a collector that hangs, on whatever thread has the last of it. [`Exporter::end`] ends it.
    provider: ManuallyDrop<SdkTracerProvider>,
}

impl Exporter {
    /// Begins, with a thread of its own.
    pub fn start(asked: &Asked, instance: &str) -> Result<Self, Problem> {
        let wrong = |why: String| Problem::refuse("otel/setting", format!("{} cannot be used", asked.by)).why(why);
        let collector = Collector { agent: agent(asked).map_err(wrong)?, endpoint: shown(&asked.url), is_away: AtomicBool::new(false) };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(asked.url.as_str())
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(asked.wait_max)
            .with_http_client(collector)
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        let ours = [
            KeyValue::new("service.name", "rowfeed"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance.to_owned()),
        ];
        // What the environment says comes after, and wins.
        let resource = Resource::builder_empty()
            .with_attributes(ours)
            .with_detector(Box::new(TelemetryResourceDetector))
            .with_detector(Box::new(EnvResourceDetector::new()));
        let resource = match &asked.service {
            Some(service) => resource.with_service_name(service.clone()),
            None => resource,
        };
        let provider = SdkTracerProvider::builder().with_resource(resource.build()).with_batch_exporter(exporter).build();
        let scope = InstrumentationScope::builder("rowfeed").with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Self { tracer: provider.tracer_with_scope(scope), provider: ManuallyDrop::new(provider) })
    }

    /// Puts a span into the queue, if it is sampled and there is room.
    pub fn tell(&self, span: Span) {
        let mut parents = span.parents.iter().filter_map(|parent| context_of(parent));
        let (parent, links) = match (span.parents.len(), parents.next()) {
            (1, Some(parent)) => (Some(parent), Vec::new()),
            (_, first) => (None, first.into_iter().chain(parents).map(Link::with_context).collect()),
        };
        let context = parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
        let mut told = SpanBuilder::from_name(span.name)
            .with_kind(SpanKind::Producer)
            .with_start_time(span.began)
            .with_attributes(span.attributes.into_iter().map(|(name, value)| KeyValue::new(name, attribute(value))))
            .with_links(links)
            .start_with_context(&self.tracer, &context);
        for (name, at) in span.events {
            told.add_event_with_timestamp(name, at, Vec::new());
        }
        if let Some(failure) = span.failure {
            told.set_status(Status::error(failure));
        }
        told.end_with_timestamp(span.ended);
    }

    /// Sends what is in the queue, for so long.
    pub fn end(&self, wait_max: Duration) {
        if self.provider.shutdown_with_timeout(wait_max).is_err() {
            tracing::debug!("the last spans were not sent in time");
        }
    }
}

fn attribute(value: Value) -> opentelemetry::Value {
    match value {
        Value::Text(text) => text.into(),
        Value::Texts(texts) => opentelemetry::Value::Array(Array::String(texts.into_iter().map(StringValue::from).collect())),
        Value::Number(number) => number.into(),
    }
}

/// The context that a `traceparent` says.
fn context_of(traceparent: &str) -> Option<SpanContext> {
    let carrier = std::collections::HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    Some(context.span().span_context().clone()).filter(SpanContext::is_valid)
}

/// The client, which the sender's own thread waits for.
struct Collector {
    agent: ureq::Agent,
    /// Its address for people.
    endpoint: String,
    /// It did not take the last spans.
    is_away: AtomicBool,
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl HttpClient for Collector {
    fn send_bytes<'this, 'answer>(
        &'this self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'answer>>
    where
        'this: 'answer,
        Self: 'answer,
    {
        Box::pin(std::future::ready(self.send(request)))
    }
}

impl Collector {
    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let answer = self.agent.run(Request::from_parts(parts, &body[..]));
        let why = match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answers {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        let was_away = self.is_away.swap(why.is_some(), Ordering::Relaxed);
        match why {
            Some(why) => tracing::warn!(
                code = "otel/unreachable",
                endpoint = self.endpoint,
                "the collector takes no spans, and they are left out: {why}"
            ),
            None if was_away => tracing::info!(endpoint = self.endpoint, "the collector takes spans again"),
            None => {}
        }
        let (parts, mut body) = answer?.into_parts();
        let text = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(Response::from_parts(parts, text.into()))
    }
}

fn agent(asked: &Asked) -> Result<ureq::Agent, String> {
    let config = ureq::Agent::config_builder().timeout_global(Some(asked.wait_max)).http_status_as_error(false).max_redirects(0);
    if !asked.url.starts_with("https://") {
        return Ok(config.build().into());
    }
    let authorities = match &asked.authorities {
        Some(file) => authorities_in(file)?,
        None => {
            let found = rustls_native_certs::load_native_certs();
            found.certs.iter().map(|certificate| ureq::tls::Certificate::from_der(certificate).to_owned()).collect()
        }
    };
    if authorities.is_empty() {
        return Err("there are no trusted certificates".to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ureq::tls::TlsConfig::builder().unversioned_rustls_crypto_provider(provider).root_certs(authorities.into());
    Ok(config.tls_config(tls.build()).build().into())
}

fn authorities_in(file: &str) -> Result<Vec<ureq::tls::Certificate<'static>>, String> {
    let unreadable = |error: std::io::Error| format!("{file}: {error}");
    if std::fs::metadata(file).map_err(unreadable)?.len() > AUTHORITIES_BYTES_MAX {
        return Err(format!("{file} has more than {AUTHORITIES_BYTES_MAX} bytes"));
    }
    let pem = std::fs::read(file).map_err(unreadable)?;
    let mut found = Vec::new();
    for item in ureq::tls::parse_pem(&pem) {
        match item {
            Ok(ureq::tls::PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(format!("{file}: {error}")),
        }
    }
    Ok(found)
}
