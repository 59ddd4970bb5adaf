"""`Gates`: where the requests of each route are decided."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

from .._native import Gate, Limiter, Quota, Route
from .._route import route_of
from .route_label import label_of


class Gates:
    """One limit's gates: one for each route that it is on, made when the route's first request comes."""

    def __init__(
        self, limiter: Limiter, route: Callable[[list[str | Quota]], Route], quotas: list[str | Quota]
    ) -> None:
        """`route` makes a route of quotas: these, or those that its requests bring."""
        self._limiter = limiter
        self._make = route
        self._route = route(quotas)
        # An error in the route is raised at once, not at its first request.
        self._route.check(limiter)
        # By the id of the route's object, which is kept beside its gate so that no other object gets that id.
        self._gates: dict[Any, tuple[Any, Gate]] = {}
        self._varying: dict[Any, tuple[Any, Gate]] = {}
        # Most limits are on one route. These are its object, the root of its app, and its gate.
        self._latest: tuple[Any, Any, Gate] | None = None

    def of(self, scope: MutableMapping[str, Any]) -> Gate:
        """The gate of a request's route."""
        route, root = route_of(scope), scope.get("root_path")
        latest = self._latest
        if latest is not None and latest[0] is route and latest[1] == root:
            return latest[2]
        place = (id(route), root)
        known = self._gates.get(place)
        if known is None:
            known = self._keep(self._gates, _MOST_ROUTES, place, route, self._gate(scope, route, self._route))
        self._latest = (route, root, known[1])
        return known[1]

    def of_quotas(self, scope: MutableMapping[str, Any], quotas: list[str | Quota]) -> Gate:
        """The gate of a request's route with the quotas that the request brings."""
        route = route_of(scope)
        place = (id(route), scope.get("root_path"), *quotas)
        known = self._varying.get(place)
        if known is None:
            gate = self._gate(scope, route, self._make(quotas))
            known = self._keep(self._varying, _MOST_QUOTAS, place, route, gate)
        return known[1]

    def _gate(self, scope: MutableMapping[str, Any], route: Any, spec: Route) -> Gate:
        # Starlette adds HEAD to GET, and so it is the same route.
        methods = sorted(set(getattr(route, "methods", None) or ()) - {"HEAD"})
        return Gate(self._limiter, spec, label_of(scope, route), methods)

    @staticmethod
    def _keep(gates: dict[Any, tuple[Any, Gate]], most: int, place: Any, route: Any, gate: Gate) -> tuple[Any, Gate]:
        if len(gates) >= most:
            # Accounts are the store's, and stay: gates are only made again.
            gates.clear()
        gates[place] = (route, gate)
        return gates[place]


_MOST_ROUTES = 10_000
"""More than an app has, but for one that is mounted under a parameter."""
_MOST_QUOTAS = 100
"""Of one limit: plans that are sold are few, and a quota made of what a client sends is without number."""
