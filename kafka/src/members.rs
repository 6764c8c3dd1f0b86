//! Who is in a group, and what each member was given.
//!
//! The assignment travels as `version:i16, topics:i32 × (name: i16 length + bytes, partitions: i32 × i32), user data`
//! (`ConsumerProtocolAssignment`); newer versions append fields, so what follows the topics is not looked at.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::groups::GroupMemberInfo;

use crate::admin::Admin;
use crate::error::Error;
use crate::part::Part;
use crate::probe;

/// The state of a group that is neither empty nor between two assignments.
const STABLE: &str = "Stable";

/// Length of the UUID at the end of a member id.
const UUID_CHARS: usize = 36;

/// A group as its coordinator describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `Stable`, `Empty`, `PreparingRebalance`, `CompletingRebalance`, or `Dead`: there is no such group.
    pub state: String,
    /// Who is in it.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// The name that the coordinator gave it.
    pub member_id: String,
    /// `client.id` of the member: one for all clients of a process.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// What it was given; empty also when the bytes are of a protocol that we do not know.
    pub parts: Vec<Part>,
}

impl GroupMember {
    /// `group.instance.id` of a static member: a coordinator names members `<instance id>-<uuid>`, dynamic ones
    /// `<client id>-<uuid>`.
    pub fn instance_id(&self) -> Option<&str> {
        let at = self.member_id.len().checked_sub(UUID_CHARS)?;
        let name = self.member_id.get(..at)?.strip_suffix('-')?;
        (name != self.client_id).then_some(name)
    }
}

impl Admin {
    /// A group with its members, in whatever state it is. A static member that has ended is in it until its session ends.
    pub fn group(&self, group: &str, timeout: Duration) -> Result<Group, Error> {
        let groups = probe::retry(self.probe(), timeout, |left| {
            self.probe()
                .fetch_group_list(Some(group), left)
                .map_err(|error| Error::from_kafka(format!("ask for the members of group {group}"), &error))
        })?;
        let found = groups.groups().iter().find(|found| found.name() == group);
        Ok(found.map_or_else(
            || Group { state: "Dead".to_owned(), members: Vec::new() },
            |found| Group {
                state: found.state().to_owned(),
                members: found.members().iter().map(member).collect(),
            },
        ))
    }

    /// The members of a group, or `None` while the group has none or is deciding who gets what.
    pub fn stable_members(&self, group: &str, timeout: Duration) -> Result<Option<Vec<GroupMember>>, Error> {
        let found = self.group(group, timeout)?;
        Ok((found.state == STABLE).then_some(found.members))
    }
}

fn member(member: &GroupMemberInfo) -> GroupMember {
    GroupMember {
        member_id: member.id().to_owned(),
        client_id: member.client_id().to_owned(),
        host: member.client_host().trim_start_matches('/').to_owned(),
        parts: member.assignment().and_then(parts).unwrap_or_default(),
    }
}

/// Reads an assignment; `None` when the bytes end too early.
fn parts(bytes: &[u8]) -> Option<Vec<Part>> {
    let mut bytes = Bytes(bytes);
    bytes.int16()?;
    let mut parts = Vec::new();
    for _ in 0..bytes.int32()? {
        let length = usize::try_from(bytes.int16()?).ok()?;
        let topic: Arc<str> = std::str::from_utf8(bytes.take(length)?).ok()?.into();
        for _ in 0..bytes.int32()? {
            parts.push(Part::new(Arc::clone(&topic), bytes.int32()?));
        }
    }
    Some(parts)
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn int16(&mut self) -> Option<i16> {
        self.take(2)?.try_into().ok().map(i16::from_be_bytes)
    }

    fn int32(&mut self) -> Option<i32> {
        self.take(4)?.try_into().ok().map(i32::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{GroupMember, parts};
    use crate::part::Part;

    #[test]
    fn a_static_member_is_told_by_its_id() {
        let member = |member_id: &str| GroupMember {
            member_id: member_id.to_owned(),
            client_id: "app-one".to_owned(),
            host: String::new(),
            parts: Vec::new(),
        };
        let uuid = "0f1e2d3c-0001-4002-8003-000000000004";
        assert_eq!(member(&format!("app-one-0-{uuid}")).instance_id(), Some("app-one-0"));
        assert_eq!(member(&format!("app-one-{uuid}")).instance_id(), None);
        assert_eq!(member("short").instance_id(), None);
    }

    #[test]
    fn reads_assignments() {
        let bytes = [0, 1, 0, 0, 0, 1, 0, 2, b'r', b't', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0];
        assert_eq!(parts(&bytes), Some(vec![Part::new("rt", 0), Part::new("rt", 5)]));
        assert_eq!(parts(&[0, 1, 0, 0, 0, 0]), Some(vec![]));
        for cut in 0..22 {
            assert_eq!(parts(&bytes[..cut]), None, "{cut}");
        }
    }
}
