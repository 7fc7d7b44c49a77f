"""A fleet grows with its load, serves, and shrinks again, and another one's traffic leaves a side that dies: GhostNet's real functions in a
local AWS, as a timeline.

Nothing is acted: the template is deployed by `sam deploy`, the fleet is applied with `ghostnet apply`, a CloudWatch alarm
fires on metric data and wakes a function through SNS, the schedule wakes another every minute, and what is printed as
"in service" is read from EC2 and the target group. Only two things are played: the load balancer's metric, and the events
that EC2 would send when an instance changes its state.
"""

import argparse
import contextlib
import datetime
import json
import math
import signal
import string
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "local"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import failover  # noqa: E402
from local_aws import BIN, ROOT, LocalAws, LocalAwsError, duration, guarded, say  # noqa: E402

FLEET = "web"
FLEET_TEMPLATE = Path(__file__).with_name("fleet.yaml")
CLI = ROOT / "target" / "lambda" / "ghostnet" / "bootstrap"

# the story: requests per minute, and how many instances they need at 1,000 each
SMALLEST = 2
PEAK_LOAD = 6200
PEAK = 7
QUIET_LOAD = 900

# how long each chapter may take before the demo gives up, seconds
START_WITHIN = 150
GROW_WITHIN = 150
SHRINK_WITHIN = 240
LOOK_EVERY = 2


class Timeline:
    """Prints one row per thing that happened."""

    def __init__(self):
        self._began = time.monotonic()
        self._load = "-"
        self._want = "-"
        self._in_service = 0

    def head(self):
        self._began = time.monotonic()
        print("\ntime   load/min  want  in service  what happened, and why", flush=True)

    def row(self, text):
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        load = f"{self._load:,}" if isinstance(self._load, int) else self._load
        print(f"{minutes:02}:{seconds:02}  {load:>8}  {self._want:>4}  {self._in_service:>10}  {text}", flush=True)

    def now(self, *, load=None, want=None, in_service=None):
        self._load = self._load if load is None else load
        self._want = self._want if want is None else want
        self._in_service = self._in_service if in_service is None else in_service


