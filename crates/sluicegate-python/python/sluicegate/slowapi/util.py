"""Key functions, which name the account that a request is charged to."""

from ..compat.slowapi.util import get_ipaddr, get_remote_address

__all__ = ["get_ipaddr", "get_remote_address"]
