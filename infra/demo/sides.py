"""A fleet of two sides in a local AWS: what the load balancer and EC2 show of it, and what is played to it.

Played is that EC2 loses instances, and what EventBridge would do with an alarm: its event is handed to the function.
"""

import datetime
import json
import string
import time

from local_aws import REGION, LocalAwsError

SIDES = ("BlueGroupArn", "GreenGroupArn")
NAMESPACE, METRIC = "Demo/Sides", "Errors"
TOO_MANY = 100.0
READY_WITHIN = 180
# three looks ten seconds apart, and what comes before and after them
MOVED_WITHIN = 60
ALARM_WITHIN = 30
TICK_WITHIN = 90
LOOK_EVERY = 1


class Sides:
    """One fleet with the pools blue and green behind one rule. `network` names the groups, the rule, and what instances need."""

    def __init__(self, demo, network, fleet, template):
        self.demo = demo
        self.network = network
        self.fleet = fleet
        self._template = template

    def write(self, **words):
        """Applies the spec with these words filled in."""
        template = string.Template(self._template.read_text())
        spec = self.demo.aws.folder / f"{self.fleet}.yaml"
        spec.write_text(template.substitute(self.network, Fleet=self.fleet, **words))
        self.demo.ghostnet("--json", "apply", str(spec))

    def by_rule(self):
        """The lever that moves the weights of the rule."""
        return {"listener_rules": [self.network["SidesRuleArn"]]}

    def ask(self, verb, *arguments):
        """Asks the fleet for something, and returns what came of it."""
        return json.loads(self.demo.ghostnet(verb, self.fleet, *arguments, "--reason", "the demo asks", "--json"))

    def forward(self, *weights):
        """The action that leads to the sides by these weights."""
        groups = [{"TargetGroupArn": self.network[side], "Weight": weight} for side, weight in zip(SIDES, weights, strict=True)]
        return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}

    # --- what is seen ---

    def balancer(self):
        return self.demo.aws.client("elbv2")

    def actions(self, rule=None):
        """What a rule does, as the load balancer has it; without one the rule of the sides."""
        [found] = self.balancer().describe_rules(RuleArns=[rule or self.network["SidesRuleArn"]])["Rules"]
        return found["Actions"]

    def weights(self):
        """Those of blue and green; none while something else answers."""
        forward = self.actions()[0].get("ForwardConfig", {})
        groups = {group["TargetGroupArn"]: group["Weight"] for group in forward.get("TargetGroups", [])}
        return tuple(groups.get(self.network[side]) for side in SIDES)

    def healthy(self, side):
        health = self.balancer().describe_target_health(TargetGroupArn=self.network[side])["TargetHealthDescriptions"]
        return {target["Target"]["Id"] for target in health if target["TargetHealth"]["State"] == "healthy"}

    def zones(self, pool):
        """The zones of a pool's running instances by their ids, as EC2 has their tags."""
        filters = [
            {"Name": "tag:ghostnet:fleet", "Values": [self.fleet]},
            {"Name": "tag:ghostnet:pool", "Values": [pool]},
            {"Name": "instance-state-name", "Values": ["running"]},
        ]
        found = self.demo.aws.client("ec2").describe_instances(Filters=filters)["Reservations"]
        instances = [instance for reservation in found for instance in reservation["Instances"]]
        return {instance["InstanceId"]: instance["Placement"]["AvailabilityZone"] for instance in instances}

    def instances(self, pool):
        return set(self.zones(pool))

    def status(self):
        shown = json.loads(self.demo.ghostnet("status", self.fleet, "--json"))
        return (shown[0] if isinstance(shown, list) else shown)["failover"]

    def is_ready(self, blue=2, green=1):
        """Whether so many of each side are well, and failover has seen it."""
        return (len(self.healthy("BlueGroupArn")), len(self.healthy("GreenGroupArn"))) == (blue, green) and self.status()["armed"]

    def wait_until(self, what, within, reached):
        deadline = time.monotonic() + within
        while not (seen := reached()):
            if time.monotonic() > deadline:
                raise LocalAwsError(
                    f"{what} did not happen within {within} s: the rule does {self.actions()}, {json.dumps(self.status())}"
                    f"\n  hint: the logs of the functions are in {self.demo.aws.folder}"
                )
            time.sleep(LOOK_EVERY)
        return seen

    # --- what is played ---

    def stop(self, *pools):
        """EC2 stops all of some pools, just after a tick: one that replaced the dead first would be right as well, but another story."""
        since = int(time.time() * 1000)
        self.wait_until("a tick", TICK_WITHIN, lambda: self._has_ticked(since))
        dead = sorted(instance for pool in pools for instance in self.instances(pool))
        self.demo.aws.client("ec2").stop_instances(InstanceIds=dead)
        self.demo.timeline.row(f"{self.fleet}: EC2 stops all of {' and '.join(pools)}: {len(dead)} instances")
        return dead

    def _has_ticked(self, since):
        """Whether the schedule's function has told, since that millisecond, that it is through with all fleets."""
        group = f"/aws/lambda/{self.demo.stack['TickFunctionName']}"
        told = self.demo.aws.client("logs").filter_log_events(logGroupName=group, startTime=since)["events"]
        return any('"TickSucceeded"' in event["message"] for event in told)

    def start(self, dead):
        self.demo.aws.client("ec2").start_instances(InstanceIds=dead)

    def _dimensions(self):
        return [{"Name": "Fleet", "Value": self.fleet}]

    def make_alarm(self, name):
        """A real alarm on the fleet's errors, of which there are none yet."""
        self.demo.aws.client("cloudwatch").put_metric_alarm(
            AlarmName=name, Namespace=NAMESPACE, MetricName=METRIC, Dimensions=self._dimensions(), Statistic="Maximum", Period=60,
            EvaluationPeriods=1, Threshold=5, ComparisonOperator="GreaterThanThreshold", TreatMissingData="missing",
        )

    def publish(self, errors):
        data = {"MetricName": METRIC, "Dimensions": self._dimensions(), "Value": errors}
        self.demo.aws.client("cloudwatch").put_metric_data(Namespace=NAMESPACE, MetricData=[data])

    def alarm_in(self, state, name):
        """The alarm, as soon as it is in that state."""

        def found():
            [alarm] = self.demo.aws.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
            return alarm if alarm["StateValue"] == state else None

        return self.wait_until(f"the state {state} of {name}", ALARM_WITHIN, found)

    def _health_alarm(self, pool):
        return f"ghostnet/{self.fleet}/{pool}/health/errors"

    def fire(self, pool):
        """A real alarm on a real datapoint, and its event."""
        name = self._health_alarm(pool)
        self.make_alarm(name)
        self.publish(TOO_MANY)
        alarm = self.alarm_in("ALARM", name)
        self.demo.timeline.row(f"CloudWatch: {name} is ALARM")
        now = datetime.datetime.now(datetime.UTC)
        told_at = now.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        event = {
            "version": "0",
            "id": "demo-failover",
            "detail-type": "CloudWatch Alarm State Change",
            "source": "aws.cloudwatch",
            "account": "123456789012",
            "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": [alarm["AlarmArn"]],
            "detail": {
                "alarmName": name,
                "state": {"value": "ALARM", "reason": alarm.get("StateReason", ""), "timestamp": told_at},
                "previousState": {"value": "INSUFFICIENT_DATA", "reason": "", "timestamp": told_at},
                "configuration": {"metrics": []},
            },
        }
        self.demo.aws.client("lambda").invoke(
            FunctionName=self.demo.stack["FailoverFunctionName"], InvocationType="Event", Payload=json.dumps(event)
        )

    def quieten(self, pool):
        """The alarm is gone again."""
        self.demo.aws.client("cloudwatch").delete_alarms(AlarmNames=[self._health_alarm(pool)])

    def delete(self, within):
        """Nothing of the fleet is left."""
        for pool in ("blue", "green"):
            self.quieten(pool)
        self.demo.ghostnet("delete", self.fleet, "--drain", within=within)
        self.wait_until("emptying", within, lambda: not self.instances("blue") and not self.instances("green"))
