"""A local AWS that runs the real template: `up`, `down`, `exports`.

EC2 and ELBv2 are moto (see ec2.py), everything else is ministack, which runs the functions as plain processes. Both
listen on this machine only. State and logs are in `.local/`; only processes started from here are ever stopped.
"""

import argparse
import contextlib
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

HOST = "127.0.0.1"
# the usual ports; the next free ones are taken when somebody else listens there
EC2_PORT, OTHERS_PORT = 5566, 4566
ACCOUNT = "123456789012"
REGION = os.environ.get("AWS_REGION", "us-east-1")
STACK = os.environ.get("GHOSTNET_STACK", "ghostnet")
NETWORK_STACK = "ghostnet-demo"
NETWORK_TEMPLATE = ROOT / "infra" / "demo" / "network.yaml"
READY_WITHIN = 60
STOPPED_WITHIN = 10
# the functions run as processes of this machine, so they have to be built for it
ARCHITECTURE = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"

_making_client = threading.Lock()


class LocalAwsError(Exception):
    """Something that the person at the terminal can understand and mend."""


class LocalAws:
    """One pair of emulators with its folder of state and logs."""

    def __init__(self, name):
        self.folder = ROOT / ".local" / name
        self._state_file = self.folder / "state.json"
        try:
            self._state = json.loads(self._state_file.read_text())
        except FileNotFoundError:
            self._state = {}

    # --- who talks to it ---

    def exports(self):
        """The variables that make the SAM CLI, the SDKs and `ghostnet` use it."""
        return {
            "AWS_ENDPOINT_URL": self._url("others"),
            "AWS_ENDPOINT_URL_EC2": self._url("ec2"),
            "AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2": self._url("ec2"),
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "GHOSTNET_STACK": STACK,
        }

    def environment(self):
        """This process's environment, with the local AWS in place of any real one."""
        return {**_without_aws(), **self.exports()}

    def client(self, service, *, home=None):
        """A boto3 client. `home="ec2"` asks moto for a service that usually is ministack's."""
        import boto3

        # chapters that are told at the same time ask for clients, and boto3 makes one at a time
        with _making_client:
            return boto3.client(
                service,
                region_name=REGION,
                endpoint_url=self._url(home or ("ec2" if service in ("ec2", "elbv2") else "others")),
                aws_access_key_id="local",
                aws_secret_access_key="local",
            )

    def _url(self, part):
        return f"http://{HOST}:{self._state[part]['port']}"

    # --- its processes ---

    def is_running(self):
        return all(_is_running(self._state.get(part)) for part in ("ec2", "others"))

    def start(self):
        """Starts what does not run yet."""
        if self.is_running():
            return
        self.stop()
        scratch = self.folder / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        # both make ARNs, so they have to agree on the account
        env = {
            **_without_aws(),
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "TMPDIR": str(scratch),
        }
        try:
            port = _free_port(EC2_PORT)
            command = [sys.executable, str(Path(__file__).with_name("ec2.py")), "-H", HOST, "-p", str(port)]
            self._start("ec2", command, env, port, "/moto-api/")

            port = _free_port(OTHERS_PORT)
            # the functions inherit this environment: that is how they find EC2 elsewhere
            env |= {
                "BIND_HOST": HOST,
                "GATEWAY_PORT": str(port),
                "AWS_ENDPOINT_URL": f"http://{HOST}:{port}",
                "AWS_ENDPOINT_URL_EC2": self._url("ec2"),
                "AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2": self._url("ec2"),
            }
            self._start("others", [str(BIN / "ministack")], env, port, "/_ministack/health")
        except BaseException:
            self.stop()
            raise
        say(f"[ok] local AWS: EC2/ELBv2 {self._url('ec2')}, everything else {self._url('others')}")

    def _start(self, part, command, env, port, health):
        log = self.folder / f"{part}.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env, cwd=self.folder,
                # Ctrl-C is for the one who asked, who then stops these in order
                start_new_session=True,
            )
        self._state[part] = {"pid": process.pid, "started": _started(process.pid), "port": port}
        self._state_file.write_text(json.dumps(self._state, indent=2) + "\n")
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise LocalAwsError(f"{command[0]} ended at once\n  hint: read {_shown(log)}")
            try:
                with urllib.request.urlopen(f"http://{HOST}:{port}{health}", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise LocalAwsError(f"{command[0]} did not answer within {READY_WITHIN} s\n  hint: read {_shown(log)}")

    def stop(self):
        """Stops what was started here, and nothing else. Returns whether anything ran."""
        ran = False
        for part in ("others", "ec2"):
            entry = self._state.pop(part, None)
            if not _is_running(entry):
                continue
            ran = True
            _signal_group(entry["pid"], signal.SIGTERM)
            deadline = time.monotonic() + STOPPED_WITHIN
            while _is_running(entry) and time.monotonic() < deadline:
                # our own child stays in the process table until it is waited for
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(entry["pid"], os.WNOHANG)
                time.sleep(0.1)
            _signal_group(entry["pid"], signal.SIGKILL)
        self._state_file.unlink(missing_ok=True)
        return ran

    # --- what is deployed into it ---

    def build(self):
        """Builds the functions as `sam deploy` wants them, and the command line."""
        # sam builds one function after the other, and each is linked by one thread: together they take half the time
        together = [str(BIN / "cargo-lambda"), "lambda", "build", "--release", "--locked", "--bins"]
        took = self.run("compiling the functions and the command line", together, "compile.log")
        say(f"[ok] compiled the functions and the command line ({duration(took)})")
        overrides = ["--parameter-overrides", f"Architecture={ARCHITECTURE}"]
        took = self.run("sam build", [str(BIN / "sam"), "build", *overrides], "build.log")
        say(f"[ok] packed the functions ({duration(took)})")

    def deploy(self):
        """Deploys GhostNet's template as a user would, and returns the stack's outputs."""
        command = [
            str(BIN / "sam"), "deploy", "--stack-name", STACK, "--region", REGION, "--parameter-overrides",
            f"Architecture={ARCHITECTURE}", "AlarmDelivery=Sns", "TableDeletionProtection=false",
        ]
        took = self.run("sam deploy", command, "deploy.log")
        cloudformation = self.client("cloudformation")
        resources = cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
        say(f"[ok] deployed stack {STACK}: {len(resources)} resources ({duration(took)})")
        return _outputs(cloudformation, STACK)

    def deploy_network(self, installation):
        """Deploys the demo network. EC2 and ELBv2 live in moto, so moto's CloudFormation has to make them."""
        cloudformation = self.client("cloudformation", home="ec2")
        try:
            made = _outputs(cloudformation, NETWORK_STACK)
        except cloudformation.exceptions.ClientError:
            cloudformation.create_stack(
                StackName=NETWORK_STACK,
                TemplateBody=NETWORK_TEMPLATE.read_text(),
                Parameters=[{"ParameterKey": "Installation", "ParameterValue": installation}],
            )
            made = _outputs(cloudformation, NETWORK_STACK)
            say(f"[ok] deployed stack {NETWORK_STACK}: 3 subnets in 3 zones, a launch template, three target groups")
        # moto drops the tags that a template gives to target groups and rules
        ours = [made[name] for name in ("TargetGroupArn", "BlueGroupArn", "GreenGroupArn", "SidesRuleArn")]
        self.client("elbv2").add_tags(ResourceArns=ours, Tags=[{"Key": "ghostnet:installation", "Value": installation}])
        return made

    def up(self):
        """Starts and deploys everything; returns the outputs of the stack and of the network."""
        self.start()
        self.build()
        stack = self.deploy()
        return stack, self.deploy_network(stack["InstallationId"])

    def run(self, title, command, log_name):
        """Runs one long step: its output goes to a log, and a dot every five seconds says that it lives."""
        log = self.folder / log_name
        began = time.monotonic()
        print(f"     {title} ", end="", file=sys.stderr, flush=True)
        with log.open("w") as out:
            process = subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=self.environment(), cwd=ROOT
            )
            try:
                while process.poll() is None:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(timeout=5)
                        break
                    print(".", end="", file=sys.stderr, flush=True)
            except BaseException:
                process.terminate()
                process.wait()
                raise
            finally:
                print(file=sys.stderr, flush=True)
        if process.returncode != 0:
            tail = "\n".join(f"  {line}" for line in log.read_text(errors="replace").splitlines()[-15:])
            raise LocalAwsError(f"{title} failed:\n{tail}\n  hint: read {_shown(log)}")
        return time.monotonic() - began


