use std::io;

use proptest::prelude::*;

use super::*;

/// A file whose trades have these times; `None` = a line that is no trade. The price tells the place in the file.
fn file(name: &str, times: &[Option<i64>]) -> Reader {
    let mut text = "symbol,price,size,timestamp\n".to_owned();
    for (place, time) in times.iter().enumerate() {
        match time {
            Some(time) => text.push_str(&format!("A,{},1,{time}\n", place + 1)),
            None => text.push_str(&format!("A,{},1,never\n", place + 1)),
        }
    }
    let input = Box::new(io::Cursor::new(text.into_bytes()));
    Reader::new(Path::new(name), input, None, &Layout::default()).unwrap()
}

/// (file, place in the file, time) in the order of the merge.
fn merged(files: &[Vec<Option<i64>>]) -> Vec<(usize, usize, Option<i64>)> {
    let readers =
        files.iter().enumerate().map(|(number, times)| file(&format!("{number}.csv"), times)).collect();
    let mut merge = Merge::new(readers);
    assert!(merge.line().is_none());
    let mut found = Vec::new();
    while merge.advance().unwrap() {
        let line = merge.line().unwrap();
        assert_eq!(line.number, found.len() as u64, "numbers are dense");
        let number = line.file().file_stem().unwrap().to_str().unwrap().parse().unwrap();
        found.push((number, line.line as usize - 2, line.trade().ok().map(|trade| trade.event_time)));
    }
    assert!(merge.line().is_none());
    assert!(!merge.advance().unwrap());
    found
}

#[test]
fn the_earliest_head_goes_first() {
    let check = |files: &[&[i64]], expected: &[(usize, i64)]| {
        let files: Vec<Vec<_>> =
            files.iter().map(|times| times.iter().copied().map(Some).collect()).collect();
        let found: Vec<_> = merged(&files).into_iter().map(|(file, _, time)| (file, time.unwrap())).collect();
        assert_eq!(found, expected, "{files:?}");
    };
    check(&[], &[]);
    check(&[&[]], &[]);
    check(&[&[1, 3], &[2, 4]], &[(0, 1), (1, 2), (0, 3), (1, 4)]);
    // Of equal times the file named first.
    check(&[&[5], &[5], &[5]], &[(0, 5), (1, 5), (2, 5)]);
    // A file that is out of order holds its own records back, never changes their order.
    check(&[&[9, 1], &[2, 3]], &[(1, 2), (1, 3), (0, 9), (0, 1)]);
    check(&[&[3, 1, 2], &[2]], &[(1, 2), (0, 3), (0, 1), (0, 2)]);
}

#[test]
fn a_line_that_is_no_trade_follows_the_one_before_it() {
    let found = merged(&[vec![Some(5), None, Some(9)], vec![None, Some(6), Some(7)]]);
    let order: Vec<_> = found.iter().map(|(file, place, _)| (*file, *place)).collect();
    assert_eq!(order, [(1, 0), (0, 0), (0, 1), (1, 1), (1, 2), (0, 2)]);
}

proptest! {
    #[test]
    fn never_reorders_inside_a_file_and_always_takes_the_earliest_head(
        files in proptest::collection::vec(
            proptest::collection::vec(proptest::option::weighted(0.9, 0_i64..50), 0..20),
            0..5,
        )
    ) {
        let found = merged(&files);
        prop_assert_eq!(found.len(), files.iter().map(Vec::len).sum::<usize>(), "everything, once");
        let mut next = vec![0; files.len()];
        for (file, place, time) in found {
            prop_assert_eq!(place, next[file], "the order of the file");
            // The heads as the contract sees them: those with a time.
            if let Some(time) = time {
                for (other, place) in next.iter().enumerate() {
                    if let Some(Some(head)) = files[other].get(*place) {
                        prop_assert!(*head >= time, "{} waited though it was earlier than {}", head, time);
                    }
                }
            }
            next[file] += 1;
        }
    }

    #[test]
    fn files_in_order_come_out_in_order(
        mut files in proptest::collection::vec(proptest::collection::vec(0_i64..50, 0..20), 1..5)
    ) {
        files.iter_mut().for_each(|times| times.sort_unstable());
        let files: Vec<Vec<_>> = files.into_iter().map(|times| times.into_iter().map(Some).collect()).collect();
        let times: Vec<_> = merged(&files).into_iter().map(|(.., time)| time).collect();
        prop_assert!(times.is_sorted());
    }
}
