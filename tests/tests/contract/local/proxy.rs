//! Between the SDKs and the local AWS: every request goes on and every answer comes back, in an account of its own, which is
//! what keeps one situation from another. On the way instances, subnets and the target group change the names that the
//! situations give them for those that the emulator gave, and times change the day of [`crate::sample`] for today.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::aws::Tamper;
use crate::sample::minute;
use crate::wire::{self, Sent};
use crate::{Mishap, cbor};

/// Series begin at whole periods, the longest of which has so many seconds.
const LONGEST_PERIOD: i64 = 300;

/// One account's way to the local AWS.
#[derive(Debug, Clone)]
pub(super) struct Proxy {
    account: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// What the situations say, and what the emulator says.
    names: BTreeMap<String, String>,
    /// From the day of the samples to today; in whole periods for series.
    since: SignedDuration,
    /// A situation's call is under way: what is only arranged meets neither mishap nor tamper.
    playing: bool,
    mishap: Option<Mishap>,
    tamper: Tamper,
    /// Requests of the call that is under way.
    requests: usize,
}

impl Proxy {
    /// In a new account.
    pub(super) fn new(tamper: Tamper) -> Self {
        // twelve digits: both emulators keep accounts apart
        let account = 100_000_000_000 + RandomState::new().hash_one("account") % 900_000_000_000;
        let state = State {
            names: BTreeMap::new(),
            since: SignedDuration::ZERO,
            playing: false,
            mishap: None,
            tamper,
            requests: 0,
        };
        Self {
            account: account.to_string(),
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The account, which to the emulators is the access key as well.
    pub(super) fn account(&self) -> &str {
        &self.account
    }

    /// The world begins: now is [`minute`] ten.
    pub(super) fn begin(&self, now: Timestamp) {
        let whole_seconds = Timestamp::from_second(now.as_second()).unwrap_or(now);
        self.state().since = whole_seconds.duration_since(minute(10));
    }

    /// What the situations call `name` is `real` to the emulator.
    pub(super) fn name(&self, name: &str, real: &str) {
        self.state().names.insert(name.to_owned(), real.to_owned());
    }

    /// What happens to the next call.
    pub(super) fn meets(&self, mishap: Mishap) {
        self.state().mishap = Some(mishap);
    }

    /// From here on, requests are those of a situation's call.
    pub(super) fn call_begins(&self) {
        let mut state = self.state();
        state.playing = true;
        state.requests = 0;
    }

    /// They are no more, and the mishap is over.
    pub(super) fn call_is_over(&self) {
        let mut state = self.state();
        state.playing = false;
        state.mishap = None;
    }

    /// The SDKs' own client, by this way.
    pub(super) fn client(&self) -> SharedHttpClient {
        let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
        let direct = Builder::new().tls_provider(provider).build_https();
        let proxy = self.clone();
        http_client_fn(move |settings, components| {
            SharedHttpConnector::new(Way {
                proxy: proxy.clone(),
                direct: direct.http_connector(settings, components),
            })
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Way {
    proxy: Proxy,
    direct: SharedHttpConnector,
}

impl HttpConnector for Way {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let (sent, lost) = self.proxy.state().send(&request);
        let headers = request.headers_mut();
        headers.insert("x-moto-account-id", self.proxy.account.clone());
        let body = bytes(&sent);
        headers.insert("content-length", body.len().to_string());
        *request.body_mut() = SdkBody::from(body);
        let answering = self.direct.call(request);
        let proxy = self.proxy.clone();
        HttpConnectorFuture::new(async move {
            let mut answer = answering.await?;
            // read to its end, so that the call has had its effect before its answer is lost
            let body = ByteStream::new(answer.take_body()).collect().await;
            let body = body.map_err(|error| ConnectorError::io(error.into()))?.to_vec();
            if lost {
                return Err(ConnectorError::io("connection reset".into()));
            }
            Ok(proxy.state().answer(&sent, answer, body))
        })
    }
}

impl State {
    /// The request as the emulator is to see it, and whether its answer will be lost.
    fn send(&mut self, request: &HttpRequest) -> (Sent, bool) {
        let (mut sent, _) = wire::read(request);
        let mut lost = false;
        if self.playing {
            self.requests += 1;
            (self.tamper)(&mut sent);
            lost = match self.mishap {
                Some(Mishap::AnswerLost) => true,
                Some(Mishap::FirstAnswerLost) => self.requests == 1,
                _ => false,
            };
        }
        match form_of(&sent) {
            Form::Query => self.rename(&mut sent.body),
            Form::Cbor => move_times(&mut sent.body, self.periods()),
            Form::Json => {}
        }
        (sent, lost)
    }

    /// The answer as the situation is to see it.
    fn answer(&self, sent: &Sent, mut answer: HttpResponse, body: Vec<u8>) -> HttpResponse {
        let body = match form_of(sent) {
            Form::Query => self.renamed(&String::from_utf8_lossy(&body)).into_bytes(),
            Form::Cbor => {
                let mut value = cbor::decode(&body);
                move_times(&mut value, -self.periods());
                cbor::encode(&value)
            }
            Form::Json => body,
        };
        answer.headers_mut().insert("content-length", body.len().to_string());
        *answer.body_mut() = SdkBody::from(body);
        answer
    }

    /// Seconds from the day of the samples to today, in whole periods.
    fn periods(&self) -> i64 {
        self.since.as_secs().div_euclid(LONGEST_PERIOD) * LONGEST_PERIOD
    }

    fn rename(&self, parameters: &mut Value) {
        for value in parameters.as_object_mut().into_iter().flat_map(|fields| fields.values_mut()) {
            if let Some(real) = value.as_str().and_then(|name| self.names.get(name)) {
                *value = json!(real);
            }
        }
    }

    fn renamed(&self, xml: &str) -> String {
        let names = self.names.iter();
        let named = names.fold(xml.to_owned(), |xml, (name, real)| xml.replace(real, name));
        let mut parts = named.split("<launchTime>");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |before, part| {
            let (time, after) = part.split_once('<').unwrap_or((part, ""));
            let time = time.parse().map(|time: Timestamp| time - self.since);
            format!("{before}<launchTime>{}<{after}", time.unwrap_or_default())
        })
    }
}

/// How a service writes its requests and answers.
enum Form {
    /// Parameters of a form, answered by XML.
    Query,
    Cbor,
    Json,
}

fn form_of(sent: &Sent) -> Form {
    match sent.operation.split_once(':') {
        Some(("dynamodb", _)) => Form::Json,
        Some(("cloudwatch", _)) => Form::Cbor,
        _ => Form::Query,
    }
}

/// The body of a request.
fn bytes(sent: &Sent) -> Vec<u8> {
    match form_of(sent) {
        Form::Json => sent.body.to_string().into_bytes(),
        Form::Cbor => cbor::encode(&sent.body),
        Form::Query => {
            let fields = sent.body.as_object().into_iter().flatten();
            let pairs: Vec<_> = fields
                .map(|(name, value)| format!("{}={}", escaped(name), escaped(value.as_str().unwrap_or_default())))
                .collect();
            pairs.join("&").into_bytes()
        }
    }
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let escape = |byte: u8| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(escape).collect()
}

/// Moves every time in a value by so many seconds.
fn move_times(value: &mut Value, by: i64) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| move_times(item, by)),
        Value::Object(fields) => match fields.get_mut("time") {
            Some(time) => *time = json!(time.as_f64().unwrap() + f64::from(i32::try_from(by).unwrap())),
            None => fields.values_mut().for_each(|field| move_times(field, by)),
        },
        _ => {}
    }
}
