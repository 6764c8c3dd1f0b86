//! Partition lists as librdkafka wants them.

use rdkafka::{Offset, TopicPartitionList};

use crate::error::Error;
use crate::part::Part;

/// `a[0], a[1]`.
pub(crate) fn names<'a>(parts: impl Iterator<Item = &'a Part>) -> String {
    parts.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A list without offsets.
pub(crate) fn plain(parts: &[Part]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(parts.len());
    for part in parts {
        list.add_partition(&part.topic, part.partition);
    }
    list
}

/// A list with offsets, none negative.
pub(crate) fn offsets(
    parts: &[(Part, i64)],
    action: impl Fn() -> String,
) -> Result<TopicPartitionList, Error> {
    let mut list = TopicPartitionList::with_capacity(parts.len());
    for (part, offset) in parts {
        list.add_partition_offset(&part.topic, part.partition, Offset::Offset(*offset))
            .map_err(|_| Error::usage(action(), format!("{offset} is not an offset of {part}")))?;
    }
    Ok(list)
}

/// Reads the answer to a question for committed offsets, in the order of the question.
pub(crate) fn committed(
    parts: &[Part],
    answers: &TopicPartitionList,
    action: impl Fn() -> String,
) -> Result<Vec<(Part, Option<i64>)>, Error> {
    let answer = |part: &Part| {
        let Some(element) = answers.find_partition(&part.topic, part.partition) else {
            return Ok((part.clone(), None));
        };
        element.error().map_err(|error| Error::from_kafka(action(), &error))?;
        match element.offset() {
            Offset::Offset(offset) => Ok((part.clone(), Some(offset))),
            _ => Ok((part.clone(), None)),
        }
    };
    parts.iter().map(answer).collect()
}
