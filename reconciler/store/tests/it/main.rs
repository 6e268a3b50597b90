//! The store against a real Postgres: a throw-away private cluster per test process, a database per
//! test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod adopt;
mod append;
mod bed;
mod budget;
mod cluster;
mod enrolment;
mod events;
mod fenced;
mod fleet;
mod fold;
mod given_up;
mod log;
mod observed;
mod old_rows;
mod orders;
mod reader;
mod restraint;
mod schema;
mod start;
mod times;
mod wake;
mod work;
