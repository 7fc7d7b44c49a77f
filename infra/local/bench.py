"""How small the functions are and how fast they start: size, process start to first `next` call, peak memory.

Plays the Lambda Runtime API: a function is started, and the moment it asks for its first event is its start.
"""

import argparse
import http.server
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ["ghostnet-alarm", "ghostnet-tick", "ghostnet-interruption", "ghostnet-failover", "ghostnet-forecast"]
NEXT = "/2018-06-01/runtime/invocation/next"
STARTS = 21
READY_WITHIN = 10

# what docs/benchmarks.md promises
SIZE_MAX_MB = 12
START_MAX_MS = 20
MEMORY_MAX_MB = 20


class RuntimeApi(http.server.ThreadingHTTPServer):
    """Notes when `next` is asked for, and never answers it."""

    daemon_threads = True

    def __init__(self):
        self.asked = threading.Event()
        self.asked_at = 0.0
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == NEXT:
            self.server.asked_at = time.perf_counter()
            self.server.asked.set()
            self.rfile.read(1)

    def log_message(self, *_):
        pass


def start_once(binary, api):
    """Milliseconds from process start to the first `next`, and peak memory in MB then."""
    api.asked.clear()
    env = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}",
        "AWS_LAMBDA_FUNCTION_NAME": binary.parent.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
        "AWS_LAMBDA_LOG_GROUP_NAME": "bench",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_EC2_METADATA_DISABLED": "true",
        "GHOSTNET_TABLE": "bench",
        "GHOSTNET_INSTALLATION": "00000000-0000-0000-0000-000000000000",
        "GHOSTNET_RETENTION_DAYS": "90",
        "GHOSTNET_LOG": "info",
    }
    began = time.perf_counter()
    process = subprocess.Popen([binary], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        if not api.asked.wait(READY_WITHIN):
            process.kill()
            raise SystemExit(f"error: {binary.parent.name} asked for no event:\n{process.communicate()[0].decode()[-800:]}")
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        return (api.asked_at - began) * 1000, peak_kb / 1024
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def measure(binary, api):
    runs = [start_once(binary, api) for _ in range(STARTS)]
    return {
        "size MB": os.path.getsize(binary) / 1e6,
        "start ms, median": statistics.median(start for start, _ in runs),
        "start ms, worst": max(start for start, _ in runs),
        "memory MB, peak": max(memory for _, memory in runs),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binaries", type=Path, default=ROOT / "target" / "lambda", help="where the functions are built")
    folder = parser.parse_args().binaries
    missing = [name for name in FUNCTIONS if not (folder / name / "bootstrap").exists()]
    if missing:
        print(f"error: not built: {', '.join(missing)}\n  hint: make build", file=sys.stderr)
        return 1
    api = RuntimeApi()
    threading.Thread(target=api.serve_forever, daemon=True).start()
    over = []
    for name in FUNCTIONS:
        result = measure(folder / name / "bootstrap", api)
        print(f"{name:<24}" + "   ".join(f"{what} {value:.1f}" for what, value in result.items()))
        limits = {"size MB": SIZE_MAX_MB, "start ms, median": START_MAX_MS, "memory MB, peak": MEMORY_MAX_MB}
        over += [f"{name}: {what} {result[what]:.1f} is over {limit}" for what, limit in limits.items() if result[what] > limit]
    for text in over:
        print(f"error: {text}", file=sys.stderr)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
