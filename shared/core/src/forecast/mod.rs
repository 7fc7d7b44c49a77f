//! What a load will be when an instance that is launched now takes requests.
//!
//! Several simple experts say what they think; how far each was off of late decides how much it counts. How far they were off
//! together says what else may come. A [`Learner`] follows a load minute by minute and gives an [`Outlook`] once an hour, which is
//! stored (a [`Memory`] is the learner between two hours); a decision reads of it and of the last twenty minutes what lies [`Ahead`]. Pure and deterministic: the same minutes give
//! the same forecast, bit for bit.
#![expect(
    clippy::float_arithmetic,
    reason = "forecasts are about metric values, which are floats, finite by construction"
)]

mod ahead;
mod curve;
mod expert;
mod history;
mod learner;
mod memory;
mod recent;
mod residuals;

pub use ahead::{Ahead, Forecast, Outlook, Season};
pub use curve::Curve;
pub use expert::{EXPERTS, Lags, Pair};
pub use history::History;
pub use learner::Learner;
pub use memory::{Memory, PAST, SETTLED_AFTER, Subject, Unlearnable};
pub use recent::{MINUTES, Recent};
pub use residuals::{Residuals, SHARES};
