"""The second chapter: one side of a fleet dies, and its traffic leaves it, through the deployed function; then everything is undone.
Then the same sides are led to by a name in place of a rule.

The instances of blue are really stopped in EC2, an alarm really fires on metric data, and the weights, targets and actions that are
compared are read from the load balancer. Played is what EventBridge would do with the alarm: its event is handed to the function.
"""

import json
import time
from pathlib import Path

from local_aws import LocalAwsError, say
from sides import MOVED_WITHIN, READY_WITHIN, Sides

FLEET = "shop"
FLEET_TEMPLATE = Path(__file__).with_name("failover.yaml")

ZONE = "shop.internal"
NAME = f"www.{ZONE}"


class Failover(Sides):
    """The fleet `shop` beside the demo's other one."""

    def __init__(self, demo):
        super().__init__(demo, demo.network, FLEET, FLEET_TEMPLATE)

    def apply(self):
        self.write(Lever=json.dumps(self.by_rule()))
        say(f"[ok] applied fleet {FLEET}: blue takes the traffic of /shop, green stands by")

    def tell(self):
        """Blue dies, green takes over, everything is undone."""
        row = self.demo.timeline.row
        self.wait_until("two sides that are well, and armed", READY_WITHIN, self.is_ready)
        before = self.actions()
        row(f"{FLEET}: weights blue {self.weights()[0]}, green {self.weights()[1]}; {self.status()['outlook']}")

        dead = self.stop("blue")
        began = time.monotonic()
        self.fire("blue")
        self.wait_until("the failover", MOVED_WITHIN, lambda: self.weights() == (0, 100))
        row(f"ghostnet-failover: weights blue 0, green 100 after {time.monotonic() - began:.0f} s")
        serving, standby = self.healthy("GreenGroupArn"), self.instances("green")
        if not serving or not serving <= standby:
            raise LocalAwsError(f"behind the new weights are {sorted(serving)}, the standby is {sorted(standby)}")

        self.start(dead)
        heard = self.ask("undo")
        if heard["takers"] != ["blue"] or self.actions() != before:
            raise LocalAwsError(f"undo left {self.actions()}, before the failover it was {before}")
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
        self.write(Lever=f"{{ route53_records: [{{ zone: {zone}, name: {NAME}, type: A }}] }}")
        self.wait_until("two sides that are well", READY_WITHIN, lambda: self.healthy("BlueGroupArn") and self.healthy("GreenGroupArn"))
        self.ask("failover", "--to", "green", "--for-good")
        self.wait_until("the move of the name", MOVED_WITHIN, lambda: weights() == {"blue": 0, "green": 90})
        row(f"ghostnet-failover: {NAME} leads to green, in one batch of changes")
        self.ask("undo")
        if listed() != before:
            raise LocalAwsError(f"undo left {listed()}, before the move it was {before}")
        row(f"ghostnet undo: the records of {NAME} are exactly as they were")
