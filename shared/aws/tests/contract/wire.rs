//! A wire that records requests and answers them from a function: the SDK's HTTP client in these tests.
//!
//! It speaks the protocols of the services (query, JSON, CBOR, REST), so requests are serialised and answers parsed by the
//! SDKs themselves.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use ghostnet_aws::settings::Settings;
use ghostnet_aws::{Aws, retries, timeouts};
use ghostnet_core::id::InstallationId;
use serde_json::Value;

use crate::cbor;

/// A request as AWS would read it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sent {
    /// As IAM names it: `ec2:RunInstances`.
    pub(crate) operation: String,
    /// Where it was sent.
    pub(crate) region: String,
    /// The parameters: an object. Query parameters are texts named as they are sent (`TagSpecification.1.ResourceType`).
    pub(crate) body: Value,
}

impl Sent {
    /// A parameter as text.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.body.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// What the wire answers.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A body with its status.
    Body(u16, Vec<u8>),
    /// A function of Lambda failed: its story.
    FunctionError(Vec<u8>),
    /// The connection broke after the request was sent.
    Lost,
}

impl Reply {
    /// XML of the query protocols.
    pub(crate) fn xml(text: impl Into<String>) -> Self {
        Self::Body(200, text.into().into_bytes())
    }

    /// DynamoDB's JSON.
    pub(crate) fn json(value: &Value) -> Self {
        Self::Body(200, value.to_string().into_bytes())
    }

    /// CloudWatch's CBOR.
    pub(crate) fn cbor(value: &Value) -> Self {
        Self::Body(200, cbor::encode(value))
    }

    /// An error of Lambda.
    pub(crate) fn lambda_error(status: u16, code: &str) -> Self {
        Self::Body(
            status,
            serde_json::json!({ "__type": code, "Message": code }).to_string().into_bytes(),
        )
    }

    /// An error of the query protocols, in the form that both EC2 and ELBv2 are read from.
    pub(crate) fn xml_error(status: u16, code: &str) -> Self {
        let error = format!("<Error><Code>{code}</Code><Message>about {code}</Message></Error>");
        Self::Body(
            status,
            format!("<Response><Errors>{error}</Errors><RequestID>r</RequestID></Response>").into_bytes(),
        )
    }

    /// An error of ELBv2.
    pub(crate) fn elb_error(status: u16, code: &str) -> Self {
        let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>about {code}</Message></Error>");
        Self::Body(
            status,
            format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>").into_bytes(),
        )
    }

    /// An error of CloudWatch.
    pub(crate) fn cbor_error(status: u16, code: &str) -> Self {
        let error = serde_json::json!({ "__type": format!("com.amazonaws.cloudwatch#{code}"), "message": format!("about {code}") });
        Self::Body(status, cbor::encode(&error))
    }

    /// An error of Cloud Map.
    pub(crate) fn map_error(status: u16, code: &str) -> Self {
        let body = serde_json::json!({ "__type": code, "Message": format!("about {code}") });
        Self::Body(status, body.to_string().into_bytes())
    }

    /// An error of DynamoDB, with further fields.
    pub(crate) fn json_error(code: &str, mut fields: Value) -> Self {
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("__type".to_owned(), format!("com.amazonaws.dynamodb.v20120810#{code}").into());
        }
        Self::Body(400, fields.to_string().into_bytes())
    }
}

type Answer = dyn Fn(&Sent, usize) -> Reply + Send + Sync;

/// The wire.
#[derive(Clone)]
pub(crate) struct Wire {
    answer: Arc<Answer>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("sent", &self.sent).finish_non_exhaustive()
    }
}

impl Wire {
    /// Answers by the request and its number, from zero.
    pub(crate) fn new(answer: impl Fn(&Sent, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self {
            answer: Arc::new(answer),
            sent: Arc::default(),
        }
    }

    /// Answers one after the other, and then loses every connection.
    pub(crate) fn script(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies: Vec<_> = replies.into_iter().collect();
        Self::new(move |_, number| replies.get(number).cloned().unwrap_or(Reply::Lost))
    }

    /// AWS at the other end of this wire.
    pub(crate) fn aws(&self) -> Aws {
        let connector = self.clone();
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "key", "secret", None, None, "test",
            )))
            .http_client(http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone())))
            .timeout_config(timeouts())
            // tests do not wait between attempts
            .retry_config(retries().with_initial_backoff(Duration::from_millis(1)))
            .build();
        let settings = Settings {
            table: "table".to_owned(),
            installation: InstallationId::new("inst"),
            retention_days: 90,
            log: String::new(),
        };
        Aws::new(config, &settings).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What was sent so far.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The operations sent so far.
    pub(crate) fn operations(&self) -> Vec<String> {
        self.sent().into_iter().map(|sent| sent.operation).collect()
    }

    /// The only request.
    pub(crate) fn only(&self) -> Sent {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (sent, is_cbor) = read(&request);
        let number = {
            let mut all = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(sent.clone());
            all.len() - 1
        };
        HttpConnectorFuture::ready(match (self.answer)(&sent, number) {
            Reply::Lost => Err(ConnectorError::io("connection reset".into())),
            Reply::Body(status, body) => Ok(response(status, body, is_cbor)),
            Reply::FunctionError(story) => {
                let mut response = response(200, story, false);
                response.headers_mut().insert("x-amz-function-error", "Unhandled");
                Ok(response)
            }
        })
    }
}

