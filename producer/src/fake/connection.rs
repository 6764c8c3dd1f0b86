//! One client.
//!
//! ```text
//!  opening ──► greeting ──► key ──► acks and elements ──► end: status, then close frame, end of stream or silence
//! ```
//!
//! Invariant: an ack is written before the first element of its channel.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as WireFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{self, Bytes, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::behaviour::Fault;
use super::channel::{Cluster, Status};
use super::queue::{End, Frame, Manner, Queue};
use super::{Shared, locked};

/// So long a client has to take what stands before the end, and to end its side.
const GRACE: Duration = Duration::from_secs(2);

type Socket = WebSocketStream<TcpStream>;

/// What a client sends.
#[derive(Debug, Deserialize)]
struct Command {
    action: String,
    params: String,
}

struct Connection {
    shared: Arc<Shared>,
    number: u64,
    cluster: Cluster,
    socket: Socket,
    queue: Arc<Queue>,
    fault: Option<Fault>,
    /// Frames with elements that were written.
    frames: u64,
}

/// Serves the connection of this number until it ends.
pub(super) async fn serve(shared: Arc<Shared>, stream: TcpStream, number: u64) {
    let opening = timeout(shared.options.auth_within, open(stream)).await;
    let Ok(Some((socket, cluster))) = opening else { return };
    let queue = shared.hub.enter(number, cluster);
    let fault = shared.options.behaviour.fault(number);
    let mut connection = Connection { shared, number, cluster, socket, queue, fault, frames: 0 };
    let Err(end) = connection.run().await;
    // Whoever is about to end hears nothing more, and does not keep another one out.
    connection.shared.hub.leave(number);
    if end.manner != Manner::Gone {
        connection.shared.count(|counts| counts.kills += 1);
        connection.finish(end).await;
    }
}

