#!/usr/bin/env python3
"""Prints the dashboard for Grafana.

    packaging/build/dashboard.py >packaging/grafana/sluicegate.json
"""

import json

# The selector of every query: the gateways that the dashboard's variables choose.
CHOSEN = 'job=~"$job",instance=~"$instance"'


def rate(metric, by="", where=""):
    matchers = f"{CHOSEN},{where}" if where else CHOSEN
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({metric}{{{matchers}}}[$__rate_interval]))"


def gauge(metric, by="", reduce="sum"):
    grouped = f" by ({by})" if by else ""
    return f"{reduce}{grouped} ({metric}{{{CHOSEN}}})"


def quantile(share, metric, by=""):
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', labels)})"


def query(expression, legend="", exemplars=False):
    return {"expr": expression, "legendFormat": legend, "exemplar": exemplars, "range": True}


def figure(title, expression, unit, description, warn_at=None):
    """One number, which turns amber at `warn_at`."""
    steps = [{"color": "text", "value": None}]
    if warn_at is not None:
        steps.append({"color": "orange", "value": warn_at})
    defaults = {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}}
    options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "graphMode": "area"}
    return panel("stat", title, description, [query(expression)], defaults, options, width=6, height=4)


def chart(title, unit, description, *queries, stacked=False, highest=None):
    """Lines over time, or areas on each other."""
    defaults = {"unit": unit, "min": 0}
    if highest is not None:
        defaults["max"] = highest
    if stacked:
        defaults["custom"] = {"fillOpacity": 25, "stacking": {"mode": "normal", "group": "A"}}
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel("timeseries", title, description, queries, defaults, options, width=8, height=8)


def panel(kind, title, description, queries, defaults, options, width, height):
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": PROMETHEUS,
        "targets": [{"refId": name, **query} for name, query in zip("ABCD", queries)],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "gridPos": {"w": width, "h": height},
    }


def variable(name, label, query):
    """A choice among the values of a label; all of them at first."""
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": PROMETHEUS,
        "query": query,
        "refresh": 2,  # when the time range changes
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def placed(rows):
    """The panels of titled rows, from left to right and from top to bottom."""
    y = 0
    for title, panels in rows.items():
        yield {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1}}
        x, y = 0, y + 1
        for one in panels:
            place = one["gridPos"]
            if x + place["w"] > COLUMNS:
                x, y = 0, y + place["h"]
            yield {**one, "gridPos": {"x": x, "y": y, **place}}
            x += place["w"]
        y += place["h"]


