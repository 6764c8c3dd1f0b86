//! The queue beside a list that does the same in memory, over any sequence of calls, restarts and crashes.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Op {
    Push {
        gap: u64,
        key: Vec<u8>,
        value: Vec<u8>,
    },
    Next(usize),
    Rewind,
    /// Up to this entry of those that are not released, and so much further.
    Release(prop::sample::Index, u64),
    ReleaseAll,
    Sync,
    Reopen,
    /// The machine fails: of what was not synced a part is left.
    Crash(prop::sample::Index),
}

fn op() -> impl Strategy<Value = Op> {
    let bytes = |most| prop::collection::vec(any::<u8>(), 0..most);
    prop_oneof![
        12 => (0..3u64, bytes(6), bytes(150)).prop_map(|(gap, key, value)| Op::Push { gap, key, value }),
        6 => (0..12usize).prop_map(Op::Next),
        1 => Just(Op::Rewind),
        3 => (any::<prop::sample::Index>(), 0..2u64).prop_map(|(index, more)| Op::Release(index, more)),
        1 => Just(Op::ReleaseAll),
        2 => Just(Op::Sync),
        1 => Just(Op::Reopen),
        1 => any::<prop::sample::Index>().prop_map(Op::Crash),
    ]
}

type Record = (u64, Vec<u8>, Vec<u8>);

struct Both {
    dir: TempDir,
    spool: Spool,
    /// Everything since the queue was last empty.
    all: Vec<Record>,
    /// So many of them are released, read and on the disk for certain.
    released: usize,
    read: usize,
    synced: usize,
    /// The last file and its length when it was last synced.
    last_synced: Option<(PathBuf, u64)>,
    /// Grows when the queue is empty.
    source: u32,
    next_number: u64,
}

impl Both {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let (spool, _) = small(dir.path());
        let (all, last_synced) = (Vec::new(), None);
        Self { dir, spool, all, released: 0, read: 0, synced: 0, last_synced, source: 0, next_number: 5 }
    }

    fn source(&self) -> String {
        format!("source-{}", self.source)
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Push { gap, key, value } => {
                let number = self.next_number + gap;
                let entry = Entry { number, key: &key, value: &value };
                assert_eq!(self.spool.push(&self.source(), entry).unwrap(), Pushed::Yes);
                self.next_number = number + 1;
                self.all.push((number, key, value));
            }
            Op::Next(count) => (0..count).for_each(|_| self.next()),
            Op::Rewind => {
                self.spool.rewind();
                self.read = self.released;
            }
            Op::Release(index, more) => {
                let left = &self.all[self.released..];
                if !left.is_empty() {
                    self.release(index.get(left).0 + more);
                }
            }
            Op::ReleaseAll => self.release(u64::MAX),
            Op::Sync => {
                self.spool.sync().unwrap();
                self.note_sync();
            }
            Op::Reopen => {
                self.synced = self.all.len();
                self.restart(|_| {});
            }
            Op::Crash(index) => self.crash(index),
        }
        assert_eq!(self.spool.len(), (self.all.len() - self.released) as u64);
        assert_eq!(self.spool.is_empty(), self.all.is_empty());
        assert!(self.spool.bytes() >= on_disk(self.dir.path()));
    }

    fn note_sync(&mut self) {
        self.synced = self.all.len();
        let last = files(self.dir.path(), "spool").pop();
        self.last_synced = last.map(|path| (path.clone(), path.metadata().unwrap().len()));
    }

    fn next(&mut self) {
        let expected = self.all.get(self.read);
        let entry = self.spool.next().unwrap();
        assert_eq!(entry.map(owned).as_ref(), expected);
        self.read += usize::from(expected.is_some());
    }

    fn release(&mut self, up_to: u64) {
        self.spool.release(up_to).unwrap();
        self.released = self.all.partition_point(|(number, ..)| *number <= up_to);
        self.read = self.read.max(self.released);
        if self.released == self.all.len() {
            self.begin_again();
        }
    }

    fn begin_again(&mut self) {
        self.all.clear();
        (self.released, self.read, self.synced, self.last_synced) = (0, 0, 0, None);
        self.source += 1;
        self.next_number = 5;
    }

    fn crash(&mut self, index: prop::sample::Index) {
        let last_synced = self.last_synced.clone();
        // The files as they are now, without what the spool still has in memory.
        let last = files(self.dir.path(), "spool").pop();
        let image = last.map(|path| (path.clone(), fs::read(path).unwrap()));
        self.restart(|dir| {
            let Some((path, mut bytes)) = image else { return };
            let certain =
                last_synced.filter(|(synced, _)| *synced == path).map_or(0, |(_, length)| length as usize);
            bytes.truncate(certain + index.index(bytes.len() - certain + 1));
            assert_eq!(files(dir, "spool").pop().as_ref(), Some(&path));
            fs::write(path, bytes).unwrap();
        });
    }

    /// Opens the queue again after `fail` changed the files, and compares what is there.
    fn restart(&mut self, fail: impl FnOnce(&Path)) {
        let other = TempDir::new().unwrap();
        self.spool = small(other.path()).0;
        fail(self.dir.path());
        let (spool, found) = small(self.dir.path());
        self.spool = spool;
        assert_eq!(found.damages, []);
        assert_eq!(found.bytes, on_disk(self.dir.path()));
        assert_eq!(found.source, (found.entries > 0).then(|| self.source()));
        let mut records = Vec::new();
        while let Some(entry) = self.spool.next().unwrap() {
            records.push(owned(entry));
        }
        assert_eq!(records.len() as u64, found.entries);
        let Some(first) = records.first() else {
            assert!(self.synced <= self.released);
            return self.begin_again();
        };
        let begin = self.all.iter().position(|record| record == first).unwrap();
        let end = begin + records.len();
        assert_eq!(records, self.all[begin..end]);
        assert!(begin <= self.released && end >= self.synced);
        assert_eq!(found.numbers, Some((self.all[begin].0, self.all[end - 1].0)));
        self.all = records;
        // Opening syncs what it found.
        self.note_sync();
        // The caller knows from Kafka what was released.
        let released = std::mem::take(&mut self.released).saturating_sub(begin);
        if let Some(last) = released.checked_sub(1) {
            self.release(self.all[last.min(self.all.len() - 1)].0);
        }
        self.next_number = self.all.last().map_or(5, |(number, ..)| number + 1);
        self.spool.rewind();
        self.read = self.released;
    }
}

fn owned(entry: Entry<'_>) -> Record {
    (entry.number, entry.key.to_vec(), entry.value.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn it_does_what_a_list_does(ops in prop::collection::vec(op(), 1..150)) {
        let mut both = Both::new();
        ops.into_iter().for_each(|op| both.apply(op));
        both.apply(Op::Reopen);
    }
}
