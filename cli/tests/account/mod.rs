//! A small account on this machine: the answers of AWS's services, and of the tick function, over HTTP. It answers what these
//! tests ask for, and fails them for anything else, above all for a write.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::sync::Arc;

use ghostnet_aws::event::CheckRequest;
use ghostnet_core::spec::FleetSpec;
use ghostnet_core::unit::Seconds;
use ghostnet_engine::live::Answered;
use ghostnet_engine::live::probe::{LAUNCHES_PER_ASK, Probe, Probed, Refused, Trial, trials};
use serde_json::{Value, json};

use crate::cbor;
use crate::run::must;

/// What is so in an account.
pub(crate) struct Account {
    /// Whether the tick function knows checks.
    pub(crate) is_deployed: bool,
    /// What EC2 refuses.
    pub(crate) refuses: fn(&Trial) -> Option<Refused>,
    /// How long the target group lets a target finish.
    pub(crate) delay: Seconds,
    /// Whose the target group is.
    pub(crate) owner: &'static str,
    /// Whether a load balancer uses it.
    pub(crate) is_used: bool,
    /// vCPUs of every quota.
    pub(crate) quota: f64,
    /// Free addresses of each subnet.
    pub(crate) free_addresses: u32,
    /// The alarm that the spec lists.
    pub(crate) alarm: fn() -> Value,
    /// Whether a rule mutes it.
    pub(crate) is_muted: bool,
}

impl Account {
    /// Everything fits.
    pub(crate) fn fit() -> Self {
        Self {
            is_deployed: true,
            refuses: |_| None,
            delay: Seconds(60),
            owner: "ours",
            is_used: true,
            quota: 640.0,
            free_addresses: 251,
            alarm: || alarm("Average", 60),
            is_muted: false,
        }
    }

    /// Runs the binary in this account.
    pub(crate) fn run(self, args: &[&str]) -> Output {
        let listener = must(TcpListener::bind("127.0.0.1:0"));
        let endpoint = format!("http://{}", must(listener.local_addr()));
        let account = Arc::new(self);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let account = Arc::clone(&account);
                std::thread::spawn(move || account.serve(&must(stream)));
            }
        });
        must(crate::run::command(args).env("AWS_ENDPOINT_URL", endpoint).output())
    }

    fn serve(&self, mut stream: &TcpStream) {
        let request = Request::read(stream);
        let (status, kind, body) = self.answer(&request);
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nsmithy-protocol: rpc-v2-cbor\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        must(stream.write_all(head.as_bytes()));
        must(stream.write_all(&body));
    }

    fn answer(&self, request: &Request) -> (&'static str, &'static str, Vec<u8>) {
        let xml = |text: String| ("200 OK", "text/xml", text.into_bytes());
        let json = |value: Value| ("200 OK", "application/json", value.to_string().into_bytes());
        let cbor = |value: Value| ("200 OK", "application/cbor", cbor::encode(&value));
        match request.operation.as_str() {
            "DescribeStacks" => xml(stack()),
            "DescribeSubnets" => xml(self.subnets()),
            "DescribeLaunchTemplateVersions" => xml(
                "<DescribeLaunchTemplateVersionsResponse><launchTemplateVersionSet><item><launchTemplateId>lt-1</launchTemplateId><versionNumber>3</versionNumber><launchTemplateData/></item></launchTemplateVersionSet></DescribeLaunchTemplateVersionsResponse>".to_owned(),
            ),
            "DescribeInstanceTypes" => {
                let of = |name: &str| format!("<item><instanceType>{name}</instanceType><vCpuInfo><defaultVCpus>2</defaultVCpus></vCpuInfo></item>");
                let types = ["c7a.large", "c7i.large"].map(of).concat();
                xml(format!("<DescribeInstanceTypesResponse><instanceTypeSet>{types}</instanceTypeSet></DescribeInstanceTypesResponse>"))
            }
            "DescribeTargetGroups" => {
                let balancer = "<member>arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188</member>";
                let balancers = if self.is_used { balancer } else { "" };
                let group = format!("<LoadBalancerArns>{balancers}</LoadBalancerArns><Protocol>HTTP</Protocol><TargetType>instance</TargetType>");
                xml(result("DescribeTargetGroups", &format!("<TargetGroups><member>{group}</member></TargetGroups>")))
            }
            "DescribeTags" => {
                let arn = request.parameter("ResourceArns.member.1");
                let tag = format!("<member><Key>ghostnet:installation</Key><Value>{}</Value></member>", self.owner);
                let described = format!("<member><ResourceArn>{arn}</ResourceArn><Tags>{tag}</Tags></member>");
                xml(result("DescribeTags", &format!("<TagDescriptions>{described}</TagDescriptions>")))
            }
            "DescribeAlarms" => cbor(json!({ "MetricAlarms": [(self.alarm)()] })),
            "ListAlarmMuteRules" => {
                let rule = json!({ "AlarmMuteRuleArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm-mute-rule:release", "Status": "ACTIVE" });
                cbor(json!({ "AlarmMuteRuleSummaries": if self.is_muted { vec![rule] } else { vec![] } }))
            }
            "GetAlarmMuteRule" => cbor(json!({ "Rule": { "Schedule": { "Expression": "at(2026-11-28T06:00)", "Duration": "PT4H" } } })),
            "GetServiceQuota" => json(json!({ "Quota": { "Value": self.quota } })),
            "BatchGetItem" => json(json!({ "Responses": { "table": [] }, "UnprocessedKeys": {} })),
            "Query" => json(json!({ "Items": [] })),
            "invocations" if self.is_deployed => json(self.tick(&request.body)),
            "invocations" => json(Value::Null),
            other => panic!("nobody may ask for `{other}`"),
        }
    }

    fn subnets(&self) -> String {
        let subnet = |(id, zone): (&str, &str)| {
            let free = self.free_addresses;
            format!(
                "<item><subnetId>subnet-0a1b2c3d4e5f6000{id}</subnetId><availabilityZone>eu-west-1{zone}</availabilityZone><availableIpAddressCount>{free}</availableIpAddressCount></item>"
            )
        };
        let subnets = [("1", "a"), ("2", "b")].map(subnet).concat();
        format!("<DescribeSubnetsResponse><subnetSet>{subnets}</subnetSet></DescribeSubnetsResponse>")
    }

    /// What the tick function answers.
    fn tick(&self, payload: &[u8]) -> Value {
        let request = must(CheckRequest::of(payload).unwrap_or_else(|| panic!("only checks are asked for")));
        let spec = must(FleetSpec::check(&request.spec));
        let trials = trials(&spec);
        let probed = |trial: &Trial| Probed {
            refused: (self.refuses)(trial),
            probe: Probe::Launch(trial.clone()),
        };
        let until = request.from.saturating_add(LAUNCHES_PER_ASK).min(trials.len());
        let groups = spec.pools.iter().flat_map(|pool| &pool.target_groups);
        let answered = Answered {
            probed: trials.iter().take(until).skip(request.from).map(probed).collect(),
            next: (until < trials.len()).then_some(until),
            instance: None,
            delays: groups.map(|group| (group.clone(), self.delay)).collect(),
        };
        json!({ "checked": answered })
    }
}

