// The HTTP API of Prometheus.

const WAIT_MS = 20_000;

export class Prometheus {
    #url;

    constructor(url) {
        this.#url = url;
    }

    async #get(path, parameters = {}) {
        const query = new URLSearchParams(parameters);
        const answer = await fetch(`${this.#url}/api/v1/${path}?${query}`, { signal: AbortSignal.timeout(WAIT_MS) });
        const { status, data, error } = await answer.json();
        if (status !== "success") throw new Error(`${path} ${parameters.query ?? ""}: ${error}`);
        return data;
    }

    /** The series of a query, each with its labels and its numbers. */
    async range(query, start, end, step) {
        const { result } = await this.#get("query_range", { query, start, end, step });
        return result.map(({ metric, values }) => ({ labels: metric, values: values.map(([, text]) => Number(text)) }));
    }

    /** The labels of all series that a selector finds. */
    series(match, start, end) {
        return this.#get("series", { "match[]": match, start, end });
    }

    /** The metrics that were scraped; histograms by the name of the whole. */
    async scraped() {
        return Object.keys(await this.#get("metadata"));
    }

    async rules() {
        return (await this.#get("rules")).groups.flatMap(({ rules }) => rules);
    }

    /** Those that fire, and those that will if it stays so. */
    async alerts() {
        return (await this.#get("alerts")).alerts;
    }
}
