//! A real Apache Kafka of one node, in KRaft form, from its own jars.
//!
//! `scripts/test.sh` puts the jars into `.cache/kafka/libs` (Maven) and Java 17 on the machine.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rowfeed::demo::cluster::free_port;
use tempfile::TempDir;

use super::wait_at_most;

/// A running broker; it ends and its files go when this is dropped.
#[derive(Debug)]
pub struct KafkaBroker {
    home: TempDir,
    port: u16,
    child: Child,
}

impl KafkaBroker {
    /// Formats and starts a broker; `None` (said with [`super::missing`]) without Java or the jars.
    pub fn start() -> Option<Self> {
        let libs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/kafka/libs");
        let java = Command::new("java").arg("-version").stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        if !java || !libs.is_dir() {
            super::missing("Java 17 and Apache Kafka's jars in .cache/kafka/libs (scripts/test.sh gets them)");
            return None;
        }
        let home = tempfile::Builder::new().prefix("rowfeed-test-kafka-").tempdir().expect("a temporary folder");
        let (port, controller) = (free_port().expect("a port"), free_port().expect("a port"));
        let settings = home.path().join("server.properties");
        fs::write(&settings, properties(&home, port, controller)).expect("a settings file");
        let classes = format!("{}/*", libs.display());
        let formatted = Command::new("java")
            .args(["-Xmx128m", "-cp", &classes, "kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c"])
            .arg(&settings)
            .output()
            .expect("java runs");
        assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stderr));
        let log = fs::File::create(home.path().join("kafka.log")).expect("a log file");
        let child = Command::new("java")
            .args(["-Xmx512m", "-cp", &classes, "kafka.Kafka"])
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log)
            .spawn()
            .expect("java runs");
        let mut broker = Self { home, port, child };
        broker.wait_until_ready();
        Some(broker)
    }

    /// `host:port` for clients.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn wait_until_ready(&mut self) {
        let address = self.bootstrap();
        wait_at_most(std::time::Duration::from_secs(90), "Apache Kafka to listen", || {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                panic!("Kafka ended with {status}:\n{}", fs::read_to_string(self.home.path().join("kafka.log")).unwrap_or_default());
            }
            std::net::TcpStream::connect(&address).ok()
        });
    }
}

impl Drop for KafkaBroker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn properties(home: &TempDir, port: u16, controller: u16) -> String {
    format!(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\nadvertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         controller.listener.names=CONTROLLER\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         log.dirs={}\noffsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\ntransaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\ntransaction.state.log.num.partitions=1\ngroup.initial.rebalance.delay.ms=0\n",
        home.path().join("logs").display()
    )
}
