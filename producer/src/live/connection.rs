//! One connection after the other of a feed: carries out what the session says, and hands frames on.
//!
//! The session decides, this executes. Nothing here waits for anything but the socket, the session's deadline, a change of what is
//! wanted, and the stop.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tape_service::{Failure, Shutdown};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};
use tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tungstenite::{Bytes, Error, Message};

use super::backfill::Gap;
use super::intake::{Frame, Intake};
use super::journal::Journal;
use super::status::Line;
use crate::session::{Action, Input, Notice, Session};

/// The largest frame, and the largest message of several frames, in bytes. Venues publish none; Massive's clients take 1 MB.
const FRAME_MAX_BYTES: usize = 16 << 20;
/// What does not go out in this time does not go out.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may take to answer our close frame. What it has sent before its answer is taken; on a long way that is a
/// fraction of a second.
const FAREWELL: Duration = Duration::from_secs(2);

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Opening = Pin<Box<dyn Future<Output = Result<Stream, Error>> + Send>>;

/// What the connections of a process share.
#[derive(Clone)]
pub(crate) struct Wires {
    tls: Arc<rustls::ClientConfig>,
    /// The moment that the times of all sessions count from.
    started: Instant,
}

impl Wires {
    /// Trusts the certificate authorities of the Mozilla list, as browsers do.
    pub(crate) fn new() -> Result<Self, Failure> {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect::<rustls::RootCertStore>();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::Other(error.into()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: Arc::new(tls), started: Instant::now() })
    }

    /// Time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn open(&self, url: String) -> Opening {
        let connector = Connector::Rustls(Arc::clone(&self.tls));
        let limits = WebSocketConfig::default()
            .max_message_size(Some(FRAME_MAX_BYTES))
            .max_frame_size(Some(FRAME_MAX_BYTES));
        Box::pin(async move {
            let opened =
                tokio_tungstenite::connect_async_tls_with_config(url, Some(limits), true, Some(connector));
            opened.await.map(|(stream, _)| stream)
        })
    }
}

enum Socket {
    Absent,
    Opening(Opening),
    Open(Box<Stream>),
}

/// What a socket has to say.
enum Heard {
    Opened(Box<Stream>),
    OpenFailed(String),
    Message(Message),
    Failed(String),
    /// The stream ended without a close frame.
    Gone,
}

impl Socket {
    async fn next(&mut self) -> Heard {
        match self {
            Self::Absent => std::future::pending().await,
            Self::Opening(opening) => match opening.await {
                Ok(stream) => Heard::Opened(Box::new(stream)),
                Err(error) => Heard::OpenFailed(explain(&error)),
            },
            Self::Open(stream) => match stream.next().await {
                Some(Ok(message)) => Heard::Message(message),
                Some(Err(Error::ConnectionClosed)) | None => Heard::Gone,
                Some(Err(error)) => Heard::Failed(explain(&error)),
            },
        }
    }
}

/// A wrong host has no certificate for the name: the vendor's DNS answers for any.
fn explain(error: &Error) -> String {
    let is_tls = match error {
        Error::Tls(_) => true,
        Error::Io(io) => io.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    };
    let hint = if is_tls { "; check the host name in MASSIVE_WS_URL or COINBASE_WS_URL" } else { "" };
    format!("{error}{hint}")
}

/// One feed's line.
pub(crate) struct Connection {
    pub(crate) url: String,
    pub(crate) session: Session,
    pub(crate) wires: Wires,
    pub(crate) intake: Intake,
    /// Index of the decoder of its frames.
    pub(crate) feed: usize,
    pub(crate) journal: Journal,
    pub(crate) line: Line,
}

impl Connection {
    /// Runs until the stop, until nobody holds the other end of `wanted`, or until the vendor refuses the key.
    pub(crate) async fn run(
        mut self,
        mut wanted: watch::Receiver<BTreeSet<String>>,
        shutdown: Shutdown,
    ) -> Result<(), Failure> {
        let mut socket = Socket::Absent;
        loop {
            let refused = self.obey(&mut socket, &wanted).await;
            self.line.set(self.session.state_name());
            if let Some(why) = refused {
                return Err(Failure::Config(format!(
                    "MASSIVE_API_KEY: {}: {why}; is the key right, and does its plan hold this cluster?",
                    self.url
                )));
            }
            if self.session.is_over() {
                return Ok(());
            }
            let deadline = self.wires.started.checked_add(self.session.deadline());
            tokio::select! {
                heard = socket.next() => self.hear(heard, &mut socket),
                () = until(deadline) => self.tell(Input::Tick),
                changed = wanted.changed() => match changed {
                    Ok(()) => { let channels = wanted.borrow_and_update().clone(); self.tell(Input::Want(channels)); }
                    Err(_) => self.tell(Input::Stop),
                },
                () = shutdown.requested() => self.tell(Input::Stop),
            }
        }
    }

