//! The composition root: starts every part in order, stops them in reverse.
//!
//! Order of starting: listeners bound (a taken port is known before anything is opened), log, connectors, readers. Order of
//! stopping: sources first, so that what they have read becomes durable and is confirmed; then the log; then the readers.

pub mod groups;
mod port;
mod settings;
pub mod subscriptions;
mod traces;

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::broker::{self, Broker, BrokerSettings, HostPort};
use crate::config::service::{LogKind, split_address};
use crate::config::{Running, Secret, ServiceConfig, secrets};
use crate::connect::registry::Registry;
use crate::connect::store::Store;
use crate::connect::supervisor::{OnFatal, RunTask};
use crate::connect::tokens::{Scope, Tokens};
use crate::connect::watch::{Fingerprint, LOOK_EVERY, Watch, folder_is_there};
use crate::connect::{Definition, Schemas, checks, definitions, ground, slots, source};
use crate::deliver::Deliveries;
use crate::encode::stored;
use crate::http;
use crate::http::auth::Open;
use crate::http::jwt::{JwtSettings, Verifier};
use crate::http::session::FirstLink;
use crate::http::tls::Tls;
use crate::log::LogTarget;
use crate::log::builtin::keys::KeySettings;
use crate::log::builtin::{BuiltinLog, LogSettings};
use crate::log::cluster::Cluster;
use crate::postgres::application;
use crate::problem::Problem;
use crate::telemetry::{self, traces::Traces};
use groups::KafkaGroups;
use settings::Settings;

/// Sources have this long to end; with the readers' time it stays within the 10 s that a service manager gives.
const SOURCES_WAIT_MAX: Duration = Duration::from_secs(6);
/// Sinks have this long to commit what they delivered.
const DELIVERIES_WAIT_MAX: Duration = Duration::from_millis(1000);
/// The log has this long to write and sync what it was handed.
const LOG_WAIT_MAX: Duration = Duration::from_millis(1500);
/// The last spans have this long to be sent, beside the log's end.
const SPANS_WAIT_MAX: Duration = Duration::from_millis(1000);
/// Readers have this long.
const READERS_WAIT_MAX: Duration = Duration::from_millis(1500);

/// Makes the task that captures a source into the log of the service.
pub type Capture = Box<dyn FnOnce(&Around<'_>, &ServiceConfig) -> Result<RunTask, Problem>>;

/// What a capture has around it.
pub struct Around<'a> {
    /// The log of this process; `None` with an external one.
    pub log: Option<&'a BuiltinLog>,
    /// The schema registry in it.
    pub schemas: Option<&'a Arc<Schemas>>,
    /// Who is told of commits.
    pub traces: Option<&'a Traces>,
}

/// The real one.
pub fn capture(around: &Around<'_>, config: &ServiceConfig) -> Result<RunTask, Problem> {
    let target = match around.log {
        Some(log) => LogTarget::Builtin(log.clone()),
        None => external_log(config)?,
    };
    let (schemas, traces) = (around.schemas.cloned(), around.traces.map(traces::tell));
    Ok(Arc::new(move |config, status, stop| {
        // Every line that is written meanwhile says which connector it is about.
        let span = tracing::error_span!("connector", connector = config.name.as_str());
        span.in_scope(|| source::run(config, target.clone(), schemas.clone(), status, stop, traces.clone()))
    }))
}

#[cfg(feature = "kafka")]
fn external_log(config: &ServiceConfig) -> Result<LogTarget, Problem> {
    Ok(LogTarget::Kafka(ground::cluster_settings(config)))
}

/// The cluster of an external log, for those who look at it.
#[cfg(feature = "kafka")]
fn cluster(config: &ServiceConfig) -> Option<Cluster> {
    (config.log.kind == LogKind::Kafka).then(|| Cluster::new(ground::cluster_settings(config)))
}

#[cfg(not(feature = "kafka"))]
fn cluster(_: &ServiceConfig) -> Option<Cluster> {
    None
}

