//! Real clients: each reads everything, then works in a group, commits, and goes on where the group was after a restart.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use rowfeed::record::compression::Compression;

use crate::installed;
use crate::served::{FIRST_TIMESTAMP, Served};

const TOPIC: &str = "shop.public.orders";

/// Runs a command that must end well within a minute; its output.
fn output(command: &mut Command) -> String {
    let mut limited = Command::new("timeout");
    limited.arg("60").arg(command.get_program()).args(command.get_args());
    // Cargo puts the library that the rdkafka crate builds on this path; clients shall use the system's.
    limited.env_remove("LD_LIBRARY_PATH");
    let output = limited.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {} {errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Lines "partition offset key value" must be records `from..to`, each once and in order within its partition.
fn assert_records(lines: &str, from: usize, to: usize) {
    let records: Vec<Vec<&str>> = lines.lines().map(|line| line.split(' ').collect()).collect();
    let mut numbers = BTreeSet::new();
    let mut last = std::collections::HashMap::new();
    for record in &records {
        let [partition, offset, key, value] = record.as_slice() else { panic!("not a record: {record:?}") };
        let number: usize = key.strip_prefix('k').unwrap().parse().unwrap();
        assert_eq!(*value, format!("v{number}"));
        assert!(numbers.insert(number), "record {number} came twice");
        let offset: u64 = offset.parse().unwrap();
        assert!(last.insert(*partition, offset).is_none_or(|before| before + 1 == offset), "partition {partition} skips before {offset}");
    }
    assert_eq!(numbers, (from..to).collect());
}

/// What every client must do. `consume` runs it as `all` or `group`, for that many records; `codecs` are those it knows.
fn reads_all_and_continues_in_its_group(codecs: &[Compression], consume: impl Fn(&Served, &str, usize) -> String) {
    let served = Served::start();
    for from in (0..60).step_by(12) {
        served.write_compressed(codecs[from / 12 % codecs.len()], TOPIC, 2, from, 12);
    }
    assert_records(&consume(&served, "all", 60), 0, 60);
    assert_records(&consume(&served, "group", 60), 0, 60);
    served.write(TOPIC, 2, 60, 40);
    let served = served.restart();
    assert_records(&consume(&served, "group", 40), 60, 100);
    assert_records(&consume(&served, "all", 100), 0, 100);
}

fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broker/programs").join(name)
}

fn kcat(served: &Served, arguments: &[&str]) -> String {
    output(Command::new("kcat").args(["-b", &served.address.to_string()]).args(arguments))
}

/// What clients without further modules know.
const BUILT_IN: [Compression; 2] = [Compression::None, Compression::Gzip];

const KCAT_FORMAT: [&str; 3] = ["-q", "-f", "%p %o %k %s\n"];

#[test]
fn kcat_of_the_distribution_reads_all_and_continues_in_its_group() {
    installed::with("kcat", installed::kcat, |()| {
        reads_all_and_continues_in_its_group(&Compression::ALL, |served, mode, count| {
            let count = count.to_string();
            let mut arguments = KCAT_FORMAT.to_vec();
            arguments.extend(["-c", &count]);
            match mode {
                "all" => arguments.extend(["-C", "-t", TOPIC, "-o", "beginning"]),
                _ => arguments.extend(["-X", "auto.offset.reset=earliest", "-G", "kcat-group", TOPIC]),
            }
            kcat(served, &arguments)
        });
    });
}

#[test]
fn kcat_finds_the_topic_its_last_records_and_a_time() {
    installed::with("kcat", installed::kcat, |()| {
        let served = Served::start();
        served.write(TOPIC, 1, 0, 100);
        assert!(kcat(&served, &["-L"]).contains("topic \"shop.public.orders\" with 1 partitions"));
        let read = |offset: &str| kcat(&served, &[&KCAT_FORMAT[..], &["-C", "-e", "-t", TOPIC, "-p", "0", "-o", offset]].concat());
        assert_records(&read("-10"), 90, 100);
        assert_records(&read(&format!("s@{}", FIRST_TIMESTAMP + 97)), 97, 100);
        assert_records(&read("99"), 99, 100);
    });
}

#[test]
fn kcat_is_refused_as_a_producer_with_a_clear_text() {
    installed::with("kcat", installed::kcat, |()| {
        let served = Served::start();
        served.write(TOPIC, 1, 0, 1);
        let produce = format!("echo k:v | timeout 30 kcat -b {} -P -K: -z gzip -t {TOPIC}", served.address);
        let output = Command::new("sh").args(["-c", &produce]).env_remove("LD_LIBRARY_PATH").output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("Broker: Topic authorization failed"), "{errors}");
        assert!(!errors.contains("not compressing"), "{errors}");
    });
}

