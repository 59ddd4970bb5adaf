// The panels of the page, each with what it shows of the state.

import { Areas, Meter, highest } from "./chart.js";
import { ago, amount, count, duration, percent, rate, timeOfDay, units } from "./format.js";
import { Table, element, marker, say, teller, texts } from "./table.js";

/** A column with a small chart of the columns of counts that `counts` gives. */
function graph(title, className, classes, counts, label) {
    return {
        title,
        className,
        make: (cell) => {
            const areas = new Areas(classes, 240, 28);
            cell.append(element("div", "small-chart"));
            cell.firstChild.append(areas.element);
            return (thing, isInSight) => {
                if (!isInSight) return;
                const columns = counts(thing);
                areas.draw(columns, highest(columns));
                areas.label(label(thing));
            };
        },
    };
}

/** A column of rates, of which those above zero stand out. */
function rates(title, className, value, loud) {
    return {
        title,
        className: `number ${className}`,
        make: (cell) => {
            const [tell, mark] = [teller(cell), loud ? marker(cell, loud) : () => {}];
            return (thing) => {
                const number = value(thing);
                tell(rate(number));
                mark(number >= 0.005);
            };
        },
    };
}

export function routes(place) {
    const table = new Table(place, "Routes", [
        texts("Route", "name", ({ name }) => name),
        graph("Requests", "graph", ["allowed", "denied", "refused"], ({ series }) => series.values, ({ name }) => `Requests to ${name}`),
        rates("Requests/s", "", ({ series }) => sum(series.rates)),
        rates("Denied/s", "", ({ series }) => series.rates[1], "is-bad"),
        texts("Share", "number wide", ({ sums }) => share(sums[1], sum(sums))),
        texts("Total", "number wide", ({ series }) => count(sum(series.totals))),
    ], { empty: "The policy has no routes" });
    return (state) => table.show(inOrder(state.routes, ({ sums }) => sum(sums)));
}

export function limits(place) {
    const table = new Table(place, "Limits", [
        {
            title: "Limit",
            className: "name",
            make: (cell) => {
                const [name, tag, quota] = [element("span"), element("span", "tag", "shadow"), element("small")];
                cell.append(name, " ", tag, quota);
                tag.hidden = true;
                const [tellName, tellQuota] = [teller(name), teller(quota)];
                let isShadow = false;
                return (limit) => {
                    tellName(limit.name);
                    tellQuota(limit.terms);
                    if (limit.shadow !== isShadow) tag.hidden = isShadow;
                    isShadow = limit.shadow;
                };
            },
        },
        { title: "Use", className: "bar", make: use },
        graph("Decisions", "graph wide", ["allowed", "denied", "shadow"], ({ series }) => series.values, ({ name }) => `Decisions of ${name}`),
        {
            title: "Allowed/s",
            className: "number wide",
            make: (cell) => {
                const tell = teller(cell);
                return ({ series, shadow }) => tell(shadow ? "–" : rate(series.rates[0]));
            },
        },
        {
            title: "Denied/s",
            className: "number",
            make: (cell) => {
                const [told, would] = [element("span"), element("small", "sub")];
                cell.append(told, would);
                const [tell, tellWould] = [teller(told), teller(would)];
                const [markBad, markShadow] = [marker(cell, "is-bad"), marker(cell, "is-shadow")];
                return ({ series, shadow }) => {
                    const number = series.rates[shadow ? 2 : 1];
                    tell(rate(number));
                    tellWould(shadow ? "would deny" : "");
                    markBad(!shadow && number >= 0.005);
                    markShadow(shadow && number >= 0.005);
                };
            },
        },
        texts("Total", "number wide", ({ series, shadow }) => count(series.totals[shadow ? 2 : 1])),
    ], { empty: "The policy has no limits" });
    return (state) => {
        const things = inOrder(state.limits, ({ sums }) => 1e9 * (sums[1] + sums[2]) + sums[0]);
        const known = things.filter(({ name }) => name in state.whole.limits);
        for (const thing of known) {
            const { quota, key, shadow } = state.whole.limits[thing.name];
            thing.terms = `${quota} per ${key.join(" and ")}`;
            thing.shadow = shadow;
            thing.use = state.accounts.busiest[thing.name];
        }
        table.show(known);
    };
}

/** The use of a limit: what is spent, and what denied requests asked for on top. */
function use(cell) {
    const meter = new Meter();
    const told = element("output");
    const bar = element("div", "use");
    bar.append(meter.element, told);
    cell.append(bar);
    const [tell, markAbove] = [teller(told), marker(bar, "is-above")];
    return ({ use }) => {
        const attempted = use ? use.used + use.denied : 0;
        meter.draw(attempted);
        tell(use ? percent(attempted) : "–");
        markAbove(attempted >= 1.005);
    };
}

