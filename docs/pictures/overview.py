#!/usr/bin/env python3
"""Draws where Sluicegate stands, for light and for dark pages: overview-light.svg and overview-dark.svg."""

import pathlib

FOLDER = pathlib.Path(__file__).parent
THEMES = {
    "light": {"ink": "#1f2328", "soft": "#59636e", "line": "#8c959f", "box": "#f6f8fa", "gate": "#0969da", "deny": "#bc4c00"},
    "dark": {"ink": "#f0f6fc", "soft": "#9198a1", "line": "#656c76", "box": "#151b23", "gate": "#4493f8", "deny": "#f0883e"},
}
WIDTH, HEIGHT = 880, 286


def main() -> None:
    for name, theme in THEMES.items():
        (FOLDER / f"overview-{name}.svg").write_text(drawn(theme))


def drawn(theme: dict) -> str:
    parts = [
        *box(theme, 20, 110, 170, ["Clients", "SDKs, browsers, services"]),
        *box(theme, 340, 30, 200, ["sluicegate", "the gateway"], "gate"),
        *box(theme, 340, 190, 200, ["FastAPI app", "with sluicegate for Python"], "gate"),
        *box(theme, 680, 30, 180, ["Model server", "FastAPI, vLLM, Triton, …"]),
        *box(theme, 680, 190, 180, ["Balances", "in memory or in Redis"]),
        arrow(theme, "line", "M190 128 C260 128 270 56 338 56"),
        label(theme, "soft", 232, 82, "requests"),
        arrow(theme, "deny", "M340 76 C285 76 272 142 192 142"),
        label(theme, "deny", 345, 132, "429, Retry-After: 6"),
        arrow(theme, "line", "M190 158 C260 158 270 223 338 223"),
        arrow(theme, "line", "M540 63 H678"),
        label(theme, "soft", 609, 52, "what fits"),
        arrow(theme, "line", "M540 80 C610 80 620 212 678 212"),
        label(theme, "soft", 660, 140, "take, settle"),
        arrow(theme, "line", "M540 230 H678"),
    ]
    style = "font-family='system-ui,-apple-system,Segoe UI,sans-serif'"
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' {style} role='img' "
        "aria-label='Clients send requests to Sluicegate, which passes on what fits the limits'>\n"
        f"{heads(theme)}\n" + "\n".join(parts) + "\n</svg>\n"
    )


def box(theme: dict, x: int, y: int, width: int, lines: list, edge: str = "line") -> list:
    middle = x + width / 2
    return [
        f"<rect x='{x}' y='{y}' width='{width}' height='66' rx='8' fill='{theme['box']}' stroke='{theme[edge]}' stroke-width='1.5'/>",
        f"<text x='{middle}' y='{y + 28}' text-anchor='middle' font-size='16' font-weight='600' fill='{theme['ink']}'>{lines[0]}</text>",
        f"<text x='{middle}' y='{y + 49}' text-anchor='middle' font-size='12' fill='{theme['soft']}'>{lines[1]}</text>",
    ]


def arrow(theme: dict, colour: str, path: str) -> str:
    return f"<path d='{path}' fill='none' stroke='{theme[colour]}' stroke-width='1.5' marker-end='url(#{colour})'/>"


def label(theme: dict, colour: str, x: int, y: int, text: str) -> str:
    return f"<text x='{x}' y='{y}' text-anchor='middle' font-size='12' fill='{theme[colour]}'>{text}</text>"


def heads(theme: dict) -> str:
    head = "<marker id='{0}' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='8' markerHeight='8' orient='auto'><path d='M0 0 L8 4 L0 8 z' fill='{1}'/></marker>"
    return "<defs>" + "".join(head.format(colour, theme[colour]) for colour in ("line", "deny")) + "</defs>"


if __name__ == "__main__":
    main()
