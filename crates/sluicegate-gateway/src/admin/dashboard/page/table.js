// Tables whose rows stay the same elements from one event to the next.

/** Sets the text of an element, if it is another. */
export function say(element, text) {
    if (element.said === text) return;
    element.said = text;
    element.textContent = text;
}

/** Returns what sets the text of an element, quicker than `say` for one of many. */
export function teller(element) {
    let said;
    return (text) => {
        if (said === text) return;
        said = text;
        element.textContent = text;
    };
}

/** Returns what gives an element a class or takes it away. */
export function marker(element, name) {
    let is = false;
    return (now) => {
        if (is === now) return;
        is = now;
        element.classList.toggle(name, now);
    };
}

export function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
}

function role(element, name) {
    element.setAttribute("role", name);
    return element;
}

// Charts out of sight are not drawn.
const sight = new IntersectionObserver(
    (entries) => {
        for (const { target, isIntersecting } of entries) {
            target.isInSight = isIntersecting;
            if (isIntersecting) target.drawAgain?.();
        }
    },
    { rootMargin: "200px" },
);

/**
 * A table of things that have names. Each column has a title, a class, and `make`, which fills a cell and returns how to
 * show a thing in it. With many rows, there is a field to find them, and a button to show all.
 */
export class Table {
    constructor(place, caption, columns, { empty = "", few = 12 } = {}) {
        this.columns = columns;
        this.few = few;
        this.rows = new Map();
        this.most = few;
        this.sought = "";
        this.empty = element("p", "empty", empty);
        // Roles, because narrow pages lay rows out as lines of text, and browsers then forget that they are rows.
        this.table = role(element("table"), "table");
        const title = this.table.createCaption();
        title.className = "hidden";
        title.textContent = caption;
        const head = role(role(this.table.createTHead(), "rowgroup").insertRow(), "row");
        for (const { title: text, className } of columns) head.append(role(element("th", className, text), "columnheader"));
        this.body = role(this.table.createTBody(), "rowgroup");
        this.search = element("input", "search");
        Object.assign(this.search, { type: "search", placeholder: "Find", hidden: true });
        this.search.setAttribute("aria-label", `Find in ${caption}`);
        this.search.addEventListener("input", () => {
            this.sought = this.search.value.trim().toLowerCase();
            this.show(this.things);
        });
        this.more = element("button", "more");
        Object.assign(this.more, { type: "button", hidden: true });
        this.more.addEventListener("click", () => {
            this.most = this.most === few ? Infinity : few;
            this.show(this.things);
        });
        place.replaceChildren(this.search, this.table, this.empty, this.more);
    }

    /** Shows things in this order. Each has a `name`, which is not that of another. */
    show(things) {
        this.things = things;
        const found = this.sought === "" ? things : things.filter(({ name }) => name.toLowerCase().includes(this.sought));
        const shown = found.slice(0, this.most);
        this.#showAround(things.length, found.length);
        const names = new Set(shown.map(({ name }) => name));
        for (const [name, row] of this.rows) {
            if (names.has(name)) continue;
            sight.unobserve(row.element);
            row.element.remove();
            this.rows.delete(name);
        }
        shown.forEach((thing, place) => {
            const row = this.rows.get(thing.name) ?? this.#add(thing.name);
            // Rows seldom change their places, and asking the browser for them takes time.
            if (row.place !== place) {
                const there = this.body.rows[place];
                if (row.element !== there) this.body.insertBefore(row.element, there ?? null);
                for (const other of this.rows.values()) other.place = undefined;
            }
            row.thing = thing;
            row.draw();
        });
        shown.forEach(({ name }, place) => (this.rows.get(name).place = place));
    }

    #showAround(all, found) {
        this.search.hidden = all <= MANY;
        this.table.hidden = found === 0;
        this.empty.hidden = found > 0 || this.sought !== "";
        this.more.hidden = found <= this.few;
        say(this.more, this.most === this.few ? `Show all ${found}` : `Show the first ${this.few}`);
    }

    #add(name) {
        const row = { element: role(element("tr"), "row") };
        const shows = this.columns.map(({ title, className, make }, index) => {
            const cell = role(element(index === 0 ? "th" : "td", className), index === 0 ? "rowheader" : "cell");
            cell.dataset.title = title;
            row.element.append(cell);
            return make(cell);
        });
        row.draw = () => {
            for (const show of shows) show(row.thing, row.element.isInSight !== false);
        };
        row.element.drawAgain = () => row.thing && row.draw();
        sight.observe(row.element);
        this.rows.set(name, row);
        return row;
    }
}

/** A column of texts. */
export function texts(title, className, text) {
    return {
        title,
        className,
        make: (cell) => {
            const tell = teller(cell);
            return (thing) => tell(text(thing));
        },
    };
}

/** A table of more rows has a field to find them. */
const MANY = 20;
