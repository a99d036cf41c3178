//! Traces: the header of records whose transaction names one, and spans at a collector (with the feature `otel`).

use serde_json::json;

use crate::support::scene::Scene;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn named(span: u64) -> String {
    format!("select pg_logical_emit_message(true, 'traceparent', '00-{TRACE}-{span:016x}-01')")
}

#[test]
fn records_say_which_trace_their_transaction_named() {
    let Some(mut scene) = Scene::start("traceparent", "create table t(id int primary key)", &json!({})) else { return };
    scene.sql.run("insert into t values(1)");
    scene.sql.run(&format!("begin; {}; insert into t values(2); update t set id = 3 where id = 2; commit", named(7)));
    scene.sql.run("begin; select pg_logical_emit_message(true, 'traceparent', 'no trace'); insert into t values(4); commit");
    scene.sql.run("select pg_logical_emit_message(false, 'traceparent', '00-1-2-3'); insert into t values(5)");
    scene.fence();
    scene.rowfeed.kill();
    scene.sql.run(&format!("begin; {}; delete from t where id = 5; insert into t values(6); commit", named(8)));
    scene.rowfeed.run();
    scene.rowfeed.wait_until_ready();
    let records = scene.records("t");
    let found: Vec<String> = records.iter().map(|record| record.header("traceparent").unwrap_or_default()).collect();
    let (none, seven, eight) = (String::new(), format!("00-{TRACE}-{:016x}-01", 7), format!("00-{TRACE}-{:016x}-01", 8));
    // A changed key is a delete, a tombstone and a create.
    let expected = [&none, &seven, &seven, &seven, &seven, &none, &none, &eight, &eight, &eight];
    assert_eq!(found.iter().collect::<Vec<_>>(), expected);
    assert!(records[2].header("__debezium.newkey").is_some(), "the other headers stay: {:?}", records[2].headers);
    let messages = scene.reader.read("srv.message");
    assert_eq!(messages.len(), 4, "they are published as others are");
}

#[cfg(not(feature = "otel"))]
#[test]
fn a_program_without_traces_says_so_once_when_it_is_asked_for_them() {
    use crate::support::service::Rowfeed;

    let mut rowfeed = Rowfeed::prepared(&[]);
    rowfeed.set_variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
    rowfeed.run();
    rowfeed.wait_until_ready();
    rowfeed.stop();
    let log = rowfeed.log();
    assert_eq!(log.matches("\"code\":\"otel/absent\"").count(), 1, "{log}");
    assert!(log.contains("OTEL_EXPORTER_OTLP_ENDPOINT") && log.contains("--features otel"), "{log}");
}

#[cfg(feature = "otel")]
mod spans {
    use std::collections::BTreeMap;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use prost::Message;
    use serde_json::json;

    use super::{TRACE, named};
    use crate::support::postgres::{fresh_database, shared_server};
    use crate::support::service::{Rowfeed, connector_config, with};
    use crate::support::{http, wait_for};

