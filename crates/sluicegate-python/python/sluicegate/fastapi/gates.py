"""`Gates`: where the requests of each route are decided."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

from .._native import Gate, Limiter, Quota, Route
from .._route import route_of
from .route_label import label_of


class Gates:
    """One limit's gates: one for each route that it is on, made when the route's first request comes."""

    def __init__(self, limiter: Limiter, route: Route) -> None:
        # What is wrong with the route is wrong at once, and not with its first request.
        route.check(limiter)
        self._limiter = limiter
        self._route = route
        # By the id of what stands for a route, which is kept beside its gate so that nothing else gets that id.
        self._gates: dict[Any, tuple[Any, Gate]] = {}

    def of(self, scope: MutableMapping[str, Any]) -> Gate:
        """The gate of a request's route."""
        route = route_of(scope)
        known = self._gates.get((id(route), scope.get("root_path")))
        return known[1] if known is not None else self._made(scope, route, self._route, None)

    def with_quotas(self, scope: MutableMapping[str, Any], quotas: Sequence[str | Quota]) -> Gate:
        """The gate of a request's route with other quotas."""
        route = route_of(scope)
        words = tuple(quotas)
        known = self._gates.get((id(route), scope.get("root_path"), words))
        return known[1] if known is not None else self._made(scope, route, self._route.with_quotas(list(quotas)), words)

    def _made(self, scope: MutableMapping[str, Any], route: Any, spec: Route, words: Any) -> Gate:
        if len(self._gates) >= _MOST:
            # Quotas without number, or a mount with a parameter: accounts stay, only gates are made again.
            self._gates.clear()
        # Starlette adds HEAD to GET, and so it is the same route.
        methods = sorted(set(getattr(route, "methods", None) or ()) - {"HEAD"})
        gate = Gate(self._limiter, spec, label_of(scope, route), methods)
        place = (id(route), scope.get("root_path"))
        self._gates[place if words is None else (*place, words)] = (route, gate)
        return gate


_MOST = 10_000
