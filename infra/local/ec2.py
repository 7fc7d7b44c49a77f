"""EC2 and ELBv2 on this machine: moto, with two things put right that GhostNet depends on.

moto launches MinCount instances where AWS launches as many as it can up to MaxCount, and it launches again when it sees
a ClientToken for the second time where AWS answers with the first reservation.
"""

import sys
import threading

from moto.core.responses import ActionResult
from moto.ec2.responses.instances import InstanceResponse
from moto.server import main

_launch = InstanceResponse.run_instances
_reservations = {}
_lock = threading.Lock()


def _launch_as_aws_does(response):
    token = response.params.get("ClientToken")
    if not token or response.params.get("DryRun"):
        return _launch_up_to_max(response)
    # AWS scopes the token by zone when a subnet is given: the same token in another zone launches again
    key = (response.current_account, response.region, response.params.get("SubnetId"), token)
    with _lock:
        if key not in _reservations:
            _launch_up_to_max(response)
            _reservations[key] = next(reversed(response.ec2_backend.reservations.values()))
        return ActionResult(_reservations[key])


def _launch_up_to_max(response):
    response.params["MinCount"] = response.params.get("MaxCount", response.params.get("MinCount", 1))
    return _launch(response)


InstanceResponse.run_instances = _launch_as_aws_does

if __name__ == "__main__":
    sys.exit(main())
