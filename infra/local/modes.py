"""Chapters about failover's other modes, each through the deployed functions on a fleet, groups and rules of its own: a drill and its
page in HTML, a zone that is left, a page in place of two dead sides, sides that share the traffic, and sides that take turns in one group.

They stand apart, so they are told at the same time. What is compared is read from the load balancer and from EC2. Played is what EC2
would send when an instance runs.
"""

import datetime
import json
from pathlib import Path

from local_aws import LocalAwsError, say
from sides import MOVED_WITHIN, READY_WITHIN, TOO_MANY, Sides

FLEET_TEMPLATE = Path(__file__).with_name("modes.yaml")

# a load balancer checks no group that no rule names
NEVER_ASKED_FOR = {"Field": "host-header", "HostHeaderConfig": {"Values": ["keep-checked.invalid"]}}
# one tick drains those for whom others serve, and the next one terminates them
REPLACED_WITHIN = 240


class Mode(Sides):
    """A fleet of one chapter. Subclasses say how its sides stand to each other, and tell what becomes of them."""

    FLEET = ""
    PRIORITY = 0
    LEAST = (2, 1)  # the spec's `min` of blue and green
    WELL = (2, 1)  # so many of each make the sides ready
    ROLE = "standby"
    WEIGHTS = (100, 0)

    def __init__(self, demo):
        super().__init__(demo, dict(demo.network), self.FLEET, FLEET_TEMPLATE)
        self._running = set()
        self._make_groups()
        self.network["SidesRuleArn"] = self.make_rule(self.PRIORITY, _path(f"/{self.fleet}*"), self.WEIGHTS)

    def _tags(self):
        return [{"Key": "ghostnet:installation", "Value": self.demo.stack["InstallationId"]}]

    def _make_groups(self):
        for name, side in (("BlueGroupArn", "blue"), ("GreenGroupArn", "green")):
            [made] = self.balancer().create_target_group(
                Name=f"{self.fleet}-{side}", VpcId=self.network["VpcId"], Protocol="HTTP", Port=8080, Tags=self._tags()
            )["TargetGroups"]
            self.network[name] = made["TargetGroupArn"]

    def make_rule(self, priority, condition, weights):
        """A rule that leads to both sides."""
        [made] = self.balancer().create_rule(
            ListenerArn=self.network["ListenerArn"], Priority=priority, Conditions=[condition],
            Actions=[self.forward(*weights)], Tags=self._tags(),
        )["Rules"]
        return made["RuleArn"]

    def apply(self, **failover):
        """The spec of the chapter, with this said of its failover."""
        blue, green = self.LEAST
        told = {"mode": "hot_standby", "gate": {"healthy": "50%"}, "lever": self.by_rule(), **failover}
        self.write(Blue=blue, Green=green, Role=self.ROLE, Failover=json.dumps(told))

    def wait_until(self, what, within, reached):
        """Meanwhile every instance that has come to run is told of."""

        def told_and_reached():
            running = self.instances("blue") | self.instances("green")
            for instance in running - self._running:
                self.demo.tell_functions(instance, "running")
            self._running = running
            return reached()

        return super().wait_until(what, within, told_and_reached)

    def wait_until_ready(self):
        self.wait_until(f"two sides of {self.fleet} that are well, and armed", READY_WITHIN, lambda: self.is_ready(*self.WELL))


class Drill(Mode):
    """The traffic goes to the standby on purpose, and back to exactly where it was; a page tells of it."""

    FLEET = "rehearsal"
    PRIORITY = 20
    END_ALARM = "rehearsal-orders"

    def tell(self):
        before = self.actions()
        self.refuse_out_of_its_window()
        self.make_alarm(self.END_ALARM)
        self.publish(0.0)
        self.alarm_in("OK", self.END_ALARM)
        self.apply(drill={"lasts": "5m", "end_alarms": [self.END_ALARM]})
        self.wait_until_ready()
        self.wait_until("a drill that may begin", READY_WITHIN, self.is_begun)
        self.wait_until("the drill", MOVED_WITHIN, lambda: self.weights() == (0, 100))
        self.publish(TOO_MANY)
        self.wait_until("the way back", MOVED_WITHIN, lambda: self.actions() == before and not self.status()["drill"]["is_running"])
        drill = self.status()["drill"]
        there, back = drill["to_shift"], drill["to_recover"]
        if self.END_ALARM not in drill["outcome"] or None in (there, back):
            raise LocalAwsError(f"of the drill is known {drill}")
        self.report()
        say(f"[ok] a drill moved the traffic in {there} s, an alarm ended it, it was back in {back} s, and a page tells of both")

    def refuse_out_of_its_window(self):
        """A drill is asked for half a day before its window opens."""
        opens = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=12)
        self.apply(drill={"cron": f"{opens.minute} {opens.hour} * * *", "zone": "UTC", "for": "1h", "lasts": "5m"})
        if self.is_heard_but("no window for drills is open"):
            raise LocalAwsError("a drill began half a day before its window opens")

    def is_begun(self):
        """A side that has just started may be remembered as down, until three good looks are over."""
        return self.is_heard_but("or it was never seen well")

    def is_heard_but(self, refusal):
        """Asks for a drill, which may be refused with these words."""
        try:
            return self.ask("drill")
        except LocalAwsError as refused:
            if refusal in str(refused):
                return None
            raise

    def report(self):
        """The page has both moves with their times, and every line of the timeline."""
        page = self.demo.aws.folder / "report.html"
        page.unlink(missing_ok=True)
        told = json.loads(self.demo.ghostnet("report", self.fleet, "--out", str(page), "--json"))
        moves = [(move["from"], move["to"]) for move in told["moves"]]
        timed = all(move[time] for move in told["moves"] for time in ("decided", "weights", "arrived"))
        html = page.read_text()
        missing = [line["id"] for line in told["timeline"] if line["id"] not in html]
        if moves != [("blue", "green"), ("green", "blue")] or not timed or missing or not html.startswith("<!DOCTYPE html>"):
            raise LocalAwsError(f"the report tells of {told['moves']}, and the page lacks {missing}")


