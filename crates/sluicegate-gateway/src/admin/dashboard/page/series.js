// The last hours of all that is counted, as the events tell it.

/** The counts of one thing: three that belong together, since the start and by steps of time. */
class Series {
    constructor(points) {
        this.totals = [0, 0, 0];
        this.values = [0, 1, 2].map(() => new Float64Array(points));
        // Per second, now.
        this.rates = [0, 0, 0];
    }

    /** Counts of the steps that are shown. */
    sum(index) {
        let sum = 0;
        for (const value of this.values[index]) sum += value;
        return sum;
    }

    shift(steps) {
        for (const values of this.values) {
            values.copyWithin(0, steps);
            values.fill(0, Math.max(0, values.length - steps));
        }
    }

    put(totals, tails) {
        this.totals = totals;
        tails?.forEach((tail, index) => {
            const values = this.values[index];
            values.set(tail, values.length - tail.length);
        });
    }
}

const KINDS = ["routes", "limits", "tokens"];

/** Everything that is known of a gateway. Its size depends on the policy, not on how long it is watched. */
export class State {
    constructor() {
        this.whole = null;
        this.recent = [];
        for (const kind of KINDS) this[kind] = new Map();
    }

    /** Takes what an event tells. */
    take(event) {
        const before = this.whole && this.time;
        if (event.whole) {
            this.whole = event.whole;
            this.recent = [];
            for (const kind of KINDS) this[kind] = new Map();
        }
        const steps = event.whole ? 0 : event.last - this.last;
        for (const kind of KINDS) this.#takeSeries(this[kind], event[kind], steps, event.whole ? 0 : event.time - before);
        this.recent = [...event.recent_denials, ...this.recent].slice(0, RECENT);
        const { last, time, gateway, upstreams, store, most_denied: mostDenied, accounts } = event;
        Object.assign(this, { last, time, gateway, upstreams, store, mostDenied, accounts });
    }

    #takeSeries(known, told, steps, seconds) {
        const { points, step } = this.whole;
        if (steps > 0) for (const series of known.values()) series.shift(Math.min(steps, points));
        for (const [name, { totals, values }] of Object.entries(told)) {
            let series = known.get(name);
            if (series === undefined) {
                series = new Series(points);
                known.set(name, series);
                if (values) series.rates = values.map((column) => (column.at(-2) ?? 0) / step);
            } else if (seconds > 0) {
                smooth(series.rates, totals.map((total, index) => total - series.totals[index]), seconds);
            }
            series.put(totals, values);
        }
        if (seconds <= 0) return;
        for (const [name, series] of known) if (!(name in told)) smooth(series.rates, [0, 0, 0], seconds);
    }

    /** The counts of all series of a kind together, by steps of time. */
    total(kind) {
        const sums = [0, 1, 2].map(() => new Float64Array(this.whole.points));
        for (const series of this[kind].values()) {
            series.values.forEach((values, index) => {
                const sum = sums[index];
                for (let place = 0; place < sum.length; place += 1) sum[place] += values[place];
            });
        }
        return sums;
    }

    /** The rates of all series of a kind together. */
    rates(kind) {
        const sums = [0, 0, 0];
        for (const { rates } of this[kind].values()) rates.forEach((rate, index) => (sums[index] += rate));
        return sums;
    }
}

/** Moves rates towards those of the last seconds, so that they can be read. */
function smooth(rates, increase, seconds) {
    const weight = Math.min(1, seconds / SMOOTH_SECONDS);
    for (let index = 0; index < rates.length; index += 1) {
        rates[index] += (Math.max(0, increase[index]) / seconds - rates[index]) * weight;
    }
}

const SMOOTH_SECONDS = 3;
const RECENT = 64;
