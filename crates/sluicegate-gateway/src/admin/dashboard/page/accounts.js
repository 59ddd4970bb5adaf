// Looking up a caller's accounts, and resetting them.

import { amount, duration } from "./format.js";
import { ask, reason, token } from "./stream.js";
import { Table, element, say, texts } from "./table.js";

/** The form that looks up the accounts of a key. A reset takes the admin token, and accounts that were looked up. */
export class Accounts {
    constructor({ form, key, limit, told, place, reset }) {
        Object.assign(this, { key, limit, told, reset });
        this.table = new Table(place, "Accounts", [
            texts("Account", "name", ({ account }) => account),
            texts("Quota", "wide", ({ quota }) => quota),
            texts("Left", "number", ({ remaining, unit }) => amount(remaining, unit)),
            texts("Next", "number", ({ wait }) => (wait === null ? "unknown" : wait === 0 ? "now" : `in ${duration(wait)}`)),
            texts("Full", "number wide", ({ reset_after: full }) => (full === 0 ? "now" : `in ${duration(full)}`)),
        ]);
        form.addEventListener("submit", (event) => {
            event.preventDefault();
            this.#lookUp();
        });
        reset.addEventListener("click", () => this.#reset());
        this.#forget();
    }

    /** Learns whether the gateway has a token, and the names of its limits. */
    learn({ has_token: hasToken, limits }) {
        this.hasToken = hasToken;
        const names = Object.keys(limits).sort();
        if (this.names?.join() === names.join()) return;
        this.names = names;
        const options = names.map((name) => Object.assign(element("option", "", name), { value: name }));
        this.limit.replaceChildren(this.limit.firstElementChild, ...options);
    }

    /** Looks up the key of an account. */
    find(key) {
        this.key.value = key;
        this.limit.value = "";
        this.key.focus();
        this.key.scrollIntoView({ block: "center" });
        this.#lookUp();
    }

    async #lookUp() {
        this.#forget();
        const query = new URLSearchParams({ key: this.key.value.trim() });
        if (this.limit.value) query.set("limit", this.limit.value);
        const answer = await this.#ask(`limits?${query}`);
        if (!answer) return;
        this.found = query;
        const accounts = answer.limits.map((limit) => ({ ...limit, name: `${limit.account} ${limit.quota} ${limit.limit}` }));
        this.table.show(accounts);
        const number = new Set(accounts.map(({ account }) => account)).size;
        const many = `${number} ${number === 1 ? "account" : "accounts"}`;
        const mayReset = this.hasToken && token.get() !== null;
        say(this.told, mayReset ? `${many} of ${answer.key}` : `${many} of ${answer.key}. ${NO_TOKEN}`);
        say(this.reset, `Reset ${many}`);
        this.reset.hidden = !mayReset;
    }

    async #reset() {
        const answer = await this.#ask(`limits?${this.found}`, { method: "DELETE" });
        if (!answer) return;
        this.#forget();
        const names = answer.reset.map(({ account }) => account).join(", ");
        say(this.told, `Reset: ${names}. They are as if they had never been used.`);
    }

    async #ask(path, options) {
        try {
            const response = await ask(path, options);
            if (response.ok) return await response.json();
            say(this.told, await reason(response));
        } catch {
            say(this.told, "The admin port does not respond. Try again when the dashboard is live.");
        }
        return undefined;
    }

    #forget() {
        this.reset.hidden = true;
        this.table.show([]);
        say(this.told, "");
    }
}

const NO_TOKEN = "To reset accounts from this page, set gateway.admin_token in the policy.";