class Demo:
    """The fleet `web` in one local AWS."""

    def __init__(self, aws):
        self.aws = aws
        self.timeline = Timeline()
        self.stack = {}
        self.network = {}
        self.spec = aws.folder / "fleet.yaml"
        self.sides = None
        self.most = 0
        self.zones = set()
        self._ever = set()
        self._states = {}
        self._members = frozenset()
        self._told = {}

    # --- the beginning ---

    def prepare(self):
        """Local AWS, functions, stack, network, command line, fleet."""
        self.stack, self.network = self.aws.up()
        self.sides = failover.Failover(self)
        command = [str(BIN / "cargo-lambda"), "lambda", "build", "--release", "--bin", "ghostnet"]
        took = self.aws.run("building the command line", command, "cli.log")
        say(f"[ok] built the command line ({duration(took)})")
        self._ec2 = self.aws.client("ec2")
        self._balancer = self.aws.client("elbv2")
        self._cloudwatch = self.aws.client("cloudwatch")
        self._functions = self.aws.client("lambda")

    def apply(self):
        spec = string.Template(FLEET_TEMPLATE.read_text()).substitute(self.network)
        self.spec.write_text(spec)
        self.ghostnet("--json", "apply", str(self.spec))
        say(f"[ok] applied fleet {FLEET}: {SMALLEST} instances wanted; its short windows:")
        for line in spec.splitlines():
            if "# short" in line:
                say(f"       {line.strip()}")

    def ghostnet(self, *arguments, within=60):
        """Runs the command line, at most `within` seconds, and returns what it printed. What it keeps is kept in the folder."""
        env = {**self.aws.environment(), "XDG_CACHE_HOME": str(self.aws.folder / "cache")}
        done = subprocess.run([str(CLI), *arguments], env=env, capture_output=True, text=True, check=False, timeout=within)
        if done.returncode != 0:
            raise LocalAwsError(f"ghostnet {' '.join(arguments)} failed ({done.returncode}):\n{done.stderr.strip()}")
        return done.stdout

    # --- the two things that are played ---

    def push_load(self, requests):
        """What the load balancer would publish for the minute that just ended: requests per target."""
        alarm = self.alarm()
        per_target = requests / max(1, len(self.members()))
        # the last second of the minute: part of that minute's datapoint, and young enough for the alarm's window
        ended = datetime.datetime.now(datetime.UTC).replace(second=0, microsecond=0) - datetime.timedelta(seconds=1)
        self._cloudwatch.put_metric_data(
            Namespace=alarm["Namespace"],
            MetricData=[{
                "MetricName": alarm["MetricName"],
                "Dimensions": alarm["Dimensions"],
                "Timestamp": ended,
                "Value": per_target,
            }],
        )
        self.timeline.now(load=requests)
        self.timeline.row(f"load balancer: {per_target:,.0f} requests per instance in the last minute")

    def tell_functions(self, instance, state):
        """What EC2 would send through EventBridge."""
        event = {
            "version": "0",
            "id": f"demo-{instance}-{state}",
            "detail-type": "EC2 Instance State-change Notification",
            "source": "aws.ec2",
            "account": "123456789012",
            "time": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self._ec2.meta.region_name,
            "resources": [f"arn:aws:ec2:{self._ec2.meta.region_name}:123456789012:instance/{instance}"],
            "detail": {"instance-id": instance, "state": state},
        }
        self._functions.invoke(
            FunctionName=self.stack["InterruptionFunctionName"], InvocationType="Event", Payload=json.dumps(event)
        )

    # --- what is seen ---

    def alarm(self):
        """The alarm that `ghostnet apply` made for the policy."""
        found = self._cloudwatch.describe_alarms(AlarmNamePrefix=f"ghostnet/{FLEET}/main/requests/")["MetricAlarms"]
        if not found:
            raise LocalAwsError(f"`ghostnet apply` made no alarm ghostnet/{FLEET}/main/requests/...")
        return found[0]

    def instances(self):
        """Every instance of this installation that EC2 still knows, by id, without those of the other chapter."""
        tag = {"Name": "tag:ghostnet:installation", "Values": [self.stack["InstallationId"]]}
        pages = self._ec2.get_paginator("describe_instances").paginate(Filters=[tag])
        return {
            instance["InstanceId"]: instance
            for page in pages
            for reservation in page["Reservations"]
            for instance in reservation["Instances"]
            if {"Key": "ghostnet:fleet", "Value": failover.FLEET} not in instance["Tags"]
        }

    def members(self):
        """The healthy members of the target group."""
        health = self._balancer.describe_target_health(TargetGroupArn=self.network["TargetGroupArn"])
        return frozenset(
            target["Target"]["Id"]
            for target in health["TargetHealthDescriptions"]
            if target["TargetHealth"]["State"] == "healthy"
        )

    def decisions(self):
        """Every decision on record, oldest first."""
        shown = json.loads(self.ghostnet("explain", FLEET, "--since", "1h", "--json"))
        records = shown if isinstance(shown, list) else shown["decisions"]
        return sorted(records, key=lambda record: record["at"])

    def look(self):
        """Reads everything once and prints what changed. Returns (running instances, target group members)."""
        instances = self.instances()
        states = {name: instance["State"]["Name"] for name, instance in instances.items()}
        changed = {name: state for name, state in states.items() if self._states.get(name) != state}
        members = self.members()
        serving = members & {name for name, state in states.items() if state == "running"}
        joined, left = members - self._members, self._members - members
        self._states, self._members = states, members
        self._ever |= set(states)
        if len(serving) > self.most:
            self.most = len(serving)
            self.zones = {instances[name]["Placement"]["AvailabilityZone"] for name in serving}
        self.timeline.now(in_service=len(serving))

        self._print_decisions()
        for state in sorted(set(changed.values())):
            those = sorted(name for name in changed if changed[name] == state)
            if those:
                self.timeline.row(f"EC2: {state}: {_shortened(those)}")
        if joined:
            self.timeline.row(f"target group: + {_shortened(sorted(joined))}: {len(members)} members")
        if left:
            self.timeline.row(f"target group: - {_shortened(sorted(left))}: {len(members)} members")
        for name, state in changed.items():
            if state != "pending":
                self.tell_functions(name, state)
        alive = {name for name, state in states.items() if state not in ("shutting-down", "terminated")}
        return alive, members

    def _print_decisions(self):
        for record in self.decisions():
            pools = record["pools"]
            after = sum(pool["after"] for pool in pools.values())
            before = sum(pool["before"] for pool in pools.values())
            steps = record.get("plan", {}).get("steps", [])
            # a hold that is repeated is told once
            key = (record["id"], len(record.get("outcomes", [])))
            if key in self._told:
                continue
            first = record["id"] not in {told for told, _ in self._told}
            self._told[key] = True
            if not first:
                continue
            self.timeline.now(want=after)
            did = "; ".join(_described(step) for step in steps) or "hold"
            why = record.get("summary") or ""
            count = f"{before} -> {after}" if before != after else f"{after}"
            self.timeline.row(f"ghostnet-{record['function']}: {count}: {did}{': ' if why else ''}{why}")

    # --- the story ---

    def wait_until(self, what, within, reached):
        deadline = time.monotonic() + within
        while True:
            alive, members = self.look()
            if reached(alive, members):
                return
            if time.monotonic() > deadline:
                raise LocalAwsError(
                    f"{what} did not happen within {within} s: {len(alive)} instances, {len(members)} in the target group"
                    f"\n  hint: the logs of the functions are in {self.aws.folder.relative_to(ROOT)}"
                )
            time.sleep(LOOK_EVERY)

    def tell(self):
        """Grow, serve, shrink."""
        self.timeline.head()
        self.timeline.row(f"applied: the next tick launches {SMALLEST}")
        self.wait_until("the start", START_WITHIN, lambda alive, members: len(alive) == len(members) == SMALLEST)

        # a datapoint speaks of the instances that served throughout it: the first such minute must be over
        served_in = _minute()
        self.timeline.row("waiting until they have served for a whole minute, the first that a metric can speak of")
        while _minute() < served_in + 2:
            self.look()
            time.sleep(LOOK_EVERY)
        self.push_load(PEAK_LOAD)
        pushed_in = _minute()
        self.wait_until("growing", GROW_WITHIN, lambda alive, members: len(alive) == len(members) == PEAK)

        # one datapoint a minute, as CloudWatch has it
        while _minute() == pushed_in:
            self.look()
            time.sleep(LOOK_EVERY)
        self.push_load(QUIET_LOAD)
        pushed_in = _minute()

        def small_again(alive, members):
            nonlocal pushed_in
            if _minute() != pushed_in:
                self.push_load(QUIET_LOAD)
                pushed_in = _minute()
            return len(alive) == len(members) == SMALLEST

        self.wait_until("shrinking", SHRINK_WITHIN, small_again)

    def check(self):
        """What has to be true after the story. Returns the problems."""
        instances = self.instances()
        alive = {n for n, i in instances.items() if i["State"]["Name"] not in ("shutting-down", "terminated")}
        members = self.members()
        history = self._cloudwatch.describe_alarm_history(AlarmName=self.alarm()["AlarmName"])["AlarmHistoryItems"]
        fired = [item for item in history if item["HistorySummary"].endswith("to ALARM")]
        decided = self.decisions()
        by_alarm = [
            record for record in decided
            if record["function"] == "alarm" and any("launch" in step["action"] for step in record["plan"]["steps"])
        ]
        untagged = [
            name for name in alive
            if {tag["Key"]: tag["Value"] for tag in instances[name]["Tags"]}.get("ghostnet:fleet") != FLEET
        ]
        findings = {
            f"the fleet grew to {self.most} in service, {PEAK} were expected": self.most != PEAK,
            f"the fleet used {len(self.zones)} of 3 zones": len(self.zones) != 3,
            f"{len(alive)} instances are left, {SMALLEST} were expected": len(alive) != SMALLEST,
            f"in the target group are {sorted(members)}, running are {sorted(alive)}": members != alive,
            f"{len(self._ever)} instances were launched, {PEAK} would have been enough": len(self._ever) != PEAK,
            f"instances without the fleet's tag: {untagged}": bool(untagged),
            "the alarm never fired": not fired,
            "no decision of the alarm function launched anything": not by_alarm,
        }
        return [text for text, wrong in findings.items() if wrong], len(decided)

    # --- the end ---

    def keep_logs(self):
        """Writes what the functions logged, and every decision, into the folder."""
        with contextlib.suppress(Exception):
            logs = self.aws.client("logs")
            for function in (value for name, value in self.stack.items() if name.endswith("FunctionName")):
                pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{function}")
                events = [event for page in pages for event in page["events"]]
                lines = [event["message"].rstrip() for event in sorted(events, key=lambda event: event["timestamp"])]
                (self.aws.folder / f"{function}.log").write_text("\n".join(lines) + "\n")
        with contextlib.suppress(LocalAwsError, OSError, subprocess.TimeoutExpired):
            (self.aws.folder / "explain.txt").write_text(self.ghostnet("explain", FLEET, "--since", "1h"))


