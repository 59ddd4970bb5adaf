// Charts of counts by steps of time: areas on top of each other.

const SVG = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}) {
    const element = document.createElementNS(SVG, name);
    for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
    return element;
}

/** A picture of stacked areas, one for each class, as wide as its place. */
export class Areas {
    constructor(classes, width, height) {
        this.size = [width, height];
        this.element = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img" });
        this.paths = classes.map((name) => this.element.appendChild(svg("path", { class: name })));
        this.drawn = [];
    }

    /** Draws columns of counts, the first at the bottom, below a highest sum. The last step is left out: it still grows. */
    draw(columns, highest) {
        const [width, height] = this.size;
        const steps = columns[0].length - 1;
        let below = new Float64Array(steps);
        columns.forEach((column, index) => {
            const above = below.map((sum, place) => sum + column[place]);
            const path = area(below, above, width / (steps - 1), height, highest);
            if (this.drawn[index] !== path) {
                this.drawn[index] = path;
                this.paths[index].setAttribute("d", path);
            }
            below = above;
        });
    }

    label(text) {
        if (this.text !== text) {
            this.text = text;
            this.element.setAttribute("aria-label", text);
        }
    }
}

function area(below, above, step, height, highest) {
    const scale = highest > 0 ? height / highest : 0;
    const at = (sums, place) => `${(place * step).toFixed(1)} ${(height - sums[place] * scale).toFixed(1)}`;
    let isEmpty = true;
    let path = "";
    for (let place = 0; place < above.length; place += 1) {
        if (above[place] > below[place]) isEmpty = false;
        path += `${place === 0 ? "M" : "L"}${at(above, place)}`;
    }
    if (isEmpty) return "";
    for (let place = below.length - 1; place >= 0; place -= 1) path += `L${at(below, place)}`;
    return `${path}Z`;
}

/** The highest sum of columns, the last step aside. */
export function highest(columns) {
    let most = 0;
    for (let place = 0; place < columns[0].length - 1; place += 1) {
        let sum = 0;
        for (const column of columns) sum += column[place];
        most = Math.max(most, sum);
    }
    return most;
}

/** The round number above, of which a half is one, too: the top of an axis. */
export function roundAbove(number) {
    if (number <= 0) return 1;
    const power = 10 ** Math.floor(Math.log10(number));
    return [1, 2, 4, 6, 8, 10].find((factor) => factor * power >= number) * power;
}

/** The use of a limit: a bar with a mark at 100%, and what is above in another colour. */
export class Meter {
    constructor() {
        this.element = svg("svg", { class: "meter", viewBox: "0 0 200 10", preserveAspectRatio: "none", "aria-hidden": "true" });
        this.element.append(svg("rect", { class: "room", width: 100, height: 10 }));
        this.used = this.element.appendChild(svg("rect", { class: "used", height: 10 }));
        this.above = this.element.appendChild(svg("rect", { class: "above", x: 100, height: 10 }));
        this.element.append(svg("path", { class: "mark", d: "M100 0V10" }));
    }

    /** Shows shares of a whole. Attempts above twice the whole are drawn as that. */
    draw(share) {
        const width = Math.round(Math.min(share, 2) * 100);
        if (width === this.width) return;
        this.width = width;
        this.used.setAttribute("width", Math.min(width, 100));
        this.above.setAttribute("width", Math.max(0, width - 100));
    }
}
