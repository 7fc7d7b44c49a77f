//! What a policy would have done: load is replayed through the code that decides, what comes of it is scored, and settings are chosen by
//! that.
#![warn(missing_docs)]

pub mod contest;
pub mod default_fleet;
pub mod fleet;
pub mod foresight;
pub mod ghostnet;
pub mod iso;
pub mod load;
pub mod optimum;
mod parallel;
pub mod past;
pub mod peer;
pub mod replay;
pub mod score;
pub mod trace;
pub mod tune;
