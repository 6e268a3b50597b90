//! The decisions of muster, as functions of values.
//!
//! - [`plan`] decides for the fleet: what each machine shall be, which disks, which addresses, in an
//!   immutable [`plan::Plan`] with a parent;
//! - [`next`] decides for one machine: propose an order, wait with a reason, or settled;
//! - [`admit`] decides across machines: which proposals may run now;
//! - [`hold`] says what people keep from being done, to which all three bow;
//! - [`tick`] joins them into one step of the control loop: a world in, effects out;
//! - [`form`] writes a plan down for people and programs;
//! - [`times`] says how long it will probably take;
//! - [`snapshot`] carries what planning reads to where there is no daemon.
//!
//! Nothing here reads a clock, a file, a socket, an environment or dice: the daemon, the command
//! line, CI and the simulator run the same functions. Phases are derived here and stored nowhere.

pub mod admit;
mod boot_order;
pub mod condition;
pub mod discovered;
pub mod drift;
pub mod event;
pub mod facts;
pub mod fence;
pub mod form;
pub mod gpu;
pub mod ground;
pub mod hold;
pub mod intent;
pub mod log;
pub mod next;
pub mod observed;
mod ownership;
pub mod people;
pub mod phase;
pub mod plan;
pub mod rack;
mod reading;
pub mod refusal;
pub mod roles;
pub mod service;
pub mod snapshot;
pub mod status;
pub mod stuck;
pub mod tick;
pub mod times;
pub mod window;