fn response(status: u16, body: Vec<u8>, is_cbor: bool) -> HttpResponse {
    let status = StatusCode::try_from(status).unwrap_or_else(|error| panic!("{error}"));
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    if is_cbor {
        response.headers_mut().insert("smithy-protocol", "rpc-v2-cbor");
        response.headers_mut().insert("content-type", "application/cbor");
    }
    response
}

/// A request as AWS would read it, and whether it is CBOR.
pub(crate) fn read(request: &HttpRequest) -> (Sent, bool) {
    let bytes = request.body().bytes().unwrap_or_default();
    if let Some(target) = request.headers().get("x-amz-target") {
        let operation = target.rsplit('.').next().unwrap_or_default();
        let service = match target.split_once('_').map_or(target, |(name, _)| name) {
            name if name.starts_with("ServiceQuotas") => "servicequotas",
            name if name.starts_with("Route53AutoNaming") => "servicediscovery",
            name if name.starts_with("GlobalAccelerator") => "globalaccelerator",
            _ => "dynamodb",
        };
        let body = serde_json::from_slice(bytes).unwrap_or_default();
        return (sent(request, service, operation, body), false);
    }
    if let Some((_, operation)) = request.uri().split_once("/operation/") {
        return (sent(request, "cloudwatch", operation, cbor::decode(bytes)), true);
    }
    if request.uri().ends_with("/invocations") {
        let body = serde_json::from_slice(bytes).unwrap_or_default();
        return (sent(request, "lambda", "InvokeFunction", body), false);
    }
    if let Some((_, zone)) = request.uri().split_once("/2013-04-01/hostedzone/") {
        return (of_zone(request, zone, bytes), false);
    }
    let parameters = form(std::str::from_utf8(bytes).unwrap_or_default());
    let service = match parameters.get("Version").map(String::as_str) {
        Some("2016-11-15") => "ec2",
        Some("2011-01-01") => "autoscaling",
        Some("2015-12-01") => "elasticloadbalancing",
        _ => "sts",
    };
    let operation = parameters.get("Action").cloned().unwrap_or_default();
    let body = parameters.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    (sent(request, service, &operation, Value::Object(body)), false)
}

/// Of Route 53: the zone, the parameters of a question, and the document of a change as `xml`.
fn of_zone(request: &HttpRequest, rest: &str, document: &[u8]) -> Sent {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let zone = path.split('/').next().unwrap_or_default();
    let mut body: serde_json::Map<String, Value> = form(query).into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    body.insert("zone".to_owned(), zone.into());
    let operation = if document.is_empty() {
        "ListResourceRecordSets"
    } else {
        body.insert("xml".to_owned(), String::from_utf8_lossy(document).into_owned().into());
        "ChangeResourceRecordSets"
    };
    sent(request, "route53", operation, Value::Object(body))
}

fn sent(request: &HttpRequest, service: &str, operation: &str, body: Value) -> Sent {
    Sent {
        operation: format!("{service}:{operation}"),
        region: region(request.uri()).to_owned(),
        body,
    }
}

/// The region in `https://<service>.<region>.amazonaws.com/...`.
fn region(uri: &str) -> &str {
    uri.split('.').nth(1).unwrap_or_default()
}

/// `application/x-www-form-urlencoded`.
fn form(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (unescaped(name), unescaped(value))).collect()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex: String = if byte == b'%' {
            rest.by_ref().take(2).map(char::from).collect()
        } else {
            String::new()
        };
        bytes.push(match byte {
            b'%' => u8::from_str_radix(&hex, 16).unwrap_or(b'?'),
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Runs a future to its end.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.unwrap_or_else(|error| panic!("{error}")).block_on(future)
}
