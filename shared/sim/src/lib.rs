//! A virtual world around the one spine: the same `reconcile` and `execute` that run in Lambda, in virtual time, over an AWS
//! that does everything AWS may do.
//!
//! A seed makes a world: its fleets, its load, its latencies, and which faults exist and how violent they are. A storm, then a
//! calm. Every step is checked against the invariants; after the calm the fleets must be right. Equal seeds give equal runs,
//! byte for byte.
//!
//! Where to look: [`run`] drives, [`world`] is what is true, [`hand`] is what an invocation can reach, [`fault`] lists what goes
//! wrong, [`check`] what must hold, [`swarm`] runs many seeds and shrinks what fails, [`trial`] measures what a failure costs.
#![warn(missing_docs)]

mod aftermath;
pub mod blow;
pub mod broken;
pub mod chance;
pub mod check;
pub mod clock;
pub mod cloud;
mod discovery;
pub mod fault;
pub mod fleets;
pub mod hand;
pub mod lambda;
mod landing;
pub mod load;
pub mod log;
mod measure;
mod night;
mod people;
pub mod region;
pub mod rival;
pub mod run;
pub mod scenario;
mod storm;
pub mod swarm;
pub mod table;
mod to_instance;
pub mod toll;
pub mod traffic;
pub mod trial;
mod variants;
pub mod world;
