"""A local AWS that runs the real template: `up`, `down`, `exports`.

EC2 and ELBv2 are moto (see ec2.py), everything else is ministack, which runs the functions as plain processes. Both
listen on this machine only. State and logs are in `.local/`; only processes started from here are ever stopped.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / ".local"
STATE = LOCAL / "state.json"
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


class LocalAwsError(Exception):
    """Something that the person at the terminal can understand and mend."""


# --- what is told to whom ---


def say(text):
    print(text, file=sys.stderr, flush=True)


def exports(state):
    """The variables that make the SAM CLI, the SDKs and `ghostnet` use the local AWS."""
    return {
        "AWS_ENDPOINT_URL": f"http://{HOST}:{state['others']['port']}",
        "AWS_ENDPOINT_URL_EC2": f"http://{HOST}:{state['ec2']['port']}",
        "AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2": f"http://{HOST}:{state['ec2']['port']}",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "GHOSTNET_STACK": STACK,
    }


def environment(state):
    """This process's environment, with the local AWS in place of any real one."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    # cargo-lambda and zig stand beside this interpreter; an absolute target folder would break `sam build`
    inherited.pop("CARGO_TARGET_DIR", None)
    inherited["PATH"] = f"{BIN}{os.pathsep}{inherited.get('PATH', '')}"
    return {**inherited, **exports(state), "SAM_CLI_TELEMETRY": "0", "PYTHONUNBUFFERED": "1"}


def client(state, service, *, emulator=None):
    """A boto3 client of the local AWS. `emulator="ec2"` asks moto for a service that it is not the home of."""
    import boto3

    home = emulator or ("ec2" if service in ("ec2", "elbv2") else "others")
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=f"http://{HOST}:{state[home]['port']}",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


# --- processes ---


def load_state():
    try:
        return json.loads(STATE.read_text())
    except FileNotFoundError:
        return {}


def save_state(state):
    LOCAL.mkdir(exist_ok=True)
    STATE.write_text(json.dumps(state, indent=2) + "\n")


def started_at(pid):
    """When the process began, as `ps` words it: a process id alone may long belong to somebody else."""
    shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip()


def is_running(entry):
    return bool(entry) and bool(entry["started"]) and started_at(entry["pid"]) == entry["started"]


def free_port(wanted):
    for port in range(wanted, wanted + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                return port
    raise LocalAwsError(f"no free port from {wanted} to {wanted + 99}")


def start(name, command, env, port, health):
    log = LOCAL / f"{name}.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env, cwd=LOCAL,
            start_new_session=True,
        )
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise LocalAwsError(f"{name} ended at once\n  hint: read {log.relative_to(ROOT)}")
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}{health}", timeout=2):
                return {"pid": process.pid, "started": started_at(process.pid), "port": port}
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    raise LocalAwsError(f"{name} did not answer within {READY_WITHIN} s\n  hint: read {log.relative_to(ROOT)}")


def start_both():
    """Starts what does not run yet and returns the state."""
    LOCAL.mkdir(exist_ok=True)
    state = load_state()
    if is_running(state.get("ec2")) and is_running(state.get("others")):
        return state
    stop_both(state)

    ec2_port = free_port(EC2_PORT)
    others_port = free_port(OTHERS_PORT)
    ports = {"ec2": {"port": ec2_port}, "others": {"port": others_port}}
    scratch = LOCAL / "tmp"
    scratch.mkdir(exist_ok=True)
    env = environment(ports)
    # both make ARNs: they have to agree on the account
    env |= {"MINISTACK_ACCOUNT_ID": ACCOUNT, "MINISTACK_REGION": REGION, "TMPDIR": str(scratch)}

    state = {}
    # moto must not be told to ask itself, nor to ask ministack
    plain = {name: value for name, value in env.items() if not name.startswith("AWS_ENDPOINT_URL")}
    command = [sys.executable, str(Path(__file__).with_name("ec2.py")), "-H", HOST, "-p", str(ec2_port)]
    state["ec2"] = start("ec2", command, plain, ec2_port, "/moto-api/")
    save_state(state)
    # the functions inherit this environment: that is how they find EC2 elsewhere
    env |= {"BIND_HOST": HOST, "GATEWAY_PORT": str(others_port)}
    state["others"] = start("others", [str(BIN / "ministack")], env, others_port, "/_ministack/health")
    save_state(state)
    return state


def stop_both(state):
    for name in ("others", "ec2"):
        entry = state.pop(name, None)
        if not is_running(entry):
            continue
        with contextlib.suppress(ProcessLookupError):
            os.killpg(entry["pid"], signal.SIGTERM)
        deadline = time.monotonic() + 10
        while is_running(entry) and time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(entry["pid"], os.WNOHANG)
            time.sleep(0.1)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(entry["pid"], signal.SIGKILL)
    STATE.unlink(missing_ok=True)


