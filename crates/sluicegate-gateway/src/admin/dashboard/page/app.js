// The dashboard: follows the state, and shows it when the browser is about to draw.

import { Accounts } from "./accounts.js";
import * as panels from "./panels.js";
import { State } from "./series.js";
import { follow, reason, token } from "./stream.js";
import { say } from "./table.js";
import { Traffic } from "./traffic.js";

const at = (id) => document.getElementById(id);

const state = new State();
const accounts = new Accounts({
    form: at("look-up"),
    key: at("key"),
    limit: at("limit"),
    told: at("accounts-told"),
    place: at("accounts"),
    reset: at("reset"),
});
const lookUp = (key) => accounts.find(key);
const traffic = new Traffic(at("traffic"));
const shown = [
    panels.figures(at("figures")),
    (state) => traffic.draw(state),
    panels.routes(at("routes")),
    panels.limits(at("limits")),
    panels.mostDenied(at("most-denied"), lookUp),
    panels.mostSpent(at("most-spent"), at("spent-note"), at("units"), lookUp),
    panels.tokens(at("tokens-panel"), at("tokens")),
    panels.upstreams(at("upstreams")),
    panels.store(at("store"), at("servers")),
    panels.recent(at("recent")),
];

let isDue = false;
let isLive = false;

function told(event) {
    isLive = true;
    state.take(event);
    if (event.whole) {
        accounts.learn(event.whole);
        say(at("version"), `Version ${event.whole.version}, policy of ${event.whole.policy_read}`);
    }
    if (isDue) return;
    isDue = true;
    // A page that nobody sees is not drawn, and draws once when somebody does.
    requestAnimationFrame(() => {
        isDue = false;
        if (!isLive) return;
        at("access").hidden = true;
        at("dashboard").hidden = false;
        for (const show of shown) show(state);
        status("live", ...notices());
    });
}

function notices() {
    const { draining, policy_is_current: isCurrent } = state.gateway;
    const notices = ["Live"];
    if (draining) notices.push("draining");
    if (!isCurrent) notices.push("the last reload failed, so an older policy is active");
    return notices;
}

function status(is, ...notices) {
    const place = at("status");
    place.dataset.is = is;
    say(place, notices.join(", "));
}

async function heard(what, response) {
    isLive = false;
    if (what === "lost") {
        status("lost", state.whole ? "No connection: these are the last numbers" : "No connection");
        return;
    }
    status("refused", "No access");
    say(at("access-reason"), response.status === 401 && token.get() === null ? "The dashboard needs gateway.admin_token of the policy." : await reason(response));
    at("sign-in").hidden = response.status !== 401;
    at("access").hidden = false;
    at("dashboard").hidden = true;
    at("token").focus();
}

let stop = () => {};

function start() {
    stop();
    const { value } = document.querySelector("input[name=range]:checked");
    stop = follow(value, told, heard);
}

for (const choice of document.querySelectorAll("input[name=range]")) choice.addEventListener("change", start);
at("sign-in").addEventListener("submit", (event) => {
    event.preventDefault();
    token.set(at("token").value);
    at("token").value = "";
    start();
});
start();
