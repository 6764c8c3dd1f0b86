//! One question over HTTP, and the metrics of a role.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// Code and body. `limit` holds for all of it together, as a kubelet's `timeoutSeconds` does.
pub(crate) fn get(address: SocketAddr, path: &str, limit: Duration) -> Result<(u16, String)> {
    let end = Instant::now() + limit;
    let left = || end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_write_timeout(left())?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nUser-Agent: kube-probe/1.35\r\n\r\n")?;
    let (mut bytes, mut part) = (Vec::new(), [0; 16 * 1024]);
    loop {
        stream.set_read_timeout(Some(left().context("no answer in time")?))?;
        match stream.read(&mut part)? {
            0 => break,
            size => bytes.extend_from_slice(&part[..size]),
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").context("no HTTP")?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no code")?;
    Ok((code, body.to_owned()))
}

/// The metrics of a role.
pub(crate) struct Metrics(String);

impl Metrics {
    pub(crate) fn of(address: SocketAddr) -> Result<Self> {
        let (code, body) = get(address, "/metrics", Duration::from_secs(10))?;
        ensure!(code == 200, "{address}/metrics answers {code}");
        Ok(Metrics(body))
    }

    /// Sum over all labels; `None` when it is not there. NaN stands for what is not ours any more.
    pub(crate) fn sum(&self, name: &str) -> Option<f64> {
        let of_line = |line: &str| {
            let rest = line.strip_prefix(name)?;
            let value = match rest.strip_prefix('{') {
                Some(labels) => labels.rsplit_once("} ")?.1,
                None => rest.strip_prefix(' ')?,
            };
            value.parse::<f64>().ok().filter(|value| !value.is_nan())
        };
        self.0.lines().filter_map(of_line).reduce(|sum, value| sum + value)
    }
}
