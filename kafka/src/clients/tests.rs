use super::*;
use crate::{GroupMetadata, Record};

fn moves<T: Send>() {}
fn is_shared<T: Send + Sync>() {}

#[test]
fn what_may_cross_threads() {
    moves::<GroupConsumer>();
    moves::<Reader>();
    is_shared::<GroupMetadata>();
    is_shared::<TransactionalProducer>();
    is_shared::<Producer>();
    is_shared::<Admin>();
    is_shared::<Clients>();
    is_shared::<Error>();
    // A record borrows from the client's memory and copies as a few pointers.
    fn copies<T: Copy>() {}
    copies::<Record<'_>>();
}
