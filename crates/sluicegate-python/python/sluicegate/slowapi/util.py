"""Key functions, which name the account that a request is charged to."""

from ..compat.slowapi.key_functions import get_ipaddr, get_remote_address

__all__ = ["get_ipaddr", "get_remote_address"]
