//! Asking a function for something, as an operator: who asks and when goes with it, and the answer is waited for.

use ghostnet_aws::answer::{Answer, Heard, TrafficHeard};
use ghostnet_aws::event::{CheckRequest, TrafficAsked, request_payload};
use ghostnet_aws::lambda::Said;
use ghostnet_core::failover::{TrafficRequest, TrafficWish};
use ghostnet_core::id::{FleetId, PoolId};
use ghostnet_core::operator::{Asked, OperatorRequest, Wish};
use ghostnet_engine::live::Answered;
use ghostnet_engine::port::Clock;
use jiff::Timestamp;

use crate::failure::Failure;
use crate::stack::{FAILOVER_FUNCTION, Session};

/// Longest part of an answer that cannot be read which is shown.
const ANSWER_LETTERS_MAX: usize = 300;

/// Of whom something is asked.
pub(crate) struct Asking<'a> {
    /// The fleet.
    pub(crate) fleet: &'a FleetId,
    /// The pool; none: those that the request means.
    pub(crate) pool: Option<&'a PoolId>,
    /// What does not happen to the fleet if it is refused: `scaled`.
    pub(crate) verb: &'static str,
}

/// Asks, and waits for what comes of it.
///
/// # Errors
/// The function cannot be asked, or refuses.
pub(crate) async fn operator(session: &Session, asking: &Asking<'_>, at: Timestamp, wish: Wish) -> Result<Heard, Failure> {
    let by = session.caller().await;
    let request = OperatorRequest {
        fleet: asking.fleet.clone(),
        pool: asking.pool.cloned(),
        asked: Asked { by, at, wish },
    };
    let said = session.aws.invoke(&session.stack.tick_function, request_payload(&request)).await;
    let said = said.map_err(Failure::aws(format!("function `{}` cannot be asked", session.stack.tick_function)))?;
    heard(asking, &said)
}

/// Asks what the role of the tick function may do for a spec, beginning with this launch.
///
/// # Errors
/// The function cannot be asked, or refuses.
pub(crate) async fn check(session: &Session, fleet: &FleetId, request: &CheckRequest) -> Result<Answered, Failure> {
    let asking = Asking {
        fleet,
        pool: None,
        verb: "checked",
    };
    let said = session.aws.invoke(&session.stack.tick_function, request.payload()).await;
    let said = said.map_err(Failure::aws(format!("function `{}` cannot be asked", session.stack.tick_function)))?;
    match answered(&asking, &said)? {
        Answer::Checked(answered) => Ok(answered),
        _ => Err(unknown(&asking, &said)),
    }
}

/// Asks the failover function of this stack for a move of traffic, and waits as long as it watches the move.
///
/// # Errors
/// The stack has no such function, it cannot be asked, or it refuses.
pub(crate) async fn traffic(
    session: &Session,
    stack: &str,
    asking: &Asking<'_>,
    reason: &str,
    wish: TrafficWish,
) -> Result<TrafficHeard, Failure> {
    let function = session.stack.failover_function.as_ref().ok_or_else(|| Failure::NoOutput {
        stack: stack.to_owned(),
        output: FAILOVER_FUNCTION,
    })?;
    let asked = TrafficAsked {
        fleet: asking.fleet.clone(),
        request: TrafficRequest {
            by: session.caller().await,
            at: session.aws.now(),
            reason: reason.to_owned(),
            wish,
        },
    };
    let said = session.aws.invoke(function, asked.payload()).await;
    let said = said.map_err(Failure::aws(format!("function `{function}` cannot be asked")))?;
    match answered(asking, &said)? {
        Answer::Traffic(heard) => Ok(heard),
        _ => Err(unknown(asking, &said)),
    }
}

fn heard(asking: &Asking<'_>, said: &Said) -> Result<Heard, Failure> {
    match answered(asking, said)? {
        Answer::Heard(heard) => Ok(heard),
        _ => Err(unknown(asking, said)),
    }
}

/// What the function answered, unless it failed or refused.
fn answered(asking: &Asking<'_>, said: &Said) -> Result<Answer, Failure> {
    let Said::Answer(bytes) = said else {
        return Err(unknown(asking, said));
    };
    match serde_json::from_slice(bytes) {
        Ok(Answer::Refused { why, hint }) => {
            let hint = hint.replace("FLEET", asking.fleet.as_str());
            Err(not_done(asking, why, Some(hint), true))
        }
        Ok(Answer::Failed { kind, .. }) if kind == "NoSuchFleet" => Err(Failure::NoFleet {
            fleet: asking.fleet.clone(),
            meant: None,
        }),
        Ok(Answer::Failed { why, .. }) => Err(not_done(asking, why, None, false)),
        Ok(answer) => Ok(answer),
        Err(_) => Err(unknown(asking, said)),
    }
}

/// The failure for what says nothing to us.
fn unknown(asking: &Asking<'_>, said: &Said) -> Failure {
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(ANSWER_LETTERS_MAX).collect::<String>();
    match said {
        Said::Failed(story) => not_done(
            asking,
            format!("the function failed: {}", shown(story)),
            Some("run the command again; `ghostnet status` shows whether it was heard already".to_owned()),
            false,
        ),
        // an older build says nothing to what it does not know
        Said::Answer(bytes) => not_done(
            asking,
            format!("the function answered `{}`", shown(bytes)),
            Some("deploy the functions of this version: `sam build && sam deploy`".to_owned()),
            bytes.as_slice() == b"null",
        ),
    }
}

fn not_done(asking: &Asking<'_>, why: String, hint: Option<String>, is_certain: bool) -> Failure {
    Failure::NotDone {
        fleet: asking.fleet.clone(),
        verb: asking.verb,
        why,
        hint,
        is_certain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet() -> FleetId {
        "web".parse().unwrap_or_else(|error| panic!("{error}"))
    }

    fn asking(fleet: &FleetId) -> Asking<'_> {
        let (pool, verb) = (None, "scaled");
        Asking { fleet, pool, verb }
    }

    #[test]
    fn a_refusal_says_what_where_why_and_what_to_do() {
        let report = |said: Said| {
            heard(&asking(&fleet()), &said)
                .map_err(|failure| failure.report())
                .err()
                .unwrap_or_default()
        };
        let answer = |text: &str| report(Said::Answer(text.as_bytes().to_vec()));
        insta::assert_snapshot!(answer(r#"{"refused":{"why":"70 is not between 1 and 40","hint":"see `ghostnet scale FLEET`"}}"#), @"
        error: fleet `web` is not scaled
          because: 70 is not between 1 and 40
        hint: see `ghostnet scale web`
        ");
        insta::assert_snapshot!(answer(r#"{"failed":{"kind":"NoSuchFleet","why":"fleet is not applied"}}"#), @"
        error: fleet `web` is not applied
        hint: `ghostnet status` lists the fleets
        ");
        insta::assert_snapshot!(answer("null"), @"
        error: fleet `web` is not scaled
          because: the function answered `null`
        hint: deploy the functions of this version: `sam build && sam deploy`
        ");
        insta::assert_snapshot!(report(Said::Failed(br#"{"errorType":"CommitConflict"}"#.to_vec())), @r#"
        error: fleet `web` is not scaled
          because: the function failed: {"errorType":"CommitConflict"}
        hint: run the command again; `ghostnet status` shows whether it was heard already
        "#);
    }
}
