//! Bytes that change on the disk, before the queue is opened and while it is open.

use proptest::prelude::*;

use super::*;

const COUNT: u64 = 20;

/// The files of a queue of [`COUNT`] entries: name, content, numbers.
struct Image(Vec<(PathBuf, Vec<u8>, Vec<u64>)>);

impl Image {
    fn new(dir: &Path) -> Self {
        let (mut spool, _) = small(dir);
        fill(&mut spool, 0..COUNT);
        let mut first: Vec<u64> = spool.queue.segments.iter().map(|segment| segment.number).collect();
        first.push(COUNT);
        drop(spool);
        let contents = files(dir, "spool").into_iter().zip(first.windows(2));
        let image = contents.map(|(path, of)| (path.clone(), fs::read(path).unwrap(), range(of[0]..of[1])));
        let image = Self(image.collect());
        assert!(image.0.len() >= 3);
        image
    }

    /// Makes the folder what it was.
    fn restore(&self, dir: &Path) {
        files(dir, "damaged").iter().for_each(|path| fs::remove_file(path).unwrap());
        files(dir, "spool").iter().for_each(|path| fs::remove_file(path).unwrap());
        self.0.iter().for_each(|(path, bytes, _)| fs::write(path, bytes).unwrap());
    }

    /// The entries that are left when a file is good up to a byte and the others are whole.
    fn left(&self, file: usize, at: usize) -> Vec<u64> {
        let mut left = Vec::new();
        for (index, (_, bytes, numbers)) in self.0.iter().enumerate() {
            let entries = numbers.iter().map(|&number| {
                let entry = Entry { number, key: b"AAPL", value: &value(number) };
                (number, record::frame_bytes(entry.payload_bytes()) as usize)
            });
            let mut end = bytes.len() - entries.clone().map(|(_, length)| length).sum::<usize>();
            for (number, length) in entries {
                end += length;
                if index != file || end <= at {
                    left.push(number);
                }
            }
        }
        left
    }
}