/// The alarm that the spec lists, as CloudWatch tells it.
pub(crate) fn alarm(statistic: &str, period: u32) -> Value {
    json!({
        "AlarmName": "checkout-load", "AlarmArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:checkout-load",
        "ActionsEnabled": true, "AlarmActions": ["arn:aws:sns:eu-west-1:123456789012:ghostnet-alarms"],
        "Namespace": "Shop", "MetricName": "Load", "Dimensions": [{ "Name": "Fleet", "Value": "web" }],
        "Statistic": statistic, "Period": period, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 90.0,
        "EvaluationPeriods": 1, "TreatMissingData": "notBreaching",
    })
}

fn stack() -> String {
    let outputs = [
        ("TableName", "table"),
        ("InstallationId", "ours"),
        ("AlarmTopicArn", "arn:aws:sns:eu-west-1:123456789012:ghostnet-alarms"),
        ("AlarmFunctionName", "ghostnet-alarm"),
        ("TickFunctionName", "ghostnet-tick"),
        ("AlarmDelivery", "Sns"),
    ];
    let output = |(key, value): (&str, &str)| format!("<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>");
    let about =
        "<StackName>ghostnet</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus>";
    let stack = format!("<member>{about}<Outputs>{}</Outputs></member>", outputs.map(output).concat());
    result("DescribeStacks", &format!("<Stacks>{stack}</Stacks>"))
}

fn result(operation: &str, inside: &str) -> String {
    format!("<{operation}Response><{operation}Result>{inside}</{operation}Result></{operation}Response>")
}

/// A request, as far as it matters here.
struct Request {
    operation: String,
    body: Vec<u8>,
}

impl Request {
    fn read(stream: &TcpStream) -> Self {
        let mut reader = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            must(reader.read_line(&mut line));
            if line.trim().is_empty() {
                break;
            }
            lines.push(line.trim().to_owned());
        }
        let headers = lines.iter().skip(1).filter_map(|line| line.split_once(':'));
        let headers: BTreeMap<String, String> = headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers.get("content-length").map_or(0, |length| must(length.parse()));
        let mut body = vec![0; length];
        must(reader.read_exact(&mut body));
        let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
        let text = String::from_utf8_lossy(&body);
        let action = text.split('&').find_map(|pair| pair.strip_prefix("Action="));
        let target = headers.get("x-amz-target").and_then(|target| target.rsplit('.').next());
        let operation = target.or(action).or_else(|| path.rsplit('/').next()).unwrap_or_default().to_owned();
        Self { operation, body }
    }

    /// A parameter of a query protocol; an ARN needs no more unescaping than this.
    fn parameter(&self, name: &str) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let value = text.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_default().replace("%3A", ":").replace("%2F", "/")
    }
}
