// Numbers and times as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const exactClock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

export function count(number) {
    // The most common by far, and the formatter is slow.
    if (number < 1_000) return String(Math.round(number));
    return number < 100_000 ? whole.format(number) : short.format(number);
}

/** A number per second. */
export function rate(number) {
    if (number < 0.005) return "0";
    if (number < 10) return number.toFixed(number < 1 ? 2 : 1);
    return count(number);
}

export function percent(share) {
    const value = share * 100;
    return `${value > 0 && value < 10 ? value.toFixed(1) : count(value)}%`;
}

export function amount(number, unit) {
    return unit === "usd" ? `$${number.toFixed(2)}` : count(number);
}

/** The name of so many units. */
export function units(number, unit) {
    if (unit === "usd") return amount(number, unit);
    const name = unit === "concurrent" ? "slots" : unit.replace("_", " ");
    return `${count(number)} ${number === 1 ? name.replace(/s$/, "") : name}`;
}

/** A length of time in seconds. */
export function duration(seconds) {
    if (seconds < 1) return "1 s";
    if (seconds < 120) return `${Math.ceil(seconds)} s`;
    if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
    if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
    return `${Math.round(seconds / 86_400)} d`;
}

export function ago(seconds) {
    return seconds < 2 ? "now" : `${duration(seconds)} ago`;
}

/** The time of day of seconds since 1970. */
export function timeOfDay(seconds, isExact) {
    return (isExact ? exactClock : clock).format(seconds * 1000);
}