def build():
    requests = "sluicegate_requests_total"
    decisions = "sluicegate_decisions_total"
    denied_share = f'{rate(requests, where=DENY)} / {rate(requests)}'
    rows = {
        "Now": [
            figure("Requests", rate(requests), "reqps", "Requests a second, whatever was decided"),
            figure("Denied", denied_share, "percentunit", "Share of requests that got a 429"),
            figure("In flight", gauge("sluicegate_in_flight_requests"), "short", "Requests being served"),
            figure("Time to decide", quantile(0.99, DECIDING), "s", "99 of 100 decisions take no longer", warn_at=0.05),
        ],
        "Limits": [
            chart("Requests by decision", "reqps", "allow went to the upstream, deny got a 429, refuse another 4xx",
                  query(rate(requests, "decision"), "{{decision}}"), stacked=True),
            chart("Denials by limit", "reqps", "A request that several limits deny counts in each",
                  query(rate(decisions, "limit", DENY), "{{limit}}")),
            chart("Share denied by limit", "percentunit", "Denied decisions to all decisions of each limit",
                  query(f'{rate(decisions, "limit", DENY)} / {rate(decisions, "limit")}', "{{limit}}"), highest=1),
            chart("Requests by route", "reqps", "Requests that went to the upstream",
                  query(rate(requests, "route", 'decision="allow"'), "{{route}}")),
            chart("Denials by route and tier", "reqps", "Requests that got a 429",
                  query(rate(requests, "route, tier", DENY), "{{route}} {{tier}}")),
            chart("Shadow limits", "reqps", "Requests that a limit in shadow mode would have denied",
                  query(rate("sluicegate_shadow_denials_total", "limit"), "{{limit}}")),
        ],
        "Tokens": [
            chart("Tokens used", "short", "Tokens a second by class, unweighted, as they were settled",
                  query(rate("sluicegate_tokens_total", "class"), "{{class}}"), stacked=True),
            chart("Tokens reserved", "short", "Weighted tokens a second that requests have reserved before they ran",
                  query(rate("sluicegate_reserved_tokens_total", "class"), "{{class}}"), stacked=True),
            chart("Source of usage", "short", "Tokens a second: reported by the upstream, counted from the text, or as reserved",
                  query(rate("sluicegate_tokens_total", "source"), "{{source}}"), stacked=True),
        ],
        "Upstreams": [
            chart("Time at the upstream", "s", "From sending a request to the last byte of its response: 50 and 99 of 100",
                  query(quantile(0.5, AT_UPSTREAM, "route"), "p50 {{route}}"),
                  query(quantile(0.99, AT_UPSTREAM, "route"), "p99 {{route}}", exemplars=True)),
            chart("In flight by upstream", "short", "Requests at each upstream, until the last byte of their responses",
                  query(gauge("sluicegate_upstream_in_flight", "upstream"), "{{upstream}}")),
            chart("Upstreams that are in", "short", "1, or 0 while an upstream is ejected or down; the worst of all gateways",
                  query(gauge("sluicegate_upstream_healthy", "upstream", "min"), "{{upstream}}"), highest=1),
            chart("Failures", "reqps", "Allowed requests without a response: 502 and 504",
                  query(rate("sluicegate_upstream_failures_total", "route"), "{{route}}")),
            chart("Refusals of the upstream", "reqps", "Allowed requests that the upstream itself refused",
                  query(rate("sluicegate_upstream_refusals_total", "route, status"), "{{route}} {{status}}")),
            chart("Scale of warm-up", "percentunit", "Scale of every limit: below 1 while an upstream warms up",
                  query(gauge("sluicegate_warmup_scale", "instance", "min"), "{{instance}}"), highest=1),
        ],
        "Store": [
            chart("Store servers", "short", "1 if the server answers; the worst of all gateways. Memory has none",
                  query(gauge("sluicegate_store_server_up", "server", "min"), "{{server}}"), highest=1),
            chart("Calls of the store", "ops", "Simultaneous requests share a round trip, and chunks need none",
                  query(rate("sluicegate_store_takes_total"), "takes"),
                  query(rate("sluicegate_store_round_trips_total"), "round trips"),
                  query(rate("sluicegate_chunk_decisions_total"), "from chunks"),
                  query(rate("sluicegate_remembered_denials_total"), "remembered denials")),
            chart("Trouble with the store", "ops", "Failed calls, lost settlements, and requests decided without the store",
                  query(rate("sluicegate_store_errors_total"), "failed calls"),
                  query(rate("sluicegate_lost_settlements_total"), "lost settlements"),
                  query(rate("sluicegate_outage_decisions_total", "outage"), "decided by outage = {{outage}}")),
        ],
        "Gateways": [
            chart("Connections", "short", "Connected clients of each gateway",
                  query(gauge("sluicegate_connections", "instance"), "{{instance}}")),
            chart("Refused connections", "cps", "Connections closed because a bound was reached",
                  query(rate("sluicegate_refused_connections_total", "reason"), "{{reason}}")),
            chart("Accounts in memory", "short", "Accounts that are kept, and those a second that were forgotten for lack of room",
                  query(gauge("sluicegate_live_keys", "instance"), "{{instance}}"),
                  query(rate("sluicegate_evictions_total"), "evictions")),
        ],
    }
    return {
        "uid": "sluicegate",
        "title": "Sluicegate",
        "description": "Rate limits, tokens, upstreams and the store of Sluicegate gateways",
        "tags": ["sluicegate"],
        "timezone": "browser",
        "time": {"from": "now-3h", "to": "now"},
        "refresh": "30s",
        "graphTooltip": 1,  # one crosshair in all panels
        "schemaVersion": 42,
        "templating": {
            "list": [
                {"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus"},
                variable("job", "Job", "label_values(sluicegate_connections, job)"),
                variable("instance", "Gateway", 'label_values(sluicegate_connections{job=~"$job"}, instance)'),
            ]
        },
        "panels": [{"id": id, **panel} for id, panel in enumerate(placed(rows), 1)],
    }


COLUMNS = 24  # of a dashboard
PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
DENY = 'decision="deny"'
DECIDING = "sluicegate_decision_duration_seconds"
AT_UPSTREAM = "sluicegate_upstream_duration_seconds"

if __name__ == "__main__":
    print(json.dumps(build(), indent=1))
