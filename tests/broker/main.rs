//! The Kafka front as clients meet it: a log in a folder, served on a free port, read by real clients and by raw sockets.

mod clients;
mod served;
