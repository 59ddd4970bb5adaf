"""The native half of the package. Import its names from `sluicegate`."""

from ._gate import Answer as Answer
from ._gate import ClientIp as ClientIp
from ._gate import Gate as Gate
from ._gate import Pass as Pass
from ._gate import Route as Route
from ._gate import Visit as Visit
from ._limiter import Limiter as Limiter
from ._limiter import Limits as Limits
from ._values import Algorithm as Algorithm
from ._values import Balance as Balance
from ._values import Charge as Charge
from ._values import Cost as Cost
from ._values import Denial as Denial
from ._values import ManualClock as ManualClock
from ._values import Permit as Permit
from ._values import Policy as Policy
from ._values import PolicyError as PolicyError
from ._values import Quota as Quota
from ._values import StoreError as StoreError

def exposition(accept: str) -> tuple[str, str]:
    """The media type and the text of this process's metrics, in the format that `accept` prefers."""
