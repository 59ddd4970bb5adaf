"""`RateLimit`: a route of the policy file, written in Python."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from starlette.requests import HTTPConnection
from starlette.responses import Response

from .._decisions import PERMIT, decided, log_denial, logger
from .._native import Gate, Limiter, Pass, PolicyError, Quota, Route
from .._openapi import describe_limits, described_by
from .._unavailable import unavailable
from .body import read_body
from .decorated import decorated
from .exceeded import RateLimitExceeded, answer_by_default
from .gates import Gates
from .held import keep_until_sent, release_with_task
from .openapi import problem_429

if TYPE_CHECKING:
    from .._native import Algorithm, Cost

T = TypeVar("T")
Asked: TypeAlias = Callable[[HTTPConnection], T | Awaitable[T]]
Quotas: TypeAlias = str | Quota | Sequence[str | Quota]


class RateLimit:
    """Limits a route, a router or an app, as a dependency; or an endpoint, as a decorator.

        @app.post("/predict", dependencies=[Depends(RateLimit("10/minute"))])
        async def predict(): ...

        @app.post("/embed")
        @RateLimit("60/minute", "1000 items/minute", cost="/inputs")
        async def embed(): ...

    Several quotas are taken all or none. A limit belongs to its route: placed on a router or an app, each route has
    accounts of its own, unless the limit has a `name`. A client that may not pass gets the gateway's answer (429 with
    `Retry-After`, 401, 403, …); handle `RateLimitExceeded` for another.

    As a dependency it gives the request's permit, which is `settle`d with what was really used:

        @app.post("/chat")
        async def chat(permit: Annotated[Pass, Depends(RateLimit("100000 tokens/minute", cost=estimate))]):
            ...
            await permit.settle_async(used)

    Slots of concurrent quotas are held until the response has been sent.
    """

    def __init__(
        self,
        *quotas: Quotas | Asked[Quotas | None],
        key: str | Sequence[str] | Asked[str | None] = "client_ip",
        cost: Cost | str | Asked[Cost] | None = None,
        meter: str | None = None,
        max_items: int | None = None,
        tier: str | Asked[str | None] | None = None,
        tiers: Mapping[str, float | str | Quota] | None = None,
        require_tier: str | None = None,
        exempt: Asked[bool] | None = None,
        default: Quotas | None = None,
        name: str | None = None,
        algorithm: Algorithm | None = None,
        mode: Literal["enforce", "shadow"] = "enforce",
        outage: Literal["local", "allow", "deny"] | None = None,
        limiter: Limiter | None = None,
    ) -> None:
        """Raises `PolicyError` for invalid arguments, at once. Callables get the request, and may be async.

        * `quotas`: `"10/minute"`, `"5/second; 100/hour"`, a `Quota`, several of them; or one callable that gives any of these, or
          None for no limit. `"0/minute"` lets nothing pass.
        * `default`: the quotas of a request for which that callable gives nonsense, which is logged. Without them it gets 503.
        * `key`: whose account is charged: `client_ip`, `api_key`, `tenant`, `tier`, `path`, `method`, `global`,
          `header:NAME`, `query:NAME`, `cookie:NAME`, `path:NAME`, `body:/pointer`, a list of these, or a callable. An empty key
          is the client's address.
        * `cost`: what a request takes of the quotas that count items, tokens, bytes or usd, which need it; or, where there are
          none, of those that count requests, which is one unless given. A number, a JSON pointer to an array or a number in
          the body (`"/inputs"`), or a callable.
        * `meter`: the interface of a model whose tokens are counted, such as `"openai"`, in place of `cost`. A request takes an
          estimate of its tokens, which `settle_async(input_tokens=…, output_tokens=…)` replaces by those that it has used.
        * `max_items`: the most items of one request, where `cost` is their place in the body; larger requests get 413.
        * `tier`: how the caller's tier is found: `"header:NAME"` or a callable; else as the limiter's policy says.
        * `tiers`: what each tier gets: a scale of every quota, or a quota. The first is that of callers without a tier.
        * `require_tier`: the tier that callers must have; others get 403.
        * `exempt`: whose requests are not limited at all.
        * `mode`: `"shadow"` decides and counts, and never denies.
        * `outage`: what becomes of it while the store does not answer.
        * `limiter`: with the store, and the policy of which tiers, identity, warm-up, trusted proxies and header families
          are taken. Without one, all of a process share one in memory, or at `SLUICEGATE_STORE__URL`.
        """
        self._exempt = exempt
        self._denies = mode != "shadow"
        self._quotas = quotas[0] if len(quotas) == 1 and callable(quotas[0]) else None
        self._key = key if callable(key) else None
        self._cost = cost if callable(cost) else None
        self._tier = tier
        self._asks = any(callable(given) for given in (self._quotas, key, cost, tier))
        self._limiter = limiter or default_limiter()
        # The result of a callable is not known yet; everything else is checked now.
        known = [] if self._quotas else _flat(quotas)
        if not known and self._quotas is None:
            raise PolicyError('a RateLimit needs a quota: RateLimit("10/minute")')
        route = partial(
            Route,
            varies=self._quotas is not None,
            key=None if self._key else [key] if isinstance(key, str) else list(key),  # type: ignore[arg-type]
            cost=None if callable(cost) else cost,
            asks_cost=callable(cost),
            meter=meter,
            max_items=max_items,
            tier=None if callable(tier) else tier,
            tiers=list(tiers.items()) if tiers else [],
            require_tier=require_tier,
            name=name,
            algorithm=algorithm,
            mode=mode,
            outage=outage,
        )
        self._gates = Gates(self._limiter, route, known)
        if default is not None and self._quotas is None:
            raise PolicyError("a default is for quotas that a callable gives: leave it out, or give a callable")
        self._default = None if default is None else _flat([default])
        if self._default is not None:
            route(self._default).check(self._limiter)
        # FastAPI looks at this to learn that the call is to be awaited; the call itself is the class's.
        self.__call__ = self._permit  # type: ignore[method-assign]

    def __call__(self, connection: HTTPConnection, response: Response = None) -> Any:  # type: ignore[assignment]
        """As a dependency: the permit of a request, to be awaited. As a decorator: the endpoint, limited."""
        # FastAPI always gives a response. What a connection is takes longer to find out: it is an abstract class.
        if response is not None or isinstance(connection, HTTPConnection):
            return self._permit(connection, response, True)
        endpoint = decorated(connection, self._permit, sys._getframe(1).f_locals)
        described_by(endpoint, self.describe_429)
        return endpoint

    # Older releases of FastAPI cannot look up what texts of annotations mean for an object that is called.
    __call__.__annotations__.update(connection=HTTPConnection, response=Response)

    async def permit(self, connection: HTTPConnection) -> Pass | None:
        """The permit of a request, or None where it is exempt. Raises `RateLimitExceeded`.

        For what is no request of its own, such as each message of a WebSocket:

            await limit.permit(websocket)
        """
        return await self._permit(connection)

    def describe_429(self, app: Any, route: Any) -> dict[str, Any] | None:
        """The answer to what is denied, for the description of an app."""
        return problem_429(app, RateLimitExceeded) if self._denies else None

    async def _permit(
        self, connection: HTTPConnection, response: Response | None = None, ends_with_task: bool = False
    ) -> Pass | None:
        """The permit, whose lines go to the response."""
        scope = connection.scope
        if self._exempt is not None and await _asked(self._exempt, connection):
            return None
        if self._asks:
            decision = await self._ask(connection)
            if decision is None:
                return None
        else:
            decision = self._gates.of(scope).enter(scope)
        if type(decision) is not Pass:
            decision = await decided(decision, partial(read_body, connection))
            if type(decision) is not Pass:
                log_denial(decision)
                answer_by_default(scope)
                raise RateLimitExceeded(decision)
        scope[PERMIT] = decision
        if decision.holds:
            keep_until_sent(scope, decision)
            if ends_with_task:
                release_with_task(scope)
        if response is not None:
            # FastAPI adds them to the response that it makes of what the endpoint returns.
            decision.add_lines(response.raw_headers)
        return decision

    async def _ask(self, connection: HTTPConnection) -> Any:
        """The decision of a request of which callables tell something; None where they say that there is no limit."""
        scope = connection.scope
        gate = self._gates.of(scope) if self._quotas is None else await self._gate_of(self._quotas, connection)
        if gate is None:
            return None
        key = None
        if self._key is not None:
            given = await _asked(self._key, connection)
            # None identifies no caller: the client's address replaces it, as an empty key.
            key = "" if given is None else str(given)
        cost = await _asked(self._cost, connection) if self._cost is not None else None
        tier = await _asked(self._tier, connection) if callable(self._tier) else None
        try:
            return gate.enter(scope, key=key, cost=cost, tier=tier)
        except (TypeError, ValueError, OverflowError) as error:
            is_tier = not isinstance(tier, str | None)
            _log_nonsense(self._tier if is_tier else self._cost, tier if is_tier else cost, error)
            raise unavailable() from error

    async def _gate_of(self, quotas: Asked[Quotas | None], connection: HTTPConnection) -> Gate | None:
        """The gate of the quotas that a callable gives."""
        given = await _asked(quotas, connection)
        if given is None:
            return None
        try:
            return self._gates.of_quotas(connection.scope, _flat([given]))
        except (TypeError, ValueError) as error:
            _log_nonsense(quotas, given, error)
            if self._default is None:
                raise unavailable() from error
            return self._gates.of_quotas(connection.scope, self._default)


def permit(connection: HTTPConnection) -> Pass | None:
    """The permit of a request that a `RateLimit` or the middleware has let pass; of several, the last."""
    return connection.scope.get(PERMIT)


async def _asked(ask: Asked[Any], connection: HTTPConnection) -> Any:
    given = ask(connection)
    return await given if isinstance(given, Awaitable) else given


def _log_nonsense(asked: Any, given: Any, error: Exception) -> None:
    name = f"{asked.__module__}.{asked.__qualname__}" if hasattr(asked, "__qualname__") else repr(asked)
    logger.error("%s gave %r, which no limit can be made of: %s", name, given, error)


def _flat(quotas: Sequence[Any]) -> list[str | Quota]:
    flat: list[str | Quota] = []
    for quota in quotas:
        flat.extend([quota] if isinstance(quota, str | Quota) else quota)
    return flat


@cache
def default_limiter() -> Limiter:
    """The limiter that limits without one of their own share, in memory or at `SLUICEGATE_STORE__URL`.

    Tests clear it, or set its `enabled`.
    """
    return Limiter()


describe_limits()