fn java(served: &Served, class_path: &str, mode: &str, count: &str) -> String {
    let mut command = Command::new("java");
    command.args(["-XX:TieredStopAtLevel=1", "-cp", class_path]).arg(program("Consume.java"));
    output(command.args([&served.address.to_string(), mode, TOPIC, count]))
}

fn java_reads_all_and_continues_in_its_group(version: &str) {
    installed::with(
        version,
        || installed::java(version),
        |class_path| {
            reads_all_and_continues_in_its_group(&Compression::ALL, |served, mode, count| {
                java(served, &class_path, mode, &count.to_string())
            });
        },
    );
}

#[test]
fn java_client_3_9_reads_all_and_continues_in_its_group() {
    java_reads_all_and_continues_in_its_group("3.9.1");
}

#[test]
fn java_client_4_reads_all_and_continues_in_its_group() {
    java_reads_all_and_continues_in_its_group("4.1.0");
}

#[test]
fn java_client_finds_times_ends_and_the_topic() {
    installed::with(
        "kafka-clients",
        || installed::java("4.1.0"),
        |class_path| {
            let served = Served::start();
            served.write(TOPIC, 1, 0, 10);
            let told = java(&served, &class_path, "times", &(FIRST_TIMESTAMP + 4).to_string());
            assert!(told.contains(&format!("(timestamp={}, leaderEpoch=0, offset=4)", FIRST_TIMESTAMP + 4)), "{told}");
            assert!(told.contains("{shop.public.orders-0=0} {shop.public.orders-0=10}"), "{told}");
            assert!(told.contains("partitions=(partition=0, leader=127.0.0.1"), "{told}");
            assert!(told.contains(&format!("offset=9, timestamp={}", FIRST_TIMESTAMP + 9)) || told.contains("offset=9"), "{told}");
        },
    );
}

#[test]
fn java_producer_is_refused_with_a_clear_text() {
    installed::with(
        "kafka-clients",
        || installed::java("4.1.0"),
        |class_path| {
            let served = Served::start();
            served.write(TOPIC, 1, 0, 1);
            let told = java(&served, &class_path, "produce", "1");
            assert!(told.contains("TopicAuthorizationException"), "{told}");
        },
    );
}

#[test]
fn kafka_python_reads_all_and_continues_in_its_group() {
    installed::with("kafka-python", installed::kafka_python, |python| {
        reads_all_and_continues_in_its_group(&BUILT_IN, |served, mode, count| {
            let mut command = Command::new(&python);
            command.arg(program("consume.py"));
            output(command.args([&served.address.to_string(), mode, TOPIC, &count.to_string()]))
        });
    });
}

#[test]
fn kafkajs_reads_all_and_continues_in_its_group() {
    installed::with("kafkajs", installed::kafkajs, |folder| {
        reads_all_and_continues_in_its_group(&BUILT_IN, |served, mode, count| {
            // Node finds modules from the program's place: it runs as a copy beside them.
            let copy = folder.join("consume.js");
            std::fs::copy(program("consume.js"), &copy).unwrap();
            let mut command = Command::new("node");
            command.arg(&copy);
            output(command.args([&served.address.to_string(), mode, TOPIC, &count.to_string()]))
        });
    });
}
