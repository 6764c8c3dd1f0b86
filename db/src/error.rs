//! One error for everything that the database answers, with the caller's [`Reaction`] decided at its birth.

use std::error::Error as StdError;
use std::io;

use deadpool_postgres::PoolError;
use deadpool_postgres::TimeoutType;
use tokio_postgres::error::DbError;

use crate::reaction::{Reaction, label, remedy};

/// Longest text kept of what the server said, in bytes: "Failing row contains" repeats the row.
const TEXT_BYTES_MAX: usize = 2_000;

/// A statement, connection or pool that failed. `Display` is one line with SQLSTATE and remedy.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    reaction: Reaction,
    sqlstate: Option<String>,
    text: String,
}

impl Error {
    /// Names an error of our own making.
    pub fn new(reaction: Reaction, text: impl Into<String>) -> Self {
        Self { reaction, sqlstate: None, text: text.into() }
    }

    /// Says in front where it happened.
    pub(crate) fn within(mut self, place: &str) -> Self {
        self.text.insert_str(0, &format!("{place}: "));
        self
    }

    /// What to do next.
    pub fn reaction(&self) -> Reaction {
        self.reaction
    }

    /// The server's five-character code; `None` when the server did not speak.
    pub fn sqlstate(&self) -> Option<&str> {
        self.sqlstate.as_deref()
    }

    /// The code as a label of metrics, of which there are few: one of [`NAMED_SQLSTATES`](crate::NAMED_SQLSTATES), the class (two characters) of other
    /// codes, `none` when the server did not speak.
    pub fn sqlstate_label(&self) -> &str {
        self.sqlstate().map_or("none", label)
    }

    fn from_server(error: &DbError) -> Self {
        let code = error.code().code();
        let mut text = format!("{} (SQLSTATE {code}", error.message());
        for (name, value) in [("detail", error.detail()), ("constraint", error.constraint())] {
            if let Some(value) = value {
                text.push_str("; ");
                text.push_str(name);
                text.push(' ');
                text.push_str(value);
            }
        }
        cut(&mut text);
        text.push(')');
        if let Some(remedy) = remedy(code) {
            text.push_str("; ");
            text.push_str(remedy);
        }
        Self { reaction: Reaction::of_sqlstate(code), sqlstate: Some(code.to_owned()), text: one_line(&text) }
    }

    /// An error that the client made itself: lost connections are retries, the rest is told apart by its text,
    /// because the client does not publish its kinds.
    fn from_client(error: &tokio_postgres::Error) -> Self {
        let head = error.to_string();
        let reaction = match head.as_str() {
            text if text.starts_with("error encoding message") => Reaction::Split,
            text if text.starts_with("error serializing parameter") => Reaction::Data,
            "authentication error"
            | "invalid configuration"
            | "invalid connection string"
            | "error performing TLS handshake" => Reaction::Config,
            _ => Reaction::Retry,
        };
        let mut text = chain(error);
        cut(&mut text);
        Self { reaction, sqlstate: None, text: one_line(&text) }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(server) => Self::from_server(server),
            None => Self::from_client(&error),
        }
    }
}

impl From<PoolError> for Error {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            PoolError::Timeout(TimeoutType::Wait) => Self::new(
                Reaction::Retry,
                "all connections of the pool were in use for the whole time-out; raise DB_POOL_MAX",
            ),
            PoolError::Timeout(_) => {
                Self::new(Reaction::Retry, "the connection did not open within the time-out")
            }
            error => Self::new(Reaction::Retry, chain(&error)),
        }
    }
}

impl From<refinery::Error> for Error {
    /// The runner wraps what the database said, sometimes twice; everything else is a mistake in the schema.
    fn from(error: refinery::Error) -> Self {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
        while let Some(inner) = cause {
            if let Some(server) = inner.downcast_ref::<DbError>() {
                let mut found = Self::from_server(server);
                found.text = format!("{error}: {}", found.text);
                return found;
            }
            if inner.downcast_ref::<io::Error>().is_some() {
                return Self::new(Reaction::Retry, chain(&error));
            }
            if let Some(client) = inner.downcast_ref::<tokio_postgres::Error>()
                && client.is_closed()
            {
                return Self::new(Reaction::Retry, chain(&error));
            }
            cause = inner.source();
        }
        Self::new(Reaction::Config, chain(&error))
    }
}

/// An error with all its causes, as `a: b: c`.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

fn cut(text: &mut String) {
    if text.len() > TEXT_BYTES_MAX {
        let end = text.floor_char_boundary(TEXT_BYTES_MAX);
        text.truncate(end);
        text.push('…');
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
