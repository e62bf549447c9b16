//! N9: a server behind TLS, with a root of one's own. (Whoever uses the library as it comes, without a provider of
//! cryptography in the process, sees it panic.)
//!
//! It needs `openssl` to make certificates.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;
use tower_breaker::observe::Why;
use tower_breaker_redis::{Redis, Tls};

use crate::support::{
    members::{Member, are_one_fleet},
    redis::free_port,
    server::Server,
};

const CONFIG: &str = "\
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
subjectAltName = IP:127.0.0.1
[client]
extendedKeyUsage = clientAuth
";

/// A root, and what it has signed: a server's certificate for 127.0.0.1, and a client's.
struct Certificates(TempDir);

impl Certificates {
    fn make() -> Self {
        let made = Self(TempDir::new().expect("a directory"));
        fs::write(made.0.path().join("config"), CONFIG).expect("a file");
        made.openssl(&format!(
            "req -x509 {NEW} -keyout root.key -out root.pem -days 2 -subj /CN=root -extensions root"
        ));
        for name in ["server", "client"] {
            made.openssl(&format!(
                "req {NEW} -keyout {name}.key -out {name}.csr -subj /CN={name}"
            ));
            made.openssl(&format!(
                "x509 -req -in {name}.csr -CA root.pem -CAkey root.key -CAcreateserial -days 2 -out {name}.pem \
                -extfile config -extensions {name}"
            ));
        }
        made
    }

    fn openssl(&self, words: &str) {
        let done = Command::new("openssl")
            .args(words.split_whitespace())
            .current_dir(self.0.path())
            .output()
            .expect("openssl, to make certificates");
        assert!(
            done.status.success(),
            "openssl {words}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(Path::new(&self.path(name))).expect("a file")
    }

    /// A server, and its address at a host.
    fn server(&self, wants_client: &str) -> (Server, u16) {
        let port = free_port().expect("a port");
        let server = Server::with(&[
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &self.path("server.pem"),
            "--tls-key-file",
            &self.path("server.key"),
            "--tls-ca-cert-file",
            &self.path("root.pem"),
            "--tls-auth-clients",
            wants_client,
        ]);
        (server, port)
    }

    fn own_root(&self) -> Tls {
        Tls::new().roots(self.read("root.pem"))
    }
}

const NEW: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -config config";

fn at(host: &str, port: u16, tls: Tls) -> Redis {
    let url = format!("rediss://{host}:{port}");
    Redis::new(&url).expect("a URL").tls(tls)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_of_ones_own_is_trusted_and_no_other() {
    let made = Certificates::make();
    let (_server, port) = made.server("no");
    let own = || Member::on(at("127.0.0.1", port, made.own_root()));
    are_one_fleet(&[own(), own()]).await;

    let stranger = Member::on(at("127.0.0.1", port, Tls::new()));
    stranger.alone_for(Why::NotReached).await;
    let of_another_name = Member::on(at("localhost", port, made.own_root()));
    of_another_name.alone_for(Why::NotReached).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_to_know_its_clients_is_shown_a_certificate() {
    let made = Certificates::make();
    let (_server, port) = made.server("yes");
    let known = || {
        let tls = made
            .own_root()
            .client(made.read("client.pem"), made.read("client.key"));
        Member::on(at("127.0.0.1", port, tls))
    };
    are_one_fleet(&[known(), known()]).await;
    let unknown = Member::on(at("127.0.0.1", port, made.own_root()));
    unknown.alone_for(Why::NotReached).await;
}

// An app that uses rustls itself has installed a provider before.
#[tokio::test(flavor = "multi_thread")]
async fn the_provider_of_the_app_is_kept() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let made = Certificates::make();
    let (_server, port) = made.server("no");
    let own = || Member::on(at("127.0.0.1", port, made.own_root()));
    are_one_fleet(&[own(), own()]).await;
}
