//! A TCP proxy between a process and a server, whose network can be cut and slowed down.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// Bytes of one packet at most.
const PACKET: usize = 16 * 1024;
/// Packets on their way in one direction of a connection.
const IN_FLIGHT: usize = 256;

/// What the network does, from good to bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    #[default]
    Open,
    /// Each packet takes so long in each direction.
    Slow(Duration),
    /// Nothing arrives and nobody is told; what is on its way arrives when it is over.
    Silent,
    /// Connections are reset, new ones refused.
    Refused,
}

/// Whose fault it is: the worst mode counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    /// A fault of one process.
    One = 0,
    /// A fault of all.
    All = 1,
    /// How this network always is.
    Nature = 2,
}

/// One listener and everything that came through it.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    modes: Mutex<[Mode; 3]>,
    mode: watch::Sender<Mode>,
}

impl Proxy {
    /// Listens on a port of its own and passes everything on to the server at `target` on this machine.
    pub(crate) fn start(runtime: &Handle, target: u16) -> io::Result<Self> {
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let port = listener.local_addr()?.port();
        let (mode, receiver) = watch::channel(Mode::Open);
        runtime.spawn(accept(listener, SocketAddr::from((Ipv4Addr::LOCALHOST, target)), receiver));
        Ok(Proxy { port, modes: Mutex::default(), mode })
    }

    /// From now on the network does this.
    pub(crate) fn set(&self, by: By, mode: Mode) {
        let mut modes = self.modes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        modes[by as usize] = mode;
        self.mode.send_replace(modes.iter().copied().max().unwrap_or_default());
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, mode: watch::Receiver<Mode>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) if *mode.borrow() != Mode::Refused => {
                tokio::spawn(connect(client, target, mode.clone()));
            }
            Ok((client, _)) => drop(client),
            // Too many open files: try again when some are closed.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn connect(client: TcpStream, target: SocketAddr, mut mode: watch::Receiver<Mode>) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let (there, back) = (mode.clone(), mode.clone());
    tokio::select! {
        () = pump(client_read, server_write, there) => {}
        () = pump(server_read, client_write, back) => {}
        _ = mode.wait_for(|mode| *mode == Mode::Refused) => {}
    }
}

/// One direction of a connection, until it ends.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut mode: watch::Receiver<Mode>,
) {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(IN_FLIGHT);
    let read = async move {
        let mut buffer = vec![0; PACKET];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            if sender.send((Instant::now(), buffer[..count].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((sent, bytes)) = receiver.recv().await {
            let Ok(now) = mode.wait_for(|mode| *mode != Mode::Silent).await.map(|mode| *mode) else { return };
            if let Mode::Slow(delay) = now {
                sleep_until(sent + delay).await;
            }
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    // A direction ends when its last byte has arrived, or when nobody takes it.
    tokio::join!(read, write);
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use super::{By, Mode, Proxy};

    /// A server that sends back what it gets.
    fn echo() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut bytes = [0; 100];
                    while let Ok(count @ 1..) = stream.read(&mut bytes) {
                        stream.write_all(&bytes[..count]).expect("the proxy takes it");
                    }
                });
            }
        });
        port
    }

    #[test]
    fn a_network_is_slow_silent_broken_and_well_again() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let proxy = Proxy::start(runtime.handle(), echo()).expect("a proxy");
        let mut client = TcpStream::connect(("127.0.0.1", proxy.port)).expect("open");
        let mut bytes = [0; 5];
        client.write_all(b"hello").expect("taken");
        client.read_exact(&mut bytes).expect("an answer");
        assert_eq!(&bytes, b"hello");

        proxy.set(By::One, Mode::Slow(Duration::from_millis(60)));
        let started = Instant::now();
        client.write_all(b"there").expect("taken");
        client.read_exact(&mut bytes).expect("an answer");
        assert!(started.elapsed() >= Duration::from_millis(120), "{:?}", started.elapsed());

        proxy.set(By::All, Mode::Silent);
        client.set_read_timeout(Some(Duration::from_millis(50))).expect("a time-out");
        client.write_all(b"again").expect("taken");
        assert!(client.read(&mut bytes).is_err(), "nothing comes through");
        proxy.set(By::One, Mode::Open);
        assert!(client.read(&mut bytes).is_err(), "the worse of two faults counts");
        proxy.set(By::All, Mode::Open);
        client.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
        client.read_exact(&mut bytes).expect("it arrives late, but it arrives");
        assert_eq!(&bytes, b"again");

        proxy.set(By::One, Mode::Refused);
        assert!(!matches!(client.read(&mut bytes), Ok(1..)), "the connection is gone");
    }
}
