//! Where Confluent's Python client is, and how to get it.

use std::path::PathBuf;
use std::process::Command;

use crate::installed;

/// A Python with Confluent's client and what it needs for schemas.
pub fn python() -> Result<PathBuf, String> {
    let folder = installed::cache("confluent");
    let python = folder.join("bin/python3");
    let wanted = "import confluent_kafka.schema_registry.avro, confluent_kafka.schema_registry.json_schema, confluent_kafka.schema_registry.protobuf, grpc_tools.protoc";
    if installed::run(Command::new(&python).args(["-c", wanted])).is_err() {
        installed::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        installed::run(Command::new(&python).args([
            "-m",
            "pip",
            "install",
            "-q",
            "confluent-kafka[avro,json,protobuf]==2.12.0",
            "grpcio-tools",
        ]))?;
    }
    Ok(python)
}
