//! Questions to the HTTP servers of roles, and to Grafana's.

use std::net::SocketAddr;
use std::time::Duration;

/// Who is there answers at once.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Longest answer that is read: a processor of ten thousand tasks stays below it.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// What a server said, whatever it thinks of the question.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) text: String,
}

impl Answer {
    /// The text of an answer that is no refusal.
    pub(crate) fn well(self) -> Result<String, String> {
        if (200..300).contains(&self.code) { Ok(self.text) } else { Err(format!("answer {}", self.code)) }
    }
}

/// Asks; the error says why there is no answer.
pub(crate) fn get(url: &str) -> Result<Answer, String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into();
    let mut answer = agent.get(url).call().map_err(|error| format!("no answer: {error}"))?;
    let code = answer.status().as_u16();
    let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
    Ok(Answer { code, text: text.map_err(|error| format!("no answer: {error}"))? })
}

/// Where a server that listens at this address is reached from the same machine.
pub(crate) fn own_url(address: SocketAddr) -> Option<String> {
    let host = match address {
        address if address.port() == 0 => return None,
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => "127.0.0.1".to_owned(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => "[::1]".to_owned(),
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    };
    Some(format!("http://{host}:{}", address.port()))
}

#[cfg(test)]
mod tests {
    use super::own_url;

    #[test]
    fn a_server_is_asked_where_it_can_be_reached() {
        let url = |address: &str| own_url(address.parse().expect("an address"));
        assert_eq!(url("127.0.0.1:9461").as_deref(), Some("http://127.0.0.1:9461"));
        assert_eq!(url("0.0.0.0:80").as_deref(), Some("http://127.0.0.1:80"));
        assert_eq!(url("[::]:80").as_deref(), Some("http://[::1]:80"));
        assert_eq!(url("127.0.0.1:0"), None);
    }
}
