//! Control messages of the vendor's protocol: what the client sends, and the statuses that it gets back.
//!
//! The client sends single objects; the server sends arrays, in which a status may stand beside events. One element that cannot be
//! understood costs that element only.

use std::borrow::Cow;

use memchr::memmem;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Channels in one message; the vendor publishes no limit.
pub(crate) const CHANNELS_PER_MESSAGE: usize = 500;

/// The longest text of a status that is kept, in characters: it goes into the log.
const TEXT_MAX: usize = 500;

/// What a server says about the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) kind: StatusKind,
    /// The server's own words, at most [`TEXT_MAX`] characters; may be empty.
    pub(crate) message: String,
}

/// Kinds of statuses that have a meaning of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StatusKind {
    /// The greeting.
    Connected,
    AuthSuccess,
    /// The key is wrong, or its plan does not hold this cluster.
    AuthFailed,
    /// No key came in time.
    AuthTimeout,
    /// Something was asked for before the key was given.
    AuthRequired,
    /// This channel (`T.AAPL`) is subscribed.
    Subscribed(String),
    /// This channel no longer is.
    Unsubscribed(String),
    /// A success that names no channel; some servers greet like this.
    Success,
    /// Something asked for is refused; which one is not said.
    Error,
    /// Another connection of the account is in the way.
    MaxConnections,
    /// We read too slowly: the server is about to hang up.
    SlowConsumer,
    /// Thrown out, without a reason.
    ForceDisconnect,
    /// Any other word, as it came.
    Other(String),
}

/// The message that gives the key. It is a secret, as the key is.
pub(crate) fn auth(api_key: &str) -> String {
    json!({"action": "auth", "params": api_key}).to_string()
}

/// Messages that subscribe to `channels`, none if there are none.
pub(crate) fn subscribe<'a>(channels: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    lists("subscribe", channels)
}

/// Messages that take back the subscription of `channels`, none if there are none.
pub(crate) fn unsubscribe<'a>(channels: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    lists("unsubscribe", channels)
}

fn lists<'a>(action: &str, channels: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let channels: Vec<&str> = channels.into_iter().map(String::as_str).collect();
    let message = |part: &[&str]| json!({"action": action, "params": part.join(",")}).to_string();
    channels.chunks(CHANNELS_PER_MESSAGE).map(message).collect()
}

/// The statuses in a frame, in its order. A frame of events costs one search.
pub(crate) fn statuses(frame: &[u8]) -> Vec<Status> {
    if !mentions_status(frame) {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(frame);
    match serde_json::from_str::<Vec<&RawValue>>(&text) {
        Ok(elements) => elements.into_iter().filter_map(|element| status(element.get())).collect(),
        Err(_) => status(&text).into_iter().collect(),
    }
}

fn mentions_status(bytes: &[u8]) -> bool {
    memmem::find(bytes, b"\"status\"").is_some()
}

fn status(element: &str) -> Option<Status> {
    if !mentions_status(element.as_bytes()) {
        return None;
    }
    let value: Value = serde_json::from_str(element).ok()?;
    if value.get("ev")?.as_str()? != "status" {
        return None;
    }
    let message = shortened(&text(value.get("message")));
    let kind = kind(&text(value.get("status")), &message);
    Some(Status { kind, message })
}

fn kind(word: &str, message: &str) -> StatusKind {
    match word {
        "connected" => StatusKind::Connected,
        "auth_success" => StatusKind::AuthSuccess,
        "auth_failed" => StatusKind::AuthFailed,
        "auth_timeout" => StatusKind::AuthTimeout,
        "auth_required" => StatusKind::AuthRequired,
        "success" => success(message),
        "error" => StatusKind::Error,
        "max_connections" => StatusKind::MaxConnections,
        "slow_consumer" => StatusKind::SlowConsumer,
        "force_disconnect" => StatusKind::ForceDisconnect,
        other => StatusKind::Other(shortened(other)),
    }
}

fn success(message: &str) -> StatusKind {
    let channel = |prefix| message.strip_prefix(prefix).map(|channel: &str| channel.trim().to_owned());
    if let Some(channel) = channel("subscribed to:") {
        StatusKind::Subscribed(channel)
    } else if let Some(channel) = channel("unsubscribed to:") {
        StatusKind::Unsubscribed(channel)
    } else {
        StatusKind::Success
    }
}

/// A text as it is, any other value as JSON, nothing for none.
fn text(value: Option<&Value>) -> Cow<'_, str> {
    match value {
        None | Some(Value::Null) => Cow::Borrowed(""),
        Some(Value::String(text)) => Cow::Borrowed(text),
        Some(other) => Cow::Owned(other.to_string()),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

#[cfg(test)]
mod tests;
