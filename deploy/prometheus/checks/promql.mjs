// What a query names. It is no parser: it knows the queries of this folder.

const WORDS = /^(and|or|unless|offset|bool|by|without|on|ignoring|group_left|group_right|inf|nan)$/i;
const LISTS = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g;
const SELECTORS = /([a-zA-Z_:][\w:]*)?\{([^}]*)\}/g;
const MATCHERS = /(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g;

/** Its metrics, its labels, and its selectors as [metric, [label, operator, value][]]. */
export function names(expr) {
    const selectors = [...expr.matchAll(SELECTORS)].map(([, metric, matchers]) => [
        metric,
        [...matchers.matchAll(MATCHERS)].map(([, ...matcher]) => matcher),
    ]);
    const lists = [...expr.matchAll(LISTS)].flatMap(([, list]) => list.split(",").map((label) => label.trim()));
    const labels = [...selectors.flatMap(([, matchers]) => matchers.map(([label]) => label)), ...lists.filter(Boolean)];
    const bare = expr.replace(SELECTORS, "$1 ").replace(LISTS, " ").replace(/"[^"]*"|\[[^\]]*\]/g, " ");
    const words = [...bare.matchAll(/(?<![\w:.])[a-zA-Z_:][\w:]*(?!\w|:|\s*\()/g)].map(([word]) => word);
    return { metrics: [...new Set(words.filter((word) => !WORDS.test(word)))], labels: [...new Set(labels)], selectors };
}

/** The metric that these parts of a histogram belong to. */
export const family = (name) => name.replace(/_(bucket|sum|count)$/, "");
