//! The clients against a real broker. `KAFKA_BOOTSTRAP_SERVERS` says where it is; `make test` starts one.

#[cfg(test)]
mod admin;
#[cfg(test)]
mod closing;
#[cfg(test)]
mod group;
#[cfg(test)]
mod handover;
#[cfg(test)]
mod producer;
#[cfg(test)]
mod reader;
#[cfg(test)]
mod support;
#[cfg(test)]
mod transactions;
