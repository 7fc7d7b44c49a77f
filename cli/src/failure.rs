//! Why a verb did not do what it was asked: one message, its causes, and a hint. Every failure ends with exit code 1;
//! wrong usage is told by the argument parser and ends with 2.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use ghostnet_aws::settings::SettingsError;
use ghostnet_core::id::FleetId;
use ghostnet_core::spec::Problem;
use ghostnet_engine::error::{ErrorClass, PortError};
use ghostnet_engine::invocation::ReconcileError;

use crate::render::problems::FileProblems;

/// A verb's failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Spec files with problems.
    #[error("{}", crate::render::problems::text(.0))]
    Specs(Vec<FileProblems>),
    /// The account is not fit for specs; what stands against them was shown.
    #[error("{}", not_fit(*.0))]
    NotFit(usize),
    /// A file cannot be read.
    #[error("`{}` cannot be read", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("`{}` cannot be written", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file exists already.
    #[error("`{}` exists already", .path.display())]
    Exists {
        /// Which.
        path: PathBuf,
        /// What to do instead.
        hint: &'static str,
    },
    /// Standard output cannot be written.
    #[error("the answer cannot be written")]
    Output(#[source] io::Error),
    /// The asynchronous runtime cannot start.
    #[error("AWS cannot be asked")]
    Runtime(#[source] io::Error),
    /// The environment names no region.
    #[error("AWS cannot be asked")]
    Settings(#[from] SettingsError),
    /// The stack cannot be found.
    #[error("stack `{stack}` is not deployed in {region}")]
    NoStack {
        /// Its name.
        stack: String,
        /// Where.
        region: String,
    },
    /// The stack is not GhostNet's, or of a version that this one does not know.
    #[error("stack `{stack}` has no output `{output}`")]
    NoOutput {
        /// The stack.
        stack: String,
        /// What it lacks.
        output: &'static str,
    },
    /// AWS refused, or did not answer.
    #[error("{doing}")]
    Aws {
        /// What was tried.
        doing: String,
        /// What AWS said.
        source: PortError,
    },
    /// A decision could not be made.
    #[error("fleet `{fleet}` cannot be decided")]
    Undecided {
        /// The fleet.
        fleet: FleetId,
        /// Why.
        source: ReconcileError,
    },
    /// No such fleet.
    #[error("fleet `{fleet}` is not applied")]
    NoFleet {
        /// Its id, as given.
        fleet: FleetId,
        /// What was probably meant.
        meant: Option<String>,
    },
    /// Somebody else was faster.
    #[error("fleet `{0}` was changed by somebody else in the meantime")]
    Raced(FleetId),
    /// The function did not do what an operator asked.
    #[error("fleet `{fleet}` is not {verb}")]
    NotDone {
        /// The fleet.
        fleet: FleetId,
        /// What was asked for: `scaled`.
        verb: &'static str,
        /// Why not.
        why: String,
        /// What to do about it.
        hint: Option<String>,
        /// Whether it is known that nothing was done.
        is_certain: bool,
    },
    /// Something stands against taking instances over.
    #[error("fleet `{fleet}` takes nobody over\n\n{}", crate::render::problems::lines(.problems))]
    NotAdopted {
        /// The fleet.
        fleet: FleetId,
        /// What.
        problems: Vec<Problem>,
    },
    /// No such Auto Scaling group.
    #[error("there is no Auto Scaling group `{0}`")]
    NoGroup(String),
    /// A stored spec that this version does not understand.
    #[error("the stored spec of fleet `{fleet}` has {problems} problems")]
    Stored {
        /// The fleet.
        fleet: FleetId,
        /// How many.
        problems: usize,
    },
    /// No such decision.
    #[error("no decision {0} is on record")]
    NoDecision(String),
    /// The record was read without its inputs.
    #[error("decision `{0}` has no inputs on record")]
    NoInputs(String),
    /// Deciding again gave something else.
    #[error("deciding again gave another decision")]
    Differs,
    /// Some fleets could not be looked at; the others were shown.
    #[error("{0} of the fleets could not be shown")]
    Partial(usize),
    /// A scenario came out otherwise than it says.
    #[error("the scenario did not come out as expected")]
    NotAsExpected,
    /// Seeds of the simulator broke an invariant.
    #[error("{0} seeds broke an invariant")]
    Broken(usize),
    /// What arguments name cannot be played.
    #[error("{what}")]
    Unplayable {
        /// What is wrong.
        what: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// A value of an argument that only shows in its place.
    #[error("{0}")]
    Argument(String),
}

impl Failure {
    /// A failed call, with what it was for.
    pub(crate) fn aws(doing: impl Into<String>) -> impl FnOnce(PortError) -> Self {
        let doing = doing.into();
        move |source| Self::Aws { doing, source }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Exists { hint, .. } | Self::Unplayable { hint, .. } => Some(hint),
            Self::Settings(_) => Some("set AWS_REGION, or AWS_PROFILE to a profile that has a region"),
            Self::NoStack { .. } => Some("deploy it with `sam build && sam deploy`, or name another with --stack or GHOSTNET_STACK"),
            Self::NoOutput { .. } => Some("name GhostNet's stack with --stack or GHOSTNET_STACK, or deploy the template of this version"),
            Self::Aws { source, .. } => about_error(source),
            Self::Undecided { source, .. } => about_undecided(source),
            Self::NoFleet { meant: None, .. } => Some("`ghostnet status` lists the fleets"),
            Self::NoGroup(_) => Some("check the name, the region and the account"),
            Self::Stored { .. } => Some("use the command line of the deployed version, or `ghostnet apply` the spec anew"),
            Self::Raced(_) => Some("look at `ghostnet status`, then run the command again"),
            Self::NoDecision(_) => Some("`ghostnet explain FLEET --since 7d` lists decisions"),
            Self::NoInputs(_) => Some(
                "only decisions that changed something, and the first of several equal holds, keep their inputs; very large ones do not",
            ),
            _ => None,
        }
    }

    /// The whole message: what failed, why, and what to do.
    pub(crate) fn report(&self) -> String {
        let mut report = format!("error: {self}");
        let mut cause = self.source();
        let mut last = String::new();
        while let Some(error) = cause {
            // an error that only passes another one on says nothing of its own
            let text = error.to_string();
            if text != last {
                report.push_str(&format!("\n  because: {text}"));
            }
            last = text;
            cause = error.source();
        }
        if let Self::NotDone { why, hint, .. } = self {
            report.push_str(&format!("\n  because: {why}"));
            report.extend(hint.iter().map(|hint| format!("\nhint: {hint}")));
        }
        if let Self::NoFleet { meant: Some(meant), .. } = self {
            report.push_str(&format!("\nhint: did you mean `{meant}`?"));
        }
        if let Some(hint) = self.hint() {
            report.push_str(&format!("\nhint: {hint}"));
        }
        report
    }
}

fn not_fit(errors: usize) -> String {
    let findings = if errors == 1 {
        "one finding is an error"
    } else {
        "findings are errors"
    };
    let count = if errors == 1 { String::new() } else { format!("{errors} ") };
    format!("the account is not fit for this: {count}{findings}")
}

fn about_error(error: &PortError) -> Option<&'static str> {
    match error.class {
        ErrorClass::Denied => {
            Some("attach the stack's Viewer policy to look, its Operator policy to apply, pause, scale, refresh, adopt, release and delete")
        }
        ErrorClass::Throttled => Some("try again in a minute"),
        ErrorClass::Transient => Some("check the network and the credentials, then try again"),
        _ => None,
    }
}

fn about_undecided(error: &ReconcileError) -> Option<&'static str> {
    match error {
        ReconcileError::Port(error) => about_error(error),
        ReconcileError::Spec(_) => Some("apply the fleet again with this version"),
        _ => None,
    }
}
