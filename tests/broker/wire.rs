//! A raw client: one socket, requests and responses written and read with the `kafka-protocol` crate.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, HeaderVersion, Request, StrBytes};

use crate::served::Served;

pub struct Wire {
    pub stream: TcpStream,
    correlation: i32,
}

impl Wire {
    pub fn connect(served: &Served) -> Self {
        let stream = TcpStream::connect(served.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { stream, correlation: 0 }
    }

    /// Sends a request without waiting; its correlation id.
    pub fn send<R: Request>(&mut self, version: i16, request: &R) -> i32 {
        self.correlation += 1;
        let frame = frame(version, self.correlation, request);
        self.stream.write_all(&frame).unwrap();
        self.correlation
    }

    /// Receives a response; its correlation id and itself.
    pub fn receive<R: Request>(&mut self, version: i16) -> (i32, R::Response) {
        let mut frame = self.receive_frame().expect("the connection is open");
        let header = ResponseHeader::decode(&mut frame, R::Response::header_version(version)).unwrap();
        let response = R::Response::decode(&mut frame, version).unwrap();
        assert!(frame.is_empty(), "bytes are left");
        (header.correlation_id, response)
    }

    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let sent = self.send(version, request);
        let (received, response) = self.receive::<R>(version);
        assert_eq!(sent, received);
        response
    }

    /// A response's bytes without their length; `None` when the server has closed.
    pub fn receive_frame(&mut self) -> Option<Bytes> {
        let mut length = [0; 4];
        match self.stream.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset) => return None,
            Err(error) => panic!("no response: {error}"),
        }
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame).unwrap();
        Some(Bytes::from(frame))
    }

    pub fn is_closed(&mut self) -> bool {
        self.receive_frame().is_none()
    }

    /// Sends a frame of these bytes.
    pub fn send_bytes(&mut self, body: &[u8]) {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        // The server may have closed already.
        let _ = self.stream.write_all(&[&length[..], body].concat());
    }
}

/// A request as a frame, length included.
pub fn frame<R: Request>(version: i16, correlation: i32, request: &R) -> Vec<u8> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation)
        .with_client_id(Some(StrBytes::from_static_str("wire")));
    let mut body = BytesMut::new();
    use kafka_protocol::protocol::Encodable;
    header.encode(&mut body, R::header_version(version)).unwrap();
    request.encode(&mut body, version).unwrap();
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
}
