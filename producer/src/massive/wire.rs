//! Control messages of the vendor's protocol: what the client sends, and the statuses that it gets back.
//!
//! The client sends single objects; the server sends arrays, in which a status may stand beside events. One element that cannot be
//! understood costs that element only.

use std::borrow::Cow;
use std::collections::BTreeSet;

use memchr::memmem;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::session::{Dialect, Status, StatusKind, shortened};

/// Channels in one message; the vendor publishes no limit.
pub(crate) const CHANNELS_PER_MESSAGE: usize = 500;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Massive;

impl Dialect for Massive {
    fn greets(&self) -> bool {
        true
    }

    fn auth(&self, api_key: &str) -> Option<String> {
        Some(json!({"action": "auth", "params": api_key}).to_string())
    }

    fn subscribe(&self, channels: &BTreeSet<String>) -> Vec<String> {
        lists("subscribe", channels)
    }

    fn unsubscribe(&self, channels: &BTreeSet<String>) -> Vec<String> {
        lists("unsubscribe", channels)
    }

    /// A frame of events costs one search.
    fn statuses(&self, frame: &[u8]) -> Vec<Status> {
        if !mentions_status(frame) {
            return Vec::new();
        }
        let text = String::from_utf8_lossy(frame);
        match serde_json::from_str::<Vec<&RawValue>>(&text) {
            Ok(elements) => elements.into_iter().filter_map(|element| status(element.get())).collect(),
            Err(_) => status(&text).into_iter().collect(),
        }
    }
}

fn lists(action: &str, channels: &BTreeSet<String>) -> Vec<String> {
    let channels: Vec<&str> = channels.iter().map(String::as_str).collect();
    let message = |part: &[&str]| json!({"action": action, "params": part.join(",")}).to_string();
    channels.chunks(CHANNELS_PER_MESSAGE).map(message).collect()
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

#[cfg(test)]
mod tests;
