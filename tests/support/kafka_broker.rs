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
        Self::start_as(&properties)
    }

    /// One that lets nobody in but [`ADMIN`], who may do everything, and [`USER`], who may do what the ACLs say: at first
    /// nothing.
    pub fn start_with_users() -> Option<Self> {
        Self::start_as(&guarded_properties)
    }

    fn start_as(properties: &dyn Fn(&TempDir, u16, u16) -> String) -> Option<Self> {
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

    /// Does what a line for `kafka-acls.sh` says; it names the file `admin.properties`.
    pub fn run_acls(&self, line: &str) {
        let admin = self.home.path().join("admin.properties");
        let jaas = format!("{PLAIN} username=\"{0}\" password=\"{1}\";", ADMIN.0, ADMIN.1);
        let text = format!("security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config={jaas}\n");
        fs::write(&admin, text).expect("a settings file");
        let words = line.strip_prefix("kafka-acls.sh ").expect("a line for kafka-acls.sh").split(' ');
        let libs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/kafka/libs");
        let done = Command::new("java")
            .args(["-Xmx128m", "-cp", &format!("{}/*", libs.display()), "org.apache.kafka.tools.AclCommand"])
            .args(words)
            .current_dir(self.home.path())
            .output()
            .expect("java runs");
        assert!(done.status.success(), "{line}\n{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
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

/// Who may do everything where there are users, and the password.
pub const ADMIN: (&str, &str) = ("admin", "admin-secret");
/// Who may do what the ACLs say, and the password.
pub const USER: (&str, &str) = ("rowfeed", "rowfeed-secret");
const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required";

/// With passwords for clients, and rights.
fn guarded_properties(home: &TempDir, port: u16, controller: u16) -> String {
    let open = properties(home, port, controller)
        .replace(&format!("PLAINTEXT://127.0.0.1:{port}"), &format!("SASL_PLAINTEXT://127.0.0.1:{port}"))
        .replace("PLAINTEXT:PLAINTEXT,", "SASL_PLAINTEXT:SASL_PLAINTEXT,");
    let ((admin, secret), (user, password)) = (ADMIN, USER);
    format!(
        "{open}inter.broker.listener.name=SASL_PLAINTEXT\nsasl.enabled.mechanisms=PLAIN\nsasl.mechanism.inter.broker.protocol=PLAIN\n\
         listener.name.sasl_plaintext.plain.sasl.jaas.config={PLAIN} username=\"{admin}\" password=\"{secret}\" \
         user_{admin}=\"{secret}\" user_{user}=\"{password}\";\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\nsuper.users=User:{admin};User:ANONYMOUS\n"
    )
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