    fn tell(&mut self, input: Input<'_>) {
        let now = self.wires.now();
        self.session.handle(input, now);
    }

    fn hear(&mut self, heard: Heard, socket: &mut Socket) {
        match heard {
            Heard::Opened(stream) => {
                *socket = Socket::Open(stream);
                self.tell(Input::Opened);
            }
            Heard::OpenFailed(why) => {
                *socket = Socket::Absent;
                self.tell(Input::OpenFailed(&why));
            }
            Heard::Failed(why) => {
                *socket = Socket::Absent;
                self.tell(Input::Failed(&why));
            }
            Heard::Gone => {
                *socket = Socket::Absent;
                self.tell(Input::Closed { code: None, reason: "" });
            }
            Heard::Message(Message::Text(text)) => self.frame(text.into()),
            Heard::Message(Message::Binary(bytes)) => self.frame(bytes),
            Heard::Message(Message::Close(frame)) => {
                *socket = Socket::Absent;
                let (code, reason) = frame.map_or((None, String::new()), |frame| {
                    (Some(u16::from(frame.code)), frame.reason.to_string())
                });
                self.tell(Input::Closed { code, reason: &reason });
            }
            Heard::Message(_) => self.tell(Input::Alive),
        }
    }

    fn frame(&mut self, bytes: Bytes) {
        let statuses = self.session.dialect().statuses(&bytes);
        for status in &statuses {
            self.tell(Input::Status(status));
        }
        if statuses.is_empty() {
            self.tell(Input::Data);
        }
        self.hand_on(bytes);
    }

    fn hand_on(&mut self, bytes: Bytes) {
        let length = bytes.len();
        if !self.intake.push(Frame { feed: self.feed, bytes }) {
            self.journal.overrun(length);
        }
    }

    /// Says goodbye and takes what was on its way to us; then the socket is gone. The session hears none of it.
    async fn leave(&mut self, socket: &mut Socket, code: u16) {
        if let Socket::Open(stream) = socket {
            let farewell = async {
                let frame = CloseFrame { code: code.into(), reason: "".into() };
                stream.send(Message::Close(Some(frame))).await?;
                while let Some(message) = stream.next().await {
                    match message? {
                        Message::Text(text) => self.hand_on(text.into()),
                        Message::Binary(bytes) => self.hand_on(bytes),
                        Message::Close(_) => break,
                        _ => {}
                    }
                }
                Ok::<_, Error>(())
            };
            // A server that is gone, or in no mood to answer, has nothing more for us.
            let _ = tokio::time::timeout(FAREWELL, farewell).await;
        }
        *socket = Socket::Absent;
    }

    /// Does what is to be done. Returns why the vendor refuses the key, if it does.
    async fn obey(
        &mut self,
        socket: &mut Socket,
        wanted: &watch::Receiver<BTreeSet<String>>,
    ) -> Option<String> {
        let mut refused = None;
        while let Some(action) = self.session.action() {
            let sent = match action {
                Action::Open => {
                    *socket = Socket::Opening(self.wires.open(self.url.clone()));
                    Ok(())
                }
                Action::Send(text) => send(socket, Message::text(text)).await,
                Action::SendSecret(text) => send(socket, Message::text(text.expose())).await,
                Action::Ping => send(socket, Message::Ping(Bytes::new())).await,
                Action::Close(code) => {
                    self.leave(socket, code).await;
                    Ok(())
                }
                Action::Tell(notice) => {
                    self.journal.note(&notice, self.wires.now());
                    match notice {
                        Notice::Refused(why) => refused = Some(why),
                        Notice::Gap { from, to } => {
                            let channels = wanted.borrow().clone();
                            self.intake.gap(Gap::new(self.feed, (from, to), channels, self.wires.now()));
                        }
                        _ => {}
                    }
                    Ok(())
                }
            };
            if let Err(why) = sent {
                *socket = Socket::Absent;
                self.tell(Input::Failed(&why));
            }
        }
        refused
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn send(socket: &mut Socket, message: Message) -> Result<(), String> {
    let Socket::Open(stream) = socket else { return Ok(()) };
    match tokio::time::timeout(SEND_TIMEOUT, stream.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(explain(&error)),
        Err(_) => Err(format!("the server took nothing for {SEND_TIMEOUT:?}")),
    }
}