/** A caller, whose accounts can be looked up if its key is plain. */
function caller(lookUp, isPlain) {
    return {
        title: "Caller",
        className: "name",
        make: (cell) => {
            const [text, button, limit] = [element("span"), element("button", "key"), element("small")];
            button.type = "button";
            let key;
            button.addEventListener("click", () => lookUp(key));
            cell.append(text, button, limit);
            return (thing) => {
                key = thing.key;
                button.hidden = !isPlain();
                text.hidden = isPlain();
                say(isPlain() ? button : text, key);
                say(limit, thing.limit);
            };
        },
    };
}

export function mostDenied(place, lookUp) {
    let isPlain = false;
    const table = new Table(place, "Callers denied most", [
        caller(lookUp, () => isPlain),
        texts("Denials", "number", ({ denials, at_most: most }) => (most > denials ? `≥ ${count(denials)}` : count(denials))),
        texts("Last", "number", ({ idle }) => ago(idle)),
    ], { empty: "No caller has been denied", few: 8 });
    return (state) => {
        isPlain = state.whole.log_keys === "plain";
        table.show(state.mostDenied.map(named));
    };
}

export function mostSpent(place, note, choice, lookUp) {
    let isPlain = false;
    let unit;
    const table = new Table(place, "Callers that spend most", [
        caller(lookUp, () => isPlain),
        texts("Spent", "number", ({ spent, unit }) => amount(spent, unit)),
        { title: "Use", className: "bar", make: use },
    ], { empty: "No caller has spent anything yet", few: 8 });
    return (state) => {
        isPlain = state.whole.log_keys === "plain";
        const spent = state.accounts.most_spent;
        const known = [...new Set(spent.map(({ unit }) => unit))].filter((unit) => unit !== "concurrent");
        if (!known.includes(unit)) unit = known.find((unit) => unit.includes("tokens")) ?? known[0];
        offer(choice, known, unit, (chosen) => {
            unit = chosen;
            show(state);
        });
        show(state);
    };

    function show(state) {
        say(note, `Counted for ${duration(state.accounts.counted_for)}, while a dashboard is open`);
        const spent = state.accounts.most_spent.filter((account) => account.unit === unit && account.spent > 0);
        table.show(spent.map((account) => ({ ...named(account), use: account })));
    }
}

/** Offers a choice of units, if there are several. */
function offer(choice, known, unit, choose) {
    choice.hidden = known.length < 2;
    const told = known.join();
    if (choice.told !== told) {
        choice.told = told;
        const labels = known.map((name) => {
            const [label, input] = [element("label"), element("input")];
            Object.assign(input, { type: "radio", name: "unit", value: name });
            label.append(input, element("span", "", name.replace("_", " ")));
            return label;
        });
        choice.replaceChildren(choice.firstElementChild, ...labels);
    }
    choice.onchange = ({ target }) => choose(target.value);
    for (const input of choice.querySelectorAll("input")) input.checked = input.value === unit;
}

export function tokens(panel, place) {
    const table = new Table(place, "Tokens", [
        texts("Route", "name", ({ name }) => name),
        graph("Settled", "graph", ["charged", "refunded"], ({ series }) => series.values.slice(1), ({ name }) => `Tokens of ${name}`),
        texts("Reserved", "number wide", ({ series }) => count(series.totals[0])),
        texts("Charged", "number", ({ series }) => count(series.totals[1])),
        texts("Refunded", "number", ({ series }) => count(series.totals[2])),
        rates("Charged/s", "wide", ({ series }) => series.rates[1]),
    ]);
    return (state) => {
        panel.hidden = state.tokens.size === 0;
        table.show(inOrder(state.tokens, ({ sums }) => sums[1]));
    };
}

export function upstreams(place) {
    const table = new Table(place, "Upstreams", [
        texts("Upstream", "name", ({ name }) => name),
        health("State", ({ healthy }) => healthy, "up", "out"),
        texts("Active", "number", ({ in_flight: active }) => count(active)),
        texts("Failed", "number", ({ failed }) => count(failed)),
    ]);
    return (state) => table.show(state.upstreams.map((upstream) => ({ ...upstream, name: upstream.upstream })));
}

function health(title, value, good, bad) {
    return {
        title,
        className: "",
        make: (cell) => (thing) => {
            const is = value(thing);
            say(cell, is === null ? "unknown" : is ? good : bad);
            cell.classList.toggle("is-good", is === true);
            cell.classList.toggle("is-bad", is === false);
        },
    };
}