    /// What is looked at of `ExportTraceServiceRequest`.
    #[derive(Clone, PartialEq, Message)]
    struct Export {
        #[prost(message, repeated, tag = "1")]
        resources: Vec<Resource>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Resource {
        #[prost(message, optional, tag = "1")]
        about: Option<About>,
        #[prost(message, repeated, tag = "2")]
        scopes: Vec<Scope>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct About {
        #[prost(message, repeated, tag = "1")]
        attributes: Vec<Attribute>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Scope {
        #[prost(message, repeated, tag = "2")]
        spans: Vec<Span>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Span {
        #[prost(bytes = "vec", tag = "1")]
        trace: Vec<u8>,
        #[prost(bytes = "vec", tag = "4")]
        parent: Vec<u8>,
        #[prost(string, tag = "5")]
        name: String,
        #[prost(int32, tag = "6")]
        kind: i32,
        #[prost(fixed64, tag = "7")]
        began: u64,
        #[prost(fixed64, tag = "8")]
        ended: u64,
        #[prost(message, repeated, tag = "9")]
        attributes: Vec<Attribute>,
        #[prost(message, repeated, tag = "11")]
        events: Vec<Event>,
        #[prost(message, repeated, tag = "13")]
        links: Vec<Link>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Event {
        #[prost(string, tag = "2")]
        name: String,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Link {
        #[prost(bytes = "vec", tag = "2")]
        span: Vec<u8>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Attribute {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(message, optional, tag = "2")]
        value: Option<Any>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Any {
        #[prost(string, optional, tag = "1")]
        text: Option<String>,
        #[prost(int64, optional, tag = "3")]
        number: Option<i64>,
    }

    fn shown(attributes: &[Attribute]) -> BTreeMap<&str, String> {
        let shown = |value: &Any| value.text.clone().or(value.number.map(|number| number.to_string())).unwrap_or_default();
        attributes.iter().map(|one| (one.name.as_str(), one.value.as_ref().map(shown).unwrap_or_default())).collect()
    }

    /// A collector that keeps what it gets, or hangs.
    struct Collector {
        address: String,
        got: Arc<Mutex<Vec<Export>>>,
    }

    impl Collector {
        fn start(answers: bool) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let address = listener.local_addr().expect("an address").to_string();
            let got = Arc::new(Mutex::new(Vec::new()));
            let kept = Arc::clone(&got);
            std::thread::spawn(move || {
                let mut open = Vec::new();
                for stream in listener.incoming().flatten() {
                    let kept = Arc::clone(&kept);
                    if answers {
                        std::thread::spawn(move || serve(stream, &kept));
                    } else {
                        open.push(stream);
                    }
                }
            });
            Self { address, got }
        }

        fn spans(&self) -> Vec<Span> {
            let got = self.got.lock().expect("no panic");
            let scopes = got.iter().flat_map(|export| &export.resources).flat_map(|resource| &resource.scopes);
            scopes.flat_map(|scope| scope.spans.clone()).collect()
        }
    }

    /// Answers the requests of one connection.
    fn serve(mut stream: TcpStream, kept: &Mutex<Vec<Export>>) {
        let mut read = Vec::new();
        let mut room = [0; 65536];
        loop {
            let head_end = read.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4);
            if let Some(head_end) = head_end {
                let head = String::from_utf8_lossy(&read[..head_end]).to_ascii_lowercase();
                assert!(head.starts_with("post /v1/traces ") && head.contains("application/x-protobuf"), "{head}");
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
                let end = head_end + length.expect("a length");
                if read.len() >= end {
                    kept.lock().expect("no panic").push(Export::decode(&read[head_end..end]).expect("a request of OTLP"));
                    read.drain(..end);
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").expect("answered");
                    continue;
                }
            }
            match stream.read(&mut room) {
                Ok(0) | Err(_) => return,
                Ok(count) => read.extend_from_slice(&room[..count]),
            }
        }
    }

    fn prepared(endpoint: &str) -> Rowfeed {
        let mut rowfeed = Rowfeed::prepared(&[]);
        for (name, value) in [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "100"), ("OTEL_SERVICE_NAME", "cdc")] {
            rowfeed.set_variable(name, value);
        }
        rowfeed
    }

    #[test]
    fn a_commit_is_a_span_of_the_trace_that_its_transaction_names() {
        let Some(server) = shared_server() else { return };
        let database = fresh_database(server, "spans");
        let sql = database.sql();
        sql.run("create table t(id int primary key); create table u(id int primary key)");
        let collector = Collector::start(true);
        let mut rowfeed = prepared(&format!("http://{}", collector.address));
        rowfeed.run();
        rowfeed.wait_until_ready();
        let config = with(
            connector_config(&database, "srv", "public.*"),
            &json!({"snapshot.mode": "no_data", "message.prefix.exclude.list": "traceparent"}),
        );
        assert_eq!(rowfeed.put_connector("shop", &config).status, 201);
        rowfeed.wait_until_streaming("shop", &sql, &database.name);

        sql.run(&format!("begin; {}; insert into t select generate_series(1, 3); delete from t where id = 3; commit", named(9)));
        let span = wait_for("a span", || collector.spans().into_iter().find(|span| span.name == "send srv.public.t"));
        let attributes = shown(&span.attributes);
        let of = |name: &str| attributes.get(name).map(String::as_str);
        assert_eq!((of("messaging.system"), of("messaging.operation.type")), (Some("kafka"), Some("send")));
        assert_eq!(of("messaging.destination.name"), Some("srv.public.t"));
        assert_eq!((of("messaging.batch.message_count"), of("rowfeed.inserts"), of("rowfeed.deletes")), (Some("4"), Some("3"), Some("1")));
        assert_eq!((of("rowfeed.connector"), of("rowfeed.slot")), (Some("shop"), Some(database.name.as_str())));
        assert_eq!((of("db.system.name"), of("db.namespace")), (Some("postgresql"), Some(database.name.as_str())));
        assert_eq!((of("rowfeed.transactions"), of("rowfeed.updates"), of("error.type")), (Some("1"), None, None));
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!((hex(&span.trace).as_str(), hex(&span.parent).as_str()), (TRACE, "0000000000000009"));
        // A producer; it took some time, and not minutes.
        assert!(span.kind == 4 && span.began < span.ended && span.ended - span.began < 60_000_000_000, "{span:?}");
        let events: Vec<&str> = span.events.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(events, ["handed over to the log", "committed in PostgreSQL"]);
        let about = collector.got.lock().expect("no panic")[0].resources[0].about.clone().expect("a resource");
        assert_eq!(shown(&about.attributes).get("service.name").map(String::as_str), Some("cdc"));

        // One that touches two topics and names no trace begins one; an idle position is none.
        sql.run("begin; insert into t values(7); insert into u values(7); commit");
        let span = wait_for("a span", || collector.spans().into_iter().find(|span| span.name == "send"));
        assert!(span.parent.is_empty() && span.links.is_empty() && hex(&span.trace) != TRACE, "{span:?}");
        sql.run("insert into u values(8)");
        wait_for("its event", || {
            let topic = http::get(&rowfeed.http(), "/v1/topics/srv.public.u").expect("rowfeed answers").json();
            (topic["records"] == 2).then_some(())
        });
        rowfeed.stop();
        let names: Vec<String> = collector.spans().into_iter().map(|span| span.name).collect();
        assert_eq!(names, ["send srv.public.t", "send", "send srv.public.u"], "the last ones are sent before the end");
    }

    #[test]
    fn a_collector_that_is_away_or_hangs_costs_spans_and_nothing_else() {
        let Some(server) = shared_server() else { return };
        let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let hangs = Collector::start(false);
        for (name, endpoint) in [("spans_away", nobody.to_string()), ("spans_hang", hangs.address.clone())] {
            let database = fresh_database(server, name);
            let sql = database.sql();
            sql.run("create table t(id int primary key)");
            let mut rowfeed = prepared(&format!("http://{endpoint}"));
            rowfeed.set_variable("OTEL_EXPORTER_OTLP_TIMEOUT", "1000");
            rowfeed.set_variable("OTEL_BSP_MAX_QUEUE_SIZE", "16");
            rowfeed.set_variable("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8");
            rowfeed.run();
            rowfeed.wait_until_ready();
            let config = with(connector_config(&database, "srv", "public.*"), &json!({"snapshot.mode": "no_data"}));
            assert_eq!(rowfeed.put_connector("shop", &config).status, 201);
            rowfeed.wait_until_streaming("shop", &sql, &database.name);
            // Many more commits than the queue has room for.
            for id in 0..200 {
                sql.run(&format!("insert into t values({id})"));
            }
            wait_for("all events", || {
                let answer = http::get(&rowfeed.http(), "/v1/topics/srv.public.t").ok()?;
                (answer.status == 200 && answer.json()["records"] == 200).then_some(())
            });
            wait_for("a word about the collector", || rowfeed.log().contains("otel/unreachable").then_some(()));
            assert_eq!(rowfeed.status("shop")["tasks"][0]["state"], "RUNNING");
            let took = rowfeed.stop();
            assert!(took < Duration::from_secs(6), "{name}: the end took {took:?}");
            assert_eq!(rowfeed.log().matches("otel/unreachable").count(), 1, "{}", rowfeed.log());
        }
    }
}
