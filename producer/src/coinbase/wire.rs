//! Control messages of the venue's protocol, and its answers.
//!
//! - The server does not greet and takes no key; it hangs up if nothing is subscribed within five seconds.
//! - Each answer to a subscription lists all that is subscribed by then, so it confirms what earlier ones confirmed, too.
//! - A message that names one product which does not exist is refused as a whole. So products go out in many small messages, each
//!   alone while they are few; the session asks again for the ones that are missing, and as those are fewer, a product that
//!   exists soon is alone as well.

use std::collections::BTreeSet;

use memchr::memmem;
use serde::Deserialize;
use serde_json::json;

use crate::session::{Dialect, Status, StatusKind, shortened};

/// The channel that is followed.
const CHANNEL: &str = "matches";

/// Messages in a row; the venue takes a hundred in a second.
const MESSAGES_MAX: usize = 40;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Coinbase;

impl Dialect for Coinbase {
    fn greets(&self) -> bool {
        false
    }

    fn auth(&self, _api_key: &str) -> Option<String> {
        None
    }

    fn subscribe(&self, products: &BTreeSet<String>) -> Vec<String> {
        messages("subscribe", products)
    }

    fn unsubscribe(&self, products: &BTreeSet<String>) -> Vec<String> {
        messages("unsubscribe", products)
    }

    /// A frame of events costs two searches.
    fn statuses(&self, frame: &[u8]) -> Vec<Status> {
        if memmem::find(frame, b"\"subscriptions\"").or_else(|| memmem::find(frame, b"\"error\"")).is_none() {
            return Vec::new();
        }
        let text = String::from_utf8_lossy(frame);
        serde_json::from_str::<Answer>(&text).map_or_else(|_| Vec::new(), Answer::statuses)
    }
}

fn messages(kind: &str, products: &BTreeSet<String>) -> Vec<String> {
    let products: Vec<&String> = products.iter().collect();
    let message =
        |part: &[&String]| json!({"type": kind, "product_ids": part, "channels": [CHANNEL]}).to_string();
    products.chunks(products.len().div_ceil(MESSAGES_MAX).max(1)).map(message).collect()
}

/// What the server answers; every other frame is none of these.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Answer {
    Subscriptions {
        channels: Vec<Channel>,
    },
    Error {
        #[serde(default)]
        message: String,
        #[serde(default)]
        reason: String,
    },
}

#[derive(Deserialize)]
struct Channel {
    name: String,
    #[serde(default)]
    product_ids: Vec<String>,
}

impl Answer {
    fn statuses(self) -> Vec<Status> {
        let status = |kind| Status { kind, message: String::new() };
        match self {
            Self::Subscriptions { channels } => {
                let products = channels.into_iter().filter(|channel| channel.name == CHANNEL);
                let confirmed = products.flat_map(|channel| channel.product_ids);
                let statuses: Vec<_> =
                    confirmed.map(|product| status(StatusKind::Subscribed(product))).collect();
                // The answer to the last unsubscription is a status, too, and no sign of data.
                if statuses.is_empty() { vec![status(StatusKind::Success)] } else { statuses }
            }
            Self::Error { message, reason } => {
                let words = [message, reason].into_iter().filter(|text| !text.is_empty());
                let message = shortened(&words.collect::<Vec<_>>().join(": "));
                vec![Status { kind: StatusKind::Error, message }]
            }
        }
    }
}

#[cfg(test)]
mod tests;
