"""The second chapter: one side of a fleet dies, and its traffic leaves it, through the deployed function; then everything is undone.
Then the same sides are led to by a name in place of a rule.

The instances of blue are really stopped in EC2, an alarm really fires on metric data, and the weights, targets and actions that are
compared are read from the load balancer. Played is what EventBridge would do with the alarm: its event is handed to the function.
"""

import datetime
import json
import string
import time
from pathlib import Path

from local_aws import LocalAwsError, say

FLEET = "shop"
FLEET_TEMPLATE = Path(__file__).with_name("failover.yaml")
ALARM = f"ghostnet/{FLEET}/blue/health/errors"
METRIC = {"Namespace": "Demo/Shop", "MetricName": "Errors"}

READY_WITHIN = 180
ALARM_WITHIN = 30
# three looks ten seconds apart, and what comes before and after them
MOVED_WITHIN = 60
LOOK_EVERY = 1
ZONE = "shop.internal"
NAME = f"www.{ZONE}"


class Failover:
    """The fleet `shop` beside the demo's other one."""

    def __init__(self, demo):
        self.demo = demo
        self._spec = demo.aws.folder / "failover.yaml"
        self._before = None

    def apply(self):
        self._write(f'{{ listener_rules: ["{self.demo.network["SidesRuleArn"]}"] }}')
        say(f"[ok] applied fleet {FLEET}: blue takes the traffic of /shop, green stands by")

    def _write(self, lever):
        template = string.Template(FLEET_TEMPLATE.read_text())
        self._spec.write_text(template.substitute(self.demo.network, Lever=lever))
        self.demo.ghostnet("--json", "apply", str(self._spec))

    # --- what is seen ---

    def _balancer(self):
        return self.demo.aws.client("elbv2")

    def actions(self):
        """The rule's actions, as the load balancer has them."""
        [rule] = self._balancer().describe_rules(RuleArns=[self.demo.network["SidesRuleArn"]])["Rules"]
        return rule["Actions"]

    def weights(self):
        groups = {group["TargetGroupArn"]: group["Weight"] for group in self.actions()[0]["ForwardConfig"]["TargetGroups"]}
        return tuple(groups[self.demo.network[side]] for side in ("BlueGroupArn", "GreenGroupArn"))

    def healthy(self, side):
        health = self._balancer().describe_target_health(TargetGroupArn=self.demo.network[side])["TargetHealthDescriptions"]
        return {target["Target"]["Id"] for target in health if target["TargetHealth"]["State"] == "healthy"}

    def instances(self, pool):
        """Ids of a pool's running instances, as EC2 has their tags."""
        filters = [
            {"Name": "tag:ghostnet:fleet", "Values": [FLEET]},
            {"Name": "tag:ghostnet:pool", "Values": [pool]},
            {"Name": "instance-state-name", "Values": ["running"]},
        ]
        found = self.demo.aws.client("ec2").describe_instances(Filters=filters)["Reservations"]
        return {instance["InstanceId"] for reservation in found for instance in reservation["Instances"]}

    def status(self):
        shown = json.loads(self.demo.ghostnet("status", FLEET, "--json"))
        return (shown[0] if isinstance(shown, list) else shown)["failover"]

    def _wait_until(self, what, within, reached):
        deadline = time.monotonic() + within
        while not (seen := reached()):
            if time.monotonic() > deadline:
                raise LocalAwsError(
                    f"{what} did not happen within {within} s: weights are {self.weights()}, {json.dumps(self.status())}"
                    f"\n  hint: the logs of the functions are in {self.demo.aws.folder}"
                )
            time.sleep(LOOK_EVERY)
        return seen

    # --- the story ---

    def tell(self):
        """Blue dies, green takes over, everything is undone."""
        row = self.demo.timeline.row

        def ready():
            return (len(self.healthy("BlueGroupArn")), len(self.healthy("GreenGroupArn"))) == (2, 1) and self.status()["armed"]

        self._wait_until("two sides that are well, and armed", READY_WITHIN, ready)
        self._before = self.actions()
        row(f"{FLEET}: weights blue {self.weights()[0]}, green {self.weights()[1]}; {self.status()['outlook']}")

        # a tick that replaced the dead first would be right as well, but another story
        while not 3 <= time.time() % 60 <= 20:
            time.sleep(LOOK_EVERY)
        dead = sorted(self.instances("blue"))
        self.demo.aws.client("ec2").stop_instances(InstanceIds=dead)
        row(f"{FLEET}: EC2 stops all of blue: {len(dead)} instances")
        began = time.monotonic()
        self._fire()

        self._wait_until("the failover", MOVED_WITHIN, lambda: self.weights() == (0, 100))
        row(f"ghostnet-failover: weights blue 0, green 100 after {time.monotonic() - began:.0f} s")
        serving, standby = self.healthy("GreenGroupArn"), self.instances("green")
        if not serving or not serving <= standby:
            raise LocalAwsError(f"behind the new weights are {sorted(serving)}, the standby is {sorted(standby)}")

        self.demo.aws.client("ec2").start_instances(InstanceIds=dead)
        heard = json.loads(self.demo.ghostnet("undo", FLEET, "--reason", "the demo is over", "--json"))
        if heard["takers"] != ["blue"] or self.actions() != self._before:
            raise LocalAwsError(f"undo left {self.actions()}, before the failover it was {self._before}")
        row(f"ghostnet undo: the rule is exactly as it was, epoch {heard['epoch']}")

    def tell_by_name(self):
        """The same sides behind records of Route 53: a move by hand, and back to exactly what was there."""
        row = self.demo.timeline.row
        route53 = self.demo.aws.client("route53")
        zone = route53.create_hosted_zone(Name=ZONE, CallerReference=FLEET)["HostedZone"]["Id"].removeprefix("/hostedzone/")

        def record(side, weight, address):
            answer = {"TTL": 60, "ResourceRecords": [{"Value": address}]}
            return {"Name": NAME, "Type": "A", "SetIdentifier": side, "Weight": weight, **answer}

        records = [record("blue", 90, "192.0.2.1"), record("green", 0, "192.0.2.2")]
        changes = [{"Action": "CREATE", "ResourceRecordSet": one} for one in records]
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})

        def listed():
            found = route53.list_resource_record_sets(HostedZoneId=zone, StartRecordName=NAME, StartRecordType="A")
            return [one for one in found["ResourceRecordSets"] if one["Name"].rstrip(".") == NAME]

        def weights():
            return {one["SetIdentifier"]: one["Weight"] for one in listed()}

        before = listed()
        self._write(f"{{ route53_records: [{{ zone: {zone}, name: {NAME}, type: A }}] }}")
        self._wait_until("two sides that are well", READY_WITHIN, lambda: self.healthy("BlueGroupArn") and self.healthy("GreenGroupArn"))
        asked = ("--to", "green", "--reason", "the demo moves a name", "--for-good", "--json")
        self.demo.ghostnet("failover", FLEET, *asked)
        self._wait_until("the move of the name", MOVED_WITHIN, lambda: weights() == {"blue": 0, "green": 90})
        row(f"ghostnet-failover: {NAME} leads to green, in one batch of changes")
        self.demo.ghostnet("undo", FLEET, "--reason", "the demo is over", "--json")
        if listed() != before:
            raise LocalAwsError(f"undo left {listed()}, before the move it was {before}")
        row(f"ghostnet undo: the records of {NAME} are exactly as they were")

    def _fire(self):
        """A real alarm on a real datapoint, and its event."""
        cloudwatch = self.demo.aws.client("cloudwatch")
        cloudwatch.put_metric_alarm(
            AlarmName=ALARM, **METRIC, Statistic="Maximum", Period=60, EvaluationPeriods=1, Threshold=5,
            ComparisonOperator="GreaterThanThreshold", TreatMissingData="missing",
        )
        cloudwatch.put_metric_data(
            Namespace=METRIC["Namespace"], MetricData=[{"MetricName": METRIC["MetricName"], "Value": 100.0}]
        )

        def fired():
            [alarm] = cloudwatch.describe_alarms(AlarmNames=[ALARM])["MetricAlarms"]
            return alarm if alarm["StateValue"] == "ALARM" else None

        alarm = self._wait_until("the alarm", ALARM_WITHIN, fired)
        self.demo.timeline.row(f"CloudWatch: {ALARM} is ALARM")
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        event = {
            "version": "0",
            "id": "demo-failover",
            "detail-type": "CloudWatch Alarm State Change",
            "source": "aws.cloudwatch",
            "account": "123456789012",
            "time": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": cloudwatch.meta.region_name,
            "resources": [alarm["AlarmArn"]],
            "detail": {
                "alarmName": ALARM,
                "state": {"value": "ALARM", "reason": alarm.get("StateReason", ""), "timestamp": now},
                "previousState": {"value": "INSUFFICIENT_DATA", "reason": "", "timestamp": now},
                "configuration": {"metrics": []},
            },
        }
        self.demo.aws.client("lambda").invoke(
            FunctionName=self.demo.stack["FailoverFunctionName"], InvocationType="Event", Payload=json.dumps(event)
        )

    def delete(self, within):
        """Nothing of the fleet is left."""
        self.demo.aws.client("cloudwatch").delete_alarms(AlarmNames=[ALARM])
        self.demo.ghostnet("delete", FLEET, "--drain", within=within)
        self._wait_until("emptying", within, lambda: not self.instances("blue") and not self.instances("green"))