def _minute():
    return int(time.time() // 60)


def _shortened(names):
    return ", ".join(f"{name[:6]}…" for name in names)


def _described(step):
    kind, detail = next(iter(step["action"].items()))
    if kind == "launch":
        return f"launch {detail['count']}"
    return f"{kind} {_shortened(detail.get('instances', []))}"


def explain():
    """Prints what the last demo decided."""
    kept = LocalAws("demo").folder / "explain.txt"
    if not kept.exists():
        raise LocalAwsError("there is nothing to explain yet\n  hint: make demo")
    print(kept.read_text(), end="")
    return 0


def play(keep):
    aws = LocalAws("demo")
    aws.stop()
    demo = Demo(aws)
    try:
        demo.prepare()
        began = time.monotonic()
        demo.apply()
        demo.sides.apply()
        demo.tell()
        problems, decided = demo.check()
        if not problems:
            demo.sides.tell()
        for problem in problems:
            say(f"error: {problem}")
        if problems:
            return 1
        demo.timeline.row(f"done: 0 left behind, {decided} decisions on record (`make explain`)")
        say(f"[ok] the fleet grew to {PEAK}, served, and shrank to {SMALLEST}, and traffic left a dead side, in {duration(time.monotonic() - began)}")
        return 0
    finally:
        if aws.is_running() and demo.stack:
            demo.keep_logs()
        if keep:
            say(f"kept running; logs are in {aws.folder.relative_to(ROOT)}, stop it with `make local-down`")
        else:
            aws.stop()
            say(f"[ok] local AWS stopped; logs are in {aws.folder.relative_to(ROOT)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--explain", action="store_true", help="print what the last demo decided, and why")
    parser.add_argument("--keep", action="store_true", help="leave the local AWS running afterwards")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    return explain() if arguments.explain else play(arguments.keep)


if __name__ == "__main__":
    sys.exit(guarded(main))