/// The opening; any other path than a cluster's is not found.
async fn open(stream: TcpStream) -> Option<(Socket, Cluster)> {
    stream.set_nodelay(true).ok()?;
    let mut cluster = None;
    #[allow(clippy::result_large_err, reason = "the library's signature")]
    let check = |request: &Request, response: Response| {
        cluster = Cluster::of_path(request.uri().path());
        if cluster.is_some() {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = StatusCode::NOT_FOUND;
        Err(refusal)
    };
    let socket = accept_hdr_async(stream, check).await.ok()?;
    Some((socket, cluster?))
}

impl Connection {
    async fn run(&mut self) -> Result<Infallible, End> {
        if self.fault == Some(Fault::NoGreeting) {
            return Err(End::SILENCE);
        }
        self.say(&[Status::CONNECTED.element()]).await?;
        let auth_within = self.shared.options.auth_within;
        timeout(auth_within, self.authenticate()).await.unwrap_or(Err(End::AUTH_TIMEOUT))?;
        loop {
            self.check_fault()?;
            tokio::select! {
                frame = self.queue.next() => self.play(&frame?).await?,
                text = receive(&mut self.socket) => self.obey(&text?).await?,
            }
        }
    }

    async fn authenticate(&mut self) -> Result<(), End> {
        let key = loop {
            match command(&receive(&mut self.socket).await?) {
                Some(command) if command.action == "auth" => break command.params,
                Some(_) => self.say(&[Status::AUTH_REQUIRED.element()]).await?,
                None => self.say(&[Status::NOT_UNDERSTOOD.element()]).await?,
            }
        };
        match self.fault {
            Some(Fault::NoAuthAnswer) => return Err(End::SILENCE),
            Some(Fault::AuthTimeout) => return Err(End::AUTH_TIMEOUT),
            Some(Fault::MaxConnections) => return Err(End::MAX_CONNECTIONS),
            _ => {}
        }
        if key.is_empty() || self.shared.options.key.as_ref().is_some_and(|right| *right != key) {
            return Err(End::AUTH_FAILED);
        }
        self.shared.hub.authenticate(self.number, &key, self.shared.options.behaviour.eviction)?;
        self.shared.count(|counts| counts.authenticated += 1);
        self.say(&[Status::AUTH_SUCCESS.element()]).await
    }

    /// Follows a message of a client that has given its key.
    async fn obey(&mut self, text: &str) -> Result<(), End> {
        let (cluster, hub) = (self.cluster, &self.shared.hub);
        let forbidden = &self.shared.options.behaviour.forbidden;
        let answer = match command(text) {
            Some(Command { action, params }) if action == "subscribe" => {
                hub.subscriptions(self.number, |channels| channels.add(cluster, &params, forbidden))
            }
            Some(Command { action, params }) if action == "unsubscribe" => {
                hub.subscriptions(self.number, |channels| channels.remove(&params))
            }
            // A second key is no news.
            Some(Command { action, .. }) if action == "auth" => vec![Status::AUTH_SUCCESS.element()],
            _ => vec![Status::NOT_UNDERSTOOD.element()],
        };
        let acks = answer.iter().filter(|element| element.contains(r#""subscribed to: "#)).count();
        self.shared.count(|counts| counts.subscriptions += acks as u64);
        if answer.is_empty() { Ok(()) } else { self.say(&answer).await }
    }

    fn check_fault(&self) -> Result<(), End> {
        match self.fault {
            Some(Fault::Silence { after }) if self.frames >= after => Err(End::SILENCE),
            Some(Fault::Drop { after }) if self.frames >= after => Err(End::DROP),
            Some(Fault::Close { after, code }) if self.frames >= after => Err(End::close(code)),
            _ => Ok(()),
        }
    }

    /// Writes elements, and takes them down.
    async fn play(&mut self, frame: &Frame) -> Result<(), End> {
        let elements: Vec<&str> = frame.iter().map(|played| played.json.as_str()).collect();
        let text = array(&elements);
        if matches!(self.fault, Some(Fault::DropInside { after }) if self.frames >= after) {
            return Err(self.write_half(text).await);
        }
        self.send(messages(text, self.shared.options.behaviour.fragment_bytes)).await?;
        // Nothing is awaited from here on: a frame that was written is taken down.
        self.frames += 1;
        self.queue.written(frame);
        self.shared.count(|counts| {
            counts.frames += 1;
            for played in frame {
                match counts.events.get_mut(&*played.channel_kind) {
                    Some(count) => *count += 1,
                    None => drop(counts.events.insert(played.channel_kind.to_string(), 1)),
                }
            }
        });
        if self.shared.options.record {
            let valid = frame.iter().filter(|played| played.is_valid).map(|played| played.json.clone());
            locked(&self.shared.delivered).extend(valid);
        }
        Ok(())
    }

    /// Writes the first half of a frame, past the library, which knows whole ones only.
    async fn write_half(&mut self, text: String) -> End {
        let frame = WireFrame::message(text, OpCode::Data(Data::Text), true);
        let mut bytes = Vec::new();
        let half = frame.len() / 2;
        match frame.format(&mut bytes) {
            Ok(()) => {
                let writing = self.socket.get_mut().write_all(&bytes[..half.min(bytes.len())]);
                // A client that takes nothing finds the end all the same.
                drop(timeout(GRACE, writing).await);
                End::DROP
            }
            Err(_) => End::DROP,
        }
    }

    async fn say(&mut self, elements: &[String]) -> Result<(), End> {
        self.send(vec![Message::text(array(elements))]).await
    }

    /// Writes completely, unless the connection is to end and the client does not read.
    async fn send(&mut self, messages: Vec<Message>) -> Result<(), End> {
        let writing = write(&mut self.socket, messages);
        let hopeless = async {
            self.queue.ended().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            biased;
            written = writing => written.map_err(|_| End::GONE),
            () = hopeless => Err(End::DROP),
        }
    }

    async fn finish(mut self, end: End) {
        if end.manner == Manner::Silence {
            // Read past the library, which would answer.
            tokio::select! {
                () = drain(self.socket.get_mut()) => {}
                () = self.shared.hub.restarted() => {}
            }
            return;
        }
        let farewell = async {
            if let Some(status) = end.status {
                write(&mut self.socket, vec![Message::text(array(&[status.element()]))]).await?;
            }
            if let Manner::Close(code) = end.manner {
                self.socket.close(Some(CloseFrame { code: code.into(), reason: "".into() })).await?;
                while let Some(Ok(_)) = self.socket.next().await {}
                return Ok(());
            }
            // What was not read when a socket goes away makes the system throw away what the client has not read.
            self.socket.get_mut().shutdown().await?;
            drain(self.socket.get_mut()).await;
            Ok::<_, tungstenite::Error>(())
        };
        // The connection is over whether the client agrees or not.
        drop(timeout(GRACE, farewell).await);
    }
}

/// The next text. Loses nothing when it is given up.
async fn receive(socket: &mut Socket) -> Result<String, End> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
            // Pings and the close frame are answered by the library.
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(End::GONE),
        }
    }
}

async fn write(socket: &mut Socket, messages: Vec<Message>) -> Result<(), tungstenite::Error> {
    for message in messages {
        socket.feed(message).await?;
    }
    socket.flush().await
}

/// Reads until the client ends its side.
async fn drain(stream: &mut TcpStream) {
    let mut scrap = [0; 4096];
    while matches!(stream.read(&mut scrap).await, Ok(bytes) if bytes > 0) {}
}

fn command(text: &str) -> Option<Command> {
    serde_json::from_str(text).ok()
}

fn array(elements: &[impl AsRef<str>]) -> String {
    let mut text =
        String::with_capacity(2 + elements.iter().map(|one| one.as_ref().len() + 1).sum::<usize>());
    text.push('[');
    for (place, element) in elements.iter().enumerate() {
        text.push_str(if place == 0 { "" } else { "," });
        text.push_str(element.as_ref());
    }
    text.push(']');
    text
}

/// The text as one message, whole or in fragments.
fn messages(text: String, fragment_bytes: Option<usize>) -> Vec<Message> {
    let Some(size) = fragment_bytes.filter(|size| (1..text.len()).contains(size)) else {
        return vec![Message::text(text)];
    };
    let text = Bytes::from(text);
    let starts = (0..text.len()).step_by(size);
    let fragment = |start: usize| {
        let end = (start + size).min(text.len());
        let kind = if start == 0 { Data::Text } else { Data::Continue };
        Message::Frame(WireFrame::message(text.slice(start..end), OpCode::Data(kind), end == text.len()))
    };
    starts.map(fragment).collect()
}