# --- stacks ---


def run(title, command, state, log_name):
    """Runs one long step: its output goes to a log, and a dot every five seconds says that it lives."""
    log = LOCAL / log_name
    began = time.monotonic()
    print(f"     {title} ", end="", file=sys.stderr, flush=True)
    with log.open("w") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment(state), cwd=ROOT
        )
        try:
            while True:
                try:
                    code = process.wait(timeout=5)
                    break
                except subprocess.TimeoutExpired:
                    print(".", end="", file=sys.stderr, flush=True)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        finally:
            print(file=sys.stderr, flush=True)
    if code != 0:
        tail = "\n".join(f"  {line}" for line in log.read_text(errors="replace").splitlines()[-15:])
        raise LocalAwsError(f"{title} failed:\n{tail}\n  hint: read {log.relative_to(ROOT)}")
    return time.monotonic() - began


def build(state):
    took = run("sam build", [str(BIN / "sam"), "build"], state, "build.log")
    say(f"[ok] built 3 functions ({duration(took)})")


def deploy(state):
    """Deploys GhostNet's own template, as a user would, and returns the stack's outputs."""
    command = [
        str(BIN / "sam"), "deploy", "--stack-name", STACK, "--region", REGION,
        "--parameter-overrides", "AlarmDelivery=Sns", "TableDeletionProtection=false", "LogLevel=info",
    ]
    took = run("sam deploy", command, state, "deploy.log")
    cloudformation = client(state, "cloudformation")
    resources = cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
    say(f"[ok] deployed stack {STACK}: {len(resources)} resources ({duration(took)})")
    return outputs(cloudformation, STACK)


def deploy_network(state, installation):
    """Deploys the demo network. EC2 and ELBv2 live in moto, so its CloudFormation has to make them."""
    cloudformation = client(state, "cloudformation", emulator="ec2")
    try:
        made = outputs(cloudformation, NETWORK_STACK)
    except cloudformation.exceptions.ClientError:
        cloudformation.create_stack(
            StackName=NETWORK_STACK,
            TemplateBody=NETWORK_TEMPLATE.read_text(),
            Parameters=[{"ParameterKey": "Installation", "ParameterValue": installation}],
        )
        made = outputs(cloudformation, NETWORK_STACK)
        say(f"[ok] deployed stack {NETWORK_STACK}: 3 subnets in 3 zones, a launch template, a target group")
    # moto forgets the tags that the template gives to the target group
    client(state, "elbv2").add_tags(
        ResourceArns=[made["TargetGroupArn"]], Tags=[{"Key": "ghostnet:installation", "Value": installation}]
    )
    return made


def outputs(cloudformation, stack):
    found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    if not found["StackStatus"].endswith("_COMPLETE") or "ROLLBACK" in found["StackStatus"]:
        raise LocalAwsError(f"stack {stack} is {found['StackStatus']}")
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}


def duration(seconds):
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds // 60:.0f} m {seconds % 60:.0f} s"


# --- commands ---


def up():
    """Starts everything and returns (state, outputs of the stack, outputs of the network)."""
    state = start_both()
    say(f"[ok] local AWS: EC2/ELBv2 :{state['ec2']['port']}, everything else :{state['others']['port']}, logs in .local/")
    build(state)
    stack = deploy(state)
    network = deploy_network(state, stack["InstallationId"])
    return state, stack, network


def down():
    state = load_state()
    ran = any(is_running(state.get(name)) for name in ("ec2", "others"))
    stop_both(state)
    say("[ok] local AWS stopped, logs are in .local/" if ran else "nothing to stop")


def print_exports(state):
    for name, value in exports(state).items():
        print(f"export {name}={value}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["up", "down", "exports"])
    command = parser.parse_args().command
    if command == "up":
        state, _, network = up()
        say("")
        say("the demo network has these for a fleet spec:")
        for name in ("LaunchTemplateName", "SubnetA", "SubnetB", "SubnetC", "TargetGroupArn"):
            say(f"  {name:<20}{network[name]}")
        say("")
        say('use it with: eval "$(make -s local-exports)", stop it with: make local-down')
        print_exports(state)
    elif command == "down":
        down()
    else:
        state = load_state()
        if not is_running(state.get("others")):
            raise LocalAwsError("the local AWS does not run\n  hint: make local-up")
        print_exports(state)


if __name__ == "__main__":
    try:
        main()
    except LocalAwsError as problem:
        say(f"error: {problem}")
        sys.exit(1)
    except KeyboardInterrupt:
        say("\ninterrupted; `make local-down` stops what was started")
        sys.exit(130)
