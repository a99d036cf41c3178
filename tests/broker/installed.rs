//! Clients that are not Rust crates: where they are, and how to get them into `.cache/` of the repository.
//!
//! A client that cannot be had is a skipped test with its reason, or a failed one with `ROWFEED_REQUIRE_ALL=1`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Jars that the Java clients need beside themselves.
const JARS: [&str; 5] = [
    "org.slf4j:slf4j-api:1.7.36",
    "org.slf4j:slf4j-nop:1.7.36",
    "com.github.luben:zstd-jni:1.5.6-4",
    "org.lz4:lz4-java:1.8.0",
    "org.xerial.snappy:snappy-java:1.1.10.5",
];

/// Two tests must not install the same thing at once.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Runs `test` with what `install` found, or skips it.
pub fn with<T>(client: &str, install: impl FnOnce() -> Result<T, String>, test: impl FnOnce(T)) {
    let installed = {
        let _one_at_a_time = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
        install()
    };
    match installed {
        Ok(installed) => test(installed),
        Err(reason) if std::env::var_os("ROWFEED_REQUIRE_ALL").is_some_and(|value| value == "1") => {
            panic!("{client} is required and not there: {reason}")
        }
        Err(reason) => eprintln!("skipped: {client} is not there: {reason}"),
    }
}

/// kcat as the system has it.
pub fn kcat() -> Result<(), String> {
    run(Command::new("kcat").arg("-V").env_remove("LD_LIBRARY_PATH"))
}

/// The class path of a version of Java's kafka-clients.
pub fn java(version: &str) -> Result<String, String> {
    run(Command::new("java").arg("-version"))?;
    let folder = cache("java");
    let client = format!("org.apache.kafka:kafka-clients:{version}");
    let mut path = Vec::new();
    for artifact in std::iter::once(client.as_str()).chain(JARS) {
        let jar = folder.join(jar_name(artifact));
        if !jar.exists() {
            let (artifact, to) = (format!("-Dartifact={artifact}"), format!("-DoutputDirectory={}", folder.display()));
            run(Command::new("mvn").args(["-q", "-B", "dependency:copy", &artifact, &to]))?;
        }
        path.push(jar.display().to_string());
    }
    Ok(path.join(":"))
}

fn jar_name(artifact: &str) -> String {
    let mut parts = artifact.split(':').skip(1);
    format!("{}-{}.jar", parts.next().unwrap(), parts.next().unwrap())
}

/// A Python with kafka-python.
pub fn kafka_python() -> Result<PathBuf, String> {
    let folder = cache("py");
    let python = folder.join("bin/python3");
    if run(Command::new(&python).args(["-c", "import kafka"])).is_err() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(folder.join("bin/pip")).args(["install", "-q", "kafka-python==3.0.12"]))?;
    }
    Ok(python)
}

/// A folder whose `node_modules` has kafkajs.
pub fn kafkajs() -> Result<PathBuf, String> {
    run(Command::new("node").arg("--version"))?;
    let folder = cache("node");
    if !folder.join("node_modules/kafkajs").exists() {
        run(Command::new("npm").args(["install", "--silent", "--no-save", "--prefix"]).arg(&folder).arg("kafkajs@2.2.4"))?;
    }
    Ok(folder)
}

/// A folder of `.cache/`.
pub fn cache(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs what must succeed.
pub fn run(command: &mut Command) -> Result<(), String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{command:?}: {} {}", output.status, String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}
