"""The contract of the ports, played by the AWS adapters before the local AWS: no build of the functions, no stack.

Which situations the local AWS cannot play, and what it does otherwise than AWS, is in tests/tests/contract/local/short.rs.
"""

import argparse
import os
import subprocess
import sys

from local_aws import ROOT, LocalAws, guarded

# the flags of `make check-tests`, so that nothing is compiled twice
COMMAND = ["cargo", "test", "--workspace", "--locked", "--test", "contract", "--", "local_aws"]


def main():
    # no options; this is for --help, which must not start anything
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    aws = LocalAws("contract")
    aws.stop()
    try:
        aws.start()
        # the same PATH as there, too: a build script may look at it
        env = {**aws.environment(), "PATH": os.environ["PATH"]}
        return subprocess.run(COMMAND, cwd=ROOT, env=env, check=False).returncode
    finally:
        aws.stop()


if __name__ == "__main__":
    sys.exit(guarded(main))
