//! The stage of the AWS adapters: the SDKs' own clients on a wire, and at its far end as much of AWS as the situations
//! need. Replies are computed from the requests, so an adapter that leaves out a token, a condition, a filter or a page
//! gets what AWS would give it. A request that no adapter sends ends the test.

mod cloud_map;
mod cloudwatch;
mod dynamodb;
mod ec2;
mod elbv2;
mod led;
mod rules;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ghostnet_aws::Aws;
use ghostnet_core::unit::Seconds;
use serde_json::json;

use crate::sample::minute;
use crate::wire::{self, Reply, Sent, Wire};
use crate::{Mishap, Played, Stage, TrafficStage, Why, compute, discovery, load_balancer, metrics, operator, store};

/// AWS behind its adapters.
pub(crate) struct OnAws {
    aws: Aws,
    far: Arc<Mutex<Far>>,
}

/// What becomes of a request on its way.
pub(crate) type Tamper = fn(&mut Sent);

/// The far end of the wire.
#[derive(Debug)]
struct Far {
    /// Now, in seconds since 1970.
    now: i64,
    mishap: Option<Mishap>,
    tamper: Tamper,
    /// Requests of the call that runs.
    requests: usize,
    ec2: ec2::Ec2,
    elbv2: elbv2::Elbv2,
    rules: rules::Listening,
    led: led::Leading,
    cloud_map: cloud_map::CloudMap,
    cloudwatch: cloudwatch::CloudWatch,
    dynamodb: dynamodb::DynamoDb,
}

impl Stage for OnAws {
    type Ports = Aws;

    const SHORT: &'static [(&'static str, Why)] = &[];

    fn ports(&self) -> &Aws {
        &self.aws
    }

    fn run<T>(&self, call: impl Future<Output = T>) -> T {
        self.far().requests = 0;
        let result = wire::run(call);
        self.far().call_is_over();
        result
    }

    fn pass(&self, time: Seconds) -> Played {
        let mut far = self.far();
        far.now += i64::from(time.0);
        far.mishap = None;
        Ok(())
    }

    fn mishap(&self, mishap: Mishap) -> Played {
        self.far().mishap = Some(mishap);
        Ok(())
    }

    fn compute(&self, given: compute::Given) -> Played {
        let mut far = self.far();
        let now = far.now;
        far.ec2.given(given, now);
        Ok(())
    }

    fn load_balancer(&self, given: load_balancer::Given) -> Played {
        let far = &mut *self.far();
        far.elbv2.given(given, &mut far.ec2, far.now);
        Ok(())
    }

    fn discovery(&self, given: discovery::Given) -> Played {
        self.far().cloud_map.given(&given);
        Ok(())
    }

    fn metrics(&self, given: metrics::Given) -> Played {
        let mut far = self.far();
        let now = far.now;
        far.cloudwatch.given(given, now);
        Ok(())
    }

    fn store(&self, given: store::Given) -> Played {
        if !wire::run(operator::does(&self.aws, &given)) {
            self.far().dynamodb.given(&given);
        }
        Ok(())
    }
}

impl TrafficStage for OnAws {
    fn rules(&self, given: crate::rules::Given) -> Played {
        self.far().rules.given(&given);
        Ok(())
    }

    fn led(&self, given: crate::led::Given) -> Played {
        self.far().led.given(&given);
        Ok(())
    }
}

impl OnAws {
    /// As it should be.
    pub(crate) fn new() -> Self {
        Self::tampered(|_| {})
    }

    /// With an adapter that sends something else than it should.
    pub(crate) fn tampered(tamper: Tamper) -> Self {
        let far = Arc::new(Mutex::new(Far {
            now: minute(10).as_second(),
            mishap: None,
            tamper,
            requests: 0,
            ec2: ec2::Ec2::default(),
            elbv2: elbv2::Elbv2::default(),
            rules: rules::Listening::default(),
            led: led::Leading::default(),
            cloud_map: cloud_map::CloudMap::default(),
            cloudwatch: cloudwatch::CloudWatch::default(),
            dynamodb: dynamodb::DynamoDb::default(),
        }));
        let answering = Arc::clone(&far);
        let wire = Wire::new(move |sent, _| locked(&answering).answer(sent));
        Self { aws: wire.aws(), far }
    }

