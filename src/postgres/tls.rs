//! TLS to PostgreSQL by rustls, with libpq's `sslmode` meanings, and the digest for SCRAM channel binding.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;
use x509_cert::der::Decode;

use super::PostgresError;
use crate::config::postgres::{ConnectionConfig, SslMode};

/// What speaks TLS, and the system's certificates (DER), for those who speak it elsewhere.
pub fn of_the_system() -> Result<(Arc<CryptoProvider>, Vec<Vec<u8>>), PostgresError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        return Err(tls("this machine has no trusted certificates"));
    }
    let certificates = found.certs.iter().map(|certificate| certificate.to_vec()).collect();
    Ok((Arc::new(rustls::crypto::ring::default_provider()), certificates))
}

fn tls(error: impl std::fmt::Display) -> PostgresError {
    PostgresError::Tls(error.to_string())
}

/// What checks the server's certificate as `sslmode` asks.
pub fn connector(config: &ConnectionConfig) -> Result<TlsConnector, PostgresError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    // As in libpq: with a root certificate, `require` looks at the chain too.
    let check = match config.ssl_mode {
        SslMode::VerifyFull => Check::ChainAndName,
        SslMode::VerifyCa => Check::Chain,
        SslMode::Require if config.ssl_root_cert.is_some() => Check::Chain,
        _ => Check::Nothing,
    };
    let verifier: Arc<dyn ServerCertVerifier> = match check {
        Check::Nothing => Arc::new(Lenient { inner: None, provider: Arc::clone(&provider) }),
        check => {
            let inner =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots(config)?), Arc::clone(&provider)).build().map_err(tls)?;
            match check {
                Check::ChainAndName => inner,
                _ => Arc::new(Lenient { inner: Some(inner), provider: Arc::clone(&provider) }),
            }
        }
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(tls)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let client = match (&config.ssl_cert, &config.ssl_key) {
        (Some(cert), Some(key)) => {
            let chain = CertificateDer::pem_file_iter(cert)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| tls(format!("{}: {error}", cert.display())))?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| tls(format!("{}: {error}", key.display())))?;
            builder.with_client_auth_cert(chain, key).map_err(tls)?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(TlsConnector::from(Arc::new(client)))
}

enum Check {
    Nothing,
    Chain,
    ChainAndName,
}

fn roots(config: &ConnectionConfig) -> Result<RootCertStore, PostgresError> {
    let mut roots = RootCertStore::empty();
    match &config.ssl_root_cert {
        Some(path) => {
            let named = |error| tls(format!("{}: {error}", path.display()));
            for certificate in CertificateDer::pem_file_iter(path).map_err(named)? {
                roots.add(certificate.map_err(named)?).map_err(tls)?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    if roots.is_empty() { Err(tls("no root certificate is known: set database.sslrootcert")) } else { Ok(roots) }
}

/// Checks less than the whole: the chain without the name, or nothing (as libpq's `prefer` and `require`).
#[derive(Debug)]
struct Lenient {
    inner: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(inner) = &self.inner else { return Ok(ServerCertVerified::assertion()) };
        match inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The digest of `tls-server-end-point` (RFC 5929): by the hash of the certificate's signature, SHA-256 for the old ones.
/// `None` for algorithms without a hash of their own (Ed25519), which cannot be bound.
pub fn end_point_digest(certificate: &[u8]) -> Option<Vec<u8>> {
    let parsed = x509_cert::Certificate::from_der(certificate).ok()?;
    let algorithm = match parsed.signature_algorithm.oid.to_string().as_str() {
        // md5, sha1 and sha256 with RSA; sha1 and sha256 with ECDSA.
        "1.2.840.113549.1.1.4" | "1.2.840.113549.1.1.5" | "1.2.840.113549.1.1.11" | "1.2.840.10045.4.1" | "1.2.840.10045.4.3.2" => {
            &ring::digest::SHA256
        }
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => &ring::digest::SHA384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => &ring::digest::SHA512,
        _ => return None,
    };
    Some(ring::digest::digest(algorithm, certificate).as_ref().to_vec())
}