#[cfg(not(feature = "kafka"))]
fn external_log(_: &ServiceConfig) -> Result<LogTarget, Problem> {
    Err(Problem::refuse("config/feature", "this program was built without the external log")
        .fix("build it with --features kafka, or set log.kind = \"builtin\""))
}

/// The signals that the process listens to. Made before anything is started, so that none is missed and none kills.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
}

impl Signals {
    /// Listens from now on.
    pub fn listen() -> Result<Self, Problem> {
        let listen =
            |kind| signal(kind).map_err(|error| Problem::fail("system/signal", "signals cannot be received").why(error.to_string()));
        let (terminate, interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt, reload: listen(SignalKind::hangup())? })
    }

    /// Returns when the process is told to end. Cancel-safe.
    pub async fn end(&mut self) {
        tokio::select! { _ = self.terminate.recv() => {}, _ = self.interrupt.recv() => {} }
    }

    /// Returns when the process is told to end once more. What wraps it may send one order twice: to the process, and to its
    /// group.
    async fn end_again(&mut self) {
        let first = Instant::now();
        loop {
            self.end().await;
            if first.elapsed() > ECHO {
                return;
            }
        }
    }
}

/// A signal that follows another within this time is the same order.
const ECHO: Duration = Duration::from_millis(500);

/// A running service.
pub struct Service {
    /// Where HTTP listens.
    pub http: SocketAddr,
    /// Where the Kafka protocol listens; `None` with an external log.
    pub kafka: Option<SocketAddr>,
    /// The connectors.
    pub registry: Arc<Registry>,
    config: ServiceConfig,
    settings: Settings,
    log: Option<BuiltinLog>,
    schemas: Option<Arc<Schemas>>,
    traces: Option<Traces>,
    fatal: mpsc::Receiver<Problem>,
    stop: watch::Sender<bool>,
    readers: Vec<JoinHandle<()>>,
    deliveries: Option<Deliveries>,
    /// By what the console lets in whoever made the first start, once: behind `#login=` in its address.
    pub login: Option<String>,
}

impl Service {
    /// Starts everything; it serves when this returns.
    pub async fn start(config: ServiceConfig, capture: Capture) -> Result<Self, Problem> {
        let http_listener = bind(&config.http_listen, "http").await?;
        let builtin = config.log.kind == LogKind::Builtin;
        let kafka_listener = if builtin { Some(bind(&config.kafka_listen, "kafka").await?) } else { None };
        let kafka = kafka_listener.as_ref().map(local_address).transpose()?;
        // Before anything is captured: a mistake in the settings must not leave a slot behind.
        let advertised = kafka.map(|bound| advertised(&config, bound)).transpose()?;
        let tls = tls_of(&config)?.map(Arc::new);
        let wanted = subscriptions::definitions(&config).map_err(first)?;
        let jwt = jwt_of(&config)?.map(Arc::new);
        create_data_dir(&config)?;
        if let Some(folders) = &config.secret_paths {
            secrets::allow_paths(folders.clone());
        }
        let instance = instance_id(&config.data_dir);
        application::set_instance(&instance);
        let log = if builtin { Some(open_log(&config).await?) } else { None };

        let (fatal_sender, fatal) = mpsc::channel(4);
        // A full channel has a problem waiting already, and one is enough to stop.
        let on_fatal: OnFatal = Arc::new(move |problem| drop(fatal_sender.try_send(problem)));
        let store = match &log {
            Some(log) => Store::Log(log.clone()),
            None => Store::File(config.data_dir.join("connectors.json")),
        };
        let schemas = log.clone().map(Schemas::open);
        let traces = telemetry::traces::start(&config.otel_endpoint, &instance);
        let run = capture(&Around { log: log.as_ref(), schemas: schemas.as_ref(), traces: traces.as_ref() }, &config)?;
        let tokens = Arc::new(Tokens::open(store.clone())?);
        let first = if config.http_token { first_token(&tokens, &config).await? } else { None };
        let (first_link, login) = first.and_then(FirstLink::new).unzip();
        let registry = Arc::new(Registry::new(store, run, on_fatal, config.topics).asking_databases());
        let (watch, had_folder) = (Watch::new(Fingerprint::of(&config.connectors_dir), Instant::now()), config.connectors_dir.is_dir());
        registry.start(definitions(&config)?)?;
        let of_start = config.clone();
        registry.set_files(Box::new(move || {
            if had_folder {
                folder_is_there(&of_start.connectors_dir)?;
            }
            definitions(&of_start)
        }));
        let settings = Settings::new(Running::new(config.clone()));

        let stop = watch::Sender::new(false);
        let mut service = Self {
            http: local_address(&http_listener)?,
            kafka,
            registry,
            schemas,
            traces,
            config,
            settings,
            log,
            fatal,
            stop,
            readers: Vec::new(),
            deliveries: None,
            login,
        };
        let broker = kafka_listener.zip(advertised).and_then(|(listener, advertised)| service.serve_kafka(listener, advertised));
        if let (Some(log), Some(broker)) = (&service.log, &broker) {
            let (places, sources) = (KafkaGroups(Arc::clone(broker)), subscriptions::Connectors(Arc::clone(&service.registry)));
            let deliveries = Deliveries::new(log.clone(), Arc::new(places), Arc::new(sources));
            deliveries.start(wanted).await;
            service.settings.deliver_by(deliveries.clone());
            service.deliveries = Some(deliveries);
        }
        service.serve_http(http_listener, broker, Keys { tokens, tls, jwt, first_link });
        if service.config.watch {
            service.watch_files(watch);
        }
        service.readers.push(tokio::spawn(checks::watch(Arc::clone(&service.registry), service.config.clone(), service.stop.subscribe())));
        service.readers.push(tokio::spawn(slots::watch(Arc::clone(&service.registry), service.stop.subscribe())));
        Ok(service)
    }

