// The events of the admin port, again after each lost connection.

/** The admin token, which stays in this tab. */
export const token = {
    get: () => sessionStorage.getItem("token"),
    set: (value) => sessionStorage.setItem("token", value),
};

/** Asks the admin port, with the token if there is one. */
export function ask(path, options = {}) {
    const known = token.get();
    const headers = { ...options.headers, ...(known && { authorization: `Bearer ${known}` }) };
    return fetch(path, { ...options, headers, cache: "no-store", credentials: "omit", redirect: "error" });
}

/** The reason that the admin port gave for refusing something. */
export async function reason(response) {
    const problem = await response.json().catch(() => ({}));
    return problem.detail ?? `The admin port responded with ${response.status}`;
}

/**
 * Follows the state over a range of time until it is stopped. `told` takes each event, and `heard` what becomes of the
 * connection: "live", "lost", or "refused" with the response.
 */
export function follow(range, told, heard) {
    const stopped = new AbortController();
    (async () => {
        let pause = SHORTEST_PAUSE;
        while (!stopped.signal.aborted) {
            const listening = new AbortController();
            const stop = () => listening.abort();
            stopped.signal.addEventListener("abort", stop);
            try {
                await listen(range, listening, (event) => {
                    pause = SHORTEST_PAUSE;
                    told(event);
                });
            } catch (error) {
                if (error instanceof Refused) {
                    heard("refused", error.response);
                    return;
                }
            } finally {
                stopped.signal.removeEventListener("abort", stop);
            }
            if (stopped.signal.aborted) return;
            heard("lost");
            await new Promise((resolve) => setTimeout(resolve, pause));
            pause = Math.min(2 * pause, LONGEST_PAUSE);
        }
    })();
    return () => stopped.abort();
}

class Refused extends Error {
    constructor(response) {
        super("refused");
        this.response = response;
    }
}

/** Reads events until the connection ends, or nothing has come for long. */
async function listen(range, listening, told) {
    let silence = setTimeout(() => listening.abort(), SILENCE);
    try {
        const headers = { accept: "text/event-stream" };
        const response = await ask(`dashboard/state?range=${range}`, { headers, signal: listening.signal });
        if (response.status === 401 || response.status === 403) throw new Refused(response);
        if (!response.ok) return;
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        let unread = "";
        for (;;) {
            const { done, value } = await reader.read();
            if (done) return;
            clearTimeout(silence);
            silence = setTimeout(() => listening.abort(), SILENCE);
            const events = (unread + value).split("\n\n");
            unread = events.pop();
            for (const event of events) {
                const data = event.split("\n").find((line) => line.startsWith("data: "));
                if (data) told(JSON.parse(data.slice("data: ".length)));
            }
        }
    } finally {
        clearTimeout(silence);
    }
}

// In milliseconds. An event comes each second.
const SILENCE = 6_000;
const SHORTEST_PAUSE = 250;
const LONGEST_PAUSE = 4_000;