    fn far(&self) -> MutexGuard<'_, Far> {
        locked(&self.far)
    }
}

fn locked(far: &Mutex<Far>) -> MutexGuard<'_, Far> {
    far.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Far {
    fn answer(&mut self, sent: &Sent) -> Reply {
        let mut sent = sent.clone();
        (self.tamper)(&mut sent);
        self.meet(&sent)
    }

    fn meet(&mut self, sent: &Sent) -> Reply {
        self.requests += 1;
        match self.mishap {
            Some(Mishap::Denied) => return denied(sent),
            Some(Mishap::Unwell) => return unwell(sent),
            Some(Mishap::TooFast(call)) if call == sent.operation => return too_fast(sent),
            _ => {}
        }
        let reply = match service(sent) {
            "ec2" => match self.led.answer_of_ec2(sent) {
                Some(reply) => reply,
                None => self.ec2.answer(sent, self.now),
            },
            "elasticloadbalancing" => match self.rules.answer(sent) {
                Some(reply) => reply,
                None => self.elbv2.answer(sent, &self.ec2, self.now),
            },
            "route53" | "globalaccelerator" => self.led.answer(sent),
            "servicediscovery" => self.cloud_map.answer(sent, self.now),
            "cloudwatch" => self.cloudwatch.answer(sent, self.now),
            "dynamodb" => self.dynamodb.answer(sent, self.now),
            other => panic!("no adapter speaks to {other}"),
        };
        match self.mishap {
            Some(Mishap::AnswerLost) => Reply::Lost,
            Some(Mishap::FirstAnswerLost) if self.requests == 1 => Reply::Lost,
            _ => reply,
        }
    }

    fn call_is_over(&mut self) {
        if !matches!(self.mishap, Some(Mishap::TooFast(_))) {
            self.mishap = None;
        }
        self.ec2.call_is_over();
        self.cloudwatch.call_is_over();
        self.dynamodb.call_is_over();
    }
}

fn service(sent: &Sent) -> &str {
    sent.operation.split(':').next().unwrap_or_default()
}

fn denied(sent: &Sent) -> Reply {
    match service(sent) {
        "ec2" => error(sent, 403, "UnauthorizedOperation"),
        "dynamodb" | "servicediscovery" | "globalaccelerator" => error(sent, 400, "AccessDeniedException"),
        _ => error(sent, 403, "AccessDenied"),
    }
}

fn unwell(sent: &Sent) -> Reply {
    match service(sent) {
        "ec2" => error(sent, 500, "InternalError"),
        "dynamodb" => error(sent, 500, "InternalServerError"),
        "cloudwatch" => error(sent, 500, "InternalServiceFault"),
        _ => error(sent, 503, "ServiceUnavailable"),
    }
}

fn too_fast(sent: &Sent) -> Reply {
    match service(sent) {
        "ec2" => error(sent, 503, "RequestLimitExceeded"),
        "servicediscovery" => error(sent, 400, "RequestLimitExceeded"),
        "dynamodb" => error(sent, 400, "ThrottlingException"),
        _ => error(sent, 400, "Throttling"),
    }
}

/// An error in the form of its service.
fn error(sent: &Sent, status: u16, code: &str) -> Reply {
    match service(sent) {
        "elasticloadbalancing" | "route53" => Reply::elb_error(status, code),
        "cloudwatch" => Reply::cbor_error(status, code),
        "servicediscovery" | "globalaccelerator" => Reply::map_error(status, code),
        "dynamodb" => match Reply::json_error(code, json!({ "message": code })) {
            Reply::Body(_, body) => Reply::Body(status, body),
            lost @ (Reply::FunctionError(_) | Reply::Lost) => lost,
        },
        _ => Reply::xml_error(status, code),
    }
}

/// The values of numbered parameters, `name(1)`, `name(2)` and so on.
fn numbered(sent: &Sent, name: impl Fn(usize) -> String) -> Vec<String> {
    let values = (1..).map(|n| sent.text(&name(n)).to_owned());
    values.take_while(|value| !value.is_empty()).collect()
}