/// Reads to the end, over damages.
fn drain_over(spool: &mut Spool) -> (Vec<u64>, Vec<Damage>) {
    let (mut numbers, mut damages) = (Vec::new(), Vec::new());
    loop {
        match spool.next() {
            Ok(None) => return (numbers, damages),
            Ok(Some(entry)) => {
                assert_eq!((entry.key, entry.value), (&b"AAPL"[..], &value(entry.number)[..]));
                numbers.push(entry.number);
            }
            Err(SpoolError::Damaged(damage)) => damages.push(damage),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Everything is released, the damaged file is kept, and the queue works.
fn check_end(spool: &mut Spool, dir: &Path, is_damaged: bool) {
    fill(spool, COUNT..COUNT + 3);
    assert_eq!(drain(spool), range(COUNT..COUNT + 3));
    spool.release(COUNT + 2).unwrap();
    assert_eq!((spool.len(), spool.bytes(), files(dir, "spool").len()), (0, 0, 0));
    assert_eq!(files(dir, "damaged").len(), usize::from(is_damaged));
    assert_eq!(spool.push("another", Entry { number: 0, key: b"", value: b"" }).unwrap(), Pushed::Yes);
}

#[test]
fn a_changed_byte_costs_the_rest_of_its_segment() {
    let dir = TempDir::new().unwrap();
    let image = Image::new(dir.path());
    for (index, (path, bytes, _)) in image.0.iter().enumerate() {
        // Every byte of a frame has its turn in `record`.
        for at in (0..bytes.len()).step_by(7) {
            image.restore(dir.path());
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(path, &changed).unwrap();
            let (mut spool, found) = small(dir.path());
            let left = image.left(index, at);
            assert_eq!((found.entries, found.cut_bytes), (left.len() as u64, 0), "{path:?} {at}");
            let [damage] = &found.damages[..] else { panic!("{:?}", found.damages) };
            let good = bytes.len() - damage.bytes as usize;
            assert!(damage.file == *path && good <= at);
            assert_eq!(damage.before, image.0.get(index + 1).map(|(_, _, numbers)| numbers[0]));
            assert_eq!(drain(&mut spool), left, "{path:?} {at}");
            check_end(&mut spool, dir.path(), true);
            assert_eq!(fs::read(&files(dir.path(), "damaged")[0]).unwrap(), changed);
        }
    }
}

#[test]
fn a_last_segment_cut_short_is_cut_back_to_whole_entries() {
    let dir = TempDir::new().unwrap();
    let image = Image::new(dir.path());
    let index = image.0.len() - 1;
    let (path, bytes, _) = &image.0[index];
    for at in (0..bytes.len()).step_by(3) {
        for zeros in [0, 1, 5000] {
            image.restore(dir.path());
            let left = image.left(index, at);
            let torn = [&bytes[..at], &vec![0; zeros]].concat();
            fs::write(path, &torn).unwrap();
            let (mut spool, found) = small(dir.path());
            assert_eq!(found.entries, left.len() as u64, "{at} {zeros}");
            assert_eq!(drain(&mut spool), left);
            if zeros == 0 {
                assert_eq!((found.bytes, &found.damages[..]), (on_disk(dir.path()), &[][..]));
                // Without an entry the whole file goes.
                let whole = path.metadata().map(|file| file.len());
                assert!(
                    whole.map_or(found.cut_bytes <= at as u64, |whole| whole + found.cut_bytes == at as u64)
                );
            } else {
                // In the middle of a record the zeros may look like a damage; then they are kept.
                assert!(found.cut_bytes > 0 || found.damages.len() == 1);
            }
        }
    }
}

#[test]
fn a_middle_segment_cut_short_is_damaged() {
    let dir = TempDir::new().unwrap();
    let image = Image::new(dir.path());
    let (path, bytes, _) = &image.0[1];
    for at in (0..bytes.len()).step_by(23) {
        image.restore(dir.path());
        fs::write(path, &bytes[..at]).unwrap();
        let (mut spool, found) = small(dir.path());
        assert_eq!((found.cut_bytes, found.damages.len()), (0, 1), "{at}");
        assert_eq!(drain(&mut spool), image.left(1, at));
    }
}

#[test]
fn strange_files_are_set_aside_or_left_alone() {
    let dir = TempDir::new().unwrap();
    let image = Image::new(dir.path());
    let (path, bytes, _) = &image.0[1];
    let check = |flaw: Flaw, expected: Vec<u64>| {
        let (mut spool, found) = small(dir.path());
        assert_eq!(found.damages.iter().map(|damage| damage.flaw).collect::<Vec<_>>(), [flaw]);
        assert_eq!(drain(&mut spool), expected);
    };
    // Under another name; twice, so that the second needs another name aside.
    for _ in 0..2 {
        fs::write(path.with_file_name("00000000000000000900.spool"), bytes).unwrap();
        check(Flaw::Order, range(0..COUNT));
    }
    assert_eq!(files(dir.path(), "damaged").len(), 2);
    // Of another queue.
    let other = TempDir::new().unwrap();
    let (mut spool, _) = small(other.path());
    spool.push("other", Entry { number: 900, key: b"", value: b"" }).unwrap();
    drop(spool);
    let foreign = Path::new("00000000000000000900.spool");
    fs::copy(other.path().join(foreign), dir.path().join(foreign)).unwrap();
    check(Flaw::Source, range(0..COUNT));
    // No segments at all.
    for name in ["notes.txt", "1.spool", "99999999999999999999.spool", "0000000000000000000x.spool"] {
        fs::write(dir.path().join(name), "mine").unwrap();
    }
    let (mut spool, found) = small(dir.path());
    assert_eq!((drain(&mut spool), found.damages.len()), (range(0..COUNT), 0));
}

#[test]
fn another_version_is_refused_and_not_touched() {
    let dir = TempDir::new().unwrap();
    let mut bytes = Vec::new();
    record::Header::write(SOURCE, &mut bytes);
    bytes[record::HEAD_BYTES + 10] += 1;
    let payload_sum = crc32fast::hash(&bytes[record::HEAD_BYTES..]).to_le_bytes();
    bytes[4..8].copy_from_slice(&payload_sum);
    let head_sum = crc32fast::hash(&bytes[..8]).to_le_bytes();
    bytes[8..12].copy_from_slice(&head_sum);
    let path = dir.path().join("00000000000000000007.spool");
    fs::write(&path, &bytes).unwrap();
    let error = Spool::open(dir.path(), ROOMY).unwrap_err();
    assert!(matches!(error, SpoolError::Version { version: 2, .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_file_that_vanishes_is_reported_once() {
    let dir = TempDir::new().unwrap();
    let image = Image::new(dir.path());
    let (mut spool, _) = small(dir.path());
    fs::remove_file(&image.0[1].0).unwrap();
    let (numbers, damages) = drain_over(&mut spool);
    assert_eq!((numbers, damages.len()), (image.left(1, 0), 1));
    assert_eq!(damages[0].flaw, Flaw::Missing);
    check_end(&mut spool, dir.path(), false);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Bytes change behind an open queue, one that this process wrote or one that it found.
    #[test]
    fn a_change_while_it_is_open_is_seen_when_it_is_read(
        place in any::<prop::sample::Index>(),
        mask in 1u8..,
        is_reopened: bool,
        read in 0..COUNT,
        released in 0..COUNT,
    ) {
        let dir = TempDir::new().unwrap();
        let (mut spool, _) = small(dir.path());
        fill(&mut spool, 0..COUNT);
        if is_reopened {
            drop(spool);
            spool = small(dir.path()).0;
        }
        spool.sync().unwrap();
        for _ in 0..read {
            spool.next().unwrap();
        }
        let mut all: Vec<(PathBuf, usize)> = Vec::new();
        for path in files(dir.path(), "spool") {
            let length = path.metadata().unwrap().len() as usize;
            all.extend((0..length).map(|at| (path.clone(), at)));
        }
        let (path, at) = place.get(&all);
        let mut bytes = fs::read(path).unwrap();
        bytes[*at] ^= mask;
        fs::write(path, bytes).unwrap();

        let mut damages = Vec::new();
        while let Err(error) = spool.release(released) {
            let SpoolError::Damaged(damage) = error else { panic!("{error}") };
            damages.push(damage);
        }
        spool.rewind();
        let before = spool.len();
        let (numbers, seen) = drain_over(&mut spool);
        damages.extend(seen);
        prop_assert!(damages.len() <= 1);
        prop_assert!(numbers.iter().all(|&number| number > released));
        prop_assert!(numbers.is_sorted());
        prop_assert_eq!(spool.len(), numbers.len() as u64);
        let lost = COUNT - 1 - released - numbers.len() as u64;
        prop_assert!(damages.len() == 1 || (lost == 0 && before == numbers.len() as u64));
        for damage in &damages {
            let inside = |number: &u64| {
                damage.after.is_none_or(|after| *number > after) && damage.before.is_none_or(|before| *number < before)
            };
            prop_assert!(!numbers.iter().any(inside));
            prop_assert_eq!((released + 1..COUNT).filter(inside).count() as u64, lost);
        }
        check_end(&mut spool, dir.path(), !damages.is_empty());
    }
}