class Zone(Mode):
    """A zone is left: whoever is there is replaced in the others first. Then it is used again."""

    FLEET = "harbour"
    PRIORITY = 30
    LEAST = (3, 1)
    WELL = (3, 2)

    def tell(self):
        self.apply()
        self.wait_until_ready()
        zones = self.zones("blue")
        zone = min(zones.values())
        if len(set(zones.values())) != 3:
            raise LocalAwsError(f"blue is to leave one of three zones, and is in {zones}")
        self.ask("evacuate", "--zone", zone, "--for", "1h")

        def is_left():
            blue, green = self.zones("blue"), self.zones("green")
            well = self.healthy("BlueGroupArn")
            if len(well) < self.WELL[0]:
                raise LocalAwsError(f"{sorted(well)} are left in the group while {zone} is left")
            used = {*blue.values(), *green.values()}
            return zone not in used and set(blue) == well and len(well) == self.WELL[0] and set(green) == self.healthy("GreenGroupArn")

        self.wait_until(f"the evacuation of {zone}", REPLACED_WITHIN, is_left)
        elsewhere = sorted(self.zones("blue").values())
        self.demo.ghostnet("evacuate", self.fleet, "--zone", zone, "--end")
        self.ask("scale", "--pool", "blue", "--desired", "4")
        self.wait_until(f"a launch in {zone} again", REPLACED_WITHIN, lambda: zone in self.zones("blue").values())
        say(f"[ok] {zone} was left, launch first, for {elsewhere}, and is used again")


class Page(Mode):
    """Both sides die: a page answers, and no longer than until one of them can."""

    FLEET = "kiosk"
    PRIORITY = 40
    STATUS, BODY = "503", "back soon"

    def tell(self):
        checks = self.make_rule(self.PRIORITY + 1, NEVER_ASKED_FOR, (1, 1))
        extras = self.make_rule(self.PRIORITY + 2, _path("/extras*"), self.WEIGHTS)
        page = {"status": int(self.STATUS), "body": self.BODY}
        self.apply(degraded={"fixed_response": page, "checked_by": checks, "shed_rules": [extras]})
        self.wait_until_ready()
        before = self.actions(), self.actions(extras)
        self.stop("blue", "green")
        self.fire("blue")
        self.wait_until("the page", MOVED_WITHIN, lambda: self.is_page(self.actions()) and self.is_page(self.actions(extras)))
        self.wait_until("the end of the page", READY_WITHIN, lambda: (self.actions(), self.actions(extras)) == before)
        if not self.healthy("BlueGroupArn"):
            raise LocalAwsError("the page ended before anybody could answer")
        say("[ok] a page answered while both sides were dead, and both rules are exactly as they were before")

    def is_page(self, actions):
        config = actions[0].get("FixedResponseConfig", {})
        return (config.get("StatusCode"), config.get("MessageBody")) == (self.STATUS, self.BODY)


class Shared(Mode):
    """Both sides take traffic; one that dies takes none, and gets its share back once it is well."""

    FLEET = "pair"
    PRIORITY = 50
    LEAST = (1, 1)
    WELL = (2, 2)  # each has room for the loss of the other
    ROLE = "active"
    WEIGHTS = (60, 40)

    def tell(self):
        self.apply(mode="active_active", failback="manual")
        self.wait_until_ready()
        self.stop("green")
        self.fire("green")
        self.wait_until("the loss of green", MOVED_WITHIN, lambda: self.weights() == (100, 0))
        self.quieten("green")
        self.ask("failback")
        self.wait_until("green's share", READY_WITHIN, lambda: self.weights() == self.WEIGHTS)
        if not self.healthy("GreenGroupArn"):
            raise LocalAwsError("green got its share back before it could answer")
        say("[ok] a side that died took none of the shared traffic, and got its share back")


class Swap(Mode):
    """Both sides in one target group: the standby enters and is checked, and only then the other one leaves."""

    FLEET = "turns"
    PRIORITY = 60
    LEAST = WELL = (2, 2)

    def tell(self):
        self.network["GreenGroupArn"] = self.network["BlueGroupArn"]
        self.apply(lever={"target_swap": True}, gate={"healthy": "100%"})
        self.wait_until("blue alone in the group", READY_WITHIN, lambda: self.is_alone("blue"))
        self.wait_until("green beside it", READY_WITHIN, lambda: len(self.instances("green")) == self.WELL[1])
        blue, green = self.instances("blue"), self.instances("green")
        were_both_in = False
        self.ask("failover", "--to", "green", "--for-good")

        def is_swapped():
            nonlocal were_both_in
            there = self.healthy("BlueGroupArn")
            were_both_in |= blue | green <= there
            if not (blue <= there or green <= there):
                raise LocalAwsError(f"{sorted(there)} answer while green takes over: neither {sorted(blue)} nor {sorted(green)}")
            return there == green

        self.wait_until("green alone in the group", REPLACED_WITHIN, is_swapped)
        if not were_both_in:
            raise LocalAwsError("blue left the group in the very second in which green entered it")
        say("[ok] the standby entered the group before the other side left it")

    def is_alone(self, pool):
        there = self.healthy("BlueGroupArn")
        return len(there) == self.WELL[0] and there == self.instances(pool)


def _path(pattern):
    return {"Field": "path-pattern", "PathPatternConfig": {"Values": [pattern]}}


MODES = (Drill, Zone, Page, Shared, Swap)