export function store(facts, place) {
    const servers = new Table(place, "Servers of the store", [
        texts("Server", "name", ({ name }) => name),
        health("State", ({ up }) => up, "up", "down"),
        texts("Errors", "number", ({ errors }) => count(errors)),
        texts("Outages", "number", ({ outages }) => count(outages)),
    ]);
    const show = described(facts);
    return (state) => {
        const { store, whole } = state;
        const alone = Object.entries(store.outage_decisions).filter(([, number]) => number > 0);
        show([
            ["Kind", whole.store],
            ["State", store.up ? "up" : "down", store.up ? "is-good" : "is-bad"],
            ["Accounts in memory", count(store.live_keys)],
            ["Forgotten for want of room", count(store.evictions), store.evictions > 0 ? "is-bad" : ""],
            ...(store.servers.length ? [["Failed calls", count(store.errors)]] : []),
            ...alone.map(([mode, number]) => [`Decided without it: ${mode}`, count(number), "is-bad"]),
        ]);
        place.hidden = store.servers.length === 0;
        servers.show(store.servers.map((server) => ({ ...server, name: server.server })));
    };
}

export function figures(place) {
    const show = described(place, (value, text) => {
        const [number, unit] = text.split(" ");
        say(value, number);
        if (unit) value.append(element("small", "", unit));
    });
    return (state) => {
        const [allowed, denied, refused] = state.rates("routes");
        const [, charged] = state.rates("tokens");
        const { warmup, in_flight: active } = state.gateway;
        const all = allowed + denied + refused;
        show([
            ["Requests", `${rate(all)} /s`],
            ["Denied", `${rate(denied)} /s`],
            ["Share denied", share(denied, all)],
            ["Other refusals", `${rate(refused)} /s`],
            ["Active", count(active)],
            ...(state.tokens.size ? [["Tokens charged", `${rate(charged)} /s`]] : []),
            ...(warmup < 1 ? [["Warm-up, of each limit", percent(warmup), "bad"]] : []),
        ]);
    };
}

/** Terms and their descriptions, each of which may have a class. */
function described(place, put = say) {
    const known = new Map();
    const isGrouped = place.classList.contains("figures");
    return (facts) => {
        for (const [term, parts] of known) {
            if (facts.some(([name]) => name === term)) continue;
            parts.forEach((part) => part.remove());
            known.delete(term);
        }
        for (const [term, text, className = ""] of facts) {
            if (!known.has(term)) {
                const parts = [element("dt", "", term), element("dd")];
                if (isGrouped) {
                    const group = element("div");
                    group.append(...parts);
                    parts.push(group);
                }
                place.append(...(isGrouped ? [parts[2]] : parts));
                known.set(term, parts);
            }
            const parts = known.get(term);
            const value = parts[1];
            if (value.told === text) continue;
            value.told = text;
            put(value, text);
            parts.at(-1).className = className;
        }
    };
}

export function recent(place) {
    const table = new Table(place, "Recent denials", [
        texts("Time", "time", ({ time }) => timeOfDay(time, true)),
        texts("Route", "name", ({ route }) => route),
        {
            title: "Reason",
            className: "",
            make: (cell) => {
                const [limit, why] = [element("span"), element("small", "sub")];
                cell.append(limit, why);
                return (denial) => {
                    say(limit, denial.limit);
                    say(why, `${units(denial.cost, denial.unit)} asked, ${amount(denial.remaining, denial.unit)} left of ${denial.quota}`);
                };
            },
        },
        texts("Caller", "name wide", ({ key }) => key),
        texts("Wait", "number", ({ retry_after: wait }) => (wait === null ? "for ever" : duration(wait))),
    ], { empty: "No request has been denied", few: 8 });
    return (state) => table.show(state.recent.map((denial) => ({ ...denial, name: `${denial.number}` })));
}

/** Series with their names, those that `weight` finds heaviest first. */
function inOrder(series, weight) {
    const things = [...series].map(([name, series]) => ({ name, series, sums: [0, 1, 2].map((index) => series.sum(index)) }));
    for (const thing of things) thing.weight = weight(thing);
    return things.sort((one, other) => other.weight - one.weight || (one.name < other.name ? -1 : 1));
}

function named(account) {
    return { ...account, name: `${account.limit} ${account.key}` };
}

function sum([one, two, three]) {
    return one + two + three;
}

function share(part, whole) {
    return whole > 0 ? percent(part / whole) : "–";
}
