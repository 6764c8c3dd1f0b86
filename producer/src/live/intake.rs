//! Frames on their way from the sockets to the thread that reads them. The sockets never wait: what does not fit is dropped, and
//! that is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use tungstenite::Bytes;

use super::backfill::Gap;

/// Bytes of frames that may wait: a second of a burst of 400,000 events.
pub(crate) const LIMIT_BYTES: usize = 64 << 20;

/// A frame, and the connection it came over.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Index of the decoder.
    pub(crate) feed: usize,
    pub(crate) bytes: Bytes,
}

/// What waits.
#[derive(Debug)]
enum Item {
    Frame(Frame),
    Gap(Gap),
}

/// Puts frames in.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    sender: Sender<Item>,
    waiting: Arc<AtomicUsize>,
    limit: usize,
}

/// Takes them out.
#[derive(Debug)]
pub(crate) struct Outlet {
    receiver: Receiver<Item>,
    waiting: Arc<AtomicUsize>,
}

/// What came out.
#[derive(Debug)]
pub(crate) enum Next {
    Frame(Frame),
    /// The frames of its connection that come from now on are of the time after it.
    Gap(Gap),
    /// Nothing in that time.
    Nothing,
    /// Nothing will come any more.
    End,
}

/// Both ends; `limit` in bytes.
pub(crate) fn intake(limit: usize) -> (Intake, Outlet) {
    let (sender, receiver) = mpsc::channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    (Intake { sender, waiting: Arc::clone(&waiting), limit }, Outlet { receiver, waiting })
}

impl Intake {
    /// False: there is no room, the frame is gone. A single frame always fits an empty intake.
    pub(crate) fn push(&self, frame: Frame) -> bool {
        let bytes = frame.bytes.len();
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        if (before > 0 && before + bytes > self.limit) || self.sender.send(Item::Frame(frame)).is_err() {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// Always fits: gaps are few.
    pub(crate) fn gap(&self, gap: Gap) {
        // Nobody is there any more: the process is about to end.
        let _ = self.sender.send(Item::Gap(gap));
    }
}

impl Outlet {
    /// The next frame; waits for it so long.
    pub(crate) fn next(&self, wait: Duration) -> Next {
        let frame = match self.receiver.recv_timeout(wait) {
            Ok(Item::Frame(frame)) => frame,
            Ok(Item::Gap(gap)) => return Next::Gap(gap),
            Err(RecvTimeoutError::Timeout) => return Next::Nothing,
            Err(RecvTimeoutError::Disconnected) => return Next::End,
        };
        self.waiting.fetch_sub(frame.bytes.len(), Ordering::Relaxed);
        Next::Frame(frame)
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tungstenite::Bytes;

    use super::{Frame, Next, intake};

    #[test]
    fn takes_what_fits_and_says_no_to_the_rest() {
        let (intake, outlet) = intake(10);
        let frame = |bytes: usize| Frame { feed: 0, bytes: Bytes::from(vec![0; bytes]) };
        assert!(intake.push(frame(50)), "one frame always fits");
        assert!(!intake.push(frame(1)));
        assert!(matches!(outlet.next(Duration::ZERO), Next::Frame(frame) if frame.bytes.len() == 50));
        assert_eq!(outlet.bytes(), 0);
        assert!(intake.push(frame(4)) && intake.push(frame(6)) && !intake.push(frame(1)));
        assert_eq!(outlet.bytes(), 10);
        drop(intake);
        assert!(matches!(outlet.next(Duration::ZERO), Next::Frame(frame) if frame.bytes.len() == 4));
        assert!(matches!(outlet.next(Duration::ZERO), Next::Frame(frame) if frame.bytes.len() == 6));
        assert!(matches!(outlet.next(Duration::ZERO), Next::End));
    }
}
