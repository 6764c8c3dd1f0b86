//! Calls of a REST interface: one at a time, in the thread that makes them.
//!
//! - The key goes in a header, to the address of the settings and to no other: redirects are not followed.
//! - A call takes at most [`TIMEOUT`], an answer at most [`BODY_MAX`] bytes.

use std::time::Duration;

use tape_service::Secret;
use ureq::Agent;
use ureq::http::header::{AUTHORIZATION, RETRY_AFTER};

/// From the look-up of the name to the last byte.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer; 50,000 trades are about 15 MB.
const BODY_MAX: u64 = 64 << 20;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Rest {
    agent: Agent,
    /// Without a slash at its end.
    base: String,
    key: Secret,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// How long the server wants us to wait, if it says so in seconds.
    pub(crate) retry_after: Option<Duration>,
    /// Empty unless the status is 200.
    pub(crate) body: Vec<u8>,
}

impl Rest {
    /// `base`: where the interface is, `https://api.massive.com`.
    pub(crate) fn new(base: &str, key: Secret) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(TIMEOUT))
            .proxy(None)
            .build();
        Self { agent: config.into(), base: base.trim_end_matches('/').to_owned(), key }
    }

    /// Asks for a path, with its slash and its query.
    ///
    /// # Errors
    /// No answer, or one that is too long; one line without the key.
    pub(crate) fn get(&self, path: &str) -> Result<Response, String> {
        let bearer = format!("Bearer {}", self.key.expose());
        let asked = self.agent.get(format!("{}{path}", self.base)).header(AUTHORIZATION, bearer).call();
        let mut answer = asked.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let seconds =
            answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let body = match status {
            200 => answer
                .body_mut()
                .with_config()
                .limit(BODY_MAX)
                .read_to_vec()
                .map_err(|error| error.to_string())?,
            _ => Vec::new(),
        };
        Ok(Response { status, retry_after: seconds.map(Duration::from_secs), body })
    }

    /// The path of an address that an answer gave: whatever host it names, the key does not go there.
    pub(crate) fn path_of(&self, address: &str) -> Option<String> {
        let rest = match address.split_once("://") {
            None => address,
            Some((_, rest)) => &rest[rest.find('/')?..],
        };
        let base =
            self.base.split_once("://").map_or("", |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
        let path = rest.strip_prefix(base).unwrap_or(rest);
        path.starts_with('/').then(|| path.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use tape_service::Secret;

    use super::Rest;

    #[test]
    fn the_next_page_is_asked_of_the_same_server() {
        let check = |base: &str, address: &str, expected: Option<&str>| {
            let rest = Rest::new(base, Secret::new("k".to_owned()));
            assert_eq!(rest.path_of(address).as_deref(), expected, "{base} {address}");
        };
        let next = "https://api.massive.com/v3/trades/A?cursor=x";
        check("https://api.massive.com", next, Some("/v3/trades/A?cursor=x"));
        check("http://127.0.0.1:1/", next, Some("/v3/trades/A?cursor=x"));
        check("https://proxy/massive", "https://proxy/massive/v3/trades/A", Some("/v3/trades/A"));
        check("https://api.massive.com", "/v3/trades/A", Some("/v3/trades/A"));
        check("https://api.massive.com", "https://elsewhere", None);
        check("https://api.massive.com", "v3", None);
    }

    #[test]
    fn the_key_is_not_shown() {
        let rest = Rest::new("http://127.0.0.1:1", Secret::new("hidden".to_owned()));
        assert!(!format!("{rest:?}").contains("hidden"));
        // No server: port 1 is nobody's.
        let why = rest.get("/v3/trades/A").unwrap_err();
        assert!(!why.contains("hidden"), "{why}");
    }
}