def _outputs(cloudformation, stack):
    found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    if not found["StackStatus"].endswith("_COMPLETE") or "ROLLBACK" in found["StackStatus"]:
        raise LocalAwsError(f"stack {stack} is {found['StackStatus']}")
    return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}


def _without_aws():
    """This process's environment without anything that could lead to a real AWS account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "GHOSTNET_"))}
    # an absolute target folder would break `sam build`
    kept.pop("CARGO_TARGET_DIR", None)
    # cargo-lambda and zig stand beside this interpreter
    return {**kept, "PATH": f"{BIN}{os.pathsep}{kept.get('PATH', '')}", "SAM_CLI_TELEMETRY": "0"}


def _started(pid):
    """When the process began, as `ps` words it: its id alone may long belong to somebody else."""
    shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip()


def _is_running(entry):
    return bool(entry) and bool(entry["started"]) and _started(entry["pid"]) == entry["started"]


def _signal_group(pid, number):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _free_port(wanted):
    for port in range(wanted, wanted + 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return port
    raise LocalAwsError(f"no free port from {wanted} to {wanted + 99}")


def _shown(path):
    return path.relative_to(ROOT)


def duration(seconds):
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds // 60:.0f} m {seconds % 60:.0f} s"


def say(text):
    print(text, file=sys.stderr, flush=True)


def print_exports(aws):
    for name, value in aws.exports().items():
        print(f"export {name}={value}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["up", "down", "exports"])
    command = parser.parse_args().command
    aws = LocalAws("aws")
    if command == "up":
        _, network = aws.up()
        say("\nfor a fleet spec, the demo network has:")
        for name in ("LaunchTemplateName", "SubnetA", "SubnetB", "SubnetC", "TargetGroupArn"):
            say(f"  {name:<20}{network[name]}")
        say('\nuse it with `eval "$(make -s local-exports)"`, stop it with `make local-down`\n')
        print_exports(aws)
    elif command == "down":
        ran = [name for name in ("aws", "demo", "e2e", "contract") if LocalAws(name).stop()]
        say("[ok] local AWS stopped, its logs stay in .local/" if ran else "nothing runs")
    elif aws.is_running():
        print_exports(aws)
    else:
        raise LocalAwsError("the local AWS does not run\n  hint: make local-up")


def guarded(program):
    """Runs `program`; what a person can mend is told without a stack trace."""
    try:
        return program()
    except LocalAwsError as problem:
        say(f"error: {problem}")
        return 1
    except KeyboardInterrupt:
        say("\ninterrupted")
        return 130


if __name__ == "__main__":
    sys.exit(guarded(main))
