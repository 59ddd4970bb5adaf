// The large chart: all requests of the gateway.

import { Areas, highest, roundAbove } from "./chart.js";
import { rate, timeOfDay } from "./format.js";
import { element, say } from "./table.js";

/** A chart of all requests, with axes. Pointing at it, or the arrow keys, tell the numbers of a step. */
export class Traffic {
    constructor(place) {
        this.areas = new Areas(["allowed", "denied", "refused"], 960, 176);
        this.axis = element("div", "axis");
        this.axis.append(element("span"), element("span"), element("span", "", "0"));
        this.plot = element("div", "plot");
        this.plot.tabIndex = 0;
        this.plot.setAttribute("role", "group");
        this.plot.setAttribute("aria-label", "Requests by time; the arrow keys tell the numbers of a step");
        this.cursor = element("div", "cursor");
        this.cursor.hidden = true;
        this.told = element("p", "told");
        this.told.setAttribute("aria-live", "polite");
        this.plot.append(this.areas.element, this.cursor, this.told);
        this.times = element("div", "times");
        this.times.append(element("span"), element("span"), element("span"));
        place.append(this.axis, this.plot, this.times);
        this.plot.addEventListener("pointermove", (event) => {
            const { left, width } = this.plot.getBoundingClientRect();
            this.#point(Math.round(((event.clientX - left) / width) * (this.steps - 1)));
        });
        this.plot.addEventListener("pointerleave", () => this.#point(null));
        this.plot.addEventListener("blur", () => this.#point(null));
        this.plot.addEventListener("keydown", (event) => {
            const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
            if (by === undefined) return;
            event.preventDefault();
            this.#point((this.pointed ?? this.steps) + by);
        });
    }

    draw(state) {
        const { step } = state.whole;
        this.state = state;
        this.columns = state.total("routes");
        // The last step is not over.
        this.steps = this.columns[0].length - 1;
        const top = roundAbove(highest(this.columns) / step);
        this.areas.draw(this.columns, top * step);
        const [allowed, denied, refused] = state.rates("routes");
        this.areas.label(`Requests per second, now: ${rate(allowed)} allowed, ${rate(denied)} denied, ${rate(refused)} refused`);
        say(this.axis.children[0], rate(top));
        say(this.axis.children[1], rate(top / 2));
        [0, (this.steps - 1) / 2, this.steps - 1].forEach((place, index) => {
            say(this.times.children[index], timeOfDay(this.#time(place)));
        });
        this.#tell();
    }

    /** The time at which a step began. */
    #time(place) {
        const { last, whole } = this.state;
        return (last - this.steps + place) * whole.step;
    }

    #point(place) {
        this.pointed = place === null ? null : Math.max(0, Math.min(place, this.steps - 1));
        this.#tell();
    }

    #tell() {
        const place = this.pointed ?? null;
        this.cursor.hidden = place === null;
        this.told.hidden = place === null;
        if (place === null) return;
        this.cursor.style.left = `${(place / (this.steps - 1)) * 100}%`;
        const { step } = this.state.whole;
        const [allowed, denied, refused] = this.columns.map((column) => rate(column[place] / step));
        say(this.told, `${timeOfDay(this.#time(place), true)}: ${allowed}/s allowed, ${denied}/s denied, ${refused}/s refused`);
    }
}
