"""End to end, against the deployed functions in a local AWS: every event shape, the whole story of the demo, and chapters about the
forecast and about failover's other modes.

What the local AWS gets wrong is not tested here: the contract of the ports names it (docs/simulator.md), and shows it on
the simulated cloud and on replies that are computed as AWS would.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "demo"))
import demo as story  # noqa: E402  (puts this folder on the path, too)
from ahead import Ahead  # noqa: E402
from local_aws import ROOT, LocalAws, LocalAwsError, duration, guarded, say  # noqa: E402
from modes import MODES  # noqa: E402

EVENTS = ROOT / "events"
EMPTY_WITHIN = 300
FUNCTIONS = (
    "AlarmFunctionName",
    "TickFunctionName",
    "InterruptionFunctionName",
    "FailoverFunctionName",
    "ForecastFunctionName",
)
# payloads that are nobody's: each is refused in a log line, never by a failure that Lambda would repeat
STRANGE = [{}, [], "text", 17, None, {"detail-type": "Something Else", "source": "aws.ec2", "detail": {}}, {"Records": []}]


def function_for(event):
    """The function that AWS would wake with this event; those without an envelope of their own are alarms."""
    kind = event.get("detail-type", "")
    if event.get("ghostnet", "").startswith("traffic/") or "/health/" in event.get("detail", {}).get("alarmName", ""):
        return "FailoverFunctionName"
    if event.get("ghostnet", "").startswith("tune/"):
        return "ForecastFunctionName"
    if kind.startswith(("EC2 ", "AWS Health")):
        return "InterruptionFunctionName"
    if kind == "Scheduled Event" or "ghostnet" in event:
        return "TickFunctionName"
    return "AlarmFunctionName"


def invoke(functions, name, event):
    """Invokes as a test would, and returns what went wrong, or None."""
    answer = functions.invoke(FunctionName=name, Payload=json.dumps(event))
    payload = answer["Payload"].read().decode()
    return f"{answer['FunctionError']}: {payload[:300]}" if answer.get("FunctionError") else None


def check_events(demo):
    """Every file in events/, and some that are no events at all, answered without failure."""
    functions = demo.aws.client("lambda")
    files = sorted(EVENTS.glob("*.json"))
    if not files:
        raise LocalAwsError("events/ is empty\n  hint: it holds one real payload per shape")
    failures = []
    for path in files:
        event = json.loads(path.read_text())
        name = demo.stack[function_for(event)]
        failure = invoke(functions, name, event)
        failures += [f"{path.name} -> {name}: {failure}"] if failure else []
    for event in STRANGE:
        for output in FUNCTIONS:
            name = demo.stack[output]
            failure = invoke(functions, name, event)
            failures += [f"{json.dumps(event)} -> {name}: {failure}"] if failure else []
    if failures:
        raise LocalAwsError("functions failed on events:\n  " + "\n  ".join(failures))
    say(f"[ok] {len(files)} events and {len(STRANGE)} strange payloads answered")


def check_retiring(demo):
    """`ghostnet delete --drain` leaves no instance, no target and no alarm."""
    demo.ghostnet("delete", story.FLEET, "--drain", within=EMPTY_WITHIN)
    demo.timeline.row(f"deleted: fleet {story.FLEET} is drained")
    demo.wait_until("emptying", EMPTY_WITHIN, lambda alive, members: not alive and not members)
    left = demo.aws.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"ghostnet/{story.FLEET}/")["MetricAlarms"]
    if left:
        raise LocalAwsError(f"alarms are left: {[alarm['AlarmName'] for alarm in left]}")
    demo.sides.delete(EMPTY_WITHIN)
    say("[ok] delete --drain left no instance, no target and no alarm")


def tell_together(chapters):
    """Chapters that have nothing to do with each other, at the same time: each mostly waits."""
    with ThreadPoolExecutor(len(chapters)) as threads:
        told = [threads.submit(chapter.tell) for chapter in chapters]
    for chapter in told:
        chapter.result()


def main():
    # no options; this is for --help, which must not start a build
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    began = time.monotonic()
    aws = LocalAws("e2e")
    aws.stop()
    demo = story.Demo(aws)
    try:
        demo.prepare()
        check_events(demo)
        demo.apply()
        demo.sides.apply()
        demo.tell()
        problems, decided = demo.check()
        if problems:
            raise LocalAwsError("\n  ".join(["the story went wrong:", *problems]))
        say(f"[ok] grown and shrunk with {decided} decisions on record")
        demo.sides.tell()
        say("[ok] traffic left a dead side, and undo restored the rule exactly")
        demo.sides.tell_by_name()
        say("[ok] a name in Route 53 led to the other side, and undo restored its records exactly")
        check_retiring(demo)
        tell_together([Ahead(demo), *(mode(demo) for mode in MODES)])
    finally:
        if aws.is_running() and demo.stack:
            demo.keep_logs()
        aws.stop()
    say(f"[ok] end to end in {duration(time.monotonic() - began)}; logs are in {aws.folder.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