    /// Reads the connector files again whenever they have changed, and so the file of settings.
    fn watch_files(&mut self, mut watch: Watch) {
        let (registry, dir, mut stop) = (Arc::clone(&self.registry), self.config.connectors_dir.clone(), self.stop.subscribe());
        let (settings, file) = (self.settings.clone(), self.config.file.clone());
        let seen = |file: &Option<PathBuf>| file.as_deref().map(Fingerprint::of_file).unwrap_or_default();
        let mut own = Watch::new(seen(&file), Instant::now());
        self.readers.push(tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    _ = stop.wait_for(|stop| *stop) => return,
                }
                let (look, of) = (dir.clone(), file.clone());
                // A file system that hangs holds up this task, and nothing else.
                let looked = tokio::task::spawn_blocking(move || (Fingerprint::of(&look), seen(&of)));
                let Ok((fingerprint, of_settings)) = looked.await else { return };
                if own.shall_read(of_settings, Instant::now()) {
                    settings.read_again().await;
                }
                if watch.shall_read(fingerprint, Instant::now()) {
                    drop(registry.reload().await);
                }
            }
        }));
    }

    fn serve_kafka(&mut self, listener: TcpListener, advertised: HostPort) -> Option<Arc<Broker>> {
        let broker = Arc::new(Broker::new(BrokerSettings::new(advertised), self.log.clone()?, self.stop.subscribe()));
        self.readers.push(tokio::spawn(broker::serve_broker(Arc::clone(&broker), listener)));
        Some(broker)
    }

    fn serve_http(&mut self, listener: TcpListener, broker: Option<Arc<Broker>>, Keys { tokens, tls, jwt, first_link }: Keys) {
        if let Some(jwt) = &jwt {
            self.readers.push(tokio::spawn(Arc::clone(jwt).watch(self.stop.subscribe())));
        }
        if let Some(tls) = &tls {
            self.readers.push(tokio::spawn(Arc::clone(tls).watch(self.stop.subscribe())));
        }
        let cluster_id = self.log.as_ref().map_or("external", |log| log.cluster_id()).to_owned();
        let host = split_address(&self.config.http_listen).map(|(host, _)| host.to_owned());
        let open = match (self.config.http_token, self.config.http_loopback) {
            (true, _) => Open::Nobody,
            (false, true) => Open::ThisMachine,
            (false, false) => Open::Everybody,
        };
        let kafka_address = match &broker {
            Some(broker) => Some(broker.settings.advertised.to_string()),
            None => Some(self.config.log.bootstrap.clone()).filter(|bootstrap| !bootstrap.is_empty()),
        };
        let settings = http::Settings {
            own_host: host.filter(|_| self.config.http_loopback),
            open,
            tokens: Some(tokens),
            cors_origins: self.config.cors_origins.clone(),
            tls,
            max_streams: self.config.max_streams,
            jwt,
            kafka_address,
            first_link,
            ..http::Settings::default()
        };
        let (registry, worker_id) = (Arc::clone(&self.registry), self.http.to_string());
        let app = http::App::new(registry, self.log.clone(), self.schemas.clone(), cluster_id, worker_id, self.stop.subscribe(), settings);
        let groups = broker.map(|broker| Arc::new(KafkaGroups(broker)) as Arc<dyn http::groups::Groups>);
        let app = app.with_groups(groups).with_cluster(cluster(&self.config)).with_deliveries(self.deliveries.clone());
        let app = app.with_running(self.settings.running().clone());
        self.readers.push(tokio::spawn(http::serve(app, listener, self.stop.subscribe())));
    }

    /// How many change topics the built-in log has, and its size.
    pub fn log_size(&self) -> Option<(usize, u64)> {
        let log = self.log.as_ref()?;
        Some((log.topics().iter().filter(|topic| !topic.internal).count(), log.size_bytes()))
    }

    /// Works until a signal or a fatal problem, then stops in order. A second signal ends the process at once, unless it is the
    /// first one's echo.
    pub async fn run(mut self, mut signals: Signals) -> Result<(), Problem> {
        let log_failure = self.log.as_ref().map(|log| log.failure());
        let failed = wait_failure(log_failure);
        tokio::pin!(failed);
        let outcome = loop {
            tokio::select! {
                _ = signals.terminate.recv() => break Ok(()),
                _ = signals.interrupt.recv() => break Ok(()),
                _ = signals.reload.recv() => {
                    self.settings.read_again().await;
                    drop(self.registry.reload().await);
                }
                Some(problem) = self.fatal.recv() => break Err(problem),
                problem = &mut failed => break Err(problem),
            }
        };
        tokio::select! {
            () = self.stop() => outcome,
            () = signals.end_again() => Err(Problem::stop("service/killed", "ended at once by a second signal").why("what was not confirmed is read again at the next start")),
        }
    }

    /// Stops everything in order.
    pub async fn stop(self) {
        let started = Instant::now();
        tracing::info!("stopping");
        let registry = Arc::clone(&self.registry);
        let ended = tokio::task::spawn_blocking(move || registry.shut_down(SOURCES_WAIT_MAX)).await.unwrap_or(false);
        if !ended {
            tracing::warn!("a connector did not end in time; what it had not confirmed is read again at the next start");
        }
        // What they delivered is committed while the log still takes it.
        if let Some(deliveries) = &self.deliveries {
            let _ = tokio::time::timeout(DELIVERIES_WAIT_MAX, deliveries.shut_down()).await;
        }
        // All spans are told: beside the log's end, the last ones are sent.
        let spans = self.traces.clone().map(|traces| tokio::task::spawn_blocking(move || traces.end(SPANS_WAIT_MAX)));
        if let Some(log) = self.log.clone() {
            // A disk that hangs or is full must not hold the end up: what is not durable was not confirmed either.
            let closed = tokio::time::timeout(LOG_WAIT_MAX, tokio::task::spawn_blocking(move || log.close())).await;
            if !matches!(closed, Ok(Ok(()))) {
                tracing::warn!("the log was not closed in time; its tail is cut at the next start");
            }
        }
        if let Some(spans) = spans {
            // It has its own end, but may not have begun: reads that hang with the disk may have all threads.
            let _ = tokio::time::timeout(SPANS_WAIT_MAX, spans).await;
        }
        self.stop.send_replace(true);
        let deadline = tokio::time::Instant::now() + READERS_WAIT_MAX;
        for reader in self.readers {
            // One that does not end in time ends with the process.
            let _ = tokio::time::timeout_at(deadline, reader).await;
        }
        tracing::info!(ms = started.elapsed().as_millis(), "stopped");
    }
}

