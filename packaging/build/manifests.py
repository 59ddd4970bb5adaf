#!/usr/bin/env python3
"""Prints the chart as plain manifests, for clusters without Helm. It needs helm-python-sdk from PyPI.

    packaging/build/manifests.py >packaging/kubernetes/sluicegate.yaml
"""

from pathlib import Path

import helm_python

CHART = Path(__file__).parents[1] / "helm"
HEAD = """\
# The gateway in a cluster: kubectl apply -f sluicegate.yaml
#
# Put your limits and the address of your model into the ConfigMap first. The gateway reads a changed one by itself.
# This is the chart in packaging/helm with its default values, written by packaging/build/manifests.py.
"""


def render(values=None, release="sluicegate"):
    """The chart's documents as text, in the order of their files."""
    with helm_python.Chart.load(CHART) as chart:
        rendered = chart.render(values or {}, name=release, namespace="default")
    files = [text.rstrip() for name, text in sorted(rendered.items()) if name.endswith(".yaml") and text.strip()]
    # A blank line of the policy has the indentation of its neighbours.
    return "".join("---\n" + "".join(f"{line.rstrip()}\n" for line in text.splitlines()) for text in files)


def main():
    # Helm manages none of it.
    lines = render().splitlines(keepends=True)
    helm = ("app.kubernetes.io/managed-by:", "helm.sh/chart:")
    print(HEAD + "".join(line for line in lines if not line.strip().startswith(helm)), end="")


if __name__ == "__main__":
    main()
