//! What the command line and the environment say.

use std::{env, io, net::Ipv4Addr, num::NonZeroU64, str::FromStr, time::Duration};

use tokio::net::TcpListener;

pub(crate) struct Options {
    pub(crate) demo: bool,
    pub(crate) port: u16,
    pub(crate) open_for: Duration,
}

impl Options {
    pub(crate) fn read() -> Result<Self, String> {
        let millis = "a whole number of milliseconds above 0";
        let open_for: NonZeroU64 = variable("OPEN_FOR_MS", "5000", millis)?;
        Ok(Self {
            demo: wants_demo(env::args().skip(1).collect())?,
            port: variable("PORT", "8082", "a port number, 0 to 65535")?,
            open_for: Duration::from_millis(open_for.get()),
        })
    }

    pub(crate) async fn listen(&self) -> Result<TcpListener, String> {
        let port = self.port;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        listener.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("port {port} is taken; PORT=0 picks a free one, PORT=n names another")
            }
            _ => format!("cannot listen on port {port}: {error}"),
        })
    }
}

fn wants_demo(arguments: Vec<String>) -> Result<bool, String> {
    match arguments.as_slice() {
        [] => Ok(false),
        [only] if only == "--demo" => Ok(true),
        _ => Err(format!(
            "the only argument is --demo, not {}",
            arguments.join(" ")
        )),
    }
}

/// The environment variable `name`, or `default` where it is not set.
fn variable<T: FromStr>(name: &str, default: &str, allowed: &str) -> Result<T, String> {
    let value = env::var_os(name).unwrap_or_else(|| default.into());
    let parsed = value.to_str().and_then(|value| value.parse().ok());
    parsed.ok_or_else(|| format!("{name} is {value:?}, but must be {allowed} (default {default})"))
}