/// What HTTP lets people in by, and shows itself by.
struct Keys {
    tokens: Arc<Tokens>,
    tls: Option<Arc<Tls>>,
    jwt: Option<Arc<Verifier>>,
    first_link: Option<Arc<FirstLink>>,
}

/// What HTTP's certificate is read from, if it has one.
pub fn tls_of(config: &ServiceConfig) -> Result<Option<Tls>, Problem> {
    config.http_tls.as_ref().map(|(certificate, key)| Tls::open(certificate, key)).transpose()
}

/// What signed tokens are verified by, if there are to be any.
pub fn jwt_of(config: &ServiceConfig) -> Result<Option<Verifier>, Problem> {
    let [issuer, audience] = config.jwt_claims.clone();
    Verifier::open(JwtSettings { secret: config.jwt_secret.clone(), keys: config.jwt_keys.clone(), issuer, audience })
}

/// Without any token nobody could ask for one: the first is put into a file that only this user reads. It is returned when it was made.
async fn first_token(tokens: &Tokens, config: &ServiceConfig) -> Result<Option<Secret>, Problem> {
    if !tokens.list().is_empty() {
        return Ok(None);
    }
    let path = config.data_dir.join("admin.token");
    let wrong = |why: String| {
        Problem::refuse("http/first-token", "the first token cannot be made")
            .why(why)
            .fix("start with --set http.auth=loopback, then:  rowfeed tokens create NAME --scope admin")
    };
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
    let (_, secret) = tokens.create("admin", vec![Scope::Admin], now_ms).await.map_err(|error| wrong(format!("{error:?}")))?;
    if let Err(error) = write_for_this_user(&path, secret.expose()) {
        // One that nobody knows must not be in the way of the next.
        let _ = tokens.revoke("admin").await;
        return Err(wrong(format!("{}: {error}", path.display())));
    }
    tracing::info!(file = %path.display(), "the first token, which may do everything, is in this file; commands take it with --token-file");
    Ok(Some(secret))
}

