//! Whom a connection trusts, and who it says it is.

use std::fmt;

use redis::{ClientTlsConfig, ConnectionAddr, ConnectionInfo, TlsCertificates};
use rustls::crypto::{CryptoProvider, ring};

/// Certificates, as bytes of PEM files. Without any, a server is trusted if one of Mozilla's roots has signed its
/// certificate, and we say nothing of ourselves.
#[derive(Clone, Default)]
pub struct Tls {
    roots: Option<Vec<u8>>,
    client: Option<(Vec<u8>, Vec<u8>)>,
}

impl Tls {
    /// Mozilla's roots, and no certificate of our own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets these roots in place of Mozilla's, such as those of a company.
    #[must_use]
    pub fn roots(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(pem.into());
        self
    }

    /// Sets a certificate and its key, for a server that asks clients for one.
    #[must_use]
    pub fn client(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.client = Some((certificate.into(), key.into()));
        self
    }

    pub(crate) fn certificates(&self) -> TlsCertificates {
        let client_tls = self.client.clone();
        TlsCertificates {
            client_tls: client_tls.map(|(client_cert, client_key)| ClientTlsConfig {
                client_cert,
                client_key,
            }),
            root_cert: self.roots.clone(),
        }
    }
}

// The key is not shown.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("roots", &self.roots.is_some())
            .field("client", &self.client.is_some())
            .finish()
    }
}

/// redis-rs takes the provider of cryptography that the process has, and panics where it has none.
pub(crate) fn install_provider(nodes: &[ConnectionInfo]) {
    let wants = |it: &ConnectionInfo| matches!(it.addr(), ConnectionAddr::TcpTls { .. });
    if nodes.iter().any(wants) && CryptoProvider::get_default().is_none() {
        // Another thread may have been faster.
        let _ = ring::default_provider().install_default();
    }
}
