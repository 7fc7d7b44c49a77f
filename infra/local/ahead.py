"""One more chapter: a fleet whose load rises at the same time of every day is launched for before it does.

Three days of minutes are published to CloudWatch, `ghostnet apply` wakes the deployed forecast function, which reads them and keeps what it
expects, and the next tick launches by it, while the load itself still asks for one instance. The function has itself find settings by the same
days, and the next tick goes by them.
"""

import datetime
import json
import string
import time
from pathlib import Path

from local_aws import LocalAwsError, say

FLEET = "tide"
FLEET_TEMPLATE = Path(__file__).with_name("ahead.yaml")
NAMESPACE, METRIC = "Demo/Tide", "Requests"
# requests a minute, of which one instance carries 840
LOW, HIGH = 600, 3000
DAYS = 3
MINUTE = datetime.timedelta(minutes=1)
DAY = datetime.timedelta(days=1)
# the load rises so long from now, within the ten minutes that the fleet looks ahead
RISES_AFTER = 8 * MINUTE
VALUES_PER_CALL = 500

LEARNED_WITHIN = 60
LAUNCHED_WITHIN = 200
TUNED_WITHIN = 200
FORGOTTEN_WITHIN = 300
LOOK_EVERY = 2


class Ahead:
    """The fleet `tide`, in the demo's local AWS."""

    def __init__(self, demo):
        self.demo = demo
        self._spec = demo.aws.folder / "ahead.yaml"
        self._rises = _this_minute() + RISES_AFTER
        self._published = _this_minute() - DAYS * DAY

    def tell(self):
        """History is published, learned from, and launched by."""
        self.publish()
        self._spec.write_text(string.Template(FLEET_TEMPLATE.read_text()).substitute(self.demo.network))
        self.demo.ghostnet("--json", "apply", str(self._spec))
        self._wait_until("the forecast", LEARNED_WITHIN, self.forecast)
        say(f"[ok] the forecast function learned from {DAYS} days of minutes")
        decision = self._wait_until("a launch ahead of the load", LAUNCHED_WITHIN, self.launched_ahead)
        if datetime.datetime.now(datetime.UTC) >= self._rises:
            raise LocalAwsError("the load had risen when the fleet grew: this says nothing of forecasts\n  hint: try again")
        say(f"[ok] {decision['before']} -> {decision['after']} instances ahead of the load: {decision['why']}")
        found = self._wait_until("a look by settings that were found", TUNED_WITHIN, self.tuned)
        say(f"[ok] the night found {found['settings']} in place of {found['instead_of']}, by {found['days']} days")
        self.simulate()
        self._wait_until("the end of the fleet", FORGOTTEN_WITHIN, self.forgotten)
        if self.forecast():
            raise LocalAwsError("the forecast outlived its fleet")
        say("[ok] the forecast is deleted with the fleet")

    def tuned(self):
        """What was found, once the fleet goes by it."""
        shown = json.loads(self.demo.ghostnet("--json", "status", FLEET)).get("tuning", [])
        return next((found for found in shown if found["in_force"]), None)

    def forgotten(self):
        """Deleting drains first, and forgets once nobody is left."""
        return json.loads(self.demo.ghostnet("--json", "delete", FLEET, "--drain"))["done"] == "forgotten"

    def simulate(self):
        """The same load is read and played by the command line, the second time from what it kept."""
        command = ["--json", "simulate", "--fleet", str(self._spec), "--cloudwatch", "--days", "2", "--boot", "60s"]
        first, second = (json.loads(self.demo.ghostnet(*command)) for _ in range(2))
        hours = [[row["instance_hours"] for row in played["rows"]] for played in (first, second)]
        if [row["policy"] for row in first["rows"]] != ["optimum", "ghostnet"] or first["steps"] < 2000:
            raise LocalAwsError(f"simulate played {first['steps']} steps: {first['rows']}")
        say(f"[ok] simulate played two days of CloudWatch: {hours[0]} instance-hours, and again {hours[1]}")

    def publish(self):
        """Every minute that is over and not published yet."""
        minutes = []
        while self._published + MINUTE <= _this_minute():
            minutes.append(self._published)
            self._published += MINUTE
        cloudwatch = self.demo.aws.client("cloudwatch")
        for first in range(0, len(minutes), VALUES_PER_CALL):
            data = [
                {"MetricName": METRIC, "Timestamp": minute, "Value": self._load(minute)}
                for minute in minutes[first : first + VALUES_PER_CALL]
            ]
            cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data)

    def _load(self, minute):
        """High for an hour from the time of day on at which it rises."""
        return HIGH if (minute - self._rises) % DAY < 60 * MINUTE else LOW

    def forecast(self):
        key = {"pk": {"S": f"FLEET#{FLEET}"}, "sk": {"S": "FORECAST"}}
        return self.demo.aws.client("dynamodb").get_item(TableName=self.demo.stack["TableName"], Key=key).get("Item")

    def launched_ahead(self):
        """The first decision that wants more than the present load needs, and why."""
        self.publish()
        shown = json.loads(self.demo.ghostnet("explain", FLEET, "--since", "1h", "--json"))
        for record in shown if isinstance(shown, list) else shown["decisions"]:
            for pool in record["pools"].values():
                votes = {vote["policy"]: vote for vote in pool.get("votes", [])}
                if pool["after"] > 1 and votes["requests"]["capacity"] == 1:
                    return {**pool, "why": json.dumps(votes["ahead"]["reason"])}
        return None

    def _wait_until(self, what, within, reached):
        deadline = time.monotonic() + within
        while not (seen := reached()):
            if time.monotonic() > deadline:
                raise LocalAwsError(
                    f"{what} did not happen within {within} s\n  hint: the logs of the functions are in {self.demo.aws.folder}"
                )
            time.sleep(LOOK_EVERY)
        return seen


def _this_minute():
    return datetime.datetime.now(datetime.UTC).replace(second=0, microsecond=0)