fn write_for_this_user(path: &Path, text: &str) -> std::io::Result<()> {
    // One that is there may be readable by others.
    if path.exists() {
        std::fs::remove_file(path)?;
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

/// A start tells one problem; `rowfeed config check` tells all.
fn first(problems: Vec<Problem>) -> Problem {
    problems.into_iter().next().unwrap_or_else(|| Problem::refuse("config/value", "a subscription has mistakes"))
}

async fn wait_failure(failure: Option<watch::Receiver<Option<Problem>>>) -> Problem {
    if let Some(mut failure) = failure
        && let Ok(problem) = failure.wait_for(Option::is_some).await
        && let Some(problem) = problem.clone()
    {
        return problem;
    }
    std::future::pending().await
}

/// All connectors that files and the environment define.
pub fn definitions(config: &ServiceConfig) -> Result<Vec<Definition>, Problem> {
    let mut found = definitions::load_folder(&config.connectors_dir)?;
    if let Some(url) = &config.source_url {
        found.push(definitions::of_source_url(url.expose(), &config.source_tables)?);
    }
    Ok(found)
}

async fn bind(address: &str, which: &'static str) -> Result<TcpListener, Problem> {
    TcpListener::bind(address).await.map_err(|error| {
        let code = if which == "http" { "http/port-in-use" } else { "kafka/port-in-use" };
        let problem = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                let holder = split_address(address).and_then(|(_, port)| port::holder(port));
                let why = holder.map(|holder| format!("{holder} listens there")).unwrap_or_default();
                Problem::refuse(code, format!("{address} is in use by another program")).why(why)
            }
            _ => Problem::refuse("listener/bind", format!("{which}.listen = \"{address}\" cannot be listened on")).why(error.to_string()),
        };
        problem.fix(format!("end that program, or choose another address: --{which} 127.0.0.1:PORT"))
    })
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, Problem> {
    listener.local_addr().map_err(|error| Problem::fail("listener/bind", "a listener has no address").why(error.to_string()))
}

fn create_data_dir(config: &ServiceConfig) -> Result<(), Problem> {
    std::fs::create_dir_all(&config.data_dir).map_err(|error| {
        Problem::refuse("data/dir", format!("the data folder {} cannot be made", config.data_dir.display()))
            .why(match error.kind() {
                std::io::ErrorKind::AlreadyExists => "it is a file".to_owned(),
                _ => error.to_string(),
            })
            .fix("choose another one: --data DIR")
    })
}

/// This installation's id, kept in the data folder: by it, sessions of two installations are told apart at the server.
fn instance_id(dir: &Path) -> String {
    let file = dir.join("instance-id");
    let known = std::fs::read_to_string(&file).ok().map(|text| text.trim().to_owned()).filter(|id| application::is_instance(id));
    known.unwrap_or_else(|| {
        let id = application::new_instance();
        if let Err(error) = std::fs::write(&file, format!("{id}\n")) {
            tracing::debug!("the instance's id is not kept: {error}");
        }
        id
    })
}

async fn open_log(config: &ServiceConfig) -> Result<BuiltinLog, Problem> {
    let settings = LogSettings {
        dir: config.data_dir.join("log"),
        segment_bytes: config.log.segment_bytes,
        max_bytes: config.log.max_bytes,
        max_age: config.log.retention,
        min_free_bytes: config.log.min_free_bytes,
        key_index: config.log.key_index.then(|| KeySettings::new(stored::comparable)),
    };
    let opened = tokio::task::spawn_blocking(move || BuiltinLog::open(settings)).await;
    opened.map_err(|_| Problem::stop("log/io", "opening the log met a defect"))?.map_err(|error| error.problem())
}

/// Whether Kafka clients can be told where to connect to, as far as the settings alone say.
pub fn check_advertised(config: &ServiceConfig) -> Result<(), Problem> {
    let listen = split_address(&config.kafka_listen).and_then(|(host, port)| Some(SocketAddr::new(host.parse().ok()?, port)));
    match listen {
        Some(listen) if config.log.kind == LogKind::Builtin => advertised(config, listen).map(drop),
        _ => Ok(()),
    }
}

/// What Kafka clients are told to connect to. An address that stands for all of them is no address to connect to.
fn advertised(config: &ServiceConfig, bound: SocketAddr) -> Result<HostPort, Problem> {
    if let Some((host, port)) = config.kafka_advertised.as_deref().and_then(split_address) {
        return Ok(HostPort { host: host.to_owned(), port });
    }
    if bound.ip().is_unspecified() {
        return Err(Problem::refuse("config/missing", "kafka.advertised is missing")
            .why(format!("kafka.listen = \"{}\" stands for every address of this machine; clients must be told one", config.kafka_listen))
            .fix("kafka.advertised = \"HOST:PORT\"   (ROWFEED_KAFKA_ADVERTISED)"));
    }
    // The name in the settings, when it is one, is what clients know.
    let host = split_address(&config.kafka_listen).map_or_else(|| bound.ip().to_string(), |(host, _)| host.to_owned());
    Ok(HostPort { host, port: bound.port() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::service::Sources;

    #[tokio::test]
    async fn an_address_that_clients_cannot_be_told_is_refused_before_anything_is_captured() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let set = ["kafka.listen=0.0.0.0:0", "kafka.auth=none", "http.listen=127.0.0.1:0"].map(str::to_owned).to_vec();
        let sources = Sources { set, no_file: true, working_dir: dir.path().to_owned(), ..Sources::default() };
        let config = ServiceConfig::load(&sources).expect("valid one by one");
        assert_eq!(check_advertised(&config).expect_err("no address").code, "config/missing");
        let capture: Capture = Box::new(|_, _| panic!("capture was prepared"));
        let problem = Service::start(config.clone(), capture).await.err().expect("refused");
        assert_eq!((problem.code, problem.what.as_str()), ("config/missing", "kafka.advertised is missing"));
        assert!(!config.data_dir.exists());
        let mut told = config;
        told.kafka_advertised = Some("db.internal:9092".into());
        assert!(check_advertised(&told).is_ok());
    }
}
