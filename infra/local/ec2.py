"""EC2 and ELBv2 on this machine: moto, with what GhostNet depends on put right.

moto launches MinCount instances where AWS launches as many as it can up to MaxCount, and knows no ClientToken: AWS answers
the same request with the first reservation, and refuses another one, or one whose instances are gone. moto registers the
targets before the one that it refuses, where AWS registers all or none, and refuses to deregister what is no target.
The contract of the ports (`make contract-local`) says what else is different.
"""

import sys
import threading

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.instances import InstanceResponse
from moto.elbv2.exceptions import TargetNotRunning
from moto.elbv2.models import FakeTargetGroup
from moto.server import main

_launch = InstanceResponse.run_instances
_register = FakeTargetGroup.register
_deregister = FakeTargetGroup.deregister
_launched = {}
_lock = threading.Lock()


def _launch_as_aws_does(response):
    token = response.params.get("ClientToken")
    if not token or response.params.get("DryRun"):
        return _launch_up_to_max(response)
    # AWS scopes the token by zone when a subnet is given: the same token in another zone launches again
    key = (response.current_account, response.region, response.params.get("SubnetId"), token)
    asked = repr(response.params)
    with _lock:
        if key not in _launched:
            _launch_up_to_max(response)
            _launched[key] = (asked, next(reversed(response.ec2_backend.reservations.values())))
        first, reservation = _launched[key]
    if asked != first:
        raise EC2ClientError("IdempotentParameterMismatch", "the client token was used with other parameters")
    if all(instance.state == "terminated" for instance in reservation.instances):
        raise EC2ClientError("IdempotentInstanceTerminated", "the instances of this client token are terminated")
    return ActionResult(reservation)


def _launch_up_to_max(response):
    response.params["MinCount"] = response.params.get("MaxCount", response.params.get("MinCount", 1))
    return _launch(response)


def _register_all_or_none(group, targets):
    for target in targets if group.target_type == "instance" else []:
        instance = group.ec2_backend.get_instance_by_id(target["Id"])
        if not instance or instance.state != "running":
            raise TargetNotRunning(instance_id=target["Id"])
    _register(group, targets)


def _deregister_what_is_registered(group, targets):
    _deregister(group, [target for target in targets if target["Id"] in group.targets])


InstanceResponse.run_instances = _launch_as_aws_does
FakeTargetGroup.register = _register_all_or_none
FakeTargetGroup.deregister = _deregister_what_is_registered

if __name__ == "__main__":
    sys.exit(main())
